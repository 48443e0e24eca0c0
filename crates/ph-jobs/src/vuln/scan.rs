//! From a subject to a report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use ph_advisories::{Mirror, State, malicious};
use ph_inventory::{Component, Inventory, Unchecked};
use ph_vuln::matching::{Attacks, Context, Findings, findings};
use ph_vuln::overrides::Overrides;
use ph_vuln::report::{Database, Overridden, Report, Row, Source, chain, rows};
use ph_vuln::{Advisory, Finding};

use super::compare::{keep, reachable, settle};
use super::machine::Machine;
use super::place::Place;
use super::subject::{Subject, places_of};
use super::walk;

/// Who finds what is found here.
const US: &str = "pilothouse";

/// What a subject is compared with.
pub struct Advisories<'a> {
    /// The mirror; none: nothing was fetched or imported yet.
    pub mirror: Option<&'a Mirror>,
    /// From which age on nothing found is not clean.
    pub stale_after: Duration,
    /// The operator's own word on findings.
    pub overrides: &'a Overrides,
    /// Leave out what is only needed to build or test.
    pub no_dev: bool,
}

/// What a scan saw.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// What was found.
    pub report: Report,
    /// The packages that are there.
    pub inventory: Inventory,
    /// All of it is what runs, and not only a file that says what is meant to run.
    pub is_running: bool,
    /// What was looked at, in one line.
    pub artefact: String,
    /// What was found in the places that each process of a server runs from: packages
    /// ([`Finding::package`]) with ids of advisories.
    pub by_process: BTreeMap<u32, BTreeSet<(String, String)>>,
}

/// Why nothing was scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The path cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that is none of those that are known, or is broken.
    #[error("{0}")]
    File(String),
}

/// Looks at a subject and compares what it holds with the advisories. Blocks on the file system.
///
/// # Errors
/// When a path that was named cannot be read. What cannot be looked into below it is in the report.
pub fn scan(
    subject: &Subject<'_>,
    machine: &Machine,
    advisories: &Advisories<'_>,
    now: SystemTime,
) -> Result<Scanned, ScanError> {
    let mut seen = look(subject, machine)?;
    seen.take_named(advisories.mirror);
    if advisories.no_dev {
        keep(&mut seen.inventory, |one| !one.is_dev);
    }
    let at = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    let found = judged(&seen.inventory, advisories, at);
    let is_clean = found.findings.is_empty();
    let by_process = by_process(&seen, |inventory| {
        if is_clean {
            return BTreeSet::new();
        }
        named_in(&judged(inventory, advisories, at).findings)
    });
    let report = report(subject.name(), &seen, found, advisories, now, at);
    Ok(Scanned {
        report,
        inventory: seen.inventory,
        is_running: seen.is_running,
        artefact: seen.artefact,
        by_process,
    })
}

/// What each process was found with.
fn by_process(
    seen: &Seen,
    found_in: impl Fn(&Inventory) -> BTreeSet<(String, String)>,
) -> BTreeMap<u32, BTreeSet<(String, String)>> {
    let of_places: Vec<_> = seen.by_place.iter().map(found_in).collect();
    let of = |places: &[usize]| {
        let found = places.iter().filter_map(|at| of_places.get(*at));
        found.flatten().cloned().collect()
    };
    let processes = seen.of_process.iter();
    processes.map(|(pid, places)| (*pid, of(places))).collect()
}

fn named_in(findings: &[Finding]) -> BTreeSet<(String, String)> {
    let named = findings.iter().flat_map(|finding| {
        let package = finding.package();
        finding
            .ids()
            .map(move |id| (package.clone(), id.to_owned()))
    });
    named.collect()
}

/// What was seen of a subject.
#[derive(Default)]
struct Seen {
    inventory: Inventory,
    differences: Vec<ph_vuln::report::Difference>,
    notes: Vec<String>,
    is_running: bool,
    artefact: String,
    /// The parts of the inventory and which of them each process runs from; only where processes were looked at.
    by_place: Vec<Inventory>,
    of_process: BTreeMap<u32, Vec<usize>>,
    /// What a command would fetch that is not on this machine.
    named: Vec<Component>,
}

/// What stands in place of a file where only a command names a package.
const COMMAND: &str = "the command";

impl Seen {
    /// Takes what only the command names into the inventory: in the version that it names, or in any where it is
    /// malware whatever is fetched. Of all else nothing can be told.
    fn take_named(&mut self, mirror: Option<&Mirror>) {
        for one in std::mem::take(&mut self.named) {
            let is_malware = |one: &Component| {
                let found = mirror.map(|mirror| malicious(mirror, [one], |_, _| false));
                matches!(found, Some(Ok(Some(_))))
            };
            if one.version.is_some() || is_malware(&one) {
                self.inventory.components.push(Component {
                    file: COMMAND.to_owned(),
                    is_direct: true,
                    ..one
                });
            }
        }
    }
}

