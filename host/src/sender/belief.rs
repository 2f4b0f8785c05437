//! Whether the host believes what a guest answers.

use crate::domain::{Delivered, EntryOutcome, SenderFailureKind};
use crate::egress::EgressReport;

/// Why an answer about `count` entries is not believed.
pub(super) fn disbelief(
    delivered: &Delivered,
    count: usize,
    report: &EgressReport,
) -> Option<SenderFailureKind> {
    let outcomes = match delivered {
        Delivered::Whole => &[EntryOutcome::Taken][..],
        Delivered::Each(outcomes) if outcomes.len() == count => outcomes,
        Delivered::Each(outcomes) => {
            let answer = format!(
                "it answered for {} entries, and was given {count}",
                outcomes.len()
            );
            return Some(SenderFailureKind::OutOfContract { answer });
        }
    };
    let has = |wanted: fn(&EntryOutcome) -> bool| outcomes.iter().any(wanted);
    if has(|outcome| matches!(outcome, EntryOutcome::Taken)) && !report.saw_success {
        return Some(SenderFailureKind::Unconfirmed);
    }
    if has(|outcome| matches!(outcome, EntryOutcome::Rejected { .. }))
        && report.last_status.is_none()
    {
        let answer =
            "it reported refused entries, but the host saw no answer from the endpoint".to_owned();
        return Some(SenderFailureKind::OutOfContract { answer });
    }
    None
}
