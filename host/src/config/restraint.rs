//! What a marker may not raise in a repository that its user does not know.

use super::{Marker, SenderLimits};

/// For how many days entries are kept at most.
const RETENTION_DAYS: u16 = 30;

/// The levels that log more than warnings.
const VERBOSE: [&str; 3] = ["trace", "debug", "info"];

impl Marker {
    /// The marker as it is followed where this user does not know the repository: limits at most the defaults, a log
    /// of warnings at most, and entries kept for 30 days at most.
    #[must_use]
    pub fn restrained(&self) -> Self {
        let mut marker = self.clone();
        let (limits, default) = (&mut marker.telemetry_sender_limits, SenderLimits::default());
        limits.memory_mib = limits.memory_mib.min(default.memory_mib);
        limits.deadline = limits.deadline.min(default.deadline);
        marker.telemetry_retention_days = marker.telemetry_retention_days.min(RETENTION_DAYS);
        let unsent = marker.telemetry_unsent_retention_days;
        marker.telemetry_unsent_retention_days = unsent.map(|days| days.min(RETENTION_DAYS));
        marker.log_level = marker.log_level.filter(|level| {
            let is_level = |verbose: &&str| level.eq_ignore_ascii_case(verbose);
            !VERBOSE.iter().any(is_level)
        });
        marker
    }

    /// The marker as it is followed where `is_known` says whether this user knows the repository. It is asked only
    /// where that makes a difference.
    #[must_use]
    pub fn as_far_as_known(&self, is_known: impl FnOnce() -> bool) -> Self {
        let restrained = self.restrained();
        if restrained == *self || is_known() {
            self.clone()
        } else {
            restrained
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raised_is_lowered_and_what_is_lowered_stays() {
        let raised = Marker::parse(
            "logLevel: Debug\ntelemetryRetentionDays: 31\ntelemetrySenderLimits: {memoryMiB: 512}\n",
        )
        .unwrap();
        let lowered = Marker::parse(
            "logLevel: error\ntelemetryRetentionDays: 30\ntelemetrySenderLimits: {memoryMiB: 16, deadlineMs: 100}\n",
        )
        .unwrap();
        let restrained = raised.restrained();
        assert_eq!(restrained.log_level, None);
        assert_eq!(restrained.telemetry_retention_days, 30);
        assert_eq!(restrained.telemetry_sender_limits, SenderLimits::default());
        assert_eq!(raised.as_far_as_known(|| true), raised);
        assert_eq!(raised.as_far_as_known(|| false), restrained);
        assert_eq!(
            lowered.as_far_as_known(|| unreachable!("nothing hangs on it")),
            lowered
        );
    }
}
