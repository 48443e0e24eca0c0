//! Before a child is started: whether its package, or one in its lockfile, is known to be malicious. Nothing is
//! fetched for that, and what cannot be found out keeps nobody from starting.

use super::{Note, Wish, overrides};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ph_advisories::{Malicious, Mirror, malicious};
use ph_inventory::Component;
use ph_jobs::vuln::packages_of;
use ph_plan::Stdio;
use ph_record::EventKind;
use ph_vuln::Advisory;
use ph_vuln::overrides::Overrides;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Longest lockfile that is read, in bytes.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Lockfiles of one folder, at most.
const FILES_MAX: usize = 16;
/// Servers whose answers are remembered, at most.
const ANSWERS_MAX: usize = 4_096;
const LIST: &str = "mirror.json";

/// Which files as of when an answer is from. An override ends with a day, so an answer does, too.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    day: Date,
    command: Vec<String>,
    files: Vec<(PathBuf, Option<SystemTime>, u64)>,
}

/// What was answered; children of one server start often, and its files change seldom.
pub(super) struct Gate {
    answers: Mutex<HashMap<String, (Stamp, Option<String>)>>,
    has_complained: AtomicBool,
    has_complained_of_overrides: AtomicBool,
    note: Arc<Note>,
}

impl Gate {
    pub(super) fn new(note: Arc<Note>) -> Self {
        Self {
            answers: Mutex::default(),
            has_complained: AtomicBool::new(false),
            has_complained_of_overrides: AtomicBool::new(false),
            note,
        }
    }

    /// Why a server may not be started.
    pub(super) fn refusal(&self, wish: &Wish, server: &str, stdio: &Stdio) -> Option<String> {
        let words = stdio.args.iter().map(|arg| arg.as_str().to_owned());
        let command: Vec<String> = std::iter::once(stdio.command.as_str().to_owned())
            .chain(words)
            .collect();
        let packages = packages_of(&command);
        let folder = stdio.cwd.as_ref().map(|cwd| cwd.as_path());
        let lockfiles = lockfiles(wish.sources.get(server).map(PathBuf::as_path).or(folder));
        if packages.is_empty() && lockfiles.is_empty() {
            return None;
        }
        let list = wish.folder.join(LIST);
        let stamp = Stamp {
            day: Timestamp::now().to_zoned(TimeZone::UTC).date(),
            command,
            files: std::iter::once(&list)
                .chain(&wish.overrides)
                .chain(&lockfiles)
                .map(|path| seen(path))
                .collect(),
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, answer)) = answers.get(server)
            && *of == stamp
        {
            return answer.clone();
        }
        let answer = self.look(wish, packages, &lockfiles);
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(server.to_owned(), (stamp, answer.clone()));
        answer
    }

    fn look(
        &self,
        wish: &Wish,
        mut packages: Vec<Component>,
        lockfiles: &[PathBuf],
    ) -> Option<String> {
        let mirror = match Mirror::open(&wish.folder) {
            Ok(mirror) => mirror,
            Err(error) => {
                self.complain(&error.to_string());
                return None;
            }
        };
        for file in lockfiles {
            packages.extend(components(file));
        }
        if let Some(package) = packages
            .iter()
            .find(|package| !mirror.has(&package.ecosystem))
        {
            self.complain(&format!("there are no advisories of {}", package.ecosystem));
        }
        let overrides = overrides(wish.overrides.as_deref()).unwrap_or_else(|why| {
            self.complain_of_overrides(&why);
            Overrides::default()
        });
        let now = Timestamp::now();
        let is_overridden = |advisory: &Advisory, package: &Component| {
            overrides.all().iter().any(|of| {
                let is_meant = of.id == advisory.id || advisory.aliases.contains(&of.id);
                is_meant && of.is_for(package) && !of.has_expired(now)
            })
        };
        match malicious(&mirror, &packages, is_overridden) {
            Ok(found) => found.map(|found| words(&found)),
            Err(error) => {
                self.complain(&error.to_string());
                None
            }
        }
    }

    /// Once, whatever it is: it will be so at every start.
    fn complain(&self, why: &str) {
        if !self.has_complained.swap(true, Relaxed) {
            let text = format!("whether packages of servers are malicious is not known: {why}");
            self.say(false, text);
        }
    }

    fn complain_of_overrides(&self, why: &str) {
        if !self.has_complained_of_overrides.swap(true, Relaxed) {
            self.say(true, format!("no override lets a server start: {why}"));
        }
    }

    fn say(&self, warning: bool, text: String) {
        (self.note)(EventKind::Note {
            warning,
            text: text.into(),
        });
    }
}

