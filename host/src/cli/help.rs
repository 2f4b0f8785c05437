//! The help of the program itself: its commands in groups, for which clap has nothing.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Command;

use super::shorthand::SHORT;

/// The commands by what they are for, in the order of the help. Short forms stand among them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Getting started", &["init", "status", "doctor", "demo"]),
    (
        "Record and send",
        &["exec", "list", "stats", "flush", "telemetry"],
    ),
    ("Senders and trust", &["sender", "trust", "untrust"]),
    ("Settings", &["config", "repo"]),
    ("Other", &["completions", "man", "version", "help"]),
];

/// The columns of a line where the output is no terminal, and at most, as clap has it.
const MAX_COLUMNS: usize = 100;

/// Columns of what a command does below which it goes on a line of its own.
const MIN_COLUMNS: usize = 16;

/// Whether the help that this command line prints could be the program's own.
pub(crate) fn may_be_wanted(argv: &[OsString]) -> bool {
    let asks = |arg: &OsString| match arg.to_str() {
        Some("help" | "--help") => true,
        Some(arg) => arg.starts_with('-') && !arg.starts_with("--") && arg.contains('h'),
        None => false,
    };
    argv.len() <= 1 || argv.iter().skip(1).any(asks)
}

/// The command `root` with its commands in groups in its help, in lines for a terminal of so many `columns`.
pub(crate) fn in_groups(root: Command, columns: Option<usize>) -> Command {
    let columns = columns.unwrap_or(MAX_COLUMNS).min(MAX_COLUMNS);
    let groups = groups(&root, columns);
    let header = root.get_styles().get_header();
    let options = format!("{header}Options:{header:#}\n{{options}}");
    root.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n{options}{{after-help}}"
    ))
}

fn groups(root: &Command, columns: usize) -> String {
    let (header, literal) = (
        root.get_styles().get_header(),
        root.get_styles().get_literal(),
    );
    let telemetry = root.find_subcommand("telemetry").cloned().map(|mut built| {
        built.build();
        built
    });
    let about = |name: &str| {
        let of = if SHORT.contains(&name) {
            telemetry.as_ref()?.find_subcommand(name)
        } else {
            root.find_subcommand(name)
        };
        Some(of?.get_about()?.to_string())
    };
    let names = GROUPS.iter().flat_map(|(_, names)| names.iter());
    let indent = names.map(|name| name.len()).max().unwrap_or(0) + 4;
    let (indent, own_line) = if indent + MIN_COLUMNS > columns {
        (10, true)
    } else {
        (indent, false)
    };
    let mut text = String::new();
    for (group, names) in GROUPS {
        write!(text, "\n{header}{group}:{header:#}\n").ok();
        for name in names {
            let about = about(name).unwrap_or_else(|| "Print the help of a command".to_owned());
            let pad = if own_line {
                format!("\n{:indent$}", "")
            } else {
                " ".repeat(indent - 2 - name.len())
            };
            let about = wrapped(&about, columns.saturating_sub(indent), indent);
            writeln!(text, "  {literal}{name}{literal:#}{pad}{about}").ok();
        }
    }
    text
}

/// `text` in lines of at most `columns`, each but the first behind so many spaces.
fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > columns {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::super::args::Cli;
    use super::*;

    #[test]
    fn each_command_that_is_not_hidden_is_in_one_group_and_the_short_forms_are_too() {
        let root = Cli::command();
        let visible = root.get_subcommands().filter(|inner| !inner.is_hide_set());
        let mut expected: Vec<_> = visible.map(Command::get_name).collect();
        expected.extend(SHORT);
        expected.push("help");
        let listed: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter()).collect();
        let (expected, set): (BTreeSet<_>, BTreeSet<_>) = (
            expected.into_iter().collect(),
            listed.iter().map(|name| **name).collect(),
        );
        assert_eq!(set, expected);
        assert_eq!(set.len(), listed.len(), "one stands in two groups");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_but_for_single_words() {
        for columns in [20, 30, 40, 80, 160] {
            let groups = groups(
                &Cli::command().styles(clap::builder::Styles::plain()),
                columns,
            );
            for line in groups.lines() {
                let is_word = line.split_whitespace().count() == 1 || line.ends_with(':');
                assert!(
                    is_word || line.chars().count() <= columns,
                    "{columns}: {line}"
                );
            }
        }
    }
}
