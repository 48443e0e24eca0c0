//! `pilothouse vuln patch --apply`: the upgrades on a copy, and what puts the copy into production.

use super::patch::{PatchArgs, exit_of};
use super::place::Place;
use super::scan;
use super::verify;
use crate::printer::Printer;
use anyhow::{Result, anyhow};
use ph_jobs::vuln::{Done, Machine, Original, PatchError, Patched, Subject, command_in};
use ph_plan::{Server, Upstream};
use ph_vuln::patch::{Advice, Move, places};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// So many packages that moved beside are named in the text; JSON has all.
const OTHERS_MAX: usize = 20;

/// What is copied, and for whom.
struct Target {
    original: Original,
    to: PathBuf,
    /// The servers that run from the folder.
    servers: Vec<(String, Box<Server>)>,
    /// Where the daemon keeps its data, if it is not where it is by default.
    data_dir: Option<PathBuf>,
}

/// - `advice`: for what runs, or lies in the folder; at least one with a version to go to.
pub(super) fn apply(args: &PatchArgs, advice: &[Advice], printer: &Printer) -> Result<u8> {
    let machine = scan::machine()?;
    let target = scan::named(
        args.subject.clone(),
        args.place.clone(),
        |subject, place| target(args, subject, place, &machine),
    )?;
    printer.say(&format!(
        "copying `{}` to `{}`, and running package managers there",
        target.original.root.display(),
        target.to.display()
    ));
    let look = |folder: &Path| {
        let folder = folder.display().to_string();
        let scanned = scan::plain(Some(folder), args.place.clone());
        scanned
            .map(|(scanned, _)| scanned)
            .map_err(|error| format!("{error:#}"))
    };
    // Beside what runs, a folder may hold what does not.
    let is_wanted = |one: &Advice| {
        advice
            .iter()
            .any(|wanted| (&wanted.package, &wanted.from) == (&one.package, &one.from))
    };
    let reaper = scan::reaper();
    let done = scan::runtime()?.block_on(ph_jobs::vuln::patch(
        &target.original,
        &target.to,
        &is_wanted,
        &machine,
        &reaper,
        &look,
    ));
    let patched = done.map_err(|error| match error {
        // These say themselves what is there.
        PatchError::Copy(_) | PatchError::Write(_) | PatchError::Left { .. } => anyhow!(error),
        error => anyhow!("{error}\nnothing was changed, and no copy is left"),
    })?;
    let lines = lines(&patched.copy, &target, &machine);
    if args.json {
        printer.data(&format!("{:#}\n", as_json(&patched, &target, &lines)))?;
    } else {
        printer.data(&as_text(&patched, &target, &lines))?;
    }
    for doubt in patched.scanned.report.doubts() {
        printer.say(&format!("note: {doubt}"));
    }
    Ok(exit_of(&patched.scanned.report))
}

fn target(
    args: &PatchArgs,
    subject: &Subject<'_>,
    place: &Place,
    machine: &Machine,
) -> Result<Target> {
    let original = Original::of(subject, machine).map_err(|why| anyhow!(why))?;
    let (name, servers) = match subject {
        Subject::Server { name, server, .. } => (
            Some(*name),
            vec![((*name).to_owned(), Box::new((*server).clone()))],
        ),
        _ => (None, servers_of(&original, place, machine)),
    };
    let to = match &args.copy {
        Some(to) => machine.cwd.join(to),
        None => original.beside(name, &machine.cwd),
    };
    let configured = place.plan.data_dir.as_ref();
    let configured = configured.map(|dir| dir.as_path().to_owned());
    Ok(Target {
        original,
        to,
        servers,
        data_dir: args.place.data_dir.clone().or(configured),
    })
}

/// The servers of the configuration that run from a folder.
fn servers_of(original: &Original, place: &Place, machine: &Machine) -> Vec<(String, Box<Server>)> {
    let root = original.root.canonicalize().ok();
    let is_it = |name: &str, server: &Server| {
        let subject = Subject::Server {
            name,
            server,
            pids: Vec::new(),
        };
        let own = Original::of(&subject, machine);
        own.is_ok_and(|own| own.root.canonicalize().ok() == root)
    };
    let servers = place.plan.servers.iter();
    servers
        .filter(|(name, server)| is_it(name.as_str(), server))
        .map(|(name, server)| (name.as_str().to_owned(), Box::new(server.clone())))
        .collect()
}

/// A server, and the line that has it run from the copy, or why there is none.
struct Line {
    server: String,
    command: Result<String, &'static str>,
    note: Option<String>,
}

fn lines(copy: &Path, target: &Target, machine: &Machine) -> Vec<Line> {
    let line = |(name, server): &(String, Box<Server>)| {
        let Upstream::Stdio(stdio) = &server.upstream else {
            return Line {
                server: name.clone(),
                command: Err("it is reached by its address: put the copy where it runs"),
                note: None,
            };
        };
        let words = command_in(copy, &target.original, server, machine);
        let command = words
            .map(|words| replace(name, &words, target.data_dir.as_deref()))
            .ok_or("its command does not name the folder: have it start what lies in the copy");
        let cwd = stdio
            .cwd
            .as_ref()
            .map(|cwd| machine.cwd.join(cwd.as_path()));
        let stays = cwd.filter(|cwd| cwd.starts_with(&target.original.root));
        Line {
            server: name.clone(),
            command,
            note: stays.map(|cwd| format!("its working directory stays `{}`", cwd.display())),
        }
    };
    target.servers.iter().map(line).collect()
}

