//! The board of one server: its book, and what calls and lists ask of it.

use super::{Approval, ApproveError, PinError, PinKeep, Pinned};
use crate::reply::OwnError;
use crate::shared::{Shared, unix_ns};
use arc_swap::ArcSwap;
use ph_base::ServerName;
use ph_mcp::error::{code, quote};
use ph_plan::PinMode;
use ph_policy::pins::{Book, By, Change, Listing, Page, Standing, Whose};
use ph_record::{EventKind, Replica, Server};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest answer to `tools/list` that is looked at.
pub(crate) const PAGE_BYTES_MAX: usize = 4 << 20;

/// The tools of one server.
pub(crate) struct Board {
    shared: Arc<Shared>,
    server: Arc<Server>,
    keep: Option<Arc<dyn PinKeep>>,
    settings: ArcSwap<Settings>,
    book: Mutex<Book>,
    verdicts: ArcSwap<Verdicts>,
    /// An answer that could not be read has been told of.
    has_told_fault: AtomicBool,
    /// The server is to be asked.
    pub(super) wanted: Notify,
}

/// What the plan says.
pub(super) struct Settings {
    pub(super) mode: PinMode,
    hide: bool,
    pub(super) every: Duration,
    artefact: Box<str>,
}

/// What calls ask: made anew when the book changes, and read without a lock.
#[derive(Default)]
struct Verdicts {
    complete: bool,
    tools: HashMap<Box<str>, Option<Standing>>,
}

impl Board {
    /// Takes up the book where it was left.
    pub(super) fn open(
        shared: Arc<Shared>,
        server: Arc<Server>,
        keep: Option<Arc<dyn PinKeep>>,
    ) -> Result<Self, PinError> {
        let text = match &keep {
            Some(keep) => keep.load(server.name.as_str()).map_err(PinError::Keep)?,
            None => None,
        };
        let book = text.map_or_else(|| Ok(Book::default()), |text| Book::restore(&text))?;
        let settings = Settings {
            mode: PinMode::Off,
            hide: true,
            every: Duration::from_secs(600),
            artefact: "".into(),
        };
        Ok(Self {
            shared,
            server,
            keep,
            settings: ArcSwap::from_pointee(settings),
            verdicts: ArcSwap::from_pointee(Verdicts::of(&book)),
            book: Mutex::new(book),
            has_told_fault: AtomicBool::new(false),
            wanted: Notify::new(),
        })
    }

