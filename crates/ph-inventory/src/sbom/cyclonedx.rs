//! CycloneDX, any 1.x: components, also within one another, and who depends on whom.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::purl::{self, Distribution};
use crate::read_error::ReadError;
use crate::text::Node;
use crate::{Component, Ecosystem};

/// Kinds of components that hold no code of a package.
const NO_PACKAGES: &[&str] = &[
    "file",
    "operating-system",
    "device",
    "data",
    "cryptographic-asset",
];

pub(crate) fn read(root: &Node<'_>, draft: &mut Draft<'_>) -> Result<(), ReadError> {
    let mut found = Found {
        by_ref: HashMap::new(),
        distribution: distribution(root),
    };
    let components = root.get("components").map_or(&[][..], Node::items);
    found.add(components, draft)?;
    let subject = root
        .get("metadata")
        .and_then(|metadata| metadata.get("component"));
    if let Some(subject) = subject {
        found.add(
            subject.get("components").map_or(&[][..], Node::items),
            draft,
        )?;
    }
    let subject = subject.and_then(|subject| subject.text_of("bom-ref"));
    for dependency in root.get("dependencies").map_or(&[][..], Node::items) {
        let from = dependency.text_of("ref");
        let one = from.and_then(|from| found.by_ref.get(from).copied());
        for other in dependency
            .get("dependsOn")
            .into_iter()
            .flat_map(Node::names)
        {
            let Some(other) = found.by_ref.get(other).copied() else {
                continue;
            };
            match one {
                Some(one) => draft.needs(one, other)?,
                None if from == subject => draft.root(other)?,
                None => {}
            }
        }
    }
    draft.mark_direct();
    Ok(())
}

/// What was found so far.
struct Found<'n> {
    by_ref: HashMap<&'n str, usize>,
    distribution: Option<Distribution>,
}

impl<'n> Found<'n> {
    fn add<'t>(
        &mut self,
        components: &'n [Node<'t>],
        draft: &mut Draft<'_>,
    ) -> Result<(), ReadError> {
        for entry in components {
            let name = entry.text_of("name").unwrap_or("?");
            let kind = entry.text_of("type").unwrap_or_default();
            match entry.text_of("purl").map(purl::read) {
                Some(Ok(component)) => {
                    let component = self.completed(component, entry);
                    let index = draft.add(entry.at, component)?;
                    if let Some(bom_ref) = entry.text_of("bom-ref") {
                        self.by_ref.insert(bom_ref, index);
                    }
                }
                Some(Err(why)) => {
                    draft.unchecked(name, format!("its purl is not understood: {why}"));
                }
                None if NO_PACKAGES.contains(&kind) => {}
                None => draft.unchecked(name, format!("a component ({kind}) without a purl")),
            }
            self.add(entry.get("components").map_or(&[][..], Node::items), draft)?;
        }
        Ok(())
    }

    /// What stands beside the purl: versions, and what Trivy, Syft, npm and we write as properties.
    fn completed(&self, mut component: Component, entry: &Node<'_>) -> Component {
        let property = |name: &str| {
            let mut properties = entry.get("properties").map_or(&[][..], Node::items).iter();
            let found = properties.find(|property| property.text_of("name") == Some(name));
            found
                .and_then(|property| property.text_of("value"))
                .map(str::to_owned)
        };
        if let Some(distribution) = &self.distribution {
            distribution.complete(&mut component.ecosystem);
        }
        if let Some(name) = entry
            .text_of("name")
            .filter(|_| component.ecosystem == Ecosystem::Npm)
        {
            keep_case(&mut component.name, name);
        }
        if component.version.is_none() {
            component.version = entry.text_of("version").map(str::to_owned);
        }
        if let Some(source) = property("aquasecurity:trivy:SrcName") {
            component.source_name = Some(source).filter(|source| *source != component.name);
            component.source_version = trivy_version(property);
        }
        let path = [
            "pilothouse:path",
            "cdx:npm:package:path",
            "aquasecurity:trivy:FilePath",
            "syft:location:0:path",
        ]
        .iter()
        .find_map(|name| property(name));
        component.path = path.unwrap_or_default();
        let is_dev = property("cdx:npm:package:development");
        component.is_dev =
            entry.text_of("scope") == Some("excluded") || is_dev.as_deref() == Some("true");
        component
    }
}

