//! What can be asked for: the fields of a line, their names and what their values are.

use super::line::{self, Value};
use ph_base::diagnostic::nearest;
use std::borrow::Cow;
use std::fmt;

/// A field of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// One that every reader of `docs/logs.md` knows.
    Known(Known),
    /// A parameter of the call: its path below `params.arguments`, else below `params`.
    Params(Path),
    /// An attribute of a span or log record that a server sent.
    Attributes(Path),
}

/// Names from the outside in: `a.b` is `b` in the object `a`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Box<str>);

/// Names are no longer than this, in bytes; the longest that a line can have is far shorter.
const PATH_BYTES_MAX: usize = 512;
/// Each dot doubles what has to be tried, since names can have dots themselves.
const PATH_DOTS_MAX: usize = 8;

/// What the values of a field are, and so how they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text, compared letter by letter.
    Text,
    /// `trace` to `error`, in this order.
    Level,
    /// A whole number; `status` also as a class: `5xx`.
    Number,
    /// A span of time; kept in nanoseconds, in lines as milliseconds.
    Duration,
    /// A number of bytes.
    Bytes,
    /// Text or number, as the server's tool had it.
    Any,
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $type:ident,)+) => {
        /// A field with a name of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Known {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Known {
            /// Every field, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in queries, and in lines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// How its values are compared.
            pub fn field_type(self) -> FieldType {
                match self { $(Self::$variant => FieldType::$type),+ }
            }
        }
    };
}

fields! {
    /// Name from the configuration; of what a server sends itself, its name for itself.
    Server "server" Text,
    /// Tool of a `tools/call`.
    Tool "tool" Text,
    /// JSON-RPC method.
    Method "method" Text,
    /// What a plain HTTP API would have answered.
    Status "status" Number,
    /// How the call ended.
    Outcome "outcome" Text,
    /// From the head of the request to the last byte of the answer.
    Duration "duration" Duration,
    /// `trace` to `error`.
    Level "level" Level,
    /// `call`, `stderr`, `event`, `file`, `span` or `log`.
    Kind "kind" Text,
    /// Name and version that the client gave of itself.
    Client "client" Text,
    /// Who it was shown to be from: the name of a key, or of a token's subject.
    Principal "principal" Text,
    /// Digest of the session's id.
    Session "session" Text,
    /// 32 hex digits.
    TraceId "trace_id" Text,
    /// 16 hex digits.
    SpanId "span_id" Text,
    /// The span above.
    ParentSpanId "parent_span_id" Text,
    /// The line for people.
    Message "message" Text,
    /// What went wrong.
    Error "error" Text,
    /// Who has to act.
    Blame "blame" Text,
    /// Prompt or resource of a method that is no tool call.
    Target "target" Text,
    /// The status that really went to the client.
    HttpStatus "http_status" Number,
    /// Code of the JSON-RPC error.
    RpcCode "rpc_code" Number,
    /// Of the duration, what Pilothouse needed.
    Overhead "overhead_ms" Duration,
    /// Of the duration, what was spent waiting for the client.
    WaitedOnClient "waited_on_client_ms" Duration,
    /// How long the server had the call.
    Upstream "upstream_ms" Duration,
    /// Size of the request's body.
    RequestBytes "request_bytes" Bytes,
    /// Size of the answer.
    ResponseBytes "response_bytes" Bytes,
    /// Slot of a shared child, or `session`.
    Replica "replica" Text,
    /// `to_server` or `to_client`.
    Direction "direction" Text,
    /// `legacy` or `modern`.
    Era "era" Text,
    /// Revision of the protocol.
    ProtocolVersion "protocol_version" Text,
    /// `tcp` or `pipe`.
    Transport "transport" Text,
    /// The JSON-RPC id as JSON text.
    RequestId "request_id" Text,
    /// `true` when the answer reached the client.
    Delivered "delivered" Text,
    /// `true` for streams.
    Stream "stream" Text,
    /// What happened to a server.
    Event "event" Text,
    /// Why it happened.
    Reason "reason" Text,
    /// Kind of what was abnormal about a call or a caller.
    Anomaly "anomaly" Text,
    /// Who an abnormal pattern was of: a principal, or an address.
    Caller "caller" Text,
    /// Name of a span.
    Name "name" Text,
    /// Name that the sender of a span or log record gave of itself.
    Service "service" Text,
    /// Path of a log file.
    File "file" Text,
}

