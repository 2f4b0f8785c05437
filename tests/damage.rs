//! A spool full of what is not an entry, older than what is.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use chrono::{Days, Utc};

use crate::support::TestRepo;
use crate::unruly::{Plan, Unruly};

const OF_EACH_KIND: usize = 36;
const SECRET: &str = "nobody may read this";

fn yesterday() -> String {
    let yesterday = Utc::now().date_naive().checked_sub_days(Days::new(1));
    yesterday.unwrap().to_string()
}

/// Files are taken for damaged only once they have been left alone.
fn age(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    File::open(path).unwrap().set_modified(long_ago).unwrap();
}

fn damaged(kind: &str, id: &str) -> Vec<u8> {
    let valid = format!(
        r#"{{"id":"{id}","startedAt":"{}T00:00:00.000Z"}}"#,
        yesterday()
    );
    match kind {
        "empty" => Vec::new(),
        "truncated" => valid.as_bytes()[..valid.len() - 3].to_vec(),
        "not-utf-8" => [&valid.as_bytes()[..5], b"\xff\xfe", &valid.as_bytes()[5..]].concat(),
        "nul" => vec![0; 512],
        "list" => format!("[{valid}]").into_bytes(),
        "number-id" => br#"{"id":5}"#.to_vec(),
        "path-id" => br#"{"id":"../../../../etc/passwd"}"#.to_vec(),
        "no-id" => b"{}".to_vec(),
        "deep" => format!(
            r#"{{"id":"{id}","x":{}{}}}"#,
            "[".repeat(50_000),
            "]".repeat(50_000)
        )
        .into_bytes(),
        "two" => format!("{valid}{valid}").into_bytes(),
        kind => panic!("{kind}"),
    }
}

const KINDS: [&str; 10] = [
    "empty",
    "truncated",
    "not-utf-8",
    "nul",
    "list",
    "number-id",
    "path-id",
    "no-id",
    "deep",
    "two",
];

/// Puts things with the names of entries into the spool that are not even plain files.
fn not_plain(repo: &TestRepo, secret: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = |kind: &str, n: usize| {
        let name = format!("telemetry-{}-{kind}-{n}.json", yesterday());
        names.push(name.clone());
        repo.spool().join(name)
    };
    for n in 0..OF_EACH_KIND {
        symlink(secret, name("link", n)).unwrap();
    }
    // One that does not even lead out of the spool.
    let inside = format!(r#"{{"id":"inside-link-0","secret":"{SECRET}"}}"#);
    fs::write(repo.spool().join("inside"), inside).unwrap();
    symlink("inside", name("inside-link", 0)).unwrap();
    for n in 0..10 {
        symlink("nowhere", name("broken-link", n)).unwrap();
        fs::create_dir(name("directory", n)).unwrap();
        let fifo = name("fifo", n);
        assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }
    // A second name of a file from elsewhere; its content could be an entry of another day.
    let elsewhere = repo.root().join("elsewhere.json");
    fs::write(&elsewhere, r#"{"id":"hard-link-0"}"#).unwrap();
    fs::hard_link(&elsewhere, name("hard-link", 0)).unwrap();
    let socket = name("socket", 0);
    drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
    names
}

#[test]
fn hundreds_of_damaged_files_older_than_good_ones_keep_none_of_those_back() {
    let server = Unruly::always(Plan::Accept);
    let repo = TestRepo::with_marker(&format!(
        "telemetryEndpoint: {}\nrepoId: 550e8400-e29b-41d4-a716-446655440000\n",
        server.endpoint()
    ));
    for _ in 0..3 {
        let run = repo
            .command(&["version"])
            .env("SWAMP_TELEMETRY_FLUSH", "off")
            .output()
            .unwrap();
        assert!(run.status.success());
    }
    let good = repo.entries();
    let secret = repo.home().join("secret.json");
    fs::write(&secret, format!(r#"{{"id":"link-0","secret":"{SECRET}"}}"#)).unwrap();
    let mut damaged_names = Vec::new();
    for kind in KINDS {
        for n in 0..OF_EACH_KIND {
            let id = format!("{kind}-{n}");
            let name = format!("telemetry-{}-{id}.json", yesterday());
            fs::write(repo.spool().join(&name), damaged(kind, &id)).unwrap();
            age(&repo.spool().join(&name));
            damaged_names.push(name);
        }
    }
    let huge = format!("telemetry-{}-huge.json", yesterday());
    let file = File::create(repo.spool().join(&huge)).unwrap();
    file.set_len(20 * 1024 * 1024).unwrap();
    drop(file);
    age(&repo.spool().join(&huge));
    damaged_names.push(huge);
    // One that may still be being written.
    let fresh = format!("telemetry-{}-fresh.json", yesterday());
    repo.spool_entry(&fresh, r#"{"id":"fre"#);
    let not_plain = not_plain(&repo, &secret);
    assert!(damaged_names.len() + not_plain.len() > 420);

    let run = repo.swamp(&["version"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(server.events().len(), 4);
    for name in &good {
        let id = name.trim_end_matches(".json");
        assert!(
            server.events().keys().any(|arrived| id.ends_with(arrived)),
            "{name}"
        );
    }
    let left = repo.entries();
    for name in &damaged_names {
        let aside = name.replace(".json", ".quarantined.json");
        assert!(left.contains(&aside) && !left.contains(name), "{name}");
    }
    for name in not_plain.iter().chain([&fresh]) {
        assert!(left.contains(name), "{name} is nobody's to touch");
    }
    assert!(fs::read_to_string(&secret).unwrap().contains(SECRET));
    let sent = format!("{:?}", server.stored());
    for never in [SECRET, "passwd", "hard-link", "startedAt\":\"x"] {
        assert!(!sent.contains(never), "{never}");
    }

    // Whatever it is, it blocks the second flush no more than the first, and status counts it.
    assert_eq!(repo.swamp(&["telemetry", "flush", "--all"]).code, 0);
    assert_eq!(repo.swamp(&["telemetry", "status"]).code, 0);
    assert_eq!(
        repo.entries()
            .iter()
            .filter(|name| name.contains("quarantined"))
            .count(),
        damaged_names.len()
    );
}
