//! Says that an alert fires or has ended: in the log and on the terminal, a bounded number of times.

use ph_record::{EventKind, Observation, RecordSink, Replica, ServerEvent};
use ph_recorder::Recorder;
use ph_rules::Alert;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// So many alerts are said at once; a hundred servers that are down are one trouble.
const AT_ONCE: f64 = 20.0;
/// And so many more each second.
const PER_SECOND: f64 = 0.5;

/// Says what becomes of alerts.
pub(crate) struct News {
    recorder: Recorder,
    say: Arc<dyn Fn(&str) + Send + Sync>,
    left: Mutex<Left>,
}

struct Left {
    count: f64,
    since: Instant,
    unsaid: u64,
}

impl News {
    pub(crate) fn new(recorder: Recorder, say: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        let left = Left {
            count: AT_ONCE,
            since: Instant::now(),
            unsaid: 0,
        };
        Self {
            recorder,
            say,
            left: Mutex::new(left),
        }
    }

    pub(crate) fn changed(&self, alert: &Alert) {
        let unsaid = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            match left.take(Instant::now()) {
                Some(unsaid) => unsaid,
                None => return,
            }
        };
        if unsaid > 0 {
            let text =
                format!("{unsaid} more alerts began or ended; `pilothouse alerts` lists all");
            (self.say)(&text);
            self.note(EventKind::Note {
                warning: true,
                text: text.into(),
            });
        }
        (self.say)(&words(alert));
        let text = |of: &ph_promql::Labels, name| of.get(name).unwrap_or_default().into();
        self.note(EventKind::Alert {
            name: text(&alert.labels, "alertname"),
            firing: !alert.resolved,
            severity: text(&alert.labels, "severity"),
            labels: alert.labels.to_string().into(),
            summary: text(&alert.annotations, "summary"),
        });
    }

    fn note(&self, kind: EventKind) {
        let at_unix_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        self.recorder.observe(Observation::Event(ServerEvent {
            server: None,
            replica: Replica::None,
            at_unix_ns,
            kind,
        }));
    }
}

impl Left {
    /// How many were not said before this one; none when this one is not said either.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        self.count = (self.count + seconds * PER_SECOND).min(AT_ONCE);
        self.since = now;
        if self.count < 1.0 {
            self.unsaid += 1;
            return None;
        }
        self.count -= 1.0;
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// One line for a terminal.
fn words(alert: &Alert) -> String {
    let of = |name| alert.labels.get(name).unwrap_or_default();
    let shown = alert
        .labels
        .filtered(|name| !matches!(name, "alertname" | "severity"));
    let labels = if shown.is_empty() {
        String::new()
    } else {
        format!(" {shown}")
    };
    let summary = alert.annotations.get("summary").unwrap_or_default();
    let summary = match summary.trim() {
        "" => String::new(),
        // One line, and nothing that commands a terminal.
        text => {
            let clean = |c: char| if c.is_control() { ' ' } else { c };
            format!(
                ": {}",
                text.chars().map(clean).take(200).collect::<String>()
            )
        }
    };
    let name = of("alertname");
    match (alert.resolved, of("severity")) {
        (true, _) => format!("alert resolved: {name}{labels}"),
        (false, "") => format!("alert fires: {name}{labels}{summary}"),
        (false, severity) => format!("alert fires: {name} ({severity}){labels}{summary}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_promql::Labels;
    use std::time::Duration;

    #[test]
    fn a_storm_is_said_in_few_words() {
        let start = Instant::now();
        let mut left = Left {
            count: AT_ONCE,
            since: start,
            unsaid: 0,
        };
        let said = (0..500).filter(|_| left.take(start).is_some()).count();
        assert_eq!(said, 20);
        assert_eq!(left.take(start + Duration::from_secs(2)), Some(480));
        assert_eq!(left.take(start + Duration::from_secs(2)), None);
        assert_eq!(left.take(start + Duration::from_secs(9)), Some(1));
    }

    #[test]
    fn an_alert_is_one_line() {
        let mut alert = Alert {
            labels: Labels::from_pairs([
                ("alertname", "ServerDown"),
                ("severity", "critical"),
                ("server", "files"),
            ]),
            annotations: Labels::from_pairs([("summary", "files is\n\u{1b}[31mdown")]),
            starts_at_ms: 0,
            ends_at_ms: 1,
            resolved: false,
            generator_url: String::new(),
        };
        assert_eq!(
            words(&alert),
            "alert fires: ServerDown (critical) {server=\"files\"}: files is  [31mdown"
        );
        alert.resolved = true;
        assert_eq!(
            words(&alert),
            "alert resolved: ServerDown {server=\"files\"}"
        );
    }
}
