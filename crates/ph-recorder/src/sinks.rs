//! Where lines go: two files and standard output, batch by batch.

use crate::complaints::{Complain, Complaints};
use crate::files::{COMBINED, ERROR, Janitor, Log, LogDir, Retention, Rotation};
use crate::intake::Settled;
use crate::line::Level;
use std::io::{self, Write};
use std::sync::Arc;

/// Lines that are written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Every line.
    combined: Vec<u8>,
    /// Where each line ends in `combined`, and where it ends in `error` if it is there too.
    ends: Vec<(usize, Option<usize>)>,
    error: Vec<u8>,
    /// Observations that need no line.
    silent: u64,
}

impl Batch {
    /// Where the next line is written to.
    pub(crate) fn line(&mut self) -> &mut Vec<u8> {
        &mut self.combined
    }

    /// Ends the line that was written to [`Batch::line`]; `None`: there was none to write.
    pub(crate) fn end_line(&mut self, level: Option<Level>) {
        let start = self.start_of_line();
        let Some(level) = level else {
            self.combined.truncate(start);
            self.silent += 1;
            return;
        };
        let in_error = (level >= Level::Error).then(|| {
            self.error.extend_from_slice(&self.combined[start..]);
            self.error.len()
        });
        self.ends.push((self.combined.len(), in_error));
    }

    /// The line that was written and not ended yet.
    pub(crate) fn last_line(&self) -> &[u8] {
        &self.combined[self.start_of_line()..]
    }

    fn start_of_line(&self) -> usize {
        self.ends.last().map_or(0, |(end, _)| *end)
    }

    /// Nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.silent == 0
    }

    /// Large enough to be written before more is added.
    pub(crate) fn is_full(&self) -> bool {
        self.combined.len() >= BATCH_BYTES
    }

    fn clear(&mut self) {
        self.ends.clear();
        self.silent = 0;
        for buffer in [&mut self.combined, &mut self.error] {
            buffer.clear();
            // One batch of huge lines must not hold its memory for ever.
            buffer.shrink_to(2 * BATCH_BYTES);
        }
    }
}

const BATCH_BYTES: usize = 256 * 1024;

/// The files of one directory.
struct Files {
    dir: Arc<dyn LogDir>,
    combined: Log,
    error: Log,
    rotation: Rotation,
    retention: Retention,
    janitor: Option<Janitor>,
}

/// Standard output, as far as it is still there.
struct Stdout {
    writer: Box<dyn Write + Send>,
    enabled: bool,
    /// The last line was written in part: the next batch begins a new one.
    torn: bool,
}

/// All of them.
pub(crate) struct Sinks {
    files: Option<Files>,
    stdout: Option<Stdout>,
    complaints: Complaints,
}

impl Sinks {
    /// Nothing is written anywhere yet; `stdout` stays unused until it is switched on.
    pub(crate) fn new(stdout: Option<Box<dyn Write + Send>>, complain: Complain) -> Self {
        let stdout = stdout.map(|writer| Stdout {
            writer,
            enabled: false,
            torn: false,
        });
        Self {
            files: None,
            stdout,
            complaints: Complaints::new(complain),
        }
    }

    /// Switches standard output on or off.
    pub(crate) fn set_stdout(&mut self, enabled: bool) {
        if let Some(stdout) = &mut self.stdout {
            stdout.enabled = enabled;
        }
    }

    /// Changes the bounds of the files that are written now.
    pub(crate) fn set_bounds(&mut self, rotation: Rotation, retention: Retention) {
        if let Some(files) = &mut self.files {
            files.rotation = rotation;
            files.retention = retention;
            files.tidy();
        }
    }

    /// Writes to the files of `dir` from now on, or to none.
    pub(crate) fn set_dir(
        &mut self,
        dir: Option<Arc<dyn LogDir>>,
        rotation: Rotation,
        retention: Retention,
    ) {
        self.close();
        self.files = dir.map(|dir| {
            let complain = Arc::clone(self.complaints.complain());
            // Without the thread files are rotated and kept: worth a word, not a stop.
            let janitor = Janitor::start(Arc::clone(&dir), move |text| complain(text));
            if let Err(error) = &janitor {
                (self.complaints.complain())(&format!(
                    "rotated log files will not be tidied up: {error}"
                ));
            }
            let (combined, error) = (Log::new(COMBINED), Log::new(ERROR));
            let files = Files {
                dir,
                combined,
                error,
                rotation,
                retention,
                janitor: janitor.ok(),
            };
            files.tidy();
            files
        });
    }

