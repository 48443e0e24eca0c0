//! What a server really runs: the components that its lockfiles, installed trees, SBOMs and images name.
//!
//! Every reader is a function of bytes; walking trees and opening archives on disk is done by others.

pub mod component;
pub mod ecosystem;
pub mod inventory;

pub use component::Component;
pub use ecosystem::Ecosystem;
pub use inventory::{Inventory, Unchecked};
