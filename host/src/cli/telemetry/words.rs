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

/// Rows of cells as aligned columns, two spaces apart; those in `right` are aligned at their right. Styles take up
/// no room.
pub(super) fn table<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let width = |cell: &str| {
        anstream::adapter::strip_str(cell)
            .to_string()
            .chars()
            .count()
    };
    let widths: Vec<_> = (0..N)
        .map(|column| {
            rows.iter()
                .map(|row| width(&row[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let room = " ".repeat(widths[column] - width(cell));
            if right.contains(&column) {
                format!("{room}{cell}")
            } else {
                format!("{cell}{room}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "1"], ["bcd", "22"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, &[1]), "a     1\nbcd  22");
    }

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let told = [-5, 0, 1, 59, 60, 119, 3600, 86_399, 86_400, 200_000]
            .map(|seconds| ago(TimeDelta::seconds(seconds)));
        insta::assert_snapshot!(told.join("; "), @"just now; just now; 1 second ago; 59 seconds ago; 1 minute ago; 1 minute ago; 1 hour ago; 23 hours ago; 1 day ago; 2 days ago");
    }
}
