use super::*;
use crate::domain::Status;
use proptest::prelude::*;

const PROPERTIES: &str = r#"{
  "id": "a",
  "invocation": { "command": "repo", "subcommand": "init" },
  "result": { "status": "user_error", "exitCode": 2 },
  "startedAt": "2026-02-11T12:00:00.001Z",
  "durationMs": 41.6, "later": 1e400, "note": "a \" b \\"
}"#;

fn event(insert_id: &str) -> String {
    format!(
        r#"{{ "event": "cli_invocation", "distinct_id": "repo-1", "insert_id": "{insert_id}", "properties": {PROPERTIES} }}"#
    )
}

fn why(body: &str) -> String {
    parse_ingest(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_bare_event_is_one_event_and_keeps_its_properties_byte_for_byte() {
    let [event] = &parse_ingest(event("a").as_bytes()).unwrap()[..] else {
        panic!("one event was sent");
    };
    assert_eq!(event.properties(), PROPERTIES);
    assert_eq!(event.distinct_id(), "repo-1");
    assert_eq!(event.insert_id(), "a");
    assert_eq!(event.command(), Some("repo"));
    assert_eq!(event.subcommand(), Some("init"));
    assert_eq!(event.status(), Some(Status::UserError));
    assert_eq!(
        event.started_at().unwrap().timestamp_millis(),
        1_770_811_200_001
    );
    assert_eq!(event.duration_ms(), Some(42));
}

#[test]
fn a_batch_holds_its_events_in_order() {
    let ids: Vec<String> = (0..25).map(|number| format!("id-{number}")).collect();
    let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
    let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
    let parsed = parse_ingest(body.as_bytes()).unwrap();
    assert_eq!(
        parsed
            .iter()
            .map(ReceivedEvent::insert_id)
            .collect::<Vec<_>>(),
        ids
    );
}

#[test]
fn an_event_is_written_on_one_line_with_every_token_as_it_came() {
    let parsed = parse_ingest(event("a").as_bytes()).unwrap();
    insta::assert_snapshot!(parsed[0].to_line(), @r#"{"event":"cli_invocation","distinct_id":"repo-1","insert_id":"a","properties":{"id":"a","invocation":{"command":"repo","subcommand":"init"},"result":{"status":"user_error","exitCode":2},"startedAt":"2026-02-11T12:00:00.001Z","durationMs":41.6,"later":1e400,"note":"a \" b \\"}}"#);
}

#[test]
fn properties_of_any_other_shape_are_taken_and_tell_nothing() {
    for properties in [
        "{}",
        r#"{"invocation":[],"result":{"status":"odd"},"startedAt":"noon","durationMs":-1}"#,
        r#"{"invocation":{"command":7},"durationMs":"1"}"#,
    ] {
        let body = event("a").replace(PROPERTIES, properties);
        let [event] = &parse_ingest(body.as_bytes()).unwrap()[..] else {
            panic!("one event was sent");
        };
        assert_eq!(event.properties(), properties);
        assert_eq!(
            (event.command(), event.subcommand(), event.status()),
            (None, None, None)
        );
        assert_eq!((event.started_at(), event.duration_ms()), (None, None));
    }
}

#[test]
fn properties_may_be_nested_deeper_than_any_stack() {
    let deep = format!(
        r#"{{"deep":{}{}}}"#,
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    let parsed = parse_ingest(event("a").replace(PROPERTIES, &deep).as_bytes()).unwrap();
    assert_eq!(parsed[0].properties(), deep);
}

#[test]
fn a_body_that_is_no_event_is_told_why() {
    let many = format!(r#"{{"events":[{}]}}"#, vec![event("a"); 26].join(","));
    insta::assert_snapshot!(
        [
            why(""),
            why("event=cli_invocation"),
            why(r#"{"event":"cli_invocation""#),
            why("[]"),
            why("7"),
            why(r#"{"events":{}}"#),
            why(r#"{"events":[]}"#),
            why(&many),
            why(r#"{"events":[],"events":[]}"#),
            why(r#"{"events":[],"event":"cli_invocation"}"#),
            parse_ingest(b"{\"event\":\"\xff\"}").unwrap_err().to_string(),
        ]
        .join("\n"),
        @r#"
            the body is not JSON (EOF while parsing a value at line 1 column 0); send one event object, or {"events":[…]}
            the body is not JSON (expected value at line 1 column 1); send one event object, or {"events":[…]}
            the body is not JSON (EOF while parsing an object at line 1 column 25); send one event object, or {"events":[…]}
            the body is a list; send one event object, or {"events":[…]}
            the body is a number; send one event object, or {"events":[…]}
            events is an object; it must be a list of 1 to 25 event objects
            events holds 0 events; it must hold 1 to 25
            events holds 26 events; it must hold 1 to 25
            events is given twice; give it once
            the body has both "event" and "events"; send one event object, or {"events":[…]}
            the body is not UTF-8 from byte 10 on; send JSON in UTF-8, or name its compression in content-encoding: gzip
            "#
    );
}

#[test]
fn a_flaw_is_told_with_the_events_position_the_field_and_what_is_expected() {
    let bare = |from: &str, to: &str| why(&event("a").replace(from, to));
    let second = |from: &str, to: &str| {
        let batch = format!(
            r#"{{"events":[{},{}]}}"#,
            event("a"),
            event("b").replace(from, to)
        );
        why(&batch)
    };
    insta::assert_snapshot!(
        [
            bare(r#""event": "cli_invocation", "#, ""),
            bare("cli_invocation", "page\\u001b[2J_view"),
            bare("cli_invocation", &"x".repeat(1000)),
            bare(r#""repo-1""#, r#""""#),
            bare(r#""repo-1""#, "null"),
            bare(r#""insert_id": "a""#, r#""insert_id": """#),
            bare(r#""insert_id""#, r#""insert_id": "b", "insert_id""#),
            bare(PROPERTIES, "[]"),
            second(r#""b""#, "7"),
            second(r#""b""#, r#""\ud800""#),
            second(PROPERTIES, "true"),
            second(&event("b"), "\"event\""),
        ]
        .join("\n"),
        @r#"
            event is missing; it must be the string "cli_invocation"
            event is "page\u{1b}[2J_view"; it must be the string "cli_invocation"
            event is "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"; it must be the string "cli_invocation"
            distinct_id is empty; it must be a non-empty string, the repository's id
            distinct_id is null; it must be a non-empty string, the repository's id
            insert_id is empty; it must be a non-empty string, the same whenever this event is sent again
            insert_id is given twice; it must be there once
            properties is a list; it must be an object
            events[1].insert_id is a number; it must be a non-empty string, the same whenever this event is sent again
            events[1].insert_id has half of a surrogate pair; it must be a non-empty string, the same whenever this event is sent again
            events[1].properties is a boolean; it must be an object
            events[1] is a string; it must be an event object
            "#
    );
}

proptest! {
    #[test]
    fn any_bytes_are_events_or_an_error_of_one_line(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = parse_ingest(&body) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn a_body_with_bytes_changed_never_panics_and_errors_are_one_line(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\\x00-\\x1f]"), 0..6),
    ) {
        let mut body = format!(r#"{{"events":[{},{}]}}"#, event("a"), event("b")).into_bytes();
        for (index, with) in changes {
            let at = index.index(body.len());
            body[at] = with.as_bytes()[0];
        }
        match parse_ingest(&body) {
            Ok(events) => prop_assert!((1..=25).contains(&events.len())),
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn a_line_means_the_same_as_the_event_and_has_no_line_break(
        key in "[ -~\\n\\t\"\\\\é]{0,12}", value in any::<f64>(), text in any::<String>(),
    ) {
        let properties = serde_json::json!({ key: { "n": value, "t": text } });
        let pretty = serde_json::to_string_pretty(&properties).unwrap();
        let parsed = parse_ingest(event("a").replace(PROPERTIES, &pretty).as_bytes()).unwrap();
        prop_assert_eq!(parsed[0].properties(), &pretty);
        let line = parsed[0].to_line();
        prop_assert!(!line.contains(['\n', '\r']));
        let again = parse_ingest(line.as_bytes()).unwrap();
        prop_assert_eq!(again[0].properties(), serde_json::to_string(&properties).unwrap());
    }
}
