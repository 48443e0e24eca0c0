//! The parser's tree made into ours. Types are checked here once more, as the parser lets some cases pass;
//! places come from walking the words along with the tree.

use promql_parser::label::{MatchOp as ParserOp, Matchers};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Call, Expr, LabelModifier, Offset, SubqueryExpr,
    VectorMatchCardinality, VectorSelector, token,
};
use std::time::{Duration, SystemTime};

use super::cursor::Cursor;
use super::func::{self, Found};
use super::node::{
    Aggregate, AggregateOp, At, Binary, Group, Kind, Matching, Node, Op, Range, RangeOf, Selector,
    Shift, Text,
};
use crate::error::ParseError;
use crate::labels::METRIC_NAME;
use crate::matcher::{MatchOp, Matcher};
use crate::query::ValueType;

/// The tree is not deeper. Its functions call themselves, and a stack ends.
const DEPTH_MAX: usize = 200;
/// No time is further from 1970, milliseconds (292,000 years, so that sums of some do not overflow).
pub(crate) const TIME_MS_MAX: i64 = 9_223_372_036_854_775;

pub(super) struct Builder<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) depth: usize,
}

impl Builder<'_> {
    pub(super) fn node(&mut self, expr: &Expr) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self
                .cursor
                .error(format!("nested more than {DEPTH_MAX} deep")));
        }
        let node = self.node_at_depth(expr);
        self.depth -= 1;
        node
    }

    /// Small, as all that is below in the tree stands on it on the stack.
    fn node_at_depth(&mut self, expr: &Expr) -> Result<Node, ParseError> {
        // The parser drops a unary plus.
        let at = self.cursor.skip_pluses();
        match expr {
            Expr::Paren(inner) => self.parenthesized(&inner.expr),
            Expr::Unary(inner) => self.negated(&inner.expr, at),
            Expr::Subquery(subquery) => self.subquery(subquery, at),
            Expr::Binary(binary) => self.binary(binary, at),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, at),
            Expr::Call(call) => self.call(call, at),
            leaf => self.leaf(leaf, at),
        }
    }

    fn leaf(&mut self, expr: &Expr, at: usize) -> Result<Node, ParseError> {
        let (kind, gives) = match expr {
            Expr::NumberLiteral(number) => {
                self.cursor.skip_number();
                (Kind::Number(number.val), ValueType::Scalar)
            }
            Expr::StringLiteral(_) => {
                let (written, bytes) = self.cursor.string();
                let text = Text {
                    is_utf8: std::str::from_utf8(&bytes).is_ok(),
                    value: String::from_utf8_lossy(&bytes).into_owned(),
                    written,
                };
                (Kind::Text(text), ValueType::String)
            }
            Expr::VectorSelector(selector) => {
                let selector = self.selector(selector, at)?;
                self.cursor.skip_shifts();
                (Kind::Select(selector), ValueType::Vector)
            }
            Expr::MatrixSelector(matrix) => {
                let selector = self.selector(&matrix.vs, at)?;
                self.cursor.skip_brackets();
                self.cursor.skip_shifts();
                let range = Range {
                    of: RangeOf::Series(selector.matchers),
                    range_ms: self.duration_ms(matrix.range, at)?,
                    shift: selector.shift,
                };
                (Kind::Range(Box::new(range)), ValueType::Matrix)
            }
            _ => {
                return Err(self.cursor.unsupported_at(at, "an extension of the parser"));
            }
        };
        Ok(self.made(kind, gives, at))
    }

    fn made(&self, kind: Kind, gives: ValueType, at: usize) -> Node {
        Node {
            kind,
            gives,
            place: self.cursor.place(at),
        }
    }

    fn parenthesized(&mut self, inner: &Expr) -> Result<Node, ParseError> {
        self.cursor.skip("(");
        let node = self.node(inner)?;
        self.cursor.skip(")");
        Ok(node)
    }

    fn negated(&mut self, inner: &Expr, at: usize) -> Result<Node, ParseError> {
        self.cursor.skip("-");
        let node = self.node(inner)?;
        let gives = node.gives;
        if !matches!(gives, ValueType::Scalar | ValueType::Vector) {
            let text = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, \
                 got {}",
                gives.name()
            );
            return Err(self.cursor.error_at(at, text));
        }
        Ok(self.made(Kind::Neg(Box::new(node)), gives, at))
    }

    fn selector(&mut self, selector: &VectorSelector, at: usize) -> Result<Selector, ParseError> {
        self.cursor.skip_selector();
        let mut matchers = Vec::with_capacity(selector.matchers.matchers.len() + 1);
        if let Some(name) = &selector.name {
            matchers.push(self.matcher(METRIC_NAME, MatchOp::Eq, name, at)?);
        }
        self.matchers(&selector.matchers, &mut matchers, at)?;
        let names = matchers.iter().filter(|one| one.name() == METRIC_NAME);
        if selector.name.is_some() && names.count() > 1 {
            return Err(self
                .cursor
                .error_at(at, "metric name must not be set twice"));
        }
        if matchers.iter().all(|matcher| matcher.matches("")) {
            let text = "vector selector must contain at least one non-empty matcher";
            return Err(self.cursor.error_at(at, text));
        }
        Ok(Selector {
            matchers,
            shift: self.shift(selector.offset.as_ref(), selector.at.as_ref(), at)?,
        })
    }

    fn matchers(
        &self,
        from: &Matchers,
        into: &mut Vec<Matcher>,
        at: usize,
    ) -> Result<(), ParseError> {
        if !from.or_matchers.is_empty() {
            return Err(self
                .cursor
                .error_at(at, "unexpected `or` in label matching"));
        }
        for matcher in &from.matchers {
            let op = match matcher.op {
                ParserOp::Equal => MatchOp::Eq,
                ParserOp::NotEqual => MatchOp::Ne,
                ParserOp::Re(_) => MatchOp::Re,
                ParserOp::NotRe(_) => MatchOp::Nre,
            };
            into.push(self.matcher(&matcher.name, op, &matcher.value, at)?);
        }
        Ok(())
    }

    fn matcher(
        &self,
        name: &str,
        op: MatchOp,
        value: &str,
        at: usize,
    ) -> Result<Matcher, ParseError> {
        Matcher::new(name, op, value).map_err(|error| self.cursor.error_at(at, error.to_string()))
    }

    fn shift(
        &self,
        offset: Option<&Offset>,
        at_modifier: Option<&AtModifier>,
        at: usize,
    ) -> Result<Shift, ParseError> {
        let offset_ms = match offset {
            None => 0,
            Some(Offset::Pos(offset)) => self.duration_ms(*offset, at)?,
            Some(Offset::Neg(offset)) => -self.duration_ms(*offset, at)?,
        };
        let at = match at_modifier {
            None => None,
            Some(AtModifier::Start) => Some(At::Start),
            Some(AtModifier::End) => Some(At::End),
            Some(AtModifier::At(time)) => Some(At::Ms(self.unix_ms(*time, at)?)),
        };
        Ok(Shift { offset_ms, at })
    }

    fn duration_ms(&self, duration: Duration, at: usize) -> Result<i64, ParseError> {
        match i64::try_from(duration.as_millis()) {
            Ok(ms) if ms <= TIME_MS_MAX => Ok(ms),
            _ => Err(self.cursor.error_at(at, "duration out of range")),
        }
    }

    fn unix_ms(&self, time: SystemTime, at: usize) -> Result<i64, ParseError> {
        let (distance, sign) = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (after, 1),
            Err(before) => (before.duration(), -1),
        };
        match i64::try_from(distance.as_millis()) {
            Ok(ms) if ms <= TIME_MS_MAX => Ok(sign * ms),
            _ => Err(self
                .cursor
                .error_at(at, "timestamp out of bounds for @ modifier")),
        }
    }

    fn subquery(&mut self, subquery: &SubqueryExpr, at: usize) -> Result<Node, ParseError> {
        let node = self.node(&subquery.expr)?;
        let range = self.subquery_of(node, subquery, at)?;
        Ok(self.made(Kind::Range(Box::new(range)), ValueType::Matrix, at))
    }

    fn subquery_of(
        &mut self,
        node: Node,
        subquery: &SubqueryExpr,
        at: usize,
    ) -> Result<Range, ParseError> {
        if node.gives != ValueType::Vector {
            let text = format!(
                "subquery is only allowed on instant vector, got {} instead",
                node.gives.name()
            );
            return Err(self.cursor.error_at(at, text));
        }
        self.cursor.skip_brackets();
        self.cursor.skip_shifts();
        let step_ms = match subquery.step {
            Some(step) => Some(self.duration_ms(step, at)?),
            None => None,
        };
        Ok(Range {
            of: RangeOf::Subquery { node, step_ms },
            range_ms: self.duration_ms(subquery.range, at)?,
            shift: self.shift(subquery.offset.as_ref(), subquery.at.as_ref(), at)?,
        })
    }

    fn binary(&mut self, binary: &BinaryExpr, at: usize) -> Result<Node, ParseError> {
        let left = self.node(&binary.lhs)?;
        let operator_at = self.cursor.position();
        self.cursor.skip_operator();
        let right = self.node(&binary.rhs)?;
        let scalars = left.gives == ValueType::Scalar && right.gives == ValueType::Scalar;
        let gives = if scalars {
            ValueType::Scalar
        } else {
            ValueType::Vector
        };
        let binary = self.operation(left, right, binary, operator_at)?;
        Ok(self.made(Kind::Binary(Box::new(binary)), gives, at))
    }

    fn operation(
        &self,
        left: Node,
        right: Node,
        binary: &BinaryExpr,
        at: usize,
    ) -> Result<Binary, ParseError> {
        let modifier = binary.modifier.as_ref();
        if modifier.is_some_and(|one| one.fill_values != Default::default()) {
            return Err(self.cursor.unsupported_at(at, "the modifier `fill`"));
        }
        let Some(op) = op_of(binary.op.id()) else {
            let text = format!("unexpected `{}`", binary.op);
            return Err(self.cursor.error_at(at, text));
        };
        let matching = match modifier.and_then(|one| one.matching.as_ref()) {
            Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
            None => (false, Vec::new()),
        };
        let group = match modifier.map(|one| &one.card) {
            Some(VectorMatchCardinality::ManyToOne(labels)) => Some((true, labels)),
            Some(VectorMatchCardinality::OneToMany(labels)) => Some((false, labels)),
            _ => None,
        };
        let binary = Binary {
            op,
            left,
            right,
            is_bool: modifier.is_some_and(|one| one.return_bool),
            matching: Matching {
                on: matching.0,
                labels: matching.1,
                group: group.map(|(many_is_left, labels)| Group {
                    many_is_left,
                    include: labels.labels.clone(),
                }),
            },
        };
        match complaint(&binary) {
            Some(text) => Err(self.cursor.error_at(at, text)),
            None => Ok(binary),
        }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr, at: usize) -> Result<Node, ParseError> {
        self.cursor.skip_word();
        self.cursor.skip_grouping();
        self.cursor.skip("(");
        let param = match &aggregate.param {
            Some(param) => {
                let node = self.node(param)?;
                self.cursor.skip(",");
                Some(node)
            }
            None => None,
        };
        let of = self.node(&aggregate.expr)?;
        self.cursor.skip(")");
        self.cursor.skip_grouping();
        let made = self.aggregation(aggregate, param, of, at)?;
        Ok(self.made(Kind::Aggregate(Box::new(made)), ValueType::Vector, at))
    }

    fn aggregation(
        &self,
        aggregate: &AggregateExpr,
        param: Option<Node>,
        of: Node,
        at: usize,
    ) -> Result<Aggregate, ParseError> {
        let Some(op) = aggregate_of(aggregate.op.id()) else {
            let what = format!("the experimental aggregation `{}`", aggregate.op);
            return Err(self.cursor.unsupported_at(at, what));
        };
        if let Some(param) = &param {
            let wanted = match op {
                AggregateOp::CountValues => ValueType::String,
                _ => ValueType::Scalar,
            };
            self.expect(param, wanted, "aggregation expression", at)?;
        }
        self.expect(&of, ValueType::Vector, "aggregation expression", at)?;
        let (without, labels) = match &aggregate.modifier {
            Some(LabelModifier::Include(labels)) => (false, labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => (true, labels.labels.clone()),
            None => (false, Vec::new()),
        };
        Ok(Aggregate {
            op,
            of,
            param,
            without,
            labels,
        })
    }

    fn call(&mut self, call: &Call, at: usize) -> Result<Node, ParseError> {
        self.cursor.skip_word();
        self.cursor.skip("(");
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args.args {
            if !args.is_empty() {
                self.cursor.skip(",");
            }
            args.push(self.node(arg)?);
        }
        self.cursor.skip(")");
        self.checked_call(call.func.name, args, at)
    }

    fn checked_call(
        &self,
        name: &'static str,
        args: Vec<Node>,
        at: usize,
    ) -> Result<Node, ParseError> {
        let signature = match func::find(name) {
            Found::Known(signature) => signature,
            Found::Experimental => {
                let what = format!("the experimental function `{name}`");
                return Err(self.cursor.unsupported_at(at, what));
            }
            Found::NativeHistogram => {
                let what = format!("`{name}`, which is for native histograms");
                return Err(self.cursor.unsupported_at(at, what));
            }
            Found::Unknown => {
                let text = format!("unknown function with name `{name}`");
                return Err(self.cursor.error_at(at, text));
            }
        };
        let (given, most) = (args.len(), signature.args.len());
        let least = most - signature.optional;
        if given < least || (given > most && !signature.repeats) {
            let text = format!("expected {least} argument(s) in call to `{name}`, got {given}");
            return Err(self.cursor.error_at(at, text));
        }
        for (i, arg) in args.iter().enumerate() {
            let wanted = signature.args[i.min(most - 1)];
            self.expect(arg, wanted, &format!("call to function `{name}`"), at)?;
        }
        let kind = Kind::Call(signature.func, name, args);
        Ok(self.made(kind, signature.gives, at))
    }

    fn expect(
        &self,
        node: &Node,
        wanted: ValueType,
        place: &str,
        at: usize,
    ) -> Result<(), ParseError> {
        if node.gives == wanted {
            return Ok(());
        }
        let (wanted, given) = (wanted.name(), node.gives.name());
        let text = format!("expected type {wanted} in {place}, got {given}");
        Err(self.cursor.error_at(at, text))
    }
}

