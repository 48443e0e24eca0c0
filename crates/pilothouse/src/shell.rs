//! `pilothouse completions` and `pilothouse man`: what a shell and `man` know of the commands, made from their
//! definitions.

use crate::cli::Cli;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::shells;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Args)]
pub(crate) struct ManArgs {
    /// The folder, which is made where it is missing.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
The package for Debian brings them along.

Examples:
  pilothouse completions bash > ~/.local/share/bash-completion/completions/pilothouse
  pilothouse completions zsh > ~/.zfunc/_pilothouse
  pilothouse completions fish > ~/.config/fish/completions/pilothouse.fish";

const NAME: &str = "pilothouse";

pub(crate) fn completions(args: &CompletionsArgs, printer: &Printer) -> Result<u8> {
    let mut command = Cli::command();
    let mut text = Vec::new();
    let out = &mut text;
    match args.shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut command, NAME, out),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut command, NAME, out),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut command, NAME, out),
    }
    printer.data(&String::from_utf8(text)?)?;
    Ok(exit::DONE)
}

pub(crate) fn man(args: &ManArgs, printer: &Printer) -> Result<u8> {
    let dir = &args.dir;
    let made = std::fs::create_dir_all(dir);
    made.and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .with_context(|| format!("cannot write to `{}`", dir.display()))?;
    printer.say(&format!("written to {}", dir.display()));
    Ok(exit::DONE)
}
