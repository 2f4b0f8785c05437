//! The way of an entry: spool, sender, endpoint.

use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use swamp::config::marker_file::MarkerFile;
use swamp::config::trust::Sender;
use swamp::config::{Marker, SenderSource};
use swamp::domain::{
    EntryState, Invocation, InvocationResult, RepoId, SendError, SenderFailure, SenderFailureKind,
    shown,
};
use swamp::egress::{Environment, Reach, probe};
use swamp::flush::{FlushSetup, Watch};
use swamp::recorder::repo::StartTime;
use swamp::sender::{Compiled, Description, OptionProblem, describe, inspect};
use swamp::spool::FileSpool;

use super::Check;
use crate::cli::context::{
    Context, ENDPOINT_VARIABLE, EndpointSource, VERSION, endpoint, env_var, flush_setup, known,
};
use crate::cli::error::CommandError;
use crate::cli::hint;
use crate::cli::progress::Work;
use crate::cli::sender::try_compile;
use crate::cli::telemetry::format::{ago, entries};

/// How long the way to the endpoint may take.
const PROBE: Duration = Duration::from_secs(5);

/// How far ahead of the clock a time of the spool may be.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

pub(super) struct Delivery<'a> {
    pub(super) context: &'a Context,
    pub(super) root: &'a Path,
    pub(super) marker: &'a Marker,
    pub(super) is_on: bool,
    pub(super) has_misspelled_endpoint: bool,
    pub(super) send: bool,
}

