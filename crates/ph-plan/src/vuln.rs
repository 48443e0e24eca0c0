//! Vulnerabilities: where advisories are kept and fetched from, how often servers are scanned, and how
//! much time there is for a finding.

use core::net::IpAddr;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::checked::{EcosystemName, FilePath};
use crate::node::{Entry, Node};
use crate::plan::{Plan, hours, minutes};
use crate::reader::Reader;
use crate::section::section;
use crate::text::Endpoint;
use crate::units::{parse_duration, show_duration};
use crate::value::{REFERENCE, STRING, Value, anchored, not_as_expected};

section! {
    /// Vulnerabilities of what servers are made of: where advisories are kept, when they are fetched, how often
    /// servers are scanned, and how much time there is for a finding.
    pub struct Vuln {
        /// Folder of the advisories; without it `advisories` in the data directory.
        db: Option<FilePath> = None;
        /// Where `pilothouse vuln db update` fetches advisories from: `MIRROR/ECOSYSTEM/all.zip` and
        /// `MIRROR/ECOSYSTEM/modified_id.csv`, as osv.dev lays them out. `https`, or `http` of this machine.
        mirror: Endpoint = Endpoint::known(MIRROR);
        /// PEM file of the certificate authorities trusted for `mirror`, `kev` and `epss` instead of the system's.
        ca_file: Option<FilePath> = None;
        /// Ecosystems whose advisories are fetched, by their OSV names without release.
        ecosystems: Vec<EcosystemName> = EcosystemName::usual();
        /// CISA's list of known exploited vulnerabilities as JSON: a file, or an address that is fetched with the
        /// advisories.
        kev: Option<FileOrUrl> = None;
        /// EPSS scores as CSV, also compressed by gzip: a file, or an address that is fetched with the advisories.
        epss: Option<FileOrUrl> = None;
        /// Time between two updates by the daemon; `off`: only `pilothouse vuln db update` fetches.
        update_every: Every = Every::OFF, in minutes(5)..=hours(24 * 30);
        /// Age from which on advisories are stale: no scan with them is clean.
        stale_after: Duration = hours(24), in hours(1)..=hours(24 * 365);
        /// Whether a server whose package is known to be malicious (`MAL-…`) is not started. Nothing is fetched
        /// for that, and without advisories nothing is refused.
        block_malicious: bool = true;
        /// YAML file of local overrides of advisories, each with a reason and a date of expiry; a relative one is
        /// looked for beside the configuration file.
        overrides: Option<FilePath> = None;
        /// Time between two scans of the servers by the daemon, or `off`.
        scan_every: Every = Every::after(hours(1)), in minutes(1)..=hours(24 * 30);
        /// Time from the detection of a finding until it is to be patched.
        deadlines: Deadlines = Deadlines::default();
    }
}

section! {
    /// Time from the detection of a finding until it is to be patched, by severity; the first line that fits counts.
    pub struct Deadlines {
        /// Known to be exploited (KEV), whatever its score.
        exploited: Duration = hours(24), in hours(1)..=hours(24 * 365);
        /// CVSS 9.0 and above.
        critical: Duration = hours(24), in hours(1)..=hours(24 * 365);
        /// CVSS 7.0 and above, and what has no score.
        high: Duration = hours(24), in hours(1)..=hours(24 * 365);
        /// CVSS 4.0 and above.
        medium: Duration = hours(24 * 7), in hours(1)..=hours(24 * 365);
        /// Below.
        low: Duration = hours(24 * 30), in hours(1)..=hours(24 * 365);
    }
}

/// The dumps of osv.dev.
const MIRROR: &str = "https://osv-vulnerabilities.storage.googleapis.com";

/// How often something is done: a time, or never (`off`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(Option<Duration>);

impl Every {
    /// Never.
    pub const OFF: Self = Self(None);

    const fn after(time: Duration) -> Self {
        Self(Some(time))
    }

    /// The time between two, or `None` for never.
    #[must_use]
    pub const fn time(self) -> Option<Duration> {
        self.0
    }
}

