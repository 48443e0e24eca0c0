//! The file of overrides. It is flat, so it needs no tree: a list of maps of texts, one of which is a list.

use std::fmt;

use saphyr_parser::{Event, Parser, Span};

use super::Override;

/// A longer file is a mistake.
const FILE_BYTES_MAX: usize = 1 << 20;
/// So many problems are told of one file.
const PROBLEMS_MAX: usize = 100;
const KEYS: &str = "`id`, `package`, `versions`, `reason` and `expires`";

/// Something wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, in lower case without a full stop.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

#[derive(Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn of(span: Span) -> Self {
        Self {
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }

    fn problem(self, text: impl Into<String>) -> Problem {
        Problem {
            line: self.line,
            column: self.column,
            text: text.into(),
        }
    }
}

/// One entry as far as it was read.
#[derive(Default)]
struct Draft {
    id: Option<String>,
    package: Option<String>,
    versions: Vec<String>,
    reason: Option<String>,
    expires: Option<(String, Place)>,
}

/// Where in the file the reader is.
enum At {
    Nowhere,
    List,
    Entry,
    Value(String),
    Versions,
    Done,
}

struct Reader {
    at: At,
    draft: Draft,
    began: Place,
    overrides: Vec<Override>,
    problems: Vec<Problem>,
}

/// The rest of the file has no meaning after this problem.
struct Broken(Problem);

