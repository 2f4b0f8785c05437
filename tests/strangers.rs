//! Several users of one machine: what belongs to another is not used, until one says so. Needs root, to be others.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use swamp::config::Marker;
use swamp::config::known::{Known, KnownBy, Unknown};
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::Owners;
use swamp::domain::Endpoint;
use swamp::receiver::{Receiver, ReceiverOptions};
use swamp::spool::FileSpool;
use tempfile::TempDir;

use crate::support::{HOME_OF_ACCOUNT, Run, SWAMP, TestRepo, run, skipped};

const ALICE: u32 = 12345;
const BOB: u32 = 12346;
const TEAM: u32 = 12347;

/// A machine with a program that everybody can run, and a home for each.
struct Machine {
    dir: TempDir,
    receiver: Receiver,
}

impl Machine {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skipped("only root can be several users");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // Not by this process: a child that another test forks meanwhile would hold the copy open for writing.
        let copied = run(Command::new("cp").arg(SWAMP).arg(dir.path().join("swamp")));
        assert_eq!(copied.code, 0, "{copied:?}");
        let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
        let machine = Self { dir, receiver };
        for user in [ALICE, BOB] {
            machine.directory(&format!("home-{user}"), user, 0o700);
        }
        Some(machine)
    }

    fn directory(&self, name: &str, owner: u32, mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), Some(TEAM)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn command(&self, user: u32, root: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(self.dir.path().join("swamp"));
        command
            .args(args)
            .uid(user)
            .gid(TEAM)
            .current_dir(root)
            .env_clear()
            .env("HOME", self.dir.path().join(format!("home-{user}")))
            .env("SWAMP_TELEMETRY_FLUSH", "off")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, user: u32, root: &Path, args: &[&str]) -> Run {
        run(&mut self.command(user, root, args))
    }

    fn ok(&self, user: u32, root: &Path, args: &[&str]) -> Run {
        let run = self.run(user, root, args);
        assert_eq!(run.code, 0, "{user} {args:?}: {run:?}");
        run
    }

    fn init(&self, user: u32, root: &Path) {
        let endpoint = self.receiver.endpoint();
        self.ok(
            user,
            root,
            &["--no-telemetry", "init", "--endpoint", &endpoint],
        );
    }
}

fn entries(root: &Path) -> usize {
    let names = fs::read_dir(root.join(".swamp/telemetry")).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("telemetry-")).count()
}

#[test]
fn another_users_repository_is_not_used_until_one_says_so() {
    let Some(machine) = Machine::new() else {
        return;
    };
    // As /tmp is, above one's own directory.
    let root = machine.directory("shared", 0, 0o1777);
    machine.init(ALICE, &root);
    let mine = machine.directory("shared/mine", BOB, 0o755);
    machine.ok(BOB, &mine, &["version"]);
    assert_eq!(entries(&root), 0);
    let debug = machine.ok(BOB, &mine, &["--log-level", "debug", "version"]);
    let status = machine.ok(BOB, &mine, &["telemetry", "status"]).stdout;
    for told in [debug.stderr, status] {
        assert!(told.contains("belongs to user 12345"), "{told}");
        assert!(told.contains("trust`"), "{told}");
    }
    assert_eq!(machine.run(BOB, &mine, &["telemetry", "flush"]).code, 1);
    machine.ok(ALICE, &root, &["version"]);
    assert_eq!(entries(&root), 1);

    let root = root.to_str().unwrap().to_owned();
    let trusted = run(machine
        .command(BOB, &mine, &["--json", "sender", "show"])
        .env("SWAMP_TRUST_DIRECTORY", &root));
    assert!(trusted.stdout.contains("\"known\": true"), "{trusted:?}");
    machine.ok(BOB, &mine, &["--no-telemetry", "trust", "--yes"]);
    let show = machine.ok(BOB, &mine, &["--json", "sender", "show"]);
    assert!(show.stdout.contains("\"known\": true"), "{show:?}");
}

