//! The arithmetic of the HorizontalPodAutoscaler of Kubernetes (`autoscaling/v2`), exactly: integers in thousandths,
//! truncated where it truncates, floats where it has floats.
//!
//! [`metric`] makes a proposal of what was measured of the pods, [`behavior`] limits how fast replicas change,
//! [`history`] is what is remembered for that, and [`Autoscaler`] is one look at everything, which the controller takes
//! every 15 s.

mod autoscaler;
pub mod behavior;
pub mod history;
pub mod metric;
pub mod pods;

pub use autoscaler::{Autoscaler, Decision, Hpa, MetricSpec, Reading};
pub use behavior::{Behavior, Limited, Policy, Reason, Rules, Select, held_back};
pub use history::{Change, Changes, Recommendation, Recommendations};
pub use metric::{Invalid, Proposal, ResourceTarget, Tolerance, TotalTarget, total_average};
pub use pods::{Groups, Phase, Pod, Ready, Sample, Seen, Startup};

/// Seconds between two looks of the controller, unless it is told otherwise.
pub const SYNC_S: i64 = 15;
/// The window of the controller for scaling down, where `behavior` names none.
pub const DOWNSCALE_WINDOW_S: i64 = 300;
