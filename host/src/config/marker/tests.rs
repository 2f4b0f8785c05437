use super::super::yaml::{MAX_BYTES, YamlError};
use super::*;
use proptest::prelude::*;

fn why(text: &str) -> String {
    Marker::parse(text).unwrap_err().to_string()
}

#[test]
fn the_issues_example_is_read_in_full() {
    let marker = Marker::parse(
        r#"swampVersion: "20260211.120000.0"
initializedAt: "2026-02-11T12:00:00.000Z"
repoId: "550e8400-e29b-41d4-a716-446655440000"         # auto-generated
telemetryEndpoint: "http://localhost:8090"               # optional override
telemetryKeepFlushed: true                               # optional, default false
somethingElse: [1, {a: b}]
"#,
    )
    .unwrap();
    assert_eq!(
        marker,
        Marker {
            swamp_version: Some("20260211.120000.0".into()),
            initialized_at: Some("2026-02-11T12:00:00.000Z".into()),
            repo_id: RepoId::parse("550e8400-e29b-41d4-a716-446655440000"),
            telemetry_endpoint: Some("http://localhost:8090".into()),
            telemetry_keep_flushed: true,
            ..Marker::default()
        }
    );
}

#[test]
fn everything_about_the_sender_is_read() {
    let digest = Digest::parse(&format!("sha256:{}", "5e".repeat(32))).unwrap();
    let marker = Marker::parse(&format!(
            "telemetrySender: tools/sender.wasm\ntelemetrySenderDigest: {digest}\n\
             telemetrySenderOptions:\n  z: 1.10\n  a: 'x'\n  on: True\n  none:\n\
             telemetrySenderLimits: {{memoryMiB: 16, deadlineMs: 5000}}\ntelemetryRetentionDays: 30\n\
             telemetryDisabled: true\nlogLevel: debug\nupgradedAt: now\n"
        ))
        .unwrap();
    assert_eq!(
        marker,
        Marker {
            telemetry_sender: SenderSource::File("tools/sender.wasm".into()),
            telemetry_sender_digest: Some(digest),
            telemetry_sender_options: [("z", "1.10"), ("a", "x"), ("on", "true")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            telemetry_sender_limits: SenderLimits {
                memory_mib: 16,
                deadline: Duration::from_secs(5)
            },
            telemetry_retention_days: 30,
            telemetry_disabled: true,
            log_level: Some("debug".into()),
            upgraded_at: Some("now".into()),
            ..Marker::default()
        }
    );
}

#[test]
fn an_empty_marker_and_null_values_set_nothing() {
    for text in [
        "",
        "\n",
        "# note\n",
        "\u{feff}# note\r\n",
        "---\n",
        "---\n...\n",
        "{}",
        "~",
        "repoId:\r\ntelemetryKeepFlushed: ~\r\ntelemetrySender: null\r\ntelemetrySenderOptions:\r\n",
    ] {
        assert_eq!(Marker::parse(text), Ok(Marker::default()), "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_never_its_value() {
    insta::assert_snapshot!(
        [
            why("repoId: s3cret"),
            why("a: 1\ntelemetryKeepFlushed: s3cret"),
            why("telemetryDisabled: [s3cret]"),
            why("swampVersion: {s3cret: 1}"),
            why("telemetrySender: builtin:s3cret"),
            why("telemetrySenderDigest: sha256:s3cret"),
            why("telemetrySenderOptions: s3cret"),
            why("telemetrySenderOptions:\n  token: [s3cret]"),
            why("telemetrySenderLimits:\n  memoryMiB: -1"),
            why("telemetrySenderLimits:\n  memoryMiB: 1"),
            why("telemetrySenderLimits:\n  memoryMiB: 1025"),
            why("telemetrySenderLimits: {deadlineMs: 99}"),
            why("telemetrySenderLimits: {deadlineMs: 5001}"),
            why("telemetryRetentionDays: 0"),
            why("telemetryEndpoint: !url s3cret"),
            why("- s3cret"),
            why("s3cret"),
            why("a: 1\na: s3cret"),
            why("a: 1\n---\nb: 2"),
            why("a: 1\n\tb: s3cret"),
            why("a: [s3cret"),
            why("a: &x s3cret\nb: *x"),
            why("a: !!int s3cret"),
            why(&format!("a: {}", "[".repeat(100))),
            why(&" ".repeat((1 << 20) + 1)),
        ]
        .join("\n"),
        @r#"
            line 1: invalid value for repoId: expected a UUID
            line 2: invalid value for telemetryKeepFlushed: expected true or false
            line 1: invalid value for telemetryDisabled: expected true or false
            line 1: invalid value for swampVersion: expected one line of text
            line 1: invalid value for telemetrySender: expected the path of a component file, builtin:ingest or builtin:otlp
            line 1: invalid value for telemetrySenderDigest: expected sha256: and 64 hexadecimal digits, as `swamp sender show` prints them
            line 1: invalid value for telemetrySenderOptions: expected a mapping of names to values
            line 2: invalid value for telemetrySenderOptions.token: expected a string, number or boolean
            line 2: invalid value for telemetrySenderLimits.memoryMiB: expected a whole number from 16 to 1024
            line 2: invalid value for telemetrySenderLimits.memoryMiB: expected a whole number from 16 to 1024
            line 2: invalid value for telemetrySenderLimits.memoryMiB: expected a whole number from 16 to 1024
            line 1: invalid value for telemetrySenderLimits.deadlineMs: expected a whole number of milliseconds from 100 to 5000
            line 1: invalid value for telemetrySenderLimits.deadlineMs: expected a whole number of milliseconds from 100 to 5000
            line 1: invalid value for telemetryRetentionDays: expected a whole number of days from 1 to 65535
            line 1: invalid value for telemetryEndpoint: expected one line of text
            line 1 is not a `key: value` pair
            line 1 is not a `key: value` pair
            line 2 sets the key "a" twice
            line 2 starts a second document
            line 1 is not valid YAML (while scanning a plain scalar, found a tab)
            line 1 is not valid YAML (while parsing a flow sequence, expected ',' or ']')
            line 2 holds an alias (`*name`), which is not supported here
            line 1 uses YAML syntax that is not supported here
            line 1 is nested more than 32 deep
            it is larger than 1 MiB
            "#
    );
}

#[test]
fn bombs_are_refused() {
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b]\n";
    assert!(matches!(
        Marker::parse(laughs),
        Err(ConfigError::Yaml(YamlError::Alias(2)))
    ));
    for piece in [
        "[", "{", "- ", "? ", "{a: ", "[[],", "!a ", "&a ", "\"", "\n---", "%A B\n",
    ] {
        assert!(Marker::parse(&long(piece)).is_err(), "{piece}");
    }
}

#[test]
fn long_markers_that_are_harmless_are_read() {
    for piece in ["\n", "#", "''", "x ", "- a\n ", " ? a"] {
        assert_eq!(
            Marker::parse(&long(piece)),
            Ok(Marker::default()),
            "{piece}"
        );
    }
}

/// As much of `piece` as a marker can hold.
fn long(piece: &str) -> String {
    format!("a:\n {}", piece.repeat((MAX_BYTES - 4) / piece.len()))
}

#[test]
fn a_new_marker_is_the_one_that_people_know() {
    let now = DateTime::from_timestamp_millis(1_770_811_200_000).unwrap();
    let repo_id = RepoId::parse("550e8400-e29b-41d4-a716-446655440000").unwrap();
    let text = Marker::init_text("0.1.0", now, &repo_id, Some("http://localhost:8090"));
    insta::assert_snapshot!(text, @r#"
        swampVersion: "0.1.0"
        initializedAt: "2026-02-11T12:00:00.000Z"
        repoId: "550e8400-e29b-41d4-a716-446655440000"
        telemetryEndpoint: "http://localhost:8090"
        "#);
    assert_eq!(Marker::parse(&text).unwrap().repo_id, Some(repo_id.clone()));
    assert!(!Marker::init_text("0.1.0", now, &repo_id, None).contains("Endpoint"));
}

proptest! {
    #[test]
    fn any_text_is_a_marker_or_an_error(text in "([a-z\"'|>&*!%@#:,?{}\\[\\] \\n\\r\\t\u{feff}é-]{0,60})") {
        let _ = Marker::parse(&text);
    }

    #[test]
    fn a_decorated_option_is_refused(anchor in "[&!][a-z:]{1,4}", value in "[a-z]{0,3}") {
        let text = format!("telemetrySenderOptions:\n  a: {anchor} {value}\n");
        prop_assert!(Marker::parse(&text).is_err());
    }

    #[test]
    fn both_parsers_read_the_same_options(value in "[ -~é]{0,12}") {
        let text = format!("telemetrySenderOptions:\n  a: {value}\n");
        if let Ok(marker) = Marker::parse(&text) {
            #[derive(serde::Deserialize)]
            #[allow(non_snake_case)]
            struct Other { telemetrySenderOptions: std::collections::BTreeMap<String, Option<String>> }
            let other: Other = serde_yaml::from_str(&text).unwrap();
            let other = other.telemetrySenderOptions["a"].clone();
            let mine = marker.telemetry_sender_options.first().map(|(_, value)| value.to_lowercase());
            prop_assert_eq!(mine, other.map(|text| text.to_lowercase()));
        }
    }
}

#[test]
fn tools_are_known_by_name_and_what_is_wrong_with_one_is_named() {
    let marker = Marker::parse(
        "telemetryTools:\n  deploy.py:\n    name: deploy\n    version: 2.3\n    subcommands: [run, on]\n    depth: 2\n  x: {}\n",
    )
    .unwrap();
    let tool = Tool {
        name: Label::parse("deploy"),
        version: Label::parse("2.3"),
        subcommands: Subcommands::new(["run", "on"], 2),
    };
    let tools = &marker.telemetry_tools;
    assert_eq!(tools.get("deploy.py"), Some(&tool));
    assert_eq!(tools.get("x"), Some(&Tool::default()));
    assert_eq!(tools.get("y"), None);
    let flaws = [
        "telemetryTools: [a]",
        "telemetryTools: {a: [b]}",
        "telemetryTools: {a: {name: ''}}",
        "telemetryTools: {a: {subcommands: b}}",
        "telemetryTools: {a: {subcommands: []}}",
        "telemetryTools: {a: {subcommands: ['b c']}}",
        "telemetryTools: {a: {subcommands: [b], depth: 9}}",
    ]
    .map(|text| Marker::parse(text).unwrap_err().to_string());
    insta::assert_snapshot!(flaws.join("\n"), @r#"
    line 1: invalid value for telemetryTools: expected a mapping of program names to mappings
    line 1: invalid value for telemetryTools.a: expected a program's name with a mapping of name, version, subcommands and depth
    line 1: invalid value for telemetryTools.a.name: expected 1 to 64 printable characters
    line 1: invalid value for telemetryTools.a.subcommands: expected a list of words, such as [deploy, rollback]
    line 1: invalid value for telemetryTools.a.subcommands: expected a list of words, such as [deploy, rollback]
    line 1: invalid value for telemetryTools.a.subcommands: expected a list of words, such as [deploy, rollback]
    line 1: invalid value for telemetryTools.a.depth: expected a whole number from 1 to 8
    "#);
}
