//! Epoch, version and release of RPM packages.

use std::cmp::Ordering;

/// Compared part by part, the epoch first; a missing epoch is 0.
#[derive(Debug, Clone)]
pub(super) struct Rpm {
    epoch: u32,
    /// One without is below any.
    has_release: bool,
    evr: rpm_version::Evr<'static>,
}

impl Rpm {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().map_err(|_| "its epoch is no number")?, rest),
            None => (0, text),
        };
        let has_release = rest.contains('-');
        let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
        if version.is_empty() {
            return Err("it has no version beside its epoch and release");
        }
        let evr = rpm_version::Evr::new(String::new(), version.to_owned(), release.to_owned());
        Ok(Self {
            epoch,
            has_release,
            evr,
        })
    }
}

impl Ord for Rpm {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.evr.cmp(&other.evr))
            .then_with(|| self.has_release.cmp(&other.has_release))
    }
}

impl PartialOrd for Rpm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rpm {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rpm {}
