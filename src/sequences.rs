//! Sequences: both haplotypes of every sample at chosen loci.
//!
//! Input -> output: genotype files, a reference FASTA and loci -> [`Sequences`], the dictionary of
//! the distinct haplotypes. [`Outputs`] are its files:
//!
//! - `loci.json`: loci, and distinct haplotypes as edits of the reference;
//! - `pairs.csv`: the two haplotypes of each sample at each locus;
//! - `skips.csv`: alleles that were not applied as the genotype file states them;
//! - a FASTA with both haplotypes of every sample.
//!
//! `gf-haplotypes` has the policies and the construction.

mod options;
mod outputs;

use std::ops::Range;

use gf_genotypes::Locus;
pub use gf_haplotypes::{Checked, Error, Sequences, Summary};
use gf_haplotypes::{EmptyLoci, Masks, build};

pub use self::{options::Options, outputs::Outputs};

/// Builds the sequences of all samples at all loci. The caller writes them.
///
/// # Errors
/// Files that cannot be read or do not belong together, a REF that differs from the FASTA, or a
/// genotype that a policy refuses.
pub fn run(options: &Options) -> Result<Sequences, Error> {
    run_at(&options.loci()?, options)
}

/// Builds the sequences at a block of the loci, numbered in their order.
///
/// # Errors
/// The errors of [`run`].
pub fn run_block(options: &Options, block: Range<usize>) -> Result<Sequences, Error> {
    run_at(&options.loci()?[block], options)
}

fn run_at(loci: &[(Locus, Masks)], options: &Options) -> Result<Sequences, Error> {
    let skips = options.skips.as_deref();
    build(loci, &options.genomes(), EmptyLoci::Refuse, skips)
}

/// Checks the inputs of [`run`] without genotypes: files, samples, contigs and their lengths, and
/// loci. With `records` it also checks REF of every record.
///
/// # Errors
/// The errors of [`run`].
pub fn check(options: &Options, records: bool) -> Result<Checked, Error> {
    gf_haplotypes::check(&options.loci()?, &options.genomes(), records)
}
