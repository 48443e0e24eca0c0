//! One layer: a tar, plain or compressed, streamed.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::Blobs;
use super::manifest::hex;
use super::tree::{Tree, Want};
use crate::read_error::ReadError;
use crate::{elf, limits, program, tarball};

/// What all layers together may cost.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    entries: u64,
    bytes: u64,
}

/// Hard links to files that nobody wanted by their own name: what is linked → the names that are wanted.
type Links = HashMap<String, Vec<String>>;

/// Reads a layer into the tree.
///
/// - errors: it is not there, damaged, not what its digest says, or goes beyond a bound.
pub(crate) fn read(
    label: &str,
    blob: &str,
    blobs: &mut dyn Blobs,
    tree: &mut Tree,
    budget: &mut Budget,
) -> Result<(), ReadError> {
    let label = format!("{label}/{blob}");
    tree.begin_layer();
    let mut links = Links::new();
    pass(&label, blob, blobs, budget, |item| {
        entry(&label, item, tree, &mut links)
    })?;
    if !links.is_empty() {
        // What is linked came before, under a name that says nothing; it takes a second look.
        pass(&label, blob, blobs, budget, |item| {
            let Some(names) = links.remove(&item.name).filter(|_| item.kind.is_file()) else {
                return Ok(());
            };
            let bytes = tarball::contents(&label, item.entry, limits::IMAGE_FILE_BYTES)?;
            for name in names {
                let want = Want::of(&name);
                tree.put(&label, &name, want, &bytes)?;
            }
            Ok(())
        })?;
    }
    tree.end_layer();
    Ok(())
}

type Item<'i, 'a, 'b> = tarball::Item<'i, 'a, Unpacked<'b>>;

/// Visits all entries of a layer.
fn pass(
    label: &str,
    blob: &str,
    blobs: &mut dyn Blobs,
    budget: &mut Budget,
    mut visit: impl FnMut(Item<'_, '_, '_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let fail = |error: io::Error| ReadError::whole(label, error.to_string());
    let opened = blobs.open(blob).map_err(fail)?;
    let reader = opened.ok_or_else(|| ReadError::whole(label, "this layer is not there"))?;
    let digest = Rc::new(Cell::new(None));
    let reader = Packed {
        reader,
        hash: Some(Sha256::new()),
        read: Rc::default(),
        digest: Rc::clone(&digest),
    };
    let mut archive = tar::Archive::new(Unpacked::new(reader, budget.bytes).map_err(fail)?);
    tarball::each(label, archive.entries(), &mut budget.entries, |item| {
        visit(item)
    })?;
    let mut rest = archive.into_inner();
    // To the end, behind the archive's: the digest is of all bytes.
    io::copy(&mut rest, &mut io::sink()).map_err(fail)?;
    budget.bytes = rest.out;
    rest.finish().map_err(fail)?;
    if let (Some(expected), Some(digest)) = (blob.strip_prefix("blobs/sha256/"), digest.take())
        && expected != digest
    {
        return Err(ReadError::whole(
            label,
            "its content is not what its digest says",
        ));
    }
    Ok(())
}

fn entry(
    label: &str,
    mut item: Item<'_, '_, '_>,
    tree: &mut Tree,
    links: &mut Links,
) -> Result<(), ReadError> {
    let (folder, name) = item.name.rsplit_once('/').unwrap_or(("", &item.name));
    if name == ".wh..wh..opq" {
        tree.empty(folder);
        return Ok(());
    }
    if let Some(gone) = name.strip_prefix(".wh.") {
        // `.wh..wh.` begins the notes of a file system, which mean nothing here.
        if !gone.starts_with(".wh.") && !gone.is_empty() {
            tree.remove(&if folder.is_empty() {
                gone.to_owned()
            } else {
                format!("{folder}/{gone}")
            });
        }
        return Ok(());
    }
    if item.kind.is_dir() {
        tree.is_folder(&item.name);
        return Ok(());
    }
    tree.replace(&item.name);
    let want = Want::of(&item.name);
    if item.kind.is_hard_link() {
        let link = item
            .link
            .trim_start_matches("./")
            .trim_start_matches('/')
            .to_owned();
        if want != Want::Nothing && !tree.copy(label, &link, &item.name)? {
            tree.charge(label, link.len() + item.name.len())?;
            links.entry(link).or_default().push(item.name);
        }
        return Ok(());
    }
    if !item.kind.is_file() {
        return Ok(());
    }
    if let Some(why) = want.not_read() {
        return tree.unchecked(label, &item.name, why);
    }
    if want != Want::Nothing {
        return match tarball::contents(label, item.entry, limits::IMAGE_FILE_BYTES) {
            Ok(bytes) => tree.put(label, &item.name, want, &bytes),
            Err(error) => Err(ReadError::whole(
                label,
                format!("{}: {}", item.name, error.text),
            )),
        };
    }
    program_of(label, &mut item, tree)
}

/// A program may list what it was built from.
fn program_of(label: &str, item: &mut Item<'_, '_, '_>, tree: &mut Tree) -> Result<(), ReadError> {
    let is_runnable = item
        .entry
        .header()
        .mode()
        .is_ok_and(|mode| mode & 0o111 != 0);
    if !is_runnable || item.entry.size() < 64 {
        return Ok(());
    }
    let fail = |error: io::Error| ReadError::whole(label, error.to_string());
    let mut first = [0; 4];
    item.entry.read_exact(&mut first).map_err(fail)?;
    if first != elf::MAGIC {
        return Ok(());
    }
    if item.entry.size() > limits::PROGRAM_BYTES {
        return tree.unchecked(
            label,
            &item.name,
            "a program that is too large to be searched for a list of what it was built from",
        );
    }
    let mut bytes = first.to_vec();
    item.entry.read_to_end(&mut bytes).map_err(fail)?;
    match program::read(&item.name, &bytes) {
        Ok(Some(inventory)) => tree.put_crates(label, &item.name, inventory),
        Ok(None) => Ok(()),
        Err(error) => tree.unchecked(label, &item.name, &error.text),
    }
}

/// The bytes of a layer as they are stored, counted and hashed.
struct Packed<'b> {
    reader: Box<dyn Read + 'b>,
    hash: Option<Sha256>,
    read: Rc<Cell<u64>>,
    digest: Rc<Cell<Option<String>>>,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        if count == 0
            && !buffer.is_empty()
            && let Some(hash) = self.hash.take()
        {
            self.digest.set(Some(hex(&hash.finalize())));
        }
        Ok(count)
    }
}

