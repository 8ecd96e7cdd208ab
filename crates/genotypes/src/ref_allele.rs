//! Compares REF of variant records with the FASTA.
//!
//! Input -> output: records of one VCF in its order and a FASTA -> agreement, no base to compare,
//! or an error. The FASTA is read in windows, because records come in order. N and ambiguity
//! codes agree with any base.

use std::path::{Path, PathBuf};

use super::{Error, Position0, Range0, Reference, VariantRecord};

/// The probable cause if ALT, not REF, equals the FASTA.
pub const EXCHANGED: &str = "The FASTA has the ALT allele. Are REF and ALT swapped? PLINK 1.9 \
                             swaps them without --keep-allele-order, and `plink2 --ref-from-fa` \
                             restores them. Or is the FASTA of another genome build (GRCh37 \
                             instead of GRCh38)?";
/// The probable cause if neither REF nor ALT equals the FASTA.
pub const OTHER_REFERENCE: &str = "The VCF was made with another reference. Is one file GRCh37 \
                                   and the other GRCh38, or are positions shifted?";

/// A record whose REF differs from the FASTA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("REF is `{found}` but {} has `{expected}`. {causes}", fasta.display())]
pub struct OtherRef {
    /// REF.
    pub found: String,
    /// The FASTA.
    pub fasta: PathBuf,
    /// Its bases.
    pub expected: String,
    /// The probable cause: [`EXCHANGED`] or [`OTHER_REFERENCE`].
    pub causes: &'static str,
}

/// Bases read at a time.
const WINDOW_NT: usize = 1 << 16;

/// A FASTA that records are compared with.
#[derive(Debug)]
pub struct RefAlleles<'r> {
    reference: &'r mut Reference,
    contig: String,
    /// Position of the first of [`Self::bases`].
    start0: Position0,
    bases: Vec<u8>,
    /// Number of records at which the FASTA has no bases.
    pub n_beyond: u64,
}

impl<'r> RefAlleles<'r> {
    /// Compares with `reference`.
    pub fn new(reference: &'r mut Reference) -> Self {
        Self {
            reference,
            contig: String::new(),
            start0: Position0::FIRST,
            bases: Vec::new(),
            n_beyond: 0,
        }
    }

    /// Compares a record of `file`.
    ///
    /// # Errors
    /// Bases that differ (the message has both), or a FASTA that cannot be read.
    pub fn compare(&mut self, file: &Path, record: &VariantRecord) -> Result<(), Error> {
        let Some(expected) = self.bases_of(record)? else {
            self.n_beyond += 1;
            return Ok(());
        };
        let differs = record
            .ref_allele
            .iter()
            .zip(expected)
            .any(|(&a, &b)| a != b && is_base(a) && is_base(b));
        if !differs {
            return Ok(());
        }
        let is_swapped = record
            .alt_alleles
            .iter()
            .any(|alt| expected.starts_with(alt) && alt.iter().any(|&base| is_base(base)));
        let causes = if is_swapped {
            EXCHANGED
        } else {
            OTHER_REFERENCE
        };
        let expected = String::from_utf8_lossy(expected).into_owned();
        let problem = OtherRef {
            found: String::from_utf8_lossy(&record.ref_allele).into_owned(),
            fasta: self.reference.path().to_path_buf(),
            expected,
            causes,
        };
        Err(Error::record(file, record, problem))
    }

    /// The FASTA bases at REF of a record; `None` if the FASTA does not contain them.
    fn bases_of(&mut self, record: &VariantRecord) -> Result<Option<&[u8]>, Error> {
        let range = record.range();
        let held = Range0::with_len(self.start0, self.bases.len());
        if self.contig != record.contig || !held.covers(range) {
            let Ok(available) = self.reference.covering(&record.contig, range) else {
                return Ok(None);
            };
            let end = range.end.max(available.end.min(range.start + WINDOW_NT));
            let window = Range0::new(range.start, end);
            self.bases = self.reference.fetch(&record.contig, window)?;
            self.contig.clone_from(&record.contig);
            self.start0 = range.start;
        }
        let start = range.start - self.start0;
        Ok(Some(&self.bases[start..start + range.len_nt()]))
    }
}

/// Whether a letter is a definite base, neither N nor an ambiguity code.
fn is_base(letter: u8) -> bool {
    b"ACGT".contains(&letter)
}
