//! Members of a bundle: models with different training samples (folds) or seeds (an ensemble).
//!
//! Input: a cohort. Output: the training, validation and predicted samples of each member. A sample
//! in a fold is predicted only by the members that hold out that fold. All other samples are
//! predicted by the mean logit of all members.

use std::{collections::BTreeMap, path::Path};

use gf_cohort_schema::{Cohort, Phenotype, Split};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{Error, Schedule};
use gf_cohort_schema::counted;

/// One model to train.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// 1-based fold that it holds out and predicts; `None` without folds.
    pub fold: Option<u32>,
    /// Seed of the initial weights and of the order of samples.
    pub seed: u64,
    /// Samples whose loss is minimised.
    pub training: Vec<usize>,
    /// Samples that choose the epoch; never in the held-out fold.
    pub validation: Vec<usize>,
}

/// The members and the fold of each sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPlan {
    /// Models to train, in order.
    pub members: Vec<Member>,
    /// Fold (1-based) of each sample of the cohort; `None` for a sample in no fold.
    pub fold_of: Vec<Option<u32>>,
}

/// Requires cases and controls in the splits train and validation.
///
/// With folds, the two splits together need one case and one control for each fold. `path` is only
/// named in the error.
///
/// # Errors
/// A class with too few samples.
pub fn require_both_classes(
    cohort: &Cohort,
    path: &Path,
    schedule: &Schedule,
) -> Result<(), Error> {
    let Some(n_folds) = schedule.folds else {
        for split in [Split::Train, Split::Validation] {
            cohort.require_both_classes(split, path)?;
        }
        return Ok(());
    };
    let n_cases = n_in_folds(cohort, Phenotype::Case);
    let n_controls = n_in_folds(cohort, Phenotype::Control);
    if cohort
        .in_split(Split::Train)
        .all(|(_, person)| person.phenotype.is_none())
    {
        return Err(Error::file(path, FoldsProblem::NoTrainingPhenotype));
    }
    match n_cases.min(n_controls) {
        0 => {
            let problem = FoldsProblem::OneClass {
                n_cases,
                n_controls,
            };
            Err(Error::file(path, problem))
        }
        n if n < n_folds => {
            let problem = FoldsProblem::TooFew {
                n_cases,
                n_controls,
                n_folds,
            };
            Err(Error::file(path, problem))
        }
        _ => Ok(()),
    }
}

/// Why the samples cannot be divided into folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldsProblem {
    /// No phenotype in the training split.
    #[error(
        "split train has no sample of known phenotype; it needs some, because covariates are \
         scaled by them"
    )]
    NoTrainingPhenotype,
    /// No cases or no controls.
    #[error(
        "the splits train and validation together have {} and {}; every fold needs both, so add \
         samples of the missing class",
        counted(*n_cases, "case", "cases"),
        counted(*n_controls, "control", "controls")
    )]
    OneClass {
        /// Number of cases.
        n_cases: usize,
        /// Number of controls.
        n_controls: usize,
    },
    /// More folds than cases or controls.
    #[error(
        "the splits train and validation together have {} and {}, too few for one of each in every \
         fold of {n_folds}; use fewer --folds",
        counted(*n_cases, "case", "cases"),
        counted(*n_controls, "control", "controls")
    )]
    TooFew {
        /// Number of cases.
        n_cases: usize,
        /// Number of controls.
        n_controls: usize,
        /// Number of folds.
        n_folds: usize,
    },
}

/// Samples of a class in the splits that folds are made of.
fn n_in_folds(cohort: &Cohort, phenotype: Phenotype) -> usize {
    [Split::Train, Split::Validation]
        .into_iter()
        .flat_map(|split| cohort.in_split(split))
        .filter(|(_, person)| person.phenotype == Some(phenotype))
        .count()
}

/// The samples of a split with a known phenotype.
fn phenotyped(cohort: &Cohort, split: Split) -> Vec<usize> {
    cohort
        .in_split(split)
        .filter(|(_, person)| person.phenotype.is_some())
        .map(|(sample, _)| sample)
        .collect()
}

