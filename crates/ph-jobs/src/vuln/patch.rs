//! Upgrades on a copy of the folder that a server runs from. The original is read and never written.

mod copy;
mod environment;
mod manifests;
mod original;
mod run;

use std::io;
use std::path::{Path, PathBuf};

use ph_inventory::Component;
use ph_vuln::patch::{Advice, Instead, Manager, Move, advise, moves};
use ph_wire::reaper::Reaper;

pub use copy::{COPY_BYTES_MAX, COPY_ENTRIES_MAX, CopyError};
pub use original::{Original, command_in};
pub use run::Tried;

use self::copy::Copy;
use self::manifests::Manifests;
use self::run::Runner;
use super::machine::Machine;
use super::scan::Scanned;

/// Looks at a folder as `vuln scan` does.
pub type Look<'a> = &'a dyn Fn(&Path) -> Result<Scanned, String>;

/// A copy in which everything that was wanted has moved.
#[derive(Debug)]
pub struct Patched {
    /// Where it is.
    pub copy: PathBuf,
    /// What was done.
    pub done: Vec<Done>,
    /// All packages that are at other versions than before.
    pub moves: Vec<Move>,
    /// The copy as it is now.
    pub scanned: Scanned,
}

/// One upgrade.
#[derive(Debug, Clone)]
pub struct Done {
    /// What was to be done.
    pub advice: Advice,
    /// The version that was asked for in the end.
    pub to: String,
    /// What was run for it; empty: it moved with another one.
    pub commands: Vec<String>,
    /// What did not do it before.
    pub tried: Vec<Tried>,
}

/// Why there is no patched copy.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// No copy could be made.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// There is nothing that can be run.
    #[error("{0}")]
    Nothing(String),
    /// An upgrade did not happen.
    #[error("{package} stays at {from}{}", told(tried))]
    Stays {
        /// The package.
        package: String,
        /// The version that it stays at.
        from: String,
        /// What was run.
        tried: Vec<Tried>,
    },
    /// The copy cannot be looked at.
    #[error("the copy cannot be looked at: {0}")]
    Look(String),
    /// A file of the copy cannot be written, or its mark not be removed.
    #[error("the copy cannot be written")]
    Write(#[source] io::Error),
    /// What was begun is still there.
    #[error("{why}\nWhat was begun in `{}` could not be removed ({source}): it is not to be used", copy.display())]
    Left {
        /// Why it failed.
        why: Box<Self>,
        /// Where.
        copy: PathBuf,
        /// Why it could not be removed.
        source: io::Error,
    },
}

fn told(tried: &[Tried]) -> String {
    let lines = tried
        .iter()
        .map(|one| format!("\n  `{}` {}", one.command, one.why));
    lines.collect()
}

/// Copies a folder, and runs there what raises each package that `is_wanted` says, until none of them is at the version
/// that it was. When one of them does not move, the copy is removed.
///
/// Takes up to half an hour; blocks on the file system between the commands.
///
/// # Errors
/// When there is no copy, nothing to run, or an upgrade does not happen.
pub async fn patch(
    original: &Original,
    to: &Path,
    is_wanted: &dyn Fn(&Advice) -> bool,
    machine: &Machine,
    reaper: &Reaper,
    look: Look<'_>,
) -> Result<Patched, PatchError> {
    let copy = Copy::make(original, to)?;
    let work = Work {
        root: copy.path(),
        runner: Runner::new(machine, reaper),
        look,
    };
    match work.all(is_wanted).await {
        Ok((done, moves, scanned)) => Ok(Patched {
            copy: copy.keep().map_err(PatchError::Write)?,
            done,
            moves,
            scanned,
        }),
        Err(why) => {
            let at = copy.path().to_owned();
            match copy.discard() {
                Ok(()) => Err(why),
                Err(source) => Err(PatchError::Left {
                    why: Box::new(why),
                    copy: at,
                    source,
                }),
            }
        }
    }
}

struct Work<'a> {
    root: &'a Path,
    runner: Runner<'a>,
    look: Look<'a>,
}

