//! `trust`, `untrust` and `sender trust`: what this user allows a repository.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use swamp::config::group::{self, Closed};
use swamp::config::known::Known;
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::{Owners, find_foreign, foreign};
use swamp::config::trust_store::{TrustError, TrustStore};
use swamp::config::{Marker, SenderSource};
use swamp::domain::{Digest, ForeignText, shown};
use swamp::flush::component_file;

use super::context::{Context, ENDPOINT_VARIABLE, EndpointSource, endpoint, env_var, user_config};
use super::error::{CommandError, ErrorKind};
use super::hint;
use super::ui::BOLD;

/// What is allowed. The keys of the answer are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trusted {
    /// The directory of the repository.
    repository: PathBuf,
    /// The repository's id.
    repo_id: String,
    /// Files and directories of the repository that belong to another user, and are used from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    others_files: Option<ForeignText>,
    /// The group whose members can use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<ForeignText>,
    /// This user's files and directories that are now open to the group, relative to the repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    opened: Vec<ForeignText>,
    /// The endpoint.
    endpoint: ForeignText,
    #[serde(skip)]
    endpoint_source: EndpointSource,
    /// The sender, as `telemetrySender` names it.
    component: ForeignText,
    /// The digest of its bytes.
    digest: String,
    /// The options of the sender: name and value.
    options: Vec<(ForeignText, ForeignText)>,
    #[serde(rename = "memoryMiB")]
    /// How much memory the sender may take, in MiB.
    memory_mib: u64,
    /// How long a batch may take.
    deadline_ms: u128,
    /// How many days sent entries are kept.
    retention_days: u16,
    /// The headers of this user's configuration that the sender sends: the URL and the name of each, and its value with
    /// `${NAME}` for each variable.
    headers: Vec<(ForeignText, ForeignText)>,
}

/// The answer of `untrust`. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Untrusted {
    /// Whether anything had been allowed.
    changed: bool,
    /// Whether nothing was changed, because of `--dry-run`.
    dry_run: bool,
}

/// Allows the repository, and trusts the sender that its marker names.
pub(crate) fn trust(yes: bool, context: &Context) -> Result<(), CommandError> {
    let root = root(context)?;
    let file = MarkerFile::new(&root, Owners::Any);
    let marker = file.read()?;
    let repo_id = match marker.repo_id.clone() {
        Some(repo_id) => repo_id,
        // What is remembered names it.
        None => file.ensure_repo_id()?,
    };
    let (endpoint, source) = endpoint(&marker);
    let endpoint = endpoint?;
    let sender = component_file(&root, &marker.telemetry_sender, Owners::Any)?;
    let config = user_config()?;
    let foreign = find_foreign(&root).or_else(|| match &marker.telemetry_sender {
        SenderSource::File(path) => foreign(&root, root.join(path)),
        SenderSource::Builtin(_) => None,
    });
    let others_files = foreign
        .map(|foreign| format!("{} belongs to {}", shown(&foreign.path), foreign.owner).into());
    let group = group::group_of(&root);
    let closed = group::closed(&root).map_err(|why| not_opened(&root, &why))?;
    let named = source == EndpointSource::Environment;
    let known = Known::new(
        &root,
        &marker,
        Some(repo_id.clone()),
        endpoint.origin(),
        named,
        env_var,
    );
    let headers = config.headers_for(known.origin()).flat_map(|url| {
        let headers = url.headers.iter();
        headers.map(|(name, value)| {
            (
                format!("{} {name}", url.scope).into(),
                value.to_string().into(),
            )
        })
    });
    let options = marker.telemetry_sender_options.iter();
    let options = options.map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    let trusted = Trusted {
        repository: root.clone(),
        repo_id: repo_id.to_string(),
        others_files,
        opened: (closed.iter().filter(|closed| closed.owner.is_none()))
            .map(|closed| closed.path.as_path().into())
            .collect(),
        group: group.map(Into::into),
        endpoint: endpoint.to_string().into(),
        endpoint_source: source,
        component: sender.name().clone(),
        digest: sender.digest().to_string(),
        options: options.collect(),
        memory_mib: marker.telemetry_sender_limits.memory_mib,
        deadline_ms: marker.telemetry_sender_limits.deadline.as_millis(),
        retention_days: marker.telemetry_retention_days,
        headers: headers.collect(),
    };
    if !yes {
        context.ui.note(&trusted.in_words());
        context.ui.confirm("allow this", "nothing was allowed")?;
    }
    known.allow(
        Some(sender.digest()),
        trusted.others_files.is_some() || trusted.group.is_some(),
    )?;
    let left = group::open(&root).map_err(|why| not_opened(&root, &why))?;
    if context.ui.wants_json() {
        context.ui.json(&trusted)?;
    } else {
        if yes {
            context.ui.answer(&trusted.in_words())?;
        }
        context
            .ui
            .answer("allowed on this machine; `swamp untrust` takes it back")?;
    }
    if let Some(Closed { path, owner }) = left.first() {
        let path = root.join(path);
        let owner = owner.as_deref().unwrap_or("its owner");
        context.ui.note(&format!(
            "note: {} is closed to the group; have {owner} run `swamp -C {} trust`, which opens it",
            shown(&path),
            shown(&root).in_shell()
        ));
    }
    Ok(())
}