    /// Writes the batch everywhere and empties it.
    pub(crate) fn write(&mut self, batch: &mut Batch, now_unix_ms: u64) -> Settled {
        let (combined, error) = match &mut self.files {
            None => (usize::MAX, usize::MAX),
            Some(files) => files.write(batch, now_unix_ms, &mut self.complaints),
        };
        let printed = match &mut self.stdout {
            Some(stdout) if stdout.enabled => {
                stdout.write(&batch.combined, now_unix_ms, &mut self.complaints)
            }
            _ => usize::MAX,
        };
        let mut settled = Settled {
            written: batch.silent,
            ..Settled::default()
        };
        for (end, end_in_error) in &batch.ends {
            if *end > combined || end_in_error.is_some_and(|end| end > error) {
                settled.dropped_disk += 1;
            } else if *end > printed {
                settled.dropped_stdout += 1;
            } else {
                settled.written += 1;
            }
        }
        batch.clear();
        settled
    }

    /// Follows files that somebody moved, and rotates those that are due though nothing is written.
    pub(crate) fn tick(&mut self, now_unix_ms: u64) {
        if let Some(files) = &mut self.files {
            files.combined.follow(&*files.dir);
            files.error.follow(&*files.dir);
            files.rotate(now_unix_ms, &mut self.complaints);
        }
    }

    /// Lets go of the files. What is being compressed is finished while the process lives, else by
    /// the next one.
    pub(crate) fn close(&mut self) {
        let Some(mut files) = self.files.take() else {
            return;
        };
        // What cannot be cut now is cut when the file is opened next.
        let _torn = (files.combined.mend(), files.error.mend());
    }
}

impl Files {
    /// Bytes of `combined` and `error` that are in the files now.
    fn write(
        &mut self,
        batch: &Batch,
        now_unix_ms: u64,
        complaints: &mut Complaints,
    ) -> (usize, usize) {
        let mut write = |log: &mut Log, lines: &[u8]| {
            if lines.is_empty() {
                return 0;
            }
            let written = log.write(&*self.dir, lines);
            if let Some(error) = written.error {
                complaints.say(
                    now_unix_ms,
                    &format!("log lines could not be written and are lost: {error}"),
                );
            }
            written.bytes
        };
        let taken = (
            write(&mut self.combined, &batch.combined),
            write(&mut self.error, &batch.error),
        );
        self.rotate(now_unix_ms, complaints);
        taken
    }

    fn rotate(&mut self, now_unix_ms: u64, complaints: &mut Complaints) {
        let mut rotated = false;
        for log in [&mut self.combined, &mut self.error] {
            match log.rotate(&*self.dir, self.rotation, now_unix_ms) {
                Ok(done) => rotated |= done,
                Err(error) => complaints.say(
                    now_unix_ms,
                    &format!("a log file could not be rotated: {error}"),
                ),
            }
        }
        if rotated {
            self.tidy();
        }
    }

    fn tidy(&self) {
        if let Some(janitor) = &self.janitor {
            janitor.ask(self.retention);
        }
    }
}

impl Stdout {
    /// Bytes that went out. A closed pipe is tried again with each batch, and counted.
    fn write(&mut self, lines: &[u8], now_unix_ms: u64, complaints: &mut Complaints) -> usize {
        let mut taken = 0;
        if let Err(error) = self.print(lines, &mut taken) {
            complaints.say(
                now_unix_ms,
                &format!("log lines could not be written to standard output: {error}"),
            );
        }
        self.torn = lines[..taken].last().map_or(self.torn, |b| *b != b'\n');
        taken
    }

