//! `pilothouse silence`: alerts that nobody is to be told of for a while.

use crate::alerts::read_matchers;
use crate::ask::{Answer, Api, Params, WhereArgs, read_duration};
use crate::exit;
use crate::printer::Printer;
use crate::secrets;
use crate::terminal::clean;
use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use ph_promql::{MatchOp, Matcher};
use serde_json::{Value as Json, json};

#[derive(Args)]
pub(crate) struct SilenceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Tell nobody of the alerts that match, for a while. Prints the id.
    Add(AddArgs),
    /// List the silences that hold or will.
    List(ListArgs),
    /// End silences before their time.
    Expire(ExpireArgs),
}

#[derive(Args)]
struct AddArgs {
    /// Which alerts: all of `alertname=ServerDown`, `server=~"a|b"`, ...
    #[arg(value_name = "LABEL=VALUE", required = true)]
    matchers: Vec<String>,
    /// For how long.
    #[arg(long = "for", value_name = "DURATION", default_value = "2h")]
    time: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Who says so [default: $USER].
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct ListArgs {
    /// Also those that are over, as long as they are remembered.
    #[arg(long)]
    expired: bool,
    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct ExpireArgs {
    /// Their ids.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Silences are kept by the daemon. Alertmanagers of `notify.alertmanagers` have silences of their own.

Examples:
  pilothouse silence add alertname=ServerDown server=files --for 30m --comment 'new disk'
  pilothouse silence list
  pilothouse silence expire 1b8e3fa2-6d5c-4c0e-8c63-0f1f0c5b1a11";

pub(crate) fn silence(args: &SilenceArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Add(args) => add(args, printer),
        What::List(args) => list(args, printer),
        What::Expire(args) => expire(args, printer),
    }
}

fn add(args: &AddArgs, printer: &Printer) -> Result<u8> {
    let matchers = read_matchers(&args.matchers)?;
    let time = read_duration(&args.time)
        .and_then(|time| SignedDuration::try_from(time).ok())
        .filter(|time| *time > SignedDuration::ZERO)
        .ok_or_else(|| anyhow!("`{}` is no duration such as `30m` or `2h`", args.time))?;
    let from = Timestamp::now();
    let until = from.checked_add(time)?;
    let author = args.author.clone().or_else(|| secrets::variable("USER"));
    let body = json!({
        "matchers": matchers.iter().map(matcher_json).collect::<Vec<_>>(),
        "startsAt": from.to_string(), "endsAt": until.to_string(),
        "createdBy": author.unwrap_or_else(|| "pilothouse".into()), "comment": args.comment,
    });
    let api = Api::find(&args.place)?;
    let daemon = api.daemon("silences")?;
    let answer = api.send(&Method::POST, "/api/v2/silences", Some(body.to_string()))?;
    let id = of_v2(&answer)?["silenceID"]
        .as_str()
        .ok_or_else(|| anyhow!("the answer has an unknown form"))?
        .to_owned();
    let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
    printer.say(&format!("silenced at {daemon} until {until}"));
    others(&api, printer);
    printer.data(&format!("{id}\n"))?;
    Ok(exit::DONE)
}

/// Says whom this silence does not reach.
fn others(api: &Api, printer: &Printer) {
    let Ok(answer) = api.get("/api/v1/alertmanagers", &Params::new()) else {
        return;
    };
    if let Some(source) = &answer.source {
        printer.say(&format!(
            "note: rules are evaluated by {source} (`metrics.query`); what it sends elsewhere is not silenced by this"
        ));
    }
    let known = answer.json().unwrap_or_default();
    let known = known["data"]["activeAlertmanagers"].as_array().cloned();
    for url in known.iter().flatten().filter_map(|one| one["url"].as_str()) {
        let base = url.split("/api/v").next().unwrap_or(url);
        printer.say(&format!(
            "note: alerts also go to {base}, which has silences of its own: amtool --alertmanager.url={base} silence add"
        ));
    }
}

fn list(args: &ListArgs, printer: &Printer) -> Result<u8> {
    let api = Api::find(&args.place)?;
    let daemon = api.daemon("silences")?;
    let answer = of_v2(&api.get("/api/v2/silences", &Params::new())?)?;
    let all = answer.as_array().cloned().unwrap_or_default();
    let shown: Vec<Json> = all
        .into_iter()
        .filter(|one| args.expired || one["status"]["state"] != "expired")
        .collect();
    if args.json {
        let result = json!({"version": 1, "daemon": daemon, "silences": shown});
        printer.data(&format!("{result}\n"))?;
        return Ok(exit::DONE);
    }
    if shown.is_empty() {
        printer.say(&format!("no silence at {daemon}"));
    }
    for one in &shown {
        let text = |key: &str| clean(one[key].as_str().unwrap_or_default());
        let matchers = one["matchers"].as_array().into_iter().flatten();
        let matchers: Vec<String> = matchers.map(matcher_text).collect();
        let state = one["status"]["state"].as_str().unwrap_or_default();
        let ends: Option<Timestamp> = one["endsAt"].as_str().and_then(|at| at.parse().ok());
        let ends = ends.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
        let (id, by, comment) = (text("id"), text("createdBy"), text("comment"));
        let why = if comment.is_empty() {
            String::new()
        } else {
            format!(": {comment}")
        };
        printer.data(&format!(
            "{id}  {state:<7}  until {}  {}  by {by}{why}\n",
            ends.unwrap_or_default(),
            clean(&matchers.join(" ")),
        ))?;
    }
    Ok(exit::DONE)
}

fn expire(args: &ExpireArgs, printer: &Printer) -> Result<u8> {
    let api = Api::find(&args.place)?;
    let daemon = api.daemon("silences")?;
    for id in &args.ids {
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            bail!("`{id}` is no id of a silence; `pilothouse silence list` has them");
        }
        let path = format!("/api/v2/silence/{id}");
        let answer = api.send(&Method::DELETE, &path, None)?;
        if answer.status == 404 {
            bail!("there is no silence `{id}` at {daemon}; `pilothouse silence list` has them");
        }
        of_v2(&answer)?;
        printer.say(&format!("{id} ended at {daemon}"));
    }
    Ok(exit::DONE)
}

/// The body of an answer of the API v2, whose errors are a JSON text.
fn of_v2(answer: &Answer) -> Result<Json> {
    let body: Json = match answer.body.as_slice() {
        [] => Json::Null,
        body => serde_json::from_slice(body)
            .map_err(|_| anyhow!("status {} and no JSON", answer.status))?,
    };
    if (200..300).contains(&answer.status) {
        return Ok(body);
    }
    let said = body.as_str().or_else(|| body["error"].as_str());
    bail!("{}", said.unwrap_or("the daemon refuses"))
}

fn matcher_json(matcher: &Matcher) -> Json {
    let op = matcher.op();
    json!({
        "name": matcher.name(), "value": matcher.value(),
        "isRegex": matches!(op, MatchOp::Re | MatchOp::Nre),
        "isEqual": matches!(op, MatchOp::Eq | MatchOp::Re),
    })
}

fn matcher_text(matcher: &Json) -> String {
    let is = |key: &str| matcher[key].as_bool().unwrap_or(key == "isEqual");
    let op = match (is("isEqual"), is("isRegex")) {
        (true, false) => "=",
        (false, false) => "!=",
        (true, true) => "=~",
        (false, true) => "!~",
    };
    let text = |key: &str| matcher[key].as_str().unwrap_or_default();
    format!("{}{op}{:?}", text("name"), text("value"))
}
