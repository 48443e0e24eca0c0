//! Who has the cases: the daemon that runs, or the data directory when none does.

use crate::ask::{Daemon, WhereArgs, read_duration};
use crate::sources::{DEFAULT_FILE, read_file};
use anyhow::{Result, anyhow, bail};
use http::Method;
use jiff::Timestamp;
use ph_server::{CaseDesk, CaseInfo, CaseList, Cases, NewMove};
use std::path::Path;

/// Who has the cases.
pub(super) enum Holder {
    Daemon(Daemon),
    Directory(Box<CaseDesk>),
}

const PATH: &str = "/api/pilothouse/vulnerabilities";

impl Holder {
    pub(super) fn find(place: &WhereArgs) -> Result<Self> {
        Ok(match crate::ask::daemon(place)? {
            Ok(daemon) => Self::Daemon(daemon),
            // Deadlines are those of the configuration here, if there is one.
            Err(dir) => {
                let read = read_file(Path::new(DEFAULT_FILE)).ok();
                let plan = read.and_then(Result::ok).map(|(plan, _)| plan);
                let plan = plan.unwrap_or_default();
                Self::Directory(Box::new(CaseDesk::open(&dir, &plan)?))
            }
        })
    }

    /// The cases, the most urgent first.
    pub(super) fn list(&self, with_history: bool) -> Result<CaseList> {
        match self {
            Self::Daemon(daemon) => {
                let path = format!("{PATH}?history={with_history}");
                let answer = daemon.send(&Method::GET, &path, None)?;
                Ok(serde_json::from_value(answer.json()?)?)
            }
            Self::Directory(desk) => Ok(desk.list(with_history)?),
        }
    }

    /// The case of a number, or of an id of its advisory where there is only one.
    pub(super) fn case(&self, name: &str) -> Result<CaseInfo> {
        let id = self.number(name)?;
        match self {
            Self::Daemon(daemon) => {
                let answer = daemon.send(&Method::GET, &format!("{PATH}/{id}"), None)?;
                Ok(serde_json::from_value(answer.json()?)?)
            }
            Self::Directory(desk) => Ok(desk.one(id)?),
        }
    }

    fn number(&self, name: &str) -> Result<u64> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let all = self.list(false)?.vulnerabilities;
        let is_it = |case: &&CaseInfo| case.ids.iter().any(|id| id.eq_ignore_ascii_case(name));
        let found: Vec<_> = all.iter().filter(is_it).collect();
        match found.as_slice() {
            [one] => Ok(one.id),
            [] => bail!("there is no case `{name}`; `pilothouse vuln list` shows them"),
            several => {
                let places = several
                    .iter()
                    .map(|case| format!("{} ({}, {})", case.id, case.server, case.package));
                let places: Vec<_> = places.collect();
                bail!(
                    "`{name}` is several cases, say which: {}",
                    places.join("; ")
                )
            }
        }
    }

    /// Moves a case.
    pub(super) fn go(&self, name: &str, wanted: NewMove) -> Result<CaseInfo> {
        let id = self.number(name)?;
        match self {
            Self::Daemon(daemon) => {
                let body = Some(serde_json::to_string(&wanted)?);
                let answer = daemon.send(&Method::POST, &format!("{PATH}/{id}"), body)?;
                Ok(serde_json::from_value(answer.json()?)?)
            }
            Self::Directory(desk) => Ok(desk.go(id, wanted, "")?),
        }
    }
}

/// Unix seconds of a duration from now (`14d`), or of a day (`2026-12-31`, its end in UTC) or time (RFC 3339).
pub(super) fn until(text: &str) -> Result<u64> {
    let now = Timestamp::now().as_second();
    let at = if let Some(time) = read_duration(text) {
        now.checked_add_unsigned(time.as_secs())
    } else if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let end = day.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC);
        end.ok().map(|end| end.timestamp().as_second())
    } else {
        let time = text.parse::<Timestamp>().ok();
        time.map(Timestamp::as_second)
    };
    let at = at.and_then(|at| u64::try_from(at).ok());
    at.ok_or_else(|| anyhow!("`{text}` is no day (`2026-12-31`), time or duration (`14d`)"))
}

/// A time as people read it.
pub(super) fn day(unix_s: u64) -> String {
    let at = i64::try_from(unix_s).ok();
    let at = at.and_then(|at| Timestamp::from_second(at).ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// A length of time in its two largest units.
pub(super) fn long(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let shown = parts[first..].iter().take(2);
    let words: Vec<_> = shown
        .enumerate()
        .filter(|(at, (n, _))| *at == 0 || *n > 0)
        .map(|(_, (n, unit))| format!("{n}{unit}"))
        .collect();
    words.join(" ")
}

/// How a case is with its time, in words.
pub(super) fn time_left(case: &CaseInfo, now: u64) -> String {
    match case.due {
        Some(due) if due <= now => format!("LATE by {}", long(now - due)),
        Some(due) => format!("{} left", long(due - now)),
        None => match case.accepted_until {
            Some(until) => format!("until {}", day(until)),
            None => format!("took {}", long(case.used_seconds)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_times_and_durations() {
        assert_eq!(until("2030-01-01").unwrap(), 1_893_542_399);
        assert_eq!(until("2030-01-01T00:00:00Z").unwrap(), 1_893_456_000);
        let now = u64::try_from(Timestamp::now().as_second()).unwrap();
        assert!(until("14d").unwrap().abs_diff(now + 14 * 86_400) < 5);
        assert!(until("soon").is_err());
        assert_eq!(day(1_893_456_000), "2030-01-01 00:00 UTC");
    }

    #[test]
    fn lengths_have_two_units() {
        for (seconds, text) in [(0, "0s"), (61, "1m 1s"), (3600, "1h"), (90_061, "1d 1h")] {
            assert_eq!(long(seconds), text);
        }
    }
}
