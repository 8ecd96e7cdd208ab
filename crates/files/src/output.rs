//! Writes files atomically: under a temporary name in the same folder, then renamed.
//!
//! Every stage writes through this module. A run that is killed at any moment leaves no partial
//! file under a final name. Files with individual-level data are readable only for their
//! owner; files that are made to be shared are written through [`shareable`].

mod file_state;
mod inputs;
mod run_lock;
pub mod shareable;
mod temporary;

pub use self::{
    file_state::FileState,
    inputs::{check_outputs, keep_inputs},
    run_lock::RunLock,
    temporary::abandon,
};

use std::{
    fmt, fs,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    num::NonZero,
    path::{Path, PathBuf},
};

pub use self::temporary::Readers;
use self::{inputs::require_no_input, temporary::Temporary};
use noodles::bgzf;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A file could not be written or read back.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct Error {
    /// The file that was being written.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

/// Writes to standard error. A closed pipe or a full disk there does not end the run.
pub fn message(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Prints a line on standard error, like `eprintln!` but without a panic: see
/// [`message`](crate::output::message()).
#[macro_export]
macro_rules! message {
    ($($words:tt)*) => { $crate::output::message(format_args!("{}\n", format_args!($($words)*))) };
}

/// Like `message!`, without a line break.
#[macro_export]
macro_rules! message_text {
    ($($words:tt)*) => { $crate::output::message(format_args!($($words)*)) };
}

/// Maps an [`io::Error`] to [`Error`] with its path.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error { path, source }
}

/// Writes `path` through `write`, atomically and readable for the owner only. A name that ends in
/// `.gz` is compressed as BGZF.
///
/// # Errors
/// The folder cannot be made, or writing or renaming fails. Then there is no file `path`.
pub fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    write_for(Readers::Owner, path, write)
}

fn write_for(
    readers: Readers,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let mut pending = Pending::create_for(readers, path)?;
    write(&mut pending).map_err(at(path))?;
    pending.finish()
}

/// A file under a temporary name until it is finished. If dropped earlier, it is deleted.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    target: Target,
}

enum Target {
    Plain(BufWriter<Temporary>),
    /// Blocks are compressed on all threads.
    Bgzf(bgzf::io::MultithreadedWriter<BufWriter<Temporary>>),
    /// Standard output, a device or a pipe, which is written to but not replaced.
    Stream(BufWriter<Box<dyn Write>>),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Bgzf(_) => "Bgzf",
            Self::Stream(_) => "Stream",
        })
    }
}

impl Pending {
    /// Starts a file that is readable for its owner only. A name that ends in `.gz` is compressed
    /// as BGZF; `-` is standard output.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Self::create_for(Readers::Owner, path)
    }

    fn create_for(readers: Readers, path: &Path) -> Result<Self, Error> {
        require_no_input(path).map_err(at(path))?;
        let target = if path == Path::new("-") {
            Target::Stream(BufWriter::new(Box::new(io::stdout().lock())))
        } else if path
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir())
        {
            let device = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .map_err(at(path))?;
            Target::Stream(BufWriter::with_capacity(1 << 17, Box::new(device)))
        } else {
            let folder = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            fs::create_dir_all(folder).map_err(at(folder))?;
            let buffered = BufWriter::with_capacity(
                1 << 17,
                Temporary::create(folder, readers).map_err(at(path))?,
            );
            if path.extension().is_some_and(|extension| extension == "gz") {
                let workers =
                    NonZero::new(rayon::current_num_threads()).unwrap_or(NonZero::<usize>::MIN);
                Target::Bgzf(bgzf::io::MultithreadedWriter::with_worker_count(
                    workers, buffered,
                ))
            } else {
                Target::Plain(buffered)
            }
        };
        Ok(Self {
            path: path.into(),
            target,
        })
    }

    /// The final path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the complete file to its final name.
    ///
    /// # Errors
    /// Writing or renaming fails.
    pub fn finish(self) -> Result<(), Error> {
        self.target.finish(&self.path).map_err(at(&self.path))
    }
}

