//! `telemetry list`: the spool, newest first.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use swamp::domain::{EntryFields, EntryName, EntryState, Status, with_dashes};
use swamp::spool::FileSpool;

use super::format::{duration, entries};
use super::table::{Cell, Column, table};
use crate::cli::args::List;
use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// One file of the spool. The keys of the answer, a list of these, are stable.
#[derive(Serialize)]
struct Row {
    /// The file's name.
    file: String,
    /// `pending`, `sent` or `quarantined`.
    state: &'static str,
    /// The entry as it is stored; missing if it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Box<RawValue>>,
    /// Why it is not a valid entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<String>,
    #[serde(skip)]
    started_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    fields: EntryFields,
}

/// The columns, and in which order they are left out where the terminal is too narrow.
const COLUMNS: [Column; 5] = [
    Column::text("started (UTC)", 3),
    Column::text("state", 1),
    Column::text("result", 4),
    Column::number("took", 2),
    Column::text("command", 0),
];

/// The lines of a terminal that are not for rows: the names of the columns, what is told below, and the next prompt.
const OTHER_LINES: usize = 3;

pub(crate) fn run(args: &List, context: &Context) -> Result<(), CommandError> {
    let (root, _) = context.repo()?;
    let mut rows: Vec<Row> = match FileSpool::open(root, context.owners())? {
        Some(spool) => spool
            .names()?
            .iter()
            .map(|name| Row::read(&spool, name))
            .filter(|row| row.is_asked_for(args))
            .collect(),
        None => Vec::new(),
    };
    rows.sort_by(|one, other| (other.started_at, &other.file).cmp(&(one.started_at, &one.file)));
    let terminal = context.ui.terminal_size();
    let screenful = || Some(terminal?.0.saturating_sub(OTHER_LINES).max(1));
    let limit = match args.limit {
        Some(0) => None,
        Some(limit) => Some(limit),
        None if context.ui.wants_json() => None,
        None => screenful(),
    };
    let more = rows.len().saturating_sub(limit.unwrap_or(usize::MAX));
    rows.truncate(rows.len() - more);
    if context.ui.wants_json() {
        context.ui.json(&rows)?;
    } else if rows.is_empty() {
        let filtered = args.command.is_some() || args.result.is_some() || args.since.is_some();
        context.ui.answer(if filtered {
            "no entry in the spool matches"
        } else {
            "the spool is empty"
        })?;
    } else {
        let cells: Vec<_> = rows.iter().map(Row::cells).collect();
        let mut words = table(&COLUMNS, &cells, terminal.map(|(_, columns)| columns));
        if more > 0 {
            let more = entries(u64::try_from(more).unwrap_or(u64::MAX));
            words = format!("{words}\nand {more} more; --limit 0 lists all");
        }
        context.ui.answer(&words)?;
    }
    Ok(())
}

impl Row {
    fn read(spool: &FileSpool, name: &EntryName) -> Self {
        let state = match name.state {
            EntryState::Pending => "pending",
            EntryState::Flushed => "sent",
            EntryState::Quarantined => "quarantined",
        };
        let (entry, fields, damaged) = match spool.load(name) {
            Ok(entry) => (RawValue::from_string(entry.data).ok(), entry.fields, None),
            Err(why) => (None, EntryFields::default(), Some(why.to_string())),
        };
        Self {
            file: name.to_string(),
            state,
            entry,
            damaged,
            started_at: fields.started_at.or_else(|| name.id.instant()),
            fields,
        }
    }

    fn is_asked_for(&self, args: &List) -> bool {
        let fields = &self.fields;
        let is_command = |asked: &str| {
            let command = fields.command.as_deref().unwrap_or_default();
            let full = fields.full_command().unwrap_or_default();
            asked == command || asked == full || full.starts_with(&format!("{asked} "))
        };
        args.command.as_deref().is_none_or(is_command)
            && args
                .result
                .is_none_or(|result| fields.status == Some(result.status()))
            && args
                .since
                .is_none_or(|since| self.started_at.is_some_and(|at| at >= since))
    }

    fn command(&self) -> String {
        let fields = &self.fields;
        let options = fields
            .option_keys
            .iter()
            .chain(&fields.global_options)
            .flatten();
        let words = fields
            .command
            .iter()
            .chain(&fields.subcommand)
            .chain(fields.args.iter().flatten())
            .cloned()
            .chain(options.map(|key| with_dashes(key)));
        match &self.damaged {
            Some(why) => format!("damaged: {why}"),
            None => words.collect::<Vec<_>>().join(" "),
        }
    }

    fn cells(&self) -> [Cell; 5] {
        let started = self.started_at.map_or_else(
            || "unknown".to_owned(),
            |at| at.format("%Y-%m-%d %H:%M:%S").to_string(),
        );
        let state = self.state;
        let result = match self.fields.status {
            Some(Status::Success) => "ok".to_owned(),
            Some(Status::Error | Status::UserError) => self
                .fields
                .exit_code
                .map_or_else(|| "failed".to_owned(), |code| format!("exit {code}")),
            None => "-".to_owned(),
        };
        let duration = self
            .fields
            .duration_ms
            .map_or_else(|| "-".to_owned(), duration);
        [started, state.to_owned(), result, duration, self.command()].map(Cell::from)
    }
}
