//! Protobuf messages, read in place: no copy, no allocation, no recursion.
//!
//! Source: protobuf.dev, "Encoding". Groups are refused: proto3 has none.

/// A message that breaks the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the protobuf message is malformed")]
pub(crate) struct Malformed;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message, in order, with their numbers; the first error is the last item.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (i, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                // The tenth byte has room for one bit.
                return (i < 9 || *byte <= 1).then_some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|n| *n > 0)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited field; another wire type is malformed.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// A `string`; proto3 demands UTF-8.
    pub(crate) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// A `fixed64`.
    pub(crate) fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    /// A varint.
    pub(crate) fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], want: &[(u32, Value<'_>)]) {
        let got: Result<Vec<_>, _> = Fields::new(bytes).collect();
        assert_eq!(got.as_deref(), Ok(want), "{bytes:x?}");
    }

    #[test]
    fn each_wire_type() {
        check(&[], &[]);
        check(&[0x08, 0x96, 0x01], &[(1, Value::Varint(150))]);
        check(&[0x12, 2, b'h', b'i'], &[(2, Value::Bytes(b"hi"))]);
        check(&[0x19, 1, 0, 0, 0, 0, 0, 0, 0], &[(3, Value::Fixed64(1))]);
        check(
            &[0x25, 1, 0, 0, 0, 0x08, 0],
            &[(4, Value::Fixed32(1)), (1, Value::Varint(0))],
        );
    }

    #[test]
    fn broken_messages_end_with_an_error() {
        for bytes in [
            &[0x08][..],
            &[0x08, 0xff],
            &[0x12, 5, b'h'],
            &[0x19, 1],
            &[0x0b],
            &[0x00, 0],
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
        ] {
            let items: Vec<_> = Fields::new(bytes).collect();
            assert_eq!(items, [Err(Malformed)], "{bytes:x?}");
        }
    }
}
