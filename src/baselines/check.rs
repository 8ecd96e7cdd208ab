//! Checks before genotypes are read or a model is fitted.

use crate::baselines::options::OptionsProblem;
use gf_cohort_schema::{Cohort, CohortSummary, Split};
use gf_files::{memory, output};
use gf_genotypes::VariantFile;

use super::{
    Inputs,
    error::Error,
    inputs::{check_options, own_names},
    options::Options,
};
use crate::{
    layout,
    leakage::kinship,
    scoring::{build, dosages::Site, published},
};

/// Refuses `no_fit`, which has its own entry point, and a folder with a model bundle.
pub(super) fn require_usable(options: &Options) -> Result<(), Error> {
    if options.no_fit {
        return Err(OptionsProblem::NoFit.into());
    }
    // The `predictions.csv` of the bundle would be overwritten.
    if options.scoring.out.join(layout::CONFIG).exists() {
        let out = options.scoring.out.clone();
        return Err(OptionsProblem::ModelBundle { out }.into());
    }
    Ok(())
}

/// Checks options and scoring files before there is a cohort, and returns the ids of the files.
///
/// # Errors
/// Those of [`run`](super::run) about options and scoring files.
pub fn check_without_cohort(options: &Options) -> Result<Vec<String>, Error> {
    check_options(options)?;
    let files = published::read_scoring_files(&options.scoring, own_names())?;
    if let Some(failed) = files.failed.into_iter().next() {
        return Err(OptionsProblem::Score(failed).into());
    }
    require_files(options)?;
    Ok(files.scores.into_iter().map(|file| file.id).collect())
}

/// Opens the files that [`run`](super::run) reads only after the genotypes.
fn require_files(options: &Options) -> Result<(), Error> {
    if let Some(bed) = &options.scoring.matching.callable {
        gf_genotypes::read_intervals(bed)?;
    }
    for path in options
        .kinship
        .iter()
        .chain(&options.scoring.matching.reference)
    {
        std::fs::File::open(path).map_err(output::at(path))?;
    }
    Ok(())
}

/// Checks the inputs of [`run`](super::run) without reading genotypes, including the builds of the
/// VCF headers. Returns a summary of the cohort, and the id and number of variants of each scoring
/// file.
///
/// # Errors
/// Those of [`run`](super::run), except errors in genotypes.
pub fn check(options: &Options) -> Result<(CohortSummary, Vec<(String, usize)>), Error> {
    let Inputs {
        cohort,
        scoring_files,
    } = Inputs::read(options)?;
    if let Some(failed) = scoring_files.failed.into_iter().next() {
        return Err(OptionsProblem::Score(failed).into());
    }
    require_files(options)?;
    if let Some(kinship) = &options.kinship {
        kinship::read_pairs(kinship, &cohort)?;
    }
    let stated = published::stated_builds(&options.scoring, &scoring_files.scores);
    for path in &options.scoring.vcf {
        let file = VariantFile::open_with(path, &options.scoring.format)?;
        build::of_header(&file, &stated)?;
    }
    Ok((
        cohort.summary(),
        scoring_files
            .scores
            .into_iter()
            .map(|file| (file.id, file.rows.len()))
            .collect(),
    ))
}

/// Number of matrices (samples x dosages) in memory at once: those of the panel, the columns of a
/// regression, its input, and its own copy.
const MATRICES: usize = 4;

/// Refuses a fit that needs more memory than is free now.
pub(super) fn require_memory(cohort: &Cohort, learned_sites: &[&Site]) -> Result<(), Error> {
    let n_dosages: usize = learned_sites
        .iter()
        .map(|site| site.counted_alts.len())
        .sum();
    let Some(free) = memory::available() else {
        return Ok(());
    };
    let n_people = [Split::Train, Split::Validation]
        .map(|split| cohort.in_split(split).count())
        .iter()
        .sum::<usize>();
    let needed = n_people
        .saturating_mul(n_dosages)
        .saturating_mul(MATRICES * size_of::<f64>());
    if needed <= free {
        return Ok(());
    }
    Err(Error::Memory {
        n_dosages,
        n_people,
        needed: needed as f64 / 1e9,
        free: free as f64 / 1e9,
    })
}
