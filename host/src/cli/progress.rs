//! What a person sees of work that takes longer than a second: what it is, and for how long it has been going on.

use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ui::Ui;

/// Work that is shorter is not worth a look.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

const TICK: Duration = Duration::from_millis(100);

/// Work that is going on. What is drawn of it, on a terminal only, goes when it is dropped.
pub(crate) struct Work {
    line: ProgressBar,
    /// Dropped, it ends the thread that begins to draw.
    watch: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Work {
    /// Begins work of which `what` is said, such as "compiling ours.wasm".
    pub(crate) fn begin(ui: Ui, what: impl Into<String>) -> Self {
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
        // The template is a constant, and the worst that a bad one does is an unadorned line.
        line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        line.set_message(what.into());
        let watch = ui.may_draw().then(|| {
            let (ended, end) = mpsc::channel::<()>();
            let line = line.clone();
            let drawing = move || {
                if end.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                    line.set_draw_target(ProgressDrawTarget::stderr());
                    line.enable_steady_tick(TICK);
                }
            };
            (ended, thread::spawn(drawing))
        });
        Self { line, watch }
    }

    /// Says what it is now.
    pub(crate) fn says(&self, what: impl Into<String>) {
        self.line.set_message(what.into());
    }

    /// Prints something while nothing is drawn.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.line.suspend(print)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some((ended, thread)) = self.watch.take() {
            drop(ended);
            thread.join().ok();
        }
        self.line.finish_and_clear();
    }
}
