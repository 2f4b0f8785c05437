//! Numbers and ages as people say them.

use chrono::TimeDelta;

/// `1 entry`, `25 entries`.
pub(crate) fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// How long ago something was: `12 seconds ago`. What lies ahead, since a clock was set, is `just now`.
pub(crate) fn ago(age: TimeDelta) -> String {
    let seconds = age.num_seconds();
    let (count, unit) = match seconds {
        ..1 => return "just now".to_owned(),
        1..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        86_400.. => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// How long something took, in two units at most: `33 s`, `2 min 5 s`.
pub(super) fn duration(millis: u64) -> String {
    let pair = |whole: u64, unit: &str, rest: u64, smaller: &str| match rest {
        0 => format!("{whole} {unit}"),
        rest => format!("{whole} {unit} {rest} {smaller}"),
    };
    let seconds = (millis + 500) / 1000;
    match (millis, seconds) {
        (..1000, _) => format!("{millis} ms"),
        (1000..9950, _) => {
            let tenths = (millis + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        (_, ..60) => format!("{seconds} s"),
        (_, 60..3600) => pair(seconds / 60, "min", seconds % 60, "s"),
        (_, 3600..86_400) => pair(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        (_, 86_400..) => pair(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_two_units_at_most() {
        let told = [
            0, 999, 1000, 1049, 1050, 9949, 9950, 33_032, 59_499, 59_500, 125_000, 3_599_499,
            3_660_000, 86_400_000, 90_000_000,
        ]
        .map(duration);
        insta::assert_snapshot!(told.join("; "), @"0 ms; 999 ms; 1.0 s; 1.0 s; 1.1 s; 9.9 s; 10 s; 33 s; 59 s; 1 min; 2 min 5 s; 59 min 59 s; 1 h 1 min; 1 d; 1 d 1 h");
    }

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let told = [-5, 0, 1, 59, 60, 119, 3600, 86_399, 86_400, 200_000]
            .map(|seconds| ago(TimeDelta::seconds(seconds)));
        insta::assert_snapshot!(told.join("; "), @"just now; just now; 1 second ago; 59 seconds ago; 1 minute ago; 1 minute ago; 1 hour ago; 23 hours ago; 1 day ago; 2 days ago");
    }
}
