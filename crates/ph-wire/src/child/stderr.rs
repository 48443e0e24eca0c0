//! A child's standard error: lines for the log, and a tail for the reason of its end.
//!
//! What it says is not to be trusted with our time or memory. A line is cut at
//! [`STDERR_LINE_BYTES_MAX`]; lines beyond an allowance are counted instead of given out; bytes
//! beyond another are left in the pipe for a moment, so that a child that floods is slowed by its
//! own pipe instead of slowing everybody.

use memchr::memchr;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Duration, Instant, sleep};

/// Called with each line, without its end.
pub type OnStderr = Arc<dyn Fn(&str) + Send + Sync>;

/// A longer line is cut here, with a mark that says how much is missing.
pub const STDERR_LINE_BYTES_MAX: usize = 8 * 1024;
/// What is kept for [`super::Child::stderr_tail`].
pub const STDERR_TAIL_BYTES_MAX: usize = 2 * 1024;

const READ_BYTES: usize = 4 * 1024;
const LINES_PER_SECOND: f64 = 1_000.0;
const LINES_AT_ONCE: f64 = 2_000.0;
const BYTES_PER_SECOND: f64 = 4.0 * 1024.0 * 1024.0;
const BYTES_AT_ONCE: f64 = 4.0 * 1024.0 * 1024.0;
/// How long the pipe is left alone once the bytes are used up.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn read(
    mut stderr: impl AsyncRead + Unpin,
    tail: StderrTail,
    on_stderr: OnStderr,
) {
    let mut buffer = vec![0; READ_BYTES];
    let mut lines = StderrLines::default();
    let mut say = Sayer::new(on_stderr, Instant::now());
    let mut bytes = Allowance::new(BYTES_PER_SECOND, BYTES_AT_ONCE, Instant::now());
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let now = Instant::now();
        tail.push(&buffer[..read]);
        lines.push(&buffer[..read], &mut |line| say.line(line, now));
        if !bytes.take(read as f64, now) {
            sleep(PAUSE).await;
        }
    }
    lines.finish(&mut |line| say.line(line, Instant::now()));
    say.tell_unsaid();
}

/// Gives lines out within their allowance.
struct Sayer {
    on_stderr: OnStderr,
    lines: Allowance,
    unsaid: u64,
}

impl Sayer {
    fn new(on_stderr: OnStderr, now: Instant) -> Self {
        Self {
            on_stderr,
            lines: Allowance::new(LINES_PER_SECOND, LINES_AT_ONCE, now),
            unsaid: 0,
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        if self.lines.take(1.0, now) {
            self.tell_unsaid();
            (self.on_stderr)(line);
        } else {
            self.unsaid += 1;
        }
    }

    fn tell_unsaid(&mut self) {
        let unsaid = std::mem::take(&mut self.unsaid);
        if unsaid > 0 {
            (self.on_stderr)(&format!(
                "[{unsaid} lines left out: more than {LINES_PER_SECOND} a second]"
            ));
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Allowance {
    per_second: f64,
    at_once: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(per_second: f64, at_once: f64, now: Instant) -> Self {
        Self {
            per_second,
            at_once,
            left: at_once,
            at: now,
        }
    }

    /// Takes `amount` if anything is left; what is taken too much is owed.
    fn take(&mut self, amount: f64, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.at_once);
        self.at = now;
        if self.left <= 0.0 {
            return false;
        }
        self.left -= amount;
        true
    }
}

/// Cuts standard error into lines of bounded length.
#[derive(Debug, Default)]
struct StderrLines {
    line: Vec<u8>,
    cut: u64,
}

impl StderrLines {
    fn push(&mut self, mut bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.keep(&bytes[..end]);
            self.finish(on_line);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, part: &[u8]) {
        let kept = part.len().min(STDERR_LINE_BYTES_MAX - self.line.len());
        self.line.extend_from_slice(&part[..kept]);
        self.cut += (part.len() - kept) as u64;
    }

    fn finish(&mut self, on_line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end_matches('\r');
        if self.cut > 0 {
            on_line(&format!("{text} [{} bytes cut]", self.cut));
        } else if !text.is_empty() {
            on_line(text);
        }
        self.line.clear();
        self.line.shrink_to(512);
        self.cut = 0;
    }
}

/// The last bytes of standard error, shared between the reading task and who asks.
#[derive(Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<Tail>>);

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl StderrTail {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = &bytes[bytes.len().saturating_sub(STDERR_TAIL_BYTES_MAX)..];
        let over = (tail.bytes.len() + fresh.len()).saturating_sub(STDERR_TAIL_BYTES_MAX);
        tail.is_cut |= over > 0 || fresh.len() < bytes.len();
        tail.bytes.drain(..over);
        tail.bytes.extend_from_slice(fresh);
    }

    /// Whole lines where there are any, without a trailing line end.
    pub(super) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = match memchr(b'\n', &tail.bytes) {
            Some(end) if tail.is_cut && end + 1 < tail.bytes.len() => end + 1,
            _ => 0,
        };
        let mut text = String::from_utf8_lossy(&tail.bytes[start..]).into_owned();
        text.truncate(text.trim_end().len());
        text
    }
}

impl fmt::Debug for StderrTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StderrTail({:?})", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = StderrLines::default();
        let mut said = Vec::new();
        for chunk in chunks {
            lines.push(chunk, &mut |line| said.push(line.to_owned()));
        }
        lines.finish(&mut |line| said.push(line.to_owned()));
        said
    }

    #[test]
    fn lines_are_lossy_text_without_their_ends() {
        assert_eq!(
            lines_of(&[b"a\r\nb", b"c\n\n", b"\xff"]),
            ["a", "bc", "\u{fffd}"]
        );
        assert_eq!(lines_of(&[b"\n\r\n"]), Vec::<String>::new());
    }

    #[test]
    fn a_long_line_is_cut_with_a_mark() {
        let long = vec![b'x'; STDERR_LINE_BYTES_MAX + 7];
        let said = lines_of(&[&long[..5000], &long[5000..], b"\nnext\n"]);
        assert_eq!(
            said[0],
            format!("{} [7 bytes cut]", "x".repeat(STDERR_LINE_BYTES_MAX))
        );
        assert_eq!(said[1..], ["next"]);
    }

    #[test]
    fn the_tail_holds_the_last_whole_lines() {
        let tail = StderrTail::default();
        tail.push(b"one\n");
        assert_eq!(tail.text(), "one");
        for n in 0..1000 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        let text = tail.text();
        assert!(
            text.starts_with("line ") && text.ends_with("line 999"),
            "{text:?}"
        );
        assert!(text.len() <= STDERR_TAIL_BYTES_MAX);
        tail.push(&[b'x'; 10_000]);
        assert_eq!(tail.text().len(), STDERR_TAIL_BYTES_MAX);
    }

    #[test]
    fn an_allowance_is_used_up_and_comes_back() {
        let start = Instant::now();
        let mut lines = Allowance::new(10.0, 20.0, start);
        let taken = (0..100).filter(|_| lines.take(1.0, start)).count();
        assert_eq!(taken, 20);
        let later = start + Duration::from_secs(1);
        let taken = (0..100).filter(|_| lines.take(1.0, later)).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn what_was_left_out_is_told() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&said);
        let on_stderr: OnStderr =
            Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned()));
        let start = Instant::now();
        let mut say = Sayer::new(on_stderr, start);
        for _ in 0..2_500 {
            say.line("x", start);
        }
        say.line("y", start + Duration::from_secs(1));
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 2_002);
        assert_eq!(
            said[2_000..],
            ["[500 lines left out: more than 1000 a second]", "y"]
        );
    }
}
