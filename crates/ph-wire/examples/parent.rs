//! A parent to be killed: runs the command of its arguments as a child under a reaper, and joins
//! its own standard streams to it. It takes in orphans, as the first process of a container does. Its first line on standard error is the id of the reaper's run.

use bytes::Bytes;
use ph_wire::child::{Adopted, ChildSpec, spawn};
use ph_wire::lines::Frame;
use ph_wire::reaper::{REAPER_ARGUMENT, Reaper, reaper_main};
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next() {
        Some(first) if first == REAPER_ARGUMENT => reaper_main(std::io::stdin().lock()),
        Some(command) => carry(&ChildSpec::new(command, args)),
        None => ExitCode::from(2),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn carry(spec: &ChildSpec) -> ExitCode {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("Linux 3.4");
    let reaper = std::env::current_exe()
        .and_then(|exe| Reaper::start(&exe))
        .expect("the reaper starts");
    say(
        &mut std::io::stderr(),
        reaper.run().unwrap_or_default().as_bytes(),
    );
    let on_stderr = Arc::new(|line: &str| say(&mut std::io::stderr(), line.as_bytes()));
    let mut child = spawn(spec, &reaper, on_stderr).expect("the child starts");
    let writer = child.writer().clone();

    let (line_of, mut lines) = mpsc::channel::<Bytes>(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if line_of.blocking_send(line.into()).is_err() {
                return;
            }
        }
    });
    let mut adopted = Adopted::default();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let mut frames = Vec::new();
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) if writer.send(line.clone()).await.is_ok() => {}
                _ => break,
            },
            _ = look.tick() => {
                adopted.reap(&reaper);
            }
            heard = child.next_frames(&mut frames) => {
                if heard.is_err() {
                    break;
                }
                for frame in frames.drain(..) {
                    if let Frame::Line(line) = frame {
                        say(&mut std::io::stdout(), &line);
                    }
                }
            }
        }
    }
    child
        .stop(Duration::from_millis(500), Duration::from_millis(500))
        .await;
    ExitCode::SUCCESS
}

fn say(to: &mut impl Write, line: &[u8]) {
    // Whoever listened may be gone; then nobody misses it.
    let _ = to
        .write_all(&[line, b"\n"].concat())
        .and_then(|()| to.flush());
}
