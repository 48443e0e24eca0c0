//! Records, archives and folders to test with.

use ph_advisories::{Mirror, State};
use ph_inventory::Ecosystem;
use std::io::{Cursor, Write as _};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A record that names one package.
pub(crate) fn record(id: &str, ecosystem: &str, name: &str, modified: &str) -> String {
    format!(
        r#"{{"schema_version": "1.7.0", "id": "{id}", "modified": "{modified}", "summary": "s of {id}",
            "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "{name}"}},
                "ranges": [{{"type": "SEMVER", "events": [{{"introduced": "0"}}, {{"fixed": "1.2.3"}}]}}]}}]}}"#
    )
}

/// An archive as it is made by others.
pub(crate) fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    archive_of(entries, CompressionMethod::Deflated, false)
}

pub(crate) fn archive_of(
    entries: &[(&str, &str)],
    method: CompressionMethod,
    is_large: bool,
) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .large_file(is_large);
    for (name, content) in entries {
        writer.start_file(*name, options).expect("a fit world");
        writer.write_all(content.as_bytes()).expect("a fit world");
    }
    writer.finish().expect("a fit world").into_inner()
}

/// A dump of npm: records with these ids and times, each of the package `p-ID`.
pub(crate) fn npm_dump(records: &[(&str, &str)]) -> Vec<u8> {
    let records: Vec<_> = records
        .iter()
        .map(|(id, modified)| (format!("{id}.json"), npm_record(id, modified)))
        .collect();
    let entries: Vec<_> = records
        .iter()
        .map(|(n, r)| (n.as_str(), r.as_str()))
        .collect();
    archive(&entries)
}

pub(crate) fn npm_record(id: &str, modified: &str) -> String {
    record(id, "npm", &format!("p-{id}"), modified)
}

/// The ids of the records of a package.
pub(crate) fn ids(folder: &Path, ecosystem: &str, name: &str) -> Vec<String> {
    let mirror = Mirror::open(folder).expect("a fit world");
    let records = mirror
        .records(&Ecosystem::from_osv(ecosystem), name)
        .expect("a fit world");
    let id = |record: Vec<u8>| {
        let record: serde_json::Value = serde_json::from_slice(&record).expect("a fit world");
        record["id"].as_str().expect("a fit world").to_owned()
    };
    records.into_iter().map(id).collect()
}

pub(crate) fn state(folder: &Path, ecosystem: &str) -> State {
    let mirror = Mirror::open(folder).expect("a fit world");
    let state = mirror.state().of_ecosystem(&Ecosystem::from_osv(ecosystem));
    state.expect("a fit world").clone()
}
