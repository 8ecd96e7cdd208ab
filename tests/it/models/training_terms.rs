//! Additive and deep terms: what a bundle with both predicts, how it resumes, and how it is trained
//! in parts.
//!
//! Input -> output: a simulated cohort with a strong cis effect (so that a deep term counts),
//! tokenized -> bundles, compared with one another.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use gf_cohort_schema::{
    Cohort, CovariateChoice, MissingPolicies, PhenotypeCoding, Prediction, Split, read_predictions,
};
use gf_genomics::{
    dataset::Dataset,
    evaluation, explain,
    models::{Architecture, Preset},
    pipeline, report, score, simulate,
    tokens::{self, Folder},
    training::{
        self, AdditiveKind, Bundle, DeepTerms, Options, Progress, Resume, Schedule, Summary,
    },
};
use gf_genotypes::Samples;
use tempfile::TempDir;

/// 600 people at two loci; one of them has a cis effect.
fn cohort() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(simulated).path()
}

fn simulated() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let out = folder.path().to_path_buf();
    let risk = simulate::RiskKind::Cis;
    simulate::run(&simulate::Options {
        people: 600,
        len_nt: 8_000,
        risk,
        auc: Some(0.9),
        seed: 3,
        out,
        ..Default::default()
    })
    .unwrap();
    fs::write(
        at("two.bed"),
        "simulated\t0\t6000\ta\nsimulated\t6000\t8000\tb\n",
    )
    .unwrap();
    let policies = gf_haplotypes::Policies::default();
    let options = gf_haplotypes::Options {
        vcf: vec![at("cohort.vcf.gz")],
        reference: at("reference.fa"),
        regions: gf_haplotypes::Regions::File(at("two.bed")),
        samples: gf_haplotypes::Samples::All,
        policies: policies.clone(),
        mask: None,
        callable: None,
        skips: None,
    };
    let (dictionary, _, _) = gf_haplotypes::run(&options).unwrap();
    let cohort = Cohort::read(
        &at("cohort.csv"),
        PhenotypeCoding::Auto,
        &CovariateChoice::Usual,
    )
    .unwrap();
    pipeline::tokenize(
        &dictionary,
        &policies,
        &cohort,
        &tokens::Options::default(),
        None,
        &at("tokens"),
    )
    .unwrap();
    folder
}

fn options(out: &Path) -> Options {
    Options {
        tokens: cohort().join("tokens"),
        cohort: cohort().join("cohort.csv"),
        phenotype_coding: PhenotypeCoding::Auto,
        covariates: CovariateChoice::Usual,
        missing: MissingPolicies::default(),
        out: out.into(),
        name: None,
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
        offset: None,
        init: None,
        device: training::DeviceChoice::Cpu,
        tensorboard: None,
        resume: Resume::No,
    }
}

fn train(options: &Options) -> Summary {
    training::run(options, &mut |_| {}).unwrap()
}

/// A bundle that several tests look at, and its summary.
fn trained() -> &'static (TempDir, Summary) {
    static TRAINED: OnceLock<(TempDir, Summary)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let summary = train(&options(folder.path()));
        (folder, summary)
    })
}

fn logits(out: &Path, model: &str) -> BTreeMap<String, f64> {
    let rows: Vec<Prediction> = read_predictions(&out.join("predictions.csv")).unwrap();
    rows.into_iter()
        .filter(|row| row.model == model)
        .map(|row| (row.sample_id, row.logit))
        .collect()
}

