//! `sender use`: check a sender, trust it, and write it into the marker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use swamp::config::marker_file::MarkerFile;
use swamp::config::{BuiltinSender, Edit, Scalar};
use swamp::domain::{ForeignText, RepoId};
use swamp::flush::component_file;
use swamp::sender::{ComponentFile, Import, Inspection, inspect};

use super::check::component;
use super::compiled;
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::trust::remember;

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Used {
    /// The sender before; missing where that one cannot be read.
    from: Option<Facts>,
    to: Facts,
}

/// What is compared of two senders.
#[derive(PartialEq, Eq, Serialize)]
struct Facts {
    component: ForeignText,
    digest: String,
    bytes: usize,
    contract: Option<String>,
    /// The interfaces that it imports, without their versions.
    imports: BTreeSet<String>,
}

pub(crate) fn run(name: &Path, context: &Context) -> Result<(), CommandError> {
    let (root, marker) = context.repo()?;
    let file = component(name)?;
    let (compiled_file, _) = compiled(&file, context)?;
    let inspection = inspect(&compiled_file)?;
    let spelled = spelled(name, root)?;
    let to = Facts::of(spelled.clone().into(), &file, &inspection);
    inspection.verdict?;
    let from = component_file(root, &marker.telemetry_sender, context.owners())
        .ok()
        .and_then(|before| {
            let (compiled, _) = compiled(&before, context).ok()?;
            let inspection = inspect(&compiled).ok()?;
            Some(Facts::of(before.name().clone(), &before, &inspection))
        });

    let digest = file.digest().to_string();
    let is_builtin = BuiltinSender::parse(&spelled).is_some();
    let written = MarkerFile::new(root).update(|marker| {
        let pin = if is_builtin {
            // The built-in sender changes with the program, and is as trustworthy as that.
            Edit::Remove("telemetrySenderDigest")
        } else {
            Edit::Set("telemetrySenderDigest", Scalar::Text(digest))
        };
        let mut edits = vec![Edit::Set("telemetrySender", Scalar::Text(spelled)), pin];
        if marker.repo_id.is_none() {
            // What is remembered names it.
            let repo_id = RepoId::generate().to_string();
            edits.push(Edit::Set("repoId", Scalar::Text(repo_id)));
        }
        edits
    })?;
    remember(root, &written, Some(file.digest()))?;
    let used = Used { from, to };
    if context.ui.wants_json() {
        context.ui.json(&used)?;
    } else {
        context.ui.answer(&used.in_words())?;
    }
    Ok(())
}

/// How the marker spells the sender: relative to the repository where it is inside, absolute elsewhere.
fn spelled(name: &Path, root: &Path) -> Result<String, CommandError> {
    let shown = name.display().to_string();
    if BuiltinSender::parse(&shown).is_some() {
        return Ok(shown);
    }
    let path = name.canonicalize()?;
    let inside = path.strip_prefix(root.canonicalize()?).map(PathBuf::from);
    let path = inside.unwrap_or(path);
    path.to_str()
        .map(|path| path.replace('\\', "/"))
        .ok_or_else(|| {
            CommandError::msg(
                ErrorKind::Sender,
                format!(
                    "could not write {shown} into .swamp.yaml: its path is not UTF-8; rename it"
                ),
            )
        })
}

impl Facts {
    fn of(component: ForeignText, file: &ComponentFile, inspection: &Inspection) -> Self {
        Self {
            component,
            digest: file.digest().to_string(),
            bytes: file.bytes().len(),
            contract: inspection.contract.clone(),
            imports: inspection.imports.iter().map(interface).collect(),
        }
    }
}

fn interface(import: &Import) -> String {
    let name = import.name.split('@').next();
    name.unwrap_or_default().to_owned()
}

impl Used {
    fn in_words(&self) -> String {
        let to = &self.to;
        let mut lines = vec![format!("this repository now uses {}", to.component)];
        let Some(from) = &self.from else {
            lines.push(format!("  digest    {}", to.digest));
            lines.push("  before    a sender that cannot be read".to_owned());
            return lines.join("\n");
        };
        let none = || "none".to_owned();
        let mut change = |name: &str, before: String, after: String| {
            if before == after {
                lines.push(format!("  {name:<9} {after} (as before)"));
            } else {
                lines.push(format!("  {name:<9} {before} → {after}"));
            }
        };
        change(
            "sender",
            from.component.to_string(),
            to.component.to_string(),
        );
        change("digest", from.digest.clone(), to.digest.clone());
        change("bytes", from.bytes.to_string(), to.bytes.to_string());
        change(
            "contract",
            from.contract.clone().unwrap_or_else(none),
            to.contract.clone().unwrap_or_else(none),
        );
        let changes = to
            .imports
            .symmetric_difference(&from.imports)
            .map(|import| {
                let sign = if to.imports.contains(import) {
                    '+'
                } else {
                    '-'
                };
                format!("  {sign} import  {import}")
            });
        lines.extend(changes);
        lines.join("\n")
    }
}
