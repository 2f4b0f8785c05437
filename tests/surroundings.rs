//! Homes, variables and paths that are not what one expects: a command does its work without a word, and what it
//! records arrives.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{HOME_OF_ACCOUNT, TestRepo, run};
use crate::unruly::{Plan, Unruly};

/// What is done to the command in a home.
type Change = fn(&mut Command, &Path);

const ODD: &[(&str, Change)] = &[
    ("no HOME", |command, _| {
        command.env_remove("HOME");
    }),
    ("an empty HOME", |command, _| {
        command.env("HOME", "");
    }),
    ("a relative HOME", |command, _| {
        command.env("HOME", "some/where");
    }),
    ("a HOME that is a file", |command, home| {
        command.env("HOME", home.join("file"));
    }),
    ("a HOME below a file", |command, home| {
        command.env("HOME", home.join("file/home"));
    }),
    ("a HOME that is missing", |command, home| {
        command.env("HOME", home.join("missing"));
    }),
    ("a HOME that is a device", |command, _| {
        command.env("HOME", "/dev/null");
    }),
    ("a HOME that is no UTF-8", |command, home| {
        command.env("HOME", home.join(OsStr::from_bytes(b"h\xffme\n")));
    }),
    ("directories that are files", |command, home| {
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env(name, home.join("file"));
        }
    }),
    ("directories that are missing", |command, home| {
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env(name, home.join("missing").join(name));
        }
    }),
    ("directories that are relative", |command, _| {
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env(name, "some/where");
        }
    }),
    ("directories that are empty names", |command, _| {
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "XDG_CACHE_HOME",
            "TMPDIR",
        ] {
            command.env(name, "");
        }
    }),
    ("no directory for temporary files", |command, home| {
        command.env("TMPDIR", home.join("missing"));
    }),
    ("no directory for anything", |command, home| {
        for name in [
            "HOME",
            "TMPDIR",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
            "XDG_CONFIG_HOME",
        ] {
            command.env(name, home.join("file"));
        }
    }),
    ("no variable at all", |command, _| {
        command.env_clear().env("SWAMP_TELEMETRY_FLUSH", "inline");
    }),
    ("a locale that there is not", |command, _| {
        command.env("LANG", "xx_YY.bogus").env("LC_ALL", "bogus");
    }),
    ("a time zone that there is not", |command, _| {
        command.env("TZ", ":/no/such/zone");
    }),
    ("variables that are no UTF-8", |command, _| {
        let bytes = OsStr::from_bytes(b"\xff\xfe");
        for name in ["TZ", "LANG", "TERM", "NO_COLOR", "CI", "USER"] {
            command.env(name, bytes);
        }
    }),
];

#[test]
fn whatever_the_home_and_the_variables_are_a_command_is_unbothered_and_its_entry_arrives() {
    let _unchanged = HOME_OF_ACCOUNT.read().unwrap();
    for (what, change) in ODD {
        let server = Unruly::always(Plan::Accept);
        let repo = TestRepo::of_server(&server.endpoint(), "");
        fs::write(repo.home().join("file"), "").unwrap();
        let mut command = repo.command(&["version"]);
        command.env_remove("XDG_CACHE_HOME");
        change(&mut command, &repo.home());
        let done = run(&mut command);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{what}");
        assert!(!done.stdout.is_empty(), "{what}");
        assert_eq!(server.events().len(), 1, "{what}");
        assert_eq!(repo.entries(), [""; 0], "{what}");
        let created: Vec<_> = fs::read_dir(repo.root())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .filter(|name| name != ".swamp" && name != ".swamp.yaml")
            .collect();
        assert!(created.is_empty(), "{what}: {created:?}");
    }
}

fn odd_directories(below: &Path) -> Vec<PathBuf> {
    let mut deep = below.to_owned();
    // The longest path has 4095 bytes, and the spool's files take about a hundred.
    while deep.as_os_str().len() < 3_600 {
        deep.push("d".repeat(200));
    }
    vec![
        below.join("with\nnewline"),
        below.join("with\u{1b}[31mescape and 'quotes\" $HOME `x` ;"),
        below.join(OsStr::from_bytes(b"not\xff\xfeutf-8")),
        below.join("-C"),
        below.join("\u{202e}عربي 日本語 é e\u{301}"),
        below.join("%s%n"),
        deep,
    ]
}

#[test]
fn whatever_the_repository_is_called_it_is_used_and_shown_without_harm() {
    let server = Unruly::always(Plan::Accept);
    let repo = TestRepo::of_server(&server.endpoint(), "");
    for (n, directory) in odd_directories(&repo.root()).iter().enumerate() {
        fs::create_dir_all(directory).unwrap();
        fs::copy(
            repo.root().join(".swamp.yaml"),
            directory.join(".swamp.yaml"),
        )
        .unwrap();
        let within = |args: &[&str]| run(repo.command(args).current_dir(directory));
        let done = within(&["version"]);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{directory:?}");
        let by_option = run(repo
            .command(&["version"])
            .current_dir("/")
            .env("SWAMP_REPO_DIR", directory));
        assert_eq!(by_option.code, 0, "{directory:?}");
        assert_eq!(server.events().len(), 2 * (n + 1), "{directory:?}");
        for args in [
            &["--no-telemetry", "telemetry", "status"][..],
            &["--no-telemetry", "config", "list"],
            &["--no-telemetry", "telemetry", "list"],
        ] {
            let shown = within(args);
            assert_eq!(shown.code, 0, "{directory:?} {args:?}: {}", shown.stderr);
            let harmless = |c: char| !c.is_control() || c == '\n';
            assert!(
                shown.stdout.chars().all(harmless),
                "{directory:?}: {}",
                shown.stdout
            );
            let json = within(&[&["--json"], args].concat());
            serde_json::from_str::<Value>(&json.stdout).unwrap();
        }
    }
}
