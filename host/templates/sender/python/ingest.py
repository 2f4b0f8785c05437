"""What the endpoint understands: `POST {endpoint}/ingest`, answered by 202."""

import json

from componentize_py_types import Err
@0.1 from wit_world.exports.sender import Rejection, SendError_Rejected
@0.2 from wit_world.imports.swamp_telemetry_types import Failure_Rejected, Outcome_Taken, Rejection

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


@0.1 def outcome(answer):
@0.2 def outcomes(entries, answer):
@0.2     """The endpoint takes a batch as a whole. For one that says of each entry what became of it, so does this."""
    if answer.status == 202:
@0.1         return
@0.2         return [Outcome_Taken() for _ in entries]
    try:
        reason = answer.text()
    except Err:
        reason = ""
@0.1     raise Err(SendError_Rejected(Rejection(answer.status, reason)))
@0.2     raise Err(Failure_Rejected(Rejection(answer.status, reason)))
