//! A training run that is stopped at any moment resumes to the same bytes; a checkpoint that does
//! not belong to it is refused.
//!
//! Input -> output: a [`SmallCohort`] -> `model.safetensors`, `predictions.csv` and `config.json`
//! of an uninterrupted run, compared byte by byte with those of stopped runs. Runs are stopped
//! between two steps and after an epoch, by unwinding out of the progress callback, and with
//! `kill -9`.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    process::{Child, Command, Stdio},
};

use gf_genomics::{
    models::Preset,
    training::{self, Options, Progress, Resume, Schedule},
};

use crate::support::{
    cohort::{SmallCohort, train},
    processes::{kill, wait_for_new_checkpoint},
};

/// Where to stop: epoch and, within it, step (`None`: all steps are done, but the checkpoint of the
/// epoch is not written yet).
type Stop = (usize, Option<usize>);

/// A step of a bundle: member, epoch, step within the epoch, all from 1.
type Step = (usize, usize, usize);

/// The step that an event reports; `None` at the end of an epoch.
fn step_of(event: &Progress<'_>) -> Option<Step> {
    match event {
        Progress::Step {
            member: (member, _),
            epoch: (epoch, _),
            step: (step, _),
            ..
        } => Some((*member, *epoch, *step)),
        Progress::Epoch(_) => None,
    }
}

/// Runs until `is_stop` is true of an event, as if the process had died there.
fn train_until(options: &Options, is_stop: impl Fn(&Progress<'_>) -> bool) {
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        training::run(options, &mut |event| {
            if is_stop(&event) {
                resume_unwind(Box::new("stopped"));
            }
        })
    }));
    assert!(stopped.is_err(), "the run ended before the stop");
}

/// Runs a bundle of one member up to `stop`.
fn train_one_until(options: &Options, stop: Stop) {
    train_until(options, |event| {
        let now = match event {
            Progress::Step {
                epoch: (epoch, _),
                step: (step, _),
                ..
            } => (*epoch, Some(*step)),
            Progress::Epoch(log) => (log.epoch, None),
        };
        now == stop
    });
    assert!(
        !options.out.join("config.json").exists(),
        "a bundle before the training has ended"
    );
}

#[track_caller]
fn assert_same_model(found: &Path, expected: &Path) {
    for file in [
        "model.safetensors",
        "member-2.safetensors",
        "predictions.csv",
        "config.json",
        "tokenizer.json",
        "grid.json",
    ] {
        // A bundle of one has no second member.
        assert!(
            fs::read(found.join(file)).ok() == fs::read(expected.join(file)).ok(),
            "{file} differs from that of the unbroken run"
        );
    }
    assert_eq!(log_without_times(found), log_without_times(expected));
    let has_checkpoint = fs::read_dir(found).unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("checkpoint")
    });
    assert!(!has_checkpoint, "the checkpoint of a finished run is left");
}

