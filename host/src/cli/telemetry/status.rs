//! `telemetry status`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use swamp::config::install_id::install_id;
use swamp::config::known::Known;
use swamp::config::trust::Sender;
use swamp::config::{Marker, OffSwitch, SenderSource, user_repo};
use swamp::domain::{EntryName, EntryState, ForeignText, Listing, TelemetryRepository as _};
use swamp::flush::{component_file, held_back};
use swamp::sender::{ComponentFile, cached_description};
use swamp::spool::{FailureRecord, FileSpool, LastFlush, Totals};

use super::format::{ago, duration, entries};
use crate::cli::context::{
    Context, ENDPOINT_VARIABLE, EndpointSource, endpoint, env_var, followed, known, plain_headers,
    user_config,
};
use crate::cli::error::CommandError;
use crate::cli::hint;
use crate::cli::ui::{BAD, BOLD, GOOD};

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// Whether invocations are recorded and sent.
    pub(super) enabled: bool,
    /// What turns telemetry off: `option`, `environment`, `user` or `marker`.
    #[serde(skip_serializing_if = "Option::is_none")]
    off_by: Option<&'static str>,
    #[serde(skip)]
    off_in_words: Option<ForeignText>,
    /// The directory of the repository.
    pub(super) repository: ForeignText,
    /// Whether it is this user's own, for what is outside of all others.
    #[serde(skip)]
    is_users_own: bool,
    /// The repository's id; missing until the first command that records.
    repo_id: Option<String>,
    /// Whether the repository is known.
    known: bool,
    /// Why it is known or not.
    known_because: ForeignText,
    /// The random id of this machine; missing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    install_id: Option<String>,
    /// Where entries are sent.
    endpoint: EndpointStatus,
    /// A warning that the user's headers would be sent unencrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    header_warning: Option<ForeignText>,
    /// The sender that delivers them.
    sender: SenderStatus,
    /// How many entries are pending.
    pub(super) pending: u64,
    /// How many pending entries are past retention: the next flush that delivers nothing deletes them.
    past_retention: u64,
    /// How many pending entries will be past retention within a day.
    expiring_within_day: u64,
    /// How many pending entries the last flush skipped, because they exceed what the sender's contract promises.
    beyond_contract: u64,
    /// How many entries are quarantined.
    pub(super) quarantined: u64,
    /// How many entries are held back, because they came with a checkout.
    held_back: u64,
    /// How many sent entries are kept.
    kept: u64,
    /// What became of all entries so far.
    totals: Totals,
    /// The last flush; missing if there was none.
    last_flush: Option<FlushStatus>,
    /// Problems in `.swamp.yaml` and in the user's `config.yaml`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<ForeignText>,
    /// What to do about an endpoint that is not valid, a file that cannot be read, or a last flush that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<ForeignText>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointStatus {
    /// The URL; null if it is not valid.
    url: Option<ForeignText>,
    /// Where it is set: `environment`, `marker` or `default`.
    source: &'static str,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ForeignText>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SenderStatus {
    /// The sender, as the marker names it.
    component: ForeignText,
    /// The digest that the marker pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_digest: Option<String>,
    /// Whether it gets this user's headers for the endpoint; missing if its file cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<bool>,
    /// Why it gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    untrusted_because: Option<ForeignText>,
    /// Whether there are such headers.
    #[serde(skip)]
    has_headers: bool,
    #[serde(skip)]
    is_builtin: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FlushStatus {
    /// When it ended.
    at: DateTime<Utc>,
    /// How many entries it delivered.
    delivered: u64,
    /// How many entries it quarantined.
    quarantined: u64,
    /// How long it took.
    duration_ms: u64,
    /// Why it did not deliver the rest; null if it delivered all.
    failure: Option<FailureRecord>,
    /// The time until which the endpoint asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<DateTime<Utc>>,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    if let Some(foreign) = context.foreign() {
        let status = ForeignStatus {
            enabled: false,
            off_by: "owner",
            reason: foreign.to_string().into(),
            hint: hint::of_foreign(foreign).into(),
        };
        if context.ui.wants_json() {
            context.ui.json(&status)?;
        } else {
            let ForeignStatus { reason, hint, .. } = &status;
            context.ui.answer(&format!(
                "{BOLD}{:<16}{BOLD:#}{BAD}off{BAD:#} ({reason})\n{BOLD}{:<16}{BOLD:#}{hint}",
                "telemetry", "hint"
            ))?;
        }
        return Ok(());
    }
    let status = status(context)?;
    if context.ui.wants_json() {
        context.ui.json(&status)?;
    } else {
        context.ui.answer(&status.in_words(Utc::now()))?;
    }
    Ok(())
}

