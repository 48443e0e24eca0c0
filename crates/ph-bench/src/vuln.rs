//! The mirror of advisories: what indexing many costs, and what looking up a server's packages does.
//!
//! The records are made by a seed, in the proportions of the dump of npm: four of five are malicious packages with a
//! list of versions and hashes, the others have ranges, references and some prose.

use anyhow::{Context as _, Result, ensure};
use ph_advisories::Mirror;
use ph_inventory::{Component, Ecosystem, Inventory};
use ph_vuln::Overrides;
use ph_vuln::matching::{Attacks, Context, findings};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Directory for the files; it must not exist.
    #[arg(long)]
    dir: PathBuf,
    /// Advisories.
    #[arg(long, default_value_t = 250_000)]
    advisories: u64,
    /// Packages that are looked up.
    #[arg(long, default_value_t = 1_000)]
    packages: u64,
    /// What the records are made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Seconds of indexing, at most.
const INDEX_S_MAX: f64 = 30.0;
/// Peak memory of indexing, in MiB, at most.
const INDEX_MIB_MAX: f64 = 200.0;
/// Seconds of looking up and matching, at most.
const MATCH_S_MAX: f64 = 1.0;
/// Peak memory of that, in MiB, at most.
const MATCH_MIB_MAX: f64 = 150.0;

/// Runs it; the report is one JSON object.
///
/// # Errors
/// The directory is there already, the disk fails, or what is found is not what the generator put there.
pub fn run(options: &Options) -> Result<serde_json::Value> {
    let dir = &options.dir;
    fs::create_dir(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    let zip = dir.join("all.zip");
    let json_bytes = generate(&zip, options)?;
    let index = index(dir, &zip, options)?;
    let matched = matching(dir, options)?;
    let zip_bytes = fs::metadata(&zip)?.len();
    let kept = index.seconds <= INDEX_S_MAX
        && index.mib <= INDEX_MIB_MAX
        && matched.seconds <= MATCH_S_MAX
        && matched.mib <= MATCH_MIB_MAX;
    fs::remove_dir_all(dir)?;
    Ok(json!({
        "advisories": options.advisories, "json_mib": mib(json_bytes), "zip_mib": mib(zip_bytes),
        "index": {"wall_s": index.seconds, "peak_rss_mib": index.mib, "disk_mib": mib(index.bytes)},
        "match": {
            "packages": options.packages, "wall_s": matched.seconds, "peak_rss_mib": matched.mib,
            "findings": matched.findings,
        },
        "promised": {
            "index_s": INDEX_S_MAX, "index_mib": INDEX_MIB_MAX, "match_s": MATCH_S_MAX, "match_mib": MATCH_MIB_MAX,
        },
        "kept": kept,
    }))
}

struct Indexed {
    seconds: f64,
    mib: f64,
    bytes: u64,
}

fn index(dir: &Path, zip: &Path, options: &Options) -> Result<Indexed> {
    let db = dir.join("db");
    forget_peak()?;
    let begun = Instant::now();
    let done = ph_advisories::import(&db, &[zip.to_owned()], SystemTime::now())?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(
        done.ecosystems.get("npm") == Some(&options.advisories) && done.unreadable.count == 0,
        "not all is indexed: {done:?}"
    );
    let files = fs::read_dir(&db)?.map(|entry| Ok(entry?.metadata()?.len()));
    Ok(Indexed {
        seconds,
        mib: peak_mib()?,
        bytes: files.sum::<Result<u64>>()?,
    })
}

struct Matched {
    seconds: f64,
    mib: f64,
    findings: usize,
}

/// Every third package is named by an advisory, every second of these in a version that is affected.
fn matching(dir: &Path, options: &Options) -> Result<Matched> {
    let mut inventory = Inventory::default();
    let mut wanted = 0;
    for n in 0..options.packages {
        let nth = n * 7 % options.advisories;
        let is_affected = n.is_multiple_of(6);
        let (name, version) = match n % 3 {
            0 => (name_of(nth), if is_affected { "1.0.0" } else { "9.9.9" }),
            _ => (format!("nobody-names-{n}"), "1.0.0"),
        };
        wanted += usize::from(is_affected);
        let mut component = Component::new(Ecosystem::Npm, name);
        component.version = Some(version.to_owned());
        inventory.components.push(component);
    }
    forget_peak()?;
    let begun = Instant::now();
    let mirror = Mirror::open(&dir.join("db"))?;
    let overrides = Overrides::default();
    let context = Context {
        overrides: &overrides,
        attacks: &|_| Attacks::default(),
        now: "2026-11-23T00:00:00Z".parse()?,
    };
    let ask = |component: &Component| mirror.advisories(&component.ecosystem, &component.name);
    let found = findings(&inventory, ask, &context);
    let seconds = begun.elapsed().as_secs_f64();
    let count = found.findings.len();
    ensure!(
        count == wanted && found.unchecked.is_empty(),
        "{count} findings, {wanted} were expected: {:?}",
        found.unchecked.first()
    );
    Ok(Matched {
        seconds,
        mib: peak_mib()?,
        findings: count,
    })
}

/// Writes the dump; says how many bytes of JSON are in it.
fn generate(path: &Path, options: &Options) -> Result<u64> {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(path)?));
    let mut random = Random(options.seed);
    let mut bytes = 0;
    for nth in 0..options.advisories {
        let (id, record) = record(nth, &mut random);
        bytes += record.len() as u64;
        zip.start_file(format!("{id}.json"), SimpleFileOptions::default())?;
        zip.write_all(record.as_bytes())?;
    }
    zip.finish()?.flush()?;
    Ok(bytes)
}

fn name_of(nth: u64) -> String {
    format!("@scope-{}/package-{nth}", nth % 97)
}

fn record(nth: u64, random: &mut Random) -> (String, String) {
    let is_malicious = !nth.is_multiple_of(5);
    let name = name_of(nth);
    let prose: String = (0..40)
        .map(|_| format!("word{} ", random.below(5_000)))
        .collect();
    let (day, second) = (1 + random.below(28), random.below(60));
    let modified = format!("2026-10-{day:02}T12:00:{second:02}Z");
    let (id, affected) = if is_malicious {
        let versions: Vec<String> = (0..1 + random.below(8))
            .map(|n| format!("1.{n}.0"))
            .collect();
        let hashes: Vec<String> = versions.iter().map(|_| random.hex(64)).collect();
        let affected = json!({
            "package": {"ecosystem": "npm", "name": name}, "versions": versions,
            "database_specific": {"cwes": [{"cweId": "CWE-506"}], "malicious-packages-origins": hashes},
        });
        (format!("MAL-2026-{nth}"), affected)
    } else {
        let affected = json!({
            "package": {"ecosystem": "npm", "name": name, "purl": format!("pkg:npm/{name}")},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.9.0"}]}],
        });
        (format!("GHSA-{}-{nth:08}", random.hex(4)), affected)
    };
    let record = json!({
        "schema_version": "1.7.4", "id": id, "modified": modified, "published": modified,
        "summary": format!("Something in {name}"), "details": prose, "affected": [affected],
        "references": (0..3).map(|n| json!({"type": "WEB", "url": format!("https://example.com/{n}/{}", random.hex(20))}))
            .collect::<Vec<_>>(),
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    });
    (id, record.to_string())
}

/// A small generator (SplitMix64): the same seed, the same records.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// From now on the peak is counted anew.
fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the peak of memory cannot be reset")
}

fn peak_mib() -> Result<f64> {
    Ok(crate::store_series::peak_rss_kib()? as f64 / 1_024.0)
}
