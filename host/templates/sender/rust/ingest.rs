//! What the endpoint understands: `POST {endpoint}/ingest`, answered by 202.

use serde_json::json;

@0.1 use crate::bindings::exports::swamp::telemetry::sender::{Rejection, SendError, TelemetryEntry};
@0.2 use crate::bindings::swamp::telemetry::types::{Entry, Failure, Outcome, Rejection};
use crate::http::Answer;

pub const PATH: &str = "/ingest";

/// One event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which this
/// sender does not know arrive too.
pub fn body(entries: &[{{Entry}}], distinct_id: &str) -> String {
    let event = |entry: &{{Entry}}| {
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

@0.1 pub fn outcome(answer: &Answer) -> Result<(), SendError> {
@0.2 /// The endpoint takes a batch as a whole. For one that says of each entry what became of it, so does this.
@0.2 pub fn outcomes(entries: &[Entry], answer: &Answer) -> Result<Vec<Outcome>, Failure> {
    match answer.status {
@0.1         202 => Ok(()),
@0.2         202 => Ok(vec![Outcome::Taken; entries.len()]),
        status => Err({{Failure}}::Rejected(Rejection {
            status,
            body: answer.text().unwrap_or_default(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, data: &str) -> {{Entry}} {
        {{Entry}} {
            id: id.to_owned(),
            data: data.to_owned(),
@0.1             command: None,
@0.1             subcommand: None,
@0.1             args: None,
@0.1             option_keys: None,
@0.1             global_options: None,
@0.1             status: None,
@0.1             error_type: None,
@0.1             error_message: None,
@0.1             exit_code: None,
@0.1             started_at: None,
@0.1             completed_at: None,
@0.1             duration_ms: None,
@0.1             swamp_version: None,
@0.1             platform: None,
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
