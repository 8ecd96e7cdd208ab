//! Decompressed bytes of a file or of standard input.
//!
//! Input -> output: a path (`-` is standard input) -> a reader of plain, gzipped or BGZF bytes. The
//! first bytes show the compression. A BGZF stream must have its end-of-file block.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom},
    num::NonZero,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use gf_cohort_schema::text::{self, Foreign};
use noodles::{bgzf, csi::binning_index::index::reference_sequence::bin::Chunk};

use super::RecordLocation;
use crate::Error;

/// The path that means standard input.
pub const STDIN: &str = "-";

/// Bytes read from the operating system at a time.
const BUFFER_BYTES: usize = 1 << 17;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Number of first bytes that identify the format of a file.
const PROBE_BYTES: u64 = 512;

/// The end-of-file block that every complete BGZF file ends with (SAM specification, section
/// 4.1.2).
const BGZF_EOF: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
];

/// Why the bytes of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputProblem {
    /// A file of 0 bytes.
    #[error("the file is empty")]
    Empty,
    /// Another file format.
    #[error("{0}")]
    Foreign(Foreign),
    /// UTF-16.
    #[error("the text is UTF-16; save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`")]
    Utf16,
    /// Lines without line feeds.
    #[error(
        "the lines end with carriage returns alone (as on an old Mac); convert them with `tr '\\r' \
         '\\n'`"
    )]
    CarriageReturns,
    /// A BGZF file without its last block.
    #[error(
        "no BGZF end-of-file block, so the file is truncated; copy it again, or check it with \
         `bgzip -t`"
    )]
    NoBgzfEnd,
    /// A file that is read from its start.
    #[error("{0}")]
    Read(ReadFault),
    /// A part of a file that an index names.
    #[error(
        "{0}. If its index belongs to another file, make the index again with `tabix -f` or \
         `bcftools index -f`"
    )]
    ReadByIndex(ReadFault),
}

/// Why bytes cannot be read or decompressed.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// The end of the file.
    #[error(
        "the file ends in the middle of a block or a record, so it is truncated; copy it again"
    )]
    Truncated,
    /// An error of this program in the place of an error of the decompressor.
    #[error("{0}")]
    Other(io::Error),
    /// Compressed data that cannot be decompressed.
    #[error(
        "the compressed data are damaged ({source}); copy the file again, or check it with `bgzip \
         -t`"
    )]
    Damaged {
        /// The error of the decompressor.
        source: io::Error,
    },
}

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Bgzf,
}

impl Compression {
    /// Detects the compression from the first 18 bytes.
    fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, _, flags, _, _, _, _, _, _, _, _, b'B', b'C', ..]
                if flags & 4 != 0 && start.len() >= 18 =>
            {
                Self::Bgzf
            }
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ => Self::None,
        }
    }
}

/// The thread that decompresses BGZF blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decompression {
    /// The reading thread: for a header, or a few scattered blocks.
    Inline,
    /// A thread of its own, if more than one may be used.
    Ahead,
}

/// A stream of decompressed bytes.
pub(crate) struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    compression: Compression,
    /// Lines read so far; `None` where the stream does not start at the start of the file.
    n_lines: Option<u64>,
    line_has_end: bool,
}

