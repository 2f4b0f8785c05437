//! `sender new`: a project to build a sender from.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum as _;
use serde::Serialize;
use swamp::scaffold::{
    NoProject, ScaffoldProbe, ScaffoldTool, SenderName, SenderNameError, scaffold,
};

use crate::cli::args::{ScaffoldLanguage, SenderNew};
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;
use crate::cli::output_dir::OutputDir;

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    /// The directory that was created.
    directory: &'a str,
    /// The version of the sender's contract.
    contract: &'static str,
    /// The files in it.
    files: Vec<&'static str>,
    /// The tools that the project needs and that are not installed.
    missing: Vec<Missing>,
    /// The commands that build and use it, in order.
    next: Vec<String>,
    /// The command that runs the project's own tests; missing if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_tests: Option<&'static str>,
}

/// A tool that is not there, and what brings it.
#[derive(Serialize)]
struct Missing {
    /// The tool.
    tool: &'static str,
    /// How to install it.
    install: &'static str,
}

impl From<SenderNameError> for CommandError {
    fn from(error: SenderNameError) -> Self {
        let hint = hint::of_name(&error);
        Self::new(ErrorKind::Scaffold, error).hints(hint.map(str::to_owned))
    }
}

pub(crate) fn run(args: &SenderNew, context: &Context) -> Result<(), CommandError> {
    let lang = args.lang.lang();
    let name = SenderName::parse(&args.name, lang)?;
    let template = args.template.template();
    let contract = args.contract.contract();
    let files = scaffold(lang, template, contract, &name).map_err(|NoProject(contract)| {
        let chosen = spelled(args.lang);
        let sentence = format!(
            "could not create {}: no tested toolchain for --lang {chosen} builds senders of contract {}",
            args.name,
            contract.version()
        );
        let others: Vec<_> = ScaffoldLanguage::value_variants()
            .iter()
            .filter(|other| other.lang().has(contract))
            .map(|&other| format!("--lang {}", spelled(other)))
            .collect();
        CommandError::msg(ErrorKind::Usage, sentence).hint(format!(
            "use {}, or leave out --contract",
            others.join(" or ")
        ))
    })?;
    let contents = files
        .iter()
        .map(|file| (file.path, file.contents.as_bytes()));
    let put = OutputDir::create(Path::new("."))
        .and_then(|here| here.put_directory(name.as_str(), contents));
    put.map_err(|error| {
        let (why, hint) = if error.kind() == io::ErrorKind::AlreadyExists {
            ("it already exists".to_owned(), "choose another name")
        } else {
            (error.to_string(), "run the command in a writable directory")
        };
        let sentence = format!("could not create {}: {why}", args.name);
        CommandError::msg(ErrorKind::Scaffold, sentence).hint(hint)
    })?;

    let component = lang.component(&name);
    let mut next = vec![format!("cd {}", name.as_str())];
    next.extend(lang.build().iter().map(|&command| command.to_owned()));
    next.push(lang.kit(template, &name));
    if context.repo.is_none() {
        // Where `swamp telemetry receive` listens: what a first repository sends stays on this machine.
        next.push("swamp init --endpoint http://127.0.0.1:8090".to_owned());
    }
    next.push(format!("swamp sender use {component}"));
    let made = Made {
        directory: name.as_str(),
        contract: contract.version(),
        files: files.iter().map(|file| file.path).collect(),
        missing: lang
            .tools()
            .iter()
            .filter(|tool| !is_there(tool))
            .map(|tool| Missing {
                tool: tool.name,
                install: tool.install,
            })
            .collect(),
        next,
        unit_tests: lang.unit_tests(),
    };
    if context.ui.wants_json() {
        context.ui.json(&made)?;
    } else {
        let mut words = made.in_words();
        if context.repo.is_none() {
            words += "\nthere is no repository here: `swamp init` makes the project a repository that sends to `swamp telemetry \
                      receive`; to use the sender in another repository, skip that and run the last command there";
        }
        context.ui.answer(&words)?;
    }
    Ok(())
}

/// A language, as the command line spells it.
fn spelled(lang: ScaffoldLanguage) -> String {
    let value = lang.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn is_there(tool: &ScaffoldTool) -> bool {
    match tool.probe {
        ScaffoldProbe::Succeeds(program, args) => output(program, args).is_some(),
        ScaffoldProbe::RustTarget(target) => {
            let libraries = output("rustc", &["--print", "target-libdir", "--target", target]);
            libraries.is_some_and(|libraries| Path::new(libraries.trim_end()).is_dir())
        }
    }
}

/// What a program prints, if it is there and succeeds.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Made<'_> {
    fn in_words(&self) -> String {
        let mut lines = vec![format!(
            "created {}, for contract {}, with {} files; next:",
            self.directory,
            self.contract,
            self.files.len()
        )];
        lines.extend(self.next.iter().map(|command| format!("  {command}")));
        lines.extend(
            self.missing
                .iter()
                .map(|missing| format!("{} is not installed: {}", missing.tool, missing.install)),
        );
        lines.join("\n")
    }
}
