//! The servers and tools that label sets are made of, and what is live of each.
//!
//! Indices are given once and never reused, also across a reload, so that a
//! counter can never be continued by another server.

use crate::LimitTable;
use arc_swap::ArcSwap;
use ph_base::ServerName;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

/// Index of a server in its [`ServerTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerIdx(pub u16);

/// Index of a tool in its server's [`ToolTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolIdx(pub u16);

impl ToolIdx {
    /// The call is not for a tool; label value is empty.
    pub const NONE: Self = Self(0);
    /// A tool outside the table; label value `other`.
    pub const OTHER: Self = Self(1);
    /// First index of a tool with a name of its own.
    const FIRST: u16 = 2;
}

/// The tools of one server that have a label of their own, at most [`ToolTable::MAX`].
///
/// Names come from the server (its `tools/list`, or calls that it accepted),
/// never from a client alone. Reading takes no lock.
#[derive(Debug, Default)]
pub struct ToolTable {
    inner: ArcSwap<Tools>,
    /// Serialises learning; readers never take it.
    learn: Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct Tools {
    by_name: HashMap<Arc<str>, ToolIdx>,
    names: Vec<Arc<str>>,
}

impl ToolTable {
    /// Most tools with a label of their own; the rest is `other`.
    pub const MAX: usize = 256;
    /// Longest tool name that gets a label, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;

    /// The index of `name`, or [`ToolIdx::OTHER`], with the interned name if there is one.
    pub fn find(&self, name: &str) -> (ToolIdx, Option<Arc<str>>) {
        let tools = self.inner.load();
        match tools.by_name.get_key_value(name) {
            Some((k, v)) => (*v, Some(Arc::clone(k))),
            None => (ToolIdx::OTHER, None),
        }
    }

    /// Gives `name` an index of its own while there is room; the server vouches for it.
    pub fn learn(&self, name: &str) -> ToolIdx {
        let known = self.find(name).0;
        if known != ToolIdx::OTHER || name.is_empty() || name.len() > Self::NAME_BYTES_MAX {
            return known;
        }
        // A panic while holding this lock cannot leave the table half written: it is swapped whole.
        let _guard = self.learn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.inner.load_full();
        if let Some(idx) = now.by_name.get(name) {
            return *idx;
        }
        if now.names.len() >= Self::MAX {
            return ToolIdx::OTHER;
        }
        let mut next = (*now).clone();
        let idx = ToolIdx(ToolIdx::FIRST + u16::try_from(next.names.len()).unwrap_or(u16::MAX));
        let name: Arc<str> = name.into();
        next.names.push(Arc::clone(&name));
        next.by_name.insert(name, idx);
        self.inner.store(Arc::new(next));
        idx
    }

    /// The label value of `idx`.
    pub fn label(&self, idx: ToolIdx) -> Arc<str> {
        match idx {
            ToolIdx::NONE => "".into(),
            ToolIdx::OTHER => "other".into(),
            ToolIdx(i) => self
                .inner
                .load()
                .names
                .get(usize::from(i - ToolIdx::FIRST))
                .map_or_else(|| "other".into(), Arc::clone),
        }
    }

    /// How many indices exist, `NONE` and `OTHER` included.
    pub fn len(&self) -> usize {
        self.inner.load().names.len() + usize::from(ToolIdx::FIRST)
    }

