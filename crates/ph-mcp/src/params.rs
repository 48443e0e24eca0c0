//! Arguments that a tool wants repeated in `Mcp-Param-*` headers, and whether they are.
//!
//! A property of a tool's `inputSchema` says so by `x-mcp-header`. Source: 2026-07-28
//! `basic/transports/streamable-http`, SEP-2243. The schemas are foreign: one that
//! breaks the rules, or goes beyond a bound, asks for nothing, since clients then send nothing.

mod schema;

use crate::headers::{ModernFault, decode};
use crate::json::{Cursor, Value, ValueKind, unquote};

/// Most tools of one list that are read.
pub const TOOLS_MAX: usize = 512;
/// Most headers that one tool may ask for.
pub const PARAMS_MAX: usize = 32;
/// Longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// One answer to `tools/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolPage {
    /// The tools by name, at most [`TOOLS_MAX`].
    pub tools: Vec<(Box<str>, ToolParams)>,
    /// JSON text of `nextCursor`, when there is more.
    pub next_cursor: Option<Box<str>>,
}

/// The arguments of one tool that are repeated in headers, at most [`PARAMS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolParams(Vec<Param>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    /// Keys from `arguments` inwards.
    path: Vec<Box<str>>,
    /// The header as the schema writes it.
    header: Box<str>,
}

/// A header of a request, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'h> {
    /// It is not there.
    Absent,
    /// Its text.
    Text(&'h str),
    /// It is there more than once, or is no text: readers could disagree about it.
    Unclear,
}

impl ToolPage {
    /// Reads the answer to a `tools/list`; `None` when it is none.
    pub fn read(answer: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(answer).ok()?;
        let mut whole = Cursor::new(text);
        let root = whole.value().ok()?;
        whole.end().ok()?;
        let result = member(text, &root, "result")?;
        let tools = member(text, &result, "tools").filter(|v| v.kind == ValueKind::Array)?;
        let mut page = Self {
            next_cursor: member(text, &result, "nextCursor")
                .filter(|v| v.kind == ValueKind::String)
                .map(|v| text[v.range].into()),
            ..Self::default()
        };
        let listed = Cursor::within(text, &tools.range).array(|tool| {
            if page.tools.len() < TOOLS_MAX {
                page.tools.extend(ToolParams::of_tool(text, &tool));
            }
            Ok(())
        });
        listed.ok()?;
        Some(page)
    }
}

impl ToolParams {
    fn of_tool(text: &str, tool: &Value) -> Option<(Box<str>, Self)> {
        let name = string(text, &member(text, tool, "name")?)?;
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let schema = member(text, tool, "inputSchema");
        let params = schema.map_or_else(Vec::new, |s| schema::params(&text[s.range]));
        Some((name, Self(params)))
    }

    /// Whether no argument is repeated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that each argument and its header are both absent, or both there and equal.
    ///
    /// - `arguments`: JSON text of `params.arguments`, already read as JSON.
    /// - `header`: looks a header up; its name may be in any case.
    ///
    /// # Errors
    /// [`ModernFault`]: the first disagreement.
    pub fn check<'h>(
        &self,
        arguments: Option<&str>,
        header: impl Fn(&str) -> Field<'h>,
    ) -> Result<(), ModernFault> {
        for param in &self.0 {
            let name = || param.header.to_string().into();
            let found = arguments.map_or(Ok(None), |text| param.argument(text));
            let argument = match found {
                Ok(argument) => argument.filter(|(_, kind)| *kind != ValueKind::Null),
                Err(Twice) => return Err(ModernFault::Mismatch { header: name() }),
            };
            // What has no form as a header must have none.
            let argument =
                argument.filter(|(_, k)| !matches!(k, ValueKind::Object | ValueKind::Array));
            match (header(&param.header), argument) {
                (Field::Absent, None) => {}
                (Field::Absent, Some(_)) => return Err(ModernFault::Missing { header: name() }),
                (Field::Unclear, _) | (Field::Text(_), None) => {
                    return Err(ModernFault::Mismatch { header: name() });
                }
                (Field::Text(value), Some((raw, kind))) => {
                    let Some(value) = decode(value) else {
                        return Err(ModernFault::Undecodable { header: name() });
                    };
                    if !is_same(raw, kind, &value) {
                        return Err(ModernFault::Mismatch { header: name() });
                    }
                }
            }
        }
        Ok(())
    }
}

