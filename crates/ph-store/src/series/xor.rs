//! The growing chunk of the head: delta of delta of times, exclusive or of values.
//!
//! A sample that comes when the one before it let expect, with the same value, takes two bits.

use super::bits::{BitReader, BitWriter, unzigzag, width_of, zigzag};
use ph_promql::Sample;

/// Widths of a delta of delta, each announced by one more leading one bit.
const TIME_WIDTHS: [u32; 3] = [14, 17, 24];

/// A chunk that takes samples in ascending time.
#[derive(Clone, Debug, Default)]
pub(super) struct XorChunk {
    bits: BitWriter,
    count: u32,
    first_ms: i64,
    last_ms: i64,
    delta: i64,
    last: u64,
    window: Window,
}

/// Where the significant bits of the last written difference were.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    leading: u32,
    /// 0: there is none yet.
    width: u32,
}

impl XorChunk {
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn first_ms(&self) -> i64 {
        self.first_ms
    }

    pub(super) fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Heap bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bits.bytes().len()
    }

    /// `sample` is younger than all before it.
    pub(super) fn push(&mut self, sample: Sample) {
        let value = sample.v.to_bits();
        if self.count == 0 {
            self.bits.bits(sample.t_ms as u64, 64);
            self.bits.bits(value, 64);
            self.first_ms = sample.t_ms;
        } else {
            let delta = sample.t_ms.wrapping_sub(self.last_ms);
            put_time(&mut self.bits, delta.wrapping_sub(self.delta));
            self.window = put_value(&mut self.bits, self.last ^ value, self.window);
            self.delta = delta;
        }
        self.last_ms = sample.t_ms;
        self.last = value;
        self.count += 1;
    }

    /// Appends all samples to `out`.
    pub(super) fn read(&self, out: &mut Vec<Sample>) {
        let mut bits = BitReader::new(self.bits.bytes());
        let (mut time, mut delta, mut window) = (0i64, 0i64, Window::default());
        let mut value = 0u64;
        for index in 0..self.count {
            if index == 0 {
                time = bits.bits(64) as i64;
                value = bits.bits(64);
            } else {
                delta = delta.wrapping_add(time_of(&mut bits));
                time = time.wrapping_add(delta);
                let difference;
                (difference, window) = value_of(&mut bits, window);
                value ^= difference;
            }
            out.push(Sample {
                t_ms: time,
                v: f64::from_bits(value),
            });
        }
    }
}

fn put_time(bits: &mut BitWriter, change: i64) {
    if change == 0 {
        return bits.bit(false);
    }
    let value = zigzag(change);
    for width in TIME_WIDTHS {
        bits.bit(true);
        if width_of(value) <= width {
            bits.bit(false);
            return bits.bits(value, width);
        }
    }
    bits.bit(true);
    bits.bits(value, 64);
}

fn time_of(bits: &mut BitReader<'_>) -> i64 {
    if !bits.bit() {
        return 0;
    }
    for width in TIME_WIDTHS {
        if !bits.bit() {
            return unzigzag(bits.bits(width));
        }
    }
    unzigzag(bits.bits(64))
}

/// Writes one difference of values; the window that the next one may use again.
fn put_value(bits: &mut BitWriter, difference: u64, window: Window) -> Window {
    if difference == 0 {
        bits.bit(false);
        return window;
    }
    bits.bit(true);
    let leading = difference.leading_zeros().min(31);
    let trailing = difference.trailing_zeros();
    let width = 64 - leading - trailing;
    let fits = window.width > 0
        && leading >= window.leading
        && trailing >= 64 - window.leading - window.width;
    // A new window costs 11 bits more; a much too wide one costs more in the long run.
    if fits && window.width < width + 11 {
        bits.bit(false);
        bits.bits(
            difference >> (64 - window.leading - window.width),
            window.width,
        );
        return window;
    }
    bits.bit(true);
    bits.bits(u64::from(leading), 5);
    bits.bits(u64::from(width - 1), 6);
    bits.bits(difference >> trailing, width);
    Window { leading, width }
}

