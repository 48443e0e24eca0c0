//! One test: series come in, rules run, expectations are compared.

use std::cmp::Ordering;
use std::time::Duration;

use ph_promql::{Labels, Sample};

use super::text::{AlertTest, Test, Tests};
use super::{CaseResult, Memory, Seen, Subject};
use crate::duration::millis;
use crate::group::AlertState;
use crate::{Ask, GroupRun, RuleFile, Settings};

pub(super) fn play(test: &Test, tests: &Tests, files: &[RuleFile]) -> Vec<CaseResult> {
    let step_ms = millis(tests.evaluation_interval).max(1);
    let mut stage = Stage::new(test, tests, files);
    let mut results = Vec::new();
    let mut alerts: Vec<&AlertTest> = test.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.at);
    let mut alerts = alerts.into_iter().peekable();
    let mut at_ms = 0;
    while at_ms <= stage.end_ms {
        let failed = stage.tick(at_ms);
        if !failed.is_empty() {
            results.extend(failed);
            return results;
        }
        // What is asked for between two ticks is what the first of them gave.
        while let Some(alert) = alerts.next_if(|alert| millis(alert.at) < at_ms + step_ms) {
            results.push(stage.look(alert));
        }
        at_ms += step_ms;
    }
    results.extend(stage.evaluate());
    results.sort_by_key(|result| result.line);
    results
}

struct Stage<'t> {
    test: &'t Test,
    memory: Memory,
    /// For each series, how many of its values are fed.
    fed: Vec<usize>,
    interval_ms: i64,
    groups: Vec<GroupRun>,
    end_ms: i64,
}

impl<'t> Stage<'t> {
    fn new(test: &'t Test, tests: &Tests, files: &[RuleFile]) -> Self {
        let interval = test.interval.unwrap_or(tests.evaluation_interval);
        let settings = Settings {
            default_interval: interval,
            external_labels: test.external_labels.clone(),
            external_url: test.external_url.clone(),
            ..Settings::default()
        };
        let mut memory = Memory::default();
        memory.set_subquery_step(millis(tests.evaluation_interval));
        let all = files
            .iter()
            .flat_map(|file| file.groups.iter().map(move |group| (file, group)));
        let run =
            |(file, group): (&RuleFile, &crate::Group)| GroupRun::new(group, &file.name, &settings);
        let mut groups: Vec<GroupRun> = all.map(run).collect();
        let order = |group: &GroupRun| {
            let named = tests.group_eval_order.iter();
            named
                .clone()
                .position(|name| name == group.name())
                .unwrap_or_default()
        };
        groups.sort_by_key(order);
        let of_alerts = test.alerts.iter().map(|alert| alert.at);
        let of_expressions = test.expressions.iter().map(|expression| expression.at);
        Self {
            test,
            memory,
            fed: vec![0; test.series.len()],
            interval_ms: millis(interval).max(1),
            groups,
            end_ms: millis(of_alerts.chain(of_expressions).max().unwrap_or_default()),
        }
    }

    /// Feeds the series up to a time and evaluates every group; gives what failed.
    fn tick(&mut self, at_ms: i64) -> Vec<CaseResult> {
        self.feed(at_ms);
        let mut failed = Vec::new();
        for group in &mut self.groups {
            for failure in group.tick(at_ms, &mut self.memory).failures {
                failed.push(CaseResult {
                    test: self.test.name.clone(),
                    line: 0,
                    subject: Subject::Rule(failure.rule),
                    at: Duration::from_millis(at_ms.unsigned_abs()),
                    expected: Vec::new(),
                    got: Vec::new(),
                    error: Some(failure.error),
                });
            }
        }
        failed
    }

    fn feed(&mut self, at_ms: i64) {
        for ((labels, values), fed) in self.test.series.iter().zip(&mut self.fed) {
            while let Some(value) = values.get(*fed) {
                let t_ms = i64::try_from(*fed)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(self.interval_ms);
                if t_ms > at_ms {
                    break;
                }
                if let Some(v) = value {
                    self.memory.add(labels, Sample { t_ms, v: *v });
                }
                *fed += 1;
            }
        }
    }

    /// The firing alerts of a name.
    fn look(&self, alert: &AlertTest) -> CaseResult {
        let mut got = Vec::new();
        for group in &self.groups {
            let rules = group.status().rules.into_iter();
            let of_name = rules.filter(|rule| rule.name == alert.name);
            for active in of_name
                .filter_map(|rule| rule.alerting)
                .flat_map(|one| one.alerts)
            {
                if active.state == AlertState::Firing {
                    got.push(Seen {
                        labels: active.labels,
                        annotations: active.annotations,
                        value: None,
                    });
                }
            }
        }
        CaseResult {
            test: self.test.name.clone(),
            line: alert.line,
            subject: Subject::Alert(alert.name.clone()),
            at: alert.at,
            expected: in_order(alert.expected.clone()),
            got: in_order(got),
            error: None,
        }
    }

    fn evaluate(&mut self) -> Vec<CaseResult> {
        let mut results = Vec::with_capacity(self.test.expressions.len());
        for expression in &self.test.expressions {
            let answer = self
                .memory
                .instant(&expression.query, millis(expression.at));
            let (got, error) = match answer {
                Ok(elements) => (elements.into_iter().map(seen).collect(), None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            results.push(CaseResult {
                test: self.test.name.clone(),
                line: expression.line,
                subject: Subject::Expression(expression.query.text().to_owned()),
                at: expression.at,
                expected: in_order(expression.expected.clone()),
                got: in_order(got),
                error,
            });
        }
        results
    }
}

fn seen((labels, value): (Labels, f64)) -> Seen {
    Seen {
        labels,
        annotations: Labels::default(),
        value: Some(value),
    }
}

/// In the order in which both sides are compared.
fn in_order(mut all: Vec<Seen>) -> Vec<Seen> {
    let order = |one: &Seen, other: &Seen| -> Ordering {
        let labels = one.labels.cmp(&other.labels);
        labels.then_with(|| one.annotations.cmp(&other.annotations))
    };
    all.sort_by(order);
    all
}
