//! `gf-genomics`: maps the result of a command to an exit code (0 done, 1 failed, 2 wrong usage).

use std::{io, process::ExitCode};

use clap::Parser;
use gf_genomics::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, each once (an error names its own place only). Of each the first line: candle appends a backtrace. What a file
/// says may not steer the terminal.
fn one_line(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned());
    let shown = |sign: char| if sign.is_control() { sign.escape_unicode().to_string() } else { sign.to_string() };
    causes.collect::<Vec<_>>().join(": ").chars().map(shown).collect()
}

/// The reader of our output went away (`gf-genomics ... | head`): not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe))
}
