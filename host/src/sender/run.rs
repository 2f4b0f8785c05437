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
use super::compiled::Compiled;
use super::contract::{self, Destination, Sender, SenderPre};
use super::failure::{Interruption, frames, out_of_space, system_error};
use super::link::{TypeMismatch, link};
use super::sandbox::Guest;
use crate::config::{BuiltinSender, SenderLimits};
use crate::domain::{
    Deadline, Doing, Endpoint, ForeignText, SendError, SenderFailure, SenderFailureKind,
    SpooledEntry, TelemetrySender,
};
use crate::egress::{
    DryRunRequest, Egress, EgressLimits, EgressReport, HostHeader, Network, Reach, Secrets,
};
use crate::process::cpu::Stopwatch;
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

/// A sender component, linked and ready. Its instance lives from its first batch to its first trap, and serves
/// all batches between.
pub struct ComponentSender {
    name: ForeignText,
    engine: Engine,
    alarm: Alarm,
    linked: SenderPre<Guest>,
    config: Arc<SenderConfig>,
    /// Kept out of whatever the guest says.
    secrets: Secrets,
    runtime: Option<Runtime>,
    instance: Option<Instance>,
    peak_memory: u64,
    /// What the guest wrote during the last batch.
    output: Vec<String>,
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

type CallResult = Result<(), contract::GuestError>;

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
        let linked = link(&engine, &component).map_err(not_linkable)?;
        let runtime = event_loop().map_err(|error| {
            let reason = format!("the system gives no event loop: {error}");
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
            output: Vec::new(),
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
        let instantiate = async |instance: &mut Instance, linked: &SenderPre<Guest>| {
            instance.sender(linked).await.map(drop)
        };
        self.within(deadline, instantiate).map(drop)
    }

    /// Does `work` with the instance, or ends it at `deadline`, whatever it is doing by then. Gives what the host saw
    /// of its requests, too.
    fn within<T>(
        &mut self,
        deadline: Deadline,
        work: impl AsyncFnOnce(&mut Instance, &SenderPre<Guest>) -> wasmtime::Result<T>,
    ) -> Result<(T, EgressReport), SendError> {
        let Some(runtime) = &self.runtime else {
            return Err(SendError::Other("it was shut down".into()));
        };
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.new_instance(),
        };
        let stopwatch = Stopwatch::start();
        instance.store.data_mut().egress.begin_batch(deadline);
        instance.store.set_epoch_deadline(1);
        self.alarm
            .set(deadline)
            .map_err(|error| SendError::Other(format!("no thread to bound it: {error}")))?;
        let work = work(&mut instance, &self.linked);
        let done: Result<wasmtime::Result<T>, Elapsed> =
            runtime.block_on(async { timeout_at(deadline.instant().into(), work).await });
        // Once the guest is done, nothing of it is left that computes.
        self.alarm.clear();
        let egress = &instance.store.data().egress;
        let patience = UNREAD_PATIENCE.min(deadline.remaining());
        runtime.block_on(egress.read_out(patience));
        let guest = instance.store.data();
        self.output = self.log_output(guest);
        self.peak_memory = self.peak_memory.max(guest.quota.memory_taken());
        let report = guest.egress.report();
        // An instance that was interrupted is in no state to be used again.
        match done {
            Err(Elapsed { .. }) => Err(self.out_of_time(stopwatch, report).into()),
            Ok(Err(error)) => Err(self.interrupted(&error, stopwatch, guest).into()),
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
            store: Guest::store(&self.engine, egress, limits.memory_mib * 1024 * 1024),
            sender: None,
        }
    }

    /// By the clock alone: whoever computes may have left a request unanswered, and whoever waits may be woken at the
    /// very moment of the deadline.
    fn out_of_time(&self, stopwatch: Stopwatch, report: EgressReport) -> SenderFailure {
        let doing = if stopwatch.was_busy() {
            Doing::Computing
        } else {
            report.phase.map_or(Doing::Waiting, Doing::Request)
        };
        let limit = self.config.limits.deadline;
        SenderFailureKind::OutOfTime { limit, doing }.by(self.name.clone())
    }

    fn interrupted(
        &self,
        error: &wasmtime::Error,
        stopwatch: Stopwatch,
        guest: &Guest,
    ) -> SenderFailure {
        for frame in frames(error) {
            debug!("{} was in {frame}", self.name);
        }
        let component = self.name.clone();
        if error.is::<TypeMismatch>() {
            let what =
                format!("{error:#}").replace("failed to convert function to given type: ", "");
            let reason = contract::reason(&what);
            return SenderFailureKind::NotLinkable { reason }.by(component);
        }
        if let Some(reason) = system_error(error).as_ref().and_then(out_of_space) {
            return SenderFailureKind::NotRunnable { reason }.by(component);
        }
        match Interruption::of(error) {
            Interruption::OutOfTime => self.out_of_time(stopwatch, guest.egress.report()),
            Interruption::Trapped(_) if guest.quota.memory_was_denied() => {
                let limit_mib = self.config.limits.memory_mib;
                SenderFailureKind::OutOfMemory { limit_mib }.by(component)
            }
            Interruption::Trapped(reason) => SenderFailureKind::Trapped { reason }.by(component),
        }
    }

    /// What a guest's answer amounts to, given what the host itself saw.
    fn judge(&self, answer: CallResult, report: EgressReport) -> Result<(), SendError> {
        let component = self.name.clone();
        let error = match answer {
            Ok(()) if report.saw_success => return Ok(()),
            Ok(()) => return Err(SenderFailureKind::Unconfirmed.by(component).into()),
            Err(error) => contract::send_error(error, &self.secrets),
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
        written
    }
}

impl TelemetrySender for ComponentSender {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let strings = contract::listed_strings(entries);
        let entries = contract::entries(entries, &strings);
        let config = Arc::clone(&self.config);
        let options: Vec<_> = config
            .options
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let endpoint = config.endpoint.to_string();
        let destination = Destination {
            endpoint: &endpoint,
            user_agent: &config.user_agent,
            options: &options,
        };
        let (answer, report) = self.within(deadline, async |instance, linked| {
            let sender = instance.sender(linked).await?;
            sender
                .swamp_telemetry_sender()
                .call_send_batch(&mut instance.store, destination, &entries, distinct_id)
                .await
        })?;
        let (denied, failure) = (report.denied.clone(), report.failure.clone());
        let judged = self.judge(answer, report);
        // What the sender failed with is told by whoever is told that it failed.
        let told = judged.as_ref().err().map(ToString::to_string);
        let is_told = |what: &String| told.as_ref().is_some_and(|told| told.contains(what));
        if let Some(request) = denied.filter(|request| !is_told(request)) {
            debug!("refused the sender's request {request}");
        }
        if let Some(failure) = failure.filter(|failure| !is_told(failure)) {
            debug!("a request of the sender's failed: {failure}");
        }
        judged
    }

    /// Other senders get what their contract promises them, and those that come with the program everything.
    fn takes(&self, entry: &SpooledEntry) -> bool {
        BuiltinSender::parse(self.name.as_written()).is_some() || contract::promises(entry)
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
    async fn sender(&mut self, linked: &SenderPre<Guest>) -> wasmtime::Result<Arc<Sender>> {
        if let Some(sender) = &self.sender {
            return Ok(Arc::clone(sender));
        }
        let instance = linked
            .instance_pre()
            .instantiate_async(&mut self.store)
            .await?;
        let sender = Sender::new(&mut self.store, &instance);
        let sender = Arc::new(sender.map_err(|error| error.context(TypeMismatch))?);
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
