//! The functions of templates.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::ops::Range;

use ph_base::diagnostic::nearest;
use regex::Regex;

use super::format::{printf, quoted};
use super::lex::error;
use super::parse::Term;
use super::run::{RunError, Value, label};
use super::{Scope, TemplateError, humanize};
use crate::duration;

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal to $most:literal,)*) => {
        /// A function by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($variant,)* }

        const NAMES: &[&str] = &[$($name,)*];

        impl Function {
            fn known(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How many arguments it takes, the value before `|` among them.
            fn arity(self) -> (usize, usize) {
                match self { $(Self::$variant => ($least, $most),)* }
            }
        }
    };
}

functions! {
    And "and" 1 to 64,
    Or "or" 1 to 64,
    Not "not" 1 to 1,
    Len "len" 1 to 1,
    Index "index" 2 to 2,
    Print "print" 0 to 64,
    Printf "printf" 1 to 64,
    Println "println" 0 to 64,
    UrlQuery "urlquery" 0 to 64,
    Eq "eq" 2 to 64,
    Ne "ne" 2 to 2,
    Lt "lt" 2 to 2,
    Le "le" 2 to 2,
    Gt "gt" 2 to 2,
    Ge "ge" 2 to 2,
    Humanize "humanize" 1 to 1,
    Humanize1024 "humanize1024" 1 to 1,
    HumanizeDuration "humanizeDuration" 1 to 1,
    HumanizePercentage "humanizePercentage" 1 to 1,
    HumanizeTimestamp "humanizeTimestamp" 1 to 1,
    Title "title" 1 to 1,
    ToUpper "toUpper" 1 to 1,
    ToLower "toLower" 1 to 1,
    Match "match" 2 to 2,
    ReReplaceAll "reReplaceAll" 3 to 3,
    GraphLink "graphLink" 1 to 1,
    TableLink "tableLink" 1 to 1,
    StripPort "stripPort" 1 to 1,
    StripDomain "stripDomain" 1 to 1,
    ParseDuration "parseDuration" 1 to 1,
    ExternalUrl "externalURL" 0 to 0,
    PathPrefix "pathPrefix" 0 to 0,
    SafeHtml "safeHtml" 1 to 1,
}

/// Known to Prometheus or to Go, and not taken here: they ask queries, or make what no label can hold.
const NOT_TAKEN: [&str; 13] = [
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "sortByLabel",
    "args",
    "tmpl",
    "toTime",
    "call",
    "slice",
    "html",
    "js",
];

