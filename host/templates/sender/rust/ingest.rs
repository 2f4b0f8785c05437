//! What the endpoint understands: `POST {endpoint}/ingest`, answered by 202.

use serde_json::json;

use crate::bindings::exports::swamp::telemetry::sender::{Rejection, SendError, TelemetryEntry};
use crate::http::Answer;

pub const PATH: &str = "/ingest";

/// One event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which this
/// sender does not know arrive too.
pub fn body(entries: &[TelemetryEntry], distinct_id: &str) -> String {
    let event = |entry: &TelemetryEntry| {
        format!(
            r#"{{"event":"cli_invocation","distinct_id":{},"insert_id":{},"properties":{}}}"#,
            json!(distinct_id),
            json!(entry.id),
            entry.data
        )
    };
    match entries {
        [entry] => event(entry),
        _ => {
            let events: Vec<String> = entries.iter().map(event).collect();
            format!(r#"{{"events":[{}]}}"#, events.join(","))
        }
    }
}

pub fn outcome(answer: &Answer) -> Result<(), SendError> {
    match answer.status {
        202 => Ok(()),
        status => Err(SendError::Rejected(Rejection {
            status,
            body: answer.text().unwrap_or_default(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, data: &str) -> TelemetryEntry {
        TelemetryEntry {
            id: id.to_owned(),
            data: data.to_owned(),
            command: None,
            subcommand: None,
            args: None,
            option_keys: None,
            global_options: None,
            status: None,
            error_type: None,
            error_message: None,
            exit_code: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
            swamp_version: None,
            platform: None,
        }
    }

    #[test]
    fn one_entry_is_a_bare_event() {
        assert_eq!(
            body(&[entry("a", r#"{"x":1.0}"#)], "repo"),
            r#"{"event":"cli_invocation","distinct_id":"repo","insert_id":"a","properties":{"x":1.0}}"#
        );
    }

    #[test]
    fn several_entries_are_a_list_in_their_order() {
        let body = body(&[entry("a", "{}"), entry("b", "{}")], "repo");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["events"][0]["insert_id"], "a");
        assert_eq!(value["events"][1]["insert_id"], "b");
    }
}