/// The bytes of a layer's tar, within the bounds.
struct Unpacked<'b> {
    packed: Rc<Cell<u64>>,
    reader: Decoder<'b>,
    /// What this layer gave so far, and what all layers gave.
    own: u64,
    out: u64,
}

enum Decoder<'b> {
    Plain(BufReader<Packed<'b>>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Packed<'b>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Packed<'b>>>>),
}

impl<'b> Unpacked<'b> {
    fn new(packed: Packed<'b>, out: u64) -> io::Result<Self> {
        let read = Rc::clone(&packed.read);
        let mut reader = BufReader::with_capacity(64 << 10, packed);
        let start = reader.fill_buf()?;
        let reader = if start.starts_with(&[0x1f, 0x8b]) {
            Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(reader)))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Decoder::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(reader)?))
        } else {
            Decoder::Plain(reader)
        };
        Ok(Self {
            packed: read,
            reader,
            own: 0,
            out,
        })
    }

    /// Takes what may lie behind the compressed stream.
    fn finish(self) -> io::Result<()> {
        let mut packed = match self.reader {
            Decoder::Plain(reader) => reader,
            Decoder::Gzip(reader) => reader.into_inner(),
            Decoder::Zstd(reader) => reader.finish(),
        };
        io::copy(&mut packed, &mut io::sink()).map(|_| ())
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.reader {
            Decoder::Plain(reader) => reader.read(buffer)?,
            Decoder::Gzip(reader) => reader.read(buffer)?,
            Decoder::Zstd(reader) => reader.read(buffer)?,
        };
        self.own += count as u64;
        self.out += count as u64;
        if self.own > limits::RATIO_FREE_BYTES && self.own / limits::RATIO > self.packed.get() {
            let ratio = limits::RATIO;
            return Err(io::Error::other(format!(
                "it unpacks to more than {ratio} times its size"
            )));
        }
        if self.out > limits::IMAGE_BYTES {
            let max = limits::IMAGE_BYTES >> 30;
            return Err(io::Error::other(format!(
                "the layers unpack to more than {max} GiB"
            )));
        }
        Ok(count)
    }
}
