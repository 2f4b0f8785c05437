//! `demo`: the whole path on one machine, in a scratch directory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde::Serialize;
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::Owners;
use swamp::domain::{ForeignText, TelemetryRepository as _, shown, variables};
use swamp::receiver::{Arrival, ReceivedEvent, Receiver, ReceiverOptions};
use swamp::spool::FileSpool;
use tempfile::TempDir;

use super::context::{Context, env_var};
use super::error::{CommandError, ErrorKind};
use super::interrupt::Interrupt;
use super::progress::Work;
use super::ui::{BOLD, DIM, GOOD};

/// How many invocations are recorded: one full batch and a rest.
const INVOCATIONS: usize = 30;

/// What is invoked, again and again, and whether it is used rightly.
const COMMANDS: [(&[&str], bool); 5] = [
    (&["version"], true),
    (&["telemetry", "status"], true),
    (&["version", "--json"], true),
    (&["repo", "upgrade"], true),
    (&["version", "--colour=blue"], false),
];

/// The answer. Its keys are stable.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Demo {
    /// The URL of its receiver.
    endpoint: String,
    /// The id of the scratch repository.
    repo_id: String,
    /// How many invocations were recorded.
    recorded: usize,
    /// How long that took.
    recorded_ms: u128,
    /// How many different events arrived.
    arrived: usize,
    /// The requests that arrived, in order.
    batches: Vec<DemoBatch>,
    /// How long the flush took, including compiling the component.
    flushed_ms: u128,
    /// How many entries are left in the spool.
    left: usize,
}

/// One request that arrived.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DemoBatch {
    /// How many events were in it.
    events: usize,
    /// The length of its body.
    bytes: usize,
    /// When it arrived, in milliseconds since the flush began.
    after_ms: u128,
    /// The commands in it, and how often.
    commands: Vec<(String, usize)>,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    let demo = Stage::set(context)?.perform()?;
    if context.ui.wants_json() {
        context.ui.json(&demo)?;
    } else {
        context.ui.answer(&demo.in_words())?;
    }
    Ok(())
}

/// A scratch directory with a repository and a home, and a receiver. All of it goes when it is dropped.
struct Stage<'a> {
    context: &'a Context,
    scratch: TempDir,
    receiver: Receiver,
    interrupt: Interrupt,
}

impl<'a> Stage<'a> {
    fn set(context: &'a Context) -> Result<Self, CommandError> {
        let receiver = Receiver::start(ReceiverOptions::default())
            .map_err(|error| CommandError::new(ErrorKind::Demo, error))?;
        let interrupt = Interrupt::watch()?;
        let scratch = tempfile::Builder::new().prefix("swamp-demo-").tempdir()?;
        for dir in ["repo", "home"] {
            fs::create_dir(scratch.path().join(dir))?;
        }
        Ok(Self {
            context,
            scratch,
            receiver,
            interrupt,
        })
    }

    fn perform(self) -> Result<Demo, CommandError> {
        let endpoint = self.receiver.endpoint();
        self.succeed(&["--no-telemetry", "init", "--endpoint", &endpoint])?;
        let recording = Instant::now();
        self.record()?;
        let recorded_ms = recording.elapsed().as_millis();
        let spool = FileSpool::create(&self.repo(), Owners::Own)?;
        let recorded = spool.list()?.pending.len();
        if recorded != INVOCATIONS {
            return Err(failed(format!(
                "{INVOCATIONS} invocations left {recorded} entries in {}",
                shown(spool.path())
            )));
        }

        let flushing = Instant::now();
        let began = chrono::Utc::now();
        let work = Work::begin(self.context.ui, "flushing");
        self.succeed(&["telemetry", "flush", "--all"])?;
        drop(work);
        let flushed_ms = flushing.elapsed().as_millis();
        let marker = MarkerFile::new(self.repo(), Owners::Own).read()?;
        let demo = Demo {
            endpoint,
            repo_id: marker.repo_id.map(|id| id.to_string()).unwrap_or_default(),
            recorded,
            recorded_ms,
            arrived: self
                .receiver
                .summary()
                .unique
                .try_into()
                .unwrap_or(usize::MAX),
            batches: self
                .receiver
                .requests()
                .iter()
                .map(|arrival| DemoBatch::of(arrival, began))
                .collect(),
            flushed_ms,
            left: spool.list()?.pending.len(),
        };
        self.check(&demo)?;
        Ok(demo)
    }

