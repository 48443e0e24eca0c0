//! `pilothouse check` and `pilothouse schema`.

use crate::cli::CheckArgs;
use crate::exit;
use crate::printer::Printer;
use crate::sources::{Rejected, read_file};
use anyhow::Result;

pub(crate) fn check(args: &CheckArgs, printer: &Printer) -> Result<u8> {
    let read = read_file(&args.file)?;
    let (ok, talk) = match &read {
        Ok((_, warnings)) => (true, warnings.as_str()),
        Err(Rejected(problems)) => (false, problems.as_str()),
    };
    if args.json {
        let plan = read.as_ref().ok().map(|(plan, _)| plan);
        let servers: Vec<_> = plan
            .iter()
            .flat_map(|p| p.servers.keys().map(|n| n.as_str()))
            .collect();
        let result = serde_json::json!({
            "version": 1, "file": args.file, "ok": ok, "servers": servers,
            "hash": plan.map(ph_plan::Plan::hash), "problems": talk,
        });
        printer.data(&format!("{result}\n"))?;
    } else {
        if !talk.is_empty() {
            printer.say(talk);
        }
        if let Ok((plan, _)) = &read {
            let names: Vec<_> = plan.servers.keys().map(|n| n.as_str()).collect();
            printer.data(&format!(
                "{}: ok, {} ({})\n",
                args.file.display(),
                count(names.len()),
                names.join(", ")
            ))?;
        }
    }
    Ok(if ok { exit::DONE } else { exit::FOUND })
}

fn count(servers: usize) -> String {
    if servers == 1 {
        "1 server".into()
    } else {
        format!("{servers} servers")
    }
}

pub(crate) fn schema(printer: &Printer) -> Result<u8> {
    printer.data(&format!("{:#}\n", ph_plan::schema()))?;
    Ok(exit::DONE)
}
