//! Variant records of VCF, VCF.gz (BGZF or gzip) and BCF files, for all selected samples at once.
//!
//! Input -> output: a path (`-` is standard input) and regions -> a stream of [`VariantRecord`]s
//! that overlap them, in file order. Of the sample columns only GT and PS are parsed, and on
//! request one of DS, GP and HDS. With a tabix or CSI index next to the file only the regions are
//! read; without one the file is streamed and must be sorted by position.

mod bcf;
mod bgen_records;
mod columns;
mod format;
mod format_options;
mod gt;
mod header;
mod imputed_dosages;
mod index;
mod input;
mod pgen_records;
mod record;
mod region_cursor;
mod text;
mod typed;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

pub(super) use self::input::{Compression, Decompression, Input};
pub use self::{
    bcf::BcfProblem,
    bgen_records::{RefOrder, RefOrderProblem},
    columns::{SampleProblem, SelectionProblem, UnequalColumns},
    format::companions,
    format_options::FormatOptions,
    gt::{CellProblem, FormatTwice},
    header::{HeaderProblem, SecondHeader},
    imputed_dosages::{DosageField, DosageProblem},
    index::IndexProblem,
    input::{InputProblem, STDIN},
    record::{AlleleProblem, RecordLocation, VariantRecord, admits, pass},
    region_cursor::NotSorted,
    text::{Cut, VcfProblem},
};
use self::{
    columns::{Columns, Selection},
    format::Format,
    header::Header,
    input::is_stream,
    region_cursor::{PassedOver, RegionCursor},
};
use super::{DisjointRegions, Error, Reference, same_contig};
use gf_files::output::FileState;

/// Why a file of variants cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariantFileProblem {
    /// A stream whose records are read twice.
    #[error("a stream can be read only once; give a file instead")]
    StreamTwice,
    /// A file that another program changed.
    #[error("the file was changed while it was read; run again when no program writes to it")]
    Changed,
}

/// An open VCF or BCF file: the header is read, the records are not.
pub struct VariantFile {
    path: PathBuf,
    /// State of the file when it was opened, to notice a change. Unused for a stream.
    stamp: Option<FileState>,
    header: Header,
    format: Format,
    compression: Compression,
    columns: Columns,
    dosage_field: DosageField,
    /// Standard input or a pipe, which can be read only once.
    is_stream: bool,
    /// The stream after its header, until the records are read.
    stream: Option<Input>,
    passed_over: PassedOver,
}

/// The samples of each file. Standard input and pipes are skipped, because they can be read only
/// once.
///
/// # Errors
/// The errors of [`VariantFile::open`].
pub fn samples_of_files(paths: &[PathBuf]) -> Result<Vec<(&Path, Vec<String>)>, Error> {
    paths
        .iter()
        .filter(|path| !is_stream(path))
        .map(|path| Ok((path.as_path(), samples_of_file(path)?)))
        .collect()
}

