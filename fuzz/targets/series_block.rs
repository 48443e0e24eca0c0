//! Blocks of series: with right checksums around any region and any index, opening, reading and verifying
//! does not panic, and takes no more memory than the file could fill.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_promql::{Select, SeriesSource};
use ph_store::disk::FaultyDisk;
use ph_store::frame;
use ph_store::series::SeriesReader;
use std::path::Path;

const MARK: &[u8; 8] = b"PHSBLK\x00\x01";

fuzz_target!(|input: &[u8]| {
    let (_, pieces) = ph_fuzz::cut(input);
    let (region, rest) = pieces
        .split_first()
        .map_or((&[][..], &[][..]), |(region, rest)| (*region, rest));
    let disk = FaultyDisk::new(1);
    let dir = Path::new("s");
    disk.put(
        &dir.join("0-7200.block"),
        &block(region, rest.first().copied()),
    );
    disk.put(&dir.join("7200-14400.block"), input);
    let (reader, report) = SeriesReader::open_read_only(&disk, dir).expect("the disk is well");
    assert!(report.blocks <= 2);
    let wish = Select {
        matchers: &[],
        from_ms: -1_000_000,
        to_ms: 10_000_000,
        range_ms: Some(3_600_000),
        step_ms: None,
        function: Some("increase"),
        resolution_ms: 0,
        samples_max: 1_000_000,
        series_max: 1000,
    };
    drop(reader.select(&wish));
    drop(reader.select(&Select {
        resolution_ms: 60_000,
        ..wish
    }));
    drop(reader.select(&Select {
        function: None,
        ..wish
    }));
    reader.verify().expect("the disk is well");
});

/// A block whose one region is `region`, behind a right index or the given one.
fn block(region: &[u8], index: Option<&[u8]>) -> Vec<u8> {
    let mut file = MARK.to_vec();
    let mut summed = region.to_vec();
    summed.extend_from_slice(&crc32c::crc32c(region).to_le_bytes());
    file.extend_from_slice(&summed);
    file.extend_from_slice(&summed);
    let rollups_at = (MARK.len() + summed.len()) as u64;
    let index_at = file.len() as u64;
    // One series `{a="b"}`, its region, its rollup, no samples.
    let mut right = vec![1, 1, 1, b'a', 1, b'b'];
    varint(&mut right, summed.len());
    varint(&mut right, summed.len());
    right.push(0);
    for raw in [index.unwrap_or(&right), &[0]] {
        frame::write(&mut file, |out| {
            varint(out, raw.len());
            out.extend(zstd::bulk::compress(raw, 1).expect("into memory"));
        });
    }
    let mut footer = Vec::new();
    for number in [rollups_at, index_at, 0, 7_200_000, 1, 0] {
        footer.extend_from_slice(&number.to_le_bytes());
    }
    let sum = crc32c::crc32c(&footer);
    footer.extend_from_slice(&sum.to_le_bytes());
    footer.extend_from_slice(MARK);
    file.extend_from_slice(&footer);
    file
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
