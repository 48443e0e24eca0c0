//! From text to a query that can be evaluated.

mod build;
mod cursor;
pub(crate) mod func;
mod guard;
pub(crate) mod node;
mod selectors;
mod token;

use promql_parser::parser::Expr;

use self::build::Builder;
pub(crate) use self::build::TIME_MS_MAX;
use self::cursor::Cursor;
use self::node::Node;
use crate::error::ParseError;
use crate::matcher::Matcher;

/// A query that Prometheus would accept, and that this engine can evaluate.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    expr: Expr,
    node: Node,
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

impl ValueType {
    /// As Prometheus's messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

impl Query {
    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What kind of value it gives in an instant query.
    pub fn value_type(&self) -> ValueType {
        self.node.gives
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

    pub(crate) fn node(&self) -> &Node {
        &self.node
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
    let mut builder = Builder {
        cursor: Cursor::new(text, &tokens),
        depth: 0,
    };
    let node = builder.node(&expr)?;
    Ok(Query {
        text: text.to_owned(),
        expr,
        node,
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
