//! Which baselines there are, and in which order.
//!
//! Input -> output: a [`Study`], its sites and the matched scoring files -> every [`Baseline`], how
//! the learned ones were chosen, and the associations of the alleles.

use gf_cohort_schema::{ALONE, BASELINE_PREFIX, WITHOUT_APOE};
use serde::Serialize;

use crate::{
    baselines::{
        Error, Options,
        apoe::is_in_region,
        association::{self, Association},
        clumping::Clumping,
        elastic_net,
        model::{AlleleWeight, Baseline, Feature},
        panel::{Column, TrainingDosages},
        ridge,
        selection::Choice,
        study::{APOE, Study},
    },
    scoring::{
        self,
        dosages::Site,
        published::{FailedScore, Score, usable},
        scoring_file::ScoringFile,
    },
};
use gf_cohort_schema::counted;
use gf_genotypes::GenomeBuild;

/// Everything that was fitted.
pub struct Fitted<'s> {
    /// In the order of the tables.
    pub baselines: Vec<Baseline>,
    /// How each learned baseline came about.
    pub choices: Vec<Choice>,
    /// The alleles that vary in training, with what each has to do with the phenotype.
    pub associations: Vec<(Column<'s>, Association)>,
    /// Dosages left out because they are the same in all training people.
    pub constant_dosages: usize,
    /// `model: feature` left out because it is the same in all training people.
    pub constant_features: Vec<String>,
    /// `association: covariate` left out because others say the same.
    pub repeated_covariates: Vec<String>,
    /// Scores that have a model without the APOE region.
    pub without_apoe: Vec<WithoutApoe>,
    /// `model: why` there is none.
    pub left_out: Vec<String>,
    /// Published scores that could not be fitted.
    pub failed: Vec<FailedScore>,
}

/// A score that leaves the APOE region out, and has the counts of e2 and e4 instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithoutApoe {
    /// The baseline.
    pub model: String,
    /// Alleles left out because they lie in the region.
    pub dropped: usize,
    /// Alleles in the score.
    pub kept: usize,
}

/// Fits all. `apoe_build` is the build on which APOE was called, if it was.
///
/// # Errors
/// When a fit fails, or no dosage varies.
pub fn fit_all<'s>(
    study: &Study<'_>,
    sites: &'s [Site],
    is_learned_from: impl Fn(&Site) -> bool,
    scores: &[Score<'_>],
    apoe_build: Option<GenomeBuild>,
    options: &Options,
) -> Result<Fitted<'s>, Error> {
    let (panel, constant_dosages) =
        TrainingDosages::new(study, sites.iter().filter(|site| is_learned_from(site)));
    if panel.columns.is_empty() {
        return Err(Error::NothingVaries {
            alleles: constant_dosages,
        });
    }
    let mut fitted = Fitted {
        baselines: Vec::new(),
        choices: Vec::new(),
        associations: Vec::new(),
        constant_dosages,
        constant_features: Vec::new(),
        repeated_covariates: Vec::new(),
        without_apoe: Vec::new(),
        left_out: Vec::new(),
        failed: Vec::new(),
    };
    fitted
        .baselines
        .extend(study.covariates_alone(&mut fitted.constant_features)?);
    fitted
        .baselines
        .extend(study.principal_components_alone(&mut fitted.constant_features)?);
    if apoe_build.is_some() {
        fitted
            .baselines
            .extend(study.apoe(&mut fitted.constant_features)?);
    }

    // What the association has to say about covariates and constants was said of `prs-covariates`.
    let covariates = study.free_terms("association", &[], &mut Vec::new())?;
    let names: Vec<String> = covariates
        .terms()
        .map(|term| term.feature.name().to_owned())
        .collect();
    let standardised = covariates.standardised(&panel.training.people);
    let (associations, repeated) = association::scan(&panel, &standardised);
    fitted.repeated_covariates.extend(
        repeated
            .into_iter()
            .map(|index| format!("association: {}", names[index])),
    );

    let clumping = Clumping {
        distance: options.clump_kb * 1_000,
        r2: options.clump_r2,
        p_values: &options.p_thresholds,
    };
    fitted.learn(study, &panel, &associations, &clumping, &[], options)?;
    if let Some(build) = apoe_build {
        let in_region = |site: &Site| is_in_region(build, &site.contig, site.position);
        let outside: Vec<Association> = panel
            .columns
            .iter()
            .zip(&associations)
            .filter(|(column, _)| !in_region(column.site))
            .map(|(_, association)| *association)
            .collect();
        if let Some(rest) = panel.without(study, in_region) {
            let first = fitted.baselines.len();
            fitted.learn(study, &rest, &outside, &clumping, &APOE, options)?;
            let dropped = panel.columns.len() - rest.columns.len();
            for baseline in &fitted.baselines[first..] {
                fitted.without_apoe.push(WithoutApoe {
                    model: baseline.model.clone(),
                    dropped,
                    kept: baseline.alleles().count(),
                });
            }
        } else {
            let dosages = counted(panel.columns.len(), "dosage lies", "dosages lie");
            fitted.left_out.push(format!(
                "dosages{WITHOUT_APOE}: all of {dosages} in the APOE region"
            ));
        }
    }
    let mut results = Vec::with_capacity(scores.len());
    for Score { file, matches, .. } in scores {
        let alleles = study.published(file, matches, sites);
        results.push((
            file.path.clone(),
            fitted.published(study, file, alleles, apoe_build),
        ));
    }
    fitted.failed = usable(results, Vec::new())?.failed;
    fitted.associations = panel.columns.into_iter().zip(associations).collect();
    Ok(fitted)
}

