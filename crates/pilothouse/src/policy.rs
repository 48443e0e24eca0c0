//! `pilothouse policy`: which rule of the configuration decides.

mod place;

use crate::exit;
use crate::printer::Printer;
use crate::sources::{DEFAULT_FILE, Rejected, read_file};
use crate::terminal::clean;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use ph_base::ServerName;
use ph_policy::{Access, By, Decision, Principal, Proof, Step, Thing, Wanted, Who};
use place::Places;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Say whether a client may have something, and by which rule.
    Explain(ExplainArgs),
}

#[derive(Args)]
struct ExplainArgs {
    /// Who asks: the name of an API key, or `ISSUER:SUBJECT` of a token. Without it: somebody unknown.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// A group that it is in; can be given several times.
    #[arg(long = "group", value_name = "GROUP", requires = "client")]
    groups: Vec<String>,
    /// A scope of its token; can be given several times.
    #[arg(long = "scope", value_name = "SCOPE", requires = "client")]
    scopes: Vec<String>,
    /// `--client` is an address or an `X-Client-Id`, and was not shown by a key or a token.
    #[arg(long, requires = "client", conflicts_with_all = ["groups", "scopes"])]
    unproven: bool,
    /// The server [default: each].
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    #[command(flatten)]
    thing: ThingArgs,
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is asked for.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct ThingArgs {
    /// A tool that is called.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// A resource that is read.
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// A prompt that is got.
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// Any other method, such as `tools/list`.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
}

pub(crate) const EXAMPLES: &str = "\
Exits 0 when it is allowed on every server that was asked for, else 1. The running daemon is not asked.

Examples:
  pilothouse policy explain --client ann --group dev --tool searchFiles
  pilothouse policy explain --client 10.0.0.7 --unproven --server files --resource file:///data/x
  pilothouse policy explain --tool deleteFile --json";

pub(crate) fn policy(args: &PolicyArgs, printer: &Printer) -> Result<u8> {
    let What::Explain(args) = &args.what;
    explain(args, printer)
}

fn explain(args: &ExplainArgs, printer: &Printer) -> Result<u8> {
    let file = args.config.display().to_string();
    let plan = match read_file(&args.config)? {
        Ok((plan, _)) => plan,
        Err(Rejected(problems)) => {
            printer.say(problems.trim_end_matches('\n'));
            bail!("`{file}` is no configuration");
        }
    };
    let servers: Vec<&str> = plan.servers.keys().map(ServerName::as_str).collect();
    let asked: Vec<&str> = match &args.server {
        None => servers,
        Some(name) if servers.contains(&name.as_str()) => vec![name],
        Some(name) => bail!(
            "there is no server `{name}`; there are {}",
            servers.join(", ")
        ),
    };
    let text =
        std::fs::read_to_string(&args.config).with_context(|| format!("cannot read `{file}`"))?;
    let access = Access::new(&plan);
    let principal = args.principal();
    let answers: Vec<Answer<'_>> = asked
        .into_iter()
        .map(|server| Answer::of(access.as_ref(), args, principal.as_ref(), server))
        .collect();
    let places = Places::of(&file, &text, &plan);
    if args.json {
        let list: Vec<Json> = answers.iter().map(|a| a.json(&places)).collect();
        printer.data(&format!("{}\n", json!({"version": 1, "answers": list})))?;
    } else {
        let told: String = answers.iter().map(|a| a.text(args, &places)).collect();
        printer.data(&told)?;
    }
    let is_allowed = answers
        .iter()
        .all(|a| a.decision.is_none_or(|d| d.is_allowed));
    Ok(if is_allowed { exit::DONE } else { exit::FOUND })
}

impl ExplainArgs {
    fn principal(&self) -> Option<Principal> {
        let name = self.client.as_deref().filter(|_| !self.unproven)?;
        let all = |list: &[String]| list.iter().map(|text| text.as_str().into()).collect();
        Some(Principal {
            name: name.into(),
            proof: Proof::Key,
            groups: all(&self.groups),
            scopes: all(&self.scopes),
            role: None,
        })
    }
}

impl ThingArgs {
    fn method_and_thing(&self) -> (&str, Thing<'_>) {
        let Self {
            tool,
            resource,
            prompt,
            method,
        } = self;
        match (tool, resource, prompt, method) {
            (Some(name), ..) => ("tools/call", Thing::Tool(name)),
            (_, Some(uri), ..) => ("resources/read", Thing::Resource(uri)),
            (_, _, Some(name), _) => ("prompts/get", Thing::Prompt(name)),
            (.., method) => (method.as_deref().unwrap_or(""), Thing::Nothing),
        }
    }

