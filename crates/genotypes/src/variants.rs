//! Variant records of VCF, VCF.gz (BGZF or gzip) and BCF files, for all people wanted at once; of
//! the samples only GT and PS are parsed, and on request one of DS, GP and HDS.
//!
//! Input -> output: a path (`-` is standard input) and regions -> a stream of [`VariantRecord`]s
//! that overlap them, in file order. A tabix or CSI index beside the file is used to read only the
//! regions; without one the file is streamed and must be sorted by position.

mod bcf;
mod columns;
mod gt;
mod header;
mod imputed_dosages;
mod index;
mod input;
mod record;
mod region_cursor;
mod text;
mod typed;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

pub(super) use self::input::{Compression, Decompression, Input};
use self::{
    columns::Columns,
    header::Header,
    input::is_stream,
    region_cursor::{PassedOver, RegionCursor},
};
pub use self::{
    imputed_dosages::DosageField,
    input::STDIN,
    record::{RecordLocation, VariantRecord, admits, pass},
};
use super::{DisjointRegions, Error, same_contig};
use gf_files::output::FileState;

/// An opened VCF or BCF file: header read, records not yet.
pub struct VariantFile {
    path: PathBuf,
    /// When it was opened; of a stream it means nothing.
    stamp: Option<FileState>,
    header: Header,
    is_bcf: bool,
    compression: Compression,
    columns: Columns,
    dosage_field: DosageField,
    /// Standard input or a pipe: it can be read once.
    is_stream: bool,
    /// Such a stream, which stands behind the header until the records are read.
    stream: Option<Input>,
    passed_over: PassedOver,
}

/// The samples of each file that can be opened twice: of standard input and pipes nothing is read.
///
/// # Errors
/// As [`VariantFile::open`].
pub fn samples_of_files(paths: &[PathBuf]) -> Result<Vec<(&Path, Vec<String>)>, Error> {
    let files = paths.iter().filter(|path| !is_stream(path));
    files
        .map(|path| Ok((path.as_path(), VariantFile::open(path)?.header.samples)))
        .collect()
}

impl std::fmt::Debug for VariantFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VariantFile")
            .field("path", &self.path)
            .field("n_samples", &self.samples().len())
            .finish_non_exhaustive()
    }
}

