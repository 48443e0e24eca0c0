//! Each thing that is looked at.

use super::{CheckArgs, Outcome, Seen};
use crate::ask::{Api, WhereArgs, data_dir};
use crate::secrets;
use crate::sources::{DEFAULT_FILE, Rejected, read_file};
use crate::vuln::PlaceArgs;
use anyhow::{Context as _, Result, anyhow, ensure};
use jiff::Timestamp;
use ph_plan::{Plan, Upstream};
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogStore, Search};
use ph_store::{RealDisk, query};
use ph_vuln::report::Outcome as Judged;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Fewer open files are not enough for anything.
const FILES_MIN: u64 = 256;
/// Each call in flight has a socket, each child three pipes.
const FILES_WANTED: u64 = 4_096;
/// Less room, in bytes, and the store stops soon.
const ROOM_MIN: u64 = 64 << 20;
const ROOM_WANTED: u64 = 1 << 30;
/// Before this was written nobody can have it: Unix seconds of 2026-11-01.
const CLOCK_MIN_S: i64 = 1_793_491_200;
/// And a certificate of that time is long over: 2100-01-01.
const CLOCK_MAX_S: i64 = 4_102_444_800;

pub(super) fn all(args: &CheckArgs) -> Vec<Seen> {
    let mut seen = vec![
        program(),
        console(),
        store(),
        clock(),
        open_files(),
        roots(),
    ];
    let (plan, about) = configuration(args.config.as_deref());
    seen.push(about);
    let dir = args.data_dir.clone();
    let dir = dir.or_else(|| {
        plan.as_ref()?
            .data_dir
            .as_ref()
            .map(|d| d.as_path().to_owned())
    });
    match data_dir(dir.as_deref()) {
        Ok(dir) => {
            seen.push(directory(&dir));
            seen.push(room(&dir));
            if let Some(plan) = &plan {
                seen.push(ports(plan, &dir));
            }
        }
        Err(error) => seen.push(Seen::bad(
            "data directory",
            Outcome::Fail,
            format!("{error:#}"),
            "set HOME, or give `--data-dir DIR`",
        )),
    }
    if let Some(plan) = &plan {
        seen.extend(tools(plan));
    }
    // A configuration that is none says nothing of advisories either.
    let config = args.config.clone().filter(|_| plan.is_some());
    seen.push(advisories(args, config, dir));
    seen
}

fn program() -> Seen {
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let said = format!(
        "pilothouse {} ({build}, {}-{})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    if cfg!(debug_assertions) {
        return Seen::bad(
            "program",
            Outcome::Warn,
            said,
            "it is slow: `cargo build --release` makes the one to run in production",
        );
    }
    Seen::ok("program", said)
}

fn console() -> Seen {
    match ph_server::console_files() {
        0 => Seen::bad(
            "console",
            Outcome::Warn,
            "not in this binary; all else works",
            "`make console` before `cargo build` puts it in",
        ),
        files => Seen::ok("console", format!("{files} files in this binary")),
    }
}

/// Writes records to a temporary folder, and reads them again after it was opened anew.
fn store() -> Seen {
    match try_store() {
        Ok(records) => Seen::ok(
            "store",
            format!("{records} records written, synced and found again"),
        ),
        Err(error) => Seen::bad(
            "store",
            Outcome::Fail,
            format!("{error:#}"),
            "is the folder for temporary files (TMPDIR) writable, and has it room?",
        ),
    }
}

