//! Bodies that come compressed.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::examine::{BodyError, names_gzip};

/// The body as it was before it was compressed, which must not be larger than `limit` bytes either. What is compressed in
/// a way that is not known stays as it is: [`examine`](super::examine) refuses it.
pub(crate) fn decoded(
    encoding: Option<&str>,
    body: Bytes,
    limit: usize,
) -> Result<Bytes, BodyError> {
    if !encoding.is_some_and(names_gzip) {
        return Ok(body);
    }
    let mut plain = Vec::new();
    // One byte more shows that there is more.
    let most = (limit as u64).saturating_add(1);
    MultiGzDecoder::new(&body[..])
        .take(most)
        .read_to_end(&mut plain)
        .map_err(|_| BodyError::NotGzip)?;
    if plain.len() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    Ok(plain.into())
}