/// Of another user's repository, nothing is read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ForeignStatus {
    /// Always false.
    enabled: bool,
    /// Always `owner`.
    off_by: &'static str,
    /// Who owns the repository.
    reason: ForeignText,
    /// What to do if you trust the owner.
    hint: ForeignText,
}

pub(super) fn status(context: &Context) -> Result<Status, CommandError> {
    let (root, marker) = context.repo()?;
    let off = context.off_switch(marker);
    let spool = FileSpool::open(root, context.owners())?;
    let listing = spool
        .as_ref()
        .map_or_else(|| Ok(Listing::default()), FileSpool::list)?;
    let last = spool.as_ref().and_then(FileSpool::last_flush);
    let held = spool.as_ref().map(|spool| held_back(root, spool));
    let held = held.unwrap_or_default();
    let is_held = |name: &EntryName| held.contains(&name.in_state(EntryState::Pending));
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let count = |names: &[EntryName]| number(names.iter().filter(|name| !is_held(name)).count());
    let waiting = || listing.pending.iter().filter(|name| !is_held(name));
    let held_back = listing.clone().into_names();
    let held_back = number(held_back.iter().filter(|name| is_held(name)).count());
    let retention = followed(root, marker).retention();
    let past_at = |now| {
        let day = retention.unsent_before(now);
        number(waiting().filter(|name| name.date < day).count())
    };
    let now = Utc::now();
    let past_retention = past_at(now);
    let mut totals = last
        .as_ref()
        .map_or_else(Totals::default, |last| last.totals);
    let clean_ups = spool.as_ref().and_then(FileSpool::clean_ups);
    totals.expired_unsent += clean_ups.map_or(0, |clean_ups| clean_ups.expired_unsent);
    let (url, source) = endpoint(marker);
    let known = known(root, marker);
    let answer = known.as_ref().map(Known::answer);
    let file = component_file(root, &marker.telemetry_sender, context.owners()).ok();
    let hint = match (&url, off.as_ref().and_then(OffSwitch::cause), &last) {
        (Err(why), ..) => Some(hint::of_endpoint(why).into()),
        (Ok(_), Some(cause), _) => Some(hint::of_cause(cause).into()),
        (Ok(_), None, Some(last)) => of_last_flush(last, marker),
        (Ok(_), None, None) => None,
    };
    Ok(Status {
        enabled: off.is_none(),
        off_by: off.as_ref().map(OffSwitch::kind),
        off_in_words: off.map(|off| off.to_string().into()),
        repository: root.into(),
        is_users_own: user_repo::path(env_var).is_some_and(|path| path == root),
        repo_id: marker.repo_id.as_ref().map(ToString::to_string),
        install_id: install_id(env_var),
        header_warning: url.as_ref().ok().and_then(plain_headers).map(Into::into),
        known: matches!(answer, Some(Ok(_))),
        known_because: match answer {
            Some(Ok(by)) => by.in_words().into(),
            Some(Err(why)) => why.to_string().into(),
            None => "its endpoint is not valid".into(),
        },
        endpoint: EndpointStatus {
            problem: url.as_ref().err().map(|why| why.to_string().into()),
            url: url.ok().map(|url| url.to_string().into()),
            source: match source {
                EndpointSource::Environment => "environment",
                EndpointSource::Marker => "marker",
                EndpointSource::Default => "default",
            },
        },
        sender: sender(file.as_ref(), marker, known.as_ref()),
        pending: number(waiting().count()),
        past_retention,
        expiring_within_day: past_at(now + TimeDelta::days(1)) - past_retention,
        beyond_contract: last.as_ref().map_or(0, |last| last.withheld),
        quarantined: count(&listing.quarantined),
        held_back,
        kept: count(&listing.flushed),
        totals,
        last_flush: last.map(FlushStatus::from),
        warnings: context
            .warnings()
            .into_iter()
            .chain(option_warnings(context, file.as_ref(), marker))
            .map(Into::into)
            .collect(),
        hint,
    })
}

