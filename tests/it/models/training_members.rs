//! Folds, ensembles and starting weights: bundles of several models, and their predictions.
//!
//! Input -> output: a [`SmallCohort`] -> bundles and `predictions.csv`, compared with models
//! trained one by one.

use std::{fs, path::Path};

use gf_cohort_schema::{Prediction, Split, read_predictions};
use gf_genomics::{
    dataset::Dataset,
    evaluation,
    models::AttentionKind,
    report, score,
    tokens::Folder,
    training::{self, Bundle, ClassWeights, Error, Options, Resume, Schedule, Summary},
};

use crate::support::{
    cohort::{SmallCohort, read_cohort, train},
    logits_by_sample, options, replace_in,
};

/// Options of two epochs into the folder `out`, with a change of the schedule.
fn with(options: &Options, out: &Path, change: impl FnOnce(&mut Schedule)) -> Options {
    let mut options = Options {
        out: out.into(),
        ..options.clone()
    };
    options.schedule.epochs = 2;
    change(&mut options.schedule);
    options
}

fn predictions(out: &Path) -> Vec<Prediction> {
    read_predictions(&out.join("predictions.csv")).unwrap()
}

#[test]
fn people_in_folds_are_predicted_out_of_fold_and_test_people_by_the_mean() {
    let small = SmallCohort::new();
    let options = with(
        &small.training_options(&small.path("x")),
        &small.path("folds"),
        |schedule| schedule.folds = Some(4),
    );
    let summary = train(&options);
    assert_eq!(summary.members.len(), 4);
    assert!(summary.to_string().contains("out-of-fold AUC") && summary.out_of_fold_auroc.is_some());

    let rows = predictions(&options.out);
    let cohort = read_cohort(&options.cohort);
    assert!(
        rows.iter()
            .zip(&cohort.people)
            .all(|(row, person)| row.sample_id == person.sample_id && row.split == person.split)
    );
    assert!(
        rows.iter()
            .all(|row| (row.split == Split::Test) == row.fold.is_none())
    );
    let folder = Folder::load(&options.tokens).unwrap();
    let bundle = Bundle::load(&options.out).unwrap();
    assert_eq!(bundle.members.len(), 4);
    let data = Dataset::new(&folder.tokens, &cohort, bundle.config.covariates.clone()).unwrap();
    let everyone: Vec<usize> = (0..rows.len()).collect();
    let mean = bundle.logits(&data, &everyone).unwrap();
    for (row, logit) in rows.iter().zip(mean) {
        if row.split == Split::Test {
            assert_predicts(row, logit);
        }
    }
    for (member, record) in bundle.config.members.iter().enumerate() {
        let bundle_of_member = Bundle {
            members: vec![bundle.members[member].clone()],
            ..Bundle::load(&options.out).unwrap()
        };
        let logits = bundle_of_member.logits(&data, &everyone).unwrap();
        for (row, logit) in rows.iter().zip(logits) {
            if row.fold == record.fold {
                assert_predicts(row, logit);
            }
        }
    }

    let summary = evaluation::evaluate(&evaluation::Options {
        predictions: vec![options.out.join("predictions.csv")],
        out: small.path("report"),
        ..Default::default()
    })
    .unwrap();
    report::write(&small.path("report"), &summary).unwrap();
    assert_eq!(summary.people_averaged_over_folds, 0);
    assert_eq!(summary.verdict.rows.len(), 3, "one row a split");
    assert_eq!(summary.verdict.folds.len(), 4);
}

fn assert_predicts(row: &Prediction, logit: f64) {
    assert!(
        (row.logit - logit).abs() < 1e-5,
        "{}: {} {logit}",
        row.sample_id,
        row.logit
    );
}

#[test]
fn folds_need_no_validation_split() {
    let small = SmallCohort::new();
    let options = with(
        &small.training_options(&small.path("x")),
        &small.path("folds"),
        |schedule| {
            *schedule = Schedule {
                folds: Some(3),
                epochs: 1,
                ..schedule.clone()
            }
        },
    );
    let text = fs::read_to_string(&options.cohort).unwrap();
    fs::write(&options.cohort, text.replace(",validation", ",test")).unwrap();
    assert_eq!(train(&options).members.len(), 3);
    let rows = predictions(&options.out);
    assert!(
        rows.iter()
            .all(|row| (row.split == Split::Train) == row.fold.is_some()
                && row.split != Split::Validation)
    );
}

