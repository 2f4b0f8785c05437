//! Systems without /proc, without /dev, and standard streams that are closed: everything works, or says why not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use tempfile::TempDir;

use crate::support::{SWAMP, say, wait_until};
use crate::unruly::{Plan, Unruly};

/// Which of the kernel's directories a root has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Has {
    null: bool,
    proc: bool,
}

const ROOTS: [Has; 4] = [
    Has {
        null: true,
        proc: true,
    },
    Has {
        null: true,
        proc: false,
    },
    Has {
        null: false,
        proc: true,
    },
    Has {
        null: false,
        proc: false,
    },
];

/// What a shell closes: none, each, two and all.
const CLOSED: [&str; 6] = ["", "<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"];

/// A root directory with nothing in it but the program, the libraries that it needs, and a repository.
struct Root {
    dir: TempDir,
    has: Has,
}

impl Root {
    /// Says in words where roots cannot be changed.
    fn new(endpoint: &str, has: Has) -> Option<Self> {
        let changed = Command::new("unshare")
            .args(["--mount", "chroot", "/", "true"])
            .output();
        if !changed.is_ok_and(|output| output.status.success()) {
            say("no other root is possible here: systems without /proc and /dev are not tested");
            return None;
        }
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = Self { dir, has };
        for name in ["bin", "dev", "home", "proc", "repo"] {
            fs::create_dir(root.path(name)).unwrap();
        }
        fs::hard_link(SWAMP, root.path("bin/swamp")).unwrap();
        for library in libraries() {
            let copy = root.path(library.strip_prefix("/").unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(library, copy).unwrap();
        }
        if has.null {
            let mode = Mode::from_bits_truncate(0o666);
            let null = root.path("dev/null");
            mknod(&null, SFlag::S_IFCHR, mode, makedev(1, 3)).unwrap();
            fs::set_permissions(&null, fs::Permissions::from_mode(0o666)).unwrap();
        }
        let id = "550e8400-e29b-41d4-a716-446655440000";
        let marker = format!("telemetryEndpoint: {endpoint}\nrepoId: {id}\n");
        fs::write(root.path("repo/.swamp.yaml"), marker).unwrap();
        Some(root)
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the program with these arguments, and with the streams closed as the shell's `closed` says.
    fn run(&self, closed: &str, args: &[&str], flush: &str) -> Output {
        let script = format!(
            r#"root=$1 flush=$2 proc=$3; shift 3
            test "$proc" = no || mount -t proc proc "$root/proc" || exit 99
            exec env -i HOME=/home SWAMP_TELEMETRY_FLUSH="$flush" \
                unshare --root "$root" --wd /repo /bin/swamp "$@" {closed}"#
        );
        let proc = if self.has.proc { "yes" } else { "no" };
        Command::new("unshare")
            .args(["--mount", "sh", "-c", &script, "sh"])
            .arg(self.dir.path())
            .args([flush, proc])
            .args(args)
            .output()
            .unwrap()
    }

    fn pending(&self) -> usize {
        let spool = fs::read_dir(self.path("repo/.swamp/telemetry"));
        spool.map_or(0, |files| {
            files
                .filter(|file| {
                    let name = file.as_ref().unwrap().file_name();
                    name.to_string_lossy().starts_with("telemetry-")
                })
                .count()
        })
    }
}

/// The libraries that the program needs, by what `ldd` says.
fn libraries() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let listed = Command::new("ldd").arg(SWAMP).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let words = listed.split_whitespace();
        words
            .filter(|word| word.starts_with('/'))
            .map(PathBuf::from)
            .collect()
    })
}

/// Works, or says why not: never without a word, and never by a signal.
#[track_caller]
fn assert_works(root: &Root, closed: &str, args: &[&str]) {
    let case = format!("{:?}, {closed:?}: {args:?}", root.has);
    let output = root.run(closed, args, "inline");
    assert_eq!(output.status.code(), Some(0), "{case}: {output:?}");
    assert!(output.stderr.is_empty(), "{case}: {output:?}");
    let is_closed = closed.contains(">&- ") || closed.ends_with(" >&-") || closed == ">&-";
    assert_eq!(output.stdout.is_empty(), is_closed, "{case}: {output:?}");
}

#[test]
fn without_proc_without_dev_and_with_closed_streams_everything_works() {
    for has in ROOTS {
        let server = Unruly::always(Plan::Accept);
        let Some(root) = Root::new(&server.endpoint(), has) else {
            return;
        };
        let marker = fs::read(root.path("repo/.swamp.yaml")).unwrap();
        // Compiles it, which no command waits for.
        assert_works(&root, "", &["sender", "check", "builtin:ingest"]);
        let mut recorded = 1;
        for closed in CLOSED {
            for args in [
                &["version"][..],
                &["exec", "--", "/bin/swamp", "--no-telemetry", "version"],
                &["telemetry", "status"],
                &["sender", "check", "builtin:otlp"],
                &["telemetry", "flush"],
            ] {
                assert_works(&root, closed, args);
                // A flush that is asked for is not recorded.
                recorded += usize::from(!args.contains(&"flush"));
                assert_eq!(root.pending(), 0, "{has:?}, {closed:?}: {args:?}");
                assert_eq!(
                    server.events().len(),
                    recorded,
                    "{has:?}, {closed:?}: {args:?}"
                );
            }
        }
        assert_eq!(fs::read(root.path("repo/.swamp.yaml")).unwrap(), marker);
    }
}

#[test]
fn without_proc_and_dev_a_background_flush_delivers_too() {
    for closed in ["", "<&- >&- 2>&-"] {
        let server = Unruly::always(Plan::Accept);
        let has = Has {
            null: false,
            proc: false,
        };
        let Some(root) = Root::new(&server.endpoint(), has) else {
            return;
        };
        let run = root.run(closed, &["version"], "background");
        assert_eq!(run.status.code(), Some(0), "{closed:?}: {run:?}");
        wait_until("the background flush has delivered", || root.pending() == 0);
        assert_eq!(server.events().len(), 1, "{closed:?}");
    }
}
