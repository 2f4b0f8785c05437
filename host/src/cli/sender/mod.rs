//! `sender …`.

mod check;
mod junit;
mod new;
mod show;
mod test;
mod r#use;
mod watch;
mod wrap;

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use swamp::domain::{SendError, SenderFailure};
use swamp::process::worker::Program;
use swamp::sender::{Compiled, Compiler, ComponentFile};

use super::args::Sender;
use super::context::Context;
use super::error::{CommandError, ErrorKind};
use super::hint;
use super::trust;

pub(crate) fn run(command: &Sender, context: &Context) -> Result<(), CommandError> {
    match command {
        Sender::Show => show::run(context),
        Sender::Check { file } => check::run(file, context),
        Sender::Test(args) => test::run(args, context),
        Sender::New(args) => new::run(args, context),
        Sender::Use { sender } => r#use::run(sender, context),
        Sender::Trust { yes } => trust::trust(*yes, context),
        Sender::Wrap(args) => wrap::run(args, context),
    }
}

impl From<SenderFailure> for CommandError {
    fn from(failure: SenderFailure) -> Self {
        let hint = hint::of_failure(failure.kind.as_str(), &failure.component);
        Self::new(ErrorKind::Sender, failure).hints(hint)
    }
}

impl From<SendError> for CommandError {
    fn from(error: SendError) -> Self {
        Self::new(ErrorKind::Sender, error)
    }
}

/// Compiles `file`, or finds it compiled, and says how long that took. Some take seconds: a person sees that
/// something is going on.
fn compiled(file: &ComponentFile, context: &Context) -> Result<(Compiled, Duration), CommandError> {
    Ok(try_compile(file, context)??)
}

/// The same, for whoever has something to say of a component that is refused.
pub(crate) fn try_compile(
    file: &ComponentFile,
    context: &Context,
) -> Result<Result<(Compiled, Duration), SenderFailure>, CommandError> {
    let spinner = spinner(context).with_message(format!("compiling {}", file.name()));
    spinner.enable_steady_tick(Duration::from_millis(100));
    let began = Instant::now();
    let cache = context.cache();
    Compiled::forget_failure(file, &cache);
    let compiled = Compiled::obtain(file, &cache, &Compiler::new(Program::current()?));
    spinner.finish_and_clear();
    Ok(compiled.map(|compiled| (compiled, began.elapsed())))
}

/// Something that moves, where a person looks.
pub(crate) fn spinner(context: &Context) -> ProgressBar {
    if !context.ui.may_draw() {
        return ProgressBar::hidden();
    }
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_style(ProgressStyle::default_spinner())
}