    /// Never: there are always `NONE` and `OTHER`.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Levels and rare counts of one server that are read when `/metrics` is; written by the relay.
#[derive(Debug, Default)]
pub struct Live {
    /// Open client sessions and streams.
    pub active_connections: AtomicI64,
    /// Calls begun and not yet recorded.
    pub calls_in_flight: AtomicI64,
    /// Calls waiting for a permit.
    pub queue_depth: AtomicI64,
    /// Calls that may wait for a permit.
    pub queue_limit: AtomicI64,
    /// Running child processes.
    pub children: AtomicI64,
    /// Replicas that are wanted.
    pub replicas_wanted: AtomicI64,
    /// Replicas that get calls.
    pub replicas_ready: AtomicI64,
    /// Replicas that are left out for a while.
    pub replicas_out: AtomicI64,
    /// Times that a replica was left out.
    pub ejections: AtomicU64,
    /// Times that more replicas were wanted.
    pub scaled_up: AtomicU64,
    /// Times that fewer replicas were wanted.
    pub scaled_down: AtomicU64,
    /// 1 when the last health check passed, 0 when it failed, -1 before the first.
    pub up: AtomicI64,
    /// Tools that wait for somebody to approve them, -1 where tools are not pinned.
    pub tools_unapproved: AtomicI64,
    /// Notifications from clients to the server.
    pub notifications_to_server: AtomicU64,
    /// Notifications from the server to clients.
    pub notifications_to_client: AtomicU64,
    /// Messages of the server that could not be given to any client and were dropped.
    pub messages_dropped: AtomicU64,
    /// Drafts that were dropped without an ending; anything but 0 is our bug.
    pub drafts_lost: AtomicU64,
    /// Requests refused before they were calls, by [`crate::RefusedReason`] index.
    pub refused: [AtomicU64; crate::RefusedReason::ALL.len()],
    /// Requests that did not show who they are from, by [`crate::AuthFailure`] index.
    pub auth_failures: [AtomicU64; crate::AuthFailure::ALL.len()],
}

/// One server as telemetry knows it.
#[derive(Debug)]
pub struct Server {
    /// Its index.
    pub idx: ServerIdx,
    /// Its name; the `server` label.
    pub name: ServerName,
    /// Its tools.
    pub tools: ToolTable,
    /// Its levels.
    pub live: Live,
}

impl Server {
    /// Gives every tool that the server lists a label, while there is room.
    pub fn learn(&self, tools: &[String]) {
        for tool in tools {
            self.tools.learn(tool);
        }
    }
}

/// Every server that was ever configured in this process, in order of appearance.
///
/// Bounded by 65,536 names over the life of the process.
#[derive(Debug, Default)]
pub struct ServerTable {
    servers: ArcSwap<Vec<Arc<Server>>>,
    add: Mutex<()>,
    /// The limits on calls, of all servers.
    pub limits: LimitTable,
}

impl ServerTable {
    /// The entry of `name`, made when it is new; `None` when the table is full.
    pub fn intern(&self, name: &ServerName) -> Option<Arc<Server>> {
        let _guard = self.add.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.servers.load_full();
        if let Some(s) = now.iter().find(|s| s.name == *name) {
            return Some(Arc::clone(s));
        }
        let live = Live {
            up: AtomicI64::new(-1),
            tools_unapproved: AtomicI64::new(-1),
            ..Live::default()
        };
        let idx = ServerIdx(u16::try_from(now.len()).ok()?);
        let server = Arc::new(Server {
            idx,
            name: name.clone(),
            tools: ToolTable::default(),
            live,
        });
        let mut next = (*now).clone();
        next.push(Arc::clone(&server));
        self.servers.store(Arc::new(next));
        Some(server)
    }

    /// The entry at `idx`.
    pub fn get(&self, idx: ServerIdx) -> Option<Arc<Server>> {
        self.servers.load().get(usize::from(idx.0)).map(Arc::clone)
    }

    /// All entries, in index order.
    pub fn all(&self) -> Arc<Vec<Arc<Server>>> {
        self.servers.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_learned_up_to_the_bound() {
        let t = ToolTable::default();
        assert_eq!(t.find("a").0, ToolIdx::OTHER);
        let a = t.learn("a");
        assert_eq!((t.find("a").0, &*t.label(a)), (a, "a"));
        for i in 0..300 {
            t.learn(&format!("t{i}"));
        }
        assert_eq!(t.len(), ToolTable::MAX + 2);
        assert_eq!(t.learn("one more"), ToolIdx::OTHER);
        assert_eq!(&*t.label(ToolIdx::NONE), "");
    }

    #[test]
    fn a_server_keeps_its_index() {
        let t = ServerTable::default();
        let name = |s| ServerName::parse(s).unwrap();
        let a = t.intern(&name("a")).unwrap().idx;
        let b = t.intern(&name("b")).unwrap().idx;
        assert_ne!(a, b);
        assert_eq!(t.intern(&name("a")).unwrap().idx, a);
        assert_eq!(t.get(b).unwrap().name.as_str(), "b");
    }
}
