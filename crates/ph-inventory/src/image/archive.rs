//! An image in one tar file.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::Blobs;
use crate::read_error::ReadError;
use crate::{limits, tarball};

/// A tar file whose entries can be opened by name, without unpacking it.
#[derive(Debug)]
pub struct Archive<R> {
    reader: R,
    entries: HashMap<String, Stored>,
}

#[derive(Debug)]
enum Stored {
    File {
        at: u64,
        size: u64,
    },
    /// `docker save` stores equal layers once, and links to it.
    Link(String),
}

impl<R: Read + Seek> Archive<R> {
    /// Notes where each entry lies.
    ///
    /// - errors: no tar (compressed archives have to be unpacked first), or a name that leads out.
    pub fn new(label: &str, mut reader: R) -> Result<Self, ReadError> {
        let fail = |error: io::Error| ReadError::whole(label, error.to_string());
        let mut first = Vec::new();
        let start = (&mut reader).take(4);
        { start }.read_to_end(&mut first).map_err(fail)?;
        if first.starts_with(&[0x1f, 0x8b]) || first == [0x28, 0xb5, 0x2f, 0xfd] {
            return Err(ReadError::whole(
                label,
                "a compressed archive: unpack it first (gunzip, unzstd)",
            ));
        }
        reader.seek(SeekFrom::Start(0)).map_err(fail)?;
        let mut entries = HashMap::new();
        let mut tar = tar::Archive::new(reader);
        tarball::each(label, tar.entries_with_seek(), &mut 0, |item| {
            if entries.len() == limits::ARCHIVE_FILES {
                let max = limits::ARCHIVE_FILES;
                return Err(ReadError::whole(
                    label,
                    format!("more than {max} files: no image"),
                ));
            }
            if item.kind.is_file() {
                let at = item.entry.raw_file_position();
                let size = item.entry.size();
                entries.insert(item.name, Stored::File { at, size });
            } else if item.kind.is_symlink() || item.kind.is_hard_link() {
                let folder = item.name.rsplit_once('/').map_or("", |(folder, _)| folder);
                let folder = if item.kind.is_hard_link() { "" } else { folder };
                if let Some(target) = joined(folder, &item.link) {
                    entries.insert(item.name, Stored::Link(target));
                }
            }
            Ok(())
        })?;
        let reader = tar.into_inner();
        Ok(Self { reader, entries })
    }
}

impl<R: Read + Seek> Blobs for Archive<R> {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        let mut stored = self.entries.get(name);
        if let Some(Stored::Link(target)) = stored {
            stored = self.entries.get(target);
        }
        let Some(Stored::File { at, size }) = stored else {
            return Ok(None);
        };
        self.reader.seek(SeekFrom::Start(*at))?;
        Ok(Some(Box::new((&mut self.reader).take(*size))))
    }
}

/// The name that a link in a folder points to; none where it leads out.
fn joined(folder: &str, link: &str) -> Option<String> {
    if link.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}
