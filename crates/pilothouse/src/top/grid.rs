//! Columns that fit: where there is little room, those go first that are needed least.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    is_number: bool,
    /// The column with the highest one goes first; those with 0 stay.
    goes: u8,
}

/// A column of text that goes as the `goes`th from the end; never, with 0.
pub(super) const fn text(title: &'static str, goes: u8) -> Column {
    Column {
        title,
        is_number: false,
        goes,
    }
}

/// The same, for numbers: they stand at the right.
pub(super) const fn number(title: &'static str, goes: u8) -> Column {
    Column {
        title,
        is_number: true,
        goes,
    }
}

/// Between columns, in cells.
const GAP: usize = 2;
/// The last column is no narrower than this, or another one goes.
const LAST_MIN: usize = 8;
/// What others have named is no wider than this while there are other columns.
const CELL_MAX: usize = 40;

/// Lines of `rows` beneath a line of titles, at most `width` cells each; without a width they are as long as they are.
pub(super) fn lines(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let titles: Vec<String> = columns.iter().map(|one| one.title.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&titles).chain(rows).collect();
    let widest = |at: usize| all.iter().map(|row| row[at].width()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    if let Some(width) = width {
        widths
            .iter_mut()
            .for_each(|one| *one = (*one).min(CELL_MAX));
        while let Some(goes) = too_wide(&shown, columns, &widths, width) {
            shown.retain(|at| *at != goes);
        }
    }
    let row = |cells: &Vec<String>| {
        let mut line = String::new();
        for (nth, at) in shown.iter().enumerate() {
            let is_last = nth + 1 == shown.len();
            let room = match width {
                Some(width) if is_last => width.saturating_sub(line.width()),
                _ => widths[*at],
            };
            let wide = if columns[*at].is_number {
                widths[*at].min(room)
            } else {
                widths[*at]
            };
            let cell = if width.is_some() {
                cut(&cells[*at], room)
            } else {
                cells[*at].clone()
            };
            let blank = " ".repeat(wide.saturating_sub(cell.width()));
            match columns[*at].is_number {
                true => line.extend([blank.as_str(), &cell]),
                false => line.extend([cell.as_str(), &blank]),
            }
            if !is_last {
                line.push_str(&" ".repeat(GAP));
            }
        }
        line.trim_end().to_owned()
    };
    all.into_iter().map(row).collect()
}

/// The column that has to go; none when all fit, or those that are left stay anyhow.
fn too_wide(shown: &[usize], columns: &[Column], widths: &[usize], width: usize) -> Option<usize> {
    let (last, others) = shown.split_last()?;
    let before: usize = others.iter().map(|at| widths[*at] + GAP).sum();
    if before + widths[*last].min(LAST_MIN) <= width {
        return None;
    }
    let goes = shown.iter().filter(|at| columns[**at].goes > 0);
    goes.max_by_key(|at| columns[**at].goes).copied()
}

/// The beginning of a text, at most `width` cells, with a sign where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    format!("{}…", &text[..fitting(text, width - 1)])
}

/// How many bytes of a text fit into `width` cells.
pub(super) fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        text("SERVER", 0),
        text("STATE", 2),
        number("REQ/S", 1),
        number("MEMORY", 3),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["files", "up", "1.5", "12 MiB"]),
            row(["検索サーバー", "down", "120", "1.2 GiB"]),
        ]
    }

    #[test]
    fn the_least_needed_column_goes_first() {
        let whole = "\
SERVER        STATE  REQ/S   MEMORY
files         up       1.5   12 MiB
検索サーバー  down     120  1.2 GiB";
        assert_eq!(lines(&COLUMNS, &rows(), None).join("\n"), whole);
        assert_eq!(lines(&COLUMNS, &rows(), Some(80)).join("\n"), whole);
        let titles = |width| lines(&COLUMNS, &rows(), Some(width)).remove(0);
        assert_eq!(titles(30), "SERVER        STATE  REQ/S");
        assert_eq!(titles(20), "SERVER        REQ/S");
        assert_eq!(titles(13), "SERVER");
    }

    #[test]
    fn no_line_is_wider_than_there_is_room() {
        let long = vec![vec![
            "長".repeat(60),
            "x".repeat(90),
            "1".into(),
            "y".repeat(70),
        ]];
        for width in 0..200 {
            for line in lines(&COLUMNS, &long, Some(width)) {
                assert!(line.width() <= width.max(6), "{width}: {line}");
            }
        }
        assert_eq!(cut("検索", 3), "検…");
        assert_eq!(cut("検索", 4), "検索");
        assert_eq!(cut("ab", 0), "");
    }
}
