//! What is remembered of one client on one server.

use super::What;
use super::history::{Distinct, Halves, Minutes, Peaks};
use super::sizes::Sizes;
use ph_record::{AnomalyKind, ToolIdx, ToolTable};

/// One client on one server.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) first_s: u32,
    pub(super) last_s: u32,
    pub(super) calls: u32,
    /// Nothing is abnormal of it, by settings of this generation.
    pub(super) exempt: Option<(u32, bool)>,
    pub(super) minutes: Minutes,
    pub(super) minute_peaks: Peaks,
    pub(super) requests: Sizes,
    pub(super) responses: Sizes,
    tools: [u64; TOOL_WORDS],
    pub(super) unknown_names: Halves<Distinct>,
    pub(super) new_tools: Halves<u16>,
    pub(super) errors: Halves<Errors>,
    /// Of all that came before `errors`.
    pub(super) errors_before: Errors,
    pub(super) auth_failures: Halves<u32>,
    /// When a line was written, by kind.
    told_s: [u32; AnomalyKind::ALL.len()],
    /// What was counted and not told since.
    untold: [u16; AnomalyKind::ALL.len()],
}

const TOOL_WORDS: usize = (ToolTable::MAX + 2).div_ceil(64);

/// Calls, and those of them that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Errors {
    pub(super) calls: u32,
    pub(super) failed: u32,
}

impl Errors {
    /// Calls of which all count; then what came before counts half.
    const FULL: u32 = 4_000;

    pub(super) fn add(&mut self, what: What) {
        if what == What::Nothing {
            return;
        }
        self.calls = self.calls.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(what.is_error()));
    }

    pub(super) fn add_all(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.failed = self.failed.saturating_add(more.failed);
        while self.calls > Self::FULL {
            (self.calls, self.failed) = (self.calls / 2, self.failed / 2);
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            failed: self.failed.saturating_add(other.failed),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            failed: self.failed.saturating_sub(other.failed),
        }
    }

    /// The share that failed, once there are `least` calls.
    pub(super) fn share(self, least: u32) -> Option<f64> {
        (self.calls >= least.max(1)).then(|| f64::from(self.failed) / f64::from(self.calls))
    }
}

/// Whether a finding is told, or only counted, or not even that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// With so many that were not.
    Told(u16),
    Counted,
    Known,
}

impl Client {
    pub(super) fn new(now_s: u32) -> Self {
        Self {
            first_s: now_s,
            last_s: now_s,
            calls: 0,
            exempt: None,
            minutes: Minutes::new(now_s / 60),
            minute_peaks: Peaks::default(),
            requests: Sizes::default(),
            responses: Sizes::default(),
            tools: [0; TOOL_WORDS],
            unknown_names: Halves::default(),
            new_tools: Halves::default(),
            errors: Halves::default(),
            errors_before: Errors::default(),
            auth_failures: Halves::default(),
            told_s: [0; AnomalyKind::ALL.len()],
            untold: [0; AnomalyKind::ALL.len()],
        }
    }

    /// Notes that it called a tool with a label of its own.
    ///
    /// - returns: `true` when it never did.
    pub(super) fn calls_first(&mut self, tool: ToolIdx) -> bool {
        let at = usize::from(tool.0);
        let is_named = !matches!(tool, ToolIdx::NONE | ToolIdx::OTHER);
        let Some(word) = self.tools.get_mut(at / 64).filter(|_| is_named) else {
            return false;
        };
        let mask = 1 << (at % 64);
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }

    /// Whether something of this kind is told now.
    ///
    /// What goes on is one thing, told once in ten minutes. What is found in arguments, and the first use of
    /// a tool, is one thing each time, and is told once in a minute.
    pub(super) fn tell(&mut self, kind: AnomalyKind, now_s: u32) -> Telling {
        let at = kind as usize;
        let each = kind.is_of_arguments() || kind == AnomalyKind::FirstUse;
        let quiet_s = if each { 60 } else { 600 };
        let since = now_s.saturating_sub(self.told_s[at]);
        if self.told_s[at] != 0 && since < quiet_s {
            if !each {
                return Telling::Known;
            }
            self.untold[at] = self.untold[at].saturating_add(1);
            return Telling::Counted;
        }
        self.told_s[at] = now_s;
        Telling::Told(std::mem::take(&mut self.untold[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_once_and_what_comes_again_is_counted() {
        let mut client = Client::new(1_000);
        assert_eq!(client.tell(AnomalyKind::Rate, 1_000), Telling::Told(0));
        assert_eq!(client.tell(AnomalyKind::Rate, 1_599), Telling::Known);
        assert_eq!(client.tell(AnomalyKind::Rate, 1_600), Telling::Told(0));
        assert_eq!(client.tell(AnomalyKind::Ssrf, 1_000), Telling::Told(0));
        assert_eq!(client.tell(AnomalyKind::Ssrf, 1_030), Telling::Counted);
        assert_eq!(client.tell(AnomalyKind::Ssrf, 1_031), Telling::Counted);
        assert_eq!(client.tell(AnomalyKind::Ssrf, 1_060), Telling::Told(2));
    }

    #[test]
    fn each_tool_is_called_first_once() {
        let mut client = Client::new(0);
        assert!(!client.calls_first(ToolIdx::NONE) && !client.calls_first(ToolIdx::OTHER));
        for tool in 2..258 {
            assert!(client.calls_first(ToolIdx(tool)));
            assert!(!client.calls_first(ToolIdx(tool)));
        }
        assert!(!client.calls_first(ToolIdx(9_999)));
    }
}
