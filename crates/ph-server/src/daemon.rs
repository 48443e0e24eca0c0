//! One running Pilothouse: how it starts, changes its plan, and stops.

mod refused;

use crate::admin::{self, Admin};
use crate::advisories::Advisories;
use crate::announcer::Announcer;
use crate::audit::AuditLog;
use crate::configuration::{ConfigurationDesk, Origin};
use crate::disk::Disk;
use crate::doors::{Doors, Prepared};
use crate::events;
use crate::front::Front;
use crate::gatekeeper::Gatekeeper;
use crate::home::Home;
use crate::keys;
use crate::limits::LimitsHome;
use crate::notify::{self, Desk};
use crate::objectives::Held;
use crate::parts::{start_cases, start_rules, start_sinks, start_tails};
use crate::pins::PinFile;
use crate::rules::{self, RuleSet, Running};
use crate::scrapes::Scrapes;
use crate::settings::{self, Environment};
use crate::sinks::Sinks;
use crate::start_error::StartError;
use crate::stores;
use crate::waits::{bind, within};
use arc_swap::ArcSwap;
use ph_api::SpanMetrics;
use ph_auth::{Auth, Keyring};
use ph_plan::{Change, Plan};
use ph_policy::Routes;
use ph_record::{EventKind, ServerTable};
use ph_recorder::{FlushReport, Recorder, Start, Tails};
use ph_relay::{Relay, Shared, SharedParts};
use ph_wire::listener::{self, Place, Stop};
use ph_wire::reaper::Reaper;
use ph_wire::workers::Workers;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a daemon is started with.
pub struct Boot {
    /// What to do.
    pub plan: Plan,
    /// The rules that it asks for.
    pub rules: RuleSet,
    /// Where both come from.
    pub origin: Origin,
    /// What the environment says.
    pub environment: Environment,
    /// The locked data directory.
    pub home: Home,
    /// Our own executable, run again as the reaper.
    pub executable: PathBuf,
    /// Threads that carry calls.
    pub worker_count: usize,
    /// Version of the binary.
    pub version: String,
    /// Takes log lines while `log.stdout` is on.
    pub stdout: Option<Box<dyn Write + Send>>,
    /// Told what the logs cannot say.
    pub complain: Arc<dyn Fn(&str) + Send + Sync>,
    /// Told what an operator shall know at once: that an alert fires, and that it has ended.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
}

/// How stopping went.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// Every call ended by itself within `stop.drain`.
    pub drained: bool,
    /// What became of the records.
    pub flushed: FlushReport,
}

/// One running Pilothouse.
pub struct Daemon {
    plan: Plan,
    environment: Environment,
    home: Home,
    workers: Arc<Workers>,
    recorder: Recorder,
    shared: Arc<Shared>,
    relay: Arc<Relay>,
    front: Front,
    open: Open,
    doors: Arc<Doors>,
    admin: Admin,
    admin_open: Option<admin::Open>,
    /// Log files of tools; `None` while nothing is kept.
    tails: Option<Tails>,
    /// What passes records on; `None` while nothing is kept.
    sinks: Option<Arc<Sinks>>,
    scrapes: Option<Scrapes>,
    advisories: Arc<Advisories>,
    rules: Arc<Running>,
    desk: Desk,
    rule_set: RuleSet,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
    calls: TaskTracker,
    connections: TaskTracker,
    end_streams: CancellationToken,
    abort: CancellationToken,
    end_children: CancellationToken,
}

/// An open listener.
struct Open {
    address: SocketAddr,
    accept: CancellationToken,
}

