//! What a sender says of itself, and which options it takes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a sender says of itself. All texts are cut short and escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in one sentence.
    pub description: String,
    /// The URL of its home page.
    pub homepage: Option<String>,
    /// Its license.
    pub license: Option<String>,
    /// All options that it takes.
    pub options: Vec<OptionDescription>,
}

/// An option that a sender takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionDescription {
    /// Its key.
    pub name: String,
    /// What it is for, in one sentence.
    pub meaning: String,
    /// Whether the sender needs it.
    pub required: bool,
    /// The default.
    pub default: Option<String>,
    /// The allowed values. Empty: any.
    pub allowed: Vec<String>,
}

/// What is wrong with the options that a sender is given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionProblem {
    /// The sender does not take it.
    #[error("the sender takes no option {name}{}", known(known_names))]
    Unknown {
        /// The option.
        name: String,
        /// Those that it takes.
        known_names: Vec<String>,
    },
    /// The sender takes it, but not with this value.
    #[error("the option {name} must be one of {}", allowed.join(", "))]
    NotAllowed {
        /// The option.
        name: String,
        /// The values that it may have.
        allowed: Vec<String>,
    },
    /// It is not set, and the sender does not work without it.
    #[error("the sender needs the option {name}: {meaning}")]
    Missing {
        /// The option.
        name: String,
        /// What it is for.
        meaning: String,
    },
}

fn known(names: &[String]) -> String {
    match names {
        [] => " (it takes none)".to_owned(),
        names => format!(" (it takes {})", names.join(", ")),
    }
}

impl Description {
    /// What is wrong with these options, if anything.
    #[must_use]
    pub fn problems(&self, options: &[(String, String)]) -> Vec<OptionProblem> {
        let find = |name: &str| self.options.iter().find(|option| option.name == name);
        let wrong = options.iter().filter_map(|(name, value)| match find(name) {
            None => Some(OptionProblem::Unknown {
                name: name.clone(),
                known_names: self
                    .options
                    .iter()
                    .map(|option| option.name.clone())
                    .collect(),
            }),
            Some(known) if !known.allowed.is_empty() && !known.allowed.contains(value) => {
                Some(OptionProblem::NotAllowed {
                    name: name.clone(),
                    allowed: known.allowed.clone(),
                })
            }
            Some(_) => None,
        });
        let is_set = |name: &String| options.iter().any(|(set, _)| set == name);
        let missing = self
            .options
            .iter()
            .filter(|option| option.required && !is_set(&option.name))
            .map(|option| OptionProblem::Missing {
                name: option.name.clone(),
                meaning: option.meaning.clone(),
            });
        wrong.chain(missing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, required: bool, allowed: &[&str]) -> OptionDescription {
        OptionDescription {
            name: name.into(),
            meaning: "what it is for".into(),
            required,
            default: None,
            allowed: allowed.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    #[test]
    fn options_are_held_to_what_the_sender_takes() {
        let description = Description {
            name: "ours".into(),
            version: "1".into(),
            description: "Posts".into(),
            homepage: None,
            license: None,
            options: vec![
                option("format", false, &["json", "text"]),
                option("team", true, &[]),
            ],
        };
        let told = |options: &[(&str, &str)]| {
            let options: Vec<_> = options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let problems = description.problems(&options);
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("; ")
        };
        assert_eq!(told(&[("team", "x"), ("format", "json")]), "");
        insta::assert_snapshot!(told(&[("team", ""), ("fromat", "json"), ("format", "xml")]), @"the sender takes no option fromat (it takes format, team); the option format must be one of json, text");
        insta::assert_snapshot!(told(&[]), @"the sender needs the option team: what it is for");
    }
}
