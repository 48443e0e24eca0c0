//! What an exchange makes of what passes: answers end calls, questions begin some.

use super::Exchange;
use crate::call::Call;
use crate::heard::Heard;
use http::{HeaderMap, StatusCode};
use ph_base::{Era, Method};
use ph_mcp::{Kind, ServerMessage};
use ph_record::{Answer, Ending};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Exchange {
    /// Takes note of what passed.
    pub(super) fn hear(&mut self, heard: Vec<Heard>) {
        for Heard { message, bytes } in heard {
            match message.kind() {
                Some(Kind::Response) => self.heard_answer(&message, bytes),
                Some(Kind::Notification) => {
                    self.server.shared.notified(&self.server.server, &message);
                    self.server
                        .server
                        .live
                        .notifications_to_client
                        .fetch_add(1, Relaxed);
                }
                Some(Kind::Request) => self.heard_question(&message, bytes),
                None => {}
            }
        }
    }

    pub(super) fn heard_answer(&mut self, message: &ServerMessage, bytes: u64) {
        let Some(id) = message.message_id() else {
            return;
        };
        match self.calls.iter().position(|c| c.id.as_ref() == Some(&id)) {
            Some(i) => {
                let mut call = self.calls.swap_remove(i);
                if call.method == Method::ToolsList {
                    self.server.server.learn(&message.tools);
                }
                let ending = call.answer(message, bytes);
                call.finish(ending, self.reply.status, !self.reply.gone);
            }
            None => {
                if let Some(session) = &self.client.session {
                    session.answered(message, bytes, !self.reply.gone);
                }
            }
        }
    }

    /// A question of the server on a call's stream: a call of its own, when its answer can be told apart.
    pub(super) fn heard_question(&mut self, message: &ServerMessage, bytes: u64) {
        let Some(session) = self.client.session.clone() else {
            return;
        };
        let parent = self
            .calls
            .first_mut()
            .map(|c| (c.trace(), Arc::clone(&c.waited_ns)));
        let (trace, waited) = parent.unzip();
        let mut call = Call::of_server(
            &self.server.shared,
            &self.server.server,
            message,
            bytes,
            trace,
        );
        call.record().session = self.client.session_tag();
        call.record().client = session.client();
        call.sent();
        session.asked(call, waited);
    }

    /// Takes note of a whole answer.
    pub(super) fn heard_all(
        &mut self,
        status: StatusCode,
        messages: Vec<ServerMessage>,
        bytes: u64,
    ) {
        let status = status.as_u16();
        if !self.reply.has_head() {
            self.reply.status = if self.reply.gone { 0 } else { status };
        }
        let mut unmatched = None;
        for message in messages {
            let id = message.message_id();
            let is_ours = id.is_some() && self.calls.iter().any(|c| c.id == id);
            match message.kind() {
                Some(Kind::Response) if is_ours => self.finish_answered(&message, bytes, status),
                Some(Kind::Response) => unmatched = Some(message),
                _ => {}
            }
        }
        // What is left got no answer of its own; an error without id, or a bare status, is the answer.
        let ending = match &unmatched {
            _ if status >= 400 => Ending::HttpError(status),
            _ => Ending::BadAnswer,
        };
        if let Some(text) = unmatched.as_ref().and_then(|m| m.error_message.as_deref()) {
            self.calls.iter_mut().for_each(|c| c.set_error(text));
        }
        for mut call in std::mem::take(&mut self.calls) {
            call.answered();
            call.record().response_bytes = bytes;
            call.record().rpc_code = unmatched.as_ref().and_then(|m| m.error_code);
            call.finish(ending, self.reply.status, !self.reply.gone);
        }
    }

    pub(super) fn finish_answered(&mut self, message: &ServerMessage, bytes: u64, status: u16) {
        let id = message.message_id();
        let Some(i) = self.calls.iter().position(|c| c.id == id) else {
            return;
        };
        let mut call = self.calls.swap_remove(i);
        if call.method == Method::ToolsList {
            self.server.server.learn(&message.tools);
        }
        let ending = match call.answer(message, bytes) {
            // A code without a meaning of its own: the HTTP status knows better than "500".
            Ending::Answered(Answer::Error(c)) if status >= 400 && !has_meaning(c) => {
                Ending::HttpError(status)
            }
            ending => ending,
        };
        call.finish(ending, self.reply.status, !self.reply.gone);
    }

    /// An answer's head is there: an initialize may have opened a session, or the
    /// upstream vouches for one that began before we did.
    pub(super) fn opened(&mut self, status: StatusCode, headers: &HeaderMap) {
        if !status.is_success() {
            return;
        }
        if self.calls.iter().any(|c| c.method == Method::Initialize) {
            let name = self
                .calls
                .first_mut()
                .and_then(|c| c.record().client.clone());
            let owner = self.client.principal.as_deref();
            let slot = self.place.as_ref().map_or(0, |place| place.replica.slot);
            let of_client = self.client.place.take();
            self.server.watch(headers, name, owner, slot, of_client);
        } else if let (None, Era::Legacy, Some(id)) =
            (&self.client.session, self.era, self.client.session_id())
        {
            let owner = self.client.principal.as_deref();
            let slot = self.place.as_ref().map_or(0, |place| place.replica.slot);
            self.server.sessions.watch(id, owner, slot, None);
        }
    }
}

/// JSON-RPC codes that the status table knows.
fn has_meaning(code: i64) -> bool {
    matches!(code, -32700 | -32603..=-32600 | -32002 | -32022..=-32020)
}
