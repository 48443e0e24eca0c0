//! Cases of vulnerabilities: `cases.db` in the data directory, and whoever scans servers again and again.
//!
//! What is shown is a book that nobody changes. A change is made in a copy, kept on disk, and shown only then.

mod samples;

use crate::audit::AuditLog;
use crate::home::Home;
use crate::keys::KeyDeskError;
use crate::start_error::StartError;
use arc_swap::ArcSwap;
use ph_api::{CaseInfo, CaseList, CaseRefusal, Cases, NewMove};
use ph_auth::unix_s;
use ph_plan::Plan;
use ph_store::state::{State, StateError, Write, set_aside};
use ph_vuln::life::{Book, Case, Deadlines, Head, Look, NotMoved, Order, Refusal, meant};
use ph_vuln::report::Justification;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// The rows of cases, by number.
const CASES: &str = "cases";
/// The one row of what is known beside them.
const HEAD: &str = "cases-head";
const HEAD_KEY: &str = "head";
/// How often it is looked whether a scan is due, or a day is over.
const TICK: Duration = Duration::from_secs(15);
/// Why a case was not kept.
const NOT_KEPT: &str = "it could not be kept";

/// Looks at what servers hold. Its calls block.
pub(crate) trait Scanner: Send + Sync {
    /// Does as `plan` says from now on.
    fn apply(&self, plan: &Plan);

    /// The servers that there are.
    fn servers(&self) -> Vec<String>;

    /// There are advisories to compare with.
    fn can_scan(&self) -> bool;

    /// When that with which servers are compared was changed last: advisories and overrides. Another value calls for
    /// another scan.
    fn compared_with(&self) -> Vec<Option<SystemTime>>;

    /// What a server holds now. A scan that fails is a look, too.
    fn scan(&self, server: &str) -> Look;
}

/// The cases of a data directory.
pub struct CaseDesk {
    book: ArcSwap<Book>,
    state: Mutex<State>,
    settings: ArcSwap<Settings>,
    scanner: Option<Box<dyn Scanner>>,
    /// One scan at a time; what each server was compared with last by this process.
    scanning: Mutex<BTreeMap<String, Vec<Option<SystemTime>>>>,
    /// Told what has become of which case.
    say: Box<dyn Fn(&str) + Send + Sync>,
    /// Held while no daemon does, and then changes are written down here.
    alone: Option<(Home, AuditLog)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    deadlines: Deadlines,
    scan_every: Option<Duration>,
}

impl Settings {
    fn of(plan: &Plan) -> Self {
        let of = &plan.vuln.deadlines;
        Self {
            deadlines: Deadlines {
                critical_s: of.critical.as_secs(),
                high_s: of.high.as_secs(),
                medium_s: of.medium.as_secs(),
                low_s: of.low.as_secs(),
                exploited_s: of.exploited.as_secs(),
            },
            scan_every: plan.vuln.scan_every.time(),
        }
    }
}