fn value_of(bits: &mut BitReader<'_>, mut window: Window) -> (u64, Window) {
    if !bits.bit() {
        return (0, window);
    }
    if bits.bit() {
        window.leading = bits.bits(5) as u32;
        window.width = bits.bits(6) as u32 + 1;
    }
    // Only damaged bytes have no window yet, or one wider than what is left of 64.
    let trailing = 64u32.saturating_sub(window.leading + window.width);
    let difference = bits.bits(window.width).checked_shl(trailing);
    (difference.unwrap_or(0), window)
}

/// Differences of values without times, for sealed chunks.
pub(super) fn put_values(bits: &mut BitWriter, values: impl Iterator<Item = u64>) {
    let (mut last, mut window) = (0u64, Window::default());
    for (index, value) in values.enumerate() {
        if index == 0 {
            bits.bits(value, 64);
        } else {
            window = put_value(bits, last ^ value, window);
        }
        last = value;
    }
}

/// What [`put_values`] wrote: `count` values, one at a time into `take`.
#[inline]
pub(super) fn read_values(bits: &mut BitReader<'_>, count: usize, mut take: impl FnMut(u64)) {
    let mut window = Window::default();
    let mut value = bits.bits(64);
    take(value);
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let same = bits.zeros(u32::try_from(left).unwrap_or(u32::MAX));
        for _ in 0..same {
            take(value);
        }
        left -= same as usize;
        if left == 0 || bits.overrun() {
            break;
        }
        if same > 0 {
            continue;
        }
        let difference;
        (difference, window) = value_of(bits, window);
        value ^= difference;
        take(value);
        left -= 1;
    }
    // After damage the count still holds.
    for _ in 0..left {
        take(value);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn bits_of(samples: &[Sample]) -> Vec<(i64, u64)> {
        samples.iter().map(|s| (s.t_ms, s.v.to_bits())).collect()
    }

    /// Samples as targets give them, and such as nobody gives.
    pub(crate) fn any_samples(max: usize) -> impl Strategy<Value = Vec<Sample>> {
        let step = prop_oneof![8 => Just(15_000i64), 2 => 1i64..40_000, 1 => 1i64..1 << 45];
        let change = prop_oneof![
            5 => Just(0.0), 4 => (0u32..50).prop_map(f64::from), 1 => any::<f64>(),
            2 => (0u64..5_000_000).prop_map(|n| n as f64 / 1e6),
        ];
        (
            -1_000_000i64..2_000_000_000_000,
            prop::collection::vec((step, change, 0u8..40), 1..max),
        )
            .prop_map(|(start, steps)| {
                let (mut time, mut value) = (start, 0.0);
                steps
                    .into_iter()
                    .map(|(step, change, kind)| {
                        time += step;
                        value = match kind {
                            0 => f64::from_bits(ph_promql::STALE_NAN_BITS),
                            1 => 0.0,
                            2 => -change,
                            _ => value + change,
                        };
                        Sample {
                            t_ms: time,
                            v: value,
                        }
                    })
                    .collect()
            })
    }

    proptest! {
        #[test]
        fn samples_are_read_as_they_were_pushed(samples in any_samples(300)) {
            let mut chunk = XorChunk::default();
            for sample in &samples {
                chunk.push(*sample);
            }
            let mut read = Vec::new();
            chunk.read(&mut read);
            prop_assert_eq!(bits_of(&read), bits_of(&samples));
            prop_assert_eq!(chunk.first_ms(), samples[0].t_ms);
            prop_assert_eq!(chunk.last_ms(), samples[samples.len() - 1].t_ms);
        }
    }

    #[test]
    fn an_idle_series_takes_two_bits_a_sample() {
        let mut chunk = XorChunk::default();
        for n in 0..120 {
            chunk.push(Sample {
                t_ms: n * 15_000,
                v: 42.0,
            });
        }
        // 16 bytes for the first sample, 3 for the first delta.
        assert!(chunk.bytes() <= 16 + 3 + 30, "{}", chunk.bytes());
    }
}
