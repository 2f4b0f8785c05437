//! `telemetry record`.

mod input;
mod options;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use chrono::Utc;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Map, Value, json};
use swamp::config::Marker;
use swamp::domain::{
    Cause, EntryFlaw, RecordContext, RecordedEntry, Subcommands, Surroundings, UNKNOWN_VERSION,
    entry_example, entry_schema,
};
use swamp::recorder::surroundings::surroundings;
use swamp::spool::{EntryRecorder, FileSpool, MAX_RECORDED_BYTES, NotTaken};
use thiserror::Error;
use tracing::debug;

use self::input::Input;
use super::format::entries;
use crate::cli::args::{Record, RecordedStatus};
use crate::cli::context::{Context, env_var};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::finish;
use crate::cli::ui::Ui;

/// The answer. Its keys are stable.
#[derive(Default, Serialize)]
struct RecordReport {
    /// The ids of the recorded entries.
    recorded: Vec<String>,
    /// Input that was refused.
    refused: Vec<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    /// The line of the input where it starts.
    line: u64,
    /// What is wrong with it, in one sentence.
    reason: String,
}

pub(crate) fn run(args: &Record, context: &Context) -> Result<(), CommandError> {
    if args.schema || args.example {
        let json = if args.schema {
            entry_schema()
        } else {
            entry_example()
        };
        return Ok(context.ui.json(&json)?);
    }
    let (root, marker) = context.repo()?;
    if let Some(switch) = context.off_switch(marker) {
        return Err(switch.into());
    }
    if args.command.is_none() && io::stdin().is_terminal() {
        return Err(CommandError::msg(
            ErrorKind::Entry,
            "nothing to record: pass --command, or JSON on stdin",
        )
        .hint("`swamp telemetry record --example` prints an entry"));
    }
    let spool = FileSpool::create(root, context.owners())?;
    let recorder = EntryRecorder::new(&spool);
    let kept = Keeper {
        recorder,
        marker,
        args_are_redacted: args.args_are_redacted,
        subcommands: args.listed.list(),
        // Entries on stdin are of commands that had another one.
        surroundings: surroundings(env_var, args.command.is_some()),
    };
    match &args.command {
        Some(command) => one(kept, args.entry(command), context.ui)?,
        None => stream(kept, context.ui)?,
    }
    if let Some(repo) = &context.repo
        && let Err(error) = finish::flush(context, repo, &spool, true)
    {
        let cause = Cause::of_io(&error).map(Cause::as_str);
        debug!(cause, "could not start the flush: {error}");
    }
    Ok(())
}

/// Why an entry is refused.
#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Flaw(#[from] EntryFlaw),
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

struct Keeper<'a> {
    recorder: EntryRecorder<'a>,
    marker: &'a Marker,
    args_are_redacted: bool,
    subcommands: Option<Subcommands>,
    surroundings: Surroundings,
}

impl Keeper<'_> {
    fn recording(&self) -> RecordContext<'_> {
        RecordContext {
            now: Utc::now(),
            version: UNKNOWN_VERSION,
            surroundings: &self.surroundings,
            tools: &self.marker.telemetry_tools,
            subcommands: self.subcommands.as_ref(),
            retention_days: self.marker.retention().unsent_days,
            args_are_redacted: self.args_are_redacted,
        }
    }

    /// Keeps an entry, and gives its id, or says why it is refused.
    fn keep(
        &mut self,
        entry: Result<RecordedEntry, EntryFlaw>,
    ) -> Result<Result<String, Refused>, CommandError> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(flaw) => return Ok(Err(flaw.into())),
        };
        match self.recorder.take(&entry) {
            Ok(()) => Ok(Ok(entry.id().to_string())),
            Err(NotTaken::Spool(error)) => Err(error.into()),
            Err(why) => Ok(Err(why.into())),
        }
    }
}

fn one(mut kept: Keeper<'_>, entry: Map<String, Value>, ui: Ui) -> Result<(), CommandError> {
    let entry = RecordedEntry::of(entry, &kept.recording());
    let id = kept.keep(entry)?.map_err(|why| {
        let why = options::in_words(&why);
        CommandError::msg(
            ErrorKind::Entry,
            format!("could not record the entry: {why}"),
        )
    })?;
    if ui.wants_json() {
        let recorded = vec![id];
        ui.json(&RecordReport {
            recorded,
            ..RecordReport::default()
        })?;
    } else {
        ui.answer(&id)?;
    }
    Ok(())
}

fn stream(mut kept: Keeper<'_>, ui: Ui) -> Result<(), CommandError> {
    let limit = usize::try_from(MAX_RECORDED_BYTES).unwrap_or(usize::MAX);
    let mut input = Input::new(io::stdin().lock(), limit);
    let mut report = RecordReport::default();
    let (mut taken, mut refused) = (0, 0);
    let progress = progress(ui);
    while let Some(piece) = input.next()? {
        let entry = match piece.text {
            Ok(text) => kept
                .keep(RecordedEntry::parse(&text, &kept.recording()))?
                .map_err(|why| why.to_string()),
            Err(why) => Err(why.to_string()),
        };
        match entry {
            Ok(id) => {
                taken += 1;
                if ui.wants_json() {
                    report.recorded.push(id);
                } else {
                    ui.answer(&id)?;
                }
            }
            Err(reason) => {
                refused += 1;
                let line = piece.line;
                progress.suspend(|| ui.error(&format!("could not record line {line}: {reason}")));
                if ui.wants_json() {
                    report.refused.push(Refusal { line, reason });
                }
            }
        }
        progress.set_message(format!("{} recorded", entries(taken)));
        progress.inc(1);
    }
    progress.finish_and_clear();
    if ui.wants_json() {
        ui.json(&report)?;
    }
    if refused == 0 {
        return Ok(());
    }
    Err(CommandError::msg(
        ErrorKind::Entry,
        format!("recorded {} and refused {refused}", entries(taken)),
    )
    .told_in_answer())
}

/// How long a stream is, nobody knows, so that there is only a count; and where the ids go to the terminal, they are
/// enough.
fn progress(ui: Ui) -> ProgressBar {
    if !ui.may_draw() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

impl Record {
    /// The entry that the options describe.
    fn entry(&self, command: &str) -> Map<String, Value> {
        let entry = json!({
            "id": self.id,
            "invocation": {
                "command": command,
                "subcommand": self.subcommand,
                "args": self.args,
                "optionKeys": self.option_keys,
                "globalOptions": self.global_options,
            },
            "result": {
                "status": self.status.map(RecordedStatus::as_str),
                "errorType": self.error_type,
                "errorMessage": self.error_message,
                "exitCode": self.exit_code,
            },
            "startedAt": self.started_at,
            "durationMs": self.duration_ms,
            "swampVersion": self.tool_version,
        });
        match entry {
            Value::Object(entry) => entry,
            _ => Map::new(),
        }
    }
}
