//! Does a line match? From the line alone; who has columns asks them first ([`Filter::decide`]).

use super::field::{Field, FieldType, Known};
use super::filter::{Condition, Expr, Filter, Leaf, Needle, Test};
use super::line::{self, Value};

impl Filter {
    /// Whether a line, one JSON object, matches.
    pub fn matches(&self, json: &[u8]) -> bool {
        self.expr.matches(json)
    }
}

impl Leaf<'_> {
    /// Whether it is true of a line.
    pub fn matches(self, json: &[u8]) -> bool {
        match self {
            Self::Text(needle) => needle.matches(json),
            Self::Field(condition) => condition.matches(json),
        }
    }
}

impl Expr {
    fn matches(&self, json: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::And(all) => all.iter().all(|one| one.matches(json)),
            Self::Or(any) => any.iter().any(|one| one.matches(json)),
            Self::Not(inner) => !inner.matches(json),
            Self::Text(needle) => needle.matches(json),
            Self::Field(condition) => condition.matches(json),
        }
    }
}

impl Needle {
    /// Whether a value of the line contains it. Names count only within objects that a tool or a
    /// server made.
    pub fn matches(&self, json: &[u8]) -> bool {
        self.may_be_in_line(json)
            && line::members(json).any(|(_, value)| match value {
                // The cheaper look first: nearly all values have nothing to resolve.
                Value::Text(_) | Value::Number(_) | Value::Object(_) | Value::List(_) => {
                    value.text().is_some_and(|text| self.is_in(&text))
                }
                Value::Word(_) => false,
            })
    }
}

impl Condition {
    /// Whether it is true of a line.
    pub fn matches(&self, json: &[u8]) -> bool {
        match self.field.field_type() {
            FieldType::Text | FieldType::Any => {
                let value = self.field.value(json);
                self.accepts_text(value.as_deref())
            }
            _ => match self.test {
                Test::Present { negated } => self.field.value(json).is_some() != negated,
                _ => self.accepts_number(self.field.number(json)),
            },
        }
    }

    /// Whether it is true of a field with this text; `None` when the line does not have the field.
    pub fn accepts_text(&self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            return matches!(self.test, Test::Present { negated: true });
        };
        match &self.test {
            Test::Present { negated } => !negated,
            Test::OneOf { negated, any } => any.iter().any(|p| p.matches(text)) != *negated,
            Test::Like { negated, regex } => regex.is_match(text) != *negated,
            Test::OrderAny { order, value } => {
                let number = text.trim().parse::<f64>();
                number.is_ok_and(|number| order.holds(&number, value))
            }
            Test::Within { .. } | Test::Order { .. } => text
                .parse()
                .is_ok_and(|number| self.accepts_number(Some(number))),
        }
    }

    /// Whether it is true of a field with this number, in the unit of the field's type; `None` when
    /// the line does not have the field.
    pub fn accepts_number(&self, number: Option<i64>) -> bool {
        let Some(number) = number else {
            return matches!(self.test, Test::Present { negated: true });
        };
        match &self.test {
            Test::Present { negated } => !negated,
            Test::Within { negated, any } => {
                any.iter().any(|(from, to)| (from..=to).contains(&&number)) != *negated
            }
            Test::Order { order, value } => order.holds(&number, value),
            // Not for numbers; the answer of the text is the same.
            Test::OneOf { .. } | Test::Like { .. } | Test::OrderAny { .. } => {
                self.accepts_text(Some(&number.to_string()))
            }
        }
    }

    /// Whether it is true of every number from `min` to `max` (both included, in the unit of the field's
    /// type), of none, or (`None`) of some perhaps.
    pub fn accepts_between(&self, min: i64, max: i64) -> Option<bool> {
        match &self.test {
            Test::Present { negated } => Some(!negated),
            Test::Within { negated, any } => {
                let is_all = any.iter().any(|(from, to)| *from <= min && max <= *to);
                let is_none = any.iter().all(|(from, to)| *to < min || max < *from);
                (is_all || is_none).then_some(is_all != *negated)
            }
            // Monotonous: what both ends say, all between them say.
            Test::Order { order, value } => {
                let ends = (order.holds(&min, value), order.holds(&max, value));
                (ends.0 == ends.1).then_some(ends.0)
            }
            Test::OneOf { .. } | Test::Like { .. } | Test::OrderAny { .. } => None,
        }
    }

    /// Shorthand for who dispatches on fields with a column of their own.
    pub fn known(&self) -> Option<Known> {
        match self.field {
            Field::Known(known) => Some(known),
            Field::Params(_) | Field::Attributes(_) => None,
        }
    }
}
