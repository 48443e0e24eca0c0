//! Asking servers for their tools: at their start, when they say that these have changed, and from time to time.
//!
//! A server behind a URL is asked in the session of our health checks, a shared child by requests of our own. The
//! child of a legacy session is its client's alone, and spares are as new when a session gets them: in front of such
//! a server what is known comes from the lists that clients ask for.

use super::board::{Board, PAGE_BYTES_MAX};
use crate::relay::Running;
use crate::upstream::{Upstream, Way};
use bytes::Bytes;
use ph_base::ServerName;
use ph_policy::pins::{Page, Whose};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::DropGuard;

/// Most pages that are asked for.
const PAGES_MAX: usize = 64;
/// Time for one page.
pub(crate) const PAGE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Least time between two times that a server is asked.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// First pause while a server cannot be asked; it doubles.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// Ours; clients have numbers made of who they are.
const OURS: Whose = Whose(0);

/// Who asks which server: those that go on asking the same server, and new ones.
pub(crate) fn watches(
    boards: &BTreeMap<ServerName, Arc<Board>>,
    servers: &BTreeMap<ServerName, Arc<Upstream>>,
    old: &Running,
) -> BTreeMap<ServerName, Arc<DropGuard>> {
    let mut watches = BTreeMap::new();
    for (name, board) in boards {
        let Some(upstream) = servers.get(name) else {
            continue;
        };
        let before = old.servers.get(name).filter(|b| b.way.is(&upstream.way));
        let watch = match before.and_then(|_| old.watches.get(name)) {
            Some(watch) => Arc::clone(watch),
            None => begin(upstream, board),
        };
        watches.insert(name.clone(), watch);
    }
    watches
}

/// Asks a server until what is returned is dropped, or the server is retired.
pub(super) fn begin(upstream: &Arc<Upstream>, board: &Arc<Board>) -> Arc<DropGuard> {
    let over = upstream.retired.child_token();
    let asking = watch(Arc::clone(upstream), Arc::clone(board));
    let until = over.clone();
    tokio::spawn(async move { until.run_until_cancelled(Box::pin(asking)).await });
    Arc::new(over.drop_guard())
}

/// Asks for ever.
async fn watch(upstream: Arc<Upstream>, board: Arc<Board>) {
    let mut retry = RETRY_MIN;
    loop {
        let every = board.settings().every;
        if ask(&upstream, &board).await {
            retry = RETRY_MIN;
            tokio::time::sleep(PAUSE_MIN.min(every)).await;
            // Passes when it is wanted, or when it is time.
            let _ = tokio::time::timeout(every, board.wanted.notified()).await;
        } else {
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(every);
        }
    }
}

/// Whether the server has said what its tools are.
pub(super) async fn ask(upstream: &Upstream, board: &Board) -> bool {
    let mut cursor: Option<Box<str>> = None;
    for _ in 0..PAGES_MAX {
        let Some(answer) = upstream.way.tools(cursor.as_deref()).await else {
            return false;
        };
        let Ok(Some(page)) = Page::read(&answer) else {
            // Told where it is listed to clients, too.
            board.listed(&answer, OURS, cursor.as_deref());
            return true;
        };
        board.take_in(&page, OURS, cursor.as_deref());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    true
}

impl Way {
    /// One page of the server's tools as it answers it; `None` when it cannot be asked now.
    ///
    /// - `cursor`: JSON text.
    async fn tools(&self, cursor: Option<&str>) -> Option<Bytes> {
        let asked = async {
            match self {
                Self::Http(http) => http.tools(cursor).await,
                Self::Stdio(stdio) => stdio.tools(cursor).await,
            }
        };
        let answer = tokio::time::timeout(PAGE_WAIT_MAX, asked).await.ok()??;
        (answer.len() <= PAGE_BYTES_MAX).then_some(answer)
    }
}
