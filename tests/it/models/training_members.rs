//! Folds, ensembles and starting weights: bundles of several models, and what is written of them.
//!
//! Input -> output: a [`SmallCohort`] -> bundles and `predictions.csv`, compared with models
//! trained one by one.

use std::{collections::BTreeMap, fs, path::Path};

use gf_cohort_schema::{
    Cohort, CovariateChoice, PhenotypeCoding, Prediction, Split, read_predictions,
};
use gf_genomics::{
    dataset::Dataset,
    evaluation,
    models::AttentionKind,
    report, score,
    tokens::Folder,
    training::{self, Bundle, ClassWeights, Error, Options, Resume, Schedule, Summary},
};
use gf_genotypes::Samples;

use crate::support::cohort::SmallCohort;

fn train(options: &Options) -> Summary {
    training::run(options, &mut |_| {}).unwrap()
}

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
    assert!(summary.to_string().contains("out of fold") && summary.out_of_fold_auroc.is_some());

    let rows = predictions(&options.out);
    let cohort = Cohort::read(
        &options.cohort,
        PhenotypeCoding::Auto,
        &CovariateChoice::Usual,
    )
    .unwrap();
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
    let close = |row: &Prediction, logit: f64| {
        assert!(
            (row.logit - logit).abs() < 1e-5,
            "{}: {} {logit}",
            row.sample_id,
            row.logit
        );
    };
    let of_everyone: Vec<usize> = (0..rows.len()).collect();
    let mean = bundle.logits(&data, &of_everyone).unwrap();
    for (row, logit) in rows
        .iter()
        .zip(mean)
        .filter(|(row, _)| row.split == Split::Test)
    {
        close(row, logit);
    }
    for (member, record) in bundle.config.members.iter().enumerate() {
        let alone = Bundle {
            members: vec![bundle.members[member].clone()],
            ..Bundle::load(&options.out).unwrap()
        };
        let logits = alone.logits(&data, &of_everyone).unwrap();
        rows.iter()
            .zip(logits)
            .filter(|(row, _)| row.fold == record.fold)
            .for_each(|(row, logit)| close(row, logit));
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
    let score = score::Options {
        samples: Samples::All,
        vcf: vec![small.path("cohort.vcf.gz")],
        reference: Some(small.path("reference.fa")),
        model: ensemble.out.clone(),
        cohort: Some(small.path("cohort.csv")),
        missing: gf_cohort_schema::MissingPolicies::strict(),
        min_overlap: None,
        models: None,
        allow_no_hom_ref: false,
        apply_filters: None,
        device: training::DeviceChoice::Cpu,
        output: output.clone(),
    };
    score::run(&score).unwrap();
    let mut reader = csv::Reader::from_path(&output).unwrap();
    let scored: BTreeMap<String, f64> = reader
        .records()
        .map(|row| row.unwrap())
        .map(|row| (row[0].into(), row[2].parse().unwrap()))
        .collect();
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
    let weights = ClassWeights::Given(3.0, 0.5);
    let losses = |name: &str, batch_size, accumulate, memory| {
        let options = with(&base, &small.path(name), |schedule| {
            *schedule = Schedule {
                batch_size,
                accumulate,
                memory,
                class_weights: weights,
                ..schedule.clone()
            }
        });
        train(&options);
        let mut log = csv::Reader::from_path(options.out.join("training_log.csv")).unwrap();
        log.records()
            .map(|row| row.unwrap()[2].parse().unwrap())
            .collect::<Vec<f64>>()
    };
    let one = losses("one", 36, 1, 2_000);
    for other in [losses("three", 12, 3, 2_000), losses("parts", 36, 1, 1)] {
        assert!(
            one.iter()
                .zip(&other)
                .all(|(one, other)| (one - other).abs() < 1e-3),
            "{one:?} {other:?}"
        );
    }
}

#[test]
fn training_starts_from_the_weights_of_another_bundle() {
    let small = SmallCohort::new();
    // Of an ecoformer with its hash functions, which are not fitted again.
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
        let rows = predictions(&first.out)
            .into_iter()
            .zip(predictions(&second.out));
        rows.for_each(|(first, second)| {
            assert!(
                (first.logit - second.logit).abs() < 1e-4,
                "{attention:?}: {} {} {}",
                first.sample_id,
                first.logit,
                second.logit
            );
        });

        second.architecture.hidden *= 2;
        let error = training::run(&second, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("--init"), "{error}");
    }
}

#[test]
fn a_run_that_diverges_keeps_its_last_checkpoint_and_says_so() {
    let small = SmallCohort::new();
    let mut options = small.training_options(&small.path("diverged"));
    // When the rate has risen, weight decay multiplies every matrix by -4 in a step.
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
            && message.contains("lower the learning rate (100)"),
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
    // Which is whole: the same command goes on from it, to the same end.
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
    let start = |from: &training::Options, out: &str, change: &dyn Fn(&mut Schedule)| {
        let mut options = with(&base, &small.path(out), change);
        options.init = Some(from.out.clone());
        training::run(&options, &mut |_| {}).map_err(|error| error.to_string())
    };
    let of_folds = |schedule: &mut Schedule| schedule.folds = Some(3);
    let refusal = "it may have learnt from people whom this run holds out: start from a bundle of \
                   the same --folds, --ensemble and --seed";
    assert!(start(&one, "a", &of_folds).unwrap_err().contains(refusal));
    assert!(start(&folds, "b", &|_| ()).unwrap_err().contains(refusal));
    let of_another_seed = |schedule: &mut Schedule| (schedule.folds, schedule.seed) = (Some(3), 2);
    assert!(
        start(&folds, "c", &of_another_seed)
            .unwrap_err()
            .contains(refusal)
    );
    // Each member from its own: at a rate of next to nothing they stay what they were.
    start(&folds, "same", &|schedule| {
        (schedule.folds, schedule.learning_rate, schedule.epochs) = (Some(3), 1e-9, 1);
    })
    .unwrap();
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
    // A cohort in which people are in other folds.
    let path = folds.out.join("predictions.csv");
    let text = fs::read_to_string(&path).unwrap();
    let row = text
        .lines()
        .find(|line| line.contains(",train,1,"))
        .unwrap();
    fs::write(
        &path,
        text.replace(row, &row.replace(",train,1,", ",train,2,")),
    )
    .unwrap();
    assert!(
        start(&folds, "d", &of_folds)
            .unwrap_err()
            .contains("is not in the fold it has here: start from a bundle of the same cohort")
    );
}
