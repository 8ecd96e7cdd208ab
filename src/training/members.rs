//! Members of a bundle: models that differ in the people they learn from (folds) or in their seed
//! (an ensemble).
//!
//! Input -> output: a cohort -> who learns, who chooses the epoch and who is predicted, for each
//! member. A person in a fold is predicted by the members of that fold only, which have not seen
//! them; everyone else by the mean logit of all members.

use std::{collections::BTreeMap, path::Path};

use gf_cohort_schema::{Cohort, Phenotype, Split};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{Error, Schedule};
use gf_cohort_schema::counted;

/// One model to train.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// 1-based fold whose people it predicts; `None` without folds.
    pub fold: Option<u32>,
    /// Starts the parameters and shuffles the people.
    pub seed: u64,
    /// People it learns from.
    pub training: Vec<usize>,
    /// People who choose the epoch; never those it predicts as held out.
    pub validation: Vec<usize>,
}

/// Who does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPlan {
    /// Models to train, in order.
    pub members: Vec<Member>,
    /// Fold of each person of the cohort.
    pub fold_of: Vec<Option<u32>>,
}

/// Refuses a cohort that lacks a class where one is needed: in both splits or, with folds, once a
/// fold in the two together. `path` is only named in the error.
///
/// # Errors
/// What there is, and what is needed.
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
    let wrong = |reason: String| {
        Err(Error::File {
            path: path.into(),
            reason,
        })
    };
    let pool = || {
        [Split::Train, Split::Validation]
            .into_iter()
            .flat_map(|split| cohort.in_split(split))
    };
    let count = |phenotype| {
        pool()
            .filter(|(_, person)| person.phenotype == Some(phenotype))
            .count()
    };
    let n_cases = count(Phenotype::Case);
    let n_controls = count(Phenotype::Control);
    let [cases, controls] = [
        counted(n_cases, "case", "cases"),
        counted(n_controls, "control", "controls"),
    ];
    let found = format!("the splits train and validation together have {cases} and {controls}");
    if cohort
        .in_split(Split::Train)
        .all(|(_, person)| person.phenotype.is_none())
    {
        return wrong(
            "split train has nobody of known phenotype; the scales of covariates are measured \
             there"
                .into(),
        );
    }
    match n_cases.min(n_controls) {
        0 => wrong(format!("{found}; every fold needs both")),
        n if n < n_folds => wrong(format!(
            "{found}, too few for one of each in every fold of {n_folds}: use fewer --folds"
        )),
        _ => Ok(()),
    }
}

