//! `pilothouse vuln verify`: whether a package has moved.

use super::place::PlaceArgs;
use super::scan;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Result, bail};
use clap::Args;
use ph_inventory::Ecosystem;
use ph_vuln::patch::{Place, places};

pub(crate) const EXAMPLES: &str = "\
Reads lockfiles and installed trees again: an upgrade of the package above may leave the one below where it was, and a
new lockfile moves nothing that is installed.

Exits 0 when every place has the version or a later one and nothing is found for the package any more, 1 when not, 3
when that cannot be told or the package is nowhere.

Examples:
  pilothouse vuln verify npm/lodash@4.17.21
  pilothouse vuln verify PyPI/starlette@0.49.1 files";

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// ECOSYSTEM/NAME@VERSION, the ecosystem as OSV writes it: npm, PyPI, crates.io, Go.
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// A folder, a lockfile or a server of the configuration [default: this folder].
    #[arg(value_name = "PATH|SERVER")]
    subject: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) fn verify(args: &VerifyArgs, printer: &Printer) -> Result<u8> {
    let (ecosystem, name, version) = read(&args.package)?;
    let (scanned, _) = scan::plain(args.subject.clone(), args.place.clone())?;
    let places = places(&scanned.inventory.components, &ecosystem, name, version);
    let mut text = String::new();
    for place in &places {
        text.push_str(&line(place, version));
    }
    let is_of_it = |row: &&ph_vuln::Row| {
        let component = &row.finding.component;
        component.ecosystem.base() == ecosystem.base()
            && component.advisory_name() == ecosystem.normal_name(name)
    };
    let left: Vec<_> = scanned.report.rows.iter().filter(is_of_it).collect();
    for row in &left {
        text.push_str(&format!(
            "still found: {} in {}\n",
            row.finding.representative(),
            row.package()
        ));
    }
    let differs = scanned
        .report
        .differences
        .iter()
        .filter(|one| one.package == name);
    let differs: Vec<_> = differs.collect();
    for one in &differs {
        let said =
            |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
        text.push_str(&format!(
            "differs: the lockfile says {}, installed is {} at {}\n",
            said(&one.locked),
            said(&one.installed),
            one.path
        ));
    }
    if places.is_empty() {
        text.push_str(&format!(
            "{name} is nowhere in {}\n",
            scanned.report.subject
        ));
    }
    printer.data(&text)?;
    let doubts = scanned.report.doubts();
    for doubt in &doubts {
        printer.say(&format!("note: {doubt}"));
    }
    Ok(
        if !left.is_empty() || places.iter().any(|place| place.is_moved == Some(false)) {
            exit::FOUND
        } else if places.is_empty()
            || !doubts.is_empty()
            || places.iter().any(|place| place.is_moved.is_none())
        {
            exit::COULD_NOT_CHECK
        } else {
            exit::DONE
        },
    )
}

pub(super) fn line(place: &Place, wanted: &str) -> String {
    let has = place.version.as_deref().unwrap_or("no version");
    let word = match place.is_moved {
        Some(true) => "moved",
        Some(false) => "NOT moved",
        None => "cannot be told",
    };
    let at = if place.path.is_empty() {
        String::new()
    } else {
        format!(" {}", place.path)
    };
    format!("{word}: {has} (wanted {wanted}) in {}{at}\n", place.file)
}

fn read(text: &str) -> Result<(Ecosystem, &str, &str)> {
    let parts = text
        .split_once('/')
        .and_then(|(ecosystem, rest)| Some((ecosystem, rest.rsplit_once('@')?)));
    match parts {
        Some((ecosystem, (name, version))) if !name.is_empty() && !version.is_empty() => {
            Ok((Ecosystem::from_osv(ecosystem), name, version))
        }
        _ => bail!(
            "`{text}` is no package with a version: npm/lodash@4.17.21 is meant, or PyPI/starlette@0.49.1"
        ),
    }
}