impl Delivery<'_> {
    pub(super) fn check(&self, checks: &mut Vec<Check>) -> Result<(), CommandError> {
        self.known(checks);
        self.spool(checks);
        let may_connect = self.endpoint(checks);
        let repo_id = self.marker.repo_id.clone().unwrap_or_else(RepoId::generate);
        // Without it, what is wrong has been told already.
        let Ok(setup) = flush_setup(self.context, self.root, self.marker, repo_id) else {
            return Ok(());
        };
        if may_connect {
            self.connection(&setup, checks);
        }
        let runs = self.sender(&setup, checks)?;
        if self.send {
            self.test_event(setup, may_connect && runs, checks)?;
        }
        Ok(())
    }

    fn known(&self, checks: &mut Vec<Check>) {
        let Some(known) = known(self.root, self.marker) else {
            return;
        };
        checks.push(match known.answer() {
            Ok(by) => Check::ok("known", by.in_words()),
            Err(why) => Check::wrong(
                "known",
                why.to_string(),
                "review the repository and run `swamp trust`",
            ),
        });
    }

    fn spool(&self, checks: &mut Vec<Check>) {
        let read = || {
            let Some(spool) = FileSpool::open(self.root, self.context.owners())? else {
                return Ok(None);
            };
            let names = spool.names()?;
            // A lock that cannot be taken at all would stop every flush.
            drop(spool.try_lock()?);
            Ok(Some((spool, names)))
        };
        let (spool, names) = match read() {
            Ok(Some(read)) => read,
            Ok(None) => {
                let found = "none yet; the first recorded command creates it";
                checks.push(Check::ok("spool", found));
                return;
            }
            Err(error) => {
                let error: swamp::domain::SpoolError = error;
                let fix = match error.cause() {
                    Some(cause) => hint::of_cause(cause).to_owned(),
                    None => format!(
                        "move {} away; the next command creates a new one",
                        shown(&self.root.join(".swamp"))
                    ),
                };
                checks.push(Check::wrong("spool", error.to_string(), fix));
                return;
            }
        };
        let count = |state| names.iter().filter(|name| name.state == state).count() as u64;
        let pending = format!("{} pending", entries(count(EntryState::Pending)));
        match count(EntryState::Quarantined) {
            0 => checks.push(Check::ok("spool", pending)),
            aside => checks.push(Check::wrong(
                "spool",
                format!("{pending}, {} quarantined", entries(aside)),
                "look at them with `swamp telemetry list`; `swamp telemetry purge` deletes them",
            )),
        }
        if let Some(why) = open_to_others(self.marker, spool.path()) {
            let fix = format!("run `chmod 700 {}`", shown(spool.path()).in_shell());
            checks.push(Check::wrong("privacy", why, fix));
        }
        let Some(last) = spool.last_flush() else {
            checks.push(Check::ok("last flush", "none so far"));
            return;
        };
        let now = Utc::now();
        if last.at > now + TOLERANCE {
            checks.push(Check::wrong(
                "clock",
                format!(
                    "the last flush was at {}, which is in the future",
                    last.at.format("%F %T UTC")
                ),
                "set the clock of this machine",
            ));
        }
        let when = ago(now - last.at);
        checks.push(match last.failure {
            None => Check::ok(
                "last flush",
                format!("{when}, delivered {}", entries(last.delivered)),
            ),
            Some(failure) => {
                let first = failure
                    .cause()
                    .map_or("fix what is wrong below", hint::of_cause);
                Check::wrong(
                    "last flush",
                    format!("{when}, failed: {}", failure.reason),
                    format!("{first}, then run `swamp telemetry flush`"),
                )
            }
        });
    }

    /// Whether there is an endpoint to connect to.
    fn endpoint(&self, checks: &mut Vec<Check>) -> bool {
        let (url, source) = endpoint(self.marker);
        let named = match source {
            EndpointSource::Environment => ENDPOINT_VARIABLE,
            EndpointSource::Marker => ".swamp.yaml",
            EndpointSource::Default => "the default",
        };
        let fix = match source {
            EndpointSource::Environment => {
                format!("set {ENDPOINT_VARIABLE} to an http or https URL")
            }
            _ => "run `swamp config set telemetryEndpoint URL`".to_owned(),
        };
        let url = match url {
            Ok(url) => url,
            Err(error) => {
                checks.push(Check::wrong("endpoint", format!("{named}: {error}"), fix));
                return false;
            }
        };
        if source == EndpointSource::Default && self.has_misspelled_endpoint {
            let found = format!("{url}, the default, since the key in .swamp.yaml is misspelled");
            checks.push(Check::wrong("endpoint", found, fix));
            return false;
        }
        checks.push(Check::ok("endpoint", format!("{url} ({named})")));
        if !self.is_on {
            checks.push(Check::ok("connection", "not tried, since telemetry is off"));
        }
        self.is_on
    }

    fn connection(&self, setup: &FlushSetup, checks: &mut Vec<Check>) {
        let work = Work::begin(self.context.ui, format!("connecting to {}", setup.endpoint));
        let reached = probe(
            &setup.endpoint,
            &Environment::read(env_var),
            Reach::default(),
            PROBE,
        );
        drop(work);
        checks.push(match reached {
            Ok(reached) => {
                let way = reached.proxy.map_or_else(
                    || "directly".to_owned(),
                    |proxy| format!("through the proxy {proxy}"),
                );
                Check::ok("connection", way)
            }
            Err(why) => Check::wrong(
                "connection",
                why.to_string(),
                why.cause().map_or(
                    "start the endpoint, or name another with `swamp config set telemetryEndpoint URL`; behind a \
                     proxy, set HTTPS_PROXY",
                    hint::of_cause,
                ),
            ),
        });
    }

    /// Whether the sender takes the options of the marker, where it says which it takes.
    fn options(&self, description: Option<&Description>) -> Vec<Check> {
        let options = &self.marker.telemetry_sender_options;
        let Some(description) = description else {
            return Vec::new();
        };
        let problems = description.problems(options);
        if problems.is_empty() {
            return match options.len() {
                0 => Vec::new(),
                count => vec![Check::ok(
                    "options",
                    format!("{count}, all known to the sender"),
                )],
            };
        }
        let remedy = "correct telemetrySenderOptions in .swamp.yaml, or set them with `swamp sender use SENDER \
                      --option KEY=VALUE`; `swamp sender show` lists them";
        let wrong = |problem: &OptionProblem| Check::wrong("options", problem.to_string(), remedy);
        problems.iter().map(wrong).collect()
    }

    /// Whether the sender runs.
    fn sender(&self, setup: &FlushSetup, checks: &mut Vec<Check>) -> Result<bool, CommandError> {
        let file = match setup.component_file() {
            Ok(file) => file,
            Err(failure) => {
                checks.push(of_failure(&failure));
                return Ok(false);
            }
        };
        let name = file.name().to_owned();
        let said = match try_compile(&file, self.context)? {
            Ok((compiled, _)) => inspect(&compiled)
                .map_err(SendError::from)
                .and_then(|inspection| inspection.verdict)
                .and_then(|()| describe(&compiled)),
            Err(failure) => Err(failure.into()),
        };
        let description = match said {
            Ok(description) => description,
            Err(error) => {
                checks.push(match &error {
                    SendError::Sender(failure) => of_failure(failure),
                    error => Check::wrong(
                        "sender",
                        error.to_string(),
                        format!("run `swamp sender check {}`", name.in_shell()),
                    ),
                });
                return Ok(false);
            }
        };
        let is_builtin = matches!(self.marker.telemetry_sender, SenderSource::Builtin(_));
        checks.push(Check::ok(
            "sender",
            format!("{name}, compiled and ready to run"),
        ));
        if Compiled::is_cached(&file, &self.context.cache()) {
            checks.push(Check::ok("cache", "has the compiled sender"));
        } else {
            checks.push(Check::wrong(
                "cache",
                "the compiled sender could not be cached, so every flush compiles it again",
                "make ~/.cache/swamp a directory that belongs to you and that nobody else can write to, or set XDG_CACHE_HOME",
            ));
        }
        checks.extend(self.options(description.as_ref()));
        let may_spend = setup.known.may_spend(Sender {
            digest: file.digest(),
            is_builtin,
        });
        match &setup.headers {
            Err(why) => checks.push(Check::wrong(
                "headers",
                why.clone(),
                "set that environment variable where swamp runs",
            )),
            Ok(headers) if headers.is_empty() => {}
            Ok(headers) => checks.push(match may_spend {
                Ok(()) => Check::ok("headers", format!("{} of yours", headers.len())),
                Err(why) => Check::wrong(
                    "headers",
                    format!("{name} is not trusted, and sends without the headers of your config.yaml: {why}"),
                    "review it and run `swamp trust`",
                ),
            }),
        }
        Ok(true)
    }

    fn test_event(
        &self,
        mut setup: FlushSetup,
        is_ready: bool,
        checks: &mut Vec<Check>,
    ) -> Result<(), CommandError> {
        const NAME: &str = "test event";
        if !is_ready {
            checks.push(Check::wrong(NAME, "not sent", "fix what is wrong above"));
            return Ok(());
        }
        setup.repo_id = MarkerFile::new(self.root, self.context.owners()).ensure_repo_id()?;
        let invocation = Invocation {
            command: "doctor".to_owned(),
            global_options: Vec::new(),
            option_keys: vec!["send".to_owned()],
            ..Invocation::default()
        };
        let entry = StartTime::now().entry(invocation, InvocationResult::success(), VERSION);
        let work = Work::begin(
            self.context.ui,
            format!("sending a test event to {}", setup.endpoint),
        );
        let sent = setup.send_alone(&entry, &Watch::start()?);
        drop(work);
        checks.push(match sent {
            Ok(()) => Check::ok(NAME, format!("{} took it", setup.endpoint)),
            Err(error) => Check::wrong(
                NAME,
                error.to_string(),
                error.cause().map_or(
                    "see what is sent with `swamp telemetry flush --dry-run`, and what the endpoint expects",
                    hint::of_cause,
                ),
            ),
        });
        Ok(())
    }
}

