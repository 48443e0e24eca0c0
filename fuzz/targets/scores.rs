//! Lists of exploited vulnerabilities, of scores and of changes, the first byte chooses which: any bytes are read or
//! refused, and what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_advisories::lists::{self, Changes};

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    if *first == b'm' {
        return changes(bytes);
    }
    let mut taken = 0;
    let read = if *first == b'k' {
        lists::kev(bytes, &mut |_| {
            taken += 1;
            Ok(())
        })
    } else {
        lists::epss(bytes, &mut |cve, score| {
            taken += 1;
            assert!(cve.starts_with("CVE-") && (0.0..=1.0).contains(&score));
            Ok(())
        })
    };
    if let Ok(count) = read {
        assert!(count > 0 && count == taken);
    }
});

/// The pieces in which a list comes make no difference.
fn changes(bytes: &[u8]) {
    let since = "2026-01-01T00:00:00Z".parse().ok();
    let read = |piece: usize| {
        let mut list = Changes::default();
        for piece in bytes.chunks(piece) {
            if !list.take(piece, since) {
                break;
            }
        }
        list
    };
    let (whole, pieces) = (read(bytes.len().max(1)), read(7));
    assert!(whole.is_over == pieces.is_over && whole.changed == pieces.changed);
    assert_eq!(whole.newest, pieces.newest);
    for (_, at) in whole.changed {
        assert!(since.is_some_and(|since| at >= since));
    }
}
