//! The contracts that a project can be for, and what of the templates is for which.
//!
//! Templates differ between projects by lines and by words. A line `@0.2 text` is the line `text` in projects for contract
//! 0.2 and later ones, `@0.3 text` in those for 0.3, and `@sync text` in those for contracts without async functions.
//! `@0.2+otlp text` is in those projects of `@0.2` that are of the template `otlp`. Other projects do not have it. A word
//! such as `{{Entry}}` stands for what the contract calls it.

use super::{ScaffoldContract, ScaffoldTemplate, SenderName};

impl ScaffoldContract {
    /// The version of the contract.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1.0",
            Self::V0_2 => "0.2.0",
            Self::V0_3 => "0.3.0",
        }
    }

    /// The contract, as every project for it carries it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::V0_1 => include_str!("../../wit/0.1.0/sender.wit"),
            Self::V0_2 => include_str!("../../wit/0.2.0/sender.wit"),
            Self::V0_3 => include_str!("../../wit/0.3.0/sender.wit"),
        }
    }

    /// What stands before lines that are not for every contract, but for this one.
    const fn tags(self) -> [&'static str; 2] {
        match self {
            Self::V0_1 => ["0.1", "sync"],
            Self::V0_2 => ["0.2", "sync"],
            Self::V0_3 => ["0.2", "0.3"],
        }
    }

    /// What it calls things, in the spellings of the languages.
    const fn words(self) -> [(&'static str, &'static str); 6] {
        match self {
            Self::V0_1 => [
                ("{{version}}", self.version()),
                ("{{Entry}}", "TelemetryEntry"),
                ("{{fields}}", "entry"),
                ("{{Failure}}", "SendError"),
                ("{{failure}}", "send_error"),
                ("{{types}}", "sender"),
            ],
            Self::V0_2 | Self::V0_3 => [
                ("{{version}}", self.version()),
                ("{{Entry}}", "Entry"),
                ("{{fields}}", "fields"),
                ("{{Failure}}", "Failure"),
                ("{{failure}}", "failure"),
                ("{{types}}", "types"),
            ],
        }
    }
}

/// The tags of all contracts and templates.
const TAGS: [&str; 6] = [
    "0.1",
    "0.2",
    "0.3",
    "sync",
    ScaffoldTemplate::Ingest.tag(),
    ScaffoldTemplate::Otlp.tag(),
];

impl ScaffoldTemplate {
    const fn tag(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Otlp => "otlp",
        }
    }
}

/// The text of a file, as the project `name` for this contract and template has it.
pub(super) fn filled(
    text: &str,
    contract: ScaffoldContract,
    template: ScaffoldTemplate,
    name: &SenderName,
) -> String {
    let [one, other] = contract.tags();
    let tags = [one, other, template.tag()];
    let lines = text
        .split_inclusive('\n')
        .filter_map(|line| match condition(line) {
            None => Some(line),
            Some((condition, line)) => {
                let is_met = condition.split('+').all(|tag| tags.contains(&tag));
                is_met.then_some(line)
            }
        });
    let mut filled = lines.collect::<String>().replace("{{name}}", name.as_str());
    for (word, meaning) in contract.words() {
        filled = filled.replace(word, meaning);
    }
    filled
}

/// What must be true for a line to be there, and the line.
fn condition(line: &str) -> Option<(&str, &str)> {
    let (condition, line) = line.strip_prefix('@')?.split_once(' ')?;
    let is_one = condition.split('+').all(|tag| TAGS.contains(&tag));
    is_one.then_some((condition, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaffold::ScaffoldLang;

    #[test]
    fn a_line_with_tags_is_in_the_projects_that_have_them_all() {
        let text = "@0.1 one\n@0.2 two\n@0.2+otlp two by otlp\n@sync waits\n@0.3 three\n@since(version = 0.2.0)\n@0.2 \n{{name}} {{Entry}}\n";
        let name = SenderName::parse("ours", ScaffoldLang::Rust).unwrap();
        let filled = |contract, template| filled(text, contract, template, &name);
        assert_eq!(
            filled(ScaffoldContract::V0_1, ScaffoldTemplate::Otlp),
            "one\nwaits\n@since(version = 0.2.0)\nours TelemetryEntry\n"
        );
        assert_eq!(
            filled(ScaffoldContract::V0_2, ScaffoldTemplate::Ingest),
            "two\nwaits\n@since(version = 0.2.0)\n\nours Entry\n"
        );
        assert_eq!(
            filled(ScaffoldContract::V0_2, ScaffoldTemplate::Otlp),
            "two\ntwo by otlp\nwaits\n@since(version = 0.2.0)\n\nours Entry\n"
        );
        assert_eq!(
            filled(ScaffoldContract::V0_3, ScaffoldTemplate::Otlp),
            "two\ntwo by otlp\nthree\n@since(version = 0.2.0)\n\nours Entry\n"
        );
    }
}
