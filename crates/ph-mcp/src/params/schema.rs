//! Where in an `inputSchema` headers are asked for.

use super::{NAME_BYTES_MAX, PARAMS_MAX, Param, string};
use crate::json::{Cursor, Value, ValueKind};
use std::ops::Range;

/// Deepest schema within a schema that is looked into.
pub(super) const DEPTH_MAX: usize = 16;
/// Longest schema that is looked into, in bytes.
const BYTES_MAX: usize = 256 << 10;

const KEY: &str = "x-mcp-header";

/// The arguments that `schema`, JSON text that has been read before, wants repeated.
pub(super) fn params(schema: &str) -> Vec<Param> {
    let may_have = schema.contains(KEY) || schema.contains("\\u");
    if !may_have || !schema.starts_with('{') || schema.len() > BYTES_MAX {
        return Vec::new();
    }
    let mut walk = Walk {
        text: schema,
        path: Vec::new(),
        found: Vec::new(),
    };
    let whole = 0..schema.len();
    match walk.schema(&whole, true, 0) {
        Ok(()) => walk.found,
        Err(Unusable) => Vec::new(),
    }
}

/// A schema that breaks the rules, or a bound of ours.
struct Unusable;

/// Looks for annotations wherever a schema may stand in a schema.
struct Walk<'a> {
    text: &'a str,
    path: Vec<Box<str>>,
    found: Vec<Param>,
}

/// Keywords whose value is a schema, or an array of them.
const OF_SCHEMAS: [&str; 15] = [
    "items",
    "contains",
    "unevaluatedItems",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
    "allOf",
    "anyOf",
    "oneOf",
    "prefixItems",
];
/// Keywords whose value has schemas as members.
const OF_NAMED_SCHEMAS: [&str; 4] = [
    "patternProperties",
    "dependentSchemas",
    "$defs",
    "definitions",
];

impl Walk<'_> {
    /// - `is_static`: only `properties` lie between here and the root.
    fn schema(
        &mut self,
        range: &Range<usize>,
        is_static: bool,
        depth: usize,
    ) -> Result<(), Unusable> {
        if depth > DEPTH_MAX {
            return Err(Unusable);
        }
        let (mut header, mut kind) = (None, None);
        for (key, value) in self.members(range)? {
            let within = match &*key {
                KEY => {
                    header = Some(value);
                    continue;
                }
                "type" => {
                    kind = Some(value);
                    continue;
                }
                "properties" => is_static,
                k if OF_SCHEMAS.contains(&k) => {
                    self.schemas(&value, depth)?;
                    continue;
                }
                k if OF_NAMED_SCHEMAS.contains(&k) => false,
                _ => continue,
            };
            if value.kind == ValueKind::Object {
                for (name, inner) in self.members(&value.range)? {
                    if inner.kind == ValueKind::Object {
                        self.path.push(name);
                        self.schema(&inner.range, within, depth + 1)?;
                        self.path.pop();
                    }
                }
            }
        }
        match header {
            Some(header) => self.annotated(&header, kind, is_static),
            None => Ok(()),
        }
    }

    fn schemas(&mut self, value: &Value, depth: usize) -> Result<(), Unusable> {
        match value.kind {
            ValueKind::Object => self.schema(&value.range, false, depth + 1),
            ValueKind::Array => {
                let mut inner = Vec::new();
                let read = Cursor::within(self.text, &value.range).array(|v| {
                    inner.push(v);
                    Ok(())
                });
                read.map_err(|_| Unusable)?;
                let objects = inner.iter().filter(|v| v.kind == ValueKind::Object);
                objects
                    .map(|v| &v.range)
                    .try_for_each(|range| self.schema(range, false, depth + 1))
            }
            _ => Ok(()),
        }
    }

    fn members(&self, range: &Range<usize>) -> Result<Vec<(Box<str>, Value)>, Unusable> {
        let mut members = Vec::new();
        let read = Cursor::within(self.text, range).object(|key, value| {
            members.push((Box::from(&*key), value));
            Ok(())
        });
        read.map(|()| members).map_err(|_| Unusable)
    }

    fn annotated(
        &mut self,
        header: &Value,
        kind: Option<Value>,
        is_static: bool,
    ) -> Result<(), Unusable> {
        let header = string(self.text, header).ok_or(Unusable)?;
        let kind = kind.and_then(|k| string(self.text, &k)).ok_or(Unusable)?;
        let is_primitive = matches!(&*kind, "string" | "integer" | "boolean");
        let header: Box<str> = format!("Mcp-Param-{header}").into();
        let is_new = !self
            .found
            .iter()
            .any(|p| p.header.eq_ignore_ascii_case(&header));
        let is_usable = is_static
            && !self.path.is_empty()
            && is_primitive
            && is_new
            && is_token(&header["Mcp-Param-".len()..])
            && header.len() <= NAME_BYTES_MAX
            && self.found.len() < PARAMS_MAX;
        if !is_usable {
            return Err(Unusable);
        }
        let path = self.path.clone();
        self.found.push(Param { path, header });
        Ok(())
    }
}

/// RFC 9110 token, and at least one character.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
