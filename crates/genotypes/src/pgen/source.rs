//! The bytes of a range of a file, read into one buffer.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::error::PgenError;

/// Bytes read at once when ranges follow each other. A single range is read alone.
const READ_AHEAD: u64 = 1 << 20;

/// A file of known length, and the part of it that was read last.
pub(super) struct Source {
    path: Arc<Path>,
    file: File,
    len: u64,
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte.
    start: u64,
    /// End of the range asked for last.
    last_end: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, PgenError> {
        let file = File::open(path).map_err(|source| PgenError::io(path, source))?;
        let metadata = file
            .metadata()
            .map_err(|source| PgenError::io(path, source))?;
        Ok(Self {
            path: path.into(),
            file,
            len: metadata.len(),
            buffer: Vec::new(),
            start: 0,
            last_end: 0,
        })
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// The bytes of `range`, which must lie inside the file.
    pub(super) fn bytes(&mut self, range: Range<u64>) -> Result<&[u8], PgenError> {
        let buffered = self.start..self.start + self.buffer.len() as u64;
        if range.start < buffered.start || range.end > buffered.end {
            self.fill(&range)
                .map_err(|source| PgenError::io(&*self.path, source))?;
        }
        self.last_end = range.end;
        let first = (range.start - self.start) as usize;
        let last = (range.end - self.start) as usize;
        Ok(&self.buffer[first..last])
    }

    fn fill(&mut self, range: &Range<u64>) -> std::io::Result<()> {
        let read_end = if range.start == self.last_end {
            let end = range.end.max(range.start.saturating_add(READ_AHEAD));
            end.min(self.len).max(range.end)
        } else {
            range.end
        };
        let count = usize::try_from(read_end - range.start).map_err(std::io::Error::other)?;
        self.buffer.clear();
        self.start = range.start;
        self.file.seek(SeekFrom::Start(range.start))?;
        // A buffer that grows with what arrives: the file may have been cut since it was opened.
        let file = &mut self.file;
        file.take(count as u64).read_to_end(&mut self.buffer)?;
        if (self.buffer.len() as u64) < range.end - range.start {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