#[test]
fn every_member_of_a_group_can_record_flush_enable_and_disable() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let root = machine.directory("team", ALICE, 0o2775);
    machine.init(ALICE, &root);
    machine.ok(BOB, &root, &["--no-telemetry", "trust", "--yes"]);
    use_in_turns(&machine, &root);
}

/// Each member records, disables, enables and flushes, one after the other and again.
fn use_in_turns(machine: &Machine, root: &Path) {
    for round in 0..2 {
        for user in [BOB, ALICE] {
            let before = entries(root);
            machine.ok(user, root, &["version"]);
            assert_eq!(entries(root), before + 1, "{user} in round {round}");
            machine.ok(user, root, &["telemetry", "disable"]);
            machine.ok(user, root, &["telemetry", "enable"]);
            machine.ok(user, root, &["telemetry", "flush", "--all"]);
            assert_eq!(entries(root), 0, "{user} in round {round}");
        }
    }
}

#[test]
fn a_repository_that_becomes_a_groups_is_opened_to_it_by_its_owners_trust() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let root = machine.directory("late", ALICE, 0o755);
    machine.init(ALICE, &root);
    machine.ok(ALICE, &root, &["version"]);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o2775)).unwrap();

    let trust = &["--no-telemetry", "trust", "--yes"];
    let told = machine.ok(BOB, &root, trust).stderr;
    let remedy = format!("have user 12345 run `swamp -C {} trust`", root.display());
    assert!(told.contains(&remedy), "{told}");
    let status = machine.run(BOB, &root, &["telemetry", "status"]);
    assert!(
        status.stderr.contains("have its owner run `swamp trust`"),
        "{status:?}"
    );
    // Another file of hers, under a name that the others could give it.
    let private = machine.directory("private", ALICE, 0o700).join("diary");
    fs::write(&private, "").unwrap();
    chown(&private, Some(ALICE), Some(ALICE)).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&private, root.join(".swamp/telemetry/diary")).unwrap();

    let shown = machine.ok(ALICE, &root, trust).stdout;
    assert!(shown.contains("opens .swamp.yaml, .swamp to it"), "{shown}");
    assert_eq!(fs::metadata(private).unwrap().mode() & 0o777, 0o600);
    fs::remove_file(root.join(".swamp/telemetry/diary")).unwrap();
    assert_eq!(machine.ok(BOB, &root, trust).stderr, "");
    assert_eq!(entries(&root), 1);
    machine.ok(BOB, &root, &["telemetry", "flush"]);
    assert_eq!(entries(&root), 0, "hers is sent by him, too");
    use_in_turns(&machine, &root);
}

#[test]
fn root_in_anothers_home_makes_nothing_there_and_heeds_its_off_switch() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let _unchanged = HOME_OF_ACCOUNT.read().unwrap();
    let repo = TestRepo::new();
    let home = machine.dir.path().join(format!("home-{ALICE}"));
    let state = tempfile::tempdir().unwrap();
    let as_root = |args: &[&str]| {
        run(repo
            .command(args)
            .env("HOME", &home)
            .env("XDG_STATE_HOME", state.path()))
    };
    assert_eq!(as_root(&["--no-telemetry", "trust", "--yes"]).code, 0);
    assert_eq!(as_root(&["version"]).code, 0);
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    assert!(state.path().join("swamp/trust.json").is_file());

    let config = home.join(".config/swamp");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.yaml"), "telemetryDisabled: true\n").unwrap();
    chown(config.join("config.yaml"), Some(ALICE), None).unwrap();
    let status = as_root(&["--json", "telemetry", "status"]);
    assert!(status.stdout.contains("\"enabled\": false"), "{status:?}");
}

