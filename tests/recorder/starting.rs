//! Which `swamp` is started to deliver, and when.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::place::Place;

/// A program that says what it was started as.
fn stand_in(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("swamp");
    fs::write(&path, "#!/bin/sh\necho \"$SWAMP_WORKER $#\" > started\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What was started at the root of the repository, after this command with this variable.
fn started(variable: &str, value: &str, args: &[&str]) -> Option<String> {
    started_by("inline", variable, value, args)
}

fn started_by(mode: &str, variable: &str, value: &str, args: &[&str]) -> Option<String> {
    let place = Place::new();
    stand_in(&place.path().join("bin"));
    std::os::unix::fs::symlink(place.path().join("bin"), place.path().join("link")).unwrap();
    let value = value.replace("REPO", place.path().to_str().unwrap());
    let mut command = place.command(args);
    command
        .env(variable, value)
        .env("SWAMP_TELEMETRY_FLUSH", mode);
    command.status().unwrap();
    assert_eq!(place.entries().len(), 1, "the entry waits");
    fs::read_to_string(place.path().join("started")).ok()
}

#[test]
fn the_swamp_that_is_named_or_on_path_is_started_and_none_of_the_repositorys() {
    let elsewhere = tempfile::tempdir().unwrap();
    let dir = elsewhere.path().to_str().unwrap();
    let named = stand_in(elsewhere.path());
    let named = named.to_str().unwrap();
    let hello = ["hello", "you"];
    let flush = Some("flush 0\n".to_owned());
    assert_eq!(started("SWAMP_BIN", named, &hello), flush);
    assert_eq!(started("PATH", dir, &hello), flush);
    for behind_others in ["REPO/bin", "bin", "", "/no/such"] {
        let path = format!("{behind_others}:{dir}");
        assert_eq!(started("PATH", &path, &hello), flush);
    }
    for not_taken in ["REPO/bin", "REPO/link", "bin", "", "."] {
        assert_eq!(started("PATH", not_taken, &hello), None, "{not_taken}");
    }
    for not_taken in ["bin/swamp", "swamp", "/no/such", dir] {
        assert_eq!(started("SWAMP_BIN", not_taken, &hello), None, "{not_taken}");
    }
    // A request for help is a success.
    assert_eq!(started("SWAMP_BIN", named, &["--help"]), flush);
    // Errors are recorded, and flushed where nothing later would.
    for failing in [&["hello", ""][..], &["hello"], &["hello", "panic"]] {
        assert_eq!(started("SWAMP_BIN", named, failing), flush, "{failing:?}");
        let in_background = started_by("background", "SWAMP_BIN", named, failing);
        assert_eq!(in_background, None, "{failing:?}");
    }
}

#[test]
fn swamp_bin_comes_before_path_and_where_it_names_none_nothing_is_started() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stand_in(one.path());
    let quiet = other.path().join("swamp");
    fs::write(&quiet, "#!/bin/sh\necho named > started\n").unwrap();
    fs::set_permissions(&quiet, fs::Permissions::from_mode(0o755)).unwrap();
    for (named, expected) in [
        (quiet.as_path(), Some("named\n")),
        (Path::new("/no/such"), None),
    ] {
        let place = Place::new();
        let mut command = place.command(&["hello", "you"]);
        command
            .env("PATH", one.path())
            .env("SWAMP_BIN", named)
            .env("SWAMP_TELEMETRY_FLUSH", "inline");
        assert!(command.status().unwrap().success());
        let started = fs::read_to_string(place.path().join("started")).ok();
        assert_eq!(started.as_deref(), expected);
    }
}
