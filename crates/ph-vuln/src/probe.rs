//! Hostile inputs of a finding's class for the tools of a server, and what their effects prove.
//!
//! What was shown is demonstrated. What was not is "not demonstrated", never "safe": other inputs were not tried.

mod fill;
mod payload;
mod regression;

use std::time::Duration;

use serde_json::{Map, Value};

pub use payload::Canary;
pub use regression::{Framework, regression};

/// So many calls are made for one class.
pub const PROBES_MAX: usize = 400;
/// An answer that takes so long, where a harmless one takes a twentieth, hangs on the input.
const SLOW: Duration = Duration::from_secs(1);
const SLOWER_TIMES: u32 = 20;

/// A class of weakness that can be shown through tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// CWE-1321: the input reaches the prototype of all objects of JavaScript.
    PrototypePollution,
    /// CWE-22 and its kin: a file outside of what the server may read is read.
    PathTraversal,
    /// CWE-78 and its kin: the input is run.
    CommandInjection,
    /// CWE-918: the server fetches what the caller names.
    Ssrf,
    /// CWE-1333: a pattern takes a time that explodes with the input.
    ReDos,
}

impl Class {
    /// All, with the word of each.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::PrototypePollution, "prototype-pollution"),
        (Self::PathTraversal, "path-traversal"),
        (Self::CommandInjection, "command-injection"),
        (Self::Ssrf, "ssrf"),
        (Self::ReDos, "redos"),
    ];

    /// The class of a weakness by its CWE (`CWE-22`).
    #[must_use]
    pub fn of_cwe(cwe: &str) -> Option<Self> {
        let number: u32 = cwe.trim_start_matches("CWE-").parse().ok()?;
        Some(match number {
            1321 | 915 => Self::PrototypePollution,
            22 | 23 | 24 | 35 | 36 | 41 | 59 | 61 | 73 => Self::PathTraversal,
            74 | 77 | 78 | 88 | 94 | 95 => Self::CommandInjection,
            918 => Self::Ssrf,
            1333 => Self::ReDos,
            _ => return None,
        })
    }

    /// The word on the command line and in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(class, _)| *class == self);
        known.map_or("", |(_, word)| word)
    }

    /// Reads the word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, name)| *name == word);
        known.map(|(class, _)| *class)
    }
}

/// A tool as the server lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its `inputSchema`.
    pub schema: Value,
}

impl Tool {
    /// Whether its schema leaves open which arguments there are: nothing in it can be tried.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        fill::is_silent(&self.schema)
    }

    /// Has one that is silent take these arguments, all at once, and says nothing of what they are. Every other stays as it
    /// is.
    pub fn assume(&mut self, arguments: &[String]) {
        if self.is_silent() && !arguments.is_empty() {
            self.schema = fill::assumed(arguments);
        }
    }
}

/// One call that is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// Where in the arguments the payload is: a JSON pointer.
    pub at: String,
    /// What the payload is, in words (`__proto__ in an object`).
    pub what: &'static str,
    /// What shows itself when this one works; of its own for every probe.
    pub mark: String,
}

/// The calls of one class for all tools, each argument in turn, at most [`PROBES_MAX`]. With them the number of those that
/// were left out.
#[must_use]
pub fn probes(class: Class, tools: &[Tool], canary: &Canary) -> (Vec<Probe>, usize) {
    let mut probes = Vec::new();
    let mut maker = payload::Maker::new(canary);
    for tool in tools {
        let harmless = fill::harmless(&tool.schema);
        for place in fill::places(&tool.schema) {
            for payload in maker.payloads(class) {
                let Some(value) = payload.fits(place.kind) else {
                    continue;
                };
                probes.push(Probe {
                    tool: tool.name.clone(),
                    arguments: fill::put(&harmless, &place, value),
                    at: format!("/{}", place.name.replace('~', "~0").replace('/', "~1")),
                    what: payload.what,
                    mark: payload.mark,
                });
            }
        }
    }
    let left_out = probes.len().saturating_sub(PROBES_MAX);
    probes.truncate(PROBES_MAX);
    (probes, left_out)
}

/// A harmless call of a tool: what a hostile one is compared with.
#[must_use]
pub fn harmless(tool: &Tool) -> Map<String, Value> {
    fill::harmless(&tool.schema)
}

/// What was seen after one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The answer's text, bounded.
    pub answer: String,
    /// Whether it was an error, of the protocol or of the tool.
    pub is_error: bool,
    /// From the call to its answer, or to the end of waiting.
    pub took: Duration,
    /// No answer came in time.
    pub is_late: bool,
    /// The server ended.
    pub has_ended: bool,
    /// Marks that were found on the prototype of all objects.
    pub polluted: Vec<String>,
    /// Marks of files that somebody has made.
    pub made: Vec<String>,
    /// Marks that were fetched.
    pub fetched: Vec<String>,
}

/// What one call proves, in words; none: nothing.
#[must_use]
pub fn evidence(
    class: Class,
    probe: &Probe,
    seen: &Seen,
    harmless: Duration,
    canary: &Canary,
) -> Option<String> {
    let has = |marks: &[String]| marks.contains(&probe.mark);
    match class {
        Class::PrototypePollution if has(&seen.polluted) => Some(format!(
            "`Object.prototype.{}` exists afterwards, for every object of the process",
            probe.mark
        )),
        Class::PathTraversal if seen.answer.contains(&canary.content) => {
            Some("the answer holds the content of a file that lies outside".to_owned())
        }
        Class::CommandInjection if has(&seen.made) => {
            Some("a command in the argument was run: it made a file".to_owned())
        }
        Class::Ssrf if has(&seen.fetched) => {
            Some("the server fetched the loopback address in the argument".to_owned())
        }
        Class::ReDos if seen.took >= SLOW && seen.took >= harmless * SLOWER_TIMES => Some(format!(
            "the answer took {:.1} s, a harmless one {:.3} s",
            seen.took.as_secs_f64(),
            harmless.as_secs_f64()
        )),
        _ => None,
    }
}

/// What came of all calls of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The class.
    pub class: Class,
    /// Each payload that worked, once for each tool: with what it proves.
    pub demonstrated: Vec<(Probe, String)>,
    /// Calls that were made.
    pub tried: usize,
    /// Of these, answered with an error: the input was refused, or something else was wrong with it.
    pub refused: usize,
    /// Of these, not answered in time.
    pub late: usize,
    /// Times the server ended and was started again.
    pub ended: usize,
    /// Calls that were left out for the bound.
    pub left_out: usize,
}

impl Outcome {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(class: Class, left_out: usize) -> Self {
        Self {
            class,
            demonstrated: Vec::new(),
            tried: 0,
            refused: 0,
            late: 0,
            ended: 0,
            left_out,
        }
    }

    /// One more call. `evidence` is what it proves.
    pub fn add(&mut self, probe: &Probe, seen: &Seen, evidence: Option<String>) {
        self.tried += 1;
        self.refused += usize::from(seen.is_error);
        self.late += usize::from(seen.is_late);
        self.ended += usize::from(seen.has_ended);
        let is_new =
            |(known, _): &(Probe, String)| !(known.tool == probe.tool && known.what == probe.what);
        if let Some(evidence) = evidence
            && self.demonstrated.iter().all(is_new)
        {
            self.demonstrated.push((probe.clone(), evidence));
        }
    }

    /// In one word: never that something is safe.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.demonstrated.is_empty() {
            "not demonstrated"
        } else {
            "demonstrated"
        }
    }
}

#[cfg(test)]
mod tests;
