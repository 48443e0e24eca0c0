//! What a reload can change about a server without touching its sessions and children.

use crate::permits::Permits;
use ph_plan::{Eject, Health, Limits, Replicas, Timeouts};
use std::sync::Arc;
use std::time::Duration;

/// Times and limits of one server. A call keeps what it began with.
pub(crate) struct Tuning {
    pub timeouts: Timeouts,
    /// Quiet time of an event stream before a comment is sent.
    pub keep_alive: Duration,
    pub health: Health,
    pub replicas: Replicas,
    pub eject: Eject,
    /// Quiet time after which a session is ended.
    pub session_idle: Duration,
    pub permits: Arc<Permits>,
    limits: Limits,
}

impl Tuning {
    /// Of a plan. Permits go on from `old` while the limits are the same.
    pub(crate) fn new(
        plan: &ph_plan::Server,
        whole: &ph_plan::Plan,
        old: Option<&Self>,
    ) -> Arc<Self> {
        let kept = old
            .filter(|o| o.limits == plan.limits)
            .map(|o| Arc::clone(&o.permits));
        let fresh = || {
            Arc::new(Permits::new(
                plan.limits.in_flight_max,
                plan.limits.queue_max,
            ))
        };
        Arc::new(Self {
            timeouts: plan.timeouts.clone(),
            keep_alive: whole.http.keep_alive_comment,
            health: plan.health.clone(),
            replicas: plan.replicas.clone(),
            eject: plan.eject.clone(),
            session_idle: whole.sessions.idle,
            permits: kept.unwrap_or_else(fresh),
            limits: plan.limits.clone(),
        })
    }

    /// Calls that may wait.
    pub(crate) fn queue_max(&self) -> usize {
        self.limits.queue_max as usize
    }
}
