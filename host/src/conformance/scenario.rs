//! What a sender is put through, and what is expected of it.

use super::entries::TestBatch;
use super::faulty::Fault;
use super::rules::{self, Rule};
use crate::receiver::Format;

/// One scenario.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) work: Work,
    pub(super) conduct: Conduct,
    pub(super) place: Place,
    /// Whether the sender gets an option that it cannot know.
    pub(super) unknown_option: bool,
    /// The format that it is about, where it is about one only.
    pub(super) format: Option<Format>,
    pub(super) rule: Rule,
}

/// What is done with the sender.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// One instance is given these, one after the other.
    Batches(Vec<(TestBatch, Expected)>),
    /// It is asked what it is, in one of the ways.
    Describe(Description),
    /// It gets options that it does not work with, or those that it does.
    Options(Options),
    /// It is asked whether its destination and options are of use.
    CheckConfig,
}

/// What of a description is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Description {
    /// That it comes in time, without a request.
    Comes,
    /// That it is the same whoever asks, and when.
    Stays,
    /// That its options can be set as it says.
    Options,
}

/// The options that a sender gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Options {
    /// Without one that it requires.
    Missing,
    /// With a value that it does not allow.
    NotAllowed,
    /// With each value that it allows.
    Allowed,
}

/// What the endpoint does.
#[derive(Clone, Debug)]
pub(super) enum Conduct {
    /// It answers with this status, and this `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// It answers with this status, but refuses every second request with 503.
    EverySecondFails(u16),
    /// It answers requests in turn with the first of these statuses, and with the second.
    InTurn([u16; 2]),
    /// It does something else.
    Fault(Fault),
    /// Nobody listens.
    Refused,
}

/// What the sender is to do and say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Every entry arrives once, and the sender says `ok`.
    Delivered,
    /// As [`Delivered`](Self::Delivered), with the destination's user agent.
    DeliveredAs,
    /// There is no request, and the sender says `ok`.
    NothingSent,
    /// The sender says `rejected` with this status.
    Rejected(u16),
    /// The sender says `rejected`, with whatever status, or that none of the entries was taken.
    RejectedSomehow,
    /// The sender says of each entry what [`Conduct::InTurn`] answered to the request that it was in.
    Sorted([u16; 2]),
    /// The sender says `rejected` with this status, after one request.
    RejectedAtOnce(u16),
    /// The sender says `rejected` with this status and the first bytes of the answer's body.
    RejectedWithReason(u16),
    /// The sender says `rejected` with this status, or `unreachable`.
    RejectedOrUnreachable(u16),
    /// The sender says `throttled` with this.
    Throttled(Option<u64>),
    /// The sender says `unreachable`.
    Unreachable,
    /// There is a request, and the sender says `unreachable`, or waits until the host ends it.
    Unanswered,
}

/// How the endpoint is spelled. The path of the kit's options comes first in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Address,
    Name,
    Ipv6,
    Path,
    TrailingSlash,
}

impl Place {
    /// What follows the kit's own path.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Address | Self::Name | Self::Ipv6 => "",
            Self::Path => "/a/path",
            Self::TrailingSlash => "/a/path/",
        }
    }
}

/// The status by which collectors of OTLP take a batch, as its specification has it; in fact they answer with others too.
const COLLECTORS_SUCCESS: u16 = 200;

/// The batch of scenarios that are about something else.
pub(super) const ONE: TestBatch = TestBatch::Ordinary(1);

/// The statuses that are a refusal whatever the endpoint.
const REFUSALS: [u16; 5] = [400, 401, 404, 413, 500];

/// More than the host lets a sender read, in bytes.
const LARGE_ANSWER: usize = 2 * 1024 * 1024;

/// The scenarios of every contract, in their order, for an endpoint whose success is `accept`.
pub(super) fn of_every_contract(accept: u16) -> Vec<Scenario> {
    [
        deliveries(accept),
        statuses(accept),
        faults(accept),
        repetitions(accept),
        if accept == COLLECTORS_SUCCESS {
            collectors()
        } else {
            Vec::new()
        },
    ]
    .concat()
}

