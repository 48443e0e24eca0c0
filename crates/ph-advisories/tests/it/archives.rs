//! Archives that are not what they say.

use crate::world::{archive, archive_of};
use ph_advisories::archive::{Archive, ArchiveError};
use proptest::prelude::*;
use std::convert::Infallible;
use zip::CompressionMethod;

#[derive(Debug)]
struct Stop(ArchiveError);

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self(error)
    }
}

impl From<Infallible> for Stop {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let archive = Archive::open(bytes).map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    let mut take = |name: &str, content: &[u8]| -> Result<(), Stop> {
        entries.push((name.to_owned(), content.to_vec()));
        Ok(())
    };
    let done = archive.each(&|_| true, &mut take);
    done.map_err(|stop| stop.0.to_string())?;
    Ok(entries)
}

#[test]
fn what_others_write_is_read() {
    let large = "x".repeat(100_000);
    for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
        for is_large in [false, true] {
            let bytes = archive_of(
                &[("a.json", "{}"), ("b/c.json", &large), ("e.json", "")],
                method,
                is_large,
            );
            let entries = read(&bytes).unwrap();
            let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["a.json", "b/c.json", "e.json"]);
            assert_eq!(entries[1].1, large.as_bytes());
        }
    }
}

#[test]
fn a_part_of_an_archive_is_none() {
    let bytes = archive(&[("a.json", "{\"a\": 1}"), ("b.json", "{}")]);
    for len in 0..bytes.len() {
        let error = read(&bytes[..len]).unwrap_err();
        assert!(error.contains("its end is missing"), "{len}: {error}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused_with_their_place() {
    for name in [
        "../a.json",
        "a/../../b.json",
        "/etc/a.json",
        "a\\..\\b.json",
        "C:/a.json",
    ] {
        // Written with a fit name of the same length, which is changed in both places.
        let plain = "x".repeat(name.len());
        let mut bytes = archive(&[("a.json", "{}"), (&plain, "{}")]);
        while let Some(at) = bytes
            .windows(plain.len())
            .position(|w| w == plain.as_bytes())
        {
            bytes[at..at + plain.len()].copy_from_slice(name.as_bytes());
        }
        let error = read(&bytes).unwrap_err();
        assert!(
            error.contains("entry 2 (`") && error.contains("leads somewhere else"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let zeros = " ".repeat(12 << 20);
    let error = read(&archive(&[("a.json", "{}"), ("bomb.json", &zeros)])).unwrap_err();
    assert_eq!(
        error,
        "entry 2 (`bomb.json`): it is inflated to more than 250 times its size"
    );
    let large = " ".repeat(17 << 20);
    let error = read(&archive_of(
        &[("large.json", &large)],
        CompressionMethod::Stored,
        false,
    ))
    .unwrap_err();
    assert_eq!(
        error,
        "entry 1 (`large.json`): it is larger than 16777216 bytes"
    );
}

/// One entry's bytes counted many times.
#[test]
fn entries_that_lie_over_each_other_are_refused() {
    let content: String = (0..20_000).map(|n| format!("{}", n % 7919)).collect();
    let bytes = archive_of(
        &[("a.json", &content), ("b.json", "{}")],
        CompressionMethod::Stored,
        false,
    );
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let entry_len = 46 + "a.json".len();
    let entry = bytes[directory..directory + entry_len].to_vec();
    let mut bomb = bytes[..directory].to_vec();
    for _ in 0..50 {
        bomb.extend_from_slice(&entry);
    }
    let end = bytes.len() - 22;
    let mut tail = bytes[end..].to_vec();
    tail[8..10].copy_from_slice(&50_u16.to_le_bytes());
    tail[10..12].copy_from_slice(&50_u16.to_le_bytes());
    tail[12..16].copy_from_slice(&u32::try_from(50 * entry_len).unwrap().to_le_bytes());
    bomb.extend_from_slice(&tail);
    let error = read(&bomb).unwrap_err();
    assert_eq!(error, "entry 2 (`a.json`): entries lie over each other");
}

#[test]
fn a_changed_byte_is_seen() {
    let bytes = archive(&[(
        "a.json",
        "{\"id\": \"GHSA-1\", \"modified\": \"2026-01-01T00:00:00Z\"}",
    )]);
    let len_at = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let content = 30 + len_at(26) + len_at(28);
    for at in content..content + 20 {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        match read(&changed) {
            Err(error) => assert!(error.starts_with("entry 1 (`a.json`): it"), "{at}: {error}"),
            // Some bits of a deflated stream mean nothing.
            Ok(entries) => assert_eq!(entries, read(&bytes).unwrap(), "{at}"),
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = archive(&[("a.json", "{}"), ("b/c.json", "{\"id\": 1}")]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(&bytes);
        let cut = cut.index(bytes.len());
        let _ = read(&bytes[cut..]);
    }
}
