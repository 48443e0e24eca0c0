//! Spans and notes, and reading them out of lines.

use super::time;
use crate::query::line::{self, Value};
use std::borrow::Cow;

/// What happened in one place between two times.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 16 hex digits.
    pub id: String,
    /// The span above, as it was told.
    pub parent: Option<String>,
    /// What was done: `tools/call searchFiles`, `fs.stat`.
    pub name: String,
    /// Who did it: the name that a sender gave of itself; `pilothouse` for our own.
    pub service: String,
    /// The MCP server of a call of ours.
    pub server: Option<String>,
    /// Towards whom.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// How long it took, in nanoseconds.
    pub duration_ns: u64,
    /// So many steps of one kind it stands for: its attribute `count`, where it has `busy_ms` as well; else 1.
    pub count: u64,
    /// The time that those steps took together, where the sender told it (`busy_ms`): others may lie between them.
    pub busy_ns: Option<u64>,
    /// How it ended: an outcome of ours, or `ok`, `error` or `unset`.
    pub outcome: String,
    /// `true` when it failed by its own account.
    pub is_failed: bool,
    /// The status of a call of ours.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// `true` for the two spans that are made of a call's line.
    pub is_own: bool,
    /// The line it was made of: its place in the lines that were given.
    pub line: usize,

    /// Where it stands in the tree.
    pub place: Place,
    /// Places of its children in [`super::Trace::spans`], by start.
    pub children: Vec<usize>,
    /// Of its duration, what none of its children covers.
    pub self_ns: u64,
    /// Of its own time, what the whole waited for.
    pub critical_ns: u64,
    /// `true` when the whole waited for it, or for something beneath it.
    pub is_critical: bool,
    /// Places of the lines that belong to it in [`super::Trace::notes`].
    pub notes: Vec<usize>,
}

/// Where a span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the top, as it should be: it has no parent, or one outside of what is recorded here.
    Root,
    /// Beneath its parent.
    Child,
    /// At the top, because its parent is missing.
    Orphan,
    /// At the top, because it is its own ancestor.
    Cut,
}

/// Towards whom a span was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanKind {
    /// For who asked.
    Server,
    /// Asking somebody else.
    Client,
    /// Within one service.
    Internal,
    /// Into a queue.
    Producer,
    /// Out of a queue.
    Consumer,
}

impl SpanKind {
    /// As in lines.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Internal => "internal",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "server" => Self::Server,
            "client" => Self::Client,
            "producer" => Self::Producer,
            "consumer" => Self::Consumer,
            _ => Self::Internal,
        }
    }
}

/// A line that is no span: stderr, a log file, a log record, an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
    /// `trace` to `error`.
    pub level: String,
    /// `stderr`, `file`, `log` or `event`.
    pub kind: String,
    /// The text.
    pub message: String,
    /// The server or service it is of.
    pub source: String,
    /// The span that it names.
    pub span_id: Option<String>,
    /// Its place in the lines that were given.
    pub line: usize,
}

/// What a line is made of.
pub(super) enum Found {
    /// A call: our span towards the client, and the one towards the server where it got that far.
    Call(Box<[Span]>),
    Span(Box<Span>),
    Note(Note),
    Nothing,
}

/// The members of a line that matter here.
#[derive(Default)]
struct Members<'a> {
    timestamp: Cow<'a, str>,
    start: Cow<'a, str>,
    kind: Cow<'a, str>,
    level: Cow<'a, str>,
    message: Cow<'a, str>,
    name: Cow<'a, str>,
    method: Cow<'a, str>,
    target: Cow<'a, str>,
    server: Cow<'a, str>,
    service: Cow<'a, str>,
    span_kind: Cow<'a, str>,
    span_id: Cow<'a, str>,
    parent_span_id: Cow<'a, str>,
    upstream_span_id: Cow<'a, str>,
    outcome: Cow<'a, str>,
    error: Cow<'a, str>,
    status: Option<u16>,
    duration_ns: Option<u64>,
    upstream_start_ns: Option<u64>,
    upstream_ns: Option<u64>,
    steps: Option<(u64, u64)>,
}

/// Reads a line, which is one JSON object.
pub(super) fn read(json: &[u8], line: usize) -> Found {
    let members = Members::of(json);
    match &*members.kind {
        "call" => members.call(line),
        "span" => members.span(line),
        "" => Found::Nothing,
        _ => members.note(line),
    }
}

