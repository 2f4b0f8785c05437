//! `config …`.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

/// All settings, in the order in which they are listed.
pub(crate) const SETTINGS: [&str; 18] = [
    "swampVersion",
    "initializedAt",
    "upgradedAt",
    "repoId",
    "telemetryEndpoint",
    "telemetryDisabled",
    "telemetryKeepFlushed",
    "telemetryRetentionDays",
    "telemetrySender",
    "telemetrySenderDigest",
    "telemetrySenderOptions",
    "telemetrySenderLimits.memoryMiB",
    "telemetrySenderLimits.deadlineMs",
    "telemetryTools",
    "logLevel",
    "allowSenders",
    "headers",
    "configFile",
];

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum ConfigCommand {
    /// Print all settings, their values and where each is set
    List,
    /// Print one setting
    Get {
        /// Setting
        #[arg(value_parser = PossibleValuesParser::new(SETTINGS), hide_possible_values = true)]
        key: String,
    },
    /// Change one setting and leave every other byte of the file as it is
    Set {
        /// Setting
        #[arg(value_parser = PossibleValuesParser::new(SETTINGS), hide_possible_values = true)]
        key: String,
        /// New value
        value: String,
        /// Change the user's config.yaml instead of .swamp.yaml
        #[arg(long)]
        user: bool,
    },
    /// Remove one setting, so that the default applies
    Unset {
        /// Setting
        #[arg(value_parser = PossibleValuesParser::new(SETTINGS), hide_possible_values = true)]
        key: String,
        /// Change the user's config.yaml instead of .swamp.yaml
        #[arg(long)]
        user: bool,
        /// Show what would be removed and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}
