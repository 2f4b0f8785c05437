//! One browser's stream of server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::feed::Feed;
use super::shown;
use crate::receiver::ledger::Summary;

/// How often something is sent where there is nothing to tell, so that a connection that broke is noticed.
const BEAT: Duration = Duration::from_secs(15);

/// The body of the answer. It takes one piece at a time from the task that reads the feed, which ends with it.
#[derive(Debug)]
pub(crate) struct Stream(mpsc::Receiver<Bytes>);

impl Stream {
    /// Starts with what is kept behind the message `seen`, and goes on with what arrives. `place` is given back
    /// when the stream ends.
    pub(super) fn start(
        feed: &Arc<Feed>,
        seen: Option<&str>,
        endpoint: &str,
        summary: &Summary,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let hello = shown::hello(feed.run(), endpoint, summary);
        let next = seen.map_or(0, |id| feed.after(id));
        let feed = Arc::clone(feed);
        tokio::spawn(async move {
            // The reader has gone: there is nothing left to do.
            let _ = tell(&feed, next, hello, &sender).await;
            drop(place);
        });
        Self(receiver)
    }
}

async fn tell(
    feed: &Feed,
    mut next: u64,
    hello: Bytes,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    let mut newest = feed.watch();
    sender.send(hello).await?;
    loop {
        newest.mark_unchanged();
        let piece = feed.piece(next);
        next = piece.next;
        if !piece.text.is_empty() {
            sender.send(Bytes::from(piece.text)).await?;
        }
        if !piece.is_last {
            continue;
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return Ok(()) },
            () = sender.closed() => return Ok(()),
            () = tokio::time::sleep(BEAT) => sender.send(Bytes::from_static(b": \n\n")).await?,
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
