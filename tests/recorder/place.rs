//! A directory of a test's own, and the embedding program in it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;

/// Nothing is ever sent there: no test but those of the delivery has a `swamp`.
pub(crate) const MARKER: &str =
    "repoId: 7c2e1a5e-3c1f-4a53-9a51-0d7f6f7f2b11\ntelemetryEndpoint: http://127.0.0.1:9\n";

/// The embedding program. `cargo test` has built it, but not where only this target was asked for.
pub(crate) fn greet() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let directory = test.parent().and_then(Path::parent).unwrap();
        let example = directory.join(format!("examples/greet{}", env::consts::EXE_SUFFIX));
        if is_current(&example) {
            return example;
        }
        let profile = match directory.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--offline", "--quiet", "--example", "greet"])
            .args(["--profile", profile, "--target-dir"])
            .arg(directory.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(feature = "cli") {
            cargo.arg("--no-default-features");
        }
        let built = cargo.output().unwrap();
        let why = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{why}");
        example
    })
}

/// Whether it is there, and no older than what it is made of.
fn is_current(example: &Path) -> bool {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["Cargo.toml", "src", "examples"].map(|name| newest(&host.join(name)));
    modified(example).is_some_and(|built| sources.into_iter().all(|source| source <= built))
}

fn newest(path: &Path) -> SystemTime {
    let below = fs::read_dir(path).into_iter().flatten();
    let below = below.map(|file| newest(&file.unwrap().path()));
    below.chain(modified(path)).max().unwrap()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self::without_marker();
        place.write_marker(MARKER);
        place
    }

    pub(crate) fn without_marker() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write_marker(&self, marker: &str) {
        fs::write(self.path().join(".swamp.yaml"), marker).unwrap();
    }

    /// The program here, with nothing of this process's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(greet());
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path().join("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    pub(crate) fn greet(&self, args: &[&str]) -> Option<i32> {
        self.command(args).status().unwrap().code()
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.path().join(".swamp").join("telemetry")
    }

    /// How many entries of running commands there are, or of those that nobody has taken over yet.
    #[cfg(unix)]
    pub(crate) fn open(&self) -> usize {
        fs::read_dir(self.spool().join(".open")).map_or(0, Iterator::count)
    }

    /// The pending entries, oldest first.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let Ok(listing) = fs::read_dir(self.spool()) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = listing.map(|file| file.unwrap().path()).collect();
        // The spool's own files are hidden.
        paths.retain(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("telemetry-") && name.ends_with(".json")
        });
        paths.sort();
        let read = |path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        paths.into_iter().map(read).collect()
    }

    /// The pending entries, as a line each.
    pub(crate) fn told(&self) -> String {
        let lines: Vec<_> = self.entries().iter().map(told).collect();
        lines.join("\n")
    }
}

/// What was run, how it ended, and the version.
fn told(entry: &Value) -> String {
    let list = |key: &str| {
        let words = entry["invocation"][key].as_array().unwrap();
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        words.join(",")
    };
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (invocation, result) = (&entry["invocation"], &entry["result"]);
    format!(
        "{} {} [{}] [{}] [{}] {} {} {}: {} ({})",
        text(&invocation["command"]),
        text(&invocation["subcommand"]),
        list("args"),
        list("optionKeys"),
        list("globalOptions"),
        text(&result["status"]),
        result["exitCode"],
        text(&result["errorType"]),
        text(&result["errorMessage"]),
        text(&entry["swampVersion"]),
    )
}
