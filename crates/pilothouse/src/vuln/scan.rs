//! `pilothouse vuln scan`: what a folder, a server or an image holds that an advisory names.

mod known;
mod of;
mod output;

use super::place::{Place, PlaceArgs};
use crate::exit;
use crate::printer::Printer;
use crate::secrets;
use anyhow::{Context as _, Result, anyhow};
use clap::{Args, ValueEnum};
use known::Known;
use of::Of;
use ph_advisories::{FolderError, Mirror, MirrorError};
use ph_jobs::vuln::{Advisories, Machine, Own, Scanned, Subject, TrivyError, expose};
use ph_vuln::overrides::Overrides;
use ph_vuln::report::Outcome;
use ph_vuln::scanners;
use ph_vuln::severity::Class;
use ph_wire::reaper::Reaper;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Args)]
pub(crate) struct ScanArgs {
    /// A folder, a lockfile or an SBOM; a server of the configuration; with `--trivy` an image
    /// [default: this folder].
    #[arg(value_name = "PATH|SERVER|IMAGE", conflicts_with = "image")]
    subject: Option<String>,
    /// A container image in a file: an OCI layout, or what `docker save` writes.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write it to this file, and the table to standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit 1 only for findings of at least this severity [default: for any].
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// A JSON report of Trivy, osv-scanner, `npm audit`, `yarn audit` or pip-audit to be merged; can be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    merge: Vec<PathBuf>,
    /// Run the installed Trivy on the image, and merge what it finds. The compromised releases 0.69.4 to 0.69.6 are
    /// refused.
    #[arg(long)]
    trivy: bool,
    /// Leave out what is only needed to build or test.
    #[arg(long)]
    no_dev: bool,
    /// Do not read the source to see where what was found is used.
    #[arg(long)]
    no_exposure: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// All that is known of it; described in docs/vulnerabilities.md.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// OpenVEX 0.2.0.
    Openvex,
    /// CycloneDX 1.6 with vulnerabilities.
    CyclonedxVex,
    /// CycloneDX 1.6 with all packages: an SBOM.
    Cyclonedx,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    Low,
    Medium,
    High,
    Critical,
}

impl FailOn {
    fn class(self) -> Class {
        match self {
            Self::Low => Class::Low,
            Self::Medium => Class::Medium,
            Self::High => Class::High,
            Self::Critical => Class::Critical,
        }
    }
}

pub(crate) const EXAMPLES: &str = "\
Exits 0 when nothing was found, 1 when something was (at or above --fail-on), 3 when that cannot be told: there was
nothing to scan, something could not be checked, or the advisories are missing or stale.

Examples:
  pilothouse vuln scan
  pilothouse vuln scan files --fail-on high
  pilothouse vuln scan srv/package-lock.json --format json --output vulnerabilities.json
  pilothouse vuln scan . --merge npm-audit.json --format sarif --output pilothouse.sarif
  pilothouse vuln scan mcp/git:1.2 --trivy";

/// A scan of a folder or a server without any of the other flags, for commands that go on from there.
pub(crate) fn plain(subject: Option<String>, place: PlaceArgs) -> Result<(Scanned, Own)> {
    let args = plain_args(subject, place);
    let place = args.place.read()?;
    let of = of::of(&args, &place)?;
    let scanned = look(&args, &of, &place)?;
    let own = Own::of(&of.subject(), &machine()?);
    Ok((scanned, own))
}

