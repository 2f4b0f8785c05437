"""A telemetry sender for swamp. `wit/deps/telemetry/sender.wit` says what is asked of it."""

import http_post
import mapping
from componentize_py_types import Err
@0.3 from wit_world import exports
@0.1 from wit_world.exports.sender import SendError_Throttled
@0.2 from wit_world.imports.swamp_telemetry_types import Failure_Throttled, SenderDescription


@0.1 # Named after the interface. What is raised in an `Err` is the contract's `send-error`.
@0.2 # Named after the interface. What is raised in an `Err` is the contract's `failure`.
@sync class Sender:
@0.3 class Sender(exports.Sender):
@0.1     def send_batch(self, destination, entries, distinct_id):
@0.2+sync     def send_batch(self, destination, entries):
@0.3     async def send_batch(self, destination, entries):
        if not entries:
@0.1             return
@0.2             return []
        url = destination.endpoint.rstrip("/") + mapping.PATH
@0.1         body = mapping.body(entries, distinct_id)
@0.2         body = mapping.body(entries, destination.distinct_id)
@sync         answer = http_post.post_json(url, destination.user_agent, body.encode())
@0.3         answer = await http_post.post_json(url, destination.user_agent, body.encode())
        if answer.status in (429, 503):
@0.1             raise Err(SendError_Throttled(answer.retry_after()))
@0.1         mapping.outcome(answer)
@0.2             raise Err(Failure_Throttled(answer.retry_after()))
@0.2         return mapping.outcomes(entries, answer)
@0.2 
@0.2 
@0.2 class Description:
@0.2     def describe(self):
@0.2         return SenderDescription(
@0.2             name="{{name}}",
@0.2             version="0.1.0",
@0.2             description="A telemetry sender for swamp",
@0.2             homepage=None,
@0.2             license=None,
@0.2             # Those of `telemetrySenderOptions` that this sender takes; `swamp sender use` refuses others.
@0.2             options=[],
@0.2         )
