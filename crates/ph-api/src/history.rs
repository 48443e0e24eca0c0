//! The store of series as the history that is asked.

use crate::sources::{Exemplar, Metadata, Numbers, NumbersStats};
use ph_promql::{Labels, Matcher, SourceError};
use ph_store::series::SeriesReader;

impl Numbers for SeriesReader {
    fn label_sets(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        series_max: usize,
    ) -> Result<Vec<Labels>, SourceError> {
        let sets = self.series(selectors, from_ms, to_ms, series_max + 1);
        if sets.len() > series_max {
            return Err(SourceError::TooManySeries { max: series_max });
        }
        Ok(sets)
    }

    fn metadata(&self) -> Vec<Metadata> {
        let all = self.metadata(None);
        all.into_iter()
            .map(|(metric, about)| Metadata {
                metric: metric.as_ref().into(),
                kind: about.kind.as_ref().into(),
                help: about.help.as_ref().into(),
                unit: about.unit.as_ref().into(),
            })
            .collect()
    }

    fn stats(&self) -> NumbersStats {
        let stats = self.stats();
        NumbersStats {
            series: stats.series_active as u64,
            samples: stats.head_samples + stats.block_samples,
            bytes: stats.block_bytes + stats.wal_bytes,
            blocks: stats.blocks as u64,
        }
    }

    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        exemplars_max: usize,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError> {
        // A query without a selector asks for no series, and not for all of them.
        if selectors.is_empty() {
            return Ok(Vec::new());
        }
        let mut left = exemplars_max;
        let mut out = Vec::new();
        for of_series in self.exemplars(selectors, from_ms, to_ms) {
            let kept: Vec<_> = of_series
                .exemplars
                .into_iter()
                .take(left)
                .map(|exemplar| Exemplar {
                    labels: exemplar.labels,
                    value: exemplar.v,
                    t_ms: exemplar.t_ms,
                })
                .collect();
            left -= kept.len();
            out.push((of_series.series, kept));
        }
        Ok(out)
    }
}
