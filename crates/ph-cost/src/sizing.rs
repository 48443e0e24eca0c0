//! What a container should ask for, from what it used.

mod samples;

pub use samples::{PodSamples, Point, Resources, Samples};
