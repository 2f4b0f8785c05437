"""One POST over `wasi:http`. The host ends it at the batch's deadline."""

from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
@0.1 from wit_world.exports.sender import (
@0.2 from wit_world.imports import monotonic_clock, outgoing_handler, poll
@0.2 from wit_world.imports import wasi_http_types as types
@0.2 from wit_world.imports.streams import StreamError_Closed
@0.2 from wit_world.imports.swamp_telemetry_types import (
@0.2     Failure_InvalidConfiguration,
@0.2     Failure_Other,
@0.2     Failure_Rejected,
@0.2     Failure_Unreachable,
    Rejection,
@0.1     SendError_InvalidConfiguration,
@0.1     SendError_Other,
@0.1     SendError_Rejected,
@0.1     SendError_Unreachable,
)
@0.1 from wit_world.imports import monotonic_clock, outgoing_handler, poll, types
@0.1 from wit_world.imports.streams import StreamError_Closed

# How much the host sends, in bytes.
REQUEST_BYTES = 8 * 1024 * 1024
# How much of an answer's body is read, in bytes.
BODY_BYTES = 64 * 1024
# How long an answer's body is waited for, in nanoseconds: less than the batch has, so that the status is told.
BODY_WAIT = 2_000_000_000

DENIED = (types.ErrorCode_HttpRequestDenied, types.ErrorCode_DestinationIpProhibited)


class Answer:
    def __init__(self, response):
        self.response = response
        self.status = response.status()

    def retry_after(self):
        """The `retry-after` header, if it is a number of seconds."""
        with self.response.headers() as headers:
            value = b"".join(headers.get("retry-after")[:1]).strip()
        return int(value) if value.isdigit() and len(value) < 10 else None

    def text(self):
        """The body as text, up to its first 64 KiB; an error if it breaks off or does not come."""
        cut_short = Err({{Failure}}_Unreachable("the answer was cut short"))
        read = b""
        with (
            self.response.consume() as body,
            body.stream() as stream,
            stream.subscribe() as readable,
            monotonic_clock.subscribe_duration(BODY_WAIT) as timeout,
        ):
            while len(read) < BODY_BYTES:
                poll.poll([readable, timeout])
                if not readable.ready():
                    raise cut_short
                try:
                    read += stream.read(BODY_BYTES - len(read))
                except Err as error:
                    if isinstance(error.value, StreamError_Closed):
                        break
                    raise cut_short
        return read.decode(errors="replace")


def post_json(url, user_agent, body):
    if len(body) > REQUEST_BYTES:
        # The host sends smaller batches then.
        raise Err({{Failure}}_Rejected(Rejection(413, "the batch is larger than 8 MiB")))
    try:
        request = new_request(url, user_agent, len(body))
    except Err:
        raise Err({{Failure}}_InvalidConfiguration("the endpoint must be an http or https URL"))
    try:
        outgoing = request.body()
        pending = outgoing_handler.handle(request, None)
        # A body that was cut short stays open until the answer is there: closing it would end the request.
        if write(outgoing, body, pending):
            types.OutgoingBody.finish(outgoing, None)
        with pending.subscribe() as answered:
            answered.block()
        match pending.get():
            case Ok(Ok(response)):
                return Answer(response)
            case Ok(Err() as error):
                raise error
            case _:
                raise Err({{Failure}}_Other("the host gave no answer"))
    except Err as error:
        if isinstance(error.value, {{Failure}}_Other):
            raise
        reason = type(error.value).__name__.removeprefix("ErrorCode_")
        if isinstance(error.value, DENIED):
            raise Err({{Failure}}_Other(f"the host denied the request: {reason}"))
        raise Err({{Failure}}_Unreachable(f"the endpoint did not answer: {reason}"))


def new_request(url, user_agent, length):
    parts = urlsplit(url)
    headers = {
        "content-type": "application/json",
        "content-length": str(length),
        "user-agent": user_agent,
    }
    request = types.OutgoingRequest(
        types.Fields.from_list([(name, value.encode()) for name, value in headers.items()])
    )
    request.set_method(types.Method_Post())
    request.set_scheme(types.Scheme_Https() if parts.scheme == "https" else types.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path)
    return request


def write(outgoing, body, pending):
    """False if the body was cut short because the answer is there already, or the connection is gone."""
    with (
        outgoing.write() as stream,
        stream.subscribe() as writable,
        pending.subscribe() as answered,
    ):
        while body:
            try:
                room = stream.check_write()
                if room > 0:
                    stream.write(body[:room])
            except Err:
                return False
            body = body[room:]
            if room == 0:
                poll.poll([writable, answered])
                if answered.ready():
                    return False
    return True
