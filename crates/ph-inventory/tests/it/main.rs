//! The readers against whole files.

mod cases;
mod fixtures;
mod image;
mod sbom;
