//! Counts of a tokenization.

use gf_cohort_schema::counted;
use gf_haplotypes::{ABSENT_HAPLOTYPE, LocusHaplotypes};
use serde::{Deserialize, Serialize};

use super::segments::{Anchor, LocusSegments, Segment};

/// Counts of one tokenization, over all loci.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Distinct segments that tokenizer and grid have seen: segments of enough training samples
    /// and of the reference.
    pub n_training_segments: usize,
    /// Distinct training segments that are withheld from tokenizer and grid, because too few
    /// samples carry them.
    #[serde(default)]
    pub n_withheld_segments: u64,
    /// Smallest number of training samples that must carry a segment.
    #[serde(default)]
    pub min_token_count: usize,
    /// Slots of a haplotype over all loci, `[CLS]` and `[SEP]` of each locus included.
    pub n_slots: usize,
    /// Distinct haplotypes over all loci.
    pub n_distinct_haplotypes: usize,
    /// Nucleotides of the distinct haplotypes.
    pub n_nt: u64,
    /// Tokens of the distinct haplotypes, special tokens excluded, before any token is replaced or
    /// cut to fit the slots.
    pub n_tokens: u64,
    /// Mean nucleotides per token; 0 without tokens.
    pub nt_per_token: f64,
    /// Distinct segments (window and bases) that tokenizer and grid have not seen.
    pub n_unseen_segments: u64,
    /// Sequences that do not fit their slots.
    ///
    /// [`Anchor::Reference`]: unseen segments that need more slots than their window has, read as
    /// the nearest segment seen there. [`Anchor::Haplotype`]: distinct haplotypes with more tokens
    /// than any training haplotype, cut at the end.
    pub n_slot_overflows: u64,
    /// Whether segments begin at reference coordinates.
    pub anchor: Anchor,
    /// Haplotypes without a base left (a deletion of the whole locus): only `[CLS]` and `[SEP]`.
    pub n_empty_haplotypes: u64,
    /// Alleles that the model cannot read, because no training sample varies in their window and it
    /// has no slot. Every copy in every sample counts.
    #[serde(default)]
    pub n_unread_alleles: u64,
    /// Samples with an unread allele at a locus, summed over loci.
    #[serde(default)]
    pub n_samples_with_unread_alleles: u64,
    /// Largest number of unread alleles of one sample at one locus.
    #[serde(default)]
    pub most_unread_alleles: u64,
}

impl Summary {
    /// Adds the counts of further loci that were made with the same tokenizer.
    pub(super) fn add(&mut self, more_loci: &Self) {
        self.n_training_segments += more_loci.n_training_segments;
        self.n_withheld_segments += more_loci.n_withheld_segments;
        self.n_slots += more_loci.n_slots;
        self.n_distinct_haplotypes += more_loci.n_distinct_haplotypes;
        self.n_unseen_segments += more_loci.n_unseen_segments;
        self.n_slot_overflows += more_loci.n_slot_overflows;
        self.n_empty_haplotypes += more_loci.n_empty_haplotypes;
        self.n_unread_alleles += more_loci.n_unread_alleles;
        self.n_samples_with_unread_alleles += more_loci.n_samples_with_unread_alleles;
        self.most_unread_alleles = self.most_unread_alleles.max(more_loci.most_unread_alleles);
        self.n_nt += more_loci.n_nt;
        self.n_tokens += more_loci.n_tokens;
        self.nt_per_token = if self.n_tokens == 0 {
            0.0
        } else {
            self.n_nt as f64 / self.n_tokens as f64
        };
    }

    /// Counts the alleles of unread segments in every sample's haplotypes of a locus.
    ///
    /// `unread[i]` refers to the distinct segment `i`.
    pub(super) fn count_unread(
        &mut self,
        locus: &LocusHaplotypes,
        segments: &LocusSegments,
        unread: &[bool],
    ) {
        let haplotype_counts: Vec<u32> = segments
            .haplotypes
            .iter()
            .map(|row| n_unread_alleles(row, &segments.distinct, unread))
            .collect();
        for pair in &locus.pairs {
            let sample_count: u64 = present_haplotypes(*pair)
                .map(|haplotype| u64::from(haplotype_counts[haplotype]))
                .sum();
            self.n_unread_alleles += sample_count;
            self.n_samples_with_unread_alleles += u64::from(sample_count > 0);
            self.most_unread_alleles = self.most_unread_alleles.max(sample_count);
        }
    }

    pub(super) fn fmt_unseen(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} not seen by tokenizer and grid",
            counted(self.n_unseen_segments, "segment", "segments")
        )?;
        match self.anchor {
            Anchor::Reference => writeln!(
                f,
                "; {} of them read as the nearest known segment",
                self.n_slot_overflows
            ),
            Anchor::Haplotype => writeln!(f),
        }
    }

    pub(super) fn fmt_unread(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} not read, because their segments do not vary in training; {} affected (counted \
             per locus), at most {} in one",
            counted(self.n_unread_alleles, "allele is", "alleles are"),
            counted(self.n_samples_with_unread_alleles, "sample", "samples"),
            self.most_unread_alleles
        )
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} in the vocabulary, {} per haplotype, {:.1} nt per token, {}",
            counted(self.vocab_size, "token", "tokens"),
            counted(self.n_slots, "slot", "slots"),
            self.nt_per_token,
            counted(
                self.n_distinct_haplotypes,
                "distinct haplotype",
                "distinct haplotypes"
            )
        )?;
        if self.n_withheld_segments > 0 {
            let segments = counted(self.n_withheld_segments, "segment", "segments");
            let least = self.min_token_count;
            writeln!(
                f,
                "{segments} withheld from tokenizer and grid, because fewer than {least} training \
                 samples carry them (--min-token-count)"
            )?;
        }
        if self.n_unseen_segments > 0 {
            self.fmt_unseen(f)?;
        }
        if self.anchor == Anchor::Haplotype && self.n_slot_overflows > 0 {
            let haplotypes = counted(self.n_slot_overflows, "haplotype", "haplotypes");
            writeln!(
                f,
                "{haplotypes} with more tokens than any training haplotype, cut at the end"
            )?;
        }
        if self.n_unread_alleles > 0 {
            self.fmt_unread(f)?;
        }
        if self.n_empty_haplotypes > 0 {
            writeln!(
                f,
                "{} no bases, because the whole locus is deleted",
                counted(self.n_empty_haplotypes, "haplotype has", "haplotypes have")
            )?;
        }
        Ok(())
    }
}

/// Alleles in the unread segments of one haplotype.
fn n_unread_alleles(row: &[u32], distinct: &[Segment], unread: &[bool]) -> u32 {
    row.iter()
        .map(|&segment| segment as usize)
        .filter(|&segment| unread[segment])
        .map(|segment| distinct[segment].n_alleles)
        .sum()
}

/// The haplotypes of a sample that are present, as numbers into the distinct haplotypes of a locus.
pub(super) fn present_haplotypes(pair: [u32; 2]) -> impl Iterator<Item = usize> {
    pair.into_iter()
        .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
        .map(|haplotype| haplotype as usize)
}
