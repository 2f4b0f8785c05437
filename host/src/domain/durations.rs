//! Many durations in little room: how many there were of about which length.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Durations below this are told apart to the millisecond; above, each power of two has half as many buckets, so that
/// what comes out is at most about 3% off.
const EXACT: u64 = 32;

/// Durations in milliseconds, by length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Durations {
    /// All of them together, in milliseconds.
    total_ms: u64,
    buckets: BTreeMap<u64, u64>,
}

impl Extend<u64> for Durations {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, millis: I) {
        for millis in millis {
            self.total_ms = self.total_ms.saturating_add(millis);
            *self.buckets.entry(bucket(millis)).or_default() += 1;
        }
    }
}

impl Durations {
    /// Adds all of the others.
    pub fn merge(&mut self, others: &Self) {
        self.total_ms = self.total_ms.saturating_add(others.total_ms);
        for (bucket, count) in &others.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// The mean, in milliseconds. `None` without any.
    #[must_use]
    pub fn mean_ms(&self) -> Option<u64> {
        let count = self.count();
        (count > 0).then(|| (self.total_ms + count / 2) / count)
    }

    /// About the shortest duration, in milliseconds, that `percent` of them do not exceed. `None` without any.
    #[must_use]
    pub fn quantile_ms(&self, percent: u64) -> Option<u64> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }
}

fn bucket(millis: u64) -> u64 {
    if millis < EXACT {
        return millis;
    }
    let shift = u64::from(millis.ilog2() - EXACT.ilog2()) + 1;
    let half = EXACT / 2;
    EXACT + (shift - 1) * half + (millis >> shift) - half
}

/// The middle of the durations that are in this bucket.
fn middle(bucket: u64) -> u64 {
    let Some(above) = bucket.checked_sub(EXACT) else {
        return bucket;
    };
    let half = EXACT / 2;
    let shift = (above / half + 1).min(u64::from(u64::BITS - EXACT.ilog2()));
    let first = (half + above % half) << shift;
    first + ((1 << shift) - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_ranks() {
        let mut durations = Durations::default();
        assert_eq!(durations.quantile_ms(50), None);
        durations.extend(1..=20);
        let shown = [1, 50, 95, 100].map(|percent| durations.quantile_ms(percent));
        assert_eq!(shown, [1, 10, 19, 20].map(Some));
        assert_eq!((durations.count(), durations.mean_ms()), (20, Some(11)));
    }

    proptest! {
        #[test]
        fn a_duration_comes_out_nearly_as_it_went_in(millis in any::<u64>().prop_map(|n| n >> (n % 64))) {
            let mut durations = Durations::default();
            durations.extend([millis]);
            let out = durations.quantile_ms(50).unwrap();
            prop_assert!(out.abs_diff(millis) <= millis / 30, "{} {}", millis, out);
        }

        #[test]
        fn longer_ones_are_in_later_buckets(one in 0_u64..1 << 40, more in 0_u64..1 << 40) {
            prop_assert!(bucket(one) <= bucket(one + more));
        }

        #[test]
        fn merged_they_are_as_if_taken_together(one in prop::collection::vec(0_u64..1 << 40, 0..9), other in prop::collection::vec(0_u64..1 << 40, 0..9)) {
            let of = |millis: &[u64]| {
                let mut durations = Durations::default();
                durations.extend(millis.iter().copied());
                durations
            };
            let mut merged = of(&one);
            merged.merge(&of(&other));
            prop_assert_eq!(merged, of(&[one, other].concat()));
        }
    }
}
