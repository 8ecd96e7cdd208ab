//! One variant with its genotypes.

use std::{path::PathBuf, sync::Arc};

use super::{
    block::{Block, is_missing, ploidy_of},
    decode::{Decoded, Selection, Stored, Wanted},
    error::{BgenError, BgenPlace, BgenProblem},
    fields::Fields,
    header::BgenCompression,
    inflate::GenotypeData,
    variants::{BgenVariant, VariantFields},
};

/// How the genotypes of a record are read.
#[derive(Clone, Debug)]
pub(super) struct ReadSettings {
    pub(super) compression: BgenCompression,
    pub(super) n_samples: usize,
    /// 0-based numbers of the selected samples; `None` for all.
    pub(super) selection: Option<Arc<[u32]>>,
    pub(super) wanted: Wanted,
}

/// One variant with the genotypes of the selected samples. Its buffers are used again by the next
/// [`BgenFile::read`](super::BgenFile::read). Samples are numbered from 0, in the order of the
/// selection.
#[derive(Debug, Default)]
pub struct BgenRecord {
    path: PathBuf,
    /// Number and offset of the variant; `None` before the first complete read.
    place: Option<BgenPlace>,
    /// The record's bytes in the file.
    pub(super) bytes: Vec<u8>,
    fields: VariantFields,
    data: GenotypeData,
    block: Block,
    /// Ploidy bytes of the selected samples.
    ploidies: Vec<u8>,
    selection: Option<Arc<[u32]>>,
    decoded: Decoded,
    has_dosages: bool,
}

