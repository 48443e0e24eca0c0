//! SPDX 2.2 and 2.3.

use std::collections::{HashMap, HashSet};

use crate::draft::Draft;
use crate::purl;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;

pub(crate) fn read(
    source: Source<'_>,
    root: &Node<'_>,
    draft: &mut Draft<'_>,
) -> Result<(), ReadError> {
    let version = root.text_of("spdxVersion").unwrap_or("?");
    if !version.starts_with("SPDX-2.") {
        let shown: String = version.chars().take(40).collect();
        return Err(source.error(
            root.at,
            format!("{shown:?} is not read; SPDX 2.2 and 2.3 are"),
        ));
    }
    let relationships = relationships(root);
    let described = described(root, &relationships);
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for package in root.get("packages").map_or(&[][..], Node::items) {
        let id = package.text_of("SPDXID").unwrap_or_default();
        if described.contains(id) {
            continue;
        }
        let name = package.text_of("name").unwrap_or("?");
        match purl_of(package).map(purl::read) {
            Some(Ok(mut component)) => {
                if component.version.is_none() {
                    component.version = package.text_of("versionInfo").map(str::to_owned);
                }
                let path = package
                    .text_of("packageFileName")
                    .filter(|path| *path != "NOASSERTION");
                component.path = path.unwrap_or_default().to_owned();
                by_id.insert(id, draft.add(package.at, component)?);
            }
            Some(Err(why)) => {
                draft.unchecked(name, format!("its purl is not understood: {why}"));
            }
            None => draft.unchecked(name, "a package without a purl"),
        }
    }
    let mut dev = HashSet::new();
    for (one, kind, other) in relationships {
        let (one, other, is_dev) = match kind {
            "DEPENDS_ON" => (one, other, false),
            "DEPENDENCY_OF" | "RUNTIME_DEPENDENCY_OF" | "OPTIONAL_DEPENDENCY_OF" => {
                (other, one, false)
            }
            "DEV_DEPENDENCY_OF" | "TEST_DEPENDENCY_OF" | "BUILD_DEPENDENCY_OF" => {
                (other, one, true)
            }
            _ => continue,
        };
        let Some(needed) = by_id.get(other).copied() else {
            continue;
        };
        if is_dev {
            dev.insert(needed);
        } else {
            dev.remove(&needed);
        }
        match by_id.get(one) {
            Some(one) => draft.needs(*one, needed)?,
            None if described.contains(one) => draft.root(needed)?,
            None => {}
        }
    }
    for index in dev {
        draft.components()[index].is_dev = true;
    }
    draft.mark_direct();
    Ok(())
}

fn relationships<'n>(root: &'n Node<'_>) -> Vec<(&'n str, &'n str, &'n str)> {
    let all = root
        .get("relationships")
        .map_or(&[][..], Node::items)
        .iter();
    all.filter_map(|one| {
        Some((
            one.text_of("spdxElementId")?,
            one.text_of("relationshipType")?,
            one.text_of("relatedSpdxElement")?,
        ))
    })
    .collect()
}

/// What the document is about, which is the subject and no component of it. A document that is about several packages
/// is a plain list of them.
fn described<'n>(
    root: &'n Node<'_>,
    relationships: &[(&'n str, &'n str, &'n str)],
) -> HashSet<&'n str> {
    let named = root
        .get("documentDescribes")
        .into_iter()
        .flat_map(Node::names);
    let related = relationships
        .iter()
        .filter(|(one, kind, _)| *one == "SPDXRef-DOCUMENT" && *kind == "DESCRIBES")
        .map(|(.., other)| *other);
    let described: HashSet<&str> = named.chain(related).collect();
    if described.len() == 1 {
        described
    } else {
        HashSet::new()
    }
}

fn purl_of<'n>(package: &'n Node<'_>) -> Option<&'n str> {
    let refs = package.get("externalRefs").map_or(&[][..], Node::items);
    let purl = refs
        .iter()
        .find(|one| one.text_of("referenceType") == Some("purl"))?;
    purl.text_of("referenceLocator")
}
