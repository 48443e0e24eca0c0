//! Series in memory, and what is asked of them.

use std::cell::RefCell;

use ph_promql::{Labels, Sample, Select, Series, SeriesSource, SourceError};

/// The range, the step and the function of a wish.
pub(crate) type Hint = (Option<i64>, Option<i64>, Option<String>);

/// A few series of one sample for each second from 0 on, and the wishes that were made.
pub(crate) struct Seconds {
    pub(crate) series: u32,
    pub(crate) samples: u32,
    pub(crate) wishes: RefCell<Vec<(i64, i64)>>,
    pub(crate) hints: RefCell<Vec<Hint>>,
}

impl Seconds {
    pub(crate) fn new(series: u32, samples: u32) -> Self {
        Self {
            series,
            samples,
            wishes: RefCell::default(),
            hints: RefCell::default(),
        }
    }

    fn one(&self, number: u32, wish: &Select<'_>) -> Series {
        let samples = (0..self.samples).map(|second| Sample {
            t_ms: i64::from(second) * 1000,
            v: f64::from(second) * f64::from(number + 1),
        });
        Series {
            labels: Labels::from_pairs([
                ("__name__", "calls_total".to_owned()),
                ("tool", number.to_string()),
            ]),
            samples: samples
                .filter(|sample| (wish.from_ms..=wish.to_ms).contains(&sample.t_ms))
                .collect(),
        }
    }
}

impl SeriesSource for Seconds {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        self.wishes.borrow_mut().push((wish.from_ms, wish.to_ms));
        let function = wish.function.map(str::to_owned);
        self.hints
            .borrow_mut()
            .push((wish.range_ms, wish.step_ms, function));
        if usize::try_from(self.series).is_ok_and(|series| series > wish.series_max) {
            let max = wish.series_max;
            return Err(SourceError::TooManySeries { max });
        }
        let all: Vec<Series> = (0..self.series).map(|one| self.one(one, wish)).collect();
        if all.iter().map(|one| one.samples.len()).sum::<usize>() > wish.samples_max {
            let max = wish.samples_max;
            return Err(SourceError::TooManySamples { max });
        }
        Ok(all)
    }
}