fn try_store() -> Result<usize> {
    const RECORDS: usize = 100;
    let dir = tempfile::tempdir().context("no temporary folder")?;
    let open = || LogStore::open(Arc::new(RealDisk), dir.path(), LogOptions::default());
    let (mut store, _) = open()?;
    for nth in 0..RECORDS {
        let json = format!(r#"{{"kind":"event","message":"self check {nth}"}}"#);
        store.append(&Entry {
            kind: Kind::Event,
            level: Level::Info,
            time_unix_ns: Timestamp::now().as_nanosecond() as u64,
            duration_ns: None,
            status: 0,
            trace_id: None,
            server: "",
            method: "",
            tool: "",
            outcome: "",
            json: json.as_bytes(),
        })?;
    }
    store.sync()?;
    let report = store.close();
    ensure!(report.lost == 0, "{} records were lost", report.lost);
    let (store, _) = open()?;
    let wanted = "\"self check\"";
    let filter = query::parse(wanted).map_err(|error| anyhow!("{}", error.render(wanted)))?;
    let mut search = Search::new(&filter);
    search.limit = RECORDS * 2;
    let found = store.reader().search(&search)?.hits.len();
    ensure!(
        found == RECORDS,
        "{found} of {RECORDS} records were found again"
    );
    Ok(found)
}

fn clock() -> Seen {
    let now = Timestamp::now();
    let said = now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    if (CLOCK_MIN_S..CLOCK_MAX_S).contains(&now.as_second()) {
        return Seen::ok("clock", said);
    }
    Seen::bad(
        "clock",
        Outcome::Fail,
        format!("{said}, which cannot be"),
        "set it, and keep it by NTP: certificates, tokens and budgets go by it",
    )
}

fn open_files() -> Seen {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    let said = if soft == u64::MAX {
        "no limit".to_owned()
    } else {
        format!("{soft} at once")
    };
    let hint = "raise it: `ulimit -n 65536`, or LimitNOFILE= of the service";
    match soft {
        soft if soft < FILES_MIN => Seen::bad("open files", Outcome::Fail, said, hint),
        soft if soft < FILES_WANTED => Seen::bad("open files", Outcome::Warn, said, hint),
        _ => Seen::ok("open files", said),
    }
}

fn roots() -> Seen {
    match ph_wire::tls::system_roots() {
        0 => Seen::bad(
            "TLS roots",
            Outcome::Warn,
            "none found, so no https:// address is trusted",
            "install `ca-certificates`, or name a file by SSL_CERT_FILE",
        ),
        count => Seen::ok("TLS roots", format!("{count} authorities of the system")),
    }
}

fn configuration(file: Option<&Path>) -> (Option<Plan>, Seen) {
    const WHAT: &str = "configuration";
    let here = Path::new(DEFAULT_FILE);
    let Some(file) = file.or_else(|| here.exists().then_some(here)) else {
        let said = format!("no `{DEFAULT_FILE}` here, so ports and servers are not looked at");
        return (None, Seen::ok(WHAT, said));
    };
    let hint = format!("`pilothouse check {}` says more", file.display());
    match read_file(file) {
        Ok(Ok((plan, _))) => {
            let servers = plan.servers.len();
            let several = if servers == 1 { "" } else { "s" };
            let said = format!("{}: {servers} server{several}", file.display());
            match crate::rule_files::read(&plan, file.parent()) {
                Ok(_) => (Some(plan), Seen::ok(WHAT, said)),
                Err(problems) => {
                    let first = first_line(&problems.render());
                    (Some(plan), Seen::bad(WHAT, Outcome::Fail, first, hint))
                }
            }
        }
        Ok(Err(Rejected(problems))) => (
            None,
            Seen::bad(WHAT, Outcome::Fail, first_line(&problems), hint),
        ),
        Err(error) => {
            let hint = "give it by `--config FILE`";
            (
                None,
                Seen::bad(WHAT, Outcome::Fail, format!("{error:#}"), hint),
            )
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Its rights, and whether it can be written; one that is not there yet is judged by what is above it.
fn directory(dir: &Path) -> Seen {
    const WHAT: &str = "data directory";
    let name = dir.display();
    let Some(there) = dir.ancestors().find(|one| one.is_dir()) else {
        return Seen::bad(
            WHAT,
            Outcome::Fail,
            format!("`{name}` cannot be made"),
            "choose another by `--data-dir DIR`",
        );
    };
    if let Err(error) = tempfile::tempfile_in(there) {
        let said = format!("`{}` cannot be written: {error}", there.display());
        return Seen::bad(
            WHAT,
            Outcome::Fail,
            said,
            "run it as the user that owns it, or choose another by `--data-dir DIR`",
        );
    }
    if there != dir {
        return Seen::ok(WHAT, format!("`{name}` is made at the start"));
    }
    let Ok(about) = std::fs::metadata(dir) else {
        return Seen::bad(
            WHAT,
            Outcome::Unknown,
            format!("`{name}` cannot be looked at"),
            "run it as the user that owns it",
        );
    };
    let mode = about.permissions().mode() & 0o777;
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != own && own != 0 {
        let said = format!(
            "`{name}` belongs to user {}, and this is user {own}",
            about.uid()
        );
        return Seen::bad(WHAT, Outcome::Warn, said, "run it as that user");
    }
    if mode & 0o077 != 0 {
        let said = format!("`{name}` can be read by others ({mode:o})");
        return Seen::bad(
            WHAT,
            Outcome::Warn,
            said,
            format!("parameters of calls are in there: `chmod 700 {name}`"),
        );
    }
    Seen::ok(WHAT, format!("`{name}`, of this user alone"))
}

fn room(dir: &Path) -> Seen {
    const WHAT: &str = "free space";
    let there = dir
        .ancestors()
        .find(|one| one.is_dir())
        .unwrap_or(Path::new("/"));
    let Ok(about) = rustix::fs::statvfs(there) else {
        return Seen::bad(
            WHAT,
            Outcome::Unknown,
            "the file system does not say",
            "look by `df`",
        );
    };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let said = format!("{} MiB where `{}` is", free >> 20, dir.display());
    let hint =
        "make room, or set `store.bytes_max`: when the disk is full, calls go on and are not kept";
    match free {
        free if free < ROOM_MIN => Seen::bad(WHAT, Outcome::Fail, said, hint),
        free if free < ROOM_WANTED => Seen::bad(WHAT, Outcome::Warn, said, hint),
        _ => Seen::ok(WHAT, said),
    }
}

/// Whether the addresses are free. Where a Pilothouse runs on this data directory it has them.
fn ports(plan: &Plan, dir: &Path) -> Seen {
    const WHAT: &str = "ports";
    let place = WhereArgs {
        data_dir: Some(dir.to_owned()),
        address: None,
    };
    if Api::find_daemon(&place, "ports").is_ok() {
        return Seen::ok(
            WHAT,
            "a Pilothouse of this data directory runs, and has them",
        );
    }
    let wanted: Vec<SocketAddr> = [Some(plan.listen), plan.admin_address()]
        .into_iter()
        .flatten()
        .collect();
    for address in &wanted {
        if let Err(error) = TcpListener::bind(address) {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "another program has it: `ss -ltnp` says which; or take another by `listen`"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 take a right of their own: choose one above"
                }
                _ => "is it an address of this machine?",
            };
            return Seen::bad(WHAT, Outcome::Fail, format!("{address}: {error}"), hint);
        }
    }
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Seen::ok(WHAT, format!("{} are free", names.join(", ")))
}

/// The programs that servers are started by.
fn tools(plan: &Plan) -> Vec<Seen> {
    let mut servers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, server) in &plan.servers {
        if let Upstream::Stdio(stdio) = &server.upstream {
            servers
                .entry(stdio.command.as_str())
                .or_default()
                .push(name.as_str());
        }
    }
    let path = secrets::variable("PATH").unwrap_or_default();
    servers
        .into_iter()
        .map(|(command, names)| tool(command, &names, &path))
        .collect()
}

fn tool(command: &str, servers: &[&str], path: &str) -> Seen {
    const WHAT: &str = "command";
    let servers = servers.join(", ");
    if let Some(found) = find(command, path) {
        return Seen::ok(
            WHAT,
            format!("`{command}` of {servers}: {}", found.display()),
        );
    }
    let hint = match command {
        "npx" | "npm" | "node" => "install Node.js: `apt-get install npm`",
        "uvx" | "uv" => "install uv: `pipx install uv`",
        "python" | "python3" => "install Python: `apt-get install python3`",
        "docker" | "podman" => "install it, or run the server without a container",
        _ => "install it, or give its whole path",
    };
    let said = format!("`{command}` of {servers} is not found, or may not be run");
    Seen::bad(WHAT, Outcome::Fail, said, hint)
}

/// As the system looks for a program.
fn find(command: &str, path: &str) -> Option<PathBuf> {
    let may_run = |file: &PathBuf| {
        let about = std::fs::metadata(file);
        about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(may_run);
    }
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    folders
        .map(|folder| Path::new(folder).join(command))
        .find(may_run)
}

/// What this binary is made of, against the advisories that are here.
fn advisories(args: &CheckArgs, config: Option<PathBuf>, data_dir: Option<PathBuf>) -> Seen {
    const WHAT: &str = "advisories";
    let Some(sbom) = args.sbom.clone().or_else(beside) else {
        return Seen::bad(
            WHAT,
            Outcome::Warn,
            "it is not known what this binary is made of",
            "`pilothouse.cdx.json` of the release beside it, or `--sbom FILE`, says it",
        );
    };
    let name = sbom.display().to_string();
    let place = PlaceArgs {
        db: None,
        config,
        data_dir,
    };
    let scanned = match crate::vuln::scan::plain(Some(name.clone()), place) {
        Ok((scanned, _)) => scanned,
        Err(error) => {
            let hint = "is it the SBOM of this release?";
            return Seen::bad(WHAT, Outcome::Unknown, format!("`{name}`: {error:#}"), hint);
        }
    };
    let packages = scanned.inventory.components.len();
    let found = scanned.report.rows.len();
    match scanned.report.outcome(None) {
        Judged::Clean => Seen::ok(
            WHAT,
            format!("none about the {packages} packages that this binary is made of"),
        ),
        Judged::Found => {
            let said = format!("{found} about the {packages} packages that this binary is made of");
            let hint =
                format!("`pilothouse vuln scan {name}` lists them; is there a newer release?");
            Seen::bad(WHAT, Outcome::Warn, said, hint)
        }
        Judged::Unknown => {
            let said = format!("{packages} packages, and no advisories here that are new enough");
            Seen::bad(
                WHAT,
                Outcome::Warn,
                said,
                "`pilothouse vuln db update crates.io npm` fetches them",
            )
        }
    }
}

/// The SBOM that lies beside the program, or where the package for Debian has it.
fn beside() -> Option<PathBuf> {
    const NAME: &str = "pilothouse.cdx.json";
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let package = folder.parent()?.join("share/doc/pilothouse").join(NAME);
    [folder.join(NAME), package]
        .into_iter()
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_the_system_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
        for (file, mode) in [(&good, 0o755), (&bad, 0o644)] {
            std::fs::write(file, "").unwrap();
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = format!("/nowhere:{}", dir.path().display());
        assert_eq!(find("good", &path), Some(good.clone()));
        assert_eq!(find("bad", &path), None);
        assert_eq!(find(&good.display().to_string(), ""), Some(good));
        assert_eq!(tool("npx", &["a", "b"], "/nowhere").outcome, Outcome::Fail);
    }

    #[test]
    fn the_store_works_here() {
        assert_eq!(try_store().unwrap(), 100);
    }

    #[test]
    fn a_taken_port_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut plan = Plan {
            listen: taken.local_addr().unwrap(),
            ..Plan::default()
        };
        plan.admin.enabled = false;
        let seen = ports(&plan, dir.path());
        assert_eq!(seen.outcome, Outcome::Fail, "{seen:?}");
        assert!(seen.hint.unwrap().contains("another program has it"));
        drop(taken);
        assert_eq!(ports(&plan, dir.path()).outcome, Outcome::Ok);
    }

    #[test]
    fn rights_of_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let with = |mode| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            directory(dir.path()).outcome
        };
        assert_eq!(with(0o755), Outcome::Warn);
        assert_eq!(with(0o700), Outcome::Ok);
        assert_eq!(directory(&dir.path().join("new")).outcome, Outcome::Ok);
    }
}
