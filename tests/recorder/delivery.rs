//! The whole way: recorded by the embedding program, delivered by the `swamp` that it starts.

use std::process::{Command, Stdio};

use crate::place::greet;
use crate::support::{SWAMP, TestRepo};

/// The embedding program in the repository, as the binary itself is run there.
fn embedding(repo: &TestRepo, args: &[&str]) -> Command {
    let like = repo.command(&[]);
    let mut command = Command::new(greet());
    command
        .args(args)
        .current_dir(repo.root())
        .env_clear()
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("SWAMP_BIN", SWAMP)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn run(repo: &TestRepo, args: &[&str]) -> Option<i32> {
    embedding(repo, args).status().unwrap().code()
}

#[test]
fn what_another_program_records_is_delivered_by_swamp_with_what_exits_have_left() {
    let repo = TestRepo::new();
    assert_eq!(run(&repo, &["hello", "exit"]), Some(0));
    assert_eq!(repo.arrived(), [""; 0]);
    // Inline, a failure is delivered too.
    assert_eq!(run(&repo, &["count", "/no/such"]), Some(3));
    assert_eq!(repo.arrived().len(), 2);
    assert_eq!(run(&repo, &["hello", "you"]), Some(0));
    let mut arrived = repo.arrived();
    arrived.sort();
    assert_eq!(arrived, ["greet count", "greet hello", "greet hello"]);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn a_flush_by_hand_takes_over_what_a_dead_program_has_left() {
    let repo = TestRepo::new();
    assert_eq!(run(&repo, &["hello", "exit"]), Some(0));
    let flush = repo.swamp(&["telemetry", "flush"]);
    assert_eq!((flush.code, flush.stderr.as_str()), (0, ""));
    assert_eq!(repo.arrived(), ["greet hello"]);
}

#[test]
fn where_there_is_no_swamp_the_entry_waits_for_a_flush() {
    let repo = TestRepo::new();
    let mut command = embedding(&repo, &["hello", "you"]);
    assert!(command.env_remove("SWAMP_BIN").status().unwrap().success());
    assert_eq!(repo.entries().len(), 1);
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);
    assert_eq!(repo.arrived(), ["greet hello"]);
}
