//! Fits of all baselines of the stage, in the order of the tables.
//!
//! Input: a [`Study`], its sites and the matched scoring files. Output: every [`Baseline`], the
//! hyperparameters of the learned ones, and the associations of the alleles.

use gf_cohort_schema::{ALONE, BASELINE_PREFIX, WITHOUT_APOE};
use serde::Serialize;

use crate::{
    baselines::{
        Error, Options,
        apoe::is_in_region,
        association::{self, Association},
        clumping::Clumping,
        elastic_net,
        error::without_setting,
        model::{AlleleWeight, Baseline, Feature},
        panel::{Column, TrainingDosages},
        ridge,
        selection::Choice,
        study::{APOE, Study},
    },
    scoring::{
        dosages::Site,
        published::{FailedScore, Score, usable},
        scoring_file::ScoringFile,
    },
};
use gf_cohort_schema::counted;
use gf_genotypes::GenomeBuild;

/// All fitted baselines and associations.
pub struct Fitted<'s> {
    /// Baselines in the order of the tables.
    pub baselines: Vec<Baseline>,
    /// Hyperparameters of each learned baseline.
    pub choices: Vec<Choice>,
    /// The alleles that vary among the training samples, with their associations.
    pub associations: Vec<(Column<'s>, Association)>,
    /// Number of dosages left out because they are the same in all training samples.
    pub constant_dosages: usize,
    /// `model: feature` left out because the feature is the same in all training samples.
    pub constant_features: Vec<String>,
    /// `association: covariate` left out because the covariate is a combination of others.
    pub repeated_covariates: Vec<String>,
    /// Scores that have a model without the APOE region.
    pub without_apoe: Vec<WithoutApoe>,
    /// `model: reason` of baselines that could not be made.
    pub left_out: Vec<String>,
    /// Published scores that could not be fitted.
    pub failed: Vec<FailedScore>,
}

/// A score without the APOE region, whose model has the counts of e2 and e4 instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithoutApoe {
    /// The baseline.
    pub model: String,
    /// Number of alleles left out because they are in the region.
    pub dropped: usize,
    /// Number of alleles in the score.
    pub kept: usize,
}

/// The sites of a study.
pub struct StudySites<'s> {
    /// All sites with a call in the training samples.
    pub all: &'s [Site],
    /// The sites from which baselines are learned: those in the regions.
    pub learned: &'s [&'s Site],
}

/// Fits all baselines. `apoe_build` is the build on which APOE was called, if it was.
///
/// # Errors
/// A fit fails, or no dosage varies.
pub fn fit_all<'s>(
    study: &Study<'_>,
    sites: &StudySites<'s>,
    scores: &[Score<'_>],
    apoe_build: Option<GenomeBuild>,
    options: &Options,
) -> Result<Fitted<'s>, Error> {
    let (panel, constant_dosages) = TrainingDosages::new(study, sites.learned.iter().copied());
    if panel.columns.is_empty() {
        return Err(Error::NothingVaries {
            alleles: constant_dosages,
        });
    }
    let mut fitted = Fitted::without_genotypes(study, constant_dosages, apoe_build.is_some())?;
    let associations = fitted.associate(study, &panel)?;
    let learner = Learner {
        study,
        options,
        clumping: Clumping {
            distance: options.clump_kb * 1_000,
            r2: options.clump_r2,
            p_values: &options.p_thresholds,
        },
    };
    fitted.learn(&learner, &panel, &associations, &[])?;
    if let Some(build) = apoe_build {
        fitted.learn_without_apoe(&learner, &panel, &associations, build)?;
    }
    let mut results = Vec::with_capacity(scores.len());
    for Score { file, matches, .. } in scores {
        let alleles = study.published(file, matches, sites.all);
        let result = fitted.published(study, file, alleles, apoe_build);
        results.push((file.path.clone(), result));
    }
    fitted.failed = usable(results, Vec::new())?.failed;
    fitted.associations = panel.columns.into_iter().zip(associations).collect();
    Ok(fitted)
}

/// Data and parameters of all learned baselines.
struct Learner<'l, 'a> {
    study: &'l Study<'a>,
    options: &'l Options,
    clumping: Clumping<'l>,
}