fn of_failure(failure: &SenderFailure) -> Check {
    let of_kind = match &failure.kind {
        SenderFailureKind::NotAllowed { .. } => {
            "run `swamp sender use builtin:ingest`, or `swamp config set --user allowSenders any`"
                .to_owned()
        }
        SenderFailureKind::Unvouched => "review the sender and run `swamp trust`".to_owned(),
        SenderFailureKind::NotPinned { .. } => {
            format!(
                "review it and run `swamp sender use {}`",
                failure.component.in_shell()
            )
        }
        SenderFailureKind::Missing { .. } => {
            "put the file there, or run `swamp sender use FILE` with another".to_owned()
        }
        _ => "run `swamp sender check FILE` with the file of telemetrySender".to_owned(),
    };
    let fix = match failure.kind.cause() {
        Some(cause) => format!("{}; or {of_kind}", hint::of_cause(cause)),
        None => of_kind,
    };
    Check::wrong("sender", failure.to_string(), fix)
}

#[cfg(unix)]
fn open_to_others(marker: &Marker, dir: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = dir.metadata().ok()?.permissions().mode() & 0o777;
    let others = if marker.is_of_shared_directory() {
        0o007
    } else {
        0o077
    };
    (mode & others != 0).then(|| format!("others can use the spool: its mode is {mode:o}"))
}

#[cfg(not(unix))]
const fn open_to_others(_: &Marker, _: &Path) -> Option<String> {
    None
}
