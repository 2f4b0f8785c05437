//! `completions`, and the answers to a shell that completes a command line: its script starts this program for each.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use clap_complete::env::{Bash, CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use swamp::domain::BuiltinSender;

use super::args::Cli;
use super::context::Context;
use super::error::CommandError;

/// The environment variable by which a shell's script asks for an answer.
const VARIABLE: &str = "SWAMP_COMPLETE";

const NAME: &str = "swamp";

const SHELLS: Shells<'_> = Shells(&[&JoiningBash, &Elvish, &Fish, &Powershell, &AutoloadedZsh]);

pub(crate) fn run(shell: Shell, context: &Context) -> Result<(), CommandError> {
    let mut script = Vec::new();
    if let Some(shell) = SHELLS.completer(&shell.to_string()) {
        shell.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    }
    let script = String::from_utf8_lossy(&script);
    context.ui.answer(script.trim())?;
    Ok(())
}

/// Answers the shell, if it is one that asks.
pub(crate) fn answer() -> Option<ExitCode> {
    let answered = CompleteEnv::with_factory(Cli::command)
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

/// What can stand for a sender: a name, or a component's file.
pub(crate) fn sender_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_component = |path: &Path| {
        let extension = path.extension().and_then(OsStr::to_str);
        path.is_file() && matches!(extension, Some("wasm" | "wat"))
    };
    BuiltinSender::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|name| {
            current
                .to_str()
                .is_some_and(|current| name.starts_with(current))
        })
        .map(CompletionCandidate::new)
        .chain(PathCompleter::any().filter(is_component).complete(current))
        .collect()
}

/// Bash, with a script that completes what has a `:` in it and files that have a space.
struct JoiningBash;

impl EnvCompleter for JoiningBash {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        _var: &str,
        _name: &str,
        _bin: &str,
        _completer: &str,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        buf.write_all(include_bytes!("completions/swamp.bash"))
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        Bash.write_complete(command, args, current_dir, buf)
    }
}

/// Zsh, with a script that also works as the file `_swamp` on its `fpath`: there it is run for the first completion
/// itself.
struct AutoloadedZsh;

impl EnvCompleter for AutoloadedZsh {
    fn name(&self) -> &'static str {
        Zsh.name()
    }

    fn is(&self, name: &str) -> bool {
        Zsh.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        Zsh.write_registration(var, name, bin, completer, buf)?;
        write!(
            buf,
            "\n[[ $funcstack[1] != _{name} ]] || _clap_dynamic_completer_{name}"
        )
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        Zsh.write_complete(command, args, current_dir, buf)
    }
}
