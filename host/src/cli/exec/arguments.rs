//! From a program's command line to what is recorded of it: the keys of its options, and never a value.
//!
//! Nothing is known of the program, so that whatever may be a value counts as one.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use swamp::domain::{
    Invocation, Label, Positions, REDACTED, Subcommands, Tool, Tools, takes_secret,
};
use swamp::recorder::redaction::MAX_RECORDED;

use crate::cli::args::{Exec, ListedSubcommands};

/// The longest key that is recorded: what is longer is no key that somebody gave an option.
const MAX_KEY: usize = 64;

impl ListedSubcommands {
    /// The list, where the options give one.
    pub(crate) fn list(&self) -> Option<Subcommands> {
        let words = self.subcommands.as_ref()?;
        Subcommands::new(words.iter().map(Label::as_str), self.depth)
    }
}

/// What is known of the program: by the options first, and then by the repository.
pub(super) fn tool(args: &Exec, program: &OsStr, tools: &Tools) -> Tool {
    let base = base_name(program);
    let given = args.name.as_ref().and_then(|name| tools.get(name.as_str()));
    let known = given.or_else(|| tools.get(base?)).cloned();
    let known = known.unwrap_or_default();
    Tool {
        name: args.name.clone().or(known.name),
        version: args.tool_version.clone().or(known.version),
        subcommands: args.listed.list().or(known.subcommands),
    }
}

fn base_name(program: &OsStr) -> Option<&str> {
    Path::new(program).file_name().and_then(OsStr::to_str)
}

/// What is recorded of a program that is run with these arguments.
pub(super) fn invocation(tool: &Tool, program: &OsStr, args: &[OsString]) -> Invocation {
    let name = tool.name.clone();
    let name = name.or_else(|| base_name(program).and_then(program_name));
    let mut option_keys = Vec::new();
    let mut positions = Positions::new(tool.subcommands.as_ref());
    let mut options = true;
    let mut behind_option = false;
    let mut behind_secret = false;
    let mut sorted = 0;
    for arg in args {
        // What follows a key that takes a secret is one, and no key, however it is spelled.
        let key = key(arg).filter(|_| options && !behind_secret);
        let is_key = key.is_some();
        if options && arg == "--" {
            options = false;
            positions.close();
        } else if let Some(key) = key {
            if option_keys.len() < MAX_RECORDED {
                option_keys.push(key.to_owned());
            }
        } else if sorted < MAX_RECORDED {
            sorted += 1;
            let looks_like_an_option = options && arg.as_encoded_bytes().starts_with(b"-");
            let word = arg.to_str().filter(|_| !looks_like_an_option);
            positions.push(word, behind_option || behind_secret || looks_like_an_option);
        }
        behind_secret = !behind_secret && options && awaits_secret(arg);
        behind_option = is_key && !arg.as_encoded_bytes().contains(&b'=');
    }
    let (subcommand, args) = positions.finish();
    Invocation {
        command: name.map_or_else(|| REDACTED.to_owned(), |name| name.as_str().to_owned()),
        subcommand,
        args,
        option_keys,
        ..Invocation::default()
    }
    .of_tool()
}

/// A program's own name, as far as it may be recorded: what has an `=` or white space in it is more likely an assignment
/// or a whole command line, and neither is a name.
fn program_name(base: &str) -> Option<Label> {
    let is_name = !base.contains(|c: char| c == '=' || c.is_whitespace());
    Label::parse(base).filter(|_| is_name)
}

/// What is recorded of a program that there is not: what was taken for its name may be anything.
pub(super) fn without_name(invocation: Invocation, tool: &Tool) -> Invocation {
    match tool.name {
        Some(_) => invocation,
        None => Invocation {
            command: REDACTED.to_owned(),
            ..invocation
        }
        .of_tool(),
    }
}

/// Whether the next argument is the secret that this option takes. One dash or two, and no value yet.
fn awaits_secret(arg: &OsStr) -> bool {
    let text = arg.to_string_lossy();
    text.starts_with('-') && !text.contains('=') && takes_secret(&text)
}