fn words(found: &Malicious) -> String {
    let version = found
        .version
        .as_deref()
        .map(|version| format!(" {version}"));
    format!(
        "`{}`{} is known to be malicious ({}: {}), so it is not started; an override of {} in the file of `vuln.overrides` would start it all the same, `vuln: {{block_malicious: false}}` every such server",
        found.package,
        version.unwrap_or_default(),
        found.id,
        found.summary,
        found.id
    )
}

/// The lockfiles at a place: itself, or those in it.
fn lockfiles(place: Option<&Path>) -> Vec<PathBuf> {
    let Some(place) = place else {
        return Vec::new();
    };
    let is_known = |path: &Path| ph_inventory::read::is_known(&path.to_string_lossy());
    if !place.is_dir() {
        return Some(place.to_owned())
            .filter(|path| is_known(path))
            .into_iter()
            .collect();
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let files = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && is_known(path));
    let mut files: Vec<_> = files.take(FILES_MAX).collect();
    files.sort();
    files
}

fn seen(path: &Path) -> (PathBuf, Option<SystemTime>, u64) {
    let about = fs::metadata(path).ok();
    let changed = about.as_ref().and_then(|about| about.modified().ok());
    (
        path.to_owned(),
        changed,
        about.map_or(0, |about| about.len()),
    )
}

