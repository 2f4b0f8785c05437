//! What is wrong with an entry, in the words of the options that it was described by.

use swamp::domain::{EntryFlaw, field};
use swamp::spool::NotTaken;

use super::Refused;

/// The options by the fields that they fill in and, where an option gives one of a list, what it must be.
const OPTIONS: &[(&str, &str, Option<&str>)] = &[
    (field::ID, "--id", None),
    (field::COMMAND, "--command", None),
    (field::SUBCOMMAND, "--subcommand", None),
    (field::ARGS, "--args", None),
    (field::OPTION_KEYS, "--option-key", Some(KEY)),
    (field::GLOBAL_OPTIONS, "--global-option", Some(KEY)),
    (field::ERROR_TYPE, "--error-type", None),
    (field::ERROR_MESSAGE, "--error-message", None),
    (field::EXIT_CODE, "--exit-code", None),
    (field::STARTED_AT, "--started-at", None),
    (field::DURATION_MS, "--duration-ms", None),
    (field::SWAMP_VERSION, "--tool-version", None),
];

const KEY: &str = "the key of an option without its value, such as --force or -f";

/// Why an entry is refused that options have described.
pub(super) fn in_words(why: &Refused) -> String {
    let option = |field: &str| OPTIONS.iter().find(|(of, ..)| *of == field);
    match why {
        Refused::Flaw(EntryFlaw::Missing(field::STATUS)) => {
            "pass --exit-code or --status".to_owned()
        }
        Refused::Flaw(EntryFlaw::Wrong { field, expected }) => match option(field) {
            Some((_, option, one)) => format!("{option} must be {}", one.unwrap_or(expected)),
            None => why.to_string(),
        },
        Refused::Flaw(EntryFlaw::Expired(days)) => format!(
            "--started-at or --duration-ms puts its start before the {days} days that unsent entries are kept \
             (telemetryUnsentRetentionDays in .swamp.yaml)"
        ),
        Refused::NotTaken(NotTaken::OtherContent(id)) => {
            format!("--id must be new: a different entry has {id}")
        }
        _ => why.to_string(),
    }
}
