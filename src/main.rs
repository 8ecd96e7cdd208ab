//! `gf-genomics`: maps the result of a command to an exit code (0 done, 1 failed, 2 wrong usage,
//! 130 Ctrl-C, 143 SIGTERM).

use std::{io, process::ExitCode};

use clap::Parser;
use gf_genomics::{cli::Cli, interrupt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let how_to_go_on = cli.how_to_go_on();
    if let Err(error) = interrupt::watch(how_to_go_on) {
        gf_files::message!("Ctrl-C will end the program at once, without a checkpoint: {error}");
    }
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(signal) = interrupt::signal() {
                gf_files::message!("interrupted: {}; {how_to_go_on}", one_line(&error));
                return interrupt::exit_code(signal).into();
            }
            gf_files::message!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, each once (an error names its own place only). Of each the first line:
/// candle appends a backtrace. What a file says may not steer the terminal.
fn one_line(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| {
        cause
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    let shown = |sign: char| {
        if sign.is_control() {
            sign.escape_unicode().to_string()
        } else {
            sign.to_string()
        }
    };
    causes
        .collect::<Vec<_>>()
        .join(": ")
        .chars()
        .map(shown)
        .collect()
}

/// The reader of our output went away (`gf-genomics ... | head`): not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_of_pipe = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        let Some(cause) = cause.downcast_ref::<io::Error>() else {
            return false;
        };
        // The writer of CSV puts the error of the pipe into one of its own.
        let of_csv = cause
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<csv::Error>());
        let is_in_csv = of_csv.is_some_and(
            |of_csv| matches!(of_csv.kind(), csv::ErrorKind::Io(of_io) if is_of_pipe(of_io)),
        );
        is_of_pipe(cause) || is_in_csv
    })
}
