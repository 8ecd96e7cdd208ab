//! Genotype files of a command.

use std::path::PathBuf;

use gf_genotypes::FormatOptions;

use super::lists;

/// Genotype files, and properties that the files do not state.
#[derive(Debug, clap::Args)]
pub struct GenotypeArgs {
    /// Genotype files of the same samples, for example one per chromosome: VCF, VCF.gz, BCF, PGEN,
    /// BGEN, or PLINK 1 BED. The content decides the format. Companions such as `X.pvar`, `X.psam`,
    /// `X.bim`, `X.fam`, `X.sample` and `X.bgen.bgi` are found by name. `-` is standard input, for
    /// VCF and BCF only.
    #[arg(
        long = "genotypes",
        visible_alias = "vcf",
        required = true,
        num_args = 1..,
        value_name = "FILE"
    )]
    genotypes: Vec<PathBuf>,
    #[command(flatten)]
    pub format: FormatOptions,
}

impl GenotypeArgs {
    /// The files. One argument may name several, separated by commas.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        lists::paths(self.genotypes.clone())
    }
}
