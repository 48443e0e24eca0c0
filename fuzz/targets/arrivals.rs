//! Files of times: any bytes are read or refused with their place, and what is read has as many calls as it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_cost::arrivals::{STEPS_MAX, read};

fuzz_target!(|input: &[u8]| {
    match read(input) {
        Err(error) => {
            let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(error.line >= 1 && error.line <= lines, "{error}");
            assert!(error.column >= 1 && !error.problem.is_empty());
        }
        Ok(read) => {
            let arrivals = read.arrivals;
            assert!(!arrivals.counts.is_empty() && arrivals.counts.len() <= STEPS_MAX);
            assert!(arrivals.step_s >= 1 && arrivals.calls() > 0.0);
            assert!(arrivals.counts.iter().all(|count| *count >= 0.0));
            assert!(arrivals.peak_rate() <= arrivals.calls());
            let (first, second) = arrivals.halves();
            let both = first.calls() + second.calls();
            assert!((both - arrivals.calls()).abs() <= 1e-6 * both.max(1.0));
        }
    }
});
