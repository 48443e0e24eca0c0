//! Which layers an image has.

use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256};

use super::Blobs;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};
use crate::{Unchecked, limits};

/// Bytes of an index, a manifest.
const BYTES: u64 = 8 << 20;
/// Indices in one another: a layout that holds an image of several platforms has two.
const INDICES: usize = 4;

/// An image's layers, the lowest first.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) name: Option<String>,
    pub(crate) digest: Option<String>,
    pub(crate) layers: Vec<String>,
    pub(crate) unchecked: Vec<Unchecked>,
}

/// Reads `index.json` of the OCI layout, else `manifest.json` of `docker save`.
///
/// - errors: neither is there, or one is not what it has to be.
pub(crate) fn read(label: &str, blobs: &mut dyn Blobs) -> Result<Manifest, ReadError> {
    if let Some(bytes) = blob(label, "index.json", blobs)? {
        return of_layout(label, bytes, blobs);
    }
    match blob(label, "manifest.json", blobs)? {
        Some(bytes) => of_docker(label, &bytes),
        None => Err(ReadError::whole(
            label,
            "no image: neither `index.json` (OCI layout) nor `manifest.json` (docker save) is in it",
        )),
    }
}

fn of_docker(label: &str, bytes: &[u8]) -> Result<Manifest, ReadError> {
    let file = format!("{label}/manifest.json");
    let source = Source::of(&file, bytes)?;
    let root = json::read(source, Dialect::Json)?;
    let [first, others @ ..] = root.items() else {
        return Err(source.error(root.at, "no image in it"));
    };
    let name_of = |image: &Node<'_>| {
        let tags = image.get("RepoTags").map_or(&[][..], Node::items);
        tags.first().and_then(Node::text).map(str::to_owned)
    };
    let mut manifest = Manifest {
        name: name_of(first),
        digest: first.text_of("Config").and_then(config_digest),
        ..Manifest::default()
    };
    for layer in first.get("Layers").map_or(&[][..], Node::items) {
        let name = layer.text().filter(|name| is_inner(name));
        let name = name.ok_or_else(|| source.error(layer.at, "no name of a layer"))?;
        manifest.layers.push(name.to_owned());
    }
    for (index, image) in others.iter().take(limits::UNCHECKED).enumerate() {
        manifest.unchecked.push(Unchecked {
            what: name_of(image).unwrap_or_else(|| format!("image {}", index + 2)),
            why: "the archive holds several images; the first one was looked at".to_owned(),
        });
    }
    bounded(source, &root, manifest)
}

/// `sha256:…` of `blobs/sha256/…` or of `….json`.
fn config_digest(config: &str) -> Option<String> {
    let name = config.rsplit('/').next()?;
    let hex = name.strip_suffix(".json").unwrap_or(name);
    let is_digest = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then(|| format!("sha256:{hex}"))
}

fn of_layout(label: &str, bytes: Vec<u8>, blobs: &mut dyn Blobs) -> Result<Manifest, ReadError> {
    let mut manifest = Manifest::default();
    let mut file = format!("{label}/index.json");
    let mut bytes = bytes;
    for _ in 0..INDICES {
        let source = Source::of(&file, &bytes)?;
        let root = json::read(source, Dialect::Json)?;
        let Some(images) = root.get("manifests") else {
            for layer in root.get("layers").map_or(&[][..], Node::items) {
                let kind = layer.text_of("mediaType").unwrap_or_default();
                if kind.contains("encrypted") {
                    return Err(source.error(layer.at, "an encrypted layer"));
                }
                manifest.layers.push(blob_name(source, layer)?);
            }
            return bounded(source, &root, manifest);
        };
        let chosen = chosen(images, &mut manifest.unchecked)
            .ok_or_else(|| source.error(images.at, "no image in it"))?;
        let annotation = |key: &str| chosen.get("annotations").and_then(|all| all.text_of(key));
        let name = annotation("io.containerd.image.name")
            .or_else(|| annotation("org.opencontainers.image.ref.name"));
        manifest.name = manifest.name.or_else(|| name.map(str::to_owned));
        manifest.digest = chosen.text_of("digest").map(str::to_owned);
        let name = blob_name(source, chosen)?;
        let found = blob(label, &name, blobs)?;
        let next =
            found.ok_or_else(|| source.error(chosen.at, format!("`{name}` is not there")))?;
        file = format!("{label}/{name}");
        bytes = next;
    }
    Err(ReadError::whole(
        &file,
        format!("more than {INDICES} indices in one another"),
    ))
}

/// The image of linux/amd64, else the first. What signs or describes an image is none.
fn chosen<'n, 't>(images: &'n Node<'t>, unchecked: &mut Vec<Unchecked>) -> Option<&'n Node<'t>> {
    let of = |image: &'n Node<'t>, key: &str| {
        let value = image
            .get("platform")
            .and_then(|platform| platform.text_of(key));
        value.unwrap_or_default().to_owned()
    };
    let images: Vec<_> = images
        .items()
        .iter()
        .filter(|image| of(image, "os") != "unknown")
        .collect();
    let is_usual = |image: &&&Node<'_>| of_platform(image) == ("linux", "amd64");
    let chosen = images.iter().find(is_usual).or(images.first()).copied()?;
    for image in images {
        if !std::ptr::eq(image, chosen) && unchecked.len() < limits::UNCHECKED {
            let (os, arch) = (of(image, "os"), of(image, "architecture"));
            unchecked.push(Unchecked {
                what: format!("the image for {os}/{arch}"),
                why: "of several images one is looked at".to_owned(),
            });
        }
    }
    Some(chosen)
}

fn of_platform<'n>(image: &'n Node<'_>) -> (&'n str, &'n str) {
    let Some(platform) = image.get("platform") else {
        return ("", "");
    };
    let of = |key| platform.text_of(key).unwrap_or_default();
    (of("os"), of("architecture"))
}

/// The file of a descriptor: `blobs/ALGORITHM/HEX` of its digest.
fn blob_name(source: Source<'_>, descriptor: &Node<'_>) -> Result<String, ReadError> {
    let digest = descriptor
        .text_of("digest")
        .and_then(|digest| digest.split_once(':'));
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match digest {
        Some((algorithm, hex)) if is_word(algorithm) && is_word(hex) => {
            Ok(format!("blobs/{algorithm}/{hex}"))
        }
        _ => Err(source.error(descriptor.at, "`digest` has to be `sha256:…`")),
    }
}

fn is_inner(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| part != "..")
}

fn bounded(source: Source<'_>, root: &Node<'_>, manifest: Manifest) -> Result<Manifest, ReadError> {
    if manifest.layers.len() > limits::LAYERS {
        let max = limits::LAYERS;
        return Err(source.error(root.at, format!("more than {max} layers")));
    }
    Ok(manifest)
}

/// A small file, checked against the digest that it is named by.
fn blob(label: &str, name: &str, blobs: &mut dyn Blobs) -> Result<Option<Vec<u8>>, ReadError> {
    let file = || format!("{label}/{name}");
    let fail = |error: io::Error| ReadError::whole(&file(), error.to_string());
    let Some(reader) = blobs.open(name).map_err(fail)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    reader
        .take(BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > BYTES {
        return Err(ReadError::whole(
            &file(),
            format!("larger than {} MiB", BYTES >> 20),
        ));
    }
    if let Some(expected) = name.strip_prefix("blobs/sha256/") {
        let digest = hex(&Sha256::digest(&bytes));
        if digest != expected {
            return Err(ReadError::whole(
                &file(),
                "its content is not what its digest says",
            ));
        }
    }
    Ok(Some(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