impl BgenRecord {
    /// An empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Variant identifier; may be empty.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.fields.id
    }

    /// The rsid field, often the variant's name; may be empty.
    #[must_use]
    pub fn rsid(&self) -> &str {
        &self.fields.rsid
    }

    /// Contig as the file names it; may be empty.
    #[must_use]
    pub fn contig(&self) -> &str {
        &self.fields.contig
    }

    /// 1-based position; 0 means unknown.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.fields.position
    }

    /// The alleles in the order of the file. Which of them is REF is not stored.
    #[must_use]
    pub fn alleles(&self) -> &[String] {
        &self.fields.alleles
    }

    /// The number of selected samples.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.ploidies.len()
    }

    /// Whether the probabilities belong to haplotypes, for all samples of the variant.
    #[must_use]
    pub fn is_phased(&self) -> bool {
        self.is_complete() && self.block.phased
    }

    /// Bits of a stored probability, 1 to 32; 0 before a variant is read.
    #[must_use]
    pub fn bits(&self) -> u32 {
        if self.is_complete() {
            self.block.bits
        } else {
            0
        }
    }

    /// Ploidy of a sample, 0 to 63; missing samples have one too.
    #[must_use]
    pub fn ploidy(&self, sample: usize) -> Option<u8> {
        self.ploidies.get(sample).copied().map(ploidy_of)
    }

    /// The smallest ploidy of all samples of the file at this variant.
    #[must_use]
    pub fn smallest_ploidy(&self) -> u8 {
        *self.block.ploidies.start()
    }

    /// Whether the sample has no probabilities.
    #[must_use]
    pub fn is_missing(&self, sample: usize) -> Option<bool> {
        self.ploidies.get(sample).copied().map(is_missing)
    }

    /// The two alleles of each sample, in the order of the file: an allele number,
    /// [`MISSING`](crate::MISSING), or [`ABSENT`](crate::ABSENT) for the second haplotype of a
    /// haploid sample; a sample of ploidy 0 has [`MISSING`](crate::MISSING) and
    /// [`ABSENT`](crate::ABSENT). The alleles of an unphased genotype are in ascending order.
    ///
    /// # Errors
    /// A sample has more than two haplotypes; the variant has more alleles than an `i16` numbers.
    pub fn calls(&self) -> Result<&[[i16; 2]], BgenError> {
        let alleles = self.fields.alleles.len();
        if alleles > i16::MAX as usize {
            return Err(self.error(BgenProblem::TooManyAlleles { alleles }));
        }
        match self.decoded.unsupported {
            _ if !self.is_complete() => Ok(&[]),
            None => Ok(&self.decoded.calls),
            Some((sample, ploidy)) => Err(self.error(BgenProblem::UnsupportedPloidy {
                sample: sample + 1,
                ploidy,
            })),
        }
    }

    /// Haplotypes (phased) or samples (unphased) that are not missing in the file, but have no
    /// probability of at least the call threshold: their calls are missing.
    #[must_use]
    pub fn uncalled(&self) -> usize {
        if self.is_complete() {
            self.decoded.uncalled
        } else {
            0
        }
    }

    /// The expected number of copies of each allele: samples times alleles, the alleles of one
    /// sample next to each other. NaN for a missing sample. Any ploidy. Empty after
    /// [`BgenFile::set_calls_only`](super::BgenFile::set_calls_only).
    #[must_use]
    pub fn dosages(&self) -> &[f32] {
        if self.is_complete() && self.has_dosages {
            &self.decoded.dosages
        } else {
            &[]
        }
    }

    /// The integer that encodes probability 1 in [`Self::stored_probabilities`].
    #[must_use]
    pub fn probability_one(&self) -> u32 {
        if self.is_complete() {
            self.block.one()
        } else {
            1
        }
    }

    /// The probabilities of a sample as integers, with the ones that the file leaves out because
    /// they follow from the rest.
    ///
    /// Phased: for each haplotype one value per allele. Unphased: one value per genotype, in
    /// colexicographic order (for two alleles 0/0, 0/1, 1/1; for three 0/0, 0/1, 1/1, 0/2, 1/2,
    /// 2/2). `out` is empty for a missing sample, and when there is no such sample.
    pub fn stored_probabilities(&self, sample: usize, out: &mut Vec<u32>) {
        out.clear();
        let Some(&byte) = self.ploidies.get(sample) else {
            return;
        };
        if is_missing(byte) {
            return;
        }
        let stored = Stored {
            block: &self.block,
            padded: self.data.padded(),
        };
        let sample_in_file = self.selected().in_file(sample);
        let read = stored.distributions(sample_in_file, ploidy_of(byte), out);
        // Checked when the record was read.
        if read.is_err() {
            out.clear();
        }
    }

    /// As [`Self::stored_probabilities`], as numbers from 0 to 1.
    #[must_use]
    pub fn probabilities(&self, sample: usize) -> Vec<f64> {
        let mut stored = Vec::new();
        self.stored_probabilities(sample, &mut stored);
        let one = f64::from(self.probability_one());
        stored.iter().map(|&value| f64::from(value) / one).collect()
    }

    /// The last read has succeeded.
    fn is_complete(&self) -> bool {
        self.place.is_some()
    }

    fn selected(&self) -> Selection<'_> {
        self.selection
            .as_deref()
            .map_or(Selection::All, Selection::Some)
    }

    fn error(&self, problem: BgenProblem) -> BgenError {
        let place = self.place.unwrap_or(BgenPlace::File);
        BgenError::new(&self.path, place, problem)
    }

    /// Forgets the variant: no read has succeeded since.
    pub(super) fn clear(&mut self) {
        self.place = None;
        self.fields = VariantFields::default();
        self.data.clear();
        self.ploidies.clear();
    }

    /// Decodes `self.bytes`, which must be the listed variant.
    pub(super) fn decode(
        &mut self,
        listed: BgenVariant<'_>,
        settings: &ReadSettings,
    ) -> Result<(), BgenProblem> {
        let mut fields = Fields::of_bytes(&self.bytes);
        let variant = VariantFields::read(&mut fields)?;
        require_listed(&variant, listed)?;
        let stored_len = u64::from(fields.u32("the length of the genotype data")?);
        if stored_len != fields.available() {
            return Err(BgenProblem::Length {
                what: "the genotype data",
                expected: fields.available(),
                found: stored_len,
            });
        }
        let stored_bytes = &self.bytes[fields.offset() as usize..];
        self.data.load(settings.compression, stored_bytes)?;
        let n_alleles = variant.alleles.len();
        self.block
            .read(self.data.bytes(), settings.n_samples, n_alleles)?;
        self.select_ploidies(settings);
        let stored = Stored {
            block: &self.block,
            padded: self.data.padded(),
        };
        let selection = self
            .selection
            .as_deref()
            .map_or(Selection::All, Selection::Some);
        self.decoded
            .decode(stored, selection, &self.ploidies, settings.wanted)?;
        self.has_dosages = settings.wanted.dosages;
        self.fields = variant;
        Ok(())
    }

    /// The record is complete.
    pub(super) fn finish(&mut self, path: &std::path::Path, place: BgenPlace) {
        if self.path != path {
            self.path = path.to_path_buf();
        }
        self.place = Some(place);
    }

    fn select_ploidies(&mut self, settings: &ReadSettings) {
        self.selection.clone_from(&settings.selection);
        self.ploidies.clear();
        let all_ploidies = self.block.ploidy_bytes(self.data.bytes());
        match &self.selection {
            None => self.ploidies.extend_from_slice(all_ploidies),
            Some(samples) => {
                let selected = samples.iter().map(|&sample| all_ploidies[sample as usize]);
                self.ploidies.extend(selected);
            }
        }
    }
}

/// That a variant of the file is the one that the list has at its place.
fn require_listed(variant: &VariantFields, listed: BgenVariant<'_>) -> Result<(), BgenProblem> {
    let alleles = variant.alleles.iter().map(String::as_str);
    let checks = [
        (
            "the identifier",
            listed.id.is_none_or(|id| id == variant.id),
        ),
        ("the rsid", listed.rsid == variant.rsid),
        ("the contig", listed.contig == variant.contig),
        ("the position", listed.position == variant.position),
        ("an allele", listed.alleles().eq(alleles)),
    ];
    for (what, is_same) in checks {
        if !is_same {
            return Err(BgenProblem::IndexMismatch { what });
        }
    }
    Ok(())
}