impl CaseDesk {
    /// Of a daemon: scans from now on, and ends what was accepted when its day is over, as long as anybody else holds
    /// it.
    ///
    /// - `say`: told what has become of which case.
    /// - `news`: told when there may be something new to compare with.
    /// - `complain`: told what cannot be said otherwise.
    ///
    /// # Errors
    /// When the cases cannot be read, but for damage: what is damaged is set aside.
    pub(crate) fn start(
        plan: &Plan,
        home: &Home,
        scanner: Box<dyn Scanner>,
        say: Box<dyn Fn(&str) + Send + Sync>,
        news: Arc<Notify>,
        complain: &Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Result<Arc<Self>, StartError> {
        let path = home.cases();
        let (state, book) = match open(&path) {
            Err(error) if error.is_damage() => {
                let aside = set_aside(&path, unix_s()).map_err(StartError::Home)?;
                complain(&format!(
                    "{error}; it is now `{}`, and what was decided about vulnerabilities is lost",
                    aside.display()
                ));
                open(&path)
            }
            opened => opened,
        }?;
        let desk = Arc::new(Self {
            book: ArcSwap::from_pointee(book),
            state: Mutex::new(state),
            settings: ArcSwap::from_pointee(Settings::of(plan)),
            scanner: Some(scanner),
            scanning: Mutex::default(),
            say,
            alone: None,
        });
        tokio::spawn(watch(Arc::downgrade(&desk), news, Arc::clone(complain)));
        Ok(desk)
    }

    /// Of a data directory in which no daemon runs, nor will while this lives.
    ///
    /// - `plan`: says which deadlines there are.
    ///
    /// # Errors
    /// When a daemon runs there after all, or the cases cannot be read.
    pub fn open(data_dir: &Path, plan: &Plan) -> Result<Self, KeyDeskError> {
        let home = Home::open(data_dir)?;
        let audit = AuditLog::open(&home.logs()).map_err(StartError::Audit)?;
        let (state, book) = open(&home.cases()).map_err(StartError::Cases)?;
        Ok(Self {
            book: ArcSwap::from_pointee(book),
            state: Mutex::new(state),
            settings: ArcSwap::from_pointee(Settings::of(plan)),
            scanner: None,
            scanning: Mutex::default(),
            say: Box::new(|_| {}),
            alone: Some((home, audit)),
        })
    }

    /// Does as `plan` says from now on.
    pub(crate) fn apply(&self, plan: &Plan) {
        self.settings.store(Arc::new(Settings::of(plan)));
        if let Some(scanner) = &self.scanner {
            scanner.apply(plan);
        }
    }

    /// Writes what a scan saw into the cases. When it returns that is kept.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn observe(&self, look: &Look) -> Result<(), CaseRefusal> {
        self.change(|book| {
            book.observe(look, unix_s());
            Ok(())
        })
    }

