//! Addresses that only the server can reach.

use super::{Look, after_word};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host that is looked at.
const HOST_BYTES_MAX: usize = 256;

/// Names of services that give out the credentials of a machine.
const METADATA: [&str; 5] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
];

/// Schemes that read files or speak to whatever listens.
const SCHEMES: [&str; 8] = [
    "file", "gopher", "dict", "ldap", "jar", "netdoc", "phar", "expect",
];

/// Whether the address whose scheme ends at this colon is one of them.
pub(super) fn is_inner(text: &[u8], at: usize, look: &Look) -> bool {
    let Some(rest) = text[at + 1..].strip_prefix(b"//") else {
        return false;
    };
    let from = text[..at]
        .iter()
        .rev()
        .take(16)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let scheme = &text[at - from..at];
    let is_named = |name: &&str| name.as_bytes().eq_ignore_ascii_case(scheme);
    if SCHEMES.iter().any(is_named) {
        // Where directories are configured they were looked at, and this one is inside.
        let is_looked_at = !look.roots.is_empty() && is_named(&"file") && at == from;
        return !is_looked_at;
    }
    let is_end = |b: &u8| {
        matches!(
            b,
            b'/' | b'?' | b'#' | b'\\' | b' ' | b'"' | b'\'' | b'>' | b')'
        )
    };
    let rest = &rest[..rest.len().min(HOST_BYTES_MAX)];
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority.rsplit(|b| *b == b'@').next().unwrap_or(authority);
    is_inner_host(host, look)
}

fn is_inner_host(host: &[u8], look: &Look) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.split([']', '%']).next().unwrap_or(inner);
        let address = address.parse::<Ipv6Addr>();
        return address.is_ok_and(|address| is_inner_address(IpAddr::V6(address), look));
    }
    let host = host.split(':').next().unwrap_or(host).trim_end_matches('.');
    if METADATA.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        return true;
    }
    let is_localhost = host.eq_ignore_ascii_case("localhost")
        || after_word(
            host.as_bytes().rsplit(|b| *b == b'.').next().unwrap_or(b""),
            "localhost",
        ) == Some(b"");
    match loose_v4(host) {
        Some(address) => is_inner_address(IpAddr::V4(address), look),
        None => look.private_targets && is_localhost,
    }
}

fn is_inner_address(address: IpAddr, look: &Look) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // Link-local ones are those of metadata; Alibaba's is a shared one, Oracle's a documented one.
            let is_metadata = v4.is_link_local()
                || matches!(
                    v4.octets(),
                    [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16]
                );
            let is_own = v4.is_loopback() || v4.is_private() || v4.is_unspecified();
            is_metadata || (look.private_targets && is_own)
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_inner_address(IpAddr::V4(v4), look);
            }
            const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
            let is_own = v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local();
            v6 == AWS || v6.is_unicast_link_local() || (look.private_targets && is_own)
        }
    }
}

/// An address as C's `inet_aton` reads it: with fewer parts, in hexadecimal and octal.
fn loose_v4(host: &str) -> Option<Ipv4Addr> {
    let mut parts = [0_u32; 4];
    let mut count = 0;
    for part in host.split('.') {
        let (digits, radix) = match part.as_bytes() {
            [b'0', b'x' | b'X', ..] => (&part[2..], 16),
            [b'0', _, ..] => (&part[1..], 8),
            _ => (part, 10),
        };
        *parts.get_mut(count)? = u32::from_str_radix(digits, radix).ok()?;
        count += 1;
    }
    let (last, heads) = parts[..count].split_last()?;
    let mut bits = 0;
    for (nth, head) in heads.iter().enumerate() {
        bits |= u32::from(u8::try_from(*head).ok()?) << (24 - 8 * nth);
    }
    let fits = heads.is_empty() || u64::from(*last) < 1 << (8 * (4 - heads.len()));
    fits.then(|| Ipv4Addr::from_bits(bits | last))
}

/// The address of metadata without a scheme, seen at its first dot.
pub(super) fn is_metadata_at_dot(text: &[u8], at: usize) -> bool {
    let rest = &text[at..text.len().min(at + 16)];
    let before = &text[at.saturating_sub(3)..at];
    before == b"169" && rest.starts_with(b".254.169.254")
}