fn look(subject: &Subject<'_>, machine: &Machine) -> Result<Seen, ScanError> {
    match subject {
        Subject::Path(path) => named(path),
        Subject::Server { name, server, pids } => {
            let found = places_of(name, server, pids, machine);
            let parts: Vec<Seen> = found.places.iter().map(look_into).collect();
            let mut by_place = Vec::new();
            if !found.of_process.is_empty() {
                by_place.extend(parts.iter().map(|part| part.inventory.clone()));
            }
            // What two processes are found with is one finding.
            let is_own = |place: &Place| !found.places.iter().any(|other| place.is_part_of(other));
            let own = parts.into_iter().zip(&found.places);
            let own = own.filter(|(_, place)| is_own(place)).map(|(part, _)| part);
            let mut seen = join(own);
            seen.notes.extend(found.notes);
            (seen.by_place, seen.of_process) = (by_place, found.of_process);
            seen.named = found.named;
            Ok(seen)
        }
        Subject::ImageFile(path) => image_file(path).map_err(ScanError::File),
        Subject::ImageReference(reference) => Ok(image(reference)),
    }
}

/// A path that somebody has named: it must be there.
fn named(path: &Path) -> Result<Seen, ScanError> {
    let of = path.metadata().map_err(|source| ScanError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    // A pipe may never end, and opening it may never come back.
    if !of.is_dir() && !of.is_file() {
        let text = format!("`{}` is neither a file nor a folder", path.display());
        return Err(ScanError::File(text));
    }
    if super::image::is_layout(path) || is_image(path) {
        return image_file(path).map_err(ScanError::File);
    }
    if !of.is_dir() {
        return Ok(Seen {
            inventory: walk::file(path).map_err(ScanError::File)?,
            artefact: path.display().to_string(),
            ..Seen::default()
        });
    }
    // Packages are known by the name of the folder that they lie in.
    let is_tree = path.file_name().is_some_and(|name| name == "node_modules");
    let root = path.parent().filter(|_| is_tree).unwrap_or(path);
    let root = if root.as_os_str().is_empty() {
        Path::new(".")
    } else {
        root
    };
    let seen = folder(root, None, is_tree).map_err(|source| ScanError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    // Nobody has said that anything runs from here.
    Ok(Seen {
        is_running: false,
        ..seen
    })
}

fn look_into(place: &Place) -> Seen {
    match place {
        Place::Folder {
            root,
            only,
            is_running,
        } => folder(root, only.as_deref(), *is_running).unwrap_or_else(|error| {
            unseen(
                &root.display().to_string(),
                &format!("it cannot be read: {error}"),
            )
        }),
        Place::Program(path) => program(path),
        Place::Image(reference) => image(reference),
        Place::Unseen(one) => unseen(&one.what, &one.why),
    }
}

fn folder(root: &Path, only: Option<&str>, is_running: bool) -> std::io::Result<Seen> {
    // Beside a package that is installed for all lies what is none of its business.
    let tree = match only {
        Some(_) => walk::modules(root)?,
        None => walk::tree(root)?,
    };
    let mut settled = settle(tree, is_running);
    if let Some(only) = only {
        reachable(&mut settled.inventory, only);
    }
    let mut notes = Vec::new();
    if settled.more > 0 {
        notes.push(format!(
            "{} more packages are installed in another version than is locked",
            settled.more
        ));
    }
    let artefact = match only {
        Some(only) => format!("{}/{only}", root.display()),
        None => root.display().to_string(),
    };
    Ok(Seen {
        inventory: settled.inventory,
        differences: settled.differences,
        notes,
        is_running,
        artefact,
        ..Seen::default()
    })
}

/// An archive that begins as images do. `.tar` is not asked of its name.
fn is_image(path: &Path) -> bool {
    use std::io::Read as _;
    let mut first = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(512).read_to_end(&mut first));
    read.is_ok() && ph_inventory::image::is_archive(&first)
}

fn image_file(path: &Path) -> Result<Seen, String> {
    let image = super::image::read(path)?;
    let words = [image.name, image.digest, image.system]
        .into_iter()
        .flatten();
    let what: Vec<String> = std::iter::once(path.display().to_string())
        .chain(words)
        .collect();
    Ok(Seen {
        inventory: image.inventory,
        artefact: what.join(", "),
        ..Seen::default()
    })
}

/// A program of its own: Rust programs may list their crates.
fn program(path: &Path) -> Seen {
    let what = path.display().to_string();
    match walk::file(path) {
        Ok(inventory) => Seen {
            inventory,
            is_running: true,
            artefact: what,
            ..Seen::default()
        },
        // It is what runs, whatever it holds.
        Err(_) => Seen {
            is_running: true,
            ..unseen(
                &what,
                "it is a program of its own, and does not say what it was built from (programs of Go do, those of Rust when they are built with `cargo auditable`); name its source with `servers.NAME.source`",
            )
        },
    }
}

fn image(reference: &str) -> Seen {
    unseen(
        reference,
        "it is an image that is not on this machine as a file: scan it with `--trivy`, or save it (`docker save`) and scan the file with `--image`",
    )
}

fn unseen(what: &str, why: &str) -> Seen {
    Seen {
        inventory: Inventory {
            unchecked: vec![Unchecked {
                what: what.to_owned(),
                why: why.to_owned(),
            }],
            ..Inventory::default()
        },
        artefact: format!("{what} (not looked into)"),
        ..Seen::default()
    }
}

fn join(all: impl Iterator<Item = Seen>) -> Seen {
    let mut whole = Seen {
        is_running: true,
        ..Seen::default()
    };
    let (mut parts, mut artefacts) = (Vec::new(), Vec::new());
    for seen in all {
        parts.push(seen.inventory);
        artefacts.push(seen.artefact);
        whole.differences.extend(seen.differences);
        whole.notes.extend(seen.notes);
        whole.is_running &= seen.is_running;
    }
    whole.inventory = Inventory::join(parts);
    whole.artefact = artefacts.join(", ");
    whole
}

fn judged(inventory: &Inventory, advisories: &Advisories<'_>, now: Timestamp) -> Findings {
    let records = |component: &Component| -> Result<Vec<Advisory>, String> {
        let Some(mirror) = advisories.mirror else {
            return Ok(Vec::new());
        };
        let name = component.advisory_name();
        mirror
            .advisories(&component.ecosystem, &name)
            .map_err(|error| error.to_string())
    };
    let attacks = |ids: &[&str]| {
        let Some(mirror) = advisories.mirror else {
            return Attacks::default();
        };
        // A damaged list says nothing of attacks; the findings stand on the records.
        Attacks {
            is_known: mirror.is_exploited(ids.iter().copied()).unwrap_or(false),
            epss: mirror.epss(ids.iter().copied()).ok().flatten(),
        }
    };
    let context = Context {
        overrides: advisories.overrides,
        attacks: &attacks,
        now,
    };
    findings(inventory, records, &context)
}

fn report(
    subject: String,
    seen: &Seen,
    found: Findings,
    advisories: &Advisories<'_>,
    now: SystemTime,
    at: Timestamp,
) -> Report {
    let inventory = &seen.inventory;
    let mut notes = seen.notes.clone();
    for one in &found.expired {
        notes.push(format!(
            "the override of {} in {} expired on {}",
            one.id, one.package, one.expires
        ));
    }
    for one in &found.unused {
        notes.push(format!(
            "the override of {} in {} matches nothing here",
            one.id, one.package
        ));
    }
    let overridden = found
        .overridden
        .into_iter()
        .map(|(finding, given)| Overridden {
            row: Row {
                chain: chain(inventory, &finding.component),
                finding,
                found_by: vec![US.to_owned()],
                exposure: None,
            },
            reason: given.reason,
            expires: given.expires.to_string(),
        });
    for state in advisories
        .mirror
        .iter()
        .flat_map(|mirror| &mirror.state().ecosystems)
    {
        if state.unreadable > 0 {
            notes.push(format!(
                "{} records of {} could not be read, so what they name is not found",
                state.unreadable, state.ecosystem
            ));
        }
    }
    let mut report = Report {
        subject,
        at,
        database: database(inventory, advisories, now),
        packages: inventory.components.len(),
        files: inventory.files.clone(),
        overridden: overridden.collect(),
        rows: rows(inventory, found.findings, US),
        unchecked: found.unchecked,
        differences: seen.differences.clone(),
        notes,
    };
    report.sort();
    report
}

/// What there is of each ecosystem, and those that are needed and missing.
fn database(inventory: &Inventory, advisories: &Advisories<'_>, now: SystemTime) -> Database {
    let mut needed: BTreeSet<&str> = inventory
        .components
        .iter()
        .map(|one| one.ecosystem.base())
        .collect();
    let states = advisories
        .mirror
        .map(|mirror| mirror.state().ecosystems.clone())
        .unwrap_or_default();
    let mut sources: Vec<Source> = states
        .iter()
        .map(|state| source(state, needed.remove(state.ecosystem.as_str()), now))
        .collect();
    sources.extend(needed.into_iter().map(|ecosystem| Source {
        ecosystem: ecosystem.to_owned(),
        from: String::new(),
        records: 0,
        fetched_at: None,
        age: None,
        is_needed: true,
    }));
    Database {
        sources,
        stale_after: advisories.stale_after,
    }
}

fn source(state: &State, is_needed: bool, now: SystemTime) -> Source {
    Source {
        ecosystem: state.ecosystem.clone(),
        from: state.source.clone(),
        records: state.records,
        fetched_at: Timestamp::try_from(state.as_of).ok(),
        age: Some(state.age(now)),
        is_needed,
    }
}