/// The samples of a file. The variants of PGEN, BED and BGEN files are not read.
fn samples_of_file(path: &Path) -> Result<Vec<String>, Error> {
    match Format::samples_of_binary(path)? {
        Some(samples) => Ok(samples),
        None => Ok(VariantFile::open(path)?.header.samples),
    }
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
    /// Opens a file, or standard input if `path` is `-`, and reads the header. The first bytes
    /// distinguish VCF, VCF.gz and BCF.
    ///
    /// # Errors
    /// An unreadable, empty or truncated file, a header that cannot be read, no samples, or a
    /// repeated sample name.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_listed(path, None)
    }

    fn open_listed(path: &Path, bgen_lists: Option<&Path>) -> Result<Self, Error> {
        let stamp = FileState::read(path);
        let is_stream = is_stream(path);
        // A stream continues after the header with the same input; a file is opened again.
        let decompression = if is_stream {
            Decompression::Ahead
        } else {
            Decompression::Inline
        };
        if !is_stream && let Some(format) = Format::open_binary(path, bgen_lists)? {
            return Self::of_binary(path, stamp, format);
        }
        let mut input = Input::open(path, decompression)?;
        let format = if input.starts_with(b"BCF")? {
            Format::Bcf
        } else {
            Format::Text
        };
        let mut header = match format {
            Format::Bcf => Header::read_bcf(&mut input)?,
            _ => Header::read_text(&mut input)?,
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
            format,
            compression,
            columns,
            dosage_field: DosageField::Gt,
            is_stream,
            stream: is_stream.then_some(input),
            passed_over: PassedOver::default(),
        })
    }

    /// Opens a file, and completes what its format does not state.
    ///
    /// # Errors
    /// Like [`Self::open`].
    pub fn open_with(path: &Path, options: &FormatOptions) -> Result<Self, Error> {
        let mut file = Self::open_listed(path, options.bgen_lists.as_deref())?;
        if let Some(order) = options.ref_order() {
            file.set_ref_order(order);
        }
        if let Some(contig) = &options.contig {
            file.set_contig(contig);
        }
        Ok(file)
    }

    /// A PGEN, BED or BGEN file.
    fn of_binary(path: &Path, stamp: Option<FileState>, format: Format) -> Result<Self, Error> {
        let header = match &format {
            Format::Pgen(file) => pgen_records::header(file)?,
            Format::Bgen(records) => records.header(),
            Format::Text | Format::Bcf => Header::default(),
        };
        Ok(Self {
            path: path.into(),
            stamp,
            columns: Columns::all(header.samples.len()),
            header,
            format,
            compression: Compression::None,
            dosage_field: DosageField::Gt,
            is_stream: false,
            stream: None,
            passed_over: PassedOver::default(),
        })
    }

    /// Whether the format leaves open which allele is REF, and nobody has said it yet.
    #[must_use]
    pub fn needs_ref_order(&self) -> bool {
        matches!(&self.format, Format::Bgen(records) if !records.has_ref_order())
    }

    /// States which allele of a BGEN file is REF. Other formats state it themselves.
    pub fn set_ref_order(&mut self, order: RefOrder) {
        if let Format::Bgen(records) = &mut self.format {
            records.set_ref_order(order);
        }
    }

    /// Decides which allele of a BGEN file is REF by comparing single-base variants with the FASTA.
    ///
    /// # Errors
    /// The alleles agree with neither order, or with both.
    pub fn decide_ref_order(&mut self, reference: &mut Reference) -> Result<(), Error> {
        match &mut self.format {
            Format::Bgen(records) => records.decide_ref_order(reference),
            Format::Text | Format::Bcf | Format::Pgen(_) => Ok(()),
        }
    }

    /// Gives the contig of BGEN variants whose chromosome field is empty.
    pub fn set_contig(&mut self, contig: &str) {
        if let Format::Bgen(records) = &mut self.format {
            records.set_contig(contig.to_owned());
            self.header = records.header();
        }
    }

    /// The file; `-` is standard input.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all samples in column order, selected or not.
    #[must_use]
    pub fn samples(&self) -> &[String] {
        &self.header.samples
    }

    /// Selects the samples whose genotypes the next records have, in the order given. Other columns
    /// are not parsed.
    ///
    /// # Errors
    /// Samples without a column (the first name and their number), or a repeated sample.
    pub fn select(&mut self, samples: &[String]) -> Result<(), Error> {
        self.columns = Columns::select(samples, self.samples())
            .map_err(|problem| Error::file(&self.path, problem))?;
        Ok(())
    }

    /// Number of samples whose genotypes are read.
    #[must_use]
    pub fn n_selected(&self) -> usize {
        self.columns.n_samples()
    }

    /// Turns on [`VariantRecord::dosages`] for the next records that have the field; they are off
    /// by default. A record with dosages need not have GT; its calls are then missing.
    pub fn read_dosages(&mut self, field: DosageField) {
        self.dosage_field = field;
    }

    /// Problems of the header that did not stop its reading.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.header.warnings
    }

    /// Warnings about records that [`Self::for_each`] skipped, one line per reason: records at POS
    /// 0, malformed records that are not needed, and records beyond the stated contig length.
    #[must_use]
    pub fn passed_over(&self) -> Vec<String> {
        self.passed_over.warnings(&self.path)
    }

    /// Length of `contig` (or its alias) as the header states it. The number is not checked.
    #[must_use]
    pub fn contig_len_nt(&self, contig: &str) -> Option<usize> {
        self.header
            .contigs
            .iter()
            .find(|other| same_contig(contig, &other.name))
            .and_then(|other| other.len_nt)
    }

    /// Contigs of the header with their lengths (nt), if stated.
    pub fn contigs(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.header
            .contigs
            .iter()
            .map(|contig| (contig.name.as_str(), contig.len_nt))
    }

    /// Whether the header lists `contig` (or its alias), or lists no contig at all.
    #[must_use]
    pub fn may_have_contig(&self, contig: &str) -> bool {
        self.header.contigs.is_empty()
            || self
                .header
                .contigs
                .iter()
                .any(|other| same_contig(contig, &other.name))
    }

    /// Whether the file has an index. Without one it is read from start to end.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        match self.format {
            Format::Pgen(_) | Format::Bgen(_) => true,
            Format::Text | Format::Bcf => {
                self.compression == Compression::Bgzf && index::index_of(&self.path).is_some()
            }
        }
    }

    /// Visits each record that overlaps one of the regions `wanted`, or every record if `None`, in
    /// file order. Returns the contigs on which the file has records.
    ///
    /// Without an index the file is read to its end, even after the last region. Only then is it
    /// known to be complete and sorted.
    ///
    /// # Errors
    /// - read and decompression errors;
    /// - malformed or unsorted records in the regions;
    /// - a second header with other samples;
    /// - a file that was changed since it was opened, or a stream that is read for the second time;
    /// - the errors of `visit`.
    pub fn for_each<E: From<Error>>(
        &mut self,
        wanted: Option<&DisjointRegions>,
        visit: impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        self.for_each_needed(wanted, None, visit)
    }

    /// Visits records like [`Self::for_each`], but skips a malformed record in the regions unless
    /// `is_needed` returns `true` for it. Only contig and position of such a record are set.
    ///
    /// # Errors
    /// The errors of [`Self::for_each`].
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
        if self.is_binary() {
            self.read_binary(&mut cursor, &mut visit)?;
            self.passed_over = cursor.passed_over;
            return Ok(cursor.contigs_seen);
        }
        if let Some(wanted) =
            wanted.filter(|_| !self.is_stream && self.compression == Compression::Bgzf)
            && let Some(indexed) = index::open(&self.path, &self.header, wanted)?
        {
            self.read_records(indexed.input, &mut cursor, &mut visit)?;
            self.passed_over = cursor.passed_over;
            return Ok(indexed.contigs);
        }
        let input = match stream {
            Some(input) => input,
            None if self.is_stream => {
                return Err(Error::file(&self.path, VariantFileProblem::StreamTwice).into());
            }
            None => {
                let mut input = Input::open(&self.path, Decompression::Ahead)?;
                // A text header is skipped together with the records: its lines begin with `#`.
                if matches!(self.format, Format::Bcf) {
                    Header::read_bcf(&mut input)?;
                }
                input
            }
        };
        self.read_records(input, &mut cursor, &mut visit)?;
        self.passed_over = cursor.passed_over;
        Ok(cursor.contigs_seen)
    }

    fn is_binary(&self) -> bool {
        matches!(self.format, Format::Pgen(_) | Format::Bgen(_))
    }

    fn read_binary<E: From<Error>>(
        &mut self,
        cursor: &mut RegionCursor<'_>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let selection = Selection {
            columns: &self.columns,
            dosage_field: self.dosage_field,
        };
        let result = match &mut self.format {
            Format::Pgen(file) => pgen_records::for_each(file, selection, cursor, visit),
            Format::Bgen(records) => records.for_each(selection, cursor, visit),
            Format::Text | Format::Bcf => Ok(()),
        };
        self.require_unchanged()?;
        result
    }

    /// A change of the file explains any error in its records, so it is reported first.
    fn require_unchanged(&self) -> Result<(), Error> {
        if !self.is_stream && FileState::read(&self.path) != self.stamp {
            return Err(Error::file(&self.path, VariantFileProblem::Changed));
        }
        Ok(())
    }

    fn read_records<E: From<Error>>(
        &self,
        input: Input,
        cursor: &mut RegionCursor<'_>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let selection = Selection {
            columns: &self.columns,
            dosage_field: self.dosage_field,
        };
        let result = match self.format {
            Format::Bcf => bcf::for_each(input, &self.header, selection, cursor, visit),
            _ => text::for_each(input, &self.header, selection, cursor, visit),
        };
        self.require_unchanged()?;
        result
    }
}