    pub(super) fn set(&self, mode: PinMode, pins: &ph_plan::Pins, artefact: &str) {
        self.settings.store(Arc::new(Settings {
            mode,
            hide: pins.hide,
            every: pins.every,
            artefact: artefact.into(),
        }));
        // Another period, or another server behind the name.
        self.wanted.notify_one();
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The number that is shown is right from now on.
    pub(super) fn show(&self) {
        let waiting = i64::try_from(self.book().waiting()).unwrap_or(i64::MAX);
        self.server.live.tools_unapproved.store(waiting, Relaxed);
    }

    /// Nobody asks any more.
    pub(super) fn put_away(&self) {
        self.server.live.tools_unapproved.store(-1, Relaxed);
    }

    /// The server has said that its tools are others now.
    pub(crate) fn ask_again(&self) {
        self.wanted.notify_one();
    }

    /// Why a tool cannot be called now; `None`: it can.
    pub(crate) fn objection(&self, tool: &str) -> Option<OwnError> {
        if self.settings.load().mode != PinMode::Block {
            return None;
        }
        let standing = self.verdicts.load().objection(tool)?;
        let server = self.server.name.as_str();
        let shown = ph_policy::pins::printable(tool, 100);
        let what = match standing {
            Standing::Changed => "its definition is no longer the one that was approved",
            Standing::Renamed => "it is another tool under a new name, which nobody has approved",
            _ => "it was not there when the tools of this server were approved",
        };
        let message = format!(
            "tool `{shown}` of server `{server}` is blocked: {what}. An operator of Pilothouse can look at it with \
             `pilothouse tools diff {server}` and approve it with `pilothouse tools approve {server}`"
        );
        let mut data = String::from("{\"reason\":\"tool_changed\",\"standing\":");
        quote(standing.as_str(), &mut data);
        data.push_str(",\"tool\":");
        quote(&shown, &mut data);
        data.push('}');
        Some(OwnError {
            data: Some(data),
            ..OwnError::new(403, code::TOOL_CHANGED, message)
        })
    }

    /// Takes in an answer to `tools/list`.
    ///
    /// - `cursor`: JSON text of the cursor that was asked with.
    pub(crate) fn listed(&self, answer: &[u8], whose: Whose, cursor: Option<&str>) {
        match Page::read(answer) {
            Ok(Some(page)) => self.take_in(&page, whose, cursor),
            // An error of the server.
            Ok(None) => {}
            Err(fault) => self.tell_fault(&fault.to_string()),
        }
    }

    /// Whether tools that are no longer what was accepted cannot be called.
    pub(crate) fn blocks(&self) -> bool {
        self.settings.load().mode == PinMode::Block
    }

    /// Whether a tool is left out of lists.
    pub(crate) fn hides(&self, tool: &str) -> bool {
        let settings = self.settings.load();
        let can = settings.mode == PinMode::Block && settings.hide;
        can && self.verdicts.load().objection(tool).is_some()
    }

    /// Takes in a page that the server listed.
    pub(crate) fn take_in(&self, page: &Page, whose: Whose, cursor: Option<&str>) {
        let settings = self.settings.load();
        let mut book = self.book();
        let before = book.revision();
        let changes = book.observe(
            page,
            Listing {
                whose,
                cursor,
                artefact: &settings.artefact,
                unix_s: unix_ns() / 1_000_000_000,
            },
        );
        if book.revision() == before {
            return;
        }
        if let Some(keep) = &self.keep {
            keep.save(self.server.name.as_str(), book.save());
        }
        self.verdicts.store(Arc::new(Verdicts::of(&book)));
        drop(book);
        self.show();
        for change in changes {
            self.tell(change, settings.mode);
        }
    }

    fn tell(&self, change: Change, mode: PinMode) {
        let is_gone = change.kind == ph_record::ToolChange::Removed;
        let kind = EventKind::ToolDefinition {
            change: change.kind,
            tool: shown(&change.tool).into(),
            from: change.from.map(|from| shown(&from).into()),
            places: shown(&change.places.join(", ")).into(),
            same_artefact: change.same_artefact,
            blocked: mode == PinMode::Block && !is_gone,
        };
        self.shared.event(Some(&self.server), Replica::None, kind);
    }

    /// Once: a server that lists so will do it each time.
    fn tell_fault(&self, why: &str) {
        if !self.has_told_fault.swap(true, Relaxed) {
            let text = format!("its list of tools cannot be pinned: {why}");
            let text = text.into();
            let kind = EventKind::Note {
                warning: true,
                text,
            };
            self.shared.event(Some(&self.server), Replica::None, kind);
        }
    }

    pub(super) fn approve(&self, approval: &Approval<'_>) -> Result<(), ApproveError> {
        let mut book = self.book();
        let mut next = book.clone();
        let by = By::Operator(approval.by.into());
        let now = unix_ns() / 1_000_000_000;
        next.approve(approval.tool, approval.hash, approval.also, by, now)?;
        if let Some(keep) = &self.keep {
            let saved = keep.save_now(self.server.name.as_str(), next.save());
            saved.map_err(ApproveError::Keep)?;
        }
        self.verdicts.store(Arc::new(Verdicts::of(&next)));
        *book = next;
        drop(book);
        self.show();
        let kind = EventKind::ToolApproved {
            tool: shown(approval.tool).into(),
            by: approval.by.into(),
        };
        self.shared.event(Some(&self.server), Replica::None, kind);
        Ok(())
    }

    pub(super) fn pinned(&self, server: ServerName) -> Pinned {
        let settings = self.settings.load();
        Pinned {
            server,
            mode: settings.mode,
            artefact: settings.artefact.clone(),
            book: self.book().clone(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdicts {
    fn of(book: &Book) -> Self {
        let tools = book.pins();
        Self {
            complete: book.is_complete(),
            tools: tools
                .map(|(name, _)| (name.into(), book.objection(name)))
                .collect(),
        }
    }

    fn objection(&self, tool: &str) -> Option<Standing> {
        match self.tools.get(tool) {
            Some(objection) => *objection,
            None => self.complete.then_some(Standing::Added),
        }
    }
}

/// Names and places are the server's words.
fn shown(text: &str) -> String {
    ph_policy::pins::printable(text, 300)
}
