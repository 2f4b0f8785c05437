//! The repository of the user's own, which takes what is recorded outside of all others.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Run, TestRepo, run};

fn own(repo: &TestRepo) -> PathBuf {
    repo.home().join(".local/state/swamp/user")
}

/// The binary outside of all repositories.
fn outside(repo: &TestRepo, args: &[&str]) -> Run {
    run(repo
        .command(args)
        .current_dir(repo.home())
        .env("PATH", "/usr/bin:/bin"))
}

fn init_user(repo: &TestRepo) {
    let made = outside(
        repo,
        &["init", "--user", "--endpoint", &repo.receiver.endpoint()],
    );
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.stdout.contains(own(repo).to_str().unwrap()),
        "{made:?}"
    );
}

#[test]
fn what_runs_outside_is_recorded_only_once_the_user_has_made_a_repository_for_it() {
    let repo = TestRepo::new();
    outside(&repo, &["version"]);
    outside(&repo, &["exec", "--", "true"]);
    assert!(!own(&repo).exists(), "off until then");
    assert_eq!(repo.arrived(), [""; 0]);

    init_user(&repo);
    assert_eq!(
        repo.arrived(),
        ["init"],
        "its first command is one of its own"
    );
    outside(&repo, &["version"]);
    outside(&repo, &["exec", "--subcommands=run", "--", "true", "run"]);
    outside(
        &repo,
        &["telemetry", "record", "--command=tool", "--exit-code=0"],
    );
    assert_eq!(repo.arrived(), ["init", "version", "true run", "tool"]);
    let ids: Vec<_> = repo
        .batches()
        .iter()
        .flatten()
        .map(|event| event.distinct_id.clone())
        .collect();
    let marker = fs::read_to_string(own(&repo).join(".swamp.yaml")).unwrap();
    assert!(ids.iter().all(|id| marker.contains(id)), "{ids:?} {marker}");

    repo.swamp(&["version"]);
    let other = repo.batches().pop().unwrap().pop().unwrap();
    assert!(
        repo.marker().contains(&other.distinct_id),
        "a repository takes its own"
    );
}

#[test]
fn it_is_switched_shown_and_purged_as_any_other() {
    let repo = TestRepo::new();
    init_user(&repo);
    let status = outside(&repo, &["--json", "telemetry", "status"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["repository"], own(&repo).to_str().unwrap());
    assert_eq!(
        (&status["enabled"], &status["known"]),
        (&true.into(), &true.into())
    );
    let shown = outside(&repo, &["telemetry", "status"]).stdout;
    assert!(shown.contains("your own, in"), "{shown}");
    let arrived = repo.arrived().len();

    assert_eq!(outside(&repo, &["telemetry", "disable"]).code, 0);
    outside(&repo, &["version"]);
    assert_eq!(repo.arrived().len(), arrived, "nothing is sent");
    let shown = outside(&repo, &["telemetry", "status"]).stdout;
    assert!(
        shown.contains("off (telemetryDisabled is true in .swamp.yaml)"),
        "{shown}"
    );
    assert_eq!(outside(&repo, &["telemetry", "enable"]).code, 0);

    let record = ["telemetry", "record", "--command=tool", "--exit-code=0"];
    let waiting = run(repo
        .command(&record)
        .current_dir(repo.home())
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    assert_eq!(waiting.code, 0, "{waiting:?}");
    let purged = outside(
        &repo,
        &["--no-telemetry", "--json", "telemetry", "purge", "--yes"],
    );
    let purged: Value = serde_json::from_str(&purged.stdout).unwrap();
    assert_eq!(purged["unsent"], 1);
}

#[test]
fn who_names_a_directory_means_that_one() {
    let repo = TestRepo::new();
    init_user(&repo);
    let home = repo.home();
    let home = home.to_str().unwrap();
    for named in [repo.command(&["-C", home, "telemetry", "status"]), {
        let mut command = repo.command(&["telemetry", "status"]);
        command.env("SWAMP_REPO_DIR", home);
        command
    }] {
        let mut named = named;
        let refused = run(named.current_dir(home));
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("no .swamp.yaml in"), "{refused:?}");
    }
    let by_name = repo.swamp(&[
        "-C",
        own(&repo).to_str().unwrap(),
        "--json",
        "telemetry",
        "status",
    ]);
    assert!(by_name.stdout.contains("swamp/user"), "{by_name:?}");
    assert_eq!(
        repo.swamp(&["-C", home, "init", "--user"]).code,
        2,
        "one or the other"
    );
    assert_eq!(repo.swamp(&["init", "--user", "dir"]).code, 2);
    let again = outside(&repo, &["init", "--user"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("already exists"), "{again:?}");
}

#[cfg(unix)]
#[test]
fn one_that_others_could_exchange_is_neither_made_nor_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let repo = TestRepo::new();
    let state = repo.home().join(".local/state");
    mode(&state, 0o777);
    let refused = outside(&repo, &["init", "--user"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("can be written by other users"),
        "{refused:?}"
    );
    mode(&state, 0o755);
    init_user(&repo);
    let arrived = repo.arrived().len();
    mode(&state, 0o777);
    assert_eq!(outside(&repo, &["exec", "--", "true"]).code, 0);
    assert_eq!(outside(&repo, &["telemetry", "status"]).code, 1);
    assert_eq!(repo.arrived().len(), arrived);
}
