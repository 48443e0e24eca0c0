//! A value and where it stands.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::limits;
use crate::read_error::ReadError;
use crate::source::Source;

/// A value of a JSON, YAML or TOML text.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    /// Byte offset into the text.
    pub(crate) at: usize,
    pub(crate) value: Value<'t>,
}

#[derive(Debug)]
pub(crate) enum Value<'t> {
    Text(Cow<'t, str>),
    /// A number, a boolean, a date or nothing, as it is written.
    Plain(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Map(Vec<(Cow<'t, str>, Node<'t>)>),
}

impl<'t> Node<'t> {
    /// The value under a key; none for what is not a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find_map(|(name, node)| (name == key).then_some(node))
    }

    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> &[(Cow<'t, str>, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text, a number or a boolean, as it is written.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// The text under a key.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// Whether `true` stands under a key.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).and_then(Self::scalar) == Some("true")
    }

    /// The names of the entries of a map, or of the texts of a list.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let keys = self.entries().iter().map(|(key, _)| key.as_ref());
        keys.chain(self.items().iter().filter_map(Self::text))
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }
}

/// Counts values while a tree is built.
pub(crate) struct Budget<'t> {
    source: Source<'t>,
    nodes: usize,
}

impl<'t> Budget<'t> {
    pub(crate) fn new(source: Source<'t>) -> Self {
        Self { source, nodes: 0 }
    }

    /// Takes one value at a depth.
    pub(crate) fn take(&mut self, at: usize, depth: usize) -> Result<(), ReadError> {
        self.nodes += 1;
        if depth > limits::DEPTH {
            let max = limits::DEPTH;
            return Err(self.source.error(at, format!("deeper than {max} levels")));
        }
        if self.nodes > limits::NODES {
            let max = limits::NODES;
            return Err(self.source.error(at, format!("more than {max} values")));
        }
        Ok(())
    }
}

/// A map, unless a key stands twice: two readers would read it differently.
pub(crate) fn map<'t>(
    source: &Source<'_>,
    entries: Vec<(Cow<'t, str>, Node<'t>)>,
) -> Result<Value<'t>, ReadError> {
    let mut seen = HashSet::with_capacity(entries.len());
    for (key, node) in &entries {
        if !seen.insert(key.as_ref()) {
            let shown: String = key.chars().take(80).collect();
            let text = format!("the key {shown:?} stands twice");
            return Err(source.error(node.at, text));
        }
    }
    drop(seen);
    Ok(Value::Map(entries))
}

/// A map in which of a key that stands twice the last one counts.
pub(crate) fn last_map<'t>(mut entries: Vec<(Cow<'t, str>, Node<'t>)>) -> Value<'t> {
    let mut last = HashMap::with_capacity(entries.len());
    for (index, (key, _)) in entries.iter().enumerate() {
        last.insert(key.clone(), index);
    }
    let mut index = 0;
    entries.retain(|(key, _)| {
        index += 1;
        last.get(key) == Some(&(index - 1))
    });
    Value::Map(entries)
}
