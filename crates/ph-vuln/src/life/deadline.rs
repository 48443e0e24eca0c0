//! How long there is, and how much of it is used.
//!
//! The clock begins when a case was first detected and never again. It stands still while the case is accepted, and
//! nowhere else: what was closed and comes back has been there all along, as far as anybody knows. How long there is
//! follows from what is known now, so what gets worse is due earlier, counted from the old beginning.

use crate::severity::Class;

const HOUR_S: u64 = 3600;
const DAY_S: u64 = 24 * HOUR_S;

/// How long there is for what, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// CVSS 9.0 and above.
    pub critical_s: u64,
    /// CVSS 7.0 and above.
    pub high_s: u64,
    /// CVSS 4.0 and above.
    pub medium_s: u64,
    /// What is below.
    pub low_s: u64,
    /// At most, where it is known to be exploited.
    pub exploited_s: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            critical_s: DAY_S,
            high_s: DAY_S,
            medium_s: 7 * DAY_S,
            low_s: 30 * DAY_S,
            exploited_s: DAY_S,
        }
    }
}

impl Deadlines {
    /// How many seconds there are. A known-malicious package has none: it is due when it is seen.
    #[must_use]
    pub fn allowed_s(&self, class: Class, is_exploited: bool, is_malicious: bool) -> u64 {
        if is_malicious {
            return 0;
        }
        let of_class = match class {
            Class::Critical => self.critical_s,
            Class::High => self.high_s,
            Class::Medium => self.medium_s,
            Class::Low | Class::None => self.low_s,
        };
        if is_exploited {
            of_class.min(self.exploited_s)
        } else {
            of_class
        }
    }
}

/// A case's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// It runs: the case can be late.
    pub is_running: bool,
    /// Seconds that there are in all.
    pub allowed_s: u64,
    /// Seconds of them that are used.
    pub used_s: u64,
    /// When it is due, in Unix seconds, as long as the clock is not stopped; of a stopped one: as if it went on now.
    pub due_unix_s: u64,
}

impl Clock {
    /// The share of the time that is used; 1 and more: it is late.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.allowed_s == 0 {
            return 1.0;
        }
        self.used_s as f64 / self.allowed_s as f64
    }

    /// It should have been over by now.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.is_running && self.used_s >= self.allowed_s
    }
}
