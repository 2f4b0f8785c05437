//! Tables that fit the terminal.

use anstyle::Style;
use swamp::domain::ForeignText;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

/// What is between two columns.
const GAP: &str = "  ";

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Whether its cells are aligned at their right.
    pub(super) right: bool,
    /// When the column is left out, where the table is wider than the terminal: 1 first, then 2, and so on; 0 never.
    pub(super) drop: usize,
}

impl Column {
    /// A column of text.
    pub(super) const fn text(name: &'static str, drop: usize) -> Self {
        let right = false;
        Self { name, right, drop }
    }

    /// A column of numbers.
    pub(super) const fn number(name: &'static str, drop: usize) -> Self {
        let right = true;
        Self { name, right, drop }
    }
}

/// What stands in a cell. Whatever it is made of is escaped: much of it was written by somebody else.
#[derive(Clone, Debug)]
pub(super) struct Cell(String);

impl Cell {
    /// Text in a style.
    pub(super) fn styled(style: Style, text: &str) -> Self {
        Self(format!("{style}{}{style:#}", ForeignText::from(text)))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(ForeignText::from(text).to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// The columns that text takes up on a terminal. Styles take up none.
pub(super) fn width(cell: &str) -> usize {
    let visible = anstream::adapter::strip_str(cell);
    visible.map(UnicodeWidthStr::width).sum()
}

/// Rows of cells below the names of their columns, two spaces apart and no wider than `limit`: columns are left out by
/// their order, and if that is not enough the last one's cells are cut short.
pub(super) fn table<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    limit: Option<usize>,
) -> String {
    let mut widths = columns.map(|column| width(column.name));
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(&cell.0));
        }
    }
    let limit = limit.unwrap_or(usize::MAX);
    let mut shown: Vec<usize> = (0..N).filter(|column| widths[*column] > 0).collect();
    let total = |shown: &[usize], widths: &[usize; N]| {
        let cells: usize = shown.iter().map(|column| widths[*column]).sum();
        cells + GAP.len() * shown.len().saturating_sub(1)
    };
    let mut order: Vec<usize> = shown
        .iter()
        .copied()
        .filter(|column| columns[*column].drop > 0)
        .collect();
    order.sort_by_key(|column| columns[*column].drop);
    for column in order {
        if total(&shown, &widths) <= limit {
            break;
        }
        shown.retain(|one| *one != column);
    }
    let excess = total(&shown, &widths).saturating_sub(limit);
    if let Some(last) = shown.last().filter(|_| excess > 0) {
        widths[*last] = widths[*last].saturating_sub(excess).max(1);
    }
    let names = columns.map(|column| Cell::from(column.name));
    let lines = std::iter::once(&names).chain(rows).map(|row| {
        let cells = shown.iter().map(|column| {
            let cell = cut(&row[*column].0, widths[*column]);
            let room = " ".repeat(widths[*column].saturating_sub(width(&cell)));
            if columns[*column].right {
                format!("{room}{cell}")
            } else {
                format!("{cell}{room}")
            }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// As much of a cell as this many columns have room for, with an ellipsis where that is not all.
fn cut(cell: &str, room: usize) -> String {
    if width(cell) <= room {
        return cell.to_owned();
    }
    let mut short = String::new();
    let mut left = room.saturating_sub(1);
    for character in anstream::adapter::strip_str(cell).to_string().chars() {
        let width = character.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        short.push(character);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [Column; 3] = [
        Column::text("name", 0),
        Column::number("count", 2),
        Column::text("more", 1),
    ];

    fn rows(names: &[&str]) -> Vec<[Cell; 3]> {
        let row = |name: &&str| [Cell::from(*name), "7".into(), "more of it".into()];
        names.iter().map(row).collect()
    }

    #[test]
    fn wide_and_combining_characters_align() {
        let mut rows = rows(&["ab", "日本", "e\u{301}é"]);
        let styled = Cell::styled(Style::new().bold(), "x");
        rows.push([styled, "7".into(), "more of it".into()]);
        let shown = table(&COLUMNS, &rows, None);
        let plain = anstream::adapter::strip_str(&shown).to_string();
        // Editors would compose what is written out in the snapshot.
        let plain = plain.replace('\u{301}', "");
        insta::assert_snapshot!(plain, @r"
        name  count  more
        ab        7  more of it
        日本      7  more of it
        eé        7  more of it
        x         7  more of it
        ");
    }

    #[test]
    fn a_cell_steers_no_terminal() {
        let shown = table(&COLUMNS, &rows(&["\x1b[31mred\nline"]), None);
        assert!(shown.contains(r"\u{1b}[31mred\u{a}line"), "{shown}");
        assert_eq!(shown.lines().count(), 2);
    }

    #[test]
    fn columns_are_left_out_by_their_order_and_the_last_is_cut_short() {
        let shown = |limit| table(&COLUMNS, &rows(&["a-long-name"]), Some(limit));
        let all = [shown(30), shown(29), shown(17), shown(6), shown(0)];
        insta::assert_snapshot!(all.join("\n\n"), @r"
        name         count  more
        a-long-name      7  more of it

        name         count
        a-long-name      7

        name
        a-long-name

        name
        a-lon…

        …
        …
        ");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            names in prop::collection::vec("[a-z日é\u{301}🦀]{0,20}", 0..5),
            limit in 1_usize..60,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let shown = table(&COLUMNS, &rows(&names), Some(limit));
            prop_assert!(shown.lines().all(|line| width(line) <= limit), "{}", shown);
        }
    }
}
