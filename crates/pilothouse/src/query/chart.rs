//! Series over time, drawn with letters: a mark of its own for each series, or finer dots in colours on a
//! terminal that has them.

use super::number;
use super::value::Series;
use super::{Span, name_of};
use crate::ask::{duration_text, time_of_day};
use crate::terminal::{Look, Paint, clean, cut, pad, pad_left};

/// Rows of the plot.
const ROWS: usize = 13;
/// Rows between two numbers, and how many such there are.
const TICK_ROWS: usize = 3;
const TICKS: f64 = 4.0;
/// Steps between numbers that are easily read.
const STEPS: [f64; 11] = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0];
/// Numbers left of the axis.
const LABEL: usize = 8;
/// Series that are drawn; more cannot be told apart.
const SERIES_MAX: usize = 8;
const MINUTE_MS: i64 = 60_000;
const MARKS: [char; SERIES_MAX] = ['*', '+', 'o', 'x', '#', '@', '%', '='];
/// Of the line of the axis: lines, ticks, corner.
const DRAWN: [char; 4] = ['│', '┤', '└', '─'];
const TYPED: [char; 4] = ['|', '+', '+', '-'];

/// Columns that points can be in.
pub(super) fn columns(look: Look) -> usize {
    look.width.saturating_sub(LABEL + 2).max(1)
}

/// - `series`: at least one; samples within `span`.
/// - `step_ms`: the distance of samples; where it is larger, the line is broken.
pub(super) fn chart(series: &[Series], span: Span, step_ms: i64, look: Look) -> String {
    let mut order: Vec<usize> = (0..series.len()).collect();
    // The largest are what the others are small beside.
    order.sort_by(|a, b| largest(&series[*b]).total_cmp(&largest(&series[*a])));
    let drawn: Vec<&Series> = order
        .iter()
        .take(SERIES_MAX)
        .map(|at| &series[*at])
        .collect();
    let mut out = String::new();
    match Scale::of(&drawn) {
        Some(scale) => plot(&mut out, &drawn, span, step_ms, &scale, look),
        None => out.push_str("no finite values to draw\n"),
    }
    legend(&mut out, &drawn, look);
    if series.len() > drawn.len() {
        let more = series.len() - drawn.len();
        out.push_str(&format!(
            "  and {more} more, not drawn; topk({SERIES_MAX}, …) chooses\n"
        ));
    }
    out
}

fn finite(series: &Series) -> impl Iterator<Item = (i64, f64)> {
    series
        .samples
        .iter()
        .copied()
        .filter(|(_, v)| v.is_finite())
}

fn largest(series: &Series) -> f64 {
    finite(series)
        .map(|(_, v)| v)
        .fold(f64::NEG_INFINITY, f64::max)
}

/// The values of the lowest and the highest row.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// `None` without a finite value.
    fn of(series: &[&Series]) -> Option<Self> {
        let values = || series.iter().flat_map(|one| finite(one)).map(|(_, v)| v);
        let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        // From zero, unless that would flatten everything.
        let low = if low > 0.0 && low < 0.7 * high {
            0.0
        } else {
            low
        };
        let room = high - low;
        let is_flat = !(room.is_finite() && room > 1e-12 * high.abs().max(low.abs()));
        if is_flat {
            let around = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            return Some(Self {
                low: if low == 0.0 { 0.0 } else { low - around },
                high: high + around,
            });
        }
        Some(Self::round(low, high))
    }

    /// The least round steps between numbers that have room for all.
    fn round(low: f64, high: f64) -> Self {
        let power = 10_f64.powf(((high - low) / TICKS).log10().floor());
        for step in STEPS.map(|step| step * power) {
            let from = (low / step).floor() * step;
            let to = from + TICKS * step;
            if to >= high && step > 0.0 && to.is_finite() {
                return Self {
                    low: from,
                    high: to,
                };
            }
        }
        Self { low, high }
    }

    /// How high a value lies: 0 at the bottom, 1 at the top.
    fn height(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The value of a row, the first at the top.
    fn at_row(&self, row: usize) -> f64 {
        let height = 1.0 - row as f64 / (ROWS - 1) as f64;
        let value = self.low + (self.high - self.low) * height;
        // What is zero but for rounding.
        if value.abs() < (self.high - self.low) * 1e-9 {
            0.0
        } else {
            value
        }
    }
}

