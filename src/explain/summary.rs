//! Summary of the stage `explain`.

use gf_cohort_schema::counted;
use serde::{Deserialize, Serialize};

use super::measure::Measured;

/// Summary of an explain run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples whose haplotypes were switched.
    pub n_people: usize,
    /// Models of the bundle.
    pub n_models: usize,
    /// Variants measured.
    pub n_variants: usize,
    /// Pairs measured.
    pub n_pairs: usize,
    /// Summary of the sequences.
    pub sequences: gf_haplotypes::Summary,
    /// Distinct haplotypes in which alleles were switched, and all distinct haplotypes.
    pub n_haplotypes: [usize; 2],
    /// Copies of the switched haplotypes, and of all haplotypes.
    pub n_copies: [usize; 2],
    /// Switches of single variants.
    pub n_switches: usize,
    /// Switches of single variants that are read as the nearest training segment.
    pub n_approximated: usize,
    /// Distinct rows of tokens that each model encoded for variants and pairs.
    pub n_encoded: usize,
    /// Switches that were not made, because the allele overlaps another one of the haplotype.
    pub n_overlaps: usize,
    /// Variants for which no switch can be made.
    pub n_never_switched: usize,
    /// Variants that the model never reads exactly, because every switch is read as the nearest
    /// known segment.
    pub n_never_read: usize,
    /// Edits to N or IUPAC codes, which the model's policies insert.
    pub n_no_alleles: usize,
    /// Variants outside of the requested regions.
    pub n_elsewhere: usize,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.sequences)?;
        self.fmt_left_out(f)?;
        let [n_haplotypes, n_all_haplotypes] = self.n_haplotypes;
        let [n_copies, n_all_copies] = self.n_copies;
        writeln!(
            f,
            "alleles switched in {n_haplotypes} of {n_all_haplotypes} distinct haplotypes, {:.1} % \
             of the copies",
            100.0 * n_copies as f64 / n_all_copies as f64
        )?;
        writeln!(
            f,
            "{} made and {} encoded; {} read as the nearest known segment",
            counted(self.n_switches, "switch", "switches"),
            counted(self.n_encoded, "distinct row", "distinct rows"),
            counted(self.n_approximated, "switch", "switches")
        )?;
        writeln!(
            f,
            "{} and {} measured in {} with {}",
            counted(self.n_variants, "variant", "variants"),
            counted(self.n_pairs, "pair", "pairs"),
            counted(self.n_people, "sample", "samples"),
            counted(self.n_models, "model", "models")
        )
    }
}

impl Summary {
    /// Reports the variants and switches that are left out or ranked last.
    pub(super) fn fmt_left_out(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.n_elsewhere > 0 {
            let variants = counted(self.n_elsewhere, "variant is", "variants are");
            writeln!(f, "{variants} outside of the requested regions")?;
        }
        if self.n_no_alleles > 0 {
            let edits = counted(self.n_no_alleles, "edit is", "edits are");
            writeln!(f, "{edits} read as N or an IUPAC code and not switched")?;
        }
        if self.n_never_read > 0 {
            let variants = counted(self.n_never_read, "variant is", "variants are");
            writeln!(
                f,
                "{variants} ranked last and in no pair, because every switch is read as the \
                 nearest known segment"
            )?;
        }
        if self.n_never_switched > 0 {
            let variants = counted(self.n_never_switched, "variant is", "variants are");
            writeln!(
                f,
                "{variants} left out, because another allele overlaps in every selected haplotype"
            )?;
        }
        if self.n_overlaps > 0 {
            let switches = counted(self.n_overlaps, "switch is", "switches are");
            writeln!(
                f,
                "{switches} not made, because the allele overlaps another allele of the haplotype"
            )?;
        }
        Ok(())
    }
}

impl Summary {
    pub(super) fn add_variant(&mut self, measured: &Measured) {
        self.n_switches += measured.n_haplotypes;
        self.n_approximated += measured.n_approximated;
        self.n_overlaps += measured.n_overlaps;
        self.n_never_switched += usize::from(measured.n_haplotypes == 0);
        self.n_never_read += usize::from(
            measured.n_haplotypes > 0 && measured.n_approximated == measured.n_haplotypes,
        );
    }
}
