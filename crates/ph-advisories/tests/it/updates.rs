//! Advisories from a mirror, well and badly behaved.

use crate::server::{Fault, Server};
use crate::world::{archive, ids, npm_dump, npm_record, record, state};
use ph_advisories::{
    Bounds, Change, ListPlace, Mirror, UpdateError, UpdateOptions, Updated, import, update,
};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Builder;

fn at(hours: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000 + hours * 3_600)
}

fn options(server: &Server) -> UpdateOptions {
    UpdateOptions {
        mirror: server.url.clone(),
        ca_file: None,
        ecosystems: vec!["npm".to_owned()],
        kev: None,
        epss: None,
        is_forced: false,
        bounds: Bounds {
            quiet: Duration::from_millis(500),
            total: Duration::from_secs(20),
            pause: Duration::ZERO,
            archive_bytes_max: 4 << 20,
        },
    }
}

fn run(folder: &Path, options: &UpdateOptions, now: SystemTime) -> Updated {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("it can be tried");
    runtime
        .block_on(update(folder, options, now, &mut |_| {}))
        .expect("it can be tried")
}

/// The one change of npm.
fn npm(folder: &Path, options: &UpdateOptions, now: SystemTime) -> Result<Change, UpdateError> {
    run(folder, options, now).ecosystems.remove(0).1
}

#[track_caller]
fn fails(folder: &Path, options: &UpdateOptions, want: &str) {
    let error = npm(folder, options, at(9)).expect_err("it fails");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    assert!(text.contains(want), "{text}");
}

const DAY_1: &str = "2026-11-20T00:00:00Z";
const DAY_2: &str = "2026-11-21T00:00:00Z";

/// A mirror with two advisories, fetched once.
fn fetched() -> (Server, TempDir) {
    let (server, folder) = (Server::start(), TempDir::new().expect("it can be tried"));
    server.put(
        "/npm/all.zip",
        npm_dump(&[("GHSA-1", DAY_1), ("GHSA-2", DAY_2)]),
    );
    server.put(
        "/npm/modified_id.csv",
        format!("{DAY_2},GHSA-2\n{DAY_1},GHSA-1\n"),
    );
    let change = npm(folder.path(), &options(&server), at(0)).expect("it can be tried");
    assert!(matches!(change, Change::Whole { records: 2, .. }));
    server.asked();
    (server, folder)
}

