//! Reading BGEN files, layout 2 (versions 1.2 and 1.3), with random access to variants.
//!
//! ```no_run
//! use gf_genotypes::bgen::{BgenFile, BgenRecord};
//! # fn main() -> Result<(), gf_genotypes::bgen::BgenError> {
//! let file = BgenFile::open("chr19.bgen".as_ref())?;
//! let variants = file.variants()?;
//! let mut record = BgenRecord::new();
//! for index in 0..variants.len() {
//!     file.read(&variants, index, &mut record)?;
//!     println!("{} {}", record.rsid(), record.dosages()[1]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Alleles have the order of the file: allele 0 is the first one. The format does not state which
//! of them is REF. UK Biobank and QCTOOL write REF first. PLINK 2 writes REF last unless
//! `--export bgen-1.2 ref-first` is given.
//!
//! A variant is phased as a whole. PLINK 2 writes an unphased heterozygote of a variant with some
//! phase as two haplotypes of probability one half: its call is missing, its dosages are 1.
//!
//! Format: <https://www.chg.ox.ac.uk/~gav/bgen_format/spec/latest.html>.

mod bgi;
mod block;
mod cache;
mod decode;
mod error;
mod fields;
mod header;
mod inflate;
mod record;
mod sample_names;
mod shared_file;
mod sqlite;
mod variants;
mod walk;
mod writer;

pub use self::{
    error::{BgenError, BgenPlace, BgenProblem},
    header::BgenCompression,
    record::BgenRecord,
    sample_names::SampleSource,
    variants::{BgenVariant, BgenVariants},
    writer::{BgenSite, BgenWriter},
};

use std::path::{Path, PathBuf};

use self::{
    cache::Identity,
    decode::Wanted,
    header::{Header, read_sample_names},
    record::ReadSettings,
    sample_names::{neighbour, numbered, read_sample_file, require_unique},
    shared_file::SharedFile,
};

/// The probability that an allele or a genotype needs to be called.
pub const DEFAULT_CALL_THRESHOLD: f64 = 0.9;
/// Bytes of the beginning of a file that tell whether an index belongs to it, as bgenix does.
const N_FIRST_BYTES: u64 = 1000;

/// An open BGEN file. Reading needs no exclusive access: several threads may read, each into its
/// own [`BgenRecord`].
#[derive(Debug)]
pub struct BgenFile {
    path: PathBuf,
    file: SharedFile,
    header: Header,
    identity: Identity,
    samples: Vec<String>,
    sample_source: SampleSource,
    settings: ReadSettings,
}

impl BgenFile {
    /// Opens a file. The sample names are those of the file, else those of the `.sample` file next
    /// to it (`X.sample` or `X.bgen.sample`), else `sample_1`, `sample_2` and so on.
    ///
    /// # Errors
    /// Not a BGEN file of layout 2; lengths that do not fit the file; another number of samples in
    /// the `.sample` file; two samples with one name.
    pub fn open(path: &Path) -> Result<Self, BgenError> {
        Self::open_with(path, neighbour(path).as_deref())
    }