impl Fitted<'_> {
    /// Fits the baselines of covariates, principal components and APOE counts.
    fn without_genotypes(
        study: &Study<'_>,
        constant_dosages: usize,
        has_apoe: bool,
    ) -> Result<Self, Error> {
        let mut constant_features = Vec::new();
        let mut baselines = Vec::new();
        baselines.extend(study.covariates_alone(&mut constant_features)?);
        baselines.extend(study.principal_components_alone(&mut constant_features)?);
        if has_apoe {
            baselines.extend(study.apoe(&mut constant_features)?);
        }
        Ok(Self {
            baselines,
            choices: Vec::new(),
            associations: Vec::new(),
            constant_dosages,
            constant_features,
            repeated_covariates: Vec::new(),
            without_apoe: Vec::new(),
            left_out: Vec::new(),
            failed: Vec::new(),
        })
    }

    /// Tests the association of every column, and notes covariates that repeat others.
    fn associate(
        &mut self,
        study: &Study<'_>,
        panel: &TrainingDosages<'_>,
    ) -> Result<Vec<Association>, Error> {
        // `prs-covariates` has reported constant covariates already.
        let covariates = study.free_terms("association", &[], &mut Vec::new())?;
        let scan = association::scan(panel, &covariates.standardised(&panel.training.people));
        let names: Vec<&str> = covariates.terms().map(|term| term.feature.name()).collect();
        self.repeated_covariates.extend(
            scan.repeated_covariates
                .into_iter()
                .map(|index| format!("association: {}", names[index])),
        );
        Ok(scan.associations)
    }

    /// Learns the baselines without the alleles of the APOE region, with APOE counts instead.
    fn learn_without_apoe(
        &mut self,
        learner: &Learner<'_, '_>,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
        build: GenomeBuild,
    ) -> Result<(), Error> {
        let Some(outside) = panel.without(learner.study, |site| in_apoe_region(build, site)) else {
            let dosages = counted(panel.columns.len(), "dosage is", "dosages are");
            self.left_out.push(format!(
                "dosages{WITHOUT_APOE}: {dosages} in the APOE region, and none is outside"
            ));
            return Ok(());
        };
        let outside_associations: Vec<Association> = panel
            .columns
            .iter()
            .zip(associations)
            .filter(|(column, _)| !in_apoe_region(build, column.site))
            .map(|(_, association)| *association)
            .collect();
        let n_before = self.baselines.len();
        self.learn(learner, &outside, &outside_associations, &APOE)?;
        let dropped = panel.columns.len() - outside.columns.len();
        for baseline in &self.baselines[n_before..] {
            self.without_apoe.push(WithoutApoe {
                model: baseline.model.clone(),
                dropped,
                kept: baseline.alleles().count(),
            });
        }
        Ok(())
    }

    /// Learns ridge regression, clumping and thresholding, and elastic net on one panel, with the
    /// covariates and `apoe_features`.
    fn learn(
        &mut self,
        learner: &Learner<'_, '_>,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
        apoe_features: &[Feature],
    ) -> Result<(), Error> {
        let Learner {
            study,
            options,
            clumping,
        } = learner;
        let suffix = if apoe_features.is_empty() {
            ""
        } else {
            WITHOUT_APOE
        };
        let ridge_model = format!("{BASELINE_PREFIX}dosages{suffix}");
        let net_model = format!("{BASELINE_PREFIX}elastic-net{suffix}");
        let clumping_model = format!("{BASELINE_PREFIX}ct{suffix}");
        let free = study.free_terms(&ridge_model, apoe_features, &mut self.constant_features)?;
        let (ridge, net) = rayon::join(
            || ridge::fit(&ridge_model, panel, &free, &options.l2_strengths),
            || elastic_net::fit(&net_model, panel, &free, &options.l1_ratios),
        );
        let clumped = clumping.fit(
            &clumping_model,
            study,
            panel,
            associations,
            apoe_features,
            &mut self.constant_features,
        );
        for fit in [ridge, clumped, net] {
            match fit {
                Ok((baseline, choice)) => {
                    self.baselines.push(baseline);
                    self.choices.push(choice);
                }
                // A sparse model without any allele does not stop the other baselines.
                Err(Error::NoSetting { model, failure }) if model != ridge_model => {
                    let reason = without_setting(failure.as_deref());
                    self.left_out.push(format!("{model}: {reason}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fits a published score with the covariates, alone, and without the APOE region.
    fn published(
        &mut self,
        study: &Study<'_>,
        file: &ScoringFile,
        alleles: Vec<AlleleWeight>,
        apoe_build: Option<GenomeBuild>,
    ) -> Result<(), Error> {
        let model = format!("{BASELINE_PREFIX}{}", file.id);
        let n_alleles = alleles.len();
        let outside: Option<Vec<AlleleWeight>> = apoe_build.map(|build| {
            alleles
                .iter()
                .filter(|allele| !is_in_region(build, &allele.chrom, allele.position))
                .cloned()
                .collect()
        });
        let baseline = study.few(
            model.clone(),
            &[Feature::AlleleScore { alleles }],
            &mut self.constant_features,
        )?;
        let Some(baseline) = baseline else {
            let path = file.path.clone();
            return Err(Error::ConstantScore { path });
        };
        let fitted_alleles: Vec<AlleleWeight> = baseline.alleles().cloned().collect();
        self.baselines.push(baseline);
        if !study.cohort.covariate_names.is_empty() {
            let alone = study.alone(
                format!("{model}{ALONE}"),
                Feature::AlleleScore {
                    alleles: fitted_alleles,
                },
                &mut self.constant_features,
            )?;
            self.baselines.extend(alone);
        }
        match outside {
            None => Ok(()),
            Some(outside) => self.published_without_apoe(study, &model, outside, n_alleles),
        }
    }

    /// Fits a published score without the APOE region. `outside` are its alleles outside of the
    /// region, of `n_alleles` in all.
    fn published_without_apoe(
        &mut self,
        study: &Study<'_>,
        score_model: &str,
        outside: Vec<AlleleWeight>,
        n_alleles: usize,
    ) -> Result<(), Error> {
        let model = format!("{score_model}{WITHOUT_APOE}");
        let n_outside = outside.len();
        let score = Feature::AlleleScore { alleles: outside };
        let features: Vec<Feature> = std::iter::once(score).chain(APOE).collect();
        let baseline = if n_outside > 0 {
            study.few(model.clone(), &features, &mut self.constant_features)?
        } else {
            None
        };
        // The fit may contain the APOE counts alone.
        match baseline.filter(|baseline| baseline.alleles().next().is_some()) {
            Some(baseline) => {
                self.baselines.push(baseline);
                self.without_apoe.push(WithoutApoe {
                    model,
                    dropped: n_alleles - n_outside,
                    kept: n_outside,
                });
            }
            None => self
                .left_out
                .push(format!("{model}: no allele outside the APOE region varies")),
        }
        Ok(())
    }
}

fn in_apoe_region(build: GenomeBuild, site: &Site) -> bool {
    is_in_region(build, &site.contig, site.position)
}