impl Value for Every {
    type Limits = RangeInclusive<Duration>;
    const ANY: Self::Limits = Duration::ZERO..=Duration::MAX;

    fn read(node: &Node, limits: &Self::Limits, reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, EVERY)?;
        if resolved.text.as_str() == OFF {
            return Some(Self::OFF);
        }
        if parse_duration(resolved.text.as_str()).is_err() {
            return not_as_expected(node, &resolved, EVERY, reader);
        }
        Duration::read(node, limits, reader).map(Self::after)
    }

    fn schema(limits: &Self::Limits) -> Json {
        let mut schema = Duration::schema(limits);
        let time = schema["pattern"].as_str().unwrap_or_default();
        schema["pattern"] = time.replacen("^(", "^(off|", 1).into();
        schema
    }

    fn range(limits: &Self::Limits) -> Option<[String; 2]> {
        Duration::range(limits)
    }

    fn show(&self) -> Json {
        self.0.map_or_else(|| OFF.to_owned(), show_duration).into()
    }
}

const OFF: &str = "off";
const EVERY: &str = "a duration such as `6h`, or `off`";

/// A file, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOrUrl {
    /// A path; relative ones as seen from the working directory of Pilothouse.
    File(FilePath),
    /// An address.
    Url(Endpoint),
}

impl fmt::Display for FileOrUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl Value for FileOrUrl {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, STRING)?;
        if resolved.text.as_str().contains("://") {
            Endpoint::read(node, &(), reader).map(Self::Url)
        } else {
            FilePath::read(node, &(), reader).map(Self::File)
        }
    }

    fn schema(_limits: &()) -> Json {
        let pattern = anchored(&format!("[^:]+|[hH][tT][tT][pP][sS]?://.+|{REFERENCE}"));
        json!({"type": "string", "pattern": pattern})
    }

    fn show(&self) -> Json {
        match self {
            Self::File(path) => path.show(),
            Self::Url(url) => url.show(),
        }
    }
}

/// Most ecosystems of a plan.
const ECOSYSTEMS_MAX: usize = 64;

const UNENCRYPTED: &str = "whoever is on the way could leave out advisories";

/// Advisories that could be changed on their way.
pub(crate) fn check_vuln(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("vuln").filter(|_| !reader.has_error()) else {
        return;
    };
    let vuln = &plan.vuln;
    let url = |place: &Option<FileOrUrl>| match place {
        Some(FileOrUrl::Url(url)) => Some(url.clone()),
        Some(FileOrUrl::File(_)) | None => None,
    };
    reader.within(block, |reader| {
        check_address(block, "mirror", Some(&vuln.mirror), reader);
        check_address(block, "kev", url(&vuln.kev).as_ref(), reader);
        check_address(block, "epss", url(&vuln.epss).as_ref(), reader);
        if let Some(entry) = block.value.entry("ecosystems")
            && vuln.ecosystems.len() > ECOSYSTEMS_MAX
        {
            let (what, max) = ("ecosystems", ECOSYSTEMS_MAX);
            reader.report(&entry.key_at, Problem::TooLarge { what, max });
        }
    });
}

fn check_address(block: &Entry, key: &str, address: Option<&Endpoint>, reader: &mut Reader<'_>) {
    let (Some(address), Some(entry)) = (address, block.value.entry(key)) else {
        return;
    };
    reader.within(entry, |reader| {
        if !address.is_tls() && !is_loopback(address.host()) {
            let hint = Some("`https://…`".to_owned());
            let problem = Problem::Unsafe { what: UNENCRYPTED };
            reader.report_with(&entry.value.at, problem, hint);
        } else if key == "mirror" && address.uri().query().is_some() {
            let (got, expected) = (
                address.to_string(),
                "an address without `?query`".to_owned(),
            );
            reader.report(&entry.value.at, Problem::BadValue { got, expected });
        }
    });
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_by_itself() {
        let vuln = Vuln::default();
        assert_eq!(vuln.mirror.as_str(), MIRROR);
        assert_eq!(vuln.update_every.time(), None);
        assert_eq!(vuln.scan_every.time(), Some(hours(1)));
    }
}
