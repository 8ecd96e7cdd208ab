//! The guards of the stage: kinship, and the published scores.

use gf_cohort_schema::{Cohort, GuardRow};

use super::{error::Error, options::Options};
use crate::{
    leakage::{kinship_sites, scores as guards},
    scoring::published::Score,
};

/// Guards of the published scores: the study that made them, and the direction of the alleles.
pub(super) fn guards_of_scores(
    options: &Options,
    cohort: &Cohort,
    scores: &[Score<'_>],
) -> Result<Vec<GuardRow>, Error> {
    let study = options.study.as_deref();
    let study_guards = scores
        .iter()
        .map(|score| guards::score_study(cohort, study, score.file));
    let allele_guards = scores
        .iter()
        .filter_map(|score| guards::effect_allele(score.file, &score.frequencies));
    let offset_guards: Vec<GuardRow> = options
        .offset
        .iter()
        .map(|offset| guards::offset_study(study, offset))
        .collect::<Result<_, _>>()?;
    Ok(study_guards
        .chain(allele_guards)
        .chain(offset_guards)
        .collect())
}

/// The input from which kinships are estimated.
pub(super) fn kinship_source(options: &Options) -> kinship_sites::Source<'_> {
    kinship_sites::Source {
        vcf: &options.scoring.vcf,
        format: &options.scoring.format,
        reference: options.scoring.matching.reference.as_deref(),
        filters: options.scoring.filters.as_deref(),
        reading: &options.scoring.matching.reading,
        has_regions: options.regions_file.is_some(),
        has_kinships: options.kinship.is_some(),
        variants: options.kinship_variants,
    }
}
