//! The folder that a server runs from, and the command that starts what lies in the copy of it.

use std::path::{Path, PathBuf};

use ph_plan::Server;
use ph_plan::Upstream;

use super::super::launch::{self, Launch, npm_name, python_name};
use super::super::machine::Machine;
use super::super::place::Place;
use super::super::subject::{Subject, places_of};

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The folder.
    pub root: PathBuf,
    /// Of it only its files and `node_modules`: what lies beside a package that is installed for all is none of its
    /// business.
    pub is_only_modules: bool,
}

impl Original {
    /// The folder of a subject.
    ///
    /// # Errors
    /// Why there is none to copy, in words.
    pub fn of(subject: &Subject<'_>, machine: &Machine) -> Result<Self, String> {
        match subject {
            Subject::Path(path) => of_path(&machine.cwd.join(path)),
            Subject::Server { name, server, pids } => of_server(name, server, pids, machine),
            Subject::ImageFile(_) | Subject::ImageReference(_) => {
                Err("an image is not changed: build it anew from what it was built from".to_owned())
            }
        }
    }

    /// Where the copy is made when nobody says where: beside a folder; for a server here, if here is not within it.
    #[must_use]
    pub fn beside(&self, server: Option<&str>, cwd: &Path) -> PathBuf {
        let root = self
            .root
            .canonicalize()
            .unwrap_or_else(|_| self.root.clone());
        let is_here = cwd.canonicalize().is_ok_and(|cwd| !cwd.starts_with(&root));
        if let Some(server) = server.filter(|_| is_here) {
            return cwd.join(format!("{server}.patched"));
        }
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        root.with_file_name(format!("{name}.patched"))
    }
}

fn of_path(path: &Path) -> Result<Original, String> {
    let root = if path.is_dir() && path.file_name().is_none_or(|name| name != "node_modules") {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    Ok(Original {
        root: root.to_owned(),
        is_only_modules: false,
    })
}

fn of_server(
    name: &str,
    server: &Server,
    pids: &[u32],
    machine: &Machine,
) -> Result<Original, String> {
    of_places(name, places_of(name, server, pids, machine).places)
}

fn of_places(name: &str, places: Vec<Place>) -> Result<Original, String> {
    let mut folders: Vec<Original> = Vec::new();
    let mut unseen = None;
    for place in places {
        match place {
            Place::Folder { root, only, .. } => {
                let is_only_modules = only.is_some();
                // One process of it may be told by its script, another by the package that npx was asked for.
                match folders.iter_mut().find(|one| one.root == root) {
                    Some(known) => known.is_only_modules &= is_only_modules,
                    None => folders.push(Original {
                        root,
                        is_only_modules,
                    }),
                }
            }
            Place::Image(image) => {
                return Err(format!(
                    "{name} runs the image `{image}`, which is not changed: build it anew from what it was built from"
                ));
            }
            // A server may be at work with one at this moment, as that for Git is with `git`.
            Place::Program(path) => {
                unseen = Some(format!(
                    "{name} runs the program `{}`: what is to be upgraded is its source; name that folder",
                    path.display()
                ));
            }
            Place::Unseen(one) => {
                unseen.get_or_insert_with(|| format!("{}: {}", one.what, one.why));
            }
        }
    }
    match folders.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(unseen.unwrap_or_else(|| format!("{name} runs from no folder that is known"))),
        all => {
            let all: Vec<_> = all
                .iter()
                .map(|one| format!("`{}`", one.root.display()))
                .collect();
            Err(format!(
                "{name} runs from several folders: name one of {}",
                all.join(", ")
            ))
        }
    }
}

/// The command of a server with what lies in the copy in the place of the same in the original; none where its words do
/// not name it.
#[must_use]
pub fn command_in(
    copy: &Path,
    original: &Original,
    server: &Server,
    machine: &Machine,
) -> Option<Vec<String>> {
    let Upstream::Stdio(stdio) = &server.upstream else {
        return None;
    };
    let mut argv = vec![stdio.command.as_str().to_owned()];
    argv.extend(stdio.args.iter().map(|word| word.as_str().to_owned()));
    let machine = match &stdio.cwd {
        Some(cwd) => machine.from(cwd.as_path()),
        None => machine.clone(),
    };
    let there = There {
        copy,
        root: &original.root,
        machine: &machine,
    };
    there.command(argv)
}

