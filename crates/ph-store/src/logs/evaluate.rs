//! Whether a record fits a filter: first by its columns, then by its JSON.

use super::block::Zone;
use super::columns::NO_DURATION;
use super::{Kind, Level};
use crate::query::{Condition, Expr, Filter, Known as Field, Needle, Test};
use ph_base::trace::TraceId;
use std::sync::Arc;

/// What columns say of a record.
pub(crate) type Verdict = u8;
/// It does not fit.
pub(crate) const NO: Verdict = 0;
/// Its JSON has to be read.
pub(crate) const MAYBE: Verdict = 1;
/// It fits.
pub(crate) const YES: Verdict = 2;

/// The columns of a block, read when they are asked for.
pub(crate) trait Table {
    type Error;
    fn zone(&self) -> &Zone;
    fn durations(&self) -> Result<&[u64], Self::Error>;
    fn statuses(&self) -> Result<&[u16], Self::Error>;
    fn levels(&self) -> Result<&[u8], Self::Error>;
    fn kinds(&self) -> Result<&[u8], Self::Error>;
    fn names(&self, column: usize) -> Result<&[u16], Self::Error>;
    /// For each record whether it may be of the trace.
    fn of_trace(&self, hash: u64) -> Result<Vec<bool>, Self::Error>;
    /// `false` when no record contains the text.
    fn may_contain(&self, text: &str) -> Result<bool, Self::Error>;
}