impl MemberPlan {
    /// The fold that each member holds out.
    pub fn held_out_folds(&self) -> impl Iterator<Item = Option<u32>> {
        self.members.iter().map(|member| member.fold)
    }

    /// Plans the members.
    ///
    /// Without folds the split column decides. With K folds the samples of training and validation
    /// are dealt into folds.
    ///
    /// # Errors
    /// A fold without cases or without controls.
    pub fn new(cohort: &Cohort, schedule: &Schedule) -> Result<Self, Error> {
        let training = phenotyped(cohort, Split::Train);
        let validation = phenotyped(cohort, Split::Validation);
        let mut fold_of = vec![None; cohort.people.len()];
        let groups = match schedule.folds {
            None => vec![Group {
                held_out: None,
                training,
                validation,
            }],
            Some(n_folds) => {
                let folds = deal(
                    cohort,
                    [training, validation].concat(),
                    n_folds,
                    schedule.seed,
                )?;
                for (fold, people) in folds.iter().enumerate() {
                    for &person in people {
                        fold_of[person] = Some(fold as u32 + 1);
                    }
                }
                (0..n_folds).map(|fold| group_of(&folds, fold)).collect()
            }
        };
        let mut members = Vec::new();
        for group in groups {
            for number in 0..schedule.ensemble as u64 {
                members.push(Member {
                    fold: group.held_out,
                    seed: schedule.seed.wrapping_add(number),
                    training: group.training.clone(),
                    validation: group.validation.clone(),
                });
            }
        }
        Ok(Self { members, fold_of })
    }
}

/// The samples that a member with the held-out fold `fold` predicts: the samples of that fold and
/// the samples in no fold.
fn predicted_by(fold: Option<u32>, fold_of: &[Option<u32>], samples: &[usize]) -> Vec<usize> {
    samples
        .iter()
        .copied()
        .filter(|&sample| fold_of[sample].is_none() || fold_of[sample] == fold)
        .collect()
}

/// Mean logit of each sample over the members that may predict it.
///
/// `held_out` has the fold that each member holds out, and `fold_of` the fold of each sample of the
/// cohort. `logits` returns the logits of some samples by a member, given as a number into
/// `held_out`.
///
/// # Errors
/// The errors of `logits`.
pub fn mean_logits(
    held_out: impl IntoIterator<Item = Option<u32>>,
    fold_of: &[Option<u32>],
    samples: &[usize],
    logits: impl Fn(usize, &[usize]) -> Result<Vec<f32>, Error>,
) -> Result<Vec<f64>, Error> {
    let mut sums = vec![0.0; fold_of.len()];
    let mut counts = vec![0_u32; fold_of.len()];
    for (index, fold) in held_out.into_iter().enumerate() {
        let predicted = predicted_by(fold, fold_of, samples);
        for (&sample, logit) in predicted.iter().zip(logits(index, &predicted)?) {
            sums[sample] += f64::from(logit);
            counts[sample] += 1;
        }
    }
    Ok(samples
        .iter()
        .map(|&sample| sums[sample] / f64::from(counts[sample]))
        .collect())
}

/// Samples of the members that share a held-out fold.
struct Group {
    /// 1-based.
    held_out: Option<u32>,
    training: Vec<usize>,
    validation: Vec<usize>,
}

/// The fold after the held-out one chooses the epoch; the remaining folds are for training.
fn group_of(folds: &[Vec<usize>], held_out: usize) -> Group {
    let validation = (held_out + 1) % folds.len();
    let mut training: Vec<usize> = folds
        .iter()
        .enumerate()
        .filter(|(fold, _)| ![held_out, validation].contains(fold))
        .flat_map(|(_, samples)| samples)
        .copied()
        .collect();
    training.sort_unstable();
    Group {
        held_out: Some(held_out as u32 + 1),
        training,
        validation: folds[validation].clone(),
    }
}

