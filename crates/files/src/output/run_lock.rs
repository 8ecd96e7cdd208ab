//! One run at a time in a folder.
//!
//! It is a lock of the operating system on a file in the folder, so it ends with its process, even
//! a killed one.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use super::{Error, at, temporary::Passing};

/// Name of the lock file, which contains the process and the machine.
const NAME: &str = ".gf-genomics.lock";

/// The lock of a folder. While it exists, no other run writes to the folder.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    /// Closed, and thereby unlocked, after the file is removed.
    _file: File,
    _passing: Passing,
    is_locked: bool,
    /// The folder did not exist before.
    made: bool,
}

impl RunLock {
    /// Makes the folder if it is absent, and locks it.
    ///
    /// # Errors
    /// Another run has the lock (the message names it), or the folder is not writable.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let made = !folder.exists();
        fs::create_dir_all(folder).map_err(at(folder))?;
        let path = folder.join(NAME);
        let me = format!("process {} on {}", process::id(), host());
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(at(&path))?;
            let is_locked = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    file.read_to_string(&mut holder).map_err(at(&path))?;
                    let holder = if holder.is_empty() {
                        "another process".into()
                    } else {
                        holder
                    };
                    let reason = format!(
                        "{holder} is writing to this folder; wait until it has finished, or \
                         choose another folder"
                    );
                    return Err(at(folder)(io::Error::other(reason)));
                }
                Err(TryLockError::Error(_)) => false,
            };
            if let Err(error) = file.set_len(0).and_then(|()| file.write_all(me.as_bytes())) {
                let _ = fs::remove_file(&path);
                return Err(at(&path)(error));
            }
            // Another run may have ended, and removed the file, just after it was opened here.
            if fs::read(&path).is_ok_and(|found| found == me.as_bytes()) {
                let passing = Passing::new(&path);
                return Ok(Self {
                    path,
                    _file: file,
                    _passing: passing,
                    is_locked,
                    made,
                });
            }
        }
    }

    /// Whether the file system has locks. Without them a second run is not detected.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_locked
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // If the file cannot be removed, the next run uses it.
        let _ = fs::remove_file(&self.path);
        if let (true, Some(folder)) = (self.made, self.path.parent()) {
            // This removes only an empty folder, which a refused run leaves.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Name of this machine, if the system reports it.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    name.map_or("this machine".into(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("results");
        let claim = RunLock::take(&out).unwrap();
        let error = RunLock::take(&out).unwrap_err();
        let message = format!("{error}: {}", error.source);
        let expected = format!(
            "results: process {} on {} is writing to this folder; wait",
            process::id(),
            host()
        );
        assert!(
            claim.is_locked() && message.contains(&expected),
            "{message}"
        );
        drop(claim);
        assert!(!out.exists());
        fs::create_dir(&out).unwrap();
        // The state after a killed run: no process has the lock.
        fs::write(
            out.join(NAME),
            "process 1 on another machine, whose name is longer",
        )
        .unwrap();
        drop(RunLock::take(&out).unwrap());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    }
}
