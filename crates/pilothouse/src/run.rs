//! `pilothouse run`.

use crate::cli::RunArgs;
use crate::exit;
use crate::notify::Notify;
use crate::printer::Printer;
use crate::secrets;
use crate::sources::{Read, Rejected, Source, Tried};
use crate::terminal::clean_lines;
use anyhow::{Context, Result, anyhow};
use ph_plan::{LogLevel, Plan};
use ph_server::{Boot, Daemon, Environment, Home, Origin};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often the configuration file is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Beyond this many threads the kernel is the limit, not we.
const WORKERS_MAX: usize = 8;

pub(crate) fn run(args: RunArgs, printer: &Printer) -> Result<u8> {
    let source = Arc::new(Source::of(&args)?);
    let args = Arc::new(args);
    let tried = source.read(&args)?;
    let read = match tried.outcome {
        Ok(read) => {
            if !read.warnings.is_empty() {
                printer.say(&read.warnings);
            }
            read
        }
        Err(Rejected(problems)) => {
            printer.say(problems.trim_end());
            return Ok(exit::FAILED);
        }
    };
    let (again, with) = (Arc::clone(&source), Arc::clone(&args));
    let origin = Origin {
        file: source.file().map(Path::to_owned),
        text: tried.text,
        look: Box::new(move || again.look(&with)),
    };
    let boot = boot(&args, read, origin)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(serve(&args, &source, boot, printer))?;
    runtime.shutdown_background();
    Ok(code)
}

fn boot(args: &RunArgs, read: Read, origin: Origin) -> Result<Boot> {
    let Read { plan, rules, .. } = read;
    let home = Home::open(&data_dir(args, &plan)?)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Ok(Boot {
        environment: Environment {
            log_level: log_level()?,
            otlp: ph_otlp::Settings::from_env(secrets::variable)?,
            machine: crate::vuln::scan::machine().ok(),
            config_dir: args
                .config
                .as_deref()
                .and_then(Path::parent)
                .map(Path::to_owned),
        },
        home,
        executable: std::env::current_exe().context("the path of this program is unknown")?,
        worker_count: args.workers.map_or(cores.min(WORKERS_MAX), usize::from),
        version: env!("CARGO_PKG_VERSION").into(),
        stdout: Some(Box::new(io::stdout())),
        // Names of tools and summaries of alerts are words of others.
        complain: Arc::new(|text: &str| {
            Printer::new().say(&format!("warning: {}", clean_lines(text)));
        }),
        say: Arc::new(|text: &str| Printer::new().say(&clean_lines(text))),
        plan,
        rules,
        origin,
    })
}

/// The flag, else the plan, else the place that XDG gives to state.
fn data_dir(args: &RunArgs, plan: &Plan) -> Result<PathBuf> {
    if let Some(dir) = args
        .data_dir
        .clone()
        .or_else(|| plan.data_dir.as_ref().map(|d| d.as_path().to_owned()))
    {
        return Ok(dir);
    }
    crate::ask::state_dir()
}

fn log_level() -> Result<Option<ph_server::Level>> {
    let Some(text) = secrets::variable("LOG_LEVEL") else {
        return Ok(None);
    };
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return Ok(None);
    }
    let level = LogLevel::parse(&text);
    let level = level.ok_or_else(|| {
        anyhow!("LOG_LEVEL is `{text}`; it can be trace, debug, info, warn or error")
    })?;
    Ok(Some(level.into()))
}

async fn serve(args: &RunArgs, source: &Source, boot: Boot, printer: &Printer) -> Result<u8> {
    let mut terminate = Termination::new()?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let notify = Arc::new(notify()?);
    let mut daemon = Box::pin(Daemon::start(boot)).await?;
    printer.say(&greeting(&daemon));
    notify.ready(&status(&daemon));
    let telling = Arc::clone(&notify);
    // On this thread: while it is held up, nobody is told that all is well.
    tokio::spawn(async move { telling.keep_telling().await });
    let mut seen = source.changed(daemon.plan());
    let mut watch = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = terminate.next() => break,
            _ = hang_up.recv() => {
                let now = source.changed(daemon.plan());
                notify.reloading();
                reload(args, source, &mut daemon, printer, "SIGHUP").await;
                notify.ready(&status(&daemon));
                seen = now.with_others(source.changed(daemon.plan()));
            }
            _ = watch.tick() => {
                let now = source.changed(daemon.plan());
                if now.since(&seen) {
                    notify.reloading();
                    reload(args, source, &mut daemon, printer, "a file has changed").await;
                    notify.ready(&status(&daemon));
                    // Another plan may name other files. What changed meanwhile is seen the next time.
                    seen = now.with_others(source.changed(daemon.plan()));
                }
            }
        }
    }
    notify.stopping();
    printer.say("stopping; a second signal stops at once");
    let hurry = CancellationToken::new();
    let second = hurry.clone();
    tokio::spawn(async move {
        terminate.next().await;
        second.cancel();
    });
    let stopped = Box::pin(daemon.stop(hurry)).await;
    if !stopped.drained {
        printer.say("some calls were cut");
    }
    Ok(exit::DONE)
}