struct There<'a> {
    copy: &'a Path,
    root: &'a Path,
    machine: &'a Machine,
}

impl There<'_> {
    fn command(&self, mut argv: Vec<String>) -> Option<Vec<String>> {
        match launch::read(&argv) {
            Launch::NodeScript(script) => {
                let new = self.moved(&self.machine.cwd.join(&script))?;
                put(&mut argv, &script, new)?;
            }
            Launch::Python {
                interpreter,
                script,
                ..
            } => {
                let program = self.machine.program(&interpreter)?;
                let program = self.moved(&program);
                let moved = script
                    .as_ref()
                    .and_then(|script| self.moved(&self.machine.cwd.join(script)));
                if program.is_none() && moved.is_none() {
                    return None;
                }
                if let Some(program) = program {
                    put(&mut argv, &interpreter, program)?;
                }
                if let (Some(script), Some(moved)) = (script, moved) {
                    put(&mut argv, &script, moved)?;
                }
            }
            Launch::UvRun {
                folder: Some(folder),
            } => {
                let new = self.moved(&self.machine.cwd.join(&folder))?;
                put(&mut argv, &folder, new)?;
            }
            Launch::UvRun { folder: None } => {
                let new = self.moved(&self.machine.cwd)?;
                let run = argv.iter().position(|word| word == "run")?;
                argv.splice(run..run, ["--directory".to_owned(), new]);
            }
            Launch::Program(word) => {
                let program = self.machine.program(&word)?;
                let new = self.moved(&program)?;
                put(&mut argv, &word, new)?;
            }
            Launch::Npx { packages } => return self.of_npx(argv, packages.first()?),
            Launch::PythonTool { package, .. } => {
                let at = argv.iter().position(|word| *word == package)?;
                let program = self.copy.join("bin").join(python_name(&package).0);
                let words = [text(&program)?];
                return program
                    .is_file()
                    .then(|| words.into_iter().chain(argv.drain(at + 1..)).collect());
            }
            Launch::Fetched { .. } | Launch::Image(_) | Launch::Unseen(_) => return None,
        }
        // A runtime that is part of the folder.
        if argv[0].contains('/')
            && let Some(new) = self.moved(&self.machine.cwd.join(&argv[0]))
        {
            argv[0] = new;
        }
        Some(argv)
    }

    /// npx starts what its own cache has, so the program of the package is started by Node itself.
    fn of_npx(&self, mut argv: Vec<String>, package: &str) -> Option<Vec<String>> {
        let at = argv.iter().position(|word| word == package)?;
        let (name, _) = npm_name(package);
        let folder = self.copy.join("node_modules").join(name);
        let bytes = std::fs::read(folder.join("package.json")).ok()?;
        let own: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let bin = &own["bin"];
        let short = name.rsplit('/').next().unwrap_or(name);
        let file = match bin.as_object() {
            Some(all) if all.len() == 1 => all.values().next()?.as_str()?,
            Some(all) => all.get(short)?.as_str()?,
            None => bin.as_str()?,
        };
        let file = folder.join(file.trim_start_matches("./"));
        let words = ["node".to_owned(), text(&file)?];
        file.is_file()
            .then(|| words.into_iter().chain(argv.drain(at + 1..)).collect())
    }

    /// The same file in the copy.
    fn moved(&self, path: &Path) -> Option<String> {
        let real = self.root.canonicalize().ok()?;
        let name = path.file_name()?;
        let in_folder = path
            .parent()?
            .canonicalize()
            .ok()
            .map(|folder| folder.join(name));
        let tries = [Some(path.to_owned()), in_folder, path.canonicalize().ok()];
        let below = tries.into_iter().flatten().find_map(|path| {
            let below = path
                .strip_prefix(self.root)
                .or_else(|_| path.strip_prefix(&real));
            let below = below.ok()?.to_owned();
            let is_plain = |part| matches!(part, std::path::Component::Normal(_));
            below.components().all(is_plain).then_some(below)
        })?;
        match below.as_os_str().is_empty() {
            true => text(self.copy),
            false => text(&self.copy.join(below)),
        }
    }
}

