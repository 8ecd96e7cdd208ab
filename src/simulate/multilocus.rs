//! A cohort over many loci, with covariate effects, published weights or case-control sampling.
//!
//! Input -> output: [`Options`] -> the files of a cohort and a [`Summary`] whose truth reports
//! every part of the risk. Each individual has one mosaic pair per locus. Mosaics of different loci
//! are independent, so loci are unlinked even where they are close.
//!
//! ```text
//! logit = intercept + scale * (sum over loci of effect * x)
//!         + age_effect * (age - 75) + sex_effect * sex
//! ```
//! Without published weights, `effect` is the relative effect of the locus divided by the standard
//! deviation of its x, and `scale` gives the AUC asked for. Published log odds have `scale` 1
//! unless an AUC is asked for.

use std::path::Path;

use gf_cohort_schema::{Cohort, Phenotype};

use super::{
    Error, Options, Preset, RiskKind, Stream, Summary, Truth, best_possible_auc,
    causal::{self, Causal, CausalSite},
    cohort,
    dosage::Dosage,
    effects::{Matched, Published, SiteEffect, match_to_panels},
    files::{self, Genomes},
    founders,
    loci::{self, LocusRisk},
    meaning_of_x,
    mosaic::{self, Mosaics},
    panel::{self, EmptyLoci, Panel, PanelSummary},
    population::{self, Population, PopulationRisk, Sample, population_auc, standard_deviation},
    splits, stream, stream_of_locus,
    truth::{
        CausalVariant, ComponentAucs, CovariateEffects, LocusTruth, PartAuc, Sampling, StudyTruth,
    },
};
use gf_genotypes::Reference;

/// What is simulated, before any individual is drawn.
struct SimulatedRisk {
    panels: Vec<Panel>,
    /// Of each panel.
    risks: Vec<LocusRisk>,
    /// Published weights of each panel, and what became of their rows.
    published: Option<Matched>,
    counts: PanelSummary,
}

/// Simulates a cohort and writes its files into `options.out`.
///
/// # Errors
/// Files that cannot be used or written, too few sites or individuals, an AUC out of reach.
pub fn run(options: &Options) -> Result<Summary, Error> {
    let plan = SimulatedRisk::new(options)?;
    let sample = Sample::plan(options, plan.panels.len())?;
    let drawn = mosaics(&plan.panels, sample.n_drawn, options);
    let mut genetic = Genetic::sum(&plan, &drawn, options)?;
    let rng = &mut stream(options.seed, Stream::Covariates);
    let covariates = population::covariates(sample.n_drawn, rng);
    let of_covariates = population::covariate_logits(&covariates, options);
    let risk = solve(&plan, &genetic, &of_covariates, options)?;
    genetic.scale(risk.scale);

    let rng = &mut stream(options.seed, Stream::Phenotypes);
    let phenotypes = population::draw(&risk.probabilities, rng);
    let indices = sample.keep(&phenotypes, &mut stream(options.seed, Stream::Sampling))?;
    let of_kept: Vec<Phenotype> = indices.iter().map(|&i| phenotypes[i]).collect();
    let split = splits(
        &of_kept,
        options.split,
        &mut stream(options.seed, Stream::Split),
    )?;
    let covariates = indices.iter().map(|&i| covariates[i].clone()).collect();
    let kept = Kept {
        cohort: cohort(&of_kept, &split, covariates),
        indices,
    };
    let people: Vec<Mosaics<'_>> = drawn
        .iter()
        .map(|locus| locus.select(&kept.indices))
        .collect();

    let logits = kept.select(&risk.logits);
    let study = StudyTruth {
        best_achievable_auc: parts(&genetic, &of_covariates, &risk, &kept)?,
        scale: risk.scale,
        covariate_effects: CovariateEffects::new(options),
        sampling: Sampling::count(options, &phenotypes),
        published_effects: plan.published.map(|(_, counts)| counts),
        loci: genetic.loci,
    };
    let truth = Truth {
        risk: overall_risk(&study.loci),
        x: "sum over loci of effect times x of the locus, plus the effects of age and sex; see \
            `loci` and `covariate_effects`",
        intercept: risk.intercept,
        effect: 1.0,
        causal_sites: causal_sites(&study.loci),
        choice: None,
        target_auc: risk.target_auc,
        population_auc: risk.auc,
        prevalence: options.prevalence,
        best_possible_auc: best_possible_auc(&kept.cohort, &logits)?,
        n_distinct_haplotypes: people.iter().map(Mosaics::n_distinct).sum(),
        seed: options.seed,
        study: Some(study),
    };
    let loci = plan.panels.iter().zip(&people);
    let genomes: Vec<Genomes<'_>> = loci.map(|(panel, of)| Genomes::new(panel, of)).collect();
    files::write(&options.out, &genomes, &kept.cohort, &logits, &truth)?;
    Ok(Summary::new(&plan.panels, &kept.cohort, plan.counts, truth))
}