/// All files but those with times.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let kept = files.filter(|path| !path.ends_with("training_log.csv"));
    kept.map(|path| (path.file_name().unwrap().into(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_deep_term_counts_where_alleles_act_together_and_the_bundle_predicts_as_it_was_trained() {
    let (folder, summary) = trained();
    let terms = &summary.members[0].terms;
    assert_eq!(terms.len(), 2, "one deep term per locus");
    assert!(terms[0].weight > 0.0 && terms[0].networks == 6, "{terms:?}");
    let [additive, whole] =
        ["additive", "additive+linformer"].map(|model| logits(folder.path(), model));
    assert_eq!((additive.len(), whole.len()), (600, 600));

    let bundle = Bundle::load(folder.path()).unwrap();
    let tokens = Folder::load(&cohort().join("tokens")).unwrap();
    let people = Cohort::read(
        &cohort().join("cohort.csv"),
        PhenotypeCoding::Auto,
        &CovariateChoice::Usual,
    )
    .unwrap();
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
    let (folder, _) = trained();
    let out = TempDir::new().unwrap();
    let output = out.path().join("scores.csv");
    let options = score::Options {
        samples: Samples::All,
        vcf: vec![cohort().join("cohort.vcf.gz")],
        reference: Some(cohort().join("reference.fa")),
        model: folder.path().into(),
        cohort: Some(cohort().join("cohort.csv")),
        missing: gf_cohort_schema::MissingPolicies::strict(),
        min_overlap: None,
        models: None,
        allow_no_hom_ref: false,
        apply_filters: None,
        device: training::DeviceChoice::Cpu,
        output: output.clone(),
    };
    score::run(&options).unwrap();
    let whole = logits(folder.path(), "additive+linformer");
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
    let (folder, _) = trained();
    let out = TempDir::new().unwrap();
    let options = explain::Options {
        samples: Samples::All,
        vcf: vec![cohort().join("cohort.vcf.gz")],
        reference: cohort().join("reference.fa"),
        model: folder.path().into(),
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
    let table = fs::read_to_string(out.path().join("explain.csv")).unwrap();
    let columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let [locus, effect, additive] = ["locus", "effect", "additive_effect"]
        .map(|name| columns.iter().position(|column| *column == name).unwrap());
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    let of_locus = |name: &str| {
        rows.iter()
            .filter(|row| row[locus] == name)
            .cloned()
            .collect::<Vec<_>>()
    };
    let number = |cell: &str| cell.parse::<f64>().unwrap();
    // No deep term counts at the second locus: there the additive term is all there is.
    assert!(trained().1.members[0].terms[1].weight == 0.0);
    assert!(
        of_locus("b")
            .iter()
            .all(|row| (number(row[effect]) - number(row[additive])).abs() < 1e-5)
    );
    assert!(
        of_locus("a")
            .iter()
            .any(|row| (number(row[effect]) - number(row[additive])).abs() > 1e-3)
    );
}

#[test]
fn evaluate_tests_the_deep_terms_against_the_additive_model() {
    let (folder, _) = trained();
    let out = TempDir::new().unwrap();
    let predictions = vec![folder.path().join("predictions.csv")];
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
    let auroc = |model: &str| {
        let row = summary
            .verdict
            .rows
            .iter()
            .find(|row| row.model == model && row.split == Split::Test);
        row.and_then(|row| row.auroc).unwrap()
    };
    assert!((test.delta - (auroc("additive+linformer") - auroc("additive"))).abs() < 1e-9);
    assert!(
        test.inference.is_some()
            && summary
                .to_string()
                .contains("Non-additive signal: additive+linformer minus additive")
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
    let mut options = options(folder.path());
    // Networks that learn nothing.
    options.schedule = Schedule {
        epochs: 1,
        learning_rate: 1e-12,
        ..options.schedule
    };
    let summary = train(&options);
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
    let unbroken = options(&trained().0.path().join(""));
    let n_steps = Cell::new(0);
    let folder = TempDir::new().unwrap();
    let count = &mut |event: Progress<'_>| {
        n_steps.set(n_steps.get() + usize::from(matches!(event, Progress::Step { .. })));
    };
    training::run(
        &Options {
            out: folder.path().join("counted"),
            ..unbroken.clone()
        },
        count,
    )
    .unwrap();
    let stopped = Options {
        out: folder.path().join("stopped"),
        resume: Resume::Yes,
        ..unbroken
    };
    // The first networks, those that are trained without a fold, and the last step of all.
    for stop in [
        n_steps.get() / 8,
        n_steps.get() / 3,
        2 * n_steps.get() / 3,
        n_steps.get(),
    ] {
        let done = Cell::new(0);
        let mut stop_there = |event: Progress<'_>| {
            if let Progress::Step { .. } = event {
                done.set(done.get() + 1);
                if done.get() == stop {
                    resume_unwind(Box::new("stopped"));
                }
            }
        };
        // A resumed run has fewer steps left; the last stop may lie beyond its end.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            training::run(&stopped, &mut stop_there)
        }));
        if stopped.out.join("config.json").exists() {
            break;
        }
    }
    train(&stopped);
    assert_eq!(bytes(&stopped.out), bytes(trained().0.path()));
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
    assert_eq!(summary.terms, trained().1.members[0].terms);
    let blocks = [0..250, 250..600].map(|people| training::run_predict(&options, people).unwrap());
    training::run_bundle(&options, &blocks.concat()).unwrap();
    assert_eq!(bytes(folder.path()), bytes(trained().0.path()));
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
        let sizes = options.architecture.clone();
        let preset_axes = preset.architecture();
        options.architecture = Architecture {
            hidden: sizes.hidden,
            feed_forward: sizes.feed_forward,
            ..preset_axes
        };
        (options.additive, options.deep_terms) = (additive, DeepTerms::Joint);
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
    let chosen: Vec<f64> = summary
        .members
        .iter()
        .map(|member| member.additive.as_ref().unwrap().loss)
        .collect();
    let differ = |one: f64, other: f64| (one - other).abs() > 1e-6;
    assert!(
        differ(chosen[0], chosen[1]) && differ(chosen[1], chosen[2]),
        "{chosen:?}"
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
    let mut options = options(&folder.path().join("model"));
    options.schedule = Schedule {
        epochs: 1,
        learning_rate: 1e-12,
        ..options.schedule
    };
    // The simulated risk as a score on another scale: nothing is left to learn.
    let scores = folder.path().join("scores.csv");
    let truth = fs::read_to_string(cohort().join("truth.csv")).unwrap();
    let column = truth
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|name| name == "logit")
        .unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!(
            "{},{}\n",
            cells[0],
            10.0 * cells[column].parse::<f64>().unwrap()
        )
    };
    let rows: String = truth.lines().skip(1).map(row).collect();
    fs::write(&scores, format!("sample_id,PGS1\n{rows}")).unwrap();
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
        message.contains("needs an additive term: leave out --additive none"),
        "{message}"
    );
}
