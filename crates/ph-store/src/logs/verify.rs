//! Reads every section of every segment, and compares it with its checksum.

use super::reader::{LogReader, note};
use super::segment::{self, BlockMeta, Section, Segment};
use super::{Damage, StoreError};
use crate::disk::ReadFile;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Bytes that were compared.
    pub bytes: u64,
    /// What is damaged; at most 100 places are listed.
    pub damage: Vec<Damage>,
}

impl LogReader {
    /// Reads everything that is sealed. What is not sealed yet was compared when the directory was opened.
    ///
    /// # Errors
    /// A file that cannot be opened. One that cannot be read further is damage.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        let (snapshot, disk, dir) = self.files();
        for segment in &snapshot.segments {
            let path = dir.join(&segment.name);
            let file = disk
                .open_read(&path)
                .map_err(StoreError::io("open", &path))?;
            verified.segment(segment, &*file);
        }
        for wal in &snapshot.wals {
            verified.bytes += wal.file.len().unwrap_or(0);
        }
        Ok(verified)
    }
}

impl Verified {
    fn segment(&mut self, segment: &Segment, file: &dyn ReadFile) {
        for (nth, block) in segment.footer.blocks.iter().enumerate() {
            self.block(segment, Some(nth), block, file);
        }
        if let Some((slowest, _)) = &segment.footer.slowest {
            // A copy of what the blocks have.
            self.block(segment, None, slowest, file);
        }
        for row in 0..segment.footer.traces.rows as usize {
            let read = segment::read_bloom_row(file, &segment.footer, row);
            match read {
                Ok(Some(line)) => self.bytes += line.len() as u64 + 4,
                Ok(None) | Err(_) => {
                    let place = Section {
                        offset: segment.footer.traces.offset,
                        ..Section::default()
                    };
                    let records = (segment.zone.seq_first, segment.zone.seq_last);
                    let problem = "index of traces is damaged; traces are found more slowly";
                    note(
                        &mut self.damage,
                        segment.damage(None, &place, records, problem),
                    );
                }
            }
        }
    }

    fn block(
        &mut self,
        segment: &Segment,
        nth: Option<usize>,
        block: &BlockMeta,
        file: &dyn ReadFile,
    ) {
        let records = (block.zone.seq_first, block.zone.seq_last);
        let lines = block.lines.iter().map(|lines| &lines.section);
        let sections = block.columns.iter().chain(lines).chain([&block.grams]);
        for section in sections.filter(|section| section.bytes > 0) {
            let problem = match segment::read_section(file, section) {
                Ok(Some(bytes)) => {
                    self.bytes += bytes.len() as u64;
                    continue;
                }
                Ok(None) => "checksum does not match",
                Err(_) => "cannot be read",
            };
            note(
                &mut self.damage,
                segment.damage(nth, section, records, problem),
            );
        }
    }
}
