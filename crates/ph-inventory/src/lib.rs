//! What a server really runs: the components that its lockfiles, installed trees, SBOMs and images name.
//!
//! Every reader is a function of bytes; walking trees and opening archives on disk is done by others.

pub mod auditable;
mod cargo;
pub mod component;
pub mod cyclonedx;
mod draft;
pub mod ecosystem;
mod elf;
mod go;
pub mod image;
pub mod installed;
pub mod inventory;
pub mod limits;
mod npm;
mod packages;
pub mod program;
mod purl;
mod python;
pub mod read;
pub mod read_error;
pub mod sbom;
mod source;
mod tarball;
mod text;

pub use component::Component;
pub use ecosystem::Ecosystem;
pub use inventory::{Inventory, Unchecked};
pub use read_error::{Place, ReadError};
