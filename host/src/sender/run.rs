//! A component that delivers batches: the [`TelemetrySender`] port, implemented by a guest.

use std::fmt;
use std::io;
use std::mem;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;
use tracing::debug;
use wasmtime::{Engine, Store};

use super::alarm::interrupting;
use super::belief::disbelief;
use super::compiled::Compiled;
use super::contract::{self, Batch, Sender, SenderPre, TypeMismatch};
use super::description::Description;
use super::failure::{Interruption, frames, out_of_space, system_error};
use super::link::link;
use super::sandbox::Guest;
use super::source_lines::SourceLines;
use crate::config::{BuiltinSender, SenderLimits};
use crate::domain::{
    Cause, DEFAULT_ENDPOINT, Deadline, Delivered, Doing, Endpoint, ForeignText, SendError,
    SenderFailure, SenderFailureKind, SpooledEntry, TelemetrySender,
};
use crate::egress::{
    DryRunRequest, Egress, EgressLimits, EgressReport, HostHeader, Network, Reach, Secrets,
};
use crate::process::cpu::Busyness;
use crate::process::timer::{Alarm, Timer};

/// What a sender works with.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// Where it sends to; it reaches nothing else.
    pub endpoint: Endpoint,
    /// Its `user-agent`.
    pub user_agent: String,
    /// `telemetrySenderOptions` of the marker.
    pub options: Vec<(String, String)>,
    /// What it may use up.
    pub limits: SenderLimits,
    /// How its requests leave the machine.
    pub network: Network,
    /// How far its requests may go.
    pub reach: Reach,
    /// What the host adds to its requests.
    pub headers: Vec<HostHeader>,
    /// What ends it at its deadlines.
    pub timer: Timer,
}

impl SenderConfig {
    /// That of a sender which is only looked at: whatever it requests stays here.
    ///
    /// # Errors
    ///
    /// None, as long as the default endpoint is one.
    pub(super) fn without_network() -> Result<Self, SendError> {
        Ok(Self {
            endpoint: Endpoint::parse(DEFAULT_ENDPOINT)
                .map_err(|error| SendError::InvalidConfiguration(error.to_string()))?,
            user_agent: String::new(),
            options: Vec::new(),
            limits: SenderLimits::default(),
            network: Network::DryRun,
            reach: Reach::default(),
            headers: Vec::new(),
            timer: Timer::default(),
        })
    }

    /// What a guest is called with: the `endpoint` of this as text, and what is to be sent.
    fn batch<'a>(
        &'a self,
        endpoint: &'a str,
        distinct_id: &'a str,
        entries: &'a [SpooledEntry],
        secrets: &'a Secrets,
    ) -> Batch<'a> {
        Batch {
            endpoint,
            user_agent: &self.user_agent,
            options: &self.options,
            distinct_id,
            entries,
            secrets,
        }
    }
}

/// A sender component, linked and ready. Its instance lives from its first batch to its first trap, and serves
/// all batches between.
pub struct ComponentSender {
    name: ForeignText,
    engine: Engine,
    alarm: Alarm,
    linked: SenderPre,
    config: Arc<SenderConfig>,
    /// Kept out of whatever the guest says.
    secrets: Secrets,
    runtime: Option<Runtime>,
    instance: Option<Instance>,
    peak_memory: u64,
    busyness: Busyness,
    source_lines: Option<Arc<SourceLines>>,
    /// What the guest wrote during the last batch.
    output: Vec<String>,
    /// Where the guest was when the last batch was cut short.
    frames: Vec<String>,
}

impl fmt::Debug for ComponentSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentSender")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

struct Instance {
    store: Store<Guest>,
    sender: Option<Arc<Sender>>,
}

/// How long what the guest did not read of an answer is waited for, so that its connection is closed in order.
const UNREAD_PATIENCE: Duration = Duration::from_millis(100);

