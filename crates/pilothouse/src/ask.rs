//! Whom the reading commands ask: the daemon that runs, or the data directory when none does.
//!
//! Both give the same answers to the same paths, so every command is written once: what it prints is what
//! `curl` would have got.

mod daemon;
mod when;

pub(crate) use ph_ledger::{Params, Refused};
pub(crate) use when::{
    Within, duration as read_duration, duration_text, read_time, seconds, time_of_day,
};

use crate::secrets;
use crate::sources::DEFAULT_FILE;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use daemon::Daemon as Client;
use http::Method;
use ph_plan::Plan;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};

/// Where to ask.
#[derive(Args, Clone)]
pub(crate) struct WhereArgs {
    /// Data directory of the daemon, or of one that ran [default: that of `pilothouse.yaml` here, else $XDG_STATE_HOME/pilothouse].
    #[arg(long, value_name = "DIR", conflicts_with = "address")]
    pub data_dir: Option<PathBuf>,
    /// Admin address of a daemon, instead of the one that owns the data directory.
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
}

/// A file in the data directory that holds the daemon's admin address while it runs.
const ADDRESS_FILE: &str = "admin.addr";

/// Somebody who answers.
pub(crate) struct Api {
    runtime: Runtime,
    answerer: Answerer,
}

enum Answerer {
    Daemon(Client),
    Directory(ph_server::Archive),
}

/// Takes the name and the data of an event; `false` ends the stream.
pub(crate) type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// An answer: its status and its body.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Who has answered, when the daemon has asked somebody else.
    pub source: Option<String>,
}

/// Nobody could be asked, so nothing is known: exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be read")]
pub(crate) struct CouldNotAsk;

impl Api {
    /// The daemon of `--address`; else the one that owns the data directory; else the directory.
    pub(crate) fn find(args: &WhereArgs) -> Result<Self> {
        Self::find_with(args, &Plan::default())
    }

    /// The same; a directory answers as `plan` says.
    pub(crate) fn find_with(args: &WhereArgs, plan: &Plan) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let answerer = match &args.address {
            Some(address) => Answerer::Daemon(Client::at(address)?),
            None => {
                let dir = data_dir(args.data_dir.as_deref())?;
                match running(&runtime, &dir) {
                    Some(daemon) => Answerer::Daemon(daemon),
                    None => Answerer::Directory(
                        ph_server::Archive::open(&dir, env!("CARGO_PKG_VERSION"), plan)
                            .with_context(|| {
                                format!("no daemon runs in `{}`, and its records", dir.display())
                            })
                            .context(CouldNotAsk)?,
                    ),
                }
            }
        };
        drop(entered);
        Ok(Self { runtime, answerer })
    }

    /// The daemon of `--address`, or the one that owns the data directory, and nobody else.
    ///
    /// - `what`: what is asked about.
    pub(crate) fn find_daemon(args: &WhereArgs, what: &str) -> Result<Self> {
        match daemon(args)? {
            Ok(Daemon { runtime, client }) => Ok(Self {
                runtime,
                answerer: Answerer::Daemon(client),
            }),
            Err(_) => Err(nobody(what)),
        }
    }

    /// Asks for a path; every answer is one, whatever its status.
    pub(crate) fn get(&self, path: &str, params: &Params) -> Result<Answer> {
        let target = params.target(path);
        match &self.answerer {
            Answerer::Daemon(daemon) => self
                .runtime
                .block_on(daemon.get(&target))
                .with_context(|| format!("the daemon at {daemon} does not answer"))
                .context(CouldNotAsk),
            Answerer::Directory(archive) => {
                let (status, body) = self.runtime.block_on(archive.get(&target));
                Ok(Answer {
                    status,
                    body,
                    source: None,
                })
            }
        }
    }

    /// What runs and can be told something: where it is. Without one nothing is known, for only a daemon evaluates.
    ///
    /// - `what`: what is asked about.
    pub(crate) fn daemon(&self, what: &str) -> Result<String> {
        match &self.answerer {
            Answerer::Daemon(daemon) => Ok(daemon.to_string()),
            Answerer::Directory(_) => Err(nobody(what)),
        }
    }

    /// Tells the daemon something.
    ///
    /// - `body`: JSON.
    pub(crate) fn send(&self, method: &Method, path: &str, body: Option<String>) -> Result<Answer> {
        self.daemon("it")?;
        match &self.answerer {
            Answerer::Daemon(daemon) => self
                .runtime
                .block_on(daemon.send(method, path, body))
                .with_context(|| format!("the daemon at {daemon} does not answer"))
                .context(CouldNotAsk),
            Answerer::Directory(_) => bail!("no daemon runs here"),
        }
    }

    /// Asks for a path of our own API, whose answers are JSON.
    ///
    /// # Errors
    /// What the answer says went wrong, too.
    pub(crate) fn json(&self, path: &str, params: &Params) -> Result<Value> {
        self.get(path, params)?.json()
    }

    /// Calls `each` with the name and the data of every event of a stream, until it says `false` or the stream ends.
    pub(crate) fn follow(&self, path: &str, params: &Params, each: &mut Each<'_>) -> Result<()> {
        match &self.answerer {
            Answerer::Daemon(daemon) => {
                let target = params.target(path);
                self.runtime.block_on(daemon.follow(&target, each))
            }
            Answerer::Directory(_) => {
                bail!("no daemon runs here, so nothing new comes; leave `--follow` out")
            }
        }
    }
}

