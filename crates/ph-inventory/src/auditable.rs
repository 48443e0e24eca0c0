//! Programs of Rust that were built with cargo-auditable: they list their crates in a section of their own.

use std::io::Read as _;

use crate::draft::Draft;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};
use crate::{Component, Ecosystem, Inventory, limits};

/// How a program of Linux begins.
pub(crate) const ELF: [u8; 4] = *b"\x7fELF";

const SECTION: &[u8] = b".dep-v0";

/// Reads the crates that a program lists.
///
/// None: no ELF program, or one without a list. Crates of the workspace itself are no components.
///
/// - errors: the list is damaged or too long.
pub fn read(path: &str, program: &[u8]) -> Result<Option<Inventory>, ReadError> {
    let Some(packed) = section(program) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(packed)
        .take(limits::AUDITABLE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            ReadError::whole(path, format!("the list of its crates is damaged: {error}"))
        })?;
    if bytes.len() as u64 > limits::AUDITABLE_BYTES {
        let max = limits::AUDITABLE_BYTES >> 20;
        return Err(ReadError::whole(
            path,
            format!("the list of its crates is larger than {max} MiB"),
        ));
    }
    list(Source::of(path, &bytes)?).map(Some)
}

fn list(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = json::read(source, Dialect::Json)?;
    let packages = root.get("packages").map_or(&[][..], Node::items);
    let mut draft = Draft::new(source);
    let mut indices = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package
            .text_of("name")
            .ok_or_else(|| source.error(package.at, "a crate without a name"))?;
        if package.is_true("root") || package.text_of("source") == Some("local") {
            indices.push(None);
            continue;
        }
        let component = Component {
            version: package.text_of("version").map(str::to_owned),
            is_dev: package.text_of("kind") == Some("build"),
            ..Component::new(Ecosystem::CratesIo, name)
        };
        indices.push(Some(draft.add(package.at, component)?));
    }
    for (package, one) in packages.iter().zip(&indices) {
        for need in package.get("dependencies").map_or(&[][..], Node::items) {
            let index = need.scalar().and_then(|index| index.parse::<usize>().ok());
            let other = index.and_then(|index| *indices.get(index)?);
            match (one, other) {
                (Some(one), Some(other)) => draft.needs(*one, other)?,
                (None, Some(other)) => draft.root(other)?,
                _ => {}
            }
        }
    }
    draft.mark_direct();
    Ok(draft.finish())
}

/// The content of the section, in an ELF file of any word size and byte order.
fn section(program: &[u8]) -> Option<&[u8]> {
    if !program.starts_with(&ELF) {
        return None;
    }
    let file = Elf {
        bytes: program,
        is_wide: *program.get(4)? == 2,
        is_big: *program.get(5)? == 2,
    };
    let (table, entry_size, count, names) = if file.is_wide {
        (
            file.word(0x28)?,
            file.half(0x3a)?,
            file.half(0x3c)?,
            file.half(0x3e)?,
        )
    } else {
        (
            file.word(0x20)?,
            file.half(0x2e)?,
            file.half(0x30)?,
            file.half(0x32)?,
        )
    };
    let header = |index: usize| table.checked_add(index.checked_mul(entry_size)?);
    let names = file.extent(header(names)?)?;
    (0..count).find_map(|index| {
        let at = header(index)?;
        let name = names.get(file.four(at)?..)?;
        let is_it = name.strip_prefix(SECTION).and_then(|rest| rest.first()) == Some(&0);
        is_it.then(|| file.extent(at)).flatten()
    })
}

struct Elf<'p> {
    bytes: &'p [u8],
    is_wide: bool,
    is_big: bool,
}

impl<'p> Elf<'p> {
    fn number(&self, at: usize, size: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        let number = match self.is_big {
            true => bytes.iter().fold(0, fold),
            false => bytes.iter().rev().fold(0, fold),
        };
        usize::try_from(number).ok()
    }

    fn half(&self, at: usize) -> Option<usize> {
        self.number(at, 2)
    }

    fn four(&self, at: usize) -> Option<usize> {
        self.number(at, 4)
    }

    fn word(&self, at: usize) -> Option<usize> {
        self.number(at, if self.is_wide { 8 } else { 4 })
    }

    /// The bytes that a section's header at `at` speaks of.
    fn extent(&self, at: usize) -> Option<&'p [u8]> {
        let (offset, size) = match self.is_wide {
            true => (
                self.word(at.checked_add(0x18)?)?,
                self.word(at.checked_add(0x20)?)?,
            ),
            false => (
                self.word(at.checked_add(0x10)?)?,
                self.word(at.checked_add(0x14)?)?,
            ),
        };
        self.bytes.get(offset..offset.checked_add(size)?)
    }
}