#[test]
fn root_is_a_stranger_in_anothers_repository() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let repo = TestRepo::new();
    fs::remove_dir_all(repo.home().join(".local")).unwrap();
    for path in [repo.root(), repo.root().join(".swamp.yaml")] {
        chown(&path, Some(ALICE), None).unwrap();
        assert_eq!(fs::metadata(path).unwrap().uid(), ALICE);
    }
    drop(machine);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.arrived(), ["version"]);
    let status = repo.swamp(&["--json", "telemetry", "status"]).stdout;
    assert!(status.contains("another user's"), "{status}");
}

/// Whoever can rename a directory can put another one in its place, between the look at its marker and what is then
/// allowed.
#[test]
fn whose_a_repository_is_was_asked_of_what_was_read_whatever_is_there_since() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let root = machine.directory("alices", ALICE, 0o755);
    machine.init(ALICE, &root);
    let read = |owners| MarkerFile::new(&root, owners).read();
    let hers = read(Owners::Any).unwrap();
    assert_eq!(read(Owners::AllIn(ALICE)).unwrap(), hers);
    assert!(
        FileSpool::open(&root, Owners::AllIn(ALICE))
            .unwrap()
            .is_some()
    );

    let mine = machine.directory("mine", 0, 0o755);
    fs::copy(root.join(".swamp.yaml"), mine.join(".swamp.yaml")).unwrap();
    fs::create_dir_all(mine.join(".swamp/telemetry")).unwrap();
    fs::rename(&root, machine.dir.path().join("away")).unwrap();
    fs::rename(&mine, &root).unwrap();
    let known = |marker: &Marker| {
        let endpoint = Endpoint::parse(marker.telemetry_endpoint.as_deref().unwrap()).unwrap();
        let home = machine.dir.path().as_os_str();
        let env = |name: &str| (name == "HOME").then(|| home.to_owned());
        let known = Known::new(
            &root,
            marker,
            marker.repo_id.clone(),
            endpoint.origin(),
            false,
            env,
        );
        known.answer().map_err(Clone::clone)
    };
    assert_eq!(known(&hers), Err(Unknown::NotMine));
    assert_eq!(known(&read(Owners::Any).unwrap()), Ok(KnownBy::Written));
    let refused = [
        read(Owners::AllIn(ALICE)).unwrap_err().to_string(),
        FileSpool::open(&root, Owners::AllIn(ALICE))
            .unwrap_err()
            .to_string(),
    ];
    for why in refused {
        assert!(
            why.contains("another owner than when you allowed it"),
            "{why}"
        );
    }
}

#[test]
fn a_strangers_sender_in_ones_own_repository_is_not_run_until_it_is_trusted() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let root = machine.directory("own", ALICE, 0o755);
    machine.init(ALICE, &root);
    let sender = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/senders/0.1.0/rust-cargo-component.wasm");
    fs::copy(sender, root.join("ours.wasm")).unwrap();
    chown(root.join("ours.wasm"), Some(BOB), Some(TEAM)).unwrap();
    let marker = fs::read_to_string(root.join(".swamp.yaml")).unwrap();
    fs::write(
        root.join(".swamp.yaml"),
        marker + "telemetrySender: ours.wasm\n",
    )
    .unwrap();
    machine.ok(ALICE, &root, &["version"]);
    let refused = machine.run(ALICE, &root, &["telemetry", "flush"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("it belongs to user 12346"),
        "{refused:?}"
    );
    assert!(machine.receiver.requests().is_empty());
    let shown = machine
        .ok(ALICE, &root, &["--no-telemetry", "trust", "--yes"])
        .stdout;
    assert!(shown.contains("ours.wasm belongs to user 12346"), "{shown}");
}

