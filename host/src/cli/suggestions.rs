//! What was meant by a misspelled command.
//!
//! clap compares words by what they begin with, and knows neither that two letters change places (`gte`) nor the
//! short forms. What it finds is kept where nothing is near.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::shorthand::{takes_value, with_short_forms};

/// The same error, with the commands that are nearest where one is misspelled.
pub(crate) fn for_command(error: clap::Error, root: &Command, argv: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let mut root = with_short_forms(root.clone());
    root.build();
    let mut error = root
        .try_get_matches_from_mut(argv)
        .err()
        .filter(|error| error.kind() == ErrorKind::InvalidSubcommand)
        .unwrap_or(error);
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let near = nearest(word, within(&root, argv, word));
    if !near.is_empty() {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(near),
        );
    }
    error
}

/// The words that clap or [`for_command`] suggests, or else those that can stand there, if there are any.
pub(crate) fn of(error: &clap::Error) -> Option<String> {
    let kinds = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ];
    let words = kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(word) => Some(vec![word.as_str()]),
        ContextValue::Strings(words) => Some(words.iter().map(String::as_str).collect()),
        _ => None,
    });
    let words = words.filter(|words: &Vec<_>| !words.is_empty());
    let near = words.map(|words| format!("did you mean {}?", words.join(" or ")));
    near.or_else(|| match error.get(ContextKind::ValidValue)? {
        ContextValue::Strings(values) if !values.is_empty() => {
            Some(format!("use one of {}", values.join(", ")))
        }
        _ => None,
    })
}

/// The command whose commands `word` is none of.
fn within<'a>(root: &'a Command, argv: &[OsString], word: &str) -> &'a Command {
    let mut command = root;
    let mut words = argv.iter().skip(1).filter_map(|arg| arg.to_str());
    while let Some(arg) = words.next() {
        if arg == word {
            break;
        }
        if takes_value(root, arg) {
            words.next();
        }
        command = command.find_subcommand(arg).unwrap_or(command);
    }
    command
}

fn nearest(word: &str, within: &Command) -> Vec<String> {
    // One slip, and another in each four letters.
    let most = 1 + word.chars().count() / 4;
    let names = within
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set());
    let mut near: Vec<_> = names
        .map(|inner| {
            (
                strsim::damerau_levenshtein(word, inner.get_name()),
                inner.get_name(),
            )
        })
        .filter(|(distance, _)| *distance <= most)
        .collect();
    let least = near.iter().map(|(distance, _)| *distance).min();
    near.retain(|(distance, _)| Some(*distance) == least);
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::args::Cli;
    use super::*;

    #[test]
    fn a_misspelled_command_is_told_its_nearest_ones_and_a_strange_one_none() {
        let suggested = |line: &str| {
            let argv: Vec<_> = line.split(' ').map(OsString::from).collect();
            let root = Cli::command();
            let error = root.clone().try_get_matches_from(&argv).unwrap_err();
            let error = for_command(error, &root, &argv);
            format!("{line}: {}", of(&error).unwrap_or_default())
        };
        let told: Vec<_> = [
            "swamp statsu",
            "swamp stauts",
            "swamp lsit",
            "swamp flsuh",
            "swamp docter",
            "swamp exce",
            "swamp tlemetry",
            "swamp untrsut",
            "swamp manpage",
            "swamp -C status stast",
            "swamp telemetry statsu",
            "swamp telemetry stauts",
            "swamp telemetry recieve",
            "swamp telemetry isntall-id",
            "swamp telemetry enabel",
            "swamp config gte",
            "swamp config ste",
            "swamp config usnet",
            "swamp sender tset",
            "swamp sender ues",
            "swamp repo inti",
            "swamp foo",
            "swamp config foo",
        ]
        .map(suggested)
        .into();
        insta::assert_snapshot!(told.join("\n"));
    }
}
