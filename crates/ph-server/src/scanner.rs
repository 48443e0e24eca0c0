//! What the servers of the plan hold, compared with the advisories on this machine.

mod traffic;

use crate::advisories::overrides;
use crate::cases::Scanner;
use crate::settings::Environment;
use arc_swap::ArcSwap;
use ph_advisories::{FolderError, Mirror, MirrorError};
use ph_auth::unix_s;
use ph_jobs::vuln::{Advisories, Machine, Own, Subject, expose, scan, started};
use ph_plan::{Plan, Server, Upstream};
use ph_relay::Relay;
use ph_store::logs::LogReader;
use ph_vuln::life::Look;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

/// Below the data directory.
const FOLDER: &str = "advisories";
/// In the folder of advisories: it is written anew with each change of them.
const MIRROR_LIST: &str = "mirror.json";

/// Of a daemon.
pub(crate) struct ServerScanner {
    /// The relay holds what records, and that holds us: it must not be kept by us, or it outlives the daemon.
    relay: Weak<Relay>,
    machine: Option<Machine>,
    config_dir: Option<PathBuf>,
    data_dir: PathBuf,
    /// Records of calls, where any are kept.
    logs: Option<LogReader>,
    asks: ArcSwap<Asks>,
    /// By server.
    loaded: Mutex<BTreeMap<String, Loaded>>,
}

/// Packages with ids of advisories.
type Found = BTreeSet<(String, String)>;
/// What each process was found with, by its number and its start: a file on the disk can change, and the process goes
/// on with what it has loaded.
type Loaded = BTreeMap<(u32, Option<u64>), Found>;

/// What the plan says.
struct Asks {
    servers: BTreeMap<String, Server>,
    db: Option<PathBuf>,
    overrides: Option<PathBuf>,
    stale_after: Duration,
}

impl Asks {
    fn of(plan: &Plan) -> Self {
        let servers = plan.servers.iter();
        let vuln = &plan.vuln;
        let path = |file: &ph_plan::FilePath| file.as_path().to_owned();
        Self {
            servers: servers
                .map(|(name, server)| (name.to_string(), server.clone()))
                .collect(),
            db: vuln.db.as_ref().map(path),
            overrides: vuln.overrides.as_ref().map(path),
            stale_after: vuln.stale_after,
        }
    }
}

impl ServerScanner {
    pub(crate) fn new(
        plan: &Plan,
        data_dir: &Path,
        environment: &Environment,
        relay: &Arc<Relay>,
        logs: Option<LogReader>,
    ) -> Self {
        Self {
            relay: Arc::downgrade(relay),
            machine: environment.machine.clone(),
            config_dir: environment.config_dir.clone(),
            data_dir: data_dir.to_owned(),
            logs,
            asks: ArcSwap::from_pointee(Asks::of(plan)),
            loaded: Mutex::default(),
        }
    }

    fn overrides(&self, asks: &Asks) -> Option<PathBuf> {
        let config_dir = self.config_dir.as_deref().unwrap_or(Path::new(""));
        asks.overrides.as_ref().map(|file| config_dir.join(file))
    }

    fn db(&self, asks: &Asks) -> PathBuf {
        asks.db
            .clone()
            .unwrap_or_else(|| self.data_dir.join(FOLDER))
    }

    fn look(&self, name: &str) -> Result<Look, String> {
        let asks = self.asks.load_full();
        let gone = || format!("there is no server `{name}`");
        let server = asks.servers.get(name).ok_or_else(gone)?;
        let machine = self.machine.as_ref();
        let machine = machine.ok_or("where programs lie on this machine is not known")?;
        let mirror = match Mirror::open(&self.db(&asks)) {
            Ok(mirror) => Some(mirror),
            Err(MirrorError::Folder(FolderError::Nothing(_))) => None,
            Err(error) => return Err(error.to_string()),
        };
        let overrides = overrides(self.overrides(&asks).as_deref())?;
        let advisories = Advisories {
            mirror: mirror.as_ref(),
            stale_after: asks.stale_after,
            overrides: &overrides,
            no_dev: false,
        };
        let (pids, upstream) = self.running(name);
        let mut server = server.clone();
        server.upstream = upstream.unwrap_or(server.upstream);
        let server = &server;
        let subject = Subject::Server { name, server, pids };
        let scanned = scan(&subject, machine, &advisories, SystemTime::now());
        let mut scanned = scanned.map_err(|error| error.to_string())?;
        expose(&mut scanned.report, &Own::of(&subject, machine));
        if let Some(logs) = &self.logs {
            let mut calls = traffic::Calls::new(logs, name, unix_s());
            let rows = &mut scanned.report.rows;
            for exposed in rows.iter_mut().filter_map(|row| row.exposure.as_mut()) {
                calls.note(exposed);
            }
        }
        let mut look = Look::of(
            &scanned.report,
            &scanned.inventory,
            scanned.is_running,
            scanned.artefact,
        );
        look.loaded = self.loaded(name, &scanned.by_process);
        Ok(look)
    }

    /// What the relay knows of it: its processes, and what it starts when it has none.
    fn running(&self, name: &str) -> (Vec<u32>, Option<Upstream>) {
        let Some(relay) = self.relay.upgrade() else {
            return (Vec::new(), None);
        };
        let servers = relay.servers();
        let own = servers.into_iter().find(|server| server.name == name);
        let pids = own.map(|server| server.processes).unwrap_or_default();
        (pids, relay.version_of(name))
    }

    /// What the processes of a server that run now were ever found with. Those that are gone are forgotten.
    fn loaded(&self, name: &str, now: &BTreeMap<u32, Found>) -> Found {
        let mut all = lock(&self.loaded);
        let mut before = all.remove(name).unwrap_or_default();
        let of = now.iter().map(|(pid, found)| {
            let process = (*pid, started(*pid));
            let mut ever = before.remove(&process).unwrap_or_default();
            ever.extend(found.iter().cloned());
            (process, ever)
        });
        let of: BTreeMap<_, _> = of.collect();
        let loaded = of.values().flatten().cloned().collect();
        all.insert(name.to_owned(), of);
        loaded
    }
}

impl Scanner for ServerScanner {
    fn apply(&self, plan: &Plan) {
        self.asks.store(Arc::new(Asks::of(plan)));
    }

    fn servers(&self) -> Vec<String> {
        self.asks.load().servers.keys().cloned().collect()
    }

    fn can_scan(&self) -> bool {
        self.machine.is_some() && self.db(&self.asks.load()).is_dir()
    }

    fn compared_with(&self) -> Vec<Option<SystemTime>> {
        let asks = self.asks.load();
        let list = Some(self.db(&asks).join(MIRROR_LIST));
        let changed = |path: PathBuf| std::fs::metadata(path).and_then(|about| about.modified());
        [list, self.overrides(&asks)]
            .map(|path| path.and_then(|path| changed(path).ok()))
            .to_vec()
    }

    fn scan(&self, server: &str) -> Look {
        self.look(server)
            .unwrap_or_else(|why| Look::failed(server, why))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