    fn print(&mut self, lines: &[u8], taken: &mut usize) -> io::Result<()> {
        if self.torn {
            self.writer.write_all(b"\n")?;
            self.torn = false;
        }
        while *taken < lines.len() {
            match self.writer.write(&lines[*taken..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => *taken += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FaultyDir;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    const KEEP_ALL: Retention = Retention {
        files: usize::MAX,
        bytes: u64::MAX,
        compress: true,
    };
    const NEVER: Rotation = Rotation {
        bytes: u64::MAX,
        age: Duration::MAX,
    };

    fn silent() -> Complain {
        Arc::new(|_: &str| {})
    }

    fn add(batch: &mut Batch, n: u64, level: Level) {
        let line = format!(
            "{{\"n\":{n},\"text\":\"{}\"}}\n",
            "x".repeat(n as usize % 50)
        );
        batch.line().extend_from_slice(line.as_bytes());
        batch.end_line(Some(level));
    }

    /// Numbers of the lines in every file made as `name`; each must be whole JSON, in order.
    fn numbers(dir: &FaultyDir, name: &str) -> BTreeSet<u64> {
        let mut all = BTreeSet::new();
        for bytes in dir.contents(name) {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "torn: {text}");
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let n = value["n"].as_u64().unwrap();
                assert!(
                    all.last().is_none_or(|last| *last < n),
                    "{n} again or out of order"
                );
                all.insert(n);
            }
        }
        all
    }

    #[derive(Clone, Debug)]
    enum Op {
        Write { lines: u8, errors: bool },
        Tick,
        TakeAway,
        FaultRate(u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..20_u8, any::<bool>()).prop_map(|(lines, errors)| Op::Write { lines, errors }),
            2 => Just(Op::Tick),
            1 => Just(Op::TakeAway),
            1 => (0..200_u8).prop_map(Op::FaultRate),
        ]
    }

    proptest! {
        /// Whatever fails in between: files hold whole lines in order, and exactly the lines that were
        /// counted as written are in all the files they belong to.
        #[test]
        fn what_is_counted_as_written_is_there(ops in prop::collection::vec(op(), 0..60), seed: u64, rotate_bytes in 1..2000_u64) {
            let dir = FaultyDir::new(seed, 40);
            let mut sinks = Sinks::new(None, silent());
            let rotation = Rotation { bytes: rotate_bytes, ..NEVER };
            sinks.set_dir(Some(Arc::new(dir.clone())), rotation, KEEP_ALL);
            let (mut batch, mut n, mut settled) = (Batch::default(), 0, Settled::default());
            let mut in_error = BTreeSet::new();
            for (step, op) in ops.into_iter().enumerate() {
                let now_unix_ms = step as u64 * 400;
                match op {
                    Op::Write { lines, errors } => {
                        for _ in 0..lines {
                            let level = if errors && n % 3 == 0 { Level::Error } else { Level::Info };
                            add(&mut batch, n, level);
                            if level == Level::Error {
                                in_error.insert(n);
                            }
                            n += 1;
                        }
                        let now = sinks.write(&mut batch, now_unix_ms);
                        prop_assert_eq!(now.written + now.dropped_disk, u64::from(lines));
                        settled.written += now.written;
                        settled.dropped_disk += now.dropped_disk;
                    }
                    Op::Tick => sinks.tick(now_unix_ms),
                    Op::TakeAway => dir.take_away("combined.log"),
                    Op::FaultRate(rate) => dir.set_fault_rate(rate),
                }
            }
            dir.set_fault_rate(0);
            sinks.close();
            let (combined, error) = (numbers(&dir, "combined.log"), numbers(&dir, "error.log"));
            let whole = combined.iter().filter(|n| !in_error.contains(*n) || error.contains(*n));
            prop_assert_eq!(whole.count() as u64, settled.written);
            prop_assert_eq!(settled.written + settled.dropped_disk, n);
        }
    }

    #[test]
    fn a_disk_that_has_room_again_takes_the_next_batch() {
        let dir = FaultyDir::new(1, 0);
        let mut sinks = Sinks::new(None, silent());
        sinks.set_dir(Some(Arc::new(dir.clone())), NEVER, KEEP_ALL);
        let mut batch = Batch::default();
        let mut write = |n, fault_rate| {
            dir.set_fault_rate(fault_rate);
            add(&mut batch, n, Level::Info);
            sinks.write(&mut batch, 0)
        };
        assert_eq!(write(0, 0).written, 1);
        assert_eq!(write(1, 255).dropped_disk, 1);
        assert_eq!(write(2, 0).written, 1);
        assert_eq!(numbers(&dir, "combined.log"), BTreeSet::from([0, 2]));
    }

    #[test]
    fn files_are_rotated_by_age_too() {
        let dir = FaultyDir::new(1, 0);
        let mut sinks = Sinks::new(None, silent());
        let rotation = Rotation {
            age: Duration::from_secs(60),
            ..NEVER
        };
        sinks.set_dir(
            Some(Arc::new(dir.clone())),
            rotation,
            Retention {
                compress: false,
                ..KEEP_ALL
            },
        );
        let mut batch = Batch::default();
        add(&mut batch, 0, Level::Info);
        sinks.write(&mut batch, 59_999);
        assert_eq!(dir.names(), ["combined.log"]);
        sinks.tick(60_000);
        assert_eq!(dir.names(), ["combined-19700101T000100000Z.log"]);
        add(&mut batch, 1, Level::Info);
        // The new file of this directory is as old as the first one: rotated at once, a moment later.
        sinks.write(&mut batch, 60_000);
        assert_eq!(
            dir.names(),
            [
                "combined-19700101T000100000Z.log",
                "combined-19700101T000100001Z.log"
            ]
        );
    }
}
