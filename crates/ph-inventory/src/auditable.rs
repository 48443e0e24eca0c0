//! Programs of Rust that were built with cargo-auditable: they list their crates in a section of their own.

use std::io::Read as _;

use crate::draft::Draft;
use crate::elf;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};
use crate::{Component, Ecosystem, Inventory, limits};

const SECTION: &[u8] = b".dep-v0";

/// Reads the crates that a program lists.
///
/// None: no ELF program, or one without a list. Crates of the workspace itself are no components.
///
/// - errors: the list is damaged or too long.
pub fn read(path: &str, program: &[u8]) -> Result<Option<Inventory>, ReadError> {
    let Some(packed) = elf::section(program, SECTION) else {
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
