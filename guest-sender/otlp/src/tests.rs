use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use guest_sender::bindings::swamp::telemetry::types::InvocationStatus;

const REPO: &str = "0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5";

const SUCCESS_DATA: &str = r#"{
  "id": "a",
  "invocation": {
    "command": "sender",
    "subcommand": "use",
    "args": ["<REDACTED>"],
    "optionKeys": [],
    "globalOptions": ["json"]
  },
  "result": { "status": "success", "exitCode": 0 },
  "startedAt": "2024-11-24T15:00:00.123Z",
  "completedAt": "2024-11-24T15:00:00.165Z",
  "durationMs": 42,
  "swampVersion": "0.1.0",
  "platform": "linux"
}"#;

/// An entry with what the host says of it.
#[derive(Clone)]
struct Sample {
    id: String,
    data: String,
    fields: EntryFields,
}

impl Sample {
    fn known(&self) -> KnownEntry<'_> {
        KnownEntry {
            id: &self.id,
            data: &self.data,
            fields: self.fields.clone(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut EntryFields)) -> Self {
        change(&mut self.fields);
        self
    }
}

/// An entry of which nothing is known.
fn bare(id: &str, data: &str) -> Sample {
    Sample {
        id: id.to_owned(),
        data: data.to_owned(),
        fields: EntryFields {
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
        },
    }
}

fn body_of_samples(samples: &[Sample]) -> Result<Vec<u8>, Failure> {
    body_of(&samples.iter().map(Sample::known).collect::<Vec<_>>(), REPO)
}

fn success() -> Sample {
    let fields = EntryFields {
        command: Some("sender".to_owned()),
        subcommand: Some("use".to_owned()),
        args: Some(vec!["<REDACTED>".to_owned()]),
        option_keys: Some(Vec::new()),
        global_options: Some(vec!["json".to_owned()]),
        status: Some(InvocationStatus::Success),
        exit_code: Some(0),
        started_at: Some(1_732_460_400_123),
        completed_at: Some(1_732_460_400_165),
        duration_ms: Some(42),
        swamp_version: Some("0.1.0".to_owned()),
        platform: Some("linux".to_owned()),
        ..bare("a", SUCCESS_DATA).fields
    };
    bare("a", SUCCESS_DATA).with(|known| *known = fields)
}

/// A failure that the program before this one recorded.
fn failure() -> Sample {
    success().with(|known| {
        known.command = Some("version".to_owned());
        known.subcommand = None;
        known.status = Some(InvocationStatus::Error);
        known.error_type = Some("io".to_owned());
        known.error_message = Some("a file could not be read or written".to_owned());
        known.exit_code = Some(1);
        known.swamp_version = Some("20260211.1".to_owned());
    })
}

fn request(samples: &[Sample]) -> Value {
    serde_json::from_slice(&body_of_samples(samples).unwrap()).unwrap()
}

/// The only record's attributes with this key.
fn attributes<'a>(request: &'a Value, key: &str) -> Vec<&'a Value> {
    let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let all = record["attributes"].as_array().unwrap();
    all.iter()
        .filter(|attribute| attribute["key"] == key)
        .map(|attribute| &attribute["value"])
        .collect()
}

/// Whether the record of an entry with this data, of which the host understood all that [`success`] has, carries the
/// data as well.
fn carries(data: &str) -> bool {
    let sample = Sample {
        data: data.to_owned(),
        ..success()
    };
    let request = request(&[sample]);
    let sent = attributes(&request, "swamp.entry.data");
    assert!(sent.iter().all(|value| value["stringValue"] == data));
    !sent.is_empty()
}