#[test]
fn after_the_dump_only_what_has_changed_is_fetched() {
    let (server, folder) = fetched();
    let (folder, options) = (folder.path(), options(&server));
    assert_eq!(npm(folder, &options, at(1)).unwrap(), Change::None);
    assert_eq!(state(folder, "npm").as_of, at(1));
    let asked = server.asked();
    assert!(
        asked.len() == 1 && asked[0].starts_with("/npm/modified_id.csv if-none-match="),
        "{asked:?}"
    );

    server.put(
        "/npm/GHSA-3.json",
        npm_record("GHSA-3", "2026-11-22T00:00:00.123456789Z"),
    );
    server.put(
        "/npm/GHSA-1.json",
        record("GHSA-1", "npm", "renamed", "2026-11-22T00:00:00Z"),
    );
    let list = format!(
        "2026-11-22T00:00:00.123456789Z,GHSA-3\n2026-11-22T00:00:00Z,GHSA-1\n{DAY_2},GHSA-2\n2026-01-01T00:00:00Z,GHSA-0\n"
    );
    server.put("/npm/modified_id.csv", list);
    let change = npm(folder, &options, at(2)).unwrap();
    assert!(
        matches!(change, Change::Records { count: 2, .. }),
        "{change:?}"
    );
    let mut asked = server.asked();
    asked.sort();
    assert_eq!(asked[..2], ["/npm/GHSA-1.json", "/npm/GHSA-3.json"]);
    assert_eq!(ids(folder, "npm", "p-GHSA-3"), ["GHSA-3"]);
    assert_eq!(ids(folder, "npm", "renamed"), ["GHSA-1"]);
    assert_eq!(ids(folder, "npm", "p-GHSA-1"), [""; 0]);
    assert_eq!(
        (state(folder, "npm").records, state(folder, "npm").as_of),
        (3, at(2))
    );

    // Nothing of it is fetched again.
    let list = format!(
        "2026-11-22T00:00:00.123456789Z,GHSA-3\n2026-11-22T00:00:00Z,GHSA-1\n{DAY_2},GHSA-2\n"
    );
    server.put("/npm/modified_id.csv", list);
    assert_eq!(npm(folder, &options, at(3)).unwrap(), Change::None);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn what_has_gone_goes_with_the_next_dump_and_what_was_imported_stays() {
    let (server, folder) = fetched();
    let overlay = TempDir::new().unwrap();
    fs::write(
        overlay.path().join("LOCAL-1.json"),
        npm_record("LOCAL-1", DAY_1),
    )
    .unwrap();
    import(folder.path(), &[overlay.path().to_owned()], at(50)).unwrap();
    // Nothing that is fetched gets younger by it.
    assert_eq!(state(folder.path(), "npm").as_of, at(0));
    server.put(
        "/npm/all.zip",
        npm_dump(&[("GHSA-2", DAY_2), ("GHSA-9", DAY_2)]),
    );
    // A week later.
    let change = npm(folder.path(), &options(&server), at(24 * 8)).unwrap();
    assert!(
        matches!(change, Change::Whole { records: 3, .. }),
        "{change:?}"
    );
    assert_eq!(ids(folder.path(), "npm", "p-GHSA-1"), [""; 0]);
    assert_eq!(ids(folder.path(), "npm", "p-LOCAL-1"), ["LOCAL-1"]);
    // And once more, when the dump is still the same.
    server.asked();
    assert_eq!(
        npm(folder.path(), &options(&server), at(24 * 16)).unwrap(),
        Change::None
    );
    assert!(server.asked()[1].starts_with("/npm/all.zip if-none-match="));
}

#[test]
fn too_many_changes_are_fetched_in_one_piece() {
    let (server, folder) = fetched();
    let list: String = (0..1_100)
        .map(|n| format!("2026-11-22T00:00:00Z,GHSA-x{n}\n"))
        .collect();
    server.put("/npm/modified_id.csv", list);
    server.put(
        "/npm/all.zip",
        npm_dump(&[("GHSA-1", DAY_1), ("GHSA-2", DAY_2), ("GHSA-4", DAY_2)]),
    );
    let change = npm(folder.path(), &options(&server), at(1)).unwrap();
    assert!(
        matches!(change, Change::Whole { records: 3, .. }),
        "{change:?}"
    );
}

#[test]
fn a_list_that_names_what_is_not_there_is_not_believed() {
    let (server, folder) = fetched();
    server.put("/npm/modified_id.csv", "2026-11-22T00:00:00Z,GHSA-gone\n");
    server.put(
        "/npm/all.zip",
        npm_dump(&[("GHSA-1", DAY_1), ("GHSA-5", DAY_2)]),
    );
    let change = npm(folder.path(), &options(&server), at(1)).unwrap();
    assert!(
        matches!(change, Change::Whole { records: 2, .. }),
        "{change:?}"
    );
    server.put("/npm/modified_id.csv", "2026-11-23T00:00:00Z,GHSA-6\n");
    server.put("/npm/GHSA-6.json", npm_record("GHSA-7", DAY_2));
    fails(
        folder.path(),
        &options(&server),
        "`/npm/GHSA-6.json` is the record `GHSA-7`",
    );
}

#[test]
fn a_mirror_of_dumps_alone_is_asked_for_them() {
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    server.put(
        "/Rocky%20Linux/all.zip",
        archive(&[("R.json", &record("RLSA-1", "Rocky Linux:9", "curl", DAY_1))]),
    );
    let mut options = options(&server);
    options.ecosystems = vec!["Rocky Linux".to_owned(), "../x".to_owned()];
    let updated = run(folder.path(), &options, at(0));
    assert!(
        matches!(
            updated.ecosystems[0].1,
            Ok(Change::Whole { records: 1, .. })
        ),
        "{updated:?}"
    );
    assert!(matches!(
        updated.ecosystems[1].1,
        Err(UpdateError::Ecosystem(_))
    ));
    let updated = run(folder.path(), &options, at(1));
    assert!(
        matches!(updated.ecosystems[0].1, Ok(Change::None)),
        "{updated:?}"
    );
    assert_eq!(state(folder.path(), "Rocky Linux").as_of, at(1));
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    let dump = npm_dump(&[("GHSA-1", DAY_1), ("GHSA-2", DAY_2)]);
    server.put_with(
        "/npm/all.zip",
        dump.clone(),
        Fault::Cut {
            times: 2,
            after: 100,
        },
    );
    assert!(matches!(
        npm(folder.path(), &options(&server), at(0)),
        Ok(Change::Whole { records: 2, .. })
    ));
    let asked = server.asked();
    let ranges: Vec<_> = asked
        .iter()
        .filter_map(|a| Some(a.split_once("range=")?.1))
        .collect();
    assert_eq!(ranges, ["bytes=100-", "bytes=200-"]);

    // Another process goes on, too; when the dump is another one meanwhile, from its beginning.
    let folder = TempDir::new().unwrap();
    server.put_with(
        "/npm/all.zip",
        dump,
        Fault::Cut {
            times: 99,
            after: 10,
        },
    );
    fails(folder.path(), &options(&server), "the answer broke off");
    server.put("/npm/all.zip", npm_dump(&[("GHSA-3", DAY_1)]));
    server.asked();
    assert!(matches!(
        npm(folder.path(), &options(&server), at(0)),
        Ok(Change::Whole { records: 1, .. })
    ));
    assert!(server.asked().iter().any(|a| a.contains("range=bytes=40-")));
}

#[test]
fn what_fails_leaves_what_was_there() {
    let (server, folder) = fetched();
    let (folder, mut options) = (folder.path(), options(&server));
    options.is_forced = true;
    let before = state(folder, "npm");
    let dump = npm_dump(&[("GHSA-8", DAY_2)]);
    let always = |status| Fault::Status { times: 99, status };
    for (fault, want) in [
        (always(500), "`/npm/all.zip`: HTTP status 500"),
        (always(404), "`/npm/all.zip`: HTTP status 404"),
        (Fault::WrongHash, "the checksum of what came"),
        (Fault::Silence, "nothing more came within 500ms"),
        (Fault::Endless, "is longer than 4194304 bytes"),
        (
            Fault::Redirect("https://elsewhere.example/npm/all.zip".to_owned()),
            "redirected to `https://elsewhere.example/npm/all.zip`",
        ),
        (
            Fault::Redirect("//elsewhere.example/all.zip".to_owned()),
            "only redirects on the same host",
        ),
        (
            Fault::Redirect("/npm/all.zip".to_owned()),
            "HTTP status 508",
        ),
    ] {
        server.put_with("/npm/all.zip", dump.clone(), fault);
        fails(folder, &options, want);
        assert_eq!(state(folder, "npm"), before, "{want}");
    }
    for (body, want) in [
        (b"<html>".to_vec(), "it is no zip archive"),
        (archive(&[("../x.json", "{}")]), "leads somewhere else"),
        (
            archive(&[("x.json", &" ".repeat(12 << 20))]),
            "250 times its size",
        ),
        (
            archive(&[("x.json", "{}")]),
            "holds no advisory of that ecosystem",
        ),
        (
            archive(&[("x.json", &record("PYSEC-1", "PyPI", "x", DAY_1))]),
            "holds no advisory of that ecosystem",
        ),
    ] {
        server.put("/npm/all.zip", body);
        fails(folder, &options, want);
        assert_eq!(state(folder, "npm"), before, "{want}");
    }
    assert_eq!(ids(folder, "npm", "p-GHSA-1"), ["GHSA-1"]);
    // What only failed for a while is not even noticed, and a redirect on the same host is followed.
    server.put_with(
        "/npm/all.zip",
        "",
        Fault::Redirect("/moved/all.zip".to_owned()),
    );
    server.put_with(
        "/moved/all.zip",
        dump,
        Fault::Status {
            times: 2,
            status: 503,
        },
    );
    assert!(matches!(
        npm(folder, &options, at(0)),
        Ok(Change::Whole { records: 1, .. })
    ));
}

#[test]
fn a_dump_that_has_shrunk_is_not_believed() {
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    let many: Vec<_> = (0..1_200).map(|n| (format!("GHSA-{n}"), DAY_1)).collect();
    let many: Vec<_> = many.iter().map(|(id, day)| (id.as_str(), *day)).collect();
    server.put("/npm/all.zip", npm_dump(&many));
    let mut options = options(&server);
    npm(folder.path(), &options, at(0)).unwrap();
    server.put("/npm/all.zip", npm_dump(&many[..500]));
    fails(
        folder.path(),
        &options,
        "holds 500 advisories, and 1200 are here",
    );
    options.is_forced = true;
    assert!(matches!(
        npm(folder.path(), &options, at(1)),
        Ok(Change::Whole { records: 500, .. })
    ));
}

#[test]
fn records_that_cannot_be_read_are_counted_and_named() {
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    server.put(
        "/npm/all.zip",
        archive(&[
            ("GHSA-1.json", &npm_record("GHSA-1", DAY_1)),
            ("GHSA-2.json", "{"),
        ]),
    );
    let Ok(Change::Whole {
        records: 1,
        unreadable,
    }) = npm(folder.path(), &options(&server), at(0))
    else {
        panic!("one is good");
    };
    assert_eq!(unreadable.count, 1);
    assert!(unreadable.named[0].starts_with("/npm/all.zip!GHSA-2.json: it is no OSV record"));
    assert_eq!(state(folder.path(), "npm").unreadable, 1);
}

#[test]
fn lists_are_read_beside_and_one_that_fails_stays() {
    let (server, folder) = fetched();
    let kev = folder.path().join("kev.json");
    fs::write(
        &kev,
        r#"{"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-1"}]}"#,
    )
    .unwrap();
    server.put("/epss.csv", "cve,epss,percentile\nCVE-1,0.5,0.9\n");
    let mut options = options(&server);
    options.kev = Some(ListPlace::File(kev.clone()));
    options.epss = Some(ListPlace::Url(format!("{}/epss.csv", server.url)));
    let updated = run(folder.path(), &options, at(1));
    assert!(
        matches!((&updated.kev, &updated.epss), (Some(Ok(1)), Some(Ok(1)))),
        "{updated:?}"
    );

    server.put("/epss.csv", "<html>");
    fs::write(
        &kev,
        r#"{"vulnerabilities": [{"cveID": "CVE-2"}, {"cveID": "CVE-3"}]}"#,
    )
    .unwrap();
    let updated = run(folder.path(), &options, at(2));
    assert!(
        matches!((&updated.kev, &updated.epss), (Some(Ok(2)), Some(Err(_)))),
        "{updated:?}"
    );
    assert_eq!(
        updated.failures().map(|(name, _)| name).collect::<Vec<_>>(),
        ["EPSS"]
    );
    let mirror = Mirror::open(folder.path()).unwrap();
    assert!(mirror.is_exploited(["CVE-3"]).unwrap() && !mirror.is_exploited(["CVE-1"]).unwrap());
    assert_eq!(mirror.epss(["CVE-1"]).unwrap(), Some(0.5));
    assert_eq!(mirror.state().epss.as_ref().unwrap().as_of, at(1));
}

#[test]
fn only_encrypted_mirrors_and_those_of_this_machine_are_asked() {
    let folder = TempDir::new().unwrap();
    let mut options = options(&Server::start());
    for bad in [
        "http://osv.example.com",
        "ftp://127.0.0.1",
        "https://u:p@osv.example.com",
        "x",
    ] {
        options.mirror = bad.to_owned();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let failed = runtime.block_on(update(folder.path(), &options, at(0), &mut |_| {}));
        assert!(
            failed
                .unwrap_err()
                .to_string()
                .contains("no `https` address"),
            "{bad}"
        );
    }
}

/// What was removed from the mirror meanwhile is no reason to fail for good.
#[test]
fn a_list_that_has_gone_leads_to_the_dump() {
    let (server, folder) = fetched();
    server.remove("/npm/modified_id.csv");
    server.put(
        "/npm/all.zip",
        npm_dump(&[("GHSA-1", DAY_1), ("GHSA-4", DAY_2)]),
    );
    assert!(matches!(
        npm(folder.path(), &options(&server), at(1)),
        Ok(Change::Whole { records: 2, .. })
    ));
}