#[test]
fn an_ensemble_is_the_mean_of_its_seeds_and_scores_as_it_predicts() {
    let small = SmallCohort::new();
    let base = small.training_options(&small.path("x"));
    let ensemble = with(&base, &small.path("ensemble"), |schedule| {
        schedule.ensemble = 2;
    });
    train(&ensemble);
    let alone = [1, 2].map(|seed| {
        let options = with(&base, &small.path(&format!("seed-{seed}")), |schedule| {
            schedule.seed = seed;
        });
        train(&options);
        predictions(&options.out)
    });
    let written = predictions(&ensemble.out);
    for ((both, one), two) in written.iter().zip(&alone[0]).zip(&alone[1]) {
        assert!(
            (both.logit - f64::midpoint(one.logit, two.logit)).abs() < 1e-8,
            "{}",
            both.sample_id
        );
    }
    assert_eq!(
        fs::read(ensemble.out.join("model.safetensors")).unwrap(),
        fs::read(small.path("seed-1/model.safetensors")).unwrap()
    );
    assert_eq!(
        fs::read(ensemble.out.join("member-2.safetensors")).unwrap(),
        fs::read(small.path("seed-2/model.safetensors")).unwrap()
    );

    let output = small.path("risk.csv");
    let [vcf, reference, cohort] =
        ["cohort.vcf.gz", "reference.fa", "cohort.csv"].map(|name| small.path(name));
    score::run(&options::score(
        &vcf,
        &reference,
        &cohort,
        &ensemble.out,
        &output,
    ))
    .unwrap();
    let scored = logits_by_sample(&output);
    assert_eq!(scored.len(), written.len());
    assert!(
        written
            .iter()
            .all(|row| (row.logit - scored[&row.sample_id]).abs() < 1e-5)
    );

    // A bundle of one in the same folder leaves no member of the older one.
    train(&with(&base, &ensemble.out, |_| {}));
    assert!(
        !ensemble.out.join("member-2.safetensors").exists()
            && Bundle::load(&ensemble.out).unwrap().members.len() == 1
    );
}

#[test]
fn batches_added_up_learn_as_one_batch() {
    let small = SmallCohort::new();
    let base = small.training_options(&small.path("x"));
    // One batch of 36, three of 12 added up, and one of 36 in parts that fit 1 MB.
    let [at_once, accumulated, in_parts] = [
        ("one", 36, 1, 2_000),
        ("three", 12, 3, 2_000),
        ("parts", 36, 1, 1),
    ]
    .map(|(name, batch_size, accumulate, memory)| {
        let options = with(&base, &small.path(name), |schedule| {
            *schedule = Schedule {
                batch_size,
                accumulate,
                memory,
                class_weights: ClassWeights::Given(3.0, 0.5),
                ..schedule.clone()
            }
        });
        train(&options);
        train_losses(&options.out)
    });
    for losses in [accumulated, in_parts] {
        assert!(
            at_once
                .iter()
                .zip(&losses)
                .all(|(expected, loss)| (expected - loss).abs() < 1e-3),
            "{at_once:?} {losses:?}"
        );
    }
}

/// `train_loss` of every epoch.
fn train_losses(out: &Path) -> Vec<f64> {
    let mut log = csv::Reader::from_path(out.join("training_log.csv")).unwrap();
    log.records()
        .map(|row| row.unwrap()[2].parse().unwrap())
        .collect()
}

#[test]
fn training_starts_from_the_weights_of_another_bundle() {
    let small = SmallCohort::new();
    // An ecoformer starts from the hash functions of the other bundle too; they are not fitted
    // again.
    for attention in [AttentionKind::Linformer, AttentionKind::Ecoformer] {
        let mut first = with(
            &small.training_options(&small.path("x")),
            &small.path(&format!("{attention:?}-1")),
            |_| {},
        );
        first.architecture.attention = attention;
        train(&first);
        let mut second = with(
            &first,
            &small.path(&format!("{attention:?}-2")),
            |schedule| {
                *schedule = Schedule {
                    learning_rate: 1e-12,
                    seed: 2,
                    ..schedule.clone()
                }
            },
        );
        second.init = Some(first.out.clone());
        train(&second);
        for (before, after) in predictions(&first.out).iter().zip(predictions(&second.out)) {
            assert!(
                (before.logit - after.logit).abs() < 1e-4,
                "{attention:?}: {} {} {}",
                before.sample_id,
                before.logit,
                after.logit
            );
        }

        second.architecture.hidden *= 2;
        let error = training::run(&second, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("--init"), "{error}");
    }
}

