//! The port to whatever delivers entries, and every way in which that can fail.

use std::time::Duration;

use thiserror::Error;

use super::{Cause, Deadline, ForeignText, Reason, SpooledEntry};

/// Delivers batches.
pub trait TelemetrySender {
    /// Delivers one batch, oldest entry first, by `deadline` at the latest. `distinct_id` is the repository's.
    ///
    /// # Errors
    ///
    /// Whenever the endpoint did not take responsibility for any of it.
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        deadline: Deadline,
    ) -> Result<Delivered, SendError>;

    /// Whether it takes entries such as this one. Those that it does not wait for another sender.
    fn takes(&self, _entry: &SpooledEntry) -> bool {
        true
    }
}

/// How much of a batch the endpoint took responsibility for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// All of it.
    Whole,
    /// What became of each entry, in the order of the batch.
    Each(Vec<EntryOutcome>),
}

impl Delivered {
    /// Whether the endpoint took all of it.
    ///
    /// # Errors
    ///
    /// What became of the first entry that it did not take.
    pub fn in_full(self) -> Result<(), SendError> {
        let Self::Each(outcomes) = self else {
            return Ok(());
        };
        let not_taken = outcomes.into_iter().find_map(|outcome| match outcome {
            EntryOutcome::Taken => None,
            EntryOutcome::Rejected { reason } => Some(SendError::Refused { reason }),
            EntryOutcome::Later => Some(SendError::Later { entries: 1 }),
        });
        not_taken.map_or(Ok(()), Err)
    }
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// The endpoint took responsibility for it.
    Taken,
    /// The endpoint refused it.
    Rejected {
        /// Why, in its words or the sender's.
        reason: String,
    },
    /// The endpoint wants it later.
    Later,
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
    /// The endpoint refused single entries, and took none beside them.
    #[error("the endpoint refused what was sent: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The endpoint wants some of it later.
    #[error("the endpoint wants {} later", in_entries(*entries))]
    Later {
        /// How many entries.
        entries: usize,
    },
    /// The endpoint asked to be left alone.
    #[error("the endpoint asked to wait{}", for_how_long(*retry_after))]
    Throttled {
        /// For how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error("{0}")]
    Unreachable(Reason),
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

fn in_entries(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
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
            Self::Rejected { .. } | Self::Refused { .. } => "rejected",
            Self::Later { .. } => "later",
            Self::Throttled { .. } => "throttled",
            Self::Unreachable(_) => "unreachable",
            Self::InvalidConfiguration(_) => "invalid-configuration",
            Self::Other(_) => "other",
            Self::Sender(failure) => failure.kind.as_str(),
        }
    }

    /// The cause, where it is one that a person can remove.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Unreachable(reason) => reason.cause(),
            Self::Sender(failure) => failure.kind.cause(),
            _ => None,
        }
    }

    /// Whether the endpoint answered, without saying when to come again.
    #[must_use]
    pub const fn is_an_answer(&self) -> bool {
        matches!(
            self,
            Self::Rejected { .. }
                | Self::Refused { .. }
                | Self::Later { .. }
                | Self::Throttled { retry_after: None }
        )
    }

    /// Whether the sender broke down over what it was given, so that less of it may succeed.
    #[must_use]
    pub const fn is_breakdown(&self) -> bool {
        matches!(
            self,
            Self::Sender(SenderFailure {
                kind: SenderFailureKind::Trapped { .. } | SenderFailureKind::OutOfMemory { .. },
                ..
            })
        )
    }

    /// Whether the sender was still computing at its deadline, so that it may loop over something that it was given. A
    /// sender that waits for the network never counts.
    #[must_use]
    pub const fn is_computing(&self) -> bool {
        matches!(
            self,
            Self::Sender(SenderFailure {
                kind: SenderFailureKind::OutOfTime {
                    doing: Doing::Computing,
                    ..
                },
                ..
            })
        )
    }

    /// The same error of a call that had only `limit`, where it names one.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        if let Self::Sender(SenderFailure {
            kind: SenderFailureKind::OutOfTime { limit: named, .. },
            ..
        }) = &mut self
        {
            *named = limit;
        }
        self
    }

    /// Whether the refusal is about what was sent, so that sending less of it may succeed.
    #[must_use]
    pub const fn is_about_content(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Rejected {
                    status: 400 | 413 | 422,
                    ..
                }
        )
    }
}

/// How a sender component failed its host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.kind.of(component))]
pub struct SenderFailure {
    /// The component, as `telemetrySender` names it.
    pub component: ForeignText,
    /// What went wrong.
    pub kind: SenderFailureKind,
}

