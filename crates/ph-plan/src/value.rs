//! What a field can hold: how it is read, what the schema says of it, and how it is shown.

use core::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ph_base::diagnostic::{OneOf, Problem, nearest};
use serde_json::{Value as Json, json};

use crate::node::Node;
use crate::reader::{Reader, Resolved};
use crate::section::Block;
use crate::text::{Endpoint, MASK, Secret, SecretUrl, Text};
use crate::units::{ByteSize, UnitError, parse_duration, parse_size, show_duration};

/// A type that a field can have.
pub(crate) trait Value: Sized {
    /// What a field may demand beyond the type; `()` for most.
    type Limits;
    /// No demand.
    const ANY: Self::Limits;

    /// Reads the value, or reports why not. May report and still return a value.
    fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self>;

    /// The JSON Schema of what [`Self::read`] takes.
    fn schema(limits: &Self::Limits) -> Json;

    /// The least and the greatest value, where a field demands more than the type.
    fn range(_limits: &Self::Limits) -> Option<[String; 2]> {
        None
    }

    /// The fields inside, of a block or of each item of a mapping.
    fn block() -> Option<Block> {
        None
    }

    /// The value as it could be written: secrets masked, references unresolved, `null` for what
    /// is absent.
    fn show(&self) -> Json;
}

/// Any text with a reference passes the schema: what it stands for is known only when it is read.
pub(crate) const REFERENCE: &str = r".*\$\{.*";

impl Value for bool {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, TRUTH)?;
        match resolved.text.as_str() {
            "true" | "True" | "TRUE" if resolved.plain => Some(true),
            "false" | "False" | "FALSE" if resolved.plain => Some(false),
            _ => not_as_expected(node, &resolved, TRUTH, reader),
        }
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": ["boolean", "string"], "pattern": anchored(REFERENCE)})
    }

    fn show(&self) -> Json {
        json!(self)
    }
}

const TRUTH: &str = "`true` or `false`";

/// Numbers: whole ones and fractions differ only in their names.
macro_rules! number {
    ($ty:ty, $schema_type:literal, $expected:literal) => {
        impl Value for $ty {
            type Limits = RangeInclusive<$ty>;
            const ANY: Self::Limits = <$ty>::MIN..=<$ty>::MAX;

            fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self> {
                let resolved = reader.resolved(node, $expected)?;
                let text = resolved.text.as_str();
                let looks_right = resolved.plain && is_number(text, $schema_type);
                match text.parse::<$ty>() {
                    Ok(number) if looks_right && limits.contains(&number) => Some(number),
                    // A whole number that does not fit the type is out of range, too.
                    Ok(_) | Err(_) if looks_right => out_of_range(&resolved, limits.start(), limits.end(), reader),
                    Ok(_) | Err(_) => not_as_expected(node, &resolved, $expected, reader),
                }
            }

            fn schema(limits: &Self::Limits) -> Json {
                json!({
                    "type": [$schema_type, "string"],
                    "minimum": limits.start(),
                    "maximum": limits.end(),
                    "pattern": anchored(REFERENCE),
                })
            }

            fn range(limits: &Self::Limits) -> Option<[String; 2]> {
                Some([limits.start().to_string(), limits.end().to_string()])
            }

            fn show(&self) -> Json {
                json!(self)
            }
        }
    };
}

number!(u32, "integer", "a whole number");
number!(u64, "integer", "a whole number");
number!(f64, "number", "a number");

/// Decimal notation only: `1_000`, `0x10` and `inf` are no numbers here.
fn is_number(text: &str, schema_type: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let fraction = schema_type == "number";
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || (fraction && c == '.'))
        && digits.matches('.').count() <= 1
        && !digits.ends_with('.')
}

impl Value for Duration {
    type Limits = RangeInclusive<Self>;
    const ANY: Self::Limits = Self::ZERO..=Self::MAX;

    fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, DURATION)?;
        let range = |reader: &mut Reader<'_>| {
            out_of_range(
                &resolved,
                &show_duration(*limits.start()),
                &show_duration(*limits.end()),
                reader,
            )
        };
        match parse_duration(resolved.text.as_str()) {
            Ok(duration) if limits.contains(&duration) => Some(duration),
            Ok(_) | Err(UnitError::TooLarge) => range(reader),
            Err(UnitError::NoUnit) => {
                let number = resolved.text.written();
                let hint = format!(
                    "give it a unit: `{number}ms`, `{number}s`, `{number}m`, `{number}h` or `{number}d`"
                );
                let problem = Problem::WrongType {
                    expected: DURATION,
                    got: "a number without unit",
                };
                reader.report_with(resolved.at, problem, Some(hint));
                None
            }
            Err(UnitError::NotAQuantity) => not_as_expected(node, &resolved, DURATION, reader),
        }
    }

    fn schema(_limits: &Self::Limits) -> Json {
        let pattern = anchored(&format!(
            r" *[0-9]+(\.[0-9]{{1,3}})? *(ms|s|m|h|d) *|{REFERENCE}"
        ));
        json!({"type": "string", "pattern": pattern})
    }

    fn range(limits: &Self::Limits) -> Option<[String; 2]> {
        Some([show_duration(*limits.start()), show_duration(*limits.end())])
    }

    fn show(&self) -> Json {
        show_duration(*self).into()
    }
}

const DURATION: &str = "a duration such as `250ms`, `15s`, `5m` or `1h`";

impl Value for ByteSize {
    type Limits = RangeInclusive<Self>;
    const ANY: Self::Limits = Self::new(0)..=Self::new(u64::MAX);

    fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, SIZE)?;
        match parse_size(resolved.text.as_str()) {
            Ok(size) if limits.contains(&size) => Some(size),
            Ok(_) | Err(UnitError::TooLarge) => {
                out_of_range(&resolved, limits.start(), limits.end(), reader)
            }
            Err(UnitError::NoUnit | UnitError::NotAQuantity) => {
                not_as_expected(node, &resolved, SIZE, reader)
            }
        }
    }

    fn schema(limits: &Self::Limits) -> Json {
        let pattern = anchored(&format!(
            r" *[0-9]+(\.[0-9]{{1,3}})? *(B|[KMGT]iB|[kKMGT]B)? *|{REFERENCE}"
        ));
        json!({
            "type": ["integer", "string"],
            "minimum": limits.start().bytes(),
            "maximum": limits.end().bytes(),
            "pattern": pattern,
        })
    }

    fn range(limits: &Self::Limits) -> Option<[String; 2]> {
        Some([limits.start().to_string(), limits.end().to_string()])
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

const SIZE: &str = "a size such as `64KiB`, `4MiB` or `1GB`";

impl Value for SocketAddr {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, ADDRESS)?;
        let text = resolved.text.as_str();
        // The one name that needs no look-up.
        let text = match text.strip_prefix("localhost:") {
            Some(port) => &format!("127.0.0.1:{port}"),
            None => text,
        };
        text.parse()
            .ok()
            .or_else(|| not_as_expected(node, &resolved, ADDRESS, reader))
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "pattern": anchored(&format!(r".+:[0-9]{{1,5}}|{REFERENCE}"))})
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

const ADDRESS: &str = "an address with port such as `127.0.0.1:3000` or `[::1]:3000`";

impl Value for Text {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, STRING)?;
        if resolved.text.as_str().contains('\0') {
            return not_as_expected(node, &resolved, "a string without NUL", reader);
        }
        Some(resolved.text)
    }

    /// `args: [-p, 3000]` is meant as text.
    fn schema(_limits: &()) -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }

    fn show(&self) -> Json {
        self.written().into()
    }
}

pub(crate) const STRING: &str = "a string";

impl Value for Secret {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        reader.secret(node)
    }

    fn schema(_limits: &()) -> Json {
        Text::schema(&())
    }

    fn show(&self) -> Json {
        self.shown().into()
    }
}

impl Value for Endpoint {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, URL)?;
        match Self::parse(&resolved.text) {
            Ok(endpoint) => Some(endpoint),
            Err(expected) => {
                let got = without_credentials(resolved.text.written());
                let expected = expected.to_owned();
                reader.report(resolved.at, Problem::BadValue { got, expected });
                None
            }
        }
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "pattern": anchored(&format!("[hH][tT][tT][pP][sS]?://.+|{REFERENCE}"))})
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

