//! The daemon fetches advisories by itself: what is new becomes a case, and what is old is never green.

use crate::gateway::{Gateway, until};
use crate::vulnerable::{Machine, advisory, case, cases, lodash};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const ID: &str = "GHSA-jf85-cpcp-j695";
const LATER: &str = "GHSA-aaaa-bbbb-cccc";

/// A mirror on loopback, laid out as the dumps of osv.dev.
struct Dumps {
    address: SocketAddr,
    pages: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Dumps {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            pages: Arc::default(),
            asked: Arc::default(),
        };
        let (pages, asked) = (Arc::clone(&this.pages), Arc::clone(&this.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().and_then(Result::ok).unwrap_or_default();
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let _head: Vec<_> = lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let page = lock(&pages).get(&path).cloned();
                let (status, body) =
                    page.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
                lock(&asked).push(path);
                let mut answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                )
                .into_bytes();
                answer.extend(body);
                let mut stream = stream;
                // Whoever has gone does not need it.
                let _ = stream.write_all(&answer);
            }
        });
        this
    }

    /// These records of npm, the newest first: a dump, a list of changes, and each by itself.
    fn publish(&self, records: &[(&str, &str, String)]) {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut changes = String::new();
        let mut pages = BTreeMap::new();
        for (id, modified, record) in records {
            let record = record.replace("2026-11-01T00:00:00Z", modified);
            archive
                .start_file(format!("{id}.json"), SimpleFileOptions::default())
                .unwrap();
            archive.write_all(record.as_bytes()).unwrap();
            changes.push_str(&format!("{modified},{id}\n"));
            pages.insert(format!("/npm/{id}.json"), record.into_bytes());
        }
        let archive = archive.finish().unwrap().into_inner();
        pages.insert("/npm/all.zip".to_owned(), archive);
        pages.insert("/npm/modified_id.csv".to_owned(), changes.into_bytes());
        *lock(&self.pages) = pages;
    }

    /// It answers nothing but 404 from now on.
    fn break_down(&self) {
        lock(&self.pages).clear();
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.asked))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes what is here older, as if that time had gone by since it was fetched, and wakes the daemon by a reload.
fn pass(machine: &Machine, gateway: &Gateway, yaml: &str, seconds: u64) {
    let path = machine.path("data/advisories/mirror.json");
    let mut list: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let then = u64::try_from(since.unwrap().as_millis()).unwrap() - seconds * 1000;
    list["ecosystems"]["npm"]["as_of_ms"] = json!(then);
    let next = machine.path("next");
    fs::write(&next, list.to_string()).unwrap();
    fs::rename(&next, &path).unwrap();
    // Something else than before, or it is no reload.
    gateway.configure(&format!("stop: {{drain: {}s}}\n{yaml}", seconds % 3000));
    gateway.signal(rustix::process::Signal::HUP);
}

#[test]
fn a_new_advisory_becomes_a_case_and_what_is_stale_is_never_green() {
    let dumps = Dumps::start();
    dumps.publish(&[(ID, "2026-11-01T00:00:00Z", lodash())]);
    let machine = Machine::new(&[("lodash", "4.17.4"), ("minimist", "1.2.0")]);
    let vuln = format!(
        "mirror: 'http://{}', ecosystems: [npm], update_every: 5m, scan_every: 24h",
        dumps.address
    );
    let yaml = machine.yaml(&vuln, "");
    let gateway = machine.start(&yaml);
    // Fetched by itself, and compared with at once.
    case(&gateway, ID);
    assert_eq!(cases(&gateway).len(), 1);
    let fetched = dumps.asked();
    assert!(fetched.contains(&"/npm/all.zip".to_owned()), "{fetched:?}");

    // An hour later there is another one: only that is fetched, and the scan of the day is not waited for.
    let later = advisory(LATER, "minimist", "1.2.6");
    dumps.publish(&[
        (LATER, "2026-11-02T00:00:00Z", later),
        (ID, "2026-11-01T00:00:00Z", lodash()),
    ]);
    pass(&machine, &gateway, &yaml, 3600);
    assert_eq!(case(&gateway, LATER)["package"], "npm/minimist");
    let fetched = dumps.asked();
    assert!(
        fetched.contains(&format!("/npm/{LATER}.json"))
            && !fetched.contains(&"/npm/all.zip".to_owned()),
        "{fetched:?}"
    );
    let metrics = gateway.metrics();
    let updates = |result| metrics.sum("pilothouse_vuln_db_updates_total", &[("result", result)]);
    assert_eq!((updates("ok"), updates("failed")), (2, 0));
    assert_eq!(
        metrics.sum("pilothouse_vuln_db_records", &[("ecosystem", "npm")]),
        2
    );

    // The mirror is gone for more than a day. All packages are replaced meanwhile: that proves nothing now.
    dumps.break_down();
    machine.install("lodash", "4.17.21");
    machine.install("minimist", "1.2.8");
    pass(&machine, &gateway, &yaml, 25 * 3600);
    until("the update has failed", || {
        let metrics = gateway.metrics();
        let labels = [("result", "failed")];
        (metrics.sum("pilothouse_vuln_db_updates_total", &labels) > 0).then_some(())
    });
    until("it is said that they are stale", || {
        let metrics = gateway.metrics();
        let labels = [("server", "files"), ("reason", "stale")];
        let is_stale = metrics.sum("pilothouse_vuln_db_stale", &[("ecosystem", "npm")]) == 1;
        (is_stale && metrics.sum("mcp_vulnerability_scan_incomplete", &labels) == 1).then_some(())
    });
    until("why is in the log", || {
        let why = "advisories could not be updated, and are as old as before: npm: ";
        let mut lines = gateway.log().into_iter();
        lines.find(|line| line.to_string().contains(why))
    });
    let (code, text) = machine.command(&["restart", "files"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = machine.vuln(&["move", ID, "deployed"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("(stale)"), "{text}");
    let open = cases(&gateway);
    assert!(
        open.len() == 2 && open.iter().all(|case| case["state"] == "detected"),
        "{open:?}"
    );
    assert_eq!(machine.vuln(&["db", "status"]).0, 3);
    let server = machine.path("server").display().to_string();
    let (code, text) = machine.vuln(&["scan", &server]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("stale"), "{text}");
}
