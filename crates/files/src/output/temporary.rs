//! Temporary files, locked while they are written.
//!
//! The lock tells the files of a running process from those that a killed run left.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    mem,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::NamedTempFile;

/// How the names of temporary files start.
const PREFIX: &str = ".gf-genomics-";

/// Files that go with this process.
static OURS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn ours() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a file that [`abandon`] removes, until it is dropped.
#[derive(Debug)]
pub struct Passing(PathBuf);

impl Passing {
    pub fn new(path: &Path) -> Self {
        ours().insert(path.into());
        Self(path.into())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        ours().remove(&self.0);
    }
}

/// Removes what this process was writing. From then on none of its files gets a name any more: for
/// the moment before it ends.
pub fn abandon() {
    let ours = ours();
    for path in ours.iter() {
        // There is nobody left to be told.
        let _ = fs::remove_file(path);
    }
    mem::forget(ours);
}

/// Read permission of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The owner only.
    Owner,
    /// The default of new files (umask).
    Anyone,
}

/// A file without its name yet; dropped before it gets one, it leaves nothing.
#[derive(Debug)]
pub struct Temporary {
    file: NamedTempFile,
    passing: Passing,
}

impl Temporary {
    /// Makes one, and removes those that killed runs left in the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(folder: &Path, readers: Readers) -> io::Result<Self> {
        remove_leftovers(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(
            match readers {
                Readers::Owner => 0o600,
                Readers::Anyone => 0o666,
            },
        ));
        loop {
            let file = builder.tempfile_in(folder).map_err(of_the_system)?;
            // Where there are no locks, nothing is ever taken for a leftover.
            let _ = file.as_file().lock();
            // Another run may have taken it for one before it was locked.
            if file.path().exists() {
                let passing = Passing::new(file.path());
                return Ok(Self { file, passing });
            }
        }
    }

    /// Puts the file, whole, under its name.
    ///
    /// # Errors
    /// When the disk or the folder refuses.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        let Self { file, passing } = self;
        file.as_file().sync_all()?;
        let held = ours();
        let renamed = file.persist(path).map_err(|error| error.error);
        drop(held);
        drop(passing);
        renamed.map(drop)
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not through tempfile, which names the temporary file in every error.
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Without the name of the temporary file, which tempfile adds to the words of the system and
/// nobody knows.
fn of_the_system(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((words, _)) => io::Error::new(error.kind(), words),
        None => error,
    }
}

/// Removes the temporary files in a folder whose process has ended. What cannot be opened or
/// removed stays: it harms nobody.
fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
    {
        let path = entry.path();
        if let Ok(file) = File::options().write(true).open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_the_dead_are_removed_and_files_of_the_living_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let results = path.join("results.csv");
        for name in [".gf-genomics-dead", "results.csv", ".bashrc"] {
            fs::write(path.join(name), "half").unwrap();
        }
        let mut alive = Temporary::create(path, Readers::Owner).unwrap();
        assert!(!path.join(".gf-genomics-dead").exists());
        assert!(results.exists() && path.join(".bashrc").exists());
        alive.write_all(b"whole").unwrap();
        Temporary::create(path, Readers::Owner)
            .unwrap()
            .persist(&path.join("other"))
            .unwrap();
        alive.persist(&results).unwrap();
        assert_eq!(fs::read(&results).unwrap(), b"whole");
        assert_eq!(fs::read_dir(path).unwrap().count(), 3);
    }
}
