//! `completions`, and the answers to a shell that completes a command line: its script starts this program for each.

use std::borrow::Cow;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_complete::env::{Bash, CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use serde::Serialize;
use swamp::domain::variables::COMPLETE as VARIABLE;

use super::args::Cli;
use super::context::Context;
use super::error::CommandError;
use super::shorthand::with_short_forms;

const NAME: &str = "swamp";

const SHELLS: Shells<'_> = Shells(&[
    &Scripted {
        shell: &Bash,
        write_script: joining_bash,
        quote: as_it_is,
    },
    &Elvish,
    &Fish,
    &Scripted {
        shell: &Powershell,
        write_script: plain_powershell,
        quote: in_powershell,
    },
    &Scripted {
        shell: &Zsh,
        write_script: autoloaded_zsh,
        quote: as_it_is,
    },
]);

pub(crate) fn run(shell: Shell, context: &Context) -> Result<(), CommandError> {
    let mut script = Vec::new();
    if let Some(shell) = SHELLS.completer(&shell.to_string()) {
        shell.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    }
    let script = String::from_utf8_lossy(&script);
    if context.ui.wants_json() {
        context.ui.json(&Completions {
            shell: shell.to_string(),
            script: script.trim(),
        })?;
    } else {
        context.ui.verbatim(script.trim())?;
    }
    Ok(())
}

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Completions<'a> {
    /// The shell.
    shell: String,
    /// The script.
    script: &'a str,
}

/// Answers the shell, if it is one that asks.
pub(crate) fn answer() -> Option<ExitCode> {
    // Before the shells are looked at: hardly any command is run for a completion.
    env::var_os(VARIABLE)?;
    let answered = CompleteEnv::with_factory(|| with_short_forms(Cli::command()))
        .var(VARIABLE)
        .bin(NAME)
        .completer(NAME)
        .shells(SHELLS)
        .try_complete(env::args_os(), env::current_dir().ok().as_deref());
    match answered {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => {
            error.print().ok();
            Some(ExitCode::FAILURE)
        }
    }
}

/// A shell with a script of ours. The answers to the script are the library's.
struct Scripted {
    shell: &'static dyn EnvCompleter,
    write_script: fn(&Names<'_>, &mut dyn io::Write) -> io::Result<()>,
    /// What is inserted for a value where the shell and its script do not quote it themselves.
    quote: fn(&str) -> Cow<'_, str>,
}

/// What a script is written with, as [`EnvCompleter::write_registration`] has it.
struct Names<'a> {
    var: &'a str,
    name: &'a str,
    bin: &'a str,
    completer: &'a str,
}

impl Names<'_> {
    /// Writes the library's script for this shell.
    fn register(&self, shell: &dyn EnvCompleter, buf: &mut dyn io::Write) -> io::Result<()> {
        shell.write_registration(self.var, self.name, self.bin, self.completer, buf)
    }
}

impl EnvCompleter for Scripted {
    fn name(&self) -> &'static str {
        self.shell.name()
    }

    fn is(&self, name: &str) -> bool {
        self.shell.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        let names = Names {
            var,
            name,
            bin,
            completer,
        };
        (self.write_script)(&names, buf)
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        let mut answer = Vec::new();
        self.shell
            .write_complete(command, args, current_dir, &mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        for (place, line) in answer.split('\n').enumerate() {
            if place > 0 {
                writeln!(buf)?;
            }
            let value = line.split('\t').next().unwrap_or_default();
            write!(buf, "{}{}", (self.quote)(value), &line[value.len()..])?;
        }
        Ok(())
    }
}

/// Completes what has a `:` in it and files that have a space.
fn joining_bash(_: &Names<'_>, buf: &mut dyn io::Write) -> io::Result<()> {
    buf.write_all(include_bytes!("completions/swamp.bash"))
}

fn plain_powershell(names: &Names<'_>, buf: &mut dyn io::Write) -> io::Result<()> {
    names.register(&Powershell, buf)
}

/// These shells quote what they insert, or our script does.
fn as_it_is(value: &str) -> Cow<'_, str> {
    Cow::Borrowed(value)
}

/// PowerShell inserts what it is given: what it would act on is a text in quotes.
fn in_powershell(value: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || r"_-./\:=~+".contains(c);
    if value.chars().all(plain) {
        Cow::Borrowed(value)
    } else {
        // It takes typographic quotes for quotes, too.
        let doubled = |text: String, quote: char| text.replace(quote, &format!("{quote}{quote}"));
        let text = ['\'', '‘', '’', '‚', '‛']
            .into_iter()
            .fold(value.to_owned(), doubled);
        Cow::Owned(format!("'{text}'"))
    }
}

/// Also works as the file `_swamp` on zsh's `fpath`: there it is run for the first completion itself.
fn autoloaded_zsh(names: &Names<'_>, buf: &mut dyn io::Write) -> io::Result<()> {
    names.register(&Zsh, buf)?;
    let name = names.name;
    write!(
        buf,
        "\n[[ $funcstack[1] != _{name} ]] || _clap_dynamic_completer_{name}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powershell_gets_in_quotes_what_it_would_act_on() {
        for (value, inserted) in [
            ("builtin:ingest", "builtin:ingest"),
            (r".\senders\ours.wasm", r".\senders\ours.wasm"),
            ("$(calc).wasm", "'$(calc).wasm'"),
            ("a'b;c", "'a''b;c'"),
            ("a’; calc", "'a’’; calc'"),
        ] {
            assert_eq!(in_powershell(value), inserted);
        }
    }
}
