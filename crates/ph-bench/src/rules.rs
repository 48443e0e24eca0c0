//! Rules over the series store: what a round of many alerts costs.
//!
//! The series are those of `store series`. Every tool has a rule about the share of its calls that fail and one
//! about the 95th percentile of their duration, so all series but one in twenty are read in every round.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ph_promql::{Labels, Limits, Query, Value};
use ph_rules::{Ask, AskError, GroupRun, Settings, Tick, file};
use ph_store::RealDisk;
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesReader, SeriesStore};
use serde_json::json;

use crate::store_series::{Page, SERIES_PER_TOOL, START_MS, STEP_MS, cpu_time};

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Directory for the files; it must not exist.
    #[arg(long)]
    dir: PathBuf,
    /// Series, a multiple of 20.
    #[arg(long, default_value_t = 10_000)]
    series: usize,
    /// Alerting rules, two for a tool.
    #[arg(long, default_value_t = 1_000)]
    rules: usize,
    /// Rounds that are measured, 15 s apart.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

/// CPU seconds of a round at most.
const ROUND_CPU_S_MAX: f64 = 1.0;
/// Scrapes before the first round: ten minutes.
const WARM_UP: usize = 40;

/// Runs it; the report is one JSON object.
///
/// # Errors
/// The directory is there already, or the disk fails; also when no alert fires, since then nothing was measured.
pub fn run(options: &Options) -> Result<serde_json::Value> {
    fs::create_dir(&options.dir)
        .with_context(|| format!("cannot make `{}`", options.dir.display()))?;
    let report = rounds(options, &options.dir.join("series"))?;
    fs::remove_dir_all(&options.dir)?;
    Ok(report)
}

fn rounds(options: &Options, dir: &Path) -> Result<serde_json::Value> {
    let tools = options.series / SERIES_PER_TOOL;
    let bounds = SeriesOptions {
        series_max: 2 * options.series,
        metric_series_max: 2 * options.series,
        ..SeriesOptions::default()
    };
    let (mut store, _) = SeriesStore::open(Arc::new(RealDisk), dir, bounds)?;
    let text = rule_file(options.rules, tools);
    let file = file::read("bench.yml", &text).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    let settings = Settings::default();
    let mut groups: Vec<GroupRun> = file
        .groups
        .iter()
        .map(|group| GroupRun::new(group, &file.name, &settings))
        .collect();
    let mut page = Page::new(tools);
    let (mut walls, mut cpu_s, mut written, mut failures) = (Vec::new(), 0.0, 0, 0);
    for n in 0..WARM_UP + options.rounds {
        page.advance();
        let now_ms = START_MS + i64::try_from(n)? * STEP_MS;
        store.scrape(&page.scrape(now_ms))?;
        store.tick(now_ms)?;
        let (begun, cpu) = (Instant::now(), cpu_time()?);
        let mut asker = Asker(store.reader());
        let ticks: Vec<Tick> = groups
            .iter_mut()
            .map(|group| group.tick(now_ms + 1, &mut asker))
            .collect();
        drop(asker);
        for (group, tick) in groups.iter().zip(&ticks) {
            write(&mut store, group.name(), tick)?;
        }
        if n >= WARM_UP {
            walls.push(begun.elapsed().as_secs_f64() * 1e3);
            cpu_s += cpu_time()? - cpu;
            written += ticks.iter().map(|tick| tick.samples.len()).sum::<usize>();
            failures += ticks.iter().map(|tick| tick.failures.len()).sum::<usize>();
        }
    }
    store.close()?;
    ensure!(
        written > 0 && failures == 0,
        "{failures} rules failed, {written} samples"
    );
    let cpu_s = cpu_s / options.rounds as f64;
    let first_ms = walls.first().copied().unwrap_or_default();
    walls.sort_by(f64::total_cmp);
    let median_ms = walls.get(walls.len() / 2).copied().unwrap_or_default();
    Ok(json!({
        "series": tools * SERIES_PER_TOOL,
        "rules": options.rules,
        "rounds": options.rounds,
        "samples_written_per_round": written as f64 / options.rounds as f64,
        "round_cpu_s": cpu_s,
        "round_wall_ms": { "median": median_ms, "first": first_ms },
        "promise": { "round_cpu_s_max": ROUND_CPU_S_MAX, "kept": cpu_s < ROUND_CPU_S_MAX },
    }))
}

/// Groups of a hundred rules each.
fn rule_file(rules: usize, tools: usize) -> String {
    let mut text = String::from("groups:\n");
    for n in 0..rules {
        if n % 100 == 0 {
            let _ = writeln!(text, "  - name: group-{}\n    rules:", n / 100);
        }
        let tool = format!("tool=\"tool-{:04}\"", (n / 2) % tools);
        let (name, expr) = if n % 2 == 0 {
            let failed = format!(
                "sum by (server, tool) (rate(mcp_calls_total{{{tool},outcome!=\"ok\"}}[5m]))"
            );
            let all = format!("sum by (server, tool) (rate(mcp_calls_total{{{tool}}}[5m]))");
            ("Failing", format!("{failed} / {all} > 0.03"))
        } else {
            let rate = format!("rate(mcp_call_duration_seconds_bucket{{{tool}}}[5m])");
            let quantile = format!("histogram_quantile(0.95, sum by (server, tool, le) ({rate}))");
            ("Slow", format!("{quantile} > 0.1"))
        };
        let _ = writeln!(
            text,
            "      - alert: {name}{n}\n        expr: '{expr}'\n        for: 1m"
        );
        text.push_str("        labels: {severity: warning}\n        annotations:\n");
        text.push_str("          summary: '{{ $labels.tool }} of {{ $labels.server }} is at {{ $value | humanize }}'\n");
    }
    text
}

/// Evaluates over the store.
struct Asker(SeriesReader);

impl Ask for Asker {
    fn instant(&mut self, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, AskError> {
        let answer = ph_promql::instant(&self.0, query, at_ms, &Limits::default())
            .map_err(|error| AskError(error.to_string()))?;
        match answer.value {
            Value::Vector(elements) => Ok(elements
                .into_iter()
                .map(|(labels, sample)| (labels, sample.v))
                .collect()),
            _ => Err(AskError("no vector".to_owned())),
        }
    }

    /// No rule reads what another one writes.
    fn written(&mut self, _at_ms: i64, _samples: &[(Labels, f64)]) {}
}

fn write(store: &mut SeriesStore, group: &str, tick: &Tick) -> Result<()> {
    let samples: Vec<NewSample> = tick
        .samples
        .iter()
        .map(|sample| NewSample::from(sample.clone()))
        .collect();
    store.scrape(&Scrape {
        t_ms: tick.samples_at_ms,
        target: group,
        samples: &samples,
        exemplars: &[],
        metadata: &[],
    })?;
    Ok(())
}
