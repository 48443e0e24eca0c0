//! The fake stdio server as a program; see `ph_sim::fake_stdio`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ph_sim::fake_stdio::main(std::env::args().skip(1))
}
