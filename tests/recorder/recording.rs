//! What is recorded of a command that comes to its end, and where.

use std::fs;
use std::process::Stdio;

use crate::place::{MARKER, Place};

#[test]
fn a_success_is_recorded_under_the_programs_own_name_and_version_without_a_value() {
    let place = Place::new();
    let args = ["--loud", "hello", "s3cret", "de", "--title=s3cret"];
    assert_eq!(place.greet(&args), Some(0));
    insta::assert_snapshot!(place.told(), @"greet hello [<REDACTED>,de] [--title] [--loud] success 0 -: - (7.1.0)");
}

#[test]
fn a_failure_is_recorded_by_the_programs_own_type_of_error() {
    let place = Place::new();
    assert_eq!(place.greet(&["count", "/no/such/s3cret"]), Some(3));
    assert_eq!(place.greet(&["hello", ""]), Some(1));
    insta::assert_snapshot!(place.told(), @r"
    greet count [<REDACTED>] [] [] error 3 Unreadable: a file could not be read (7.1.0)
    greet hello [<REDACTED>] [] [] user_error 1 Nobody: there is nobody to greet (7.1.0)
    ");
}

#[test]
fn a_wrong_command_line_is_recorded_and_so_is_a_request_for_help_or_the_version() {
    let place = Place::new();
    assert_eq!(place.greet(&["hello", "--s3cret"]), Some(2));
    assert_eq!(place.greet(&["s3cret"]), Some(2));
    assert_eq!(place.greet(&["hello", "--help"]), Some(0));
    assert_eq!(place.greet(&["--version"]), Some(0));
    insta::assert_snapshot!(place.told(), @r"
    greet hello [] [] [] user_error 2 UnknownArgument: unexpected argument found (7.1.0)
    greet - [] [] [] user_error 2 InvalidSubcommand: unrecognized subcommand (7.1.0)
    greet hello [] [--help] [] success 0 -: - (7.1.0)
    greet version [] [] [] success 0 -: - (7.1.0)
    ");
}

#[test]
fn an_entry_is_as_private_and_as_large_as_those_of_swamp_itself() {
    let place = Place::new();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    let entry = &place.entries()[0];
    let keys: Vec<_> = entry.as_object().unwrap().keys().cloned().collect();
    insta::assert_snapshot!(keys.join(" "), @"id invocation result startedAt completedAt durationMs swampVersion platform invocationContext");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let id = entry["id"].as_str().unwrap();
        for file in fs::read_dir(place.spool()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            let is_entry = file.file_name().to_str().unwrap().contains(id);
            assert!(!is_entry || mode == 0o600, "{mode:o}");
            assert!(file.file_name() != ".open" || mode == 0o700, "{mode:o}");
        }
    }
}

#[test]
fn nothing_is_recorded_outside_of_a_repository_or_where_telemetry_is_off_or_the_marker_is_broken() {
    let place = Place::without_marker();
    let is_untouched = || !place.path().join(".swamp").exists();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    assert!(is_untouched());
    for marker in ["telemetryDisabled: true\n", "repoId: [\n"] {
        place.write_marker(marker);
        assert_eq!(place.greet(&["hello", "you"]), Some(0));
        assert_eq!(place.greet(&["hello"]), Some(2));
        assert!(is_untouched(), "{marker}");
        let after = fs::read_to_string(place.path().join(".swamp.yaml")).unwrap();
        assert_eq!(after, marker);
    }
    place.write_marker(MARKER);
    for variable in ["SWAMP_NO_TELEMETRY", "DO_NOT_TRACK"] {
        for args in [&["hello", "you"][..], &["hello"]] {
            place.command(args).env(variable, "1").status().unwrap();
            assert!(is_untouched(), "{variable}");
        }
    }
    let config = place.path().join("home").join(".config").join("swamp");
    fs::create_dir_all(&config).unwrap();
    for text in ["telemetryDisabled: true\n", "telemetryDisabled: [\n"] {
        fs::write(config.join("config.yaml"), text).unwrap();
        assert_eq!(place.greet(&["hello", "you"]), Some(0));
        assert!(is_untouched(), "{text}");
    }
    fs::remove_dir_all(config).unwrap();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    assert_eq!(place.entries().len(), 1);
}

#[test]
fn a_command_below_the_repositorys_root_is_recorded_at_its_root() {
    let place = Place::new();
    let below = place.path().join("a").join("b");
    fs::create_dir_all(&below).unwrap();
    let mut command = place.command(&["hello", "you"]);
    assert!(command.current_dir(below).status().unwrap().success());
    assert_eq!(place.entries().len(), 1);
}

#[test]
fn a_spool_that_cannot_be_made_leaves_the_command_as_it_is() {
    let place = Place::new();
    fs::write(place.path().join(".swamp"), "in the way").unwrap();
    let output = place
        .command(&["hello", "you"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"hello, you\n");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_environment_names_the_repository_and_outside_of_all_the_users_own_takes_what_is_recorded() {
    let place = Place::new();
    let elsewhere = place.path().join("home");
    fs::create_dir(&elsewhere).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let greet = |named: Option<&std::path::Path>| {
        let mut command = place.command(&["hello", "you"]);
        command
            .current_dir(outside.path())
            .envs(named.map(|dir| ("SWAMP_REPO_DIR", dir)));
        assert!(command.status().unwrap().success());
    };
    greet(None);
    assert_eq!(place.entries().len(), 0);
    greet(Some(place.path()));
    assert_eq!(place.entries().len(), 1);
    greet(Some(&elsewhere));
    assert_eq!(place.entries().len(), 1, "there is no repository");

    let own = elsewhere.join(".local/state/swamp/user");
    fs::create_dir_all(&own).unwrap();
    greet(None);
    fs::write(own.join(".swamp.yaml"), MARKER).unwrap();
    greet(None);
    let spool = own.join(".swamp/telemetry");
    let entries = fs::read_dir(spool).unwrap().filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("telemetry-")
    });
    assert_eq!(entries.count(), 1);
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    assert_eq!(place.entries().len(), 2, "a repository takes its own");
}