    /// Opens a file with sample names from this `.sample` file, unless the file has names.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_sample_file(path: &Path, sample_file: &Path) -> Result<Self, BgenError> {
        Self::open_with(path, Some(sample_file))
    }

    fn open_with(path: &Path, sample_file: Option<&Path>) -> Result<Self, BgenError> {
        let file = SharedFile::open(path).map_err(|error| BgenError::file(path, error))?;
        let mut first_bytes = vec![0; file.len().min(N_FIRST_BYTES) as usize];
        file.read_exact_at(&mut first_bytes, 0)
            .map_err(|error| BgenError::file(path, error))?;
        let mut fields = walk::fields_at(path, 0, file.len())?;
        let header = Header::read(&mut fields, file.len())
            .map_err(|problem| BgenError::file(path, problem))?;
        let names_start = fields.offset();
        let (samples, sample_source) = if header.has_sample_names {
            let names = embedded_samples(path, &header, names_start)?;
            (names, SampleSource::Embedded)
        } else if let Some(sample_file) = sample_file {
            let names = read_sample_file(sample_file, header.n_samples)?;
            (names, SampleSource::SampleFile(sample_file.to_path_buf()))
        } else {
            (numbered(header.n_samples), SampleSource::Numbered)
        };
        Ok(Self {
            path: path.to_path_buf(),
            identity: Identity {
                file_len: file.len(),
                first_bytes,
            },
            file,
            header,
            samples,
            sample_source,
            settings: ReadSettings {
                compression: header.compression,
                n_samples: header.n_samples,
                selection: None,
                wanted: Wanted {
                    threshold: DEFAULT_CALL_THRESHOLD,
                    dosages: true,
                },
            },
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How genotype data are compressed.
    #[must_use]
    pub fn compression(&self) -> BgenCompression {
        self.header.compression
    }

    /// The number of variants that the header states.
    #[must_use]
    pub fn n_variants(&self) -> u64 {
        self.header.n_variants
    }

    /// All samples of the file, whether selected or not.
    #[must_use]
    pub fn samples(&self) -> &[String] {
        &self.samples
    }

    /// Where the sample names come from.
    #[must_use]
    pub fn sample_source(&self) -> &SampleSource {
        &self.sample_source
    }

    /// What a user should know about the sample names, if anything.
    #[must_use]
    pub fn sample_note(&self) -> Option<String> {
        (self.sample_source == SampleSource::Numbered).then(|| {
            format!(
                "{}: no sample names in the file and no {} next to it; samples are named sample_1 \
                 to sample_{}",
                self.path.display(),
                self.path.with_extension("sample").display(),
                self.samples.len()
            )
        })
    }

    /// Reads only these samples from now on, given by their 0-based numbers in [`Self::samples`],
    /// in this order.
    ///
    /// # Errors
    /// No such sample; one twice.
    pub fn select(&mut self, samples: &[usize]) -> Result<(), BgenError> {
        let mut is_selected = vec![false; self.samples.len()];
        let mut selection = Vec::with_capacity(samples.len());
        for &sample in samples {
            let number = sample.saturating_add(1);
            let Some(flag) = is_selected.get_mut(sample) else {
                let problem = BgenProblem::NoSuchSample {
                    number,
                    samples: self.samples.len(),
                };
                return Err(BgenError::file(&self.path, problem));
            };
            if *flag {
                let problem = BgenProblem::SelectedTwice { number };
                return Err(BgenError::file(&self.path, problem));
            }
            *flag = true;
            selection.push(sample as u32);
        }
        self.settings.selection = Some(selection.into());
        Ok(())
    }

    /// Reads all samples from now on.
    pub fn select_all(&mut self) {
        self.settings.selection = None;
    }

    /// Reads calls without dosages from now on, which is faster; or both again.
    pub fn set_calls_only(&mut self, calls_only: bool) {
        self.settings.wanted.dosages = !calls_only;
    }

    /// Sets the probability that an allele or a genotype needs to be called.
    ///
    /// # Errors
    /// Not above 0.5 and at most 1.
    pub fn set_call_threshold(&mut self, threshold: f64) -> Result<(), BgenError> {
        if threshold > 0.5 && threshold <= 1.0 {
            self.settings.wanted.threshold = threshold;
            return Ok(());
        }
        let problem = BgenProblem::Threshold { threshold };
        Err(BgenError::file(&self.path, problem))
    }

    /// Lists the variants: from the bgenix index `X.bgen.bgi` where it exists, otherwise by
    /// [`Self::walk`].
    ///
    /// # Errors
    /// As [`Self::variants_of_index`] and [`Self::walk`].
    pub fn variants(&self) -> Result<BgenVariants, BgenError> {
        if self.has_index() {
            self.variants_of_index(&self.index_path())
        } else {
            self.walk()
        }
    }

    /// Whether the bgenix index `X.bgen.bgi` exists.
    #[must_use]
    pub fn has_index(&self) -> bool {
        self.index_path().is_file()
    }

    fn index_path(&self) -> PathBuf {
        crate::sidecar_path(&self.path, ".bgi")
    }

    /// Lists the variants of a bgenix index. Only records with more than two alleles are read from
    /// the BGEN file itself.
    ///
    /// # Errors
    /// A damaged index; one of another or an older BGEN file.
    pub fn variants_of_index(&self, bgi: &Path) -> Result<BgenVariants, BgenError> {
        bgi::read(bgi, &self.path, &self.header, &self.identity)
    }

    /// Lists the variants by reading the fields of each record. Genotypes are skipped.
    ///
    /// # Errors
    /// A truncated or damaged record; more or fewer records than the header states.
    pub fn walk(&self) -> Result<BgenVariants, BgenError> {
        walk::walk(&self.path, &self.header, self.file.len())
    }

    /// As [`Self::variants`], but keeps the list in a file at `cache`. A list there that does not
    /// belong to this BGEN file, or is damaged, is replaced.
    ///
    /// # Errors
    /// As [`Self::variants`]; the cache cannot be read or written.
    pub fn variants_cached(&self, cache: &Path) -> Result<BgenVariants, BgenError> {
        if let Some(variants) = self.load_variants(cache)? {
            return Ok(variants);
        }
        let variants = self.variants()?;
        self.save_variants(&variants, cache)?;
        Ok(variants)
    }

    /// Saves a list of the variants.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_variants(&self, variants: &BgenVariants, cache: &Path) -> Result<(), BgenError> {
        cache::save(cache, &self.identity, variants)
    }

    /// Loads a list that [`Self::save_variants`] made; `None` when there is none, when it belongs
    /// to another BGEN file, or when it is damaged.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load_variants(&self, cache: &Path) -> Result<Option<BgenVariants>, BgenError> {
        let variants = cache::load(cache, &self.identity)?;
        Ok(variants.filter(|variants| variants.len() as u64 == self.header.n_variants))
    }

    /// Reads the variant with this 0-based index in the list. Only its own bytes are read. After an
    /// error the record has no samples.
    ///
    /// # Errors
    /// A record that is damaged, or is not the one of the list.
    pub fn read(
        &self,
        variants: &BgenVariants,
        index: usize,
        record: &mut BgenRecord,
    ) -> Result<(), BgenError> {
        record.clear();
        let (Some(listed), Some(bytes)) = (variants.get(index), variants.bytes(index)) else {
            let problem = BgenProblem::NoSuchVariant {
                number: index as u64 + 1,
                variants: variants.len() as u64,
            };
            return Err(BgenError::file(&self.path, problem));
        };
        let place = BgenPlace::Variant {
            number: index as u64 + 1,
            offset: bytes.start,
        };
        let read = self
            .file
            .read_range(bytes, &mut record.bytes)
            .and_then(|()| record.decode(listed, &self.settings));
        if let Err(problem) = read {
            record.clear();
            return Err(BgenError::new(&self.path, place, problem));
        }
        record.finish(&self.path, place);
        Ok(())
    }
}

/// The names of the sample identifier block, which starts at this offset.
fn embedded_samples(path: &Path, header: &Header, start: u64) -> Result<Vec<String>, BgenError> {
    let mut fields = walk::fields_at(path, start, header.first_variant)?;
    let names = read_sample_names(&mut fields, header.n_samples)
        .map_err(|problem| BgenError::file(path, problem))?;
    require_unique(&names).map_err(|problem| BgenError::file(path, problem))?;
    Ok(names)
}
