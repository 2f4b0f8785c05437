//! `swamp status` for `swamp telemetry status`, and so on: what is typed again and again, and what people try first.

use std::ffi::{OsStr, OsString};

use clap::{ArgAction, Command};

/// The commands of `telemetry` that can be typed without it. None of them is a command of the program itself.
pub(crate) const SHORT: [&str; 4] = ["status", "stats", "list", "flush"];

/// Whether this is an option of `root` whose value is the next argument.
pub(crate) fn takes_value(root: &Command, option: &str) -> bool {
    root.get_arguments().any(|arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        matches!(arg.get_action(), ArgAction::Set)
            && [long, short]
                .into_iter()
                .flatten()
                .any(|name| name == option)
    })
}

/// The command line `argv` of `root` in full.
pub(crate) fn in_full(root: &Command, mut argv: Vec<OsString>) -> Vec<OsString> {
    let mut place = 1;
    while let Some(arg) = argv.get(place).and_then(|arg| arg.to_str()) {
        if arg == "--" {
            return argv;
        }
        if !arg.starts_with('-') {
            break;
        }
        place += if takes_value(root, arg) { 2 } else { 1 };
    }
    if argv.get(place).is_some_and(|arg| arg == "help") {
        place += 1;
    }
    let is_short = argv
        .get(place)
        .is_some_and(|arg| SHORT.iter().any(|short| arg == OsStr::new(short)));
    if is_short {
        argv.insert(place, "telemetry".into());
    }
    argv
}

/// The command `root` with its short forms as commands of its own, for the shells to complete.
pub(crate) fn with_short_forms(root: Command) -> Command {
    let Some(telemetry) = root.find_subcommand("telemetry") else {
        return root;
    };
    let mut telemetry = telemetry.clone();
    telemetry.build();
    let inner = telemetry.get_subcommands();
    let short: Vec<_> = inner
        .filter(|inner| SHORT.contains(&inner.get_name()))
        .cloned()
        .collect();
    root.subcommands(short)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::args::Cli;
    use super::*;

    #[test]
    fn the_first_word_that_is_no_option_is_looked_at_and_no_other() {
        let full = |line: &str| {
            let argv = line.split(' ').map(OsString::from).collect();
            let full = in_full(&Cli::command(), argv);
            full.join(OsStr::new(" ")).into_string().unwrap()
        };
        assert_eq!(full("swamp status"), "swamp telemetry status");
        assert_eq!(full("swamp help status"), "swamp help telemetry status");
        assert_eq!(full("swamp help doctor"), "swamp help doctor");
        assert_eq!(
            full("swamp -C status --json list -v"),
            "swamp -C status --json telemetry list -v"
        );
        assert_eq!(
            full("swamp --log-level=debug flush --all"),
            "swamp --log-level=debug telemetry flush --all"
        );
        for line in [
            "swamp",
            "swamp telemetry list",
            "swamp exec -- status",
            "swamp -- status",
            "swamp config list",
            "swamp -C",
        ] {
            assert_eq!(full(line), line);
        }
    }

    #[test]
    fn each_is_a_command_of_telemetry_and_none_of_the_program() {
        let root = Cli::command();
        let mut telemetry = root.find_subcommand("telemetry").unwrap().clone();
        telemetry.build();
        for short in SHORT {
            assert!(root.find_subcommand(short).is_none());
            assert!(telemetry.find_subcommand(short).is_some(), "{short}");
        }
    }
}
