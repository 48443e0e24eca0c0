//! How bad: a score where there is one, else a word, else unknown.

use crate::osv::{Advisory, Affected, Score};

/// The severity of an advisory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Severity {
    /// 0.0 to 10.0; for a word without a score the least of its class.
    pub score: f64,
    /// What the score is from.
    pub from: SeverityFrom,
}

/// What a score stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeverityFrom {
    /// The highest of the record's CVSS vectors.
    Cvss,
    /// The database's own word (LOW 0.1, MODERATE 4.0, HIGH 7.0, CRITICAL 9.0).
    Word,
    /// A known-malicious package: 10.0.
    Malicious,
    /// Nothing is said: counted as 7.0 until somebody has assessed it.
    Unknown,
}

/// The classes of CVSS v3 and v4, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// 0.0.
    None,
    /// Below 4.0.
    Low,
    /// Below 7.0.
    Medium,
    /// Below 9.0.
    High,
    /// 9.0 and above.
    Critical,
}

impl Severity {
    /// The class of the score.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.score {
            s if s >= 9.0 => Class::Critical,
            s if s >= 7.0 => Class::High,
            s if s >= 4.0 => Class::Medium,
            s if s > 0.0 => Class::Low,
            _ => Class::None,
        }
    }
}

impl Class {
    /// The word in labels, tables and `--fail-on`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What is said of an advisory that nobody has scored: [`SeverityFrom::Unknown`].
const UNKNOWN_SCORE: f64 = 7.0;

impl Severity {
    /// The severity of one record for the packages of the given entries (none: for all).
    ///
    /// The highest of its vectors of CVSS v4 and v3; else of v2; else its word; else unknown. `MAL-…` is malicious.
    #[must_use]
    pub fn of(advisory: &Advisory, entries: &[&Affected]) -> Self {
        if advisory.is_malicious() {
            return Self::new(10.0, SeverityFrom::Malicious);
        }
        let own = entries.iter().flat_map(|entry| &entry.severity);
        let scores: Vec<&Score> = advisory.severity.iter().chain(own).collect();
        let newer = highest(&scores, |system| matches!(system, "CVSS_V3" | "CVSS_V4"));
        if let Some(score) = newer.or_else(|| highest(&scores, |system| system == "CVSS_V2")) {
            return Self::new(score, SeverityFrom::Cvss);
        }
        let words = scores
            .iter()
            .filter(|score| !score.system.starts_with("CVSS"))
            .map(|score| score.text.as_str())
            .chain(entries.iter().filter_map(|entry| entry.word.as_deref()))
            .chain(advisory.word.as_deref());
        match words.filter_map(score_of_word).max_by(f64::total_cmp) {
            Some(score) => Self::new(score, SeverityFrom::Word),
            None => Self::new(UNKNOWN_SCORE, SeverityFrom::Unknown),
        }
    }

    /// The one that counts where several records say how bad one vulnerability is: what is known before what is not,
    /// then the higher.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let weight = |severity: &Self| match severity.from {
            SeverityFrom::Malicious => 3,
            SeverityFrom::Cvss => 2,
            SeverityFrom::Word => 1,
            SeverityFrom::Unknown => 0,
        };
        let order = weight(&self)
            .cmp(&weight(&other))
            .then(self.score.total_cmp(&other.score));
        if order.is_ge() { self } else { other }
    }

    fn new(score: f64, from: SeverityFrom) -> Self {
        Self { score, from }
    }
}

/// The highest score of the vectors of the wanted systems; those that cannot be read say nothing.
fn highest(scores: &[&Score], is_wanted: impl Fn(&str) -> bool) -> Option<f64> {
    scores
        .iter()
        .filter(|score| is_wanted(&score.system))
        .filter_map(|score| score.text.parse::<cvss::Cvss>().ok())
        .map(|vector| vector.score())
        .max_by(f64::total_cmp)
}

/// The least score of the class that a database's word names.
fn score_of_word(word: &str) -> Option<f64> {
    Some(match word.to_ascii_lowercase().as_str() {
        "critical" => 9.0,
        "high" | "important" => 7.0,
        "moderate" | "medium" => 4.0,
        "low" | "negligible" | "minor" | "unimportant" => 0.1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vectors: &[(&str, &str)], word: Option<&str>, want: (f64, SeverityFrom)) {
        let score = |(system, text): &(&str, &str)| Score {
            system: (*system).to_owned(),
            text: (*text).to_owned(),
        };
        let advisory = Advisory {
            id: "GHSA-x".to_owned(),
            severity: vectors.iter().map(score).collect(),
            word: word.map(str::to_owned),
            ..Advisory::default()
        };
        let severity = Severity::of(&advisory, &[]);
        assert_eq!((severity.score, severity.from), want);
    }

    #[test]
    fn vectors_come_before_words_and_words_before_nothing() {
        let v2 = ("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C");
        let v3 = ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H");
        let v4 = (
            "CVSS_V4",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        );
        check(&[v3], Some("LOW"), (7.5, SeverityFrom::Cvss));
        check(&[v3, v4], None, (9.3, SeverityFrom::Cvss));
        check(&[v2, v3], None, (7.5, SeverityFrom::Cvss));
        check(&[v2], None, (10.0, SeverityFrom::Cvss));
        check(
            &[("CVSS_V3", "7.5")],
            Some("MODERATE"),
            (4.0, SeverityFrom::Word),
        );
        check(&[], Some("LOW"), (0.1, SeverityFrom::Word));
        check(&[], Some("CRITICAL"), (9.0, SeverityFrom::Word));
        check(&[("Ubuntu", "medium")], None, (4.0, SeverityFrom::Word));
        check(&[], Some("whatever"), (7.0, SeverityFrom::Unknown));
        check(&[], None, (7.0, SeverityFrom::Unknown));
    }

    #[test]
    fn what_is_known_counts_before_what_is_not() {
        let of = Severity::new;
        let low = of(0.1, SeverityFrom::Word);
        let unknown = of(7.0, SeverityFrom::Unknown);
        assert_eq!(unknown.worse(low), low);
        assert_eq!(low.worse(of(3.0, SeverityFrom::Cvss)).score, 3.0);
        assert_eq!(
            of(3.0, SeverityFrom::Cvss)
                .worse(of(5.0, SeverityFrom::Cvss))
                .score,
            5.0
        );
    }
}
