//! Fields of a case, by any of the names that they go by, and which of them nobody has read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use ph_cost::hpa::Tolerance;
use serde_json::Value;

/// A case, or an object within one.
pub(super) struct Case<'a> {
    value: &'a Value,
    read: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Case<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        Self {
            value,
            read: RefCell::default(),
        }
    }

    pub(super) fn name(&self) -> Option<String> {
        let name = self.get(&["name", "annotation", "description", "comment"]);
        name.and_then(|name| name.as_str().map(ToOwned::to_owned))
    }

    /// The first of these that is there and not null.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'a Value> {
        let fields = self.value.as_object()?;
        let mut found = None;
        for (key, value) in fields {
            if names.contains(&key.as_str()) {
                self.read.borrow_mut().insert(key);
                found = found.or((!value.is_null()).then_some(value));
            }
        }
        found
    }

    /// An object within.
    pub(super) fn inner(&self, names: &[&str]) -> Option<Case<'a>> {
        self.get(names).map(Case::of)
    }

    pub(super) fn list(&self, names: &[&str]) -> Option<&'a Vec<Value>> {
        self.get(names).and_then(Value::as_array)
    }

    pub(super) fn int(&self, names: &[&str]) -> Result<Option<i64>> {
        self.get(names).map(int).transpose()
    }

    pub(super) fn need(&self, names: &[&str]) -> Result<i64> {
        let missing = || anyhow!("it has no `{}`", names.first().unwrap_or(&""));
        self.int(names)?.ok_or_else(missing)
    }

    pub(super) fn float(&self, names: &[&str]) -> Result<Option<f64>> {
        let read = |value: &Value| {
            let quantity = |text: &str| match text.strip_suffix('m') {
                Some(milli) => milli.parse().ok().map(|milli: f64| milli / 1e3),
                None => text.parse().ok(),
            };
            let number = value.as_f64().or(value.as_str().and_then(quantity));
            number.ok_or_else(|| anyhow!("{value} is no number"))
        };
        self.get(names).map(read).transpose()
    }

    /// The tolerance of each direction, 0.1 where nothing is said.
    pub(super) fn tolerance(&self) -> Result<Tolerance> {
        let mut tolerance = Tolerance::default();
        if let Some(both) = self.get(&["tolerance"])
            && !both.is_object()
        {
            let both = self.float(&["tolerance"])?.unwrap_or(tolerance.up);
            tolerance = Tolerance {
                up: both,
                down: both,
            };
        }
        for place in [
            Some(Case::of(self.value)),
            self.inner(&["tolerances", "tolerance"]),
        ]
        .into_iter()
        .flatten()
        {
            const UP: &[&str] = &["scaleUpTolerance", "scaleUp", "up", "toleranceUp"];
            const DOWN: &[&str] = &["scaleDownTolerance", "scaleDown", "down", "toleranceDown"];
            self.get(UP);
            self.get(DOWN);
            tolerance.up = place.float(UP)?.unwrap_or(tolerance.up);
            tolerance.down = place.float(DOWN)?.unwrap_or(tolerance.down);
            let milli =
                |names: &[&str]| Ok::<_, anyhow::Error>(place.float(names)?.map(|m| m / 1e3));
            let up = milli(&["scaleUpTolerance_milli", "scaleUp_milli", "up_milli"])?;
            let down = milli(&["scaleDownTolerance_milli", "scaleDown_milli", "down_milli"])?;
            self.get(&["scaleUpTolerance_milli", "scaleDownTolerance_milli"]);
            tolerance.up = up.unwrap_or(tolerance.up);
            tolerance.down = down.unwrap_or(tolerance.down);
        }
        Ok(tolerance)
    }

    /// Its fields.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        let fields = self.value.as_object().into_iter();
        fields.flat_map(|fields| fields.keys().map(String::as_str))
    }

    /// Those that somebody has asked for.
    pub(super) fn read(&self) -> BTreeSet<&'a str> {
        self.read.borrow().clone()
    }
}

pub(super) fn int(value: &Value) -> Result<i64> {
    let text = value.as_str().and_then(|text| text.parse().ok());
    let number = value.as_i64().or(text);
    number.ok_or_else(|| anyhow!("{value} is no whole number"))
}

/// Which of a list are true, also as the status of a condition; `Unknown` is not.
pub(super) fn flag(list: Option<&Vec<Value>>, nth: usize) -> Option<bool> {
    let value = list?.get(nth)?;
    let status = |text: &str| text.eq_ignore_ascii_case("true");
    value.as_bool().or(value.as_str().map(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tolerance_is_a_number_or_a_quantity_of_either_direction() {
        let of = |case: Value| Case::of(&case).tolerance().unwrap();
        let quantities = of(json!({"tolerances": {"scaleUp": "50m", "scaleDown": "0.2"}}));
        assert_eq!((quantities.up, quantities.down), (0.05, 0.2));
        let one = of(json!({"scaleDownTolerance": 0}));
        assert_eq!((one.up, one.down), (0.1, 0.0));
        assert!(Case::of(&json!({"tolerance": "5x"})).tolerance().is_err());
    }

    #[test]
    fn the_status_of_a_condition_is_a_flag() {
        let list = vec![json!(true), json!("True"), json!("Unknown"), json!(null)];
        let flags: Vec<_> = (0..5).map(|nth| flag(Some(&list), nth)).collect();
        assert_eq!(flags, [Some(true), Some(true), Some(false), None, None]);
    }
}