impl<'a> Members<'a> {
    fn of(json: &'a [u8]) -> Self {
        let mut m = Self::default();
        for (key, value) in line::members(json) {
            let text = || value.text().unwrap_or_default();
            let ns = || match value {
                Value::Number(ms) => u64::try_from(line::ms_to_ns(ms)?).ok(),
                _ => None,
            };
            match key {
                b"timestamp" => m.timestamp = text(),
                b"start" => m.start = text(),
                b"kind" => m.kind = text(),
                b"level" => m.level = text(),
                b"message" => m.message = text(),
                b"name" => m.name = text(),
                b"method" => m.method = text(),
                b"tool" | b"target" => m.target = text(),
                b"server" => m.server = text(),
                b"service" => m.service = text(),
                b"span_kind" => m.span_kind = text(),
                b"span_id" => m.span_id = text(),
                b"parent_span_id" => m.parent_span_id = text(),
                b"upstream_span_id" => m.upstream_span_id = text(),
                b"outcome" => m.outcome = text(),
                b"error" => m.error = text(),
                b"status" => m.status = text().parse().ok(),
                b"duration" => m.duration_ns = ns(),
                b"upstream_start_ms" => m.upstream_start_ns = ns(),
                b"upstream_ms" => m.upstream_ns = ns(),
                b"attributes" => m.steps = steps(value),
                _ => {}
            }
        }
        m
    }

    fn call(&self, line: usize) -> Found {
        let named =
            matches!(&*self.method, "tools/call" | "prompts/get") && !self.target.is_empty();
        let name = if named {
            format!("{} {}", self.method, self.target)
        } else {
            self.method.clone().into_owned()
        };
        let duration_ns = self.duration_ns.unwrap_or(0);
        let end_ns = time::unix_ns(&self.timestamp).unwrap_or(0);
        let mut received = self.any(line, name);
        "pilothouse".clone_into(&mut received.service);
        received.server = some(&self.server);
        received.kind = SpanKind::Server;
        received.start_ns = end_ns.saturating_sub(duration_ns);
        received.is_own = true;
        received.is_failed = !matches!(&*self.outcome, "ok" | "input_required" | "task");
        let sent = (!self.upstream_span_id.is_empty()).then(|| {
            let after_ns = self.upstream_start_ns.unwrap_or(0).min(duration_ns);
            Span {
                id: self.upstream_span_id.clone().into_owned(),
                parent: some(&received.id),
                kind: SpanKind::Client,
                start_ns: received.start_ns.saturating_add(after_ns),
                duration_ns: self.upstream_ns.unwrap_or(duration_ns - after_ns),
                status: None,
                error: None,
                ..received.clone()
            }
        });
        Found::Call(std::iter::once(received).chain(sent).collect())
    }

    fn span(&self, line: usize) -> Found {
        let name = if self.name.is_empty() {
            &self.message
        } else {
            &self.name
        };
        let mut span = self.any(line, name.clone().into_owned());
        let end_ns = time::unix_ns(&self.timestamp);
        let start_ns = time::unix_ns(&self.start);
        // Two of start, end and duration give the third.
        let between = start_ns
            .zip(end_ns)
            .map(|(start, end)| end.saturating_sub(start));
        span.duration_ns = self.duration_ns.or(between).unwrap_or(0);
        let before = end_ns.map(|end| end.saturating_sub(span.duration_ns));
        span.start_ns = start_ns.or(before).unwrap_or(0);
        Found::Span(Box::new(span))
    }

    fn any(&self, line: usize, name: String) -> Span {
        Span {
            id: self.span_id.clone().into_owned(),
            parent: some(&self.parent_span_id),
            name,
            service: self.service.clone().into_owned(),
            server: None,
            kind: SpanKind::parse(&self.span_kind),
            start_ns: 0,
            duration_ns: self.duration_ns.unwrap_or(0),
            count: self.steps.map_or(1, |(count, _)| count.max(1)),
            busy_ns: self.steps.map(|(_, busy_ns)| busy_ns),
            outcome: self.outcome.clone().into_owned(),
            is_failed: self.outcome == "error",
            status: self.status,
            error: some(&self.error),
            is_own: false,
            line,
            place: Place::Root,
            children: Vec::new(),
            self_ns: 0,
            critical_ns: 0,
            is_critical: false,
            notes: Vec::new(),
        }
    }

    fn note(&self, line: usize) -> Found {
        let source = if self.server.is_empty() {
            &self.service
        } else {
            &self.server
        };
        Found::Note(Note {
            at_ns: time::unix_ns(&self.timestamp).unwrap_or(0),
            level: self.level.clone().into_owned(),
            kind: self.kind.clone().into_owned(),
            message: self.message.clone().into_owned(),
            source: source.clone().into_owned(),
            span_id: some(&self.span_id),
            line,
        })
    }
}

/// How many steps a span stands for, and the nanoseconds that they took together: only both say it.
fn steps(attributes: Value<'_>) -> Option<(u64, u64)> {
    let Value::Object(attributes) = attributes else {
        return None;
    };
    let (Some(Value::Number(count)), Some(Value::Number(busy_ms))) = (
        line::member(attributes, "count"),
        line::member(attributes, "busy_ms"),
    ) else {
        return None;
    };
    let count = std::str::from_utf8(count).ok()?.parse().ok()?;
    Some((count, u64::try_from(line::ms_to_ns(busy_ms)?).ok()?))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Span {
    /// When it ended, in nanoseconds since 1970.
    pub fn end_ns(&self) -> u64 {
        self.start_ns.saturating_add(self.duration_ns)
    }
}