/// A filter, ready for the records of one file, whose names have their own numbers.
#[derive(Debug)]
pub(crate) enum Node<'f> {
    All,
    And(Vec<Node<'f>>),
    Or(Vec<Node<'f>>),
    Not(Box<Node<'f>>),
    /// Verdict by number.
    Names(usize, Vec<Verdict>),
    Kinds([Verdict; 8]),
    Levels([Verdict; 8]),
    Status(&'f Condition),
    Duration(&'f Condition),
    Traces(Vec<u64>),
    Text(&'f Needle),
    /// The JSON has to be read; it has all texts of at least one of these.
    Words(Vec<Vec<&'f str>>),
    Json,
}

impl<'f> Node<'f> {
    pub(crate) fn new(filter: &'f Filter, names: &[Arc<str>]) -> Self {
        Self::of(filter.expr(), names)
    }

    fn of(expr: &'f Expr, names: &[Arc<str>]) -> Self {
        let all = |parts: &'f [Expr]| parts.iter().map(|part| Self::of(part, names)).collect();
        match expr {
            Expr::All => Self::All,
            Expr::And(parts) => Self::And(all(parts)),
            Expr::Or(parts) => Self::Or(all(parts)),
            Expr::Not(part) => Self::Not(Box::new(Self::of(part, names))),
            Expr::Text(text) => Self::Text(text),
            Expr::Field(condition) => Self::of_condition(condition, names),
        }
    }

    fn of_condition(condition: &'f Condition, names: &[Arc<str>]) -> Self {
        let by_name = |column: usize| {
            let verdict = |name: &Arc<str>| yes_or_no(condition.accepts_text(some(name)));
            Self::Names(column, names.iter().map(verdict).collect())
        };
        match condition.known() {
            Some(Field::Server) => by_name(0),
            Some(Field::Method) => by_name(1),
            Some(Field::Tool) => by_name(2),
            Some(Field::Outcome) => by_name(3),
            Some(Field::Kind) => {
                let fits = |kind: Kind| yes_or_no(condition.accepts_text(Some(kind.as_label())));
                Self::Kinds(std::array::from_fn(|i| {
                    Kind::from_byte(i as u8).map_or(NO, fits)
                }))
            }
            Some(Field::Level) => {
                // The numbers of levels are those of the query language.
                let fits = |level: Level| yes_or_no(condition.accepts_number(Some(level as i64)));
                Self::Levels(std::array::from_fn(|i| {
                    Level::from_byte(i as u8).map_or(NO, fits)
                }))
            }
            Some(Field::Status) => Self::Status(condition),
            Some(Field::Duration) => Self::Duration(condition),
            Some(Field::TraceId) => match &condition.test {
                Test::OneOf { negated, any } => {
                    let hash =
                        |id: &str| Some(super::columns::trace_hash(Some(TraceId::parse(id)?)));
                    let hashes = any.iter().map(|pattern| hash(pattern.as_exact()?));
                    match hashes.collect::<Option<Vec<u64>>>() {
                        // Hashes can be equal by chance, and lines without a trace are no others.
                        Some(hashes) if !negated => Self::Traces(hashes),
                        _ => Self::Json,
                    }
                }
                _ => Self::Json,
            },
            _ => Self::of_json(condition),
        }
    }

    /// A field without a column. What it is equal to stands in the line, in no other way than a text that is searched for.
    fn of_json(condition: &'f Condition) -> Self {
        match &condition.test {
            Test::OneOf {
                negated: false,
                any,
            } => Self::Words(
                any.iter()
                    .map(|pattern| pattern.pieces().collect())
                    .collect(),
            ),
            _ => Self::Json,
        }
    }

    /// What the bounds of a block say of all its records.
    pub(crate) fn of_zone(&self, zone: &Zone) -> Verdict {
        let of_bits = |bits: u8, table: &[Verdict; 8]| {
            let mut verdicts = (0..8).filter(|i| bits >> i & 1 == 1).map(|i| table[i]);
            let first = verdicts.next().unwrap_or(NO);
            if verdicts.all(|v| v == first) {
                first
            } else {
                MAYBE
            }
        };
        match self {
            Self::All => YES,
            Self::And(parts) => parts.iter().map(|p| p.of_zone(zone)).min().unwrap_or(YES),
            Self::Or(parts) => parts.iter().map(|p| p.of_zone(zone)).max().unwrap_or(NO),
            Self::Not(part) => YES - part.of_zone(zone),
            Self::Kinds(table) => of_bits(zone.kinds, table),
            Self::Levels(table) => of_bits(zone.levels, table),
            // A status of 0 is none.
            Self::Status(condition) if zone.status_min > 0 => {
                between(condition, zone.status_min.into(), zone.status_max.into())
            }
            Self::Status(condition) if zone.status_max == 0 => {
                yes_or_no(condition.accepts_number(None))
            }
            Self::Duration(condition) => match zone.durations_ns {
                Some((min, max)) => {
                    let timed = between(condition, signed(min), signed(max));
                    let untimed = yes_or_no(condition.accepts_number(None));
                    if zone.untimed == 0 || timed == untimed {
                        timed
                    } else {
                        MAYBE
                    }
                }
                None => yes_or_no(condition.accepts_number(None)),
            },
            Self::Status(_) => MAYBE,
            Self::Names(..) | Self::Traces(..) | Self::Text(_) | Self::Words(_) | Self::Json => {
                MAYBE
            }
        }
    }

    /// A verdict on each record of a block.
    pub(crate) fn verdicts<T: Table>(&self, table: &T) -> Result<Vec<Verdict>, T::Error> {
        let records = table.zone().records;
        let by = |fits: bool| vec![yes_or_no(fits); records];
        Ok(match self {
            Self::All => by(true),
            Self::Not(part) => {
                let mut verdicts = part.verdicts(table)?;
                verdicts.iter_mut().for_each(|v| *v = YES - *v);
                verdicts
            }
            Self::And(parts) => {
                let mut verdicts = by(true);
                for part in parts {
                    combine(&mut verdicts, &part.verdicts(table)?, Verdict::min);
                    if verdicts.iter().all(|v| *v == NO) {
                        break;
                    }
                }
                verdicts
            }
            Self::Or(parts) => {
                let mut verdicts = by(false);
                for part in parts {
                    combine(&mut verdicts, &part.verdicts(table)?, Verdict::max);
                }
                verdicts
            }
            Self::Names(column, by_id) => {
                let of = |id: &u16| by_id.get(usize::from(*id)).copied().unwrap_or(MAYBE);
                table.names(*column)?.iter().map(of).collect()
            }
            Self::Kinds(by_kind) => {
                let of = |kind: &u8| by_kind[usize::from(kind & 7)];
                table.kinds()?.iter().map(of).collect()
            }
            Self::Levels(by_level) => {
                let of = |level: &u8| by_level[usize::from(level & 7)];
                table.levels()?.iter().map(of).collect()
            }
            Self::Status(condition) => {
                let of = |status: &u16| {
                    let status = (*status != 0).then_some(i64::from(*status));
                    yes_or_no(condition.accepts_number(status))
                };
                table.statuses()?.iter().map(of).collect()
            }
            Self::Duration(condition) => {
                let of = |ns: &u64| {
                    let ns = (*ns != NO_DURATION).then_some(signed(*ns));
                    yes_or_no(condition.accepts_number(ns))
                };
                table.durations()?.iter().map(of).collect()
            }
            Self::Traces(hashes) => {
                let mut verdicts = by(false);
                for hash in hashes {
                    let of = table.of_trace(*hash)?;
                    for (verdict, fits) in verdicts.iter_mut().zip(of) {
                        *verdict = (*verdict).max(if fits { MAYBE } else { NO });
                    }
                }
                verdicts
            }
            Self::Text(needle) => {
                let verdict = if table.may_contain(needle.text())? {
                    MAYBE
                } else {
                    NO
                };
                vec![verdict; records]
            }
            Self::Words(any) => {
                let mut verdict = NO;
                for texts in any {
                    if verdict == NO && contains_all(table, texts)? {
                        verdict = MAYBE;
                    }
                }
                vec![verdict; records]
            }
            Self::Json => vec![MAYBE; records],
        })
    }
}

fn contains_all<T: Table>(table: &T, texts: &[&str]) -> Result<bool, T::Error> {
    for text in texts {
        if !table.may_contain(text)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn combine(into: &mut [Verdict], other: &[Verdict], by: fn(Verdict, Verdict) -> Verdict) {
    for (a, b) in into.iter_mut().zip(other) {
        *a = by(*a, *b);
    }
}

fn yes_or_no(fits: bool) -> Verdict {
    if fits { YES } else { NO }
}

fn some(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

/// A number of nanoseconds as the query language has it; 292 years are enough.
fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

fn between(condition: &Condition, min: i64, max: i64) -> Verdict {
    condition.accepts_between(min, max).map_or(MAYBE, yes_or_no)
}
