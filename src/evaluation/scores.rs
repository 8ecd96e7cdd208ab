//! The predictions of all files as one score for each (split, model, person).
//!
//! Input -> output: `predictions.csv` files -> [`Scores`], after checking that they speak of the same people in the same way.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{Phenotype, Prediction, Split, read_predictions};

use super::Error;

/// The people with a known phenotype, by split, model and sample id, all in sorted order.
#[derive(Debug, Default)]
pub(super) struct Scores {
    by_model: BTreeMap<(Split, String), BTreeMap<String, Score>>,
    pub(super) people_without_phenotype: usize,
    pub(super) people_averaged_over_folds: usize,
}

/// What one model says about one person.
#[derive(Debug)]
struct Score {
    is_case: bool,
    /// Logit of each fold's model, and the file it is from.
    folds: BTreeMap<Option<u32>, (f64, usize)>,
}

/// Logits of one model on one split, each class in the order of sample ids.
#[derive(Debug, Default)]
pub(super) struct Logits {
    pub(super) cases: Vec<f64>,
    pub(super) controls: Vec<f64>,
}

impl Score {
    fn logit(&self) -> f64 {
        self.folds.values().map(|(logit, _)| logit).sum::<f64>() / self.folds.len() as f64
    }
}

/// Where a person was met first.
struct Met {
    split: Split,
    phenotype: Option<Phenotype>,
    file: usize,
}

impl Scores {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut scores = Self::default();
        let mut met: HashMap<String, Met> = HashMap::new();
        for (file, path) in paths.iter().enumerate() {
            for prediction in read_predictions(path)? {
                let Prediction { ref sample_id, split, phenotype, .. } = prediction;
                match met.get(sample_id) {
                    Some(first) => agree(first, &prediction, path, paths)?,
                    None => _ = met.insert(sample_id.clone(), Met { split, phenotype, file }),
                }
                scores.insert(prediction, file, paths)?;
            }
        }
        scores.people_without_phenotype = met.values().filter(|person| person.phenotype.is_none()).count();
        let averaged = scores.by_model.values().flatten().filter(|(_, score)| score.folds.len() > 1).map(|(sample_id, _)| sample_id);
        scores.people_averaged_over_folds = averaged.collect::<HashSet<_>>().len();
        // The check for double rows needs everyone; the comparison is of people whose phenotype is known.
        for people in scores.by_model.values_mut() {
            people.retain(|sample_id, _| met[sample_id].phenotype.is_some());
        }
        Ok(scores)
    }

    fn insert(&mut self, prediction: Prediction, file: usize, paths: &[PathBuf]) -> Result<(), Error> {
        let Prediction { sample_id, model, split, fold, phenotype, logit, .. } = prediction;
        let people = self.by_model.entry((split, model.clone())).or_default();
        let is_case = phenotype.is_some_and(Phenotype::is_case);
        let score = people.entry(sample_id.clone()).or_insert_with(|| Score { is_case, folds: BTreeMap::new() });
        match score.folds.insert(fold, (logit, file)) {
            None => Ok(()),
            Some((_, first_file)) => Err(Error::PredictedTwice {
                path: paths[file].clone(),
                first_path: paths[first_file].clone(),
                sample_id,
                model,
                fold: fold.map_or(String::new(), |fold| format!(", fold {fold}")),
            }),
        }
    }

    /// Every (split, model), sorted.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Split, &str)> {
        self.by_model.keys().map(|(split, model)| (*split, model.as_str()))
    }

    /// The logits of a model on a split; empty where it has none.
    pub(super) fn logits(&self, split: Split, model: &str) -> Logits {
        let mut logits = Logits::default();
        for score in self.people(split, model).into_iter().flat_map(BTreeMap::values) {
            let class = if score.is_case { &mut logits.cases } else { &mut logits.controls };
            class.push(score.logit());
        }
        logits
    }

    /// Checks that both models have predictions for the same people of a split.
    pub(super) fn require_same_people(&self, split: Split, model: &str, other: &str) -> Result<(), Error> {
        let (Some(people), Some(others)) = (self.people(split, model), self.people(split, other)) else { return Ok(()) };
        let only_in = |a: &BTreeMap<String, Score>, b: &BTreeMap<String, Score>| -> Vec<String> {
            a.keys().filter(|sample_id| !b.contains_key(*sample_id)).cloned().collect()
        };
        let (only_here, only_there) = (only_in(people, others), only_in(others, people));
        match only_here.first().map(|example| (example, other)).or(only_there.first().map(|example| (example, model))) {
            None => Ok(()),
            Some((example, absent_from)) => Err(Error::DifferentPeople {
                split,
                model: model.to_owned(),
                other: other.to_owned(),
                n_only_here: only_here.len(),
                n_only_there: only_there.len(),
                n_both: people.len() - only_here.len(),
                example: example.clone(),
                absent_from: absent_from.to_owned(),
            }),
        }
    }

    fn people(&self, split: Split, model: &str) -> Option<&BTreeMap<String, Score>> {
        self.by_model.get(&(split, model.to_owned()))
    }
}

/// One person has one split and one phenotype in all files.
fn agree(first: &Met, prediction: &Prediction, path: &Path, paths: &[PathBuf]) -> Result<(), Error> {
    let phenotype = |phenotype: Option<Phenotype>| phenotype.map_or("of unknown phenotype".to_owned(), |phenotype| phenotype.to_string());
    let (here, there) = if first.split != prediction.split {
        (format!("in split {}", prediction.split), format!("in split {}", first.split))
    } else if first.phenotype != prediction.phenotype {
        (phenotype(prediction.phenotype), phenotype(first.phenotype))
    } else {
        return Ok(());
    };
    Err(Error::Contradiction {
        path: path.to_path_buf(),
        first_path: paths[first.file].clone(),
        sample_id: prediction.sample_id.clone(),
        here,
        there,
    })
}