#[test]
fn what_a_member_of_the_users_group_can_write_decides_nothing_and_telemetry_is_off() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let root = machine.directory("own", ALICE, 0o755);
    machine.init(ALICE, &root);
    let config = machine.directory(&format!("home-{ALICE}/.config"), ALICE, 0o755);
    let config = machine.directory(
        config
            .strip_prefix(machine.dir.path())
            .unwrap()
            .join("swamp")
            .to_str()
            .unwrap(),
        ALICE,
        0o755,
    );
    let file = config.join("config.yaml");
    fs::write(&file, "allowSenders: any\n").unwrap();
    for (owner, mode, told) in [
        (ALICE, 0o664, Some("others of its group can write it")),
        (ALICE, 0o646, Some("everybody can write it")),
        (BOB, 0o644, Some("it belongs to another user")),
        (0, 0o644, None),
        (ALICE, 0o644, None),
    ] {
        chown(&file, Some(owner), Some(TEAM)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let before = entries(&root);
        let version = machine.ok(ALICE, &root, &["version"]);
        assert_eq!(version.stderr, "");
        let status = machine.ok(ALICE, &root, &["--no-telemetry", "telemetry", "status"]);
        let config = machine
            .ok(ALICE, &root, &["--log-level", "debug", "version"])
            .stderr;
        if let Some(told) = told {
            assert!(config.contains(told), "{owner} {mode:o}: {config}");
            assert_eq!(entries(&root), before, "{owner} {mode:o}: {status:?}");
        } else {
            assert!(entries(&root) > before, "{owner} {mode:o}: {config}");
        }
    }
}

/// The account of this test's user is the only one that the user database knows.
#[test]
fn without_home_the_off_switch_of_the_accounts_own_home_counts() {
    let account = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .unwrap()
        .unwrap();
    let _alone = HOME_OF_ACCOUNT.write().unwrap();
    let config = account.dir.join(".config/swamp/config.yaml");
    if config.exists() || !nix::unistd::geteuid().is_root() {
        skipped("only root's own home is written to, and only where it has no configuration");
        return;
    }
    let made: Vec<_> = config
        .ancestors()
        .skip(1)
        .take_while(|path| !path.exists())
        .map(Path::to_owned)
        .collect();
    let repo = TestRepo::new();
    let enabled = || {
        let status = run(repo
            .command(&["--json", "telemetry", "status"])
            .env_remove("HOME"));
        status.stdout.contains("\"enabled\": true")
    };
    let before = enabled();
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "telemetryDisabled: true\n").unwrap();
    let after = enabled();
    fs::remove_file(&config).unwrap();
    for path in made {
        fs::remove_dir(path).unwrap();
    }
    assert_eq!((before, after), (true, false));
}

#[test]
fn the_doctor_says_whose_the_repository_and_its_sender_are() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let root = machine.directory("alices", ALICE, 0o755);
    machine.init(ALICE, &root);
    let ownership = |user: u32| {
        let run = machine.run(user, &root, &["--no-telemetry", "--json", "doctor"]);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let mut checks = report["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["name"] == "ownership").unwrap();
        let fix = check["fix"].as_str().unwrap_or_default().to_owned();
        (check["ok"] == true, check["found"].to_string(), fix)
    };
    assert!(ownership(ALICE).0);
    let (ok, found, fix) = ownership(BOB);
    assert!(!ok && found.contains("belongs to user 12345"), "{found}");
    assert!(fix.contains("alices trust`"), "{fix}");
    machine.ok(BOB, &root, &["--no-telemetry", "trust", "--yes"]);
    let (ok, found, _) = ownership(BOB);
    assert!(ok && found.contains("you allowed it"), "{found}");

    let sender = root.join("bobs.wasm");
    fs::write(&sender, "").unwrap();
    chown(&sender, Some(BOB), Some(TEAM)).unwrap();
    let marker = root.join(".swamp.yaml");
    let text = fs::read_to_string(&marker).unwrap() + "telemetrySender: bobs.wasm\n";
    fs::write(&marker, text).unwrap();
    let (ok, found, fix) = ownership(ALICE);
    assert!(!ok && found.contains("the sender "), "{found}");
    assert!(fix.contains("swamp trust"), "{fix}");
}
