//! The load by the hour of the day, and a schedule made of it.

use crate::arrivals::Arrivals;
use serde::Serialize;
use std::fmt::Write as _;

/// Fewer days say nothing of the hours of a day.
pub const DAYS_MIN: i64 = 2;
/// From so many on working days and weekends are told apart.
pub const DAYS_OF_WEEK_MIN: i64 = 14;

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;

/// Which days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Days {
    /// All.
    Every,
    /// Monday to Friday.
    Working,
    /// Saturday and Sunday.
    Weekend,
}

/// One hour of the day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hour {
    /// From 0 to 23, in the time zone of the profile.
    pub hour: i64,
    /// Calls per second on average.
    pub mean_rate: f64,
    /// Calls per second that all but one in twenty minutes stay below.
    pub p95_rate: f64,
    /// Pods that this needs by the target.
    pub pods: i64,
    /// Minutes that it is of.
    pub minutes: usize,
}

/// Hours in a row that need the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Which days.
    pub days: Days,
    /// The first hour.
    pub from_hour: i64,
    /// The hour that it ends with: 24 is midnight.
    pub to_hour: i64,
    /// Pods.
    pub pods: i64,
}

/// A load by the hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Days that it is of.
    pub days: i64,
    /// Which days, with their 24 hours.
    pub hours: Vec<(Days, Vec<Hour>)>,
    /// The schedule: windows that need more than `min`.
    pub windows: Vec<Window>,
    /// Pods outside of the windows.
    pub min: i64,
    /// How the numbers came about.
    pub evidence: Vec<String>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProfile {
    /// Times are relative.
    #[error("the times of the load are relative, so the hour of the day is not known")]
    NoClock,
    /// Too short.
    #[error(
        "{hours} h are too few to tell the hours of a day: at least {DAYS_MIN} days are needed"
    )]
    TooShort {
        /// Hours that there are.
        hours: i64,
    },
    /// Too coarse.
    #[error("steps of {step_s} s are too long to tell hours")]
    TooCoarse {
        /// Their length.
        step_s: i64,
    },
}

/// Makes the profile of a load.
///
/// - `offset_s`: of the clock on the wall from UTC.
/// - `pod_rate`: calls per second that a pod is meant to answer.
/// - `bounds`: the fewest and the most pods.
///
/// # Errors
/// Too little is known.
pub fn profile(
    arrivals: &Arrivals,
    offset_s: i64,
    pod_rate: f64,
    bounds: (i64, i64),
) -> Result<Profile, NoProfile> {
    let start_s = arrivals.start_s.ok_or(NoProfile::NoClock)?;
    let seconds = arrivals.seconds();
    if seconds < DAYS_MIN * DAY_S {
        return Err(NoProfile::TooShort {
            hours: seconds / HOUR_S,
        });
    }
    if arrivals.step_s > 900 {
        return Err(NoProfile::TooCoarse {
            step_s: arrivals.step_s,
        });
    }
    let days = seconds / DAY_S;
    let kinds: &[Days] = if days >= DAYS_OF_WEEK_MIN {
        &[Days::Working, Days::Weekend]
    } else {
        &[Days::Every]
    };
    let minutes = minutes(arrivals, start_s + offset_s);
    let hours: Vec<(Days, Vec<Hour>)> = kinds
        .iter()
        .map(|kind| {
            let hours = (0..24).map(|hour| of_hour(&minutes, *kind, hour, pod_rate, bounds));
            (*kind, hours.collect())
        })
        .collect();
    let least = hours
        .iter()
        .flat_map(|(_, hours)| hours)
        .map(|hour| hour.pods);
    let min = least.min().unwrap_or(bounds.0);
    let windows = hours
        .iter()
        .flat_map(|(kind, hours)| windows(*kind, hours, min));
    let windows = windows.collect();
    Ok(Profile {
        days,
        windows,
        min,
        evidence: vec![format!(
            "{days} days; an hour needs ceil(rate that 95 % of its minutes stay below / {pod_rate:.1}/s), at least {} and at \
             most {}",
            bounds.0, bounds.1
        )],
        hours,
    })
}

/// A minute, or step where that is longer, on the clock on the wall, with its calls per second.
fn minutes(arrivals: &Arrivals, local_s: i64) -> Vec<(i64, f64)> {
    let steps = usize::try_from(60 / arrivals.step_s).unwrap_or(1).max(1);
    let length_s = steps as i64 * arrivals.step_s;
    let chunks = arrivals.counts.chunks(steps).enumerate();
    let minutes = chunks.map(|(nth, calls)| {
        let at_s = local_s + nth as i64 * length_s;
        (at_s, calls.iter().sum::<f64>() / length_s as f64)
    });
    minutes.collect()
}

