//! `telemetry stats`: how commands were used, by what was counted when entries were sent and by what is in the spool.

mod events;
mod report;

use chrono::{Days, NaiveDate, Utc};
use swamp::domain::{EntryState, History};
use swamp::spool::FileSpool;

use self::report::Stats;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::progress::Work;

/// What was used, and what of it is looked at.
struct Usages {
    history: History,
    /// The first day that is looked at; `None` for all there are.
    first: Option<NaiveDate>,
    today: NaiveDate,
    /// Whether they come from many machines.
    from_machines: bool,
}

pub(crate) fn run(args: &args::Stats, context: &Context) -> Result<(), CommandError> {
    let today = Utc::now().date_naive();
    let days_back = args.days.map(|days| u64::from(days) - 1);
    let history = match &args.from {
        Some(file) => events::read(file, context.ui)?,
        None => of_repo(context)?,
    };
    let usages = Usages {
        history,
        first: days_back.and_then(|days| today.checked_sub_days(Days::new(days))),
        today,
        from_machines: args.from.is_some(),
    };
    let stats = Stats::of(&usages, args.by, args.all);
    if context.ui.wants_json() {
        context.ui.json(&stats)?;
    } else {
        let terminal = context.ui.terminal_size();
        let words = stats.in_words(terminal.map(|(_, columns)| columns));
        context.ui.answer(&words)?;
    }
    Ok(())
}

/// What was counted of sent entries, and what is not sent yet.
fn of_repo(context: &Context) -> Result<History, CommandError> {
    let (root, _) = context.repo()?;
    let Some(spool) = FileSpool::open(root, context.owners())? else {
        return Ok(History::default());
    };
    let _work = Work::begin(context.ui, "reading pending entries");
    // Listed first: what is sent in between is then counted or still there, and its name tells which.
    let names = spool.names()?;
    let counted = spool.history();
    let mut history = counted.clone().unwrap_or_default();
    for name in names {
        let is_counted = match (name.state, &counted) {
            // Kept since it was sent, and counted then, unless nothing ever was.
            (EntryState::Flushed, counted) => counted.is_some(),
            (_, Some(counted)) => counted.has_counted(&name),
            (_, None) => false,
        };
        if !is_counted && let Ok(entry) = spool.load(&name) {
            history.add(&name, &entry.fields);
        }
    }
    Ok(history)
}
