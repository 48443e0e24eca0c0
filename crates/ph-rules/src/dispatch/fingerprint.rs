//! The number by which an alert is known.

use ph_promql::Labels;

const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;
/// Stands after every name and value; no UTF-8 text has it.
const SEPARATOR: u8 = 255;

/// FNV-1a over names and values in the order of names, as Prometheus's programs compute it; shown as 16
/// hexadecimal digits.
pub fn fingerprint(labels: &Labels) -> u64 {
    labels.iter().fold(START, |hash, (name, value)| {
        let hash = add(hash, name.as_bytes());
        let hash = add(hash, &[SEPARATOR]);
        let hash = add(hash, value.as_bytes());
        add(hash, &[SEPARATOR])
    })
}

/// The same hash over texts.
pub(super) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    texts.into_iter().fold(START, |hash, text| {
        add(add(hash, text.as_bytes()), &[SEPARATOR])
    })
}

fn add(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}
