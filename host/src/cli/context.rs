//! Where a command runs: its options, its environment, its repository, its user.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use swamp::config::advice::{self, Advice, Oddity};
use swamp::config::known::Known;
use swamp::config::marker_file::{MARKER, MarkerFile};
use swamp::config::ownership::{Foreign, Owners};
use swamp::config::user_config_file;
use swamp::config::{ConfigFileError, Marker, OffSwitch, UserConfig};
use swamp::domain::{DEFAULT_ENDPOINT, Endpoint, EndpointError, RepoId, shown};
use swamp::egress::{Environment, HostHeader, Network};
use swamp::flush::FlushSetup;
use swamp::process::worker::Program;
pub(crate) use swamp::recorder::repo::Repo;
use swamp::recorder::repo::{locate, named_directory};
use swamp::sender::{Cache, Compiler};
use tracing::level_filters::LevelFilter;

use super::args::{Globals, LogLevel};
use super::error::{CommandError, ErrorKind};
use super::hint;
use super::logging;
use super::ui::{Color, Ui};

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The environment variable that overrides the marker's endpoint.
pub(crate) use swamp::domain::variables::ENDPOINT as ENDPOINT_VARIABLE;

pub(crate) struct Context {
    pub(crate) globals: Globals,
    pub(crate) ui: Ui,
    /// The repository that the command runs in.
    pub(crate) repo: Option<Repo>,
}

/// Where an endpoint was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointSource {
    Environment,
    Marker,
    Default,
}

pub(crate) fn env_var(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn env_text(name: &str) -> Option<String> {
    env_var(name)?.into_string().ok()
}

fn root(globals: &Globals) -> Option<PathBuf> {
    locate(globals.repo_dir.as_deref(), env_var)
}

impl Context {
    /// The context of a command with these options, in the directory that they name or the current one.
    pub(crate) fn new(mut globals: Globals) -> Self {
        if globals.repo_dir.is_none() {
            globals.repo_dir = named_directory(env_var);
        }
        let option = if globals.no_color {
            Some(Color::Never)
        } else {
            globals.color
        };
        let ui = Ui::new(globals.json, globals.quiet, Color::of(option, env_var));
        let repo = root(&globals).and_then(|root| Repo::at(root, env_var));
        Self { globals, ui, repo }
    }

    /// Looks at the repository again: what ran meanwhile may have made it, or changed its marker.
    pub(crate) fn refresh(&mut self) {
        let root = root(&self.globals);
        let stands = self
            .repo
            .as_ref()
            .is_some_and(|repo| root.as_ref() == Some(&repo.root) && repo.is_current());
        if !stands {
            self.repo = root.and_then(|root| Repo::at(root, env_var));
        }
    }

    /// The level to log at: the option's, the environment's, the marker's.
    pub(crate) fn log_level(&self) -> LevelFilter {
        let named = |name: &str| LogLevel::from_str(name, true).ok();
        let of_options = || match (self.globals.quiet, self.globals.verbose) {
            (true, _) => Some(LogLevel::Error),
            (_, true) => Some(LogLevel::Info),
            _ => None,
        };
        let of_environment = || named(&env_text(logging::VARIABLE)?);
        let of_marker = || {
            let repo = self.repo.as_ref()?;
            let marker = repo.marker.as_ref().ok()?;
            named(followed(&repo.root, marker).log_level.as_deref()?)
        };
        self.globals
            .log_level
            .or_else(of_options)
            .or_else(of_environment)
            .or_else(of_marker)
            .map_or(LevelFilter::WARN, LogLevel::filter)
    }

    /// The repository, with a marker that can be read.
    pub(crate) fn repo(&self) -> Result<(&Path, &Marker), CommandError> {
        let repo = self.repo.as_ref().ok_or_else(|| {
            let place = self.globals.repo_dir.as_ref().map_or_else(
                || "no .swamp.yaml in this directory or above".to_owned(),
                |dir| format!("no .swamp.yaml in {}", shown(dir)),
            );
            CommandError::msg(ErrorKind::NotARepository, place)
                .hint("run `swamp init` to set up telemetry in this directory")
        })?;
        match &repo.marker {
            Ok(marker) => Ok((&repo.root, marker)),
            Err(error) => Err(CommandError::of_marker(error)),
        }
    }

    /// What is odd in the marker and the user's file: keys that are misspelled, values that are not used as they are.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let told = |file: &Path, advice: fn(&str) -> Vec<Advice>| {
            let text = swamp::config::read_text(file).unwrap_or_default();
            let advice = advice(&text).into_iter();
            advice
                .filter(|advice| advice.oddity != Oddity::Unknown)
                .map(|advice| format!("{}, {advice}", shown(file)))
                .collect::<Vec<_>>()
        };
        let marker = self.repo.as_ref().map(|repo| repo.root.join(MARKER));
        let user = user_config_file::config_path(env_var);
        let of_marker = marker.map(|file| told(&file, advice::of_marker));
        let of_user = user.map(|file| told(&file, advice::of_user_config));
        [of_marker, of_user]
            .into_iter()
            .flatten()
            .flatten()
            .collect()
    }

    /// Where this user's compiled senders are.
    pub(crate) fn cache(&self) -> Cache {
        cache(self.repo.as_ref().map(|repo| repo.root.as_path()))
    }

    /// What of the repository is another user's, where it is not used for that.
    pub(crate) fn foreign(&self) -> Option<&Foreign> {
        match self.repo.as_ref()?.marker.as_ref() {
            Err(ConfigFileError::Foreign(foreign)) => Some(foreign),
            _ => None,
        }
    }

    /// Whose files are used in the repository.
    pub(crate) fn owners(&self) -> Owners {
        self.repo.as_ref().map_or(Owners::Own, |repo| repo.owners)
    }

    /// By what telemetry is off for a repository with this marker, if it is.
    pub(crate) fn off_switch(&self, marker: &Marker) -> Option<OffSwitch> {
        let root = self.repo.as_ref().map(|repo| repo.root.as_path());
        let root = root.unwrap_or_else(|| Path::new("."));
        swamp::config::off_switch(root, marker, self.globals.turns_telemetry_off(), env_var)
    }
}

