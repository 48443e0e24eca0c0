//! How long the evaluator takes: 1,000 series of a day at 15 s, in memory.
//! `cargo run --release -p ph-promql --example measure [QUERY…]`

use std::io::Write as _;
use std::time::Instant;

use ph_promql::{
    Labels, Limits, Sample, Select, Series, SeriesSource, SourceError, Value, parse, range,
};

const SERIES: u32 = 1_000;
const SAMPLES: u32 = 5_760;
const INTERVAL_MS: i64 = 15_000;
const ROUNDS: usize = 5;

const QUERIES: &[&str] = &[
    "sum by (tool) (rate(calls_total[5m]))",
    "calls_total",
    "sum(calls_total)",
    "avg_over_time(calls_total[1h])",
    "topk(5, rate(calls_total[5m]))",
    "rate(calls_total[5m]) / on (tool, instance, le) rate(calls_total[10m])",
    "max_over_time(sum by (tool) (rate(calls_total[5m]))[1h:5m])",
    "histogram_quantile(0.99, sum by (le, tool) (rate(calls_total[5m])))",
    "quantile by (tool) (0.9, calls_total)",
];

struct Memory(Vec<Series>);

impl SeriesSource for Memory {
    /// A copy of all, which is what a source that decodes has to make at least.
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let inside = |sample: &&Sample| (wish.from_ms..=wish.to_ms).contains(&sample.t_ms);
        let part = |series: &Series| Series {
            labels: series.labels.clone(),
            samples: series.samples.iter().filter(inside).copied().collect(),
        };
        Ok(self.0.iter().map(part).collect())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let memory = Memory((0..SERIES).map(series).collect());
    let mut out = std::io::stdout().lock();
    let end_ms = INTERVAL_MS * i64::from(SAMPLES);
    let given: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let queries = if given.is_empty() { QUERIES } else { &given };
    for text in queries {
        let query = parse(text)?;
        let mut best_ms = f64::INFINITY;
        let mut cells = 0;
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let answer = range(&memory, &query, 60_000, end_ms, 60_000, &Limits::default())?;
            best_ms = best_ms.min(begin.elapsed().as_secs_f64() * 1000.0);
            if let Value::Matrix(series) = answer.value {
                cells = series.iter().map(|one| one.samples.len()).sum();
            }
        }
        writeln!(out, "{best_ms:8.1} ms  {cells:>8} values  {text}")?;
    }
    Ok(())
}

fn series(number: u32) -> Series {
    let labels = Labels::from_pairs([
        ("__name__", "calls_total".to_owned()),
        ("tool", format!("tool{}", number % 20)),
        ("instance", format!("instance{}", number / 200)),
        ("le", format!("{}", 1 << (number / 20 % 10))),
    ]);
    let samples = (0..SAMPLES).map(|i| Sample {
        t_ms: i64::from(i) * INTERVAL_MS + i64::from(number),
        v: f64::from(i * (number % 7 + 1) % 40_000),
    });
    Series {
        labels,
        samples: samples.collect(),
    }
}
