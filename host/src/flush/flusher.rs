//! A flush of one repository: the spool, its lock and its record, and the sender that the marker names.

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use tracing::debug;

use crate::config::marker_file::MarkerFile;
use crate::config::trust::TrustStore;
use crate::config::{AllowSenders, Marker, SenderSource};
use crate::domain::{
    BATCH_SIZE, Deadline, Endpoint, Expired, FlushConfig, FlushFailure, FlushOutcome, RepoId,
    SendError, SenderFailure, SpoolError, TelemetryRepository, TelemetryService,
};
use crate::egress::{HostHeader, Network, Reach};
use crate::process::timer::Timer;
use crate::process::watchdog::Watchdog;
use crate::sender::{
    Cache, Compiled, Compiler, ComponentFile, ComponentSender, SenderConfig, limits,
};
use crate::spool::{FileSpool, FlushLock, LastFlush};

/// How far back the first flush of a spool looks for entries that are not on the disk yet: systems write what
/// is older of their own accord, after half a minute or so.
const UNWRITTEN: TimeDelta = TimeDelta::hours(1);

/// What a flush needs to know.
#[derive(Clone, Debug)]
pub struct FlushSetup {
    /// The repository.
    pub root: PathBuf,
    /// Its marker.
    pub marker: Marker,
    /// Its id.
    pub repo_id: RepoId,
    /// Where its telemetry goes.
    pub endpoint: Endpoint,
    /// Which senders this user lets run.
    pub allow_senders: AllowSenders,
    /// Which senders this user trusts.
    pub trust: TrustStore,
    /// What this user adds to requests to the endpoint's origin, or why that is not possible.
    pub headers: Result<Vec<HostHeader>, String>,
    /// How requests leave the machine.
    pub network: Network,
    /// Where compiled senders are kept.
    pub cache: Cache,
    /// What compiles them.
    pub compiler: Compiler,
    /// The version of the program, for the `user-agent`.
    pub version: String,
}

/// The one flusher of a spool, for as long as it lives.
#[derive(Debug)]
pub struct Flusher {
    setup: FlushSetup,
    service: TelemetryService<FileSpool>,
    /// The last flush's, kept for as long as this lives: a process that is about to end need not take it apart.
    sender: Option<ComponentSender>,
    _lock: FlushLock,
    began: Instant,
}

impl Flusher {
    /// Becomes the flusher of `spool`, waiting for another one up to `patience`. `None` where that one is not done
    /// by then.
    ///
    /// # Errors
    ///
    /// When the lock cannot be opened.
    pub fn begin(
        setup: FlushSetup,
        spool: FileSpool,
        patience: Duration,
    ) -> Result<Option<Self>, SpoolError> {
        let lock = spool.wait_for_lock(patience)?;
        Ok(lock.map(|lock| Self {
            setup,
            service: TelemetryService::new(spool),
            sender: None,
            _lock: lock,
            began: Instant::now(),
        }))
    }

    /// Whether the endpoint asked to be left alone for now.
    #[must_use]
    pub fn is_asked_to_wait(&self) -> bool {
        self.spool()
            .last_flush()
            .is_some_and(|last| last.asks_to_wait(Utc::now()))
    }

    /// Flushes one batch of the oldest entries, or with `all` one batch after the other until none is left or one
    /// fails. `goes_on` is told after each batch what has been done so far, and how much there was to do; on
    /// `false` the flush ends. The outcome is recorded in the spool.
    pub fn flush(
        &mut self,
        all: bool,
        mut goes_on: impl FnMut(&FlushOutcome, usize) -> bool,
    ) -> FlushOutcome {
        let mut backlog = match self.spool().backlog() {
            Ok(backlog) => backlog,
            Err(error) => return self.conclude(failed(error)),
        };
        if backlog.is_empty() {
            return FlushOutcome::default();
        }
        let total = backlog.len();
        let (compiled, config) = match self.setup.prepare() {
            Ok(prepared) => prepared,
            Err(error) => return self.conclude(failed(error)),
        };
        // From here on everything counts, loading the machine code too; only its compilation does not.
        let mut deadline = self.deadline();
        let read = || self.service.read_batch(&mut backlog, BATCH_SIZE);
        let started = start(&compiled, config, deadline, read);
        let (mut sender, watchdog, mut batch) = match started {
            Ok(started) => started,
            Err(error) => return self.conclude(failed(error)),
        };
        let mut outcome = FlushOutcome::default();
        watchdog.reset();
        loop {
            let config = FlushConfig {
                distinct_id: self.setup.repo_id.as_str(),
                batch_size: BATCH_SIZE,
                keep_flushed: self.setup.marker.telemetry_keep_flushed,
                deadline,
            };
            let service = &self.service;
            outcome.add(service.deliver_batch(&batch, &mut backlog, &mut sender, config));
            let done = !all || backlog.is_empty() || outcome.failure.is_some();
            if !goes_on(&outcome, total) || done {
                break;
            }
            watchdog.reset();
            deadline = self.deadline();
            batch = self.service.read_batch(&mut backlog, BATCH_SIZE);
        }
        watchdog.reset();
        self.sender = Some(sender);
        self.conclude(outcome)
    }

