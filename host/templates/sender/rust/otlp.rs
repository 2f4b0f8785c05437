//! What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered
//! by 200 or another 2xx. Fields of `data` that are not in the contract are not sent.

use serde_json::{Value, json};

@0.1 use crate::bindings::exports::swamp::telemetry::sender::{
@0.1     InvocationStatus, Rejection, SendError, TelemetryEntry,
@0.1 };
@0.2 use crate::bindings::swamp::telemetry::batch;
@0.2 use crate::bindings::swamp::telemetry::types::{
@0.2     Entry, EntryFields, Failure, InvocationStatus, Outcome, Rejection,
@0.2 };
use crate::http::Answer;

pub const PATH: &str = "/v1/logs";

pub fn body(entries: &[{{Entry}}], distinct_id: &str) -> String {
@0.1     let records: Vec<Value> = entries.iter().map(record).collect();
@0.2     let records = (0..)
@0.2         .zip(entries)
@0.2         .map(|(index, entry)| record(&entry.id, &batch::fields(index)));
@0.2     request(&records.collect::<Vec<_>>(), distinct_id)
@0.2 }
@0.2 
@0.2 fn request(records: &[Value], distinct_id: &str) -> String {
    let resource = attributes([
        ("service.name", text("swamp")),
        ("swamp.repo.id", text(distinct_id)),
    ]);
    let scope_logs = json!([{ "scope": { "name": "swamp" }, "logRecords": records }]);
    json!({ "resourceLogs": [{ "resource": { "attributes": resource }, "scopeLogs": scope_logs }] })
        .to_string()
}

