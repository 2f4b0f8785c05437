//! A stream that goes on where the other end has answered before it took everything.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::domain::{Cause, Reason};

/// What the first bytes of an answer look like, where they are no HTTP/1.
#[derive(Clone, Debug, Default)]
pub(super) struct Look(Arc<AtomicU8>);

const NOTHING: u8 = 0;
const HTTP_2: u8 = 1;
const TLS: u8 = 2;

impl Look {
    fn at(&self, first: &[u8]) {
        let seen = match first {
            // The alert of a TLS server that was spoken to in another way.
            [0x15, 0x03, ..] => TLS,
            // A frame of settings comes first, and is short.
            [0, ..] => HTTP_2,
            _ => NOTHING,
        };
        self.0.store(seen, Ordering::Relaxed);
    }

    /// What it speaks instead of HTTP/1.
    pub(super) fn reason(&self) -> Option<Reason> {
        match self.0.load(Ordering::Relaxed) {
            HTTP_2 => Some(Reason::new(
                Cause::SpeaksHttp2,
                "it looks like HTTP/2 (a gRPC port?)",
            )),
            TLS => Some(Reason::new(
                Cause::SpeaksTls,
                "it speaks TLS: this is plain http to an https port",
            )),
            _ => None,
        }
    }
}

/// A stream of which the end is heard out. Once the other end takes no more, what is written is thrown away, and what
/// it has answered can still be read. A TLS connection that is closed without saying so is just closed: HTTP knows where
/// an answer has to go on.
pub(super) struct HeardOut<T> {
    inner: T,
    takes_no_more: bool,
    look: Option<Look>,
}

impl<T> HeardOut<T> {
    pub(super) const fn new(inner: T, look: Look) -> Self {
        Self {
            inner,
            takes_no_more: false,
            look: Some(look),
        }
    }

    fn heard<N>(&mut self, written: io::Result<N>, otherwise: N) -> io::Result<N> {
        match written {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionAborted
                ) =>
            {
                self.takes_no_more = true;
                Ok(otherwise)
            }
            written => written,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for HeardOut<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        if let Some(look) = self.look.take() {
            look.at(&buffer.filled()[before..]);
        }
        Poll::Ready(match read {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            read => read,
        })
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for HeardOut<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.takes_no_more {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        Poll::Ready(self.heard(written, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum();
        if self.takes_no_more {
            return Poll::Ready(Ok(length));
        }
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, parts));
        Poll::Ready(self.heard(written, length))
    }

    /// Otherwise a body would be copied behind its head.
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.takes_no_more {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        Poll::Ready(self.heard(flushed, ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.takes_no_more {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.inner).poll_shutdown(cx));
        Poll::Ready(self.heard(shut, ()))
    }
}
