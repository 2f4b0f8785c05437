//! Numbers and ages as people say them.

use chrono::TimeDelta;

/// `1 entry`, `25 entries`.
pub(super) fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// How long ago something was: `12 seconds ago`. What lies ahead, since a clock was set, is `just now`.
pub(super) fn ago(age: TimeDelta) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let told = [-5, 0, 1, 59, 60, 119, 3600, 86_399, 86_400, 200_000]
            .map(|seconds| ago(TimeDelta::seconds(seconds)));
        insta::assert_snapshot!(told.join("; "), @"just now; just now; 1 second ago; 59 seconds ago; 1 minute ago; 1 minute ago; 1 hour ago; 23 hours ago; 1 day ago; 2 days ago");
    }
}