/// A scenario of one batch.
pub(super) fn scenario(
    name: &str,
    batch: TestBatch,
    conduct: Conduct,
    expected: Expected,
    rule: Rule,
) -> Scenario {
    Scenario {
        name: name.to_owned(),
        work: Work::Batches(vec![(batch, expected)]),
        conduct,
        place: Place::Address,
        unknown_option: false,
        format: None,
        rule,
    }
}

/// What is accepted: entries, options and endpoints of all kinds.
fn deliveries(accept: u16) -> Vec<Scenario> {
    let accepted = Conduct::Status(accept, None);
    let delivered =
        |name, batch, rule| scenario(name, batch, accepted.clone(), Expected::Delivered, rule);
    let mut all = vec![
        delivered("one-entry", ONE, rules::OK),
        delivered("25-entries", TestBatch::Ordinary(25), rules::OK),
        Scenario {
            work: Work::Batches(vec![(TestBatch::Ordinary(0), Expected::NothingSent)]),
            ..delivered("no-entries", ONE, rules::NO_ENTRIES)
        },
        delivered("optional-fields-absent", TestBatch::Bare, rules::OPTIONAL),
        delivered("optional-fields-present", TestBatch::Full, rules::OPTIONAL),
        delivered("odd-text", TestBatch::OddText, rules::DATA),
        delivered("data-verbatim", TestBatch::Unreadable, rules::DATA),
        delivered(
            "later-fields-do-no-harm",
            TestBatch::LaterFields,
            rules::LATER,
        ),
        delivered("large-batch", TestBatch::Large, rules::BATCH),
        Scenario {
            unknown_option: true,
            ..delivered("unknown-options-do-no-harm", ONE, rules::OPTIONS)
        },
        Scenario {
            work: Work::Batches(vec![(ONE, Expected::DeliveredAs)]),
            ..delivered("user-agent", ONE, rules::USER_AGENT)
        },
    ];
    let places = [
        ("endpoint-with-a-name", Place::Name),
        ("endpoint-ipv6", Place::Ipv6),
        ("endpoint-with-a-path", Place::Path),
        ("endpoint-with-a-trailing-slash", Place::TrailingSlash),
    ];
    all.extend(places.map(|(name, place)| Scenario {
        place,
        ..delivered(name, ONE, rules::ENDPOINT)
    }));
    all
}

/// What is refused with a status.
fn statuses(accept: u16) -> Vec<Scenario> {
    let answered = |name: &str, status, wait, expected, rule| {
        scenario(name, ONE, Conduct::Status(status, wait), expected, rule)
    };
    let rejected = |status, rule| {
        let name = format!("status-{status}");
        answered(&name, status, None, Expected::Rejected(status), rule)
    };
    // Where 200 is the success, other successes may be as good: `collectors` is about them.
    let others = [200, 202, 204].into_iter();
    let mut all: Vec<_> = others
        .filter(|status| *status != accept && accept != COLLECTORS_SUCCESS)
        .map(|status| rejected(status, rules::STATUS))
        .collect();
    all.extend(REFUSALS.map(|status| rejected(status, rules::REFUSED)));
    for status in [429, 503] {
        for (ending, wait) in [("", None), ("-with-retry-after", Some(17))] {
            let name = format!("status-{status}{ending}");
            let expected = Expected::Throttled(wait);
            all.push(answered(&name, status, wait, expected, rules::THROTTLED));
        }
    }
    let expected = Expected::RejectedWithReason(400);
    all.push(answered(
        "reason-of-a-refusal",
        400,
        None,
        expected,
        rules::BODY,
    ));
    all
}

