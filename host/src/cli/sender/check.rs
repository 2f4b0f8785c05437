//! `sender check`: what a component is, and whether this host would run it.

use std::path::Path;

use anstyle::Style;
use serde::Serialize;
use swamp::config::BuiltinSender;
use swamp::domain::{ForeignText, SendError, SenderFailure, SenderFailureKind, shown};
use swamp::sender::{
    Compiled, ComponentFile, Description, Inspection, contract_versions, describe, inspect,
};

use super::{described, hint_at_use, try_compile};
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;
use crate::cli::ui::{BAD, BOLD, GOOD};

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check<'a> {
    /// The sender that was checked.
    component: &'a ForeignText,
    /// The digest of its bytes.
    digest: String,
    /// Its size in bytes.
    bytes: usize,
    /// The version of its contract; missing if it exports none.
    contract: Option<&'a str>,
    /// Its description of itself; missing if its contract has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// The interfaces that it exports.
    exports: &'a [String],
    /// The interfaces that it imports.
    imports: Vec<ImportCheck<'a>>,
    /// Whether its machine code was in the cache already.
    cached: bool,
    /// How long it took to compile it or to find it in the cache. Missing if it could not be compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    compile_ms: Option<u128>,
    /// Whether this host can start it.
    runs: bool,
    /// Why it does not run: one stable word, and one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

#[derive(Serialize)]
struct ImportCheck<'a> {
    /// The interface.
    name: &'a str,
    /// What the host grants, in words.
    grant: String,
    /// Whether the host offers it.
    offered: bool,
}

#[derive(Serialize)]
struct Problem {
    /// One stable word.
    kind: &'static str,
    /// One sentence.
    reason: String,
}

/// The component that a person names: a file, or one that comes with the program.
pub(super) fn component(name: &Path) -> Result<ComponentFile, CommandError> {
    let text = name.to_string_lossy();
    if let Some(builtin) = BuiltinSender::parse(&text) {
        return Ok(ComponentFile::builtin(builtin));
    }
    if text.starts_with(BuiltinSender::PREFIX) {
        return Err(CommandError::msg(
            ErrorKind::Sender,
            format!("could not find {}: not a built-in sender", shown(name)),
        )
        .hint(format!("use {}", BuiltinSender::NAMES)));
    }
    ComponentFile::read(name, name).map_err(|failure| match failure {
        SenderFailure {
            component,
            kind: SenderFailureKind::Missing { reason },
        } => CommandError::msg(
            ErrorKind::Sender,
            format!("could not read {component}: {reason}"),
        )
        .hint(format!("name a component file, {}", BuiltinSender::NAMES)),
        other => other.into(),
    })
}

pub(crate) fn run(name: &Path, context: &Context) -> Result<(), CommandError> {
    let file = component(name)?;
    let cached = Compiled::is_cached(&file, &context.cache());
    let mut description = None;
    let (inspection, took) = match try_compile(&file, context)? {
        Ok((compiled, took)) => {
            let mut inspection = inspect(&compiled)?;
            if inspection.verdict.is_ok() {
                match describe(&compiled) {
                    Ok(said) => description = said,
                    Err(why) => inspection.verdict = Err(why),
                }
            }
            (inspection, Some(took))
        }
        Err(refused) => (Inspection::of_refused(&file, refused), None),
    };
    let check = Check {
        component: file.name(),
        digest: file.digest().to_string(),
        bytes: file.bytes().len(),
        contract: inspection.contract.as_deref(),
        description,
        exports: &inspection.exports,
        imports: inspection
            .imports
            .iter()
            .map(|import| ImportCheck {
                name: &import.name,
                grant: import.grant.in_words(),
                offered: import.grant.is_offered(),
            })
            .collect(),
        cached,
        compile_ms: took.map(|took| took.as_millis()),
        runs: inspection.verdict.is_ok(),
        problem: inspection.verdict.as_ref().err().map(|failure| Problem {
            kind: failure.kind(),
            reason: why_not(failure),
        }),
    };
    if context.ui.wants_json() {
        context.ui.json(&check)?;
    } else {
        context.ui.answer(&check.in_words(&inspection))?;
    }
    inspection.verdict.map_err(|failure| {
        let hint = failure.cause().map(hint::of_cause);
        CommandError::msg(ErrorKind::Sender, why_not(&failure))
            .told_in_answer()
            .hints(hint.map(str::to_owned))
    })?;
    hint_at_use(name, context);
    Ok(())
}

/// Why a component does not run. What recommends this very command elsewhere is said without that here.
fn why_not(failure: &SendError) -> String {
    match failure {
        SendError::Sender(SenderFailure {
            component,
            kind:
                SenderFailureKind::NotCompilable { reason } | SenderFailureKind::NotLinkable { reason },
        }) => format!("{component} does not run on this host: {reason}"),
        other => other.to_string(),
    }
}

impl Check<'_> {
    fn in_words(&self, inspection: &Inspection) -> String {
        let versions = contract_versions();
        let contract = match self.contract {
            Some(version) => format!("{version} (this host runs {versions})"),
            None => format!("none (this host runs {versions})"),
        };
        let compiled = match self.compile_ms {
            Some(ms) if self.cached => format!("found in the cache, in {ms} ms"),
            Some(ms) => format!("in {ms} ms"),
            None => "no".to_owned(),
        };
        let verdict = match inspection.verdict {
            Ok(()) => format!("{GOOD}runs{GOOD:#}"),
            Err(_) => format!("{BAD}does not run{BAD:#}"),
        };
        let mut lines = vec![
            row("component", &self.component.to_string()),
            row("digest", &self.digest),
            row("size", &format!("{} bytes", self.bytes)),
            row("contract", &contract),
            row("exports", &self.exports.join(", ")),
            row("compiled", &compiled),
            row("verdict", &verdict),
        ];
        let described = self.description.iter().flat_map(described);
        lines.extend(described.map(|(name, text)| row(name, &text)));
        lines.push(format!("{BOLD}imports{BOLD:#}"));
        let width = self
            .imports
            .iter()
            .map(|import| import.name.len())
            .max()
            .unwrap_or(0);
        lines.extend(self.imports.iter().map(|import| {
            let style = if import.offered { Style::new() } else { BAD };
            format!(
                "  {:<width$}  {style}{}{style:#}",
                import.name, import.grant
            )
        }));
        lines.join("\n")
    }
}

pub(super) fn row(name: &str, value: &str) -> String {
    format!("{BOLD}{name:<12}{BOLD:#}{value}")
}