@0.1 fn record(entry: &TelemetryEntry) -> Value {
@0.2 fn record(id: &str, fields: &EntryFields) -> Value {
    let severity = {{fields}}.status.map(|status| match status {
        InvocationStatus::Success => (9, "INFO", "success"),
        InvocationStatus::UserError => (13, "WARN", "user_error"),
        InvocationStatus::Error => (17, "ERROR", "error"),
    });
    let mut words = vec!["swamp"];
    words.extend({{fields}}.command.as_deref());
    words.extend({{fields}}.subcommand.as_deref());
    words.extend({{fields}}.args.iter().flatten().map(String::as_str));
    let mut record = json!({
        "timeUnixNano": nanoseconds({{fields}}.started_at),
        "observedTimeUnixNano": nanoseconds({{fields}}.completed_at),
        "severityNumber": severity.map(|(number, ..)| number),
        "severityText": severity.map(|(_, name, _)| name),
        "body": text(words.join(" ").as_str()),
        "attributes": attributes([
@0.1             ("swamp.entry.id", text(entry.id.as_str())),
@0.2             ("swamp.entry.id", text(id)),
            ("swamp.command", text({{fields}}.command.as_deref())),
            ("swamp.subcommand", text({{fields}}.subcommand.as_deref())),
            ("swamp.args", texts(&{{fields}}.args)),
            ("swamp.option_keys", texts(&{{fields}}.option_keys)),
            ("swamp.global_options", texts(&{{fields}}.global_options)),
            ("swamp.status", text(severity.map(|(.., status)| status))),
            ("swamp.duration_ms", integer({{fields}}.duration_ms.and_then(|millis| millis.try_into().ok()))),
            ("process.exit.code", integer({{fields}}.exit_code.map(i64::from))),
            ("error.type", text({{fields}}.error_type.as_deref())),
            ("exception.message", text({{fields}}.error_message.as_deref())),
            ("service.version", text({{fields}}.swamp_version.as_deref())),
            ("os.type", text({{fields}}.platform.as_deref())),
        ]),
    });
    if let Value::Object(fields) = &mut record {
        fields.retain(|_, value| !value.is_null());
    }
    record
}

/// Those that have a value.
fn attributes<const N: usize>(all: [(&str, Value); N]) -> Vec<Value> {
    let told = all.into_iter().filter(|(_, value)| !value.is_null());
    told.map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

fn text<'a>(value: impl Into<Option<&'a str>>) -> Value {
    value
        .into()
        .map_or(Value::Null, |text| json!({ "stringValue": text }))
}

fn texts(values: &Option<Vec<String>>) -> Value {
    values.as_ref().map_or(Value::Null, |values| {
        let values: Vec<Value> = values.iter().map(|value| text(value.as_str())).collect();
        json!({ "arrayValue": { "values": values } })
    })
}

/// 64-bit numbers are texts in OTLP's JSON.
fn integer(value: Option<i64>) -> Value {
    value.map_or(
        Value::Null,
        |number| json!({ "intValue": number.to_string() }),
    )
}

fn nanoseconds(millis: Option<u64>) -> Option<String> {
    Some(millis?.checked_mul(1_000_000)?.to_string())
}

/// Any 2xx is a success, but for records that its body says were not taken, and but for a web page: a sign-in answers with
/// one.
@0.1 pub fn outcome(answer: &Answer) -> Result<(), SendError> {
@0.2 ///
@0.2 /// The body tells how many records were not taken, and not which: so the whole batch is refused, and the host sends it in
@0.2 /// smaller parts. What was taken comes again then, with the same `swamp.entry.id`.
@0.2 pub fn outcomes(entries: &[Entry], answer: &Answer) -> Result<Vec<Outcome>, Failure> {
    let rejected = |status, body| Err({{Failure}}::Rejected(Rejection { status, body }));
    if !(200..300).contains(&answer.status) {
        return rejected(answer.status, answer.text().unwrap_or_default());
    }
    let body = answer.text()?;
    if is_page(&body) {
        return rejected(answer.status, "the answer is a web page".to_owned());
    }
    match not_taken(&body) {
@0.1         None => Ok(()),
@0.2         None => Ok(vec![Outcome::Taken; entries.len()]),
        // A refusal of what was sent: the host finds the records at fault by sending smaller batches.
        Some(why) => rejected(400, why),
    }
}

fn is_page(body: &str) -> bool {
    body.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace())
        .starts_with('<')
}

/// Why records were not taken, if the answer to a success says so. Protobuf's JSON has two spellings of each name.
fn not_taken(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let of = |value: &Value, names: [&str; 2]| {
        let found = names.iter().find_map(|name| value.get(*name));
        found.cloned().unwrap_or_default()
    };
    let partial = of(&answer, ["partialSuccess", "partial_success"]);
    let count = of(&partial, ["rejectedLogRecords", "rejected_log_records"]);
    let count = count.as_i64().or_else(|| count.as_str()?.parse().ok())?;
    let why = of(&partial, ["errorMessage", "error_message"]);
    let why = why.as_str().filter(|why| !why.is_empty());
    (count > 0)
        .then(|| why.map_or_else(|| format!("{count} records were not taken"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

@0.2     fn fields() -> EntryFields {
@0.2         EntryFields {
@0.1     fn entry() -> TelemetryEntry {
@0.1         TelemetryEntry {
@0.1             id: "a".to_owned(),
@0.1             data: "{}".to_owned(),
            command: Some("sender".to_owned()),
            subcommand: Some("use".to_owned()),
            args: Some(vec!["<REDACTED>".to_owned()]),
            option_keys: None,
            global_options: None,
            status: Some(InvocationStatus::Error),
            error_type: None,
            error_message: None,
            exit_code: Some(1),
            started_at: Some(1_732_460_400_123),
            completed_at: None,
            duration_ms: None,
            swamp_version: None,
            platform: None,
        }
    }

    #[test]
    fn an_entry_is_a_record_that_leaves_out_what_the_entry_lacks() {
@0.1         let body: Value = serde_json::from_str(&body(&[entry()], "repo")).unwrap();
@0.2         let request = request(&[record("a", &fields())], "repo");
@0.2         let body: Value = serde_json::from_str(&request).unwrap();
        let logs = &body["resourceLogs"][0];
        assert_eq!(
            logs["resource"]["attributes"][1]["value"]["stringValue"],
            "repo"
        );
        assert_eq!(
            logs["scopeLogs"][0]["logRecords"],
            json!([{
                "timeUnixNano": "1732460400123000000",
                "severityNumber": 17,
                "severityText": "ERROR",
                "body": { "stringValue": "swamp sender use <REDACTED>" },
                "attributes": [
                    { "key": "swamp.entry.id", "value": { "stringValue": "a" } },
                    { "key": "swamp.command", "value": { "stringValue": "sender" } },
                    { "key": "swamp.subcommand", "value": { "stringValue": "use" } },
                    { "key": "swamp.args", "value": { "arrayValue": { "values": [{ "stringValue": "<REDACTED>" }] } } },
                    { "key": "swamp.status", "value": { "stringValue": "error" } },
                    { "key": "process.exit.code", "value": { "intValue": "1" } },
                ],
            }])
        );
    }

    #[test]
    fn records_that_were_not_taken_are_told_with_the_reason() {
        for (answer, expected) in [
            ("", None),
            ("{}", None),
            (
                r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"a hint"}}"#,
                None,
            ),
            (
                r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#,
                Some("too old"),
            ),
            (
                r#"{"partial_success":{"rejected_log_records":"2","error_message":"too old"}}"#,
                Some("too old"),
            ),
            (
                r#"{"partialSuccess":{"rejectedLogRecords":2}}"#,
                Some("2 records were not taken"),
            ),
        ] {
            assert_eq!(not_taken(answer).as_deref(), expected, "{answer}");
        }
    }

    #[test]
    fn a_web_page_is_no_answer_of_a_collector() {
        for page in [
            "<!DOCTYPE html>",
            "\u{feff}\r\n <html>",
            "<?xml version=\"1.0\"?>",
        ] {
            assert!(is_page(page), "{page}");
        }
        for answer in ["", "{}", "ok"] {
            assert!(!is_page(answer), "{answer}");
        }
    }
}
