//! What reports have in common: ids, scores and versions out of texts.

use ph_inventory::Component;

use crate::severity::SeverityFrom;
use crate::{Finding, Severity};

/// A finding of which only the id and the component are known.
pub(super) fn finding(id: String, component: Component) -> Finding {
    let is_malicious = id.starts_with("MAL-");
    Finding {
        is_malicious,
        severity: if is_malicious { malicious() } else { unrated() },
        id,
        aliases: Vec::new(),
        summary: String::new(),
        component,
        fixed_in: Vec::new(),
        is_exploited: false,
        epss: None,
        unknown: None,
        references: Vec::new(),
        symbols: Vec::new(),
        cwes: Vec::new(),
        informational: None,
    }
}

/// The severity of a score where there is one (0 is none), else of a word.
pub(super) fn severity(score: Option<f64>, word: &str) -> Severity {
    let score = score.filter(|score| *score > 0.0 && *score <= 10.0);
    if let Some(score) = score {
        return Severity {
            score,
            from: SeverityFrom::Cvss,
        };
    }
    let score = match word.to_ascii_lowercase().as_str() {
        "critical" => 9.0,
        "high" => 7.0,
        "moderate" | "medium" => 4.0,
        "low" => 0.1,
        "info" | "none" | "negligible" => 0.0,
        _ => return unrated(),
    };
    Severity {
        score,
        from: SeverityFrom::Word,
    }
}

fn unrated() -> Severity {
    Severity {
        score: 7.0,
        from: SeverityFrom::Unknown,
    }
}

fn malicious() -> Severity {
    Severity {
        score: 10.0,
        from: SeverityFrom::Malicious,
    }
}

/// The GHSA id at the end of a URL of GitHub's.
pub(super) fn ghsa_in(url: &str) -> Option<&str> {
    let last = url.trim_end_matches('/').rsplit('/').next()?;
    let is_id = last.len() == 19 && last.starts_with("GHSA-");
    is_id.then_some(last)
}

/// The least versions that a range of npm leaves out at its upper ends: `<3.0.8 || >=4.0.0 <4.5.3` gives both.
pub(super) fn patched_after(vulnerable: &str) -> Vec<String> {
    let ends = vulnerable.split("||").filter_map(|part| {
        let mut words = part.split_whitespace();
        let last = words.next_back()?;
        let end = last.strip_prefix('<').or_else(|| {
            // `< 4.5.3` is the form with a space.
            (words.next_back() == Some("<")).then_some(last)
        })?;
        Some(end.trim()).filter(|end| end.starts_with(|c: char| c.is_ascii_digit()))
    });
    ends.map(str::to_owned).collect()
}

/// The least versions that a range of patched versions begins with: `>=3.0.8 <4.0.0 || >=4.5.3` gives both.
pub(super) fn patched_from(patched: &str) -> Vec<String> {
    let starts = patched.split("||").filter_map(|part| {
        let part = part.trim().strip_prefix(">=")?.trim_start();
        part.split_whitespace().next()
    });
    starts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_out_of_ranges() {
        assert_eq!(
            patched_after("<3.0.8 || >=4.0.0 <4.5.3"),
            ["3.0.8", "4.5.3"]
        );
        assert_eq!(patched_after(">= 4.0.0 < 4.5.3"), ["4.5.3"]);
        assert!(patched_after("<=0.0.5 || >=1.0.0 || * || ").is_empty());
        assert_eq!(
            patched_from(">=3.0.8 <4.0.0 || >= 4.5.3"),
            ["3.0.8", "4.5.3"]
        );
        assert!(patched_from("<0.0.0").is_empty());
        assert!(patched_from(">0.0.5").is_empty());
    }

    #[test]
    fn a_score_of_nothing_is_none() {
        assert_eq!(severity(Some(0.0), "moderate").from, SeverityFrom::Word);
        assert_eq!(severity(Some(f64::NAN), "x").from, SeverityFrom::Unknown);
        assert!((severity(Some(6.1), "HIGH").score - 6.1).abs() < 1e-9);
    }

    #[test]
    fn only_an_id_is_an_id() {
        assert_eq!(
            ghsa_in("https://github.com/advisories/GHSA-gxpj-cx7g-858c"),
            Some("GHSA-gxpj-cx7g-858c")
        );
        assert_eq!(ghsa_in("https://npmjs.com/advisories/1325"), None);
        assert_eq!(ghsa_in(""), None);
    }
}
