//! Which values of a field records have in common.

use super::super::Damage;
use super::super::columns::NO_DURATION;
use super::super::evaluate::{Table as _, YES};
use super::super::names::OTHER;
use super::super::opened::{Block, OpenBlock, Trouble};
use super::super::{Kind, Level};
use super::walk::{Fitting, walk};
use super::{Progress, Search};
use crate::query::{Field, Known};
use std::collections::HashMap;
use std::sync::Arc;

/// How often the values of a field occur.
#[derive(Clone, Debug, Default)]
pub struct Top {
    /// The most frequent first.
    pub values: Vec<TopValue>,
    /// Records whose value did not make it into the list.
    pub others: u64,
    /// Records without the field.
    pub without: u64,
    /// Records that were decided on.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended first, and only the newest were counted.
    pub complete: bool,
    /// Then what is not earlier than this was counted, all of it.
    pub complete_from_unix_ns: Option<u64>,
    /// What could not be read; at most 100 places.
    pub damaged: Vec<Damage>,
}

/// A value and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopValue {
    /// The value as a text.
    pub value: String,
    /// Records that have it.
    pub records: u64,
    /// The longest duration among them.
    pub duration_ns_max: Option<u64>,
}

/// Different values that are counted apart.
const TOP_VALUES_MAX: usize = 10_000;

pub(crate) fn top(blocks: &[Block], search: &Search<'_>, field: &Field) -> Top {
    let mut progress = Progress::new(blocks, search.budget);
    let mut counts = Counts::new(field);
    let look = |opened: &OpenBlock<'_>, rows: &[Fitting], progress: &mut Progress| {
        count(opened, rows, search, &mut counts, progress)
    };
    let complete_from_unix_ns = walk(blocks, search, &mut progress, look);
    Top {
        scanned: progress.scanned,
        total: progress.total,
        complete: progress.complete,
        complete_from_unix_ns,
        damaged: progress.damaged,
        ..counts.most(search.limit)
    }
}

/// Counts the records of a block that fit; how many of them were decided on.
fn count(
    opened: &OpenBlock<'_>,
    rows: &[Fitting],
    search: &Search<'_>,
    counts: &mut Counts<'_>,
    progress: &mut Progress,
) -> Result<usize, Trouble> {
    if rows.is_empty() {
        return Ok(0);
    }
    let durations = opened.durations()?;
    let codes = Codes::of(opened, counts.field)?;
    counts.enter(opened.block.names());
    for (nth, Fitting { row, verdict }) in rows.iter().copied().enumerate() {
        let duration = durations[row];
        let duration = (duration != NO_DURATION).then_some(duration);
        if let (YES, Some(code)) = (verdict, codes.code(row)) {
            counts.add_code(code, duration);
            continue;
        }
        if !progress.reads(opened.lines_to_read(row)) {
            return Ok(nth);
        }
        let counted = if verdict == YES {
            opened.with_json(row, |json| counts.add_line(json, duration))
        } else {
            let add = |json: &[u8]| counts.add_line(json, duration);
            opened.with_fitting(row, search.filter, add).map(drop)
        };
        progress.readable(counted);
    }
    Ok(rows.len())
}

/// Records, and the longest duration among them.
#[derive(Clone, Copy, Default)]
struct Count {
    records: u64,
    duration_ns_max: Option<u64>,
}

impl Count {
    fn join(&mut self, other: Self) {
        self.records += other.records;
        self.duration_ns_max = self.duration_ns_max.max(other.duration_ns_max);
    }
}

/// What was counted so far.
struct Counts<'f> {
    field: &'f Field,
    values: HashMap<String, Count>,
    others: u64,
    without: u64,
    /// By code, of blocks that have their names in common.
    by_code: Vec<Count>,
    names: Arc<[Arc<str>]>,
}

impl<'f> Counts<'f> {
    fn new(field: &'f Field) -> Self {
        Self {
            field,
            values: HashMap::new(),
            others: 0,
            without: 0,
            by_code: Vec::new(),
            names: Arc::default(),
        }
    }

