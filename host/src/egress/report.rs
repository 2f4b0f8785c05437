//! What the host saw of a batch, readable while requests are still under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Response, header};

use crate::domain::{Deadline, Reason, printable};

use super::failure::{EgressFailure, Limit, Phase};
use super::secrets::Secrets;

/// What the host saw of a sender's requests during one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressReport {
    /// How many requests were let through.
    pub requests: u32,
    /// Whether the complete head of an answer with a 2xx status came.
    pub saw_success: bool,
    /// The status of the last answer whose head was complete.
    pub last_status: Option<u16>,
    /// Whether that failure is one of this host's own: its configuration, or what it does not allow.
    pub failure_is_the_hosts: bool,
    /// What is to be said of the last answer beside its status: where a redirect leads, or which path there is nothing
    /// at.
    pub remark: Option<String>,
    /// The first request that was refused, such as `GET https://example.com/`: shortened, control characters
    /// escaped.
    pub denied: Option<String>,
    /// The last request that got no whole answer, in one sentence.
    pub failure: Option<Reason>,
    /// What the youngest open request is waiting for right now, or what a request was waiting for at the deadline,
    /// such as `connecting to 127.0.0.1:8090`.
    pub phase: Option<String>,
}

/// One batch: its deadline and what was seen so far.
#[derive(Debug)]
pub(super) struct BatchLog {
    pub(super) deadline: Deadline,
    /// Kept out of everything that is told.
    secrets: Secrets,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    report: EgressReport,
    denials: u32,
    /// The open requests, oldest first.
    open: Vec<(u32, Phase)>,
    /// What a request was waiting for at the deadline. The guest's own end may come a moment later.
    late: Option<Phase>,
}

impl BatchLog {
    pub(super) fn new(deadline: Deadline, secrets: Secrets) -> Self {
        Self {
            deadline,
            secrets,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Every change is one assignment, so a panic leaves nothing half done.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self) -> EgressReport {
        let seen = self.seen();
        EgressReport {
            phase: seen
                .open
                .last()
                .map(|(_, phase)| phase)
                .or(seen.late.as_ref())
                .map(ToString::to_string),
            ..seen.report.clone()
        }
    }

    /// Counts a request. `None` when there were `limit` before it.
    pub(super) fn admit(self: &Arc<Self>, limit: u32, phase: Phase) -> Option<InFlight> {
        let mut seen = self.seen();
        if seen.report.requests >= limit {
            return None;
        }
        seen.report.requests += 1;
        let id = seen.report.requests;
        seen.open.push((id, phase));
        drop(seen);
        Some(InFlight {
            batch: Arc::clone(self),
            id,
        })
    }

    /// Takes note of a refused request. Says how many there are by now.
    pub(super) fn deny(&self, what: &str) -> u32 {
        let mut seen = self.seen();
        seen.report.denied.get_or_insert_with(|| what.to_owned());
        seen.denials = seen.denials.saturating_add(1);
        seen.denials
    }
}

/// A request that is under way. Dropped, nothing is waiting for it any more.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) batch: Arc<BatchLog>,
    id: u32,
}

impl InFlight {
    pub(super) fn enter(&self, phase: Phase) {
        let mut seen = self.batch.seen();
        if let Some((_, current)) = seen.open.iter_mut().find(|(id, _)| *id == self.id) {
            *current = phase;
        }
    }

    /// The failure of having waited too long for what the request is waiting for.
    pub(super) fn late(&self, limit: Limit) -> EgressFailure {
        let mut seen = self.batch.seen();
        let open = seen.open.iter().find(|(id, _)| *id == self.id);
        let Some(phase) = open.map(|(_, phase)| phase.clone()) else {
            return EgressFailure::Stopped;
        };
        if limit == Limit::Deadline {
            seen.late = Some(phase.clone());
        }
        EgressFailure::Late { phase, limit }
    }

    /// Takes note of the complete head of an answer to a request for `path`. What went wrong before it is over.
    pub(super) fn answered<T>(&self, answer: &Response<T>, path: &str) {
        let status = answer.status();
        let location = answer.headers().get(header::LOCATION);
        let remark = match status.as_u16() {
            301 | 302 | 303 | 307 | 308 => location.map(|location| {
                let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
                format!("it redirects to {location}, and redirects are not followed")
            }),
            404 | 405 | 410 => Some(format!("there is no endpoint at {path}")),
            _ => None,
        };
        let remark = remark.map(|remark| shortened(&self.batch.secrets.mask(&remark)));
        let report = &mut self.batch.seen().report;
        report.last_status = Some(status.as_u16());
        report.saw_success |= status.is_success();
        report.failure = None;
        report.remark = remark;
    }

    /// Takes note of what went wrong.
    pub(super) fn failed(&self, failure: &EgressFailure) -> wasmtime_wasi_http::Error {
        let reason = failure.reason();
        let reason = reason.with_text(self.batch.secrets.mask(&reason.to_string()));
        let report = &mut self.batch.seen().report;
        report.failure = Some(reason);
        report.failure_is_the_hosts = failure.is_the_hosts();
        failure.code()
    }

    /// Nothing waits for this request any more.
    pub(super) fn close(&self) {
        self.batch.seen().open.retain(|(id, _)| *id != self.id);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.close();
    }
}

/// An endpoint's words, cut short and escaped.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    let start: String = text.chars().take(LONGEST).collect();
    printable(&start).into_owned()
}
