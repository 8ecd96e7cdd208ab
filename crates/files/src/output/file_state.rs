//! Detects a change of a file without reading it.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// Two changes within this time may have equal timestamps on file systems that count in seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// Length and times of a file, compared only with another state of the same file. Clocks may go
/// back, so times are compared for equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    len: u64,
    modified: Option<SystemTime>,
    /// Number of the file and time of its last change of any kind, in seconds and nanoseconds. A
    /// user cannot set this time back.
    #[cfg(unix)]
    changed: (u64, i64, i64),
}

impl FileState {
    /// The current state of a file; `None` if it does not exist.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            (found.ino(), found.ctime(), found.ctime_nsec())
        };
        Some(Self {
            len: found.len(),
            modified: found.modified().ok(),
            #[cfg(unix)]
            changed,
        })
    }

    /// The last change is some seconds ago, so that a new change would have another time. Where
    /// clocks differ, this may be wrong.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        #[cfg(unix)]
        let changed = Some(
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.changed.1.max(0).unsigned_abs()),
        );
        #[cfg(not(unix))]
        let changed = self.modified;
        changed
            .and_then(|changed| SystemTime::now().duration_since(changed).ok())
            .is_some_and(|ago| ago > SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_to_or_replaced_is_known_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(FileState::read(&path), None);
        fs::write(&path, "abc").unwrap();
        let before = FileState::read(&path);
        assert_eq!(FileState::read(&path), before);
        fs::write(folder.path().join("y"), "abc").unwrap();
        fs::rename(folder.path().join("y"), &path).unwrap();
        assert_ne!(FileState::read(&path), before);
    }
}
