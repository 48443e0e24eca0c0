//! What a field is compared with: from the written values to a test, by the type of the field.

use super::error::QueryError;
use super::field::{Field, FieldType, Known};
use super::filter::{Expression, Order, Pattern, Test};
use super::parser::Written;
use super::units;
use ph_base::diagnostic::nearest;
use std::ops::Range;

/// Kinds of lines.
const KINDS: [&str; 6] = ["call", "stderr", "event", "file", "span", "log"];

/// The test that `field sign values` is.
///
/// - `sign_at`: where the sign stands.
/// - `values`: at least one.
pub(super) fn test(
    field: &Field,
    sign: &'static str,
    sign_at: Range<usize>,
    values: &[Written],
) -> Result<Test, QueryError> {
    match sign {
        "=" | "!=" | "==" => equals(field, sign == "!=", values),
        "~" | "!~" | "=~" => like(field, sign == "!~", sign_at, values),
        _ => {
            let order = match sign {
                ">" => Order::Above,
                ">=" => Order::AtLeast,
                "<" => Order::Below,
                "<=" => Order::AtMost,
                // `=>` and `=<`
                other => {
                    let right = if other == "=>" { ">=" } else { "<=" };
                    return Err(
                        QueryError::new(sign_at, format!("`{other}` is no comparison"))
                            .hint(format!("did you mean `{right}`?")),
                    );
                }
            };
            ordered(field, order, sign_at, values)
        }
    }
}

/// What may stand behind the sign, in words.
pub(super) fn values_of(field: &Field) -> String {
    match field.field_type() {
        FieldType::Text if *field == Field::Known(Known::Kind) => KINDS.join(", "),
        FieldType::Text | FieldType::Any => "a value; in quotes where it has spaces".to_owned(),
        FieldType::Level => units::LEVELS.join(", "),
        FieldType::Number if is_status(field) => "a number, or a class such as 5xx".to_owned(),
        FieldType::Number => "a whole number".to_owned(),
        FieldType::Duration => {
            "a number with ns, us, ms, s, m, h or d, such as 1.5s; without a unit it is ms"
                .to_owned()
        }
        FieldType::Bytes => "a number of bytes, such as 64KiB or 1MB".to_owned(),
    }
}

fn equals(field: &Field, negated: bool, values: &[Written]) -> Result<Test, QueryError> {
    if let [only] = values
        && !only.is_quoted
        && only.text == "*"
    {
        return Ok(Test::Present { negated });
    }
    match field.field_type() {
        FieldType::Text | FieldType::Any => {
            let any = values.iter().map(|value| pattern(field, value));
            Ok(Test::OneOf {
                negated,
                any: any.collect::<Result<_, _>>()?,
            })
        }
        _ => {
            let any = values.iter().map(|value| range(field, value));
            Ok(Test::Within {
                negated,
                any: any.collect::<Result<_, _>>()?,
            })
        }
    }
}

fn pattern(field: &Field, value: &Written) -> Result<Pattern, QueryError> {
    if value.is_quoted {
        return Ok(Pattern::exact(value.text.as_str()));
    }
    let pattern = Pattern::with_stars(&value.text);
    if *field == Field::Known(Known::Kind)
        && let Some(kind) = pattern.as_exact()
        && !KINDS.contains(&kind)
    {
        return Err(no_such(field, value, nearest(kind, &KINDS)));
    }
    Ok(pattern)
}

fn like(
    field: &Field,
    negated: bool,
    sign_at: Range<usize>,
    values: &[Written],
) -> Result<Test, QueryError> {
    let is_text = matches!(field.field_type(), FieldType::Text | FieldType::Any);
    if !is_text {
        return Err(QueryError::new(sign_at, format!("`{field}` is no text"))
            .expected("=, !=, >, >=, < or <="));
    }
    let [only] = values else {
        let second = values.get(1).map_or(sign_at, |v| v.at.clone());
        return Err(
            QueryError::new(second, "`|` ends a regular expression that has no quotes")
                .hint(format!("put it in quotes: {field}~\"a|b\"")),
        );
    };
    let regex = Expression::new(&only.text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default();
        let reason = reason.trim_start_matches("error: ").to_owned();
        QueryError::new(only.at.clone(), format!("no regular expression: {reason}"))
    })?;
    Ok(Test::Like { negated, regex })
}

fn ordered(
    field: &Field,
    order: Order,
    sign_at: Range<usize>,
    values: &[Written],
) -> Result<Test, QueryError> {
    let field_type = field.field_type();
    if field_type == FieldType::Text {
        return Err(
            QueryError::new(sign_at, format!("`{field}` is text and has no order"))
                .expected("=, !=, ~ or !~"),
        );
    }
    let (only, more) = match values {
        [only] => (only, None),
        [only, more, ..] => (only, Some(more)),
        [] => return Err(QueryError::new(sign_at, format!("no value for `{field}`"))),
    };
    if let Some(more) = more {
        return Err(
            QueryError::new(more.at.clone(), "several values have no order")
                .expected(format!("one value behind `{}`", order.sign())),
        );
    }
    if field_type == FieldType::Any {
        let value = only.text.parse::<f64>().ok().filter(|v| v.is_finite());
        return match value {
            Some(value) => Ok(Test::OrderAny { order, value }),
            None => Err(bad_value(field, only, "a number")),
        };
    }
    match range(field, only)? {
        (value, to) if value == to => Ok(Test::Order { order, value }),
        // `status>=5xx` begins where the class begins, `status>5xx` beyond its end.
        (from, to) => Ok(Test::Order {
            order,
            value: match order {
                Order::AtLeast | Order::Below => from,
                Order::Above | Order::AtMost => to,
            },
        }),
    }
}

/// The numbers that a value stands for, both ends included.
fn range(field: &Field, value: &Written) -> Result<(i64, i64), QueryError> {
    let text = value.text.as_str();
    let number = match field.field_type() {
        FieldType::Level => {
            let level = units::level(text).map(i64::from);
            return level
                .map(|level| (level, level))
                .ok_or_else(|| no_such(field, value, nearest(text, &units::LEVELS)));
        }
        FieldType::Duration => units::duration(text),
        FieldType::Bytes => units::bytes(text),
        _ if is_status(field) => {
            if let Some(class) = units::status_class(text) {
                return Ok(class);
            }
            text.parse().ok()
        }
        _ => text.parse().ok(),
    };
    number
        .map(|number| (number, number))
        .ok_or_else(|| bad_value(field, value, &values_of(field)))
}

fn is_status(field: &Field) -> bool {
    matches!(
        field,
        Field::Known(Known::Status) | Field::Known(Known::HttpStatus)
    )
}

fn no_such(field: &Field, value: &Written, near: Option<&'static str>) -> QueryError {
    let error = bad_value(field, value, &values_of(field));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn bad_value(field: &Field, value: &Written, expected: &str) -> QueryError {
    let message = format!("`{}` is no value of `{field}`", value.text);
    QueryError::new(value.at.clone(), message).expected(expected)
}
