//! The words in which one finding is told, the same in every form.

use super::{Row, representative};

/// No advisory names a version without it.
const NO_PATCH: &str = "no version without it is known";

impl Row {
    /// What the server itself names and through which the package came; the package itself where it is named directly.
    #[must_use]
    pub fn dependency_of(&self) -> &str {
        let first = self.chain.first().map(String::as_str);
        first.unwrap_or(&self.finding.component.name)
    }

    /// The package with its version.
    #[must_use]
    pub fn package(&self) -> String {
        let component = &self.finding.component;
        match &component.version {
            Some(version) => format!("{} {version}", component.name),
            None => format!("{} (version unknown)", component.name),
        }
    }

    /// What it is, in one line.
    #[must_use]
    pub fn title(&self) -> String {
        let finding = &self.finding;
        let text = finding
            .summary
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let text = text.trim_end_matches('.');
        if text.is_empty() {
            representative(finding).to_owned()
        } else {
            text.to_owned()
        }
    }

    /// What to do, in one or two sentences.
    #[must_use]
    pub fn remedy(&self) -> String {
        let finding = &self.finding;
        let mut text = if finding.is_malicious {
            "Known malware: do not start it, remove it, and change every secret that it could read."
                .to_owned()
        } else if finding.fixed_in.is_empty() {
            format!("In all known versions: {NO_PATCH}.")
        } else {
            format!("Patched in {}.", finding.fixed_in.join(", "))
        };
        if let Some(why) = &finding.unknown {
            text.push_str(&format!(" Not certain: {why}."));
        }
        if finding.is_exploited {
            text.push_str(" Known to be exploited.");
        }
        text
    }

    /// Where to read more: the page of the advisory.
    #[must_use]
    pub fn more_info(&self) -> Option<String> {
        let finding = &self.finding;
        let ids = || std::iter::once(&finding.id).chain(&finding.aliases);
        let page = |id: &&String| match id.split('-').next().unwrap_or_default() {
            "GHSA" => Some(format!("https://github.com/advisories/{id}")),
            "MAL" | "PYSEC" | "GO" | "RUSTSEC" | "CVE" => {
                Some(format!("https://osv.dev/vulnerability/{id}"))
            }
            _ => None,
        };
        let advisory = ids().find(|id| id.starts_with("GHSA-"));
        let known = advisory.or_else(|| ids().find(|id| page(id).is_some()));
        known
            .and_then(|id| page(&id))
            .or_else(|| finding.references.first().cloned())
    }
}
