//! What the recorder costs a program that embeds it: the example next to itself without it, each built by the
//! profile `dist` without default features.
//!
//!     cargo bench -p swamp --no-default-features --bench recorder
//!
//! Both run in turns on one machine. Whatever else that does can only add to a run, so that what counts is how long
//! the fastest tenth of the runs took at most. Exits 1 with a sentence for each budget that was exceeded.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and stops where something is wrong"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const TURNS: usize = 400;

/// In milliseconds.
const MOST_TIME: f64 = 1.0;

/// In bytes.
const MOST_SIZE: u64 = 1_000_000;

fn main() -> ExitCode {
    let examples = build();
    let [with, without] = ["greet", "unrecorded"].map(|name| examples.join(name));
    let [size, size_without] = [&with, &without].map(|path| fs::metadata(path).unwrap().len());
    let more = size.saturating_sub(size_without);
    println!("file: {size} bytes, without the recorder {size_without}, more {more}");
    let mut code = ExitCode::SUCCESS;
    if more > MOST_SIZE {
        eprintln!("over budget: the recorder may add {MOST_SIZE} bytes at most");
        code = ExitCode::FAILURE;
    }
    let repo = tempfile::tempdir().unwrap();
    let marker =
        "repoId: 7c2e1a5e-3c1f-4a53-9a51-0d7f6f7f2b11\ntelemetryEndpoint: http://127.0.0.1:9\n";
    fs::write(repo.path().join(".swamp.yaml"), marker).unwrap();
    for (what, swamp) in [
        ("where telemetry is off", None),
        ("where there is no swamp", Some("/nowhere/swamp")),
        ("where it starts one", Some("/bin/true")),
    ] {
        let more = time(repo.path(), &with, &without, swamp);
        println!("time, {what}: {more:.3} ms more");
        if more > MOST_TIME {
            eprintln!("over budget: the recorder may take {MOST_TIME} ms at most");
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Builds the two programs beside this one. Gives where they are.
fn build() -> PathBuf {
    let bench = env::current_exe().unwrap();
    let target = bench.ancestors().nth(3).unwrap();
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--profile",
            "dist",
            "--no-default-features",
        ])
        .args(["--example", "greet", "--example", "unrecorded"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success());
    target.join("dist").join("examples")
}

/// What a run takes longer with the recorder, in milliseconds.
fn time(repo: &Path, with: &Path, without: &Path, swamp: Option<&str>) -> f64 {
    let run = |program: &Path| {
        let mut command = Command::new(program);
        command
            .args(["hello", "you"])
            .current_dir(repo)
            .env_clear()
            .env("HOME", repo)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        match swamp {
            Some(swamp) => command.env("SWAMP_BIN", swamp),
            None => command.env("SWAMP_NO_TELEMETRY", "1"),
        };
        let began = Instant::now();
        let status = command.status();
        assert!(status.unwrap().success());
        began.elapsed().as_secs_f64() * 1e3
    };
    let turns = (0..TURNS).map(|_| (run(with), run(without)));
    let (with, without): (Vec<f64>, Vec<f64>) = turns.unzip();
    fast(with) - fast(without)
}

fn fast(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 10]
}
