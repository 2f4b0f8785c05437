//! The rules of the contract that scenarios are about, in its own words.

pub(super) const OK: &str =
    "`ok` says that the endpoint has taken responsibility for the whole batch";
pub(super) const NO_ENTRIES: &str = "With no entries, answer `ok` without a request.";
pub(super) const OPTIONAL: &str = "every field but `id` and `data` is an option";
pub(super) const DATA: &str = "Pass it on verbatim.";
pub(super) const LATER: &str = "with all of its fields, those included that the host does not know";
pub(super) const BATCH: &str = "`entries` holds 1 to 25 entries, oldest first.";
pub(super) const OPTIONS: &str = "literals that only this sender gives a meaning";
pub(super) const USER_AGENT: &str =
    "The value for the `user-agent` header: `swamp/` and the host's version.";
pub(super) const ENDPOINT: &str = "It may carry a path and may end in a slash.";
pub(super) const STATUS: &str =
    "a 2xx that is not the success of this endpoint is a rejection too.";
pub(super) const REFUSED: &str = "Answer with the status as it came";
pub(super) const BODY: &str =
    "The first bytes of the answer's body as text, for the person who looks for the reason.";
pub(super) const THROTTLED: &str =
    "The endpoint asked to be left alone (429, 503), for so many seconds if it said so.";
pub(super) const UNREACHABLE: &str =
    "No answer: the network, the name, the connection or the deadline; one sentence says which.";
pub(super) const AGAIN: &str = "its entries come again later, with the same ids";
pub(super) const IMPORTS: &str =
    "What a sender may import is the host's policy and no part of this package";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_stands_in_the_contract() {
        let contract = include_str!("../../wit/0.1.0/sender.wit");
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
        ] {
            assert!(contract.contains(rule), "{rule}");
        }
    }
}