impl Fitted<'_> {
    /// The learned baselines on one panel, beside `others`.
    fn learn(
        &mut self,
        study: &Study<'_>,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
        clumping: &Clumping<'_>,
        others: &[Feature],
        options: &Options,
    ) -> Result<(), Error> {
        let name = |what: &str| {
            format!(
                "{BASELINE_PREFIX}{what}{}",
                if others.is_empty() { "" } else { WITHOUT_APOE }
            )
        };
        let of_ridge = name("dosages");
        let of_net = name("elastic-net");
        let of_clumps = name("ct");
        let free = study.free_terms(&of_ridge, others, &mut self.constant_features)?;
        let (ridge, net) = rayon::join(
            || ridge::fit(&of_ridge, panel, &free, &options.l2_strengths),
            || elastic_net::fit(&of_net, panel, &free, &options.l1_ratios),
        );
        let clumped = clumping.fit(
            &of_clumps,
            study,
            panel,
            associations,
            others,
            &mut self.constant_features,
        );
        for fit in [ridge, clumped, net] {
            match fit {
                Ok((baseline, choice)) => {
                    self.baselines.push(baseline);
                    self.choices.push(choice);
                }
                // Nothing to report is no reason to have no other baseline.
                Err(Error::NoSetting { model, reason }) if model != of_ridge => {
                    self.left_out.push(format!("{model}: {reason}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A published score with the covariates, alone, and without the APOE region.
    fn published(
        &mut self,
        study: &Study<'_>,
        file: &ScoringFile,
        alleles: Vec<AlleleWeight>,
        apoe_build: Option<GenomeBuild>,
    ) -> Result<(), Error> {
        let model = format!("{BASELINE_PREFIX}{}", file.id);
        let n_alleles = alleles.len();
        let outside = apoe_build.map(|build| {
            let is_outside =
                |allele: &&AlleleWeight| !is_in_region(build, &allele.chrom, allele.position);
            alleles
                .iter()
                .filter(is_outside)
                .cloned()
                .collect::<Vec<_>>()
        });
        let baseline = study.few(
            model.clone(),
            &[Feature::AlleleScore { alleles }],
            &mut self.constant_features,
        )?;
        self.baselines.push(baseline.ok_or_else(|| {
            scoring::Error::ScoringFile {
                path: file.path.clone(),
                reason: "the score is the same in all training people, so it cannot tell anyone \
                         apart"
                    .into(),
            }
        })?);
        if !study.cohort.covariate_names.is_empty() {
            let alleles = self
                .baselines
                .last()
                .map_or_else(Vec::new, |baseline| baseline.alleles().cloned().collect());
            let alone = study.alone(
                format!("{model}{ALONE}"),
                Feature::AlleleScore { alleles },
                &mut self.constant_features,
            )?;
            self.baselines.extend(alone);
        }
        let Some(outside) = outside else {
            return Ok(());
        };
        let model = format!("{model}{WITHOUT_APOE}");
        let kept = outside.len();
        let score = Feature::AlleleScore { alleles: outside };
        let features: Vec<Feature> = std::iter::once(score).chain(APOE).collect();
        let baseline = if kept > 0 {
            study.few(model.clone(), &features, &mut self.constant_features)?
        } else {
            None
        };
        match baseline.filter(|baseline| baseline.alleles().next().is_some()) {
            Some(baseline) => {
                self.baselines.push(baseline);
                self.without_apoe.push(WithoutApoe {
                    model,
                    dropped: n_alleles - kept,
                    kept,
                });
            }
            None => self
                .left_out
                .push(format!("{model}: no allele outside the APOE region varies")),
        }
        Ok(())
    }
}
