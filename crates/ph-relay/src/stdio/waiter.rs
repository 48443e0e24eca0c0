//! A call that waits for what its child says, and how the child's words become its client's.

use super::inbox::{Frame, Inbox, Item};
use super::session::StdioSession;
use bytes::Bytes;
use ph_base::trace::{SpanId, TraceId};
use ph_mcp::splice::{self, Edit};
use ph_mcp::{MessageId, ServerMessage};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A call that waits for what the child says.
pub(crate) struct Waiter {
    pub inbox: Arc<Inbox>,
    /// Ids were replaced on the way in; this is how they go back.
    pub restore: Option<Restore>,
    /// Progress tokens as the child knows them.
    pub token: Option<MessageId>,
    /// It asked for log messages (modern).
    pub wants_log: bool,
    /// The session whose it is, on a child that sessions share.
    pub session: Option<Arc<StdioSession>>,
    pub trace: Option<(TraceId, SpanId)>,
    /// Nanoseconds it waits for its client.
    pub waited_ns: Arc<AtomicU64>,
    /// When it came, in order.
    pub(super) order: u64,
}

/// JSON texts as the client wrote them.
#[derive(Clone, Debug)]
pub(crate) struct Restore {
    pub id: Box<str>,
    pub token: Option<Box<str>>,
}

impl Waiter {
    pub(crate) fn new(inbox: &Arc<Inbox>) -> Self {
        Self {
            inbox: Arc::clone(inbox),
            restore: None,
            token: None,
            wants_log: false,
            session: None,
            trace: None,
            waited_ns: Arc::default(),
            order: 0,
        }
    }

    pub(super) fn is_of(&self, session: &Arc<StdioSession>) -> bool {
        let own = self.session.as_ref();
        own.is_some_and(|own| Arc::ptr_eq(own, session))
    }

    /// Puts a message of the child in the call's box, with the client's own ids in it.
    pub(super) fn give(&self, bytes: &Bytes, message: ServerMessage, is_answer: bool) -> bool {
        let bytes = match &self.restore {
            None => bytes.clone(),
            Some(restore) => restore.apply(bytes, &message, is_answer),
        };
        self.inbox.put(Item::Frame(Box::new(Frame {
            bytes,
            message,
            is_answer,
        })))
    }
}

impl Restore {
    /// `bytes` with the client's own ids in it.
    pub(super) fn apply(&self, bytes: &Bytes, message: &ServerMessage, is_answer: bool) -> Bytes {
        let mut edits = Vec::with_capacity(2);
        if let (true, Some(id)) = (is_answer, &message.id) {
            edits.push(Edit {
                range: id.range.clone(),
                text: self.id.as_ref().into(),
            });
        }
        if let Some(subscription) = &message.subscription_id {
            edits.push(Edit {
                range: subscription.range.clone(),
                text: self.id.as_ref().into(),
            });
        }
        if let (Some(token), Some(own)) = (&message.progress_token, &self.token) {
            edits.push(Edit {
                range: token.range.clone(),
                text: own.as_ref().into(),
            });
        }
        splice::apply(bytes, &mut edits).into()
    }
}