/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Function {
    pub(super) fn named(name: &str, at: &Range<usize>) -> Result<Self, TemplateError> {
        if let Some(function) = Self::known(name) {
            return Ok(function);
        }
        if NOT_TAKEN.contains(&name) {
            return error(at.clone(), format!("not supported: function `{name}`"));
        }
        let near = nearest(name, NAMES).map(|near| format!("; did you mean `{near}`?"));
        let hint = near.unwrap_or_default();
        error(at.clone(), format!("function `{name}` not defined{hint}"))
    }

    /// What can be judged before there is a value.
    pub(super) fn check(
        self,
        args: &[Term],
        is_piped: bool,
        at: &Range<usize>,
    ) -> Result<(), TemplateError> {
        let count = args.len() + usize::from(is_piped);
        let (least, most) = self.arity();
        if !(least..=most).contains(&count) {
            let name = self.name();
            let want = if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            let text = format!("`{name}` takes {want} arguments, not {count}");
            return error(at.clone(), text);
        }
        if let (Self::Match | Self::ReReplaceAll, Some(Term::Text(pattern))) = (self, args.first())
            && let Err(failed) = regex(pattern)
        {
            return error(at.clone(), failed);
        }
        Ok(())
    }

    pub(super) fn call<'a>(
        self,
        args: &[Value<'a>],
        scope: &Scope<'a>,
    ) -> Result<Value<'a>, RunError> {
        let call = Call {
            function: self,
            args,
        };
        Ok(match self {
            Self::And => call.first_that(|value| !value.is_true())?,
            Self::Or => call.first_that(Value::is_true)?,
            Self::Not => Value::Bool(!call.value(0)?.is_true()),
            Self::Len => call.len()?,
            Self::Index => call.index()?,
            Self::Print => Value::text(printed(args)),
            Self::Println => Value::text(lines(args)),
            Self::Printf => Value::text(printf(&call.text(0)?, &args[1..])?),
            Self::UrlQuery => Value::text(escaped(&printed(args))),
            Self::Eq => call.equal()?,
            Self::Ne => Value::Bool(call.order()? != Some(Ordering::Equal)),
            Self::Lt => Value::Bool(call.less()? == Some(Ordering::Less)),
            Self::Le => Value::Bool(matches!(
                call.less()?,
                Some(Ordering::Less | Ordering::Equal)
            )),
            Self::Gt => Value::Bool(call.less()? == Some(Ordering::Greater)),
            Self::Ge => Value::Bool(matches!(
                call.less()?,
                Some(Ordering::Greater | Ordering::Equal)
            )),
            Self::Humanize => Value::text(humanize::metric(call.number(0)?)),
            Self::Humanize1024 => Value::text(humanize::binary(call.number(0)?)),
            Self::HumanizeDuration => Value::text(humanize::duration(call.number(0)?)),
            Self::HumanizePercentage => Value::text(humanize::percentage(call.number(0)?)),
            Self::HumanizeTimestamp => {
                let v = call.number(0)?;
                let shown = humanize::timestamp(v);
                Value::text(shown.ok_or_else(|| call.error("the time is out of range"))?)
            }
            Self::Title => Value::text(title(&call.text(0)?)),
            Self::ToUpper => Value::text(call.text(0)?.to_uppercase()),
            Self::ToLower => Value::text(call.text(0)?.to_lowercase()),
            Self::Match => {
                let regex = regex(&call.text(0)?).map_err(|failed| call.error(&failed))?;
                Value::Bool(regex.is_match(&call.text(1)?))
            }
            Self::ReReplaceAll => {
                let regex = regex(&call.text(0)?).map_err(|failed| call.error(&failed))?;
                let (with, text) = (call.text(1)?, call.text(2)?);
                Value::text(regex.replace_all(&text, &*with))
            }
            Self::GraphLink => Value::text(link(&call.text(0)?, 0)),
            Self::TableLink => Value::text(link(&call.text(0)?, 1)),
            Self::StripPort => Value::text(strip_port(&call.text(0)?)),
            Self::StripDomain => Value::text(strip_domain(&call.text(0)?)),
            Self::ParseDuration => {
                let text = call.text(0)?;
                let parsed = duration::parse(&text);
                let seconds = parsed.map(|duration| duration.as_secs_f64());
                Value::Float(seconds.ok_or_else(|| {
                    call.error(&format!("not a valid duration string: {}", quoted(&text)))
                })?)
            }
            Self::ExternalUrl => Value::Text(Cow::Borrowed(scope.external_url)),
            Self::PathPrefix => Value::text(path(scope.external_url)),
            Self::SafeHtml => Value::Text(call.text(0)?),
        })
    }
}

/// One call with its arguments; their number was checked when the template was read.
struct Call<'v, 'a> {
    function: Function,
    args: &'v [Value<'a>],
}

