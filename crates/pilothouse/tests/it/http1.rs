//! A client of HTTP/1.1 that does what it is told: half requests, bad heads, leaving.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for anything at all: a test that gets here has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// An answer, as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// The body ended as its framing says, not because the connection did.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The messages of an event stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.body)
            .into_iter()
            .map(|(_, message)| message)
            .collect()
    }

    /// The last event id of an event stream.
    pub(crate) fn last_event_id(&self) -> Option<String> {
        let ids = self.text();
        ids.lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .next_back()
            .map(str::to_owned)
    }

    /// The JSON-RPC message that ends the call: the body, or the last event.
    pub(crate) fn message(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(message) => message,
            Err(_) => self.events().pop().unwrap_or_default(),
        }
    }

    pub(crate) fn code(&self) -> Option<i64> {
        self.message()["error"]["code"].as_i64()
    }
}

/// Whole events with JSON in them: `(id, message)`.
fn events(body: &[u8]) -> Vec<(Option<String>, Value)> {
    let text = String::from_utf8_lossy(body);
    let Some(end) = text.rfind("\n\n") else {
        return Vec::new();
    };
    let field = |event: &str, name: &str| {
        event
            .lines()
            .find_map(|line| line.strip_prefix(name).map(|v| v.trim_start().to_owned()))
    };
    let whole = text[..end].split("\n\n");
    whole
        .filter_map(|event| {
            let message = serde_json::from_str(&field(event, "data:")?).ok()?;
            Some((field(event, "id:"), message))
        })
        .collect()
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// Bytes read and not used yet.
    seen: Vec<u8>,
    ended: bool,
    events_taken: usize,
    head: Option<Head>,
    /// When it was opened, or last sent on.
    since: Instant,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway takes connections");
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            seen: Vec::new(),
            ended: false,
            events_taken: 0,
            head: None,
            since: Instant::now(),
        }
    }

    /// Connects and sends.
    pub(crate) fn open(address: SocketAddr, bytes: &[u8]) -> Self {
        let mut wire = Self::connect(address);
        wire.send(bytes);
        wire
    }

    /// Sends; a peer that has closed meanwhile shows in the answer.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.since = Instant::now();
        let _ = self.stream.write_all(bytes);
    }

    /// No more will be sent; the answer is still read.
    pub(crate) fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn more(&mut self) -> bool {
        // Comments that keep a stream open are no answer.
        assert!(
            self.since.elapsed() < PATIENCE,
            "no answer within {PATIENCE:?}"
        );
        let mut chunk = [0; 64 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(n) => self.seen.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "no answer within {PATIENCE:?}; so far: {}",
                    String::from_utf8_lossy(&self.seen)
                )
            }
            Err(_) => self.ended = true,
        }
        !self.ended
    }

    /// The head of the next answer; `None` when the connection ends instead.
    pub(crate) fn head(&mut self) -> Option<Head> {
        if let Some(head) = &self.head {
            return Some(head.clone());
        }
        loop {
            if let Some(end) = find(&self.seen, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.seen[..end]).into_owned();
                self.seen.drain(..end + 4);
                self.events_taken = 0;
                let head = parse_head(&text);
                self.head = Some(head.clone());
                return Some(head);
            }
            if self.ended || !self.more() && self.seen.is_empty() {
                return None;
            }
        }
    }

    /// The next answer, whole or cut; `None` when the connection ends before its head.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let head = self.head()?;
        self.head = None;
        loop {
            let (body, used) = decoded(&head, &self.seen);
            if used.is_some() || self.ended {
                self.seen.drain(..used.unwrap_or(self.seen.len()));
                let whole = used.is_some() || !is_framed(&head);
                return Some(Answer { head, body, whole });
            }
            self.more();
        }
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// The next event of the answer that is coming; `None` when it ends before.
    pub(crate) fn event(&mut self) -> Option<(Option<String>, Value)> {
        let head = self.head()?;
        loop {
            let (body, used) = decoded(&head, &self.seen);
            if let Some(event) = events(&body).into_iter().nth(self.events_taken) {
                self.events_taken += 1;
                return Some(event);
            }
            if used.is_some() || self.ended {
                return None;
            }
            self.more();
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

fn parse_head(text: &str) -> Head {
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Head {
        status: status.expect("a status line"),
        headers: headers.collect(),
    }
}

fn is_framed(head: &Head) -> bool {
    head.header("transfer-encoding").is_some() || head.header("content-length").is_some()
}

/// What there is of the body, and how many bytes it took once it is complete.
fn decoded(head: &Head, seen: &[u8]) -> (Vec<u8>, Option<usize>) {
    if matches!(head.status, 100..200 | 204 | 304) {
        return (Vec::new(), Some(0));
    }
    if head.header("transfer-encoding").is_some() {
        return dechunked(seen);
    }
    match head.header("content-length") {
        Some(length) => {
            let length: usize = length.parse().expect("a number of bytes");
            let body = seen[..length.min(seen.len())].to_vec();
            let used = (seen.len() >= length).then_some(length);
            (body, used)
        }
        None => (seen.to_vec(), None),
    }
}

fn dechunked(seen: &[u8]) -> (Vec<u8>, Option<usize>) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&seen[at..], b"\r\n") else {
            return (body, None);
        };
        let size = std::str::from_utf8(&seen[at..at + line]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        let begin = at + line + 2;
        let chunk = &seen[begin..(begin + size).min(seen.len())];
        body.extend_from_slice(chunk);
        at = begin + size + 2;
        if seen.len() < at {
            return (body, None);
        }
        if size == 0 {
            return (body, Some(at));
        }
    }
}
