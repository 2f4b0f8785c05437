//! `init`, `repo init` and `repo upgrade`.

use std::env;
use std::fs;
use std::path::Path;

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::Owners;
use swamp::config::{ConfigFileError, Edit, Marker, Scalar, user_repo};
use swamp::domain::{Endpoint, ForeignText, RepoId, shown};
use swamp::spool::FileSpool;
use tracing::debug;

use super::args;
use super::context::{Context, VERSION, env_var};
use super::error::{CommandError, ErrorKind};
use super::trust::remember;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initialized<'a> {
    /// The directory that was set up.
    repository: &'a Path,
    /// The new id of the repository.
    repo_id: &'a str,
}

#[derive(Serialize)]
struct Upgraded<'a> {
    /// The version of `swamp` that last set up or upgraded it; null if the marker names none.
    from: Option<&'a str>,
    /// The version that it is upgraded to.
    to: &'a str,
}

/// Sets up telemetry in a directory.
pub(crate) fn init(args: &args::Init, context: &Context) -> Result<(), CommandError> {
    if args.user && context.globals.repo_dir.is_some() {
        let sentence = "--user cannot be used with --repo-dir or SWAMP_REPO_DIR";
        let error = CommandError::msg(ErrorKind::Usage, sentence);
        return Err(error.hint("your own repository has a fixed place: leave out the other"));
    }
    let endpoint = args.endpoint.as_deref().map(Endpoint::parse).transpose()?;
    let dir = match (&args.dir, &context.globals.repo_dir) {
        _ if args.user => user_repo::path(env_var).ok_or_else(|| {
            let sentence = "could not find a place for your own repository: no home directory";
            CommandError::msg(ErrorKind::Io, sentence).hint("set HOME or XDG_STATE_HOME")
        })?,
        (Some(dir), _) | (None, Some(dir)) => std::path::absolute(dir)?,
        (None, None) => env::current_dir()?,
    };
    let made = if args.user {
        user_repo::create_directory(&dir)
    } else {
        fs::create_dir_all(&dir)
    };
    made.map_err(|error| {
        let sentence = format!("could not create {}: {error}", shown(&dir));
        CommandError::msg(ErrorKind::Io, sentence).hint("use a writable directory")
    })?;
    let repo_id = RepoId::generate();
    let endpoint = endpoint.map(|endpoint| endpoint.to_string());
    let marker = Marker::init_text(VERSION, Utc::now(), &repo_id, endpoint.as_deref());
    MarkerFile::new(&dir, Owners::Any).create(&marker).map_err(|error| {
        let exists = matches!(error, ConfigFileError::Exists(_));
        match &endpoint {
            Some(endpoint) if exists => {
                CommandError::msg(ErrorKind::AlreadyInitialized, error.to_string()).hint(format!(
                    "run `swamp -C {} config set telemetryEndpoint {endpoint}` to send its telemetry there",
                    shown(&dir).in_shell()
                ))
            }
            _ => error.into(),
        }
    })?;
    FileSpool::create(&dir, Owners::Any)?;
    let remembered = MarkerFile::new(&dir, Owners::Any)
        .read()
        .map(|marker| remember(&dir, &marker, None));
    if let Ok(Err(error)) = remembered {
        debug!("{error}");
    }
    if context.ui.wants_json() {
        context.ui.json(&Initialized {
            repository: &dir,
            repo_id: repo_id.as_str(),
        })?;
    } else {
        let whose = if args.user {
            ", for commands outside of all other repositories"
        } else {
            ""
        };
        context
            .ui
            .answer(&format!("Initialized swamp in {}{whose}", shown(&dir)))?;
    }
    Ok(())
}

/// Brings the marker up to this version.
pub(crate) fn upgrade(context: &Context) -> Result<(), CommandError> {
    let (root, before) = context.repo()?;
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    MarkerFile::new(root, context.owners()).update(|marker| {
        let mut edits = vec![
            Edit::Set("swampVersion", Scalar::Text(VERSION.to_owned())),
            Edit::Set("upgradedAt", Scalar::Text(now)),
        ];
        if marker.repo_id.is_none() {
            let repo_id = RepoId::generate().to_string();
            edits.push(Edit::Set("repoId", Scalar::Text(repo_id)));
        }
        edits
    })?;
    let from = before.swamp_version.as_deref();
    if context.ui.wants_json() {
        context.ui.json(&Upgraded { from, to: VERSION })?;
    } else {
        let answer = match from {
            Some(VERSION) => format!("the repository is already at {VERSION}"),
            from => {
                let from = ForeignText::from(from.unwrap_or("an unknown version"));
                format!("upgraded the repository from {from} to {VERSION}")
            }
        };
        context.ui.answer(&answer)?;
    }
    Ok(())
}
