//! Additive and deep terms: what a bundle with both predicts, how it resumes, and how it is trained
//! in parts.
//!
//! Input -> output: a simulated cohort with a strong cis effect (so that a deep term counts),
//! tokenized -> bundles, compared with one another.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use gf_cohort_schema::{Split, read_predictions};
use gf_genomics::{
    dataset::Dataset,
    evaluation, explain,
    models::{Architecture, Preset},
    report, score, simulate,
    tokens::{self, Folder},
    training::{
        self, AdditiveKind, Bundle, DeepTerms, Options, Progress, Resume, Schedule, Summary,
    },
};
use gf_genotypes::Samples;
use tempfile::TempDir;

use crate::support::{
    cohort::{read_cohort, tokenize, train},
    options as usual, rows,
};

/// 600 samples at two loci, of which the first has a cis effect.
fn cohort() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(simulated).path()
}

fn simulated() -> TempDir {
    let folder = TempDir::new().unwrap();
    simulate::run(&simulate::Options {
        people: 600,
        len_nt: 8_000,
        risk: simulate::RiskKind::Cis,
        auc: Some(0.9),
        seed: 3,
        out: folder.path().to_path_buf(),
        ..Default::default()
    })
    .unwrap();
    fs::write(
        folder.path().join("loci.bed"),
        "simulated\t0\t6000\ta\nsimulated\t6000\t8000\tb\n",
    )
    .unwrap();
    tokenize(folder.path(), &tokens::Options::default());
    folder
}

/// An additive term and one deep term per locus.
fn options(out: &Path) -> Options {
    Options {
        architecture: Architecture {
            hidden: 16,
            projected_length: 8,
            feed_forward: 32,
            ..Architecture::default()
        },
        additive: AdditiveKind::Segments,
        deep_terms: DeepTerms::Loci,
        schedule: Schedule {
            epochs: 14,
            batch_size: 32,
            learning_rate: 4e-3,
            ..Default::default()
        },
        ..usual::training(&cohort().join("tokens"), &cohort().join("cohort.csv"), out)
    }
}

/// Options of networks that learn nothing.
fn options_without_learning(out: &Path) -> Options {
    let options = options(out);
    Options {
        schedule: Schedule {
            epochs: 1,
            learning_rate: 1e-12,
            ..options.schedule
        },
        ..options
    }
}

/// A bundle that several tests read, and the summary of its training.
struct Trained {
    folder: TempDir,
    summary: Summary,
}

impl Trained {
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let summary = train(&options(folder.path()));
        Trained { folder, summary }
    })
}

/// Logits of one model of `predictions.csv` by sample.
fn logits(out: &Path, model: &str) -> BTreeMap<String, f64> {
    let mut predictions = read_predictions(&out.join("predictions.csv")).unwrap();
    predictions.retain(|row| row.model == model);
    predictions
        .into_iter()
        .map(|row| (row.sample_id, row.logit))
        .collect()
}

/// All files of a bundle but the log, which contains times.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = crate::support::files(folder);
    contents.retain(|path, _| !path.ends_with("training_log.csv"));
    contents
}

#[test]
fn a_deep_term_counts_where_alleles_act_together_and_the_bundle_predicts_as_it_was_trained() {
    let Trained { folder, summary } = trained();
    let terms = &summary.members[0].terms;
    assert_eq!(terms.len(), 2, "one deep term per locus");
    assert!(terms[0].weight > 0.0 && terms[0].networks == 6, "{terms:?}");
    let [additive, whole] =
        ["additive", "additive+linformer"].map(|model| logits(folder.path(), model));
    assert_eq!(additive.len(), 600);
    assert_eq!(whole.len(), 600);

    let bundle = Bundle::load(folder.path()).unwrap();
    let tokens = Folder::load(&cohort().join("tokens")).unwrap();
    let people = read_cohort(&cohort().join("cohort.csv"));
    let data = Dataset::new(&tokens.tokens, &people, bundle.config.covariates.clone()).unwrap();
    let everyone: Vec<usize> = (0..people.people.len()).collect();
    for (person, logit) in people
        .people
        .iter()
        .zip(bundle.logits(&data, &everyone).unwrap())
    {
        assert!(
            (whole[&person.sample_id] - logit).abs() < 1e-5,
            "{}",
            person.sample_id
        );
    }
}

