//! `demo`, as a person, a pipe and a machine see it.

use std::fs;

use serde_json::Value;

use crate::support::{TestRepo, wait_until};

#[test]
fn the_demo_shows_two_batches_and_leaves_nothing_behind() {
    let repo = TestRepo::new();
    let scratch = repo.home().join("tmp");
    fs::create_dir(&scratch).unwrap();
    let run = crate::support::run(repo.command(&["demo"]).env("TMPDIR", &scratch));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(!run.stdout.contains('\x1b'));
    assert!(run.stdout.contains("30 of 30 events"), "{}", run.stdout);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    assert_eq!(repo.entries(), [""; 0], "it is not recorded itself");
}

#[test]
fn the_demo_speaks_json() {
    let repo = TestRepo::new();
    let run = repo.swamp(&["demo", "--json"]);
    let demo: Value = serde_json::from_str(&run.stdout).unwrap();
    let events: Vec<_> = demo["batches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| batch["events"].as_u64().unwrap())
        .collect();
    assert_eq!(events, [25, 5]);
    assert_eq!(
        (&demo["recorded"], &demo["arrived"]),
        (&30.into(), &30.into())
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_demo_cleans_up_and_says_so() {
    use std::os::unix::process::ExitStatusExt as _;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let repo = TestRepo::new();
    let scratch = repo.home().join("tmp");
    fs::create_dir(&scratch).unwrap();
    let child = repo
        .command(&["demo"])
        .env("TMPDIR", &scratch)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the demo has its scratch directory", || {
        fs::read_dir(&scratch).unwrap().count() > 0
    });
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}
