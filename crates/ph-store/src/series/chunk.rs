//! The sealed chunk: up to [`SAMPLES_MAX`] samples in columns, each column in the smallest of a few forms.
//!
//! Times: regular (nothing but the distance), or differences packed to one width. Values: all alike;
//! whole numbers (or decimals with up to nine places, as counters of seconds are) as differences packed to
//! one width, with or without a bitmap of those that are not zero; else the exclusive-or form of the head.
//! Packed forms are what makes a busy counter about a byte a sample, and reading one cost a few
//! nanoseconds.

use super::bits::{BitReader, BitWriter, Bytes, put_varint, unzigzag, width_of, zigzag};
use super::xor;
use ph_promql::Sample;

/// Samples in a chunk, at most. At 15 s half an hour.
pub(super) const SAMPLES_MAX: usize = 120;
/// What a reader takes: chunks of other versions may be longer.
const COUNT_MAX: usize = 1 << 16;

/// Powers of ten by which a chunk's values may all be whole numbers.
const SCALES: [f64; 4] = [1.0, 1e3, 1e6, 1e9];
/// Whole numbers up to here are exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

const TIMES_REGULAR: u8 = 0;
const TIMES_PACKED: u8 = 1;
const VALUES_ALIKE: u8 = 0;
const VALUES_XOR: u8 = 1;
/// Plus the index in [`SCALES`].
const VALUES_PACKED: u8 = 2;
/// Plus the index in [`SCALES`].
const VALUES_SPARSE: u8 = 6;

/// Appends the samples, which are ascending in time, to `out`.
///
/// Form: one byte (high half: times, low half: values), count, first time, then the columns.
pub(super) fn put(out: &mut Vec<u8>, samples: &[Sample]) {
    let form_at = out.len();
    out.push(0);
    put_varint(out, samples.len() as u64);
    let Some(first) = samples.first() else {
        return;
    };
    put_varint(out, zigzag(first.t_ms));
    let times = put_times(out, samples);
    let values = put_values(out, samples);
    out[form_at] = times << 4 | values;
}

fn put_times(out: &mut Vec<u8>, samples: &[Sample]) -> u8 {
    let deltas = || {
        samples
            .windows(2)
            .map(|pair| pair[1].t_ms.wrapping_sub(pair[0].t_ms))
    };
    let least = deltas().min().unwrap_or(0);
    let most = deltas().max().unwrap_or(0);
    put_varint(out, zigzag(least));
    if least == most {
        return TIMES_REGULAR;
    }
    pack(out, deltas(), least, most);
    TIMES_PACKED
}

/// Width, then each value less `least`, then up to the next byte.
fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = i64>, least: i64, most: i64) {
    let width = width_of(most.wrapping_sub(least) as u64);
    out.push(width as u8);
    let mut bits = BitWriter::default();
    for value in values {
        bits.bits(value.wrapping_sub(least) as u64, width);
    }
    out.append(&mut bits.into_bytes());
}

fn put_values(out: &mut Vec<u8>, samples: &[Sample]) -> u8 {
    let first = samples[0].v.to_bits();
    if samples.iter().all(|sample| sample.v.to_bits() == first) {
        out.extend_from_slice(&first.to_le_bytes());
        return VALUES_ALIKE;
    }
    let mut bits = BitWriter::default();
    xor::put_values(&mut bits, samples.iter().map(|sample| sample.v.to_bits()));
    let mut best = (VALUES_XOR, bits.into_bytes());
    if let Some((scale, whole)) = whole_numbers(samples) {
        for (form, bytes) in [
            (VALUES_PACKED + scale, packed(&whole)),
            (VALUES_SPARSE + scale, sparse(&whole)),
        ] {
            if bytes.len() <= best.1.len() {
                best = (form, bytes);
            }
        }
    }
    out.append(&mut best.1);
    best.0
}

fn packed(whole: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    let deltas = || whole.windows(2).map(|pair| pair[1] - pair[0]);
    let least = deltas().min().unwrap_or(0);
    let most = deltas().max().unwrap_or(0);
    put_varint(&mut out, zigzag(whole[0]));
    put_varint(&mut out, zigzag(least));
    pack(&mut out, deltas(), least, most);
    out
}