/// What Prometheus would say against an operation, if anything.
fn complaint(binary: &Binary) -> Option<String> {
    let is_scalar = |node: &Node| node.gives == ValueType::Scalar;
    let is_operand = |node: &Node| is_scalar(node) || node.gives == ValueType::Vector;
    let Binary {
        op, left, right, ..
    } = binary;
    if !is_operand(left) || !is_operand(right) {
        return Some("binary expression must contain only scalar and instant vector types".into());
    }
    if binary.is_bool && !op.is_comparison() {
        return Some("bool modifier can only be used on comparison operators".into());
    }
    if op.is_comparison() && is_scalar(left) && is_scalar(right) && !binary.is_bool {
        return Some("comparisons between scalars must use BOOL modifier".into());
    }
    let matching = &binary.matching;
    if (is_scalar(left) || is_scalar(right)) && op.is_set() {
        return Some("set operator not allowed in binary scalar expression".into());
    }
    let any = !matching.labels.is_empty() || matching.group.is_some();
    if (is_scalar(left) || is_scalar(right)) && any {
        return Some("vector matching only allowed between instant vectors".into());
    }
    let group = matching.group.as_ref()?;
    if op.is_set() {
        return Some("no grouping allowed for set operations".into());
    }
    let both = group
        .include
        .iter()
        .find(|one| matching.on && matching.labels.contains(one))?;
    Some(format!(
        "label `{both}` must not occur in ON and GROUP clause at once"
    ))
}