/// Other names under which people look for a field.
const ALIASES: [(&str, Known); 6] = [
    ("trace", Known::TraceId),
    ("traceId", Known::TraceId),
    ("span", Known::SpanId),
    ("overhead", Known::Overhead),
    ("waited_on_client", Known::WaitedOnClient),
    ("upstream", Known::Upstream),
];

const PARAMS: &str = "params";
const ATTRIBUTES: [&str; 2] = ["attributes", "attr"];

impl Field {
    /// Reads the name of a field.
    ///
    /// # Errors
    /// The name that was probably meant, if there is one.
    pub fn parse(name: &str) -> Result<Self, Option<&'static str>> {
        let known = Known::ALL.iter().copied().find(|k| k.name() == name);
        let known = known.or_else(|| ALIASES.iter().find(|(a, _)| *a == name).map(|(_, k)| *k));
        if let Some(known) = known {
            return Ok(Self::Known(known));
        }
        let below = |group: &str| Path::new(name.strip_prefix(group)?.strip_prefix('.')?);
        if let Some(path) = below(PARAMS) {
            return Ok(Self::Params(path));
        }
        if let Some(path) = ATTRIBUTES.iter().find_map(|group| below(group)) {
            return Ok(Self::Attributes(path));
        }
        let names: Vec<&'static str> = Self::names().collect();
        Err(match name {
            PARAMS => Some("params.NAME"),
            "attributes" | "attr" => Some("attributes.NAME"),
            _ => nearest(name, &names),
        })
    }

    /// Every name, with what stands for the open groups.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Known::ALL
            .iter()
            .map(|k| k.name())
            .chain(["params.NAME", "attributes.NAME"])
    }

    /// How its values are compared.
    pub fn field_type(&self) -> FieldType {
        match self {
            Self::Known(known) => known.field_type(),
            Self::Params(_) | Self::Attributes(_) => FieldType::Any,
        }
    }

    /// The value in a line, which is one JSON object, as text: numbers as written, lists and objects
    /// as JSON, `null` as nothing.
    pub fn value<'a>(&self, json: &'a [u8]) -> Option<Cow<'a, str>> {
        match self {
            // Who sends spans and log records gives itself a name: that is the server then.
            Self::Known(Known::Server) => line::member(json, Known::Server.name())
                .or_else(|| line::member(json, Known::Service.name()))?
                .text(),
            Self::Known(known) => line::member(json, known.name())?.text(),
            Self::Params(path) => params_value(json, path),
            Self::Attributes(path) => {
                let attributes = line::member(json, ATTRIBUTES[0])?;
                line::at_path(attributes.object()?, &path.0)?.text()
            }
        }
    }

    /// The value as a whole number in the unit of its type; `None` when it is none.
    pub fn number(&self, json: &[u8]) -> Option<i64> {
        let Self::Known(known) = self else {
            return None;
        };
        let value = line::member(json, known.name())?;
        match (known.field_type(), value) {
            (FieldType::Level, Value::Text(_)) => {
                super::units::level(&value.text()?).map(i64::from)
            }
            (FieldType::Duration, Value::Number(ms)) => line::ms_to_ns(ms),
            (FieldType::Number | FieldType::Bytes, Value::Number(number)) => line::whole(number),
            _ => None,
        }
    }
}

/// Parameters are logged as a JSON text within the JSON line, perhaps a cut one.
fn params_value<'a>(json: &'a [u8], path: &Path) -> Option<Cow<'a, str>> {
    let params = line::member(json, PARAMS)?;
    let find = |object: &[u8]| {
        let arguments = line::member(object, "arguments").and_then(|a| a.object());
        let found = arguments.and_then(|a| line::at_path(a, &path.0));
        let found = found.or_else(|| line::at_path(object, &path.0))?;
        Some(Cow::Owned(found.text()?.into_owned()))
    };
    match params {
        Value::Text(_) => find(params.text()?.as_bytes()),
        _ => find(params.object()?),
    }
}