fn plot(out: &mut String, drawn: &[&Series], span: Span, step_ms: i64, scale: &Scale, look: Look) {
    let mut canvas = Canvas::new(columns(look), look.color);
    for (nth, series) in drawn.iter().enumerate() {
        let place = |(ms, value): (i64, f64)| {
            let along = (ms - span.from_ms) as f64 / (span.to_ms - span.from_ms).max(1) as f64;
            (canvas.x(along), canvas.y(scale.height(value)))
        };
        let points: Vec<(i64, (usize, usize))> = finite(series)
            .map(|sample| (sample.0, place(sample)))
            .collect();
        for (i, (ms, at)) in points.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| points[i]);
            match before.filter(|(before_ms, _)| ms - before_ms <= step_ms + step_ms / 2) {
                Some((_, from)) => canvas.line(nth, from, *at),
                None => canvas.dot(nth, *at),
            }
        }
    }
    let [line, tick, corner, below] = if look.color { DRAWN } else { TYPED };
    for row in 0..ROWS {
        let is_tick = row.is_multiple_of(TICK_ROWS);
        let label = if is_tick {
            number::short(scale.at_row(row))
        } else {
            String::new()
        };
        out.push_str(&pad_left(&cut(&label, LABEL), LABEL));
        out.push(' ');
        out.push(if is_tick { tick } else { line });
        out.push_str(canvas.row(row, look).trim_end());
        out.push('\n');
    }
    axis(out, span, step_ms, look, corner, below);
}

fn axis(out: &mut String, span: Span, step_ms: i64, look: Look, corner: char, below: char) {
    let columns = columns(look);
    out.push_str(&" ".repeat(LABEL + 1));
    out.push(corner);
    out.extend(std::iter::repeat_n(below, columns));
    out.push('\n');
    let format = |ms: i64| {
        let text = time_of_day(ms);
        let part = match (span.to_ms - span.from_ms) / MINUTE_MS {
            ..10 => 6..14,
            10..1_440 => 6..11,
            1_440..20_160 => 0..11,
            _ => 0..5,
        };
        text.get(part).unwrap_or_default().to_owned()
    };
    let width = format(span.from_ms).len();
    let count = (columns / (width + 8)).clamp(2, 5);
    let mut line = String::new();
    for nth in 0..count {
        let ms = span.from_ms + (span.to_ms - span.from_ms) * nth as i64 / (count - 1) as i64;
        let middle = columns * nth / (count - 1);
        let start = middle
            .saturating_sub(width / 2)
            .min(columns - width.min(columns));
        line = pad(&line, start);
        line.push_str(&format(ms));
    }
    out.push_str(&" ".repeat(LABEL + 2));
    out.push_str(&line);
    out.push('\n');
    let remark = format!("UTC, a point every {}", duration_text(step_ms));
    out.push_str(&pad_left(&remark, look.width));
    out.push('\n');
}

fn legend(out: &mut String, drawn: &[&Series], look: Look) {
    let numbers = drawn.iter().map(|series| {
        let values = || finite(series).map(|(_, v)| v);
        let of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number::short);
        let last = series.samples.last().map(|(_, v)| *v);
        [
            of(values().reduce(f64::min)),
            of(values().reduce(f64::max)),
            of(last),
        ]
    });
    let mut rows = vec![["min".to_owned(), "max".to_owned(), "last".to_owned()]];
    rows.extend(numbers);
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let numbers_width = widths.iter().map(|width| width + 2).sum::<usize>();
    let names: Vec<String> = drawn.iter().map(|series| clean(&name_of(series))).collect();
    let room = look.width.saturating_sub(4 + numbers_width).max(8);
    let longest = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .min(room);
    for (nth, row) in rows.iter().enumerate() {
        let line = match nth.checked_sub(1) {
            None => " ".repeat(4 + longest),
            Some(at) => {
                let mark = if look.color {
                    '━'
                } else {
                    MARKS[at % MARKS.len()]
                };
                let mark = look.paint(Paint::Series(at), &mark.to_string());
                format!("  {mark} {}", pad(&cut(&names[at], longest), longest))
            }
        };
        out.push_str(&line);
        for (column, text) in row.iter().enumerate() {
            out.push_str("  ");
            out.push_str(&pad_left(text, widths[column]));
        }
        out.push('\n');
    }
}

/// What is drawn on: letters, or the eight dots of a letter.
struct Canvas {
    columns: usize,
    fine: bool,
    /// Of each letter: the dots, and the series that was there last.
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    fn new(columns: usize, fine: bool) -> Self {
        Self {
            columns,
            fine,
            cells: vec![(0, 0); columns * ROWS],
        }
    }

    /// Dots side by side, and above one another, in all.
    fn size(&self) -> (usize, usize) {
        if self.fine {
            (self.columns * 2, ROWS * 4)
        } else {
            (self.columns, ROWS)
        }
    }

