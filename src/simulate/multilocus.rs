//! A cohort over many loci, with covariate effects, published weights or case-control sampling.
//!
//! Input -> output: [`Options`] -> the files of a cohort and a [`Summary`] whose truth reports every
//! part of the risk. Each individual has one mosaic pair per locus; mosaics of different loci are
//! independent, so loci are unlinked even where they are close.
//!
//! ```text
//! logit = intercept + scale * (sum over loci of effect * x) + age_effect * (age - 75) + sex_effect * sex
//! ```
//! Without published weights, `effect` is the relative effect of the locus divided by the standard
//! deviation of its x, and `scale` gives the AUC asked for. Published log odds have `scale` 1 unless
//! an AUC is asked for.

use super::{
    Error, Options, RiskKind, Stream, Summary, Truth, best_possible_auc, causal,
    causal::{Causal, CausalSite},
    cohort,
    dosage::Dosage,
    effects::{EffectSummary, Published, SiteEffect, match_to_panels},
    files::{self, Genomes},
    founders,
    loci::{self, LocusRisk},
    meaning_of_x,
    mosaic::{self, Mosaics},
    panel::{EmptyLoci, Panel, PanelSummary},
    population::{self, PopulationRisk, Sample, population_auc, standard_deviation},
    splits, stream, stream_of_locus,
    truth::{CausalVariant, CovariateEffects, LocusTruth, PartAuc, Parts, Sampling, StudyTruth},
};
use crate::ingest::{Reference, VariantFile};
use gf_cohort_schema::{Cohort, Phenotype};

/// What is simulated, before any individual is drawn.
struct Plan {
    panels: Vec<Panel>,
    /// Of each panel.
    risks: Vec<LocusRisk>,
    /// Published weights of each panel, and what became of their rows.
    published: Option<(Vec<Vec<SiteEffect>>, EffectSummary)>,
    counts: PanelSummary,
}

/// Simulates a cohort and writes its files into `options.out`.
///
/// # Errors
/// Files that cannot be used or written, sites or individuals that are too few, an AUC out of reach.
pub fn run(options: &Options) -> Result<Summary, Error> {
    let plan = Plan::of(options)?;
    let sample = Sample::plan(options, plan.panels.len())?;
    let drawn = mosaics(&plan.panels, sample.n_drawn, options);
    let mut genetic = Genetic::of(&plan, &drawn, options)?;
    let rng = &mut stream(options.seed, Stream::Covariates);
    let covariates = population::covariates(sample.n_drawn, rng);
    let of_covariates = population::covariate_logits(&covariates, options);
    let (risk, target_auc) = solve(&plan, &genetic, &of_covariates, options)?;
    genetic.scale(risk.scale);

    let phenotypes = population::draw(&risk.probabilities, &mut stream(options.seed, Stream::Phenotypes));
    let kept = sample.keep(&phenotypes, &mut stream(options.seed, Stream::Sampling))?;
    let of_kept: Vec<Phenotype> = kept.iter().map(|&i| phenotypes[i]).collect();
    let split = splits(&of_kept, options.split, &mut stream(options.seed, Stream::Split))?;
    let covariates = kept.iter().map(|&i| covariates[i].clone()).collect();
    let cohort = cohort(&of_kept, &split, covariates);
    let logits: Vec<f64> = kept.iter().map(|&i| risk.logits[i]).collect();

    let people: Vec<Mosaics<'_>> = drawn.iter().map(|of_locus| of_locus.select(&kept)).collect();
    let sampling = Sampling::of(options, &phenotypes);
    let parts = parts(&genetic, &of_covariates, &risk, &kept, &cohort)?;
    let truth = Truth {
        risk: overall_risk(&genetic.loci),
        x: "sum over loci of effect times x of the locus, plus the effects of age and sex; \
            see `loci` and `covariate_effects`",
        intercept: risk.intercept,
        effect: 1.0,
        causal_sites: genetic.causal_sites(),
        choice: None,
        target_auc,
        population_auc: risk.auc,
        prevalence: options.prevalence,
        best_possible_auc: best_possible_auc(&cohort, &logits)?,
        n_distinct_haplotypes: people.iter().map(Mosaics::n_distinct).sum(),
        seed: options.seed,
        study: Some(StudyTruth {
            best_achievable_auc: parts,
            scale: risk.scale,
            covariate_effects: CovariateEffects::of(options),
            sampling,
            published_effects: plan.published.map(|(_, counts)| counts),
            loci: genetic.loci,
        }),
    };
    let genomes: Vec<Genomes<'_>> = plan.panels.iter().zip(&people).map(|(panel, haplotypes)| Genomes { panel, haplotypes }).collect();
    files::write(&options.out, &genomes, &cohort, &logits, &truth)?;
    Ok(Summary::of(&plan.panels, &cohort, plan.counts, truth))
}

