//! From a program's command line to what is recorded of it: the keys of its options, and never a value.
//!
//! Nothing is known of the program, so that whatever may be a value counts as one.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use swamp::domain::{Invocation, REDACTED, printable};
use swamp::recorder::redaction::MAX_RECORDED;

/// The longest name that a program is recorded under, in characters.
const MAX_NAME: usize = 64;

/// The longest key that is recorded: what is longer is no key that somebody gave an option.
const MAX_KEY: usize = 64;

/// What a program is recorded as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgramName(String);

impl ProgramName {
    /// Takes `text` for a name.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 64 characters, or not all printable.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if (1..=MAX_NAME).contains(&length) && printable(text) == text {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a name has 1 to {MAX_NAME} printable characters"))
        }
    }

    /// The base name of a program, or, where that would be no name, what stands for one.
    fn of_program(program: &OsStr) -> Self {
        let base = Path::new(program).file_name().and_then(OsStr::to_str);
        base.and_then(|base| Self::parse(base).ok())
            .unwrap_or_else(|| Self(REDACTED.to_owned()))
    }
}

/// What is recorded of a program that is run with these arguments.
pub(super) fn invocation(
    name: Option<&ProgramName>,
    program: &OsStr,
    args: &[OsString],
) -> Invocation {
    let name = name
        .cloned()
        .unwrap_or_else(|| ProgramName::of_program(program));
    let mut invocation = Invocation {
        command: name.0,
        ..Invocation::default()
    };
    let mut options = true;
    for arg in args {
        if options && arg == "--" {
            options = false;
        } else if let Some(key) = key(arg).filter(|_| options) {
            if invocation.option_keys.len() < MAX_RECORDED {
                invocation.option_keys.push(key.to_owned());
            }
        } else if invocation.args.len() < MAX_RECORDED {
            invocation.args.push(REDACTED.to_owned());
        }
    }
    invocation
}

/// The key of what is certainly an option: `--key`, `--key=…`, `-k`. Where one dash leads more than a letter, the key
/// may end anywhere, and a value may begin there.
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
        return is_key.then_some(long);
    }
    let short = head.strip_prefix('-')?;
    (end.is_none() && short.len() == 1 && short.starts_with(|key: char| key.is_ascii_alphabetic()))
        .then_some(short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(args: &[&str]) -> Invocation {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        invocation(None, OsStr::new("/usr/bin/tool"), &args)
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
        assert_eq!(recorded.option_keys, ["key", "key", "k"]);
        assert_eq!(recorded.args, [REDACTED; 11]);
    }

    #[test]
    fn what_is_no_plausible_key_is_taken_for_a_value() {
        let long = format!("--{}", "k".repeat(MAX_KEY + 1));
        let recorded = of(&[
            "--=x", "--5", "--a b", "--a.b=c", "--ä", "---a", &long, "--ok_1-2",
        ]);
        assert_eq!(recorded.option_keys, ["ok_1-2"]);
        assert_eq!(recorded.args.len(), 7);
    }

    #[test]
    fn a_program_whose_base_name_is_no_name_is_redacted() {
        let recorded = |program: &str| invocation(None, OsStr::new(program), &[]).command;
        assert_eq!(recorded("./a/b.sh"), "b.sh");
        assert_eq!(recorded("a\u{1b}[31m"), REDACTED);
        assert_eq!(recorded(".."), REDACTED);
        assert_eq!(recorded(&"x".repeat(MAX_NAME + 1)), REDACTED);
        let name = ProgramName::parse("deploy").unwrap();
        let named = invocation(Some(&name), OsStr::new("sh"), &[]);
        assert_eq!(named.command, "deploy");
    }

    #[cfg(unix)]
    #[test]
    fn arguments_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let args = [&b"--key=\xff"[..], b"\xff", b"--\xff=x", b"-\xff"]
            .map(|arg| OsStr::from_bytes(arg).to_owned());
        let recorded = invocation(None, OsStr::from_bytes(b"dir/\xff"), &args);
        assert_eq!(recorded.command, REDACTED);
        assert_eq!(recorded.option_keys, ["key"]);
        assert_eq!(recorded.args, [REDACTED; 3]);
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
                prop_assert!(lines.iter().any(|line| line.trim_start_matches('-').starts_with(key)));
            }
        }
    }
}
