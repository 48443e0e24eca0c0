//! Bits in a row, most significant first.

/// Writes bits behind each other.
#[derive(Clone, Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are in use, 0 = it is full or there is none.
    used: u32,
}

impl BitWriter {
    pub(super) fn bit(&mut self, bit: bool) {
        self.bits(u64::from(bit), 1);
    }

    /// The low `width` bits of `value`; `width` is at most 64.
    pub(super) fn bits(&mut self, value: u64, width: u32) {
        debug_assert!(width <= 64);
        let mut left = width;
        while left > 0 {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let room = 8 - self.used;
            let take = room.min(left);
            let piece = (value >> (left - take)) & ((1 << take) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (piece as u8) << (room - take);
            }
            self.used = (self.used + take) % 8;
            left -= take;
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what [`BitWriter`] wrote. Behind the end there are zeros; [`BitReader::overrun`] tells.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next bytes, the next bit on top.
    window: u64,
    /// Bits in `window` that are of `bytes`.
    filled: u32,
    overrun: bool,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            window: 0,
            filled: 0,
            overrun: false,
        }
    }

    #[inline]
    fn fill(&mut self) {
        if let Some((head, rest)) = self.bytes.split_first_chunk::<4>()
            && self.filled <= 32
        {
            self.window |= u64::from(u32::from_be_bytes(*head)) << (32 - self.filled);
            self.filled += 32;
            self.bytes = rest;
            return;
        }
        while self.filled <= 56 {
            let Some((first, rest)) = self.bytes.split_first() else {
                return;
            };
            self.window |= u64::from(*first) << (56 - self.filled);
            self.filled += 8;
            self.bytes = rest;
        }
    }

    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.bits(1) == 1
    }

    /// The next `width` bits, at most 64.
    #[inline]
    pub(super) fn bits(&mut self, width: u32) -> u64 {
        if width > 32 {
            let high = self.short(width - 32);
            return (high << 32) | self.short(32);
        }
        self.short(width)
    }

    #[inline]
    fn short(&mut self, width: u32) -> u64 {
        if width == 0 {
            return 0;
        }
        if self.filled < width {
            self.fill();
            if self.filled < width {
                self.overrun = true;
                self.filled = width;
            }
        }
        let value = self.window >> (64 - width);
        self.window <<= width;
        self.filled -= width;
        value
    }

    /// How many zero bits come next, of those already read from the bytes, at most `max`; they are
    /// taken. May stop early; 0 when the next bit is a one.
    #[inline]
    pub(super) fn zeros(&mut self, max: u32) -> u32 {
        if self.filled < 33 {
            self.fill();
        }
        let run = self.window.leading_zeros().min(self.filled).min(max);
        // A shift by 64 is none.
        self.window = self.window.checked_shl(run).unwrap_or(0);
        self.filled -= run;
        run
    }

    /// `true` once bits were asked for that were never written.
    pub(super) fn overrun(&self) -> bool {
        self.overrun
    }
}

/// Least width that holds `value`.
pub(super) fn width_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Small numbers of either sign become small numbers.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Seven bits per byte, low ones first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over bytes that may be anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that is a count or a length; more than `max` is damage.
    pub(super) fn count(&mut self, max: usize) -> Option<usize> {
        let value = usize::try_from(self.varint()?).ok()?;
        (value <= max).then_some(value)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// Length and UTF-8.
    pub(super) fn text(&mut self, max: usize) -> Option<&'a str> {
        let length = self.count(max)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Length and bytes.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_read_as_they_were_written(pieces in prop::collection::vec((any::<u64>(), 0u32..=64), 0..200)) {
            let mut writer = BitWriter::default();
            for (value, width) in &pieces {
                writer.bits(*value, *width);
            }
            let mut reader = BitReader::new(writer.bytes());
            for (value, width) in &pieces {
                let kept = if *width == 64 { *value } else { value & ((1 << width) - 1) };
                prop_assert_eq!(reader.bits(*width), kept);
            }
            prop_assert!(!reader.overrun());
            reader.bits(16);
            prop_assert!(reader.overrun());
        }

        #[test]
        fn runs_of_zeros_are_taken_whole(runs in prop::collection::vec(0u32..90, 0..20)) {
            let mut writer = BitWriter::default();
            for run in &runs {
                for _ in 0..*run { writer.bit(false); }
                writer.bit(true);
            }
            let mut reader = BitReader::new(writer.bytes());
            for run in &runs {
                let mut taken = 0;
                loop {
                    let zeros = reader.zeros(u32::MAX);
                    taken += zeros;
                    if zeros == 0 { break; }
                }
                prop_assert_eq!(taken, *run);
                prop_assert!(reader.bit());
            }
        }

        #[test]
        fn numbers_survive(value in any::<u64>(), signed in any::<i64>()) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_varint(&mut out, zigzag(signed));
            let mut bytes = Bytes(&out);
            prop_assert_eq!(bytes.varint(), Some(value));
            prop_assert_eq!(bytes.varint().map(unzigzag), Some(signed));
            prop_assert!(bytes.is_empty());
        }
    }
}
