//! Requests, as servers of tests read them.

use std::io::{self, Read};

/// Reads the head of a request and nothing behind it.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// The length of the body that follows, where the head names one.
pub(crate) fn content_length(head: &str) -> Option<usize> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    length.trim().parse().ok()
}

/// Reads a request whose body has a length or comes in chunks, or that has none. Chunks are given as they came.
pub(crate) fn read_request(stream: &mut impl Read) -> io::Result<(String, Vec<u8>)> {
    let head = read_head(stream)?;
    let mut body = vec![0; content_length(&head).unwrap_or_default()];
    stream.read_exact(&mut body)?;
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        while !body.ends_with(b"0\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            body.extend(byte);
        }
    }
    Ok((head, body))
}
