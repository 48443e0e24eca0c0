//! JSON, YAML and TOML as one kind of tree, each value with its place, all within the same bounds.

pub(crate) mod json;
pub(crate) mod node;
pub(crate) mod toml;
pub(crate) mod yaml;

pub(crate) use node::Node;
