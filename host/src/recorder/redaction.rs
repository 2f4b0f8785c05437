//! From clap's parse to what is recorded of it: the command, and never a value.

use std::borrow::Cow;
use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::domain::{Invocation, InvocationResult, REDACTED, Status, with_dashes};

/// How many positions and how many keys are recorded at most, so that the entry of a huge command line is still one
/// that the spool takes.
pub const MAX_RECORDED: usize = 1_000;

/// Whether the values of a position may be recorded: those of the command with this path, by the argument's name.
pub type IsCategorical<'a> = &'a dyn Fn(&[&str], &str) -> bool;

/// What is recorded of a command line that was understood.
#[must_use]
pub fn invocation(
    root: &Command,
    matches: &ArgMatches,
    is_categorical: IsCategorical<'_>,
) -> Invocation {
    let levels = levels(root, matches);
    let mut invocation = path_and_options(&levels);
    let path: Vec<_> = path(&levels).collect();
    for (depth, (command, matches)) in levels.iter().enumerate() {
        for position in command.get_positionals() {
            let id = position.get_id().as_str();
            let categorical = is_categorical(&path[..depth], id);
            for value in given(matches, id)
                .then(|| matches.get_raw(id))
                .flatten()
                .into_iter()
                .flatten()
            {
                invocation.args.push(match value.to_str() {
                    Some(value) if categorical => value.to_owned(),
                    _ => REDACTED.to_owned(),
                });
            }
        }
    }
    invocation.args.truncate(MAX_RECORDED);
    invocation
}

/// What is recorded of a command line that clap did not take: of a request for help or the version, what it was
/// about; of a wrong one, the commands and options in it that were understood, and clap's kind of error.
#[must_use]
pub fn refused(
    root: &Command,
    argv: &[OsString],
    kind: ErrorKind,
) -> (Invocation, InvocationResult) {
    let mut invocation = understood(root, argv)
        .map(|matches| path_and_options(&levels(root, &matches)))
        .unwrap_or_default();
    let asked_for = match kind {
        ErrorKind::DisplayHelp => "help",
        ErrorKind::DisplayVersion => "version",
        _ => return (invocation, misuse(kind)),
    };
    if invocation.command.is_empty() {
        asked_for.clone_into(&mut invocation.command);
    } else {
        invocation.option_keys.push(with_dashes(asked_for));
    }
    (invocation, InvocationResult::success())
}

fn misuse(kind: ErrorKind) -> InvocationResult {
    let sentence = match kind {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a subcommand was not provided",
        kind => kind.as_str().unwrap_or("the command line is not valid"),
    };
    InvocationResult {
        status: Status::UserError,
        error_type: Some(format!("{kind:?}")),
        error_message: Some(sentence.to_owned()),
        exit_code: 2,
    }
}

/// As much of a command line as clap understands, wrong as the rest of it may be.
#[must_use]
pub fn understood(root: &Command, argv: &[OsString]) -> Option<ArgMatches> {
    // Help and version would end the parse where they stand.
    let lenient = root
        .clone()
        .ignore_errors(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true);
    lenient.try_get_matches_from(argv).ok()
}

