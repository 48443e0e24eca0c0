//! `pilothouse vuln patch`: the smallest upgrade that ends each finding.

use super::apply;
use super::place::PlaceArgs;
use super::scan;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Result, bail};
use clap::Args;
use ph_vuln::patch::{Advice, advise};
use ph_vuln::report::{Outcome, Report};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) const EXAMPLES: &str = "\
Nothing is changed: the commands are for you to run, and `pilothouse vuln verify` looks whether they did it. With --apply
they are run on a copy of the folder, and the copy is looked at afterwards; the folder itself is never written to. Package
managers fetch what they need.

Exits as `vuln scan` does, with --apply as a scan of the copy; 2 when an upgrade did not happen, and then there is no copy.

Examples:
  pilothouse vuln patch
  pilothouse vuln patch files --json
  pilothouse vuln patch files --apply
  pilothouse vuln patch . --apply --only lodash --copy /srv/files-4.17.21";

#[derive(Args)]
pub(crate) struct PatchArgs {
    /// A folder, a lockfile or a server of the configuration [default: this folder].
    #[arg(value_name = "PATH|SERVER")]
    pub(super) subject: Option<String>,
    /// Run the commands on a copy of the folder.
    #[arg(long)]
    pub(super) apply: bool,
    /// Where the copy is made [default: FOLDER.patched beside a folder, SERVER.patched here for a server].
    #[arg(long, value_name = "DIR", requires = "apply")]
    pub(super) copy: Option<PathBuf>,
    /// Only this package; can be given several times [default: all that can be upgraded].
    #[arg(long, value_name = "PACKAGE")]
    pub(super) only: Vec<String>,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    /// Answer in JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// So much of what could not be looked into is named; `vuln scan` has all.
const UNCHECKED_MAX: usize = 10;

impl PatchArgs {
    /// The advice that is asked for.
    pub(super) fn advice(&self, report: &Report) -> Result<Vec<Advice>> {
        let mut advice = advise(report);
        let is = |one: &Advice, name: &String| {
            one.ecosystem.normal_name(&one.package) == one.ecosystem.normal_name(name)
        };
        if let Some(name) = self
            .only
            .iter()
            .find(|name| !advice.iter().any(|one| is(one, name)))
        {
            bail!("nothing was found in `{name}`, which `--only` names");
        }
        if !self.only.is_empty() {
            advice.retain(|one| self.only.iter().any(|name| is(one, name)));
        }
        Ok(advice)
    }
}

pub(crate) fn patch(args: &PatchArgs, printer: &Printer) -> Result<u8> {
    let (scanned, _) = scan::plain(args.subject.clone(), args.place.clone())?;
    let report = &scanned.report;
    let advice = args.advice(report)?;
    if args.apply && advice.iter().any(|one| one.to.is_some()) {
        return apply::apply(args, &advice, printer);
    }
    if args.apply {
        printer.say("note: nothing was copied, since nothing that was found can be upgraded");
    }
    if args.json {
        let all: Vec<Value> = advice.iter().map(as_json).collect();
        printer.data(&format!(
            "{:#}\n",
            json!({ "subject": report.subject, "upgrades": all })
        ))?;
    } else {
        printer.data(&as_text(report, &advice))?;
    }
    for doubt in report.doubts() {
        printer.say(&format!("note: {doubt}"));
    }
    Ok(exit_of(report))
}

/// As `vuln scan` exits.
pub(super) fn exit_of(report: &Report) -> u8 {
    match report.outcome(None) {
        Outcome::Clean => exit::DONE,
        Outcome::Found => exit::FOUND,
        Outcome::Unknown => exit::COULD_NOT_CHECK,
    }
}

/// There is no advice: nothing was found, or nothing was seen.
fn nothing(report: &Report) -> String {
    let subject = &report.subject;
    if report.rows.is_empty() && report.outcome(None) == Outcome::Unknown {
        let mut text = format!("{subject}: whether it needs an upgrade is not known\n");
        for one in report.unchecked.iter().take(UNCHECKED_MAX) {
            text.push_str(&format!("  not checked  {}: {}\n", one.what, one.why));
        }
        return text;
    }
    let found = report.rows.len();
    format!("{subject}: no upgrade is needed for what was found ({found} findings)\n")
}

fn as_text(report: &Report, advice: &[Advice]) -> String {
    if advice.is_empty() {
        return nothing(report);
    }
    let mut text = String::new();
    for one in advice {
        let to = one.to.as_deref().unwrap_or("no version");
        text.push_str(&format!("{} {} -> {to}\n", one.package, one.from));
        if one.chain.len() > 1 {
            text.push_str(&format!("  through  {}\n", one.chain.join(" > ")));
        }
        for (word, ids) in [("ends", &one.fixes), ("stays", &one.stays)] {
            if !ids.is_empty() {
                text.push_str(&format!("  {word:<7}  {}\n", ids.join(", ")));
            }
        }
        if !one.commands.is_empty() {
            text.push_str(&format!("  run in   {}\n", folder(&one.file)));
            for command in &one.commands {
                text.push_str(&format!("    {command}\n"));
            }
        }
        if !one.otherwise.is_empty() && one.otherwise != one.commands {
            text.push_str("  if the version does not move\n");
            for command in &one.otherwise {
                text.push_str(&format!("    {command}\n"));
            }
        }
        if let Some(to) = &one.to
            && !one.instead.is_empty()
        {
            let later: Vec<_> = one.instead.iter().map(|one| one.to.as_str()).collect();
            text.push_str(&format!(
                "  instead  {} (where the registry has no {to})\n",
                later.join(", ")
            ));
        }
        for note in &one.notes {
            text.push_str(&format!("  note     {note}\n"));
        }
        text.push('\n');
    }
    text
}

fn folder(file: &str) -> String {
    let folder = Path::new(file)
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or_else(|| ".".to_owned(), |folder| folder.display().to_string())
}

fn as_json(one: &Advice) -> Value {
    json!({
        "package": one.package,
        "from": one.from,
        "to": one.to,
        "fixes": one.fixes,
        "stays": one.stays,
        "through": one.chain,
        "file": one.file,
        "commands": one.commands,
        "otherwise": one.otherwise,
        "instead": one.instead.iter().map(|one| &one.to).collect::<Vec<_>>(),
        "notes": one.notes,
    })
}
