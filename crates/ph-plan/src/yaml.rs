//! YAML text → tree. Aliases are resolved, within bounds; tags and merge keys are not taken.

use std::ops::Range;

use ph_base::diagnostic::{Diagnostic, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::node::Scalar;
use crate::tree::{Step, Tree};

/// Feeds one YAML document to `tree`.
///
/// - errors: the first place where the text is not YAML, begins a second document, uses a tag,
///   or goes beyond a bound. The rest of such a text means nothing.
pub(crate) fn read(text: &str, tree: &mut Tree<'_>) -> Step {
    let offsets = Offsets::of(text);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_failure(&error, &offsets, text))?;
        take(event, offsets.range(span), tree)?;
    }
    Ok(())
}

fn take(event: Event<'_>, at: Range<usize>, tree: &mut Tree<'_>) -> Step {
    match event {
        Event::Scalar(value, style, anchor, tag) => {
            let is_text = forced_text(tag.as_deref(), &at)?;
            let plain = style == ScalarStyle::Plain && !is_text;
            tree.scalar(
                Scalar {
                    text: value.into_owned(),
                    plain,
                },
                at,
                anchored(anchor),
            )
        }
        Event::SequenceStart(anchor, tag) => {
            forced_text(tag.as_deref(), &at)?;
            tree.open_list(at, anchored(anchor))
        }
        Event::MappingStart(anchor, tag) => {
            forced_text(tag.as_deref(), &at)?;
            tree.open_map(at, anchored(anchor))
        }
        Event::SequenceEnd | Event::MappingEnd => tree.close(at.end),
        Event::Alias(anchor) => tree.alias(anchor, at),
        Event::DocumentStart(_) if tree.has_root() => {
            let message = "a second document begins here; one file is one document".to_owned();
            Err(failure(at, Problem::Syntax { message }))
        }
        Event::DocumentStart(_)
        | Event::DocumentEnd
        | Event::StreamStart
        | Event::StreamEnd
        | Event::Nothing => Ok(()),
    }
}

/// The parser numbers anchors from 1 and says 0 for none.
fn anchored(id: usize) -> Option<usize> {
    (id > 0).then_some(id)
}

/// `!!str` makes text of what would be a number. No other tag means anything here, and ignoring
/// one would be a guess.
fn forced_text(tag: Option<&Tag>, at: &Range<usize>) -> Result<bool, Box<Diagnostic>> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
        Some(tag) => {
            let message = format!("the tag `{}{}` means nothing here", tag.handle, tag.suffix);
            Err(failure(at.clone(), Problem::Syntax { message }))
        }
    }
}

fn scan_failure(error: &ScanError, offsets: &Offsets, text: &str) -> Box<Diagnostic> {
    let at = offsets.byte(error.marker().index());
    let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    failure(
        at..end,
        Problem::Syntax {
            message: error.info().to_owned(),
        },
    )
}

fn failure(at: Range<usize>, problem: Problem) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        at,
        path: String::new(),
        problem,
        hint: None,
    })
}

/// The parser counts characters; everything else here counts bytes.
struct Offsets {
    /// Byte offset of each character; `None` for ASCII, where both counts are the same.
    of_chars: Option<Vec<usize>>,
    len: usize,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let of_chars = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self {
            of_chars,
            len: text.len(),
        }
    }

    fn byte(&self, char_index: usize) -> usize {
        match &self.of_chars {
            None => char_index.min(self.len),
            Some(offsets) => offsets.get(char_index).copied().unwrap_or(self.len),
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}