fn path_and_options(levels: &[Level<'_>]) -> Invocation {
    let mut names = path(levels);
    let mut invocation = Invocation {
        command: names.next().unwrap_or_default().to_owned(),
        ..Invocation::default()
    };
    let inner: Vec<_> = names.collect();
    invocation.subcommand = (!inner.is_empty()).then(|| inner.join(" "));
    let innermost = levels.last().map(|(_, matches)| matches);
    for (command, matches) in levels {
        // Not `get_opts`: of a command that clap has built, it leaves out those without a value.
        for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let (matches, keys) = if option.is_global_set() {
                // What was given anywhere is told at the end of the path.
                (innermost.unwrap_or(matches), &mut invocation.global_options)
            } else {
                (matches, &mut invocation.option_keys)
            };
            if given(matches, option.get_id().as_str())
                && let Some(key) = key(option)
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
    }
    invocation
}

fn key(option: &Arg) -> Option<String> {
    let short = || option.get_short().map(|short| format!("-{short}"));
    let long = option.get_long().map(|long| format!("--{long}"));
    long.or_else(short)
}

fn given(matches: &ArgMatches, id: &str) -> bool {
    // Asking for an argument that the command does not know would panic.
    matches.try_contains_id(id).is_ok()
        && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// A command with all that it declares, and what it was given.
type Level<'a> = (Cow<'a, Command>, &'a ArgMatches);

/// The commands from the outermost to the innermost.
fn levels<'a>(root: &'a Command, matches: &'a ArgMatches) -> Vec<Level<'a>> {
    let mut levels = vec![(declared(Cow::Borrowed(root)), matches)];
    while let Some((command, matches)) = levels.last()
        && let Some((name, inner)) = matches.subcommand()
        && let Some(found) = match command {
            Cow::Borrowed(command) => command.find_subcommand(name).map(Cow::Borrowed),
            Cow::Owned(command) => command.find_subcommand(name).cloned().map(Cow::Owned),
        }
    {
        levels.push((declared(found), inner));
    }
    levels
}

/// The names of the commands below the outermost.
fn path<'a>(levels: &'a [Level<'_>]) -> impl Iterator<Item = &'a str> {
    levels.iter().skip(1).map(|(command, _)| command.get_name())
}

/// Until clap builds it, a command that defers its declarations has none.
fn declared(command: Cow<'_, Command>) -> Cow<'_, Command> {
    if command.get_arguments().next().is_some() || command.has_subcommands() {
        return command;
    }
    let mut built = command.into_owned();
    built.build();
    Cow::Owned(built)
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn tool() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        Command::new("tool")
            .arg(flag("loud").global(true))
            .arg(Arg::new("config").long("config").short('c'))
            .arg(Arg::new("quick").short('q').action(ArgAction::Count))
            .subcommand(
                Command::new("get")
                    .alias("fetch")
                    .arg(flag("all"))
                    .arg(Arg::new("kind").value_parser(["one", "two"]))
                    .arg(Arg::new("rest").num_args(..).allow_hyphen_values(true)),
            )
            .subcommand(Command::new("run").allow_external_subcommands(true))
    }

    fn recorded(command: &Command, line: &[&str]) -> String {
        let matches = command.clone().try_get_matches_from(line).unwrap();
        let is_categorical = |path: &[&str], id: &str| path == ["get"] && id == "kind";
        let Invocation {
            command,
            subcommand,
            args,
            option_keys,
            global_options,
            ..
        } = invocation(command, &matches, &is_categorical);
        format!("{command} {subcommand:?} {args:?} {option_keys:?} {global_options:?}")
    }

    #[test]
    fn of_a_command_that_clap_has_built_the_same_is_recorded_as_of_one_that_it_has_not() {
        let line = [
            "tool",
            "-qq",
            "-c=s3cret",
            "fetch",
            "--all",
            "--loud",
            "two",
            "s3cret",
            "--s3cret",
        ];
        let fresh = recorded(&tool(), &line);
        let mut built = tool();
        built.build();
        assert_eq!(recorded(&built, &line), fresh);
        insta::assert_snapshot!(fresh, @r#"get None ["two", "<REDACTED>", "<REDACTED>"] ["--config", "-q", "--all"] ["--loud"]"#);
    }

    #[test]
    fn of_a_command_that_defers_its_declarations_the_same_is_recorded() {
        fn inner(command: Command) -> Command {
            command
                .arg(Arg::new("all").long("all").action(ArgAction::SetTrue))
                .arg(Arg::new("what"))
        }
        fn deferred() -> Command {
            Command::new("once").defer(inner)
        }
        let line = ["tool", "--loud", "at", "once", "--all", "s3cret"];
        let recorded_of = |at: Command| recorded(&tool().subcommand(at), &line);
        let at = Command::new("at");
        let eager = recorded_of(at.clone().subcommand(inner(Command::new("once"))));
        assert_eq!(recorded_of(at.clone().subcommand(deferred())), eager);
        assert_eq!(recorded_of(at.defer(|at| at.subcommand(deferred()))), eager);
        insta::assert_snapshot!(eager, @r#"at Some("once") ["<REDACTED>"] ["--all"] ["--loud"]"#);
    }

    #[test]
    fn of_a_huge_command_line_the_first_thousand_positions_are_recorded() {
        let values = std::iter::repeat_n("s3cret", 5 * MAX_RECORDED);
        let line: Vec<_> = ["tool", "get", "one"].into_iter().chain(values).collect();
        let matches = tool().try_get_matches_from(line).unwrap();
        let args = invocation(&tool(), &matches, &|_, _| false).args;
        assert_eq!(args, vec![REDACTED; MAX_RECORDED]);
    }

    #[test]
    fn a_subcommand_that_the_program_does_not_declare_is_not_recorded() {
        let line = ["tool", "run", "s3cret", "--s3cret=s3cret"];
        insta::assert_snapshot!(recorded(&tool(), &line), @"run None [] [] []");
    }
}
