//! What is scanned: a folder, a file, an image, or a server with what it really runs.

use std::path::PathBuf;

use ph_inventory::Unchecked;
use ph_plan::{Server, Upstream};

use super::launch;
use super::machine::Machine;
use super::place::{Place, Resolved, resolve};
use super::running::family;

/// What is scanned.
#[derive(Debug, Clone)]
pub enum Subject<'a> {
    /// A folder or a lockfile.
    Path(PathBuf),
    /// A server of the configuration.
    Server {
        /// Its name.
        name: &'a str,
        /// What the configuration says of it.
        server: &'a Server,
        /// All processes that run for it: what they are counts more than what the command would start.
        pids: Vec<u32>,
    },
    /// A container image in a file: an OCI layout or what `docker save` writes.
    ImageFile(PathBuf),
    /// A container image by its reference. Nothing is fetched: only another scanner's report can say what it holds.
    ImageReference(String),
}

impl Subject<'_> {
    /// What reports name it by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) | Self::ImageFile(path) => path.display().to_string(),
            Self::Server { name, .. } => (*name).to_owned(),
            Self::ImageReference(reference) => reference.clone(),
        }
    }
}

/// Where the packages of a server lie.
pub(super) fn places_of(name: &str, server: &Server, pids: &[u32], machine: &Machine) -> Resolved {
    let command = match &server.upstream {
        Upstream::Http(_) => return from_source(server).unwrap_or_else(|| {
            Resolved::unseen(name, "it is reached by its address, so what it is made of cannot be seen: it is not inventoried. Name its source with `servers.NAME.source`, or scan its image with `--image`")
        }),
        Upstream::Stdio(stdio) => stdio,
    };
    let running = running(pids, machine);
    if running.is_seen() {
        return running;
    }
    let mut argv = vec![command.command.as_str().to_owned()];
    argv.extend(command.args.iter().map(|word| word.as_str().to_owned()));
    let machine = match &command.cwd {
        Some(cwd) => machine.from(cwd.as_path()),
        None => machine.clone(),
    };
    let launch = launch::read(&argv);
    let mut found = resolve(&launch, &machine);
    if !found.is_seen() {
        if let Some(source) = from_source(server) {
            let notes = std::mem::take(&mut found.notes);
            found = source;
            found.notes.extend(notes);
        }
        found.named = launch::packages(&launch);
    }
    // One that is about to start what it runs cannot be seen yet; the others run what they run.
    found.and_seen_of(running);
    found
}

/// `servers.NAME.source`.
fn from_source(server: &Server) -> Option<Resolved> {
    let root = server.source.as_ref()?.as_path().to_owned();
    Some(Resolved {
        places: vec![Place::Folder {
            root,
            only: None,
            is_running: false,
        }],
        notes: vec![
            "what is looked at is its source: whether that is what runs is not known".to_owned(),
        ],
        ..Resolved::default()
    })
}

/// What all processes run, each place once. Runners and shells among them start others and hold no
/// packages of the server.
fn running(pids: &[u32], machine: &Machine) -> Resolved {
    let mut found = Resolved::default();
    for pid in pids {
        let mut of_replica = Resolved::default();
        // What a server calls for a moment (`git`, `grep`) is no part of it, unless there is nothing else.
        let mut of_system = Resolved::default();
        let mut runner = None;
        for (nth, process) in family(*pid).into_iter().enumerate() {
            let machine = process
                .cwd
                .as_deref()
                .map_or_else(|| machine.clone(), |cwd| machine.from(cwd));
            let launch = launch::read(&process.argv);
            if matches!(launch, launch::Launch::Npx { .. }) {
                runner.get_or_insert((launch, machine));
                continue;
            }
            if matches!(
                launch,
                launch::Launch::Fetched { .. } | launch::Launch::Unseen(_)
            ) {
                continue;
            }
            let resolved = resolve(&launch, &machine);
            let is_first = nth == 0;
            if resolved.is_seen() && (is_first || !is_of_system(&resolved)) {
                of_replica.places.extend(resolved.places);
                of_replica.notes.extend(resolved.notes);
            } else if resolved.is_seen() {
                of_system.places.extend(resolved.places);
            }
        }
        // npx shows itself as `npm exec pkg`; what it has started counts, and before that what it is about to start.
        if of_replica.places.is_empty()
            && let Some((launch, machine)) = runner
        {
            let resolved = resolve(&launch, &machine);
            of_replica.places.extend(resolved.places);
        }
        if of_replica.places.is_empty() {
            of_replica.places = of_system.places;
        }
        if of_replica.places.is_empty() {
            of_replica.places.push(Place::Unseen(Unchecked {
                what: format!("process {pid}"),
                why: "what it runs cannot be seen".to_owned(),
            }));
        }
        for place in of_replica.places {
            let known = found.places.iter().position(|known| *known == place);
            let at = known.unwrap_or(found.places.len());
            if at == found.places.len() {
                found.places.push(place);
            }
            found.of_process.entry(*pid).or_default().push(at);
        }
        for note in of_replica.notes {
            if !found.notes.contains(&note) {
                found.notes.push(note);
            }
        }
    }
    found
}

/// A program that the operating system brings, and nothing else.
fn is_of_system(resolved: &Resolved) -> bool {
    const FOLDERS: [&str; 7] = [
        "/usr/bin",
        "/bin",
        "/usr/sbin",
        "/sbin",
        "/usr/lib",
        "/lib",
        "/usr/libexec",
    ];
    resolved.places.iter().all(|place| {
        matches!(place, Place::Program(path) if FOLDERS.iter().any(|folder| path.starts_with(folder)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_brings() {
        let resolved = |places: &[Place]| Resolved {
            places: places.to_vec(),
            ..Resolved::default()
        };
        let git = Place::Program("/usr/bin/git".into());
        let own = Place::Program("/opt/server/bin/helper".into());
        assert!(is_of_system(&resolved(std::slice::from_ref(&git))));
        assert!(!is_of_system(&resolved(std::slice::from_ref(&own))));
        assert!(!is_of_system(&resolved(&[git, own])));
    }
}
