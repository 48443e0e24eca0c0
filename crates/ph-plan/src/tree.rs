//! Builds the tree from what a reader of text sees, one step at a time, and keeps the bounds.
//!
//! Both readers feed it, so that depth, size, keys and aliases are judged in one place. It does
//! not recurse.

use std::collections::BTreeMap;
use std::ops::Range;

use ph_base::diagnostic::{Diagnostic, Problem};

use crate::node::{DEPTH_MAX, Data, Entry, NODES_MAX, Node, Scalar, VALUE_BYTES_MAX};
use crate::report::Report;

/// A tree under construction.
///
/// A failing step means that the rest of the text is not worth reading; what can be read past
/// goes to the report.
pub(crate) struct Tree<'a> {
    text: &'a str,
    report: &'a mut Report,
    open: Vec<Open>,
    /// Finished values that carry an anchor, with what they weigh.
    anchors: BTreeMap<usize, (Node, Weight)>,
    total: Weight,
    root: Option<Node>,
}

/// What a part of the tree costs to keep and to copy.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    /// Of scalars.
    bytes: usize,
}

impl Weight {
    fn of(node: &Node) -> Self {
        let bytes = match &node.data {
            Data::Scalar(scalar) => scalar.text.len(),
            Data::List(_) | Data::Map(_) => 0,
        };
        Self { nodes: 1, bytes }
    }

    /// Both are bounded after each step, so neither sum overflows.
    fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            bytes: self.bytes + other.bytes,
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            nodes: self.nodes - before.nodes,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// A collection that has begun and not ended.
struct Open {
    start: usize,
    /// What the tree weighed before it began.
    before: Weight,
    anchor: Option<usize>,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: BTreeMap<String, Range<usize>>,
        key: Option<(String, Range<usize>)>,
    },
}

/// A failure after which reading stops.
pub(crate) type Step = Result<(), Box<Diagnostic>>;

impl<'a> Tree<'a> {
    pub(crate) fn new(text: &'a str, report: &'a mut Report) -> Self {
        Self {
            text,
            report,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            total: Weight::default(),
            root: None,
        }
    }

    /// The finished tree; `None` when no value was seen.
    pub(crate) fn finish(self) -> Option<Node> {
        self.root
    }

