//! The header fields that belong to the connection or the message, and to nobody who uses them.

/// Whether the header `name`, in lower case, says how a connection or a message is made, which only the host knows.
/// Neither a user nor a sender sets one of these.
#[must_use]
pub fn is_connection_header(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with("proxy-")
}
