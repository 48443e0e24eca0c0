//! Walks the tree on behalf of the fields: keeps the path, resolves references, reports problems.

use std::ops::Range;

use ph_base::diagnostic::{Diagnostic, Problem, SecretProblem, nearest};

use crate::interpolate::{Dialect, file_reference, interpolate, masked};
use crate::node::{Data, Entry, Node, Scalar};
use crate::report::Report;
use crate::secrets::Secrets;
use crate::text::{MASK, Secret, Text};

/// The state of one walk over one text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    dialect: Dialect,
    secrets: &'a dyn Secrets,
    report: &'a mut Report,
    path: Vec<Step>,
    /// Bytes of all values so far. A short text can refer to a long variable many times.
    resolved_bytes: usize,
    /// Places that are not to be shown, with what stands there instead.
    hidden: Vec<(Range<usize>, String)>,
}

/// Bytes of all values together, with references resolved.
const RESOLVED_BYTES_MAX: usize = 16 << 20;

/// One step on the way from the top to what is being read.
struct Step {
    /// With its dot or brackets.
    segment: String,
    /// The place of the key; `None` for an item of a list.
    key_at: Option<Range<usize>>,
}

/// A scalar with its references resolved.
pub(crate) struct Resolved<'n> {
    pub(crate) text: Text,
    /// Whether it may mean something else than a string: unquoted, or with a reference, which
    /// often has to be quoted.
    pub(crate) plain: bool,
    pub(crate) at: &'n Range<usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        text: &'a str,
        dialect: Dialect,
        secrets: &'a dyn Secrets,
        report: &'a mut Report,
    ) -> Self {
        Self {
            text,
            dialect,
            secrets,
            report,
            path: Vec::new(),
            resolved_bytes: 0,
            hidden: Vec::new(),
        }
    }

    /// What of the text is secret by its place, or may be since nobody knows what it means.
    pub(crate) fn into_hidden(self) -> Vec<(Range<usize>, String)> {
        self.hidden
    }

    /// Takes note that nobody knows what stands there.
    pub(crate) fn hide(&mut self, node: &Node) {
        if !node.is_null() {
            self.hidden.push((node.at.clone(), MASK.to_owned()));
        }
    }

    /// Whether an error was reported so far.
    pub(crate) fn has_error(&self) -> bool {
        self.report.has_error()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Reports a problem at a place, in the field that is being read.
    pub(crate) fn report(&mut self, at: &Range<usize>, problem: Problem) {
        self.report_with(at, problem, None);
    }

    pub(crate) fn report_with(
        &mut self,
        at: &Range<usize>,
        problem: Problem,
        hint: Option<String>,
    ) {
        let path = self.path.iter().map(|step| step.segment.as_str()).collect();
        self.report.add(Diagnostic {
            at: at.clone(),
            path,
            problem,
            hint,
        });
    }

    /// The place of the key that is being read, for what is not there to be pointed at.
    pub(crate) fn here(&self) -> Option<Range<usize>> {
        self.path.last().and_then(|step| step.key_at.clone())
    }

    /// Reads the value of an entry: `read` runs with the key in the path.
    pub(crate) fn within<T>(&mut self, entry: &Entry, read: impl FnOnce(&mut Self) -> T) -> T {
        let dot = if self.path.is_empty() { "" } else { "." };
        let segment = format!("{dot}{}", entry.key);
        self.within_step(
            Step {
                segment,
                key_at: Some(entry.key_at.clone()),
            },
            read,
        )
    }

    /// The same for an item of a list, counted from 0.
    pub(crate) fn within_item<T>(&mut self, nth: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within_step(
            Step {
                segment: format!("[{nth}]"),
                key_at: None,
            },
            read,
        )
    }

    fn within_step<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }

    /// The entries of a block with fixed keys. Unknown keys are reported, one by one.
    ///
    /// - returns: an empty slice for `null`: a block whose lines are all commented out.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        allowed: &[&'static str],
    ) -> Option<&'n [Entry]> {
        let entries = self.entries(node, "a mapping")?;
        for entry in entries {
            if !allowed.contains(&entry.key.as_str()) {
                self.hide(&entry.value);
                self.report_with(
                    &entry.key_at,
                    Problem::UnknownField {
                        got: entry.key.clone(),
                        allowed: allowed.to_vec(),
                    },
                    unknown_key_hint(&entry.key, allowed),
                );
            }
        }
        Some(entries)
    }

    /// The entries of a mapping with free keys.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        expected: &'static str,
    ) -> Option<&'n [Entry]> {
        match &node.data {
            Data::Map(entries) => Some(entries),
            Data::Scalar(_) if node.is_null() => Some(&[]),
            Data::Scalar(_) | Data::List(_) => self.wrong_type(node, expected),
        }
    }

    /// The items of a list.
    pub(crate) fn items<'n>(
        &mut self,
        node: &'n Node,
        expected: &'static str,
    ) -> Option<&'n [Node]> {
        match &node.data {
            Data::List(items) => Some(items),
            Data::Scalar(_) if node.is_null() => Some(&[]),
            Data::Scalar(_) | Data::Map(_) => self.wrong_type(node, expected),
        }
    }

    /// The scalar itself, with its references resolved. Never `null`.
    pub(crate) fn resolved<'n>(
        &mut self,
        node: &'n Node,
        expected: &'static str,
    ) -> Option<Resolved<'n>> {
        let scalar = self.scalar(node, expected)?;
        let value = self.resolve(&scalar.text, node)?;
        let text = Text::new(value, &scalar.text);
        Some(Resolved {
            plain: scalar.plain || text.is_reference(),
            text,
            at: &node.at,
        })
    }

    /// A secret: as [`Self::resolved`], or the content of the file that it names, without the
    /// line end at its end.
    pub(crate) fn secret(&mut self, node: &Node) -> Option<Secret> {
        let scalar = self.scalar(node, "a string")?;
        let path = match self.dialect {
            Dialect::Pilothouse => file_reference(&scalar.text),
            Dialect::Desktop => None,
        };
        let shown = match path {
            None => masked(&scalar.text, self.dialect),
            Some(_) => scalar.text.clone(),
        };
        self.hidden.push((node.at.clone(), shown.clone()));
        let value = match path {
            None => self.resolve(&scalar.text, node)?,
            Some(written) => {
                let path = self.resolve(written, node)?;
                self.file(&path, written, node)?
            }
        };
        Some(Secret::new(value, shown))
    }

    pub(crate) fn wrong_type<T>(&mut self, node: &Node, expected: &'static str) -> Option<T> {
        self.hide(node);
        // Of nothing there is nothing to see but its key.
        let at = self
            .here()
            .filter(|_| node.at.is_empty())
            .unwrap_or(node.at.clone());
        let got = node.kind();
        self.report(&at, Problem::WrongType { expected, got });
        None
    }

    fn scalar<'n>(&mut self, node: &'n Node, expected: &'static str) -> Option<&'n Scalar> {
        match &node.data {
            Data::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            Data::Scalar(_) | Data::List(_) | Data::Map(_) => self.wrong_type(node, expected),
        }
    }

    fn resolve(&mut self, written: &str, node: &Node) -> Option<String> {
        let bytes_max = RESOLVED_BYTES_MAX.saturating_sub(self.resolved_bytes);
        match interpolate(written, self.dialect, bytes_max, self.secrets) {
            Ok(value) => self.within_bounds(value, node),
            Err(failures) => {
                let mut rest = node.at.clone();
                for failed in failures {
                    let at = self
                        .find(&failed.reference, &rest)
                        .unwrap_or(node.at.clone());
                    // The next one stands behind this one.
                    rest.start = if at == node.at { rest.start } else { at.end };
                    let hint = self.reference_hint(&failed.problem);
                    self.report_with(&at, Problem::Secret(failed.problem), hint);
                }
                None
            }
        }
    }

    /// - `written`: the path as the operator wrote it. Only that is shown: a reference in it may
    ///   hold what nobody is to see.
    fn file(&mut self, path: &str, written: &str, node: &Node) -> Option<String> {
        match self.secrets.file(path.as_ref()) {
            Ok(content) => {
                let content = content.strip_suffix('\n').unwrap_or(&content);
                let content = content.strip_suffix('\r').unwrap_or(content);
                self.within_bounds(content.to_owned(), node)
            }
            Err(error) => {
                let problem = SecretProblem::UnreadableFile {
                    path: written.to_owned(),
                    reason: error.to_string(),
                };
                self.report(&node.at, Problem::Secret(problem));
                None
            }
        }
    }

    fn within_bounds(&mut self, value: String, node: &Node) -> Option<String> {
        self.resolved_bytes = self.resolved_bytes.saturating_add(value.len());
        if self.resolved_bytes > RESOLVED_BYTES_MAX {
            let what = "bytes with all references resolved";
            let max = RESOLVED_BYTES_MAX;
            self.report(&node.at, Problem::TooLarge { what, max });
            return None;
        }
        Some(value)
    }

    /// The place of `part` in the text of a scalar; `None` where escapes hide it, or where the
    /// search would be for a problem that is not shown.
    fn find(&self, part: &str, within: &Range<usize>) -> Option<Range<usize>> {
        let own = self
            .text
            .get(within.clone())
            .filter(|_| !self.report.is_full())?;
        let start = within.start + own.find(part)?;
        Some(start..start + part.len())
    }

    fn reference_hint(&self, problem: &SecretProblem) -> Option<String> {
        match (problem, self.dialect) {
            (SecretProblem::MissingVariable { name }, _) => {
                Some(format!("set `{name}`, or write `${{{name}:-default}}`"))
            }
            (SecretProblem::Malformed { .. }, Dialect::Pilothouse) => Some(
                "write `${NAME}` or `${NAME:-default}`; `$${` stands for `${` itself".to_owned(),
            ),
            (SecretProblem::Malformed { .. }, Dialect::Desktop) => Some(
                "only `${NAME}`, `${NAME:-default}` and `${env:NAME}` can be resolved here"
                    .to_owned(),
            ),
            (SecretProblem::VariableNotText { .. } | SecretProblem::UnreadableFile { .. }, _) => {
                None
            }
        }
    }
}

fn unknown_key_hint(got: &str, allowed: &[&'static str]) -> Option<String> {
    if got == "<<" {
        return Some("merge keys are not read; give the whole block as an alias".to_owned());
    }
    nearest(got, allowed).map(|near| format!("did you mean `{near}`?"))
}
