//! The readers against whole files.

mod cases;
mod fixtures;
mod hostile;
mod image;
mod sbom;
