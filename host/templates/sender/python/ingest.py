"""What the endpoint understands: `POST {endpoint}/ingest`, answered by 202."""

import json

from componentize_py_types import Err
from wit_world.exports.sender import Rejection, SendError_Rejected

PATH = "/ingest"


def body(entries, distinct_id):
    """One event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which
    this sender does not know arrive too."""
    events = [
        f'{{"event":"cli_invocation","distinct_id":{json.dumps(distinct_id)},'
        f'"insert_id":{json.dumps(entry.id)},"properties":{entry.data}}}'
        for entry in entries
    ]
    return events[0] if len(events) == 1 else f'{{"events":[{",".join(events)}]}}'


def outcome(answer):
    if answer.status == 202:
        return
    try:
        reason = answer.text()
    except Err:
        reason = ""
    raise Err(SendError_Rejected(Rejection(answer.status, reason)))
