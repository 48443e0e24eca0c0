//! Clients that are refused for what was abnormal, as the API asks for them.

use arc_swap::ArcSwap;
use ph_api::BlockInfo;
use ph_policy::anomaly::Blocks;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whom the recorder's detectors refuse.
pub(crate) struct BlockDesk(pub(crate) Arc<ArcSwap<Blocks>>);

impl ph_api::Blocks for BlockDesk {
    fn list(&self) -> Vec<BlockInfo> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        let blocks = self.0.load();
        let now = blocks.iter().filter(|(_, b)| b.until_ms > now_ms);
        let mut all: Vec<_> = now
            .map(|(caller, blocked)| BlockInfo {
                client: caller.to_string(),
                kind: blocked.kind.as_label().to_owned(),
                until_ms: blocked.until_ms,
            })
            .collect();
        all.sort_by(|a, b| (&a.client, &a.kind).cmp(&(&b.client, &b.kind)));
        all
    }

    fn lift(&self, client: &str) -> bool {
        // Who is blocked meanwhile stays so: whoever loses goes again.
        let before = self.0.rcu(|now| {
            let mut next = Blocks::clone(now);
            next.lift(client);
            next
        });
        Blocks::clone(&before).lift(client) > 0
    }
}
