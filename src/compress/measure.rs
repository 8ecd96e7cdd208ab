//! Measures models: size, time of a forward pass, and AUC on a cohort.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Instant};

use candle_core::{Device, Tensor};
use gf_cohort_schema::{
    Cohort, CovariateChoice, MissingSamples, Phenotype, Prediction, Role, Split, probability,
    write_predictions,
};
use serde::{Deserialize, Serialize};

use super::{Error, OnCohort};
use crate::layout;
use crate::{
    dataset::Dataset,
    models::{Predictor, RiskModel},
    tokens::Folder,
    training::{self, Bundle, folds_of, weight_files},
};
use gf_files::output;
use gf_stats::roc;

/// Haplotypes in a timed forward pass.
const HAPLOTYPES: usize = 4;
/// Timed passes, of which the median is reported. One pass before them is not timed.
const PASSES: usize = 7;

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Name of the model, or a description of it.
    pub name: String,
    /// Number of parameter values of all members.
    pub parameters: u64,
    /// Size of the weight files in bytes.
    pub bytes: u64,
    /// Time of a forward pass over all loci with every slot filled, for one haplotype of a batch
    /// of four, through all members; median of seven.
    pub milliseconds: f64,
    /// AUC on the validation split; absent without a cohort, or with one class only.
    pub validation_auroc: Option<f64>,
    /// AUC on the test split; absent without a cohort, or with one class only.
    pub test_auroc: Option<f64>,
}

impl Measured {
    /// The cells of a table row.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.parameters.to_string(),
            self.bytes.to_string(),
            format!("{:.3}", self.milliseconds),
            auroc_cell(self.validation_auroc),
            auroc_cell(self.test_auroc),
        ]
    }
}

fn auroc_cell(auroc: Option<f64>) -> String {
    auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.4}"))
}

/// The samples on which models are measured.
pub struct MeasuredSamples {
    folder: Folder,
    cohort: Cohort,
    /// The fold of each sample. A member predicts the samples that were not in its training.
    fold_of: Vec<Option<u32>>,
}

impl MeasuredSamples {
    /// Reads tokens and cohort, which must fit the model of `bundle`.
    ///
    /// The folds, if any, are read from the `predictions.csv` in the folder of the model.
    pub fn load(options: &OnCohort, bundle: &Bundle, model: &Path) -> Result<Self, Error> {
        let folder = Folder::load(&options.tokens)?;
        if folder.tokenizer.json() != bundle.tokenizer.json() || folder.grid != bundle.grid {
            return Err(Error::OtherTokens(options.tokens.clone()));
        }
        let covariates = CovariateChoice::Named(
            bundle
                .config
                .covariates
                .iter()
                .map(|covariate| covariate.name.clone())
                .collect(),
        );
        let mut cohort = Cohort::read(&options.cohort, options.phenotype_coding, &covariates)?;
        cohort.keep_present(
            &folder.tokens.samples,
            &options.tokens,
            MissingSamples::default(),
        )?;
        let mut fold_of = vec![None; cohort.people.len()];
        let folds: BTreeSet<Option<u32>> = bundle
            .config
            .members
            .iter()
            .map(|member| member.fold)
            .collect();
        if folds.iter().any(Option::is_some) {
            let path = model.join(layout::PREDICTIONS);
            let found = folds_of(&path)?;
            for (fold, person) in fold_of.iter_mut().zip(&cohort.people) {
                *fold = found.get(&person.sample_id).copied().flatten();
                if fold.is_some() && !folds.contains(fold) {
                    return Err(Error::Folds {
                        path,
                        sample: person.sample_id.clone(),
                    });
                }
            }
        }
        Ok(Self {
            folder,
            cohort,
            fold_of,
        })
    }

    /// The logit of each sample.
    fn logits(&self, bundle: &Bundle) -> Result<Vec<f64>, Error> {
        let data = Dataset::new(
            &self.folder.tokens,
            &self.cohort,
            bundle.config.covariates.clone(),
        )?;
        Ok(bundle.held_out_logits(&data, &self.fold_of)?)
    }

