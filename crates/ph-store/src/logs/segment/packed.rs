//! Columns as bytes: the first bytes of all numbers, then the second, and so on, compressed.

use std::cell::RefCell;
use std::io;

/// Effort for columns and blooms: they are small and hardly get smaller with more.
const LEVEL: i32 = 1;

/// Packs and unpacks, and keeps the compressor's memory between calls.
pub(crate) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(LEVEL)?,
            plain: Vec::new(),
        })
    }

    /// Appends the packed numbers to `out`.
    pub(crate) fn numbers<const N: usize>(
        &mut self,
        numbers: impl ExactSizeIterator<Item = [u8; N]>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let count = numbers.len();
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        plain.resize(count * N, 0);
        for (i, number) in numbers.enumerate() {
            for (k, byte) in number.into_iter().enumerate() {
                plain[k * count + i] = byte;
            }
        }
        let packed = self.bytes(&plain, out);
        self.plain = plain;
        packed
    }

    /// Appends compressed bytes to `out`.
    pub(crate) fn bytes(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        compress(&mut self.zstd, plain, out)
    }
}

/// Appends one zstd frame to `out`.
pub(crate) fn compress(
    zstd: &mut zstd::bulk::Compressor<'_>,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let start = out.len();
    out.resize(start + zstd::zstd_safe::compress_bound(plain.len()), 0);
    let bytes = zstd.compress_to_buffer(plain, &mut out[start..])?;
    out.truncate(start + bytes);
    Ok(())
}

thread_local! {
    /// Kept between calls: to make one takes as long as to unpack a column.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Puts the plain bytes, of which there must be exactly so many, in place of what is in `plain`.
pub(crate) fn expand(packed: &[u8], plain_bytes: usize, plain: &mut Vec<u8>) -> io::Result<()> {
    plain.clear();
    plain.reserve_exact(plain_bytes);
    let bytes = UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => unpacker.insert(zstd::bulk::Decompressor::new()?),
        };
        unpacker.decompress_to_buffer(packed, plain)
    })?;
    if bytes == plain_bytes {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// The numbers of at most eight bytes, of which there must be exactly so many.
pub(crate) fn numbers<T>(
    packed: &[u8],
    count: usize,
    number_bytes: usize,
    number: impl Fn(u64) -> T,
) -> io::Result<Vec<T>> {
    let mut plain = Vec::new();
    expand(packed, count * number_bytes, &mut plain)?;
    let mut whole = vec![0_u64; count];
    for (nth, bytes) in plain.chunks_exact(count.max(1)).enumerate() {
        // Nearly always the upper bytes are nothing but zeros.
        if bytes.iter().any(|byte| *byte != 0) {
            for (number, byte) in whole.iter_mut().zip(bytes) {
                *number |= u64::from(*byte) << (8 * nth);
            }
        }
    }
    Ok(whole.into_iter().map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(all in prop::collection::vec(any::<u64>(), 0..100)) {
            let mut out = b"before".to_vec();
            let mut packer = Packer::new().unwrap();
            packer.numbers(all.iter().map(|n| n.to_le_bytes()), &mut out).unwrap();
            prop_assert_eq!(numbers(&out[6..], all.len(), 8, |n| n).unwrap(), all.clone());
            prop_assert!(numbers(&out[6..], all.len() + 1, 8, |n| n).is_err());
        }
    }
}
