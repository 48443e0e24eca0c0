//! Lists of exploited vulnerabilities and of scores, the first byte chooses which: any bytes are read or refused, and
//! what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_advisories::lists;

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
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
