"""What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
200 or another 2xx. Fields of `data` that are not in the contract are not sent."""

import json

from componentize_py_types import Err
from wit_world.exports.sender import InvocationStatus, Rejection, SendError_Rejected

PATH = "/v1/logs"

SEVERITY = {
    InvocationStatus.SUCCESS: (9, "INFO"),
    InvocationStatus.USER_ERROR: (13, "WARN"),
    InvocationStatus.ERROR: (17, "ERROR"),
    None: (None, None),
}


def body(entries, distinct_id):
    resource = attributes({"service.name": string("swamp"), "swamp.repo.id": string(distinct_id)})
    scope_logs = [{"scope": {"name": "swamp"}, "logRecords": [record(entry) for entry in entries]}]
    return json.dumps({"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": scope_logs}]})


def record(entry):
    number, name = SEVERITY[entry.status]
    words = ["swamp", entry.command, entry.subcommand, *(entry.args or [])]
    fields = {
        "timeUnixNano": nanoseconds(entry.started_at),
        "observedTimeUnixNano": nanoseconds(entry.completed_at),
        "severityNumber": number,
        "severityText": name,
        "body": string(" ".join(word for word in words if word is not None)),
        "attributes": attributes(
            {
                "swamp.entry.id": string(entry.id),
                "swamp.command": string(entry.command),
                "swamp.subcommand": string(entry.subcommand),
                "swamp.args": strings(entry.args),
                "swamp.option_keys": strings(entry.option_keys),
                "swamp.global_options": strings(entry.global_options),
                "swamp.status": string(entry.status and entry.status.name.lower()),
                "swamp.duration_ms": integer(entry.duration_ms),
                "process.exit.code": integer(entry.exit_code),
                "error.type": string(entry.error_type),
                "exception.message": string(entry.error_message),
                "service.version": string(entry.swamp_version),
                "os.type": string(entry.platform),
            }
        ),
    }
    return {key: value for key, value in fields.items() if value is not None}


def attributes(values):
    return [{"key": key, "value": value} for key, value in values.items() if value is not None]


def string(value):
    return None if value is None else {"stringValue": value}


def strings(values):
    return None if values is None else {"arrayValue": {"values": [string(value) for value in values]}}


def integer(value):
    """64-bit numbers are texts in OTLP's JSON. What does not fit one is left out."""
    return None if value is None or value >= 2**63 else {"intValue": str(value)}


def nanoseconds(millis):
    return None if millis is None or millis * 1_000_000 >= 2**64 else str(millis * 1_000_000)


def outcome(answer):
    """Any 2xx is a success, but for records that its body says were not taken, and but for a web page: a sign-in answers
    with one."""
    if not 200 <= answer.status <= 299:
        try:
            reason = answer.text()
        except Err:
            reason = ""
        raise Err(SendError_Rejected(Rejection(answer.status, reason)))
    body = answer.text()
    if body.lstrip("\ufeff \t\r\n").startswith("<"):
        raise Err(SendError_Rejected(Rejection(answer.status, "the answer is a web page")))
    why = not_taken(body)
    # A refusal of what was sent: the host finds the records at fault by sending smaller batches.
    if why is not None:
        raise Err(SendError_Rejected(Rejection(400, why)))


def not_taken(answer):
    """Why records were not taken, if the answer to a success says so. Protobuf's JSON has two spellings of each name."""
    try:
        told = json.loads(answer)
        partial = told.get("partialSuccess") or told["partial_success"]
        count = int(partial.get("rejectedLogRecords") or partial["rejected_log_records"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    why = partial.get("errorMessage") or partial.get("error_message")
    return (why or f"{count} records were not taken") if count > 0 else None
