//! What a server really runs: the components that its lockfiles, installed trees, SBOMs and images name.
//!
//! Every reader is a function of bytes; walking trees and opening archives on disk is done by others.

mod cargo;
pub mod component;
mod draft;
pub mod ecosystem;
mod go;
pub mod installed;
pub mod inventory;
pub mod limits;
mod npm;
mod packages;
mod python;
pub mod read;
pub mod read_error;
mod source;
mod text;

pub use component::Component;
pub use ecosystem::Ecosystem;
pub use inventory::{Inventory, Unchecked};
pub use read_error::{Place, ReadError};