    /// Makes a change in a copy, keeps it, and shows it.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Book) -> Result<T, CaseRefusal>,
    ) -> Result<T, CaseRefusal> {
        let mut state = lock(&self.state);
        let before = self.book.load_full();
        let mut book = Book::clone(&before);
        let done = change(&mut book)?;
        let written = writes(&book).and_then(|writes| {
            let kept = state.commit(&writes);
            kept.map_err(|error| error.to_string())
        });
        written.map_err(|error| CaseRefusal::Unavailable(format!("{NOT_KEPT}: {error}")))?;
        let told = told(&before, &book);
        book.saved();
        self.book.store(Arc::new(book));
        drop(state);
        for text in told {
            (self.say)(&text);
        }
        Ok(done)
    }

    /// Ends what is over, and scans what is due.
    fn tick(&self) -> Result<(), CaseRefusal> {
        let now = unix_s();
        let book = self.book.load_full();
        let servers = self.scanner.as_deref().map(Scanner::servers);
        let is_there = |name: &str| {
            let all = servers.as_ref();
            all.is_none_or(|all| all.iter().any(|known| known == name))
        };
        let is_over = |case: &Case| {
            case.accepted_until.is_some_and(|until| until <= now)
                || case.state.is_open() && !is_there(&case.subject)
        };
        let is_gone = |server: &String| !is_there(server);
        if book.cases().any(is_over) || book.head().scans().keys().any(is_gone) {
            self.change(|book| {
                book.pass_time(now);
                book.keep_only(is_there, now);
                Ok(())
            })?;
        }
        lock(&self.scanning).retain(|server, _| is_there(server));
        let settings = **self.settings.load();
        let (Some(scanner), Some(every)) = (self.scanner.as_deref(), settings.scan_every) else {
            return Ok(());
        };
        if !scanner.can_scan() {
            return Ok(());
        }
        let scans = book.head().scans();
        let compare_with = scanner.compared_with();
        let compared: BTreeSet<_> = lock(&self.scanning)
            .iter()
            .filter(|(_, with)| **with == compare_with)
            .map(|(server, _)| server.clone())
            .collect();
        for server in servers.unwrap_or_default() {
            let last = scans.get(&server).map(|scanned| scanned.at);
            // A clock that was set back makes no server wait for ever.
            let is_due = last.is_none_or(|at| at > now || now - at >= every.as_secs());
            // What an advisory of this minute is about is not found by the scan of the hour.
            if is_due || !compared.contains(&server) {
                self.scan_one(scanner, &server)?;
            }
        }
        Ok(())
    }

    fn scan_one(&self, scanner: &dyn Scanner, server: &str) -> Result<(), CaseRefusal> {
        let mut compared = lock(&self.scanning);
        // Before the scan: what changes meanwhile calls for the next.
        compared.insert(server.to_owned(), scanner.compared_with());
        let look = scanner.scan(server);
        self.observe(&look)
    }

    fn info(&self, id: u64) -> Result<CaseInfo, CaseRefusal> {
        let book = self.book.load();
        let found = book.case(id).map(|case| {
            let deadlines = self.settings.load().deadlines;
            CaseInfo::of(case, &deadlines, unix_s())
        });
        found.ok_or_else(|| CaseRefusal::Unknown(NotMoved::Unknown(id).to_string()))
    }

    /// Scans what the server of a case runs: only that leads to `deployed`.
    fn prove(&self, id: u64) -> Result<CaseInfo, CaseRefusal> {
        let server = self.info(id)?.server;
        let scanner = self.scanner()?;
        known(scanner, &server)?;
        let doubt = {
            let _one = lock(&self.scanning);
            let look = scanner.scan(&server);
            let book = self.book.load_full();
            let doubt = book
                .case(id)
                .and_then(|case| Some(look.doubt(case)?.words(case)));
            self.observe(&look)?;
            doubt
        };
        let after = self.info(id)?;
        if after.state == "deployed" {
            return Ok(after);
        }
        let why = doubt.unwrap_or_else(|| {
            let moves: Vec<_> = after.moves.keys().map(String::as_str).collect();
            let last = after.history.last().map_or("", |entry| &entry.reason);
            format!(
                "that is settled ({last}), and no scan changes it; possible: {}",
                moves.join(", ")
            )
        });
        let (advisory, state) = (&after.advisory, &after.state);
        let text = format!("{advisory} is {state}: {why}");
        Err(CaseRefusal::NotFromHere(text))
    }

    fn scanner(&self) -> Result<&dyn Scanner, CaseRefusal> {
        self.scanner.as_deref().ok_or_else(|| {
            let text = "nobody here can scan: only a daemon knows what its servers run";
            CaseRefusal::Unavailable(text.to_owned())
        })
    }

    fn order(&self, id: u64, wanted: NewMove, by: &str) -> Result<CaseInfo, CaseRefusal> {
        let before = self.info(id)?;
        let justification = match wanted.justification.as_deref() {
            None => None,
            Some(word) => Some(Justification::parse(word).ok_or_else(|| {
                let words = Justification::ALL.map(Justification::word).join(", ");
                CaseRefusal::Invalid(format!("a justification is one of {words}"))
            })?),
        };
        self.change(|book| {
            let case = book.case(before.id);
            let state = case.map_or(ph_vuln::life::State::Detected, |case| case.state);
            let what = meant(state, &wanted.what).map_err(CaseRefusal::NotFromHere)?;
            let order = Order {
                what,
                actor: by.to_owned(),
                reason: wanted.reason,
                evidence: wanted.evidence,
                until: wanted.until,
                score: wanted.score,
                justification,
            };
            book.order(id, &order, unix_s())
                .map_err(|error| refusal(&error))?;
            Ok(())
        })?;
        self.info(id)
    }
}

impl Cases for CaseDesk {
    fn list(&self, with_history: bool) -> Result<CaseList, CaseRefusal> {
        let deadlines = self.settings.load().deadlines;
        let book = self.book.load();
        Ok(CaseList::of(&book, &deadlines, unix_s(), with_history))
    }

    fn one(&self, id: u64) -> Result<CaseInfo, CaseRefusal> {
        self.info(id)
    }