    /// AUC on a split; `None` for a split without cases or controls.
    fn auroc(&self, split: Split, logits: &[f64]) -> Option<f64> {
        let cases = self.class_logits(split, Phenotype::Case, logits);
        let controls = self.class_logits(split, Phenotype::Control, logits);
        roc::auroc(&cases, &controls).ok()
    }

    fn class_logits(&self, split: Split, class: Phenotype, logits: &[f64]) -> Vec<f64> {
        self.cohort
            .in_split(split)
            .filter(|(_, person)| person.phenotype == Some(class))
            .map(|(index, _)| logits[index])
            .collect()
    }

    /// Writes the `predictions.csv` of all samples, in the format of `train`.
    pub fn write_predictions(&self, bundle: &Bundle, folder: &Path) -> Result<(), Error> {
        let rows: Vec<Prediction> = self
            .cohort
            .people
            .iter()
            .zip(&self.fold_of)
            .zip(self.logits(bundle)?)
            .map(|((person, &fold), logit)| Prediction {
                role: Role::SequenceModel,
                sample_id: person.sample_id.clone(),
                model: bundle.config.name.clone(),
                split: person.split,
                fold,
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            })
            .collect();
        Ok(output::write(&folder.join(layout::PREDICTIONS), |out| {
            write_predictions(out, &rows)
        })?)
    }
}

/// Measures bundles, each with its name in the table and its folder.
///
/// Their forward passes are timed in turn, so that a change in the load of the machine affects all
/// of them.
pub fn all(
    bundles: &[(&str, &Bundle, &Path)],
    samples: Option<&MeasuredSamples>,
) -> Result<Vec<Measured>, Error> {
    let models = bundles
        .iter()
        .map(|(_, bundle, _)| bundle.models(&Device::Cpu).collect())
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    let mut measured = Vec::with_capacity(bundles.len());
    for ((name, bundle, folder), milliseconds) in bundles.iter().zip(times(&models)?) {
        let [validation_auroc, test_auroc] = match samples {
            Some(samples) => {
                let logits = samples.logits(bundle)?;
                [Split::Validation, Split::Test].map(|split| samples.auroc(split, &logits))
            }
            None => [None, None],
        };
        measured.push(Measured {
            name: (*name).to_owned(),
            parameters: training::cost::parameters(bundle)?,
            bytes: weight_files(folder)
                .map(|path| file_size(&path))
                .sum::<Result<u64, _>>()?,
            milliseconds,
            validation_auroc,
            test_auroc,
        });
    }
    Ok(measured)
}

fn file_size(path: &Path) -> Result<u64, output::Error> {
    fs::metadata(path)
        .map(|metadata| metadata.len())
        .map_err(output::at(path))
}

/// Milliseconds per haplotype through all members of each bundle; the median of the passes.
fn times(models: &[Vec<RiskModel>]) -> Result<Vec<f64>, Error> {
    let mut times = vec![Vec::with_capacity(PASSES); models.len()];
    for pass in 0..=PASSES {
        for (members, times) in models.iter().zip(&mut times) {
            let started = Instant::now();
            members.iter().try_for_each(encode_all_loci)?;
            if pass > 0 {
                times.push(started.elapsed().as_secs_f64() * 1e3 / HAPLOTYPES as f64);
            }
        }
    }
    Ok(times.into_iter().map(median).collect())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Encodes a batch of haplotypes with every slot filled.
fn encode_all_loci(model: &RiskModel) -> Result<(), Error> {
    let config = model.config();
    for (number, locus) in config.loci.iter().enumerate() {
        let n = HAPLOTYPES * locus.n_slots;
        let ids: Vec<u32> = (0..n)
            .map(|slot| (slot % config.vocab_size) as u32)
            .collect();
        let tokens = Tensor::from_vec(ids, (HAPLOTYPES, locus.n_slots), &Device::Cpu)?;
        model.encode_only(number, &tokens, &Arc::new(vec![1; n]))?;
    }
    Ok(())
}
