//! A finished span, as plain values.

use std::borrow::Cow;

use ph_base::trace::{SpanId, TraceId};

/// A span that owns its texts.
pub type Span = SpanOf<'static>;
/// An event that owns its texts.
pub type Event = EventOf<'static>;
/// A value that owns its text.
pub type Value = ValueOf<'static>;
/// An attribute that owns its texts.
pub type Attribute = AttributeOf<'static>;

/// One finished operation, its texts borrowed or its own. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanOf<'a> {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id, unique within the trace.
    pub span_id: SpanId,
    /// The span it was made for; `None` at the root of a trace.
    pub parent: Option<SpanId>,
    /// W3C `tracestate` as it came, empty when there was none.
    pub trace_state: String,
    /// What was done, of bounded cardinality: `tools/call echo`.
    pub name: Cow<'a, str>,
    /// Which side of a call this is.
    pub kind: Kind,
    /// Start, in nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// End, in nanoseconds since the Unix epoch, not before the start.
    pub end_unix_ns: u64,
    /// Facts about it; keys are unique.
    pub attributes: Vec<AttributeOf<'a>>,
    /// Things that happened while it ran.
    pub events: Vec<EventOf<'a>>,
    /// Other spans it has to do with, that are not its parent.
    pub links: Vec<Link>,
    /// Whether it failed.
    pub status: StatusOf<'a>,
    /// OTLP span flags, see [`flags`].
    pub flags: u32,
}

/// Bits of [`Span::flags`], as OTLP has them.
pub mod flags {
    /// W3C trace flag: the caller records this trace.
    pub const SAMPLED: u32 = 0x1;
    /// [`PARENT_IS_REMOTE`] says something.
    pub const PARENT_REMOTE_KNOWN: u32 = 0x100;
    /// The parent lives in another process.
    pub const PARENT_IS_REMOTE: u32 = 0x200;
}

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step inside a process.
    Internal,
    /// A request that was received.
    Server,
    /// A request that was sent.
    Client,
}

/// Whether a span failed. A success stays `Unset`, as the conventions ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusOf<'a> {
    /// Nothing to report.
    Unset,
    /// It failed; the text says why.
    Error(Cow<'a, str>),
}

/// A status that owns its text.
pub type Status = StatusOf<'static>;

/// A key with its value.
pub type AttributeOf<'a> = (Cow<'static, str>, ValueOf<'a>);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueOf<'a> {
    /// Text.
    Str(Cow<'a, str>),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct EventOf<'a> {
    /// When, in nanoseconds since the Unix epoch.
    pub unix_ns: u64,
    /// What: `exception`.
    pub name: Cow<'static, str>,
    /// Facts about it.
    pub attributes: Vec<AttributeOf<'a>>,
}

/// Another span that this one has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
}

impl<'a> From<&'a str> for ValueOf<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(Cow::Borrowed(text))
    }
}

impl From<String> for ValueOf<'_> {
    fn from(text: String) -> Self {
        Self::Str(Cow::Owned(text))
    }
}

impl From<i64> for ValueOf<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for ValueOf<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for ValueOf<'_> {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}
