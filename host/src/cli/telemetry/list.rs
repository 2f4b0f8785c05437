//! `telemetry list`: the spool, newest first.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use swamp::domain::{EntryFields, EntryName, EntryState, Status, printable, with_dashes};
use swamp::spool::FileSpool;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// One file of the spool. The keys of the answer, a list of these, are stable.
#[derive(Serialize)]
struct Row {
    /// The file's name.
    file: String,
    /// `waiting`, `sent` or `setAside`.
    state: &'static str,
    /// The entry as it is stored; missing where it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Box<RawValue>>,
    /// Why it is not an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<String>,
    #[serde(skip)]
    started_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    fields: EntryFields,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    let (root, _) = context.repo()?;
    let mut rows: Vec<Row> = match FileSpool::open(root)? {
        Some(spool) => spool
            .names()?
            .iter()
            .map(|name| Row::read(&spool, name))
            .collect(),
        None => Vec::new(),
    };
    rows.sort_by(|one, other| (other.started_at, &other.file).cmp(&(one.started_at, &one.file)));
    if context.ui.wants_json() {
        context.ui.json(&rows)?;
    } else if rows.is_empty() {
        context.ui.answer("the spool is empty")?;
    } else {
        context.ui.answer(&in_words(&rows))?;
    }
    Ok(())
}

impl Row {
    fn read(spool: &FileSpool, name: &EntryName) -> Self {
        let state = match name.state {
            EntryState::Pending => "waiting",
            EntryState::Flushed => "sent",
            EntryState::Quarantined => "setAside",
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

    fn cells(&self) -> [String; 5] {
        let started = self.started_at.map_or_else(
            || "unknown".to_owned(),
            |at| at.format("%Y-%m-%d %H:%M:%S").to_string(),
        );
        let state = if self.state == "setAside" {
            "set aside"
        } else {
            self.state
        };
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
            .map_or_else(|| "-".to_owned(), |millis| format!("{millis} ms"));
        [started, state.to_owned(), result, duration, self.command()]
            .map(|cell| printable(&cell).into_owned())
    }
}

/// Aligned columns; times are UTC.
fn in_words(rows: &[Row]) -> String {
    let header = ["started (UTC)", "state", "result", "took", "command"].map(str::to_owned);
    let cells: Vec<_> = std::iter::once(header)
        .chain(rows.iter().map(Row::cells))
        .collect();
    super::words::table(&cells, &[3])
}