impl ComponentSender {
    /// Loads and links a compiled component.
    ///
    /// # Errors
    ///
    /// When it does not fit this host.
    pub fn new(compiled: &Compiled, config: SenderConfig) -> Result<Self, SenderFailure> {
        let name = compiled.name().clone();
        let component = compiled.load()?;
        let engine = compiled.engine().clone();
        let not_linkable = |reason| SenderFailureKind::NotLinkable { reason }.by(name.clone());
        let linked = link(compiled.kind(), &engine, &component).map_err(not_linkable)?;
        let runtime = event_loop().map_err(|error| {
            let reason = format!("the system could not create an event loop: {error}").into();
            SenderFailureKind::NotRunnable { reason }.by(name.clone())
        })?;
        Ok(Self {
            name,
            alarm: interrupting(engine.clone(), &config.timer),
            engine,
            linked,
            secrets: Secrets::of(&config.headers),
            config: Arc::new(config),
            runtime: Some(runtime),
            instance: None,
            peak_memory: 0,
            busyness: Busyness::default(),
            source_lines: compiled.source_lines(),
            output: Vec::new(),
            frames: Vec::new(),
        })
    }

    /// The most memory that an instance of it took so far, in bytes.
    #[must_use]
    pub const fn peak_memory(&self) -> u64 {
        self.peak_memory
    }

    /// Takes the lines that the guest wrote to its stdout and stderr during the last batch, harmless to a terminal: the
    /// last few KiB of each.
    pub fn take_output(&mut self) -> Vec<String> {
        mem::take(&mut self.output)
    }

    /// Takes the functions that the guest was in when it trapped during the last batch or was interrupted, innermost
    /// first, harmless to a terminal. With file and line where the component has DWARF and a person waits.
    pub fn take_frames(&mut self) -> Vec<String> {
        mem::take(&mut self.frames)
    }

    /// The requests of the last batch that a dry run kept to itself.
    pub fn take_dry_run_requests(&mut self) -> Vec<DryRunRequest> {
        self.instance.as_mut().map_or_else(Vec::new, |instance| {
            instance.store.data_mut().egress.take_dry_run_requests()
        })
    }

    /// Brings the component to life by `deadline`, and asks nothing of it.
    ///
    /// # Errors
    ///
    /// When it does not fit the contract after all, or does not get through its own beginning.
    pub fn instantiate(&mut self, deadline: Deadline) -> Result<(), SendError> {
        let instantiate = async |instance: &mut Instance, linked: &SenderPre| {
            instance.sender(linked).await.map(drop)
        };
        self.within(deadline, instantiate).map(drop)
    }

    /// Asks it what it is. `None` where its contract does not have it say.
    ///
    /// # Errors
    ///
    /// When it does not answer by `deadline`, or makes a request for it.
    pub fn describe(&mut self, deadline: Deadline) -> Result<Option<Description>, SendError> {
        let describe = async |instance: &mut Instance, linked: &SenderPre| {
            let sender = instance.sender(linked).await?;
            sender.describe(&mut instance.store).await
        };
        let (description, report) = self.within(deadline, describe)?;
        let has_asked = report.phase.is_some() || report.denied.is_some() || report.saw_success;
        if has_asked || !self.take_dry_run_requests().is_empty() {
            let answer = "it made a request to describe itself".to_owned();
            let failure = SenderFailureKind::OutOfContract { answer };
            return Err(failure.by(self.name.clone()).into());
        }
        Ok(description)
    }

    /// Asks it by `deadline` whether it could work with its destination and options. It need not have an answer.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidConfiguration`] says what is wrong, and any other how it failed.
    pub fn check_config(&mut self, distinct_id: &str, deadline: Deadline) -> Result<(), SendError> {
        let (config, secrets) = (Arc::clone(&self.config), self.secrets.clone());
        let endpoint = config.endpoint.to_string();
        let batch = config.batch(&endpoint, distinct_id, &[], &secrets);
        let (answer, _) = self.within(deadline, async |instance, linked| {
            let sender = instance.sender(linked).await?;
            sender.check_config(&mut instance.store, &batch).await
        })?;
        answer.map_err(SendError::InvalidConfiguration)
    }