impl Input {
    /// Opens a file or standard input.
    ///
    /// # Errors
    /// A file that cannot be read, is empty, or is a BGZF file without its end.
    pub fn open(path: &Path, decompression: Decompression) -> Result<Self, Error> {
        let error = Error::io(path);
        let mut raw: Box<dyn Read + Send> = if path == Path::new(STDIN) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(error)?)
        };
        let mut start = Vec::new();
        raw.by_ref()
            .take(PROBE_BYTES)
            .read_to_end(&mut start)
            .map_err(Error::io(path))?;
        if start.is_empty() {
            return Err(Error::file(path, InputProblem::Empty));
        }
        require_genome_text(path, &start)?;
        let compression = Compression::detect(&start);
        if compression == Compression::Bgzf && !is_stream(path) {
            require_bgzf_end(path)?;
        }
        let raw = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(raw));
        let reader: Box<dyn BufRead + Send> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(raw),
            )),
            Compression::Bgzf
                if decompression == Decompression::Ahead && rayon::current_num_threads() > 1 =>
            {
                Box::new(bgzf::io::MultithreadedReader::with_worker_count(
                    NonZero::<usize>::MIN,
                    WithEnd::new(raw),
                ))
            }
            Compression::Bgzf => Box::new(bgzf::io::Reader::new(WithEnd::new(raw))),
        };
        let mut input = Self {
            path: path.into(),
            reader,
            compression,
            n_lines: Some(0),
            line_has_end: true,
        };
        input.skip_mark()?;
        Ok(input)
    }

    /// Skips a byte order mark, and refuses compressed files other than VCF, BCF and FASTA.
    fn skip_mark(&mut self) -> Result<(), Error> {
        // Each read ends with its block, so that a damaged block after the header is not reached
        // here.
        let mut start = vec![0; PROBE_BYTES as usize];
        let mut n_read = 0;
        while n_read < BYTE_ORDER_MARK.len() {
            match self
                .reader
                .read(&mut start[n_read..])
                .map_err(|error| self.error(error))?
            {
                0 => break,
                n => n_read += n,
            }
        }
        start.truncate(n_read);
        require_genome_text(&self.path, &start)?;
        if start.starts_with(&BYTE_ORDER_MARK) {
            start.drain(..3);
        }
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(Cursor::new(start).chain(rest));
        Ok(())
    }

    /// Opens parts of a BGZF file, which are in its order and do not overlap.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of_chunks(
        path: &Path,
        chunks: Vec<Chunk>,
        decompression: Decompression,
    ) -> Result<Self, Error> {
        let file =
            BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(Error::io(path))?);
        let reader: Box<dyn BufRead + Send> =
            if decompression == Decompression::Ahead && rayon::current_num_threads() > 1 {
                Box::new(Chunks::new(
                    bgzf::io::MultithreadedReader::with_worker_count(NonZero::<usize>::MIN, file),
                    chunks,
                ))
            } else {
                Box::new(Chunks::new(bgzf::io::Reader::new(file), chunks))
            };
        Ok(Self {
            path: path.into(),
            reader,
            compression: Compression::Bgzf,
            n_lines: None,
            line_has_end: true,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The line read last.
    pub fn place(&self) -> RecordLocation {
        self.n_lines
            .map_or(RecordLocation::Unknown, RecordLocation::Line)
    }

    /// The stream is read from the start of its file, so lines and records can be counted.
    pub fn is_whole(&self) -> bool {
        self.n_lines.is_some()
    }

    /// Whether the stream starts with `magic`; nothing counts as read.
    ///
    /// # Errors
    /// Read and decompression errors.
    pub fn starts_with(&mut self, magic: &[u8]) -> Result<bool, Error> {
        let mut start = Vec::new();
        self.reader
            .by_ref()
            .take(magic.len() as u64)
            .read_to_end(&mut start)
            .map_err(|error| self.error(error))?;
        let is_there = start == magic;
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(Cursor::new(start).chain(rest));
        Ok(is_there)
    }

    /// The next byte, not yet read; `None` at the end.
    ///
    /// # Errors
    /// Read and decompression errors.
    pub fn peek(&mut self) -> Result<Option<u8>, Error> {
        match self.reader.fill_buf() {
            Ok(bytes) => Ok(bytes.first().copied()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Reads one line without its end (`\n` or `\r\n`); false at the end of the stream.
    ///
    /// # Errors
    /// Read and decompression errors.
    pub fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool, Error> {
        line.clear();
        if self
            .reader
            .read_until(b'\n', line)
            .map_err(|error| self.error(error))?
            == 0
        {
            return Ok(false);
        }
        self.n_lines = self.n_lines.map(|n| n + 1);
        self.line_has_end = line.last() == Some(&b'\n');
        if self.line_has_end {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        Ok(true)
    }

    /// Whether the last line that was read had a line break; only the last line of a file may lack
    /// it.
    pub fn line_has_end(&self) -> bool {
        self.line_has_end
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    /// Read and decompression errors; a stream that ends before.
    pub fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.reader
            .read_exact(bytes)
            .map_err(|error| self.error(error))
    }

    /// Reads `len` bytes into `bytes`, whose memory grows only with the bytes that exist.
    ///
    /// # Errors
    /// The errors of [`Self::read_exact`].
    pub fn read_into(&mut self, bytes: &mut Vec<u8>, len: usize) -> Result<(), Error> {
        bytes.clear();
        let n = self
            .reader
            .by_ref()
            .take(len as u64)
            .read_to_end(bytes)
            .map_err(|error| self.error(error))?;
        if n < len {
            return Err(self.error(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    fn error(&self, error: io::Error) -> Error {
        let fault = match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadFault::Truncated,
            io::ErrorKind::Other => ReadFault::Other(error),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                if self.compression != Compression::None =>
            {
                ReadFault::Damaged { source: error }
            }
            _ => {
                return Error::Io {
                    path: self.path.clone(),
                    source: error,
                };
            }
        };
        if self.is_whole() {
            Error::file(&self.path, InputProblem::Read(fault))
        } else {
            Error::file(&self.path, InputProblem::ReadByIndex(fault))
        }
    }
}

/// Refuses the first bytes of files in other formats and encodings; the message names the format.
fn require_genome_text(path: &Path, start: &[u8]) -> Result<(), Error> {
    if let Some(found) = text::foreign(start) {
        return Err(Error::file(path, InputProblem::Foreign(found)));
    }
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(Error::file(path, InputProblem::Utf16));
    }
    let is_text = start.starts_with(b"#") || start.starts_with(b">");
    let has_lone_return = start
        .windows(2)
        .any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
    if is_text && !start.contains(&b'\n') && has_lone_return {
        return Err(Error::file(path, InputProblem::CarriageReturns));
    }
    Ok(())
}

/// Bytes that can be read only once: standard input, a pipe.
pub(crate) fn is_stream(path: &Path) -> bool {
    path == Path::new(STDIN) || path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Requires the end-of-file block: a BGZF file cut at a block boundary reads without an error.
fn require_bgzf_end(path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut end = [0; 28];
    let found = file
        .seek(SeekFrom::End(-28))
        .and_then(|_| file.read_exact(&mut end))
        .is_ok()
        && end == BGZF_EOF;
    if !found {
        return Err(Error::file(path, InputProblem::NoBgzfEnd));
    }
    Ok(())
}

/// Raw BGZF bytes that must end with [`BGZF_EOF`]. There is no other way to know that a stream is
/// complete.
struct WithEnd<R> {
    inner: R,
    last: [u8; 28],
}

impl<R> WithEnd<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            last: [0; 28],
        }
    }
}

impl<R: Read> Read for WithEnd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n == 0 && !buffer.is_empty() && self.last != BGZF_EOF {
            return Err(io::Error::other(InputProblem::NoBgzfEnd));
        }
        let read = &buffer[..n];
        if let Some(last) = read.last_chunk() {
            self.last = *last;
        } else {
            self.last.rotate_left(n);
            self.last[28 - n..].copy_from_slice(read);
        }
        Ok(n)
    }
}

/// Parts of a BGZF file, one after the other.
struct Chunks<R> {
    reader: R,
    rest: std::vec::IntoIter<Chunk>,
    /// End of the current part.
    end: Option<bgzf::VirtualPosition>,
}

impl<R> Chunks<R> {
    fn new(reader: R, chunks: Vec<Chunk>) -> Self {
        Self {
            reader,
            rest: chunks.into_iter(),
            end: None,
        }
    }
}

impl<R: bgzf::io::BufRead + bgzf::io::Seek> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: bgzf::io::BufRead + bgzf::io::Seek> BufRead for Chunks<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self
            .end
            .is_none_or(|end| self.reader.virtual_position() >= end)
        {
            let Some(chunk) = self.rest.next() else {
                return Ok(&[]);
            };
            self.reader.seek_to_virtual_position(chunk.start())?;
            self.end = Some(chunk.end());
        }
        let bytes = self.reader.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::Error::other(
                "the index has a position after the end of the file",
            ));
        }
        Ok(bytes)
    }

    fn consume(&mut self, n: usize) {
        self.reader.consume(n);
    }
}
