"""One POST over `wasi:http`. The host ends it at the batch's deadline."""

@0.3 from time import monotonic_ns
from urllib.parse import urlsplit

@0.3 import wit_world
@0.3 from componentize_py_async_support import spawn
from componentize_py_types import Err, Ok
@0.1 from wit_world.exports.sender import (
@0.2+sync from wit_world.imports import monotonic_clock, outgoing_handler, poll
@0.3 from wit_world.imports import client
@0.2 from wit_world.imports import wasi_http_types as types
@0.2+sync from wit_world.imports.streams import StreamError_Closed
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
@sync     def __init__(self, response):
@sync         self.response = response
@sync         self.status = response.status()
@0.3     def __init__(self, status, wait, read):
@0.3         self.status = status
@0.3         self.wait = wait
@0.3         self.read = read

    def retry_after(self):
        """The `retry-after` header, if it is a number of seconds."""
@sync         with self.response.headers() as headers:
@sync             value = b"".join(headers.get("retry-after")[:1]).strip()
@0.3         value = self.wait.strip()
        return int(value) if value.isdigit() and len(value) < 10 else None

    def text(self):
        """The body as text, up to its first 64 KiB; an error if it breaks off or does not come."""
        cut_short = Err({{Failure}}_Unreachable("the answer was cut short"))
@sync         read = b""
@sync         with (
@sync             self.response.consume() as body,
@sync             body.stream() as stream,
@sync             stream.subscribe() as readable,
@sync             monotonic_clock.subscribe_duration(BODY_WAIT) as timeout,
@sync         ):
@sync             while len(read) < BODY_BYTES:
@sync                 poll.poll([readable, timeout])
@sync                 if not readable.ready():
@sync                     raise cut_short
@sync                 try:
@sync                     read += stream.read(BODY_BYTES - len(read))
@sync                 except Err as error:
@sync                     if isinstance(error.value, StreamError_Closed):
@sync                         break
@sync                     raise cut_short
@0.3         if self.read is None:
@0.3             raise cut_short
@sync         return read.decode(errors="replace")
@0.3         return self.read.decode(errors="replace")


@sync def post_json(url, user_agent, body):
@0.3 async def post_json(url, user_agent, body):
    if len(body) > REQUEST_BYTES:
        # The host sends smaller batches then.
        raise Err({{Failure}}_Rejected(Rejection(413, "the batch is larger than 8 MiB")))
@0.3     writer, contents = wit_world.byte_stream()
    try:
@sync         request = new_request(url, user_agent, len(body))
@0.3         request = new_request(url, user_agent, len(body), contents)
    except Err:
        raise Err({{Failure}}_InvalidConfiguration("the endpoint must be an http or https URL"))
@0.3     spawn(write(writer, body))
    try:
@sync         outgoing = request.body()
@sync         pending = outgoing_handler.handle(request, None)
@sync         # A body that was cut short stays open until the answer is there: closing it would end the request.
@sync         if write(outgoing, body, pending):
@sync             types.OutgoingBody.finish(outgoing, None)
@sync         with pending.subscribe() as answered:
@sync             answered.block()
@sync         match pending.get():
@sync             case Ok(Ok(response)):
@sync                 return Answer(response)
@sync             case Ok(Err() as error):
@sync                 raise error
@sync             case _:
@sync                 raise Err({{Failure}}_Other("the host gave no answer"))
@0.3         response = await client.send(request)
    except Err as error:
@sync         if isinstance(error.value, {{Failure}}_Other):
@sync             raise
        reason = type(error.value).__name__.removeprefix("ErrorCode_")
        if isinstance(error.value, DENIED):
            raise Err({{Failure}}_Other(f"the host denied the request: {reason}"))
        raise Err({{Failure}}_Unreachable(f"the endpoint did not answer: {reason}"))
@0.3     with response.get_headers() as headers:
@0.3         wait = b"".join(headers.get("retry-after")[:1])
@0.3     return Answer(response.get_status_code(), wait, await first_bytes(response))
@0.3 
@0.3 
@0.3 async def first_bytes(response):
@0.3     """The first 64 KiB of the body; none if it breaks off or does not come."""
@0.3     _, is_over = wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))
@0.3     body, trailers = types.Response.consume_body(response, is_over)
@0.3     late = monotonic_ns() + BODY_WAIT
@0.3     read = b""
@0.3     with body, trailers:
@0.3         while len(read) < BODY_BYTES:
@0.3             read += await body.read(BODY_BYTES - len(read))
@0.3             if body.writer_dropped:
@0.3                 # Trailers come after a whole body only.
@0.3                 return read if isinstance(await trailers.read(), Ok) else None
@0.3             if monotonic_ns() > late:
@0.3                 return None
@0.3     return read


@sync def new_request(url, user_agent, length):
@0.3 def new_request(url, user_agent, length, contents):
    parts = urlsplit(url)
    headers = {
        "content-type": "application/json",
        "content-length": str(length),
        "user-agent": user_agent,
    }
    headers = types.Fields.from_list([(name, value.encode()) for name, value in headers.items()])
@sync     request = types.OutgoingRequest(headers)
@0.3     options = types.RequestOptions()
@0.3     options.set_between_bytes_timeout(BODY_WAIT)
@0.3     _, trailers = (
@0.3         wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(
@0.3             lambda: Ok(None)
@0.3         )
@0.3     )
@0.3     request, _ = types.Request.new(headers, contents, trailers, options)
    request.set_method(types.Method_Post())
    request.set_scheme(types.Scheme_Https() if parts.scheme == "https" else types.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path)
    return request


@sync def write(outgoing, body, pending):
@sync     """False if the body was cut short because the answer is there already, or the connection is gone."""
@sync     with (
@sync         outgoing.write() as stream,
@sync         stream.subscribe() as writable,
@sync         pending.subscribe() as answered,
@sync     ):
@sync         while body:
@sync             try:
@sync                 room = stream.check_write()
@sync                 if room > 0:
@sync                     stream.write(body[:room])
@sync             except Err:
@sync                 return False
@sync             body = body[room:]
@sync             if room == 0:
@sync                 poll.poll([writable, answered])
@sync                 if answered.ready():
@sync                     return False
@sync     return True
@0.3 async def write(writer, body):
@0.3     with writer:
@0.3         # What the host does not read was not wanted: the answer says why.
@0.3         await writer.write_all(body)
