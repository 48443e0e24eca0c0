//! `pilothouse top`: the console's first page in a terminal.

mod app;
mod detail;
mod draw;
mod figures;
mod grid;
mod overview;
mod page;
mod session;
mod work;

use crate::ask::{Api, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::Look;
use anyhow::{Context as _, Result, bail};
use app::App;
use clap::Args;
use overview::Overview;
use session::Session;
use std::io::{self, IsTerminal as _};
use work::{Event, Work};

#[derive(Args)]
pub(crate) struct TopArgs {
    /// Print it once as a table, and end. It is printed so, too, where standard output is no terminal.
    #[arg(long)]
    once: bool,
    /// Print it once as one JSON object, and end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

/// What only a daemon has.
const WHAT: &str = "servers that run";

pub(crate) const EXAMPLES: &str = "\
Shows what the console's first page shows, by the same questions: service levels, alerts, servers, what changed
in the last hour. In a terminal it is live; enter opens the calls of a server and the trace of a call, `?` lists the keys.

Examples:
  pilothouse top
  pilothouse top --once
  pilothouse top --json | jq '.servers[] | select(.up == false)'";

pub(crate) fn top(args: &TopArgs, printer: &Printer) -> Result<u8> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if args.once || args.json || !is_terminal {
        return once(args, printer);
    }
    // Nothing to show is said where it stays to be read.
    let daemon = Api::find_daemon(&args.place, WHAT)?.daemon(WHAT)?;
    watch(App::new(daemon, Look::of_stdout().color), &args.place)?;
    Ok(exit::DONE)
}

/// Until it is ended by a key or a signal.
fn watch(mut app: App, place: &WhereArgs) -> Result<()> {
    let mut session = Session::enter().context("the terminal cannot be used")?;
    let work = Work::start(place)?;
    let mut wanted = app.ask();
    loop {
        if let Some(ask) = wanted.take() {
            work.ask(ask);
        }
        session.draw(|width, height| app.view(width, height))?;
        // What has come meanwhile is drawn together.
        let mut next = Some(work.events.recv()?);
        while let Some(event) = next {
            match event {
                Event::Key(key) => wanted = app.press(key).or(wanted),
                Event::News(news) => wanted = app.take(news).or(wanted),
                Event::Resized => {}
                Event::Stop => return Ok(()),
                Event::Gone(why) => bail!("{why}"),
            }
            if app.is_over() {
                return Ok(());
            }
            next = work.events.try_recv().ok();
        }
    }
}

fn once(args: &TopArgs, printer: &Printer) -> Result<u8> {
    let api = Api::find_daemon(&args.place, WHAT)?;
    let overview = Overview::ask(&api)?;
    let daemon = api.daemon(WHAT)?;
    if args.json {
        printer.data(&format!("{}\n", overview.json(&daemon)))?;
    } else {
        let look = Look::of_stdout();
        let rows = page::overview(&overview, &daemon, "", look);
        let lines = rows.iter().map(|row| format!("{}\n", row.text.trim_end()));
        printer.data(&lines.collect::<String>())?;
    }
    Ok(exit::DONE)
}