#[test]
fn score_gives_the_logits_of_the_whole_model() {
    let out = TempDir::new().unwrap();
    let output = out.path().join("scores.csv");
    score::run(&usual::score(
        &cohort().join("cohort.vcf.gz"),
        &cohort().join("reference.fa"),
        &cohort().join("cohort.csv"),
        trained().path(),
        &output,
    ))
    .unwrap();
    let whole = logits(trained().path(), "additive+linformer");
    let table = fs::read_to_string(output).unwrap();
    assert_eq!(table.lines().count(), 601);
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[1], "additive+linformer");
        assert!(
            (whole[cells[0]] - cells[2].parse::<f64>().unwrap()).abs() < 1e-5,
            "{line}"
        );
    }
}

#[test]
fn explain_reports_the_part_of_the_additive_term() {
    let out = TempDir::new().unwrap();
    let options = explain::Options {
        samples: Samples::All,
        vcf: vec![cohort().join("cohort.vcf.gz")],
        format: gf_genotypes::FormatOptions::default(),
        reference: cohort().join("reference.fa"),
        model: trained().path().into(),
        cohort: Some(cohort().join("cohort.csv")),
        regions: None,
        haplotypes: Some(10),
        top: 3,
        pairs: 2,
        apply_filters: None,
        device: training::DeviceChoice::Cpu,
        out: out.path().into(),
    };
    explain::run(&options).unwrap();
    // Largest |effect - additive effect| of a variant at each locus.
    let mut deep_effects = BTreeMap::from([("a".to_owned(), 0.0), ("b".to_owned(), 0.0)]);
    for row in rows(&out.path().join("explain.csv")) {
        let [effect, additive] =
            ["effect", "additive_effect"].map(|column| row[column].parse::<f64>().unwrap());
        let deep_effect = (effect - additive).abs();
        assert!(deep_effect.is_finite(), "{row:?}");
        let largest = deep_effects.get_mut(&row["locus"]).unwrap();
        *largest = f64::max(*largest, deep_effect);
    }
    // The deep term of the second locus has no weight, so that only the additive term is left
    // there.
    assert!(trained().summary.members[0].terms[1].weight == 0.0);
    assert!(deep_effects["b"] < 1e-5, "{deep_effects:?}");
    assert!(deep_effects["a"] > 1e-3, "{deep_effects:?}");
}

#[test]
fn evaluate_tests_the_deep_terms_against_the_additive_model() {
    let out = TempDir::new().unwrap();
    let predictions = vec![trained().path().join("predictions.csv")];
    let summary = evaluation::evaluate(&evaluation::Options {
        predictions,
        out: out.path().into(),
        ..Default::default()
    })
    .unwrap();
    report::write(out.path(), &summary).unwrap();
    let [test] = &summary.non_additive[..] else {
        panic!("one test: {:?}", summary.non_additive)
    };
    let [whole, additive] = ["additive+linformer", "additive"].map(|model| {
        let mut rows = summary.verdict.rows.iter();
        let row = rows.find(|row| row.model == model && row.split == Split::Test);
        row.and_then(|row| row.auroc).unwrap()
    });
    assert!((test.delta - (whole - additive)).abs() < 1e-9);
    assert!(
        test.inference.is_some()
            && summary.to_string().contains(
                "Non-additive signal: the AUC of additive+linformer minus that of additive"
            )
    );
    let table = fs::read_to_string(out.path().join("non_additive.csv")).unwrap();
    assert!(
        table.starts_with("model,compared_to,split,auroc,delta_auroc,")
            && table.lines().count() == 2,
        "{table}"
    );
}

#[test]
fn a_model_whose_deep_terms_bring_no_gain_is_the_additive_model_exactly() {
    let folder = TempDir::new().unwrap();
    let summary = train(&options_without_learning(folder.path()));
    assert!(
        summary.members[0]
            .terms
            .iter()
            .all(|term| term.weight == 0.0)
    );
    assert_eq!(
        logits(folder.path(), "additive"),
        logits(folder.path(), "additive+linformer")
    );
}

#[test]
fn a_run_that_is_interrupted_in_any_network_resumes_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let counted = options(&folder.path().join("counted"));
    let n_steps = train_until(&counted, usize::MAX);
    assert!(counted.out.join("config.json").exists());
    let stopped = Options {
        resume: Resume::Yes,
        ..options(&folder.path().join("stopped"))
    };
    // The first networks, those that are trained without a fold, and the last step of all.
    for stop in [n_steps / 8, n_steps / 3, 2 * n_steps / 3, n_steps] {
        // A resumed run has fewer steps left, so that the last stop may be beyond its end.
        train_until(&stopped, stop);
        if stopped.out.join("config.json").exists() {
            break;
        }
    }
    train(&stopped);
    assert_eq!(bytes(&stopped.out), bytes(trained().path()));
}