    fn go(&self, id: u64, wanted: NewMove, by: &str) -> Result<CaseInfo, CaseRefusal> {
        if wanted.what == "deployed" {
            return self.prove(id);
        }
        let Some((_, audit)) = &self.alone else {
            return self.order(id, wanted, by);
        };
        let more = vec![("case", json!(id)), ("sent", json!(wanted))];
        audit.around("vulnerability.move", more, CaseRefusal::Unavailable, || {
            self.order(id, wanted, &crate::audit::own_user())
        })
    }

    fn scan(&self, server: Option<&str>) -> Result<(), CaseRefusal> {
        let scanner = self.scanner()?;
        let wanted = match server {
            None => scanner.servers(),
            Some(server) => {
                known(scanner, server)?;
                vec![server.to_owned()]
            }
        };
        for server in wanted {
            self.scan_one(scanner, &server)?;
        }
        Ok(())
    }
}

/// A server that is there.
fn known(scanner: &dyn Scanner, server: &str) -> Result<(), CaseRefusal> {
    let is_known = scanner.servers().iter().any(|known| known == server);
    let unknown = || CaseRefusal::Unknown(format!("there is no server `{server}`"));
    is_known.then_some(()).ok_or_else(unknown)
}

async fn watch(desk: Weak<CaseDesk>, news: Arc<Notify>, complain: Arc<dyn Fn(&str) + Send + Sync>) {
    let mut tick = tokio::time::interval(TICK);
    let mut said = String::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = news.notified() => {}
        }
        let Some(desk) = desk.upgrade() else {
            return;
        };
        // It fails only while the runtime ends.
        let done = tokio::task::spawn_blocking(move || desk.tick()).await;
        let text = match done {
            Ok(Err(error)) => format!("cases of vulnerabilities: {error}"),
            _ => String::new(),
        };
        if !text.is_empty() && text != said {
            complain(&text);
        }
        said = text;
    }
}

fn open(path: &Path) -> Result<(State, Book), StateError> {
    let state = State::open(path)?;
    let damaged = |reason: serde_json::Error| StateError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let head: Head = match state.row(HEAD, HEAD_KEY)? {
        Some(text) => serde_json::from_str(&text).map_err(damaged)?,
        None => Head::default(),
    };
    let mut cases = Vec::new();
    for (_, text) in state.rows(CASES)? {
        cases.push(serde_json::from_str(&text).map_err(damaged)?);
    }
    Ok((state, Book::of(head, cases)))
}

/// What of the book is to be kept.
fn writes(book: &Book) -> Result<Vec<Write>, String> {
    let text = |error: serde_json::Error| error.to_string();
    let mut writes = Vec::new();
    for (id, case) in book.unsaved() {
        writes.push(Write {
            room: CASES,
            key: format!("{id:020}"),
            value: case.map(serde_json::to_string).transpose().map_err(text)?,
        });
    }
    if book.is_head_unsaved() {
        writes.push(Write {
            room: HEAD,
            key: HEAD_KEY.to_owned(),
            value: Some(serde_json::to_string(book.head()).map_err(text)?),
        });
    }
    Ok(writes)
}

/// What has become of which case, a line each.
fn told(before: &Book, after: &Book) -> Vec<String> {
    let changed = after.unsaved().filter_map(|(id, case)| Some((id, case?)));
    let told = changed.filter_map(|(id, case)| {
        let was = before.case(id).map(|case| case.state);
        if was == Some(case.state) {
            return None;
        }
        let was = was.map_or(String::new(), |state| format!("{} → ", state.word()));
        Some(format!(
            "vulnerability {id} of {}: {} in {}, {}: {was}{}",
            case.subject,
            case.advisory,
            case.package,
            case.shown_class(),
            case.state.word()
        ))
    });
    told.collect()
}

fn refusal(error: &NotMoved) -> CaseRefusal {
    let text = error.to_string();
    match error {
        NotMoved::Unknown(_) => CaseRefusal::Unknown(text),
        NotMoved::Refused(Refusal::NotFromHere { .. } | Refusal::Malicious) => {
            CaseRefusal::NotFromHere(text)
        }
        NotMoved::Refused(_) => CaseRefusal::Invalid(text),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
