//! Alerts that come in: of our own rules, or posted by others.

use crate::Alert;
use ph_promql::Labels;

/// Most labels or annotations of a posted alert.
const LABELS_MAX: usize = 256;
/// Most bytes of all its texts.
const BYTES_MAX: usize = 64 * 1024;

/// An alert with what is known of its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The alert.
    pub alert: Alert,
    /// Its end was not told; it counts as resolved when nothing more is heard.
    pub is_timeout: bool,
}

impl From<Alert> for Incoming {
    fn from(alert: Alert) -> Self {
        Self {
            alert,
            is_timeout: false,
        }
    }
}

/// An alert as `POST /api/v2/alerts` takes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posted {
    /// Names and values; those that are empty count as absent.
    pub labels: Vec<(String, String)>,
    /// Names and texts.
    pub annotations: Vec<(String, String)>,
    /// Unix milliseconds; now when it is not told.
    pub starts_at_ms: Option<i64>,
    /// Unix milliseconds; after the resolve timeout when it is not told.
    pub ends_at_ms: Option<i64>,
    /// Where it comes from.
    pub generator_url: String,
}

impl Posted {
    /// The alert, when it is one.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn checked(self, now_ms: i64, resolve_timeout_ms: i64) -> Result<Incoming, String> {
        let starts_at_ms = self.starts_at_ms.or(self.ends_at_ms).unwrap_or(now_ms);
        let is_timeout = self.ends_at_ms.is_none();
        let ends_at_ms = self
            .ends_at_ms
            .unwrap_or_else(|| now_ms.saturating_add(resolve_timeout_ms));
        if ends_at_ms < starts_at_ms {
            return Err("start time must be before end time".to_owned());
        }
        let labels = label_set(self.labels, "label set")?;
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        let annotations = label_set(self.annotations, "annotations")?;
        Ok(Incoming {
            alert: Alert {
                labels,
                annotations,
                starts_at_ms,
                ends_at_ms,
                resolved: ends_at_ms <= now_ms,
                generator_url: self.generator_url,
            },
            is_timeout,
        })
    }
}

fn label_set(pairs: Vec<(String, String)>, what: &str) -> Result<Labels, String> {
    let bytes: usize = pairs
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if pairs.len() > LABELS_MAX || bytes > BYTES_MAX {
        return Err(format!(
            "invalid {what}: at most {LABELS_MAX} names and {BYTES_MAX} bytes"
        ));
    }
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !is_label_name(name)) {
        return Err(format!("invalid {what}: invalid name {name:?}"));
    }
    Ok(Labels::from_pairs(pairs))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub(super) fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}