/// Refuses effects of age and sex that alone exceed the AUC asked for, as [`run`] would once the
/// genomes are drawn.
///
/// # Errors
/// That AUC; more individuals to draw than there is room for.
pub fn check(options: &Options) -> Result<(), Error> {
    let Some(wanted) = options
        .with_default_auc()
        .auc
        .filter(|_| options.risk != RiskKind::Null)
    else {
        return Ok(());
    };
    let n_loci = options.planned_loci().map_or(1, |loci| loci.len());
    let n_drawn = Sample::plan(options, n_loci)?.n_drawn;
    let covariates = population::covariates(n_drawn, &mut stream(options.seed, Stream::Covariates));
    let of_covariates = population::covariate_logits(&covariates, options);
    let genetic = vec![0.0; n_drawn];
    let population = Population {
        genetic: &genetic,
        covariates: &of_covariates,
        prevalence: options.prevalence,
    };
    let reached = population.at_scale(0.0).auc;
    if reached > wanted {
        Err(Error::CovariatesExceedAuc { wanted, reached })
    } else {
        Ok(())
    }
}

/// The individuals of the population that are in the cohort.
struct Kept {
    indices: Vec<usize>,
    cohort: Cohort,
}

impl Kept {
    /// Their values, out of everyone's.
    fn select(&self, values: &[f64]) -> Vec<f64> {
        self.indices.iter().map(|&i| values[i]).collect()
    }
}

impl SimulatedRisk {
    fn new(options: &Options) -> Result<Self, Error> {
        let (mut plan, published) = match (&options.panel, &options.reference, options.preset) {
            (Some(panel), Some(reference), _) => {
                let plan = Self::on_panel(panel, reference, options)?;
                let published = match (&options.effects, options.preset) {
                    (Some(path), _) => Some(Published::read(path)?),
                    (None, preset) => preset.map(Preset::published).transpose()?,
                };
                (plan, published)
            }
            (.., Some(preset)) => {
                let (panels, published) = preset.invented(options)?;
                (
                    Self::with_one_risk(panels, PanelSummary::default(), options),
                    Some(published),
                )
            }
            _ => {
                let Options {
                    len_nt,
                    variants,
                    seed,
                    ..
                } = *options;
                let panels = vec![founders::panel(len_nt, variants, seed)];
                (
                    Self::with_one_risk(panels, PanelSummary::default(), options),
                    None,
                )
            }
        };
        if let Some(published) = published {
            plan.counts
                .header_warnings
                .extend(published.warnings.iter().cloned());
            plan.published = Some(match_to_panels(&published, &plan.panels)?);
        }
        Ok(plan)
    }

    fn with_one_risk(panels: Vec<Panel>, counts: PanelSummary, options: &Options) -> Self {
        let risks = vec![LocusRisk::of_kind(options.risk); panels.len()];
        Self {
            panels,
            risks,
            published: None,
            counts,
        }
    }

    /// The loci of the BED, the windows of the preset, or the region.
    fn on_panel(panel: &Path, reference: &Path, options: &Options) -> Result<Self, Error> {
        let mut variants = panel::open(panel, &options.founders)?;
        if let Some(bed) = &options.loci {
            let planned = loci::read(bed, options.loci_risks.as_deref(), options.risk)?;
            let risks = planned.iter().map(|locus| locus.risk).collect();
            let loci = planned.into_iter().map(|locus| locus.locus).collect();
            let reference = &mut Reference::open(reference)?;
            let empty = EmptyLoci::Refuse;
            let (panels, counts) = Panel::read_loci(&mut variants, reference, loci, empty)?;
            return Ok(Self {
                panels,
                risks,
                published: None,
                counts,
            });
        }
        let Some(preset) = options.preset.filter(|_| options.region.is_none()) else {
            let (panels, counts) =
                Panel::read(&mut variants, reference, options.region.as_deref())?;
            return Ok(Self::with_one_risk(panels, counts, options));
        };
        let reference = &mut Reference::open(reference)?;
        let mut loci = loci::sorted(preset.windows(options.len_nt, reference)?);
        loci.retain(|locus| variants.may_have_contig(&locus.contig));
        let empty = EmptyLoci::LeaveOut;
        let (panels, counts) = Panel::read_loci(&mut variants, reference, loci, empty)?;
        if panels.is_empty() {
            let reason = "no record near a variant of the preset; does the panel have GRCh38 \
                          positions and the chromosomes of the preset?";
            return Err(Error::Panel {
                path: panel.into(),
                reason: reason.into(),
            });
        }
        Ok(Self::with_one_risk(panels, counts, options))
    }
}

