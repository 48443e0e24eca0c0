//! What is found in all files together.

use crate::code::{Code, Reference};
use crate::flow::{Reached, follow, refined};
use crate::language::{self, Language};
use crate::wanted::{SourceFile, Wanted};
use ph_vuln::exposed::Level;

/// One place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The import or the call on one line, at most 200 characters.
    pub text: String,
    /// What of the package is named (`merge`); empty for the package as a whole.
    pub symbol: String,
    /// What this place alone says.
    pub level: Level,
    /// The tools that lead here.
    pub reach: Vec<Reach>,
}

/// How a tool leads to a use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// The tool; `*`: a handler of all tools, which one was not found.
    pub tool: String,
    /// The functions on the way, from the tool's own.
    pub way: Vec<String>,
    /// What the caller sent seems to come to the call's arguments.
    pub takes_input: bool,
}

/// What the source says of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The highest of all places.
    pub level: Level,
    /// In the order of files and lines, at most 200.
    pub uses: Vec<Use>,
    /// Files that were read.
    pub files: usize,
    /// What could not be seen, in words: files that could not be read, modules that are named at run time.
    pub unseen: Vec<String>,
}

/// So many places are kept.
pub(crate) const USES_MAX: usize = 200;
/// So many tools are named for each.
const REACH_MAX: usize = 20;
const UNSEEN_MAX: usize = 50;

/// Looks for a package in a server's own source.
#[must_use]
pub fn exposure(files: &[SourceFile<'_>], wanted: &Wanted) -> Exposure {
    let mut codes = Vec::new();
    let mut paths = Vec::new();
    let mut unseen = Vec::new();
    for file in files {
        let Some(language) = Language::of_path(file.path) else {
            continue;
        };
        match language::read(language, file.text, wanted) {
            Ok(code) => {
                let at_run_time = |line: &usize| {
                    format!(
                        "{}:{line} loads a module whose name is not in the text",
                        file.path
                    )
                };
                unseen.extend(code.unseen.iter().map(at_run_time));
                unseen.extend(code.mistake.map(|line| {
                    format!(
                        "{}:{line} cannot be read: what is there was not seen",
                        file.path
                    )
                }));
                codes.push(code);
                paths.push(file.path);
            }
            Err(why) => unseen.push(format!("{}: {why}", file.path)),
        }
    }
    let reached = follow(&codes);
    if reached.is_cut {
        unseen.push("there are too many calls to follow all of them".to_owned());
    }
    let mut uses = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        uses.extend(imports(paths[index], code, wanted));
        let of = |reference| named(&codes, index, paths[index], reference, wanted, &reached);
        uses.extend(code.references.iter().map(of));
    }
    uses.sort_by(|a, b| (&a.file, a.line, a.level).cmp(&(&b.file, b.line, b.level)));
    let level = uses
        .iter()
        .map(|place| place.level)
        .max()
        .unwrap_or(Level::Present);
    // What is left out are the least telling.
    if uses.len() > USES_MAX {
        unseen.push(format!("{} more places", uses.len() - USES_MAX));
        uses.sort_by_key(|place| std::cmp::Reverse(place.level));
        uses.truncate(USES_MAX);
        uses.sort_by(|a, b| (&a.file, a.line, a.level).cmp(&(&b.file, b.line, b.level)));
    }
    if unseen.len() > UNSEEN_MAX {
        let more = unseen.len() - UNSEEN_MAX;
        unseen.truncate(UNSEEN_MAX);
        unseen.push(format!("{more} more"));
    }
    Exposure {
        level,
        uses,
        files: codes.len(),
        unseen,
    }
}

/// One place for each statement, whatever it brings.
fn imports(path: &str, code: &Code, wanted: &Wanted) -> Vec<Use> {
    let mut places: Vec<Use> = Vec::new();
    for import in &code.imports {
        let symbol = import.segments.join(".");
        if let Some(same) = places.iter_mut().find(|place| place.line == import.line) {
            if wanted.names(&import.segments) {
                same.symbol = symbol;
            }
            continue;
        }
        places.push(Use {
            file: path.to_owned(),
            line: import.line,
            text: import.text.clone(),
            symbol,
            level: Level::Imported,
            reach: Vec::new(),
        });
    }
    places
}

fn named(
    codes: &[Code],
    file: usize,
    path: &str,
    reference: &Reference,
    wanted: &Wanted,
    reached: &Reached,
) -> Use {
    // The package as a whole, handed on, may be used for anything.
    let is_meant = wanted.symbols.is_empty()
        || reference.segments.is_empty()
        || wanted.names(&reference.segments);
    let reach = if is_meant {
        ways(codes, file, reference, reached)
    } else {
        Vec::new()
    };
    let level = match (is_meant, reach.is_empty()) {
        (false, _) => Level::Imported,
        (true, true) => Level::SymbolUsed,
        (true, false) => Level::Reachable,
    };
    Use {
        file: path.to_owned(),
        line: reference.line,
        text: reference.text.clone(),
        symbol: reference.segments.join("."),
        level,
        reach,
    }
}

/// Each tool whose function leads to the function of the place.
fn ways(codes: &[Code], file: usize, reference: &Reference, reached: &Reached) -> Vec<Reach> {
    let site = (file, reference.function);
    let takes_input = reference.args.as_ref().is_some_and(|args| {
        args.iter().any(|name| {
            codes[file]
                .around(reference.function)
                .any(|function| reached.tainted.contains(&((file, function), name.clone())))
        })
    });
    let mut ways: Vec<Reach> = Vec::new();
    for there in reached.from.keys().filter(|(at, _)| *at == site) {
        let mut way = Vec::new();
        let mut next = Some(there);
        while let Some(step) = next {
            let ((file, function), _) = step;
            let name = &codes[*file].functions[*function].name;
            if !name.is_empty() && way.len() < USES_MAX {
                way.push(name.clone());
            }
            next = reached.from.get(step).and_then(Option::as_ref);
        }
        way.reverse();
        ways.push(Reach {
            tool: refined(&there.1, reference.case.as_deref()),
            way,
            takes_input,
        });
    }
    ways.sort();
    ways.dedup_by(|a, b| a.tool == b.tool);
    // A handler of all tools says nothing where one of them is known.
    if ways.iter().any(|way| way.tool != "*") {
        ways.retain(|way| way.tool != "*");
    }
    ways.truncate(REACH_MAX);
    ways
}
