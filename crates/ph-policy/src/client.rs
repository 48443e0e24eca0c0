//! Who a request is from, as far as limits are concerned.

use crate::Principal;
use ph_plan::{ClientIdFrom, Clients, ForwardedBy, Plan};
use ph_record::Caller;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Longest `X-Client-Id` that is a name, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Hops of a forwarding header that are looked at, from the nearest.
const HOPS_MAX: usize = 32;

/// Who a request is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientId<'a> {
    /// The name of its principal: shown by a key or a token.
    Shown(&'a str),
    /// Its `X-Client-Id`.
    Named(&'a str),
    /// Its address.
    V4(u32),
    /// Its network.
    V6 {
        /// The address, with zeros behind the prefix.
        network: u128,
        /// Leading bits that count.
        prefix: u8,
    },
}

impl fmt::Display for ClientId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(name) | Self::Named(name) => f.write_str(name),
            Self::V4(bits) => std::net::Ipv4Addr::from_bits(*bits).fmt(f),
            Self::V6 {
                network,
                prefix: 128,
            } => Ipv6Addr::from_bits(*network).fmt(f),
            Self::V6 { network, prefix } => {
                write!(f, "{}/{prefix}", Ipv6Addr::from_bits(*network))
            }
        }
    }
}

/// Whom to believe about who a request is from.
#[derive(Clone, Debug)]
pub struct ClientRules {
    clients: Clients,
}

impl ClientRules {
    /// The rules of `plan`.
    pub fn new(plan: &Plan) -> Self {
        Self {
            clients: plan.clients.clone(),
        }
    }

    /// Who a request is from.
    ///
    /// - `principal`: who it was shown to be from; nothing else counts then.
    /// - `peer`: whoever has the other end of the connection.
    /// - `header`: all values of a header, by its name in lower case.
    pub fn identify<'a, I>(
        &self,
        principal: Option<&'a Principal>,
        peer: SocketAddr,
        header: impl Fn(&str) -> I,
    ) -> ClientId<'a>
    where
        I: DoubleEndedIterator<Item = &'a str>,
    {
        if let Some(principal) = principal {
            return ClientId::Shown(&principal.name);
        }
        let peer = peer.ip().to_canonical();
        let by_proxy = self.is_proxy(peer);
        let is_believed = match self.clients.client_id {
            ClientIdFrom::Nobody => false,
            ClientIdFrom::Proxies => by_proxy,
            ClientIdFrom::Everybody => true,
        };
        if is_believed && let Some(name) = only_name(header("x-client-id")) {
            return ClientId::Named(name);
        }
        if !by_proxy {
            return self.of_address(peer);
        }
        let far = match self.clients.forwarded_by {
            ForwardedBy::XForwardedFor => {
                let values = header("x-forwarded-for").rev();
                self.farthest(peer, values.flat_map(|v| v.rsplit(',')).map(address_of))
            }
            ForwardedBy::Forwarded => {
                let values = header("forwarded").rev();
                self.farthest(peer, values.flat_map(|v| v.rsplit(',')).map(forwarded_for))
            }
        };
        self.of_address(far)
    }

    /// The same, to be kept.
    pub fn caller<'a, I>(
        &self,
        principal: Option<&Arc<Principal>>,
        peer: SocketAddr,
        header: impl Fn(&str) -> I,
    ) -> Caller
    where
        I: DoubleEndedIterator<Item = &'a str>,
    {
        if let Some(principal) = principal {
            return Caller::Shown(Arc::clone(&principal.name));
        }
        match self.identify(None, peer, header) {
            ClientId::Shown(name) | ClientId::Named(name) => Caller::Named(name.into()),
            ClientId::V4(bits) => Caller::V4(bits),
            ClientId::V6 { network, prefix } => Caller::V6 {
                network: Ipv6Addr::from_bits(network),
                prefix,
            },
        }
    }

    /// The first hop that is no proxy of ours, from the nearest on. What a hop says that cannot be read is
    /// worth nothing, and so is all beyond it: then it is the nearest that was still known.
    fn farthest(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut far = peer;
        for hop in hops.take(HOPS_MAX) {
            let Some(hop) = hop else { break };
            far = hop;
            if !self.is_proxy(hop) {
                break;
            }
        }
        far
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let mut proxies = self.clients.trusted_proxies.iter();
        proxies.any(|network| network.contains(address))
    }

    fn of_address<'a>(&self, address: IpAddr) -> ClientId<'a> {
        match address {
            IpAddr::V4(v4) => ClientId::V4(v4.to_bits()),
            IpAddr::V6(v6) => {
                let prefix = u8::try_from(self.clients.ipv6_prefix.min(128)).unwrap_or(128);
                let behind = 128 - u32::from(prefix);
                let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
                ClientId::V6 {
                    network: v6.to_bits() & mask,
                    prefix,
                }
            }
        }
    }
}

/// A name that stands there once, and is one.
fn only_name<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = values.next()?.trim();
    let is_name =
        (1..=ID_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    (is_name && values.next().is_none()).then_some(name)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let ip = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip()))
        .ok()
        .or_else(|| {
            let inner = text.strip_prefix('[')?.strip_suffix(']')?;
            inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        })?;
    Some(ip.to_canonical())
}

