//! Who a client is: what limits count by.

use core::net::IpAddr;
use std::fmt;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::choices::{ClientIdFrom, ForwardedBy};
use crate::node::Node;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::section;
use crate::text::Text;
use crate::value::{REFERENCE, Value, anchored, not_as_expected};

section! {
    /// Who a client is, for limits: the header `X-Client-Id` where it is believed, else the address
    /// that the request comes from.
    pub struct Clients {
        /// Whose `X-Client-Id` is believed. A client that may choose its own name can have a new
        /// one for each call.
        client_id: ClientIdFrom = ClientIdFrom::Nobody;
        /// Addresses and networks of the proxies in front of Pilothouse, such as `10.0.0.0/8`. Of
        /// a request that comes from one of them, the address is read from `forwarded_by`.
        trusted_proxies: Vec<Network> = Vec::new();
        /// The header in which these proxies say whom a request is from. The other one is not read:
        /// a proxy passes on what a client has put there.
        forwarded_by: ForwardedBy = ForwardedBy::XForwardedFor;
        /// Leading bits of an IPv6 address that count as one client: whoever has a network has all
        /// its addresses.
        ipv6_prefix: u32 = 64, in 16..=128;
        /// Sessions that one client may have at the same time: its principal, else its address. Beyond
        /// it 429.
        sessions_max: u32 = 512, in 1..=1_000_000;
        /// Event streams that one client may have open at the same time (GET, `subscriptions/listen`).
        /// Beyond it 429.
        streams_max: u32 = 512, in 1..=1_000_000;
    }
}

/// A name that is believed of proxies, where there are none.
pub(crate) fn check_clients(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("clients") else {
        return;
    };
    let (entry, proxies) = (
        block.value.entry("client_id"),
        block.value.entry("trusted_proxies"),
    );
    if let (Some(entry), None, ClientIdFrom::Proxies) = (entry, proxies, plan.clients.client_id) {
        let fields = &["trusted_proxies"];
        reader.within(block, |reader| {
            reader.report(&entry.value.at, Problem::MissingField { fields });
        });
    }
}

/// An address, or a network of them: `10.0.0.0/8`, `2001:db8::/32`, `127.0.0.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
    written: Text,
}

const NETWORK: &str = "an address or network such as `10.0.0.1`, `10.0.0.0/8` or `2001:db8::/32`";

impl Network {
    fn parse(written: &Text) -> Option<Self> {
        let text = written.as_str();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= most)?
            }
            Some(_) => return None,
        };
        Some(Self {
            address,
            prefix,
            written: written.clone(),
        })
    }

    /// Whether `address` is in it. An IPv4 address that is written as an IPv6 one is an IPv4 one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |width: u32| width - u32::from(self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl Value for Network {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, NETWORK)?;
        Self::parse(&resolved.text).or_else(|| not_as_expected(node, &resolved, NETWORK, reader))
    }

    fn schema(_limits: &()) -> Json {
        let pattern = format!("[0-9A-Fa-f:.]+(/[0-9]{{1,3}})?|{REFERENCE}");
        json!({"type": "string", "pattern": anchored(&pattern)})
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn inside(network: &str, address: &str, want: bool) {
        let network = Network::parse(&network.into()).unwrap();
        let got = network.contains(address.parse().unwrap());
        assert_eq!(got, want, "{network} and {address}");
    }

    #[test]
    fn networks() {
        inside("10.0.0.0/8", "10.255.0.1", true);
        inside("10.0.0.0/8", "11.0.0.1", false);
        inside("10.0.0.1", "10.0.0.1", true);
        inside("10.0.0.1", "10.0.0.2", false);
        inside("0.0.0.0/0", "255.255.255.255", true);
        inside("10.0.0.0/8", "::ffff:10.0.0.1", true);
        inside("0.0.0.0/0", "::1", false);
        inside("2001:db8::/32", "2001:db8:1::5", true);
        inside("2001:db8::/32", "2001:db9::5", false);
        inside("::/0", "2001:db9::5", true);
        for bad in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "a/8",
        ] {
            assert_eq!(Network::parse(&bad.into()), None, "{bad}");
        }
    }
}