impl Plan {
    fn of(options: &Options) -> Result<Self, Error> {
        let (panels, risks, counts, invented) = panels(options)?;
        let published = match (&options.effects, options.preset, invented) {
            (Some(path), ..) => Some(Published::read(path)?),
            (None, Some(_), Some(invented)) => Some(invented),
            (None, Some(preset), None) => Some(preset.published()?),
            (None, None, _) => None,
        };
        let mut plan = Self { panels, risks, published: None, counts };
        if let Some(published) = published {
            plan.counts.header_warnings.extend(published.warnings.iter().cloned());
            let (effects, counts) = match_to_panels(&published, &plan.panels)?;
            for (risk, effects) in plan.risks.iter_mut().zip(&effects) {
                let kind = if effects.is_empty() { RiskKind::Null } else { RiskKind::Additive };
                *risk = LocusRisk::of_kind(kind);
            }
            plan.published = Some((effects, counts));
        }
        Ok(plan)
    }
}

/// Founders of every locus, the risk of each, what was left out, and the weights of a preset without
/// a panel.
type Panels = (Vec<Panel>, Vec<LocusRisk>, PanelSummary, Option<Published>);

fn panels(options: &Options) -> Result<Panels, Error> {
    let default = LocusRisk::of_kind(options.risk);
    let (Some(panel), Some(reference)) = (&options.panel, &options.reference) else {
        let (panels, published) = match options.preset {
            Some(preset) => {
                let (panels, published) = preset.invented(options.len_nt, options.variants, options.seed)?;
                (panels, Some(published))
            }
            None => (vec![founders::panel(options.len_nt, options.variants, options.seed)], None),
        };
        let risks = vec![default; panels.len()];
        return Ok((panels, risks, PanelSummary::default(), published));
    };
    let (panels, risks, counts) = match (&options.loci, options.preset, &options.region) {
        (Some(bed), ..) => {
            let mut variants = VariantFile::open(panel)?;
            let mut reference = Reference::open(reference)?;
            let planned = loci::read(bed, options.loci_risks.as_deref(), options.risk)?;
            let risks = planned.iter().map(|locus| locus.risk).collect();
            let loci = planned.into_iter().map(|locus| locus.locus).collect();
            let (panels, counts) = Panel::read_loci(&mut variants, &mut reference, loci, EmptyLoci::Refuse)?;
            (panels, risks, counts)
        }
        (None, Some(preset), None) => {
            let mut variants = VariantFile::open(panel)?;
            let mut reference = Reference::open(reference)?;
            let mut loci = loci::sorted(preset.windows(options.len_nt, &reference)?);
            loci.retain(|locus| variants.may_have_contig(&locus.contig));
            if loci.is_empty() {
                return Err(no_preset_locus(options));
            }
            let (panels, counts) = Panel::read_loci(&mut variants, &mut reference, loci, EmptyLoci::LeaveOut)?;
            let risks = vec![default; panels.len()];
            (panels, risks, counts)
        }
        _ => {
            let (panels, counts) = Panel::read(panel, reference, options.region.as_deref())?;
            (panels, vec![default], counts)
        }
    };
    if panels.is_empty() {
        return Err(no_preset_locus(options));
    }
    Ok((panels, risks, counts, None))
}

