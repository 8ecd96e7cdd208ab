//! Both haplotypes of every sample at chosen loci, each distinct haplotype stored once.
//!
//! Input -> output: VCF/BCF + FASTA + BED -> a [`Dictionary`] and the list of all alleles that were
//! not applied ([`Skip`]). The semantics are those of `bcftools consensus -H`, with three
//! differences:
//! - REF is checked at every record;
//! - the result does not depend on the order of the records at one position;
//! - a policy decides about each genotype that is missing, haploid or unphased.
//!
//! Coordinates: 0-based, half-open ([`Position0`](gf_genotypes::Position0)), unless named
//! `position` (1-based, [`Position1`](gf_genotypes::Position1)).
//!
//! Order of operations, in one pass over each file for all samples:
//! 1. Resolve the contig and fetch the reference of a locus.
//! 2. Read the records that overlap it and check their REF.
//! 3. Apply FILTER and masks.
//! 4. For each sample and haplotype, pick the allele by the policies.
//! 5. Trim the allele to an edit and clip it to the locus.
//! 6. Apply the edits in order, without those that overlap an earlier one.
//!
//! A locus needs memory only while its records pass, and a haplotype once for all samples.

mod allele;
mod build;
mod builder;
mod check;
mod common_variants;
mod dictionary;
mod diploid;
mod distinct;
mod error;
mod fasta;
mod fingerprint;
mod genomes;
mod haplotype;
mod mask;
mod merge;
mod policies;
mod provenance;
mod schedule;
mod sequence_numbers;
mod skips;
mod store;
mod strand;
mod summary;
mod window;

pub use gf_genotypes::Samples;

pub use self::{
    build::{EmptyLoci, Sequences, build},
    check::{Checked, check},
    common_variants::{Carried, CommonEdit},
    dictionary::{ABSENT_HAPLOTYPE, LocusHaplotypes},
    error::{Error, InputsProblem},
    fasta::write_fasta,
    genomes::{Genomes, Regions},
    haplotype::{Edit, splice},
    mask::Masks,
    merge::{LociDifference, MergeProblem, Merged, OtherOrder, Shard, merge, require_same_order},
    policies::{
        ApplyFilters, Encoding, Haploid, Missing, OtherPolicy, Overlap, Policies, Symbolic,
        Unphased,
    },
    provenance::{GenomeDifference, JoinProblem, LocusProvenance, OtherContigLen, Provenance},
    schedule::EmptyLocus,
    skips::{Reason, SKIPS_FILE, Skip, SkipLog, SkipTable},
    store::{Dictionary, HaplotypePairRow, LOCI_FILE, PAIRS_FILE, PairProblem, StoreProblem},
    strand::reverse_complement,
    summary::Summary,
    window::{RefMismatch, SiteProblem},
};