/// A key stands there twice: first and last readers would disagree.
struct Twice;

impl Param {
    /// The argument's JSON text, if it is there.
    fn argument<'t>(&self, arguments: &'t str) -> Result<Option<(&'t str, ValueKind)>, Twice> {
        let mut at = Value {
            kind: kind_of(arguments),
            range: 0..arguments.len(),
        };
        for key in &self.path {
            if at.kind != ValueKind::Object {
                return Ok(None);
            }
            let mut found = None;
            let mut is_twice = false;
            let read = Cursor::within(arguments, &at.range).object(|k, v| {
                if *k == **key {
                    is_twice |= found.replace(v).is_some();
                }
                Ok(())
            });
            match (read, is_twice, found) {
                (Ok(()), true, _) => return Err(Twice),
                (Ok(()), false, Some(value)) => at = value,
                _ => return Ok(None),
            }
        }
        Ok(Some((&arguments[at.range], at.kind)))
    }
}

fn kind_of(text: &str) -> ValueKind {
    match text.as_bytes().first() {
        Some(b'{') => ValueKind::Object,
        _ => ValueKind::Null,
    }
}

/// The member `key` of an object that has been read before; the last, where there are several.
fn member(text: &str, object: &Value, key: &str) -> Option<Value> {
    if object.kind != ValueKind::Object {
        return None;
    }
    let mut found = None;
    let read = Cursor::within(text, &object.range).object(|k, v| {
        if k == key {
            found = Some(v);
        }
        Ok(())
    });
    read.ok()?;
    found
}

fn string(text: &str, value: &Value) -> Option<Box<str>> {
    (value.kind == ValueKind::String)
        .then(|| unquote(&text[value.range.start + 1..value.range.end - 1]).into())
}

/// Whether a header says what the argument `raw` is: strings as they are, numbers by value.
fn is_same(raw: &str, kind: ValueKind, header: &str) -> bool {
    match kind {
        ValueKind::String => *unquote(&raw[1..raw.len() - 1]) == *header,
        ValueKind::Number => is_same_number(raw, header),
        _ => raw == header,
    }
}

fn is_same_number(raw: &str, header: &str) -> bool {
    let digits = header.strip_prefix('-').unwrap_or(header);
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1;
    match (whole(raw), is_plain.then(|| whole(header)).flatten()) {
        (Some(a), Some(b)) => a == b,
        _ => raw == header,
    }
}

/// Longest whole number that is written out, in digits.
const DIGITS_MAX: usize = 64;

