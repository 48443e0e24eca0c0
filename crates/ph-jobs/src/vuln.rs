//! Looking at what a server, a folder or an image holds, and comparing that with the advisories of the mirror.
//!
//! [`subject`] says where the packages lie that a command really runs, [`walk`] reads them, [`compare`] puts lockfile
//! and installed tree together, and [`scan`] makes a report of it. Only
//! [`patch()`] and [`trivy()`] start processes, and what those do on the network is theirs.

mod compare;
mod exposed;
mod image;
mod launch;
mod machine;
mod own;
mod patch;
mod place;
mod running;
mod scan;
mod sources;
mod subject;
mod trivy;
mod walk;

use ph_inventory::Component;

pub use exposed::{Own, expose};
pub use machine::Machine;
pub use patch::{
    COPY_BYTES_MAX, COPY_ENTRIES_MAX, CopyError, Done, Look, Original, PatchError, Patched, Tried,
    command_in, patch,
};
pub use running::started;
pub use scan::{Advisories, ScanError, Scanned, scan};
pub use sources::{SOURCES_BYTES_MAX, SOURCES_MAX, Sources, sources};
pub use subject::Subject;
pub use trivy::{TrivyError, trivy};
pub use walk::{DEPTH_MAX, ENTRIES_MAX};

/// The packages that a command line (the program, then its arguments) fetches and runs, as far as its words say; none
/// for any other command. A package without a version is what its registry gives out today.
#[must_use]
pub fn packages_of(argv: &[String]) -> Vec<Component> {
    launch::packages(&launch::read(argv))
}

/// The reference of the image that a command line runs, where it runs one.
///
/// - `args`: without the command.
#[must_use]
pub fn image_of(command: &str, args: &[String]) -> Option<String> {
    let mut argv = vec![command.to_owned()];
    argv.extend_from_slice(args);
    match launch::read(&argv) {
        launch::Launch::Image(reference) => Some(reference),
        _ => None,
    }
}
