//! Whether what a sender did and said is what was expected.

use std::time::Duration;

use crate::domain::{
    EntryOutcome, ForeignText, SendError, SenderFailure, SenderFailureKind, SpooledEntry,
};

use super::request::SeenRequest;
use super::scenario::Expected;
use crate::receiver::{Format, ReceivedEvent};

/// The most characters of an entry's data that are shown.
const SHOWN_DATA: usize = 160;

/// What is known of one batch.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) entries: &'a [SpooledEntry],
    /// What the sender said of the batch as a whole, as the host takes it.
    pub(super) said: &'a Result<(), SendError>,
    /// What it said of each entry; nothing where it failed.
    pub(super) outcomes: &'a [EntryOutcome],
    /// The requests that arrived meanwhile.
    pub(super) requests: &'a [SeenRequest],
    pub(super) user_agent: &'a str,
    /// The repository's id.
    pub(super) distinct_id: &'a str,
    /// What the path of each request must begin with.
    pub(super) path: &'a str,
}

/// What was expected, and what came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) expected: ForeignText,
    pub(super) received: ForeignText,
}

impl Evidence<'_> {
    pub(super) fn judge(&self, expected: Expected) -> Result<(), Finding> {
        if let Expected::Sorted(statuses) = expected {
            return self.sorted(statuses);
        }
        if !self.answer_fits(expected) {
            let outcomes: Vec<_> = self.outcomes.iter().map(outcome_in_words).collect();
            let received = if outcomes.is_empty() || self.said.is_ok() {
                said_in_words(self.said)
            } else {
                format!("outcomes: {}", outcomes.join(", "))
            };
            let expected = match expected {
                Expected::RejectedSomehow if self.entries.len() > 1 => {
                    "no entry taken: the answer does not say which ones were".into()
                }
                expected => answer_in_words(expected),
            };
            return finding(expected, received);
        }
        match expected {
            Expected::NothingSent => match self.requests {
                [] => Ok(()),
                [first, ..] => finding("no request".into(), first.to_string()),
            },
            Expected::Delivered => self.delivery(),
            Expected::DeliveredAs => self.delivery().and_then(|()| self.user_agent()),
            Expected::RejectedAtOnce(_) => match self.requests {
                [_] => Ok(()),
                requests => finding("one request".into(), listed(requests)),
            },
            Expected::Unanswered if self.requests.is_empty() => {
                finding("a request to the endpoint".into(), "no request".into())
            }
            _ => Ok(()),
        }
    }

    fn answer_fits(&self, expected: Expected) -> bool {
        match (expected, self.said) {
            (Expected::Delivered | Expected::DeliveredAs, said) => said.is_ok(),
            // What says `ok` without a request is not believed.
            (
                Expected::NothingSent,
                Err(SendError::Sender(SenderFailure {
                    kind: SenderFailureKind::Unconfirmed,
                    ..
                })),
            )
            | (
                Expected::Unanswered,
                Err(SendError::Sender(SenderFailure {
                    kind: SenderFailureKind::OutOfTime { .. },
                    ..
                })),
            )
            | (
                Expected::RejectedOrUnreachable(_) | Expected::Unreachable | Expected::Unanswered,
                Err(SendError::Unreachable(_)),
            )
            | (Expected::RejectedSomehow, Err(SendError::Rejected { .. })) => true,
            (Expected::RejectedSomehow, _) => {
                !self.outcomes.is_empty() && !self.outcomes.contains(&EntryOutcome::Taken)
            }
            (
                Expected::Rejected(wanted)
                | Expected::RejectedAtOnce(wanted)
                | Expected::RejectedOrUnreachable(wanted),
                Err(SendError::Rejected { status, .. }),
            ) => *status == wanted,
            (Expected::RejectedWithReason(wanted), Err(SendError::Rejected { status, body })) => {
                *status == wanted && body.starts_with(super::REASON_BEGINS)
            }
            (Expected::Throttled(wait), Err(SendError::Throttled { retry_after })) => {
                *retry_after == wait.map(Duration::from_secs)
            }
            _ => false,
        }
    }

    /// Whether what the sender said of each entry is what was answered, in turn, to the requests that it was in. A sender
    /// that sends all of them in one request sees the first answer only.
    fn sorted(&self, statuses: [u16; 2]) -> Result<(), Finding> {
        let has_failed = match self.said {
            Err(SendError::Sender(_)) => self.outcomes.is_empty(),
            _ => false,
        };
        if has_failed {
            return finding(
                answer_in_words(Expected::Sorted(statuses)),
                said_in_words(self.said),
            );
        }
        if self.requests.is_empty() {
            let received = format!("no request, and {}", said_in_words(self.said));
            return finding("a request to the endpoint".into(), received);
        }
        let [success, refusal] = statuses;
        let answers = |id: &str| -> Vec<u16> {
            let answered = self.requests.iter().zip(statuses.into_iter().cycle());
            let with_it = answered.filter(|(request, _)| request.body.contains(id));
            with_it.map(|(_, status)| status).collect()
        };
        let answers: Vec<_> = self
            .entries
            .iter()
            .map(|entry| answers(entry.id.as_str()))
            .collect();
        if let Err(error) = self.said
            && self.outcomes.is_empty()
        {
            let taken = answers.iter().filter(|one| one.contains(&success)).count();
            return if taken == 0 {
                Ok(())
            } else {
                let count = self.entries.len();
                finding(
                    format!("an outcome for each entry: the endpoint took {taken} of {count}"),
                    said_in_words(&Err(error.clone())),
                )
            };
        }
        let told = (1..).zip(self.outcomes).zip(answers);
        for ((number, outcome), answers) in told {
            let is_right = match outcome {
                EntryOutcome::Taken => answers.contains(&success),
                EntryOutcome::Rejected { .. } => {
                    !answers.contains(&success) && answers.contains(&refusal) && refusal < 500
                }
                EntryOutcome::Later => !answers.contains(&success),
            };
            if !is_right {
                let answers: Vec<_> = answers.iter().map(u16::to_string).collect();
                let answers = if answers.is_empty() {
                    "nothing, as it was in no request".to_owned()
                } else {
                    answers.join(" and ")
                };
                return finding(
                    format!("an outcome of entry {number} that is what was answered: {answers}"),
                    outcome_in_words(outcome).into(),
                );
            }
        }
        Ok(())
    }

    /// Every entry in one request, as often as every other: some formats carry an id more than once.
    fn delivery(&self) -> Result<(), Finding> {
        let mut usual = None;
        for entry in self.entries {
            let id = entry.id.as_str();
            let counts: Vec<_> = self
                .requests
                .iter()
                .map(|request| request.body.matches(id).count())
                .filter(|count| *count > 0)
                .collect();
            let [count] = *counts else {
                let expected = format!("every entry once: the id {id} in one request's body");
                return finding(expected, listed(self.requests));
            };
            let usual = *usual.get_or_insert(count);
            if count != usual {
                return finding(
                    format!("every entry once: the id {id} {usual} times, like the first one"),
                    format!("{count} times"),
                );
            }
        }
        self.requests
            .iter()
            .try_for_each(|request| self.form(request))?;
        self.content()
    }

    /// Whether `telemetry receive` takes what is in a format that it knows, and finds in it what the sender was given.
    fn content(&self) -> Result<(), Finding> {
        let mut events = Vec::new();
        for request in self.requests {
            let Some(format) = request.format() else {
                return Ok(());
            };
            let taken = request.received(format).and_then(|events| {
                match events.iter().find_map(|event| event.warning()) {
                    Some(warning) => Err(format!("a warning: {warning}")),
                    None => Ok(events),
                }
            });
            match taken {
                Ok(taken) if format == Format::Ingest => events.extend(taken),
                // A log record has no place for an entry's data as it is.
                Ok(_) => return Ok(()),
                Err(why) => {
                    let expected = "a request that `telemetry receive` takes without a warning";
                    return finding(expected.into(), why);
                }
            }
        }
        self.entries
            .iter()
            .try_for_each(|entry| self.event_of(entry, &events))
    }

    /// Whether one of these events is this entry, as the ingest format has it.
    fn event_of(&self, entry: &SpooledEntry, events: &[ReceivedEvent]) -> Result<(), Finding> {
        let id = entry.id.as_str();
        let Some(event) = events.iter().find(|event| event.insert_id() == id) else {
            let found: Vec<_> = events.iter().map(ReceivedEvent::insert_id).collect();
            return finding(
                format!("an event with the entry's id {id} as insert_id"),
                format!("events with {}", found.join(", ")),
            );
        };
        if event.distinct_id() != self.distinct_id {
            return finding(
                format!("the distinct_id {}", self.distinct_id),
                event.distinct_id().to_owned(),
            );
        }
        let (expected, received) = (entry.data.trim(), event.properties());
        if received == expected {
            return Ok(());
        }
        let plain = |text: &str| text.split_ascii_whitespace().collect::<String>();
        let received = if plain(received) == plain(expected) {
            "the same with other white space".to_owned()
        } else {
            line(received)
        };
        let expected = format!(
            "the entry's data as properties, byte for byte: {}",
            line(expected)
        );
        finding(expected, received)
    }

    /// Whether a request is one that any endpoint understands.
    fn form(&self, request: &SeenRequest) -> Result<(), Finding> {
        let Some(kind) = request.header("content-type") else {
            return finding("a content-type".into(), request.to_string());
        };
        if kind.starts_with("application/json")
            && serde_json::from_str::<serde::de::IgnoredAny>(&request.body).is_err()
        {
            let expected = format!("a body that is JSON, as its content-type {kind} says");
            return finding(expected, request.to_string());
        }
        if !request.path.starts_with(self.path) || request.path.contains("//") {
            let expected = format!(
                "a path that begins with \"{}\" and has no empty segment",
                self.path
            );
            return finding(expected, request.to_string());
        }
        Ok(())
    }

    fn user_agent(&self) -> Result<(), Finding> {
        for request in self.requests {
            let found = request.header("user-agent");
            if found != Some(self.user_agent) {
                let expected = format!("the user-agent \"{}\"", self.user_agent);
                let received = found.map_or_else(|| "none".into(), |name| format!("\"{name}\""));
                return finding(expected, received);
            }
        }
        Ok(())
    }
}

