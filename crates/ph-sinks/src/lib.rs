//! What the store holds, sent on to other systems.
//!
//! A sink has no queue: the store is its buffer. It has an offset that outlives the process
//! ([`offset`]), reads on from there ([`feed`]), and moves the offset when the other side has said
//! that it has an entry. So nothing is lost when either side is away, and an entry may arrive twice
//! when we are killed between its answer and the next offset: each has an id of its own by which the
//! receiver tells.
//!
//! For every sink: entries passed = delivered + rejected + dropped, and lag is what is left.
//!
//! In reading order:

mod feed;
mod offset;
mod overflow;
mod store;

mod counts;
mod pause;
mod sink;

mod elasticsearch;
mod metrics;
mod otlp;
mod post;

pub use counts::{Counts, Totals};
pub use elasticsearch::{Auth, ElasticSettings};
pub use feed::{Entry, Feed, FeedError, Page};
pub use metrics::{MetricsPush, MetricsSettings};
pub use otlp::{OtlpSettings, Signal};
pub use overflow::WhenFull;
pub use post::AddressError;
pub use sink::{Handle, Sink, SinkError, SinkSettings, Target};
pub use store::StoreFeed;
