//! Headers that end at the next hop.

use http::header::{CONNECTION, HeaderMap, HeaderName};

/// Concerns one connection alone (RFC 9110 §7.6.1), or is the length, which each hop sets anew.
pub fn is_of_hop(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 => is("te"),
        6 => is("expect"),
        7 => is("trailer") || is("upgrade"),
        10 => is("connection") || is("keep-alive"),
        14 => is("content-length"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        18 => is("proxy-authenticate"),
        19 => is("proxy-authorization"),
        _ => false,
    }
}

/// The headers that `Connection` names beside those of [`is_of_hop`]; almost always none.
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok());
    names_in(values)
}

pub(super) fn names_in<'a>(values: impl Iterator<Item = &'a str>) -> Vec<HeaderName> {
    let tokens = values.flat_map(|v| v.split(',')).map(str::trim);
    tokens
        .filter(|t| !t.eq_ignore_ascii_case("close") && !is_of_hop(t))
        .filter_map(|t| t.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_goes_no_further() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, "keep-alive, X-Mine".parse().unwrap());
        headers.append(CONNECTION, "close,te , ,bad name".parse().unwrap());
        assert_eq!(named_by_connection(&headers), ["x-mine"]);
        assert!(is_of_hop("Transfer-Encoding") && is_of_hop("te") && !is_of_hop("date"));
    }
}
