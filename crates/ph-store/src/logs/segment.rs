//! A sealed segment: one immutable file.
//!
//! It is a row of zstd frames, so that `zstdcat` gives the records as lines of JSON. What makes it quick to search
//! (columns, blooms, the slowest records again, and the footer that says where all that is) stands between and behind
//! them in skippable frames, over which `zstdcat` passes.

mod layout;
mod packed;
mod write;

use super::block::Zone;
use super::{Damage, Seq};
use crate::disk::{Disk, ReadFile};
pub(crate) use layout::{BlockMeta, Column, Footer, Lines, Section};
pub(crate) use packed::{expand, numbers};
use std::io;
use std::path::Path;
use std::sync::Arc;
pub(crate) use write::{How, Source, write};

/// Ends the names of segments.
const SUFFIX: &str = ".jsonl.zst";

/// The end of a file in which a footer is looked for.
const END_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A segment and what stands where in it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) zone: Zone,
    pub(crate) footer: Footer,
}

/// The name of a segment: its first and last record.
pub(crate) fn name(first: u64, last: u64) -> String {
    format!("{first:016x}-{last:016x}{SUFFIX}")
}

/// First and last record by the name of a segment.
pub(crate) fn seqs_of_name(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |text: &str| {
        (text.len() == 16)
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

impl Segment {
    /// Opens a segment by its name.
    ///
    /// # Errors
    /// The inner one is what is damaged.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        name: &str,
    ) -> io::Result<Result<Self, Damage>> {
        let file = disk.open_read(&dir.join(name))?;
        let bytes = file.len()?;
        let damage = |problem| Damage {
            file: name.to_owned(),
            block: None,
            offset: 0,
            bytes,
            records: seqs_of_name(name).map(|(first, last)| (Seq(first), Seq(last))),
            problem,
        };
        let footer = match read_footer(&*file, bytes) {
            Ok(Some(footer)) => footer,
            Ok(None) => return Ok(Err(damage("index is damaged"))),
            Err(error) => return Err(error),
        };
        let zone = footer.zone();
        let name = name.to_owned();
        Ok(Ok(Self {
            name,
            bytes,
            zone,
            footer,
        }))
    }

    /// The damage that a section is.
    pub(crate) fn damage(
        &self,
        block: Option<usize>,
        section: &Section,
        records: (u64, u64),
        problem: &'static str,
    ) -> Damage {
        Damage {
            file: self.name.clone(),
            block,
            offset: section.offset,
            bytes: u64::from(section.bytes),
            records: Some((Seq(records.0), Seq(records.1))),
            problem,
        }
    }
}

/// The footer stands twice at the end; the first one that is whole counts.
fn read_footer(file: &dyn ReadFile, bytes: u64) -> io::Result<Option<Footer>> {
    // Nearly always the end is short; a footer is long when there are many names.
    for end_bytes in [64 * 1024, END_BYTES_MAX] {
        let end_bytes = bytes.min(end_bytes);
        let mut end = vec![0; end_bytes as usize];
        file.read_exact_at(&mut end, bytes - end_bytes)?;
        for section in layout::trailers(&end) {
            let fits = section.offset < bytes && u64::from(section.bytes) <= bytes - section.offset;
            if !fits {
                continue;
            }
            if let Some(found) = read_section(file, &section)? {
                let footer = Footer::read(&found).filter(|footer| footer.fits_in(bytes));
                if footer.is_some() {
                    return Ok(footer);
                }
            }
        }
    }
    Ok(None)
}

/// The bytes of a section; `None` when they are not what was written.
pub(crate) fn read_section(file: &dyn ReadFile, section: &Section) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; section.bytes as usize];
    match file.read_exact_at(&mut bytes, section.offset) {
        Ok(()) => Ok((crc32c::crc32c(&bytes) == section.sum).then_some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// One row of the trace blooms: a line of each block. `None` when it is damaged.
pub(crate) fn read_bloom_row(
    file: &dyn ReadFile,
    footer: &Footer,
    row: usize,
) -> io::Result<Option<Vec<u8>>> {
    let bytes = footer.blocks.len() * super::bloom::LINE_BYTES;
    let mut line = vec![0; bytes + 4];
    let offset = footer.traces.offset + (row * line.len()) as u64;
    file.read_exact_at(&mut line, offset)?;
    let sum = line.split_off(bytes);
    Ok((crc32c::crc32c(&line).to_le_bytes()[..] == sum[..]).then_some(line))
}

/// A file for as long as a search needs it.
pub(crate) type Opened = Arc<dyn ReadFile>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_records() {
        assert_eq!(seqs_of_name(&name(1, 300)), Some((1, 300)));
        for text in [
            "",
            "a-b.jsonl.zst",
            "0000000000000002-0000000000000001.jsonl.zst",
            "1-2.jsonl.zst",
        ] {
            assert_eq!(seqs_of_name(text), None, "{text}");
        }
    }
}