    /// Does `work` with the instance, or ends it at `deadline`, whatever it is doing by then. Gives what the host saw
    /// of its requests, too.
    fn within<T>(
        &mut self,
        deadline: Deadline,
        work: impl AsyncFnOnce(&mut Instance, &SenderPre) -> wasmtime::Result<T>,
    ) -> Result<(T, EgressReport), SendError> {
        let Some(runtime) = &self.runtime else {
            return Err(SendError::Other("it was shut down".into()));
        };
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.new_instance(),
        };
        self.busyness.begin(deadline.remaining());
        instance.store.data_mut().egress.begin_batch(deadline);
        instance.store.set_epoch_deadline(1);
        self.alarm.set(deadline).map_err(|error| {
            SendError::Other(format!("could not start a thread to limit it: {error}"))
        })?;
        let done: Result<wasmtime::Result<T>, Elapsed> = runtime.block_on(async {
            let work = work(&mut instance, &self.linked);
            let done = timeout_at(deadline.instant().into(), work).await;
            // The guest has returned and does not compute any more.
            self.alarm.clear();
            let patience = UNREAD_PATIENCE.min(deadline.remaining());
            instance.store.data().egress.read_out(patience).await;
            done
        });
        let guest = instance.store.data();
        self.output = self.log_output(guest);
        self.frames = match &done {
            Ok(Err(error)) => frames(error, self.source_lines.as_deref()),
            _ => Vec::new(),
        };
        self.peak_memory = self.peak_memory.max(guest.quota.memory_taken());
        let report = guest.egress.report();
        // An instance that was interrupted is in no state to be used again.
        match done {
            Err(Elapsed { .. }) => Err(self.out_of_time(report).into()),
            Ok(Err(error)) => Err(self.interrupted(&error, guest).into()),
            Ok(Ok(done)) => {
                self.instance = Some(instance);
                Ok((done, report))
            }
        }
    }

    fn new_instance(&self) -> Instance {
        let SenderConfig {
            endpoint,
            network,
            reach,
            headers,
            limits,
            ..
        } = &*self.config;
        let egress = Egress::new(
            endpoint,
            network.clone(),
            *reach,
            EgressLimits::default(),
            headers.clone(),
        );
        Instance {
            store: Guest::store(
                &self.engine,
                egress,
                limits.memory_mib * 1024 * 1024,
                &self.config.options,
            ),
            sender: None,
        }
    }

    /// By the clock alone: whoever computes may have left a request unanswered, and whoever waits may be woken at the
    /// very moment of the deadline.
    fn out_of_time(&self, report: EgressReport) -> SenderFailure {
        let doing = if self.busyness.was_busy() {
            Doing::Computing
        } else {
            report.phase.map_or(Doing::Waiting, Doing::Request)
        };
        let limit = self.config.limits.deadline;
        SenderFailureKind::OutOfTime { limit, doing }.by(self.name.clone())
    }

    fn interrupted(&self, error: &wasmtime::Error, guest: &Guest) -> SenderFailure {
        for frame in &self.frames {
            debug!("{} was in {frame}", self.name);
        }
        let component = self.name.clone();
        if error.is::<TypeMismatch>() {
            let what =
                format!("{error:#}").replace("failed to convert function to given type: ", "");
            let reason = contract::reason(&what).into();
            return SenderFailureKind::NotLinkable { reason }.by(component);
        }
        if let Some(reason) = system_error(error).as_ref().and_then(out_of_space) {
            return SenderFailureKind::NotRunnable { reason }.by(component);
        }
        match Interruption::of(error) {
            Interruption::OutOfTime => self.out_of_time(guest.egress.report()),
            Interruption::Trapped(_) if guest.quota.memory_was_denied() => {
                let limit_mib = self.config.limits.memory_mib;
                SenderFailureKind::OutOfMemory { limit_mib }.by(component)
            }
            Interruption::Trapped(reason) => SenderFailureKind::Trapped { reason }.by(component),
        }
    }

    /// What a guest's answer about `count` entries amounts to, given what the host itself saw.
    fn judge(
        &self,
        answer: Result<Delivered, SendError>,
        count: usize,
        report: EgressReport,
    ) -> Result<Delivered, SendError> {
        let component = self.name.clone();
        let error = match answer {
            Ok(delivered) => {
                return match disbelief(&delivered, count, &report) {
                    None => Ok(delivered),
                    Some(why) => Err(why.by(component).into()),
                };
            }
            Err(error) => error,
        };
        Err(match (error, report.denied, report.failure) {
            (SendError::Unreachable(_) | SendError::Other(_), Some(request), _) => {
                SenderFailureKind::Denied { request }.by(component).into()
            }
            (SendError::Unreachable(_), None, Some(failure)) => SendError::Unreachable(failure),
            // The guest knows only a code, and the host what is to be done.
            (SendError::Other(_) | SendError::InvalidConfiguration(_), None, Some(failure))
                if report.failure_is_the_hosts =>
            {
                SendError::Unreachable(failure)
            }
            (SendError::Rejected { status, body }, _, _) if report.last_status == Some(status) => {
                let remark = report.remark.unwrap_or_default();
                let between = if remark.is_empty() || body.is_empty() {
                    ""
                } else {
                    ": "
                };
                SendError::Rejected {
                    status,
                    body: format!("{remark}{between}{body}"),
                }
            }
            (error, _, _) => error,
        })
    }

    fn log_output(&self, guest: &Guest) -> Vec<String> {
        let mut written = guest.stdout.take_lines(&self.secrets);
        for line in &written {
            debug!("{} wrote: {line}", self.name);
        }
        for line in guest.stderr.take_lines(&self.secrets) {
            debug!("{} wrote to stderr: {line}", self.name);
            written.push(line);
        }
        for line in guest.log.take_lines(&self.secrets) {
            debug!("{} logged {line}", self.name);
            written.push(line);
        }
        written
    }
}

