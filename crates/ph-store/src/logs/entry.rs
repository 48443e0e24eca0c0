//! What is kept of one thing that happened.

use ph_base::trace::TraceId;
use std::fmt;

/// Number of a record: 1 for the first of a store, never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A call through the gateway.
    Call,
    /// A line that a child wrote to stderr.
    Stderr,
    /// An event of Pilothouse itself.
    Event,
    /// A line of a log file that is followed.
    File,
    /// A span that a server sent.
    Span,
    /// A log record that a server sent.
    Log,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Call,
        Self::Stderr,
        Self::Event,
        Self::File,
        Self::Span,
        Self::Log,
    ];

    /// The text in records and queries.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Stderr => "stderr",
            Self::Event => "event",
            Self::File => "file",
            Self::Span => "span",
            Self::Log => "log",
        }
    }

    /// Reads what `as_label` writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_label() == text)
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// How bad it is, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Every step.
    Trace,
    /// What a developer asks for.
    Debug,
    /// What happens all day.
    Info,
    /// What should be looked at.
    Warn,
    /// What failed.
    Error,
}

impl Level {
    /// All of them, from the least on.
    pub const ALL: [Self; 5] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
    ];

    /// The text in records and queries.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Reads what `as_label` writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_label() == text)
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// A record to append. The columns are what searches find it by without reading its JSON.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where it comes from.
    pub kind: Kind,
    /// How bad it is.
    pub level: Level,
    /// When it ended or was seen, nanoseconds of Unix time.
    pub time_unix_ns: u64,
    /// How long it took, for what takes time. At most `u64::MAX - 1`.
    pub duration_ns: Option<u64>,
    /// Status as a plain HTTP API would have given it; 0 where there is none.
    pub status: u16,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The MCP server, or empty.
    pub server: &'a str,
    /// The method, or empty.
    pub method: &'a str,
    /// The tool, or empty.
    pub tool: &'a str,
    /// How it ended, or empty.
    pub outcome: &'a str,
    /// One JSON object in UTF-8, without a line feed; at most [`Entry::JSON_BYTES_MAX`].
    pub json: &'a [u8],
}

impl Entry<'_> {
    /// The longest JSON that is taken.
    pub const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;
}