impl<'a> Call<'_, 'a> {
    fn error(&self, text: &str) -> RunError {
        RunError::new(format!("error calling {}: {text}", self.function.name()))
    }

    fn value(&self, nth: usize) -> Result<&Value<'a>, RunError> {
        let missing = || self.error("wrong number of arguments");
        self.args.get(nth).ok_or_else(missing)
    }

    fn text(&self, nth: usize) -> Result<Cow<'a, str>, RunError> {
        match self.value(nth)? {
            Value::Text(text) => Ok(text.clone()),
            other => {
                let text = format!(
                    "wrong type for value; expected string; got {}",
                    other.go_type()
                );
                Err(self.error(&text))
            }
        }
    }

    fn number(&self, nth: usize) -> Result<f64, RunError> {
        match self.value(nth)? {
            Value::Float(v) => Ok(*v),
            #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
            Value::Int(v) => Ok(*v as f64),
            Value::Text(text) => text.parse().map_err(|_| {
                let text = format!(
                    "strconv.ParseFloat: parsing {}: invalid syntax",
                    quoted(text)
                );
                self.error(&text)
            }),
            other => Err(self.error(&format!("can't convert {} to float", other.go_type()))),
        }
    }

    /// The first value that does, else the last.
    fn first_that(&self, does: impl Fn(&Value<'a>) -> bool) -> Result<Value<'a>, RunError> {
        let found = self.args.iter().find(|value| does(value));
        let missing = || self.error("wrong number of arguments");
        found.or(self.args.last()).cloned().ok_or_else(missing)
    }

    fn len(&self) -> Result<Value<'a>, RunError> {
        let len = match self.value(0)? {
            Value::Text(text) => text.len(),
            Value::Map(labels) => labels.len(),
            other => return Err(self.error(&format!("len of type {}", other.go_type()))),
        };
        Ok(Value::Int(i64::try_from(len).unwrap_or(i64::MAX)))
    }

    fn index(&self) -> Result<Value<'a>, RunError> {
        match (self.value(0)?, self.value(1)?) {
            (Value::Map(labels), Value::Text(name)) => Ok(label(labels, name)),
            (of, _) => Err(self.error(&format!("can't index item of type {}", of.go_type()))),
        }
    }

    /// Whether the first value is one of the others.
    fn equal(&self) -> Result<Value<'a>, RunError> {
        let first = self.value(0)?;
        for other in &self.args[1..] {
            if compared(first, other).ok_or_else(|| self.incomparable())? == Some(Ordering::Equal) {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn order(&self) -> Result<Option<Ordering>, RunError> {
        let (one, other) = (self.value(0)?, self.value(1)?);
        compared(one, other).ok_or_else(|| self.incomparable())
    }

    fn less(&self) -> Result<Option<Ordering>, RunError> {
        if matches!(self.value(0)?, Value::Bool(_)) {
            return Err(self.error("invalid type for comparison"));
        }
        self.order()
    }

    fn incomparable(&self) -> RunError {
        self.error("incompatible types for comparison")
    }
}

/// None of types that Go does not compare; no order where one of them is no number.
fn compared(one: &Value<'_>, other: &Value<'_>) -> Option<Option<Ordering>> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => Some(Some(one.cmp(other))),
        (Value::Float(one), Value::Float(other)) => Some(one.partial_cmp(other)),
        (Value::Int(one), Value::Int(other)) => Some(Some(one.cmp(other))),
        (Value::Bool(one), Value::Bool(other)) => Some(Some(one.cmp(other))),
        _ => None,
    }
}

/// As `Sprint`: a space between two values of which neither is a text.
fn printed(args: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (nth, value) in args.iter().enumerate() {
        let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
        if nth > 0 && !is_text(value) && !is_text(&args[nth - 1]) {
            out.push(' ');
        }
        out.push_str(&value.printed());
    }
    out
}

fn lines(args: &[Value<'_>]) -> String {
    let words: Vec<String> = args.iter().map(Value::printed).collect();
    format!("{}\n", words.join(" "))
}

/// Go's patterns and ours agree but for the sign of a named group, which both take.
fn regex(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|_| format!("error parsing regexp: {}", quoted(pattern)))
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let is_letter = c.is_alphanumeric() || c == '_' || c == '\'';
        if is_letter && !inside {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        inside = is_letter;
    }
    out
}

/// As an address's query is written.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The path at which Prometheus shows an expression.
pub(crate) fn link(expr: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", escaped(expr))
}

/// Host and port of `host:port`, if it is one.
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(inner) => Some((inner, port)),
        None => (!host.contains([':', '[', ']']) && !port.contains(']')).then_some((host, port)),
    }
}

fn strip_port(text: &str) -> String {
    host_and_port(text)
        .map_or(text, |(host, _)| host)
        .to_owned()
}

fn strip_domain(text: &str) -> String {
    let (host, port) = host_and_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let first = host.split('.').next().unwrap_or(host);
    if port.is_empty() {
        first.to_owned()
    } else {
        format!("{first}:{port}")
    }
}

fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}
