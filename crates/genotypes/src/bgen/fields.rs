//! Length-checked reading of little-endian fields.

use std::io::{self, BufReader, Read, Seek};

use super::error::BgenProblem;

/// A reader that knows its offset and where it must stop.
pub(super) struct Fields<R> {
    reader: R,
    /// 0-based offset of the next byte.
    offset: u64,
    /// Offset after the last byte that may be read.
    end: u64,
}

impl<'a> Fields<&'a [u8]> {
    /// Reads from bytes; offsets count from their first.
    pub(super) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self::new(bytes, 0, bytes.len() as u64)
    }
}

impl<R: Read> Fields<R> {
    /// `reader` is at `offset` of its file; nothing at or after `end` is read.
    pub(super) const fn new(reader: R, offset: u64, end: u64) -> Self {
        Self {
            reader,
            offset,
            end,
        }
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn available(&self) -> u64 {
        self.end.saturating_sub(self.offset)
    }

    /// That `needed` more bytes are there.
    pub(super) const fn require(&self, what: &'static str, needed: u64) -> Result<(), BgenProblem> {
        let available = self.available();
        if needed > available {
            return Err(BgenProblem::Truncated {
                what,
                needed,
                available,
            });
        }
        Ok(())
    }

    pub(super) fn fill(&mut self, what: &'static str, out: &mut [u8]) -> Result<(), BgenProblem> {
        self.require(what, out.len() as u64)?;
        self.reader.read_exact(out)?;
        self.offset += out.len() as u64;
        Ok(())
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, BgenProblem> {
        let mut bytes = [0; 1];
        self.fill(what, &mut bytes)?;
        Ok(bytes[0])
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, BgenProblem> {
        let mut bytes = [0; 2];
        self.fill(what, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, BgenProblem> {
        let mut bytes = [0; 4];
        self.fill(what, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, BgenProblem> {
        let mut bytes = [0; 8];
        self.fill(what, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// `len` bytes of printable text.
    pub(super) fn text(&mut self, what: &'static str, len: u64) -> Result<String, BgenProblem> {
        self.require(what, len)?;
        let mut bytes = vec![0; len as usize];
        self.fill(what, &mut bytes)?;
        printable(what, bytes)
    }
}

impl<R: Read + Seek> Fields<BufReader<R>> {
    /// Goes over bytes without reading them.
    pub(super) fn skip(&mut self, what: &'static str, len: u64) -> Result<(), BgenProblem> {
        self.require(what, len)?;
        let distance = i64::try_from(len).map_err(io::Error::other)?;
        self.reader.seek_relative(distance)?;
        self.offset += len;
        Ok(())
    }
}

/// Text without control characters: tabs and line ends would break every table it is written to.
pub(super) fn printable(what: &'static str, bytes: Vec<u8>) -> Result<String, BgenProblem> {
    let text = String::from_utf8(bytes).map_err(|_| BgenProblem::BadText { what })?;
    if text.chars().any(char::is_control) {
        return Err(BgenProblem::BadText { what });
    }
    Ok(text)
}
