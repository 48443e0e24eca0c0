//! Redaction: what it costs to look through texts in which there is no secret, and some in which there is one.

use crate::stopwatch::Stopwatch;
use anyhow::Result;
use ph_record::Redactor;
use serde_json::{Value, json};
use std::hint::black_box;

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Rounds of each text.
    #[arg(long, default_value_t = 200_000)]
    rounds: u32,
}

/// What is looked through: a name, a line of a log, words of an assistant, JSON, digits, a token.
fn texts() -> Vec<(&'static str, String)> {
    let line = "2026-11-23T04:31:31.903Z INFO searched 1,204 files below src/ for `fn main` in 38 ms (request 7f3a)";
    let prose = "Please search the repository for every place where the configuration is read, and tell me which \
                 of them could fail when the file is missing. ";
    let json = r#"{"path":"/srv/data/report-2026-11.csv","limit":100,"columns":["name","amount"],"id":"0b8f6c3e"},"#;
    vec![
        ("name_11B", "searchFiles".to_owned()),
        ("line_100B", line.to_owned()),
        ("prose_4KiB", prose.repeat(28)),
        ("json_4KiB", json.repeat(43)),
        ("digits_4KiB", "1700000000 17000 1-2-3 4111 ".repeat(146)),
        (
            "token_100B",
            format!("{} ghp_Planted01aBcDeFgHiJkLmNoPqRsTuVwXyZ0", &line[..60]),
        ),
    ]
}

/// Runs all of it; the report is one JSON object.
///
/// # Errors
/// None today.
pub fn run(options: &Options) -> Result<Value> {
    let redactor = Redactor::default();
    let mut report = serde_json::Map::new();
    for (name, text) in texts() {
        // Texts of 4 KiB get fewer rounds.
        let rounds = (u64::from(options.rounds) * 100 / text.len().max(100) as u64).max(1);
        let watch = Stopwatch::start();
        let mut changed = 0_u64;
        for _ in 0..rounds {
            let clean = redactor.text(black_box(&text));
            changed += u64::from(matches!(clean, std::borrow::Cow::Owned(_)));
            black_box(clean);
        }
        let ns = watch.ns() / rounds as f64;
        report.insert(
            name.to_owned(),
            json!({
                "bytes": text.len(),
                "mean_ns": (ns * 10.0).round() / 10.0,
                "ns_per_byte": (ns / text.len() as f64 * 100.0).round() / 100.0,
                "has_secret": changed > 0,
            }),
        );
    }
    Ok(report.into())
}