impl Target {
    /// Writes all buffered bytes and renames a temporary file to `path`.
    fn finish(self, path: &Path) -> io::Result<()> {
        let buffered = match self {
            Self::Stream(mut stream) => return stream.flush(),
            Self::Plain(buffered) => buffered,
            Self::Bgzf(mut compressed) => compressed.finish()?,
        };
        buffered
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .persist(path)
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Plain(out) => out.write(bytes),
            Target::Bgzf(out) => out.write(bytes),
            Target::Stream(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Plain(out) => out.flush(),
            // A flush would end a block; `finish` writes the rest.
            Target::Bgzf(_) => Ok(()),
            Target::Stream(out) => out.flush(),
        }
    }
}

impl Seek for Pending {
    /// Only plain files can be written in another order than from start to end.
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.target {
            Target::Plain(out) => out.seek(position),
            Target::Bgzf(_) | Target::Stream(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}

/// Removes a file. An absent file is not an error.
///
/// # Errors
/// The file exists and cannot be removed.
pub fn remove_if_there(path: &Path) -> Result<(), Error> {
    require_no_input(path).map_err(at(path))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Writes `value` as JSON in one line, atomically; for large tables that people do not read.
///
/// # Errors
/// The errors of [`write()`].
pub fn write_compact_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write(path, |out| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Writes `value` as indented JSON, atomically.
///
/// # Errors
/// The errors of [`write()`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write(path, |out| json(out, value))
}

fn json<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Writes one CSV table with its header, atomically; the header is written for an empty table too.
///
/// # Errors
/// The errors of [`write()`].
pub fn write_csv<T: Serialize>(
    path: &Path,
    header: &[&str],
    rows: impl IntoIterator<Item = T>,
) -> Result<(), Error> {
    write(path, |out| csv(out, header, rows))
}

fn csv<T: Serialize>(
    out: &mut dyn Write,
    header: &[&str],
    rows: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let mut table = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(out);
    table.write_record(header)?;
    for row in rows {
        table.serialize(row)?;
    }
    table.flush()
}

/// SHA-256 of a file's bytes, in lower-case hexadecimal.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, Error> {
    let mut file = fs::File::open(path).map_err(at(path))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).map_err(at(path))?;
    Ok(hex(&hasher.finalize()))
}

/// SHA-256 of bytes, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from_digit(u32::from(nibble), 16).unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_neither_the_file_nor_a_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let result = write(&path, |out| {
            out.write_all(b"half a row")?;
            Err(io::Error::other("disk gone"))
        });
        assert!(result.unwrap_err().to_string().contains("table.csv"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_file_unless_it_is_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("other"), "x").unwrap();
        // The replaced file may have been readable for other users.
        fs::write(path.join("people.csv"), "x").unwrap();
        write(&path.join("people.csv"), |out| out.write_all(b"x")).unwrap();
        write_csv(&path.join("people.csv.gz"), &["sample_id"], ["P1"]).unwrap();
        write_json(&path.join("people.json"), &1).unwrap();
        for name in ["people.csv", "people.csv.gz", "people.json"] {
            assert_eq!(mode(&path.join(name)), 0o600, "{name}");
        }
        shareable::write(&path.join("report.html"), |out| out.write_all(b"x")).unwrap();
        shareable::write_csv(&path.join("auc.csv"), &["model"], ["m"]).unwrap();
        shareable::write_json(&path.join("config.json"), &1).unwrap();
        for name in ["report.html", "auc.csv", "config.json"] {
            assert_eq!(mode(&path.join(name)), mode(&path.join("other")), "{name}");
        }
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_gz_name_is_written_as_bgzf() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt.gz");
        write(&path, |out| out.write_all(b"ACGT\n")).unwrap();
        let mut text = String::new();
        io::Read::read_to_string(
            &mut bgzf::io::Reader::new(fs::File::open(&path).unwrap()),
            &mut text,
        )
        .unwrap();
        assert_eq!(text, "ACGT\n");
    }
}
