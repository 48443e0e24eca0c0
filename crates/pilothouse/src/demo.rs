//! `pilothouse demo`: an incident from the alert to the fix. Everything in it is real, and what does not
//! happen as it is told ends it.

mod book;
mod clients;
mod incident;
mod pace;
mod program;
mod scenes;
mod stage;

use crate::exit;
use crate::printer::Printer;
use anyhow::Result;
use book::{Book, NotAsTold};
use clap::Args;
use pace::Pace;
use stage::Stage;

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Shorter waits: about one minute instead of three.
    #[arg(long)]
    fast: bool,
    /// Keep the folder with the configuration, the records and the report, and say where it is.
    #[arg(long)]
    keep: bool,
    /// Print one JSON object for each thing that happens instead of the story.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "\
It takes loopback ports that are free and a folder of its own below that for temporary files, and leaves
nothing behind. Exits 1 when something does not happen as it is told.

Examples:
  pilothouse demo
  pilothouse demo --fast --keep";

pub(crate) fn demo(args: &DemoArgs, printer: &Printer) -> Result<u8> {
    let pace = Pace::of(args.fast);
    let stage = Stage::build(&pace)?;
    let mut book = Book::new(args.json);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let told = runtime.block_on(async {
        tokio::select! {
            told = scenes::play(&stage, &pace, &mut book) => told,
            stopped = crate::run::termination() => {
                stopped?;
                Err(NotAsTold("stopped from outside".to_owned()).into())
            }
        }
    });
    // What still waits for an answer of a gateway that is gone waits for nothing.
    runtime.shutdown_background();
    if args.keep {
        let kept = stage.keep();
        printer.say(&format!("kept: {}", kept.display()));
    }
    match told {
        Ok(()) => Ok(exit::DONE),
        Err(error) if error.is::<NotAsTold>() => {
            printer.error(&error);
            Ok(exit::FOUND)
        }
        Err(error) => Err(error),
    }
}