/// The user's own configuration.
pub(crate) fn user_config() -> Result<UserConfig, CommandError> {
    user_config_file::user_config(env_var).map_err(CommandError::of_user_config)
}

/// Where telemetry of a repository with this marker goes, and who says so.
pub(crate) fn endpoint(marker: &Marker) -> (Result<Endpoint, EndpointError>, EndpointSource) {
    let of_environment = env_text(ENDPOINT_VARIABLE).filter(|value| !value.is_empty());
    let (text, source) = match (&of_environment, &marker.telemetry_endpoint) {
        (Some(text), _) => (text.as_str(), EndpointSource::Environment),
        (None, Some(text)) => (text.as_str(), EndpointSource::Marker),
        (None, None) => (DEFAULT_ENDPOINT, EndpointSource::Default),
    };
    (Endpoint::parse(text), source)
}

/// The question whether this user knows the repository at `root`. `None` where its endpoint is none.
pub(crate) fn known(root: &Path, marker: &Marker) -> Option<Known> {
    let (endpoint, source) = endpoint(marker);
    let named = source == EndpointSource::Environment;
    let origin = endpoint.ok()?.origin();
    Some(Known::new(
        root,
        marker,
        marker.repo_id.clone(),
        origin,
        named,
        env_var,
    ))
}

/// The marker as it is followed: restrained where this user does not know the repository at `root`.
pub(crate) fn followed(root: &Path, marker: &Marker) -> Marker {
    marker.as_far_as_known(|| known(root, marker).is_some_and(|known| known.is_known()))
}

/// The same as [`flush_setup`], giving the repository an id where it has none yet.
pub(crate) fn flush_setup_with_id(
    context: &Context,
    root: &Path,
    marker: &Marker,
) -> Result<FlushSetup, CommandError> {
    let repo_id = match &marker.repo_id {
        Some(repo_id) => repo_id.clone(),
        None => MarkerFile::new(root, context.owners()).ensure_repo_id()?,
    };
    flush_setup(context, root, marker, repo_id)
}

/// Everything that a flush of the repository at `root` needs.
pub(crate) fn flush_setup(
    context: &Context,
    root: &Path,
    marker: &Marker,
    repo_id: RepoId,
) -> Result<FlushSetup, CommandError> {
    let (endpoint, source) = endpoint(marker);
    let endpoint = match (endpoint, source) {
        (Ok(endpoint), _) => endpoint,
        (Err(error), source) => {
            let key = match source {
                EndpointSource::Environment => ENDPOINT_VARIABLE,
                EndpointSource::Marker | EndpointSource::Default => {
                    "telemetryEndpoint in .swamp.yaml"
                }
            };
            return Err(CommandError::msg(
                ErrorKind::Endpoint,
                format!("could not use {key}: {error}"),
            )
            .hint(hint::of_endpoint(&error)));
        }
    };
    let config = user_config()?;
    let named = source == EndpointSource::Environment;
    let known = Known::new(
        root,
        marker,
        Some(repo_id.clone()),
        endpoint.origin(),
        named,
        env_var,
    );
    Ok(FlushSetup {
        root: root.to_owned(),
        marker: marker.as_far_as_known(|| known.is_known()),
        owners: context.owners(),
        known,
        repo_id,
        headers: host_headers(&config, &endpoint),
        allow_senders: config.allow_senders,
        endpoint,
        network: Network::live(Environment::read(env_var)),
        cache: cache(Some(root)),
        compiler: Compiler::new(Program::current()?),
        version: VERSION.to_owned(),
    })
}

/// Where this user's compiled senders are. `root` is the repository in use.
fn cache(root: Option<&Path>) -> Cache {
    Cache::of_user(root, env_var)
}

fn host_headers(config: &UserConfig, endpoint: &Endpoint) -> Result<Vec<HostHeader>, String> {
    let mut headers = Vec::new();
    for url in config.headers_for(&endpoint.origin()) {
        if url.go_plain() && !url.allow_plain {
            continue;
        }
        for (name, template) in &url.headers {
            let scope = &url.scope;
            let value = template.resolve(env_text).map_err(|missing| {
                format!("the header {name} for {scope} in your config.yaml: {missing}")
            })?;
            let header = HostHeader::new(scope.clone(), name.clone(), value, template.to_string());
            headers.push(header.map_err(|error| error.to_string())?);
        }
    }
    Ok(headers)
}

/// What is to be said of this user's headers for `endpoint`, if they would go out where others can read them.
pub(crate) fn plain_headers(endpoint: &Endpoint) -> Option<String> {
    let config = user_config().ok()?;
    let origin = endpoint.origin();
    let plain: Vec<_> = config
        .headers_for(&origin)
        .filter(|url| url.go_plain())
        .collect();
    let first = plain.iter().find(|url| url.allow_plain).or(plain.first())?;
    let scope = &first.scope;
    Some(if first.allow_plain {
        format!(
            "those for {scope} are sent unencrypted, as allowPlain in your config.yaml says; use https where you can"
        )
    } else {
        format!(
            "those for {scope} are not sent, since everybody on the way could read them; use https, or write `allowPlain: true` beside them in your config.yaml"
        )
    })
}