    /// From here on codes are numbers of these names.
    fn enter(&mut self, names: &Arc<[Arc<str>]>) {
        if !Arc::ptr_eq(&self.names, names) {
            self.spell_out();
            self.names = Arc::clone(names);
        }
    }

    fn add_code(&mut self, code: u16, duration_ns: Option<u64>) {
        let at = usize::from(code);
        if at >= self.by_code.len() {
            self.by_code.resize(at + 1, Count::default());
        }
        self.by_code[at].join(Count {
            records: 1,
            duration_ns_max: duration_ns,
        });
    }

    fn add_line(&mut self, json: &[u8], duration_ns: Option<u64>) {
        let count = Count {
            records: 1,
            duration_ns_max: duration_ns,
        };
        let field = self.field;
        self.add(field.value(json).as_deref(), count);
    }

    fn add(&mut self, value: Option<&str>, count: Count) {
        let Some(value) = value else {
            self.without += count.records;
            return;
        };
        if let Some(known) = self.values.get_mut(value) {
            known.join(count);
        } else if self.values.len() < TOP_VALUES_MAX {
            self.values.insert(value.to_owned(), count);
        } else {
            self.others += count.records;
        }
    }

    /// Codes become texts.
    fn spell_out(&mut self) {
        let names = Arc::clone(&self.names);
        for (code, count) in std::mem::take(&mut self.by_code).into_iter().enumerate() {
            if count.records > 0 {
                let text = text(self.field, &names, code);
                self.add(text.as_deref(), count);
            }
        }
    }

    /// The most frequent values.
    fn most(mut self, limit: usize) -> Top {
        self.spell_out();
        let value = |(value, count): (String, Count)| TopValue {
            value,
            records: count.records,
            duration_ns_max: count.duration_ns_max,
        };
        let mut values: Vec<TopValue> = self.values.into_iter().map(value).collect();
        values.sort_unstable_by(|a, b| (b.records, &a.value).cmp(&(a.records, &b.value)));
        let rest = values.drain(limit.min(values.len())..);
        let others = self.others + rest.map(|value| value.records).sum::<u64>();
        Top {
            values,
            others,
            without: self.without,
            ..Top::default()
        }
    }
}

/// A field's values in a block as small numbers.
enum Codes<'o> {
    Bytes(&'o [u8]),
    Numbers(&'o [u16]),
    /// Of names; some say that the line has to be asked.
    Names(&'o [u16]),
    /// There is no column.
    None,
}

impl<'o> Codes<'o> {
    fn of(opened: &'o OpenBlock<'_>, field: &Field) -> Result<Self, Trouble> {
        let Field::Known(known) = field else {
            return Ok(Self::None);
        };
        Ok(match known {
            Known::Server => Self::Names(opened.names(0)?),
            Known::Method => Self::Names(opened.names(1)?),
            Known::Tool => Self::Names(opened.names(2)?),
            Known::Outcome => Self::Names(opened.names(3)?),
            Known::Kind => Self::Bytes(opened.kinds()?),
            Known::Level => Self::Bytes(opened.levels()?),
            Known::Status => Self::Numbers(opened.statuses()?),
            _ => Self::None,
        })
    }

    fn code(&self, row: usize) -> Option<u16> {
        match self {
            Self::Bytes(codes) => Some(codes[row].into()),
            Self::Numbers(codes) => Some(codes[row]),
            Self::Names(codes) => Some(codes[row]).filter(|code| *code != OTHER),
            Self::None => None,
        }
    }
}

/// What a code stands for; `None` when it stands for records without the field.
fn text(field: &Field, names: &[Arc<str>], code: usize) -> Option<String> {
    let byte = u8::try_from(code).ok();
    match field {
        Field::Known(Known::Kind) => Some(Kind::from_byte(byte?)?.as_label().to_owned()),
        Field::Known(Known::Level) => Some(Level::from_byte(byte?)?.as_label().to_owned()),
        Field::Known(Known::Status) => (code != 0).then(|| code.to_string()),
        _ => Some(names.get(code)?.to_string()).filter(|name| !name.is_empty()),
    }
}
