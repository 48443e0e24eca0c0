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
pub(crate) struct Node {
    /// Byte range in the text. For an alias, the place of the anchor.
    pub(crate) at: Range<usize>,
    pub(crate) data: Data,
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A value without parts, as text: what it means depends on the field that reads it.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes, so that it may mean a number, a truth value or nothing.
    pub(crate) plain: bool,
}

/// One key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Range<usize>,
    pub(crate) value: Node,
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
    pub(crate) fn kind(&self) -> &'static str {
        match &self.data {
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
            Data::Scalar(scalar) => scalar.kind(),
        }
    }

    /// Whether nothing was written, or `null`.
    pub(crate) fn is_null(&self) -> bool {
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
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
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
