//! The protobuf wire format, as far as an export needs it.
//!
//! Source: protobuf.dev, "Encoding". A field is a key `number << 3 | wire type`
//! and a value; scalars with their default value are left out (proto3).

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const FIXED32: u32 = 5;

/// Appends fields to a buffer.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    /// A nested message. Its length is put before it once it is known.
    pub(crate) fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.key(field, LEN);
        let start = self.bytes.len();
        // Most messages are shorter than 128 bytes: one byte of length is kept free.
        self.bytes.push(0);
        fill(self);
        let len = self.bytes.len() - start - 1;
        let mut prefix = [0; 10];
        let used = put_varint(len as u64, &mut prefix);
        if used > 1 {
            let end = self.bytes.len();
            self.bytes.resize(end + used - 1, 0);
            self.bytes.copy_within(start + 1..end, start + used);
        }
        self.bytes[start..start + used].copy_from_slice(&prefix[..used]);
    }

    /// Text, left out when empty.
    pub(crate) fn string(&mut self, field: u32, text: &str) {
        self.octets(field, text.as_bytes());
    }

    /// Bytes, left out when empty.
    pub(crate) fn octets(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.octets_always(field, bytes);
        }
    }

    /// Bytes of a `oneof`, which count also when empty.
    pub(crate) fn octets_always(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LEN);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// An enum or integer, left out when 0.
    pub(crate) fn integer(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.integer_always(field, value);
        }
    }

    /// An integer or bool of a `oneof`, which counts also when 0.
    pub(crate) fn integer_always(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    /// Eight bytes of a `oneof` or of a time.
    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes, left out when 0.
    pub(crate) fn fixed32(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.key(field, FIXED32);
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, value: u64) {
        let mut buffer = [0; 10];
        let used = put_varint(value, &mut buffer);
        self.bytes.extend_from_slice(&buffer[..used]);
    }
}

fn put_varint(mut value: u64, out: &mut [u8; 10]) -> usize {
    let mut used = 0;
    while value >= 0x80 {
        out[used] = (value & 0x7f) as u8 | 0x80;
        value >>= 7;
        used += 1;
    }
    out[used] = value as u8;
    used + 1
}

/// A field as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Integer(u64),
    Octets(&'a [u8]),
    /// Fixed-width values, which no reply that we read has.
    Other,
}

/// Reads `(number, value)` pairs; ends at the end of the bytes or at the first
/// byte that is not protobuf.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Reader<'a> {
    type Item = (u32, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        let value = match (key & 7) as u32 {
            VARINT => Field::Integer(self.varint()?),
            FIXED64 => self.take(8).map(|_| Field::Other)?,
            LEN => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Octets(self.take(len)?)
            }
            FIXED32 => self.take(4).map(|_| Field::Other)?,
            _ => return None,
        };
        Some((number, value))
    }
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, &byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_message(inner: usize) {
        let mut writer = Writer::default();
        writer.octets(1, b"before");
        writer.message(2, |w| w.octets(3, &vec![7; inner]));
        writer.integer(4, 300);
        let mut fields = Reader(&writer.bytes);
        assert_eq!(fields.next(), Some((1, Field::Octets(b"before"))));
        let Some((2, Field::Octets(nested))) = fields.next() else {
            panic!("no message")
        };
        match inner {
            0 => assert_eq!(Reader(nested).next(), None),
            _ => assert_eq!(
                Reader(nested).next(),
                Some((3, Field::Octets(&vec![7; inner])))
            ),
        }
        assert_eq!(fields.next(), Some((4, Field::Integer(300))));
        assert_eq!(fields.next(), None);
    }

    #[test]
    fn nested_messages_of_each_prefix_width() {
        for inner in [
            0, 1, 124, 125, 126, 127, 128, 16_379, 16_380, 16_385, 70_000,
        ] {
            check_message(inner);
        }
    }

    #[test]
    fn cut_or_foreign_bytes_end_the_reading() {
        for bytes in [
            &[0x80_u8][..],
            &[0x0a, 5, 1],
            &[0x09, 1],
            &[0x0d, 1],
            &[0x0b],
            &[0xff; 12],
        ] {
            assert_eq!(Reader(bytes).next(), None, "input {bytes:?}");
        }
        assert_eq!(
            Reader(&[0x09, 0, 0, 0, 0, 0, 0, 0, 0]).next(),
            Some((1, Field::Other))
        );
    }
}