/// The key of what is certainly an option: `--key`, `--key=…`, `-k`. Where one dash leads more than a letter, the key
/// may end anywhere, and a value may begin there. The key has its dashes.
fn key(arg: &OsStr) -> Option<&str> {
    // A value that is not UTF-8 spoils no key.
    let end = arg.as_encoded_bytes().iter().position(|byte| *byte == b'=');
    let head = &arg.as_encoded_bytes()[..end.unwrap_or(arg.len())];
    let head = std::str::from_utf8(head).ok()?;
    if let Some(long) = head.strip_prefix("--") {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_key = long.starts_with(|first: char| first.is_ascii_alphabetic())
            && long.len() <= MAX_KEY
            && long.bytes().all(legal);
        return is_key.then_some(head);
    }
    let short = head.strip_prefix('-')?;
    (end.is_none() && short.len() == 1 && short.starts_with(|key: char| key.is_ascii_alphabetic()))
        .then_some(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(args: &[&str]) -> Invocation {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        invocation(&Tool::default(), OsStr::new("/usr/bin/tool"), &args)
    }

    #[test]
    fn keys_are_recorded_and_what_may_be_a_value_is_not() {
        let recorded = of(&[
            "build",
            "--key=value",
            "--key",
            "value",
            "-k",
            "-5",
            "-5x",
            "-",
            "-pvalue",
            "-p=x",
            "-é",
            "--",
            "--late",
            "-l",
            "--",
        ]);
        assert_eq!(recorded.command, "tool");
        assert_eq!(recorded.option_keys, ["--key", "--key", "-k"]);
        assert_eq!(recorded.args, [REDACTED; 11]);
    }

    #[test]
    fn what_follows_a_key_that_takes_a_secret_is_never_recorded() {
        for key in [
            "--password",
            "-password",
            "--api-key",
            "-apiKey",
            "--TOKEN",
            "--client_secret",
        ] {
            for secret in ["--s3cret", "-s", "s3cret", "--s3cret=x", "--password"] {
                let recorded = of(&[key, secret, "--loud"]);
                let keys: Vec<&str> = recorded.option_keys.iter().map(String::as_str).collect();
                assert_eq!(keys.last(), Some(&"--loud"), "{key} {secret}");
                assert!(
                    keys.len() <= 2 && keys[0] != secret || key == secret,
                    "{keys:?}"
                );
                assert!(recorded.args.iter().all(|arg| arg == REDACTED));
            }
        }
        assert_eq!(
            of(&["--password=x", "--loud"]).option_keys,
            ["--password", "--loud"]
        );
        assert_eq!(
            of(&["--password", "--", "--s3cret"]).option_keys,
            ["--password"]
        );
    }

    #[test]
    fn what_is_no_plausible_key_is_taken_for_a_value() {
        let long = format!("--{}", "k".repeat(MAX_KEY + 1));
        let recorded = of(&[
            "--=x", "--5", "--a b", "--a.b=c", "--ä", "---a", &long, "--ok_1-2",
        ]);
        assert_eq!(recorded.option_keys, ["--ok_1-2"]);
        assert_eq!(recorded.args.len(), 7);
    }

    #[test]
    fn a_program_whose_base_name_is_no_name_is_redacted() {
        let recorded =
            |program: &str| invocation(&Tool::default(), OsStr::new(program), &[]).command;
        assert_eq!(recorded("./a/b.sh"), "b.sh");
        assert_eq!(recorded("a\u{1b}[31m"), REDACTED);
        assert_eq!(recorded("TOKEN=s3cret"), REDACTED);
        assert_eq!(recorded("git status"), REDACTED);
        assert_eq!(recorded("a\tb"), REDACTED);
        assert_eq!(recorded(".."), REDACTED);
        assert_eq!(recorded(&"x".repeat(Label::MAX_LEN + 1)), REDACTED);
        let tool = Tool {
            name: Label::parse("deploy"),
            ..Tool::default()
        };
        let named = invocation(&tool, OsStr::new("sh"), &[]);
        assert_eq!(named.command, "deploy");
    }

    #[cfg(unix)]
    #[test]
    fn arguments_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let args = [&b"--key=\xff"[..], b"\xff", b"--\xff=x", b"-\xff"]
            .map(|arg| OsStr::from_bytes(arg).to_owned());
        let recorded = invocation(&Tool::default(), OsStr::from_bytes(b"dir/\xff"), &args);
        assert_eq!(recorded.command, REDACTED);
        assert_eq!(recorded.option_keys, ["--key"]);
        assert_eq!(recorded.args, [REDACTED; 3]);
    }

    #[test]
    fn a_listed_word_in_a_leading_position_is_the_subcommand() {
        let tool = Tool {
            subcommands: Subcommands::new(["deploy", "status"], 1),
            ..Tool::default()
        };
        let recorded = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            let invocation = invocation(&tool, OsStr::new("tool"), &args);
            let path = invocation.command_path.unwrap_or_default().join("/");
            format!("{path} {}", invocation.args.len())
        };
        for (args, expected) in [
            (&["deploy", "s3cret"][..], "tool/deploy 1"),
            (&["--env", "s3cret", "deploy"], "tool/deploy 1"),
            (&["--env=s3cret", "s3cret", "deploy"], "tool 2"),
            (&["-es3cret", "deploy"], "tool/deploy 1"),
            (&["--", "deploy"], "tool 1"),
            (&["s3cret", "deploy"], "tool 2"),
            (&[], "tool 0"),
        ] {
            assert_eq!(recorded(args), expected, "{args:?}");
        }
    }

    proptest! {
        #[test]
        fn every_argument_leaves_one_mark_and_no_value(args in prop::collection::vec("-{0,3}[a-z5=. é]{0,8}", 0..20)) {
            let lines: Vec<&str> = args.iter().map(String::as_str).collect();
            let recorded = of(&lines);
            let separator = usize::from(lines.contains(&"--"));
            prop_assert_eq!(recorded.args.len() + recorded.option_keys.len() + separator, lines.len());
            prop_assert!(recorded.args.iter().all(|arg| arg == REDACTED));
            for key in &recorded.option_keys {
                prop_assert!(!key.contains('='));
                prop_assert!(lines.iter().any(|line| line.starts_with(key)));
            }
        }
    }
}
