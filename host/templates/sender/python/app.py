"""A telemetry sender for swamp. `wit/deps/telemetry/sender.wit` says what is asked of it."""

import http_post
import mapping
from componentize_py_types import Err
from wit_world.exports.sender import SendError_Throttled


# Named after the interface. What is raised in an `Err` is the contract's `send-error`.
class Sender:
    def send_batch(self, destination, entries, distinct_id):
        if not entries:
            return
        url = destination.endpoint.rstrip("/") + mapping.PATH
        body = mapping.body(entries, distinct_id)
        answer = http_post.post_json(url, destination.user_agent, body.encode())
        if answer.status in (429, 503):
            raise Err(SendError_Throttled(answer.retry_after()))
        mapping.outcome(answer)
