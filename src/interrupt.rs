//! Ctrl-C and SIGTERM: the program ends within a second and prints how to resume.
//!
//! After the first signal, the training loop sees [`signal`] and writes a checkpoint. If the
//! program has not ended after 0.8 s, or at a second signal, it ends at once. Every file is
//! complete or absent at any moment, so an interruption loses only unfinished work.

use std::{
    io, process,
    sync::atomic::{AtomicI32, Ordering},
    thread::{self, sleep},
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use gf_files::output;

/// Time for a training step and its checkpoint after the first signal.
const PATIENCE: Duration = Duration::from_millis(800);

/// Number of the last signal; 0 before the first one.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The signal that asks the program to end, if any.
#[must_use]
pub fn signal() -> Option<i32> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// Exit code after a signal, like that of shells: 130 for Ctrl-C, 143 for SIGTERM.
#[must_use]
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Starts a thread that handles signals.
///
/// `how_to_go_on` is printed if a signal ends the program before its work is complete.
///
/// # Errors
/// The system refuses a signal handler or the thread.
pub fn watch(how_to_go_on: &'static str) -> io::Result<()> {
    let signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || listen(signals, how_to_go_on))
        .map(drop)
}

/// Records the first signal and ends the program after [`PATIENCE`], or at the second signal.
fn listen(mut signals: Signals, how_to_go_on: &'static str) {
    for signal in signals.forever() {
        if SIGNAL.swap(signal, Ordering::Relaxed) != 0 {
            end(signal, how_to_go_on);
        }
        thread::spawn(move || {
            sleep(PATIENCE);
            end(signal, how_to_go_on);
        });
    }
}

/// Removes temporary files, prints how to resume and ends the program.
fn end(signal: i32, how_to_go_on: &str) -> ! {
    output::abandon();
    gf_files::message!(
        "interrupted: finished work is kept, and no file is incomplete; {how_to_go_on}"
    );
    process::exit(i32::from(exit_code(signal)));
}
