use proptest::prelude::*;

use super::*;
use crate::domain::SpooledEntry;

const SECRET: &str = "s3cret";

fn recording() -> RecordContext<'static> {
    RecordContext {
        now: at("2026-02-11T12:00:00Z"),
        version: "1.2.3",
        surroundings: const {
            &Surroundings {
                context: None,
                parent: None,
                install_id: None,
            }
        },
        tools: const { &Tools::new(Vec::new()) },
        subcommands: None,
        retention_days: 2,
        args_are_redacted: false,
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn parse(text: &str) -> Result<RecordedEntry, String> {
    RecordedEntry::parse(text, &recording()).map_err(|flaw| flaw.to_string())
}

fn with(more: &str) -> String {
    format!(r#"{{"invocation":{{"command":"a"}},"result":{{"exitCode":0}}{more}}}"#)
}

#[test]
fn what_is_missing_is_added_and_what_is_unknown_is_kept() {
    let entry = parse(
        r#"{"later":{"z":1,"a":[2]},"id":"my_id-1","durationMs":1500.4,
            "result":{"exitCode":3,"errorMessage":"first\nsecond","more":true},
            "invocation":{"args":["s3cret","x"],"command":"build","optionKeys":["release"],"cwd":null}}"#,
    )
    .unwrap();
    assert_eq!(
        entry.name().to_string(),
        "telemetry-2026-02-11-my_id-1.json"
    );
    insta::assert_snapshot!(entry.to_json().replace(r#""linux""#, "PLATFORM"), @r##"
    {
      "id": "my_id-1",
      "invocation": {
        "command": "build",
        "args": [
          "<REDACTED>",
          "<REDACTED>"
        ],
        "optionKeys": [
          "--release"
        ],
        "globalOptions": [],
        "commandPath": [
          "build"
        ],
        "cwd": null
      },
      "result": {
        "status": "error",
        "errorMessage": "first",
        "exitCode": 3,
        "more": true
      },
      "startedAt": "2026-02-11T11:59:58.500Z",
      "completedAt": "2026-02-11T12:00:00.000Z",
      "durationMs": 1500,
      "swampVersion": "1.2.3",
      "platform": PLATFORM,
      "later": {
        "z": 1,
        "a": [
          2
        ]
      }
    }
    "##);
}

#[test]
fn the_times_are_worked_out_from_those_that_are_there() {
    let times = |more: &str| {
        let entry = parse(&with(more)).unwrap();
        let value: Value = serde_json::from_str(&entry.to_json()).unwrap();
        let clock = |key: &str| value[key].as_str().unwrap()[11..].to_owned();
        format!(
            "{} {} {}",
            clock("startedAt"),
            clock("completedAt"),
            value["durationMs"]
        )
    };
    let started = r#","startedAt":"2026-02-11T12:00:00+01:00""#;
    let completed = r#","completedAt":"2026-02-11T11:00:02Z""#;
    insta::assert_snapshot!(
        [
            times(""),
            times(r#","durationMs":250"#),
            times(started),
            times(&format!(r#"{started},"durationMs":7"#)),
            times(completed),
            times(&format!(r#"{completed},"durationMs":7"#)),
            times(&format!("{started}{completed}")),
            times(&format!(r#"{started}{completed},"durationMs":1"#)),
        ]
        .join("\n"),
        @r##"
    12:00:00.000Z 12:00:00.000Z 0
    11:59:59.750Z 12:00:00.000Z 250
    11:00:00.000Z 12:00:00.000Z 3600000
    11:00:00.000Z 11:00:00.007Z 7
    11:00:02.000Z 11:00:02.000Z 0
    11:00:01.993Z 11:00:02.000Z 7
    11:00:00.000Z 11:00:02.000Z 2000
    11:00:00.000Z 11:00:02.000Z 1
    "##
    );
}

#[test]
fn what_is_wrong_is_named_by_its_path_and_never_quoted() {
    let flaw = |text: &str| {
        let flaw = parse(text).unwrap_err();
        assert!(!flaw.contains(SECRET), "{flaw}");
        flaw
    };
    let command = |invocation: &str| {
        flaw(&format!(
            r#"{{"invocation":{invocation},"result":{{"exitCode":0}}}}"#
        ))
    };
    let result = |result: &str| {
        flaw(&format!(
            r#"{{"invocation":{{"command":"a"}},"result":{result}}}"#
        ))
    };
    insta::assert_snapshot!(
        [
            flaw(""),
            flaw("[1]"),
            flaw("{}"),
            flaw(r#"{"id":"../s3cret"}"#),
            command(r#""s3cret""#),
            command("{}"),
            command(r#"{"command":""}"#),
            command(r#"{"command":"a\u001b"}"#),
            command(r#"{"command":"a","args":["x",1]}"#),
            command(r#"{"command":"a","optionKeys":["---k"]}"#),
            command(r#"{"command":"a","globalOptions":["k=s3cret"]}"#),
            result("{}"),
            result(r#"{"status":"s3cret"}"#),
            result(r#"{"exitCode":"s3cret"}"#),
            result(r#"{"exitCode":4294967296}"#),
            result(r#"{"exitCode":0,"errorMessage":1}"#),
            flaw(&with(r#","startedAt":"s3cret""#)),
            flaw(&with(r#","startedAt":"2026-02-08T23:59:59Z""#)),
            flaw(&with(r#","startedAt":"2026-02-13T00:00:00Z""#)),
            flaw(&with(r#","startedAt":"2026-02-11T11:00:00Z","completedAt":"2026-02-11T10:00:00Z""#)),
            flaw(&with(r#","durationMs":-1"#)),
            flaw(&with(r#","durationMs":18446744073709551615"#)),
            flaw(&with(r#","platform":"s3cret""#)),
            flaw(&with(r#","parentInvocationId":"s3cret/""#)),
            flaw(&with(r#","installId":1"#)),
            flaw(&with(r#","invocationContext":{"isCi":"s3cret"}"#)),
        ]
        .join("\n"),
        @r##"
    it is not valid JSON at line 1, column 0
    it is not a JSON object
    invocation is missing
    id must be 1 to 64 ASCII letters, digits, - and _
    invocation must be an object
    invocation.command is missing
    invocation.command must be text without control characters, and not empty
    invocation.command must be text without control characters, and not empty
    invocation.args must be a list of strings, or their number
    invocation.optionKeys must be a list of option keys without their values, such as --force or -f
    invocation.globalOptions must be a list of option keys without their values, such as --force or -f
    result.status is missing
    result.status must be one of success, error and user_error
    result.exitCode must be a whole number of 32 bits
    result.exitCode must be a whole number of 32 bits
    result.errorMessage must be text
    startedAt must be an ISO 8601 time, such as 2026-02-11T12:00:00.000Z
    startedAt is older than the 2 days that unsent entries are kept (telemetryUnsentRetentionDays in .swamp.yaml)
    startedAt must be no more than a day ahead
    completedAt must be no earlier than startedAt
    durationMs must be a number of milliseconds, 0 or more
    durationMs must be a number of milliseconds, 0 or more
    platform must be one of linux, darwin and windows
    parentInvocationId must be 1 to 64 ASCII letters, digits, - and _
    installId must be text without control characters, and not empty
    invocationContext.isCi must be true or false
    "##
    );
}

#[test]
fn positions_are_redacted_unless_they_are_said_to_be() {
    let text = r#"{"invocation":{"command":"a","args":["s3cret"]},"result":{"status":"error"}}"#;
    let args = |text: &str, args_are_redacted| {
        let recording = RecordContext {
            args_are_redacted,
            ..recording()
        };
        let entry = RecordedEntry::parse(text, &recording).unwrap();
        entry.data.invocation.args.unwrap()
    };
    assert_eq!(args(text, false), [REDACTED]);
    assert_eq!(args(text, true), [SECRET]);
    let count = text.replace(r#"["s3cret"]"#, "3");
    assert_eq!(args(&count, true), [REDACTED; 3]);
}

#[test]
fn option_keys_are_recorded_in_one_spelling() {
    let text = r#"{"invocation":{"command":"a","optionKeys":["force","--force","f","-f","-force"],"globalOptions":["C"]},"result":{"exitCode":0}}"#;
    let invocation = parse(text).unwrap().data.invocation;
    assert_eq!(
        invocation.option_keys.unwrap(),
        ["--force", "--force", "-f", "-f", "-force"]
    );
    assert_eq!(invocation.global_options.unwrap(), ["-C"]);
}

#[test]
fn of_a_listed_tool_only_listed_words_are_kept() {
    let tools = Tools::new(vec![(
        "deploy.py".to_owned(),
        Tool {
            name: Label::parse("deploy"),
            version: Label::parse("2.3"),
            subcommands: Subcommands::new(["run", "status"], 2),
        },
    )]);
    let recorded = |invocation: &str, args_are_redacted| {
        let recording = RecordContext {
            tools: &tools,
            args_are_redacted,
            ..recording()
        };
        let text = format!(r#"{{"invocation":{invocation},"result":{{"exitCode":0}}}}"#);
        let data = RecordedEntry::parse(&text, &recording).unwrap().data;
        let invocation = data.invocation;
        let path = invocation.command_path.unwrap().join("/");
        let args = invocation.args.unwrap().join(",");
        format!("{path} [{args}] {}", data.swamp_version.unwrap())
    };
    for (invocation, expected, expected_of_redacted) in [
        (
            r#"{"command":"deploy.py","args":["run","x"]}"#,
            "deploy/run [<REDACTED>] 2.3",
            "deploy/run [x] 2.3",
        ),
        (
            r#"{"command":"deploy.py","args":["x","run"]}"#,
            "deploy [<REDACTED>,run] 2.3",
            "deploy [x,run] 2.3",
        ),
        (
            r#"{"command":"deploy.py","subcommand":"run status","args":["run"]}"#,
            "deploy/run/status [<REDACTED>] 2.3",
            "deploy/run/status [run] 2.3",
        ),
        (
            r#"{"command":"deploy.py","subcommand":"x"}"#,
            "deploy/<REDACTED> [] 2.3",
            "deploy/<REDACTED> [] 2.3",
        ),
        (
            r#"{"command":"other","subcommand":"x","args":["run"]}"#,
            "other/x [<REDACTED>] 1.2.3",
            "other/x [run] 1.2.3",
        ),
    ] {
        assert_eq!(recorded(invocation, false), expected, "{invocation}");
        assert_eq!(
            recorded(invocation, true),
            expected_of_redacted,
            "{invocation}"
        );
    }
}

#[test]
fn entries_of_the_deno_implementation_are_no_tools() {
    let path = |more: &str| {
        let entry = parse(&with(more)).unwrap();
        entry.data.invocation.command_path
    };
    assert_eq!(path(r#","denoVersion":"2.1.0""#), None);
    assert_eq!(path(""), Some(vec!["a".to_owned()]));
}

#[test]
fn a_repetition_is_told_by_what_was_given() {
    let with_id = with(r#","id":"a","more":{"x":1}"#);
    let first = parse(&with_id).unwrap();
    let stored: Value = serde_json::from_str(&first.to_json()).unwrap();
    let later = RecordContext {
        now: at("2026-02-12T12:00:00Z"),
        ..recording()
    };
    assert!(
        RecordedEntry::parse(&with_id, &later)
            .unwrap()
            .repeats(&stored)
    );
    for other in [
        with(r#","id":"a","more":{"x":2}"#),
        with(r#","id":"a","durationMs":1"#),
        with_id.replace(r#""command":"a""#, r#""command":"b""#),
    ] {
        assert!(!parse(&other).unwrap().repeats(&stored), "{other}");
    }
}

/// JSON values, and often ones that a field can hold.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..300).prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        "[a-z=\\-\\n é]{0,6}".prop_map(Value::from),
        Just("success".into()),
        Just("2026-02-11T11:00:00.123Z".into()),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00[+-][0-2]0:00".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn some_of(keys: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let field = (prop::sample::select(keys).prop_map(str::to_owned), json());
    prop::collection::vec(field, 0..5).prop_map(|fields| fields.into_iter().collect())
}

prop_compose! {
    /// Objects that are entries, or nearly.
    fn nearly_an_entry()(
        mut entry in some_of(&["id", "startedAt", "completedAt", "durationMs", "swampVersion", "platform", "extra"]),
        mut invocation in some_of(&["subcommand", "args", "optionKeys", "globalOptions", "extra"]),
        mut result in some_of(&["status", "exitCode", "errorType", "errorMessage", "extra"]),
    ) -> Map<String, Value> {
        invocation.insert("command".into(), "tool".into());
        result.entry("exitCode").or_insert(1.into());
        entry.insert("invocation".into(), invocation.into());
        entry.insert("result".into(), result.into());
        entry
    }
}

proptest! {
    #[test]
    fn what_is_taken_is_deliverable_complete_and_keeps_what_is_unknown(entry in nearly_an_entry()) {
        if let Ok(taken) = RecordedEntry::of(entry.clone(), &recording()) {
            let name = taken.name();
            prop_assert_eq!(EntryName::parse(&name.to_string()), Some(name.clone()));
            let json = taken.to_json();
            let spooled = SpooledEntry::parse(name, json.clone().into_bytes()).unwrap();
            let fields = spooled.fields;
            prop_assert!(fields.command.is_some() && fields.args.is_some() && fields.option_keys.is_some());
            prop_assert!(fields.global_options.is_some() && fields.status.is_some() && fields.exit_code.is_some());
            prop_assert!(fields.started_at.is_some() && fields.completed_at >= fields.started_at);
            prop_assert!(fields.duration_ms.is_some() && fields.platform.is_some());
            prop_assert!(fields.args.unwrap().iter().all(|arg| arg == REDACTED));
            prop_assert!(!fields.error_message.unwrap_or_default().contains('\n'));
            let stored: Value = serde_json::from_str(&json).unwrap();
            if let Some(extra) = entry.get("extra").filter(|extra| !extra.is_null()) {
                prop_assert_eq!(stored["extra"].to_string(), extra.to_string());
            }
            prop_assert!(taken.repeats(&stored));
        }
    }

    #[test]
    fn any_text_is_an_entry_or_says_why_not(text in ".{0,60}", entry in nearly_an_entry(), cut in 0_usize..400) {
        parse(&text).ok();
        let json = Value::Object(entry).to_string();
        if let Some((half, rest)) = json.split_at_checked(cut) && !rest.is_empty() {
            prop_assert!(parse(half).is_err());
        }
    }
}

/// What the fields of an entry may hold, one value of each.
fn filled() -> Value {
    let mut entry = entry_example();
    let more = serde_json::json!({
        "id": "a-1",
        "startedAt": "2026-02-11T11:00:00.000Z",
        "completedAt": "2026-02-11T11:30:00Z",
        "platform": "linux",
        "invocationContext": {
            "isInteractive": true, "isCi": false, "agentSessionDetected": false, "detectedAiTool": "x",
        },
        "parentInvocationId": "b_2",
        "installId": "x",
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry["invocation"]["globalOptions"] = serde_json::json!(["-v"]);
    entry["invocation"]["commandPath"] = serde_json::json!(["deploy", ""]);
    entry
}

const FIELDS: &[&str] = &[
    field::ID,
    field::INVOCATION,
    field::COMMAND,
    field::SUBCOMMAND,
    field::ARGS,
    field::OPTION_KEYS,
    field::GLOBAL_OPTIONS,
    field::COMMAND_PATH,
    field::RESULT,
    field::STATUS,
    field::ERROR_TYPE,
    field::ERROR_MESSAGE,
    field::EXIT_CODE,
    field::STARTED_AT,
    field::COMPLETED_AT,
    field::DURATION_MS,
    field::SWAMP_VERSION,
    field::PLATFORM,
    field::INVOCATION_CONTEXT,
    field::IS_INTERACTIVE,
    field::IS_CI,
    field::AGENT_SESSION_DETECTED,
    field::DETECTED_AI_TOOL,
    field::PARENT_INVOCATION_ID,
    field::INSTALL_ID,
    "later",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "-",
    "--",
    "---",
    "---a",
    "-a",
    "--a-b",
    "--a=b",
    "a b",
    "a\tb",
    "a\nb",
    "\u{7f}",
    "a\u{85}",
    "\u{a0}x",
    "x\u{2028}",
    "x\u{2029}",
    "\u{1680}",
    "x\u{2003}",
    "x\u{202f}",
    "x\u{205f}",
    "\u{3000}",
    "\u{feff}x",
    "é",
    "日本",
    "a.b",
    "../a",
    "a/b",
    "success",
    "Success",
    "user_error",
    "linux",
    "amiga",
    "noon",
    "2026-02-11",
    "2026-02-11T11:00:00",
    "2026-02-11T11:00:00Z",
    "2026-02-11t11:00:00z",
    "2026-02-11 11:00:00+00:00",
    "2026-02-11T11:00:00.123456789012Z",
    "2026-02-11T11:00:00.Z",
    "2026-02-11T11:00:00+0000",
    "2026-02-11T13:00:00+02:00",
    "2026-02-11T09:00:00-02:00",
    "2026-02-11T11:00Z",
    "2026-02-11T11:00:00\u{2212}00:00",
    " 2026-02-11T11:00:00Z",
    "2026-02-11T11:00:00Z\n",
    "+2026-02-11T11:00:00Z",
    "2026-2-11T11:00:00Z",
    "2026-02-11_11:00:00Z",
];

const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    3.5,
    -1.0,
    -0.4,
    1e14,
    1e15,
    1e16,
    9_007_199_254_740_991.0,
    1e300,
    -1e300,
    2_147_483_647.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    -2_147_483_649.0,
];

fn anything() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        4 => proptest::sample::select(TEXTS).prop_map(str::to_owned),
        1 => ".{0,70}",
        1 => "[A-Za-z0-9_-]{60,68}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i64..300).prop_map(Value::from),
        proptest::sample::select(NUMBERS).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    prop_oneof![
        3 => leaf.clone(),
        1 => prop::collection::vec(leaf, 0..3).prop_map(Value::from),
        1 => Just(Value::Object(Map::new())),
    ]
}

/// Sets or removes the field at a path, as far as there is an object that holds it.
fn put(entry: &mut Value, path: &'static str, value: Option<Value>) {
    let (object, key) = field::split(path);
    let holder = match object {
        Some(object) => entry.get_mut(object),
        None => Some(entry),
    };
    let Some(holder) = holder.and_then(Value::as_object_mut) else {
        return;
    };
    match value {
        Some(value) => holder.insert(key.to_owned(), value),
        None => holder.shift_remove(key),
    };
}

/// What no schema can say: how the times of an entry stand to each other and to now.
fn is_about_times(flaw: &EntryFlaw) -> bool {
    const BETWEEN_TIMES: [&str; 3] = [FITS_CALENDAR, NO_EARLIER, NOT_AHEAD];
    match flaw {
        EntryFlaw::Expired(_) => true,
        EntryFlaw::Wrong { expected, .. } => BETWEEN_TIMES.contains(expected),
        _ => false,
    }
}

/// The schema takes the entry if, and only if, the validator does.
fn agree(entry: &Value) -> Result<(), TestCaseError> {
    thread_local! {
        static SCHEMA: (boon::Schemas, boon::SchemaIndex) = {
            let mut schemas = boon::Schemas::new();
            let mut compiler = boon::Compiler::new();
            compiler.add_resource("entry.json", entry_schema()).unwrap();
            let index = compiler.compile("entry.json", &mut schemas).unwrap();
            (schemas, index)
        };
    }
    let by_schema = SCHEMA.with(|(schemas, index)| {
        let taken = schemas.validate(entry, *index);
        taken.map_err(|why| why.to_string())
    });
    let by_validator = RecordedEntry::parse(&entry.to_string(), &recording());
    let is_taken = by_validator.as_ref().err().is_none_or(is_about_times);
    prop_assert_eq!(
        by_schema.is_ok(),
        is_taken,
        "{:?}\n{:?}\n{:#}",
        by_schema,
        by_validator,
        entry
    );
    Ok(())
}

#[test]
fn the_schema_takes_each_value_of_a_field_where_the_validator_does() {
    let texts = TEXTS.iter().map(|text| Value::from(*text));
    let numbers = NUMBERS.iter().map(|number| Value::from(*number));
    let whole = [0_i64, 3, -1, i64::MAX, i64::MIN].map(Value::from);
    let others = [
        Value::Null,
        true.into(),
        Value::Object(Map::new()),
        Value::Array(Vec::new()),
    ];
    let values: Vec<_> = texts.chain(numbers).chain(whole).chain(others).collect();
    for path in FIELDS {
        for value in &values {
            for value in [
                value.clone(),
                vec![value.clone()].into(),
                vec!["a".into(), value.clone()].into(),
            ] {
                let mut entry = filled();
                put(&mut entry, path, Some(value));
                agree(&entry).unwrap();
            }
        }
        let mut entry = filled();
        put(&mut entry, path, None);
        agree(&entry).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn the_schema_takes_an_entry_where_the_validator_does(
        changes in prop::collection::vec((0..FIELDS.len(), proptest::option::weighted(0.8, anything())), 0..4),
    ) {
        let mut entry = filled();
        for (at, value) in changes {
            put(&mut entry, FIELDS[at], value);
        }
        agree(&entry)?;
    }
}

#[test]
fn the_example_is_taken() {
    let example = entry_example().to_string();
    assert_eq!(parse(&example).map(drop), Ok(()));
    assert_eq!(parse(&filled().to_string()).map(drop), Ok(()));
}