/// The text in one line, shortened.
fn line(text: &str) -> String {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let words = words.join(" ");
    let shown: String = words.chars().take(SHOWN_DATA).collect();
    let more = if shown.len() < words.len() { "…" } else { "" };
    format!("{shown}{more}")
}

pub(super) fn finding(expected: String, received: String) -> Result<(), Finding> {
    Err(Finding {
        expected: expected.into(),
        received: received.into(),
    })
}

fn listed(requests: &[SeenRequest]) -> String {
    match requests {
        [] => "no request".into(),
        [one] => one.to_string(),
        [first, .., last] => format!(
            "{} requests, the first {first}, and the last {last}",
            requests.len()
        ),
    }
}

fn answer_in_words(expected: Expected) -> String {
    match expected {
        Expected::Delivered | Expected::DeliveredAs => "ok".into(),
        Expected::NothingSent => "ok, without a request".into(),
        Expected::RejectedSomehow => "rejected".into(),
        Expected::Sorted(_) => "an outcome for each entry".into(),
        Expected::Rejected(status) | Expected::RejectedAtOnce(status) => {
            format!("rejected, with status {status}")
        }
        Expected::RejectedWithReason(status) => format!(
            "rejected, with status {status} and a body that begins with {}",
            super::REASON_BEGINS
        ),
        Expected::RejectedOrUnreachable(status) => {
            format!("rejected, with status {status}, or unreachable")
        }
        Expected::Throttled(None) => "throttled, without a time".into(),
        Expected::Throttled(Some(seconds)) => format!("throttled, for {seconds} seconds"),
        Expected::Unreachable => "unreachable".into(),
        Expected::Unanswered => "unreachable, or no answer until the deadline".into(),
    }
}

