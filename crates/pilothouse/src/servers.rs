//! `pilothouse servers`, `scale`, `restart`, `drain`, `replace`: what runs, and how many of it.
//!
//! Each also prints the `kubectl` line that does the same to a Deployment of the server's name.

mod replace;

use crate::ask::{Api, Params, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Result, bail};
use clap::Args;
use http::Method;
pub(crate) use replace::{EXAMPLES as REPLACE_EXAMPLES, ReplaceArgs, replace};
use serde_json::{Value as Json, json};

#[derive(Args)]
pub(crate) struct ServersArgs {
    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
pub(crate) struct ScaleArgs {
    /// The server.
    server: String,
    /// How many replicas, 0 to 64; `auto` leaves it to `replicas` of the configuration again.
    #[arg(value_name = "N|auto")]
    replicas: String,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
pub(crate) struct RestartArgs {
    /// The server.
    server: String,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
pub(crate) struct DrainArgs {
    /// The server.
    server: String,
    /// Give it new calls again.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const SCALE_EXAMPLES: &str = "\
Holds until the server's command changes or the daemon ends; `replicas` of the configuration is for good.

Examples:
  pilothouse scale files 5
  pilothouse scale files auto";

pub(crate) fn servers(args: &ServersArgs, printer: &Printer) -> Result<u8> {
    let api = Api::find(&args.place)?;
    let daemon = api.daemon("servers that run")?;
    let answer = api.json("/api/pilothouse/servers", &Params::new())?;
    if args.json {
        let result = json!({"version": 1, "daemon": daemon, "servers": answer["servers"]});
        printer.data(&format!("{result}\n"))?;
        return Ok(exit::DONE);
    }
    let header = [
        "SERVER",
        "REPLICA",
        "STATE",
        "PID",
        "AGE",
        "IN FLIGHT",
        "RESTARTS",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut notes = Vec::new();
    for server in answer["servers"].as_array().into_iter().flatten() {
        let name = clean(server["name"].as_str().unwrap_or_default());
        rows.push(summary(&name, server));
        for replica in server["replicas"].as_array().into_iter().flatten() {
            rows.push(of_replica(replica));
            if let Some(why) = replica["why"].as_str() {
                notes.push(format!("{name} {}: {}", replica["slot"], clean(why)));
            }
        }
    }
    for server in answer["servers"].as_array().into_iter().flatten() {
        let name = clean(server["name"].as_str().unwrap_or_default());
        notes.extend(replace::note(&name, &server["replacement"]));
        if server["replaced"] == true {
            notes.push(format!(
                "{name}: what runs is not what is configured; `pilothouse replace {name} --undo` goes back"
            ));
        }
    }
    printer.data(&table(&rows))?;
    notes.iter().for_each(|note| printer.say(note));
    printer.say("of Deployments: kubectl get deployments,pods");
    Ok(exit::DONE)
}

/// The row of a server as a whole.
fn summary(name: &str, server: &Json) -> Vec<String> {
    let replicas = server["replicas"].as_array().map_or(0, Vec::len);
    let is_ready = |one: &&Json| one["state"] == "ready";
    let ready = server["replicas"].as_array().into_iter().flatten();
    let ready = ready.filter(is_ready).count();
    let number = match (server["wanted"].as_u64(), server["fixed"].as_bool()) {
        (Some(wanted), Some(true)) => format!("{ready}/{wanted} (set)"),
        (Some(wanted), _) => format!("{ready}/{wanted}"),
        (None, _) if replicas > 0 => format!("{ready}/{replicas}"),
        (None, _) => format!("{} sessions", server["sessions"]),
    };
    let state = match (server["drained"].as_bool(), server["up"].as_bool()) {
        (Some(true), _) => "drained",
        (_, Some(true)) => "up",
        (_, Some(false)) => "down",
        (_, None) => "unknown",
    };
    let waiting = match server["waiting"].as_i64() {
        None | Some(0) => String::new(),
        Some(waiting) => format!(" +{waiting} waiting"),
    };
    vec![
        name.to_owned(),
        number,
        state.to_owned(),
        format!("{} children", server["children"]),
        String::new(),
        format!("{}{waiting}", server["in_flight"]),
        String::new(),
    ]
}

fn of_replica(replica: &Json) -> Vec<String> {
    let or_dash = |value: &Json| match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => clean(text),
        other => other.to_string(),
    };
    let age = replica["age_seconds"].as_f64();
    vec![
        String::new(),
        or_dash(&replica["slot"]),
        or_dash(&replica["state"]),
        match &replica["pid"] {
            Json::Null => or_dash(&replica["address"]),
            pid => pid.to_string(),
        },
        age.map_or_else(|| "-".to_owned(), show_age),
        or_dash(&replica["in_flight"]),
        or_dash(&replica["restarts"]),
    ]
}

fn show_age(seconds: f64) -> String {
    match seconds as u64 {
        s if s < 120 => format!("{s}s"),
        s if s < 7_200 => format!("{}m", s / 60),
        s if s < 172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

/// Columns as wide as their widest cell.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

pub(crate) fn scale(args: &ScaleArgs, printer: &Printer) -> Result<u8> {
    let replicas = match args.replicas.as_str() {
        "auto" => None,
        number => match number.parse::<u32>() {
            Ok(number) => Some(number),
            Err(_) => bail!("`{number}` is neither a number of replicas nor `auto`"),
        },
    };
    let name = &args.server;
    change(
        &args.place,
        name,
        &json!({"action": "scale", "replicas": replicas}),
    )?;
    let (done, kubectl) = match replicas {
        Some(n) => (
            format!("{name}: {n} replicas are wanted from now on"),
            format!("kubectl scale deployment/{name} --replicas={n}"),
        ),
        None => (
            format!("{name}: the configuration says how many replicas are wanted"),
            format!("kubectl autoscale deployment/{name} --min=MIN --max=MAX"),
        ),
    };
    tell(printer, &done, &kubectl)
}

pub(crate) fn restart(args: &RestartArgs, printer: &Printer) -> Result<u8> {
    let name = &args.server;
    change(&args.place, name, &json!({"action": "restart"}))?;
    let done = format!(
        "{name}: its children are being replaced, one after the other; `pilothouse servers` shows it"
    );
    tell(
        printer,
        &done,
        &format!("kubectl rollout restart deployment/{name}"),
    )
}

pub(crate) fn drain(args: &DrainArgs, printer: &Printer) -> Result<u8> {
    let name = &args.server;
    let action = if args.undo { "resume" } else { "drain" };
    let server = change(&args.place, name, &json!({ "action": action }))?;
    let (done, number) = if args.undo {
        (format!("{name}: gets new calls again"), "N")
    } else {
        let left = &server["in_flight"];
        (
            format!(
                "{name}: gets no new calls; {left} in flight go on. `pilothouse drain {name} --undo` ends it"
            ),
            "0",
        )
    };
    tell(
        printer,
        &done,
        &format!("kubectl scale deployment/{name} --replicas={number}"),
    )
}

/// Tells the daemon; gives the server as it is then.
fn change(place: &WhereArgs, name: &str, body: &Json) -> Result<Json> {
    // It becomes part of a path.
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        bail!("`{name}` is no name of a server; `pilothouse servers` has them");
    }
    let api = Api::find(place)?;
    api.daemon("servers that run")?;
    let path = format!("/api/pilothouse/servers/{name}");
    api.send(&Method::POST, &path, Some(body.to_string()))?
        .json()
}

fn tell(printer: &Printer, done: &str, kubectl: &str) -> Result<u8> {
    printer.say(done);
    printer.say(&format!("of a Deployment: {kubectl}"));
    Ok(exit::DONE)
}
