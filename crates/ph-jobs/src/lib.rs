//! What runs on a clock.
//!
//! [`Scraper`] reads the metrics pages of other programs, each at its interval, and offers what they show to
//! whoever implements [`Scraped`]. [`exposition`] reads such a page; it is pure. [`vuln`] looks at what servers hold.
//!
//! Decisions:
//! - A target's scrapes are at multiples of its interval, shifted by a hash of its address, so that targets do
//!   not come all at once and their times take no room on disk.
//! - A page is taken as a whole or not at all: one bad line, and the target is down, as in Prometheus.
//! - One scrape is one offer, with `up`, `scrape_duration_seconds` and `scrape_samples_scraped` in it. A target
//!   that fails shows only these, so all its other series end there.
//!
//! Not here: what becomes of an offer (`ph-server` hands it to the store), the plan's text (`ph-plan`).

pub mod exposition;
mod fetch;
pub mod probe;
mod remote;
mod rules;

mod scrape;
mod scraper;
mod target;
pub mod vuln;

pub use remote::{Remote, RemoteError, RemoteSeries};
pub use rules::{NewGroup, Outlet, Rules};
pub use scrape::OwnedScrape;
pub use scraper::{Scraped, Scraper, TargetStatus};
pub use target::{Target, TargetError};