fn op_of(id: token::TokenId) -> Option<Op> {
    Some(match id {
        token::T_ADD => Op::Add,
        token::T_SUB => Op::Sub,
        token::T_MUL => Op::Mul,
        token::T_DIV => Op::Div,
        token::T_MOD => Op::Mod,
        token::T_POW => Op::Pow,
        token::T_ATAN2 => Op::Atan2,
        token::T_EQLC => Op::Eq,
        token::T_NEQ => Op::Ne,
        token::T_GTR => Op::Gt,
        token::T_LSS => Op::Lt,
        token::T_GTE => Op::Ge,
        token::T_LTE => Op::Le,
        token::T_LAND => Op::And,
        token::T_LOR => Op::Or,
        token::T_LUNLESS => Op::Unless,
        _ => return None,
    })
}

fn aggregate_of(id: token::TokenId) -> Option<AggregateOp> {
    Some(match id {
        token::T_AVG => AggregateOp::Avg,
        token::T_BOTTOMK => AggregateOp::Bottomk,
        token::T_COUNT => AggregateOp::Count,
        token::T_COUNT_VALUES => AggregateOp::CountValues,
        token::T_GROUP => AggregateOp::Group,
        token::T_MAX => AggregateOp::Max,
        token::T_MIN => AggregateOp::Min,
        token::T_QUANTILE => AggregateOp::Quantile,
        token::T_STDDEV => AggregateOp::Stddev,
        token::T_STDVAR => AggregateOp::Stdvar,
        token::T_SUM => AggregateOp::Sum,
        token::T_TOPK => AggregateOp::Topk,
        _ => return None,
    })
}