/// What to do about the last flush, if it failed.
fn of_last_flush(last: &LastFlush, marker: &Marker) -> Option<ForeignText> {
    let failure = last.failure.as_ref()?;
    let sender = marker.telemetry_sender.to_string().into();
    let hints = hint::of_failure(failure.kind.as_written(), failure.cause(), &sender);
    (!hints.is_empty()).then(|| hints.join("; ").into())
}

/// What is wrong with the sender's options, where it has said which it takes. Nothing runs for this.
fn option_warnings(
    context: &Context,
    file: Option<&ComponentFile>,
    marker: &Marker,
) -> Vec<String> {
    let description = file.and_then(|file| cached_description(file, &context.cache()));
    let problems = description
        .map(|description| description.problems(&marker.telemetry_sender_options))
        .unwrap_or_default();
    problems
        .iter()
        .map(|problem| format!("telemetrySenderOptions in .swamp.yaml: {problem}"))
        .collect()
}

fn sender(file: Option<&ComponentFile>, marker: &Marker, known: Option<&Known>) -> SenderStatus {
    let source = &marker.telemetry_sender;
    let may_spend = known.zip(file).map(|(known, file)| {
        known.may_spend(Sender {
            digest: file.digest(),
            is_builtin: matches!(source, SenderSource::Builtin(_)),
        })
    });
    let has_headers = |known: &Known| {
        user_config().is_ok_and(|config| config.headers_for(known.origin()).next().is_some())
    };
    SenderStatus {
        component: match source {
            SenderSource::Builtin(sender) => sender.to_string().into(),
            SenderSource::File(path) => path.as_path().into(),
        },
        pinned_digest: marker
            .telemetry_sender_digest
            .map(|digest| digest.to_string()),
        trusted: may_spend.as_ref().map(Result::is_ok),
        untrusted_because: may_spend
            .and_then(Result::err)
            .map(|why| why.to_string().into()),
        has_headers: known.is_some_and(has_headers),
        is_builtin: matches!(source, SenderSource::Builtin(_)),
    }
}

impl From<LastFlush> for FlushStatus {
    fn from(last: LastFlush) -> Self {
        Self {
            at: last.at,
            delivered: last.delivered,
            quarantined: last.quarantined,
            duration_ms: last.duration_ms,
            failure: last.failure,
            retry_at: last.retry_at,
        }
    }
}

