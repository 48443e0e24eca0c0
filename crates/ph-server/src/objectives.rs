//! The service level objectives that hold, and the numbers they are judged by.

use crate::rules::Asked;
use arc_swap::ArcSwap;
use ph_api::{Elsewhere, Objectives};
use ph_plan::{Plan, Slo, SloName};
use ph_promql::SeriesSource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The objectives of the plan that runs.
pub(crate) struct Held {
    current: ArcSwap<Current>,
}

#[derive(Default)]
struct Current {
    slos: BTreeMap<SloName, Slo>,
    /// A Prometheus that is asked instead of the own store.
    remote: Option<Arc<Asked>>,
}

impl Held {
    /// - `remote`: that of `metrics.query`.
    pub(crate) fn new(plan: &Plan, remote: Option<Arc<Asked>>) -> Self {
        let held = Self {
            current: ArcSwap::default(),
        };
        held.apply(plan, remote);
        held
    }

    /// Those of `plan` from now on.
    pub(crate) fn apply(&self, plan: &Plan, remote: Option<Arc<Asked>>) {
        let slos = plan.slos_in_force();
        self.current.store(Current { slos, remote }.into());
    }
}

impl Objectives for Held {
    fn slos(&self) -> BTreeMap<SloName, Slo> {
        self.current.load().slos.clone()
    }

    fn elsewhere(&self) -> Option<Arc<dyn SeriesSource + Send + Sync>> {
        let current = self.current.load();
        current.remote.as_ref().map(|remote| remote.series())
    }
}
