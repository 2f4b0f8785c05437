//! What every command says about itself.

use std::fmt::Write as _;

use crate::support::TestRepo;

/// The names of the commands below the heading `Commands:`.
fn commands(help: &str) -> Vec<String> {
    let below = help
        .split_once("Commands:\n")
        .map_or("", |(_, below)| below);
    below
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn add_help(repo: &TestRepo, path: &[String], all: &mut String) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.extend(["--no-telemetry", "--help"]);
    let run = repo.swamp(&args);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
    writeln!(
        all,
        "$ swamp {}\n{}",
        [path, &["--help".to_owned()]].concat().join(" "),
        run.stdout
    )
    .unwrap();
    for name in commands(&run.stdout) {
        add_help(repo, &[path, &[name]].concat(), all);
    }
}

#[test]
fn the_help_of_every_command() {
    let repo = TestRepo::new();
    let mut all = String::new();
    add_help(&repo, &[], &mut all);
    insta::assert_snapshot!("help", all);
}
