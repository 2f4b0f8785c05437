//! The body that the guest sends, held to its limit.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error as Wasi, WasiBody};

/// What the guest sends, up to a limit and without trailers: hyper would only send announced ones, and `trailer`
/// is a header that guests may not set.
pub(super) struct RequestBody {
    source: Arc<Mutex<Source>>,
    /// How many of the pieces that were taken from the guest this one has given on.
    given: usize,
    limit: u64,
}

/// The guest's side of a body, which more than one attempt may send.
struct Source {
    guest: WasiBody,
    left: u64,
    too_long: bool,
    ended: bool,
    /// What was taken from the guest, where it may have to be sent again.
    taken: Option<Vec<Bytes>>,
}

/// A handle on a body while a connection sends it.
pub(super) struct Sent(Arc<Mutex<Source>>);

impl RequestBody {
    /// The body, and a handle on it. It can be sent again where `again` says so.
    pub(super) fn new(guest: WasiBody, limit: u64, again: bool) -> (Self, Sent) {
        let source = Arc::new(Mutex::new(Source {
            guest,
            left: limit,
            too_long: false,
            ended: false,
            taken: again.then(Vec::new),
        }));
        let body = Self {
            source: Arc::clone(&source),
            given: 0,
            limit,
        };
        (body, Sent(source))
    }
}

impl Sent {
    /// Whether the guest wrote more than the limit.
    pub(super) fn is_too_long(&self) -> bool {
        locked(&self.0).too_long
    }

    /// The same body once more, from its beginning. `None` where that was not asked for.
    pub(super) fn again(&self, limit: u64) -> Option<RequestBody> {
        locked(&self.0).taken.as_ref()?;
        Some(RequestBody {
            source: Arc::clone(&self.0),
            given: 0,
            limit,
        })
    }
}

fn locked(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    // One attempt at a time polls it; one that panicked does not go on.
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Wasi;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Wasi>>> {
        let this = &mut *self;
        let source = &mut *locked(&this.source);
        if let Some(piece) = source
            .taken
            .as_ref()
            .and_then(|taken| taken.get(this.given))
        {
            this.given += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut source.guest).poll_frame(cx)?);
        let Some(Ok(data)) = frame.map(Frame::into_data) else {
            source.ended = true;
            return Poll::Ready(None);
        };
        let Some(left) = source.left.checked_sub(data.len() as u64) else {
            source.too_long = true;
            return Poll::Ready(Some(Err(Wasi::HttpRequestBodySize(Some(this.limit)))));
        };
        source.left = left;
        if let Some(taken) = &mut source.taken {
            taken.push(data.clone());
            this.given += 1;
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        let source = locked(&self.source);
        let given = source
            .taken
            .as_ref()
            .is_none_or(|taken| taken.len() == self.given);
        given && (source.ended || source.guest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let source = locked(&self.source);
        let taken = source.taken.iter().flatten().skip(self.given);
        let waiting: u64 = taken.map(|piece| piece.len() as u64).sum();
        let rest = source.guest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + waiting);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + waiting);
        }
        hint
    }
}