impl TelemetrySender for ComponentSender {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        deadline: Deadline,
    ) -> Result<Delivered, SendError> {
        let (config, secrets) = (Arc::clone(&self.config), self.secrets.clone());
        let endpoint = config.endpoint.to_string();
        let batch = config.batch(&endpoint, distinct_id, entries, &secrets);
        let (answer, report) = self.within(deadline, async |instance, linked| {
            let sender = instance.sender(linked).await?;
            sender.send_batch(&mut instance.store, &batch).await
        })?;
        let (denied, failure) = (report.denied.clone(), report.failure.clone());
        let judged = self.judge(answer, entries.len(), report);
        // The caller that reports the failure logs its reason.
        let told = judged.as_ref().err().map(ToString::to_string);
        let is_told = |what: &String| told.as_ref().is_some_and(|told| told.contains(what));
        if let Some(request) = denied.filter(|request| !is_told(request)) {
            debug!("refused the sender's request {request}");
        }
        if let Some(failure) = failure.filter(|failure| !is_told(&failure.to_string())) {
            let cause = failure.cause().map(Cause::as_str);
            debug!(cause, "a request of the sender's failed: {failure}");
        }
        judged
    }

    /// Other senders get what their contract promises them, and those that come with the program everything.
    fn takes(&self, entry: &SpooledEntry) -> bool {
        BuiltinSender::parse(self.name.as_written()).is_some() || self.linked.promises(entry)
    }
}

/// What tokio needs in descriptors must be there: without some of them it panics.
fn event_loop() -> io::Result<Runtime> {
    #[cfg(unix)]
    drop([
        UnixStream::pair()?,
        UnixStream::pair()?,
        UnixStream::pair()?,
    ]);
    Builder::new_current_thread().enable_all().build()
}

impl Instance {
    /// The contract's side of the instance, which is instantiated the first time.
    async fn sender(&mut self, linked: &SenderPre) -> wasmtime::Result<Arc<Sender>> {
        if let Some(sender) = &self.sender {
            return Ok(Arc::clone(sender));
        }
        let sender = Arc::new(linked.instantiate(&mut self.store).await?);
        self.sender = Some(Arc::clone(&sender));
        Ok(sender)
    }
}

/// A thread that still resolves a name must not hold anybody up.
impl Drop for ComponentSender {
    fn drop(&mut self) {
        self.instance = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
