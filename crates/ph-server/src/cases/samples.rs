//! Cases as numbers.

use super::CaseDesk;
use ph_auth::unix_s;
use ph_record::{Reading, SampleSource, catalogue};
use ph_vuln::life::Gap;

impl SampleSource for CaseDesk {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        let book = self.book.load();
        let deadlines = self.settings.load().deadlines;
        let counts = book.counts(&deadlines, unix_s());
        for ((server, class, state), count) in &counts.cases {
            let value = Reading::Value(*count as f64);
            out(&catalogue::VULNERABILITIES, &[server, class, state], value);
        }
        for ((server, class), count) in &counts.overdue {
            let value = Reading::Value(*count as f64);
            out(&catalogue::VULNERABILITY_OVERDUE, &[server, class], value);
        }
        for ((server, class), share) in &counts.share {
            let value = Reading::Value(*share);
            out(&catalogue::VULNERABILITY_DEADLINE, &[server, class], value);
        }
        for (class, tally) in book.head().remediated() {
            let value = Reading::Histogram {
                buckets: &tally.buckets,
                sum: tally.sum_s as f64,
            };
            out(&catalogue::VULNERABILITY_REMEDIATION, &[class], value);
        }
        for (server, scanned) in book.head().scans() {
            let at = scanned.complete_at.unwrap_or(0);
            let value = Reading::Value(at as f64);
            out(&catalogue::VULNERABILITY_SCAN, &[server], value);
        }
        for (server, scanned) in book.head().scans() {
            for gap in Gap::ALL {
                let is = scanned.gaps.contains(gap.word());
                let value = Reading::Value(f64::from(u8::from(is)));
                out(
                    &catalogue::VULNERABILITY_BLIND,
                    &[server, gap.word()],
                    value,
                );
            }
        }
        let dropped = Reading::Value(book.head().dropped() as f64);
        out(&catalogue::VULNERABILITY_DROPPED, &[], dropped);
    }
}