/// What a lockfile names; what cannot be read is for a scan to say.
fn components(file: &Path) -> Vec<Component> {
    let is_fit = fs::metadata(file).is_ok_and(|about| about.len() <= FILE_BYTES_MAX);
    let bytes = is_fit.then(|| fs::read(file).ok()).flatten();
    let read =
        bytes.and_then(|bytes| ph_inventory::read::file(&file.to_string_lossy(), &bytes).ok());
    read.flatten()
        .map(|inventory| inventory.components)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisories::wish_of;
    use ph_plan::{NoSecrets, Plan, Upstream};
    use std::sync::Mutex as Notes;
    use std::time::SystemTime;

    const RECORD: &str = r#"{"id": "MAL-2025-47604", "modified": "2025-09-26T00:00:00Z", "summary": "copies mails",
        "affected": [{"package": {"ecosystem": "npm", "name": "postmark-mcp"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.16"}]}]}]}"#;

    struct World {
        dir: tempfile::TempDir,
        gate: Gate,
        said: Arc<Notes<Vec<String>>>,
    }

    impl World {
        fn new() -> Self {
            let said = Arc::new(Notes::new(Vec::new()));
            let saying = Arc::clone(&said);
            let note = move |kind: EventKind| {
                if let EventKind::Note { text, .. } = kind {
                    saying.lock().unwrap().push(text.into());
                }
            };
            Self {
                dir: tempfile::tempdir().unwrap(),
                gate: Gate::new(Arc::new(note)),
                said,
            }
        }

        fn import(&self) {
            let record = self.dir.path().join("record.json");
            fs::write(&record, RECORD).unwrap();
            let folder = self.dir.path().join("advisories");
            ph_advisories::import(&folder, &[record], SystemTime::now()).unwrap();
        }

        fn refusal(&self, server: &str) -> Option<String> {
            let text = format!("servers: {{a: {server}}}\n");
            let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
            let mut wish = wish_of(&plan, self.dir.path(), self.dir.path());
            wish.overrides =
                Some(self.dir.path().join("overrides.yaml")).filter(|file| file.exists());
            let Upstream::Stdio(stdio) = &plan.servers.values().next().unwrap().upstream else {
                panic!("it is a command");
            };
            self.gate.refusal(&wish, "a", stdio)
        }
    }

    #[test]
    fn what_is_known_to_be_malicious_is_not_started() {
        let world = World::new();
        world.import();
        let why = world
            .refusal("{command: npx, args: [-y, postmark-mcp@1.0.16]}")
            .unwrap();
        assert!(
            why.starts_with(
                "`postmark-mcp` 1.0.16 is known to be malicious (MAL-2025-47604: copies mails)"
            ),
            "{why}"
        );
        // What the registry gives out today is affected, too.
        assert!(
            world
                .refusal("{command: npx, args: [-y, postmark-mcp]}")
                .is_some()
        );
        assert_eq!(
            world.refusal("{command: npx, args: [-y, postmark-mcp@1.0.15]}"),
            None
        );
        assert_eq!(
            world.refusal("{command: npx, args: [-y, another@1.0.16]}"),
            None
        );
        assert_eq!(world.refusal("{command: my-server}"), None);
        assert_eq!(*world.said.lock().unwrap(), [""; 0]);
    }

    #[test]
    fn an_override_starts_it_until_its_last_day() {
        let world = World::new();
        world.import();
        let server = "{command: npx, args: [-y, postmark-mcp@1.0.16]}";
        assert!(world.refusal(server).is_some());
        let say = |id: &str, package: &str, expires: &str| {
            let text = format!(
                "- {{id: {id}, package: {package}, reason: looked at it, expires: {expires}}}\n"
            );
            fs::write(world.dir.path().join("overrides.yaml"), text).unwrap();
        };
        say("MAL-2025-47604", "npm/postmark-mcp", "2999-12-31");
        assert_eq!(world.refusal(server), None);
        say("MAL-2025-47604", "npm/another", "2999-12-31");
        assert!(world.refusal(server).is_some());
        say("MAL-2025-1", "postmark-mcp", "2999-12-31");
        assert!(world.refusal(server).is_some());
        say("MAL-2025-47604", "postmark-mcp", "2025-12-31");
        assert!(world.refusal(server).is_some());
        assert_eq!(*world.said.lock().unwrap(), [""; 0]);
        fs::write(
            world.dir.path().join("overrides.yaml"),
            "- id: MAL-2025-47604\n",
        )
        .unwrap();
        assert!(world.refusal(server).is_some());
        let said = world.said.lock().unwrap();
        assert!(
            said.len() == 1
                && said[0].starts_with("no override lets a server start: `vuln.overrides`"),
            "{said:?}"
        );
    }

    #[test]
    fn a_lockfile_is_looked_at_again_when_it_changes() {
        let world = World::new();
        world.import();
        let source = world.dir.path().join("source");
        fs::create_dir(&source).unwrap();
        let lock = |version: &str| {
            let text = format!(
                r#"{{"name": "a", "lockfileVersion": 3, "packages": {{"": {{}}, "node_modules/postmark-mcp": {{"version": "{version}"}}}}}}"#
            );
            fs::write(source.join("package-lock.json"), text).unwrap();
        };
        let server = format!(
            "{{command: node, args: [server.js], source: '{}'}}",
            source.display()
        );
        lock("1.0.9");
        assert_eq!(world.refusal(&server), None);
        lock("1.0.16");
        assert!(world.refusal(&server).is_some());
    }

    #[test]
    fn without_advisories_it_is_said_once_and_nothing_is_refused() {
        let world = World::new();
        for _ in 0..3 {
            assert_eq!(
                world.refusal("{command: npx, args: [-y, postmark-mcp]}"),
                None
            );
            assert_eq!(world.refusal("{command: uvx, args: [a]}"), None);
        }
        let said = world.said.lock().unwrap();
        assert!(
            said.len() == 1 && said[0].contains("is not known: there are no advisories in"),
            "{said:?}"
        );
    }
}
