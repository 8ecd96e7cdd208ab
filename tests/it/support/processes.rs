//! Processes of the program that run while a test looks at their files, and other programs.

use std::{
    env,
    ffi::OsString,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{command, no_oracle};

/// The longest wait for a file before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the program in `folder` and discards what it prints.
pub fn spawn_silently(folder: &Path, arguments: &str) -> Child {
    command(folder, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Starts the program in `folder`; its standard error can be read with [`stderr_to_end`].
pub fn spawn_with_stderr(folder: &Path, arguments: &str) -> Child {
    command(folder, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// An output stream whose reader is gone.
pub fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Standard error of a process up to its end.
pub fn stderr_to_end(child: &mut Child) -> String {
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Ends a process with SIGKILL and waits for its end.
pub fn kill(child: &mut Child) -> ExitStatus {
    child.kill().unwrap();
    child.wait().unwrap()
}

/// Waits until a running process has written a checkpoint at `path`.
pub fn wait_for_checkpoint(path: &Path, child: &mut Child) {
    wait_while(|| !path.exists(), child);
}

/// Waits until a running process has replaced the checkpoint at `path` that was `before`.
pub fn wait_for_new_checkpoint(path: &Path, before: Option<&Vec<u8>>, child: &mut Child) {
    wait_while(|| fs::read(path).ok().as_ref() == before, child);
}

fn wait_while(condition: impl Fn() -> bool, child: &mut Child) {
    let started = Instant::now();
    while condition() {
        assert!(
            started.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(),
            "no checkpoint was written"
        );
        sleep(Duration::from_millis(1));
    }
}

/// Whether a program can be started and ends with exit code 0; what it prints is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The Python of `GF_PYTHON`, or `python3`, where it can import these modules (`"yaml, jinja2"`).
/// `None`, with a message, where it cannot.
pub fn python_with(modules: &str) -> Option<String> {
    let python = env::var("GF_PYTHON").unwrap_or_else(|_| "python3".into());
    if !succeeds(Command::new(&python).args(["-c", &format!("import {modules}")])) {
        no_oracle(&format!(
            "{python} cannot import {modules}; set GF_PYTHON to one that can"
        ));
        return None;
    }
    Some(python)
}

/// `PATH` with the folder of the program, and then these folders, in front.
pub fn path_with_program(folders: &[&Path]) -> OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_gf-genomics"));
    let in_front = std::iter::once(program.parent().unwrap())
        .chain(folders.iter().copied())
        .map(PathBuf::from);
    let inherited = env::var_os("PATH").unwrap();
    env::join_paths(in_front.chain(env::split_paths(&inherited))).unwrap()
}
