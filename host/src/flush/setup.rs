//! A flush through the component that the marker names.

use std::path::{Path, PathBuf};

use tracing::debug;

use super::flusher::{FlushJob, Flushed, How, flush};
use super::held_back::hold_back;
use super::watch::Watch;
use crate::config::known::Known;
use crate::config::ownership::Owners;
use crate::config::trust::Sender;
use crate::config::{AllowSenders, Marker, SenderSource};
use crate::domain::{
    Cause, Deadline, Endpoint, FlushOutcome, RepoId, SendError, SenderFailure, SenderFailureKind,
    SpoolError,
};
use crate::egress::{HostHeader, Network, Reach};
use crate::process::timer::Timer;
use crate::sender::{Cache, Compiled, Compiler, ComponentFile, ComponentSender, SenderConfig};
use crate::spool::FileSpool;

/// What a flush through a component needs to know.
#[derive(Clone, Debug)]
pub struct FlushSetup {
    /// The repository.
    pub root: PathBuf,
    /// Its marker, restrained where this user does not know the repository.
    pub marker: Marker,
    /// Whose files are used in it.
    pub owners: Owners,
    /// Whether this user knows it.
    pub known: Known,
    /// Its id.
    pub repo_id: RepoId,
    /// Where its telemetry goes.
    pub endpoint: Endpoint,
    /// Which senders this user lets run.
    pub allow_senders: AllowSenders,
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

impl FlushSetup {
    /// Flushes the repository through its component, as [`flush`] does.
    ///
    /// # Errors
    ///
    /// As [`flush`].
    pub fn flush(
        &self,
        mut spool: FileSpool,
        how: How,
        watch: &Watch,
        goes_on: impl FnMut(&FlushOutcome, usize) -> bool,
    ) -> Result<Flushed, SpoolError> {
        hold_back(&self.root, &mut spool);
        let prepare = || self.prepare(watch);
        flush(&self.job(), spool, how, watch, prepare, start, goes_on)
    }

    /// What is flushed, whatever delivers it.
    pub(super) fn job(&self) -> FlushJob {
        FlushJob::new(&self.root, &self.marker, self.repo_id.clone())
    }

    /// The sender's component as this user lets it run.
    ///
    /// # Errors
    ///
    /// When it is missing, is not the one that the marker pins, or may not run.
    pub fn component_file(&self) -> Result<ComponentFile, SenderFailure> {
        let file = component_file(&self.root, &self.marker.telemetry_sender, self.owners)?;
        let may_run = match self.allow_senders {
            AllowSenders::Any => true,
            AllowSenders::Trusted => {
                self.is_builtin() || self.known.trusts_somewhere(file.digest())
            }
            AllowSenders::Builtin => self.is_builtin(),
        };
        if !may_run {
            let allowed = self.allow_senders.as_str();
            return Err(SenderFailureKind::NotAllowed { allowed }.by(file.name().clone()));
        }
        match self.marker.telemetry_sender_digest {
            Some(pinned) if pinned != file.digest() => {
                let digest = file.digest().to_string();
                Err(SenderFailureKind::NotPinned { digest }.by(file.name().clone()))
            }
            _ => {
                let sender = self.sender(&file);
                Ok(file.vouched_for(self.known.may_be_async(sender)))
            }
        }
    }

    const fn sender(&self, file: &ComponentFile) -> Sender {
        Sender {
            digest: file.digest(),
            is_builtin: self.is_builtin(),
        }
    }

    /// The sender, compiled, and what it works with.
    ///
    /// # Errors
    ///
    /// As [`component_file`](Self::component_file), or when it cannot be compiled, or when one of the user's
    /// headers lacks its variable.
    pub(super) fn prepare(&self, watch: &Watch) -> Result<(Compiled, SenderConfig), SendError> {
        let file = self.component_file()?;
        let sender = self.sender(&file);
        let headers = self.headers_for(sender)?;
        let reach = if self.known.may_reach_private(sender) {
            Reach::Anywhere
        } else {
            Reach::PublicOnly
        };
        let marker = &self.marker;
        let config = SenderConfig {
            endpoint: self.endpoint.clone(),
            user_agent: format!("swamp/{}", self.version),
            options: marker.telemetry_sender_options.clone(),
            limits: marker.telemetry_sender_limits,
            network: self.network.clone(),
            reach,
            headers,
            timer: watch.timer().clone(),
        };
        watch.allow_compiling();
        let compiled = Compiled::obtain(&file, &self.cache, &self.compiler)?;
        watch.reset();
        Ok((compiled, config))
    }

    const fn is_builtin(&self) -> bool {
        matches!(self.marker.telemetry_sender, SenderSource::Builtin(_))
    }

    /// The user's headers, as far as `sender` may spend them.
    fn headers_for(&self, sender: Sender) -> Result<Vec<HostHeader>, SendError> {
        if self.headers.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        match self.known.may_spend(sender) {
            Ok(()) => self
                .headers
                .clone()
                .map_err(SendError::InvalidConfiguration),
            Err(why) => {
                let cause = Cause::UntrustedSender.as_str();
                debug!(cause, "your headers are left out: {why}");
                Ok(Vec::new())
            }
        }
    }
}

/// The component that a marker in `root` names, a file of one of the `owners`.
///
/// # Errors
///
/// [`SenderFailureKind::Missing`].
pub fn component_file(
    root: &Path,
    source: &SenderSource,
    owners: Owners,
) -> Result<ComponentFile, SenderFailure> {
    match source {
        SenderSource::Builtin(sender) => Ok(ComponentFile::builtin(*sender)),
        SenderSource::File(path) => {
            ComponentFile::read_of(&root.join(path), path.as_path(), owners)
        }
    }
}

/// Brings the component to life by `deadline`.
pub(super) fn start(
    (compiled, config): (Compiled, SenderConfig),
    timer: &Timer,
    deadline: Deadline,
) -> Result<ComponentSender, SendError> {
    let config = SenderConfig {
        timer: timer.clone(),
        ..config
    };
    let mut sender = ComponentSender::new(&compiled, config)?;
    sender.instantiate(deadline)?;
    Ok(sender)
}
