"""What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
200 or another 2xx. Fields of `data` that are not in the contract are not sent."""

import json

from componentize_py_types import Err
@0.1 from wit_world.exports.sender import InvocationStatus, Rejection, SendError_Rejected
@0.2 from wit_world.imports import batch
@0.2 from wit_world.imports.swamp_telemetry_types import (
@0.2     Failure_Rejected,
@0.2     InvocationStatus,
@0.2     Outcome_Taken,
@0.2     Rejection,
@0.2 )

PATH = "/v1/logs"

SEVERITY = {
    InvocationStatus.SUCCESS: (9, "INFO"),
    InvocationStatus.USER_ERROR: (13, "WARN"),
    InvocationStatus.ERROR: (17, "ERROR"),
    None: (None, None),
}


def body(entries, distinct_id):
    resource = attributes({"service.name": string("swamp"), "swamp.repo.id": string(distinct_id)})
@0.1     scope_logs = [{"scope": {"name": "swamp"}, "logRecords": [record(entry) for entry in entries]}]
@0.2     records = [record(entry.id, batch.fields(index)) for index, entry in enumerate(entries)]
@0.2     scope_logs = [{"scope": {"name": "swamp"}, "logRecords": records}]
    return json.dumps({"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": scope_logs}]})


@0.1 def record(entry):
@0.2 def record(entry_id, fields):
    number, name = SEVERITY[{{fields}}.status]
    words = ["swamp", {{fields}}.command, {{fields}}.subcommand, *({{fields}}.args or [])]
@0.1     fields = {
@0.2     told = {
        "timeUnixNano": nanoseconds({{fields}}.started_at),
        "observedTimeUnixNano": nanoseconds({{fields}}.completed_at),
        "severityNumber": number,
        "severityText": name,
        "body": string(" ".join(word for word in words if word is not None)),
        "attributes": attributes(
            {
@0.1                 "swamp.entry.id": string(entry.id),
@0.2                 "swamp.entry.id": string(entry_id),
                "swamp.command": string({{fields}}.command),
                "swamp.subcommand": string({{fields}}.subcommand),
                "swamp.args": strings({{fields}}.args),
                "swamp.option_keys": strings({{fields}}.option_keys),
                "swamp.global_options": strings({{fields}}.global_options),
                "swamp.status": string({{fields}}.status and {{fields}}.status.name.lower()),
                "swamp.duration_ms": integer({{fields}}.duration_ms),
                "process.exit.code": integer({{fields}}.exit_code),
                "error.type": string({{fields}}.error_type),
                "exception.message": string({{fields}}.error_message),
                "service.version": string({{fields}}.swamp_version),
                "os.type": string({{fields}}.platform),
            }
        ),
    }
@0.1     return {key: value for key, value in fields.items() if value is not None}
@0.2     return {key: value for key, value in told.items() if value is not None}


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


@0.1 def outcome(answer):
@0.2 def outcomes(entries, answer):
    """Any 2xx is a success, but for records that its body says were not taken, and but for a web page: a sign-in answers
@0.1     with one."""
@0.2     with one.
@0.2 
@0.2     The body tells how many records were not taken, and not which: so the whole batch is refused, and the host sends it in
@0.2     smaller parts. What was taken comes again then, with the same `swamp.entry.id`."""
    if not 200 <= answer.status <= 299:
        try:
            reason = answer.text()
        except Err:
            reason = ""
@0.1         raise Err(SendError_Rejected(Rejection(answer.status, reason)))
@0.2         raise Err(Failure_Rejected(Rejection(answer.status, reason)))
    body = answer.text()
    if body.lstrip("\ufeff \t\r\n").startswith("<"):
@0.1         raise Err(SendError_Rejected(Rejection(answer.status, "the answer is a web page")))
@0.2         raise Err(Failure_Rejected(Rejection(answer.status, "the answer is a web page")))
    why = not_taken(body)
    # A refusal of what was sent: the host finds the records at fault by sending smaller batches.
    if why is not None:
@0.1         raise Err(SendError_Rejected(Rejection(400, why)))
@0.2         raise Err(Failure_Rejected(Rejection(400, why)))
@0.2     return [Outcome_Taken() for _ in entries]


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