impl Status {
    fn in_words(&self, now: DateTime<Utc>) -> String {
        let telemetry = match &self.off_in_words {
            None => format!("{GOOD}on{GOOD:#}"),
            Some(off) => format!("{BAD}off{BAD:#} ({off})"),
        };
        let Totals {
            sent,
            expired_unsent,
            ..
        } = self.totals;
        let kept = match self.kept {
            0 => String::new(),
            kept => format!(", {kept} kept"),
        };
        let warning = self.header_warning.as_ref();
        let warning = warning.map(|warning| ("headers", format!("{BAD}warning:{BAD:#} {warning}")));
        let because = &self.known_because;
        let known = if self.known {
            format!("yes: {because}")
        } else {
            format!("no: {because}; `swamp trust` allows what it asks for")
        };
        let mut rows = vec![
            ("telemetry", telemetry),
            ("known", known),
            ("endpoint", self.endpoint.in_words()),
            ("sender", self.sender.in_words()),
            ("pending", self.pending_in_words()),
            ("sent", format!("{}{kept}", entries(sent))),
            ("quarantined", entries(self.quarantined)),
            ("expired unsent", entries(expired_unsent)),
            ("last flush", self.last_flush_in_words(now)),
        ];
        rows.extend(self.install_id.clone().map(|id| ("install id", id)));
        rows.extend(warning);
        rows.extend(self.hint.as_ref().map(|hint| ("hint", hint.to_string())));
        if self.held_back > 0 {
            let held_back = format!("{}, which came with a checkout", entries(self.held_back));
            rows.insert(5, ("held back", held_back));
        }
        if self.is_users_own {
            let own = format!(
                "your own, in {}, for commands outside of all other repositories",
                self.repository
            );
            rows.insert(1, ("repository", own));
        }
        let rows = rows.iter();
        let rows = rows.map(|(name, value)| format!("{BOLD}{name:<16}{BOLD:#}{value}"));
        let warnings = self.warnings.iter().map(|warning| {
            let name = "warning";
            format!("{BAD}{name:<16}{BAD:#}{warning}")
        });
        rows.chain(warnings).collect::<Vec<_>>().join("\n")
    }
}

impl Status {
    pub(super) fn last_flush_in_words(&self, now: DateTime<Utc>) -> String {
        let last = self.last_flush.as_ref();
        last.map_or_else(|| "never".to_owned(), |last| last.in_words(now))
    }

    fn pending_in_words(&self) -> String {
        let parts = [
            (self.past_retention, "past retention"),
            (self.expiring_within_day, "within a day of it"),
            (
                self.beyond_contract.min(self.pending),
                "that this sender does not take",
            ),
        ];
        let parts: Vec<_> = (parts.iter().filter(|(count, _)| *count > 0))
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let pending = entries(self.pending);
        if parts.is_empty() {
            pending
        } else {
            format!("{pending} ({})", parts.join(", "))
        }
    }
}

impl EndpointStatus {
    fn in_words(&self) -> String {
        let url = match (&self.url, &self.problem) {
            (Some(url), _) => url.to_string(),
            (None, Some(problem)) => format!("{BAD}not valid{BAD:#}: {problem}"),
            (None, None) => format!("{BAD}not valid{BAD:#}"),
        };
        let source = match self.source {
            "environment" => ENDPOINT_VARIABLE,
            "marker" => ".swamp.yaml",
            other => other,
        };
        format!("{url} ({source})")
    }
}

impl SenderStatus {
    fn in_words(&self) -> String {
        let component = &self.component;
        let pinned = match &self.pinned_digest {
            Some(digest) => format!(", pinned to {digest}"),
            None => String::new(),
        };
        let untrusted = match &self.untrusted_because {
            // Nothing hangs on it.
            Some(_) if !self.has_headers && self.is_builtin => String::new(),
            Some(why) => {
                let so = if self.has_headers {
                    "your headers are left out"
                } else {
                    "not trusted"
                };
                format!("; {so}, since {why} (`swamp trust` changes that)")
            }
            None => String::new(),
        };
        format!("{component}{pinned}{untrusted}")
    }
}

impl FlushStatus {
    fn in_words(&self, now: DateTime<Utc>) -> String {
        let delivered = entries(self.delivered);
        let outcome = match &self.failure {
            None => format!("delivered {delivered} in {}", duration(self.duration_ms)),
            Some(failure) => {
                let reason = &failure.reason;
                match self.delivered {
                    0 => format!("not delivered: {reason}"),
                    _ => format!("delivered {delivered}, then failed: {reason}"),
                }
            }
        };
        let aside = match self.quarantined {
            0 => String::new(),
            count => format!("; quarantined {} that the endpoint refused", entries(count)),
        };
        let retry = match self.retry_at {
            Some(retry_at) if retry_at > now => {
                format!(
                    "; next attempt in {} seconds",
                    (retry_at - now).num_seconds()
                )
            }
            _ => String::new(),
        };
        format!("{}: {outcome}{aside}{retry}", ago(now - self.at))
    }
}

#[cfg(test)]
mod tests;
