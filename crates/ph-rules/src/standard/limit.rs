//! What stands for a threshold in the texts of the table.

use std::time::Duration;

use ph_plan::{ByteSize, Thresholds, show_duration};

/// A threshold of the configuration, as it is put into texts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Share(f64),
    Count(u32),
    Time(Duration),
    Bytes(ByteSize),
}

impl Limit {
    fn named(name: &str, thresholds: &Thresholds) -> Option<Self> {
        Some(match name {
            "error_ratio" => Self::Share(thresholds.error_ratio),
            "response_time" => Self::Time(thresholds.response_time),
            "tool_error_ratio" => Self::Share(thresholds.tool_error_ratio),
            "tool_calls" => Self::Count(thresholds.tool_calls),
            "restarts" => Self::Count(thresholds.restarts),
            "memory_growth_ratio" => Self::Share(thresholds.memory_growth_ratio),
            "memory_growth_bytes" => Self::Bytes(thresholds.memory_growth_bytes),
            "open_fds_ratio" => Self::Share(thresholds.open_fds_ratio),
            "queue_ratio" => Self::Share(thresholds.queue_ratio),
            "disk_free_ratio" => Self::Share(thresholds.disk_free_ratio),
            "sink_lag" => Self::Time(thresholds.sink_lag),
            "certificate_left" => Self::Time(thresholds.certificate_left),
            _ => return None,
        })
    }

    /// In base units, as a number of PromQL.
    fn number(self) -> String {
        match self {
            Self::Share(share) => share.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Time(time) => time.as_secs_f64().to_string(),
            Self::Bytes(bytes) => bytes.bytes().to_string(),
        }
    }

    /// As people write it.
    fn words(self) -> String {
        match self {
            // Two places: shares such as 0.999 stay what they are, binary fractions do not show.
            Self::Share(share) => format!("{}%", (share * 10_000.0).round() / 100.0),
            Self::Count(count) => count.to_string(),
            Self::Time(time) => show_duration(time),
            Self::Bytes(bytes) => bytes.to_string(),
        }
    }
}

/// The text with numbers in place of `<name>`.
pub(super) fn with_numbers(text: &str, thresholds: &Thresholds) -> String {
    replaced(text, |name| {
        Limit::named(name, thresholds).map(Limit::number)
    })
}

/// The text with words in place of `<name>`.
pub(super) fn with_words(text: &str, thresholds: &Thresholds) -> String {
    replaced(text, |name| {
        Limit::named(name, thresholds).map(Limit::words)
    })
}

/// What is no name of a threshold stays: `<` is an operator of PromQL, too.
fn replaced(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, from) = rest.split_at(open);
        out.push_str(before);
        let inside = from[1..].split_once('>');
        match inside.and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('<');
                rest = &from[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, numbers: &str, words: &str) {
        let thresholds = Thresholds::default();
        assert_eq!(with_numbers(text, &thresholds), numbers);
        assert_eq!(with_words(text, &thresholds), words);
    }

    #[test]
    fn thresholds_are_numbers_in_expressions_and_words_in_texts() {
        check("a > <error_ratio>", "a > 0.05", "a > 5%");
        check("<response_time>, <sink_lag>", "2, 600", "2s, 10m");
        check("<memory_growth_bytes>", "67108864", "64MiB");
        check("a < 2 * <disk_free_ratio>", "a < 2 * 0.1", "a < 2 * 10%");
        check("a <b> c < d", "a <b> c < d", "a <b> c < d");
    }
}
