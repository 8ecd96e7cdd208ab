//! Summary of the stage `score`.

use std::collections::BTreeMap;

use gf_cohort_schema::{CohortNotes, counted};
use gf_haplotypes::Carried;
use serde::{Deserialize, Serialize};

use crate::{
    baselines::{AbsentAlleles, Rewritten},
    tokens,
};

/// Summary of a scoring run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples scored.
    pub n_people: usize,
    /// Models applied.
    pub models: Vec<String>,
    /// Summary of the sequences, for a sequence model.
    pub sequences: Option<gf_haplotypes::Summary>,
    /// Samples without a value of a covariate: left out, or scored with the training mean.
    #[serde(default)]
    pub cohort: CohortNotes,
    /// Common variants that the samples carry, for a sequence model that lists common variants.
    pub carried: Option<Carried>,
    /// Summary of the tokens, for a sequence model.
    pub tokens: Option<tokens::Summary>,
    /// Warnings about the files, and the dosage rule of chromosome X for a polygenic score.
    pub warnings: Vec<String>,
    /// Alleles of each polygenic score that the files do not have.
    pub absent_alleles: BTreeMap<String, AbsentAlleles>,
    /// Alleles of each polygenic score that are written differently than in the training files.
    pub rewritten_alleles: BTreeMap<String, Rewritten>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        write!(f, "{}", self.cohort)?;
        if let Some(sequences) = &self.sequences {
            write!(f, "{sequences}")?;
        }
        if let Some(carried) = &self.carried {
            writeln!(f, "{carried}")?;
        }
        if let Some(tokens) = &self.tokens {
            write!(f, "{tokens}")?;
        }
        for (model, AbsentAlleles { n_alleles, reasons }) in &self.absent_alleles {
            let alleles = counted(*n_alleles, "allele is", "alleles are");
            writeln!(
                f,
                "{model}: {alleles} not counted in these files but read as the mean of the \
                 training samples ({reasons})"
            )?;
        }
        for (model, Rewritten { exchanged, flipped }) in &self.rewritten_alleles {
            let counts = format!(
                "REF and ALT are exchanged at {exchanged} alleles, and {flipped} alleles are on \
                 the opposite strand"
            );
            writeln!(f, "{model}: {counts}. Both are matched by their bases")?;
        }
        writeln!(
            f,
            "{} scored by {}",
            counted(self.n_people, "sample", "samples"),
            self.models.join(", ")
        )
    }
}
