//! Times as people give them and as they are shown.

use super::Params;
use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::time::Duration;

/// From when to when, in milliseconds of Unix time; without an end, or a beginning, where nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

impl Within {
    /// - `since`, `until`: how long ago, or when.
    pub(crate) fn of(since: Option<&str>, until: Option<&str>) -> Result<Self> {
        let within = Self {
            from_ms: since.map(read_time).transpose()?,
            to_ms: until.map(read_time).transpose()?,
        };
        if let (Some(from_ms), Some(to_ms)) = (within.from_ms, within.to_ms)
            && from_ms > to_ms
        {
            bail!("`--since` is later than `--until`");
        }
        Ok(within)
    }

    /// As parameters of our own API.
    pub(crate) fn params(self, params: Params) -> Params {
        let seconds = |ms: Option<i64>| ms.map(seconds);
        params
            .with_some("from", seconds(self.from_ms))
            .with_some("to", seconds(self.to_ms))
    }
}

pub(crate) use ph_ledger::seconds;

/// Milliseconds of Unix time, as [`read`] does, from now.
pub(crate) fn read_time(text: &str) -> Result<i64> {
    read(text, Timestamp::now().as_millisecond())
}

/// Milliseconds of Unix time: `15m` and `2d` are so long before `now_ms`, the rest is a time in UTC.
fn read(text: &str, now_ms: i64) -> Result<i64> {
    let text = text.trim();
    if text == "now" {
        return Ok(now_ms);
    }
    if let Ok(seconds) = text.parse::<f64>()
        // Fewer are before 1973: a unit was forgotten.
        && (1e8..1e12).contains(&seconds)
    {
        return Ok((seconds * 1e3) as i64);
    }
    if let Some(ago) = duration(text) {
        let ago_ms = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Ok(now_ms.saturating_sub(ago_ms).max(0));
    }
    let civil = |time: DateTime| TimeZone::UTC.to_timestamp(time).ok();
    let time = text.parse::<Timestamp>().ok();
    let time = time.or_else(|| civil(text.parse::<DateTime>().ok()?));
    let time = time.or_else(|| civil(text.parse::<Date>().ok()?.at(0, 0, 0, 0)));
    time.map(Timestamp::as_millisecond).ok_or_else(|| {
        anyhow!("`{text}` is no time: give how long ago (`15m`, `2h`, `7d`), `2026-11-22`, or `2026-11-22T17:00:00Z`")
    })
}

/// A span of time: `90s`, `1h30m`, `7d`, `1w`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let end = behind
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let seconds = match unit {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "y" => 31_536_000.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// A span of time as it is given: in the largest unit that leaves it whole.
pub(crate) fn duration_text(ms: i64) -> String {
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    let whole = units.iter().find(|(_, unit)| ms >= *unit && ms % unit == 0);
    whole.map_or_else(
        || format!("{ms}ms"),
        |(name, unit)| format!("{}{name}", ms / unit),
    )
}

/// A time for people, in UTC: `11-22 17:47:08.135`.
pub(crate) fn time_of_day(ms: i64) -> String {
    let Ok(time) = Timestamp::from_millisecond(ms) else {
        return "-".repeat(18);
    };
    let t = TimeZone::UTC.to_datetime(time);
    format!(
        "{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        const NOW: i64 = 1_795_369_628_135;
        #[track_caller]
        fn check(text: &str, want: Option<i64>) {
            assert_eq!(read(text, NOW).ok(), want, "{text}");
        }
        check("now", Some(NOW));
        check("15m", Some(NOW - 900_000));
        check("1h30m", Some(NOW - 5_400_000));
        check("7d", Some(NOW - 604_800_000));
        check("1795369628.5", Some(1_795_369_628_500));
        check("2026-11-22", Some(1_795_305_600_000));
        check("2026-11-22T17:47:08Z", Some(1_795_369_628_000));
        check("2026-11-22T18:47:08+01:00", Some(1_795_369_628_000));
        check("2026-11-22 17:47:08", Some(1_795_369_628_000));
        check("yesterday", None);
        check("15", None);
        check("15 m", None);
        check("", None);
        check("99999999y", Some(0));
        assert_eq!(time_of_day(NOW), "11-22 17:47:08.135");
        assert!(Within::of(Some("1h"), Some("2h")).is_err());
    }

    #[test]
    fn seconds_of_times() {
        assert_eq!(seconds(1_500), "1.500");
        assert_eq!(seconds(-1), "-0.001");
    }

    #[test]
    fn spans_of_time() {
        assert_eq!(duration_text(15_000), "15s");
        assert_eq!(duration_text(3_600_000), "1h");
        assert_eq!(duration_text(90_000), "90s");
        assert_eq!(duration_text(1), "1ms");
    }
}
