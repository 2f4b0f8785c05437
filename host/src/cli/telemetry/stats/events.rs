//! Events that an endpoint has received, such as `telemetry receive --save` writes: a line of JSON each.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use chrono::Utc;
use serde_json::{Map, Value};
use swamp::domain::{EntryFields, History, shown};

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::ui::Ui;

/// What the events in this file, or with `-` on stdin, tell of. An event that arrived twice counts once; lines that are
/// no events are told about and passed over.
pub(super) fn read(file: &Path, ui: Ui) -> Result<History, CommandError> {
    if file == Path::new("-") {
        return Ok(count(io::stdin().lock(), ui)?);
    }
    let opened = File::open(file).map_err(|error| {
        let why = format!("could not read {}: {error}", shown(file));
        CommandError::msg(ErrorKind::Io, why)
    })?;
    Ok(count(BufReader::new(opened), ui)?)
}

fn count(lines: impl BufRead, ui: Ui) -> io::Result<History> {
    let mut history = History::default();
    let mut known = HashSet::new();
    let mut others = 0;
    for line in lines.split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match event(&line) {
            Some((id, entry)) => {
                if known.insert(id) {
                    let fields = EntryFields::of(&entry);
                    let at = fields.started_at.unwrap_or_else(Utc::now);
                    history.add_on(at.date_naive(), &fields);
                }
            }
            None => others += 1,
        }
    }
    if others > 0 {
        ui.note(&format!("skipped {others} lines that are not events"));
    }
    Ok(history)
}

/// The id of an event, and the entry in it.
fn event(line: &[u8]) -> Option<(String, Map<String, Value>)> {
    let mut event: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let id = event.get("insert_id")?.as_str()?.to_owned();
    match event.remove("properties")? {
        Value::Object(entry) => Some((id, entry)),
        _ => None,
    }
}
