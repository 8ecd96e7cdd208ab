//! Genotypes of PLINK 2 filesets (PGEN, PVAR, PSAM) and PLINK 1 filesets (BED, BIM, FAM).
//!
//! Written from the PLINK 2 file format specification
//! (<https://github.com/chrchang/plink-ng/tree/master/pgen_spec>). Input -> output: a path ->
//! [`PgenVariants`], [`PgenSamples`], and a [`PgenRecord`] for any variant. Variants and samples
//! are counted from 0; positions are 1-based as in the file.
//!
//! Supported: storage modes 0x01 to 0x04, 0x10, 0x11, 0x20 and 0x21; all main tracks; multiallelic
//! calls; phase; dosages and phased dosages of variants with one ALT allele. The specification does
//! not define dosages of multiallelic variants yet, so such a record is an error.

mod cursor;
mod decoder;
mod difflist;
mod dosage;
mod error;
mod header;
mod main_track;
mod multiallelic;
mod phase;
mod record;
mod samples;
mod selection;
mod source;
mod text;
mod variants;
mod writer;
mod zstandard;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use self::{
    cursor::Cursor,
    decoder::{Decoder, Shape},
    header::{BLOCK, Companions, Header},
    selection::Selection,
    source::Source,
};
pub use self::{
    error::{HeaderFault, LineFault, PgenError, RecordFault, Track},
    header::StorageMode,
    record::PgenRecord,
    samples::{PgenSamples, Sex},
    variants::{PgenVariant, PgenVariants},
    writer::PgenWriter,
};

const PVAR_THEN_BIM: [&str; 4] = [".pvar", ".pvar.zst", ".bim", ".bim.zst"];
const BIM_THEN_PVAR: [&str; 4] = [".bim", ".bim.zst", ".pvar", ".pvar.zst"];

/// An open PGEN or BED file, its variants and its samples.
pub struct PgenFile {
    fileset: Arc<Fileset>,
    source: Source,
    selection: Selection,
    decoder: Decoder,
}

/// What several readers of one file share.
struct Fileset {
    path: PathBuf,
    header: Header,
    variants: PgenVariants,
    samples: PgenSamples,
}

impl PgenFile {
    /// Opens `X.pgen` or `X.bed`. Finds `X.pvar`, `X.pvar.zst`, `X.bim` or `X.bim.zst`, and
    /// `X.psam` or `X.fam`, in the same folder.
    ///
    /// # Errors
    /// A file that is absent, damaged, of another size than its companions, or sample-major.
    pub fn open(path: &Path) -> Result<Self, PgenError> {
        let mut source = Source::open(path)?;
        let samples_path = samples_path(path)?;
        let variant_extensions = if is_bed(path) {
            BIM_THEN_PVAR
        } else {
            PVAR_THEN_BIM
        };
        let variants_path = text::companion(path, &variant_extensions)?;
        let samples = PgenSamples::read(&samples_path)?;
        let mut variants = PgenVariants::read(&variants_path)?;
        let mut companions = Companions {
            variants_path: &variants_path,
            variants: &mut variants,
            samples_path: &samples_path,
            sample_count: samples.len(),
        };
        let header = header::read(&mut source, &mut companions)?;
        let sample_count = samples.len();
        let fileset = Fileset {
            path: path.to_path_buf(),
            header,
            variants,
            samples,
        };
        Ok(Self {
            fileset: Arc::new(fileset),
            source,
            selection: Selection::All(sample_count),
            decoder: Decoder::new(sample_count),
        })
    }

    /// The samples of a fileset, from `X.psam` or `X.fam` alone.
    ///
    /// # Errors
    /// No such file, or a damaged one.
    pub fn samples_of(path: &Path) -> Result<PgenSamples, PgenError> {
        PgenSamples::read(&samples_path(path)?)
    }

    /// A second reader of the same file, for another thread, with the same selection. Variants and
    /// samples are shared.
    ///
    /// # Errors
    /// The file can no longer be opened.
    pub fn another_reader(&self) -> Result<Self, PgenError> {
        Ok(Self {
            fileset: Arc::clone(&self.fileset),
            source: Source::open(&self.fileset.path)?,
            selection: self.selection.clone(),
            decoder: Decoder::new(self.samples().len()),
        })
    }

