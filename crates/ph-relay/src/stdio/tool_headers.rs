//! What the tools of shared children want repeated in `Mcp-Param-*` headers, and whether a call does.
//!
//! Learned from the lists of tools that pass, since a client that knows a tool has mostly
//! just listed it; else asked for, once. Nothing is refused by an old list: what
//! looks wrong is checked again with a fresh one.

use super::link::Link;
use super::supervise::OWN_PARAMS;
use ph_mcp::headers::ModernFault;
use ph_mcp::params::{Field, TOOLS_MAX, ToolPage, ToolParams};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a call waits for a list of ours; then it goes on unchecked.
const ASK_WAIT_MAX: Duration = Duration::from_secs(3);
/// A list that is younger is not asked for again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// Most pages that are asked for.
const PAGES_MAX: usize = 16;

/// What a server's children said of their tools.
#[derive(Debug, Default)]
pub(crate) struct ToolHeaders {
    known: Mutex<Known>,
    /// Held by the one call that asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// At most [`TOOLS_MAX`].
    tools: HashMap<Box<str>, Arc<ToolParams>>,
    /// Counts what makes a list old.
    changes: u64,
    /// When a list was asked for, and `changes` then.
    asked: Option<(Instant, u64)>,
    /// It answered then.
    has_said: bool,
}

impl ToolHeaders {
    /// The child's list is another one now.
    pub(super) fn changed(&self) {
        self.known().changes += 1;
    }

    /// Takes in an answer to `tools/list` that passes.
    pub(super) fn learn(&self, answer: &[u8]) {
        if let Some(page) = ToolPage::read(answer) {
            self.known().take_in(page);
        }
    }

    /// Checks the headers of a call of `tool`.
    ///
    /// # Errors
    /// The first disagreement, by a list that is fresh.
    pub(super) async fn check<'h>(
        &self,
        link: &Link,
        tool: &str,
        arguments: Option<&str>,
        header: impl Fn(&str) -> Field<'h>,
    ) -> Result<(), ModernFault> {
        let verdict = || {
            let params = self.known().of(tool);
            params.map(|p| p.check(arguments, &header))
        };
        if let Some(Ok(())) = verdict() {
            return Ok(());
        }
        if self.refresh(link).await {
            verdict().unwrap_or(Ok(()))
        } else {
            // A child that does not say has its calls unchecked.
            Ok(())
        }
    }

    /// Asks the child for its tools, unless that was done just now. Returns whether it has said.
    async fn refresh(&self, link: &Link) -> bool {
        let _asking = self.asking.lock().await;
        let changes = {
            let mut known = self.known();
            if known.is_fresh() {
                return known.has_said;
            }
            known.asked = Some((Instant::now(), known.changes));
            known.has_said = false;
            known.changes
        };
        if let Ok(Some(pages)) = tokio::time::timeout(ASK_WAIT_MAX, pages(link)).await {
            let mut known = self.known();
            if known.changes == changes {
                known.tools.clear();
            }
            pages.into_iter().for_each(|page| known.take_in(page));
            known.has_said = true;
        }
        self.known().has_said
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is known of `tool`; `None` when that is nothing, or no longer true.
    fn of(&self, tool: &str) -> Option<Arc<ToolParams>> {
        let is_old = self.asked.map_or(0, |(_, changes)| changes) != self.changes;
        self.tools.get(tool).filter(|_| !is_old).map(Arc::clone)
    }

    fn is_fresh(&self) -> bool {
        self.asked
            .is_some_and(|(at, changes)| changes == self.changes && at.elapsed() < FRESH_FOR)
    }

    fn take_in(&mut self, page: ToolPage) {
        for (name, params) in page.tools {
            if self.tools.len() < TOOLS_MAX || self.tools.contains_key(&name) {
                self.tools.insert(name, Arc::new(params));
            }
        }
    }
}

/// All pages of the child's list; `None` when it does not say.
async fn pages(link: &Link) -> Option<Vec<ToolPage>> {
    let mut pages = Vec::new();
    let mut cursor: Option<Box<str>> = None;
    while pages.len() < PAGES_MAX {
        let params = match &cursor {
            None => OWN_PARAMS.to_owned(),
            Some(cursor) => format!("{{\"cursor\":{cursor},{}", &OWN_PARAMS[1..]),
        };
        let answer = link.ask_whole("tools/list", &params, ASK_WAIT_MAX).await;
        let page = ToolPage::read(&answer.ok()?.bytes)?;
        cursor.clone_from(&page.next_cursor);
        pages.push(page);
        if cursor.is_none() {
            break;
        }
    }
    Some(pages)
}
