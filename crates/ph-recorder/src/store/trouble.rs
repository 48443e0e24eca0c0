//! What is said when the store cannot write, and when it can again.

use ph_base::Chain;
use ph_record::EventKind;

/// Says that records are lost, at most once a minute, and that they no longer are.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    failing: bool,
    said_unix_ms: Option<u64>,
    /// Whether the failure was said, so that its end is worth a word.
    told: bool,
}

const QUIET_MS: u64 = 60_000;

impl Trouble {
    /// The store cannot write; what to say about it, if anything.
    pub(crate) fn failed(
        &mut self,
        now_unix_ms: u64,
        error: &dyn std::error::Error,
    ) -> Option<EventKind> {
        self.failing = true;
        let quiet = self
            .said_unix_ms
            .is_some_and(|said| now_unix_ms < said + QUIET_MS);
        if quiet {
            return None;
        }
        self.said_unix_ms = Some(now_unix_ms);
        self.told = true;
        Some(EventKind::StoreFailing {
            error: Chain(error).to_string().into(),
        })
    }

    /// The store has written; what to say about it, if anything.
    pub(crate) fn worked(&mut self, dropped: u64) -> Option<EventKind> {
        if !std::mem::take(&mut self.failing) {
            return None;
        }
        std::mem::take(&mut self.told).then_some(EventKind::StoreRecovered { dropped })
    }

    /// Whether the last try failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_minute_and_its_end_once() {
        let (mut trouble, full) = (Trouble::default(), std::io::Error::from_raw_os_error(28));
        let mut said = Vec::new();
        let mut note = |kind: Option<EventKind>| said.extend(kind.map(|k| format!("{k:?}")));
        note(trouble.worked(0));
        for second in 0..=60 {
            note(trouble.failed(second * 1000, &full));
        }
        assert!(trouble.is_failing());
        note(trouble.worked(7));
        note(trouble.worked(7));
        // Again within the minute: neither its beginning nor its end is said.
        note(trouble.failed(61_000, &full));
        note(trouble.worked(8));
        assert!(!trouble.is_failing());
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("No space left"), "{said:?}");
        assert_eq!(said[2], "StoreRecovered { dropped: 7 }");
    }
}
