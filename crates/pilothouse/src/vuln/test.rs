//! `pilothouse vuln test`: hostile inputs for a test instance of a server.

use super::place::PlaceArgs;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use http::header::{HeaderName, HeaderValue};
use ph_jobs::probe::{Endpoint, Instance, Options, Tested, test as probe};
use ph_plan::{HttpUpstream, Upstream};
use ph_vuln::probe::{Class, Framework, regression};
use ph_wire::child::ChildSpec;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse vuln test --class prototype-pollution --yes -- node server.js
  pilothouse vuln test files --class path-traversal --allowed /srv/files --yes
  pilothouse vuln test --class prototype-pollution --regression vitest --out test --yes -- node server.js

  pilothouse vuln test http://127.0.0.1:3000/mcp --class ssrf --test-instance --yes

A process of its own is started for this and gets inputs that are meant to do harm: read a file that it must not
read, run a command, reach every object. What they leave is a mark and no more, but what a tool does with its other
arguments it does. Nothing is sent without `--yes`, and nothing to an address without `--test-instance`: who else uses
that instance is not known here.

Exits with 1 when something was demonstrated, with 0 when nothing was, which proves nothing of other inputs, and with
3 when nothing could be tried.";

#[derive(Args)]
pub(crate) struct TestArgs {
    /// A server of the configuration, or the address of one; or a command after `--`.
    #[arg(value_name = "SERVER", conflicts_with = "command")]
    server: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// What is tried; can be given several times [default: all].
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Vec<Class>,
    /// Only this tool; can be given several times.
    #[arg(long, value_name = "NAME")]
    tool: Vec<String>,
    /// An argument of the tools that do not say which arguments they take; can be given several times.
    #[arg(long, value_name = "NAME")]
    argument: Vec<String>,
    /// A folder that the server may read: a file is laid beside it for the time of the test.
    #[arg(long, value_name = "DIR")]
    allowed: Option<PathBuf>,
    /// How long one call may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Write a test of what was demonstrated, for the server's own suite: jest, vitest or pytest.
    #[arg(long, value_name = "FRAMEWORK", value_parser = framework)]
    regression: Option<Framework>,
    /// The folder of that test.
    #[arg(long, value_name = "DIR", default_value = ".", requires = "regression")]
    out: PathBuf,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    /// Start the instance and send.
    #[arg(long)]
    yes: bool,
    /// What is at the address is a test instance: nobody needs it, and it may be harmed.
    #[arg(long)]
    test_instance: bool,
    /// The command of the test instance.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// All calls together.
const TOTAL: Duration = Duration::from_secs(600);

pub(crate) fn test(args: &TestArgs, printer: &Printer) -> Result<u8> {
    let instance = instance(args)?;
    let shown = shown(&instance);
    let is_address = matches!(instance, Instance::Address(_));
    if is_address && !args.test_instance {
        bail!(
            "`{}` is an address: who else uses what is there is not known here, and what hostile input does there stays; nothing was sent: say `--test-instance` if it is an instance that may be harmed, or give a command after `--`",
            shown.join(" ")
        );
    }
    if is_address && args.regression.is_some() {
        bail!("a test of a server's own suite starts it: give its command after `--`");
    }
    if !args.yes {
        bail!(
            "`{}` would be {}sent hostile input; nothing was done: say `--yes` where that can do no harm",
            shown.join(" "),
            if is_address { "" } else { "started and " }
        );
    }
    if is_address && args.class.contains(&Class::PrototypePollution) {
        bail!(
            "the prototypes of a process behind an address cannot be seen: give its command after `--`"
        );
    }
    let can_be_seen = |class: &Class| !is_address || *class != Class::PrototypePollution;
    let all = Class::ALL.map(|(class, _)| class);
    let options = Options {
        classes: if args.class.is_empty() {
            all.into_iter().filter(can_be_seen).collect()
        } else {
            args.class.clone()
        },
        tools: args.tool.clone(),
        arguments: args.argument.clone(),
        allowed: args.allowed.clone(),
        call: Duration::from_secs(args.timeout),
        total: TOTAL,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tested = runtime.block_on(probe(&instance, &options))?;
    for tool in &args.tool {
        ensure!(
            tested.tools.contains(tool),
            "the server lists no tool `{tool}`"
        );
    }
    let written = write_regressions(args, &shown, &tested)?;
    if args.json {
        printer.data(&format!("{:#}\n", as_json(&shown, &tested, &written)))?;
    } else {
        printer.data(&as_text(&shown, &tested, &written))?;
    }
    Ok(
        if tested
            .outcomes
            .iter()
            .any(|outcome| !outcome.demonstrated.is_empty())
        {
            exit::FOUND
        } else if tested.outcomes.iter().all(|outcome| outcome.tried == 0) {
            exit::COULD_NOT_CHECK
        } else {
            exit::DONE
        },
    )
}

/// The words that it is known by: its command, or its address.
fn shown(instance: &Instance) -> Vec<String> {
    match instance {
        Instance::Command(spec) => std::iter::once(&spec.command)
            .chain(&spec.args)
            .cloned()
            .collect(),
        Instance::Address(endpoint) => vec![endpoint.url.clone()],
    }
}

fn instance(args: &TestArgs) -> Result<Instance> {
    if let Some((program, rest)) = args.command.split_first() {
        return Ok(Instance::Command(ChildSpec::new(program, rest)));
    }
    if let Some(url) = args.server.as_ref().filter(|name| name.contains("://")) {
        return Ok(Instance::Address(Endpoint {
            url: url.clone(),
            headers: Vec::new(),
            ca_file: None,
        }));
    }
    let Some(name) = &args.server else {
        bail!("nothing to test: name a server of the configuration, or give a command after `--`");
    };
    let plan = args.place.read()?.plan;
    let found = plan.servers.iter().find(|(key, _)| key.as_str() == name);
    let Some((_, server)) = found else {
        let known: Vec<_> = plan.servers.keys().map(ToString::to_string).collect();
        bail!(
            "there is no server `{name}` in the configuration; there are: {}",
            known.join(", ")
        );
    };
    let stdio = match &server.upstream {
        Upstream::Stdio(stdio) => stdio,
        Upstream::Http(http) => return endpoint(http).map(Instance::Address),
    };
    let mut spec = ChildSpec::new(
        stdio.command.as_str(),
        stdio.args.iter().map(|arg| arg.as_str()),
    );
    spec.env.extend(
        stdio
            .env
            .iter()
            .map(|(key, value)| (key.as_str().to_owned(), value.expose().to_owned())),
    );
    spec.cwd = stdio.cwd.as_ref().map(|cwd| cwd.as_path().to_owned());
    Ok(Instance::Command(spec))
}

fn endpoint(http: &HttpUpstream) -> Result<Endpoint> {
    let header = |(name, value): (&ph_plan::HeaderKey, &ph_plan::Secret)| {
        let value = HeaderValue::from_str(value.expose());
        let value =
            value.with_context(|| format!("the value of the header `{}`", name.header_name()))?;
        Ok::<(HeaderName, HeaderValue), anyhow::Error>((name.header_name().clone(), value))
    };
    Ok(Endpoint {
        url: http.url.as_str().to_owned(),
        headers: http.headers.iter().map(header).collect::<Result<_>>()?,
        ca_file: http.ca_file.as_ref().map(|file| file.as_path().to_owned()),
    })
}

/// One file for each class that was demonstrated and that the framework has a test for.
fn write_regressions(args: &TestArgs, command: &[String], tested: &Tested) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let Some(framework) = args.regression else {
        return Ok(written);
    };
    for outcome in &tested.outcomes {
        let text = outcome
            .demonstrated
            .first()
            .and_then(|(probe, _)| regression(framework, outcome.class, command, probe));
        if let Some(text) = text {
            let path = args.out.join(framework.file(outcome.class));
            fs::create_dir_all(&args.out)
                .with_context(|| format!("`{}` cannot be made", args.out.display()))?;
            fs::write(&path, text)
                .with_context(|| format!("`{}` cannot be written", path.display()))?;
            written.push(path);
        }
    }
    Ok(written)
}

fn as_text(command: &[String], tested: &Tested, written: &[PathBuf]) -> String {
    let mut text = format!(
        "A test instance of `{}`, tools: {}\n",
        command.join(" "),
        tested.tools.join(", ")
    );
    if !tested.silent.is_empty() {
        text.push_str(&format!(
            "not tried, since it is not said which arguments they take (`--argument NAME`): {}\n",
            tested.silent.join(", ")
        ));
    }
    for outcome in &tested.outcomes {
        text.push_str(&format!("\n{}: {}\n", outcome.class.word(), outcome.word()));
        for (probe, evidence) in &outcome.demonstrated {
            text.push_str(&format!(
                "  {} {}: {}\n    {evidence}\n",
                probe.tool, probe.at, probe.what
            ));
        }
        text.push_str(&format!(
            "  {} calls, {} answered with an error, {} not in time, {} ended the server\n",
            outcome.tried, outcome.refused, outcome.late, outcome.ended
        ));
        if outcome.left_out > 0 {
            text.push_str(&format!("  {} more were left out\n", outcome.left_out));
        }
    }
    if tested
        .outcomes
        .iter()
        .any(|outcome| outcome.demonstrated.is_empty())
    {
        text.push_str(
            "\nWhat was not demonstrated may still be there: other inputs were not tried.\n",
        );
    }
    for path in written {
        text.push_str(&format!("written: {}\n", path.display()));
    }
    text
}

fn as_json(command: &[String], tested: &Tested, written: &[PathBuf]) -> Value {
    let outcome = |outcome: &ph_vuln::probe::Outcome| {
        let demonstrated = outcome.demonstrated.iter().map(|(probe, evidence)| {
            json!({
                "tool": probe.tool,
                "at": probe.at,
                "what": probe.what,
                "arguments": probe.arguments,
                "evidence": evidence,
            })
        });
        json!({
            "class": outcome.class.word(),
            "outcome": outcome.word(),
            "demonstrated": demonstrated.collect::<Vec<_>>(),
            "calls": outcome.tried,
            "refused": outcome.refused,
            "late": outcome.late,
            "ended": outcome.ended,
            "leftOut": outcome.left_out,
        })
    };
    json!({
        "command": command,
        "tools": tested.tools,
        "silent": tested.silent,
        "isCut": tested.is_cut,
        "classes": tested.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "written": written.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
    })
}

fn class(word: &str) -> Result<Class, String> {
    Class::read(word).ok_or_else(|| {
        let words: Vec<_> = Class::ALL.iter().map(|(_, word)| *word).collect();
        format!("one of {} is meant", words.join(", "))
    })
}

fn framework(word: &str) -> Result<Framework, String> {
    Framework::read(word).ok_or_else(|| "jest, vitest or pytest is meant".to_owned())
}
