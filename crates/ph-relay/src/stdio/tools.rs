//! Asking a shared child for its tools.

use super::StdioServer;
use super::pool::Shared;
use super::supervise::OWN_PARAMS;
use crate::pins::PAGE_WAIT_MAX;
use bytes::Bytes;

impl StdioServer {
    /// One page of a shared child's tools, as it answers it; `None` while there is no such child, as in front of a
    /// server that has a child for each session.
    ///
    /// - `cursor`: JSON text.
    pub(crate) async fn tools(&self, cursor: Option<&str>) -> Option<Bytes> {
        let link = match &*self.pool.summary.borrow() {
            Shared::Up(link) => link.clone(),
            // One that sleeps is not woken for this: whoever calls it lists its tools.
            Shared::Starting | Shared::Asleep | Shared::No | Shared::Down { .. } => return None,
        };
        let has_session = link.greeting().is_some();
        let params = match cursor {
            None if has_session => "{}".to_owned(),
            Some(cursor) if has_session => format!("{{\"cursor\":{cursor}}}"),
            None => OWN_PARAMS.to_owned(),
            Some(cursor) => format!("{{\"cursor\":{cursor},{}", &OWN_PARAMS[1..]),
        };
        let answer = link.ask_whole("tools/list", &params, PAGE_WAIT_MAX).await;
        Some(answer.ok()?.bytes.clone())
    }
}
