//! One run at a time in a folder.
//!
//! The lock is the operating system's, on a file in the folder, so that it goes with a process that
//! is killed, whatever the file says.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use super::{Error, at, temporary::Passing};

/// In a folder that is written to: who does it.
const NAME: &str = ".gf-genomics.lock";

/// A folder that nobody else writes to while this lives.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    /// Closed, and so unlocked, after the file is removed.
    _file: File,
    _passing: Passing,
    is_locked: bool,
    /// There was no such folder before.
    made: bool,
}

impl RunLock {
    /// Makes the folder if there is none, and claims it.
    ///
    /// # Errors
    /// Another run has it, which is named; or it cannot be written to.
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

    /// False on a file system without locks, where a second run is not noticed.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_locked
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A file that stays is the next run's.
        let _ = fs::remove_file(&self.path);
        if let (true, Some(folder)) = (self.made, self.path.parent()) {
            // Only an empty folder can be removed so: that of a run which was refused.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Name of this machine, where the system tells.
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
        // As a killed run leaves it: nobody has the lock.
        fs::write(
            out.join(NAME),
            "process 1 on another machine, whose name is longer",
        )
        .unwrap();
        drop(RunLock::take(&out).unwrap());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    }
}
