//! One child as its users see it: lines go in, and every line that comes out finds
//! the call, the session or the stream it belongs to.

mod crowd;

use super::inbox::{Frame, Inbox, Item};
use super::session::StdioSession;
use super::tool_headers::ToolHeaders;
use super::waiter::Waiter;
use crate::shared::{ChildSlot, MemoryWatch, Running, Shared, unix_ns};
use bytes::Bytes;
pub(super) use crowd::{Callers, Crowd, Greeting};
use ph_base::trace::{SpanId, TraceId};
use ph_mcp::{AnswerScan, Kind, MessageId, ServerMessage};
use ph_record::{EventKind, KeyLines, Observation, Replica, Server, ServerLine};
use ph_wire::child::{self, Child, ChildSpec, ChildWriter, End, SpawnError};
use ph_wire::lines::Frame as Line;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const NO_MESSAGE: &str = "a line on standard output is no JSON-RPC message";

/// One running child.
pub(crate) struct Link {
    shared: Arc<Shared>,
    server: Arc<Server>,
    writer: OnceLock<ChildWriter>,
    replica: Replica,
    /// It serves, or will serve, one session.
    is_of_session: AtomicBool,
    pub pid: OnceLock<u32>,
    table: Mutex<Table>,
    /// The session it belongs to, once it does.
    session: OnceLock<Weak<StdioSession>>,
    /// What it is told on behalf of all sessions, where they share it.
    crowd: OnceLock<Crowd>,
    /// Cancelled to end the child.
    close: CancellationToken,
    /// Cancelled when the child is gone.
    pub gone: CancellationToken,
    /// Why it is gone; with the last words of its stderr.
    obituary: OnceLock<Arc<str>>,
    next_id: AtomicU64,
    /// Set where its memory is ours to look after.
    memory: Option<Arc<MemoryWatch>>,
    /// What its tools want repeated in headers.
    pub(super) tools: Arc<ToolHeaders>,
}

#[derive(Default)]
struct Table {
    calls: HashMap<MessageId, Waiter>,
    order: u64,
    closed: bool,
    /// The only session that it has calls of from now on, by a pointer: a session that ended has none.
    taken_by: Option<Weak<StdioSession>>,
}

/// Why a call cannot wait on a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoWait {
    /// The child is gone.
    Gone,
    /// The id is in flight already.
    Duplicate,
    /// The child has become another session's.
    Taken,
}

/// Why a child is listened to no more.
enum Finish {
    Asked,
    Unasked(End),
    /// It used this many bytes.
    TooMuch(u64),
}

/// How long each rung of the ladder takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ladder {
    pub stdin_grace: Duration,
    pub term_grace: Duration,
}

/// What a child is for.
pub(crate) struct Role {
    pub replica: Replica,
    /// How it is ended.
    pub ladder: Ladder,
    /// What its tools want repeated; shared with children that are like it.
    pub tools: Arc<ToolHeaders>,
}

