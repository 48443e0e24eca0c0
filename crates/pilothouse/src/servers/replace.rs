//! `pilothouse replace`: another version of a server takes its place, step by step.

use super::{change, tell};
use crate::ask::{WhereArgs, read_duration};
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Result, anyhow, bail};
use clap::{ArgGroup, Args};
use serde_json::{Value as Json, json};
use std::time::Duration;

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["to", "pause", "resume", "undo"]))]
pub(crate) struct ReplaceArgs {
    /// The server.
    server: String,
    /// What takes its place: PACKAGE@VERSION of a package that its command names, a whole command, or a URL.
    #[arg(long, value_name = "COMMAND|PACKAGE@VERSION|URL")]
    to: Option<String>,
    /// The shares of new calls and sessions that it gets one after the other, in percent.
    #[arg(
        long,
        value_name = "PERCENT,…",
        value_delimiter = ',',
        default_value = "100",
        value_parser = clap::value_parser!(u8).range(1..=100)
    )]
    step: Vec<u8>,
    /// How long a step lasts; without it, each step waits for `--resume`.
    #[arg(long, value_name = "DURATION", requires = "to")]
    every: Option<String>,
    /// Stay at this step.
    #[arg(long)]
    pause: bool,
    /// Go on; without `--every`, with the next step.
    #[arg(long)]
    resume: bool,
    /// Give what ran before everything again.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Holds until the configuration says something else of the server or the daemon ends: write what is to stay there.
A command and a URL take a key with the role `admin`, and `admin.auth: keys`.

Examples:
  pilothouse replace files --to server-files@1.4.0 --step 10,50,100 --every 10m
  pilothouse replace files --to 'node /srv/files/main.js --read-only' --step 10,100
  pilothouse replace files --to '[\"my server\", \"--name\", \"two words\"]'
  pilothouse replace files --resume
  pilothouse replace files --undo";

pub(crate) fn replace(args: &ReplaceArgs, printer: &Printer) -> Result<u8> {
    let name = &args.server;
    let (body, kubectl) = match &args.to {
        Some(to) => {
            let body = json!({
                "action": "replace",
                "to": version(to)?,
                "steps": args.step,
                "every_seconds": args.every.as_deref().map(seconds).transpose()?,
            });
            (body, format!("set image deployment/{name} {name}=IMAGE"))
        }
        None => {
            let verb = match (args.pause, args.resume) {
                (true, _) => "pause",
                (_, true) => "resume",
                _ => "undo",
            };
            let body = json!({"action": format!("{verb}_replacement")});
            (body, format!("rollout {verb} deployment/{name}"))
        }
    };
    let server = change(&args.place, name, &body)?;
    let done = note(name, &server["replacement"])
        .unwrap_or_else(|| format!("{name}: it is over; `pilothouse servers` shows what runs"));
    tell(printer, &done, &format!("kubectl {kubectl}"))
}

/// How a replacement stands, in one line.
pub(super) fn note(name: &str, replacement: &Json) -> Option<String> {
    let to = clean(replacement["to"].as_str()?);
    let weight = &replacement["weight"];
    let steps = replacement["steps"].as_array().map_or(0, Vec::len);
    let is_up = replacement["up"] == true;
    let by_hand = format!("`pilothouse replace {name} --resume` goes on, `--undo` goes back");
    let how = match replacement["state"].as_str().unwrap_or_default() {
        "undoing" => "nothing that begins goes there any more; it ends what it has".to_owned(),
        "draining" => "everything that begins goes there; the old one ends what it has".to_owned(),
        "paused" => format!(
            "paused at step {} of {steps}; {by_hand}",
            replacement["step"]
        ),
        _ => match replacement["every_seconds"].as_f64() {
            Some(every) => format!("step {} of {steps}, {every} s each", replacement["step"]),
            None => format!("step {} of {steps}", replacement["step"]),
        },
    };
    let well = if is_up {
        ""
    } else {
        "; until it answers, everything goes to the old one"
    };
    Some(format!(
        "{name}: {weight} % of new calls and sessions go to `{to}`: {how}{well}"
    ))
}

/// What `--to` means.
fn version(to: &str) -> Result<Json> {
    if to.starts_with("http://") || to.starts_with("https://") {
        return Ok(json!({ "url": to }));
    }
    if to.starts_with('[') {
        let words: Vec<String> = serde_json::from_str(to)
            .map_err(|_| anyhow!("`{to}` begins like a JSON array of words, and is none"))?;
        return Ok(json!({ "command": words }));
    }
    let words: Vec<_> = to.split_whitespace().collect();
    if let [word] = words[..]
        && let Some((package, version)) = word.rsplit_once('@')
        && !package.is_empty()
        && !version.is_empty()
    {
        return Ok(json!({ "package": word }));
    }
    if to.contains(['"', '\'', '\\']) {
        bail!(
            "a command with quotes is given as a JSON array: --to '[\"program\", \"an argument\"]'"
        );
    }
    if words.is_empty() {
        bail!("`--to` names nothing");
    }
    Ok(json!({ "command": words }))
}

fn seconds(every: &str) -> Result<u32> {
    let time = read_duration(every).filter(|time| *time >= Duration::from_secs(1));
    let seconds = time.and_then(|time| u32::try_from(time.as_secs()).ok());
    seconds.ok_or_else(|| anyhow!("`{every}` is no time of a second or more, as `10m` is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_place_is_told_from_its_looks() {
        let of = |text| version(text).unwrap();
        assert_eq!(of("https://h/mcp"), json!({"url": "https://h/mcp"}));
        assert_eq!(of("@a/b@1.2.0"), json!({"package": "@a/b@1.2.0"}));
        assert_eq!(of("server"), json!({"command": ["server"]}));
        assert_eq!(of("@a/b"), json!({"command": ["@a/b"]}));
        assert_eq!(of("npx -y b@2"), json!({"command": ["npx", "-y", "b@2"]}));
        assert_eq!(of("[\"a b\", \"c\"]"), json!({"command": ["a b", "c"]}));
        for nothing in ["", " ", "a 'b c'", "[1]"] {
            assert!(version(nothing).is_err(), "{nothing}");
        }
    }

    #[test]
    fn a_step_lasts_a_second_or_more() {
        assert_eq!(seconds("10m").unwrap(), 600);
        assert!(seconds("10ms").is_err() && seconds("soon").is_err());
    }
}