impl VariantFile {
    /// Opens a file, or standard input where `path` is `-`, and reads the header. VCF, VCF.gz and
    /// BCF are told by their first bytes.
    ///
    /// # Errors
    /// An unreadable, empty or truncated file, a header that cannot be read, no samples, or a
    /// sample named twice.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let stamp = FileState::read(path);
        let is_stream = is_stream(path);
        let mut input = Input::open(
            path,
            if is_stream {
                Decompression::Ahead
            } else {
                Decompression::Inline
            },
        )?;
        let is_bcf = input.starts_with(b"BCF")?;
        let mut header = if is_bcf {
            Header::read_bcf(&mut input)?
        } else {
            Header::read_text(&mut input)?
        };
        let columns = Columns::all(header.samples.len());
        let compression = input.compression();
        if !is_stream && compression == Compression::Bgzf {
            header.warnings.extend(index::warning(path));
        }
        Ok(Self {
            path: path.into(),
            stamp,
            header,
            is_bcf,
            compression,
            columns,
            dosage_field: DosageField::Gt,
            is_stream,
            stream: is_stream.then_some(input),
            passed_over: PassedOver::default(),
        })
    }

    /// The file; `-` is standard input.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all samples in column order, whoever is selected.
    #[must_use]
    pub fn samples(&self) -> &[String] {
        &self.header.samples
    }

    /// From now on the genotypes of a record are those of `people`, in that order; the other
    /// columns are not parsed.
    ///
    /// # Errors
    /// People without a column: the first one's name, and how many there are. Somebody named twice.
    pub fn select(&mut self, people: &[String]) -> Result<(), Error> {
        self.columns = Columns::select(people, self.samples())
            .map_err(|reason| Error::file(&self.path, reason))?;
        Ok(())
    }

    /// Samples whose genotypes are read.
    #[must_use]
    pub fn n_selected(&self) -> usize {
        self.columns.n_people()
    }

    /// From now on [`VariantRecord::dosages`] are read, where a record has the field; by default
    /// they are not. Such a record need not have GT: then nobody is called in it.
    pub fn read_dosages(&mut self, field: DosageField) {
        self.dosage_field = field;
    }

    /// What was odd about the header but could be read.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.header.warnings
    }

    /// What [`Self::for_each`] passed over, a line for each reason: records at POS 0, records that
    /// cannot be read and nobody asked for, records beyond the length that the header states.
    #[must_use]
    pub fn passed_over(&self) -> Vec<String> {
        self.passed_over.warnings(&self.path)
    }

    /// Length of `contig` (or its alias) as the header states it: a claim, which may be anything.
    #[must_use]
    pub fn contig_len_nt(&self, contig: &str) -> Option<usize> {
        self.header
            .contigs
            .iter()
            .find(|other| same_contig(contig, &other.name))
            .and_then(|other| other.len_nt)
    }

    /// Contigs of the header, and their lengths (nt) as far as it states them.
    pub fn contigs(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.header
            .contigs
            .iter()
            .map(|contig| (contig.name.as_str(), contig.len_nt))
    }

    /// The header lists `contig` (or its alias), or lists none at all.
    #[must_use]
    pub fn may_have_contig(&self, contig: &str) -> bool {
        self.header.contigs.is_empty()
            || self
                .header
                .contigs
                .iter()
                .any(|other| same_contig(contig, &other.name))
    }

    /// An index beside the file says where its records are; without one it is read from its start
    /// to its end.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.compression == Compression::Bgzf && index::index_of(&self.path).is_some()
    }

    /// Reads every record that overlaps one of `wanted` (every record of the file when `None`),
    /// once, in file order. Returns the contigs on which the file has records.
    ///
    /// Without an index the file is read to its end also where the last region is behind: only so
    /// is it known to be whole and sorted.
    ///
    /// # Errors
    /// Read and decompression errors; records in the regions that are malformed or out of order; a
    /// second header with other samples; a file that was changed since it was opened, standard
    /// input read for the second time, and whatever `visit` returns.
    pub fn for_each<E: From<Error>>(
        &mut self,
        wanted: Option<&DisjointRegions>,
        visit: impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        self.for_each_needed(wanted, None, visit)
    }

    /// As [`Self::for_each`]; a record in the regions that cannot be read stops nothing unless
    /// `is_needed` says that somebody needs it. Of such a record only contig and position are
    /// there.
    ///
    /// # Errors
    /// As [`Self::for_each`].
    pub fn for_each_needed<E: From<Error>>(
        &mut self,
        wanted: Option<&DisjointRegions>,
        is_needed: Option<&dyn Fn(&VariantRecord) -> bool>,
        mut visit: impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        let stream = self.stream.take();
        let path = self.path.clone();
        let contigs = self.header.contigs.clone();
        let mut cursor = RegionCursor::new(&path, &contigs, wanted).needing(is_needed);
        if let Some(wanted) =
            wanted.filter(|_| !self.is_stream && self.compression == Compression::Bgzf)
            && let Some(indexed) = index::open(&self.path, &self.header, wanted)?
        {
            self.records(indexed.input, &mut cursor, &mut visit)?;
            self.passed_over = cursor.finish().1;
            return Ok(indexed.contigs);
        }
        let input = match stream {
            Some(input) => input,
            None if self.is_stream => {
                return Err(
                    Error::file(&self.path, "a stream can be read only once: give a file").into(),
                );
            }
            None => {
                let mut input = Input::open(&self.path, Decompression::Ahead)?;
                // The lines of a text header are passed over with the records, where they are told
                // by their `#`.
                if self.is_bcf {
                    Header::read_bcf(&mut input)?;
                }
                input
            }
        };
        self.records(input, &mut cursor, &mut visit)?;
        let (seen, passed_over) = cursor.finish();
        self.passed_over = passed_over;
        Ok(seen)
    }

    fn records<E: From<Error>>(
        &self,
        input: Input,
        cursor: &mut RegionCursor<'_>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = if self.is_bcf {
            bcf::for_each(
                input,
                &self.header,
                (&self.columns, self.dosage_field),
                cursor,
                visit,
            )
        } else {
            text::for_each(
                input,
                &self.header,
                (&self.columns, self.dosage_field),
                cursor,
                visit,
            )
        };
        // Whatever was wrong with its records then, this is why.
        if !self.is_stream && FileState::read(&self.path) != self.stamp {
            return Err(Error::file(
                &self.path,
                "the file was changed while it was read: run again when nobody writes to it",
            )
            .into());
        }
        read
    }
}
