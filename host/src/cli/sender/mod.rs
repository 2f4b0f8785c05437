//! `sender …`.

mod check;
mod junit;
mod new;
mod show;
mod test;
mod r#use;
mod watch;
mod wrap;

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::HumanBytes;
use swamp::config::{BuiltinSender, SenderSource};
use swamp::domain::{SendError, SenderFailure, shown};
use swamp::process::worker::Program;
use swamp::sender::{Compiled, Compiler, ComponentFile, Description, OptionDescription};

use super::args::Sender;
use super::context::{Context, Repo};
use super::error::{CommandError, ErrorKind};
use super::hint;
use super::interrupt::HeldBack;
use super::progress::Work;
use super::trust;

pub(crate) fn run(command: &Sender, context: &Context) -> Result<(), CommandError> {
    match command {
        Sender::Show => show::run(context),
        Sender::Check { file } => check::run(file, context),
        Sender::Test(args) => test::run(args, context),
        Sender::New(args) => new::run(args, context),
        Sender::Use {
            sender,
            in_place,
            options,
        } => r#use::run(sender, *in_place, options, context),
        Sender::Trust { yes } => trust::trust(*yes, context),
        Sender::Wrap(args) => wrap::run(args, context),
    }
}

impl From<SenderFailure> for CommandError {
    fn from(failure: SenderFailure) -> Self {
        let kind = &failure.kind;
        let hints = hint::of_failure(kind.as_str(), kind.cause(), &failure.component);
        Self::new(ErrorKind::Sender, failure).hints(hints)
    }
}

impl From<SendError> for CommandError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Sender(failure) => failure.into(),
            error => {
                let hint = error.cause().map(hint::of_cause);
                Self::new(ErrorKind::Sender, error).hints(hint.map(str::to_owned))
            }
        }
    }
}

/// Compiles `file`, or finds it compiled, and says how long that took. Some take seconds: a person sees that
/// something is going on.
fn compiled(file: &ComponentFile, context: &Context) -> Result<(Compiled, Duration), CommandError> {
    Ok(try_compile(file, context)??)
}

/// The same, for callers that handle a refused component themselves.
pub(crate) fn try_compile(
    file: &ComponentFile,
    context: &Context,
) -> Result<Result<(Compiled, Duration), SenderFailure>, CommandError> {
    let ctrl_c = HeldBack::start();
    let size = HumanBytes(file.bytes().len() as u64);
    let what = format!("compiling {} ({size})", file.name());
    let work = Work::begin(context.ui, what);
    let began = Instant::now();
    let directory = std::env::current_dir().unwrap_or_default();
    let awaited = Compiler::new(Program::current()?).awaited_in(directory);
    let cache = context.cache();
    Compiled::forget_failure(file, &cache);
    let compiled = Compiled::obtain(file, &cache, &awaited);
    drop(work);
    drop(ctrl_c);
    Ok(compiled.map(|compiled| (compiled, began.elapsed())))
}

/// What a sender says of itself and of its options, in rows.
fn described(description: &Description) -> Vec<(&'static str, String)> {
    let Description {
        name,
        version,
        description,
        homepage,
        license,
        options,
    } = description;
    let mut rows = vec![("about", format!("{name} {version}: {description}"))];
    rows.extend(
        homepage
            .iter()
            .map(|homepage| ("homepage", homepage.clone())),
    );
    rows.extend(license.iter().map(|license| ("license", license.clone())));
    if options.is_empty() {
        rows.push(("options", "none".to_owned()));
    }
    rows.extend(
        options
            .iter()
            .map(|option| ("option", option_in_words(option))),
    );
    rows
}

fn option_in_words(option: &OptionDescription) -> String {
    let mut notes = Vec::new();
    if option.required {
        notes.push("required".to_owned());
    }
    if !option.allowed.is_empty() {
        notes.push(format!("one of {}", option.allowed.join(", ")));
    }
    notes.extend(
        option
            .default
            .iter()
            .map(|default| format!("default {default}")),
    );
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!(" ({})", notes.join("; "))
    };
    format!("{}: {}{notes}", option.name, option.meaning)
}

/// Says how a component that was named by its path gets to be the sender, where a person looks and it is none yet.
fn hint_at_use(name: &Path, context: &Context) {
    if !context.ui.may_draw() || BuiltinSender::parse(&name.to_string_lossy()).is_some() {
        return;
    }
    let in_use = |repo: &Repo| {
        let marker = repo.marker.as_ref().ok()?;
        let SenderSource::File(path) = &marker.telemetry_sender else {
            return None;
        };
        let (used, named) = (repo.root.join(path), name);
        Some(used.canonicalize().ok()? == named.canonicalize().ok()?)
    };
    let name = shown(name);
    match &context.repo {
        Some(repo) if in_use(repo) == Some(true) => {}
        Some(_) => context.ui.hint(&format!(
            "to send the telemetry of this repository with it, run `swamp sender use {}`",
            name.in_shell()
        )),
        None => context.ui.hint(&format!(
            "to send telemetry with it, run `swamp sender use {}` in a repository; `swamp init` creates one",
            name.in_shell()
        )),
    }
}
