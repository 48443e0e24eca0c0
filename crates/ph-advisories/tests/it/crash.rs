//! What a crash or another process leaves.

use crate::world::{ids, npm_record, state};
use ph_advisories::{FolderError, ImportError, Mirror, import};
use ph_inventory::Ecosystem;
use std::fs::{self, File};
use std::time::SystemTime;
use tempfile::TempDir;

#[test]
fn half_written_files_are_not_read_and_go() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = from.path().join("a.json");
    fs::write(&file, npm_record("GHSA-1", "2026-01-01T00:00:00Z")).unwrap();
    import(to.path(), std::slice::from_ref(&file), SystemTime::now()).unwrap();
    fs::write(to.path().join("npm-half.sqlite"), "SQLite format 3\0half").unwrap();
    fs::write(to.path().join("npm-half.sqlite-journal"), "half").unwrap();
    fs::write(to.path().join("mirror.json.new"), "{").unwrap();
    assert_eq!(ids(to.path(), "npm", "p-GHSA-1"), ["GHSA-1"]);

    let open = Mirror::open(to.path()).unwrap();
    fs::write(&file, npm_record("GHSA-2", "2026-01-01T00:00:00Z")).unwrap();
    import(to.path(), std::slice::from_ref(&file), SystemTime::now()).unwrap();
    let names = fs::read_dir(to.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let indexes = names.filter(|name| name.contains(".sqlite")).count();
    assert_eq!(indexes, 1);
    assert_eq!(state(to.path(), "npm").records, 2);
    // Who reads goes on reading what was there.
    assert_eq!(open.records(&Ecosystem::Npm, "p-GHSA-1").unwrap().len(), 1);
    assert_eq!(open.records(&Ecosystem::Npm, "p-GHSA-2").unwrap().len(), 0);
}

#[test]
fn two_that_change_it_do_not_meet() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = from.path().join("a.json");
    fs::write(&file, npm_record("GHSA-1", "2026-01-01T00:00:00Z")).unwrap();
    fs::create_dir_all(to.path()).unwrap();
    let held = File::create(to.path().join("lock")).unwrap();
    held.lock().unwrap();
    let taken = import(to.path(), std::slice::from_ref(&file), SystemTime::now());
    assert!(matches!(
        taken,
        Err(ImportError::Folder(FolderError::Taken(_)))
    ));
    drop(held);
    import(to.path(), &[file], SystemTime::now()).unwrap();
}

#[test]
fn a_damaged_folder_says_so() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = from.path().join("a.json");
    fs::write(&file, npm_record("GHSA-1", "2026-01-01T00:00:00Z")).unwrap();
    import(to.path(), &[file], SystemTime::now()).unwrap();
    let list = to.path().join("mirror.json");
    let text = fs::read_to_string(&list).unwrap();
    for (bad, want) in [
        ("{".to_owned(), "is damaged"),
        (
            text.replace("\"version\": 1", "\"version\": 2"),
            "it is of version 2",
        ),
        (text.replace("\"npm-", "\"../npm-"), "is no file of ours"),
        (text.replace("\"npm-", "\"gone-"), "unable to open"),
    ] {
        fs::write(&list, bad).unwrap();
        let error = Mirror::open(to.path()).err().unwrap().to_string();
        assert!(error.contains(want), "{error}");
    }
}