#[test]
fn entries_are_log_records_by_the_version_that_recorded_them() {
    let entries = [success(), failure(), bare("c", r#"{"id":"c","later":1}"#)];
    insta::assert_snapshot!(format!("{:#}", sorted(request(&entries))));
}

#[test]
fn entries_of_one_version_share_a_resource_in_their_order() {
    let of = |id: &str, version: &str| {
        bare(id, "{}").with(|known| known.swamp_version = Some(version.to_owned()))
    };
    let request = request(&[of("a", "2"), of("b", "1"), of("c", "2")]);
    let ids: Vec<Vec<_>> = request["resourceLogs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| {
            let records = resource["scopeLogs"][0]["logRecords"].as_array().unwrap();
            records
                .iter()
                .map(|record| {
                    record["attributes"][0]["value"]["stringValue"]
                        .as_str()
                        .unwrap()
                })
                .collect()
        })
        .collect();
    assert_eq!(ids, [vec!["a", "c"], vec!["b"]]);
}

/// The attributes of the only resource, a line each.
fn resource(request: &Value) -> String {
    let all = &request["resourceLogs"][0]["resource"]["attributes"];
    let line = |one: &Value| format!("{}: {}", one["key"], one["value"]["stringValue"]);
    let lines: Vec<_> = all.as_array().unwrap().iter().map(line).collect();
    lines.join("\n")
}

#[test]
fn a_tool_is_a_service_of_its_own_name_and_version() {
    let data = |path: &str, more: &str| {
        format!(r#"{{"id":"a","invocation":{{"command":"deploy","commandPath":{path}}}{more}}}"#)
    };
    let tool = |data: &str, version: &str| {
        bare("a", data).with(|known| {
            known.command = Some("deploy".to_owned());
            known.subcommand = Some("run".to_owned());
            known.swamp_version = Some(version.to_owned());
        })
    };
    let ours = data(r#"["deploy","run"]"#, "");
    let request_of_ours = request(&[tool(&ours, "2.3")]);
    insta::assert_snapshot!(resource(&request_of_ours), @r#"
    "service.name": "deploy"
    "service.version": "2.3"
    "swamp.repo.id": "0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5"
    "telemetry.sdk.name": "swamp"
    "telemetry.sdk.language": "rust"
    "#);
    let record = &request_of_ours["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["body"]["stringValue"], "deploy run");
    assert!(attributes(&request_of_ours, "swamp.entry.data").is_empty());
    let unversioned = resource(&request(&[tool(&ours, "unknown")]));
    assert!(!unversioned.contains("service.version"), "{unversioned}");
    let other_path = request(&[tool(&data(r#"["deploy","other"]"#, ""), "2")]);
    assert_eq!(attributes(&other_path, "swamp.entry.data").len(), 1);
    let of_deno = data(r#"["model","run"]"#, r#","denoVersion":"2.1.0""#);
    let of_deno = resource(&request(&[tool(&of_deno, "2026")]));
    assert!(
        of_deno.starts_with("\"service.name\": \"swamp\""),
        "{of_deno}"
    );
}

#[test]
fn what_is_known_of_the_invocation_is_told_in_attributes_of_its_own() {
    let data = r#"{"id":"a","installId":"i","parentInvocationId":"p","invocationContext":{
        "isInteractive":true,"isCi":false,"agentSessionDetected":true,"detectedAiTool":"claude"}}"#;
    let request = request(&[bare("a", data)]);
    let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let line = |one: &Value| format!("{} {}", one["key"], one["value"]);
    let all = record["attributes"].as_array().unwrap();
    let lines: Vec<_> = all.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    "swamp.entry.id" {"stringValue":"a"}
    "swamp.install.id" {"stringValue":"i"}
    "swamp.parent.entry.id" {"stringValue":"p"}
    "swamp.context.interactive" {"boolValue":true}
    "swamp.context.ci" {"boolValue":false}
    "swamp.context.agent_session" {"boolValue":true}
    "swamp.context.agent" {"stringValue":"claude"}
    "#);
    let odd = r#"{"id":"a","installId":7,"invocationContext":{"later":1}}"#;
    assert!(carries(odd));
}

#[test]
fn a_misuse_is_a_warning() {
    let sample = success().with(|known| known.status = Some(InvocationStatus::UserError));
    let record = record::log_record(&sample.known(), &Data::of(&sample.data));
    assert_eq!(record["severityNumber"], 13);
    assert_eq!(record["severityText"], "WARN");
}

#[test]
fn data_is_sent_along_only_when_it_holds_more_than_the_record() {
    assert!(!carries(SUCCESS_DATA));
    assert!(!carries(
        r#"{"id":"a","later":null,"invocation":{"command":"x"}}"#
    ));
    for more in [
        r#"{"id":"a","later":1}"#,
        r#"{"id":"a","invocation":{"cwd":"x"}}"#,
        r#"{"id":"a","result":{"errorType":7}}"#,
        r#"{"id":"a","invocation":[]}"#,
        r#"{"id":"a","startedAt":"2024-11-24T15:00:00.123456Z"}"#,
        r#"{"id":"a","durationMs":41.7}"#,
        r#"{"id":"a","args":["not where it belongs"]}"#,
    ] {
        assert!(carries(more), "{more}");
    }
}

#[test]
fn an_instant_that_nanoseconds_cannot_tell_is_left_to_the_data() {
    let sample = success().with(|known| {
        known.started_at = Some(u64::MAX);
        known.duration_ms = Some(u64::MAX);
    });
    let request = request(&[sample]);
    let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert!(record.get("timeUnixNano").is_none());
    assert!(attributes(&request, "swamp.duration_ms").is_empty());
    assert_eq!(attributes(&request, "swamp.entry.data").len(), 1);
}

#[test]
fn a_batch_that_the_host_would_not_send_is_to_be_divided_and_one_entry_always_fits() {
    // Nothing grows more than a quote, which is escaped twice in the data.
    let word = "\"".repeat(120 * 1024);
    let data = json!({"id": "a", "invocation": {"command": word}, "later": 1}).to_string();
    assert!(data.len() < 256 * 1024);
    let sample = bare("a", &data).with(|known| known.command = Some(word));
    assert!(body_of_samples(std::slice::from_ref(&sample)).is_ok());
    let batch = vec![sample; 25];
    assert!(matches!(
        body_of_samples(&batch),
        Err(Failure::Rejected(Rejection { status: 413, .. }))
    ));
}

fn answered(status: u16, body: &str) -> Result<(), Failure> {
    let answer = Answer {
        status,
        retry_after: Some("7".to_owned()),
        body: body.as_bytes().to_vec(),
    };
    outcome(&answer, || 0)
}

fn rejected(status: u16, body: &str) -> Result<(), Failure> {
    Err(Failure::Rejected(Rejection {
        status,
        body: body.to_owned(),
    }))
}

#[test]
fn a_2xx_that_names_no_refused_record_is_success() {
    for body in [
        "",
        "{}",
        "not json",
        r#"{"partialSuccess":null}"#,
        r#"{"partialSuccess":{}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":0,"errorMessage":"old fields"}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":"-1"}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#,
        r#"{"partialSuccess":{"rejectedSpans":3}}"#,
    ] {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answered(status, body), Ok(()), "{status} {body}");
        }
    }
}

#[test]
fn a_200_that_names_refused_records_is_a_refusal_of_what_was_sent() {
    for body in [
        r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":1,"errorMessage":"too old"}}"#,
        r#"{"partial_success":{"rejected_log_records":"1","error_message":"too old"}}"#,
    ] {
        assert_eq!(answered(200, body), rejected(400, "too old"), "{body}");
    }
    assert_eq!(
        answered(200, r#"{"partialSuccess":{"rejectedLogRecords":"3"}}"#),
        rejected(400, "3 of the records were not taken")
    );
}

#[test]
fn a_page_is_no_success_whatever_its_status() {
    for page in [
        "<!DOCTYPE html><title>Sign in</title>",
        " \r\n<html>",
        "\u{feff}<?xml version=\"1.0\"?>",
    ] {
        for status in [200, 202] {
            assert!(answered(status, page).is_err(), "{status} {page}");
        }
    }
}

#[test]
fn any_other_answer_is_a_refusal() {
    for status in [199, 300, 301, 400, 401, 404, 413, 500, 502, 504] {
        assert_eq!(answered(status, "why"), rejected(status, "why"));
    }
    for status in [429, 503] {
        assert_eq!(answered(status, "busy"), Err(Failure::Throttled(Some(7))));
    }
}

proptest! {
    #[test]
    fn whatever_an_entry_holds_arrives_as_it_is(
        id in "[A-Za-z0-9_-]{1,64}",
        command in any::<Option<String>>(),
        args in any::<Option<Vec<String>>>(),
        message in any::<Option<String>>(),
        exit_code in any::<Option<i32>>(),
        started_at in any::<Option<u64>>(),
        data in any::<String>(),
    ) {
        let sample = bare(&id, &data).with(|known| {
            known.command.clone_from(&command);
            known.args.clone_from(&args);
            known.error_message.clone_from(&message);
            known.exit_code = exit_code;
            known.started_at = started_at;
        });
        let request = request(&[sample]);
        let text = |key: &str| {
            let found = attributes(&request, key);
            found.first().map(|value| value["stringValue"].as_str().unwrap().to_owned())
        };
        prop_assert_eq!(text("swamp.entry.id"), Some(id));
        prop_assert_eq!(text("swamp.command"), command);
        prop_assert_eq!(text("exception.message"), message);
        let list = attributes(&request, "swamp.args").first().map(|value| {
            let values = value["arrayValue"]["values"].as_array().unwrap();
            let item = |value: &Value| value["stringValue"].as_str().unwrap().to_owned();
            values.iter().map(item).collect::<Vec<_>>()
        });
        prop_assert_eq!(list, args);
        let code = attributes(&request, "process.exit.code").first().map(|value| {
            value["intValue"].as_str().unwrap().parse::<i32>().unwrap()
        });
        prop_assert_eq!(code, exit_code);
        if serde_json::from_str::<Value>(&data).is_err() {
            prop_assert_eq!(text("swamp.entry.data"), Some(data));
        }
        let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        let nanoseconds = record["timeUnixNano"].as_str().map(|text| text.parse::<u64>().unwrap());
        prop_assert_eq!(nanoseconds, started_at.and_then(|millis| millis.checked_mul(1_000_000)));
    }

    #[test]
    fn no_answer_is_too_strange_to_be_understood(status in 100_u16..600, body in any::<String>()) {
        prop_assert!(answered(status, &body).is_err() || (200..300).contains(&status));
    }
}

/// With the keys in one order, whichever one other packages of the workspace make `serde_json` keep.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
