//! How many connections each address has.

use super::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Open connections by address. There are no more entries than there are connections.
#[derive(Default)]
pub(super) struct Crowd(Mutex<HashMap<IpAddr, usize>>);

/// One connection of its address, until dropped.
pub(super) struct Guest {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// One more of `address`; `None` when it has as many as it may.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Option<Guest> {
        let own = address.to_canonical();
        let address = network(own);
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if *count >= limits.per_peer_max && !(limits.trusted.0)(own) {
            return None;
        }
        *count += 1;
        Some(Guest {
            crowd: Arc::clone(self),
            address,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Whoever has an address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Trusted;
    use std::time::Duration;

    fn limits(per_peer_max: usize) -> Limits {
        Limits {
            head_bytes_max: 8192,
            headers_max: 100,
            head_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            streams_max: 8,
            connections_max: 100,
            per_peer_max,
            trusted: Trusted(Arc::new(|address| address.to_string() == "10.0.0.9")),
        }
    }

    #[test]
    fn an_address_has_so_many_and_its_network_counts_as_one() {
        let (crowd, limits) = (Arc::new(Crowd::default()), limits(2));
        let admit = |address: &str| crowd.admit(address.parse().unwrap(), &limits);
        let first = admit("10.0.0.1").unwrap();
        // The same, as an address of IPv6 writes it.
        let _second = admit("::ffff:10.0.0.1").unwrap();
        assert!(admit("10.0.0.1").is_none());
        let _other = admit("10.0.0.2").unwrap();
        drop(first);
        let _third = admit("10.0.0.1").unwrap();
        let _six = (admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap());
        assert!(admit("2001:db8::3").is_none());
        assert!(admit("2001:db8:0:1::3").is_some());
    }

    #[test]
    fn a_proxy_has_as_many_as_it_likes_and_nothing_is_kept_of_those_that_left() {
        let (crowd, limits) = (Arc::new(Crowd::default()), limits(1));
        let proxy = "10.0.0.9".parse().unwrap();
        let many: Vec<_> = (0..5).filter_map(|_| crowd.admit(proxy, &limits)).collect();
        assert_eq!(many.len(), 5);
        drop(many);
        assert!(crowd.counts().is_empty());
    }
}
