//! What all workers of a process ask.

use crate::connection::Settings;
use crate::lane::{Away, Lane};
use crate::script::{Answer, Question};
use crate::stats::Stats;
use ph_policy::Charges;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Limits that are remembered in Redis. Each worker has a connection of its own, so that a question wakes no
/// other thread.
pub struct SharedLimits {
    settings: Arc<Settings>,
    stats: Arc<Stats>,
    lanes: Box<[OnceLock<Lane>]>,
    /// Begins the names of this process's leases.
    name: String,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// All that is enforced was taken.
    All {
        /// To be given back when the call is over, by [`SharedLimits::give_back`].
        lease: Option<u64>,
        /// Charges on trial, by their place, that had nothing left.
        would_refuse: Vec<usize>,
    },
    /// Nothing was.
    Nothing {
        /// Which charge had nothing left.
        charge: usize,
        /// For how long.
        wait: Duration,
    },
}

/// Most lanes; workers beyond it share.
const LANES_MAX: usize = 64;
/// Bits of a lease's number that say which lane it is of.
const LANE_BITS: u32 = 8;

impl SharedLimits {
    /// - `workers`: how many threads ask.
    ///
    /// # Errors
    /// The system's, when it has no random bytes.
    pub fn new(
        mut settings: Settings,
        workers: usize,
        stats: Arc<Stats>,
    ) -> Result<Self, getrandom::Error> {
        if let Some(tls) = &mut settings.tls {
            // Redis has no application protocols to choose from.
            Arc::make_mut(tls).alpn_protocols.clear();
        }
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        let mut name = String::with_capacity(16);
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        let lanes = (0..workers.clamp(1, LANES_MAX)).map(|_| OnceLock::new());
        Ok(Self {
            settings: Arc::new(settings),
            stats,
            lanes: lanes.collect(),
            name,
        })
    }

    /// Connects for the worker that this runs on, if it has not. Must be called within its runtime.
    pub fn connect(&self) {
        self.lane();
    }

    /// Takes what a call costs, all of it or nothing. Must be called within a runtime.
    ///
    /// # Errors
    /// [`Away`], within the timeout: nobody knows what was taken.
    pub async fn take(&self, charges: &Charges<'_>) -> Result<Taken, Away> {
        let (at, lane) = self.lane();
        let prefix = &self.settings.prefix;
        let make = |lease: &str| Question::new(charges, prefix, lease);
        Ok(match lane.ask(make).await? {
            (Answer::Taken { would_refuse, .. }, lease) => Taken::All {
                lease: lease.map(|lease| lease.into_id() << LANE_BITS | at),
                would_refuse,
            },
            (Answer::Refused { charge, wait }, _) => Taken::Nothing { charge, wait },
        })
    }

    /// Gives back what a call at the same time held.
    pub fn give_back(&self, lease: u64) {
        let at = usize::try_from(lease & ((1 << LANE_BITS) - 1)).unwrap_or(usize::MAX);
        if let Some(lane) = self.lanes.get(at).and_then(OnceLock::get) {
            lane.give_back(lease >> LANE_BITS);
        }
    }

    fn lane(&self) -> (u64, &Lane) {
        let at = ph_wire::workers::index().unwrap_or(0) % self.lanes.len();
        let start = || Lane::start(&self.settings, format!("{}.{at:x}", self.name), &self.stats);
        (at as u64, self.lanes[at].get_or_init(start))
    }
}
