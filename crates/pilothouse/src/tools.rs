//! `pilothouse tools`: what servers' tools were when they were accepted, what they are now, and their approval.

mod show;

use crate::ask::{Api, Params, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::Look;
use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use ph_policy::pins::{RULES, printable};
use serde_json::{Value as Json, json};

#[derive(Args)]
pub(crate) struct ToolsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the tools of servers, and how they stand.
    List(ListArgs),
    /// Show what differs in the tools that are no longer what was accepted, word by word.
    Diff(DiffArgs),
    /// Accept what tools are now.
    Approve(ApproveArgs),
    /// Look for what is suspicious about the tools of all servers together.
    Check(CheckArgs),
}

#[derive(Args)]
struct ListArgs {
    /// Only this server.
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// Only tools that wait for an approval.
    #[arg(long)]
    waiting: bool,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct DiffArgs {
    /// Only this server.
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// Only this tool.
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct ApproveArgs {
    /// The server.
    #[arg(value_name = "SERVER")]
    server: String,
    /// Tools; without any, all that wait. `TOOL@HASH` approves that definition and no other: `diff` prints it.
    #[arg(value_name = "TOOL[@HASH]")]
    tools: Vec<String>,
    /// What was accepted before stays accepted: for servers that tell clients different things.
    #[arg(long, conflicts_with = "pinned")]
    also: bool,
    /// Go on with what was accepted before; what was seen instead was a mistake that is put right.
    #[arg(long)]
    pinned: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct CheckArgs {
    /// Only findings about this server; all servers are looked at together.
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// Exit 1 from this severity on.
    #[arg(long, value_name = "SEVERITY", default_value = "medium")]
    fail_on: Level,
    /// A rule to leave out, such as PT005; can be given several times.
    #[arg(long, value_name = "ID", value_parser = rule_id)]
    ignore: Vec<String>,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

/// Severities, ascending.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Level {
    Low,
    Medium,
    High,
    Critical,
}

pub(crate) const EXAMPLES: &str = "\
Tools are known where the configuration has `pins: {mode: alert}` or `block`. `diff` exits 1 when something differs,
`check` when something is found, `approve` when a tool was not approved; 3 when nobody can be asked.

Examples:
  pilothouse tools list
  pilothouse tools diff files
  pilothouse tools approve files searchFiles
  pilothouse tools check --fail-on high --ignore PT005";

pub(crate) fn tools(args: &ToolsArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::List(args) => list(args, printer),
        What::Diff(args) => diff(args, printer),
        What::Approve(args) => approve(args, printer),
        What::Check(args) => check(args, printer),
    }
}

fn list(args: &ListArgs, printer: &Printer) -> Result<u8> {
    let api = daemon(&args.place)?;
    let mut answer = api.json(PATH, &of_server(args.server.as_deref()))?;
    if args.waiting {
        for server in array_mut(&mut answer, "servers") {
            array_mut(server, "tools").retain(|tool| tool["standing"] != "pinned");
        }
    }
    if args.json {
        printer.data(&format!("{answer}\n"))?;
        return Ok(exit::DONE);
    }
    let servers = array(&answer, "servers")?;
    if servers.is_empty() {
        printer.say("no tools are pinned; `pins: {mode: alert}` in the configuration remembers what they are");
    }
    printer.data(&show::list(servers, Look::of_stdout()))?;
    Ok(exit::DONE)
}

fn diff(args: &DiffArgs, printer: &Printer) -> Result<u8> {
    let api = daemon(&args.place)?;
    let answer = differences(&api, args.server.as_deref(), args.tool.as_deref())?;
    let tools = array(&answer, "tools")?;
    if args.json {
        printer.data(&format!("{answer}\n"))?;
    } else if tools.is_empty() {
        printer.say("every tool is what was accepted");
    } else {
        printer.data(&show::diff(tools, Look::of_stdout()))?;
    }
    Ok(found(!tools.is_empty()))
}

fn approve(args: &ApproveArgs, printer: &Printer) -> Result<u8> {
    let api = daemon(&args.place)?;
    let answer = differences(&api, Some(&args.server), None)?;
    let waiting = array(&answer, "tools")?;
    let mut wanted = Vec::new();
    for name in &args.tools {
        wanted.push(one(waiting, name, args)?);
    }
    if args.tools.is_empty() {
        wanted = waiting
            .iter()
            .map(|tool| approval(tool, args.pinned))
            .collect();
    }
    if wanted.is_empty() {
        printer.say(&format!(
            "every tool of `{}` is what was accepted",
            args.server
        ));
        return Ok(exit::DONE);
    }
    let body = json!({"server": args.server, "tools": wanted, "also": args.also});
    let done = api
        .send(&Method::POST, PATH, Some(body.to_string()))?
        .json()?;
    for tool in array(&done, "approved")? {
        let tool = printable(tool.as_str().unwrap_or_default(), 200);
        printer.say(&format!("approved {}/{tool}", args.server));
    }
    let refused = array(&done, "refused")?;
    for tool in refused {
        let text = |key: &str| printable(tool[key].as_str().unwrap_or_default(), 300);
        printer.say(&format!(
            "not approved {}/{}: {}",
            args.server,
            text("tool"),
            text("error")
        ));
    }
    Ok(found(!refused.is_empty()))
}

/// The tool that `name` says, as it is to be approved.
fn one(waiting: &[Json], name: &str, args: &ApproveArgs) -> Result<Json> {
    // A name may have an `@`, too.
    let whole = waiting.iter().find(|tool| tool["tool"] == name);
    if let Some(tool) = whole {
        return Ok(approval(tool, args.pinned));
    }
    let split = name.rsplit_once('@');
    let found = split.and_then(|(name, hash)| {
        let tool = waiting.iter().find(|tool| tool["tool"] == name)?;
        Some((tool, hash))
    });
    let Some((tool, hash)) = found else {
        bail!(
            "`{}` of `{}` does not wait for an approval",
            printable(name, 200),
            args.server
        );
    };
    let now = tool["now"]["hash"].as_str().unwrap_or_default();
    if hash.len() < 8 || !now.starts_with(hash) {
        bail!("it is another definition by now ({now}): look at `pilothouse tools diff` again");
    }
    Ok(approval(tool, false))
}

/// With the hash of what was just read, so that nothing else is approved.
fn approval(tool: &Json, pinned: bool) -> Json {
    let which = if pinned { "accepted" } else { "now" };
    json!({"tool": tool["tool"], "hash": tool[which]["hash"]})
}

fn check(args: &CheckArgs, printer: &Printer) -> Result<u8> {
    let api = daemon(&args.place)?;
    let path = format!("{PATH}/check");
    let mut answer = api.json(&path, &of_server(args.server.as_deref()))?;
    array_mut(&mut answer, "findings")
        .retain(|finding| !args.ignore.iter().any(|id| finding["id"] == **id));
    let findings = array(&answer, "findings")?;
    let worst = findings.iter().filter_map(|finding| {
        let severity = finding["severity"].as_str()?;
        Level::from_str(severity, false).ok()
    });
    let is_bad = worst.max().is_some_and(|worst| worst >= args.fail_on);
    if args.json {
        printer.data(&format!("{answer}\n"))?;
        return Ok(found(is_bad));
    }
    let count = answer["tools"].as_u64().unwrap_or(0);
    if count == 0 {
        printer.say("no tool is known yet, so nothing was checked");
        return Ok(exit::COULD_NOT_CHECK);
    }
    if findings.is_empty() {
        printer.say(&format!("nothing is suspicious about {count} tools"));
    }
    printer.data(&show::findings(findings, Look::of_stdout()))?;
    Ok(found(is_bad))
}

const PATH: &str = "/api/pilothouse/tools";

fn daemon(place: &WhereArgs) -> Result<Api> {
    let api = Api::find(place)?;
    api.daemon("tools")?;
    Ok(api)
}

fn differences(api: &Api, server: Option<&str>, tool: Option<&str>) -> Result<Json> {
    let params = of_server(server);
    let params = match tool {
        Some(tool) => params.with("tool", tool),
        None => params,
    };
    api.json(&format!("{PATH}/diff"), &params)
}

fn of_server(server: Option<&str>) -> Params {
    match server {
        Some(server) => Params::new().with("server", server),
        None => Params::new(),
    }
}

fn array<'a>(json: &'a Json, key: &str) -> Result<&'a [Json]> {
    let found = json[key].as_array().map(Vec::as_slice);
    found.ok_or_else(|| anyhow!("the answer has an unknown form"))
}

/// Where it is another form, there is nothing to take away.
fn array_mut<'a>(json: &'a mut Json, key: &str) -> &'a mut Vec<Json> {
    if !json[key].is_array() {
        json[key] = Json::Array(Vec::new());
    }
    match &mut json[key] {
        Json::Array(items) => items,
        _ => unreachable!("it was made a list above"),
    }
}

fn found(is_something: bool) -> u8 {
    if is_something {
        exit::FOUND
    } else {
        exit::DONE
    }
}

fn rule_id(text: &str) -> Result<String, String> {
    let known = RULES.iter().any(|rule| rule.id == text);
    known.then(|| text.to_owned()).ok_or_else(|| {
        let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        format!("there are {}", ids.join(", "))
    })
}
