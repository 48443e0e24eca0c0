//! Rule files: any text gives rules or problems that point into the text; any text is a template or an
//! error with its place, and a template gives a text for any element; rules that were read run, with the
//! same results for the same inputs, and a tick gives each series once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_promql::{Labels, Query, Sample};
use ph_rules::template::Scope;
use ph_rules::unit::{self, Memory, Unusable};
use ph_rules::{Ask, AskError, GroupRun, RuleFile, Settings, Template, Tick, file};

const TICK_MS: i64 = 15_000;
const PROBLEMS_MAX: usize = 101;

/// Series in memory, which answers only so many times: a text of many rules is only slow.
struct Bounded {
    memory: Memory,
    left: usize,
}

impl Ask for Bounded {
    fn instant(&mut self, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, AskError> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| AskError("enough".to_owned()))?;
        // Subqueries over years are promql's own target.
        if query.text().contains(':') || query.text().len() > 200 {
            return Err(AskError("too much".to_owned()));
        }
        self.memory.instant(query, at_ms)
    }

    fn written(&mut self, at_ms: i64, samples: &[(Labels, f64)]) {
        self.memory.written(at_ms, samples);
    }
}

fuzz_target!(|text: &str| {
    template(text);
    let problems = match file::read("rules.yml", text) {
        Ok(rules) => {
            let once = run(&rules);
            assert_eq!(format!("{once:?}"), format!("{:?}", run(&rules)));
            Vec::new()
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= PROBLEMS_MAX);
            problems
        }
    };
    let of_tests = match unit::run(text, &|_| Err("none".to_owned())) {
        Err(Unusable::TestFile(problems)) => problems,
        Ok(_) | Err(_) => Vec::new(),
    };
    for problem in problems.iter().chain(&of_tests) {
        assert!(
            text.get(problem.at.clone()).is_some(),
            "{problem:?} points outside"
        );
        assert!(!problem.render("rules.yml", text).is_empty());
    }
});

fn template(text: &str) {
    let labels = Labels::from_pairs([("i", "a"), ("url", "http://x:1/y"), ("n", "1.5")]);
    let external_labels = Labels::default();
    match Template::parse(text) {
        Ok(template) => {
            for value in [0.0, -1.5, 1e300, f64::NAN, f64::INFINITY] {
                let scope = Scope {
                    labels: &labels,
                    value,
                    external_labels: &external_labels,
                    external_url: "http://here/x",
                };
                let expanded = template.expand(&scope);
                assert_eq!(expanded, template.expand(&scope));
            }
        }
        Err(error) => {
            assert!(
                text.get(error.at.clone()).is_some(),
                "{error:?} points outside"
            );
            assert!(!error.text.is_empty());
        }
    }
}

fn run(rules: &RuleFile) -> Vec<Tick> {
    let mut ask = Bounded {
        memory: Memory::default(),
        left: 60,
    };
    let mut ticks = Vec::new();
    for group in rules.groups.iter().take(3) {
        let mut run = GroupRun::new(group, &rules.name, &Settings::default());
        run.restore(0, &mut ask);
        for nth in 1..6_i64 {
            let at_ms = nth * TICK_MS;
            for name in ["a", "b"] {
                let labels = Labels::from_pairs([("__name__", name), ("i", "x")]);
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let v = (nth % 3) as f64;
                ask.memory.add(&labels, Sample { t_ms: at_ms, v });
            }
            let tick = run.tick(at_ms, &mut ask);
            well_formed(&tick);
            ticks.push(tick);
        }
        ticks.push(run.end(6 * TICK_MS));
    }
    ticks
}

fn well_formed(tick: &Tick) {
    let mut labels: Vec<&Labels> = tick.samples.iter().map(|(labels, _)| labels).collect();
    labels.sort();
    assert!(
        labels.windows(2).all(|two| two[0] != two[1]),
        "a series twice"
    );
    for alert in &tick.alerts {
        assert!(alert.labels.get("alertname").is_some());
        assert!(alert.ends_at_ms >= alert.starts_at_ms);
    }
}