/// Deals samples into folds with about equal numbers of cases and of controls.
///
/// A family stays together. Families come in random order, but large ones first. Each goes to the
/// fold with the fewest samples of its classes.
pub(super) fn deal(
    cohort: &Cohort,
    people: Vec<usize>,
    n_folds: usize,
    seed: u64,
) -> Result<Vec<Vec<usize>>, Error> {
    let mut families = families(cohort, people);
    families.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    // A stable sort: families of the same size stay in random order.
    families.sort_by_key(|family| std::cmp::Reverse(family.len()));

    let mut folds = vec![Vec::new(); n_folds];
    let mut counts = vec![[0_usize; 2]; n_folds];
    for family in families {
        let mut in_family = [0; 2];
        for &sample in &family {
            in_family[class(cohort, sample)] += 1;
        }
        let fold = (0..n_folds)
            .min_by_key(|&fold| {
                let n_same_classes: usize = (0..2)
                    .filter(|&class| in_family[class] > 0)
                    .map(|class| counts[fold][class])
                    .sum();
                (n_same_classes, folds[fold].len(), fold)
            })
            .unwrap_or_default();
        counts[fold] = [0, 1].map(|class| counts[fold][class] + in_family[class]);
        folds[fold].extend(family);
    }
    for fold in &mut folds {
        fold.sort_unstable();
    }
    match counts.iter().position(|classes| classes.contains(&0)) {
        Some(fold) => Err(Error::Fold {
            fold: fold + 1,
            n_folds,
            n_cases: counts[fold][0],
            n_controls: counts[fold][1],
        }),
        None => Ok(folds),
    }
}

/// Groups samples by family; a sample without a family is a family of its own.
fn families(cohort: &Cohort, samples: Vec<usize>) -> Vec<Vec<usize>> {
    let mut families: BTreeMap<(Option<&str>, usize), Vec<usize>> = BTreeMap::new();
    for sample in samples {
        let key = match cohort.people[sample].family_id.as_deref() {
            Some(family) => (Some(family), 0),
            None => (None, sample),
        };
        families.entry(key).or_default().push(sample);
    }
    families.into_values().collect()
}

