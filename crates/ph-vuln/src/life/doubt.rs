//! Why a scan does not prove that something is gone, and what would.

use super::case::Case;
use super::look::{Gap, Look};
use std::collections::BTreeSet;

/// Why a scan does not prove that a case's vulnerability is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It is there.
    Found {
        /// In these versions.
        versions: BTreeSet<String>,
        /// At these places: file, and place in it.
        places: BTreeSet<String>,
    },
    /// An override takes it out of scans.
    Overridden,
    /// The scan failed; why, in words.
    Failed(String),
    /// What the server holds cannot be seen.
    NotInventoried(String),
    /// The advisories are too old.
    Stale,
    /// The package, or all of its ecosystem, could not be judged.
    Unjudged,
    /// What was looked at is not what runs.
    NotRunning(String),
    /// The package was not seen, and something could not be read.
    Hidden,
    /// A process goes on with what it has loaded.
    NotRestarted {
        /// The versions that are there now; none: the package is gone.
        instead: BTreeSet<String>,
    },
}

impl Look {
    /// Why it does not prove that `case` is gone; none: it does. `case` is as it was before it was told of this look.
    #[must_use]
    pub fn doubt(&self, case: &Case) -> Option<Doubt> {
        self.found(case)
            .or_else(|| self.is_blind_to(case))
            .or_else(|| self.is_no_proof(case))
    }

    fn found(&self, case: &Case) -> Option<Doubt> {
        let of_case = || {
            self.findings.iter().filter(|finding| {
                Self::package(&finding.component) == case.package
                    && finding.ids().any(|id| case.ids.contains(id))
            })
        };
        of_case().next()?;
        let place = |component: &ph_inventory::Component| match &*component.path {
            "" => component.file.clone(),
            path => path.to_owned(),
        };
        Some(Doubt::Found {
            versions: of_case()
                .filter_map(|finding| finding.component.version.clone())
                .collect(),
            places: of_case().map(|finding| place(&finding.component)).collect(),
        })
    }

    /// It could not have found it.
    pub(super) fn is_blind_to(&self, case: &Case) -> Option<Doubt> {
        let is_overridden = |id: &String| {
            self.overridden
                .contains(&(case.package.clone(), id.clone()))
        };
        if case.ids.iter().any(is_overridden) {
            return Some(Doubt::Overridden);
        }
        let has = |gap| self.gaps.contains(&gap);
        if has(Gap::Failed) {
            Some(Doubt::Failed(self.artefact.clone()))
        } else if has(Gap::NotInventoried) {
            Some(Doubt::NotInventoried(self.artefact.clone()))
        } else if has(Gap::Stale) {
            Some(Doubt::Stale)
        } else {
            (!self.can_tell(&case.package)).then_some(Doubt::Unjudged)
        }
    }

    /// It did not find it, which is not enough.
    pub(super) fn is_no_proof(&self, case: &Case) -> Option<Doubt> {
        let present = self.components.get(&case.package);
        let is_hidden =
            present.is_none_or(BTreeSet::is_empty) && self.gaps.contains(&Gap::Unchecked);
        if !self.is_running {
            return Some(Doubt::NotRunning(self.artefact.clone()));
        }
        if is_hidden {
            return Some(Doubt::Hidden);
        }
        self.is_loaded(&case.package, &case.ids)
            .then(|| Doubt::NotRestarted {
                instead: present.cloned().unwrap_or_default(),
            })
    }
}