/// A purl of npm is lower case; old packages are not (`JSONStream`), and another package has the name in lower case.
fn keep_case(name: &mut String, written: &str) {
    if let Some(at) = name.len().checked_sub(written.len())
        && name.is_char_boundary(at)
        && name[at..].eq_ignore_ascii_case(written)
    {
        name.replace_range(at.., written);
    }
}

/// Trivy writes the parts of the source package's version apart.
fn trivy_version(property: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut version = property("aquasecurity:trivy:SrcVersion")?;
    if let Some(release) = property("aquasecurity:trivy:SrcRelease") {
        version = format!("{version}-{release}");
    }
    match property("aquasecurity:trivy:SrcEpoch") {
        Some(epoch) => Some(format!("{epoch}:{version}")),
        None => Some(version),
    }
}

/// The distribution that the SBOM names as a component of its own.
fn distribution(root: &Node<'_>) -> Option<Distribution> {
    let components = root.get("components").map_or(&[][..], Node::items);
    let system = components
        .iter()
        .find(|entry| entry.text_of("type") == Some("operating-system"))?;
    Some(Distribution::new(
        system.text_of("name")?,
        system.text_of("version")?,
    ))
}

#[cfg(test)]
mod tests {
    use crate::{Component, Inventory, sbom};

    fn read(text: &str) -> Inventory {
        sbom::read("image.cdx.json", text.as_bytes())
            .unwrap()
            .unwrap()
    }

    fn shown(c: &Component) -> String {
        format!(
            "{} {} {} {:?} {:?} {}",
            c.ecosystem,
            c.name,
            c.version.as_deref().unwrap_or("?"),
            c.source_name,
            c.source_version,
            c.path
        )
    }

    #[test]
    fn what_stands_beside_the_purl_counts() {
        let text = r#"{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
          {"type": "operating-system", "name": "debian", "version": "12.5"},
          {"type": "library", "name": "libgcc-s1", "version": "12.2.0-14", "bom-ref": "a",
           "purl": "pkg:deb/debian/libgcc-s1@12.2.0-14?arch=amd64",
           "properties": [{"name": "aquasecurity:trivy:SrcName", "value": "gcc-12"},
                          {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"},
                          {"name": "aquasecurity:trivy:SrcVersion", "value": "12.2.0"},
                          {"name": "aquasecurity:trivy:SrcRelease", "value": "14"}]},
          {"type": "application", "name": "app", "components": [
            {"type": "library", "group": "", "name": "JSONStream", "version": "1.3.5", "purl": "pkg:npm/jsonstream@1.3.5",
             "bom-ref": "b",
             "properties": [{"name": "aquasecurity:trivy:FilePath", "value": "app/node_modules/JSONStream/package.json"}]},
            {"type": "library", "name": "odd", "purl": "npm/odd"}]},
          {"type": "file", "name": "/etc/passwd"}
        ], "dependencies": [{"ref": "a", "dependsOn": ["b", "gone"]}]}"#;
        let inventory = read(text);
        let lines: Vec<_> = inventory.components.iter().map(shown).collect();
        assert_eq!(
            lines,
            [
                r#"Debian:12 libgcc-s1 12.2.0-14 Some("gcc-12") Some("1:12.2.0-14") "#,
                "npm JSONStream 1.3.5 None None app/node_modules/JSONStream/package.json",
            ]
        );
        assert_eq!(inventory.components[1].needed_by, [0]);
        let unchecked: Vec<_> = inventory
            .unchecked
            .iter()
            .map(|u| u.what.as_str())
            .collect();
        assert_eq!(unchecked, ["app", "odd"]);
    }

    #[test]
    fn other_json_is_no_sbom() {
        assert_eq!(sbom::read("x.json", b"{}").unwrap(), None);
        assert_eq!(sbom::read("x.json", b"[]").unwrap(), None);
        assert_eq!(sbom::read("program", b"\x7fELF\xff").unwrap(), None);
        let error = sbom::read("x.json", b"{\"spdxVersion\": \"SPDX-3.0\"}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.json:1:1: \"SPDX-3.0\" is not read; SPDX 2.2 and 2.3 are"
        );
    }
}
