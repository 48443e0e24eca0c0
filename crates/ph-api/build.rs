//! Puts the files of the web console into the crate: those of `console/dist` that `npm run build` has written
//! and compressed. Without them the table is empty, and the page says how to build the console.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let dist = folder("CARGO_MANIFEST_DIR")?.join("../../console/dist");
    let out = folder("OUT_DIR")?;
    // The folder is always there, or cargo would run this again and again.
    writeln!(
        io::stdout(),
        "cargo::rerun-if-changed={}\ncargo::rerun-if-changed=build.rs",
        dist.display()
    )?;
    let mut files = BTreeMap::new();
    if dist.is_dir() {
        look(&dist, "", DEPTH_MAX, &mut files)?;
    }
    let mut text = String::from("&[\n");
    for (number, (name, place)) in files.iter().enumerate() {
        // A copy, so that a console that is built meanwhile does not matter.
        let bytes = fs::read(place)?;
        let hash = fnv1a(&bytes);
        fs::write(out.join(format!("console-{number}.gz")), bytes)?;
        writeln!(
            text,
            "File {{ name: {name:?}, tag: \"\\\"{hash:016x}\\\"\", gzip: \
             include_bytes!(concat!(env!(\"OUT_DIR\"), \"/console-{number}.gz\")) }},"
        )?;
    }
    text.push_str("]\n");
    fs::write(out.join("console_files.rs"), text)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "cargo says it in no other way")]
fn folder(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("cargo did not say {name}"))
}

/// The compressed files below `folder`, by the name without `.gz`.
fn look(
    folder: &Path,
    above: &str,
    depth: usize,
    files: &mut BTreeMap<String, PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            look(&entry.path(), &format!("{above}{name}/"), depth - 1, files)?;
        } else if let (true, Some(name)) = (kind.is_file(), name.strip_suffix(".gz")) {
            files.insert(format!("{above}{name}"), entry.path());
        }
    }
    Ok(())
}

/// Tells one content from another; nothing rests on nobody being able to forge it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
