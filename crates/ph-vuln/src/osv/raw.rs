//! A record as it is written. Every field but the id may be missing or null.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::event::Events;
use super::{Advisory, Affected, Range, RangeKind, SUMMARY_CHARS_MAX, Score};
use ph_inventory::Ecosystem;

#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(default)]
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    modified: String,
    published: Option<String>,
    withdrawn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    upstream: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    related: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    summary: String,
    #[serde(default, deserialize_with = "or_default")]
    details: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<RawScore>,
    #[serde(default, deserialize_with = "or_default")]
    affected: Vec<RawAffected>,
    #[serde(default, deserialize_with = "or_default")]
    references: Vec<RawReference>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct RawScore {
    #[serde(rename = "type", default)]
    system: String,
    #[serde(default)]
    score: String,
}

#[derive(Deserialize)]
struct RawReference {
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct RawAffected {
    package: Option<RawPackage>,
    #[serde(default, deserialize_with = "or_default")]
    ranges: Vec<RawRange>,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<RawScore>,
    #[serde(default)]
    ecosystem_specific: Value,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct RawPackage {
    #[serde(default)]
    ecosystem: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct RawRange {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    events: Vec<Events>,
}

/// Null is as good as missing.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Record {
    pub(super) fn advisory(self) -> Advisory {
        let summary = one_line(&self.summary).or_else(|| one_line(&self.details));
        Advisory {
            id: self.id,
            modified: self.modified,
            published: self.published,
            withdrawn: self.withdrawn.filter(|since| !since.is_empty()),
            aliases: self.aliases,
            upstream: self.upstream,
            related: self.related,
            summary: summary.unwrap_or_default(),
            severity: scores(self.severity),
            word: text(&self.database_specific["severity"]),
            cwes: texts(&self.database_specific["cwe_ids"]),
            affected: self
                .affected
                .into_iter()
                .filter_map(RawAffected::affected)
                .collect(),
            references: self
                .references
                .into_iter()
                .map(|reference| reference.url)
                .collect(),
        }
    }
}

impl RawAffected {
    /// None: nothing that an inventory could hold is named.
    fn affected(self) -> Option<Affected> {
        let package = self.package.filter(|package| !package.name.is_empty())?;
        let database = &self.database_specific;
        Some(Affected {
            ecosystem: Ecosystem::from_osv(&package.ecosystem),
            package: package.name,
            ranges: self
                .ranges
                .into_iter()
                .filter_map(RawRange::range)
                .collect(),
            versions: self.versions,
            severity: scores(self.severity),
            // Debian's word is its urgency.
            word: text(&database["severity"])
                .or_else(|| text(&self.ecosystem_specific["severity"]))
                .or_else(|| text(&self.ecosystem_specific["urgency"])),
            symbols: symbols(&self.ecosystem_specific),
            last_known_affected: text(&database["last_known_affected_version_range"]),
            informational: text(&database["informational"]),
        })
    }
}

impl RawRange {
    fn range(self) -> Option<Range> {
        let kind = match self.kind.as_str() {
            "SEMVER" | "ECOSYSTEM" => RangeKind::Versions,
            "GIT" => RangeKind::Commits,
            _ => return None,
        };
        let events = self
            .events
            .into_iter()
            .flat_map(|events| events.0)
            .collect();
        Some(Range { kind, events })
    }
}

fn scores(raw: Vec<RawScore>) -> Vec<Score> {
    let score = |raw: RawScore| Score {
        system: raw.system,
        text: raw.score,
    };
    raw.into_iter().map(score).collect()
}

/// Go: `imports[].symbols`; `RustSec`: `affects.functions` or `affected_functions`; ours: `symbols`. Each once.
fn symbols(specific: &Value) -> Vec<String> {
    let mut symbols = texts(&specific["symbols"]);
    for import in specific["imports"].as_array().into_iter().flatten() {
        symbols.extend(texts(&import["symbols"]));
    }
    symbols.extend(texts(&specific["affects"]["functions"]));
    symbols.extend(texts(&specific["affected_functions"]));
    let mut seen = std::collections::HashSet::new();
    symbols.retain(|symbol| seen.insert(symbol.clone()));
    symbols
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(text)
        .collect()
}

/// The first line with something in it, without Markdown's mark of a title.
fn one_line(text: &str) -> Option<String> {
    let line = text
        .lines()
        .map(|line| line.trim_start_matches('#').trim())
        .find(|line| !line.is_empty())?;
    let mut cut: String = line.chars().take(SUMMARY_CHARS_MAX).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    Some(cut)
}
