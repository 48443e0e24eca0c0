//! How many sessions and open streams one client has: its principal, else its address.
//!
//! Bounds on all clients together are elsewhere (`sessions.max`, connections); these keep one client from taking all of
//! that. Nothing of it is asked for an ordinary call.

use crate::guard::Refusal;
use crate::inbound::Client;
use crate::relay::{Relay, Running};
use crate::reply::OwnError;
use crate::upstream::Upstream;
use http::Response;
use ph_base::Method;
use ph_mcp::envelope::Body as RpcBody;
use ph_mcp::error::code;
use ph_mcp::{Envelope, Kind};
use ph_plan::Clients;
use ph_record::RefusedReason;
use ph_wire::body::Body;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    Session,
    Stream,
}

/// What all clients have. One entry for each client that has any, so `sessions.max` and the connections bound it.
#[derive(Default)]
pub(crate) struct Crowd {
    held: Mutex<HashMap<(Thing, Arc<str>), u32>>,
    sessions_max: AtomicU32,
    streams_max: AtomicU32,
}

/// One of what a client may have, until dropped.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    key: (Thing, Arc<str>),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self
            .crowd
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

impl Crowd {
    /// So many from now on; what is there stays.
    pub(crate) fn set(&self, plan: &Clients) {
        self.sessions_max.store(plan.sessions_max, Relaxed);
        self.streams_max.store(plan.streams_max, Relaxed);
    }

    /// One more; `None` when `client` has as many as it may.
    fn place(self: &Arc<Self>, thing: Thing, client: &str) -> Option<Place> {
        let max = match thing {
            Thing::Session => self.sessions_max.load(Relaxed),
            Thing::Stream => self.streams_max.load(Relaxed),
        };
        let key = (thing, Arc::from(client));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&key).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        held.insert(key.clone(), count + 1);
        drop(held);
        let crowd = Arc::clone(self);
        Some(Place { crowd, key })
    }
}

/// What a posted body asks for that is counted.
pub(crate) fn wanted(read: &RpcBody<'_>, client: &Client) -> Option<Thing> {
    match read {
        RpcBody::One(envelope) if envelope.kind == Kind::Request => match envelope.method {
            Method::Initialize if client.session_id().is_none() => Some(Thing::Session),
            Method::SubscriptionsListen => Some(Thing::Stream),
            _ => None,
        },
        _ => None,
    }
}

impl Running {
    /// One more of `thing` for a client.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(crate) fn place(
        &self,
        crowd: &Arc<Crowd>,
        thing: Thing,
        client: &Client,
    ) -> Result<Option<Place>, Box<Refusal>> {
        let Some(rules) = &self.clients else {
            return Ok(None);
        };
        let header = |name: &str| {
            // Whoever chooses its own name would have as many as it likes.
            let is_name = name.eq_ignore_ascii_case("x-client-id");
            let values = client.headers.get_all(name).iter();
            values.filter_map(move |value| value.to_str().ok().filter(|_| !is_name))
        };
        let id = rules.identify(client.principal.as_deref(), client.peer, header);
        let id = id.to_string();
        if let Some(place) = crowd.place(thing, &id) {
            return Ok(Some(place));
        }
        let (reason, what) = match thing {
            Thing::Session => (
                RefusedReason::TooManySessions,
                "sessions (`clients.sessions_max`)",
            ),
            Thing::Stream => (
                RefusedReason::TooManyStreams,
                "streams (`clients.streams_max`)",
            ),
        };
        let message = format!("client {id} has as many {what} as it may have; end one first");
        let error =
            OwnError::new(reason.http_status(), code::LIMITED, message).retry_after(RETRY_S);
        Err(Refusal::new(reason, error))
    }
}

/// A refused client is told to come again after so many seconds.
const RETRY_S: u64 = 30;

impl Relay {
    /// Refuses the message that would open one more.
    pub(crate) fn refuse_one(
        &self,
        upstream: &Upstream,
        client: &mut Client,
        body: &[u8],
        envelope: &Envelope<'_>,
        refusal: &Refusal,
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(body).unwrap_or("");
        let id = envelope.id.clone().map(|range| &text[range]);
        let response = refusal.error.response(id);
        let status = response.status().as_u16();
        upstream.refuse(self, client, text, envelope, refusal, status);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_so_many_and_gets_them_back() {
        let crowd = Arc::<Crowd>::default();
        let plan = Clients {
            sessions_max: 2,
            streams_max: 1,
            ..Clients::default()
        };
        crowd.set(&plan);
        let one = |thing, client| crowd.place(thing, client);
        let first = one(Thing::Session, "a");
        let second = one(Thing::Session, "a");
        assert!(first.is_some() && second.is_some());
        assert!(one(Thing::Session, "a").is_none(), "as many as it may have");
        assert!(one(Thing::Stream, "a").is_some(), "of another thing");
        let other = one(Thing::Session, "b");
        assert!(other.is_some(), "another client");
        drop(first);
        let third = one(Thing::Session, "a");
        assert!(third.is_some() && one(Thing::Session, "a").is_none());
        drop((second, third, other));
        assert!(
            crowd.held.lock().unwrap().is_empty(),
            "nobody is remembered"
        );
    }
}