/// A bit per difference that is not zero, behind each of them the difference.
fn sparse(whole: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    let deltas = || whole.windows(2).map(|pair| pair[1] - pair[0]);
    let least = deltas().filter(|delta| *delta != 0).min().unwrap_or(0);
    let most = deltas().filter(|delta| *delta != 0).max().unwrap_or(0);
    put_varint(&mut out, zigzag(whole[0]));
    put_varint(&mut out, zigzag(least));
    let width = width_of(most.wrapping_sub(least) as u64);
    out.push(width as u8);
    let mut bits = BitWriter::default();
    for delta in deltas() {
        bits.bit(delta != 0);
        if delta != 0 {
            bits.bits((delta - least) as u64, width);
        }
    }
    out.append(&mut bits.into_bytes());
    out
}

/// The index of the smallest scale by which all values are whole numbers, bit for bit, and these.
fn whole_numbers(samples: &[Sample]) -> Option<(u8, Vec<i64>)> {
    (0u8..).zip(SCALES).find_map(|(index, scale)| {
        let whole = samples.iter().map(|sample| {
            let scaled = (sample.v * scale).round();
            let back = scaled as i64 as f64 / scale;
            (scaled.abs() < WHOLE_MAX && back.to_bits() == sample.v.to_bits())
                .then_some(scaled as i64)
        });
        Some((index, whole.collect::<Option<Vec<i64>>>()?))
    })
}

/// The number of samples and the first time, without reading the others.
#[cfg(test)]
fn head(bytes: &[u8]) -> Option<(usize, i64)> {
    let mut bytes = Bytes(bytes);
    bytes.byte()?;
    let count = bytes.count(COUNT_MAX)?;
    Some((count, unzigzag(bytes.varint()?)))
}

/// Appends a chunk's samples to `out`; `None` when these bytes are no chunk.
///
/// Of bytes that pass for a chunk it gives as many samples as they say, at most 65,536.
pub(super) fn read(bytes: &[u8], out: &mut Vec<Sample>) -> Option<()> {
    let mut bytes = Bytes(bytes);
    let form = bytes.byte()?;
    let count = bytes.count(COUNT_MAX)?;
    if count == 0 {
        return Some(());
    }
    let first = unzigzag(bytes.varint()?);
    let start = out.len();
    out.reserve(count);
    read_times(form >> 4, &mut bytes, first, count, out)?;
    let values = read_values(form & 15, &mut bytes, &mut out[start..]);
    if values.is_none() {
        out.truncate(start);
    }
    values
}

fn read_times(
    form: u8,
    bytes: &mut Bytes<'_>,
    first: i64,
    count: usize,
    out: &mut Vec<Sample>,
) -> Option<()> {
    let least = unzigzag(bytes.varint()?);
    let mut time = first;
    let sample = |t_ms| Sample { t_ms, v: 0.0 };
    match form {
        TIMES_REGULAR => out.extend(
            (0..count as i64).map(|index| sample(first.wrapping_add(least.wrapping_mul(index)))),
        ),
        TIMES_PACKED => {
            let mut deltas = Packed::read(bytes, count - 1)?;
            out.push(sample(first));
            out.extend((1..count).map(|_| {
                time = time.wrapping_add(least).wrapping_add(deltas.next() as i64);
                sample(time)
            }));
        }
        _ => return None,
    }
    Some(())
}

/// Numbers of one width.
struct Packed<'a> {
    bits: BitReader<'a>,
    width: u32,
}

impl<'a> Packed<'a> {
    fn read(bytes: &mut Bytes<'a>, count: usize) -> Option<Self> {
        let width = u32::from(bytes.byte()?);
        if width > 64 {
            return None;
        }
        let bits = bytes.take((count * width as usize).div_ceil(8))?;
        Some(Self {
            bits: BitReader::new(bits),
            width,
        })
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.bits.bits(self.width)
    }
}

