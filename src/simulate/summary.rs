//! Counts and truth of a simulated cohort.

use std::fmt;

use gf_cohort_schema::{Cohort, Phenotype, counted};
use serde::Serialize;

use super::{
    Truth,
    panel::{Panel, PanelSummary},
};

/// Counts and truth of a simulated cohort.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of samples.
    pub n_people: usize,
    /// Number of cases among the samples.
    pub n_cases: usize,
    /// Number of loci.
    pub n_loci: usize,
    /// Number of founder haplotypes that the samples are mosaics of.
    pub n_founder_haplotypes: usize,
    /// Number of variant records written.
    pub n_variants: usize,
    /// Number of records with an allele whose length differs from that of REF.
    pub n_indels: usize,
    /// Panel records left out or read by a policy.
    pub panel: PanelSummary,
    /// The contents of `truth.json`.
    pub truth: Truth,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_counts(f)?;
        self.write_risk(f)?;
        self.write_panel_policies(f)
    }
}

impl Summary {
    pub(super) fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_loci = self.n_loci;
        let loci = if n_loci == 1 {
            String::new()
        } else {
            format!(" at {n_loci} loci")
        };
        writeln!(
            f,
            "{} ({}), {} ({}){loci}, {} from {}",
            counted(self.n_people, "sample", "samples"),
            counted(self.n_cases, "case", "cases"),
            counted(self.n_variants, "variant", "variants"),
            counted(self.n_indels, "indel", "indels"),
            counted(
                self.truth.n_distinct_haplotypes,
                "distinct haplotype",
                "distinct haplotypes"
            ),
            counted(self.n_founder_haplotypes, "founder", "founders")
        )
    }

    pub(super) fn write_risk(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let truth = &self.truth;
        let best = truth.best_possible_auc;
        writeln!(
            f,
            "{} risk: best achievable AUC {:.3} train, {:.3} validation, {:.3} test (population \
             {:.3})",
            truth.risk, best.train, best.validation, best.test, truth.population_auc
        )?;
        if let Some(choice) = &truth.choice {
            if let Some(tagging) = &choice.tagging {
                writeln!(
                    f,
                    "the dosages of all variants explain {:.2} of the variance of the causal event",
                    tagging.all_dosages_r2
                )?;
            }
            if let Some(relaxed) = &choice.relaxed {
                writeln!(f, "causal sites chosen by relaxed criteria: {relaxed}")?;
            }
        }
        if let Some(study) = &truth.study {
            write!(f, "{study}")?;
        }
        Ok(())
    }

    /// One line for each policy that applied to at least one record or call of the panel.
    pub(super) fn write_panel_policies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let panel = &self.panel;
        for warning in &panel.header_warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for (count, what) in [
            (
                panel.symbolic_records_skipped,
                "records with a symbolic ALT skipped",
            ),
            (
                panel.records_across_region_ends_skipped,
                "records across an end of the region skipped",
            ),
            (
                panel.filtered_records_skipped,
                "records that do not pass their filters skipped",
            ),
            (
                panel.missing_alleles_as_reference,
                "missing alleles read as reference",
            ),
            (
                panel.unphased_heterozygotes_in_gt_order,
                "unphased heterozygous calls read in GT order",
            ),
            (
                panel.absent_haplotypes_left_out,
                "second haplotypes of haploid samples left out",
            ),
        ] {
            if count > 0 {
                writeln!(f, "{what}: {count}")?;
            }
        }
        Ok(())
    }
}

impl Summary {
    pub(super) fn new(
        panels: &[Panel],
        cohort: &Cohort,
        panel_counts: PanelSummary,
        truth: Truth,
    ) -> Self {
        let n_cases = cohort
            .people
            .iter()
            .filter(|person| person.phenotype == Some(Phenotype::Case))
            .count();
        let n_founder_haplotypes = panels.iter().map(|panel| panel.haplotypes.len()).max();
        let sites = panels.iter().flat_map(|panel| &panel.sites);
        Self {
            n_people: cohort.people.len(),
            n_cases,
            n_loci: panels.len(),
            n_founder_haplotypes: n_founder_haplotypes.unwrap_or(0),
            n_variants: sites.clone().count(),
            n_indels: sites.filter(|site| site.is_indel()).count(),
            panel: panel_counts,
            truth,
        }
    }
}