    fn record(&self) -> Result<(), CommandError> {
        let progress = if self.context.ui.may_draw() {
            let count = u64::try_from(INVOCATIONS).ok();
            let style =
                ProgressStyle::with_template("{wide_bar} {pos}/{len} commands in {elapsed}");
            ProgressBar::with_draw_target(count, ProgressDrawTarget::stderr())
                .with_finish(ProgressFinish::AndClear)
                // The template is a constant, and the worst that a bad one does is an unadorned bar.
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        for (args, used_rightly) in COMMANDS.iter().cycle().take(INVOCATIONS) {
            let output = self.swamp(args)?;
            if output.status.success() != *used_rightly {
                return Err(unexpected(args, &output));
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// Whether what arrived is what was recorded, once, in this repository's name.
    fn check(&self, demo: &Demo) -> Result<(), CommandError> {
        let requests = self.receiver.requests();
        let events = requests
            .iter()
            .filter_map(|arrival| arrival.events.as_ref().ok())
            .flatten();
        let strangers = events
            .filter(|event| event.distinct_id() != demo.repo_id)
            .count();
        if demo.arrived != demo.recorded || demo.left != 0 || strangers != 0 {
            return Err(failed(format!(
                "of {} recorded invocations {} arrived, {} of them in another repository's name, and {} are left",
                demo.recorded, demo.arrived, strangers, demo.left
            )));
        }
        Ok(())
    }

    fn succeed(&self, args: &[&str]) -> Result<(), CommandError> {
        let output = self.swamp(args)?;
        if output.status.success() {
            Ok(())
        } else {
            Err(unexpected(args, &output))
        }
    }

    /// Runs this program in the scratch repository, with nothing of this process's environment that could lead
    /// it elsewhere.
    fn swamp(&self, args: &[&str]) -> Result<Output, CommandError> {
        self.go_on()?;
        let home = self.scratch.path().join("home");
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(args)
            .current_dir(self.repo())
            .env_clear()
            .envs(
                ["PATH", "SystemRoot"]
                    .into_iter()
                    .filter_map(|name| Some((name, env_var(name)?))),
            )
            .env("HOME", &home)
            .env(variables::CACHE_HOME, home.join("cache"))
            .env(variables::CONFIG_HOME, home.join("config"))
            // One flush delivers them all together.
            .env(variables::FLUSH, OsStr::new("off"))
            .stdin(Stdio::null());
        let output = command.output()?;
        // Ctrl-C reaches the whole process group: what it ended has not failed by itself.
        if was_interrupted(&output) {
            self.interrupt.request();
        }
        self.go_on()?;
        Ok(output)
    }

    /// # Errors
    ///
    /// When the user has asked to stop.
    fn go_on(&self) -> Result<(), CommandError> {
        if self.interrupt.is_requested() {
            return Err(CommandError::msg(
                ErrorKind::Interrupted,
                "interrupted; removed the scratch directory",
            ));
        }
        Ok(())
    }

    fn repo(&self) -> PathBuf {
        self.scratch.path().join("repo")
    }
}

impl DemoBatch {
    fn of(arrival: &Arrival, began: chrono::DateTime<chrono::Utc>) -> Self {
        let events = arrival.events.as_deref().unwrap_or_default();
        let names: BTreeSet<_> = events.iter().map(command_of).collect();
        let commands = names.into_iter().map(|name| {
            let count = events
                .iter()
                .filter(|event| command_of(event) == name)
                .count();
            (name, count)
        });
        let after = (arrival.at - began).to_std().unwrap_or(Duration::ZERO);
        Self {
            events: events.len(),
            bytes: arrival.body.len(),
            after_ms: after.as_millis(),
            commands: commands.collect(),
        }
    }
}

fn command_of(event: &ReceivedEvent) -> String {
    let words = [event.command(), event.subcommand()];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

impl Demo {
    fn in_words(&self) -> String {
        let mut lines = vec![
            format!(
                "{BOLD}recorded{BOLD:#}   {} invocations of this program in a scratch repository, in {} ms",
                self.recorded, self.recorded_ms
            ),
            format!(
                "{BOLD}flushed{BOLD:#}    through the component builtin:ingest to {}, in {} ms",
                self.endpoint, self.flushed_ms
            ),
        ];
        for (n, batch) in self.batches.iter().enumerate() {
            let commands: Vec<_> = batch
                .commands
                .iter()
                .map(|(name, count)| format!("{count} {}", ForeignText::from(name.as_str())))
                .collect();
            lines.push(format!(
                "{BOLD}batch {:<4}{BOLD:#} {:>2} events, {:>6} bytes, after {:>3} ms  {DIM}{}{DIM:#}",
                n + 1,
                batch.events,
                batch.bytes,
                batch.after_ms,
                commands.join(", ")
            ));
        }
        lines.push(format!(
            "{BOLD}arrived{BOLD:#}    {GOOD}{} of {}{GOOD:#} events, each once, from repository {}",
            self.arrived, self.recorded, self.repo_id
        ));
        lines.push(format!(
            "{BOLD}files{BOLD:#}      {} left in the spool; delivered entries are deleted, and so is the scratch directory",
            self.left
        ));
        lines.join("\n")
    }
}

#[cfg(unix)]
fn was_interrupted(output: &Output) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    let ended_by = output.status.signal();
    ended_by == Some(nix::sys::signal::Signal::SIGINT as i32)
}

#[cfg(not(unix))]
const fn was_interrupted(_: &Output) -> bool {
    false
}

fn unexpected(args: &[&str], output: &Output) -> CommandError {
    let said = String::from_utf8_lossy(&output.stderr);
    failed(format!(
        "`swamp {}` ended with {}: {}",
        args.join(" "),
        output.status,
        ForeignText::from(said.trim())
    ))
}

fn failed(sentence: String) -> CommandError {
    CommandError::msg(ErrorKind::Demo, sentence)
}