fn not_opened(root: &Path, why: &io::Error) -> CommandError {
    let root = shown(root);
    CommandError::msg(
        ErrorKind::Io,
        format!("could not open the spool in {root} to its group: {why}"),
    )
    .hint("become a member of the group, or make the directory yours alone")
}

/// Takes back what was allowed, or with `dry_run` tells it.
pub(crate) fn untrust(dry_run: bool, context: &Context) -> Result<(), CommandError> {
    let root = root(context)?;
    let store = TrustStore::of(&root, env_var);
    let allowed = if dry_run { store.find(&root)? } else { None };
    let changed = if dry_run {
        allowed.is_some()
    } else {
        store.forget(&root)?
    };
    if context.ui.wants_json() {
        context.ui.json(&Untrusted { changed, dry_run })?;
    } else if let Some(allowed) = allowed {
        let origin = ForeignText::from(allowed.origin);
        let others = if allowed.others_files {
            ", and the files of its other owners"
        } else {
            ""
        };
        context.ui.answer(&format!(
            "would take back what you have allowed for this repository: your headers for {origin}, {}{others}",
            match allowed.senders.len() {
                1 => "1 trusted sender".to_owned(),
                senders => format!("{senders} trusted senders"),
            }
        ))?;
    } else if changed {
        context
            .ui
            .answer("took back what you had allowed for this repository")?;
    } else {
        context
            .ui
            .answer("nothing was allowed for this repository")?;
    }
    Ok(())
}

/// Remembers that this user made the repository at `root`, or chose its sender: nobody is asked.
///
/// # Errors
///
/// When that could not be remembered.
pub(crate) fn remember(
    root: &Path,
    marker: &Marker,
    sender: Option<Digest>,
) -> Result<(), TrustError> {
    let Some(known) = super::context::known(root, marker) else {
        return Ok(());
    };
    // Where several people work, the files of the others are meant.
    known.allow(sender, marker.is_of_shared_directory())
}

/// The directory of the repository, even if another user owns it.
fn root(context: &Context) -> Result<PathBuf, CommandError> {
    match &context.repo {
        Some(repo) => Ok(repo.root.clone()),
        None => context.repo().map(|(root, _)| root.to_owned()),
    }
}

impl Trusted {
    fn in_words(&self) -> String {
        let pairs = |pairs: &[(ForeignText, ForeignText)], between: &str| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| format!("{name}{between}{value}"));
            let pairs: Vec<_> = pairs.collect();
            if pairs.is_empty() {
                "none".to_owned()
            } else {
                pairs.join(", ")
            }
        };
        let source = match self.endpoint_source {
            EndpointSource::Environment => ENDPOINT_VARIABLE,
            EndpointSource::Marker => ".swamp.yaml",
            EndpointSource::Default => "default",
        };
        let mut rows = vec![("repository", shown(&self.repository).to_string())];
        if let Some(others) = &self.others_files {
            rows.push(("other owners", others.to_string()));
        }
        if let Some(group) = &self.group {
            let opened = match self.opened.as_slice() {
                [] => String::new(),
                opened => format!(
                    "; opens {} to it",
                    opened
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            rows.push(("group", format!("{group}, whose files are used{opened}")));
        }
        rows.extend([
            ("endpoint", format!("{} ({source})", self.endpoint)),
            ("sender", format!("{}, {}", self.component, self.digest)),
            ("options", pairs(&self.options, "=")),
            (
                "limits",
                format!(
                    "{} MiB, {} ms a batch; entries are kept for {} days",
                    self.memory_mib, self.deadline_ms, self.retention_days
                ),
            ),
            ("headers", pairs(&self.headers, ": ")),
        ]);
        let rows = rows.iter();
        rows.map(|(name, value)| format!("{BOLD}{name:<14}{BOLD:#}{value}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl From<TrustError> for CommandError {
    fn from(error: TrustError) -> Self {
        let hint = hint::of_trust(&error);
        Self::new(ErrorKind::Trust, error).hints(hint)
    }
}
