//! Mappings with free keys: servers by name, variables, headers.

use std::collections::BTreeMap;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::node::Node;
use crate::reader::Reader;
use crate::section::Block;
use crate::text::Secret;
use crate::value::{Value, anchored};

/// The key of a mapping with free keys.
pub(crate) trait Key: Sized + Ord {
    /// What the keys are, for messages: `a mapping of servers by name`.
    const MAPPING: &'static str;
    /// What a key has to be.
    const EXPECTED: &'static str;
    /// The same as a regular expression of JSON Schema.
    const PATTERN: &'static str;

    fn parse(text: &str) -> Option<Self>;

    /// What the value has to be, if this text does not do as one.
    fn refuse_value(_value: &str) -> Option<&'static str> {
        None
    }

    fn as_str(&self) -> &str;
}

impl<K: Key, T: Value<Limits = ()> + MapItem> Value for BTreeMap<K, T> {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let mut map = Self::new();
        for entry in reader.entries(node, K::MAPPING)? {
            let key = K::parse(&entry.key);
            if key.is_none() {
                let expected = K::EXPECTED.to_owned();
                reader.report(
                    &entry.key_at,
                    Problem::BadValue {
                        got: entry.key.clone(),
                        expected,
                    },
                );
            }
            // The value is read even below a bad key: all problems at once.
            let value = reader.within(entry, |reader| {
                let value = T::read(&entry.value, &(), reader)?;
                if let Some(expected) = value.exposed().and_then(K::refuse_value) {
                    let got = value.show().as_str().unwrap_or_default().to_owned();
                    let problem = Problem::BadValue {
                        got,
                        expected: expected.to_owned(),
                    };
                    reader.report(&entry.value.at, problem);
                    return None;
                }
                Some(value)
            });
            let (Some(key), Some(value)) = (key, value) else {
                continue;
            };
            if map.insert(key, value).is_some() {
                let problem = Problem::BadValue {
                    got: entry.key.clone(),
                    expected: "each name once, in upper or lower case".to_owned(),
                };
                reader.report(&entry.key_at, problem);
            }
        }
        Some(map)
    }

    fn schema(_limits: &()) -> Json {
        json!({
            "type": ["object", "null"],
            "propertyNames": {"pattern": anchored(K::PATTERN)},
            "additionalProperties": T::schema(&()),
        })
    }

    fn block() -> Option<Block> {
        T::block()
    }

    fn show(&self) -> Json {
        let entries = self
            .iter()
            .map(|(key, value)| (key.as_str().to_owned(), value.show()));
        Json::Object(entries.collect())
    }
}

/// Lets a field name what is a key elsewhere.
macro_rules! key_as_value {
    ($ty:ty) => {
        impl $crate::value::Value for $ty {
            type Limits = ();
            const ANY: () = ();

            fn read(
                node: &$crate::node::Node,
                _limits: &(),
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                let resolved = reader.resolved(node, $crate::value::STRING)?;
                let key = <Self as $crate::mapping::Key>::parse(resolved.text.as_str());
                key.or_else(|| {
                    let expected = <Self as $crate::mapping::Key>::EXPECTED;
                    $crate::value::not_as_expected(node, &resolved, expected, reader)
                })
            }

            fn schema(_limits: &()) -> serde_json::Value {
                serde_json::json!({"type": ["string", "number", "boolean"], "minLength": 1})
            }

            fn show(&self) -> serde_json::Value {
                $crate::mapping::Key::as_str(self).into()
            }
        }
    };
}

pub(crate) use key_as_value;

/// Declares a name of 1 to 64 letters, digits and the signs that are given, which is the key of a mapping.
macro_rules! name {
    ($(#[doc = $about:literal])+ $name:ident, $mapping:literal, $expected:literal, $pattern:literal, $signs:pat $(, except $taken:expr)?) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::mapping::Key for $name {
            const MAPPING: &'static str = $mapping;
            const EXPECTED: &'static str = $expected;
            const PATTERN: &'static str = $pattern;

            fn parse(text: &str) -> Option<Self> {
                let fits = (1..=64).contains(&text.len())
                    && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, $signs));
                $( let fits = fits && text != $taken; )?
                fits.then(|| Self(text.to_owned()))
            }

            fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

pub(crate) use name;

/// A value of a mapping with free keys.
pub(crate) trait MapItem {
    /// The text that the key's rules apply to, if there is one.
    fn exposed(&self) -> Option<&str> {
        None
    }
}

impl MapItem for Secret {
    fn exposed(&self) -> Option<&str> {
        Some(self.expose())
    }
}