fn text(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

fn put(argv: &mut [String], old: &str, new: String) -> Option<()> {
    let at = argv.iter().position(|word| word == old)?;
    argv[at] = new;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_command_of_the_copy_is_that_of_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (app, copy) = (root.join("app"), root.join("copy"));
        for folder in [&app, &copy] {
            for file in [
                "server.js",
                "venv/pyvenv.cfg",
                "venv/bin/python",
                "venv/bin/git",
                "bin/tool",
            ] {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let package = folder.join("node_modules/@a/b");
            fs::create_dir_all(package.join("dist")).unwrap();
            fs::write(
                package.join("package.json"),
                r#"{"bin": {"b": "./dist/x.js"}}"#,
            )
            .unwrap();
            fs::write(package.join("dist/x.js"), "").unwrap();
        }
        let of = |line: &str, cwd: &Path| {
            let machine = Machine {
                cwd: cwd.to_owned(),
                path: vec![app.join("venv/bin")],
                ..Machine::default()
            };
            let there = There {
                copy: &copy,
                root: &app,
                machine: &machine,
            };
            let argv: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let words = there.command(argv)?.join(" ");
            Some(words.replace(root.to_str().unwrap(), ""))
        };
        for (line, cwd, want) in [
            (
                "node server.js --x app",
                &app,
                "node /copy/server.js --x app",
            ),
            ("node ./app/server.js", &root, "node /copy/server.js"),
            (
                "env A=1 node ../app/server app",
                &copy,
                "env A=1 node /copy/server app",
            ),
            ("python -m git", &app, "/copy/venv/bin/python -m git"),
            ("venv/bin/git /data", &app, "/copy/venv/bin/git /data"),
            (
                "uv run server.py",
                &app,
                "uv --directory /copy run server.py",
            ),
            (
                "npx -y @a/b@1.0.0 /data",
                &root,
                "node /copy/node_modules/@a/b/dist/x.js /data",
            ),
            ("uvx tool==1.0 --x", &root, "/copy/bin/tool --x"),
        ] {
            let got = of(line, cwd);
            assert_eq!(got.as_deref(), Some(want), "{line}");
        }
        for line in ["node other.js", "sh -c x", "docker run a", "bunx a"] {
            assert_eq!(of(line, &root), None, "{line}");
        }
    }

    #[test]
    fn a_server_is_copied_from_the_one_folder_that_all_its_processes_run_from() {
        let folder = |root: &str, only: Option<&str>| Place::Folder {
            root: root.into(),
            only: only.map(str::to_owned),
            is_running: true,
        };
        let unseen = || {
            Place::Unseen(ph_inventory::Unchecked {
                what: "process 7".to_owned(),
                why: "what it runs cannot be seen".to_owned(),
            })
        };
        let of = |places| of_places("files", places);
        let both = vec![
            unseen(),
            folder("/a", Some("node_modules/x")),
            folder("/a", None),
        ];
        let one = of(both).unwrap();
        assert_eq!((one.root, one.is_only_modules), ("/a".into(), false));
        // What it has started to do its work is none of what it runs from.
        for at_work in [0, 1] {
            let mut places = vec![folder("/a", None)];
            places.insert(at_work, Place::Program("/usr/bin/git".into()));
            assert_eq!(of(places).unwrap().root, PathBuf::from("/a"));
        }
        let modules = vec![folder("/a", Some("x")), folder("/a", Some("y"))];
        assert!(of(modules).unwrap().is_only_modules);
        for (places, why) in [
            (vec![folder("/a", None), folder("/b", None)], "`/a`, `/b`"),
            (vec![unseen()], "process 7: what it runs cannot be seen"),
            (vec![], "from no folder that is known"),
            (
                vec![folder("/a", None), Place::Image("mcp/git".to_owned())],
                "the image `mcp/git`",
            ),
            (
                vec![Place::Program("/bin/x".into())],
                "the program `/bin/x`",
            ),
        ] {
            let said = of(places).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_copy_lies_beside_a_folder_and_where_one_is_for_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("app")).unwrap();
        let of = Original {
            root: root.join("app"),
            is_only_modules: false,
        };
        assert_eq!(of.beside(None, &root), root.join("app.patched"));
        assert_eq!(of.beside(Some("files"), &root), root.join("files.patched"));
        assert_eq!(
            of.beside(Some("files"), &root.join("app")),
            root.join("app.patched")
        );
    }
}
