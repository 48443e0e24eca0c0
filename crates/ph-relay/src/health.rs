//! Active health checks: does the server still answer?
//!
//! A legacy server is asked `ping`, a modern one `server/discover`, in a session
//! of our own. Any JSON-RPC answer is a sign of life, an error too; only what
//! cannot be spoken to is down.

use crate::shared::Shared;
use crate::upstream::{Upstream, Way};
use ph_record::{EventKind, HealthResult, Replica};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What one check found: a result, and why when it is not `Ok`.
pub(crate) type Finding = (HealthResult, Option<String>);

/// How long a connection that its upstream has closed may stay open on our side.
const CLOSED_AFTER_MAX: Duration = Duration::from_secs(5);

/// Checks `upstream` until it is retired, and sweeps its idle sessions and connections.
pub(crate) fn start(upstream: Arc<Upstream>, shared: &Arc<Shared>) {
    let over = upstream.retired.clone();
    let checked = Arc::clone(&upstream);
    let checks = Arc::clone(shared);
    tokio::spawn(async move {
        over.run_until_cancelled(Box::pin(check_for_ever(&checked, &checks)))
            .await;
    });
    if let Way::Http(http) = &upstream.way {
        let (over, http) = (upstream.retired.clone(), Arc::clone(http));
        tokio::spawn(async move {
            over.run_until_cancelled(http.tend_replicas()).await;
        });
    }
    let over: CancellationToken = upstream.retired.clone();
    tokio::spawn(async move {
        over.run_until_cancelled(sweep_for_ever(&upstream)).await;
    });
}

async fn sweep_for_ever(upstream: &Upstream) {
    loop {
        let idle = upstream.tuning().session_idle;
        let longest = match &upstream.way {
            Way::Http(_) => CLOSED_AFTER_MAX,
            Way::Stdio(_) => Duration::from_secs(60),
        };
        tokio::time::sleep((idle / 4).clamp(Duration::from_secs(1), longest)).await;
        match &upstream.way {
            Way::Http(http) => http.sweep(idle),
            Way::Stdio(stdio) => stdio.sweep(idle),
        }
    }
}

async fn check_for_ever(upstream: &Upstream, shared: &Shared) {
    // A server that is starting is asked often, one that runs as configured.
    let mut pause = Duration::from_millis(100);
    loop {
        let tuning = upstream.tuning();
        let health = &tuning.health;
        if !health.enabled {
            upstream.found(-1);
            tokio::time::sleep(health.interval).await;
            continue;
        }
        let begun = Instant::now();
        let (result, error) = match &upstream.way {
            Way::Http(http) => http.check(health.timeout).await,
            Way::Stdio(stdio) => stdio.check(health.timeout).await,
        };
        let ok = result == HealthResult::Ok;
        if let (false, Way::Stdio(stdio)) = (ok, &upstream.way)
            && stdio.is_starting()
        {
            tokio::time::sleep(pause).await;
            continue;
        }
        upstream.found(i64::from(ok));
        let duration_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let error = error.map(Into::into);
        shared.event(
            Some(&upstream.server),
            Replica::None,
            EventKind::Health {
                result,
                duration_ns,
                error,
            },
        );
        pause = if ok {
            health.interval
        } else {
            (pause * 2).min(health.interval)
        };
        upstream.quiet(pause).await;
    }
}

impl Upstream {
    /// Returns after `pause`, or soon after a child has died: that is not to wait for the next check.
    async fn quiet(&self, pause: Duration) {
        match &self.way {
            Way::Http(_) => tokio::time::sleep(pause).await,
            Way::Stdio(stdio) => {
                let _ = tokio::time::timeout(pause, stdio.alarm.notified()).await;
                // Enough for supervision to say what has become of the server.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