impl Work<'_> {
    async fn all(
        &self,
        is_wanted: &dyn Fn(&Advice) -> bool,
    ) -> Result<(Vec<Done>, Vec<Move>, Scanned), PatchError> {
        let before = self.look()?;
        let advice: Vec<Advice> = advise(&before.report)
            .into_iter()
            .filter(|one| one.to.is_some() && is_wanted(one))
            .collect();
        if advice.is_empty() {
            let none = "nothing that was found can be upgraded there";
            return Err(PatchError::Nothing(none.to_owned()));
        }
        for one in &advice {
            self.is_possible(one).map_err(PatchError::Nothing)?;
        }
        let (mut now, mut done) = (before.clone(), Vec::new());
        for one in advice {
            let upgrade;
            (upgrade, now) = self.upgrade(one, &before, now).await?;
            done.push(upgrade);
        }
        let moves = moves(&before.inventory, &now.inventory);
        Ok((done, moves, now))
    }

    /// Whether its commands would change the copy and nothing else.
    fn is_possible(&self, one: &Advice) -> Result<(), String> {
        let name = &one.package;
        let Some(manager) = one.manager else {
            return Err(format!(
                "{name} {} cannot be upgraded from here: {}",
                one.from,
                one.notes.join("; ")
            ));
        };
        if manager.is_of_the_machine() {
            return Err(format!(
                "{name} is a package of the system: a copy of a folder does not change it"
            ));
        }
        let folder = self.folder(one);
        if let Some(manifest) = manager.manifest()
            && !folder.join(manifest).is_file()
        {
            return Err(format!(
                "{name} cannot be upgraded: beside `{}` there is no `{manifest}`",
                one.file
            ));
        }
        if manager == Manager::Pip && run::environment(&folder).is_none() {
            return Err(format!(
                "{name} cannot be upgraded: beside `{}` there is no `.venv` for pip to install into",
                one.file
            ));
        }
        Ok(())
    }

    async fn upgrade(
        &self,
        one: Advice,
        before: &Scanned,
        mut now: Scanned,
    ) -> Result<(Done, Scanned), PatchError> {
        let folder = self.folder(&one);
        let least = Instead {
            to: one.to.clone().unwrap_or_default(),
            commands: one.commands.clone(),
            otherwise: one.otherwise.clone(),
        };
        let mut tried: Vec<Tried> = Vec::new();
        if stays(&one, before, &now).is_none() {
            let done = Done {
                to: least.to,
                commands: Vec::new(),
                advice: one,
                tried,
            };
            return Ok((done, now));
        }
        let mut known: Vec<&[String]> = Vec::new();
        for attempt in std::iter::once(&least).chain(&one.instead) {
            for commands in [&attempt.commands, &attempt.otherwise] {
                if commands.is_empty() || known.contains(&commands.as_slice()) {
                    continue;
                }
                known.push(commands);
                let saved = Manifests::read(&folder, &one.file).map_err(PatchError::Write)?;
                let why = match self.run(commands, &folder).await {
                    Ok(()) => {
                        now = self.look()?;
                        stays(&one, before, &now).map(|why| Tried {
                            command: commands.join(" && "),
                            why,
                        })
                    }
                    Err(failed) => Some(failed),
                };
                let Some(why) = why else {
                    let done = Done {
                        to: attempt.to.clone(),
                        commands: commands.clone(),
                        advice: one.clone(),
                        tried,
                    };
                    return Ok((done, now));
                };
                tried.push(why);
                saved.restore().map_err(PatchError::Write)?;
            }
        }
        Err(PatchError::Stays {
            package: one.package,
            from: one.from,
            tried,
        })
    }

    async fn run(&self, commands: &[String], folder: &Path) -> Result<(), Tried> {
        for command in commands {
            self.runner.run(command, folder).await?;
        }
        Ok(())
    }

    fn look(&self) -> Result<Scanned, PatchError> {
        (self.look)(self.root).map_err(PatchError::Look)
    }

    /// Where its commands are run.
    fn folder(&self, one: &Advice) -> PathBuf {
        match Path::new(&one.file).parent() {
            Some(folder) => self.root.join(folder),
            None => self.root.to_owned(),
        }
    }
}

/// Why an upgrade has not happened; none: it has.
fn stays(one: &Advice, before: &Scanned, now: &Scanned) -> Option<String> {
    let name = one.ecosystem.normal_name(&one.package);
    let is_it = |component: &&Component| {
        component.ecosystem.base() == one.ecosystem.base() && component.advisory_name() == name
    };
    let version = |component: &Component| component.advisory_version().map(str::to_owned);
    let files = &now.report.files;
    let mut here = now.inventory.components.iter().filter(is_it);
    let old = here.find(|component| {
        let file = Manager::of(component, files).map(|(_, file)| file);
        component.advisory_version() == Some(&one.from) && file.as_ref() == Some(&one.file)
    });
    if let Some(component) = old {
        let at = match component.path.is_empty() {
            true => &component.file,
            false => &component.path,
        };
        return Some(format!("ended well, and {} is still at {at}", one.from));
    }
    let was = before.inventory.components.iter().filter(is_it);
    let was: Vec<_> = was.filter_map(version).collect();
    let left = now.report.rows.iter().find(|row| {
        let component = &row.finding.component;
        let id = row.finding.representative();
        is_it(&component)
            && one.fixes.iter().any(|fixed| fixed == id)
            && version(component).is_some_and(|version| !was.contains(&version))
    });
    if let Some(row) = left {
        return Some(format!(
            "led to {}, in which {} still is",
            row.finding
                .component
                .version
                .as_deref()
                .unwrap_or("a version"),
            row.finding.representative()
        ));
    }
    let from = Some(one.from.as_str());
    let mut differences = now.report.differences.iter();
    let differs = differences.find(|differs| {
        one.ecosystem.normal_name(&differs.package) == name
            && (differs.locked.as_deref() == from || differs.installed.as_deref() == from)
            && differs.locked != differs.installed
    });
    differs.map(|differs| {
        let said =
            |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
        format!(
            "ended well, and the lockfile says {}, installed is {}",
            said(&differs.locked),
            said(&differs.installed)
        )
    })
}
