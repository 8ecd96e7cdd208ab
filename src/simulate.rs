//! Stage `simulate`: a cohort with a known risk, and therefore a known best achievable AUC.
//!
//! Input: a phased panel with its reference, or nothing.
//! Output: samples that are mosaics of founder haplotypes, with phenotypes drawn from a simulated
//! risk. The files are `cohort.vcf.gz` (or BCF, PGEN or BGEN, with index or companions),
//! `reference.fa`, `loci.bed`, `cohort.csv`, `truth.csv` and `truth.json`. VCF positions and
//! `contig:beg-end` are 1-based and inclusive; BED is 0-based and half-open.
//!
//! This file simulates one locus that carries the whole risk. The module `multilocus` simulates
//! many loci, published weights, covariate effects and case-control sampling.
//!
//! ```text
//! panel (VCF + FASTA) or founders (coalescent)
//!   -> mosaic (two haplotypes per sample)
//!   -> causal (x of each sample)
//!   -> risk (effect, phenotype)
//! ```
//! Phenotypes are always simulated, also on real genomes. Each purpose has its own stream of random
//! numbers. A change of one thing (the risk, the split) therefore leaves the rest (the genomes)
//! unchanged, and the same options give the same bytes.

mod causal;
mod dosage;
mod effects;
mod error;
mod files;
mod founders;
mod loci;
mod mosaic;
mod multilocus;
mod options;
mod panel;
mod phenotypes;
mod population;
mod preset;
mod random;
mod risk;
mod risk_kind;
mod summary;
mod truth;

use gf_files::output;

use self::{
    files::Genomes,
    panel::{LoadedPanels, Panel},
    phenotypes::{best_possible_auc, cohort, draw_cohort},
    random::{Stream, stream},
    risk::{PREVALENCE, Risk},
    risk_kind::meaning_of_x,
};

/// Simulates a cohort and writes its files into `options.out`.
///
/// # Errors
/// Options out of range, a panel or reference that cannot be used, no sites for the risk, too few
/// samples for the split, or files that cannot be written.
pub fn run(options: &Options) -> Result<Summary, Error> {
    options.validate()?;
    if options.is_one_locus() {
        run_one_locus(options)
    } else {
        multilocus::run(options)
    }
}

/// Simulates a cohort with one locus that carries the whole risk.
fn run_one_locus(options: &Options) -> Result<Summary, Error> {
    let LoadedPanels { panels, counts } = panel_of_one_locus(options)?;
    let panel = &panels[0];
    let mosaic_rng = &mut stream(options.seed, Stream::Mosaics);
    let rate_per_mb = options.recombinations_per_mb;
    let haplotypes = mosaic::mosaics(panel, 2 * options.people, rate_per_mb, mosaic_rng);

    let auc = options.auc();
    let causal_rng = &mut stream(options.seed, Stream::CausalSites);
    let causal = causal::choose(options.risk, Some(auc), panel, &haplotypes, causal_rng)?;
    let risk = match options.risk {
        RiskKind::Null => Risk::NULL,
        _ => Risk::solve(&causal.x, auc).map_err(|highest| Error::AucOutOfReach {
            wanted: auc,
            highest,
        })?,
    };
    let logits: Vec<f64> = causal.x.iter().map(|&x| risk.logit(x)).collect();
    let cohort = draw_cohort(&logits, options)?;

    let truth = Truth {
        risk: options.risk.to_string(),
        x: meaning_of_x(options.risk),
        intercept: risk.intercept,
        effect: risk.effect,
        causal_sites: causal.sites,
        choice: causal.choice,
        target_auc: (options.risk != RiskKind::Null).then_some(auc),
        population_auc: risk.population_auc,
        prevalence: PREVALENCE,
        best_possible_auc: best_possible_auc(&cohort, &logits)?,
        n_distinct_haplotypes: haplotypes.n_distinct(),
        seed: options.seed,
        study: None,
    };
    let genomes = [Genomes::new(panel, &haplotypes)];
    files::write(
        &options.out,
        options.format,
        &genomes,
        &cohort,
        &logits,
        &truth,
    )?;
    Ok(Summary::new(&panels, &cohort, counts, truth))
}

/// Founder haplotypes of the one locus: read from the panel, or simulated.
fn panel_of_one_locus(options: &Options) -> Result<LoadedPanels, Error> {
    if let Some(panel) = &options.panel
        && let Some(reference) = &options.reference
    {
        let mut variants = panel::open(panel, &options.founders)?;
        return Panel::read(&mut variants, reference, options.region.as_deref());
    }
    let panel = founders::panel(options.len_nt, options.variants, options.seed);
    Ok(LoadedPanels {
        panels: vec![panel],
        counts: PanelSummary::default(),
    })
}

/// Checks options and input files without simulating.
///
/// # Errors
/// Options that [`run`] refuses before its first random draw, and files that cannot be read.
pub fn check(options: &Options) -> Result<(), Error> {
    options.validate()?;
    if let Some(bed) = &options.loci {
        gf_genotypes::read_loci(bed)?;
    }
    if let Some(path) = &options.effects {
        effects::Published::read(path)?;
    }
    for path in options.files() {
        std::fs::File::open(path).map_err(output::at(path))?;
    }
    if !options.is_one_locus() {
        multilocus::check(options)?;
    }
    match options.region.as_deref() {
        Some(region) if gf_genotypes::parse_region(region).is_none() => {
            let region = region.to_owned();
            Err(OptionsProblem::Region { region }.into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

/// Name of the locus in `loci.bed` when there is only one.
const LOCUS_NAME: &str = "simulated";

pub use self::{
    causal::{CausalSite, Choice, Tagging},
    effects::{EffectSummary, EffectsProblem},
    error::Error,
    files::GenotypeFormat,
    loci::RisksProblem,
    options::{Options, OptionsProblem},
    panel::{PanelProblem, PanelRecordProblem, PanelSummary},
    preset::{Preset, PresetVariant},
    risk_kind::RiskKind,
    summary::Summary,
    truth::{
        BestPossibleAuc, CausalVariant, ComponentAucs, CovariateEffects, LocusTruth, PartAuc,
        Sampling, StudyTruth, Truth,
    },
};