/// The address of `for=…` in one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            let value = value.trim();
            let unquoted = value
                .strip_prefix('"')
                .map_or(Some(value), |v| v.strip_suffix('"'))?;
            found = Some(address_of(unquoted)?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_plan::NoSecrets;
    use proptest::prelude::*;

    fn rules(clients: &str) -> ClientRules {
        let text = format!("clients: {clients}\nservers: {{a: {{command: x}}}}\n");
        let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
        ClientRules::new(&plan)
    }

    #[track_caller]
    fn check(clients: &str, peer: &str, headers: &[(&str, &str)], want: &str) {
        let peer = peer.parse().unwrap();
        let header = |name: &str| {
            let all: Vec<_> = headers.iter().filter(|(n, _)| *n == name).collect();
            all.into_iter().map(|(_, value)| *value)
        };
        let got = rules(clients).identify(None, peer, header).to_string();
        assert_eq!(got, want, "{clients} {peer} {headers:?}");
    }

    const PROXIES: &str = "{trusted_proxies: [10.0.0.0/8]}";

    #[test]
    fn without_configuration_it_is_the_peer() {
        let headers = [
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-client-id", "me"),
        ];
        check("{}", "192.0.2.1:5", &headers, "192.0.2.1");
        check("{}", "[2001:db8::5:1]:5", &headers, "2001:db8::/64");
        check("{ipv6_prefix: 128}", "[2001:db8::5]:5", &[], "2001:db8::5");
        check("{}", "[::ffff:192.0.2.1]:5", &headers, "192.0.2.1");
    }

    #[test]
    fn the_first_that_is_no_proxy_counts_and_what_a_client_claims_does_not() {
        let forwarded = |text| [("x-forwarded-for", text)];
        check(PROXIES, "10.0.0.1:5", &[], "10.0.0.1");
        check(PROXIES, "10.0.0.1:5", &forwarded("8.8.8.8"), "8.8.8.8");
        let forged = forwarded("1.1.1.1, 8.8.8.8");
        check(PROXIES, "10.0.0.1:5", &forged, "8.8.8.8");
        let two = forwarded("1.1.1.1, 8.8.8.8, 10.3.0.1");
        check(PROXIES, "10.0.0.1:5", &two, "8.8.8.8");
        check(PROXIES, "9.9.9.9:5", &two, "9.9.9.9");
        let junk = forwarded("1.1.1.1, junk, 10.3.0.1");
        check(PROXIES, "10.0.0.1:5", &junk, "10.3.0.1");
        check(PROXIES, "10.0.0.1:5", &forwarded(""), "10.0.0.1");
        check(PROXIES, "10.0.0.1:5", &forwarded("8.8.8.8:99"), "8.8.8.8");
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "8.8.8.8"),
        ];
        check(PROXIES, "10.0.0.1:5", &lines, "8.8.8.8");
        // The other header is not the proxies'.
        check(
            PROXIES,
            "10.0.0.1:5",
            &[("forwarded", "for=1.1.1.1")],
            "10.0.0.1",
        );
    }

    #[test]
    fn forwarded_of_rfc_7239() {
        let clients = "{trusted_proxies: [10.0.0.0/8], forwarded_by: forwarded}";
        let from = |text, want| check(clients, "10.0.0.1:5", &[("forwarded", text)], want);
        from("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60");
        from("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::/64");
        from(
            "for=1.1.1.1, for=8.8.8.8;by=10.0.0.9, for=10.0.0.9",
            "8.8.8.8",
        );
        from("for=1.1.1.1, for=_hidden", "10.0.0.1");
        from("for=unknown", "10.0.0.1");
        from("for=1.1.1.1;for=2.2.2.2", "10.0.0.1");
        from("for=\"1.1.1.1", "10.0.0.1");
    }

    #[test]
    fn a_name_is_believed_of_whom_the_plan_says() {
        let named = [("x-client-id", "agent-7"), ("x-forwarded-for", "8.8.8.8")];
        let proxies = "{client_id: proxies, trusted_proxies: [10.0.0.0/8]}";
        check(proxies, "10.0.0.1:5", &named, "agent-7");
        check(proxies, "9.9.9.9:5", &named, "9.9.9.9");
        let everybody = "{client_id: everybody}";
        check(everybody, "9.9.9.9:5", &named, "agent-7");
        for bad in ["", "a b", "ünï", &"x".repeat(129)] {
            check(everybody, "9.9.9.9:5", &[("x-client-id", bad)], "9.9.9.9");
        }
        let twice = [("x-client-id", "a"), ("x-client-id", "b")];
        check(everybody, "9.9.9.9:5", &twice, "9.9.9.9");
    }

    proptest! {
        /// Whatever stands before what our proxy has added changes nothing.
        #[test]
        fn a_client_cannot_talk_itself_into_another(claimed in "[ -~]{0,60}") {
            let value = format!("{claimed}, 8.8.8.8");
            let header = |name: &str| (name == "x-forwarded-for").then_some(value.as_str()).into_iter();
            let got = rules(PROXIES).identify(None, "10.0.0.1:5".parse().unwrap(), header);
            prop_assert_eq!(got, ClientId::V4(0x0808_0808));
        }
    }
}