impl Value for SecretUrl {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let secret = reader.secret(node)?;
        match Self::parse(&secret) {
            Ok(url) => Some(url),
            Err(expected) => {
                let (got, expected) = (secret.shown().to_owned(), expected.to_owned());
                reader.report(&node.at, Problem::BadValue { got, expected });
                None
            }
        }
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "minLength": 1})
    }

    fn show(&self) -> Json {
        self.expose().to_string().into()
    }
}

const URL: &str = "an address such as `https://example.com/mcp`";

/// An address with user and password masked: messages go where secrets do not.
fn without_credentials(url: &str) -> String {
    match url.rsplit_once('@') {
        None => url.to_owned(),
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://{MASK}@{host}")
        }
    }
}

impl<T: Value> Value for Option<T> {
    type Limits = T::Limits;
    const ANY: Self::Limits = T::ANY;

    fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self> {
        if node.is_null() {
            Some(None)
        } else {
            T::read(node, limits, reader).map(Some)
        }
    }

    fn schema(limits: &Self::Limits) -> Json {
        or_null(T::schema(limits))
    }

    fn range(limits: &Self::Limits) -> Option<[String; 2]> {
        T::range(limits)
    }

    fn block() -> Option<Block> {
        T::block()
    }

    fn show(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::show)
    }
}

impl<T: Value> Value for Vec<T> {
    type Limits = T::Limits;
    const ANY: Self::Limits = T::ANY;

    fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self> {
        let items = reader.items(node, "a list")?;
        let read = |(nth, item)| reader.within_item(nth, |reader| T::read(item, limits, reader));
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    fn schema(limits: &Self::Limits) -> Json {
        json!({"type": ["array", "null"], "items": T::schema(limits)})
    }

    fn block() -> Option<Block> {
        T::block()
    }

    fn show(&self) -> Json {
        self.iter().map(T::show).collect()
    }
}

/// Reads a word of a closed list.
pub(crate) fn read_choice<T: Copy>(
    node: &Node,
    words: &[&'static str],
    values: &[T],
    reader: &mut Reader<'_>,
) -> Option<T> {
    let resolved = reader.resolved(node, "a word")?;
    let word = resolved.text.as_str();
    let found = words.iter().position(|known| *known == word);
    let Some(nth) = found else {
        let hint = nearest(resolved.text.written(), words);
        let hint = hint.map(|near| format!("did you mean `{near}`?"));
        let expected = OneOf(words).to_string();
        reader.report_with(&node.at, bad_value(&resolved, &expected), hint);
        return None;
    };
    values.get(nth).copied()
}

/// Not the kind of value that was expected, or the right kind and not understood.
pub(crate) fn not_as_expected<T>(
    node: &Node,
    resolved: &Resolved<'_>,
    expected: &'static str,
    reader: &mut Reader<'_>,
) -> Option<T> {
    let is_text = node.kind() == STRING;
    let wants_text = ![TRUTH, "a whole number", "a number"].contains(&expected);
    if is_text == wants_text || resolved.text.is_reference() {
        reader.report(resolved.at, bad_value(resolved, expected));
        return None;
    }
    reader.wrong_type(node, expected)
}

fn bad_value(resolved: &Resolved<'_>, expected: &str) -> Problem {
    Problem::BadValue {
        got: resolved.text.written().to_owned(),
        expected: expected.to_owned(),
    }
}

fn out_of_range<T>(
    resolved: &Resolved<'_>,
    min: &impl ToString,
    max: &impl ToString,
    reader: &mut Reader<'_>,
) -> Option<T> {
    let got = resolved.text.written().to_owned();
    let problem = Problem::OutOfRange {
        got,
        min: min.to_string(),
        max: max.to_string(),
    };
    reader.report(resolved.at, problem);
    None
}

/// The whole text has to match, as JSON Schema's `pattern` does not demand by itself.
pub(crate) fn anchored(pattern: &str) -> String {
    format!("^({pattern})$")
}

/// A schema that also takes `null`.
pub(crate) fn or_null(mut schema: Json) -> Json {
    if let Some(types) = schema.get_mut("type") {
        let mut list = match types.take() {
            Json::Array(list) => list,
            single => vec![single],
        };
        if !list.contains(&Json::from("null")) {
            list.push("null".into());
        }
        *types = Json::Array(list);
    }
    schema
}