    fn shown(&self) -> String {
        match self.method_and_thing() {
            (_, Thing::Tool(name)) => format!("tool {}", clean(name)),
            (_, Thing::Resource(uri)) => format!("resource {}", clean(uri)),
            (_, Thing::Prompt(name)) => format!("prompt {}", clean(name)),
            (method, Thing::Nothing) => clean(method),
        }
    }
}

/// What holds on one server.
struct Answer<'a> {
    server: &'a str,
    /// `None`: there are no rules, so that everything is allowed.
    decision: Option<Decision>,
    steps: Vec<Step>,
}

impl<'a> Answer<'a> {
    fn of(
        access: Option<&Access>,
        args: &ExplainArgs,
        principal: Option<&Principal>,
        server: &'a str,
    ) -> Self {
        let (method, thing) = args.thing.method_and_thing();
        let client = args.client.as_deref().unwrap_or("");
        let wanted = Wanted {
            server,
            method,
            thing,
        };
        let explained = access.map(|access| access.explain(&Who { principal, client }, &wanted));
        let (decision, steps) = explained.unzip();
        Self {
            server,
            decision,
            steps: steps.unwrap_or_default(),
        }
    }

    fn text(&self, args: &ExplainArgs, places: &Places<'_>) -> String {
        let who = args
            .client
            .as_deref()
            .map_or_else(|| "somebody unknown".to_owned(), clean);
        let what = args.thing.shown();
        let server = self.server;
        let Some(decision) = self.decision else {
            return format!(
                "{server}: allowed: {what} for {who}\n  there are no rules (`access`)\n"
            );
        };
        let word = word(decision.is_allowed);
        let mut out = format!("{server}: {word}: {what} for {who}\n");
        let rows: Vec<(String, String)> = self
            .steps
            .iter()
            .enumerate()
            .map(|(nth, step)| {
                let place = format!("{} rule {}", places.of_rule(nth), nth + 1);
                let said = match step {
                    Step::NotWho => "is for others".to_owned(),
                    Step::NotServer => "is for other servers".to_owned(),
                    Step::NotMethod => "is for other methods".to_owned(),
                    Step::NotThing => "is for other tools, resources or prompts".to_owned(),
                    Step::Decides { .. } => format!("decides: {}", places.text_of(nth)),
                };
                (place, said)
            })
            .collect();
        let default = (decision.by == By::Default).then(|| {
            let said = format!(
                "decides, since no rule is for it: {}",
                if decision.is_allowed { "allow" } else { "deny" }
            );
            (format!("{} default", places.of_default()), said)
        });
        let climbs = (decision.by == By::Climbs).then(|| {
            let said = "its address leads above its root, so that no rule is asked";
            ("any rule".to_owned(), said.to_owned())
        });
        let rows: Vec<_> = rows.into_iter().chain(default).chain(climbs).collect();
        let width = rows.iter().map(|(place, _)| place.len()).max().unwrap_or(0);
        for (place, said) in rows {
            out.push_str(&format!("  {place:width$}  {said}\n"));
        }
        out
    }

    fn json(&self, places: &Places<'_>) -> Json {
        let by = match self.decision.map(|d| d.by) {
            None => Json::Null,
            Some(By::Default) => json!({"default": true, "at": places.of_default()}),
            Some(By::Climbs) => json!({"climbs": true}),
            Some(By::Rule(nth)) => {
                json!({"rule": nth + 1, "at": places.of_rule(nth), "text": places.text_of(nth)})
            }
        };
        json!({
            "server": self.server,
            "allowed": self.decision.is_none_or(|d| d.is_allowed),
            "by": by,
        })
    }
}

fn word(is_allowed: bool) -> &'static str {
    if is_allowed { "allowed" } else { "denied" }
}