pub(super) fn read(text: &str) -> Result<Vec<Override>, Vec<Problem>> {
    let first = Place { line: 1, column: 1 };
    if text.len() > FILE_BYTES_MAX {
        return Err(vec![first.problem("the file is longer than 1 MiB")]);
    }
    let mut reader = Reader {
        at: At::Nowhere,
        draft: Draft::default(),
        began: first,
        overrides: Vec::new(),
        problems: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let taken = match event {
            Ok((event, span)) => reader.take(event, Place::of(span)),
            Err(error) => {
                let marker = error.marker();
                let place = Place {
                    line: marker.line(),
                    column: marker.col() + 1,
                };
                Err(Broken(place.problem(error.info())))
            }
        };
        if let Err(Broken(problem)) = taken {
            reader.problems.push(problem);
            break;
        }
        if reader.problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    if reader.problems.is_empty() {
        Ok(reader.overrides)
    } else {
        Err(reader.problems)
    }
}

impl Reader {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Broken> {
        let broken = |text: &str| Err(Broken(place.problem(text)));
        let at = std::mem::replace(&mut self.at, At::Done);
        self.at = match (at, event) {
            (at, Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing) => at,
            (At::Nowhere, Event::DocumentStart(_)) => At::Nowhere,
            (_, Event::DocumentStart(_)) => return broken("a second document begins here"),
            (_, Event::Alias(_)) => return broken("aliases are not taken here"),
            (At::Nowhere, Event::SequenceStart(..)) => At::List,
            // An empty file, or one of comments.
            (At::Nowhere, Event::Scalar(text, ..)) if text.is_empty() || text == "~" => At::Done,
            (At::Nowhere, _) => return broken("a list of overrides belongs here"),
            (At::List, Event::MappingStart(..)) => {
                self.began = place;
                self.draft = Draft::default();
                At::Entry
            }
            (At::List, Event::SequenceEnd) => At::Done,
            (At::List, _) => {
                return broken(&format!("an override is a map of {KEYS}"));
            }
            (At::Entry, Event::Scalar(key, ..)) => At::Value(key.into_owned()),
            (At::Entry, Event::MappingEnd) => {
                self.finish();
                At::List
            }
            (At::Entry, _) => return broken("a key belongs here"),
            (At::Value(key), Event::Scalar(value, ..)) => {
                self.set(&key, value.into_owned(), place);
                At::Entry
            }
            (At::Value(key), Event::SequenceStart(..)) if key == "versions" => At::Versions,
            (At::Value(key), _) => return broken(&format!("`{key}` is not a text")),
            (At::Versions, Event::Scalar(version, ..)) => {
                self.draft.versions.push(version.into_owned());
                At::Versions
            }
            (At::Versions, Event::SequenceEnd) => At::Entry,
            (At::Versions, _) => return broken("a version belongs here"),
            (At::Done, _) => At::Done,
        };
        Ok(())
    }

    fn set(&mut self, key: &str, value: String, place: Place) {
        if value.trim().is_empty() {
            self.problems
                .push(place.problem(format!("`{key}` is empty")));
            return;
        }
        let draft = &mut self.draft;
        let is_twice = match key {
            "id" => draft.id.replace(value).is_some(),
            "package" => draft.package.replace(value).is_some(),
            "reason" => draft.reason.replace(value).is_some(),
            "expires" => draft.expires.replace((value, place)).is_some(),
            "versions" => {
                self.problems.push(place.problem("`versions` is a list"));
                return;
            }
            _ => {
                let text = format!("`{key}` is not known: an override has {KEYS}");
                self.problems.push(place.problem(text));
                return;
            }
        };
        if is_twice {
            self.problems
                .push(place.problem(format!("`{key}` stands twice")));
        }
    }

    fn finish(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        let known = self.problems.len();
        for (key, is_there) in [
            ("id", draft.id.is_some()),
            ("package", draft.package.is_some()),
            ("reason", draft.reason.is_some()),
            ("expires", draft.expires.is_some()),
        ] {
            if !is_there {
                let text = format!("`{key}` is missing: nothing is overridden without it");
                self.problems.push(self.began.problem(text));
            }
        }
        let (text, place) = draft.expires.unwrap_or((String::new(), self.began));
        let expires = text.parse();
        if expires.is_err() && !text.is_empty() {
            let text = format!("`expires` is a day, `2026-12-31`, and `{text}` is none");
            self.problems.push(place.problem(text));
        }
        if let (true, Ok(expires)) = (self.problems.len() == known, expires) {
            self.overrides.push(Override {
                id: draft.id.unwrap_or_default(),
                package: draft.package.unwrap_or_default(),
                versions: draft.versions,
                reason: draft.reason.unwrap_or_default(),
                expires,
                line: self.began.line,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn entries_are_read_with_their_lines() {
        let text = "# reviewed\n- id: CVE-2026-14257\n  package: npm/brace-expansion\n  versions: [1.1.17, '2.1.3']\n  reason: fixed upstream\n  expires: 2026-12-31\n- {id: X, package: a, reason: b, expires: 2027-01-01}\n";
        let overrides = read(text).unwrap();
        assert_eq!(overrides.len(), 2);
        assert_eq!(overrides[0].versions, ["1.1.17", "2.1.3"]);
        assert_eq!(overrides[0].expires, jiff::civil::date(2026, 12, 31));
        assert_eq!((overrides[0].line, overrides[1].line), (2, 7));
        for nothing in ["", "# none\n", "[]", "~"] {
            assert_eq!(read(nothing), Ok(vec![]), "{nothing}");
        }
    }

    #[test]
    fn every_problem_has_its_place() {
        let text = "- id: X\n  package: a\n  expires: soon\n  why: x\n- id: Y\n  package: ''\n  reason: b\n  expires: 2026-02-30\n";
        assert_eq!(
            problems(text),
            [
                "4:8: `why` is not known: an override has `id`, `package`, `versions`, `reason` and `expires`",
                "1:3: `reason` is missing: nothing is overridden without it",
                "3:12: `expires` is a day, `2026-12-31`, and `soon` is none",
                "6:12: `package` is empty",
                "5:3: `package` is missing: nothing is overridden without it",
                "8:12: `expires` is a day, `2026-12-31`, and `2026-02-30` is none",
            ]
        );
        assert_eq!(
            problems("overrides: []"),
            ["1:1: a list of overrides belongs here"]
        );
        assert_eq!(problems("- id: {a: b}"), ["1:7: `id` is not a text"]);
        assert_eq!(
            problems("- &a {id: X}\n- *a")[3],
            "2:3: aliases are not taken here"
        );
        assert_eq!(
            problems("- {id: X, id: Y, package: a, reason: b, expires: 2027-01-01}"),
            ["1:15: `id` stands twice"]
        );
        assert!(
            problems("- id: 'x")[0].starts_with("1:"),
            "{:?}",
            problems("- id: 'x")
        );
    }
}
