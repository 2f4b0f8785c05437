//! What contract 0.2 adds to be put through.

use super::entries::TestBatch;
use super::rules::{self, Rule};
use super::scenario::{Conduct, Description, Expected, ONE, Options, Scenario, Work, scenario};

/// A refusal that is not about the time.
const REFUSED: u16 = 400;

/// A refusal that is.
const LATER: u16 = 503;

/// For an endpoint whose success is `accept`.
pub(super) fn since_0_2(accept: u16) -> Vec<Scenario> {
    let accepted = Conduct::Status(accept, None);
    let batches = |name, batches, conduct, rule| Scenario {
        work: Work::Batches(batches),
        ..scenario(name, ONE, conduct, Expected::Delivered, rule)
    };
    let of_work = |name, work, rule: Rule| Scenario {
        work,
        ..scenario(name, ONE, accepted.clone(), Expected::Delivered, rule)
    };
    let sorted = |name, refusal, rule| {
        let statuses = [accept, refusal];
        let batch = (TestBatch::Ordinary(4), Expected::Sorted(statuses));
        batches(name, vec![batch], Conduct::InTurn(statuses), rule)
    };
    let sizes = [1, 2, 25].map(|size| (TestBatch::Ordinary(size), Expected::Delivered));
    vec![
        batches(
            "outcome-for-each-entry",
            sizes.to_vec(),
            accepted.clone(),
            rules::OUTCOMES,
        ),
        sorted("some-taken-some-refused", REFUSED, rules::SOME),
        sorted("some-taken-some-later", LATER, rules::WANTED_LATER),
        of_work(
            "description-without-a-request",
            Work::Describe(Description::Comes),
            rules::DESCRIBE,
        ),
        of_work(
            "description-stays-the-same",
            Work::Describe(Description::Stays),
            rules::DESCRIBE,
        ),
        of_work(
            "description-of-options",
            Work::Describe(Description::Options),
            rules::TAKEN_OPTIONS,
        ),
        of_work(
            "option-missing",
            Work::Options(Options::Missing),
            rules::REQUIRED,
        ),
        of_work(
            "option-not-allowed",
            Work::Options(Options::NotAllowed),
            rules::ALLOWED,
        ),
        of_work(
            "option-allowed",
            Work::Options(Options::Allowed),
            rules::ALLOWED,
        ),
        of_work("check-config", Work::CheckConfig, rules::CONFIGURATION),
    ]
}