fn read_values(form: u8, bytes: &mut Bytes<'_>, out: &mut [Sample]) -> Option<()> {
    match form {
        VALUES_ALIKE => {
            let value = f64::from_bits(u64::from_le_bytes(bytes.array()?));
            for sample in out {
                sample.v = value;
            }
        }
        VALUES_XOR => {
            let mut bits = BitReader::new(bytes.0);
            let count = out.len();
            let mut next = out.iter_mut();
            xor::read_values(&mut bits, count, |value| {
                if let Some(sample) = next.next() {
                    sample.v = f64::from_bits(value);
                }
            });
            if bits.overrun() {
                return None;
            }
        }
        form if form < VALUES_SPARSE => {
            let scale = SCALES[usize::from(form - VALUES_PACKED)];
            let mut whole = unzigzag(bytes.varint()?);
            let least = unzigzag(bytes.varint()?);
            let mut deltas = Packed::read(bytes, out.len() - 1)?;
            let (first, rest) = out.split_first_mut()?;
            first.v = whole as f64 / scale;
            if scale == 1.0 {
                for sample in rest {
                    whole = whole.wrapping_add(least).wrapping_add(deltas.next() as i64);
                    sample.v = whole as f64;
                }
            } else {
                for sample in rest {
                    whole = whole.wrapping_add(least).wrapping_add(deltas.next() as i64);
                    sample.v = whole as f64 / scale;
                }
            }
        }
        form => {
            let scale = SCALES.get(usize::from(form - VALUES_SPARSE))?;
            let mut whole = unzigzag(bytes.varint()?);
            let least = unzigzag(bytes.varint()?);
            let width = u32::from(bytes.byte()?);
            if width > 64 {
                return None;
            }
            let mut bits = BitReader::new(bytes.0);
            let mut value = whole as f64 / scale;
            out.first_mut()?.v = value;
            let mut at = 1;
            while at < out.len() && !bits.overrun() {
                let same = bits.zeros(u32::try_from(out.len() - at).unwrap_or(u32::MAX)) as usize;
                for sample in &mut out[at..at + same] {
                    sample.v = value;
                }
                at += same;
                if same > 0 {
                    continue;
                }
                // Not always a one: behind the last bit there is nothing.
                if bits.bit() {
                    whole = whole
                        .wrapping_add(least)
                        .wrapping_add(bits.bits(width) as i64);
                    value = whole as f64 / scale;
                }
                out[at].v = value;
                at += 1;
            }
            if bits.overrun() {
                return None;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::xor::tests::{any_samples, bits_of};
    use super::*;
    use proptest::prelude::*;

    fn series(count: i64, value: impl Fn(i64) -> f64) -> Vec<Sample> {
        (0..count)
            .map(|n| Sample {
                t_ms: 1_700_000_000_000 + n * 15_000,
                v: value(n),
            })
            .collect()
    }

    fn size(samples: &[Sample]) -> usize {
        let mut out = Vec::new();
        put(&mut out, samples);
        let mut read_back = Vec::new();
        assert_eq!(read(&out, &mut read_back), Some(()));
        assert_eq!(bits_of(&read_back), bits_of(samples));
        out.len()
    }

    #[test]
    fn what_is_common_is_small() {
        assert!(size(&series(120, |_| 1.0)) <= 20);
        // A busy counter: increments of 0 to 15.
        assert!(size(&series(120, |n| (100_000 + n * 8 + n * n % 8) as f64)) <= 80);
        // A quiet one: one increment in ten.
        assert!(size(&series(120, |n| (n / 10) as f64)) <= 40);
        // Seconds that are counted in nanoseconds.
        assert!(size(&series(120, |n| (n * 7_654_321 + n * n % 997) as f64 / 1e9)) <= 200);
        // Minus zero is not zero.
        assert!(size(&series(3, |n| if n == 1 { -0.0 } else { 0.0 })) <= 40);
    }

    proptest! {
        #[test]
        fn samples_are_read_as_they_were_sealed(samples in any_samples(200)) {
            let mut bytes = Vec::new();
            put(&mut bytes, &samples);
            prop_assert_eq!(head(&bytes), Some((samples.len(), samples[0].t_ms)));
            let mut back = Vec::new();
            prop_assert_eq!(read(&bytes, &mut back), Some(()));
            prop_assert_eq!(bits_of(&back), bits_of(&samples));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            let read = read(&bytes, &mut out);
            prop_assert!(out.len() <= COUNT_MAX);
            if read.is_none() {
                prop_assert!(out.is_empty());
            }
        }
    }
}