    pub(crate) fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// Whether the next scalar is the key of an entry.
    pub(crate) fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                parts: Parts::Map { key: None, .. },
                ..
            })
        )
    }

    pub(crate) fn scalar(
        &mut self,
        scalar: Scalar,
        at: Range<usize>,
        anchor: Option<usize>,
    ) -> Step {
        let node = Node {
            at,
            data: Data::Scalar(scalar),
        };
        let weight = Weight::of(&node);
        self.add(weight, &node.at)?;
        self.remember(anchor, &node, weight);
        self.place(node)
    }

    pub(crate) fn open_list(&mut self, at: Range<usize>, anchor: Option<usize>) -> Step {
        self.open(Parts::List(Vec::new()), at, anchor)
    }

    pub(crate) fn open_map(&mut self, at: Range<usize>, anchor: Option<usize>) -> Step {
        let parts = Parts::Map {
            entries: Vec::new(),
            seen: BTreeMap::new(),
            key: None,
        };
        self.open(parts, at, anchor)
    }

    /// Ends the innermost collection; `end` is the byte after it.
    pub(crate) fn close(&mut self, end: usize) -> Step {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let data = match open.parts {
            Parts::List(items) => Data::List(items),
            Parts::Map { entries, .. } => Data::Map(entries),
        };
        let node = Node {
            at: open.start..self.trim_end(open.start, end),
            data,
        };
        let weight = self.total.since(open.before);
        self.remember(open.anchor, &node, weight);
        self.place(node)
    }

    /// Uses the value of an anchor once more.
    pub(crate) fn alias(&mut self, anchor: usize, at: Range<usize>) -> Step {
        // Weighed before it is copied.
        if let Some((_, weight)) = self.anchors.get(&anchor) {
            self.add(*weight, &at)?;
        }
        let Some((node, _)) = self.anchors.get(&anchor) else {
            // An alias inside its own anchor: the anchor is not finished yet.
            let message = "an alias cannot stand inside its own anchor".to_owned();
            return Err(self.failure(at, Problem::Syntax { message }));
        };
        let node = node.clone();
        self.place(node)
    }

    fn open(&mut self, parts: Parts, at: Range<usize>, anchor: Option<usize>) -> Step {
        if self.open.len() >= DEPTH_MAX {
            let problem = Problem::TooLarge {
                what: "levels of nesting",
                max: DEPTH_MAX,
            };
            // Its path would only be long.
            let path = String::new();
            return Err(Box::new(Diagnostic {
                at,
                path,
                problem,
                hint: None,
            }));
        }
        let before = self.total;
        self.add(Weight { nodes: 1, bytes: 0 }, &at)?;
        self.open.push(Open {
            start: at.start,
            before,
            anchor,
            parts,
        });
        Ok(())
    }

    fn add(&mut self, weight: Weight, at: &Range<usize>) -> Step {
        self.total = self.total.plus(weight);
        let (what, max) = if self.total.nodes > NODES_MAX {
            ("values", NODES_MAX)
        } else if self.total.bytes > VALUE_BYTES_MAX {
            ("bytes of values", VALUE_BYTES_MAX)
        } else {
            return Ok(());
        };
        Err(self.failure(at.clone(), Problem::TooLarge { what, max }))
    }

    fn remember(&mut self, anchor: Option<usize>, node: &Node, weight: Weight) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
    }

    fn place(&mut self, node: Node) -> Step {
        let text = self.text;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let problem = match &mut open.parts {
            Parts::List(items) => {
                items.push(node);
                return Ok(());
            }
            Parts::Map { entries, seen, key } => match key.take() {
                None => match take_key(&node) {
                    Ok(name) => {
                        *key = Some((name, node.at));
                        return Ok(());
                    }
                    Err(problem) => (node.at, problem),
                },
                Some((name, key_at)) => match seen.get(&name) {
                    None => {
                        seen.insert(name.clone(), key_at.clone());
                        entries.push(Entry {
                            key: name,
                            key_at,
                            value: node,
                        });
                        return Ok(());
                    }
                    // Finding the line walks the text: not for a problem that is not shown.
                    Some(_) if self.report.is_full() => (
                        key_at,
                        Problem::Duplicate {
                            key: name,
                            first_line: 0,
                        },
                    ),
                    Some(first) => {
                        let first_line = text[..first.start].matches('\n').count() + 1;
                        (
                            key_at,
                            Problem::Duplicate {
                                key: name,
                                first_line,
                            },
                        )
                    }
                },
            },
        };
        let (at, problem) = problem;
        let failure = self.failure(at, problem);
        if matches!(failure.problem, Problem::Duplicate { .. }) {
            self.report.add(*failure);
            return Ok(());
        }
        Err(failure)
    }

    fn failure(&self, at: Range<usize>, problem: Problem) -> Box<Diagnostic> {
        Box::new(Diagnostic {
            at,
            path: self.path(),
            problem,
            hint: None,
        })
    }

    /// The field that holds the innermost open collection's current place.
    fn path(&self) -> String {
        let mut path = String::new();
        for outer in self.open.iter().take(self.open.len().saturating_sub(1)) {
            match &outer.parts {
                Parts::List(items) => path.push_str(&format!("[{}]", items.len())),
                Parts::Map { key, .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key.as_ref().map_or("", |(name, _)| name));
                }
            }
        }
        path
    }

    /// A block collection ends where the next thing begins; its own text ends before.
    fn trim_end(&self, start: usize, end: usize) -> usize {
        self.text
            .get(start..end)
            .map_or(end, |own| start + own.trim_end().len())
    }
}

fn take_key(node: &Node) -> Result<String, Problem> {
    match &node.data {
        Data::Scalar(scalar) if !scalar.is_null() => Ok(scalar.text.clone()),
        Data::Scalar(_) | Data::List(_) | Data::Map(_) => Err(Problem::WrongType {
            expected: "a key",
            got: node.kind(),
        }),
    }
}
