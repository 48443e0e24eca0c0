//! `pilothouse check` and `pilothouse schema`.

mod recorded;

use crate::cli::CheckArgs;
use crate::exit;
use crate::printer::Printer;
use crate::rule_files;
use crate::sources::{Rejected, read_file};
use anyhow::Result;
use ph_plan::Plan;
use ph_server::RuleSet;
use recorded::{Recorded, Tried};
use serde_json::{Value as Json, json};

pub(crate) fn check(args: &CheckArgs, printer: &Printer) -> Result<u8> {
    let (plan, mut talk) = match read_file(&args.file)? {
        Ok((plan, warnings)) => (Some(plan), warnings),
        Err(Rejected(problems)) => (None, problems),
    };
    let rules = plan
        .as_ref()
        .map(|plan| rule_files::read(plan, args.file.parent()));
    if let Some(Err(problems)) = &rules {
        talk.push_str(&problems.render());
    }
    let rules = rules.and_then(Result::ok);
    let tried = match (&plan, &rules) {
        (Some(plan), Some(rules)) => recorded::try_out(args, plan, rules)?,
        _ => Recorded::Nothing(None),
    };
    let checked = plan.as_ref().zip(rules.as_ref());
    if args.json {
        let result = as_json(args, plan.as_ref(), rules.as_ref(), &talk, &tried);
        printer.data(&format!("{result}\n"))?;
    } else {
        if !talk.is_empty() {
            printer.say(talk.trim_end_matches('\n'));
        }
        if let Some((plan, rules)) = checked {
            printer.data(&summary(args, plan, rules))?;
            tried.tell(printer)?;
        }
    }
    Ok(if checked.is_some() {
        exit::DONE
    } else {
        exit::FOUND
    })
}

fn summary(args: &CheckArgs, plan: &Plan, rules: &RuleSet) -> String {
    let names: Vec<_> = plan.servers.keys().map(|n| n.as_str()).collect();
    let count = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let rule_count = rules.groups().iter().map(|g| g.group.rules.len()).sum();
    format!(
        "{}: ok, {} ({}), {} in {}\n",
        args.file.display(),
        count(names.len(), "server"),
        names.join(", "),
        count(rule_count, "rule"),
        count(rules.groups().len(), "group"),
    )
}

fn as_json(
    args: &CheckArgs,
    plan: Option<&Plan>,
    rules: Option<&RuleSet>,
    talk: &str,
    tried: &Recorded,
) -> Json {
    let servers = plan
        .iter()
        .flat_map(|p| p.servers.keys().map(|n| n.as_str()));
    let alerts: Vec<Json> = tried.all().iter().map(Tried::json).collect();
    json!({
        "version": 1, "file": args.file, "ok": rules.is_some(), "servers": servers.collect::<Vec<_>>(),
        "hash": plan.map(Plan::hash), "problems": talk,
        "rules": rules.map(|rules| rules.groups().iter().map(|g| g.group.rules.len()).sum::<usize>()),
        "alerts": alerts,
    })
}

pub(crate) fn schema(printer: &Printer) -> Result<u8> {
    printer.data(&format!("{:#}\n", ph_plan::schema()))?;
    Ok(exit::DONE)
}
