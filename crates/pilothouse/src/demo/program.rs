//! This program, run as a user runs it.

use anyhow::{Context, Result, bail};
use ph_wire::child::{self, Child, ChildSpec, End, Exit};
use ph_wire::lines::Frame;
use ph_wire::reaper::Reaper;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// No command of the story takes nearly as long.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// What the gateway has for calls in flight and its children, when it is told to stop.
const STOP_MAX: Duration = Duration::from_secs(20);
/// As long as it takes to hear that a process is no more.
const LOOK: Duration = Duration::from_millis(100);
/// More of what a command says is thrown away.
const SAID_BYTES_MAX: usize = 1 << 20;

/// The binary, the folder it is run in, and what its processes die with.
pub(super) struct Program {
    pub path: PathBuf,
    dir: PathBuf,
    reaper: Reaper,
    key: Option<String>,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Program {
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let path = std::env::current_exe().context("where this program lies cannot be told")?;
        let reaper = Reaper::start(&path).context("the reaper of processes cannot be started")?;
        Ok(Self {
            path,
            dir: dir.to_owned(),
            reaper,
            key: None,
        })
    }

    /// The key that commands show to the admin listener from now on.
    pub(super) fn use_key(&mut self, key: String) {
        self.key = Some(key);
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Said> {
        let heard = Arc::<Mutex<String>>::default();
        let mut child = self.spawn(args, &heard)?;
        let mut out = String::new();
        let ended = timeout(COMMAND_MAX, async {
            let mut frames = Vec::new();
            loop {
                match child.next_frames(&mut frames).await {
                    Ok(()) => frames.drain(..).for_each(|frame| take(&mut out, &frame)),
                    Err(End::Exited(exit)) => return exit,
                    Err(End::OutputClosed | End::OutputBroken(_)) => return child.wait().await,
                }
            }
        });
        let Ok(exit) = ended.await else {
            bail!(
                "`pilothouse {}` takes more than {COMMAND_MAX:?}",
                args.join(" ")
            );
        };
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        };
        let err = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Said { code, out, err })
    }

    /// Runs a command that prints JSON, whatever its exit code.
    pub(super) async fn json(&self, args: &[&str]) -> Result<Value> {
        let mut all = args.to_vec();
        all.push("--json");
        let said = self.run(&all).await?;
        serde_json::from_str(&said.out).with_context(|| {
            format!(
                "`pilothouse {}` ended with {} and printed no JSON: {}{}",
                all.join(" "),
                said.code,
                said.out,
                said.err
            )
        })
    }

    fn spawn(&self, args: &[&str], heard: &Arc<Mutex<String>>) -> Result<Child> {
        let mut spec = ChildSpec::new(self.path.to_string_lossy(), args.iter().copied());
        spec.cwd = Some(self.dir.clone());
        // Told where it goes, a chart is as wide as the report, and nothing is coloured.
        spec.env.push(("COLUMNS".to_owned(), "100".to_owned()));
        if let Some(key) = &self.key {
            spec.env
                .push(("PILOTHOUSE_ADMIN_KEY".to_owned(), key.clone()));
        }
        let heard = Arc::clone(heard);
        let hear = move |line: &str| {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < SAID_BYTES_MAX {
                heard.push_str(line);
                heard.push('\n');
            }
        };
        Ok(child::spawn(&spec, &self.reaper, Arc::new(hear))?)
    }

    /// Starts the gateway. What it says is kept for when something goes wrong.
    pub(super) fn start_gateway(&self) -> Result<Gateway> {
        let heard = Arc::<Mutex<String>>::default();
        let child = self.spawn(&["run"], &heard)?;
        Ok(Gateway { child, heard })
    }
}

fn take(out: &mut String, frame: &Frame) {
    if let Frame::Line(line) = frame
        && out.len() < SAID_BYTES_MAX
    {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
}

/// The gateway that runs. Dropped, it is killed with its children.
pub(super) struct Gateway {
    child: Child,
    heard: Arc<Mutex<String>>,
}

impl Gateway {
    /// What it has said so far.
    pub(super) fn said(&self) -> String {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The address of its only server, once it has said so.
    pub(super) fn url(&self) -> Option<String> {
        let said = self.said();
        let url = said
            .split_whitespace()
            .find(|word| word.starts_with("http://"))?;
        Some(url.to_owned())
    }

    /// How it has ended, if it has.
    pub(super) async fn ended(&mut self) -> Option<Exit> {
        timeout(LOOK, self.child.wait()).await.ok()
    }

    /// Ends it as Ctrl-C does.
    pub(super) async fn stop(&mut self) -> Option<Exit> {
        self.child.stop(Duration::ZERO, STOP_MAX).await.exit
    }
}