impl Path {
    fn new(text: &str) -> Option<Self> {
        let is_path = !text.is_empty()
            && text.len() <= PATH_BYTES_MAX
            && text.matches('.').count() <= PATH_DOTS_MAX
            && text.split('.').all(|name| !name.is_empty());
        is_path.then(|| Self(text.into()))
    }

    /// As written, with dots.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => f.write_str(known.name()),
            Self::Params(path) => write!(f, "{PARAMS}.{}", path.0),
            Self::Attributes(path) => write!(f, "{}.{}", ATTRIBUTES[0], path.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, field: &str, want: Option<&str>) {
        let field = Field::parse(field).expect("a field");
        assert_eq!(field.value(json.as_bytes()).as_deref(), want, "{field}");
    }

    #[test]
    fn values() {
        let line = r#"{"tool":"a\"b","status":200,"error":null,"delivered":false,"attributes":{"db.system":"sqlite","http":{"url":"x"},"n":[1,2]}}"#;
        check(line, "tool", Some("a\"b"));
        check(line, "status", Some("200"));
        check(line, "delivered", Some("false"));
        check(line, "error", None);
        check(line, "server", None);
        check(line, "attr.db.system", Some("sqlite"));
        check(line, "attributes.http.url", Some("x"));
        check(line, "attr.n", Some("[1,2]"));
        check(line, "attr.n.1", None);
        check(r#"{"service":"worker"}"#, "server", Some("worker"));
        check(
            r#"{"service":"worker","server":"files"}"#,
            "server",
            Some("files"),
        );
    }

    #[test]
    fn parameters_are_found_in_their_text() {
        let line = r#"{"params":"{\"arguments\":{\"pattern\":\"/etc/\\\"x\\\"\",\"limit\":10,\"deep\":{\"er\":true}},\"name\":\"search\"}"}"#;
        check(line, "params.pattern", Some("/etc/\"x\""));
        check(line, "params.limit", Some("10"));
        check(line, "params.deep.er", Some("true"));
        check(line, "params.name", Some("search"));
        check(line, "params.arguments.limit", Some("10"));
        check(line, "params.nothing", None);
        // Parameters beyond the bound of the log are cut.
        let cut = r#"{"params":"{\"arguments\":{\"a\":1,\"pattern\":\"/etc/pa…"}"#;
        check(cut, "params.a", Some("1"));
        check(cut, "params.pattern", Some("/etc/pa…"));
        // A sink or a test may have them as an object.
        check(
            r#"{"params":{"uri":"file:///x"}}"#,
            "params.uri",
            Some("file:///x"),
        );
    }

    #[test]
    fn numbers() {
        #[track_caller]
        fn check(json: &str, field: &str, want: Option<i64>) {
            let field = Field::parse(field).expect("a field");
            assert_eq!(field.number(json.as_bytes()), want, "{json}");
        }
        check(r#"{"duration":12.345}"#, "duration", Some(12_345_000));
        check(r#"{"duration":0.000001}"#, "duration", Some(1));
        check(r#"{"duration":2000}"#, "duration", Some(2_000_000_000));
        check(r#"{"duration":"x"}"#, "duration", None);
        check(r#"{"rpc_code":-32603}"#, "rpc_code", Some(-32603));
        check(r#"{"level":"warn"}"#, "level", Some(3));
        check(r#"{"level":"loud"}"#, "level", None);
        check(r#"{"status":1e3}"#, "status", Some(1000));
        check(r#"{"status":99999999999999999999}"#, "status", None);
    }

    #[test]
    fn names() {
        assert_eq!(Field::parse("trace"), Ok(Field::Known(Known::TraceId)));
        assert_eq!(Field::parse("tol"), Err(Some("tool")));
        assert_eq!(Field::parse("params"), Err(Some("params.NAME")));
        assert_eq!(Field::parse("params."), Err(Some("params.NAME")));
        assert_eq!(Field::parse("params.an_old..name"), Err(None));
        assert_eq!(Field::parse("colour_of_ship"), Err(None));
        for known in Known::ALL {
            assert_eq!(Field::parse(known.name()), Ok(Field::Known(*known)));
        }
    }
}
