//! What every command says about itself.

use std::fmt::Write as _;

use crate::support::TestRepo;

/// The names of the commands below the heading `Commands:`, or below those of the program's groups. A short form has
/// the help of what it is short for.
fn commands(help: &str, is_root: bool) -> Vec<String> {
    const SHORT: [&str; 4] = ["status", "stats", "list", "flush"];
    let below = match (is_root, help.split_once("Commands:\n")) {
        (true, _) => help.split_once("<COMMAND>\n").unwrap().1,
        (false, Some((_, below))) => below.split("\n\n").next().unwrap(),
        (false, None) => return Vec::new(),
    };
    let below = below.split("\nOptions:\n").next().unwrap();
    below
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help" && !(is_root && SHORT.contains(name)))
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
    for name in commands(&run.stdout, path.is_empty()) {
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
