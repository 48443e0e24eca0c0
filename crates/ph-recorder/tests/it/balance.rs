//! Offered = recorded + dropped, whatever happens at the same time.

use crate::given::{LIMIT, files, ok, recorder};
use proptest::prelude::*;
use std::fs;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Threads offer, somebody flushes, somebody stops in the middle: every record is either in the
    /// file and counted as written, or counted as dropped.
    #[test]
    fn offered_is_recorded_plus_dropped(threads in 1..4_usize, each in 1..4000_usize, stop_early: bool, flushes in 0..3) {
        let dir = tempfile::tempdir().unwrap();
        let given = recorder(files(dir.path()));
        let server = given.server("s");
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..each).for_each(|_| given.observe(ok(&server))));
            }
            for _ in 0..flushes {
                given.runtime.block_on(given.recorder.flush(LIMIT));
            }
            if stop_early {
                given.stop();
            }
        });
        // A second stop finds the thread gone and has nothing to wait for.
        let report = given.stop();
        prop_assert_eq!(report.offered, (threads * each) as u64);
        prop_assert_eq!(report.offered, report.written + report.dropped);
        let text = fs::read_to_string(dir.path().join("combined.log")).unwrap_or_default();
        prop_assert_eq!(text.lines().count() as u64, report.written);
        let counted = given.metric(r#"mcp_tool_calls_total{server="s",tool="echo",outcome="ok"}"#);
        prop_assert_eq!(counted.parse::<usize>().unwrap(), threads * each);
    }
}
