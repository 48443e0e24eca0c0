//! Which blocks may contain a text.
//!
//! A search asks whether a value *contains* a text, which need not be a whole word. So what a block keeps are not its
//! words but all pieces of four bytes of them, as bits by their hash, letters in lower case. A piece that consists of hex digits only is not kept: ids
//! and times would fill everything, and tell nothing.

/// Bytes of a piece.
const GRAM_BYTES: usize = 4;

/// Bits of a block before they are folded, as a power of two.
const BITS_LOG2: u32 = 17;

/// The smallest set, in bytes.
const BYTES_MIN: usize = 64;

/// The pieces of a block's text.
pub(crate) struct Grams {
    /// One byte each, so that adding is one store. The last is written by what is no piece.
    seen: Vec<u8>,
}

impl Grams {
    pub(crate) fn new() -> Self {
        Self {
            seen: vec![0; (1 << BITS_LOG2) + 1],
        }
    }

    /// Adds the pieces of a record.
    pub(crate) fn add(&mut self, json: &[u8]) {
        let seen = &mut self.seen[..(1 << BITS_LOG2) + 1];
        let (mut gram, mut breaks, mut letters) = (0_u32, u32::MAX, 0_u32);
        for byte in json {
            let class = CLASS[usize::from(*byte)];
            gram = gram << 8 | u32::from(class as u8);
            breaks = breaks << 1 | u32::from(class >> 8 & 1);
            letters = letters << 1 | u32::from(class >> 9 & 1);
            let is_piece = breaks & 15 == 0 && letters & 15 != 0;
            let at = if is_piece { hash(gram) } else { 1 << BITS_LOG2 };
            seen[at] = 1;
        }
    }

    /// The set as bits, as short as its fullness allows; and begins anew.
    pub(crate) fn take_bits(&mut self) -> Vec<u8> {
        let mut bits = vec![0_u8; 1 << (BITS_LOG2 - 3)];
        for (byte, eight) in bits.iter_mut().zip(self.seen.chunks_exact(8)) {
            *byte = eight.iter().enumerate().fold(0, |b, (i, s)| b | s << i);
        }
        self.seen.fill(0);
        let ones = |bits: &[u8]| bits.iter().map(|b| b.count_ones() as usize).sum::<usize>();
        // At most one bit in eight, as long as there is a choice.
        while bits.len() > BYTES_MIN && ones(&bits) * 16 < bits.len() * 8 {
            let upper = bits.split_off(bits.len() / 2);
            for (low, high) in bits.iter_mut().zip(upper) {
                *low |= high;
            }
        }
        bits
    }
}

/// The bits as they were before they were compressed.
pub(crate) fn expand(packed: &[u8]) -> Option<Vec<u8>> {
    let bits = zstd::bulk::decompress(packed, 1 << (BITS_LOG2 - 3)).ok()?;
    bits.len().is_power_of_two().then_some(bits)
}

/// Pieces that a value must have to contain a text. None when it is too short to tell.
#[derive(Debug)]
pub(crate) struct Wanted(Vec<usize>);

impl Wanted {
    pub(crate) fn of(text: &str) -> Self {
        let classes: Vec<u16> = text.bytes().map(|b| CLASS[usize::from(b)]).collect();
        let is_piece = |piece: &&[u16]| {
            piece.iter().all(|class| class & BREAK == 0) && piece.iter().any(|c| c & LETTER != 0)
        };
        let hash_of = |piece: &[u16]| {
            hash(
                piece
                    .iter()
                    .fold(0, |gram, class| gram << 8 | u32::from(*class as u8)),
            )
        };
        Self(
            classes
                .windows(GRAM_BYTES)
                .filter(is_piece)
                .map(hash_of)
                .collect(),
        )
    }

    /// `true` when it says nothing about any block.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `false`: no record of the block contains the text.
    pub(crate) fn may_be_in(&self, bits: &[u8]) -> bool {
        let mask = (bits.len() * 8).wrapping_sub(1);
        self.0.iter().all(|hash| {
            let bit = hash & mask;
            bits.get(bit / 8).is_none_or(|b| b >> (bit % 8) & 1 == 1)
        })
    }
}

fn hash(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - BITS_LOG2)) as usize
}

const BREAK: u16 = 1 << 8;
const LETTER: u16 = 1 << 9;

/// Low byte: in lower case. `BREAK`: in no piece, since it may stand in JSON in more than one way or divides values.
/// `LETTER`: not a hex digit.
static CLASS: [u16; 256] = {
    let mut class = [0; 256];
    let mut i = 0;
    while i < 256 {
        let byte = (i as u8).to_ascii_lowercase();
        let is_break = byte < b' '
            || byte > b'~'
            || matches!(
                byte,
                b'"' | b'\\' | b'/' | b'{' | b'}' | b'[' | b']' | b',' | b':'
            );
        let is_hex = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        class[i] = byte as u16
            | if is_break { BREAK } else { 0 }
            | if is_hex || is_break { 0 } else { LETTER };
        i += 1;
    }
    class
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits_of(records: &[&str]) -> Vec<u8> {
        let mut grams = Grams::new();
        for json in records {
            grams.add(json.as_bytes());
        }
        grams.take_bits()
    }

    #[test]
    fn parts_of_words_are_found_and_strangers_are_not() {
        let bits =
            bits_of(&[r#"{"error":"Permission denied: /srv/data","id":"0123456789abcdef"}"#]);
        for (text, may_be) in [
            ("permission", true),
            ("MISSION DEN", true),
            ("denied: /srv/data", true),
            ("xylophone", false),
            ("permission granted", false),
            // Says nothing.
            ("abc", true),
            ("deadbeef", true),
        ] {
            assert_eq!(Wanted::of(text).may_be_in(&bits), may_be, "{text}");
        }
        assert!(bits.len() <= 256);
    }

    #[test]
    fn a_set_begins_anew() {
        let mut grams = Grams::new();
        grams.add(b"something");
        grams.take_bits();
        assert!(grams.take_bits().iter().all(|b| *b == 0));
    }

    proptest! {
        /// Whatever part of whatever text: never a wrong no.
        #[test]
        fn any_part_may_be_there(texts in prop::collection::vec("[ -~é]{0,60}", 1..20), which: prop::sample::Index, from: prop::sample::Index, len in 0..30_usize) {
            let jsons: Vec<String> = texts.iter().map(|text| serde_json::json!({ "k": text }).to_string()).collect();
            let bits = bits_of(&jsons.iter().map(String::as_str).collect::<Vec<_>>());
            let text: Vec<char> = which.get(&texts).chars().collect();
            let from = from.index(text.len() + 1);
            let part: String = text[from..].iter().take(len).collect();
            prop_assert!(Wanted::of(&part.to_uppercase()).may_be_in(&bits));
            prop_assert!(Wanted::of(&part).may_be_in(&bits));
        }
    }
}