fn no_preset_locus(options: &Options) -> Error {
    let panel = options.panel.as_ref().map(|path| path.display().to_string());
    let source_name = panel.unwrap_or_default();
    let reason = "no record near a variant of the preset; \
                  does the panel have GRCh38 positions and the chromosomes of the preset?";
    Error::Effects { source_name, reason: reason.into() }
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
    fn of(plan: &Plan, drawn: &[Mosaics<'_>], options: &Options) -> Result<Self, Error> {
        let n_drawn = drawn.first().map_or(0, |haplotypes| haplotypes.len() / 2);
        let (additive, non_additive) = (vec![0.0; n_drawn], vec![0.0; n_drawn]);
        let mut genetic = Self { additive, non_additive, loci: Vec::new() };
        for (index, (panel, haplotypes)) in plan.panels.iter().zip(drawn).enumerate() {
            let (logits, locus) = match &plan.published {
                Some((effects, _)) => published_locus(panel, haplotypes, &effects[index]),
                None => drawn_locus(panel, haplotypes, plan.risks[index], index, options)?,
            };
            let sums = match locus.risk {
                RiskKind::Cis | RiskKind::Trans => &mut genetic.non_additive,
                RiskKind::Additive | RiskKind::Null => &mut genetic.additive,
            };
            sums.iter_mut().zip(&logits).for_each(|(sum, logit)| *sum += logit);
            genetic.loci.push(locus);
        }
        Ok(genetic)
    }

    fn total(&self) -> Vec<f64> {
        self.additive.iter().zip(&self.non_additive).map(|(a, b)| a + b).collect()
    }

    fn scale(&mut self, scale: f64) {
        self.additive.iter_mut().chain(&mut self.non_additive).for_each(|part| *part *= scale);
        self.loci.iter_mut().for_each(|locus| locus.scale(scale));
    }

    fn has(&self, kinds: &[RiskKind]) -> bool {
        self.loci.iter().any(|locus| kinds.contains(&locus.risk))
    }

    fn causal_sites(&self) -> Vec<CausalSite> {
        let variants = self.loci.iter().flat_map(|locus| &locus.causal_sites);
        variants.map(|variant| variant.site.clone()).collect()
    }
}

/// Risk on sites that the seed chooses: each individual's part of the logit, before scaling.
fn drawn_locus(
    panel: &Panel,
    haplotypes: &Mosaics<'_>,
    risk: LocusRisk,
    index: usize,
    options: &Options,
) -> Result<(Vec<f64>, LocusTruth), Error> {
    let rng = &mut stream_of_locus(options.seed, Stream::CausalSites, index as u64);
    // A population much larger than the cohort would make the choice slow and no better.
    let individuals: Vec<usize> = (0..options.people.min(haplotypes.len() / 2)).collect();
    let some = haplotypes.select(&individuals);
    let at_locus =
        |source: Error| Error::AtLocus { locus: format!("{} ({})", panel.locus.name, panel.locus.region()), source: Box::new(source) };
    let chosen = causal::choose(risk.kind, None, panel, &some, rng).map_err(at_locus)?;
    let Causal { sites, choice, alleles, .. } = chosen;
    let x: Vec<f64> = causal::x_of(risk.kind, &alleles, haplotypes).into_iter().map(f64::from).collect();
    let spread = standard_deviation(&x);
    let effect = if spread > 0.0 { risk.relative_effect / spread } else { 0.0 };
    let logits: Vec<f64> = x.iter().map(|x| effect * x).collect();
    let causal_sites = sites
        .into_iter()
        .zip(&alleles)
        .map(|(site, &(index, allele))| {
            let frequency = Dosage::of_allele(haplotypes.at_site(index), allele).mean() / 2.0;
            let site = CausalSite { effect_allele_frequency: frequency, ..site };
            CausalVariant { site, log_odds_by_copies: None }
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

/// Risk of published weights: each individual's part of the logit, before scaling.
fn published_locus(panel: &Panel, haplotypes: &Mosaics<'_>, effects: &[SiteEffect]) -> (Vec<f64>, LocusTruth) {
    let mut logits = vec![0.0; haplotypes.len() / 2];
    let mut causal_sites = Vec::with_capacity(effects.len());
    for &SiteEffect { site, allele, log_odds } in effects {
        let dosage = Dosage::of_allele(haplotypes.at_site(site), allele);
        let copies = dosage.of_people();
        logits.iter_mut().zip(copies).for_each(|(sum, n)| *sum += log_odds[usize::from(n)]);
        let site = CausalSite::of(panel, site, allele, dosage.mean() / 2.0);
        causal_sites.push(CausalVariant { site, log_odds_by_copies: Some(log_odds) });
    }
    let risk = if effects.is_empty() { RiskKind::Null } else { RiskKind::Additive };
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

/// The risk, and the AUC that it was scaled to.
fn solve(plan: &Plan, genetic: &Genetic, covariates: &[f64], options: &Options) -> Result<(PopulationRisk, Option<f64>), Error> {
    let total = genetic.total();
    let prevalence = options.prevalence;
    let wanted = if plan.published.is_some() { options.auc } else { Some(options.auc()) };
    match wanted.filter(|_| standard_deviation(&total) > 0.0) {
        Some(auc) => {
            let risk = PopulationRisk::of_auc(auc, &total, covariates, prevalence)?;
            Ok((risk, Some(auc)))
        }
        None => Ok((PopulationRisk::at_scale(1.0, &total, covariates, prevalence), None)),
    }
}

/// Best achievable AUC of the whole logit and of each part that there is.
fn parts(genetic: &Genetic, of_covariates: &[f64], risk: &PopulationRisk, kept: &[usize], cohort: &Cohort) -> Result<Parts, Error> {
    let auc = |part: &[f64]| -> Result<PartAuc, Error> {
        let of_kept: Vec<f64> = kept.iter().map(|&i| part[i]).collect();
        let population = population_auc(part, &risk.probabilities);
        Ok(PartAuc { population, by_split: best_possible_auc(cohort, &of_kept)? })
    };
    let part = |there: bool, part: &[f64]| there.then(|| auc(part)).transpose();
    let has_covariates = of_covariates.iter().any(|&logit| logit != 0.0);
    let pair = [RiskKind::Cis, RiskKind::Trans];
    Ok(Parts {
        total: auc(&risk.logits)?,
        additive: part(genetic.has(&[RiskKind::Additive]), &genetic.additive)?,
        non_additive: part(genetic.has(&pair), &genetic.non_additive)?,
        covariates: part(has_covariates, of_covariates)?,
    })
}

/// The kind that all loci with risk have; `mixed` where they differ.
fn overall_risk(loci: &[LocusTruth]) -> String {
    let mut kinds = loci.iter().map(|locus| locus.risk).filter(|&kind| kind != RiskKind::Null);
    match kinds.next() {
        None => RiskKind::Null.to_string(),
        Some(first) if kinds.all(|kind| kind == first) => first.to_string(),
        Some(_) => "mixed".into(),
    }
}
