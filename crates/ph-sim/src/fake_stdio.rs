//! A scripted MCP server over stdio.
//!
//! Words that are no flags are passed over, so that it can stand in for an interpreter and its script. Flags: `--era legacy|modern|both`, `--exit-at-start CODE` (with a line on stderr),
//! `--delay-start MS`, `--silent` (reads, never answers), `--ignore-eof`, `--ignore-term`.
//!
//! Tools beside those that are the same everywhere (`echo {text}`, `annotated {region}`, `fail`, `error {code}`,
//! `input_required`, `big {bytes}`, `wrong_id`):
//!
//! | tool | does |
//! |---|---|
//! | `slow {ms}` | answers later, or never when cancelled |
//! | `hang` | answers never; other calls go on |
//! | `notify {n}` | n progress notifications, then the answer |
//! | `ask` | asks the client by `sampling/createMessage`, answers with what it said |
//! | `list_changed` | tells that the list of tools changed, then answers |
//! | `touch {uri}` | tells that it was updated, if somebody subscribed to it or to what it is below |
//! | `subscribed` | says what is subscribed to |
//! | `log {level}` | a log message, then the answer |
//! | `told` | says the methods of all that it was sent, in order |
//! | `redefine {tools}` | lists these from now on, and calls every tool as before |
//! | `malformed {instead}` | a line that is no JSON, before the answer or instead of it |
//! | `stderr {lines, bytes}` | so many lines of so many bytes on stderr, then the answer |
//! | `crash {code}` | exits at once, without an answer |
//! | `crash_partial {code}` | half of the answer without its line end, then exits |
//! | `close_stdout` | closes its output and lives on |
//! | `ignore_eof`, `ignore_term` | as the flags, from now on |
//! | `spawn_grandchild {leave_group}` | starts a process that outlives it if it can; says its id |
//! | `allocate {bytes}` | takes and touches memory |
//! | `environment {name}` | says the value of an environment variable |

mod tools;

use crate::protocol::{Eras, Message, Request};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Runs the server with the arguments of a command line; the whole program.
pub fn main(args: impl Iterator<Item = String>) -> ExitCode {
    match Options::parse(args) {
        Ok(options) => run(&options),
        Err(wrong) => {
            say(&format!("fake-stdio-server: {wrong}"));
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, Default)]
struct Options {
    eras: Eras,
    exit_at_start: Option<u8>,
    delay_start: Duration,
    is_silent: bool,
    ignores_eof: bool,
    ignores_term: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} needs a value"));
            let number = |text: String| {
                text.parse::<u64>()
                    .map_err(|_| format!("`{text}` is no number"))
            };
            match flag.as_str() {
                "--era" => {
                    let name = value()?;
                    options.eras =
                        Eras::parse(&name).ok_or(format!("no era is called `{name}`"))?;
                }
                "--exit-at-start" => options.exit_at_start = Some(number(value()?)? as u8),
                "--delay-start" => options.delay_start = Duration::from_millis(number(value()?)?),
                "--silent" => options.is_silent = true,
                "--ignore-eof" => options.ignores_eof = true,
                "--ignore-term" => options.ignores_term = true,
                word if !word.starts_with('-') => {}
                _ => return Err(format!("no flag is called `{flag}`")),
            }
        }
        Ok(options)
    }
}

fn run(options: &Options) -> ExitCode {
    if options.ignores_term {
        tools::ignore_term();
    }
    tools::wait(options.delay_start);
    if let Some(code) = options.exit_at_start {
        say("fake-stdio-server: told to fail at start");
        return ExitCode::from(code);
    }
    let server = Arc::new(Server::new(options));
    for line in std::io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { break };
        if !options.is_silent && !line.is_empty() {
            server.hear(&line);
        }
    }
    while server.ignores_eof.load(Ordering::Relaxed) {
        std::thread::park();
    }
    ExitCode::SUCCESS
}

/// What the calls share. Calls that take time have a thread each.
#[derive(Debug)]
struct Server {
    eras: Eras,
    ignores_eof: AtomicBool,
    /// Whole lines only, unless a tool wants it otherwise.
    stdout: Mutex<std::io::Stdout>,
    /// By the text of the id: who waits for the client's answer.
    asked: Mutex<HashMap<String, SyncSender<Value>>>,
    /// By the text of the id: how to cancel a slow call.
    slow: Mutex<HashMap<String, SyncSender<()>>>,
    listening: Mutex<Vec<Request>>,
    /// What it lists, when that was redefined.
    tools: Mutex<Option<Value>>,
    subscribed: Mutex<BTreeSet<String>>,
    /// The methods of all requests and notifications so far.
    told: Mutex<Vec<String>>,
}

impl Server {
    fn new(options: &Options) -> Self {
        Self {
            eras: options.eras,
            ignores_eof: options.ignores_eof.into(),
            stdout: Mutex::new(std::io::stdout()),
            asked: Mutex::default(),
            slow: Mutex::default(),
            listening: Mutex::default(),
            tools: Mutex::default(),
            subscribed: Mutex::default(),
            told: Mutex::default(),
        }
    }

    fn hear(self: &Arc<Self>, line: &[u8]) {
        let message = Message::parse(line);
        if let Message::Request(Request { method, .. }) | Message::Notification { method, .. } =
            &message
        {
            lock(&self.told).push(method.clone());
        }
        match message {
            Message::Request(request) => self.answer(request),
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                let id = params["requestId"].to_string();
                // Its thread may have answered meanwhile.
                let _ = lock(&self.slow).remove(&id).map(|cancel| cancel.send(()));
                lock(&self.listening).retain(|request| request.id != params["requestId"]);
            }
            Message::Answer { id, body } => {
                let _ = lock(&self.asked)
                    .remove(&id.to_string())
                    .map(|waiting| waiting.send(body));
            }
            Message::Notification { .. } => {}
            Message::Garbage => say("fake-stdio-server: a line that is no message"),
        }
    }

    fn answer(self: &Arc<Self>, request: Request) {
        if let Some(answer) = self.subscribes(&request) {
            return self.send(&answer);
        }
        let redefined = request.redefined(&self.tools);
        if let Some(answer) = redefined.or_else(|| request.plain_answer(self.eras)) {
            self.send(&answer);
        } else if request.method == "subscriptions/listen" {
            self.send(&request.acknowledged());
            lock(&self.listening).push(request);
        } else {
            tools::call(self, request);
        }
    }

    /// What a session of the legacy era asks for once, and notices later.
    fn subscribes(&self, request: &Request) -> Option<Value> {
        let uri = request.params["uri"].as_str().unwrap_or("");
        match request.method.as_str() {
            _ if self.eras == Eras::Modern => return None,
            "resources/subscribe" => _ = lock(&self.subscribed).insert(uri.to_owned()),
            "resources/unsubscribe" => _ = lock(&self.subscribed).remove(uri),
            "logging/setLevel" => {}
            _ => return None,
        }
        Some(request.ok(serde_json::json!({})))
    }

    fn send(&self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        let mut stdout = lock(&self.stdout);
        // Nobody reads any more: the end of stdin comes next.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line to stderr.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
