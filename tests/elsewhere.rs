//! What waits in a repository that nobody visits: a command in another one sends it, under its own settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use swamp::receiver::{Receiver, ReceiverOptions};

use crate::support::{Run, TestRepo, dead_endpoint, run, wait_until};

/// Another repository of the same user, with an endpoint of its own.
struct Other {
    root: PathBuf,
    receiver: Receiver,
}

impl Other {
    fn new(repo: &TestRepo, name: &str) -> Self {
        let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
        let root = repo
            .root()
            .parent()
            .unwrap()
            .canonicalize()
            .unwrap()
            .join(name);
        let other = Self { root, receiver };
        fs::create_dir(&other.root).unwrap();
        let init = [
            "--no-telemetry",
            "init",
            "--endpoint",
            &other.receiver.endpoint(),
        ];
        assert_eq!(other.swamp(repo, &init).code, 0);
        other
    }

    fn command(&self, repo: &TestRepo, args: &[&str]) -> Command {
        let mut command = repo.command(args);
        command.current_dir(&self.root).env("PATH", "/usr/bin:/bin");
        command
    }

    fn swamp(&self, repo: &TestRepo, args: &[&str]) -> Run {
        run(&mut self.command(repo, args))
    }

    /// Leaves entries that wait.
    fn leave(&self, repo: &TestRepo, count: usize) {
        for _ in 0..count {
            let mut command = self.command(repo, &["version"]);
            assert_eq!(run(command.env("SWAMP_TELEMETRY_FLUSH", "off")).code, 0);
        }
    }

    fn waiting(&self) -> usize {
        let files = fs::read_dir(self.root.join(".swamp/telemetry")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("telemetry-")).count()
    }

    fn arrived(&self) -> usize {
        let requests = self.receiver.requests();
        requests
            .iter()
            .map(|request| request.events.as_ref().unwrap().len())
            .sum()
    }

    fn configure(&self, line: &str) {
        let marker = self.root.join(".swamp.yaml");
        let text = fs::read_to_string(&marker).unwrap();
        fs::write(marker, format!("{text}{line}\n")).unwrap();
    }
}

/// How many repositories are remembered.
fn remembered(repo: &TestRepo) -> usize {
    fs::read_dir(repo.home().join(".local/state/swamp/backlogs")).map_or(0, Iterator::count)
}

#[test]
fn a_command_elsewhere_sends_what_waits_to_the_endpoint_that_it_is_for() {
    let repo = TestRepo::new();
    let other = Other::new(&repo, "other");
    other.leave(&repo, 3);
    assert_eq!(remembered(&repo), 1);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!((other.arrived(), other.waiting()), (3, 0));
    assert_eq!(repo.arrived(), ["version"]);
    assert_eq!(remembered(&repo), 0, "nothing waits any more");
    let marker = fs::read_to_string(other.root.join(".swamp.yaml")).unwrap();
    for request in other.receiver.requests() {
        for event in request.events.as_ref().unwrap() {
            assert!(marker.contains(event.distinct_id()));
        }
    }
}

#[test]
fn the_entry_of_a_failed_command_is_remembered_and_sent_in_the_background() {
    let repo = TestRepo::new();
    let other = Other::new(&repo, "other");
    let mut failing = other.command(&repo, &["exec", "--", "false"]);
    assert_eq!(run(failing.env_remove("SWAMP_TELEMETRY_FLUSH")).code, 1);
    assert_eq!((other.arrived(), other.waiting()), (0, 1));
    let mut succeeding = repo.command(&["version"]);
    assert_eq!(run(succeeding.env_remove("SWAMP_TELEMETRY_FLUSH")).code, 0);
    wait_until("it arrives", || other.arrived() == 1);
}

#[test]
fn one_other_gets_what_is_left_of_25_and_each_has_its_turn() {
    let repo = TestRepo::new();
    let (one, two) = (Other::new(&repo, "one"), Other::new(&repo, "two"));
    one.leave(&repo, 5);
    two.leave(&repo, 2);
    for _ in 0..21 {
        run(repo
            .command(&["version"])
            .env("SWAMP_TELEMETRY_FLUSH", "off"));
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.arrived().len(), 22);
    assert_eq!((one.arrived(), two.arrived()), (3, 0));
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(
        (one.arrived(), two.arrived()),
        (3, 2),
        "the other one's turn"
    );
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!((one.arrived(), two.arrived()), (5, 2));
    assert_eq!(remembered(&repo), 0);
}

#[test]
fn nothing_of_others_is_sent_where_it_must_not_be() {
    let repo = TestRepo::new();
    let other = Other::new(&repo, "other");
    other.leave(&repo, 2);
    let elsewhere = Receiver::start(ReceiverOptions::default()).unwrap();
    let mut named = repo.command(&["version"]);
    run(named.env("SWAMP_TELEMETRY_ENDPOINT", elsewhere.endpoint()));
    assert_eq!(elsewhere.requests().len(), 1, "its own");
    assert_eq!(other.arrived(), 0, "the environment names one endpoint");

    let marker = repo.marker();
    repo.write_marker(&marker.replace(&repo.receiver.endpoint(), &dead_endpoint()));
    repo.swamp(&["version"]);
    assert_eq!(other.arrived(), 0, "its own did not go well");
    repo.write_marker(&marker);

    other.configure("telemetryDisabled: true");
    repo.swamp(&["version"]);
    assert_eq!(
        (other.arrived(), other.waiting()),
        (0, 2),
        "it is off there"
    );
}

