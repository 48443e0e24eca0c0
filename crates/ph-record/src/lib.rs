//! The record of a call, the metric catalogue and the sink it goes to.
