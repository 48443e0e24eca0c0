//! What happened to a container while it was recorded: what it used is then less than what it wanted.

use super::quantity::{cpu_text, memory_text};
use super::{Point, Resources, Samples};

/// Held up for less than this share of the time, it is no worse for it.
const HELD_UP_MIN: f64 = 0.001;

/// What was counted, of all pods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    throttled_s: f64,
    /// Time that was recorded.
    recorded_s: f64,
    memory_kills: f64,
    current: Resources,
}

impl Seen {
    pub(super) fn of(samples: &Samples, current: Resources) -> Self {
        let sum = |points: &[Point]| points.iter().map(|point| point.value).sum::<f64>();
        let mut seen = Self {
            current,
            ..Self::default()
        };
        for pod in &samples.pods {
            seen.throttled_s += sum(&pod.throttled_s);
            seen.memory_kills += sum(&pod.memory_kills);
            seen.recorded_s += pod.memory_bytes.len() as f64 * f64::from(samples.step_s);
        }
        seen
    }

    /// Memory that it is known to have reached: whoever was killed was at its limit, whatever the last sample said.
    pub(super) fn reached_bytes(&self) -> f64 {
        match self.current.memory_limit_bytes {
            Some(limit) if self.memory_kills > 0.0 => limit as f64,
            _ => 0.0,
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let share = self.throttled_s / self.recorded_s.max(1.0);
        if share >= HELD_UP_MIN {
            let limit = self.current.cpu_limit_milli.map(cpu_text);
            warnings.push(format!(
                "its limit of cpu{} held it up for {:.0} s, {:.1} % of the time: it wanted more than was measured; size it again once that limit is gone",
                limit.map(|limit| format!(" ({limit})")).unwrap_or_default(),
                self.throttled_s,
                share * 100.0,
            ));
        }
        if self.memory_kills > 0.0 {
            let limit = self.current.memory_limit_bytes.map(memory_text);
            warnings.push(format!(
                "it was killed {} for its memory: {}",
                match self.memory_kills.round() {
                    1.0 => "once".to_owned(),
                    times => format!("{times} times"),
                },
                match limit {
                    Some(limit) => format!("it reached its limit of {limit}, and wanted more"),
                    None => "what it was killed at is not known; say `--memory-limit`".to_owned(),
                }
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::PodSamples;

    fn samples(throttled_s: f64, memory_kills: f64) -> Samples {
        let point = |value| Point { at_s: 0, value };
        Samples {
            step_s: 1000,
            pods: vec![PodSamples {
                memory_bytes: vec![point(1.0)],
                throttled_s: vec![point(throttled_s)],
                memory_kills: vec![point(memory_kills)],
                ..PodSamples::default()
            }],
        }
    }

    #[test]
    fn who_was_killed_was_at_its_limit() {
        let limit = Resources {
            memory_limit_bytes: Some(512 << 20),
            ..Resources::default()
        };
        let seen = Seen::of(&samples(0.0, 2.0), limit);
        assert_eq!(seen.reached_bytes(), f64::from(512 << 20));
        assert!(
            seen.warnings()[0]
                .contains("killed 2 times for its memory: it reached its limit of 512Mi")
        );
        assert_eq!(Seen::of(&samples(0.0, 0.0), limit).reached_bytes(), 0.0);
        let unknown = Seen::of(&samples(0.0, 1.0), Resources::default());
        assert_eq!(unknown.reached_bytes(), 0.0);
        let said = &unknown.warnings()[0];
        assert!(
            said.contains("killed once") && said.contains("--memory-limit"),
            "{said}"
        );
    }

    #[test]
    fn being_held_up_is_said_where_it_matters() {
        let seen = |seconds| Seen::of(&samples(seconds, 0.0), Resources::default()).warnings();
        assert!(seen(0.5).is_empty());
        assert!(seen(340.0)[0].contains("340 s, 34.0 % of the time"));
    }
}
