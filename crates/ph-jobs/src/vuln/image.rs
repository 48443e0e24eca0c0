//! Container images that lie on this machine: an archive, or the folder of an OCI layout.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ph_inventory::image::{self, Archive, Blobs, Image};

/// Reads the image in a file or folder.
///
/// # Errors
/// It cannot be read, is no image, or is damaged; in words, with the place.
pub(super) fn read(path: &Path) -> Result<Image, String> {
    let label = path.display().to_string();
    let unreadable = |error: io::Error| format!("`{label}` cannot be read: {error}");
    if path.is_dir() {
        if !is_layout(path) {
            return Err(format!(
                "`{label}` is no OCI layout: it has no `oci-layout` and `index.json`"
            ));
        }
        return image::read(&label, &mut Folder(path.to_owned()))
            .map_err(|error| error.to_string());
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut first = Vec::new();
    (&file)
        .take(512)
        .read_to_end(&mut first)
        .map_err(unreadable)?;
    if !image::is_archive(&first) {
        return Err(format!(
            "`{label}` is no image: it is not a tar archive as `docker save` and the tools of OCI write it (a compressed one has to be unpacked first)"
        ));
    }
    let mut archive = Archive::new(&label, file).map_err(|error| error.to_string())?;
    image::read(&label, &mut archive).map_err(|error| error.to_string())
}

/// Whether a folder is an OCI layout.
pub(super) fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file() && path.join("index.json").is_file()
}

/// An OCI layout as a folder.
struct Folder(PathBuf);

impl Blobs for Folder {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        let path = self.0.join(name);
        // A link could lead anywhere; the tools that write layouts make none.
        match fs::symlink_metadata(&path) {
            Ok(of) if of.is_file() => Ok(Some(Box::new(File::open(path)?))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
