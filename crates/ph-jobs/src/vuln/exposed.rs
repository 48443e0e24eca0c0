//! How near each finding of a report is to whoever calls the server.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ph_exposure::{Exposure, SourceFile, Wanted};
use ph_plan::{Server, Upstream};
use ph_vuln::exposed::{
    Exposed, ExposedPlace, PLACES_MAX, ReachingTool, TOOLS_MAX, UNSEEN_MAX, only_http, short,
};
use ph_vuln::{Finding, Report};

use super::machine::Machine;
use super::own::source_of;
use super::sources::{Sources, sources};
use super::subject::Subject;

/// So long the source is read, again for each package that it names; the rest is not looked for, which is said.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What is known of where a subject's own source lies.
#[derive(Debug, Clone)]
pub struct Own {
    /// The folder, or why it is not known, in words.
    pub source: Result<PathBuf, String>,
    /// It is a server that is reached by stdio.
    pub is_stdio: bool,
}

impl Own {
    /// Of a subject that is scanned.
    #[must_use]
    pub fn of(subject: &Subject<'_>, machine: &Machine) -> Self {
        match subject {
            Subject::Path(path) => Self {
                source: Ok(folder(path)),
                is_stdio: false,
            },
            Subject::Server { server, pids, .. } => Self::of_server(server, pids, machine),
            Subject::ImageFile(_) | Subject::ImageReference(_) => Self {
                source: Err("sources within images are not read".to_owned()),
                is_stdio: false,
            },
        }
    }

    fn of_server(server: &Server, pids: &[u32], machine: &Machine) -> Self {
        Self {
            source: source_of(server, pids, machine),
            is_stdio: matches!(server.upstream, Upstream::Stdio(_)),
        }
    }
}

/// The folder around a lockfile; of a tree of packages, what it was installed for.
fn folder(path: &Path) -> PathBuf {
    let is_inner = path.is_file() || path.file_name().is_some_and(|name| name == "node_modules");
    let folder = path.parent().filter(|_| is_inner).unwrap_or(path);
    if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.to_owned()
    }
}

/// Says of each finding of `report` how near it is. Blocks on the file system, and reads at most twenty seconds more.
pub fn expose(report: &mut Report, own: &Own) {
    if report.rows.is_empty() {
        return;
    }
    let read = match &own.source {
        Ok(folder) => sources(folder).map(|read| (folder, read)).map_err(|error| {
            format!(
                "its source in `{}` cannot be read: {error}",
                folder.display()
            )
        }),
        Err(why) => Err(why.clone()),
    };
    let mut reader = read
        .as_ref()
        .map(|(folder, read)| Reader::new(folder, read));
    for row in &mut report.rows {
        let mut exposed = match &mut reader {
            Ok(reader) => reader.exposed(&row.finding),
            Err(why) => Exposed::unknown(why),
        };
        if own.is_stdio {
            exposed.transport = only_http(&row.finding);
        }
        row.exposure = Some(exposed);
    }
}

/// Reads sources once for each package that they name, and once for all others.
struct Reader<'a> {
    folder: &'a Path,
    read: &'a Sources,
    files: Vec<SourceFile<'a>>,
    known: HashMap<(Vec<String>, Vec<String>), Exposure>,
    since: Instant,
}

impl<'a> Reader<'a> {
    fn new(folder: &'a Path, read: &'a Sources) -> Self {
        let files = read.files.iter();
        Self {
            folder,
            read,
            files: files
                .map(|(path, text)| SourceFile { path, text })
                .collect(),
            known: HashMap::new(),
            since: Instant::now(),
        }
    }

    fn exposed(&mut self, finding: &Finding) -> Exposed {
        if self.files.is_empty() {
            let folder = self.folder.display();
            return Exposed::unknown(&format!(
                "`{folder}` holds no source in JavaScript, TypeScript, Python or Rust"
            ));
        }
        let component = &finding.component;
        let ecosystem = component.ecosystem.base();
        let wanted = Wanted::package(ecosystem, &component.name, finding.symbols.clone());
        // What no file names is imported by none: they share one reading, which tells what could not be seen.
        let is_named = self
            .files
            .iter()
            .any(|file| wanted.modules.iter().any(|name| file.text.contains(name)));
        let wanted = if is_named { wanted } else { Wanted::default() };
        let name = (wanted.modules.clone(), wanted.symbols.clone());
        if !self.known.contains_key(&name) && self.since.elapsed() > TIME_MAX {
            return Exposed::unknown("its source is too large to be read for all findings");
        }
        let exposure = self
            .known
            .entry(name)
            .or_insert_with(|| ph_exposure::exposure(&self.files, &wanted));
        kept(exposure, self.folder, self.read, finding)
    }
}

/// What of it is kept with a finding, within bounds.
fn kept(exposure: &Exposure, folder: &Path, read: &Sources, finding: &Finding) -> Exposed {
    let mut uses: Vec<_> = exposure.uses.iter().collect();
    uses.sort_by_key(|place| std::cmp::Reverse(place.level));
    let mut tools: Vec<ReachingTool> = Vec::new();
    for reach in uses.iter().flat_map(|place| &place.reach) {
        let name = short(&reach.tool);
        if let Some(known) = tools.iter_mut().find(|known| known.tool == name) {
            known.takes_input |= reach.takes_input;
        } else if tools.len() < TOOLS_MAX {
            tools.push(ReachingTool {
                tool: name,
                takes_input: reach.takes_input,
            });
        }
    }
    // A tool through which the caller's input comes goes first.
    tools.sort_by_key(|tool| !tool.takes_input);
    let unseen = read.unread.iter().chain(&exposure.unseen);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Exposed {
        level: exposure.level,
        source: Some(folder.display().to_string()),
        files: count(exposure.files),
        places: uses
            .iter()
            .take(PLACES_MAX)
            .map(|place| ExposedPlace {
                file: place.file.clone(),
                line: count(place.line),
                text: short(&place.text),
                level: place.level,
            })
            .collect(),
        more_places: count(uses.len().saturating_sub(PLACES_MAX)),
        tools,
        any_use_counts: finding.symbols.is_empty(),
        unseen: unseen.take(UNSEEN_MAX).map(|text| short(text)).collect(),
        transport: None,
        traffic: None,
    }
}