impl Daemon {
    /// Starts everything; when it returns, clients can connect.
    ///
    /// Must be called within a tokio runtime, which supervision runs on.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(boot: Boot) -> Result<Self, StartError> {
        let Boot {
            plan,
            rules: rule_set,
            origin,
            environment,
            home,
            executable,
            worker_count,
            version,
            stdout,
            complain,
            say: tell,
        } = boot;
        // First of all, so that it inherits nothing.
        let reaper = Reaper::start(&executable).map_err(StartError::Reaper)?;
        let doors = Prepared::of(&plan)?;
        let listener = bind(plan.listen).await?;
        let address = listener.local_addr().unwrap_or(plan.listen);
        let admin_listener = match plan.admin_address() {
            Some(address) => Some(admin::bind(address).await?),
            None => None,
        };
        let admin_address = admin_listener.as_ref().and_then(|l| l.local_addr().ok());
        let settings = settings::recorder(&plan, &environment, &home, address)?;
        let workers = Arc::new(Workers::start(worker_count).map_err(StartError::Workers)?);
        let servers = Arc::new(ServerTable::default());
        let otel_env = settings::otel_env(
            &settings,
            admin_address.map(|address| (address, plan.admin.tls.is_some())),
        );
        let traced = settings::is_traced(&plan, &settings, admin_address);
        let say = Arc::clone(&complain);
        let (keep, readers) =
            stores::open(&plan, &home, settings.kept.clone(), &*complain)?.unzip();
        let recorder = Recorder::start(Start {
            settings,
            servers: Arc::clone(&servers),
            version: version.clone(),
            runtime: Handle::current(),
            keep,
            stdout,
            complain: Box::new(move |text| say(text)),
        })?;
        let sink = Arc::new(Announcer {
            recorder: recorder.clone(),
            servers: Arc::clone(&servers),
            say: Arc::clone(&complain),
            last_unix_ns: AtomicU64::new(0),
        });
        let (calls, end_streams) = (TaskTracker::new(), CancellationToken::new());
        let (abort, end_children) = (CancellationToken::new(), CancellationToken::new());
        let shared = Shared::new(SharedParts {
            sink,
            table: servers,
            blocks: recorder.blocks(),
            calls: calls.clone(),
            abort: abort.clone(),
            end_streams: end_streams.clone(),
            end_children: end_children.clone(),
            workers: Arc::clone(&workers),
            reaper,
            cgroups: Arc::default(),
            otel_env,
        });
        shared.configure(traced, settings::params_bytes_max(&plan));
        let relay = Relay::new(Arc::clone(&shared));
        let limits = LimitsHome::new(&recorder);
        limits.apply(&plan, &relay, &workers)?;
        relay
            .pins()
            .keep_in(PinFile::new(home.pins(), Arc::clone(&complain)));
        let advisories = Advisories::start(
            &plan,
            home.path(),
            environment.config_dir.as_deref(),
            events::notes(&recorder),
        );
        recorder.add_source(Arc::<Advisories>::clone(&advisories));
        shared.guard_starts(Arc::<Advisories>::clone(&advisories));
        relay.apply(&plan)?;
        let keyring = Arc::new(Keyring::open(&home.keys())?);
        let auth = Arc::new(Auth::new(keyring, Arc::clone(&complain)));
        auth.apply(&plan, address);
        recorder.add_source(Arc::<Auth>::clone(&auth));
        keys::note_uses(auth.keyring(), Arc::clone(&complain));
        let front = Front {
            relay: Arc::clone(&relay),
            auth,
            recorder: recorder.clone(),
            limits: Arc::clone(&limits),
            routes: Arc::new(ArcSwap::from_pointee(Routes::new(&plan))),
            stopping: Arc::new(AtomicBool::new(false)),
        };
        let spans = Arc::new(SpanMetrics::default());
        recorder.add_source(spans.clone());
        recorder.add_source(Disk::watch(home.path()));
        let doors = Doors::open(doors, &complain);
        recorder.add_source(Arc::<Doors>::clone(&doors));
        let sinks = start_sinks(
            &plan,
            &home,
            &recorder,
            readers.as_ref(),
            &version,
            &complain,
            SINKS_STOP_MAX,
        )
        .await?;
        let desk = Desk::start(&plan, &home, &recorder, admin_address, &version, &complain).await?;
        let rules = start_rules(&recorder, readers.as_ref(), &desk, tell)?;
        let remote = Running::remote_of(&plan)?;
        let audit = AuditLog::open(&home.logs()).map_err(StartError::Audit)?;
        let audit = Arc::new(audit);
        let gatekeeper =
            Gatekeeper::new(&plan, &front.auth, &recorder, Arc::clone(&audit), &complain);
        let redactor = recorder.redactor();
        let configurations = ConfigurationDesk::new(origin, &plan, &rule_set, redactor, audit);
        let hash = vec![("after", plan.hash().into())];
        let noted = gatekeeper.note("process.start", "done", hash);
        noted.map_err(StartError::Audit)?;
        let kept = (&recorder, readers.as_ref());
        let cases = start_cases(
            &plan,
            &home,
            &environment,
            &relay,
            kept,
            advisories.news(),
            &complain,
        )?;
        let admin = Admin {
            cases,
            configurations: Arc::new(configurations),
            doors: Arc::clone(&doors),
            gatekeeper,
            objectives: Arc::new(Held::new(&plan, remote.clone())),
            rules: Arc::clone(&rules),
            desk: desk.clone(),
            front: front.clone(),
            sinks: sinks.clone(),
            readers,
            keeper: recorder.keeper(),
            spans,
            version,
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        };
        let serve = |listener| admin.serve(listener, &home);
        let admin_open = admin_listener.map(serve).transpose();
        let admin_open = admin_open.map_err(StartError::Home)?;
        let tails = start_tails(&plan, &home, &recorder, &complain)?;
        let scrapes = Scrapes::start(&plan, &recorder, &complain);
        rules.apply(&plan, &rule_set, remote, admin_address).await;
        let accept = CancellationToken::new();
        let open = Open {
            address,
            accept: accept.clone(),
        };
        let daemon = Self {
            plan,
            environment,
            home,
            workers,
            recorder,
            shared,
            relay,
            front,
            open,
            doors,
            admin,
            admin_open,
            tails,
            sinks,
            scrapes,
            advisories,
            rules,
            desk,
            rule_set,
            complain,
            calls,
            connections: TaskTracker::new(),
            end_streams,
            abort,
            end_children,
        };
        daemon.listen(listener, accept);
        daemon.note_loaded("");
        Ok(daemon)
    }

    /// The address of the data listener.
    pub fn address(&self) -> SocketAddr {
        self.open.address
    }

    /// The address of the admin listener, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_open.as_ref().map(|open| open.address)
    }

    /// The plan that runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where log files are written.
    pub fn logs(&self) -> PathBuf {
        self.home.logs()
    }

    /// The rules that run.
    pub fn rules(&self) -> &RuleSet {
        &self.rule_set
    }

    /// Whether rules are evaluated here: they may be left to the Prometheus of `metrics.query`.
    pub fn evaluates_rules(&self) -> bool {
        rules::evaluates(&self.plan)
    }

    /// Runs `plan` with its `rules` instead. Calls in flight keep what they began with, and alerts that are the same
    /// keep their state.
    ///
    /// - `text`: the file's, as [`Origin::text`].
    /// - `cause`: why now, for the audit log.
    ///
    /// # Errors
    /// [`StartError`]; the old plan runs on. The caller says so by [`Self::rejected`].
    pub async fn reload(
        &mut self,
        plan: Plan,
        rules: RuleSet,
        text: Option<&str>,
        cause: &str,
    ) -> Result<(), StartError> {
        let moved = plan.listen != self.plan.listen;
        let listener = if moved {
            Some(bind(plan.listen).await?)
        } else {
            None
        };
        let address = listener.as_ref().and_then(|l| l.local_addr().ok());
        let address = address.unwrap_or(self.open.address);
        let admin_moved = plan.admin_address() != self.plan.admin_address();
        let admin_listener = match plan.admin_address().filter(|_| admin_moved) {
            Some(address) => Some(admin::bind(address).await?),
            None => None,
        };
        let settings = settings::recorder(&plan, &self.environment, &self.home, address)?;
        let traced = settings::is_traced(&plan, &settings, plan.admin_address());
        let remote = Running::remote_of(&plan)?;
        let admin_next = match (&admin_listener, admin_moved) {
            (Some(listener), _) => listener.local_addr().ok(),
            (None, true) => None,
            (None, false) => self.admin_address(),
        };
        let doors = Prepared::of(&plan)?;
        let told = notify::settings(&plan, admin_next)?;
        let hashes = vec![
            ("cause", cause.into()),
            ("before", self.plan.hash().into()),
            ("after", plan.hash().into()),
        ];
        let gatekeeper = Arc::clone(&self.admin.gatekeeper);
        let noted = gatekeeper.note(RELOAD, "begun", hashes.clone());
        noted.map_err(StartError::Audit)?;
        if plan.store.enabled != self.plan.store.enabled {
            (self.complain)("`store.enabled` changes with the next start");
        }
        self.recorder.apply(settings)?;
        self.front.limits.apply(&plan, &self.relay, &self.workers)?;
        self.advisories.apply(&plan);
        self.relay.apply(&plan)?;
        self.shared
            .configure(traced, settings::params_bytes_max(&plan));
        self.front.auth.apply(&plan, address);
        self.doors.apply(doors, &self.complain);
        self.admin.gatekeeper.apply(&plan);
        self.admin.cases.apply(&plan);
        self.front.routes.store(Arc::new(Routes::new(&plan)));
        if let Some(tails) = &self.tails {
            tails.replace(settings::tail_files(&plan));
        }
        if let Some(sinks) = self
            .sinks
            .as_ref()
            .filter(|_| plan.sinks != self.plan.sinks)
        {
            sinks.apply(&plan, SINKS_STOP_MAX).await?;
        }
        if let Some(scrapes) = &mut self.scrapes {
            scrapes.replace(&plan);
        }
        let configurations = &self.admin.configurations;
        configurations.apply(&plan, &rules, text, cause);
        let changes = Change::list(&Plan::changes(&self.plan, &plan));
        self.plan = plan;
        self.rule_set = rules;
        if admin_moved {
            self.move_admin(admin_listener)?;
        } else if let Some(open) = &self.admin_open {
            let with_tls = self.doors.has_tls_for_admin();
            let written = self.home.write_admin_address(open.address, with_tls);
            written.map_err(StartError::Home)?;
        }
        // Before the rules, so that what fires anew has its receiver.
        self.desk.apply(told).await;
        let (rules, admin) = (&self.rules, self.admin_address());
        self.admin.objectives.apply(&self.plan, remote.clone());
        rules.apply(&self.plan, &self.rule_set, remote, admin).await;
        if let Some(listener) = listener {
            let accept = CancellationToken::new();
            let address = listener.local_addr().unwrap_or(self.plan.listen);
            let old = std::mem::replace(
                &mut self.open,
                Open {
                    address,
                    accept: accept.clone(),
                },
            );
            self.listen(listener, accept);
            old.accept.cancel();
        }
        if let Err(error) = gatekeeper.note(RELOAD, "done", hashes) {
            (self.complain)(&format!("the audit log cannot be written: {error}"));
        }
        self.note_loaded(&changes);
        Ok(())
    }

    /// Serves the admin API on `listener` instead, or no longer.
    fn move_admin(&mut self, listener: Option<tokio::net::TcpListener>) -> Result<(), StartError> {
        let next = match listener {
            Some(listener) => {
                let open = self.admin.serve(listener, &self.home);
                Some(open.map_err(StartError::Home)?)
            }
            None => {
                self.home.remove_admin_address();
                None
            }
        };
        if let Some(old) = std::mem::replace(&mut self.admin_open, next) {
            old.close();
        }
        Ok(())
    }

    /// Stops in order: unready, lame-duck, stop accepting, drain calls, stop
    /// children, flush records, close the store. `hurry`: cancel it to skip what is still waited for.
    pub async fn stop(self, hurry: CancellationToken) -> Stopped {
        let stop = self.plan.stop.clone();
        self.front.stopping.store(true, Relaxed);
        within(stop.lame_duck, &hurry, std::future::pending::<()>()).await;
        self.open.accept.cancel();
        self.end_streams.cancel();
        self.calls.close();
        self.connections.close();
        let drained = within(stop.drain, &hurry, self.calls.wait()).await;
        self.abort.cancel();
        // Every call selects on `abort`, so this is short; in a hurry too, each has its record.
        within(ABORT_MAX, &CancellationToken::new(), self.calls.wait()).await;
        within(
            ABORT_MAX,
            &CancellationToken::new(),
            self.connections.wait(),
        )
        .await;
        // Before what they watch is stopped.
        within(RULES_STOP_MAX, &hurry, self.rules.end()).await;
        within(CHILDREN_STOP_MAX, &hurry, self.relay.stop_servers()).await;
        // Whatever is left is killed with its group; the reaper has the last word.
        self.end_children.cancel();
        keys::note_uses_now(self.front.auth.keyring(), &*self.complain);
        if let Some(tails) = self.tails {
            // It reads what is there: a matter of moments, and of no more than its room in the queue.
            let _ended = tokio::task::spawn_blocking(move || tails.stop()).await;
        }
        within(
            NOTIFY_STOP_MAX,
            &hurry,
            self.desk.notifier().stop(NOTIFY_SEND_MAX),
        )
        .await;
        self.advisories.end();
        if let Some(scrapes) = self.scrapes {
            within(SCRAPES_STOP_MAX, &hurry, scrapes.stop()).await;
        }
        let flushed = self.recorder.stop(stop.flush).await;
        if let Some(sinks) = &self.sinks {
            sinks.stop(SINKS_STOP_MAX).await;
        }
        self.home.remove_admin_address();
        self.admin.end.cancel();
        self.admin.tasks.close();
        within(ADMIN_STOP_MAX, &hurry, self.admin.tasks.wait()).await;
        if !self
            .recorder
            .close_store(stop.flush.max(STORE_CLOSE_MIN))
            .await
        {
            (self.complain)(
                "the store could not be closed in time; what it was given last may be lost",
            );
        }
        self.workers.stop();
        Stopped { drained, flushed }
    }

    fn listen(&self, listener: tokio::net::TcpListener, accept: CancellationToken) {
        let stop = Stop {
            accept,
            abort: self.abort.clone(),
            connections: self.connections.clone(),
        };
        let (workers, front) = (Arc::clone(&self.workers), self.front.clone());
        let door = Arc::clone(&self.doors.data);
        tokio::spawn(async move {
            listener::serve(listener, Place::Workers(&workers), front, door, stop).await;
        });
    }

    fn note_loaded(&self, changes: &str) {
        let hash = self.plan.hash().into();
        let changes = changes.into();
        self.note(EventKind::PlanLoaded { hash, changes });
    }

    fn note(&self, kind: EventKind) {
        events::note(&self.recorder, kind);
    }
}

/// What the audit log calls it.
const RELOAD: &str = "configuration.reload";
/// How long calls may take to notice that they are cut, and connections to say so.
const ABORT_MAX: Duration = Duration::from_secs(2);
/// How long rules may take to notice that they are over.
const RULES_STOP_MAX: Duration = Duration::from_secs(2);
/// How long what is due may take to be told; the rest is told by the next start.
const NOTIFY_SEND_MAX: Duration = Duration::from_secs(2);
/// The same, until the state is closed.
const NOTIFY_STOP_MAX: Duration = Duration::from_secs(3);
/// How long scrapes may take to end.
const SCRAPES_STOP_MAX: Duration = Duration::from_secs(2);
/// How long answers of the admin API may take to end.
const ADMIN_STOP_MAX: Duration = Duration::from_secs(2);
/// How long sinks may take to send what is there; the rest is sent by the next start.
const SINKS_STOP_MAX: Duration = Duration::from_secs(2);
/// The store has at least so long to write what it was given.
const STORE_CLOSE_MIN: Duration = Duration::from_secs(1);
/// Every rung of the ladder that ends a child is bounded; this bounds them all together.
const CHILDREN_STOP_MAX: Duration = Duration::from_secs(30);
