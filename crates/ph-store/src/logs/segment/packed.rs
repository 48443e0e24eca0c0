//! Columns as bytes: the first bytes of all numbers, then the second, and so on, compressed.

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

/// The plain bytes, of which there must be exactly so many.
pub(crate) fn expand(packed: &[u8], plain_bytes: usize) -> io::Result<Vec<u8>> {
    let mut plain = vec![0; plain_bytes];
    if zstd::bulk::decompress_to_buffer(packed, &mut plain[..])? == plain_bytes {
        Ok(plain)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// The numbers, of which there must be exactly so many.
pub(crate) fn numbers<T, const N: usize>(
    packed: &[u8],
    count: usize,
    number: impl Fn([u8; N]) -> T,
) -> io::Result<Vec<T>> {
    let plain = expand(packed, count * N)?;
    let at = |i: usize| std::array::from_fn(|k| plain[k * count + i]);
    Ok((0..count).map(|i| number(at(i))).collect())
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
            prop_assert_eq!(numbers(&out[6..], all.len(), u64::from_le_bytes).unwrap(), all.clone());
            prop_assert!(numbers(&out[6..], all.len() + 1, u64::from_le_bytes).is_err());
        }
    }
}