impl Link {
    /// Starts a child on one of the workers and listens to it.
    ///
    /// `ended`: told once, when it is gone, whether that was asked for.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        server: &Arc<Server>,
        spec: &ChildSpec,
        role: Role,
        slot: ChildSlot,
        ended: impl FnOnce(&Arc<Link>, bool) + Send + 'static,
    ) -> Result<Arc<Self>, SpawnError> {
        let watched = spec
            .memory_bytes_max
            .filter(|_| shared.parts.cgroups.usable().is_err());
        let Role {
            replica,
            ladder,
            tools,
        } = role;
        let link = Arc::new(Self {
            memory: watched.map(MemoryWatch::new),
            shared: Arc::clone(shared),
            server: Arc::clone(server),
            writer: OnceLock::new(),
            replica,
            is_of_session: AtomicBool::new(replica == Replica::Session),
            pid: OnceLock::new(),
            table: Mutex::default(),
            session: OnceLock::new(),
            crowd: OnceLock::new(),
            close: shared.parts.end_children.child_token(),
            gone: CancellationToken::new(),
            obituary: OnceLock::new(),
            next_id: AtomicU64::new(1),
            tools,
        });
        let heard = Arc::downgrade(&link);
        let key_lines = KeyLines::default();
        let on_stderr = Arc::new(move |line: &str| {
            let line = key_lines.redact(line);
            if let Some(link) = Weak::upgrade(&heard) {
                link.stderr(line);
            }
        });
        let handle = shared.parts.workers.handle(slot.number());
        let child = {
            let _on_worker = handle.enter();
            child::spawn(spec, &shared.parts.reaper, on_stderr)?
        };
        let pid = child.pgid();
        // Set once, here: the link is new.
        let _ = (link.writer.set(child.writer().clone()), link.pid.set(pid));
        server.live.children.fetch_add(1, Relaxed);
        shared.child_runs(pid, link.running(replica));
        shared.event(Some(server), replica, EventKind::ChildStarted { pid });
        let attended = Arc::clone(&link);
        handle.spawn(async move {
            let expected = attended.attend(child, ladder).await;
            drop(slot);
            attended.shared.child_gone(pid);
            attended.server.live.children.fetch_sub(1, Relaxed);
            ended(&attended, expected);
        });
        Ok(link)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, what is nobody's in particular belongs to `session`.
    pub(crate) fn belong_to(&self, session: &Arc<StdioSession>) {
        let _ = self.session.set(Arc::downgrade(session));
    }

    /// Its label: a slot of the shared pool, or all children of sessions together.
    pub(crate) fn replica(&self) -> Replica {
        if self.is_of_session.load(Relaxed) {
            Replica::Session
        } else {
            self.replica
        }
    }

    /// The server has no use for a shared child: this one is for a session.
    pub(crate) fn become_spare(&self) {
        self.is_of_session.store(true, Relaxed);
        if let Some(pid) = self.pid.get() {
            self.shared.child_runs(*pid, self.running(Replica::Session));
        }
    }

    fn running(&self, replica: Replica) -> Running {
        Running {
            server: self.server.idx,
            replica,
            memory: self.memory.clone(),
        }
    }

    /// Asks the child to end; see [`Link::gone`].
    pub(crate) fn close(&self) {
        self.close.cancel();
    }

    /// Why the child is gone.
    pub(crate) fn obituary(&self) -> Arc<str> {
        self.obituary
            .get()
            .cloned()
            .unwrap_or_else(|| "the server process ended".into())
    }

    /// An id that no client uses, for requests of our own and for shared children.
    pub(crate) fn fresh_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// Registers a call under the id that the child will know it by.
    pub(crate) fn wait(&self, id: &MessageId, mut waiter: Waiter) -> Result<(), NoWait> {
        let mut table = self.table();
        if table.closed {
            return Err(NoWait::Gone);
        }
        if table.calls.contains_key(id) {
            return Err(NoWait::Duplicate);
        }
        if !table.admits(waiter.session.as_ref()) {
            return Err(NoWait::Taken);
        }
        table.order += 1;
        waiter.order = table.order;
        table.calls.insert(id.clone(), waiter);
        Ok(())
    }

    /// The call is over. `true` when the child had not answered it.
    pub(crate) fn forget(&self, id: &MessageId) -> bool {
        self.table().calls.remove(id).is_some()
    }

    /// Gives `item` to the call `id`, if it is still open.
    pub(crate) fn tell(&self, id: &MessageId, item: Item) {
        if let Some(waiter) = self.table().calls.get(id) {
            waiter.inbox.put(item);
        }
    }

    /// Every call that waits learns that its session is over.
    pub(crate) fn tell_all_ended(&self) {
        for waiter in self.table().calls.values() {
            waiter.inbox.put(Item::SessionEnded);
        }
    }

    pub(crate) fn has_calls(&self) -> bool {
        !self.table().calls.is_empty()
    }

    /// Writes one message. `Err` when the child takes no more.
    pub(crate) async fn send(&self, message: Bytes) -> Result<(), child::ChildGone> {
        match self.writer.get() {
            Some(writer) => writer.send(one_line(message)).await,
            None => Err(child::ChildGone),
        }
    }

    /// Sends a request of our own and waits for its answer.
    ///
    /// # Errors
    /// Why there is none; `None` when it did not come within `limit`.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: &str,
        limit: Duration,
    ) -> Result<ServerMessage, Option<Arc<str>>> {
        let answer = self.ask_whole(method, params, limit).await;
        answer.map(|frame| frame.message)
    }

    /// As [`Link::ask`], with the answer's text.
    pub(super) async fn ask_whole(
        &self,
        method: &str,
        params: &str,
        limit: Duration,
    ) -> Result<Box<Frame>, Option<Arc<str>>> {
        let raw = format!("\"pilothouse-{}\"", self.fresh_id());
        let id = MessageId::canonical(&raw);
        let inbox = Inbox::new();
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{raw},\"method\":\"{method}\",\"params\":{params}}}"
        );
        self.wait(&id, Waiter::new(&inbox))
            .map_err(|_| Some(self.obituary()))?;
        let asked = async {
            self.send(text.into())
                .await
                .map_err(|_| Some(self.obituary()))?;
            loop {
                match inbox.next().await {
                    Item::Frame(frame) if frame.is_answer => return Ok(frame),
                    Item::Died(why) => return Err(Some(why)),
                    Item::Frame(_) | Item::Cancelled | Item::SessionEnded => {}
                }
            }
        };
        let answer = tokio::time::timeout(limit, asked)
            .await
            .unwrap_or(Err(None));
        self.forget(&id);
        answer
    }

    /// Listens until the child is gone; returns whether its end was asked for.
    async fn attend(&self, mut child: Child, ladder: Ladder) -> bool {
        let mut lines = Vec::new();
        let end = loop {
            tokio::select! {
                biased;
                read = child.next_frames(&mut lines) => {
                    lines.drain(..).for_each(|line| self.hear(line));
                    if let Err(end) = read {
                        break Finish::Unasked(end);
                    }
                }
                () = self.close.cancelled() => break Finish::Asked,
                used = self.uses_too_much() => break Finish::TooMuch(used),
            }
        };
        let expected = matches!(end, Finish::Asked);
        let mut over_memory = false;
        let how = match end {
            Finish::Unasked(End::Exited(exit)) if child.was_out_of_memory() => {
                over_memory = true;
                format!("{exit}: it used more than `resources.memory_max`")
            }
            Finish::Unasked(End::Exited(exit)) => exit.to_string(),
            Finish::TooMuch(used) => {
                over_memory = true;
                child.kill_group();
                let exit = child.wait().await;
                let mib = used.div_ceil(1 << 20);
                format!("{exit}: it used {mib} MiB, more than `resources.memory_max`")
            }
            Finish::Unasked(End::OutputClosed | End::OutputBroken(_)) => {
                self.fail_calls("the server closed its standard output");
                child
                    .stop_and_hear(Duration::ZERO, ladder.term_grace, &mut |_| {})
                    .await;
                "standard output closed".into()
            }
            Finish::Asked => {
                let stopped = child
                    .stop_and_hear(ladder.stdin_grace, ladder.term_grace, &mut |line| {
                        self.hear(line);
                    })
                    .await;
                stopped
                    .exit
                    .map_or_else(|| "cannot be killed".to_owned(), |exit| exit.to_string())
            }
        };
        let tail = child.stderr_tail();
        let pid = self.pid.get().copied().unwrap_or(0);
        // Programs print their settings when they cannot start; the client is not to have them.
        let said = self.shared.parts.sink.redact(&tail);
        self.fail_calls(&obituary(&how, &said, expected));
        let kind = EventKind::ChildExited {
            pid,
            how: how.into(),
            stderr_tail: tail.into(),
            expected,
            over_memory,
        };
        self.shared.event(Some(&self.server), self.replica(), kind);
        self.gone.cancel();
        expected
    }

    /// Waits until it uses more memory than it may; for ever where that is the kernel's to see.
    async fn uses_too_much(&self) -> u64 {
        match &self.memory {
            Some(memory) => memory.exceeded().await,
            None => std::future::pending().await,
        }
    }

    /// Every call that waits learns that nothing more will come.
    fn fail_calls(&self, why: &str) {
        let why: Arc<str> = why.into();
        let why = self.obituary.get_or_init(|| why);
        let mut table = self.table();
        table.closed = true;
        for (_, waiter) in table.calls.drain() {
            waiter.inbox.put(Item::Died(Arc::clone(why)));
        }
    }

    fn hear(&self, line: Line) {
        match line {
            Line::Line(bytes) => {
                let messages = AnswerScan::read(&bytes);
                if messages.is_empty() && !bytes.trim_ascii().is_empty() {
                    self.drop_message(NO_MESSAGE);
                }
                for message in messages {
                    self.route(&bytes, message);
                }
            }
            Line::TooLong { bytes } => {
                let text = format!(
                    "a message of {bytes} bytes is longer than `limits.line_bytes_max` and was thrown away"
                );
                self.drop_message(&text);
            }
        }
    }

    fn route(&self, bytes: &Bytes, message: ServerMessage) {
        match message.kind() {
            Some(Kind::Response) => self.answer(bytes, message),
            Some(Kind::Notification) => self.notification(bytes, message),
            Some(Kind::Request) => match self.session.get().and_then(Weak::upgrade) {
                Some(session) => session.asked(self, bytes, message),
                None if self.crowd.get().is_some() => self.asks_the_crowd(bytes, message),
                None => self.drop_message("a request of the server came outside of any session"),
            },
            None => self.drop_message(NO_MESSAGE),
        }
    }

    fn answer(&self, bytes: &Bytes, message: ServerMessage) {
        let waiter = message
            .message_id()
            .and_then(|id| self.table().calls.remove(&id));
        let Some(waiter) = waiter else {
            // The answer to a call that was given up is what it is: too late.
            return;
        };
        waiter.give(bytes, message, true);
    }

    fn notification(&self, bytes: &Bytes, message: ServerMessage) {
        self.server
            .live
            .notifications_to_client
            .fetch_add(1, Relaxed);
        self.shared.notified(&self.server, &message);
        if let Some(session) = self.session.get().and_then(Weak::upgrade) {
            return session.notified(self, bytes, message);
        }
        if self.crowd.get().is_some() {
            return self.tells_the_crowd(bytes, message);
        }
        if message.method.as_deref() == Some("notifications/tools/list_changed") {
            self.tools.changed();
        }
        // A shared child: only what names a call can find it.
        let table = self.table();
        let key = message
            .subscription_id
            .as_ref()
            .or(message.progress_token.as_ref());
        let waiter = match key {
            Some(key) => table.calls.get(&MessageId::canonical(&key.raw)),
            None if message.method.as_deref() == Some("notifications/message") => {
                table.only_logger()
            }
            None => None,
        };
        let taken = waiter.is_some_and(|w| w.give(bytes, message, false));
        drop(table);
        if !taken {
            self.server.live.messages_dropped.fetch_add(1, Relaxed);
        }
    }

    /// Gives a message to the call that named `token`, else to the latest call if
    /// `any`. `false` when there is none.
    pub(crate) fn give_to_call(&self, bytes: &Bytes, message: ServerMessage, any: bool) -> bool {
        let table = self.table();
        let token = message
            .progress_token
            .as_ref()
            .map(|t| MessageId::canonical(&t.raw));
        let of_token =
            token.and_then(|t| table.calls.values().find(|w| w.token.as_ref() == Some(&t)));
        let waiter = of_token.or_else(|| {
            if any {
                table.calls.values().max_by_key(|w| w.order)
            } else {
                None
            }
        });
        match waiter {
            Some(waiter) => {
                if !waiter.give(bytes, message, false) {
                    self.server.live.messages_dropped.fetch_add(1, Relaxed);
                }
                true
            }
            None => false,
        }
    }

    /// The call that a message on this child most likely belongs to: its trace, and its
    /// time of waiting for the client.
    pub(crate) fn latest(&self) -> Option<((TraceId, SpanId), Arc<AtomicU64>)> {
        let table = self.table();
        let latest = table.calls.values().max_by_key(|w| w.order)?;
        Some((latest.trace?, Arc::clone(&latest.waited_ns)))
    }

    fn drop_message(&self, why: &str) {
        self.server.live.messages_dropped.fetch_add(1, Relaxed);
        self.shared.event(
            Some(&self.server),
            self.replica(),
            EventKind::Note {
                warning: true,
                text: why.into(),
            },
        );
    }

    /// A line on stderr: the only call in flight is the one it belongs to, or the
    /// one whose trace id it holds.
    fn stderr(&self, line: &str) {
        let trace = {
            let table = self.table();
            let mut traces = table.calls.values().filter_map(|w| w.trace);
            match (traces.next(), traces.next()) {
                (Some(only), None) => Some(only),
                (None, _) => None,
                (Some(_), Some(_)) => table
                    .calls
                    .values()
                    .filter_map(|w| w.trace)
                    .find(|(id, _)| line.contains(&id.to_string())),
            }
        };
        self.shared
            .parts
            .sink
            .observe(Observation::Line(ServerLine {
                server: self.server.idx,
                replica: self.replica(),
                at_unix_ns: unix_ns(),
                text: line.into(),
                trace: trace.map(|(id, span)| (id, Some(span))),
            }));
    }
}

impl Table {
    /// The only call that asked for log messages: with more, a message of a shared
    /// child could go to the wrong client.
    fn only_logger(&self) -> Option<&Waiter> {
        let mut loggers = self.calls.values().filter(|w| w.wants_log);
        loggers.next().filter(|_| loggers.next().is_none())
    }
}

/// What a call is told of a dead child.
fn obituary(how: &str, tail: &str, expected: bool) -> String {
    if expected {
        return "the server process was stopped".into();
    }
    match tail.trim() {
        "" => format!("the server process ended ({how})"),
        tail => {
            format!("the server process ended ({how}); its last words on stderr:\n{tail}")
        }
    }
}

/// A message on one line. Outside of strings a line end is white space, and
/// inside of them JSON has none.
fn one_line(message: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &message).is_none() {
        return message;
    }
    message
        .iter()
        .map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b })
        .collect()
}
