//! The tools that do something.

use super::{Server, lock, say};
use crate::protocol::{Request, notification, sampling_request};
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn call(server: &Arc<Server>, request: Request) {
    let Some(tool) = request.tool() else {
        return server.send(&request.error(-32602, "a tool call without a name"));
    };
    let answer = match tool {
        "slow" => return slow(server, request),
        "ask" => return ask(server, request),
        "hang" => return,
        "notify" => notify(server, &request),
        "list_changed" => list_changed(server, &request),
        "malformed" => {
            server.write(b"this is no message\n");
            if request.argument("instead") == &json!(true) {
                return;
            }
            request.said("malformed")
        }
        "touch" => touch(server, &request),
        "subscribed" => {
            let all = lock(&server.subscribed).clone();
            request.said(&json!(all).to_string())
        }
        "log" => {
            let params = json!({"level": request.text("level"), "data": "said"});
            server.send(&notification("notifications/message", &params));
            request.said("logged")
        }
        "told" => {
            let all = lock(&server.told).clone();
            request.said(&json!(all).to_string())
        }
        "stderr" => {
            let line = "e".repeat(request.number("bytes", 80) as usize);
            (0..request.number("lines", 1)).for_each(|_| say(&line));
            request.said("said")
        }
        "crash" => {
            say("fake-stdio-server: told to crash");
            exit(request.number("code", 1))
        }
        "crash_partial" => {
            let answer = request.said("never whole").to_string();
            server.write(&answer.as_bytes()[..answer.len() / 2]);
            exit(request.number("code", 1))
        }
        "close_stdout" => {
            close_stdout();
            return;
        }
        "ignore_eof" => {
            server.ignores_eof.store(true, Ordering::Relaxed);
            request.said("ignoring")
        }
        "ignore_term" => {
            ignore_term();
            request.said("ignoring")
        }
        "spawn_grandchild" => spawn_grandchild(&request),
        "allocate" => {
            let taken = vec![1_u8; request.number("bytes", 0) as usize];
            request.said(&std::hint::black_box(taken).len().to_string())
        }
        "environment" => environment(&request),
        _ => request.error(-32602, "no such tool"),
    };
    server.send(&answer);
}

fn slow(server: &Arc<Server>, request: Request) {
    let (cancel, cancelled) = sync_channel(1);
    lock(&server.slow).insert(request.id.to_string(), cancel);
    let server = Arc::clone(server);
    std::thread::spawn(move || {
        let time = Duration::from_millis(request.number("ms", 100));
        if cancelled.recv_timeout(time).is_err() {
            lock(&server.slow).remove(&request.id.to_string());
            server.send(&request.said("slept"));
        }
    });
}

fn ask(server: &Arc<Server>, request: Request) {
    let id = format!("ask-{}", request.id);
    let (answered, answer) = sync_channel(1);
    lock(&server.asked).insert(Value::from(id.as_str()).to_string(), answered);
    server.send(&sampling_request(&id));
    let server = Arc::clone(server);
    std::thread::spawn(move || {
        if let Ok(body) = answer.recv() {
            server.send(&request.said(&body.to_string()));
        }
    });
}

fn notify(server: &Server, request: &Request) -> Value {
    for n in 1..=request.number("n", 1) {
        if let Some(progress) = request.progress(n) {
            server.send(&progress);
        }
    }
    request.said("notified")
}

fn list_changed(server: &Server, request: &Request) -> Value {
    const METHOD: &str = "notifications/tools/list_changed";
    if request.is_modern() {
        let listening = lock(&server.listening).clone();
        listening
            .iter()
            .for_each(|listener| server.send(&listener.subscribed(METHOD)));
    } else {
        server.send(&notification(METHOD, &json!({})));
    }
    request.said("changed")
}

fn touch(server: &Server, request: &Request) -> Value {
    let uri = request.text("uri");
    let is_heard = lock(&server.subscribed)
        .iter()
        .any(|heard| uri.starts_with(heard.as_str()));
    if is_heard {
        let params = json!({"uri": uri});
        server.send(&notification("notifications/resources/updated", &params));
    }
    request.said("touched")
}

/// A process with our standard streams, as careless servers start them.
fn spawn_grandchild(request: &Request) -> Value {
    let mut grandchild = Command::new("sleep");
    grandchild.arg("1000").stdin(Stdio::null());
    if request.argument("leave_group") == &json!(true) {
        grandchild.process_group(0);
    }
    match grandchild.spawn() {
        Ok(grandchild) => request.said(&grandchild.id().to_string()),
        Err(error) => request.error(-32603, &error.to_string()),
    }
}

/// Standard output is made the same as standard input, which nobody can read an answer from.
fn close_stdout() {
    if rustix::stdio::dup2_stdout(std::io::stdin().as_fd()).is_err() {
        say("fake-stdio-server: standard output stays open");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is what the test asks about"
)]
fn environment(request: &Request) -> Value {
    request.said(&std::env::var(request.text("name")).unwrap_or_default())
}

#[expect(
    clippy::disallowed_methods,
    reason = "to end without an answer is what this is for"
)]
fn exit(code: u64) -> ! {
    std::process::exit(code as i32)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which is to be late"
)]
pub(super) fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Takes SIGTERM by a handler that does nothing; to 'ignore' it would be unsafe code.
pub(super) fn ignore_term() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    match runtime {
        Ok(runtime) => {
            let guard = runtime.enter();
            let handled = signal(SignalKind::terminate());
            drop(guard);
            if handled.is_err() {
                say("fake-stdio-server: SIGTERM is not ignored");
            }
            // The handler writes to a pipe of the runtime as long as the process lives.
            std::mem::forget(runtime);
        }
        Err(error) => say(&format!(
            "fake-stdio-server: SIGTERM is not ignored: {error}"
        )),
    }
}
