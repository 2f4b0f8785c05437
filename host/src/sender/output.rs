//! What a guest writes to its stdout and stderr: kept, a little of it, for the debug log.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use super::limits;
use crate::domain::printable;
use crate::egress::Secrets;

/// How much the guest is told that it can write at once.
const WRITE_BYTES: usize = 64 * 1024;

/// The end of what was written to a stream. Writing never blocks and never fails, so that a guest cannot tell.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Output {
    pub(super) fn append(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = &bytes[bytes.len().saturating_sub(limits::OUTPUT_BYTES)..];
        let excess = (kept.len() + news.len()).saturating_sub(limits::OUTPUT_BYTES);
        kept.drain(..excess);
        kept.extend(news);
    }

    /// Takes what was kept: its lines, escaped and without `secrets`.
    pub(super) fn take_lines(&self, secrets: &Secrets) -> Vec<String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            return Vec::new();
        }
        let bytes: Vec<u8> = kept.drain(..).collect();
        secrets
            .mask(&String::from_utf8_lossy(&bytes))
            .lines()
            .map(|line| printable(line).into_owned())
            .collect()
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(WRITE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_are_harmless_to_a_terminal() {
        let output = Output::default();
        for n in 0..10_000 {
            output.append(format!("line {n}\n").as_bytes());
        }
        output.append(b"\x1b[31mred\xff\n");
        let lines = output.take_lines(&Secrets::default());
        assert!(lines.iter().map(|line| line.len() + 1).sum::<usize>() < limits::OUTPUT_BYTES * 2);
        assert_eq!(lines[lines.len() - 2], "line 9999");
        assert!(!lines.last().unwrap().contains('\x1b'));
        assert!(output.take_lines(&Secrets::default()).is_empty());
    }

    #[test]
    fn one_huge_write_keeps_its_end() {
        let output = Output::default();
        output.append(&vec![b'x'; 1_000_000]);
        assert_eq!(
            output.take_lines(&Secrets::default()).concat().len(),
            limits::OUTPUT_BYTES
        );
    }
}
