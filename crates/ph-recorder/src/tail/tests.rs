use super::*;
use crate::store::Queue;
use crate::store::{Batch, Item};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

struct World {
    dir: tempfile::TempDir,
    queue: Queue,
    worker: Worker,
}

fn worker(dir: &Path, queue: &Queue, names: &[&str]) -> Worker {
    let mut worker = Worker {
        shared: Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        }),
        keeper: Keeper(queue.clone()),
        redactor: Redactor::default(),
        positions: Positions::read(dir.join("tails")),
        files: Vec::new(),
        lines: FileLines::default(),
        json: Vec::new(),
        complain: Arc::new(|text| panic!("{text}")),
    };
    let file = |name: &&str| TailFile {
        server: "files".to_owned(),
        path: dir.join(name),
    };
    worker.replace(names.iter().map(file).collect());
    worker
}

impl World {
    fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = Queue::new(1 << 20);
        let worker = worker(dir.path(), &queue, names);
        Self { dir, queue, worker }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.path().join(name);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    /// Lines that came since the last look: their JSON.
    fn look(&mut self) -> Vec<serde_json::Value> {
        while self.worker.turn() {}
        let now = Instant::now();
        let items = self.queue.take(now, now);
        let lines = |batch: &Batch| -> Vec<_> {
            let parse = |e: ph_store::logs::Entry<'_>| serde_json::from_slice(e.json).unwrap();
            batch.entries().map(parse).collect()
        };
        items
            .into_iter()
            .flat_map(|item| match item {
                Item::Entries(batch) => {
                    let lines = lines(&batch);
                    self.queue.done(batch.bytes(), Some(batch));
                    lines
                }
                _ => panic!("only lines are given"),
            })
            .collect()
    }

    fn texts(&mut self) -> Vec<String> {
        let lines = self.look();
        lines
            .iter()
            .map(|l| l["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// As after a restart.
    fn again(&mut self, names: &[&str]) {
        self.worker.remember();
        self.worker = worker(self.dir.path(), &self.queue, names);
    }
}

#[test]
fn new_lines_come_whole_and_once() {
    let mut world = World::new(&["a.log"]);
    assert_eq!(world.texts(), [""; 0], "it is not there yet");
    world.write("a.log", "one\ntw");
    assert_eq!(world.texts(), ["one"]);
    world.write("a.log", "o\r\n\nthree é\n");
    assert_eq!(world.texts(), ["two", "three é"]);
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn what_stood_there_before_is_not_read() {
    let mut world = World::new(&[]);
    world.write("a.log", "old\n");
    world.again(&["a.log"]);
    assert_eq!(world.texts(), [""; 0]);
    world.write("a.log", "new\n");
    assert_eq!(world.texts(), ["new"]);
}

#[test]
fn a_restart_reads_on_where_it_was() {
    let mut world = World::new(&["a.log"]);
    world.write("a.log", "one\ntwo\npart");
    assert_eq!(world.texts(), ["one", "two"]);
    world.write("a.log", "ly\n");
    world.again(&["a.log"]);
    world.write("a.log", "last\n");
    assert_eq!(world.texts(), ["partly", "last"]);
    // Another file of the name, as long as the first: read from its beginning.
    world.again(&[]);
    fs::remove_file(world.dir.path().join("a.log")).unwrap();
    world.write("a.log", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n");
    world.again(&["a.log"]);
    assert_eq!(world.texts().len(), 11);
}

#[test]
fn a_file_that_is_moved_away_is_read_to_its_end_first() {
    let mut world = World::new(&["a.log"]);
    world.write("a.log", "one\n");
    assert_eq!(world.texts(), ["one"]);
    world.write("a.log", "two\nno end");
    fs::rename(
        world.dir.path().join("a.log"),
        world.dir.path().join("a.log.1"),
    )
    .unwrap();
    world.write("a.log", "three\n");
    let mut texts = world.texts();
    texts.extend(world.texts());
    assert_eq!(texts, ["two", "no end", "three"]);
}

#[test]
fn a_file_that_is_cut_is_read_from_its_beginning() {
    let mut world = World::new(&["a.log"]);
    world.write("a.log", "one\ntwo\n");
    assert_eq!(world.texts(), ["one", "two"]);
    let cut = |world: &World| {
        let path = world.dir.path().join("a.log");
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(path)
            .unwrap();
    };
    cut(&world);
    world.write("a.log", "3\n");
    assert_eq!(world.texts(), ["3"]);
    // Cut, and longer than before when it is looked at again.
    cut(&world);
    world.write("a.log", "four\nfive\n");
    assert_eq!(world.texts(), ["four", "five"]);
}

#[test]
fn long_lines_are_cut_and_counted() {
    let mut world = World::new(&["a.log"]);
    world.write("a.log", format!("{}\nshort\n", "x".repeat(300_000)));
    let texts = world.texts();
    assert_eq!(texts.len(), 2);
    assert_eq!(
        (texts[0].len(), texts[1].as_str()),
        (follow::LINE_BYTES_MAX, "short")
    );
    let mut counted = Vec::new();
    world.worker.shared.samples(&mut |metric, labels, reading| {
        counted.push(format!("{} {labels:?} {reading:?}", metric.name));
    });
    assert_eq!(
        counted,
        [
            "pilothouse_file_lines_total [\"files\"] Value(2.0)",
            "pilothouse_file_lines_cut_total [\"files\"] Value(1.0)"
        ]
    );
}

#[test]
fn a_line_has_its_trace_and_no_secret_and_is_valid_text() {
    let mut world = World::new(&["a.log"]);
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    world.write(
        "a.log",
        format!("{{\"traceId\":\"{id}\",\"token\":\"x\"}}\n"),
    );
    world.write("a.log", b"password=hunter2 \xff\x1b[0m\n");
    let lines = world.look();
    assert_eq!(lines[0]["trace_id"], id);
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["server"]),
        (&"file".into(), &"files".into())
    );
    assert_eq!(
        lines[1]["message"],
        "password=[redacted:key] \u{fffd}\u{1b}[0m"
    );
    assert!(lines[1].get("trace_id").is_none());
    assert!(lines[1]["file"].as_str().unwrap().ends_with("/a.log"));
}

/// A store without room is waited for: the file is the buffer, and nothing of it is lost.
#[test]
fn a_full_queue_stops_the_reading_and_loses_nothing() {
    let mut world = World::new(&["a.log"]);
    world.queue = Queue::new(10_000);
    world.worker.keeper = Keeper(world.queue.clone());
    let text: String = (0..3_000).map(|n| format!("line {n}\n")).collect();
    world.write("a.log", &text);
    world.worker.turn();
    let waiting = world.queue.totals().queue_bytes;
    assert!(waiting > 0);
    let mut all = Vec::new();
    loop {
        let texts = world.texts();
        if texts.is_empty() {
            break;
        }
        all.extend(texts);
    }
    assert_eq!(all.len() as u64 + world.queue.totals().dropped[0], 3_000);
    assert_eq!(world.queue.totals().dropped[0], 0);
}
