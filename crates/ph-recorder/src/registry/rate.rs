//! Calls per second over the last minute.

use super::Registry;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Totals of the last minute, of every server; owned by the recorder's thread, which samples each second.
#[derive(Debug)]
pub(crate) struct Rates {
    began: Instant,
    servers: Vec<VecDeque<(Instant, u64)>>,
}

const WINDOW: Duration = Duration::from_secs(60);

impl Rates {
    /// Starts with nothing counted.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            servers: Vec::new(),
        }
    }

    /// Takes the totals of `now` and writes the rates into the registry.
    ///
    /// A server younger than the window is measured over its own age.
    pub(crate) fn sample(&mut self, registry: &Registry, now: Instant) {
        let servers = registry.table().all();
        let began = self.began;
        self.servers
            .resize_with(servers.len(), || VecDeque::from([(began, 0)]));
        for (server, seen) in servers.iter().zip(&mut self.servers) {
            let Some(cells) = registry.seen(server.idx) else {
                // Nothing yet: a later first call is measured from here.
                *seen = VecDeque::from([(now, 0)]);
                continue;
            };
            let total = cells.request_bytes().count();
            seen.push_back((now, total));
            // The entry before the last that is older than the window is its start.
            while seen
                .get(1)
                .is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW)
            {
                seen.pop_front();
            }
            let rate = seen.front().map_or(0.0, |(at, before)| {
                let seconds = now.duration_since(*at).as_secs_f64();
                if seconds > 0.0 {
                    (total - before) as f64 / seconds
                } else {
                    0.0
                }
            });
            cells.calls_per_second.store(rate.to_bits(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::record;
    use ph_base::ServerName;
    use ph_record::{Answer, Ending, ServerTable};
    use std::sync::Arc;

    #[test]
    fn rates_are_of_the_last_minute() {
        let table = Arc::new(ServerTable::default());
        let server = table.intern(&ServerName::parse("s").unwrap()).unwrap();
        let registry = Registry::new(Arc::clone(&table));
        let began = Instant::now();
        let mut rates = Rates::new(began);
        let mut second = |at: u64, calls: u64| {
            for _ in 0..calls {
                registry.call(&record(&server, Ending::Answered(Answer::Complete)));
            }
            rates.sample(&registry, began + Duration::from_secs(at));
            let cells = registry.seen(server.idx);
            cells.map(|c| f64::from_bits(c.calls_per_second.load(Relaxed)))
        };
        assert_eq!(second(1, 0), None);
        assert_eq!(second(2, 10), Some(10.0));
        assert_eq!(second(3, 20), Some(15.0));
        for at in 4..=61 {
            second(at, 30);
        }
        assert_eq!(second(62, 30), Some((20 + 59 * 30) as f64 / 60.0));
        for at in 63..=121 {
            second(at, 0);
        }
        assert_eq!(second(122, 0), Some(0.0));
    }
}