#[test]
fn what_a_checkout_has_brought_along_or_others_own_is_not_sent() {
    let repo = TestRepo::new();
    let other = Other::new(&repo, "other");
    other.leave(&repo, 2);
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .args(args)
            .current_dir(&other.root)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "-f", ".swamp.yaml"]);
    let mut untrust = other.command(&repo, &["--no-telemetry", "untrust"]);
    assert_eq!(run(&mut untrust).code, 0);
    repo.swamp(&["version"]);
    assert_eq!(
        (other.arrived(), other.waiting()),
        (0, 2),
        "it is not known"
    );
    assert_eq!(remembered(&repo), 0);
}

#[test]
fn what_cannot_be_delivered_or_is_gone_harms_nobody() {
    let repo = TestRepo::new();
    let (gone, dead) = (Other::new(&repo, "gone"), Other::new(&repo, "dead"));
    gone.leave(&repo, 1);
    let marker = dead.root.join(".swamp.yaml");
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(
        &marker,
        text.replace(&dead.receiver.endpoint(), &dead_endpoint()),
    )
    .unwrap();
    dead.swamp(&repo, &["sender", "use", "builtin:ingest"]);
    dead.leave(&repo, 1);
    fs::remove_dir_all(&gone.root).unwrap();
    for _ in 0..2 {
        let run = repo.swamp(&["version"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    }
    assert_eq!(repo.arrived().len(), 2);
    assert_eq!(
        remembered(&repo),
        1,
        "what is gone is forgotten, and what is dead is not"
    );
    fs::write(&marker, text).unwrap();
    repo.swamp(&["version"]);
    assert_eq!(dead.waiting(), 0, "it is sent once somebody is there");
}

#[test]
fn the_users_own_repository_is_one_of_the_others() {
    let repo = TestRepo::new();
    let own = Receiver::start(ReceiverOptions::default()).unwrap();
    let outside = |args: &[&str]| {
        let mut command = repo.command(args);
        run(command
            .current_dir(repo.home())
            .env("SWAMP_TELEMETRY_FLUSH", "off"))
    };
    assert_eq!(
        outside(&["init", "--user", "--endpoint", &own.endpoint()]).code,
        0
    );
    assert_eq!(own.requests().len(), 0);
    repo.swamp(&["version"]);
    assert_eq!(own.requests().len(), 1);
}

fn json(run: &Run) -> Vec<Value> {
    serde_json::from_str(&run.stdout).unwrap()
}

/// The entry of a list that is about this repository.
fn of<'a>(list: &'a [Value], root: &Path) -> &'a Value {
    let is_it = |one: &&Value| one["repository"] == root.to_str().unwrap();
    list.iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("{list:?}"))
}

#[test]
fn everywhere_shows_and_sends_all_and_says_what_is_not_sent_and_why() {
    let repo = TestRepo::new();
    let (one, off, dead) = (
        Other::new(&repo, "one"),
        Other::new(&repo, "off"),
        Other::new(&repo, "dead"),
    );
    for other in [&one, &off, &dead] {
        other.leave(&repo, 30);
    }
    off.configure("telemetryDisabled: true");
    let marker = dead.root.join(".swamp.yaml");
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(
        &marker,
        text.replace(&dead.receiver.endpoint(), &dead_endpoint()),
    )
    .unwrap();
    let own = repo.root().canonicalize().unwrap();

    // From outside of all repositories too, of which that of the command is one.
    let mut shown = repo.command(&["--no-telemetry", "--json", "status", "--everywhere"]);
    let shown = json(&run(shown.current_dir(repo.home())));
    assert_eq!(shown.len(), 3);
    let shown = json(&repo.swamp(&["--no-telemetry", "--json", "status", "--everywhere"]));
    assert_eq!(shown.len(), 4);
    assert_eq!(of(&shown, &own)["pending"], 0);
    assert_eq!(of(&shown, &one.root)["pending"], 30);
    assert_eq!(of(&shown, &off.root)["offBy"], "option", "of this command");
    let table = repo
        .swamp(&["--no-telemetry", "status", "--everywhere"])
        .stdout;
    let line = table
        .lines()
        .find(|line| line.contains(one.root.to_str().unwrap()));
    assert!(line.unwrap().contains(" 30 "), "{table}");

    let mut named = repo.command(&["flush", "--everywhere"]);
    let refused = run(named.env("SWAMP_TELEMETRY_ENDPOINT", one.receiver.endpoint()));
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("SWAMP_TELEMETRY_ENDPOINT"),
        "{refused:?}"
    );

    let sent = repo.swamp(&["--json", "flush", "--everywhere"]);
    assert_eq!(sent.code, 1, "one of them is dead: {sent:?}");
    let sent = json(&sent);
    assert_eq!(of(&sent, &one.root)["delivered"], 30);
    assert_eq!(one.arrived(), 30);
    let skipped = of(&sent, &off.root)["skipped"].as_str().unwrap();
    assert!(
        skipped.contains("telemetryDisabled is true in .swamp.yaml"),
        "{skipped}"
    );
    let skipped = of(&sent, &dead.root)["skipped"]
        .as_str()
        .unwrap_or_default();
    assert!(
        skipped.is_empty() || skipped.contains("not known"),
        "{sent:?}"
    );
    assert_eq!((off.waiting(), dead.waiting()), (30, 30));

    fs::write(&marker, text).unwrap();
    let sent = repo.swamp(&["flush", "--everywhere"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(dead.arrived(), 30);
    assert!(sent.stdout.contains("delivered 30 entries"), "{sent:?}");
}