/// Two haplotypes per individual at each locus.
fn mosaics<'a>(panels: &'a [Panel], n_drawn: usize, options: &Options) -> Vec<Mosaics<'a>> {
    let of_locus = |(index, panel): (u64, &'a Panel)| {
        let rng = &mut stream_of_locus(options.seed, Stream::Mosaics, index);
        mosaic::mosaics(panel, 2 * n_drawn, options.recombinations_per_mb, rng)
    };
    (0..).zip(panels).map(of_locus).collect()
}

/// The genetic part of everyone's logit.
struct Genetic {
    /// Of loci with additive risk.
    additive: Vec<f64>,
    /// Of loci with cis or trans risk.
    non_additive: Vec<f64>,
    loci: Vec<LocusTruth>,
}

impl Genetic {
    fn sum(plan: &SimulatedRisk, drawn: &[Mosaics<'_>], options: &Options) -> Result<Self, Error> {
        let n_drawn = drawn.first().map_or(0, |haplotypes| haplotypes.len() / 2);
        let additive = vec![0.0; n_drawn];
        let non_additive = vec![0.0; n_drawn];
        let mut genetic = Self {
            additive,
            non_additive,
            loci: Vec::new(),
        };
        for (index, (panel, haplotypes)) in plan.panels.iter().zip(drawn).enumerate() {
            let (logits, locus) = match &plan.published {
                Some((effects, _)) => published_locus(panel, haplotypes, &effects[index]),
                None => drawn_locus(panel, haplotypes, plan.risks[index], index as u64, options)?,
            };
            let sums = match locus.risk {
                RiskKind::Cis | RiskKind::Trans => &mut genetic.non_additive,
                RiskKind::Additive | RiskKind::Null => &mut genetic.additive,
            };
            sums.iter_mut()
                .zip(&logits)
                .for_each(|(sum, logit)| *sum += logit);
            genetic.loci.push(locus);
        }
        Ok(genetic)
    }

    fn total(&self) -> Vec<f64> {
        self.additive
            .iter()
            .zip(&self.non_additive)
            .map(|(a, b)| a + b)
            .collect()
    }

    fn scale(&mut self, scale: f64) {
        self.additive
            .iter_mut()
            .chain(&mut self.non_additive)
            .for_each(|part| *part *= scale);
        self.loci.iter_mut().for_each(|locus| locus.scale(scale));
    }

    fn has(&self, kinds: &[RiskKind]) -> bool {
        self.loci.iter().any(|locus| kinds.contains(&locus.risk))
    }
}

fn causal_sites(loci: &[LocusTruth]) -> Vec<CausalSite> {
    let variants = loci.iter().flat_map(|locus| &locus.causal_sites);
    variants.map(|variant| variant.site.clone()).collect()
}

/// Each individual's part of the logit, before scaling, and what the truth says of the locus.
type LocusLogits = (Vec<f64>, LocusTruth);

/// Risk on sites that the seed chooses.
fn drawn_locus(
    panel: &Panel,
    haplotypes: &Mosaics<'_>,
    risk: LocusRisk,
    number: u64, // of the locus
    options: &Options,
) -> Result<LocusLogits, Error> {
    let rng = &mut stream_of_locus(options.seed, Stream::CausalSites, number);
    // A population much larger than the cohort would make the choice slow and no better.
    let individuals: Vec<usize> = (0..options.people.min(haplotypes.len() / 2)).collect();
    let some = haplotypes.select(&individuals);
    let at_locus = |source: Error| {
        let locus = format!("{} ({})", panel.locus.name, panel.locus.region());
        Error::AtLocus {
            locus,
            source: Box::new(source),
        }
    };
    let chosen = causal::choose(risk.kind, None, panel, &some, rng).map_err(at_locus)?;
    let Causal {
        sites,
        choice,
        alleles,
        ..
    } = chosen;
    let x = causal::x_of(risk.kind, &alleles, haplotypes);
    let x: Vec<f64> = x.into_iter().map(f64::from).collect();
    let spread = standard_deviation(&x);
    let effect = if spread > 0.0 {
        risk.relative_effect / spread
    } else {
        0.0
    };
    let logits: Vec<f64> = x.iter().map(|x| effect * x).collect();
    let causal_sites = sites
        .into_iter()
        .zip(&alleles)
        .map(|(site, &(index, allele))| {
            let frequency = Dosage::of_allele(haplotypes.at_site(index), allele).mean() / 2.0;
            let site = CausalSite {
                effect_allele_frequency: frequency,
                ..site
            };
            CausalVariant {
                site,
                log_odds_by_copies: None,
            }
        })
        .collect();
    let has_risk = risk.kind != RiskKind::Null;
    let truth = LocusTruth {
        name: panel.locus.name.clone(),
        region: panel.locus.region(),
        risk: risk.kind,
        x: meaning_of_x(risk.kind),
        relative_effect: has_risk.then_some(risk.relative_effect),
        effect: has_risk.then_some(effect),
        logit_sd: standard_deviation(&logits),
        causal_sites,
        choice,
    };
    Ok((logits, truth))
}

/// Risk of published weights.
fn published_locus(panel: &Panel, haplotypes: &Mosaics<'_>, effects: &[SiteEffect]) -> LocusLogits {
    let mut logits = vec![0.0; haplotypes.len() / 2];
    let mut causal_sites = Vec::with_capacity(effects.len());
    for &SiteEffect {
        site,
        allele,
        log_odds,
    } in effects
    {
        let dosage = Dosage::of_allele(haplotypes.at_site(site), allele);
        let copies = dosage.of_people();
        logits
            .iter_mut()
            .zip(copies)
            .for_each(|(sum, n)| *sum += log_odds[usize::from(n)]);
        let site = CausalSite::new(panel, site, allele, dosage.mean() / 2.0);
        causal_sites.push(CausalVariant {
            site,
            log_odds_by_copies: Some(log_odds),
        });
    }
    let risk = if effects.is_empty() {
        RiskKind::Null
    } else {
        RiskKind::Additive
    };
    let truth = LocusTruth {
        name: panel.locus.name.clone(),
        region: panel.locus.region(),
        risk,
        x: "sum of log_odds_by_copies over the causal sites",
        relative_effect: None,
        effect: None,
        logit_sd: standard_deviation(&logits),
        causal_sites,
        choice: None,
    };
    (logits, truth)
}

/// Scales the genetic part to the AUC asked for; published log odds without one stay as they are.
fn solve(
    plan: &SimulatedRisk,
    genetic: &Genetic,
    covariates: &[f64], // their part of everyone's logit
    options: &Options,
) -> Result<PopulationRisk, Error> {
    let total = genetic.total();
    let varies = standard_deviation(&total) > 0.0;
    let population = Population {
        genetic: &total,
        covariates,
        prevalence: options.prevalence,
    };
    let wanted = if plan.published.is_some() {
        options.auc
    } else {
        Some(options.auc())
    };
    match wanted.filter(|_| varies) {
        Some(auc) => population.of_auc(auc),
        None => Ok(population.at_scale(1.0)),
    }
}

/// Best achievable AUC of the whole logit and of each part that there is.
fn parts(
    genetic: &Genetic,
    covariates: &[f64], // their part of everyone's logit
    risk: &PopulationRisk,
    kept: &Kept,
) -> Result<ComponentAucs, Error> {
    let auc = |part: &[f64]| -> Result<PartAuc, Error> {
        let population = population_auc(part, &risk.probabilities);
        Ok(PartAuc {
            population,
            by_split: best_possible_auc(&kept.cohort, &kept.select(part))?,
        })
    };
    let part = |there: bool, part: &[f64]| there.then(|| auc(part)).transpose();
    let has_covariates = covariates.iter().any(|&logit| logit != 0.0);
    let pair = [RiskKind::Cis, RiskKind::Trans];
    Ok(ComponentAucs {
        total: auc(&risk.logits)?,
        additive: part(genetic.has(&[RiskKind::Additive]), &genetic.additive)?,
        non_additive: part(genetic.has(&pair), &genetic.non_additive)?,
        covariates: part(has_covariates, covariates)?,
    })
}

/// The kind that all loci with risk have; `mixed` where they differ.
fn overall_risk(loci: &[LocusTruth]) -> String {
    let mut kinds = loci
        .iter()
        .map(|locus| locus.risk)
        .filter(|&kind| kind != RiskKind::Null);
    match kinds.next() {
        None => RiskKind::Null.to_string(),
        Some(first) if kinds.all(|kind| kind == first) => first.to_string(),
        Some(_) => "mixed".into(),
    }
}

#[cfg(test)]
mod tests;
