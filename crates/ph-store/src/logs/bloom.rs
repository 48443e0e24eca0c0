//! Which blocks may hold a trace.
//!
//! Each block has a filter of `rows` lines of 64 bytes; a trace sets six bits in one of them. The lines stand in a
//! file by row, so that one read of a few hundred bytes asks all blocks of a segment.

/// Bytes of a block in a row.
pub(crate) const LINE_BYTES: usize = 64;

/// Bits of a filter for each trace in it: about one wrong yes in a thousand.
const BITS_PER_TRACE: usize = 16;

/// The longest filter: 8 KiB for a full block.
pub(crate) const ROWS_MAX: u32 = 128;

/// Rows for blocks with so many traces.
pub(crate) fn rows_for(traces: usize) -> u32 {
    let lines = (traces * BITS_PER_TRACE).div_ceil(LINE_BYTES * 8).max(1);
    (lines.next_power_of_two() as u32).min(ROWS_MAX)
}

/// The row in which a trace's bits are.
pub(crate) fn row_of(hash: u64, rows: u32) -> usize {
    (hash as usize) & (rows as usize - 1)
}

/// Adds a trace to its line.
pub(crate) fn set(line: &mut [u8], hash: u64) {
    for bit in bits(hash) {
        line[bit / 8] |= 1 << (bit % 8);
    }
}

/// `false`: the trace was not added to this line.
pub(crate) fn is_set(line: &[u8], hash: u64) -> bool {
    bits(hash).all(|bit| line[bit / 8] >> (bit % 8) & 1 == 1)
}

/// Six places of 512, from bits that do not choose the row.
fn bits(hash: u64) -> impl Iterator<Item = usize> {
    (0..6).map(move |i| (hash >> (8 + 9 * i)) as usize & 511)
}

#[cfg(test)]
mod tests {
    use super::super::columns::mix;
    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let traces = 4096;
        let rows = rows_for(traces);
        assert_eq!(rows, ROWS_MAX);
        let mut lines = vec![0; rows as usize * LINE_BYTES];
        let place = |hash| {
            let from = row_of(hash, rows) * LINE_BYTES;
            from..from + LINE_BYTES
        };
        for n in 1..=traces as u64 {
            set(&mut lines[place(mix(n))], mix(n));
        }
        let found = |n: u64| is_set(&lines[place(mix(n))], mix(n));
        assert!((1..=traces as u64).all(found));
        let wrong = (1_000_000..1_100_000).filter(|n| found(*n)).count();
        assert!(wrong < 300, "{wrong} of 100000");
    }
}
