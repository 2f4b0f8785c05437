//! How the receiver was told to misbehave.

use std::num::NonZeroU32;

/// Which requests fail. Requests count from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) fail_every: Option<NonZeroU32>,
    pub(super) drop_every: Option<NonZeroU32>,
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    /// It is answered as it deserves.
    Answer,
    /// It is refused with 503, and nothing in it is taken.
    Fail,
    /// It is treated as it deserves, but the connection is closed without the answer: the case that a sender can
    /// not tell from a lost request, and that `insert_id` is for.
    Drop,
}

impl Plan {
    /// What happens to the request `number`. Where both are due, it is dropped.
    pub(super) fn conduct(self, number: u64) -> Conduct {
        let is_due = |every: Option<NonZeroU32>| {
            every.is_some_and(|every| number.is_multiple_of(u64::from(every.get())))
        };
        if is_due(self.drop_every) {
            Conduct::Drop
        } else if is_due(self.fail_every) {
            Conduct::Fail
        } else {
            Conduct::Answer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_plan_every_request_is_answered() {
        let plan = Plan::default();
        assert!((1..100).all(|number| plan.conduct(number) == Conduct::Answer));
    }

    #[test]
    fn every_nth_request_fails_or_is_dropped_and_dropping_wins() {
        let plan = Plan {
            fail_every: NonZeroU32::new(2),
            drop_every: NonZeroU32::new(3),
        };
        assert_eq!(
            (1..=6)
                .map(|number| plan.conduct(number))
                .collect::<Vec<_>>(),
            [
                Conduct::Answer,
                Conduct::Fail,
                Conduct::Drop,
                Conduct::Fail,
                Conduct::Answer,
                Conduct::Drop
            ]
        );
    }
}
