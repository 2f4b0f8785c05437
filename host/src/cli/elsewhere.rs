//! What waits in the other repositories of this user: remembered after each flush, and sent by one in another repository.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use swamp::config::OffSwitch;
use swamp::config::backlogs::Backlogs;
use swamp::config::ownership::Owners;
use swamp::domain::{
    Batches, Cause, EntryState, FlushOutcome, SpoolError, TelemetryRepository as _, shown,
};
use swamp::flush::{FlushSetup, Flushed, How, Watch, held_back};
use swamp::spool::FileSpool;
use tracing::debug;

use super::args::Globals;
use super::context::{Context, ENDPOINT_VARIABLE, env_var, flush_setup_with_id, known};
use super::error::CommandError;
use super::hint;

/// The most repositories that a flush looks at until it finds one with something to send.
const LOOKS: usize = 16;

/// How long the batch of another repository may take where a command waits for it.
const AWAITED: Duration = Duration::from_secs(1);

/// How many entries a flush has left in its spool, as it goes on.
#[derive(Debug, Default)]
pub(crate) struct Left(Cell<usize>);

impl Left {
    /// What a flush that has done so much leaves of so much.
    pub(crate) fn note(&self, so_far: &FlushOutcome, total: usize) {
        let done = so_far.delivered + so_far.quarantined + so_far.withheld;
        self.0.set(total.saturating_sub(done));
    }

    /// Remembers that entries wait in the repository at `root`, or that none do, once it was flushed.
    pub(crate) fn remember(&self, root: &Path, owners: Owners, flushed: &Flushed) {
        let backlogs = Backlogs::of(Some(root), env_var);
        match flushed {
            Flushed::Done { outcome, .. } if outcome.failure.is_none() && self.0.get() == 0 => {
                settle(&backlogs, root, owners);
            }
            Flushed::Done { .. } | Flushed::OtherAtWork | Flushed::AskedToWait => {
                backlogs.remember(root);
            }
        }
    }
}

/// Flushes the repository at `root` to the end of what is asked for, and remembers whether entries wait there.
pub(crate) fn flush_and_remember(
    context: &Context,
    root: &Path,
    setup: &FlushSetup,
    spool: FileSpool,
    how: How,
    watch: &Watch,
) -> Result<Flushed, SpoolError> {
    let left = Left::default();
    let flushed = setup.flush(spool, how, watch, |so_far, total| {
        left.note(so_far, total);
        true
    })?;
    left.remember(root, context.owners(), &flushed);
    Ok(flushed)
}

/// Whether the environment names one endpoint for all repositories.
pub(crate) fn has_one_endpoint() -> bool {
    env_var(ENDPOINT_VARIABLE).is_some_and(|endpoint| !endpoint.is_empty())
}

/// Forgets the repository at `root`, unless a command has recorded something there meanwhile: it saves its entry first,
/// and remembers the repository then.
fn settle(backlogs: &Backlogs, root: &Path, owners: Owners) {
    if !backlogs.has(root) {
        return;
    }
    backlogs.forget(root);
    if count_pending(root, owners) > 0 {
        backlogs.remember(root);
    }
}

/// How many entries of the repository at `root` wait to be sent.
fn count_pending(root: &Path, owners: Owners) -> usize {
    let Ok(Some(spool)) = FileSpool::open(root, owners) else {
        return 0;
    };
    let Ok(listing) = spool.list() else { return 0 };
    if listing.pending.is_empty() {
        return 0;
    }
    let held = held_back(root, &spool);
    let pending = listing.pending.iter();
    pending
        .filter(|name| !held.contains(&name.in_state(EntryState::Pending)))
        .count()
}

/// The repositories whose entries wait, but for the one at `own`. None where the environment names one endpoint: what
/// others have recorded is not for that one.
fn others(backlogs: &Backlogs, own: &Path) -> Vec<PathBuf> {
    if has_one_endpoint() {
        return Vec::new();
    }
    let own = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    let mut all = backlogs.all();
    all.retain(|root| *root != own);
    all
}

