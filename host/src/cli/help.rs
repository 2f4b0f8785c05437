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

/// First steps, and what each does.
const EXAMPLES: [(&str, &str); 5] = [
    ("swamp demo", "Run everything once in a scratch directory"),
    (
        "swamp init --endpoint https://HOST",
        "Set up telemetry in this directory",
    ),
    (
        "swamp status",
        "Show where telemetry goes and what is pending",
    ),
    (
        "swamp doctor",
        "Check that it works, and print a fix for each problem",
    ),
    (
        "swamp telemetry disable",
        "Turn telemetry off in this repository",
    ),
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
    let examples = examples(&root, columns);
    let header = root.get_styles().get_header();
    let options = format!("{header}Options:{header:#}\n{{options}}");
    root.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n{options}\n\n{examples}"
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
    let place = Place::behind(names.map(|name| name.len()), columns);
    let mut text = String::new();
    for (group, names) in GROUPS {
        write!(text, "\n{header}{group}:{header:#}\n").ok();
        for name in names {
            let about = about(name).unwrap_or_else(|| "Print the help of a command".to_owned());
            let about = place.put(name.len(), &about);
            writeln!(text, "  {literal}{name}{literal:#}{about}").ok();
        }
    }
    text
}

fn examples(root: &Command, columns: usize) -> String {
    let header = root.get_styles().get_header();
    let place = Place::behind(EXAMPLES.iter().map(|(line, _)| line.len()), columns);
    let mut text = format!("{header}Examples:{header:#}");
    for (line, does) in EXAMPLES {
        write!(text, "\n  {line}{}", place.put(line.len(), does)).ok();
    }
    text
}

/// Where it stands what a command does.
#[derive(Clone, Copy)]
struct Place {
    indent: usize,
    own_line: bool,
    columns: usize,
}

impl Place {
    /// Behind the longest of names of these lengths, or on lines of its own where there is no room.
    fn behind(lengths: impl Iterator<Item = usize>, columns: usize) -> Self {
        let indent = lengths.max().unwrap_or(0) + 4;
        let own_line = indent + MIN_COLUMNS > columns;
        Self {
            indent: if own_line { 10 } else { indent },
            own_line,
            columns,
        }
    }

    /// `text` as it follows a name of this length, which stands behind two spaces.
    fn put(self, length: usize, text: &str) -> String {
        let indent = self.indent;
        let pad = if self.own_line {
            format!("\n{:indent$}", "")
        } else {
            " ".repeat(indent - 2 - length)
        };
        pad + &wrapped(text, self.columns.saturating_sub(indent), indent)
    }
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
            let root = Cli::command().styles(clap::builder::Styles::plain());
            let text = groups(&root, columns) + &examples(&root, columns);
            for line in text.lines() {
                // An example is one line to copy.
                if line.starts_with("  swamp ") && columns < 40 {
                    continue;
                }
                let is_word = line.split_whitespace().count() == 1 || line.ends_with(':');
                assert!(
                    is_word || line.chars().count() <= columns,
                    "{columns}: {line}"
                );
            }
        }
    }
}