const fn outcome_in_words(outcome: &EntryOutcome) -> &'static str {
    match outcome {
        EntryOutcome::Taken => "taken",
        EntryOutcome::Rejected { .. } => "rejected",
        EntryOutcome::Later => "later",
    }
}

pub(super) fn said_in_words(said: &Result<(), SendError>) -> String {
    match said {
        Ok(()) => "ok".into(),
        Err(SendError::Sender(SenderFailure {
            kind: SenderFailureKind::Unconfirmed,
            ..
        })) => "ok, but the host saw no 2xx answer".into(),
        Err(SendError::Refused { reason }) => format!("an entry that is rejected: {reason}"),
        Err(SendError::Later { .. }) => "an entry that is wanted later".into(),
        Err(SendError::Rejected { status, body }) if body.is_empty() => {
            format!("rejected, with status {status} and no body")
        }
        Err(SendError::Rejected { status, body }) => {
            let shown: String = body.chars().take(60).collect();
            format!("rejected, with status {status} and the body {shown}")
        }
        Err(SendError::Throttled { retry_after: None }) => "throttled, without a time".into(),
        Err(SendError::Throttled {
            retry_after: Some(wait),
        }) => format!("throttled, for {} seconds", wait.as_secs()),
        Err(error) => format!("{}: {error}", error.kind()),
    }
}
