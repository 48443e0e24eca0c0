//! `yarn.lock` of yarn 2 and later.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::npm::name_and_range;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, yaml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of yarn 2 and later. Workspaces, links and portals are the project's own code. What is needed only
/// for development is not marked in it.
///
/// - errors: not YAML, or an entry whose `resolution` names no package.
pub(crate) fn yarn_berry(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = yaml::read(source)?;
    let mut draft = Draft::new(source);
    let mut by_pattern: HashMap<&str, usize> = HashMap::new();
    let mut indices = Vec::with_capacity(root.entries().len());
    for (heading, entry) in root.entries() {
        if heading == "__metadata" {
            indices.push(None);
            continue;
        }
        let (name, from) = entry
            .text_of("resolution")
            .and_then(name_and_range)
            .ok_or_else(|| {
                source.error(entry.at, "`resolution` has to be `name@protocol:reference`")
            })?;
        if ["workspace:", "link:", "portal:"]
            .iter()
            .any(|own| from.starts_with(own))
        {
            indices.push(None);
            continue;
        }
        let version = entry.get("version").and_then(Node::scalar);
        let component = Component {
            version: version.map(str::to_owned),
            path: heading.to_string(),
            ..Component::new(Ecosystem::Npm, name)
        };
        let index = draft.add(entry.at, component)?;
        by_pattern.extend(heading.split(", ").map(|pattern| (pattern, index)));
        indices.push(Some(index));
    }
    for ((heading, entry), one) in root.entries().iter().zip(indices) {
        for (name, range) in entry.get("dependencies").map_or(&[][..], Node::entries) {
            let range = range.scalar().unwrap_or_default();
            // Older versions leave out that a range is one of the registry.
            let found = by_pattern
                .get(format!("{name}@{range}").as_str())
                .or_else(|| by_pattern.get(format!("{name}@npm:{range}").as_str()));
            match (one, found) {
                (Some(one), Some(other)) => draft.needs(one, *other)?,
                (None, Some(other)) if heading != "__metadata" => draft.root(*other)?,
                _ => {}
            }
        }
    }
    draft.mark_direct();
    Ok(draft.finish())
}