/// What went wrong with a sender component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderFailureKind {
    /// Its file is not there, or cannot be read.
    Missing {
        /// What went wrong.
        reason: Reason,
    },
    /// Its file is not the one that the marker pins.
    NotPinned {
        /// The digest that the file has.
        digest: String,
    },
    /// This user's configuration does not let it run.
    NotAllowed {
        /// What is allowed.
        allowed: &'static str,
    },
    /// It needs the component model's async, and this user knows neither the repository nor the component.
    Unvouched,
    /// It is not a component, or one that cannot be compiled.
    NotCompilable {
        /// What went wrong.
        reason: Reason,
    },
    /// This machine does not let it run, whatever it is.
    NotRunnable {
        /// What is in the way.
        reason: Reason,
    },
    /// It asks for something that the host does not offer, or does not export the contract.
    NotLinkable {
        /// What went wrong.
        reason: Reason,
    },
    /// It trapped.
    Trapped {
        /// The trap.
        reason: String,
    },
    /// It had not finished at the deadline.
    OutOfTime {
        /// The limit.
        limit: Duration,
        /// What it was doing.
        doing: Doing,
    },
    /// It wanted more memory than it may have.
    OutOfMemory {
        /// The limit, in MiB.
        limit_mib: u64,
    },
    /// It asked for something that the sandbox denies, and gave up.
    Denied {
        /// What it asked for.
        request: String,
    },
    /// It said that entries were taken, but the host saw no success.
    Unconfirmed,
    /// It answered what its contract does not allow.
    OutOfContract {
        /// What it answered.
        answer: String,
    },
}

/// What a sender was doing when its time was up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Doing {
    /// It was running, and not waiting for anything.
    #[error("computing")]
    Computing,
    /// It was waiting, but for no request.
    #[error("waiting, but not for the endpoint")]
    Waiting,
    /// Its request was on the way.
    #[error("{0}")]
    Request(String),
}

impl SenderFailureKind {
    /// The failure of this kind of `component`.
    #[must_use]
    pub fn by(self, component: impl Into<ForeignText>) -> SenderFailure {
        SenderFailure {
            component: component.into(),
            kind: self,
        }
    }

    /// One stable word, for machines.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::NotPinned { .. } => "not-pinned",
            Self::NotAllowed { .. } => "not-allowed",
            Self::Unvouched => "not-trusted",
            Self::NotCompilable { .. } => "not-compilable",
            Self::NotRunnable { .. } => "not-runnable",
            Self::NotLinkable { .. } => "not-linkable",
            Self::Trapped { .. } => "trapped",
            Self::OutOfTime { .. } => "out-of-time",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Denied { .. } => "denied",
            Self::Unconfirmed => "unconfirmed",
            Self::OutOfContract { .. } => "out-of-contract",
        }
    }

    /// The cause, where it is one that a person can remove.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Missing { reason }
            | Self::NotCompilable { reason }
            | Self::NotRunnable { reason }
            | Self::NotLinkable { reason } => reason.cause(),
            _ => None,
        }
    }

    fn of(&self, component: &ForeignText) -> String {
        let sender = format!("the sender {component}");
        match self {
            Self::Missing { reason } => format!("could not read {sender}: {reason}"),
            Self::NotPinned { digest } => {
                format!(
                    "{sender} is not the one that telemetrySenderDigest pins (its digest is {digest})"
                )
            }
            Self::NotAllowed { allowed } => {
                format!("{sender} may not run: allowSenders in your config.yaml is {allowed}")
            }
            Self::Unvouched => format!(
                "{sender} may not run: it is built for WASI 0.3, and this repository is not known"
            ),
            Self::NotCompilable { reason } => format!("could not compile {sender}: {reason}"),
            Self::NotRunnable { reason } => {
                format!("could not run {sender} on this machine: {reason}")
            }
            Self::NotLinkable { reason } => format!("could not link {sender}: {reason}"),
            Self::Trapped { reason } => format!("{sender} trapped: {reason}"),
            Self::OutOfTime { limit, doing } => {
                format!(
                    "{sender} ran out of time after {} ms while {doing}",
                    limit.as_millis()
                )
            }
            Self::OutOfMemory { limit_mib } => {
                format!("{sender} ran out of memory at {limit_mib} MiB")
            }
            Self::Denied { request } => format!(
                "the sandbox denied {sender} {request}; a sender may only POST or PUT to the endpoint's origin"
            ),
            Self::OutOfContract { answer } => format!("{sender} broke its contract: {answer}"),
            Self::Unconfirmed => format!(
                "{sender} reported success, but the host saw no 2xx answer from the endpoint"
            ),
        }
    }
}