fn nobody(what: &str) -> anyhow::Error {
    anyhow!(
        "no daemon runs here, and only a daemon has {what}; give `--address URL` or `--data-dir DIR`"
    )
    .context(CouldNotAsk)
}

/// A daemon that can be told something.
pub(crate) struct Daemon {
    runtime: Runtime,
    client: Client,
}

/// The daemon of `--address`, or the one that owns the data directory; else that directory.
pub(crate) fn daemon(args: &WhereArgs) -> Result<Result<Daemon, PathBuf>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let client = match &args.address {
        Some(address) => Client::at(address)?,
        None => {
            let dir = data_dir(args.data_dir.as_deref())?;
            match running(&runtime, &dir) {
                Some(client) => client,
                None => return Ok(Err(dir)),
            }
        }
    };
    Ok(Ok(Daemon { runtime, client }))
}

impl Daemon {
    /// Tells it something; every answer is one, whatever its status.
    ///
    /// - `body`: JSON.
    pub(crate) fn send(&self, method: &Method, path: &str, body: Option<String>) -> Result<Answer> {
        let client = &self.client;
        self.runtime
            .block_on(client.send(method, path, body))
            .with_context(|| format!("the daemon at {client} does not answer"))
            .context(CouldNotAsk)
    }
}

impl Answer {
    /// The body, when all went well.
    pub(crate) fn json(&self) -> Result<Value> {
        let body: Value = serde_json::from_slice(&self.body).map_err(|_| {
            anyhow!(
                "status {} and no JSON: is this an admin address?",
                self.status
            )
        })?;
        if (200..300).contains(&self.status) {
            return Ok(body);
        }
        let text = |key: &str| body[key].as_str().map(ToOwned::to_owned);
        Err(Refused {
            error: text("error").unwrap_or_else(|| format!("status {}", self.status)),
            hint: text("hint"),
        }
        .into())
    }
}

impl ph_ledger::Ask for Api {
    type Error = anyhow::Error;

    fn get(&self, path: &str, params: &Params) -> Result<ph_ledger::Answer> {
        let Answer { status, body, .. } = Self::get(self, path, params)?;
        Ok(ph_ledger::Answer { status, body })
    }
}

/// The daemon that the address file names, if it answers.
fn running(runtime: &Runtime, dir: &Path) -> Option<Client> {
    let address = std::fs::read_to_string(dir.join(ADDRESS_FILE)).ok()?;
    let daemon = Client::at(address.trim()).ok()?;
    // The file outlives a daemon that was killed.
    runtime.block_on(daemon.is_there()).then_some(daemon)
}

/// The flag, else what `pilothouse.yaml` here says, since `run` goes by that too, else the place that XDG gives to
/// state.
pub(crate) fn data_dir(flag: Option<&Path>) -> Result<PathBuf> {
    let given = flag.map(Path::to_owned);
    given.or_else(configured_here).map_or_else(state_dir, Ok)
}

/// What a configuration in this directory says. One that is wrong says nothing: `check` and `run` complain of it.
fn configured_here() -> Option<PathBuf> {
    let (plan, _) = crate::sources::read_file(Path::new(DEFAULT_FILE))
        .ok()?
        .ok()?;
    plan.data_dir.map(|dir| dir.as_path().to_owned())
}

/// The place that XDG gives to state.
pub(crate) fn state_dir() -> Result<PathBuf> {
    let absolute = |name: &str| {
        secrets::variable(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Ok(state
        .ok_or_else(|| anyhow!("neither XDG_STATE_HOME nor HOME is set; give `--data-dir DIR`"))?
        .join("pilothouse"))
}