/// For a shell.
fn replace(server: &str, words: &[String], data_dir: Option<&Path>) -> String {
    let is_plain = |word: &String| {
        !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c))
    };
    // One word could be read as a package or a URL.
    let to = if words.len() > 1 && words.iter().all(is_plain) && !words[0].starts_with('[') {
        words.join(" ")
    } else {
        json!(words).to_string()
    };
    let mut line = format!("pilothouse replace {server} --to {}", quoted(&to));
    if let Some(dir) = data_dir {
        line.push_str(&format!(
            " --data-dir {}",
            quoted(&dir.display().to_string())
        ));
    }
    line
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn as_text(patched: &Patched, target: &Target, lines: &[Line]) -> String {
    let mut text = String::new();
    for one in &patched.done {
        text.push_str(&upgrade(one));
        let all = &patched.scanned.inventory.components;
        for place in &places(all, &one.advice.ecosystem, &one.advice.package, &one.to) {
            text.push_str(&format!("  {}", verify::line(place, &one.to)));
        }
    }
    let others: Vec<String> = others(patched).map(moved).collect();
    if !others.is_empty() {
        let shown = &others[..others.len().min(OTHERS_MAX)];
        text.push_str(&format!("also moved\n  {}\n", shown.join("\n  ")));
        if others.len() > shown.len() {
            let more = others.len() - shown.len();
            text.push_str(&format!("  and {more} more: --json names them\n"));
        }
    }
    for (id, package) in left(patched) {
        text.push_str(&format!("still found: {id} in {package}\n"));
    }
    text.push_str(&format!(
        "\nthe copy is `{}`; `{}` was not changed\n",
        patched.copy.display(),
        target.original.root.display()
    ));
    if lines.is_empty() {
        text.push_str(
            "no server of the configuration runs from it: have what does start the copy\n",
        );
    }
    for line in lines {
        match &line.command {
            Ok(command) => text.push_str(&format!("into production with\n  {command}\n")),
            Err(why) => text.push_str(&format!("{}: {why}\n", line.server)),
        }
        if let Some(note) = &line.note {
            text.push_str(&format!("  note     {note}\n"));
        }
    }
    text
}

fn upgrade(one: &Done) -> String {
    let advice = &one.advice;
    let mut text = format!("{} {} -> {}\n", advice.package, advice.from, one.to);
    text.push_str(&format!("  ends     {}\n", advice.fixes.join(", ")));
    for tried in &one.tried {
        text.push_str(&format!(
            "  not by   `{}`, which {}\n",
            tried.command, tried.why
        ));
    }
    match one.commands.is_empty() {
        true => text.push_str("  by       the upgrades before\n"),
        false => text.push_str(&format!("  by       {}\n", one.commands.join(" && "))),
    }
    text
}

/// What moved beside what was to move.
fn others(patched: &Patched) -> impl Iterator<Item = &Move> {
    let own = |one: &&Move| {
        let mut done = patched.done.iter();
        done.any(|done| {
            let ecosystem = &done.advice.ecosystem;
            let name = ecosystem.normal_name(&done.advice.package);
            one.package == format!("{}/{name}", ecosystem.base())
        })
    };
    patched.moves.iter().filter(move |one| !own(one))
}

fn moved(one: &Move) -> String {
    let said = |versions: &[String]| match versions {
        [] => "none".to_owned(),
        all => all.join(", "),
    };
    format!("{} {} -> {}", one.package, said(&one.from), said(&one.to))
}

/// What a scan of the copy finds.
fn left(patched: &Patched) -> impl Iterator<Item = (&str, String)> {
    let rows = patched.scanned.report.rows.iter();
    rows.map(|row| (row.finding.representative(), row.package()))
}

fn as_json(patched: &Patched, target: &Target, lines: &[Line]) -> Value {
    let upgrade = |one: &Done| {
        let tried = one.tried.iter();
        let tried: Vec<_> = tried
            .map(|one| json!({ "command": one.command, "why": one.why }))
            .collect();
        json!({
            "package": one.advice.package,
            "from": one.advice.from,
            "to": one.to,
            "fixes": one.advice.fixes,
            "commands": one.commands,
            "tried": tried,
        })
    };
    let moves = patched.moves.iter();
    let moves: Vec<_> = moves
        .map(|one| json!({ "package": one.package, "from": one.from, "to": one.to }))
        .collect();
    let left: Vec<_> = left(patched)
        .map(|(id, package)| json!({ "id": id, "package": package }))
        .collect();
    let replace: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "server": line.server,
                "command": line.command.as_ref().ok(),
                "why": line.command.as_ref().err(),
                "note": line.note,
            })
        })
        .collect();
    json!({
        "original": target.original.root,
        "copy": patched.copy,
        "upgrades": patched.done.iter().map(upgrade).collect::<Vec<_>>(),
        "moves": moves,
        "left": left,
        "replace": replace,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_that_a_shell_and_replace_read_alike() {
        let line = |words: &[&str], dir: Option<&str>| {
            let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
            replace("files", &words, dir.map(Path::new))
        };
        assert_eq!(
            line(&["node", "/c/x.js", "--a"], None),
            "pilothouse replace files --to 'node /c/x.js --a'"
        );
        assert_eq!(
            line(&["/c/bin/git@1"], Some("/a b")),
            r#"pilothouse replace files --to '["/c/bin/git@1"]' --data-dir '/a b'"#
        );
        assert_eq!(
            line(&["node", "it's"], None),
            r#"pilothouse replace files --to '["node","it'\''s"]'"#
        );
    }
}
