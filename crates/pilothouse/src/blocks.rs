//! `pilothouse blocks`: clients that are refused for what was abnormal.

use crate::ask::{Daemon, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use http::Method;
use jiff::Timestamp;
use serde_json::json;
use std::fmt::Write as _;

#[derive(Args)]
pub(crate) struct BlocksArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the clients that are refused: for what, and until when.
    List(ListArgs),
    /// Let clients in again before their time is over.
    Lift(LiftArgs),
}

#[derive(Args)]
struct ListArgs {
    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct LiftArgs {
    /// The clients, as the list shows them.
    #[arg(value_name = "CLIENT", required = true)]
    clients: Vec<String>,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Clients are refused for kinds of `anomalies.block.kinds`, in memory of the daemon that runs.

Examples:
  pilothouse blocks list
  pilothouse blocks lift ci
  pilothouse blocks lift 203.0.113.7";

const PATH: &str = "/api/pilothouse/blocks";

pub(crate) fn blocks(args: &BlocksArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::List(args) => list(args, printer),
        What::Lift(args) => lift(args, printer),
    }
}

fn list(args: &ListArgs, printer: &Printer) -> Result<u8> {
    let answer = daemon(&args.place)?
        .send(&Method::GET, PATH, None)?
        .json()?;
    let all = answer["blocks"].as_array().cloned().unwrap_or_default();
    if args.json {
        printer.data(&format!("{}\n", json!({"version": 1, "blocks": all})))?;
        return Ok(exit::DONE);
    }
    if all.is_empty() {
        printer.say("nobody is refused for what was abnormal");
    }
    let text = |key: &str, of: &serde_json::Value| clean(of[key].as_str().unwrap_or_default());
    let wide = all.iter().map(|one| text("client", one).len()).max();
    let wide = wide.unwrap_or(0);
    for one in &all {
        let until = one["until_ms"].as_i64().unwrap_or_default();
        let until = Timestamp::from_millisecond(until).unwrap_or_default();
        printer.data(&format!(
            "{:<wide$}  {}, until {}\n",
            text("client", one),
            text("kind", one),
            until.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ))?;
    }
    Ok(exit::DONE)
}

fn lift(args: &LiftArgs, printer: &Printer) -> Result<u8> {
    let daemon = daemon(&args.place)?;
    for client in &args.clients {
        let path = format!("{PATH}/{}", escaped(client));
        let answer = daemon.send(&Method::DELETE, &path, None)?;
        if answer.status == 404 {
            bail!(
                "`{}` is not refused; `pilothouse blocks list` has those that are",
                clean(client)
            );
        }
        answer.json()?;
        printer.say(&format!("{} is let in again", clean(client)));
    }
    Ok(exit::DONE)
}

fn daemon(place: &WhereArgs) -> Result<Daemon> {
    match crate::ask::daemon(place)? {
        Ok(daemon) => Ok(daemon),
        Err(dir) => bail!(
            "no daemon runs in `{}`, so nobody is refused",
            dir.display()
        ),
    }
}

/// A name as one part of a path; networks have a slash.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _infallible = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(escaped("2001:db8::/64"), "2001%3Adb8%3A%3A%2F64");
        assert_eq!(escaped("corp:a b?"), "corp%3Aa%20b%3F");
    }
}