/// What a word names, without a look into it.
pub(super) fn named<T>(
    subject: Option<String>,
    place: PlaceArgs,
    with: impl FnOnce(&Subject<'_>, &Place) -> Result<T>,
) -> Result<T> {
    let args = plain_args(subject, place);
    let place = args.place.read()?;
    let of = of::of(&args, &place)?;
    with(&of.subject(), &place)
}

fn plain_args(subject: Option<String>, place: PlaceArgs) -> ScanArgs {
    ScanArgs {
        subject,
        image: None,
        format: Format::Table,
        output: None,
        fail_on: None,
        merge: Vec::new(),
        trivy: false,
        no_dev: false,
        no_exposure: false,
        place,
    }
}

pub(crate) fn scan(args: &ScanArgs, printer: &Printer) -> Result<u8> {
    let place = args.place.read()?;
    let of = of::of(args, &place)?;
    let mut scanned = look(args, &of, &place)?;
    let known = Known::of(&of, &of::at(args, &place), printer);
    if !args.no_exposure {
        expose(&mut scanned.report, &Own::of(&of.subject(), &machine()?));
        known.add_traffic(&mut scanned);
    }
    let file = args.output.as_deref();
    output::write(args.format, file, &scanned, &known, printer)?;
    let outcome = scanned.report.outcome(args.fail_on.map(FailOn::class));
    Ok(match outcome {
        Outcome::Clean => exit::DONE,
        Outcome::Found => exit::FOUND,
        Outcome::Unknown => exit::COULD_NOT_CHECK,
    })
}

fn look(args: &ScanArgs, of: &Of<'_>, place: &Place) -> Result<Scanned> {
    let overrides = overrides(place, args.place.config.as_deref())?;
    let mirror = mirror(place)?;
    let machine = machine()?;
    let advisories = Advisories {
        mirror: mirror.as_ref(),
        stale_after: place.plan.vuln.stale_after,
        overrides: &overrides,
        no_dev: args.no_dev,
    };
    let mut scanned = ph_jobs::vuln::scan(&of.subject(), &machine, &advisories, SystemTime::now())?;
    if args.trivy {
        by_trivy(of, &mut scanned)?;
    }
    for file in &args.merge {
        merge(file, &mut scanned)?;
    }
    Ok(scanned)
}

/// The advisories; none where nothing was fetched or imported: the report says so.
fn mirror(place: &Place) -> Result<Option<Mirror>> {
    match Mirror::open(&place.db) {
        Ok(mirror) => Ok(Some(mirror)),
        Err(MirrorError::Folder(FolderError::Nothing(_))) => Ok(None),
        Err(error) => {
            let folder = place.db.display();
            Err(error).with_context(|| format!("the advisories in `{folder}` cannot be read"))
        }
    }
}

/// The file that `vuln.overrides` names, from where the configuration lies.
fn overrides(place: &Place, config: Option<&Path>) -> Result<Overrides> {
    let Some(file) = &place.plan.vuln.overrides else {
        return Ok(Overrides::default());
    };
    let folder = config.and_then(Path::parent).unwrap_or(Path::new(""));
    let path = folder.join(file.as_path());
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the overrides in `{}` cannot be read", path.display()))?;
    Overrides::read(&text).map_err(|problems| {
        let lines = problems.iter().map(|one| format!("\n  {one}"));
        anyhow!(
            "`{}` is no file of overrides:{}",
            path.display(),
            lines.collect::<String>()
        )
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "commands are looked up from where the command was started"
)]
pub(crate) fn machine() -> Result<Machine> {
    let cwd = std::env::current_dir().context("the working directory cannot be told")?;
    Ok(Machine::of(cwd, &secrets::variable))
}

fn merge(file: &Path, scanned: &mut Scanned) -> Result<()> {
    let name = || format!("`{}` was not merged", file.display());
    let max = scanners::MAX_BYTES as u64;
    let mut bytes = Vec::new();
    let open = std::fs::File::open(file).with_context(name)?;
    open.take(max + 1)
        .read_to_end(&mut bytes)
        .with_context(name)?;
    let scan = scanners::read(&bytes).with_context(name)?;
    scanners::merge(&mut scanned.report, &scanned.inventory, scan);
    Ok(())
}

/// Trivy's report of the image takes the place of "not looked into".
fn by_trivy(of: &Of<'_>, scanned: &mut Scanned) -> Result<()> {
    let image = of.image().ok_or_else(|| {
        anyhow!(
            "`--trivy` is for images, and `{}` is none",
            scanned.report.subject
        )
    })?;
    let runtime = runtime()?;
    let reaper = reaper();
    let scan = runtime.block_on(ph_jobs::vuln::trivy("trivy", &image, &reaper));
    let scan = scan.map_err(|error: TrivyError| anyhow!(error))?;
    if scan.packages.is_some() || !scan.findings.is_empty() {
        scanned.report.unchecked.retain(|one| one.what != image);
    }
    scanners::merge(&mut scanned.report, &scanned.inventory, scan);
    Ok(())
}

/// Where a command runs programs of others.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

/// Who ends those programs when this one is killed.
pub(super) fn reaper() -> Reaper {
    Reaper::start(Path::new("/proc/self/exe")).unwrap_or_else(|_| Reaper::none())
}

/// Names of servers for an error, not too many.
fn names(place: &Place) -> String {
    let all: Vec<_> = place
        .plan
        .servers
        .keys()
        .take(10)
        .map(|name| format!("`{name}`"))
        .collect();
    if all.is_empty() {
        "there are none".to_owned()
    } else {
        all.join(", ")
    }
}

/// What is said where a word names nothing.
fn names_nothing(word: &str, place: &Place) -> anyhow::Error {
    let servers = names(place);
    if word.contains('/') || word.contains(':') {
        return anyhow!(
            "there is no `{word}` here; for an image say `--trivy`, or save it (`docker save {word} -o image.tar`) and say `--image image.tar`"
        );
    }
    anyhow!(
        "`{word}` is neither a file or folder here nor a server of the configuration ({servers})"
    )
}

/// The subject of a path.
fn path(word: &str) -> Subject<'static> {
    Subject::Path(PathBuf::from(word))
}
