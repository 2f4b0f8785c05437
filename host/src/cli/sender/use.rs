//! `sender use`: check a sender, trust it, and write it into the marker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use swamp::config::known::Known;
use swamp::config::marker_file::MarkerFile;
use swamp::config::sender_copy::write_sender_copy;
use swamp::config::trust::Sender;
use swamp::config::{BuiltinSender, Edit, Marker, Scalar, SenderSource};
use swamp::domain::{Deadline, ForeignText, RepoId, shown};
use swamp::egress::{Environment, Network, Reach};
use swamp::flush::component_file;
use swamp::process::timer::Timer;
use swamp::sender::{
    Compiled, ComponentFile, ComponentSender, Description, Import, Inspection, SenderConfig,
    describe, inspect,
};

use super::check::component;
use super::{compiled, described};
use crate::cli::context::{Context, VERSION, endpoint, followed, known};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::trust::remember;

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Used {
    /// The sender before; missing if it cannot be read.
    from: Option<Facts>,
    /// The sender now.
    to: Facts,
    /// The file outside of the repository that it was copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_from: Option<ForeignText>,
    /// The sender's description of itself; missing if its contract has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// Problems in its options, which were set before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// How the marker spells the sender.
enum Spelled {
    Builtin(String),
    /// A file where it is.
    InPlace(String),
    /// A file to be copied into the repository, under this name.
    Copy(String),
}

/// What is compared of two senders.
#[derive(PartialEq, Eq, Serialize)]
struct Facts {
    /// The sender, as `telemetrySender` names it.
    component: ForeignText,
    /// The digest of its bytes.
    digest: String,
    /// Its size in bytes.
    bytes: usize,
    /// The version of its contract; null if it exports none.
    contract: Option<String>,
    /// The interfaces that it imports, except those of the contract, without their versions.
    imports: BTreeSet<String>,
}

pub(crate) fn run(
    name: &Path,
    in_place: bool,
    options: &[(String, String)],
    context: &Context,
) -> Result<(), CommandError> {
    let (root, marker) = context.repo()?;
    let file = component(name)?;
    let spelled = Spelled::of(name, root, in_place)?;
    let (compiled_file, _) = compiled(&file, context)?;
    let inspection = inspect(&compiled_file)?;
    if let Err(why) = &inspection.verdict {
        return Err(why.clone().into());
    }
    let description = describe(&compiled_file)?;
    let asked_for = if options.is_empty() {
        &marker.telemetry_sender_options
    } else {
        options
    };
    let problems = description
        .as_ref()
        .map_or_else(Vec::new, |description| description.problems(asked_for));
    if !options.is_empty()
        && let Some(problem) = problems.first()
    {
        let sentence = format!("could not use {}: {problem}", file.name());
        return Err(CommandError::msg(ErrorKind::Usage, sentence).hint(format!(
            "run `swamp sender check {}` to see its options",
            file.name().in_shell()
        )));
    }
    check_config(&compiled_file, root, marker, asked_for)?;
    let from = component_file(root, &marker.telemetry_sender, context.owners())
        .ok()
        .and_then(|before| {
            let sender = Sender {
                digest: before.digest(),
                is_builtin: matches!(marker.telemetry_sender, SenderSource::Builtin(_)),
            };
            let vouches = |known: Known| known.may_be_async(sender);
            let before = before.vouched_for(known(root, marker).is_some_and(vouches));
            let (compiled, _) = compiled(&before, context).ok()?;
            let inspection = inspect(&compiled).ok()?;
            Some(Facts::of(before.name().clone(), &before, &inspection))
        });

    let copied_from = matches!(spelled, Spelled::Copy(_)).then(|| file.name().clone());
    let is_builtin = matches!(spelled, Spelled::Builtin(_));
    let spelled = match spelled {
        Spelled::Builtin(name) | Spelled::InPlace(name) => name,
        // What was checked is what is copied, whatever became of the file since.
        Spelled::Copy(name) => write_sender_copy(root, &name, file.bytes()).map_err(|error| {
            let sentence = format!(
                "could not copy {} to .swamp/senders/{}: {error}",
                file.name(),
                shown(name.as_ref())
            );
            CommandError::msg(ErrorKind::Sender, sentence)
                .hint("make .swamp/senders a directory that you can write to, or add --in-place")
        })?,
    };
    let to = Facts::of(spelled.clone().into(), &file, &inspection);
    let digest = file.digest().to_string();
    let written = MarkerFile::new(root, context.owners()).update(|marker| {
        let pin = if is_builtin {
            // The built-in sender changes with the program, and is as trustworthy as that.
            Edit::Remove("telemetrySenderDigest")
        } else {
            Edit::Set("telemetrySenderDigest", Scalar::Text(digest))
        };
        let mut edits = vec![Edit::Set("telemetrySender", Scalar::Text(spelled)), pin];
        if !options.is_empty() {
            edits.push(Edit::SetPairs("telemetrySenderOptions", options.to_vec()));
        }
        if marker.repo_id.is_none() {
            // What is remembered names it.
            let repo_id = RepoId::generate().to_string();
            edits.push(Edit::Set("repoId", Scalar::Text(repo_id)));
        }
        edits
    })?;
    remember(root, &written, Some(file.digest()))?;
    let used = Used {
        from,
        to,
        copied_from,
        description,
        warnings: problems.iter().map(ToString::to_string).collect(),
    };
    if context.ui.wants_json() {
        context.ui.json(&used)?;
    } else {
        context.ui.answer(&used.in_words())?;
    }
    Ok(())
}

/// Asks the sender whether it could work with this repository's endpoint and `options`, where it has an answer.
fn check_config(
    compiled: &Compiled,
    root: &Path,
    marker: &Marker,
    options: &[(String, String)],
) -> Result<(), CommandError> {
    let (Ok(endpoint), _) = endpoint(marker) else {
        return Ok(());
    };
    let marker = followed(root, marker);
    let limits = marker.telemetry_sender_limits;
    let config = SenderConfig {
        endpoint,
        user_agent: format!("swamp/{VERSION}"),
        options: options.to_vec(),
        limits,
        network: Network::live(Environment::read(|name| std::env::var_os(name))),
        reach: Reach::default(),
        headers: Vec::new(),
        timer: Timer::default(),
    };
    let repo_id = marker.repo_id.as_ref().map(ToString::to_string);
    let mut sender = ComponentSender::new(compiled, config)?;
    let deadline = Deadline::after(limits.deadline);
    Ok(sender.check_config(&repo_id.unwrap_or_default(), deadline)?)
}

impl Spelled {
    /// Relative to the repository where the file is inside of it, absolute only `in_place`.
    fn of(name: &Path, root: &Path, in_place: bool) -> Result<Self, CommandError> {
        let text = name.to_string_lossy();
        if BuiltinSender::parse(&text).is_some() {
            return Ok(Self::Builtin(text.into_owned()));
        }
        let path = name.canonicalize()?;
        let inside = path.strip_prefix(root.canonicalize()?).map(PathBuf::from);
        let (path, is_copy) = match inside {
            Ok(inside) => (inside, false),
            Err(_) if in_place => (path, false),
            Err(_) => {
                // As the person calls it, and not what a link of that name leads to.
                let name = name.file_name().or(path.file_name());
                (name.map(PathBuf::from).unwrap_or_default(), true)
            }
        };
        let text = path.to_str().map(|path| path.replace('\\', "/"));
        let text = text.ok_or_else(|| {
            CommandError::msg(
                ErrorKind::Sender,
                format!(
                    "could not write {} into .swamp.yaml: its path is not UTF-8",
                    shown(name)
                ),
            )
            .hint("rename it")
        })?;
        Ok(if is_copy {
            Self::Copy(text)
        } else {
            Self::InPlace(text)
        })
    }
}

impl Facts {
    fn of(component: ForeignText, file: &ComponentFile, inspection: &Inspection) -> Self {
        Self {
            component,
            digest: file.digest().to_string(),
            bytes: file.bytes().len(),
            contract: inspection.contract.clone(),
            imports: (inspection.imports.iter().map(interface))
                .filter(|name| !name.starts_with("swamp:telemetry/"))
                .collect(),
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
        if let Some(file) = &self.copied_from {
            lines.push(format!(
                "  copied    from {file}; run this again after a rebuild"
            ));
        }
        let Some(from) = &self.from else {
            lines.push(format!("  digest    {}", to.digest));
            lines.push("  before    a sender that cannot be read".to_owned());
            lines.extend(self.about());
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
        lines.extend(self.about());
        lines.join("\n")
    }

    /// What the sender is and takes, and what is odd about that.
    fn about(&self) -> Vec<String> {
        let described = self.description.iter().flat_map(described);
        let warnings = self.warnings.iter();
        let warnings =
            warnings.map(|warning| ("warning", ForeignText::from(warning.as_str()).to_string()));
        described
            .chain(warnings)
            .map(|(name, text)| format!("  {name:<9} {text}"))
            .collect()
    }
}
