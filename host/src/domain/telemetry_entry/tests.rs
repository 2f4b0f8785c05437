use super::*;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap()
}

fn entry() -> TelemetryEntry {
    let invocation = Invocation {
        command: "repo".into(),
        subcommand: Some("init".into()),
        args: vec![REDACTED.into()],
        option_keys: vec!["--endpoint".into()],
        global_options: vec!["--json".into()],
        command_path: None,
    };
    TelemetryEntry::new(
        invocation,
        InvocationResult::success(),
        at(1_770_811_200_001),
        42,
        "20260211.1",
    )
}

#[test]
fn a_recorded_entry_has_the_fields_of_the_format_in_its_order() {
    let entry = entry();
    let json = entry.to_json().replace(entry.id.as_str(), "ID");
    insta::assert_snapshot!(json, @r#"
    {
      "id": "ID",
      "invocation": {
        "command": "repo",
        "subcommand": "init",
        "args": [
          "<REDACTED>"
        ],
        "optionKeys": [
          "--endpoint"
        ],
        "globalOptions": [
          "--json"
        ]
      },
      "result": {
        "status": "success",
        "exitCode": 0
      },
      "startedAt": "2026-02-11T12:00:00.001Z",
      "completedAt": "2026-02-11T12:00:00.043Z",
      "durationMs": 42,
      "swampVersion": "20260211.1",
      "platform": "linux"
    }
    "#);
}

#[test]
fn what_was_recorded_is_deliverable_and_keeps_its_bytes() {
    let entry = entry();
    let spooled = SpooledEntry::parse(entry.name(), entry.to_json().into_bytes()).unwrap();
    assert_eq!(spooled.data, entry.to_json());
    assert_eq!(spooled.fields.command.as_deref(), Some("repo"));
    assert_eq!(spooled.fields.status, Some(Status::Success));
    assert_eq!(spooled.fields.started_at, Some(at(1_770_811_200_001)));
    assert_eq!(spooled.fields.duration_ms, Some(42));
}

#[test]
fn an_entry_with_nothing_but_its_id_or_with_odd_fields_is_deliverable() {
    let name = EntryName::parse("telemetry-2026-02-11-a.json").unwrap();
    let bare = SpooledEntry::parse(name.clone(), br#"{"id":"a"}"#.to_vec()).unwrap();
    assert_eq!(bare.fields, EntryFields::default());
    let odd = br#"{"id":"a","invocation":7,"result":{"status":"odd","exitCode":"1"},"startedAt":"nonsense","durationMs":-1}"#;
    let odd = SpooledEntry::parse(name, odd.to_vec()).unwrap();
    assert_eq!(odd.fields, EntryFields::default());
}

#[test]
fn an_entry_that_unicode_or_a_number_cannot_hold_is_deliverable_as_it_is() {
    let name = EntryName::parse("telemetry-2026-02-11-a.json").unwrap();
    let text = r#"{"id":"a","invocation":{"command":"cut \ud83d"},"durationMs":1e400}"#;
    let entry = SpooledEntry::parse(name, text.into()).unwrap();
    assert_eq!(entry.data, text);
    assert_eq!(entry.fields.command.as_deref(), Some("cut \u{fffd}"));
    assert_eq!(entry.fields.duration_ms, None);
}

#[test]
fn an_entry_is_known_by_its_own_id_whatever_its_file_is_called() {
    let name = EntryName::parse("telemetry-2026-02-11-a.json").unwrap();
    let long = "x.1".repeat(40);
    for id in ["b", "a.b", &long] {
        let content = format!(r#"{{"id":"{id}"}}"#).into_bytes();
        let entry = SpooledEntry::parse(name.clone(), content).unwrap();
        assert_eq!(entry.id.as_str(), id);
    }
}

#[test]
fn what_is_no_object_with_an_id_is_undeliverable() {
    let name = EntryName::parse("telemetry-2026-02-11-a.json").unwrap();
    let parse = |content: &[u8]| SpooledEntry::parse(name.clone(), content.to_vec());
    let deep = format!(
        r#"{{"id":"a","deep":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(parse(b""), Err(Undeliverable::NotAnObject));
    assert_eq!(parse(br#"{"id":"a""#), Err(Undeliverable::NotAnObject));
    assert_eq!(parse(br#"["a"]"#), Err(Undeliverable::NotAnObject));
    assert_eq!(parse(deep.as_bytes()), Err(Undeliverable::NotAnObject));
    assert_eq!(parse(b"{\"id\":\"a\xff\"}"), Err(Undeliverable::NotText));
    assert_eq!(parse(br#"{"id":"../a"}"#), Err(Undeliverable::NoId));
    assert_eq!(parse(br#"{"id":7}"#), Err(Undeliverable::NoId));
    assert_eq!(parse(b"{}"), Err(Undeliverable::NoId));
}
