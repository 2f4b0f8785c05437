//! The port to whatever delivers entries, and every way in which that can fail.

use std::time::Duration;

use thiserror::Error;

use super::{Deadline, ForeignText, SpooledEntry};

/// Delivers batches.
pub trait TelemetrySender {
    /// Delivers one batch, oldest entry first, by `deadline` at the latest. `distinct_id` is the repository's.
    ///
    /// # Errors
    ///
    /// Whenever the endpoint did not take responsibility for the whole batch.
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        deadline: Deadline,
    ) -> Result<(), SendError>;
}

/// Why a batch was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The endpoint refused it.
    #[error("the endpoint refused the batch with status {status}{}", quoted(body))]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the answer.
        body: String,
    },
    /// The endpoint asked to be left alone.
    #[error("the endpoint asked to wait{}", for_how_long(*retry_after))]
    Throttled {
        /// For how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error("{0}")]
    Unreachable(String),
    /// The sender cannot work with the endpoint or an option.
    #[error("the sender cannot work with this configuration: {0}")]
    InvalidConfiguration(String),
    /// Anything else that the sender had to say.
    #[error("the sender failed: {0}")]
    Other(String),
    /// The sender itself did not do its job.
    #[error(transparent)]
    Sender(#[from] SenderFailure),
}

fn quoted(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(": {body}")
    }
}

fn for_how_long(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |duration| {
        format!(" for {} seconds", duration.as_secs())
    })
}

impl SendError {
    /// One stable word for the kind of failure, for machines.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::Throttled { .. } => "throttled",
            Self::Unreachable(_) => "unreachable",
            Self::InvalidConfiguration(_) => "invalid-configuration",
            Self::Other(_) => "other",
            Self::Sender(failure) => failure.kind(),
        }
    }

    /// Whether the refusal is about what was sent, so that sending less of it may succeed.
    #[must_use]
    pub const fn is_about_content(&self) -> bool {
        matches!(
            self,
            Self::Rejected {
                status: 400 | 413 | 422,
                ..
            }
        )
    }
}

/// How a sender component failed its host. Each says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SenderFailure {
    /// Its file is not there, or cannot be read.
    #[error(
        "could not read the sender {component}: {reason}; correct telemetrySender in .swamp.yaml, or run `swamp sender use builtin:ingest`"
    )]
    Missing {
        /// The component's path.
        component: ForeignText,
        /// What went wrong.
        reason: String,
    },
    /// Its file is not the one that the marker pins.
    #[error(
        "the sender {component} is not the one that telemetrySenderDigest pins (its digest is {digest}); if it should be, run `swamp sender use {}`", component.in_shell()
    )]
    NotPinned {
        /// The component's path.
        component: ForeignText,
        /// The digest that the file has.
        digest: String,
    },
    /// This user's configuration does not let it run.
    #[error(
        "the sender {component} may not run: allowSenders in your config.yaml is {allowed}; review it and run `swamp sender trust`"
    )]
    NotAllowed {
        /// The component's path.
        component: ForeignText,
        /// What is allowed.
        allowed: &'static str,
    },
    /// It is not a component, or one that cannot be compiled.
    #[error(
        "could not compile the sender {component}: {reason}; run `swamp sender check {}`", component.in_shell()
    )]
    NotCompilable {
        /// The component's path.
        component: ForeignText,
        /// What went wrong.
        reason: String,
    },
    /// It asks for something that the host does not offer, or does not export the contract.
    #[error(
        "could not link the sender {component}: {reason}; run `swamp sender check {}`", component.in_shell()
    )]
    NotLinkable {
        /// The component's path.
        component: ForeignText,
        /// What went wrong.
        reason: String,
    },
    /// It trapped.
    #[error(
        "the sender {component} trapped: {reason}; run the command with `--log-level debug` to see its last output"
    )]
    Trapped {
        /// The component's path.
        component: ForeignText,
        /// The trap.
        reason: String,
    },
    /// It had not finished at the deadline.
    #[error(
        "the sender {component} ran out of time after {} ms while {doing}",
        limit.as_millis()
    )]
    OutOfTime {
        /// The component's path.
        component: ForeignText,
        /// The limit.
        limit: Duration,
        /// What it was doing.
        doing: Doing,
    },
    /// It wanted more memory than it may have.
    #[error(
        "the sender {component} ran out of memory at {limit_mib} MiB; if it needs more, raise telemetrySenderLimits.memoryMiB in .swamp.yaml"
    )]
    OutOfMemory {
        /// The component's path.
        component: ForeignText,
        /// The limit, in MiB.
        limit_mib: u64,
    },
    /// It asked for something that the sandbox denies, and gave up.
    #[error(
        "the sandbox denied the sender {component} {request}; a sender may only POST or PUT to the endpoint's origin"
    )]
    Denied {
        /// The component's path.
        component: ForeignText,
        /// What it asked for.
        request: String,
    },
    /// It said `ok`, but the host saw no success.
    #[error(
        "the sender {component} reported success, but the host saw no 2xx answer from the endpoint; the entries are kept"
    )]
    Unconfirmed {
        /// The component's path.
        component: ForeignText,
    },
}

/// What a sender was doing when its time was up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Doing {
    /// It was running, and not waiting for anything.
    #[error("computing; run the command with `--log-level debug` to see its last output")]
    Computing,
    /// It was waiting, but for no request.
    #[error(
        "waiting, though not for the endpoint; run the command with `--log-level debug` to see its last output"
    )]
    Waiting,
    /// Its request was on the way.
    #[error("{0}; is the endpoint up?")]
    Request(String),
}

impl SenderFailure {
    /// One stable word for the kind of failure, for machines.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::NotPinned { .. } => "not-pinned",
            Self::NotAllowed { .. } => "not-allowed",
            Self::NotCompilable { .. } => "not-compilable",
            Self::NotLinkable { .. } => "not-linkable",
            Self::Trapped { .. } => "trapped",
            Self::OutOfTime { .. } => "out-of-time",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Denied { .. } => "denied",
            Self::Unconfirmed { .. } => "unconfirmed",
        }
    }
}