/// `training_log.csv` without its last two columns: seconds, and samples per second.
fn log_without_times(folder: &Path) -> Vec<String> {
    let table = fs::read_to_string(folder.join("training_log.csv")).unwrap();
    table
        .lines()
        .map(|line| line.rsplitn(3, ',').last().unwrap().to_string())
        .collect()
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bytes() {
    let cohort = SmallCohort::new();
    let unbroken = cohort.training_options(&cohort.path("unbroken"));
    assert_eq!(train(&unbroken).epochs_run(), 5);
    let stops: [&[Stop]; 5] = [
        &[(1, Some(2))],
        &[(2, None)],
        &[(3, Some(1))],
        &[(5, None)],
        &[(2, Some(3)), (4, Some(1)), (4, None)],
    ];
    for (number, stops) in stops.into_iter().enumerate() {
        let options = Options {
            out: cohort.path(&format!("stopped-{number}")),
            resume: Resume::Yes,
            ..unbroken.clone()
        };
        for &stop in stops {
            train_one_until(&options, stop);
        }
        let summary = train(&options);
        // After a sudden end the run resumes from the last whole epoch.
        assert_eq!(summary.epochs_resumed(), stops.last().unwrap().0 - 1);
        assert_same_model(&options.out, &unbroken.out);
    }
}

#[test]
fn a_run_that_is_told_to_stop_goes_on_from_the_very_step_to_the_same_bytes() {
    let cohort = SmallCohort::new();
    let mut unbroken = cohort.training_options(&cohort.path("unbroken"));
    unbroken.architecture = Preset::Ecoformer.architecture();
    unbroken.schedule = Schedule {
        ensemble: 2,
        epochs: 3,
        batch_size: 24,
        ..unbroken.schedule
    };
    train(&unbroken);
    let options = Options {
        out: cohort.path("stopped"),
        resume: Resume::Yes,
        ..unbroken.clone()
    };
    // Two members of three epochs of three steps. After the third step of an epoch its validation
    // is still to come.
    let mut steps = Vec::new();
    for last in [(1, 1, 1), (1, 1, 3), (1, 3, 2), (2, 1, 1), (2, 2, 3)] {
        let message = stop_after(&options, last, &mut steps);
        let (member, epoch, step) = last;
        let expected = format!(
            "stopped after step {step} of 3 in epoch {epoch} of 3 of model {member} of 2; the \
             state is saved in "
        );
        assert!(
            message.starts_with(&expected) && !options.out.join("config.json").exists(),
            "{message}"
        );
    }
    training::run(&options, &mut |event| steps.extend(step_of(&event))).unwrap();
    let mut each_once = Vec::new();
    for member in 1..=2 {
        for epoch in 1..=3 {
            each_once.extend((1..=3).map(|step| (member, epoch, step)));
        }
    }
    assert_eq!(steps, each_once, "every step is done once");
    assert_same_model(&options.out, &unbroken.out);
}

/// Tells the run to stop after the step `last`, and returns its error; adds its steps to `steps`.
fn stop_after(options: &Options, last: Step, steps: &mut Vec<Step>) -> String {
    let stopped = training::run(options, &mut |event| {
        let step = step_of(&event);
        steps.extend(step);
        if let Progress::Step { stop, .. } = event {
            stop.set(step == Some(last));
        }
    });
    stopped.unwrap_err().to_string()
}

#[test]
fn folds_and_ensembles_that_were_stopped_go_on_to_the_same_bytes() {
    let cohort = SmallCohort::new();
    for (name, folds, ensemble) in [("folds", Some(3), 1), ("ensemble", None, 3)] {
        let mut unbroken = cohort.training_options(&cohort.path(&format!("{name}-unbroken")));
        unbroken.schedule = Schedule {
            folds,
            ensemble,
            epochs: 2,
            ..unbroken.schedule
        };
        assert_eq!(train(&unbroken).epochs_run(), 6);
        let options = Options {
            out: cohort.path(&format!("{name}-stopped")),
            resume: Resume::Yes,
            ..unbroken.clone()
        };
        for stop in [(1, 2, 1), (2, 1, 2), (3, 2, 1)] {
            train_until(&options, |event| step_of(event) == Some(stop));
            assert!(
                !options.out.join("config.json").exists(),
                "a bundle before all members are trained"
            );
        }
        assert_eq!(train(&options).epochs_resumed(), 2 + 2 + 1);
        assert_same_model(&options.out, &unbroken.out);
        assert!(options.out.join("member-3.safetensors").exists());
    }
}

#[test]
fn without_resume_a_checkpoint_is_not_used() {
    let cohort = SmallCohort::new();
    let options = cohort.training_options(&cohort.path("model"));
    train_one_until(&options, (3, None));
    assert_eq!(train(&options).epochs_resumed(), 0);
    let again = Options {
        out: cohort.path("again"),
        ..options.clone()
    };
    train(&again);
    assert_same_model(&options.out, &again.out);
}

#[test]
fn a_checkpoint_of_other_options_is_refused() {
    let cohort = SmallCohort::new();
    let options = Options {
        resume: Resume::Yes,
        ..cohort.training_options(&cohort.path("model"))
    };
    train_one_until(&options, (3, None));
    let checkpoint = fs::read(options.out.join("checkpoint.safetensors")).unwrap();

    // The same table with another phenotype of one sample.
    let table = fs::read_to_string(&options.cohort).unwrap();
    let exchanged = table.replacen(",case,train", ",control,train", 1);
    assert!(exchanged != table);
    let other_table = cohort.path("other.csv");
    fs::write(&other_table, exchanged).unwrap();

    let mut others: [Options; 6] = std::array::from_fn(|_| options.clone());
    others[0].schedule.learning_rate *= 2.0;
    others[1].schedule.seed += 1;
    others[2].schedule.epochs += 1;
    others[3].architecture.hidden *= 2;
    others[4].name = Some("other".into());
    others[5].cohort = other_table;
    for other in others {
        let error = training::run(&other, &mut |_| {}).unwrap_err().to_string();
        assert!(
            error.contains(
                "checkpoint.safetensors: this checkpoint belongs to different inputs or options"
            ),
            "{error}"
        );
        assert!(
            checkpoint == fs::read(options.out.join("checkpoint.safetensors")).unwrap(),
            "a refused checkpoint was changed"
        );
    }
    // The same inputs under another name, and the same options, are the same run.
    let moved = cohort.path("moved.csv");
    fs::copy(&options.cohort, &moved).unwrap();
    assert_eq!(
        train(&Options {
            cohort: moved,
            ..options
        })
        .epochs_resumed(),
        2
    );
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let cohort = SmallCohort::new();
    let options = Options {
        resume: Resume::Yes,
        ..cohort.training_options(&cohort.path("model"))
    };
    train_one_until(&options, (2, None));
    let path = options.out.join("checkpoint.safetensors");
    let whole = fs::read(&path).unwrap();
    let half = &whole[..whole.len() / 2];
    let one_byte_short = &whole[..whole.len() - 1];
    let mut bad_header = whole.clone();
    bad_header[8] = b'X';
    for damaged in [
        &b""[..],
        b"not a checkpoint",
        half,
        one_byte_short,
        &bad_header,
    ] {
        fs::write(&path, damaged).unwrap();
        let error = training::run(&options, &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("checkpoint.safetensors: damaged checkpoint")
                && error.contains("delete it to start from scratch"),
            "{error}"
        );
        assert!(!options.out.join("config.json").exists());
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(train(&options).epochs_resumed(), 0);
}

/// `gf-genomics train` on `n_threads`, for 40 epochs.
fn spawn(cohort: &SmallCohort, out: &Path, n_threads: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gf-genomics"));
    command
        .arg("train")
        .arg("--tokens")
        .arg(cohort.path("tokens"))
        .arg("--cohort")
        .arg(cohort.path("cohort.csv"))
        .arg("--out")
        .arg(out);
    command.args([
        "--additive",
        "none",
        "--epochs",
        "40",
        "--patience",
        "40",
        "--batch-size",
        "4",
        "--hidden",
        "64",
        "--layers",
        "4",
        "--resume",
        "--threads",
        n_threads,
    ]);
    // candle's matrix products use this many threads.
    command
        .env("RAYON_NUM_THREADS", n_threads)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_killed_twice_goes_on_to_the_same_bytes() {
    let cohort = SmallCohort::new();
    let unbroken = cohort.path("unbroken");
    let killed = cohort.path("killed");
    assert!(spawn(&cohort, &unbroken, "1").wait().unwrap().success());

    let checkpoint = killed.join("checkpoint.safetensors");
    for _ in 0..2 {
        let before = fs::read(&checkpoint).ok();
        let mut child = spawn(&cohort, &killed, "2");
        wait_for_new_checkpoint(&checkpoint, before.as_ref(), &mut child);
        assert!(
            !kill(&mut child).success(),
            "the run ended before it was killed"
        );
        assert!(fs::read(&checkpoint).is_ok() && !killed.join("config.json").exists());
    }
    assert!(spawn(&cohort, &killed, "2").wait().unwrap().success());
    assert_same_model(&killed, &unbroken);
}
