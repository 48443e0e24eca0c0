//! Container images, as `docker save` and the OCI image layout store them: no daemon and no registry is asked.

mod archive;
mod layer;
mod manifest;
mod system;
mod tree;

use std::io::{self, Read};

pub use archive::Archive;

use crate::Inventory;
use crate::read_error::ReadError;
use tree::Tree;

/// The files of an image as it is stored: an [`Archive`], or a folder.
pub trait Blobs {
    /// Opens a file by its name, `index.json` or `blobs/sha256/…`; none where there is none.
    ///
    /// Names come from the image and were checked: none leads out, none is absolute.
    ///
    /// - errors: it is there and cannot be read.
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>>;
}

/// What an image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `name:tag` where the archive says so.
    pub name: Option<String>,
    /// The digest of its manifest (OCI) or configuration (`docker save`), as written: `sha256:…`.
    pub digest: Option<String>,
    /// The distribution and release of its system, as os-release says: `Debian GNU/Linux 12 (bookworm)`.
    pub system: Option<String>,
    /// Packages of the system, of Node and Python, and crates of Rust programs that list them.
    pub inventory: Inventory,
}

/// Whether a stored image begins like this: a tar archive. For a folder ask whether it has `index.json` and `oci-layout`.
#[must_use]
pub fn is_archive(first_bytes: &[u8]) -> bool {
    first_bytes.get(257..262) == Some(b"ustar")
}

/// Reads one image: its layers in order, each over those below it.
///
/// Of several platforms linux/amd64 is taken, else the first; the others are noted as unchecked. `label` is what errors
/// and components name: the path of the archive.
///
/// - errors: the place in the image that is damaged, leads out of it or goes beyond a bound ([`crate::limits`]).
pub fn read(label: &str, blobs: &mut dyn Blobs) -> Result<Image, ReadError> {
    let manifest = manifest::read(label, blobs)?;
    let mut tree = Tree::default();
    let mut budget = layer::Budget::default();
    for blob in &manifest.layers {
        layer::read(label, blob, blobs, &mut tree, &mut budget)?;
    }
    let (system, mut inventory) = tree.finish(label)?;
    inventory.unchecked.extend(manifest.unchecked);
    Ok(Image {
        name: manifest.name,
        digest: manifest.digest,
        system,
        inventory,
    })
}