/// Sends at most `limit` entries of one repository other than that at `own`, the one that was not looked at for the longest
/// time.
pub(crate) fn flush_one(own: &Path, limit: usize, watch: &Watch, is_awaited: bool) {
    if limit == 0 {
        return;
    }
    let backlogs = Backlogs::of(Some(own), env_var);
    for root in others(&backlogs, own).into_iter().take(LOOKS) {
        match look(&root) {
            Look::Nothing(why) => {
                debug!("nothing is sent from {}: {why}", shown(&root));
                backlogs.forget(&root);
            }
            Look::Waiting(context) => {
                backlogs.put_last(&root);
                let time_limit = is_awaited.then_some(AWAITED);
                if let Err(error) = flush(&context, limit, time_limit, watch) {
                    let error = error.with_hints();
                    debug!("could not flush telemetry of {}: {error}", shown(&root));
                }
                return;
            }
        }
    }
}

/// What there is to do in a repository that is remembered.
enum Look {
    /// Nothing, and why.
    Nothing(String),
    /// Something waits there.
    Waiting(Box<Context>),
}

fn look(root: &Path) -> Look {
    let context = at(root, &Globals::default());
    match may_flush(&context) {
        Ok(()) if count_pending(root, context.owners()) > 0 => Look::Waiting(Box::new(context)),
        Ok(()) => Look::Nothing("nothing waits there".to_owned()),
        Err(why) => Look::Nothing(why),
    }
}

/// The context of a command with these options in the repository at `root`.
pub(crate) fn at(root: &Path, globals: &Globals) -> Context {
    Context::new(Globals {
        repo_dir: Some(root.to_owned()),
        ..globals.clone()
    })
}

/// Whether what waits in a repository may be sent by a command elsewhere.
///
/// # Errors
///
/// Why not.
pub(crate) fn may_flush(context: &Context) -> Result<(), String> {
    let (root, marker) = context.repo().map_err(|why| why.with_hints())?;
    if let Some(switch) = context.off_switch(marker) {
        return Err(off_in_words(&switch));
    }
    let known = known(root, marker).ok_or("its endpoint is not valid")?;
    known
        .answer()
        .map(drop)
        .map_err(|why| format!("it is not known: {why}"))
}

/// That telemetry is off, why, and what to do where a file cannot be read.
pub(crate) fn off_in_words(switch: &OffSwitch) -> String {
    match switch.cause().map(hint::of_cause) {
        Some(hint) => format!("telemetry is off ({switch}; {hint})"),
        None => format!("telemetry is off ({switch})"),
    }
}

fn flush(
    context: &Context,
    limit: usize,
    time_limit: Option<Duration>,
    watch: &Watch,
) -> Result<(), CommandError> {
    let (root, marker) = context.repo()?;
    let Some(spool) = FileSpool::open(root, context.owners())? else {
        return Ok(());
    };
    let mut setup = flush_setup_with_id(context, root, marker)?;
    if let Some(time_limit) = time_limit {
        let limits = &mut setup.marker.telemetry_sender_limits;
        limits.deadline = limits.deadline.min(time_limit);
    }
    let how = How {
        patience: Duration::ZERO,
        batches: Batches::One,
        batch_size: limit,
        heeds_retry_after: true,
    };
    let began = Utc::now();
    let flushed = flush_and_remember(context, root, &setup, spool, how, watch)?;
    if let Flushed::Done { outcome, .. } = flushed {
        let (root, endpoint) = (shown(root), &setup.endpoint);
        let took = (Utc::now() - began).num_milliseconds();
        if let Some(failure) = outcome.failure {
            let cause = failure.cause().map(Cause::as_str);
            debug!(
                cause,
                "could not deliver telemetry of {root} to {endpoint}: {failure}"
            );
        } else {
            let delivered = outcome.delivered;
            debug!("delivered {delivered} entries of {root} to {endpoint} in {took} ms");
        }
    }
    Ok(())
}
