//! `telemetry flush`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde::Serialize;
use swamp::domain::{BATCH_SIZE, Batches, FlushOutcome, ForeignText};
use swamp::flush::{Flushed, How, Watch};
use swamp::process::worker;
use swamp::spool::{FailureRecord, FileSpool};

use super::format::entries;
use crate::cli::context::{Context, flush_setup_with_id};
use crate::cli::elsewhere::Left;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;
use crate::cli::interrupt::Interrupt;
use crate::cli::progress::{self, Work};
use crate::cli::ui::Ui;

/// How long another flusher is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlushReport {
    /// The endpoint that they were sent to.
    endpoint: String,
    /// How many entries were delivered.
    delivered: u64,
    /// How many were quarantined, because the endpoint refused them and accepted others.
    quarantined: u64,
    /// How many are still pending.
    pending: u64,
    /// Why they are still pending; null if only one batch was requested.
    pub(super) failure: Option<FailureRecord>,
}

/// What a flush came to.
pub(super) struct Done {
    endpoint: String,
    sender: ForeignText,
    outcome: FlushOutcome,
    pending: usize,
}

pub(crate) fn run(all: bool, context: &Context) -> Result<(), CommandError> {
    let watch = Watch::start()?;
    worker::forbid_core_dumps();
    let interrupt = Interrupt::watch()?;
    let done = flush(all, context, &watch, &interrupt)?;
    report(context, &done)?;
    let Done {
        endpoint,
        sender,
        outcome,
        pending,
    } = done;
    // Ctrl-C may have ended the compiler, too.
    match outcome.failure.filter(|_| !interrupt.is_requested()) {
        Some(failure) => Err(CommandError::msg(
            ErrorKind::Flush,
            format!("could not deliver telemetry to {endpoint}: {failure}"),
        )
        .told_in_answer()
        .hints(hint::of_failure(failure.kind(), failure.cause(), &sender))),
        None if interrupt.is_requested() => Err(CommandError::msg(
            ErrorKind::Interrupted,
            format!("interrupted: {} still pending", entries(count(pending))),
        )
        .told_in_answer()),
        None => Ok(()),
    }
}

/// Flushes the repository of the context.
pub(super) fn flush(
    all: bool,
    context: &Context,
    watch: &Watch,
    interrupt: &Interrupt,
) -> Result<Done, CommandError> {
    let (root, marker) = context.repo()?;
    if let Some(switch) = context.off_switch(marker) {
        return Err(switch.into());
    }
    let setup = flush_setup_with_id(context, root, marker)?;
    let endpoint = setup.endpoint.to_string();
    let sender = marker.telemetry_sender.to_string().into();
    let spool = FileSpool::create(root, context.owners())?;
    // Until the first batches are on their way, it is the sender that is compiled, or another flush that is waited for.
    let began = Instant::now();
    let mut work = Some(Work::begin(context.ui, format!("sending to {endpoint}")));
    let mut progress = None;
    let how = How {
        patience: PATIENCE,
        batches: if all { Batches::All } else { Batches::One },
        batch_size: BATCH_SIZE,
        heeds_retry_after: false,
    };
    let left = Left::default();
    let mut switch = Switch::default();
    let flushed = setup.flush(spool, how, watch, |so_far, total| {
        left.note(so_far, total);
        if all && began.elapsed() > progress::PATIENCE {
            work = None;
            let progress = progress.get_or_insert_with(|| bar(context.ui, began));
            progress.set_length(count(total));
            progress.set_position(count(so_far.delivered + so_far.quarantined));
        }
        switch.is_on(context) && !interrupt.is_requested()
    })?;
    drop(work);
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    left.remember(root, context.owners(), &flushed);
    let Flushed::Done { outcome, pending } = flushed else {
        return Err(CommandError::msg(
            ErrorKind::Flush,
            format!(
                "could not flush: another flush has been running for {} seconds",
                PATIENCE.as_secs()
            ),
        )
        .hint("try again in a moment"));
    };
    Ok(Done {
        endpoint,
        sender,
        outcome,
        pending,
    })
}

/// The off switches, looked at again during a flush: what was switched off meanwhile is not sent.
#[derive(Default)]
struct Switch {
    looked_at: Option<Instant>,
}

impl Switch {
    /// How long nobody notices that they were not looked at again. To look takes a fifth of a fast batch's time.
    const UNNOTICED: Duration = Duration::from_millis(10);

    /// Whether all were on when they were last looked at, which is now or a moment ago.
    fn is_on(&mut self, context: &Context) -> bool {
        if (self.looked_at).is_some_and(|before| before.elapsed() < Self::UNNOTICED) {
            return true;
        }
        let now = Context::new(context.globals.clone());
        let is_on = now
            .repo()
            .is_ok_and(|(_, marker)| now.off_switch(marker).is_none());
        self.looked_at = Some(Instant::now());
        is_on
    }
}

impl Done {
    pub(super) fn report(&self) -> FlushReport {
        let outcome = &self.outcome;
        FlushReport {
            endpoint: self.endpoint.clone(),
            delivered: count(outcome.delivered),
            quarantined: count(outcome.quarantined),
            pending: count(self.pending),
            failure: outcome.failure.as_ref().map(FailureRecord::of),
        }
    }
}

fn report(context: &Context, done: &Done) -> Result<(), CommandError> {
    let outcome = &done.outcome;
    let report = done.report();
    if context.ui.wants_json() {
        context.ui.json(&report)?;
    } else if outcome.failure.is_none() || report.delivered > 0 {
        context.ui.answer(&report.in_words())?;
    }
    if let Some(refusal) = &outcome.refusal {
        context.ui.note(&format!(
            "quarantined {}: {refusal}",
            entries(report.quarantined)
        ));
    }
    Ok(())
}

impl FlushReport {
    pub(super) fn in_words(&self) -> String {
        let pending = match self.pending {
            0 => "none pending".to_owned(),
            1 => "1 pending".to_owned(),
            pending => format!("{pending} pending"),
        };
        match self.delivered {
            0 => format!("nothing to deliver to {}; {pending}", self.endpoint),
            delivered => format!(
                "delivered {} to {}; {pending}",
                entries(delivered),
                self.endpoint
            ),
        }
    }
}

fn bar(ui: Ui, began: Instant) -> ProgressBar {
    let bar = if ui.may_draw() {
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_finish(ProgressFinish::AndClear)
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template(
        "{wide_bar} {human_pos}/{human_len} entries in {elapsed}, {eta} left",
    );
    // The template is a constant, and the worst that a bad one does is an unadorned bar.
    bar.with_elapsed(began.elapsed())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
