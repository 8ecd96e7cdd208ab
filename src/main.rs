//! The program `gf-genomics`: runs a command and maps its result to an exit code.
//!
//! The exit codes are 0 (done), 1 (failed), 2 (wrong usage), 130 (Ctrl-C) and 143 (SIGTERM).

use std::{io, process::ExitCode};

use clap::Parser;
use gf_genomics::{cli::Cli, interrupt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let how_to_go_on = cli.how_to_go_on();
    if let Err(error) = interrupt::watch(how_to_go_on) {
        gf_files::message!(
            "Ctrl-C will end the program immediately and without a checkpoint, because signals \
             cannot be handled ({error})"
        );
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

/// An error and its causes, joined by colons.
///
/// Only the first line of each is used, because candle appends a backtrace. Control characters are
/// escaped, because text from an input file must not control the terminal.
fn one_line(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error
        .chain()
        .map(|cause| {
            let text = cause.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })
        .collect();
    let mut line = String::new();
    for character in causes.join(": ").chars() {
        if character.is_control() {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether the reader of the output ended early (`gf-genomics ... | head`), which is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|io_error| is_pipe_error(io_error) || is_pipe_error_of_csv(io_error))
}

fn is_pipe_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Whether the CSV writer has wrapped the error of the pipe in an error of its own.
fn is_pipe_error_of_csv(error: &io::Error) -> bool {
    let csv_error = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<csv::Error>());
    match csv_error.map(csv::Error::kind) {
        Some(csv::ErrorKind::Io(io_error)) => is_pipe_error(io_error),
        _ => false,
    }
}
