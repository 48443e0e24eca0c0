//! The recorder's thread: takes what was observed, batch by batch.

use crate::complaints::{Complain, Complaints};
use crate::files::{Directory, LogDir, Retention, Rotation};
use crate::line::{Encoder, Level};
use crate::recorder::Shared;
use crate::registry::{Exemplar, Rates, Slots};
use crate::settings::LogSettings;
use crate::sinks::{Batch, Sinks};
use crate::store;
use ph_record::{Observation, Server};
use std::io::Write;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// What the handle asks of the thread, in order with what was observed before.
pub(crate) enum Command {
    /// Work by these settings, and keep lines from this level on.
    Apply(Box<LogSettings>, Option<Level>),
    /// Say when everything before is settled.
    Flush(oneshot::Sender<()>),
    /// The same, then end.
    Stop(oneshot::Sender<()>),
}

/// State of the thread.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    settings: LogSettings,
    encoder: Encoder,
    sinks: Sinks,
    span_complaints: Complaints,
    batch: Batch,
    /// Least level of the lines that are kept; `None`: none are.
    kept_level: Option<Level>,
    kept: store::Batch,
    rates: Rates,
    slots: Slots,
    next_tick: Instant,
}

/// How long records are gathered before they are written together.
const BATCH_DELAY: Duration = Duration::from_millis(20);
/// Rates, moved files and ages are looked at this often.
const TICK: Duration = Duration::from_secs(1);
/// Most observations taken in one turn.
const TAKE_MAX: usize = 16_384;

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        settings: LogSettings,
        kept_level: Option<Level>,
        stdout: Option<Box<dyn Write + Send>>,
        complain: Complain,
    ) -> Self {
        let now = Instant::now();
        Self {
            encoder: encoder(&settings, kept_level),
            settings,
            kept_level,
            kept: store::Batch::default(),
            sinks: Sinks::new(stdout, Arc::clone(&complain)),
            span_complaints: Complaints::new(complain),
            batch: Batch::default(),
            rates: Rates::new(now),
            slots: Slots::new(now),
            next_tick: now,
            shared,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        self.shared.intake.set_thread(thread::current());
        self.open_sinks();
        loop {
            // Commands first: what was observed before a command is then written before its answer.
            let commands = self
                .commands()
                .as_mut()
                .map(std::mem::take)
                .unwrap_or_default();
            let taken = self.drain();
            let busy = taken > 0 || !commands.is_empty();
            self.tick();
            for command in commands {
                match command {
                    Command::Apply(settings, kept_level) => self.apply(*settings, kept_level),
                    // Whoever asked may have stopped waiting.
                    Command::Flush(done) => {
                        let _gone = done.send(());
                    }
                    Command::Stop(done) => {
                        self.end();
                        let _gone = done.send(());
                        return;
                    }
                }
            }
            // Behind by a whole queue: there is no time to gather.
            if taken < TAKE_MAX {
                self.rest(busy);
            }
        }
    }

    /// A busy thread gathers for a moment; an idle one sleeps until it is woken or a tick is due.
    fn rest(&self, busy: bool) {
        let intake = &self.shared.intake;
        if busy || !intake.fall_asleep() {
            thread::park_timeout(BATCH_DELAY);
            return;
        }
        let commanded = self
            .commands()
            .as_ref()
            .is_some_and(|waiting| !waiting.is_empty());
        if !commanded {
            thread::park_timeout(self.next_tick.saturating_duration_since(Instant::now()));
        }
        intake.wake_up();
    }

    /// Writes what is left; the intake is closed by now, so this ends.
    fn end(&mut self) {
        while self.drain() > 0 {}
        self.sinks.close();
        self.shared.intake.abandon();
        *self.commands() = None;
    }

    /// Commands are pushed and taken whole: a panic elsewhere leaves them in order.
    fn commands(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.shared
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is queued, at most [`TAKE_MAX`] so that commands and ticks get their turn;
    /// returns how many observations that were.
    fn drain(&mut self) -> usize {
        let servers = self.shared.registry.table().all();
        let mut taken = 0;
        while taken < TAKE_MAX
            && let Some(observation) = self.shared.intake.take()
        {
            taken += 1;
            self.take(&observation, &servers);
            if self.batch.is_full() {
                self.write();
            }
        }
        self.write();
        taken
    }

    fn take(&mut self, observation: &Observation, servers: &Arc<Vec<Arc<Server>>>) {
        // A server that is newer than the list is looked up again; rare.
        let newer;
        let known = |idx: ph_record::ServerIdx| usize::from(idx.0) < servers.len();
        let servers = match observation {
            Observation::Call(r) if !known(r.server) => {
                newer = self.shared.registry.table().all();
                &newer
            }
            _ => servers,
        };
        if let Observation::Call(record) = observation {
            let server = servers.get(usize::from(record.server.0)).map(|s| &**s);
            self.shared
                .tracer
                .call(record, server, &self.shared.registry);
        }
        let level = self.encoder.write(self.batch.line(), servers, observation);
        if let (Some(level), Some(kept_level)) = (level, self.kept_level)
            && level >= kept_level
        {
            self.keep(servers, observation, level);
        }
        self.batch
            .end_line(level.filter(|level| *level >= self.settings.level));
    }

    /// Copies the line that was just written, with its columns, into what goes to the store.
    fn keep(&mut self, servers: &[Arc<Server>], observation: &Observation, level: Level) {
        let line = self.batch.last_line();
        let json = line.strip_suffix(b"\n").unwrap_or(line);
        store::push(&mut self.kept, servers, observation, level, json);
        if let Observation::Call(record) = observation
            && !record.is_stream
        {
            // Every kept call can be looked at, so every one may stand for its bucket.
            self.shared
                .registry
                .server(record.server)
                .cell(record.method, record.tool)
                .show(&Exemplar::of(record));
        }
    }

    fn write(&mut self) {
        if let Some(store) = &self.shared.store {
            store.offer_batch(&mut self.kept);
        }
        if !self.batch.is_empty() {
            let settled = self.sinks.write(&mut self.batch, now_unix_ms());
            self.shared.intake.settle(settled);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            let registry = &self.shared.registry;
            self.rates.sample(registry, now);
            self.slots.sample(&registry.slos(), registry.table(), now);
            let now_unix_ms = now_unix_ms();
            self.sinks.tick(now_unix_ms);
            if let Some(failure) = self.shared.tracer.new_failure() {
                let text = format!("spans could not be exported and are lost: {failure}");
                self.span_complaints.say(now_unix_ms, &text);
            }
        }
    }

    fn apply(&mut self, settings: LogSettings, kept_level: Option<Level>) {
        let moved = settings.dir != self.settings.dir;
        self.settings = settings;
        self.kept_level = kept_level.filter(|_| self.shared.store.is_some());
        self.encoder = encoder(&self.settings, self.kept_level);
        if moved {
            self.open_sinks();
        } else {
            self.sinks.set_stdout(self.settings.stdout);
            self.sinks
                .set_bounds(rotation(&self.settings), retention(&self.settings));
        }
    }

    fn open_sinks(&mut self) {
        let dir = self
            .settings
            .dir
            .clone()
            .map(|path| Arc::new(Directory(path)) as Arc<dyn LogDir>);
        self.sinks.set_stdout(self.settings.stdout);
        self.sinks
            .set_dir(dir, rotation(&self.settings), retention(&self.settings));
    }
}

/// Writes whatever anybody takes.
fn encoder(settings: &LogSettings, kept_level: Option<Level>) -> Encoder {
    let level_min = kept_level.map_or(settings.level, |kept| kept.min(settings.level));
    Encoder::new(level_min, settings.params)
}

fn rotation(settings: &LogSettings) -> Rotation {
    Rotation {
        bytes: settings.rotate_bytes,
        age: settings.rotate_age,
    }
}

fn retention(settings: &LogSettings) -> Retention {
    Retention {
        files: settings.keep_files,
        bytes: settings.keep_bytes,
        compress: settings.compress,
    }
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
