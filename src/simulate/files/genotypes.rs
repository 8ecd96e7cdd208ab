//! The genotype file of a simulated cohort, in the format that the options name.

use std::path::Path;

use gf_cohort_schema::Cohort;
use serde::{Deserialize, Serialize};

use super::{Genomes, bcf, bgen, pgen, vcf};
use crate::layout;
use gf_files::output;

/// Format of the simulated genotypes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GenotypeFormat {
    /// VCF, compressed with BGZF, with its index.
    #[default]
    Vcf,
    /// BCF with its index.
    Bcf,
    /// PGEN with its variants (PVAR) and samples (PSAM).
    Pgen,
    /// BGEN 1.2 with phase, REF first, with the sample names.
    Bgen,
}

impl GenotypeFormat {
    /// Name of the genotype file in the folder of the cohort.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Vcf => layout::COHORT_VCF,
            Self::Bcf => layout::COHORT_BCF,
            Self::Pgen => layout::COHORT_PGEN,
            Self::Bgen => layout::COHORT_BGEN,
        }
    }
}

/// Writes the genotypes, and their index or companions, into `folder`.
pub fn write(
    folder: &Path,
    format: GenotypeFormat,
    genomes: &[Genomes<'_>],
    cohort: &Cohort,
) -> Result<(), output::Error> {
    match format {
        GenotypeFormat::Vcf => vcf::write(folder, genomes, cohort),
        GenotypeFormat::Bcf => bcf::write(folder, genomes, cohort),
        GenotypeFormat::Pgen => pgen::write(folder, genomes, cohort),
        GenotypeFormat::Bgen => bgen::write(folder, genomes, cohort),
    }
}
