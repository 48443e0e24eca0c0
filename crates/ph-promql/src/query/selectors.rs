//! The selectors of a query, for those who look for series and not for values.

use promql_parser::label::{MatchOp as Op, Matcher as Condition};
use promql_parser::parser::Expr;

use crate::labels::METRIC_NAME;
use crate::matcher::{MatchOp, Matcher};

/// The matchers of every selector in `expr`, the metric's name included.
pub(super) fn of(expr: &Expr) -> Vec<Vec<Matcher>> {
    let mut found = Vec::new();
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        let selector = match expr {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(range) => &range.vs,
            _ => {
                left.extend(parts(expr));
                continue;
            }
        };
        let name = selector.name.iter().filter_map(|name| {
            // A name without a pattern always makes a matcher.
            Matcher::new(METRIC_NAME, MatchOp::Eq, name.as_str()).ok()
        });
        let conditions = selector.matchers.matchers.iter().filter_map(matcher);
        found.push(name.chain(conditions).collect());
    }
    found
}

/// `None` for a pattern that does not compile; the parser has compiled it before.
fn matcher(condition: &Condition) -> Option<Matcher> {
    let op = match condition.op {
        Op::Equal => MatchOp::Eq,
        Op::NotEqual => MatchOp::Ne,
        Op::Re(_) => MatchOp::Re,
        Op::NotRe(_) => MatchOp::Nre,
    };
    Matcher::new(condition.name.as_str(), op, condition.value.as_str()).ok()
}

/// What an expression that is no selector is made of, the last part first.
fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => {
            let param = aggregate.param.as_deref();
            std::iter::once(&*aggregate.expr).chain(param).collect()
        }
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.rhs, &binary.lhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().rev().map(|arg| &**arg).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::query::parse;

    #[track_caller]
    fn check(query: &str, want: &[&str]) {
        let selectors = parse(query).unwrap().selectors();
        let got: Vec<String> = selectors
            .iter()
            .map(|matchers| {
                let texts = matchers
                    .iter()
                    .map(|m| format!("{}{:?}{}", m.name(), m.op(), m.value()));
                texts.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(got, want, "{query}");
    }

    #[test]
    fn selectors_are_found_wherever_they_stand() {
        check("1 + 1", &[]);
        check("up", &["__name__Equp"]);
        check(
            r#"sum by (a) (rate(x{b!="c",d=~"e|f"}[5m])) / on() -(y) > bool 2"#,
            &["__name__Eqx bNec dRee|f", "__name__Eqy"],
        );
        check(
            r#"topk(scalar(n), max_over_time({__name__=~"a.+"}[5m:1m]))"#,
            &["__name__Eqn", "__name__Rea.+"],
        );
    }

    #[test]
    fn a_selector_alone_is_told_apart() {
        for (query, want) in [
            ("up", true),
            (r#"{a="b"}"#, true),
            ("up[5m]", false),
            ("up offset 5m", false),
            ("up @ 0", false),
            ("(up)", false),
            ("up + 1", false),
        ] {
            assert_eq!(parse(query).unwrap().is_selector(), want, "{query}");
        }
    }
}
