//! `gf-genomics`: maps the result of a command to an exit code (0 done, 1 failed, 2 wrong usage).

use std::{io, process::ExitCode};

use clap::Parser;
use gf_genomics::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // An error names its own place only; its causes follow, each once.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output went away (`gf-genomics ... | head`): not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe))
}
