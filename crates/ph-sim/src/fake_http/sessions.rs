//! What the fake upstream remembers between requests.

use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait on one stream; more are not sent.
const STREAM_MESSAGES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    alive: HashMap<String, ()>,
    made: u64,
    streams: Vec<mpsc::Sender<Bytes>>,
    /// What a cut stream still owes, by the id of the last event it sent.
    owed: HashMap<String, Value>,
    cuts: u64,
    /// By the text of the id: who waits for the client's answer.
    asked: HashMap<String, oneshot::Sender<Value>>,
}

impl Sessions {
    pub(super) fn make(&mut self) -> String {
        self.made += 1;
        let id = format!("session-{}", self.made);
        self.alive.insert(id.clone(), ());
        id
    }

    pub(super) fn is_alive(&self, id: &str) -> bool {
        self.alive.contains_key(id)
    }

    pub(super) fn end(&mut self, id: &str) -> bool {
        self.alive.remove(id).is_some()
    }

    pub(super) fn forget(&mut self) {
        self.alive.clear();
        self.streams.clear();
    }

    pub(super) fn count(&self) -> usize {
        self.alive.len()
    }

    pub(super) fn stream(&mut self) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(STREAM_MESSAGES_MAX);
        self.streams.push(sender);
        receiver
    }

    pub(super) fn broadcast(&mut self, message: &Value) -> usize {
        self.streams.retain(|stream| !stream.is_closed());
        let event = Bytes::from(super::body::event(None, message));
        self.streams
            .iter()
            .filter(|stream| stream.try_send(event.clone()).is_ok())
            .count()
    }

    pub(super) fn close_streams(&mut self) {
        self.streams.clear();
    }

    /// Keeps what a cut stream owes and gives the id by which it can be had.
    pub(super) fn owe(&mut self, answer: Value) -> String {
        self.cuts += 1;
        let id = format!("cut-{}", self.cuts);
        self.owed.insert(id.clone(), answer);
        id
    }

    pub(super) fn pay(&mut self, event_id: &str) -> Option<Value> {
        self.owed.remove(event_id)
    }

    pub(super) fn ask(&mut self, id: &str) -> oneshot::Receiver<Value> {
        let (sender, receiver) = oneshot::channel();
        self.asked.insert(Value::from(id).to_string(), sender);
        receiver
    }

    pub(super) fn told(&mut self, id: &Value, body: Value) {
        if let Some(waiting) = self.asked.remove(&id.to_string()) {
            // Its stream may have been left meanwhile.
            let _ = waiting.send(body);
        }
    }
}