    /// Removes what is older than the repository's retention, and counts what had never been sent. Removes what
    /// killed processes have left, too.
    pub fn clean_up(&self) -> Expired {
        MarkerFile::new(&self.setup.root).sweep();
        let retention = self.setup.marker.telemetry_retention_days;
        let expired = match self.service.clean_up(Utc::now(), retention) {
            Ok(expired) => expired,
            Err(error) => {
                debug!("{error}");
                return Expired::default();
            }
        };
        if expired.unsent > 0
            && let Some(mut last) = self.spool().last_flush()
        {
            last.add_expired(expired);
            self.remember(&last);
        }
        expired
    }

    fn spool(&self) -> &FileSpool {
        self.service.repository()
    }

    fn conclude(&self, outcome: FlushOutcome) -> FlushOutcome {
        let before = self.spool().last_flush();
        // What is recorded from here on is for the next flush to sync.
        let ended_at = Utc::now();
        let took = self.began.elapsed();
        let since = before
            .as_ref()
            .map_or(ended_at - UNWRITTEN, |before| before.at);
        if let Err(error) = self.spool().sync_since(since) {
            debug!("{error}");
        }
        self.remember(&LastFlush::new(before.as_ref(), &outcome, ended_at, took));
        outcome
    }

    fn remember(&self, last: &LastFlush) {
        if let Err(error) = self.spool().write_last_flush(last) {
            debug!("{error}");
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.setup.marker.telemetry_sender_limits.deadline)
    }
}

/// The sender, instantiated by `deadline`, and a watchdog over everything that it does. Meanwhile a thread does `read`:
/// the sender is what takes longer, and this thread is the one that runs it.
fn start<T: Send>(
    compiled: &Compiled,
    config: SenderConfig,
    deadline: Deadline,
    read: impl FnOnce() -> T + Send,
) -> Result<(ComponentSender, Watchdog, T), SendError> {
    let no_thread =
        |error: io::Error| SendError::Other(format!("the system gives no thread for it: {error}"));
    let last_words = || debug!("the flush hung and was ended");
    let watchdog =
        Watchdog::start(&config.timer, limits::WATCHDOG, last_words).map_err(no_thread)?;
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("spool-reader".into());
        let reading = reader.spawn_scoped(scope, read).map_err(no_thread)?;
        let mut sender = ComponentSender::new(compiled, config)?;
        sender.instantiate(deadline)?;
        let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((sender, watchdog, read))
    })
}

impl FlushSetup {
    /// The sender's component as this user lets it run.
    ///
    /// # Errors
    ///
    /// When it is missing, is not the one that the marker pins, or may not run.
    pub fn component_file(&self) -> Result<ComponentFile, SenderFailure> {
        let file = component_file(&self.root, &self.marker.telemetry_sender)?;
        let may_run = match self.allow_senders {
            AllowSenders::Any => true,
            AllowSenders::Trusted => self.is_trusted(&file),
            AllowSenders::Builtin => self.is_builtin(),
        };
        if !may_run {
            return Err(SenderFailure::NotAllowed {
                component: file.name().to_owned(),
                allowed: self.allow_senders.as_str(),
            });
        }
        match self.marker.telemetry_sender_digest {
            Some(pinned) if pinned != file.digest() => Err(SenderFailure::NotPinned {
                component: file.name().to_owned(),
                digest: file.digest().to_string(),
            }),
            _ => Ok(file),
        }
    }

    /// The sender, compiled, and what it works with.
    ///
    /// # Errors
    ///
    /// As [`component_file`](Self::component_file), or when it cannot be compiled, or when one of the user's
    /// headers lacks its variable.
    pub fn prepare(&self) -> Result<(Compiled, SenderConfig), SendError> {
        let file = self.component_file()?;
        // Secrets are for senders that this user trusts.
        let headers = if self.is_trusted(&file) {
            let headers = self.headers.clone();
            headers.map_err(SendError::InvalidConfiguration)?
        } else {
            Vec::new()
        };
        let marker = &self.marker;
        let config = SenderConfig {
            endpoint: self.endpoint.clone(),
            user_agent: format!("swamp/{}", self.version),
            options: marker.telemetry_sender_options.clone(),
            limits: marker.telemetry_sender_limits,
            network: self.network.clone(),
            reach: Reach::default(),
            headers,
            timer: Timer::default(),
        };
        let compiled = Compiled::obtain(&file, &self.cache, &self.compiler)?;
        Ok((compiled, config))
    }

    const fn is_builtin(&self) -> bool {
        matches!(self.marker.telemetry_sender, SenderSource::Builtin(_))
    }

    fn is_trusted(&self, file: &ComponentFile) -> bool {
        self.is_builtin() || self.trust.contains(file.digest())
    }
}

/// The component that a marker in `root` names.
///
/// # Errors
///
/// [`SenderFailure::Missing`].
pub fn component_file(root: &Path, source: &SenderSource) -> Result<ComponentFile, SenderFailure> {
    match source {
        SenderSource::Builtin(sender) => Ok(ComponentFile::builtin(*sender)),
        SenderSource::File(path) => {
            ComponentFile::read(&root.join(path), &path.display().to_string())
        }
    }
}

fn failed(failure: impl Into<FlushFailure>) -> FlushOutcome {
    FlushOutcome {
        failure: Some(failure.into()),
        ..FlushOutcome::default()
    }
}