    /// The PGEN or BED file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.fileset.path
    }

    /// How the file stores its records.
    #[must_use]
    pub fn storage_mode(&self) -> StorageMode {
        self.fileset.header.mode
    }

    /// All variants of the file.
    #[must_use]
    pub fn variants(&self) -> &PgenVariants {
        &self.fileset.variants
    }

    /// All samples of the file, selected or not.
    #[must_use]
    pub fn samples(&self) -> &PgenSamples {
        &self.fileset.samples
    }

    /// Reads only these samples from now on, in this order. Indices refer to [`Self::samples`].
    ///
    /// # Errors
    /// An index past the last sample; an index twice.
    pub fn select(&mut self, samples: &[usize]) -> Result<(), PgenError> {
        self.selection = Selection::new(&self.fileset.path, samples, self.samples().len())?;
        Ok(())
    }

    /// Reads the genotypes of the variant with this 0-based index. Any order is possible; the order
    /// of the file is the fastest. After an error the record is empty.
    ///
    /// # Errors
    /// No such variant; a damaged record; the file cannot be read.
    pub fn read(&mut self, variant: usize, record: &mut PgenRecord) -> Result<(), PgenError> {
        let result = self.read_record(variant, record);
        if result.is_err() {
            record.clear();
        }
        result
    }

    fn read_record(&mut self, variant: usize, record: &mut PgenRecord) -> Result<(), PgenError> {
        let shape = self.shape(variant)?;
        if main_track::refers_back(shape.record_type) && !shape.is_bed {
            self.load_anchor(shape)?;
        }
        let bytes = self.source.bytes(self.fileset.header.range(variant))?;
        self.decoder
            .read(bytes, shape, &self.selection, record)
            .map_err(|fault| self.fileset.fault(variant, fault))
    }

    fn shape(&self, variant: usize) -> Result<Shape, PgenError> {
        let found = self.variants().get(variant);
        let found = found.ok_or_else(|| PgenError::NoSuchVariant {
            path: self.fileset.path.clone(),
            index: variant,
            variants: self.variants().len(),
        })?;
        Ok(Shape {
            variant,
            record_type: self.fileset.header.record_type(variant),
            is_bed: self.storage_mode() == StorageMode::Bed,
            allele_count: found.allele_count(),
        })
    }

    /// Reads the main track that a record refers to, unless it was read last.
    fn load_anchor(&mut self, shape: Shape) -> Result<(), PgenError> {
        let anchor = self.anchor_of(shape.variant).ok_or_else(|| {
            let found = shape.record_type;
            let fault = RecordFault::NoEarlierRecord { found };
            self.fileset.fault(shape.variant, fault)
        })?;
        if !self.decoder.has_anchor(anchor) {
            let anchor_shape = self.shape(anchor)?;
            let bytes = self.source.bytes(self.fileset.header.range(anchor))?;
            self.decoder
                .read_anchor(&mut Cursor::new(bytes), anchor_shape)
                .map_err(|fault| self.fileset.fault(anchor, fault))?;
        }
        self.decoder.extend_anchor_span(shape.variant);
        Ok(())
    }

    /// The last variant of the block, before this one, whose record does not refer to another.
    fn anchor_of(&self, variant: usize) -> Option<usize> {
        let header = &self.fileset.header;
        let block_start = variant / BLOCK * BLOCK;
        // The search starts where the last one ended, for all records of a block may refer to one.
        let known = self
            .decoder
            .anchor_span()
            .filter(|&[anchor, _]| (block_start..variant).contains(&anchor));
        let unsearched = known.map_or(block_start, |[_, through]| through + 1);
        (unsearched..variant)
            .rev()
            .find(|&earlier| !main_track::refers_back(header.record_type(earlier)))
            .or(known.map(|[anchor, _]| anchor))
    }
}

fn is_bed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bed")
}

fn samples_path(path: &Path) -> Result<PathBuf, PgenError> {
    let extensions = if is_bed(path) {
        [".fam", ".psam"]
    } else {
        [".psam", ".fam"]
    };
    text::companion(path, &extensions)
}

impl Fileset {
    fn fault(&self, variant: usize, fault: RecordFault) -> PgenError {
        PgenError::Record {
            path: self.path.clone(),
            number: variant + 1,
            fault,
        }
    }
}