/// The whole number that a JSON number is, in its one shortest form: `42`, `42.0` and `4.2e1`
/// are the same. `None` when it is no whole number, or a very long one.
fn whole(number: &str) -> Option<String> {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{before}{after}");
    let point = i32::try_from(before.len()).ok()?.checked_add(exponent)?;
    let point = usize::try_from(point.max(0)).ok()?;
    if point > DIGITS_MAX {
        return None;
    }
    while digits.len() < point {
        digits.push('0');
    }
    let fraction = digits.split_off(point);
    if fraction.bytes().any(|b| b != b'0') {
        return None;
    }
    match digits.trim_start_matches('0') {
        "" => Some("0".into()),
        digits => Some(format!("{sign}{digits}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tool(schema: &str) -> ToolParams {
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"t","inputSchema":{schema}}}]}}}}"#
        );
        let page = ToolPage::read(answer.as_bytes()).unwrap();
        let (name, params) = page.tools.into_iter().next().unwrap();
        assert_eq!(&*name, "t");
        params
    }

    fn headers(params: &ToolParams) -> Vec<String> {
        params
            .0
            .iter()
            .map(|p| format!("{}={}", p.header, p.path.join(".")))
            .collect()
    }

    #[test]
    fn pages_are_read_as_far_as_they_are_pages() {
        let page = ToolPage::read(
            br#"{"id":1,"result":{"nextCursor":"a\"b","tools":[{"name":"x"},{"no":1},7,{"name":"y","inputSchema":true}]}}"#,
        );
        let page = page.unwrap();
        assert_eq!(page.next_cursor.as_deref(), Some(r#""a\"b""#));
        let names: Vec<_> = page
            .tools
            .iter()
            .map(|(n, p)| (&**n, p.is_empty()))
            .collect();
        assert_eq!(names, [("x", true), ("y", true)]);
        for no_page in [
            &br#"{"id":1,"error":{"code":-32601}}"#[..],
            br#"{"id":1,"result":{"tools":{}}}"#,
            br#"{"id":1,"result":{"tools":[]}"#,
            b"\xff",
        ] {
            assert_eq!(ToolPage::read(no_page), None);
        }
    }

    #[test]
    fn annotations_are_found_along_properties() {
        let found = tool(
            r#"{"type":"object","properties":{
                "region":{"type":"string","x-mcp-header":"Region"},
                "deep":{"properties":{"n":{"x-mcp-header":"N","type":"integer"}}},
                "plain":{"type":"string","default":{"x-mcp-header":"no schema stands here"}}}}"#,
        );
        assert_eq!(
            headers(&found),
            ["Mcp-Param-Region=region", "Mcp-Param-N=deep.n"]
        );
    }

    #[test]
    fn a_schema_that_breaks_the_rules_asks_for_nothing() {
        let of = |a: &str| {
            tool(&format!(
                r#"{{"properties":{{"ok":{{"type":"string","x-mcp-header":"Ok"}},"a":{a}}}}}"#
            ))
        };
        assert!(!of(r#"{"type":"string"}"#).is_empty());
        for a in [
            r#"{"type":"number","x-mcp-header":"A"}"#,
            r#"{"type":["string"],"x-mcp-header":"A"}"#,
            r#"{"x-mcp-header":"A"}"#,
            r#"{"type":"string","x-mcp-header":"a b"}"#,
            r#"{"type":"string","x-mcp-header":""}"#,
            r#"{"type":"string","x-mcp-header":7}"#,
            r#"{"type":"string","x-mcp-header":"OK"}"#,
            r#"{"items":{"type":"string","x-mcp-header":"A"}}"#,
            r#"{"anyOf":[1,{"type":"string","x-mcp-header":"A"}]}"#,
            r#"{"$defs":{"d":{"type":"string","x-mcp-header":"A"}}}"#,
        ] {
            assert!(of(a).is_empty(), "{a}");
        }
        assert!(tool(r#"{"type":"string","x-mcp-header":"A"}"#).is_empty());
        let deep = format!(
            r#"{}{{"type":"string","x-mcp-header":"A"}}{}"#,
            r#"{"properties":{"a":"#.repeat(schema::DEPTH_MAX + 1),
            "}}".repeat(schema::DEPTH_MAX + 1)
        );
        assert!(tool(&deep).is_empty());
    }

    #[test]
    fn header_and_argument_agree() {
        let params = tool(
            r#"{"properties":{"s":{"type":"string","x-mcp-header":"S"},
                "o":{"properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
                "b":{"type":"boolean","x-mcp-header":"B"}}}"#,
        );
        let check = |arguments: &str, sent: &[(&str, &str)], want: Result<(), &str>| {
            let header = |name: &str| {
                let mut all = sent
                    .iter()
                    .filter(|(k, _)| format!("mcp-param-{k}") == name.to_lowercase());
                match (all.next(), all.next()) {
                    (None, _) => Field::Absent,
                    (Some((_, v)), None) => Field::Text(v),
                    (Some(_), Some(_)) => Field::Unclear,
                }
            };
            let got = params.check(Some(arguments), header).map_err(|f| {
                assert_eq!(f.code(), -32020);
                f.to_string().split_once("` ").unwrap().1.to_owned()
            });
            assert_eq!(got, want.map_err(str::to_owned), "{arguments} {sent:?}");
        };
        let missing = Err("is missing; it must repeat the body's value");
        let (other, broken) = (Err("does not match the body"), Err("cannot be decoded"));
        check("{}", &[], Ok(()));
        check(r#"{"s":null,"o":[],"b":null}"#, &[], Ok(()));
        check(r#"{"s":"Hello"}"#, &[("s", "=?base64?SGVsbG8=?=")], Ok(()));
        check(r#"{"s":"Hello"}"#, &[("s", "=?base64?SGVsbG8?=")], broken);
        check(
            r#"{"s":"Hello"}"#,
            &[("s", "=?base64?SGVs!!!bG8=?=")],
            broken,
        );
        check(r#"{"s":"SGVsbG8="}"#, &[("s", "SGVsbG8=")], Ok(()));
        check(
            r#"{"s":"=?base64?SGVsbG8="}"#,
            &[("s", "=?base64?SGVsbG8=")],
            Ok(()),
        );
        check(r#"{"s":"Hello"}"#, &[], missing);
        check("{}", &[("s", "")], other);
        check(r#"{"s":""}"#, &[("s", "")], Ok(()));
        check(r#"{"s":"a"}"#, &[("s", "A")], other);
        check(r#"{"s":"a"}"#, &[("s", "a"), ("s", "a")], other);
        check(r#"{"s":"a","s":"b"}"#, &[("s", "b")], other);
        check(r#"{"s":{}}"#, &[], Ok(()));
        check(r#"{"s":{}}"#, &[("s", "{}")], other);
        check(r#"{"b":true}"#, &[("b", "true")], Ok(()));
        check(r#"{"b":true}"#, &[("b", "1")], other);
        check(r#"{"o":{"n":42.0}}"#, &[("n", "42")], Ok(()));
        check(r#"{"o":{"n":4.2e1}}"#, &[("n", "42.00")], Ok(()));
        check(
            r#"{"o":{"n":9007199254740993}}"#,
            &[("n", "9007199254740992")],
            other,
        );
        check(r#"{"o":{"n":-0}}"#, &[("n", "0")], Ok(()));
        check(r#"{"o":{"n":42}}"#, &[("n", "4.2e1")], other);
        check(r#"{"o":{"n":1e999999999}}"#, &[("n", "1")], other);
        check(r#"{"o":{"n":42}}"#, &[], missing);
        assert_eq!(params.check(None, |_| Field::Absent), Ok(()));
    }

    proptest! {
        #[test]
        fn a_header_that_repeats_a_whole_number_is_taken(n: i64, zeros in 0_usize..4) {
            let raw = if zeros == 0 { n.to_string() } else { format!("{n}.{}", "0".repeat(zeros)) };
            prop_assert!(is_same_number(&raw, &n.to_string()));
            prop_assert!(!is_same_number(&raw, &n.wrapping_add(1).to_string()));
        }

        #[test]
        fn no_list_makes_it_panic(text in "[\\[\\]{}\",:a-z0-9-]{0,64}") {
            let _ = ToolPage::read(text.as_bytes());
            let schema = format!(r#"{{"result":{{"tools":[{{"name":"x","inputSchema":{{"x-mcp-header":{text}}}}}]}}}}"#);
            let _ = ToolPage::read(schema.as_bytes());
        }
    }
}
