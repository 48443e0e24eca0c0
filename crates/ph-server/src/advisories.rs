//! The advisories on this machine, as the daemon sees them: how old they are, what fetches newer ones, and which
//! servers are not started for what is known of their packages.

mod gate;
mod updates;

use arc_swap::ArcSwapOption;
use gate::Gate;
use ph_advisories::{Bounds, ListPlace, MirrorState, UpdateOptions};
use ph_plan::{FileOrUrl, Plan, Stdio};
use ph_record::{EventKind, Reading, SampleSource, catalogue};
use ph_relay::StartGate;
use ph_vuln::overrides::Overrides;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Below the data directory.
const FOLDER: &str = "advisories";

/// Takes an event that is of no server.
pub(crate) type Note = dyn Fn(EventKind) + Send + Sync;

/// What the plan says of advisories.
#[derive(Clone)]
pub(super) struct Wish {
    folder: PathBuf,
    stale_after: Duration,
    update_every: Option<Duration>,
    update: UpdateOptions,
    is_blocking: bool,
    /// The operator's own word on advisories.
    overrides: Option<PathBuf>,
    /// Where the sources of servers are, by their names.
    sources: BTreeMap<String, PathBuf>,
}

/// The advisories while the daemon runs.
pub(crate) struct Advisories {
    wish: watch::Sender<Arc<Wish>>,
    data: PathBuf,
    /// Where the configuration lies.
    config_dir: PathBuf,
    seen: Arc<Seen>,
    gate: Gate,
    end: CancellationToken,
}

/// What was seen last, for the metrics.
#[derive(Default)]
pub(super) struct Seen {
    state: ArcSwapOption<MirrorState>,
    /// Told when there is something to compare servers with anew.
    news: Arc<Notify>,
    updated: AtomicU64,
    failed: AtomicU64,
}

impl Advisories {
    /// Looks at them now, and from time to time on a thread of its own, which also fetches what is newer when the
    /// plan says so. It ends with [`Self::end`].
    ///
    /// - `data`: the data directory.
    /// - `config_dir`: where the configuration lies; a file of overrides is looked for from there.
    pub(crate) fn start(
        plan: &Plan,
        data: &Path,
        config_dir: Option<&Path>,
        note: Arc<Note>,
    ) -> Arc<Self> {
        let config_dir = config_dir.unwrap_or(Path::new("")).to_owned();
        let wish = watch::Sender::new(Arc::new(wish_of(plan, data, &config_dir)));
        let (seen, end) = (Arc::<Seen>::default(), CancellationToken::new());
        seen.look(&wish.borrow());
        updates::spawn(
            wish.subscribe(),
            Arc::clone(&seen),
            end.clone(),
            Arc::clone(&note),
        );
        Arc::new(Self {
            wish,
            data: data.to_owned(),
            config_dir,
            seen,
            gate: Gate::new(note),
            end,
        })
    }

    /// From now on it is as `plan` says.
    pub(crate) fn apply(&self, plan: &Plan) {
        let wish = Arc::new(wish_of(plan, &self.data, &self.config_dir));
        self.seen.look(&wish);
        self.wish.send_replace(wish);
    }

    /// Told when advisories have come that servers can be compared with.
    pub(crate) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.seen.news)
    }

    /// Nothing more is fetched. What is being written is left as a crash would leave it: nobody reads it.
    pub(crate) fn end(&self) {
        self.end.cancel();
    }
}

impl Seen {
    /// Reads how old they are.
    pub(super) fn look(&self, wish: &Wish) {
        let state = MirrorState::read(&wish.folder).ok();
        let before = self.state.swap(state.clone().map(Arc::new));
        if before.as_deref() != state.as_ref() {
            self.news.notify_one();
        }
    }
}

impl StartGate for Advisories {
    fn refusal(&self, server: &str, stdio: &Stdio) -> Option<String> {
        let wish = Arc::clone(&self.wish.borrow());
        wish.is_blocking
            .then(|| self.gate.refusal(&wish, server, stdio))?
    }
}

impl SampleSource for Advisories {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        let Some(state) = self.seen.state.load_full() else {
            return;
        };
        let (now, after) = (SystemTime::now(), self.wish.borrow().stale_after);
        for of in &state.ecosystems {
            let age = of.age(now).as_secs_f64();
            out(
                &catalogue::VULN_DB_AGE,
                &[&of.ecosystem],
                Reading::Value(age),
            );
        }
        for of in &state.ecosystems {
            let is_stale = f64::from(u8::from(of.is_stale(now, after)));
            out(
                &catalogue::VULN_DB_STALE,
                &[&of.ecosystem],
                Reading::Value(is_stale),
            );
        }
        for of in &state.ecosystems {
            let records = of.records as f64;
            out(
                &catalogue::VULN_DB_RECORDS,
                &[&of.ecosystem],
                Reading::Value(records),
            );
        }
        for (result, count) in [("ok", &self.seen.updated), ("failed", &self.seen.failed)] {
            let count = Reading::Value(count.load(Relaxed) as f64);
            out(&catalogue::VULN_DB_UPDATES, &[result], count);
        }
    }
}

/// What the operator says of advisories in the file that `vuln.overrides` names.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn overrides(file: Option<&Path>) -> Result<Overrides, String> {
    let Some(file) = file else {
        return Ok(Overrides::default());
    };
    let named = |why: &str| format!("`vuln.overrides` ({}): {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(&error.to_string()))?;
    Overrides::read(&text).map_err(|problems| {
        let first = problems.first();
        named(&first.map_or_else(
            || "it cannot be read".to_owned(),
            |problem| format!("line {}: {}", problem.line, problem.text),
        ))
    })
}

fn wish_of(plan: &Plan, data: &Path, config_dir: &Path) -> Wish {
    let vuln = &plan.vuln;
    let list = |place: &FileOrUrl| match place {
        FileOrUrl::File(path) => ListPlace::File(path.as_path().to_owned()),
        FileOrUrl::Url(url) => ListPlace::Url(url.as_str().to_owned()),
    };
    let folder = vuln.db.as_ref().map(|db| db.as_path().to_owned());
    let sources = plan.servers.iter().filter_map(|(name, server)| {
        let source = server.source.as_ref()?;
        Some((name.as_str().to_owned(), source.as_path().to_owned()))
    });
    Wish {
        folder: folder.unwrap_or_else(|| data.join(FOLDER)),
        stale_after: vuln.stale_after,
        update_every: vuln.update_every.time(),
        update: UpdateOptions {
            mirror: vuln.mirror.as_str().to_owned(),
            ca_file: vuln.ca_file.as_ref().map(|file| file.as_path().to_owned()),
            ecosystems: vuln
                .ecosystems
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
            kev: vuln.kev.as_ref().map(list),
            epss: vuln.epss.as_ref().map(list),
            is_forced: false,
            bounds: Bounds::default(),
        },
        is_blocking: vuln.block_malicious,
        overrides: vuln
            .overrides
            .as_ref()
            .map(|file| config_dir.join(file.as_path())),
        sources: sources.collect(),
    }
}
