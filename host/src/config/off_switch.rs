//! What turns telemetry off, and in which order it is asked.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use thiserror::Error;

use super::Marker;
use super::trust_store::TrustStore;
use super::user_config_file::user_config;
use crate::domain::{Cause, Reason, variables};

/// The environment variables that turn telemetry off, highest first.
pub const OFF_VARIABLES: [&str; 2] = [variables::NO_TELEMETRY, variables::DO_NOT_TRACK];

/// By what telemetry is off.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OffSwitch {
    /// The option of this invocation.
    #[error("--no-telemetry")]
    Option,
    /// An environment variable.
    #[error("{0} is set")]
    Variable(&'static str),
    /// The user's configuration.
    #[error("telemetryDisabled is true in your config.yaml")]
    User,
    /// The user's configuration cannot be read: it might say so.
    #[error("{0}")]
    UnreadableUser(Reason),
    /// What this user has allowed cannot be believed.
    #[error("{0}")]
    UnreadableTrust(Reason),
    /// The repository's marker.
    #[error("telemetryDisabled is true in .swamp.yaml")]
    Marker,
}

impl OffSwitch {
    /// The switches of this invocation: the option and the environment.
    pub fn of_invocation(option: bool, env: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        if option {
            return Some(Self::Option);
        }
        let is_set = |name: &&str| env(name).is_some_and(|value| means_off(&value));
        OFF_VARIABLES.into_iter().find(is_set).map(Self::Variable)
    }

    /// One stable word, for machines.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Option => "option",
            Self::Variable(_) => "environment",
            Self::User | Self::UnreadableUser(_) | Self::UnreadableTrust(_) => "user",
            Self::Marker => "marker",
        }
    }

    /// The cause, where it is one that a person can remove.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::UnreadableUser(why) | Self::UnreadableTrust(why) => why.cause(),
            Self::Option | Self::Variable(_) | Self::User | Self::Marker => None,
        }
    }
}

fn means_off(value: &OsStr) -> bool {
    !["", "0", "false"]
        .iter()
        .any(|on| value.eq_ignore_ascii_case(on))
}

/// By what telemetry is off for the repository at `root` with this marker, if it is.
pub fn off_switch(
    root: &Path,
    marker: &Marker,
    option: bool,
    env: impl Fn(&str) -> Option<OsString> + Copy,
) -> Option<OffSwitch> {
    OffSwitch::of_invocation(option, env).or_else(|| match user_config(env) {
        Err(why) => Some(OffSwitch::UnreadableUser(why.reason())),
        Ok(config) if config.telemetry_disabled => Some(OffSwitch::User),
        Ok(_) if marker.telemetry_disabled => Some(OffSwitch::Marker),
        Ok(_) => {
            let verified = TrustStore::of(root, env).verify();
            verified
                .err()
                .map(|why| OffSwitch::UnreadableTrust(why.reason()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_variables_and_their_order_is_fixed() {
        let both = |_: &str| Some("1".into());
        let only = |name: &'static str| move |asked: &str| (asked == name).then(|| "1".into());
        assert_eq!(
            OffSwitch::of_invocation(true, both),
            Some(OffSwitch::Option)
        );
        assert_eq!(
            OffSwitch::of_invocation(false, both),
            Some(OffSwitch::Variable("SWAMP_NO_TELEMETRY"))
        );
        assert_eq!(
            OffSwitch::of_invocation(false, only("DO_NOT_TRACK")),
            Some(OffSwitch::Variable("DO_NOT_TRACK"))
        );
        assert_eq!(OffSwitch::of_invocation(false, |_| None), None);
    }

    #[test]
    fn empty_0_and_false_do_not_turn_it_off_and_all_else_does() {
        for (value, off) in [
            ("", false),
            ("0", false),
            ("false", false),
            ("FALSE", false),
            ("1", true),
            ("no", true),
        ] {
            assert_eq!(means_off(OsStr::new(value)), off, "{value}");
        }
    }
}