/// Runs `stop` steps, as if the process had died there, or to the end; returns the number of steps.
fn train_until(options: &Options, stop: usize) -> usize {
    let n_steps = Cell::new(0);
    let _ = catch_unwind(AssertUnwindSafe(|| {
        training::run(options, &mut |event| {
            if let Progress::Step { .. } = event {
                n_steps.set(n_steps.get() + 1);
                if n_steps.get() == stop {
                    resume_unwind(Box::new("stopped"));
                }
            }
        })
        .unwrap()
    }));
    n_steps.get()
}

#[test]
fn a_member_that_is_trained_and_applied_in_parts_is_that_of_one_run() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        resume: Resume::IfSame,
        ..options(folder.path())
    };
    assert!(
        training::run_bundle(&options, &[])
            .unwrap_err()
            .to_string()
            .contains("member 1 of 1 is not trained yet")
    );
    let summary = training::run_member(&options, 1, &mut |_| {}).unwrap();
    assert_eq!(summary.terms, trained().summary.members[0].terms);
    let blocks = [0..250, 250..600].map(|people| training::run_predict(&options, people).unwrap());
    training::run_bundle(&options, &blocks.concat()).unwrap();
    assert_eq!(bytes(folder.path()), bytes(trained().path()));
}

#[test]
fn every_preset_trains_next_to_an_additive_term_of_either_kind() {
    for (preset, additive) in Preset::ALL.into_iter().zip(
        [AdditiveKind::Segments, AdditiveKind::Dosages]
            .into_iter()
            .cycle(),
    ) {
        let folder = TempDir::new().unwrap();
        let mut options = options(folder.path());
        options.architecture = Architecture {
            hidden: options.architecture.hidden,
            feed_forward: options.architecture.feed_forward,
            ..preset.architecture()
        };
        options.additive = additive;
        options.deep_terms = DeepTerms::Joint;
        options.schedule = Schedule {
            epochs: 2,
            ..options.schedule
        };
        let summary = train(&options);
        assert_eq!(summary.name, format!("additive+{preset}"));
        assert_eq!(
            summary.members[0].terms.len(),
            1,
            "one deep term over both loci"
        );
        Bundle::load(folder.path()).unwrap();
    }
}

#[test]
fn folds_and_seeds_have_additive_terms_of_their_own() {
    let folder = TempDir::new().unwrap();
    let mut options = options(folder.path());
    options.schedule = Schedule {
        folds: Some(3),
        ensemble: 1,
        epochs: 2,
        ..options.schedule
    };
    let summary = train(&options);
    let losses: Vec<f64> = summary
        .members
        .iter()
        .map(|member| member.additive.as_ref().unwrap().loss)
        .collect();
    assert!(
        losses.len() == 3
            && losses
                .windows(2)
                .all(|pair| (pair[0] - pair[1]).abs() > 1e-6),
        "{losses:?}"
    );
    let rows = read_predictions(&folder.path().join("predictions.csv")).unwrap();
    assert!(
        rows.iter()
            .all(|row| (row.split == Split::Test) == row.fold.is_none())
    );
    assert!(summary.out_of_fold_auroc.is_some());
}

#[test]
fn a_published_score_enters_as_an_offset_with_a_coefficient_of_its_own() {
    let folder = TempDir::new().unwrap();
    let mut options = options_without_learning(&folder.path().join("model"));
    // The simulated risk as a score on another scale: nothing is left to learn.
    let scores = folder.path().join("scores.csv");
    let mut table = "sample_id,PGS1\n".to_owned();
    for row in rows(&cohort().join("truth.csv")) {
        let logit: f64 = row["logit"].parse().unwrap();
        writeln!(table, "{},{}", row["sample_id"], 10.0 * logit).unwrap();
    }
    fs::write(&scores, table).unwrap();
    options.offset = Some(format!("{}:PGS1", scores.display()).parse().unwrap());
    let summary = train(&options);
    let additive = summary.members[0].additive.as_ref().unwrap();
    assert!(summary.members[0].best_validation_auroc > 0.85, "{summary}");
    assert!(
        additive.n_weights < 5,
        "the score leaves nothing: {additive:?}"
    );
    let bundle = Bundle::load(&options.out).unwrap();
    assert_eq!(bundle.config.covariates.last().unwrap().name, "PGS1");

    let pure = Options {
        additive: AdditiveKind::None,
        ..options
    };
    let message = training::run(&pure, &mut |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("needs an additive term; remove --additive none"),
        "{message}"
    );
}
