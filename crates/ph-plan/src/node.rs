//! The tree that the YAML and the JSON reader make of a text: values with their byte ranges.

use std::ops::Range;

/// Depth of nesting that is read. Bounds recursion everywhere below.
pub(crate) const DEPTH_MAX: usize = 32;

/// Values in one text, aliases counted as often as they are used. Bounds what an alias can blow
/// up to.
pub(crate) const NODES_MAX: usize = 50_000;

/// Bytes of all scalars in one text, counted in the same way.
pub(crate) const VALUE_BYTES_MAX: usize = 4 << 20;

/// Bytes of one text.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;

/// One value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Byte range in the text. For an alias, the place of the anchor.
    pub at: Range<usize>,
    /// What stands there.
    pub data: Data,
}

/// What a value is made of.
#[derive(Clone, Debug)]
pub enum Data {
    /// A value without parts.
    Scalar(Scalar),
    /// Values in their order.
    List(Vec<Node>),
    /// Values by key, in the order of the text, each key once.
    Map(Vec<Entry>),
}

/// A value without parts, as text: what it means depends on the field that reads it.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The value, without quotes and escapes.
    pub text: String,
    /// Without quotes, so that it may mean a number, a truth value or nothing.
    pub plain: bool,
}

/// One key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Byte range of the key.
    pub key_at: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// What an empty text says.
    pub(crate) fn nothing() -> Self {
        Self {
            at: 0..0,
            data: Data::Scalar(Scalar {
                text: String::new(),
                plain: true,
            }),
        }
    }

    /// What kind of value this is, with its article, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
            Data::Scalar(scalar) => scalar.kind(),
        }
    }

    /// Whether nothing was written, or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.is_null())
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            Data::Scalar(_) | Data::Map(_) => &[],
        }
    }

    /// The entry of a mapping with this key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }
}

impl Scalar {
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    fn kind(&self) -> &'static str {
        if !self.plain {
            return "a string";
        }
        match self.text.as_str() {
            _ if self.is_null() => "nothing",
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "a truth value",
            text if text.parse::<f64>().is_ok() => "a number",
            _ => "a string",
        }
    }
}
