//! Temporary files, locked while they are written.
//!
//! The lock distinguishes files of a running process from files that a killed run left.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    mem,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::NamedTempFile;

/// Prefix of the names of temporary files.
const PREFIX: &str = ".gf-genomics-";

/// Files to remove if this process stops.
static OURS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn ours() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that [`abandon`] removes while this value exists.
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

/// Removes the files that this process was writing. After the call no file gets its final name, so
/// call it just before the process ends.
pub fn abandon() {
    let ours = ours();
    for path in ours.iter() {
        // The process ends, so the error cannot be reported.
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

/// A file that does not have its final name yet. If dropped before, it is deleted.
#[derive(Debug)]
pub struct Temporary {
    file: NamedTempFile,
    passing: Passing,
}

impl Temporary {
    /// Makes a temporary file, and removes those that killed runs left in the folder.
    ///
    /// # Errors
    /// The file cannot be made.
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
            // Without locks no file counts as a leftover.
            let _ = file.as_file().lock();
            // Another run may have removed it as a leftover before it was locked.
            if file.path().exists() {
                let passing = Passing::new(file.path());
                return Ok(Self { file, passing });
            }
        }
    }

    /// Renames the complete file to its final name.
    ///
    /// # Errors
    /// Writing or renaming fails.
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
        // tempfile would name the temporary file in every error.
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

impl Seek for Temporary {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.as_file_mut().seek(position)
    }
}

/// Removes the name of the temporary file from an error: tempfile adds it, and users do not know
/// it.
fn of_the_system(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((words, _)) => io::Error::new(error.kind(), words),
        None => error,
    }
}

/// Removes the temporary files of ended processes in a folder. Files that cannot be opened or
/// removed stay, which is harmless.
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
