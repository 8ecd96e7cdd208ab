//! Ctrl-C and SIGTERM: the program ends within a second, and says how to go on.
//!
//! The first signal asks whoever looks at [`signal`] (the loop of the training) to write down where
//! it is. Who has not ended soon after is ended, and so is everybody at a second signal. All files
//! are whole or not there at any moment, so only work is lost.

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

/// Time for a step of training, and for its checkpoint.
const PATIENCE: Duration = Duration::from_millis(800);

/// 0: none came.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The signal that wants the program to end, if one came.
#[must_use]
pub fn signal() -> Option<i32> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// Exit code of a program that a signal ended, as shells have it: 130 for Ctrl-C, 143 for SIGTERM.
#[must_use]
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Listens from now on; `how_to_go_on` is said when a signal ended the program in the middle of its
/// work.
///
/// # Errors
/// When the system refuses.
pub fn watch(how_to_go_on: &'static str) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let end = move |signal| {
        output::abandon();
        gf_files::message!(
            "interrupted: what was finished is kept, and no file is half-written; {how_to_go_on}"
        );
        process::exit(i32::from(exit_code(signal)));
    };
    let listen = move || {
        for signal in signals.forever() {
            if SIGNAL.swap(signal, Ordering::Relaxed) != 0 {
                end(signal);
            }
            thread::spawn(move || {
                sleep(PATIENCE);
                end(signal);
            });
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(listen)
        .map(drop)
}
