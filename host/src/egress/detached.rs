//! Blocking work that nothing may have to wait for.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Runs `work` in a thread of its own and waits for its result.
///
/// Not tokio's `spawn_blocking`: a runtime waits for those threads when it is dropped, and a resolver that hangs
/// would hold the process long after the deadline.
///
/// # Errors
///
/// The thread could not be started, or it panicked.
pub(super) async fn detached<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Nobody listens any more when the deadline has passed.
            let _ = done.send(work());
        })?;
    result
        .await
        .map_err(|_| io::Error::other(format!("the {name} thread ended early")))
}
