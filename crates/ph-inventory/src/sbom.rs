//! SBOMs that others wrote: CycloneDX and SPDX in JSON.

mod cyclonedx;
mod spdx;

use crate::Inventory;
use crate::draft::Draft;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};

/// Reads an SBOM of any name.
///
/// None: not a JSON object, or one that is neither CycloneDX nor SPDX.
///
/// - errors: not JSON, a version of SPDX that is not known, or beyond a bound ([`crate::limits`]).
pub fn read(path: &str, bytes: &[u8]) -> Result<Option<Inventory>, ReadError> {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if start.trim_ascii_start().first() != Some(&b'{') {
        return Ok(None);
    }
    let source = Source::of(path, bytes)?;
    let root = json::read(source, Dialect::Json)?;
    of_tree(source, &root)
}

/// Reads an SBOM that its name promises.
pub(crate) fn named(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = json::read(source, Dialect::Json)?;
    let inventory = of_tree(source, &root)?;
    inventory.ok_or_else(|| {
        let text = "no SBOM: neither `bomFormat` (CycloneDX) nor `spdxVersion` (SPDX) is there";
        source.error(root.at, text)
    })
}

/// Whether a file of this name is an SBOM.
pub(crate) fn is_named(name: &str) -> bool {
    let ends = [
        ".cdx.json",
        ".cyclonedx.json",
        ".spdx.json",
        "bom.json",
        "sbom.json",
    ];
    ends.iter().any(|end| name.ends_with(end))
}

fn of_tree(source: Source<'_>, root: &Node<'_>) -> Result<Option<Inventory>, ReadError> {
    let mut draft = Draft::new(source);
    if root.text_of("bomFormat") == Some("CycloneDX") {
        cyclonedx::read(root, &mut draft)?;
    } else if root.get("spdxVersion").is_some() {
        spdx::read(source, root, &mut draft)?;
    } else if root
        .text_of("@context")
        .is_some_and(|context| context.contains("spdx.org/rdf/3"))
    {
        let text = "SPDX 3 is not read; 2.2 and 2.3 are";
        return Err(source.error(root.at, text));
    } else {
        return Ok(None);
    }
    Ok(Some(draft.finish()))
}
