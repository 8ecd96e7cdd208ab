//! A file that several threads read at places of their own.

use std::{fs::File, io, ops::Range, path::Path};

use super::error::BgenProblem;

/// A file of known length.
#[derive(Debug)]
pub(super) struct SharedFile {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    len: u64,
}

impl SharedFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other(
                "not a regular file; BGEN files need random access",
            ));
        }
        Ok(Self {
            #[cfg(unix)]
            file,
            #[cfg(not(unix))]
            file: std::sync::Mutex::new(file),
            len: metadata.len(),
        })
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Fills `out` from this offset on.
    #[cfg(unix)]
    pub(super) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, offset)
    }

    /// Fills `out` from this offset on.
    #[cfg(not(unix))]
    pub(super) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }

    /// Reads a range of the file into a buffer that is used again.
    pub(super) fn read_range(
        &self,
        range: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), BgenProblem> {
        let len = range.end.saturating_sub(range.start);
        if range.end > self.len {
            return Err(BgenProblem::Truncated {
                what: "the variant",
                needed: len,
                available: self.len.saturating_sub(range.start),
            });
        }
        out.resize(len as usize, 0);
        self.read_exact_at(out, range.start)?;
        Ok(())
    }
}
