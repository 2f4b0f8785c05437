//! `config …`: every setting with its value and who set it, and changing one.

mod listing;

use swamp::config::marker_file::{MARKER, MarkerFile};
use swamp::config::{Edit, Scalar, user_config_file};
use swamp::domain::Endpoint;

use self::listing::{Setting, settings};
use super::args::{ConfigCommand, LogLevel};
use super::context::{Context, env_var};
use super::error::{CommandError, ErrorKind};
use super::ui::{BOLD, DIM};

/// The settings that `set` and `unset` change in `.swamp.yaml`, and what they can be.
const OF_REPOSITORY: [(&str, ValueKind); 7] = [
    ("telemetryEndpoint", ValueKind::Endpoint),
    ("telemetryKeepFlushed", ValueKind::Switch),
    ("telemetryDisabled", ValueKind::Switch),
    ("telemetryRetentionDays", ValueKind::Days),
    ("telemetrySender", ValueKind::Text),
    ("telemetrySenderDigest", ValueKind::Text),
    ("logLevel", ValueKind::Level),
];

/// The same of the user's `config.yaml`.
const OF_USER: [(&str, ValueKind); 2] = [
    ("telemetryDisabled", ValueKind::Switch),
    ("allowSenders", ValueKind::Text),
];

/// What a setting can be.
#[derive(Clone, Copy)]
enum ValueKind {
    Text,
    Endpoint,
    Switch,
    Days,
    Level,
}

pub(crate) fn run(command: &ConfigCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ConfigCommand::List => list(context),
        ConfigCommand::Get { key } => get(key, context),
        ConfigCommand::Set { key, value, user } => {
            let (key, kind) = changeable(key, *user)?;
            change(*user, Edit::Set(key, kind.parse(key, value)?), context)?;
            get(key, &Context::new(context.globals.clone()))
        }
        ConfigCommand::Unset { key, user, dry_run } => {
            let (key, _) = changeable(key, *user)?;
            if *dry_run {
                if !context.ui.wants_json() {
                    let file = if *user { "your config.yaml" } else { MARKER };
                    context.ui.note(&format!("would remove from {file}:"));
                }
                return get(key, context);
            }
            change(*user, Edit::Remove(key), context)?;
            get(key, &Context::new(context.globals.clone()))
        }
    }
}

fn list(context: &Context) -> Result<(), CommandError> {
    let settings = settings(context)?;
    if context.ui.wants_json() {
        context.ui.json(&settings)?;
    } else {
        let lines: Vec<_> = settings.iter().map(in_words).collect();
        context.ui.answer(&lines.join("\n"))?;
    }
    Ok(())
}

fn in_words(setting: &Setting) -> String {
    let value = match &setting.value {
        Some(value) => value.to_string(),
        None => format!("{DIM}not set{DIM:#}"),
    };
    let Setting { key, source, .. } = setting;
    format!("{BOLD}{key:<34}{BOLD:#}{value} {DIM}({source}){DIM:#}")
}

fn get(key: &str, context: &Context) -> Result<(), CommandError> {
    let settings = settings(context)?;
    let setting = settings.iter().find(|setting| setting.key == key);
    let Some(setting) = setting else {
        let error = CommandError::msg(ErrorKind::Usage, format!("{key} is not a setting"));
        return Err(error.hint("run `swamp config list` to see all settings"));
    };
    if context.ui.wants_json() {
        context.ui.json(setting)?;
    } else {
        context.ui.answer(&in_words(setting))?;
    }
    Ok(())
}

/// The setting of this name that can be changed there.
fn changeable(key: &str, user: bool) -> Result<(&'static str, ValueKind), CommandError> {
    let of = |settings: &'static [(&'static str, ValueKind)]| {
        settings.iter().copied().find(|(known, _)| *known == key)
    };
    let (here, there, file) = if user {
        (of(&OF_USER), of(&OF_REPOSITORY), "your config.yaml")
    } else {
        (of(&OF_REPOSITORY), of(&OF_USER), MARKER)
    };
    here.ok_or_else(|| {
        let not_there = || format!("{key} is not a setting of {file}");
        let (why, hint) = match (there, user) {
            (Some(_), true) => (not_there(), "leave out --user"),
            (Some(_), false) => (not_there(), "add --user"),
            (None, _) => (
                format!("{key} cannot be changed by a command"),
                "edit the file",
            ),
        };
        CommandError::msg(ErrorKind::Usage, why).hint(hint)
    })
}

impl ValueKind {
    fn parse(self, key: &str, text: &str) -> Result<Scalar, CommandError> {
        let wrong = |wanted: &str| {
            CommandError::msg(
                ErrorKind::Usage,
                format!("invalid value {text:?} for {key}: expected {wanted}"),
            )
        };
        match self {
            Self::Text => Ok(Scalar::Text(text.to_owned())),
            Self::Endpoint => Ok(Scalar::Text(Endpoint::parse(text)?.to_string())),
            Self::Switch => text
                .parse()
                .map(Scalar::Bool)
                .map_err(|_| wrong("true or false")),
            Self::Days => text
                .parse::<u16>()
                .ok()
                .filter(|days| *days > 0)
                .map(|days| Scalar::Number(days.into()))
                .ok_or_else(|| wrong("a number of days from 1 to 65535")),
            Self::Level => LogLevel::named(text)
                .map(|_| Scalar::Text(text.to_ascii_lowercase()))
                .ok_or_else(|| wrong("trace, debug, info, warning, error or fatal")),
        }
    }
}

fn change(user: bool, edit: Edit, context: &Context) -> Result<(), CommandError> {
    if user {
        let path = user_config_file::config_path(env_var).ok_or_else(|| {
            let why = "could not find your config.yaml: no home directory";
            CommandError::msg(ErrorKind::Io, why).hint("set HOME or XDG_CONFIG_HOME")
        })?;
        return user_config_file::change(&path, &[edit]).map_err(CommandError::of_user_config);
    }
    let (root, _) = context.repo()?;
    MarkerFile::new(root, context.owners()).update(|_| vec![edit])?;
    Ok(())
}
