//! What is recorded of this program's own command line.

use clap::{ArgMatches, Command};
use swamp::domain::Invocation;
pub(crate) use swamp::recorder::redaction::{refused, understood};

use super::args::{CATEGORICAL, UNRECORDED};

/// What is recorded of a command line that was understood.
pub(crate) fn invocation(root: &Command, matches: &ArgMatches) -> Invocation {
    swamp::recorder::redaction::invocation(root, matches, &|path, id| {
        CATEGORICAL.contains(&(path, id))
    })
}

/// Whether it is an invocation to record at all.
pub(crate) fn is_recorded(invocation: &Invocation) -> bool {
    !UNRECORDED.iter().any(|(command, subcommand)| {
        *command == invocation.command
            && (subcommand.is_none() || *subcommand == invocation.subcommand.as_deref())
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use std::ffi::OsString;

    use clap::error::ErrorKind;
    use swamp::domain::{InvocationResult, REDACTED, Status};

    use super::super::args::Cli;
    use super::*;

    const SECRET: &str = "s3cret";

    fn parsed(line: &[&str]) -> Invocation {
        let command = Cli::command();
        let matches = command.clone().try_get_matches_from(line).unwrap();
        invocation(&command, &matches)
    }

    #[test]
    fn commands_and_keys_are_recorded_and_values_are_not() {
        let invocation = parsed(&[
            "swamp",
            "-q",
            "repo",
            "init",
            "dir",
            "--endpoint=http://x",
            "--repo-dir",
            "y",
            "--json",
        ]);
        assert_eq!(invocation.command, "repo");
        assert_eq!(invocation.subcommand.as_deref(), Some("init"));
        assert_eq!(invocation.args, [REDACTED]);
        assert_eq!(invocation.option_keys, ["--endpoint"]);
        assert_eq!(
            invocation.global_options,
            ["--repo-dir", "--json", "--quiet"]
        );
    }

    #[test]
    fn a_categorical_position_is_recorded() {
        assert_eq!(parsed(&["swamp", "completions", "zsh"]).args, ["zsh"]);
    }

    #[test]
    fn a_wrong_command_line_is_recorded_by_what_was_recognised() {
        let line = ["swamp", "telemetry", "flush", "--endpoint=s3cret"].map(OsString::from);
        let (invocation, result) = refused(&Cli::command(), &line, ErrorKind::UnknownArgument);
        assert_eq!(invocation.command, "telemetry");
        assert_eq!(invocation.subcommand.as_deref(), Some("flush"));
        assert_eq!(result.status, Status::UserError);
        assert_eq!(result.exit_code, 2);
        assert_eq!(result.error_type.as_deref(), Some("UnknownArgument"));
    }

    #[test]
    fn a_request_for_help_is_recorded_by_what_it_is_about() {
        let root = Cli::command();
        let asked = |line: &[&str]| {
            let argv: Vec<OsString> = line.iter().map(OsString::from).collect();
            let error = root.clone().try_get_matches_from(&argv).unwrap_err();
            let (invocation, result) = refused(&root, &argv, error.kind());
            assert_eq!(result, InvocationResult::success());
            let Invocation {
                command,
                subcommand,
                option_keys,
                global_options,
                ..
            } = invocation;
            format!("{command} {subcommand:?} {option_keys:?} {global_options:?}")
        };
        insta::assert_snapshot!(
            [
                asked(&["swamp", "--help"]),
                asked(&["swamp", "--version"]),
                asked(&["swamp", "-C", "x", "telemetry", "status", "--help"]),
                asked(&["swamp", "version", "-h"]),
            ]
            .join("\n"),
            @r#"
        help None [] []
        version None [] []
        telemetry Some("status") ["--help"] ["--repo-dir"]
        version None ["--help"] []
        "#
        );
    }

    #[test]
    fn some_commands_are_not_recorded_however_they_are_used() {
        let root = Cli::command();
        for line in [
            ["completions", "--bogus", ""],
            ["telemetry", "flush", "--bogus"],
            ["demo", "--help", ""],
        ] {
            let argv: Vec<OsString> = std::iter::once("swamp")
                .chain(line)
                .map(OsString::from)
                .collect();
            let (invocation, _) = refused(&root, &argv, ErrorKind::UnknownArgument);
            assert!(!is_recorded(&invocation), "{invocation:?}");
        }
        assert!(is_recorded(&parsed(&["swamp", "telemetry", "status"])));
    }

    /// The command line of each command, with the path to it.
    fn each_command(
        command: &Command,
        path: &[String],
        visit: &mut dyn FnMut(&Command, &[String]),
    ) {
        visit(command, path);
        for inner in command.get_subcommands() {
            let path: Vec<_> = path
                .iter()
                .cloned()
                .chain([inner.get_name().to_owned()])
                .collect();
            each_command(inner, &path, visit);
        }
    }

    #[test]
    fn no_value_of_any_option_or_position_of_any_command_is_ever_recorded() {
        let root = Cli::command();
        let mut built = root.clone();
        built.build();
        let mut lines: Vec<Vec<String>> = Vec::new();
        each_command(&built, &["swamp".to_owned()], &mut |command, path| {
            let line = |more: &[String]| [path, more].concat();
            for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
                for key in option
                    .get_long()
                    .map(|long| format!("--{long}"))
                    .into_iter()
                    .chain(option.get_short().map(|short| format!("-{short}")))
                {
                    lines.push(line(&[key.clone(), SECRET.into()]));
                    lines.push(line(&[format!("{key}={SECRET}")]));
                    lines.push(line(&[format!("{key}{SECRET}")]));
                }
            }
            lines.push(line(&[SECRET.into()]));
            lines.push(line(&["--".into(), SECRET.into(), SECRET.into()]));
            lines.push(line(&[format!("--{SECRET}"), SECRET.into()]));
            lines.push(line(&[format!("-{SECRET}=x")]));
        });
        let (mut taken, mut not_taken) = (0, 0);
        for line in lines {
            let argv: Vec<OsString> = line.iter().map(OsString::from).collect();
            let recorded = match root.clone().try_get_matches_from(&argv) {
                Ok(matches) => {
                    taken += 1;
                    format!("{:?}", invocation(&root, &matches))
                }
                Err(error) => {
                    not_taken += 1;
                    format!("{:?}", refused(&root, &argv, error.kind()))
                }
            };
            assert!(!recorded.contains(SECRET), "{line:?} left {recorded}");
        }
        assert!(taken > 10 && not_taken > 10, "{taken} {not_taken}");
    }
}
