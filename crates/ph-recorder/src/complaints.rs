//! What an operator is told beside the logs.

use std::sync::Arc;

/// Tells an operator what cannot be said in the logs themselves.
pub(crate) type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// One complaint a minute: a full disk must not fill another one.
pub(crate) struct Complaints {
    complain: Complain,
    last_unix_ms: Option<u64>,
    silenced: u64,
}

const QUIET_MS: u64 = 60_000;

impl Complaints {
    pub(crate) fn new(complain: Complain) -> Self {
        Self {
            complain,
            last_unix_ms: None,
            silenced: 0,
        }
    }

    /// Who is told.
    pub(crate) fn complain(&self) -> &Complain {
        &self.complain
    }

    /// Says `text`, or counts it.
    pub(crate) fn say(&mut self, now_unix_ms: u64, text: &str) {
        if self
            .last_unix_ms
            .is_some_and(|last| now_unix_ms < last + QUIET_MS)
        {
            self.silenced += 1;
            return;
        }
        self.last_unix_ms = Some(now_unix_ms);
        match std::mem::take(&mut self.silenced) {
            0 => (self.complain)(text),
            n => (self.complain)(&format!("{text} ({n} more like it since)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_come_once_a_minute() {
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let complain = move |text: &str| ear.lock().unwrap().push(text.to_owned());
        let mut complaints = Complaints::new(Arc::new(complain));
        for second in 0..=60 {
            complaints.say(second * 1000, "full");
        }
        assert_eq!(
            *heard.lock().unwrap(),
            ["full", "full (59 more like it since)"]
        );
    }
}