#[test]
fn a_run_that_diverges_keeps_its_last_checkpoint_and_says_so() {
    let small = SmallCohort::new();
    let mut options = small.training_options(&small.path("diverged"));
    // At the full learning rate, weight decay multiplies every matrix by -4 in a step.
    options.schedule = Schedule {
        learning_rate: 100.0,
        epochs: 60,
        patience: 60,
        warmup: 0.9,
        ..options.schedule
    };
    let error = training::run(&options, &mut |_| {}).unwrap_err();
    let Error::Diverged { epoch, step, .. } = error else {
        panic!("{error}")
    };
    assert!(epoch > 1 && step >= 1);
    let message = error.to_string();
    let checkpoint = options.out.join("checkpoint.safetensors");
    assert!(
        message.contains(&format!("in epoch {epoch} (step {step})"))
            && message.contains("Lower the learning rate (100)"),
        "{message}"
    );
    assert!(
        message.ends_with(&format!(
            "the state after epoch {} is kept in {}",
            epoch - 1,
            checkpoint.display()
        )),
        "{message}"
    );
    assert!(checkpoint.exists());
    // The checkpoint is whole: the same command resumes from it, and ends in the same way.
    let again = training::run(
        &Options {
            resume: Resume::Yes,
            ..options
        },
        &mut |_| {},
    )
    .unwrap_err();
    assert_eq!(again.to_string(), message);
}

#[test]
fn a_member_starts_only_from_weights_that_have_not_seen_the_people_it_holds_out() {
    let small = SmallCohort::new();
    let base = small.training_options(&small.path("x"));
    let folds = with(&base, &small.path("folds"), |schedule| {
        schedule.folds = Some(3);
    });
    train(&folds);
    let one = with(&base, &small.path("one"), |_| {});
    train(&one);
    let in_folds = with(&base, &small.path("a"), |schedule| schedule.folds = Some(3));
    let without_folds = with(&base, &small.path("b"), |_| {});
    let mut of_another_seed = in_folds.clone();
    of_another_seed.schedule.seed = 2;
    for (options, from) in [
        (&in_folds, &one.out),
        (&without_folds, &folds.out),
        (&of_another_seed, &folds.out),
    ] {
        let message = train_from(options, from).unwrap_err();
        assert!(
            message.contains(
                "it may have been trained on samples that this run holds out; start from a bundle \
                 with the same --folds, --ensemble and --seed"
            ),
            "{message}"
        );
    }
    // Each member starts from its own weights, and keeps them at a tiny learning rate.
    let mut same = in_folds.clone();
    same.out = small.path("same");
    same.schedule.learning_rate = 1e-9;
    same.schedule.epochs = 1;
    train_from(&same, &folds.out).unwrap();
    let [before, after] = ["folds", "same"].map(|name| Bundle::load(&small.path(name)).unwrap());
    for (before, after) in before.members.iter().zip(&after.members) {
        let name = "embedding.tokens";
        let off = (&before[name] - &after[name])
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(off < 1e-6, "{off}");
    }
    // A bundle of a cohort where a sample is in another fold.
    let path = folds.out.join("predictions.csv");
    let text = fs::read_to_string(&path).unwrap();
    let row = text
        .lines()
        .find(|line| line.contains(",train,1,"))
        .unwrap();
    replace_in(&path, row, &row.replace(",train,1,", ",train,2,"));
    assert!(
        train_from(&in_folds, &folds.out)
            .unwrap_err()
            .contains("is in a different fold in this run; start from a bundle of the same cohort")
    );
}

/// Trains a model that starts from the weights of a bundle.
fn train_from(options: &Options, bundle: &Path) -> Result<Summary, String> {
    let options = Options {
        init: Some(bundle.into()),
        ..options.clone()
    };
    training::run(&options, &mut |_| {}).map_err(|error| error.to_string())
}