/// What goes wrong on the way.
fn faults(accept: u16) -> Vec<Scenario> {
    use Expected::{
        Delivered, Rejected, RejectedAtOnce, RejectedOrUnreachable, Unanswered, Unreachable,
    };
    let fault =
        |name, fault, expected, rule| scenario(name, ONE, Conduct::Fault(fault), expected, rule);
    let answer = |text: &str| Fault::Answer(text.as_bytes().to_vec());
    let redirect = answer(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    let half_a_body =
        answer("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 100\r\n\r\nhalf");
    let half_a_head = answer(&format!("HTTP/1.1 {accept} Acc"));
    vec![
        fault(
            "redirect-is-not-followed",
            redirect,
            RejectedAtOnce(307),
            rules::REFUSED,
        ),
        fault(
            "large-answer-to-a-refusal",
            large_answer(400),
            Rejected(400),
            rules::BODY,
        ),
        fault(
            "large-answer-to-a-success",
            large_answer(accept),
            Delivered,
            rules::OK,
        ),
        fault(
            "refusal-cut-short",
            half_a_body,
            RejectedOrUnreachable(500),
            rules::REFUSED,
        ),
        fault(
            "answer-cut-short",
            half_a_head,
            Unreachable,
            rules::UNREACHABLE,
        ),
        scenario(
            "connection-refused",
            ONE,
            Conduct::Refused,
            Unreachable,
            rules::UNREACHABLE,
        ),
        fault(
            "connection-reset",
            Fault::Reset,
            Unreachable,
            rules::UNREACHABLE,
        ),
        fault("no-answer", Fault::Silence, Unanswered, rules::UNREACHABLE),
    ]
}

/// What collectors of OTLP answer with a 2xx.
fn collectors() -> Vec<Scenario> {
    use Expected::{Delivered, RejectedSomehow};
    let answer = |status: &str, kind: &str, body: &str| {
        let text = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        Conduct::Fault(Fault::Answer(text.into_bytes()))
    };
    let json = |body: &str| answer("200 OK", "application/json", body);
    let page = "<!DOCTYPE html><html><title>Sign in</title></html>";
    let about = |name, conduct, expected, rule| Scenario {
        format: Some(Format::Otlp),
        ..scenario(name, ONE, conduct, expected, rule)
    };
    vec![
        about(
            "otlp-status-202",
            Conduct::Status(202, None),
            Delivered,
            rules::OK,
        ),
        about(
            "otlp-status-204",
            Conduct::Status(204, None),
            Delivered,
            rules::OK,
        ),
        about(
            "otlp-partial-success",
            json(r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#),
            RejectedSomehow,
            rules::OK,
        ),
        about(
            "otlp-partial-success-in-the-other-spelling",
            json(r#"{"partial_success":{"rejected_log_records":1,"error_message":"too old"}}"#),
            RejectedSomehow,
            rules::OK,
        ),
        Scenario {
            work: Work::Batches(vec![(TestBatch::Ordinary(3), RejectedSomehow)]),
            ..about(
                "otlp-partial-success-of-some",
                json(r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#),
                RejectedSomehow,
                rules::OK,
            )
        },
        about(
            "otlp-partial-success-of-all",
            json(r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"a hint"}}"#),
            Delivered,
            rules::OK,
        ),
        about(
            "otlp-web-page",
            answer("200 OK", "text/html; charset=utf-8", page),
            RejectedSomehow,
            rules::STATUS,
        ),
    ]
}

/// What one instance does more than once.
fn repetitions(accept: u16) -> Vec<Scenario> {
    let delivered = (ONE, Expected::Delivered);
    let repeated = |name, conduct, batches| Scenario {
        work: Work::Batches(batches),
        ..scenario(name, ONE, conduct, Expected::Delivered, rules::AGAIN)
    };
    vec![
        repeated(
            "second-batch-of-an-instance",
            Conduct::Status(accept, None),
            vec![delivered, delivered],
        ),
        repeated(
            "repeated-batch",
            Conduct::Status(accept, None),
            vec![delivered, (TestBatch::Again, Expected::Delivered)],
        ),
        repeated(
            "batch-after-a-refusal",
            Conduct::EverySecondFails(accept),
            vec![delivered, (ONE, Expected::Throttled(None)), delivered],
        ),
    ]
}

fn large_answer(status: u16) -> Fault {
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-length: {LARGE_ANSWER}\r\nconnection: close\r\n\r\n"
    );
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + LARGE_ANSWER, b'x');
    Fault::Answer(answer)
}
