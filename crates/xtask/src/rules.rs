//! `cargo xtask rules replay EVENTS`: runs the groups of rule files over events of a file, for tests that
//! compare what they write with somebody else's. Events and answers are JSON, one value in a line.
//!
//! Events, in the order of their times (`at`, Unix milliseconds): `{"at", "load": "text of a rule file"}`,
//! `{"at", "restart": true}`, `{"at", "sample": {labels}, "value": "1" or "stale"}`, `{"at", "tick": "group"}`.
//! Answers: `{"at", "group", "samples": [{"labels", "value"}], "failures": [text]}` for each tick.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ph_promql::{Labels, STALE_NAN_BITS, Sample, is_stale};
use ph_rules::unit::Memory;
use ph_rules::{GroupRun, RuleFile, Settings, Tick, file};
use serde_json::{Value, json};

use crate::Verdict;

pub(crate) fn run(args: &[String]) -> Result<Verdict> {
    match args {
        [what, events] if what == "replay" => replay(Path::new(events)),
        _ => bail!("what about rules? `cargo xtask rules replay EVENTS`"),
    }
}

fn replay(events: &Path) -> Result<Verdict> {
    let text = std::fs::read_to_string(events).with_context(|| events.display().to_string())?;
    let mut house = House::default();
    let mut out = std::io::stdout().lock();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if let Some(answer) = house.take(&event).with_context(|| line.to_owned())? {
            writeln!(out, "{answer}")?;
        }
    }
    Ok(Verdict::Clean)
}

/// One evaluator of rules with what it has kept.
#[derive(Default)]
struct House {
    memory: Memory,
    settings: Settings,
    /// What was loaded last; a restart reads it again.
    file: Option<RuleFile>,
    groups: BTreeMap<String, GroupRun>,
    /// Groups that have not ticked since a restart: they learn first what was.
    unrestored: Vec<String>,
}

impl House {
    fn take(&mut self, event: &Value) -> Result<Option<Value>> {
        let at_ms = event["at"].as_i64().context("no `at`")?;
        if let Some(text) = event["load"].as_str() {
            self.load(at_ms, text)?;
        } else if event["restart"] == true {
            self.restart();
        } else if event["sample"].is_object() {
            self.sample(at_ms, event)?;
        } else if let Some(group) = event["tick"].as_str() {
            return self.tick(at_ms, group).map(Some);
        } else {
            bail!("an event of no known kind");
        }
        Ok(None)
    }

    fn load(&mut self, at_ms: i64, text: &str) -> Result<()> {
        let file = file::read("rules.yml", text)
            .map_err(|problems| anyhow::anyhow!("the rule file is refused: {problems:?}"))?;
        let mut old = std::mem::take(&mut self.groups);
        for group in &file.groups {
            let mut new = GroupRun::new(group, &file.name, &self.settings);
            if let Some(old) = old.remove(&group.name) {
                new.adopt(old);
            }
            self.groups.insert(group.name.clone(), new);
        }
        for gone in old.into_values() {
            let tick = gone.end(at_ms);
            self.keep(&tick);
        }
        self.file = Some(file);
        Ok(())
    }

    fn restart(&mut self) {
        let groups = self.file.iter().flat_map(|file| &file.groups);
        self.groups = groups
            .map(|group| {
                let new = GroupRun::new(group, "rules.yml", &self.settings);
                (group.name.clone(), new)
            })
            .collect();
        self.unrestored = self.groups.keys().cloned().collect();
    }

    fn sample(&mut self, t_ms: i64, event: &Value) -> Result<()> {
        let labels = event["sample"].as_object().context("no labels")?;
        let pairs = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
        let v = match event["value"].as_str().context("no value")? {
            "stale" => f64::from_bits(STALE_NAN_BITS),
            text => text.parse()?,
        };
        self.memory
            .add(&Labels::from_pairs(pairs), Sample { t_ms, v });
        Ok(())
    }

    fn tick(&mut self, at_ms: i64, name: &str) -> Result<Value> {
        let group = self.groups.get_mut(name).context("no such group")?;
        let mut failures = Vec::new();
        if let Some(at) = self.unrestored.iter().position(|group| group == name) {
            self.unrestored.swap_remove(at);
            failures = group.restore(at_ms, &mut self.memory);
        }
        let tick = group.tick(at_ms, &mut self.memory);
        self.keep(&tick);
        failures.extend(tick.failures.iter().cloned());
        let failures: Vec<String> = failures
            .iter()
            .map(|failure| format!("{}: {}", failure.rule, failure.error))
            .collect();
        let samples: Vec<Value> = tick.samples.iter().map(shown).collect();
        Ok(
            json!({ "at": tick.samples_at_ms, "group": name, "samples": samples, "failures": failures }),
        )
    }

    fn keep(&mut self, tick: &Tick) {
        for (labels, v) in &tick.samples {
            let sample = Sample {
                t_ms: tick.samples_at_ms,
                v: *v,
            };
            self.memory.add(labels, sample);
        }
    }
}

fn shown((labels, v): &(Labels, f64)) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let value = if is_stale(*v) {
        "stale".to_owned()
    } else {
        v.to_string()
    };
    json!({ "labels": labels, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_goes_on_after_a_restart() -> Result<()> {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: x > 1, for: 20s}]}]";
        let mut house = House::default();
        let mut states = Vec::new();
        house.take(&json!({"at": 0, "load": rules}))?;
        for at in (1..=6).map(|n| n * 10_000) {
            house.take(&json!({"at": at, "sample": {"__name__": "x"}, "value": "2"}))?;
            if at == 30_000 {
                house.take(&json!({"at": at, "restart": true}))?;
            }
            let answer = house.take(&json!({"at": at, "tick": "g"}))?;
            let answer = answer.context("a tick without an answer")?;
            states.push(answer["samples"][0]["labels"]["alertstate"].clone());
        }
        // It waits for 20 s without the 10 s in which nobody looked.
        let (pending, firing) = ("pending", "firing");
        assert_eq!(states, [pending, pending, pending, firing, firing, firing]);
        Ok(())
    }
}