fn of_hour(
    minutes: &[(i64, f64)],
    days: Days,
    hour: i64,
    pod_rate: f64,
    (min, max): (i64, i64),
) -> Hour {
    let is_meant = |at_s: i64| {
        // The first of January 1970 was a Thursday, the fourth day from Monday.
        let weekday = (at_s.div_euclid(DAY_S) + 3).rem_euclid(7);
        let is_day = match days {
            Days::Every => true,
            Days::Working => weekday < 5,
            Days::Weekend => weekday >= 5,
        };
        is_day && at_s.rem_euclid(DAY_S) / HOUR_S == hour
    };
    let meant = minutes.iter().filter(|(at_s, _)| is_meant(*at_s));
    let mut rates: Vec<f64> = meant.map(|(_, rate)| *rate).collect();
    rates.sort_by(f64::total_cmp);
    let last = rates.len().saturating_sub(1);
    let p95 = rates.get((rates.len() * 95 / 100).min(last)).copied();
    let p95_rate = p95.unwrap_or(0.0);
    Hour {
        hour,
        mean_rate: rates.iter().sum::<f64>() / rates.len().max(1) as f64,
        p95_rate,
        pods: ((p95_rate / pod_rate.max(1e-9)).ceil() as i64).clamp(min, max),
        minutes: rates.len(),
    }
}

fn windows(days: Days, hours: &[Hour], min: i64) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for hour in hours {
        match windows.last_mut() {
            Some(last) if last.to_hour == hour.hour && last.pods == hour.pods => {
                last.to_hour = hour.hour + 1;
            }
            _ => windows.push(Window {
                days,
                from_hour: hour.hour,
                to_hour: hour.hour + 1,
                pods: hour.pods,
            }),
        }
    }
    windows.retain(|window| window.pods > min);
    windows
}

impl Profile {
    /// The triggers of a KEDA ScaledObject: each window a `cron`, beside which the others hold as before.
    ///
    /// - `timezone`: of the tz database, such as `Asia/Tokyo`.
    #[must_use]
    pub fn keda(&self, timezone: &str) -> String {
        let mut text = format!("minReplicaCount: {}\ntriggers:\n", self.min);
        for window in &self.windows {
            let (begin, end) = window.crons();
            let _ = write!(
                text,
                "- type: cron\n  metadata:\n    timezone: {timezone}\n    start: {begin}\n    end: {end}\n    \
                 desiredReplicas: \"{}\"\n",
                window.pods
            );
        }
        if self.windows.is_empty() {
            return format!(
                "# every hour needs {} pods: a schedule changes nothing\n",
                self.min
            );
        }
        text
    }
}

impl Window {
    /// When it begins and ends, as cron has it.
    fn crons(&self) -> (String, String) {
        let days = match self.days {
            Days::Every => "*",
            Days::Working => "1-5",
            Days::Weekend => "0,6",
        };
        // Midnight belongs to the next day, so the last minute is the end.
        let end = match self.to_hour {
            24 => format!("59 23 * * {days}"),
            hour => format!("0 {hour} * * {days}"),
        };
        (format!("0 {} * * {days}", self.from_hour), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Office hours in Tokyo: 190 calls a second from 8 to 20, else 20; at weekends 20.
    fn office(days: i64) -> Arrivals {
        let start_s = 1_699_801_200; // Monday 2023-11-13, 00:00 in Tokyo
        let counts = (0..days * 1_440).map(|minute| {
            let (day, hour) = (minute / 1_440, minute % 1_440 / 60);
            let is_office = day % 7 < 5 && (8..20).contains(&hour);
            if is_office { 190.0 * 60.0 } else { 20.0 * 60.0 }
        });
        Arrivals {
            start_s: Some(start_s),
            step_s: 60,
            counts: counts.collect(),
        }
    }

    #[test]
    fn four_pods_in_office_hours_and_two_at_night() {
        let got = profile(&office(28), 9 * HOUR_S, 50.0, (2, 10)).unwrap();
        let window = Window {
            days: Days::Working,
            from_hour: 8,
            to_hour: 20,
            pods: 4,
        };
        assert_eq!((got.min, &got.windows[..]), (2, &[window][..]));
        let keda = got.keda("Asia/Tokyo");
        assert_eq!(
            keda,
            "minReplicaCount: 2\ntriggers:\n- type: cron\n  metadata:\n    timezone: Asia/Tokyo\n    \
             start: 0 8 * * 1-5\n    end: 0 20 * * 1-5\n    desiredReplicas: \"4\"\n"
        );
    }

    #[test]
    fn a_few_days_are_not_told_apart_and_fewer_say_nothing() {
        let got = profile(&office(3), 9 * HOUR_S, 50.0, (2, 10)).unwrap();
        assert_eq!(got.hours[0].0, Days::Every);
        assert_eq!(got.windows.len(), 1);
        let few = profile(&office(1), 0, 50.0, (2, 10));
        assert_eq!(few, Err(NoProfile::TooShort { hours: 24 }));
        let mut relative = office(3);
        relative.start_s = None;
        let none = profile(&relative, 0, 50.0, (2, 10));
        assert_eq!(none, Err(NoProfile::NoClock));
        let flat = profile(&office(3), 9 * HOUR_S, 500.0, (2, 10)).unwrap();
        assert!(flat.keda("UTC").starts_with("# every hour needs 2 pods"));
    }
}
