//! YAML as lockfiles use it: one document, no anchors, no tags.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{self, Budget, Node, Value};
use crate::limits;
use crate::read_error::ReadError;
use crate::source::Source;

/// Reads a whole text.
///
/// - errors: the first place where it is not YAML, begins a second document, uses an anchor or a tag, says a key twice
///   or goes beyond a bound.
pub(crate) fn read<'t>(source: Source<'t>) -> Result<Node<'t>, ReadError> {
    source.at_most(limits::YAML_BYTES)?;
    let offsets = Offsets::of(source.text);
    let mut tree = Tree {
        source,
        budget: Budget::new(source),
        open: Vec::new(),
        root: None,
    };
    for event in Parser::new_from_str(source.text) {
        let (event, span) = event
            .map_err(|error| source.error(offsets.byte(error.marker().index()), error.info()))?;
        tree.take(event, offsets.byte(span.start.index()))?;
    }
    tree.root
        .ok_or_else(|| source.error(source.text.len(), "the text is empty"))
}

struct Tree<'t> {
    source: Source<'t>,
    budget: Budget<'t>,
    open: Vec<Open<'t>>,
    root: Option<Node<'t>>,
}

/// A list or map that has not ended.
struct Open<'t> {
    at: usize,
    kind: Kind<'t>,
}

enum Kind<'t> {
    List(Vec<Node<'t>>),
    Map(Vec<(Cow<'t, str>, Node<'t>)>, Option<Cow<'t, str>>),
}

impl<'t> Tree<'t> {
    fn take(&mut self, event: Event<'t>, at: usize) -> Result<(), ReadError> {
        match event {
            Event::Alias(_) => Err(self.source.error(at, "aliases are not read")),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => Err(self.source.error(at, "tags are not read")),
            Event::Scalar(text, style, ..) => {
                let value = if style == ScalarStyle::Plain && is_plain(&text) {
                    Value::Plain(text)
                } else {
                    Value::Text(text)
                };
                self.budget.take(at, self.open.len())?;
                self.put(Node { at, value })
            }
            Event::SequenceStart(..) => self.begin(at, Kind::List(Vec::new())),
            Event::MappingStart(..) => self.begin(at, Kind::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(self.source.error(at, "a second document begins here"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: usize, kind: Kind<'t>) -> Result<(), ReadError> {
        self.budget.take(at, self.open.len())?;
        self.open.push(Open { at, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let Some(Open { at, kind }) = self.open.pop() else {
            return Ok(());
        };
        let value = match kind {
            Kind::List(items) => Value::List(items),
            Kind::Map(entries, _) => node::map(&self.source, entries)?,
        };
        self.put(Node { at, value })
    }

    fn put(&mut self, node: Node<'t>) -> Result<(), ReadError> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map(entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => match node.value {
                    Value::Text(text) | Value::Plain(text) => *key = Some(text),
                    _ => return Err(self.source.error(node.at, "a key has to be a text")),
                },
            },
        }
        Ok(())
    }
}

/// Whether an unquoted scalar is a boolean or nothing. Numbers stay texts: a version `1.10` is none.
fn is_plain(text: &str) -> bool {
    matches!(text, "true" | "false" | "null" | "~" | "")
}

/// The parser counts characters; everything else here counts bytes.
struct Offsets {
    /// Byte offset of each character; none for ASCII, where both counts are the same.
    of_chars: Option<Vec<usize>>,
    len: usize,
}

impl Offsets {
    fn of(text: &str) -> Self {
        Self {
            of_chars: (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect()),
            len: text.len(),
        }
    }

    fn byte(&self, char_index: usize) -> usize {
        match &self.of_chars {
            None => char_index.min(self.len),
            Some(offsets) => offsets.get(char_index).copied().unwrap_or(self.len),
        }
    }
}
