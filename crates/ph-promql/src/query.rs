//! From text to a query that can be evaluated.

mod guard;
mod selectors;
mod token;

use promql_parser::parser::Expr;
use promql_parser::parser::value::ValueType as Type;

use crate::error::ParseError;
use crate::matcher::Matcher;

/// A query that Prometheus would accept, and that this engine can evaluate.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    expr: Expr,
}

/// What kind of value a query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// A string.
    String,
    /// An instant vector.
    Vector,
    /// A range vector.
    Matrix,
}

impl Query {
    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What kind of value it gives in an instant query.
    pub fn value_type(&self) -> ValueType {
        match self.expr.value_type() {
            Type::Scalar => ValueType::Scalar,
            Type::String => ValueType::String,
            Type::Vector => ValueType::Vector,
            Type::Matrix => ValueType::Matrix,
        }
    }

    /// The matchers of each selector in it, the metric's name included.
    pub fn selectors(&self) -> Vec<Vec<Matcher>> {
        selectors::of(&self.expr)
    }

    /// Whether it is one instant selector and nothing else, as `match[]` of the HTTP API has to be.
    pub fn is_selector(&self) -> bool {
        matches!(&self.expr, Expr::VectorSelector(selector)
            if selector.offset.is_none() && selector.at.is_none())
    }

    /// The query in many lines where it is long.
    pub fn pretty(&self) -> String {
        self.expr.prettify()
    }
}

/// Reads a query.
///
/// # Errors
/// What Prometheus would not accept, and what it would and this engine does not ([`ParseError::unsupported`]).
pub fn parse(text: &str) -> Result<Query, ParseError> {
    let tokens = token::scan(text)?;
    guard::check(text, &tokens)?;
    let expr =
        promql_parser::parser::parse(text).map_err(|said| guard::explain(text, &tokens, &said))?;
    Ok(Query {
        text: text.to_owned(),
        expr,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_knows_its_type() {
        let kind = |text: &str| parse(text).unwrap().value_type();
        assert_eq!(kind("1 + 1"), ValueType::Scalar);
        assert_eq!(kind("'a'"), ValueType::String);
        assert_eq!(kind("up"), ValueType::Vector);
        assert_eq!(kind("up[5m]"), ValueType::Matrix);
    }

    #[test]
    fn nothing_is_no_query() {
        assert_eq!(
            parse("  ").unwrap_err().to_string(),
            "1:1: parse error: no expression found in input"
        );
    }
}