/// 0 for a case, 1 for a control.
fn class(cohort: &Cohort, sample: usize) -> usize {
    let is_case = cohort.people[sample]
        .phenotype
        .is_some_and(Phenotype::is_case);
    usize::from(!is_case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_cohort_schema::Person;

    /// 100 samples, every third a case, the first 30 in families of three. The last 20 are in the
    /// test split, sample 50 has no phenotype.
    fn cohort() -> Cohort {
        Cohort {
            people: (0..100).map(person).collect(),
            covariate_names: Vec::new(),
            ..Cohort::default()
        }
    }

    fn person(index: usize) -> Person {
        Person {
            sample_id: format!("S{index}"),
            phenotype: (index != 50).then_some(if index.is_multiple_of(3) {
                Phenotype::Case
            } else {
                Phenotype::Control
            }),
            split: if index < 60 {
                Split::Train
            } else if index < 80 {
                Split::Validation
            } else {
                Split::Test
            },
            family_id: (index < 30).then(|| format!("F{}", index / 3)),
            covariates: Vec::new(),
        }
    }

    fn samples_in_fold(plan: &MemberPlan, fold: u32) -> Vec<usize> {
        (0..100)
            .filter(|&sample| plan.fold_of[sample] == Some(fold))
            .collect()
    }

    fn folds_of_seed(seed: u64) -> Vec<Option<u32>> {
        let schedule = Schedule {
            seed,
            ..schedule(Some(4), 1)
        };
        MemberPlan::new(&cohort(), &schedule).unwrap().fold_of
    }

    fn refusal(cohort: &Cohort, folds: Option<usize>) -> Result<(), String> {
        require_both_classes(cohort, Path::new("cohort.csv"), &schedule(folds, 1))
            .map_err(|error| error.to_string())
    }

    fn everyone() -> Vec<usize> {
        (0..100).collect()
    }

    fn schedule(folds: Option<usize>, ensemble: usize) -> Schedule {
        Schedule {
            folds,
            ensemble,
            ..Schedule::default()
        }
    }

    #[test]
    fn folds_share_no_person_and_no_family_and_have_their_share_of_cases() {
        let cohort = cohort();
        let plan = MemberPlan::new(&cohort, &schedule(Some(5), 1)).unwrap();
        assert_eq!(plan.members.len(), 5);
        for number in 1..=5 {
            let samples = samples_in_fold(&plan, number);
            let n_cases = samples.iter().filter(|&&sample| sample % 3 == 0).count();
            assert!(
                (15..=17).contains(&samples.len()) && (5..=6).contains(&n_cases),
                "{samples:?}"
            );
        }
        assert_eq!(plan.fold_of.iter().flatten().count(), 79);
        assert!(plan.fold_of[50].is_none() && plan.fold_of[80..].iter().all(Option::is_none));
        assert!((0..30).all(|person| plan.fold_of[person] == plan.fold_of[person - person % 3]));
        for member in &plan.members {
            let held_out = samples_in_fold(&plan, member.fold.unwrap());
            let mut all = [
                held_out.clone(),
                member.training.clone(),
                member.validation.clone(),
            ]
            .concat();
            all.sort_unstable();
            assert_eq!(
                all,
                (0..80).filter(|&person| person != 50).collect::<Vec<_>>(),
                "every sample has exactly one role"
            );
            let predicted = predicted_by(member.fold, &plan.fold_of, &everyone());
            assert!(
                predicted
                    .iter()
                    .all(|person| !member.training.contains(person)
                        && !member.validation.contains(person))
            );
            assert_eq!(predicted.len(), held_out.len() + 21);
        }
    }

    #[test]
    fn the_seed_deals_the_same_folds_again() {
        assert_eq!(folds_of_seed(1), folds_of_seed(1));
        assert_ne!(folds_of_seed(1), folds_of_seed(2));
    }

    #[test]
    fn an_ensemble_differs_in_its_seeds_only() {
        let cohort = cohort();
        let plan = MemberPlan::new(&cohort, &schedule(None, 3)).unwrap();
        let seeds: Vec<u64> = plan.members.iter().map(|member| member.seed).collect();
        assert_eq!(seeds, [1, 2, 3]);
        assert!(
            plan.members
                .iter()
                .all(|member| member.training == plan.members[0].training
                    && member.validation.len() == 20)
        );
        assert_eq!(
            predicted_by(plan.members[1].fold, &plan.fold_of, &everyone()).len(),
            100
        );
        let both = MemberPlan::new(&cohort, &schedule(Some(3), 2)).unwrap();
        assert_eq!(
            both.members
                .iter()
                .map(|member| (member.fold, member.seed))
                .take(3)
                .collect::<Vec<_>>(),
            [(Some(1), 1), (Some(1), 2), (Some(2), 1)]
        );
    }

    #[test]
    fn folds_need_both_classes_in_the_two_splits_together() {
        let mut cohort = cohort();

        refusal(&cohort, None).unwrap();
        cohort
            .people
            .iter_mut()
            .filter(|person| person.split == Split::Validation)
            .for_each(|person| person.split = Split::Test);
        assert!(
            refusal(&cohort, None)
                .unwrap_err()
                .contains("split validation has 0 cases")
        );
        refusal(&cohort, Some(20)).unwrap();
        let message = refusal(&cohort, Some(1_000_000_000_000)).unwrap_err();
        assert!(
            message.starts_with("cohort.csv: ")
                && message.contains("20 cases and 39 controls, too few"),
            "{message}"
        );
        cohort
            .people
            .iter_mut()
            .for_each(|person| person.phenotype = person.phenotype.map(|_| Phenotype::Case));
        assert!(
            refusal(&cohort, Some(3))
                .unwrap_err()
                .contains("59 cases and 0 controls; every fold needs both")
        );
        cohort
            .people
            .iter_mut()
            .for_each(|person| person.split = Split::Validation);
        assert!(
            refusal(&cohort, Some(3))
                .unwrap_err()
                .contains("split train has no sample")
        );
    }

    #[test]
    fn a_fold_without_a_class_is_refused() {
        let mut cohort = cohort();
        cohort
            .people
            .iter_mut()
            .skip(9)
            .for_each(|person| person.phenotype = person.phenotype.map(|_| Phenotype::Control));
        let error = MemberPlan::new(&cohort, &schedule(Some(4), 1))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("0 cases") && error.contains("fewer --folds"),
            "{error}"
        );
    }
}