    fn x(&self, along: f64) -> usize {
        let last = self.size().0 - 1;
        ((along.clamp(0.0, 1.0) * last as f64).round() as usize).min(last)
    }

    /// From the top.
    fn y(&self, height: f64) -> usize {
        let last = self.size().1 - 1;
        last - ((height * last as f64).round() as usize).min(last)
    }

    fn dot(&mut self, series: usize, (x, y): (usize, usize)) {
        // Dots of a letter, by column and row within it.
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let (column, row, bit) = if self.fine {
            (x / 2, y / 4, BITS[x % 2][y % 4])
        } else {
            (x, y, 1)
        };
        let cell = &mut self.cells[row * self.columns + column];
        cell.0 |= bit;
        cell.1 = series;
    }

    /// From one dot to another; with letters only one to a column, or marks would hide one another.
    fn line(&mut self, series: usize, from: (usize, usize), to: (usize, usize)) {
        let across = to.0.abs_diff(from.0);
        let down = to.1.abs_diff(from.1);
        let steps = if self.fine { across.max(down) } else { across };
        for step in 0..=steps {
            let part = if steps == 0 {
                1.0
            } else {
                step as f64 / steps as f64
            };
            let between =
                |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * part).round() as usize;
            self.dot(series, (between(from.0, to.0), between(from.1, to.1)));
        }
    }

    fn row(&self, row: usize, look: Look) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let letter = |(dots, series): &(u8, usize)| match (dots, self.fine) {
            (0, _) => " ".to_owned(),
            (dots, true) => {
                let braille = char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ');
                look.paint(Paint::Series(*series), &braille.to_string())
            }
            (_, false) => MARKS[series % MARKS.len()].to_string(),
        };
        cells.iter().map(letter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const SPAN: Span = Span {
        from_ms: 1_795_366_800_000,
        to_ms: 1_795_366_800_000 + HOUR,
    };

    fn look(color: bool) -> Look {
        Look {
            width: 60,
            color,
            cut: color,
        }
    }

    fn series(tool: &str, of: impl Fn(i64) -> Option<f64>) -> Series {
        let minutes = (0..=60).filter_map(|m| Some((SPAN.from_ms + m * 60_000, of(m)?)));
        Series {
            labels: vec![("tool".to_owned(), tool.to_owned())],
            samples: minutes.collect(),
        }
    }

    #[test]
    fn two_series_and_a_gap() {
        let ramp = series("ramp", |m| Some(m as f64 / 10.0));
        let flat = series("flat", |m| (!(20..40).contains(&m)).then_some(1.5));
        let want = r#"
       6 +                                               ***
         |                                           *****
         |                                       ****
     4.5 +                                   ****
         |                               ****
         |                           ****
       3 +                       ****
         |                   ****
         |               ****
     1.5 ++++++++++++++++++                +++++++++++++++++
         |       ****
         |  *****
       0 +***
         +--------------------------------------------------
          17:00                  17:30                 18:00
                                       UTC, a point every 1m
                   min  max  last
  * {tool="ramp"}    0    6     6
  + {tool="flat"}  1.5  1.5   1.5
"#;
        let want = want.trim_start_matches('\n');
        let got = chart(&[flat, ramp], SPAN, 60_000, look(false));
        assert_eq!(got, want, "\n{got}");
    }

    #[test]
    fn finer_in_colours() {
        let got = chart(&[series("a", |m| Some(m as f64))], SPAN, 60_000, look(true));
        assert!(
            got.contains('⠁') || got.contains('⣀') || got.contains('⠤'),
            "\n{got}"
        );
        assert!(got.contains("\u{1b}[36m"));
    }

    #[test]
    fn odd_values_are_survived() {
        for value in [0.0, -3.0, 1e300, f64::NAN, f64::INFINITY, 5e-324] {
            let got = chart(&[series("a", |_| Some(value))], SPAN, 60_000, look(false));
            assert!(
                got.lines().all(|line| line.chars().count() <= 60),
                "{value}\n{got}"
            );
        }
        let got = chart(&[series("a", |_| None)], SPAN, 60_000, look(false));
        assert!(got.starts_with("no finite values"), "{got}");
        let many: Vec<Series> = (0..12)
            .map(|n| series(&n.to_string(), move |_| Some(n as f64)))
            .collect();
        let got = chart(&many, SPAN, 60_000, look(false));
        assert!(
            got.contains("and 4 more")
                && got.contains("tool=\"11\"")
                && !got.contains("tool=\"3\"")
        );
    }
}
