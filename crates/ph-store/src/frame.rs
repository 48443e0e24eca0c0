//! Payloads in a file that is only appended to: length, checksum, payload.
//!
//! ```text
//! u32 length of the payload │ u32 CRC-32C of the payload │ payload        (little endian)
//! ```
//!
//! A crash leaves a beginning of what was written last. [`Frames`] tells that torn tail from a damaged place: the
//! tail has no whole frame after it.

/// Bytes before a payload.
pub const HEAD_BYTES: usize = 8;

/// The longest payload that is written, and that is believed when read.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Appends one frame to `out`, its payload written by `payload`.
///
/// # Panics
/// When the payload is empty or longer than [`PAYLOAD_BYTES_MAX`]: the caller bounds what it writes.
pub fn write(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let head = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    payload(out);
    let bytes = out.len() - head - HEAD_BYTES;
    assert!(
        (1..=PAYLOAD_BYTES_MAX).contains(&bytes),
        "a payload of {bytes} bytes"
    );
    let sum = crc32c::crc32c(&out[head + HEAD_BYTES..]);
    out[head..head + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
    out[head + 4..head + 8].copy_from_slice(&sum.to_le_bytes());
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// A whole frame.
    Payload(&'a [u8]),
    /// The frame goes on behind these bytes: so many are needed in all.
    Partial {
        /// Bytes from the beginning of the frame to its end.
        needed: usize,
    },
    /// A length that is never written.
    BadLength,
    /// A payload that is not what was written.
    BadSum {
        /// Length of the payload, should the length itself be right.
        bytes: usize,
    },
}

/// Reads the frame at the beginning of `bytes`.
pub fn read(bytes: &[u8]) -> Read<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Read::Partial { needed: HEAD_BYTES };
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    let sum = u32::from_le_bytes([e, f, g, h]);
    if !(1..=PAYLOAD_BYTES_MAX).contains(&len) {
        return Read::BadLength;
    }
    let Some(payload) = rest.get(..len) else {
        return Read::Partial {
            needed: HEAD_BYTES + len,
        };
    };
    if crc32c::crc32c(payload) == sum {
        Read::Payload(payload)
    } else {
        Read::BadSum { bytes: len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_value_of_crc_32c() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(read(&[0; 64]), Read::BadLength);
    }

    proptest! {
        /// Any cut of a frame asks for more, any flipped bit is seen.
        #[test]
        fn cuts_and_flips_are_seen(payload in prop::collection::vec(any::<u8>(), 1..200), cut: prop::sample::Index, flip: prop::sample::Index) {
            let mut bytes = Vec::new();
            write(&mut bytes, |out| out.extend_from_slice(&payload));
            prop_assert_eq!(read(&bytes), Read::Payload(&payload));
            let is_partial = matches!(read(&bytes[..cut.index(bytes.len())]), Read::Partial { .. });
            prop_assert!(is_partial);
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let is_payload = matches!(read(&bytes), Read::Payload(_));
            prop_assert!(!is_payload);
        }
    }
}
