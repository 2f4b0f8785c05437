//! The rules of the contract that scenarios are about, in its own words.

use crate::sender::CONTRACT_VERSIONS;

/// A rule, in the words of each version of the contract that has it. 0.3.0 has those of 0.2.0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    v0_1: Option<&'static str>,
    v0_2: &'static str,
}

impl Rule {
    /// One in the same words in every version.
    const fn same(words: &'static str) -> Self {
        Self::reworded(words, words)
    }

    const fn reworded(v0_1: &'static str, v0_2: &'static str) -> Self {
        let v0_1 = Some(v0_1);
        Self { v0_1, v0_2 }
    }

    const fn since_0_2(words: &'static str) -> Self {
        let (v0_1, v0_2) = (None, words);
        Self { v0_1, v0_2 }
    }

    /// Its words in this version of the contract. `None` where that does not have it.
    pub(super) fn of(self, version: &str) -> Option<&'static str> {
        match version {
            "0.1.0" => self.v0_1,
            _ => Some(self.v0_2),
        }
    }

    /// Its words in the newest version.
    pub(super) const fn newest(self) -> &'static str {
        self.v0_2
    }

    /// The versions that have it, oldest first.
    pub(super) fn versions(self) -> Vec<&'static str> {
        let has_it = |version: &&str| self.of(version).is_some();
        CONTRACT_VERSIONS.into_iter().filter(has_it).collect()
    }
}

pub(super) const OK: Rule = Rule::reworded(
    "`ok` says that the endpoint has taken responsibility for the whole batch",
    "The endpoint has taken responsibility for it.",
);
pub(super) const NO_ENTRIES: Rule = Rule::reworded(
    "With no entries, answer `ok` without a request.",
    "With no entries, answer with no outcomes and without a request.",
);
pub(super) const OPTIONAL: Rule = Rule::reworded(
    "every field but `id` and `data` is an option",
    "each field is `none` where the entry lacks it",
);
pub(super) const DATA: Rule = Rule::same("Pass it on verbatim.");
pub(super) const LATER: Rule =
    Rule::same("with all of its fields, those included that the host does not know");
pub(super) const BATCH: Rule = Rule::same("`entries` holds 1 to 25 entries, oldest first");
pub(super) const OPTIONS: Rule = Rule::reworded(
    "literals that only this sender gives a meaning",
    "`telemetrySenderOptions` of `.swamp.yaml`, in the order of that file.",
);
pub(super) const USER_AGENT: Rule =
    Rule::same("The value for the `user-agent` header: `swamp/` and the host's version.");
pub(super) const ENDPOINT: Rule = Rule::same("It may carry a path and may end in a slash.");
pub(super) const STATUS: Rule =
    Rule::same("a 2xx that is not the success of this endpoint is a rejection too.");
pub(super) const REFUSED: Rule = Rule::same("Answer with the status as it came");
pub(super) const BODY: Rule = Rule::same(
    "The first bytes of the answer's body as text, for the person who looks for the reason.",
);
pub(super) const THROTTLED: Rule = Rule::same(
    "The endpoint asked to be left alone (429, 503), for so many seconds if it said so.",
);
pub(super) const UNREACHABLE: Rule = Rule::same(
    "No answer: the network, the name, the connection or the deadline; one sentence says which.",
);
pub(super) const AGAIN: Rule = Rule::same("its entries come again later, with the same ids");
pub(super) const IMPORTS: Rule = Rule::reworded(
    "What a sender may import is the host's policy and no part of this package",
    "What a sender may import besides `batch` is the host's policy and no part of this package",
);
pub(super) const OUTCOMES: Rule =
    Rule::since_0_2("`ok` has an outcome for each entry, in their order.");
pub(super) const SOME: Rule = Rule::since_0_2(
    "The answer has an outcome for each entry, so that what was taken is not sent again.",
);
pub(super) const WANTED_LATER: Rule = Rule::since_0_2("The endpoint wants it later.");
pub(super) const DESCRIBE: Rule =
    Rule::since_0_2("Answers within 100 milliseconds, always the same, without a request.");
pub(super) const TAKEN_OPTIONS: Rule = Rule::since_0_2("All options that it takes.");
pub(super) const REQUIRED: Rule = Rule::since_0_2("Whether the sender does not work without it.");
pub(super) const ALLOWED: Rule = Rule::since_0_2("The values that it may have.");
pub(super) const CONFIGURATION: Rule =
    Rule::since_0_2("Whether batches could be sent to this destination with these options.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_stands_in_the_contracts_that_have_it() {
        let contracts = [
            ("0.1.0", include_str!("../../wit/0.1.0/sender.wit")),
            ("0.2.0", include_str!("../../wit/0.2.0/sender.wit")),
            ("0.3.0", include_str!("../../wit/0.3.0/sender.wit")),
        ];
        for (version, contract) in contracts {
            let words: Vec<_> = contract
                .split_whitespace()
                .filter(|word| *word != "///")
                .collect();
            let contract = words.join(" ");
            for rule in [
                OK,
                NO_ENTRIES,
                OPTIONAL,
                DATA,
                LATER,
                BATCH,
                OPTIONS,
                USER_AGENT,
                ENDPOINT,
                STATUS,
                REFUSED,
                BODY,
                THROTTLED,
                UNREACHABLE,
                AGAIN,
                IMPORTS,
                OUTCOMES,
                SOME,
                WANTED_LATER,
                DESCRIBE,
                TAKEN_OPTIONS,
                REQUIRED,
                ALLOWED,
                CONFIGURATION,
            ] {
                let stands = rule
                    .of(version)
                    .is_none_or(|words| contract.contains(words));
                assert!(stands, "{version}: {rule:?}");
            }
        }
    }
}
