//! Durations and sizes as operators write them: a number with its unit.

use std::fmt;
use std::time::Duration;

/// A number of bytes, written `64KiB`, `1GB` or as a bare number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// `bytes`: the number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// `count` × 1,024 bytes.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// `count` × 1,024² bytes.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// `count` × 1,024³ bytes.
    #[must_use]
    pub const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes for a buffer in memory; the greatest `usize` where it does not fit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A whole number with the largest unit that leaves it whole, in the form that is read back.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Units of 1,024 first: what both leave whole was most often meant so.
        let (unit, factor) = BYTE_UNITS_SHOWN
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

const BYTE_UNITS_SHOWN: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

const BYTE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const TIME_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Why a number with a unit was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitError {
    /// A number, and nothing after it.
    NoUnit,
    /// Not a number followed by a unit that we know.
    NotAQuantity,
    /// More than can be held.
    TooLarge,
}

/// Reads `250ms`, `15s`, `5m`, `1h`, `1d`, `1.5s`. A bare number is refused, `0` too: which unit
/// was meant cannot be known.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split_unit(text);
    if unit.is_empty() && !number.is_empty() {
        return Err(UnitError::NoUnit);
    }
    let factor = factor_of(unit, &TIME_UNITS)?;
    scaled(number, factor).map(Duration::from_millis)
}

/// Reads `64KiB`, `1GB`, `1.5MiB`, or a bare number of bytes.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, UnitError> {
    let (number, unit) = split_unit(text);
    let factor = if unit.is_empty() {
        1
    } else {
        factor_of(unit, &BYTE_UNITS)?
    };
    scaled(number, factor).map(ByteSize)
}

/// A time as it is written in the configuration, to the millisecond: the largest unit that leaves no
/// fraction. Prometheus reads it, too.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, factor) = TIME_UNITS
        .iter()
        .rev()
        .find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor))
        .unwrap_or(&("s", MS_PER_S));
    format!("{}{unit}", ms / factor)
}

const MS_PER_S: u64 = 1_000;

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn factor_of(unit: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    let known = units.iter().find(|(name, _)| *name == unit);
    known
        .map(|(_, factor)| *factor)
        .ok_or(UnitError::NotAQuantity)
}

/// `number` × `factor`, exactly: digits with at most three decimals, without floating point.
fn scaled(number: &str, factor: u64) -> Result<u64, UnitError> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || decimals.len() > 3 || decimals.contains('.') {
        return Err(UnitError::NotAQuantity);
    }
    if number.ends_with('.') {
        return Err(UnitError::NotAQuantity);
    }
    let whole: u64 = whole.parse().map_err(|_| UnitError::TooLarge)?;
    let whole = whole.checked_mul(factor).ok_or(UnitError::TooLarge)?;
    if decimals.is_empty() {
        return Ok(whole);
    }
    let parts: u64 = decimals.parse().map_err(|_| UnitError::NotAQuantity)?;
    let scale = 10_u64.pow(decimals.len().try_into().unwrap_or(3));
    let part = parts.checked_mul(factor).ok_or(UnitError::TooLarge)?;
    if !part.is_multiple_of(scale) {
        return Err(UnitError::NotAQuantity);
    }
    whole.checked_add(part / scale).ok_or(UnitError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn duration(text: &str, want: Result<u64, UnitError>) {
        assert_eq!(
            parse_duration(text),
            want.map(Duration::from_millis),
            "{text:?}"
        );
    }

    #[track_caller]
    fn size(text: &str, want: Result<u64, UnitError>) {
        assert_eq!(parse_size(text), want.map(ByteSize::new), "{text:?}");
    }

    #[test]
    fn durations() {
        duration("250ms", Ok(250));
        duration("2s", Ok(2_000));
        duration("0s", Ok(0));
        duration("1.5s", Ok(1_500));
        duration("0.001s", Ok(1));
        duration("0.5ms", Err(UnitError::NotAQuantity)); // finer than we count
        duration("1.5m", Ok(90_000));
        duration("1h", Ok(3_600_000));
        duration("1d", Ok(86_400_000));
        duration(" 5 m ", Ok(300_000));
        duration("2", Err(UnitError::NoUnit)); // which unit was meant?
        duration("0", Err(UnitError::NoUnit));
        for text in [
            "",
            "s",
            "-2s",
            "+2s",
            "2 parsecs",
            "2S",
            "1e3s",
            "1.s",
            ".5s",
            "1.2.3s",
            "1.2345s",
            "1h30m",
            "2s s",
        ] {
            duration(text, Err(UnitError::NotAQuantity));
        }
        duration("99999999999999999999s", Err(UnitError::TooLarge));
        duration("18446744073709551615d", Err(UnitError::TooLarge));
    }

    #[test]
    fn sizes() {
        size("0", Ok(0));
        size("65536", Ok(65_536));
        size("16B", Ok(16));
        size("64KiB", Ok(65_536));
        size("64kB", Ok(64_000));
        size("64KB", Ok(64_000));
        size("1.5MiB", Ok(1_572_864));
        size("4 MiB", Ok(4_194_304));
        size("2GiB", Ok(2 << 30));
        size("1GB", Ok(1_000_000_000));
        size("1TiB", Ok(1 << 40));
        for text in [
            "",
            "B",
            "-1",
            "64kib",
            "64k",
            "64K",
            "64M",
            "1.5B",
            "0.0001KiB",
            "1,000",
        ] {
            size(text, Err(UnitError::NotAQuantity));
        }
        size("99999999999999999999", Err(UnitError::TooLarge));
        size("18446744073709551615GiB", Err(UnitError::TooLarge));
    }

    #[test]
    fn shown_values_read_back() {
        for ms in [
            0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000, 86_400_001,
        ] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
        for bytes in [
            0,
            1,
            1_000,
            1_024,
            64_000,
            65_536,
            1_000_000,
            1 << 20,
            1 << 40,
            u64::MAX,
        ] {
            let size = ByteSize::new(bytes);
            assert_eq!(parse_size(&size.to_string()), Ok(size));
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(ByteSize::new(64_000).to_string(), "64kB");
        assert_eq!(ByteSize::new(65_536).to_string(), "64KiB");
        assert_eq!(ByteSize::new(0).to_string(), "0B");
    }
}
