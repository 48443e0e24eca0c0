//! What is evaluated: the parser's tree with types checked, names looked up and places known.

use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::query::ValueType;
use crate::query::func::Func;

/// A part of a query.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) gives: ValueType,
}

/// Where a part begins, both counted from 1. Shown as Prometheus shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "({}:{})", self.line, self.column)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Number(f64),
    Text(Text),
    Select(Selector),
    Range(Box<Range>),
    Neg(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Func, &'static str, Vec<Node>),
}

/// A string literal.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) value: String,
    /// As it stands in the query, with its quotes.
    pub(crate) written: String,
    /// Escapes of single bytes may make something that is no UTF-8, which no label can be.
    pub(crate) is_utf8: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) offset_ms: i64,
    pub(crate) at: Option<At>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Start,
    End,
    Ms(i64),
}

/// `x[5m]` or `(…)[1h:5m]`.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) of: RangeOf,
    pub(crate) range_ms: i64,
    pub(crate) shift: Shift,
}

#[derive(Clone, Debug)]
pub(crate) enum RangeOf {
    Series(Vec<Matcher>),
    Subquery { node: Node, step_ms: Option<i64> },
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) is_bool: bool,
    pub(crate) matching: Matching,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    And,
    Or,
    Unless,
}

impl Op {
    pub(crate) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Eq | Self::Ne | Self::Gt | Self::Lt | Self::Ge | Self::Le
        )
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// The value of the operation on numbers; a comparison gives 1 or 0.
    pub(crate) fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
            Self::Mod => left % right,
            Self::Pow => power(left, right),
            Self::Atan2 => left.atan2(right),
            _ => f64::from(u8::from(self.holds(left, right))),
        }
    }

    /// Whether a comparison holds.
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Gt => left > right,
            Self::Lt => left < right,
            Self::Ge => left >= right,
            Self::Le => left <= right,
            _ => true,
        }
    }
}

/// As C99 and Go have it: 1 to any power and anything to the power of 0 are 1, even with NaN.
fn power(base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

/// Which series of two sides belong together.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    /// `on (…)`, else `ignoring (…)`.
    pub(crate) on: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) group: Option<Group>,
}

impl Matching {
    /// The labels that both sides must have in common.
    pub(crate) fn key(&self, labels: &Labels) -> Labels {
        labels.filtered(|name| {
            if self.on {
                self.labels.iter().any(|one| one == name)
            } else {
                name != crate::labels::METRIC_NAME && !self.labels.iter().any(|one| one == name)
            }
        })
    }
}

/// `group_left (…)` or `group_right (…)`.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The side on which many series may match one of the other.
    pub(crate) many_is_left: bool,
    pub(crate) include: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) of: Node,
    pub(crate) param: Option<Node>,
    /// `without (…)`, else `by (…)`.
    pub(crate) without: bool,
    pub(crate) labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}