impl Doubt {
    /// What stands in the way, and what to do about it.
    #[must_use]
    pub fn words(&self, case: &Case) -> String {
        let (server, package) = (&case.subject, &case.package);
        match self {
            Self::Found { versions, places } => {
                let upgrade = match case.fixed_in.as_slice() {
                    [] => "take it out".to_owned(),
                    fixed => format!("install {}", fixed.join(" or ")),
                };
                format!(
                    "a scan of what {server} runs finds {package} {} ({}): {upgrade} there, `pilothouse restart {server}`, and move it again",
                    some(versions, ", "),
                    some(places, "; ")
                )
            }
            Self::Overridden => format!(
                "an override takes it out of scans, so none can tell that {package} is gone: remove the override, or dismiss the case"
            ),
            Self::Failed(why) => format!("the scan of {server} failed: {why}"),
            Self::NotInventoried(artefact) => format!(
                "what {server} is made of cannot be seen ({artefact}), so nothing proves that {package} is gone: name its source with `servers.{server}.source`, or its command so that it can be told"
            ),
            Self::Stale => {
                "the advisories are too old to tell (stale): `pilothouse vuln db update`, and move it again"
                    .to_owned()
            }
            Self::Unjudged => format!(
                "{package} could not be judged (unchecked): its version cannot be read, or there are no advisories of its ecosystem; `pilothouse vuln scan {server}` says which"
            ),
            Self::NotRunning(artefact) => format!(
                "what was looked at ({artefact}) is what {server} is meant to run, not what it does run, so it proves nothing: install it where the server runs it, start the server, and move it again"
            ),
            Self::Hidden => format!(
                "{package} was not seen, but something could not be read (unchecked), and it may be there; `pilothouse vuln scan {server}` says what"
            ),
            Self::NotRestarted { instead } => {
                let now = match some(instead, ", ") {
                    gone if gone.is_empty() => format!("{package} is gone"),
                    versions => format!("{package} is {versions}"),
                };
                format!(
                    "{now} on disk, but a process of {server} that was found with {} is still there and goes on with what it has loaded: `pilothouse restart {server}`, and move it again",
                    some(&case.versions, ", ")
                )
            }
        }
    }
}

/// Not too many of them.
fn some(all: &BTreeSet<String>, between: &str) -> String {
    const MAX: usize = 5;
    let shown: Vec<_> = all.iter().take(MAX).map(String::as_str).collect();
    let more = all.len().saturating_sub(MAX);
    let mut text = shown.join(between);
    if more > 0 {
        text.push_str(&format!("{between}{more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::tests::{finding, look};
    use crate::life::{Book, State};

    fn of_case() -> BTreeSet<(String, String)> {
        BTreeSet::from([("npm/lodash".to_owned(), "GHSA-1".to_owned())])
    }

    fn told(change: impl FnOnce(&mut Look)) -> Option<String> {
        let mut book = Book::default();
        book.observe(
            &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
            60,
        );
        let mut after = look(vec![], &["4.17.21"]);
        change(&mut after);
        let case = book.case(1).unwrap().clone();
        let words = after.doubt(&case).map(|doubt| doubt.words(&case));
        book.observe(&after, 120);
        let is_deployed = book.case(1).unwrap().state == State::Deployed;
        assert_eq!(is_deployed, words.is_none(), "what is told is what is done");
        words
    }

    #[test]
    fn each_says_what_is_in_the_way_and_what_to_do() {
        assert_eq!(told(|_| ()), None);
        let says = |part: &str, change: &dyn Fn(&mut Look)| {
            let words = told(change).unwrap();
            assert!(words.contains(part), "{part}: {words}");
        };
        says(
            "finds npm/lodash 4.17.4 (node_modules/lodash): install 4.17.21 there, `pilothouse restart files`",
            &|look| look.findings = vec![finding("GHSA-1", "4.17.4", 7.5)],
        );
        says(
            "npm/lodash is 4.17.21 on disk, but a process of files that was found with 4.17.4 is still there",
            &|look| look.loaded = of_case(),
        );
        says("npm/lodash is gone on disk", &|look| {
            look.loaded = of_case();
            look.components.clear();
        });
        says("not what it does run", &|look| look.is_running = false);
        says("`pilothouse vuln db update`", &|look| {
            look.gaps.insert(Gap::Stale);
        });
        says("the scan of files failed: node_modules", &|look| {
            look.gaps.insert(Gap::Failed);
        });
        says("`servers.files.source`", &|look| {
            look.gaps.insert(Gap::NotInventoried);
        });
        says("could not be judged", &|look| {
            look.unchecked.insert("npm".to_owned());
        });
        says("it may be there", &|look| {
            look.components.clear();
            look.gaps.insert(Gap::Unchecked);
        });
        says("remove the override", &|look| {
            look.overridden = of_case();
        });
    }
}