impl MemberPlan {
    /// Without folds as the split column says; with K folds over the people of training and
    /// validation.
    ///
    /// # Errors
    /// A fold without cases or without controls.
    pub fn new(cohort: &Cohort, schedule: &Schedule) -> Result<Self, Error> {
        let known = |split| -> Vec<usize> {
            cohort
                .in_split(split)
                .filter(|(_, person)| person.phenotype.is_some())
                .map(|(person, _)| person)
                .collect()
        };
        let training = known(Split::Train);
        let validation = known(Split::Validation);
        let mut fold_of = vec![None; cohort.people.len()];
        let groups = match schedule.folds {
            None => vec![(None, training, validation)],
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
        let seeds = 0..schedule.ensemble as u64;
        let members = groups.into_iter().flat_map(|(fold, training, validation)| {
            seeds.clone().map(move |number| Member {
                fold,
                seed: schedule.seed.wrapping_add(number),
                training: training.clone(),
                validation: validation.clone(),
            })
        });
        Ok(Self {
            members: members.collect(),
            fold_of,
        })
    }
}

/// Of some people those whom a member predicts that holds out `fold`: those of the fold, and those
/// in none.
fn predicted_by(fold: Option<u32>, fold_of: &[Option<u32>], people: &[usize]) -> Vec<usize> {
    let predicted =
        |&person: &usize| fold_of[person].is_none_or(|of_person| Some(of_person) == fold);
    people.iter().copied().filter(predicted).collect()
}

/// Mean logit of each of `people` over the members that may predict them. `members` are the folds
/// that these hold out, in order; `logits` is what the member at a place says of some people.
///
/// # Errors
/// Whatever `logits` says.
pub fn mean_logits(
    members: impl IntoIterator<Item = Option<u32>>,
    fold_of: &[Option<u32>],
    people: &[usize],
    logits: impl Fn(usize, &[usize]) -> Result<Vec<f32>, Error>,
) -> Result<Vec<f64>, Error> {
    let mut sums = vec![0.0; fold_of.len()];
    let mut counts = vec![0_u32; fold_of.len()];
    for (place, fold) in members.into_iter().enumerate() {
        let predicted = predicted_by(fold, fold_of, people);
        for (&person, logit) in predicted.iter().zip(logits(place, &predicted)?) {
            sums[person] += f64::from(logit);
            counts[person] += 1;
        }
    }
    Ok(people
        .iter()
        .map(|&person| sums[person] / f64::from(counts[person]))
        .collect())
}

/// The fold after the one held out chooses the epoch; the others are learnt from.
fn group_of(folds: &[Vec<usize>], held_out: usize) -> (Option<u32>, Vec<usize>, Vec<usize>) {
    let chooses = (held_out + 1) % folds.len();
    let others = folds
        .iter()
        .enumerate()
        .filter(|(fold, _)| ![held_out, chooses].contains(fold));
    let mut training: Vec<usize> = others.flat_map(|(_, people)| people).copied().collect();
    training.sort_unstable();
    (Some(held_out as u32 + 1), training, folds[chooses].clone())
}

/// Deals people into folds, whole families together, so that every fold has about as many cases and
/// as many controls: in random order, but large families first, each goes where fewest of its class
/// are.
pub(super) fn deal(
    cohort: &Cohort,
    people: Vec<usize>,
    n_folds: usize,
    seed: u64,
) -> Result<Vec<Vec<usize>>, Error> {
    let mut families: BTreeMap<(Option<&str>, usize), Vec<usize>> = BTreeMap::new();
    for person in people {
        let key = cohort.people[person]
            .family_id
            .as_deref()
            .map_or((None, person), |family| (Some(family), 0));
        families.entry(key).or_default().push(person);
    }
    let mut families: Vec<Vec<usize>> = families.into_values().collect();
    families.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    families.sort_by_key(|family| std::cmp::Reverse(family.len()));

    let class = |person: usize| {
        usize::from(
            !cohort.people[person]
                .phenotype
                .is_some_and(Phenotype::is_case),
        )
    };
    let mut folds = vec![Vec::new(); n_folds];
    let mut counts = vec![[0_usize; 2]; n_folds];
    for family in families {
        let mut in_family = [0; 2];
        for &person in &family {
            in_family[class(person)] += 1;
        }
        let crowd = |fold: &usize| {
            let of_its_classes: usize = (0..2)
                .filter(|&class| in_family[class] > 0)
                .map(|class| counts[*fold][class])
                .sum();
            (of_its_classes, folds[*fold].len(), *fold)
        };
        let fold = (0..n_folds).min_by_key(crowd).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use gf_cohort_schema::Person;

    /// 100 people, every third a case, the first 30 in families of three; the last 20 are in the
    /// test split, person 50 is of unknown phenotype.
    fn cohort() -> Cohort {
        let person = |index: usize| Person {
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
        };
        Cohort {
            people: (0..100).map(person).collect(),
            covariate_names: Vec::new(),
            ..Cohort::default()
        }
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
        let fold = |fold: u32| -> Vec<usize> {
            (0..100)
                .filter(|&person| plan.fold_of[person] == Some(fold))
                .collect()
        };
        for number in 1..=5 {
            let people = fold(number);
            let n_cases = people.iter().filter(|&&person| person % 3 == 0).count();
            assert!(
                (15..=17).contains(&people.len()) && (5..=6).contains(&n_cases),
                "{people:?}"
            );
        }
        assert_eq!(plan.fold_of.iter().flatten().count(), 79);
        assert!(plan.fold_of[50].is_none() && plan.fold_of[80..].iter().all(Option::is_none));
        assert!((0..30).all(|person| plan.fold_of[person] == plan.fold_of[person - person % 3]));
        for member in &plan.members {
            let held_out = fold(member.fold.unwrap());
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
                "everyone does exactly one thing"
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
        let cohort = cohort();
        let folds = |seed| {
            MemberPlan::new(
                &cohort,
                &Schedule {
                    seed,
                    ..schedule(Some(4), 1)
                },
            )
            .unwrap()
            .fold_of
        };
        assert_eq!(folds(1), folds(1));
        assert_ne!(folds(1), folds(2));
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
        let refusal = |cohort: &Cohort, folds| {
            require_both_classes(cohort, Path::new("cohort.csv"), &schedule(folds, 1))
                .map_err(|error| error.to_string())
        };
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
                .contains("split train has nobody")
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
