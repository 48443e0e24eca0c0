//! A shared child that asks a client something.
//!
//! It was told that its client can do nothing, so it should not. If it asks all the same, and it can only mean
//! one session, it becomes that session's own: nobody else's calls go there any more, and another child takes
//! its place. Else it is refused: no question ever goes to a client that it may not be meant for.

use crate::call::Call;
use crate::stdio::StdioServer;
use crate::stdio::link::Link;
use crate::stdio::session::StdioSession;
use bytes::Bytes;
use ph_mcp::ServerMessage;
use ph_mcp::error::{code, quote};
use ph_record::{Ending, EventKind, RefusedReason, Transport};
use std::sync::Arc;

const WHY: &str = "several client sessions share this server process, and it cannot be told which of them this request is for";

impl StdioServer {
    /// A shared child asks something.
    pub(in crate::stdio) fn asked_by_shared(
        &self,
        link: &Link,
        bytes: &Bytes,
        message: ServerMessage,
    ) {
        let id = message.id.as_ref().map_or("null", |id| id.raw.as_str());
        // Its client is Pilothouse, which is there.
        if message.method.as_deref() == Some("ping") {
            return link.post(format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}"
            ));
        }
        let session = self.whose(link).filter(|session| link.take_for(session));
        if let Some(session) = session {
            self.gives_away(link, &session);
            return session.asked(link, bytes, message);
        }
        let (mut why, code) = (String::new(), code::REFUSED);
        quote(WHY, &mut why);
        link.post(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\"message\":{why}}}}}"
        ));
        let length = bytes.len() as u64;
        let mut call = Call::of_server(&self.shared, &self.server, &message, length, None);
        call.set_transport(Transport::Stdio);
        call.record().replica = link.replica();
        call.set_error(WHY);
        call.finish(Ending::Refused(RefusedReason::Unattributed), 0, false);
        let kind = EventKind::Refused {
            reason: RefusedReason::Unattributed,
            peer: None,
        };
        self.shared.event(Some(&self.server), link.replica(), kind);
    }

    /// `link` is the child of `session` alone from now on.
    fn gives_away(&self, link: &Link, session: &Arc<StdioSession>) {
        let Some(member) = self.pool.give_away(link) else {
            return;
        };
        if let Some(side) = session.shared_side() {
            side.tie(&member);
        }
        let text = "it asked a client something: it is that session's alone from now on, and another child takes its place";
        let kind = EventKind::Note {
            warning: true,
            text: text.into(),
        };
        self.shared.event(Some(&self.server), link.replica(), kind);
    }
}
