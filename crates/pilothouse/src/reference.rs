//! docs/reference/cli.md, made from the definitions of the commands. The test writes it: `BLESS=1`.

use crate::cli::Cli;
use clap::{Arg, Command, CommandFactory as _};

const HEAD: &str = "\
# Commands

Made from the program: `BLESS=1 cargo test -p pilothouse cli_reference` writes it. `pilothouse COMMAND --help` says the same,
and so do the man pages (`pilothouse man DIR`).

Exit codes are the same for every command:

| code | meaning |
|---|---|
| 0 | done |
| 1 | a check failed, or something was found |
| 2 | wrong usage, or a failure |
| 3 | nothing, or not everything, could be looked at: neither found nor not found |
";

/// The whole document.
fn document() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = HEAD.to_owned();
    for command in shown(&root) {
        write(command, &mut text);
    }
    text
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}

fn write(command: &Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let depth = name.split(' ').count().clamp(2, 5);
    text.push_str(&format!("\n{} {name}\n\n", "#".repeat(depth)));
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        text.push_str(&format!("{}\n\n", sentence(&about.to_string())));
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    text.push_str(&format!("```text\n{usage}\n```\n"));
    let args: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"))
        .collect();
    if !args.is_empty() {
        text.push_str("\n| argument | meaning |\n|---|---|\n");
        args.iter().for_each(|arg| text.push_str(&row(arg)));
    }
    if let Some(examples) = command.get_after_help() {
        text.push_str(&format!("\n```text\n{examples}\n```\n"));
    }
    for below in shown(command) {
        write(below, text);
    }
}

fn row(arg: &Arg) -> String {
    let values = || {
        let names = arg.get_value_names().unwrap_or_default();
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let takes = arg.get_action().takes_values();
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) if takes => format!("--{long} {}", values()),
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => values(),
    };
    let help = arg.get_long_help().or(arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut meaning = sentence(&words);
    let choices = arg.get_possible_values();
    let choices: Vec<_> = choices.iter().filter(|one| !one.is_hide_set()).collect();
    if takes && !choices.is_empty() {
        let names = choices.iter().map(|one| format!("`{}`", one.get_name()));
        meaning.push_str(&format!(
            " One of {}.",
            names.collect::<Vec<_>>().join(", ")
        ));
    }
    let defaults = arg.get_default_values();
    if takes && !defaults.is_empty() {
        let defaults = defaults.iter().map(|one| one.to_string_lossy());
        meaning.push_str(&format!(
            " Default: `{}`.",
            defaults.collect::<Vec<_>>().join(" ")
        ));
    }
    format!("| `{}` | {} |\n", cell(name.trim()), cell(&meaning))
}

/// clap takes the full stop from the end of a help text.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let is_whole = text.is_empty() || text.ends_with(['.', '?', ':', ']']);
    format!("{text}{}", if is_whole { "" } else { "." })
}

/// Text that a cell of a table can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn cli_reference_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        let wanted = document();
        if crate::secrets::variable("BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == wanted,
            "docs/reference/cli.md is not what the commands say; `BLESS=1 cargo test -p pilothouse cli_reference` writes it"
        );
    }

    #[test]
    fn clap_finds_no_fault() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_its_row() {
        let text = document();
        for wanted in [
            "\n## pilothouse run\n",
            "\n### pilothouse vuln scan\n",
            "\n#### pilothouse vuln db import\n",
            "| `--listen ADDR:PORT` | Address to listen on; port 0 takes a free one.",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(!text.contains("__reaper"));
    }
}
