//! Requests that did not show who they are from, and sessions of somebody else.

use crate::call::Call;
use crate::guard;
use crate::inbound::Client;
use crate::relay::Relay;
use crate::reply::OwnError;
use crate::upstream::{Upstream, Way};
use http::{HeaderMap, Response};
use ph_mcp::error::code;

use ph_record::{AnomalyKind, AuthFailure, Ending, RefusedReason};
use ph_wire::body::Body;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

impl Relay {
    /// Answers a request to the MCP endpoint of `name` that did not show who it is from, unread.
    pub fn deny(
        &self,
        name: &str,
        headers: HeaderMap,
        peer: SocketAddr,
        failure: AuthFailure,
    ) -> Response<Body> {
        let error = match failure {
            AuthFailure::Scope => OwnError::new(403, code::FORBIDDEN, failure.message()),
            AuthFailure::KeysUnavailable => {
                OwnError::new(503, code::OVERLOAD, failure.message()).retry_after(5)
            }
            _ => OwnError::new(401, code::UNAUTHENTICATED, failure.message()),
        };
        let running = self.running.load_full();
        let found = running.servers.iter().find(|(n, _)| n.as_str() == name);
        if let Some((_, upstream)) = found {
            let server = &upstream.server;
            server.live.auth_failures[failure as usize].fetch_add(1, Relaxed);
            let mut client = Client::new(peer, headers);
            running.identify(&mut client);
            let mut call = Call::of_nobody(&self.shared, server, &client);
            call.set_error(&error.message);
            let ending = match failure {
                AuthFailure::Scope => Ending::Refused(RefusedReason::Forbidden),
                AuthFailure::KeysUnavailable => Ending::Overload,
                _ => Ending::Refused(RefusedReason::Unauthenticated),
            };
            call.finish(ending, error.status, true);
        }
        error.response(None)
    }

    /// Refuses a request of an address that failed to show who it is from so often that it is blocked for it, before
    /// it can try once more.
    pub fn shut_out_stranger(
        &self,
        name: &str,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Option<Response<Body>> {
        let running = self.running.load();
        let watched = running.guard.as_ref()?.anomalies.as_ref()?;
        if !watched.blocks_any() {
            return None;
        }
        let mut client = Client::new(peer, headers.clone());
        running.identify(&mut client);
        let blocked = watched.blocked(&client)?;
        let (_, upstream) = running.servers.iter().find(|(n, _)| n.as_str() == name)?;
        (blocked.kind == AnomalyKind::AuthFailures).then(|| {
            let refusal = guard::blocked(blocked);
            let call = Call::of_nobody(&self.shared, &upstream.server, &client);
            self.refuse_call(call, refusal.reason, &refusal.error)
        })
    }

    /// Answers as if there were no such session: whoever guesses ids learns nothing, and an honest client
    /// opens a new one.
    pub(crate) fn not_their_session(&self, upstream: &Upstream, client: &Client) -> Response<Body> {
        let call = Call::of_nobody(&self.shared, &upstream.server, client);
        let error = OwnError::new(404, code::SESSION_NOT_FOUND, "Session not found");
        self.refuse_call(call, RefusedReason::SessionUnknown, &error)
    }
}

impl Way {
    /// Whether `client` names a session that its principal has not opened, as far as we have seen it opened.
    pub(crate) fn is_of_another(&self, client: &Client) -> bool {
        let Some(id) = client.session_id() else {
            return false;
        };
        let principal = client.principal.as_deref();
        match self {
            // One that began before us could be anybody's.
            Self::Http(http) => !http.sessions.find(id).is_some_and(|s| s.is_of(principal)),
            // One that is not there is refused by its own answer.
            Self::Stdio(stdio) => stdio.session(id).is_some_and(|s| !s.is_of(principal)),
        }
    }
}
