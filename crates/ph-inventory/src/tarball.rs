//! Tar, entry by entry, with every name checked.

use std::io::{self, Read};

use tar::{Entries, Entry, EntryType};

use crate::limits;
use crate::read_error::ReadError;

/// Bytes of what stands before an entry to say more of it: a long name, a table of extended headers.
const EXTENSION_BYTES: u64 = 1 << 20;

/// A file, folder or link.
pub(crate) struct Item<'i, 'a, R: Read> {
    /// Without `./` in front and `/` at the end; empty for the top.
    pub(crate) name: String,
    pub(crate) kind: EntryType,
    /// Where a link points to, as it stands.
    pub(crate) link: String,
    pub(crate) entry: &'i mut Entry<'a, R>,
}

/// Visits all entries.
///
/// - errors: the archive is damaged, a name leads out of it, or one of the bounds; those of `visit`.
pub(crate) fn each<'a, R: Read>(
    label: &str,
    entries: io::Result<Entries<'a, R>>,
    count: &mut u64,
    mut visit: impl FnMut(Item<'_, 'a, R>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let fail = |error: io::Error| ReadError::whole(label, error.to_string());
    let mut next = Extension::default();
    // Raw: the crate would read a long name of any length into memory.
    for entry in entries.map_err(fail)?.raw(true) {
        let mut entry = entry.map_err(fail)?;
        *count += 1;
        if *count > limits::ENTRIES {
            let max = limits::ENTRIES;
            return Err(ReadError::whole(label, format!("more than {max} files")));
        }
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => next.name = Some(long(label, &mut entry)?),
            EntryType::GNULongLink => next.link = Some(long(label, &mut entry)?),
            EntryType::XHeader => next.take_records(label, &extension(label, &mut entry)?)?,
            EntryType::XGlobalHeader => {}
            _ => {
                let said = std::mem::take(&mut next);
                let own = || entry.path_bytes().into_owned();
                let name = said.name.unwrap_or_else(own);
                let own = || entry.link_name_bytes().map(|name| name.into_owned());
                let link = said.link.or_else(own).unwrap_or_default();
                visit(Item {
                    name: inner_name(label, &name)?,
                    kind,
                    link: String::from_utf8_lossy(&link).into_owned(),
                    entry: &mut entry,
                })?;
            }
        }
    }
    Ok(())
}

/// What an entry says of the one after it.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extension {
    /// Records of POSIX: `LENGTH KEY=VALUE\n`.
    fn take_records(&mut self, label: &str, mut records: &[u8]) -> Result<(), ReadError> {
        let wrong = || ReadError::whole(label, "an extended header is damaged");
        while !records.is_empty() {
            let space = records.iter().position(|b| *b == b' ').ok_or_else(wrong)?;
            let length = std::str::from_utf8(&records[..space]).ok();
            let length: usize = length
                .and_then(|length| length.parse().ok())
                .ok_or_else(wrong)?;
            if length <= space + 1 || length > records.len() {
                return Err(wrong());
            }
            let record = records[space + 1..length]
                .strip_suffix(b"\n")
                .ok_or_else(wrong)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    return Err(ReadError::whole(
                        label,
                        "files of more than 8 GiB are not read",
                    ));
                }
                _ => {}
            }
            records = &records[length..];
        }
        Ok(())
    }
}

fn long<R: Read>(label: &str, entry: &mut Entry<'_, R>) -> Result<Vec<u8>, ReadError> {
    let mut name = extension(label, entry)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn extension<R: Read>(label: &str, entry: &mut Entry<'_, R>) -> Result<Vec<u8>, ReadError> {
    contents(label, entry, EXTENSION_BYTES)
}

/// The bytes of an entry.
///
/// - errors: more than `max`, or it ends early.
pub(crate) fn contents<R: Read>(
    label: &str,
    entry: &mut Entry<'_, R>,
    max: u64,
) -> Result<Vec<u8>, ReadError> {
    let size = entry.size();
    if size > max {
        return Err(ReadError::whole(
            label,
            format!("a file of {size} bytes; {max} are read at most"),
        ));
    }
    let mut bytes = Vec::new();
    let fail = |error: io::Error| ReadError::whole(label, error.to_string());
    entry.read_to_end(&mut bytes).map_err(fail)?;
    if (bytes.len() as u64) < size {
        return Err(ReadError::whole(label, "it ends within a file"));
    }
    Ok(bytes)
}

/// A name within the archive.
fn inner_name(label: &str, name: &[u8]) -> Result<String, ReadError> {
    let name = String::from_utf8_lossy(name);
    let leads_out = name.starts_with('/') || name.split('/').any(|part| part == "..");
    if leads_out || name.len() > limits::PATH_BYTES || name.contains('\0') {
        let shown: String = name.chars().take(120).collect();
        let text = format!("the name {shown:?} leads out of the archive, or is none");
        return Err(ReadError::whole(label, text));
    }
    let parts = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    Ok(parts.collect::<Vec<_>>().join("/"))
}
