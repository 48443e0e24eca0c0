//! Attribute values, as either encoding brings them.

use super::json;
use super::wire::{Fields, Malformed, Value as Wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An attribute: key and value.
pub(crate) type Attribute<'a> = (Cow<'a, str>, AnyValue<'a>);

/// Deepest nesting of a value; what lies deeper is left out.
pub(crate) const DEPTH_MAX: usize = 6;
/// Most parts of one value; what comes after them is left out.
pub(crate) const PARTS_MAX: usize = 128;

/// An `AnyValue` of OTLP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnyValue<'a> {
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Self>),
    Map(Vec<Attribute<'a>>),
}

/// How much of one value may still be read.
pub(crate) struct Budget {
    depth: usize,
    parts: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            depth: DEPTH_MAX,
            parts: PARTS_MAX,
        }
    }
}

impl Budget {
    /// One level deeper, if that is allowed.
    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.depth = self.depth.checked_sub(1)?;
        let out = read(self);
        self.depth += 1;
        Some(out)
    }

    fn part(&mut self) -> bool {
        let left = self.parts.checked_sub(1);
        self.parts = left.unwrap_or(0);
        left.is_some()
    }
}

impl<'a> AnyValue<'a> {
    /// Reads the message `AnyValue`.
    pub(crate) fn protobuf(message: &'a [u8], budget: &mut Budget) -> Result<Self, Malformed> {
        let mut out = Self::Null;
        for field in Fields::new(message) {
            out = match field? {
                (1, value) => Self::Text(value.text()?.into()),
                (2, value) => Self::Bool(value.varint()? != 0),
                (3, value) => Self::Int(value.varint()?.cast_signed()),
                (4, value) => Self::Double(f64::from_bits(value.fixed64()?)),
                (5, value) => {
                    let message = value.bytes()?;
                    match budget.inside(|budget| list(message, budget)) {
                        Some(list) => Self::List(list?),
                        None => Self::Null,
                    }
                }
                (6, value) => {
                    let message = value.bytes()?;
                    match budget.inside(|budget| map(message, budget)) {
                        Some(map) => Self::Map(map?),
                        None => Self::Null,
                    }
                }
                (7, value) => Self::Bytes(value.bytes()?.into()),
                _ => out,
            };
        }
        Ok(out)
    }

    /// Reads an `AnyValue` of the JSON encoding.
    pub(crate) fn json(raw: &'a RawValue, budget: &mut Budget) -> Result<Self, serde_json::Error> {
        let any: json::Any<'a> = serde_json::from_str(raw.get())?;
        Ok(if let Some(text) = any.string_value {
            Self::Text(text)
        } else if let Some(yes) = any.bool_value {
            Self::Bool(yes)
        } else if let Some(json::Int(int)) = any.int_value {
            Self::Int(int)
        } else if let Some(json::Double(double)) = any.double_value {
            Self::Double(double)
        } else if let Some(bytes) = any.bytes_value {
            // Bytes that are no base64 are kept as the text they are.
            match STANDARD.decode(bytes.as_bytes()) {
                Ok(bytes) => Self::Bytes(bytes.into()),
                Err(_) => Self::Text(bytes),
            }
        } else if let Some(array) = any.array_value {
            let read = |budget: &mut Budget| {
                let kept = array.values.into_iter().take_while(|_| budget.part());
                let kept: Vec<_> = kept.collect();
                kept.into_iter().map(|v| Self::json(v, budget)).collect()
            };
            budget
                .inside(read)
                .transpose()?
                .map_or(Self::Null, Self::List)
        } else if let Some(map) = any.kvlist_value {
            let read = |budget: &mut Budget| {
                let kept = map.values.into_iter().take_while(|_| budget.part());
                let kept: Vec<_> = kept.collect();
                kept.into_iter().map(|v| pair_json(v, budget)).collect()
            };
            budget
                .inside(read)
                .transpose()?
                .map_or(Self::Null, Self::Map)
        } else {
            Self::Null
        })
    }
}

fn list<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Vec<AnyValue<'a>>, Malformed> {
    let mut out = Vec::new();
    for field in Fields::new(message) {
        if let (1, value) = field?
            && budget.part()
        {
            out.push(AnyValue::protobuf(value.bytes()?, budget)?);
        }
    }
    Ok(out)
}

fn map<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Vec<Attribute<'a>>, Malformed> {
    let mut out = Vec::new();
    for field in Fields::new(message) {
        if let (1, value) = field?
            && budget.part()
        {
            out.push(pair(value, budget)?);
        }
    }
    Ok(out)
}

/// Reads the message `KeyValue`.
pub(crate) fn pair<'a>(message: Wire<'a>, budget: &mut Budget) -> Result<Attribute<'a>, Malformed> {
    let (mut key, mut value) = (Cow::Borrowed(""), AnyValue::Null);
    for field in Fields::new(message.bytes()?) {
        match field? {
            (1, text) => key = text.text()?.into(),
            (2, message) => value = AnyValue::protobuf(message.bytes()?, budget)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Reads a `KeyValue` of the JSON encoding.
pub(crate) fn pair_json<'a>(
    raw: &'a RawValue,
    budget: &mut Budget,
) -> Result<Attribute<'a>, serde_json::Error> {
    let json::Pair { key, value } = serde_json::from_str(raw.get())?;
    let value = value.map_or(Ok(AnyValue::Null), |raw| AnyValue::json(raw, budget))?;
    Ok((key, value))
}
