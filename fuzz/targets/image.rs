//! Images and programs: any archive, any entries of layers and any program are read or refused, and no name leads out.
#![no_main]

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use libfuzzer_sys::fuzz_target;
use ph_inventory::image::{self, Archive, Blobs};
use ph_inventory::{Inventory, program};

struct Layers(HashMap<String, Vec<u8>>);

impl Blobs for Layers {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        assert!(
            !name.starts_with('/') && !name.split('/').any(|part| part == ".."),
            "{name}"
        );
        Ok(self
            .0
            .get(name)
            .map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read>))
    }
}

fuzz_target!(|input: &[u8]| {
    if let Ok(mut archive) = Archive::new("a", Cursor::new(input)) {
        let _ = image::read("a", &mut archive);
    }
    if let Ok(Some(inventory)) = program::read("p", input) {
        judge(&inventory);
    }
    // Raw bytes as a layer, and as the layout's own files.
    let mut layers = Layers(HashMap::new());
    let manifest = r#"[{"Layers": ["raw", "made"]}]"#;
    layers
        .0
        .insert("manifest.json".to_owned(), manifest.as_bytes().to_vec());
    layers.0.insert("raw".to_owned(), input.to_vec());
    layers.0.insert("made".to_owned(), made(input));
    let _ = image::read("raw", &mut layers);
    layers.0.insert("raw".to_owned(), Vec::new());
    if let Ok(image) = image::read("made", &mut layers) {
        judge(&image.inventory);
    }
    layers.0.insert("index.json".to_owned(), input.to_vec());
    let _ = image::read("index", &mut layers);
});

/// A layer: each line of the input is an entry, its first byte the kind, then the name, a tab and the content.
fn made(input: &[u8]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    for line in input.split(|byte| *byte == b'\n').take(64) {
        let Some((kind, rest)) = line.split_first() else {
            continue;
        };
        let mut parts = rest.splitn(2, |byte| *byte == b'\t');
        let name = parts.next().unwrap_or_default();
        // Lines of the content end with a form feed, since those of the layer end with a line feed.
        let content = parts.next().unwrap_or_default();
        let content: Vec<u8> = content
            .iter()
            .map(|b| if *b == b'\x0c' { b'\n' } else { *b })
            .collect();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(*kind));
        let is_link = matches!(kind, b'1' | b'2');
        header.set_size(if is_link { 0 } else { content.len() as u64 });
        header.set_mode(0o755);
        let old = header.as_old_mut();
        let length = name.len().min(old.name.len());
        old.name[..length].copy_from_slice(&name[..length]);
        if is_link {
            let length = content.len().min(old.linkname.len());
            old.linkname[..length].copy_from_slice(&content[..length]);
        }
        header.set_cksum();
        let content = if is_link { &[][..] } else { &content[..] };
        layer.append(&header, content).expect("in memory");
    }
    layer.into_inner().expect("in memory")
}

fn judge(inventory: &Inventory) {
    for component in &inventory.components {
        assert!(
            component
                .needed_by
                .iter()
                .all(|by| *by < inventory.components.len())
        );
        assert!(
            !component.path.starts_with('/') && !component.path.split('/').any(|part| part == "..")
        );
    }
}