/// Whoever has started us and waits to hear that we serve.
fn notify() -> Result<Notify> {
    Notify::of(secrets::variable, std::process::id())
        .context("the service manager that NOTIFY_SOCKET names cannot be told")
}

/// What `systemctl status` shows.
fn status(daemon: &Daemon) -> String {
    let servers = daemon.plan().servers.len();
    let several = if servers == 1 { "" } else { "s" };
    format!("{servers} server{several} at {}", daemon.address())
}

/// Reads the plan again; a plan that is none leaves the old one running.
async fn reload(
    args: &RunArgs,
    source: &Source,
    daemon: &mut Daemon,
    printer: &Printer,
    cause: &str,
) {
    let (text, read) = match source.read(args) {
        Ok(Tried { text, outcome }) => (text, Ok(outcome)),
        Err(error) => (None, Err(error)),
    };
    let rejected = match read {
        Ok(Ok(read)) if read.plan == *daemon.plan() && read.rules == *daemon.rules() => {
            // It may have been rejected in between.
            daemon.unchanged();
            return printer.say("configuration unchanged");
        }
        Ok(Ok(Read {
            plan,
            rules,
            warnings,
        })) => match Box::pin(daemon.reload(plan, rules, text.as_deref(), cause)).await {
            Ok(()) => {
                return printer.say(&format!(
                    "{warnings}configuration reloaded, listening on {}",
                    daemon.address()
                ));
            }
            Err(e) => format!("{:#}", anyhow::Error::new(e)),
        },
        Ok(Err(Rejected(problems))) => problems,
        Err(e) => format!("{e:#}"),
    };
    printer.say(&format!(
        "{}\nconfiguration rejected; the old one runs on",
        rejected.trim_end()
    ));
    daemon.rejected(&rejected, text.as_deref(), cause);
}

/// What a person sees first: where it listens, and a line to try.
fn greeting(daemon: &Daemon) -> String {
    let plan = daemon.plan();
    let at = |with_tls: bool, address| {
        let scheme = if with_tls { "https" } else { "http" };
        format!("{scheme}://{address}")
    };
    let base = at(plan.tls.is_some(), daemon.address());
    let mut text = format!("pilothouse {}\n", env!("CARGO_PKG_VERSION"));
    let only = plan.only_server().is_some();
    for name in plan.servers.keys() {
        let path = if only {
            "/mcp".to_owned()
        } else {
            format!("/{name}/mcp")
        };
        text.push_str(&format!("  {name:<20} {base}{path}\n"));
    }
    if plan.serves_metrics_on_data_listener() {
        text.push_str(&format!("  {:<20} {base}/metrics\n", "metrics"));
    }
    if let Some(admin) = daemon.admin_address() {
        let admin = at(plan.admin.tls.is_some(), admin);
        text.push_str(&format!("  {:<20} {admin}/\n", "admin"));
    }
    text.push_str(&format!("  {:<20} {}\n", "logs", daemon.logs().display()));
    text.push_str(&format!("  {:<20} {}\n", "rules", rules(daemon)));
    let first = plan
        .servers
        .keys()
        .next()
        .map_or(String::new(), ToString::to_string);
    let path = if only {
        "/mcp".to_owned()
    } else {
        format!("/{first}/mcp")
    };
    let (key, bearer) = match plan.auth.checks() {
        Some(checks) if checks.api_keys => {
            let logs = daemon.logs();
            let data = logs.parent().unwrap_or(&logs).display();
            let make = format!("  KEY=$(pilothouse keys create me --data-dir {data})\n");
            (make, "    -H \"authorization: Bearer $KEY\" \\\n")
        }
        Some(_) => (
            String::new(),
            "    -H \"authorization: Bearer $TOKEN\" \\\n",
        ),
        None => (String::new(), ""),
    };
    text.push_str(&format!(
        "try:\n{key}  curl -sN {base}{path} -H 'content-type: application/json' \\\n{bearer}    -H 'accept: application/json, text/event-stream' \\\n    -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{{}},\"clientInfo\":{{\"name\":\"curl\",\"version\":\"1\"}}}}}}'"
    ));
    text
}

/// How many rules are evaluated, and who is told of their alerts.
fn rules(daemon: &Daemon) -> String {
    let (plan, set) = (daemon.plan(), daemon.rules());
    if !daemon.evaluates_rules() {
        return match &plan.metrics.query {
            Some(other) => format!("evaluated by {}", other.as_str()),
            None => "not evaluated".into(),
        };
    }
    let count: usize = set.groups().iter().map(|new| new.group.rules.len()).sum();
    let receivers = plan.notify.receivers.keys().map(|name| name.as_str());
    let others = plan.notify.alertmanagers.iter().map(|url| url.as_str());
    let told: Vec<_> = receivers.chain(others).collect();
    if told.is_empty() {
        return format!("{count}; alerts are shown here, `notify` says who else is told");
    }
    format!("{count}; alerts go to {}", told.join(", "))
}

/// SIGTERM and SIGINT.
pub(crate) struct Termination {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Termination {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Returns at the first SIGTERM or SIGINT.
pub(crate) async fn termination() -> io::Result<()> {
    Termination::new()?.next().await;
    Ok(())
}
