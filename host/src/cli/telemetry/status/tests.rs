use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn shown(status: &Status) -> String {
    let styled = status.in_words(at("2026-02-11T12:10:00Z"));
    anstream::adapter::strip_str(&styled).to_string()
}

fn healthy() -> Status {
    Status {
        enabled: true,
        off_by: None,
        off_in_words: None,
        repository: "/home/you/project".into(),
        is_users_own: false,
        repo_id: Some("550e8400-e29b-41d4-a716-446655440000".into()),
        known: true,
        known_because: "you allowed it on this machine".into(),
        install_id: None,
        endpoint: EndpointStatus {
            url: Some("http://localhost:8090".into()),
            source: "marker",
            problem: None,
        },
        header_warning: None,
        sender: SenderStatus {
            component: "builtin:ingest".into(),
            pinned_digest: None,
            trusted: Some(true),
            untrusted_because: None,
            has_headers: false,
            is_builtin: true,
        },
        pending: 1,
        past_retention: 0,
        expiring_within_day: 0,
        beyond_contract: 0,
        quarantined: 0,
        held_back: 0,
        kept: 0,
        totals: Totals {
            sent: 120,
            quarantined: 0,
            expired_unsent: 3,
        },
        last_flush: Some(FlushStatus {
            at: at("2026-02-11T12:00:00Z"),
            delivered: 25,
            quarantined: 0,
            duration_ms: 7,
            failure: None,
            retry_at: None,
        }),
        warnings: Vec::new(),
        hint: None,
    }
}

#[test]
fn a_healthy_spool() {
    insta::assert_snapshot!(shown(&healthy()), @r"
    telemetry       on
    known           yes: you allowed it on this machine
    endpoint        http://localhost:8090 (.swamp.yaml)
    sender          builtin:ingest
    pending         1 entry
    sent            120 entries
    quarantined     0 entries
    expired unsent  3 entries
    last flush      10 minutes ago: delivered 25 entries in 7 ms
    ");
}

#[test]
fn a_failing_one_that_is_off() {
    let status = Status {
        enabled: false,
        off_by: Some("environment"),
        off_in_words: Some("DO_NOT_TRACK is set".into()),
        endpoint: EndpointStatus {
            url: None,
            source: "environment",
            problem: Some("\"x\" is not a URL".into()),
        },
        sender: SenderStatus {
            component: "senders/\x1b[31mours.wasm".into(),
            pinned_digest: Some("sha256:00".into()),
            trusted: Some(false),
            untrusted_because: Some("the sender has changed since you trusted it".into()),
            has_headers: true,
            is_builtin: false,
        },
        known: false,
        known_because: "its .swamp.yaml came with a checkout".into(),
        held_back: 2,
        pending: 9,
        past_retention: 4,
        expiring_within_day: 3,
        beyond_contract: 1,
        kept: 2,
        last_flush: Some(FlushStatus {
            at: at("2026-02-11T12:00:00Z"),
            delivered: 0,
            quarantined: 0,
            duration_ms: 7,
            failure: Some(FailureRecord {
                kind: "throttled".into(),
                reason: "the endpoint asked to wait for 900 seconds".into(),
                cause: None,
            }),
            retry_at: Some(at("2026-02-11T12:15:00Z")),
        }),
        hint: Some("use a URL such as https://telemetry.example.com".into()),
        ..healthy()
    };
    insta::assert_snapshot!(shown(&status), @r#"
    telemetry       off (DO_NOT_TRACK is set)
    known           no: its .swamp.yaml came with a checkout; `swamp trust` allows what it asks for
    endpoint        not valid: "x" is not a URL (SWAMP_TELEMETRY_ENDPOINT)
    sender          senders/\u{1b}[31mours.wasm, pinned to sha256:00; your headers are left out, since the sender has changed since you trusted it (`swamp trust` changes that)
    pending         9 entries (4 past retention, 3 within a day of it, 1 that this sender does not take)
    held back       2 entries, which came with a checkout
    sent            120 entries, 2 kept
    quarantined     0 entries
    expired unsent  3 entries
    last flush      10 minutes ago: not delivered: the endpoint asked to wait for 900 seconds; next attempt in 300 seconds
    hint            use a URL such as https://telemetry.example.com
    "#);
}
