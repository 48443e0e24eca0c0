//! TOML.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Budget, Node, Value};
use crate::limits;
use crate::read_error::ReadError;
use crate::source::Source;

/// Reads a whole text.
///
/// - errors: the first place where it is not TOML (which knows no key twice) or goes beyond a bound.
pub(crate) fn read<'t>(source: Source<'t>) -> Result<Node<'t>, ReadError> {
    source.at_most(limits::TOML_BYTES)?;
    let table = DeTable::parse(source.text).map_err(|error| {
        let at = error.span().map_or(source.text.len(), |span| span.start);
        source.error(at, error.message())
    })?;
    let at = table.span().start;
    let mut budget = Budget::new(source);
    table_node(table.into_inner(), at, 0, &mut budget)
}

fn table_node<'t>(
    table: DeTable<'t>,
    at: usize,
    depth: usize,
    budget: &mut Budget<'t>,
) -> Result<Node<'t>, ReadError> {
    budget.take(at, depth)?;
    let entries = table
        .into_iter()
        .map(|(key, value)| Ok((key.into_inner(), value_node(value, depth + 1, budget)?)))
        .collect::<Result<_, ReadError>>()?;
    Ok(Node {
        at,
        value: Value::Map(entries),
    })
}

fn value_node<'t>(
    value: Spanned<DeValue<'t>>,
    depth: usize,
    budget: &mut Budget<'t>,
) -> Result<Node<'t>, ReadError> {
    let at = value.span().start;
    let value = match value.into_inner() {
        DeValue::Table(table) => return table_node(table, at, depth, budget),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| value_node(item, depth + 1, budget))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::String(text) => Value::Text(text),
        DeValue::Integer(number) => Value::Plain(Cow::Owned(number.to_string())),
        DeValue::Float(number) => Value::Plain(Cow::Owned(number.to_string())),
        DeValue::Boolean(truth) => {
            Value::Plain(Cow::Borrowed(if truth { "true" } else { "false" }))
        }
        DeValue::Datetime(date) => Value::Plain(Cow::Owned(date.to_string())),
    };
    budget.take(at, depth)?;
    Ok(Node { at, value })
}
