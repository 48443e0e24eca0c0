//! Archives of advisories: any bytes are read or refused, no entry is larger than it may be, and each record in it is
//! read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_advisories::archive::{Archive, ArchiveError, ENTRY_BYTES_MAX};
use ph_advisories::record::Head;
use ph_advisories::rustsec;

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = Archive::open(bytes) else {
        return;
    };
    let mut take = |name: &str, content: &[u8]| -> Result<(), ArchiveError> {
        assert!(content.len() as u64 <= ENTRY_BYTES_MAX);
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."));
        let made = str::from_utf8(content)
            .ok()
            .and_then(|text| rustsec::record(text).ok());
        let _ = Head::checked(made.as_deref().unwrap_or(content));
        Ok(())
    };
    let _ = archive.each(&|_| true, &mut take);
});
