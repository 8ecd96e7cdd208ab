//! The evaluation as a whole, on files.

use std::{ffi::OsString, fs, path::PathBuf};

use gf_cohort_schema::{
    AucRow, CostRow, GuardRow, GuardVerdict, Prediction, ScoreRow, Split, StratumRow, columns,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::*;
use crate::report;

/// (`sample_id`, split, phenotype, logit) of a sample that every model of a test predicts.
type Row<'a> = (&'a str, &'a str, &'a str, f64);

/// A [`Row`] with its own sample id.
type OwnedRow = (String, &'static str, &'static str, f64);

/// Logit of the n-th sample.
type Logit = fn(usize) -> f64;

/// A folder with predictions files, and the evaluation of them.
struct Study {
    folder: TempDir,
    options: Options,
}

impl Study {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            out: folder.path().join("report"),
            ..Options::default()
        };
        Self { folder, options }
    }

    fn file(mut self, name: &str, rows: &[String]) -> Self {
        let path = self.folder.path().join(name);
        fs::write(
            &path,
            format!(
                "{}\n{}\n",
                columns::<Prediction>()[..7].join(","),
                rows.join("\n")
            ),
        )
        .unwrap();
        self.options.predictions.push(path);
        self
    }

    fn model(self, model: &str, rows: &[Row<'_>]) -> Self {
        let rows: Vec<String> = rows.iter().map(|row| line(model, "", *row)).collect();
        self.file(&format!("{model}.csv"), &rows)
    }

    /// Writes a file into the folder of the predictions.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Text of a file that the evaluation wrote.
    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.options.out.join(name)).unwrap()
    }

    fn run(&self) -> Result<Summary, Error> {
        evaluate_and_write(&self.options)
    }

    fn message(&self) -> String {
        self.run()
            .unwrap_err()
            .to_string()
            .replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn evaluate_and_write(options: &Options) -> Result<Summary, Error> {
    let summary = evaluate(options)?;
    report::write(&options.out, &summary)?;
    Ok(summary)
}

/// The row of a model on a split.
fn row<'a>(summary: &'a Summary, model: &str, split: Split) -> &'a AucRow {
    summary
        .verdict
        .rows
        .iter()
        .find(|row| row.model == model && row.split == split)
        .unwrap()
}

/// The first finding of a guard.
fn guard<'a>(summary: &'a Summary, name: &str) -> &'a GuardRow {
    summary
        .verdict
        .guards
        .iter()
        .find(|row| row.guard == name)
        .unwrap()
}

fn line(model: &str, fold: &str, (sample_id, split, phenotype, logit): Row<'_>) -> String {
    format!("{sample_id},{model},{split},{fold},{phenotype},{logit},0.5")
}

/// Two cases and two controls on a split; `[a, b]` are the cases' logits, `[c, d]` the controls'.
fn four(split: &str, [a, b, c, d]: [f64; 4]) -> Vec<Row<'_>> {
    let names: [&str; 4] = match split {
        "train" => ["R1", "R2", "R3", "R4"],
        "validation" => ["V1", "V2", "V3", "V4"],
        _ => ["T1", "T2", "T3", "T4"],
    };
    names
        .into_iter()
        .zip([a, b, c, d])
        .enumerate()
        .map(|(index, (name, logit))| (name, split, ["case", "control"][index / 2], logit))
        .collect()
}

fn both_splits(validation: [f64; 4], test: [f64; 4]) -> Vec<Row<'static>> {
    [four("validation", validation), four("test", test)].concat()
}

const PERFECT: [f64; 4] = [3.0, 2.0, 1.0, 0.0];

const GOOD: [f64; 4] = [3.0, 1.0, 2.0, 0.0];

const POOR: [f64; 4] = [2.0, 0.0, 3.0, 1.0];

#[test]
fn the_baseline_compared_to_is_the_best_on_validation_and_not_on_test() {
    let study = Study::new()
        .model("prs-dosages", &both_splits(GOOD, POOR))
        .model("prs-apoe", &both_splits(POOR, PERFECT))
        .model("linformer", &both_splits(PERFECT, GOOD));
    let summary = study.run().unwrap();
    assert_eq!(
        summary.comparison,
        Comparison::OnValidation {
            model: "prs-dosages".to_owned(),
            auroc: 0.75,
            n_baselines: 2
        }
    );
    assert!(
        summary
            .comparison
            .to_string()
            .contains("The test split was not used to choose it")
    );
    let order: Vec<_> = summary
        .verdict
        .rows
        .iter()
        .map(|row| (row.split, row.model.as_str()))
        .collect();
    let models = ["prs-apoe", "prs-dosages", "linformer"];
    assert_eq!(
        order,
        [Split::Validation, Split::Test]
            .map(|split| models.map(|model| (split, model)))
            .concat()
    );
    let linformer = &summary.verdict.rows[5];
    assert_eq!(
        (
            linformer.auroc,
            linformer.delta_auroc,
            linformer.compared_to.as_deref()
        ),
        (Some(0.75), Some(0.5), Some("prs-dosages"))
    );
    let baseline = &summary.verdict.rows[4];
    assert_eq!(
        (baseline.auroc, &baseline.compared_to, baseline.delta_auroc),
        (Some(0.25), &None, None)
    );
    assert!(
        summary.verdict.rows[3]
            .reason
            .as_deref()
            .unwrap()
            .contains("perfect separation")
    );
    assert_eq!(study.written("auc.csv").lines().count(), 7);
    assert!(
        study
            .written("roc.csv")
            .starts_with("model,split,threshold,")
    );
}

#[test]
fn the_order_of_files_and_rows_does_not_change_a_byte() {
    let mut first = both_splits(GOOD, POOR);
    let mut second = both_splits(POOR, GOOD);
    let forward = files_of(&Study::new().model("prs-a", &first).model("prs-b", &second));
    first.reverse();
    second.reverse();
    let backward = files_of(&Study::new().model("prs-b", &second).model("prs-a", &first));
    let different: Vec<_> = forward
        .iter()
        .zip(&backward)
        .filter(|(a, b)| a != b)
        .map(|(a, _)| &a.0)
        .collect();
    assert!(
        forward.len() == backward.len() && different.is_empty(),
        "{different:?}"
    );
}

/// Names and texts of all files but the page, which has the digests of the predictions.
fn files_of(study: &Study) -> Vec<(OsString, String)> {
    let summary = evaluate(&study.options).unwrap();
    report::write(&study.options.out, &summary)
        .unwrap()
        .iter()
        .filter(|path| !path.ends_with("report.html"))
        .map(|path| {
            let name = path.file_name().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn people_of_unknown_phenotype_are_left_out_and_counted() {
    let mut rows = four("test", GOOD);
    rows.push(("T5", "test", "", 9.0));
    let summary = Study::new()
        .model("prs-a", &rows)
        .model("linformer", &rows)
        .run()
        .unwrap();
    assert_eq!(summary.people_without_phenotype, 1);
    assert_eq!(
        (
            summary.verdict.rows[0].n_cases,
            summary.verdict.rows[0].n_controls,
            summary.verdict.rows[0].auroc
        ),
        (2, 2, Some(0.75))
    );
    let row = PeopleRow {
        split: Split::Test,
        n_cases: 2,
        n_controls: 2,
        n_without_phenotype: 1,
        n_families: None,
    };
    assert_eq!(summary.verdict.people, [row]);
}

#[test]
fn people_and_families_are_counted_by_split() {
    let mut study = Study::new().model("prs-a", &both_splits(GOOD, POOR));
    let families = [
        ("V1", "F1"),
        ("V2", "F1"),
        ("V3", ""),
        ("V4", "F2"),
        ("T1", ""),
        ("T2", ""),
        ("T3", "F3"),
        ("T4", "F3"),
    ];
    let rows: Vec<String> = families
        .iter()
        .map(|(sample_id, family)| format!("{sample_id},{family}"))
        .collect();
    let cohort = format!("sample_id,family_id\n{}\n", rows.join("\n"));
    study.options.cohort = Some(study.write("cohort.csv", &cohort));
    let people = study.run().unwrap().verdict.people;
    let found: Vec<_> = people
        .iter()
        .map(|row| {
            (
                row.split,
                row.n_people(),
                row.n_cases,
                row.n_controls,
                row.n_families,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (Split::Validation, 4, 2, 2, Some(2)),
            (Split::Test, 4, 2, 2, Some(1))
        ]
    );
}

#[test]
fn models_run_on_different_people_are_not_compared() {
    let mut rows = four("test", GOOD);
    rows.push(("T5", "test", "case", 9.0));
    let message = Study::new()
        .model("prs-a", &four("test", POOR))
        .model("linformer", &rows)
        .message();
    assert!(
        message.contains(
            "(4 in both, 1 only in linformer, 0 only in prs-a). For example, T5 is not in prs-a."
        ),
        "{message}"
    );
}

#[test]
fn contradicting_or_repeated_rows_are_refused() {
    let rows = four("test", GOOD);
    let repeated = Study::new()
        .model("prs-a", &rows)
        .file("again.csv", &[line("prs-a", "", rows[0])])
        .message();
    assert!(
        repeated
            .starts_with("again.csv: sample T1 is predicted twice by prs-a (first in prs-a.csv)"),
        "{repeated}"
    );
    let split = Study::new()
        .model("prs-a", &rows)
        .model("m", &four("train", GOOD))
        .file("x.csv", &[line("m", "", ("T1", "train", "case", 1.0))]);
    assert!(
        split
            .message()
            .starts_with("x.csv: sample T1 is in split train, but in split test in prs-a.csv"),
        "{}",
        split.message()
    );
    let phenotype = Study::new()
        .model("prs-a", &rows)
        .file("x.csv", &[line("m", "", ("T1", "test", "", 1.0))])
        .message();
    assert!(
        phenotype.starts_with("x.csv: sample T1 is of unknown phenotype, but case in prs-a.csv"),
        "{phenotype}"
    );
}

#[test]
fn one_class_is_an_empty_value_on_validation_but_an_error_on_test_or_everywhere() {
    let cases_of_validation = &four("validation", GOOD)[..2];
    let cases_of_test = &four("test", GOOD)[..2];
    let cases_of_train = &four("train", GOOD)[..2];
    let summary = Study::new()
        .model("m", &[cases_of_validation, &four("test", GOOD)].concat())
        .run()
        .unwrap();
    assert_eq!(
        (
            summary.verdict.rows[0].n_cases,
            summary.verdict.rows[0].auroc,
            summary.verdict.rows[0].ci_low
        ),
        (2, None, None)
    );
    assert!(
        summary.verdict.rows[0]
            .reason
            .as_deref()
            .unwrap()
            .contains("AUC undefined with 2 cases and 0 controls")
    );
    let on_test = Study::new()
        .model("m", &[&four("validation", GOOD), cases_of_test].concat())
        .message();
    assert!(
        on_test.contains("split test: the AUC of m is undefined with 2 cases and 0 controls"),
        "{on_test}"
    );
    assert!(
        Study::new()
            .model("m", cases_of_train)
            .message()
            .contains("no split has both cases and controls")
    );
}

#[test]
fn several_folds_of_one_person_are_averaged_and_counted() {
    let rows = four("test", GOOD);
    let mut lines: Vec<String> = rows.iter().map(|row| line("m", "0", *row)).collect();
    lines.push(line("m", "1", ("T2", "test", "case", 5.0)));
    let summary = Study::new().file("folds.csv", &lines).run().unwrap();
    assert_eq!(summary.people_averaged_over_folds, 1);
    assert_eq!(
        (
            summary.verdict.rows[0].n_cases,
            summary.verdict.rows[0].auroc
        ),
        (2, Some(1.0))
    );
    lines.push(line("m", "1", ("T2", "test", "case", 6.0)));
    assert!(
        Study::new()
            .file("folds.csv", &lines)
            .message()
            .contains("predicted twice by m, fold 1")
    );
}

#[test]
fn what_to_compare_to_can_be_named_and_must_be_there() {
    let mut study = Study::new()
        .model("prs-a", &four("test", POOR))
        .model("prs-b", &four("test", GOOD));
    let comparison = study.run().unwrap().comparison.to_string();
    assert!(comparison.contains(
        "no validation split decides between the baselines prs-a, prs-b. Name one with \
         --compare-to"
    ));
    study.options.compare_to = Some("prs-b".to_owned());
    assert_eq!(
        study.run().unwrap().verdict.rows[0].compared_to.as_deref(),
        Some("prs-b")
    );
    study.options.compare_to = Some("prs-c".to_owned());
    assert_eq!(
        study.message(),
        "no predictions of the reference model `prs-c`; choose one of prs-a, prs-b"
    );
}

#[test]
fn without_a_baseline_nothing_is_compared_and_a_single_one_needs_no_validation() {
    let alone = Study::new()
        .model("linformer", &four("test", GOOD))
        .run()
        .unwrap();
    assert_eq!(
        (
            &alone.comparison,
            alone.verdict.rows[0].auroc,
            &alone.verdict.rows[0].compared_to
        ),
        (&Comparison::None, Some(0.75), &None)
    );
    let single = Study::new()
        .model("linformer", &four("test", GOOD))
        .model("prs-a", &four("test", GOOD))
        .run()
        .unwrap();
    assert_eq!(
        single.comparison,
        Comparison::OnlyBaseline {
            model: "prs-a".to_owned()
        }
    );
    assert_eq!(
        (
            single.verdict.rows[1].delta_auroc,
            single.verdict.rows[1].p_value
        ),
        (Some(0.0), None)
    );
    assert!(
        single.verdict.rows[1]
            .reason
            .as_deref()
            .unwrap()
            .contains("the variance of the difference to prs-a is zero")
    );
}

#[test]
fn a_cost_beside_the_predictions_comes_into_the_table() {
    let study = Study::new()
        .model("linformer", &four("test", GOOD))
        .model("prs-a", &four("test", POOR));
    let cost = study.write("cost.csv", &cost_csv("5500.0"));
    let summary = study.run().unwrap();
    assert_eq!(summary.sidecar_files.paths().collect::<Vec<_>>(), [&cost]);
    let auc_csv = study.written("auc.csv");
    let lines: Vec<&str> = auc_csv.lines().collect();
    assert!(
        lines[2].starts_with("linformer,") && lines[2].contains(",27777,1000,2000,5500.0,200000,"),
        "{auc_csv}"
    );
    assert!(
        lines[1].starts_with("prs-a,") && lines[1].contains(",,,,,"),
        "{auc_csv}"
    );
    // Another folder states a different cost.
    let other = study.folder.path().join("other");
    fs::create_dir(&other).unwrap();
    study.write("other/cost.csv", &cost_csv("1.0"));
    fs::rename(
        study.folder.path().join("prs-a.csv"),
        other.join("prs-a.csv"),
    )
    .unwrap();
    let mut options = study.options.clone();
    options.predictions[1] = other.join("prs-a.csv");
    let message = evaluate(&options).unwrap_err().to_string();
    assert!(
        message.contains("cost.csv: the cost of linformer differs"),
        "{message}"
    );
}

/// `cost.csv` of a model with this energy in pJ.
fn cost_csv(energy: &str) -> String {
    format!(
        "{}\nlinformer,27777,1000,2000,{energy},200000\n",
        columns::<CostRow>().join(",")
    )
}

#[test]
fn a_model_without_the_compared_baseline_on_a_split_says_so() {
    let rows = [four("train", GOOD), four("test", GOOD)].concat();
    let summary = Study::new()
        .model("linformer", &rows)
        .model("prs-a", &four("test", POOR))
        .run()
        .unwrap();
    assert_eq!(
        (
            summary.verdict.rows[0].split,
            summary.verdict.rows[0].delta_auroc
        ),
        (Split::Train, None)
    );
    assert!(
        summary.verdict.rows[0]
            .reason
            .as_ref()
            .unwrap()
            .starts_with("not compared because prs-a has no predictions on this split")
    );
}

/// `n` samples of each split, half of them cases. The logit is about standard normal noise by
/// `seed`, plus `shift` for cases.
fn many(n: usize, shift: f64, seed: u64) -> Vec<OwnedRow> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Vec::new();
    for (split, name) in [("train", "R"), ("validation", "V"), ("test", "T")] {
        for person in 0..n {
            let phenotype = ["case", "control"][person % 2];
            let noise = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
            rows.push((
                format!("{name}{person:03}"),
                split,
                phenotype,
                noise + if person % 2 == 0 { shift } else { 0.0 },
            ));
        }
    }
    rows
}

fn borrowed(rows: &[OwnedRow]) -> Vec<Row<'_>> {
    rows.iter()
        .map(|(id, split, phenotype, logit)| (id.as_str(), *split, *phenotype, *logit))
        .collect()
}

#[test]
fn the_best_score_and_the_best_model_on_validation_are_stacked_for_the_test_split() {
    let study = five_models();
    let summary = study.run().unwrap();
    let stacked = summary.stacked.as_ref().unwrap();
    let terms: Vec<&str> = stacked
        .terms
        .iter()
        .map(|term| term.name.as_str())
        .collect();
    assert_eq!(
        (terms, stacked.n_validation),
        (vec!["intercept", "prs-a-no-apoe", "linformer"], 200)
    );
    let rows: Vec<&AucRow> = summary
        .verdict
        .rows
        .iter()
        .filter(|row| row.model == "stacked")
        .collect();
    assert_eq!(
        (rows.len(), rows[0].split, rows[0].row),
        (1, Split::Test, Some(5))
    );
    assert_eq!(rows[0].compared_to.as_deref(), Some("prs-b"));
    for predictor in ["prs-a-no-apoe", "linformer"] {
        assert!(
            rows[0].auroc > row(&summary, predictor, Split::Test).auroc,
            "the two are independent"
        );
    }
}

/// Two scores without APOE, one score and two sequence models, with independent noise.
fn five_models() -> Study {
    [
        ("prs-a-no-apoe", 0.7, 1),
        ("prs-b-no-apoe", 0.1, 2),
        ("prs-b", 1.5, 3),
        ("linformer", 0.9, 4),
        ("performer", 0.2, 5),
    ]
    .iter()
    .fold(Study::new(), |study, (model, shift, seed)| {
        study.model(model, &borrowed(&many(200, *shift, *seed)))
    })
}

#[test]
fn the_stacked_model_is_in_all_tables_and_its_file_goes_with_it() {
    let study = five_models();
    study.run().unwrap();
    let csv = study.written("stacked.csv");
    assert!(
        csv.starts_with("term,coefficient,standard_error,n_validation\nintercept,")
            && csv.lines().count() == 4,
        "{csv}"
    );
    for table in [
        "roc.csv",
        "calibration.csv",
        "deciles.csv",
        "distribution.csv",
    ] {
        assert!(study.written(table).contains("\nstacked,test,"), "{table}");
    }
    // Without a model there is nothing to stack, and no file of an earlier run.
    let options = Options {
        predictions: study.options.predictions[..3].to_vec(),
        ..study.options.clone()
    };
    let summary = evaluate_and_write(&options).unwrap();
    assert!(
        summary
            .stacked
            .unwrap_err()
            .contains("no sequence model (row 4)")
            && !options.out.join("stacked.csv").exists()
    );
}

/// Two models with a cohort table (sex, age) and APOE genotypes.
fn study_with_strata() -> Study {
    let mut study = Study::new()
        .model("prs-a", &borrowed(&many(60, 0.8, 1)))
        .model("linformer", &borrowed(&many(60, 0.8, 2)));
    let mut cohort = vec!["sample_id,phenotype,split,sex,age\n".to_owned()];
    let mut apoe = vec!["sample_id,apoe\n".to_owned()];
    for (n, (id, split, phenotype, _)) in many(60, 0.0, 1).iter().enumerate() {
        let sex = ["male", "female", "female", ""][n / 2 % 4];
        cohort.push(format!("{id},{phenotype},{split},{sex},{n}\n"));
        let genotype = if id.ends_with('3') { "" } else { "e3/e3" };
        apoe.push(format!("{id},{genotype}\n"));
    }
    study.write("apoe.csv", &apoe.concat());
    study.options.cohort = Some(study.write("cohort.csv", &cohort.concat()));
    study
}

#[test]
fn strata_are_columns_of_the_cohort_and_of_apoe() {
    let rows = study_with_strata().run().unwrap().verdict.strata;
    let of_test: Vec<(&str, &str, &str)> = rows
        .iter()
        .filter(|row| row.split == Split::Test)
        .map(|row| (row.stratum.as_str(), row.level.as_str(), row.model.as_str()))
        .collect();
    let levels = [
        ("sex", "female"),
        ("sex", "male"),
        ("sex", "unknown"),
        ("apoe", "e3/e3"),
        ("apoe", "unknown"),
    ];
    let models = ["prs-a", "linformer", "stacked"];
    assert_eq!(
        of_test,
        levels
            .map(|(name, level)| models.map(|model| (name, level, model)))
            .concat()
    );
    let women: Vec<&StratumRow> = rows
        .iter()
        .filter(|row| row.split == Split::Test && row.level == "female")
        .collect();
    assert_eq!(
        (
            women[1].n_cases,
            women[1].n_controls,
            women[1].compared_to.as_deref()
        ),
        (15, 15, Some("prs-a"))
    );
    assert!(women[1].p_value.is_some() && women[0].p_value.is_none());
    // All samples without the last APOE genotype are controls.
    assert!(
        rows.last()
            .unwrap()
            .reason
            .as_deref()
            .unwrap()
            .contains("AUC undefined with 0 cases")
    );
}

#[test]
fn a_measurement_is_divided_into_quarters() {
    let mut study = study_with_strata();
    study.options.strata = Some(vec!["age".to_owned()]);
    let rows = study.run().unwrap().verdict.strata;
    let of_test = rows
        .iter()
        .filter(|row| row.split == Split::Test && row.model == "prs-a");
    let quarters: Vec<(&str, usize)> = of_test
        .map(|row| (row.level.as_str(), row.n_cases + row.n_controls))
        .collect();
    assert_eq!(
        quarters,
        [("90 to below 135", 15), ("135 or more", 45)],
        "those of everyone predicted"
    );
}

#[test]
fn columns_that_are_no_strata_are_refused() {
    let mut study = study_with_strata();
    study.options.strata = Some(vec!["sample_id".to_owned()]);
    assert!(
        study
            .message()
            .contains("stratum `sample_id` has 180 different texts, more than 50"),
        "{}",
        study.message()
    );
    study.options.strata = Some(vec!["ancestry".to_owned()]);
    assert!(
        study
            .message()
            .contains("stratum `ancestry` does not exist"),
        "{}",
        study.message()
    );
    study.write("cohort.csv", "sample_id,phenotype,split\nR000,case,train\n");
    assert!(
        study.message().contains(
            "179 of the 180 samples with predictions are not in this table (for example R001)"
        ),
        "{}",
        study.message()
    );
}

/// `cohort.csv` of [`many`] with a further column.
fn cohort_of_many(n: usize, name: &str, cell: impl Fn(usize, &str) -> String) -> String {
    let mut lines = vec![format!("sample_id,phenotype,split,{name}\n")];
    for (number, (id, split, phenotype, _)) in many(n, 0.0, 1).iter().enumerate() {
        let further = cell(number, phenotype);
        lines.push(format!("{id},{phenotype},{split},{further}\n"));
    }
    lines.concat()
}

const SSCORE_HEADER: &str =
    "#FID\tIID\tPHENO1\tALLELE_CT\tNAMED_ALLELE_DOSAGE_SUM\tAD_AVG\tAD_SUM\n";

/// Lines of plink2's `.sscore` for `many(60, 0.8, 1)`.
fn sscore_lines() -> Vec<String> {
    many(60, 0.8, 1)
        .iter()
        .map(|(id, .., score)| format!("{id}\t{id}\t-9\t10\t4\t0.5\t{score}\n"))
        .collect()
}

/// An `.sscore` of these lines, with a cohort table.
fn study_of_sscore(lines: &str) -> Study {
    let mut study = Study::new();
    let scores = study.write("scores.sscore", &format!("{SSCORE_HEADER}{lines}"));
    let cohort = cohort_of_many(60, "age", |number, _| number.to_string());
    study.options.predictions = vec![scores];
    study.options.cohort = Some(study.write("cohort.csv", &cohort));
    study
}

fn aucs(summary: &Summary) -> Vec<(Split, Option<f64>, Option<u8>)> {
    let rows = summary.verdict.rows.iter();
    rows.map(|row| (row.split, row.auroc, row.row)).collect()
}

#[test]
fn scores_of_another_program_get_phenotype_and_split_from_the_cohort() {
    let own = Study::new()
        .model("prs-a", &borrowed(&many(60, 0.8, 1)))
        .run()
        .unwrap();
    let stranger = "stranger\tstranger\t-9\t10\t4\t0.5\t1\n";
    let study = study_of_sscore(&format!("{}{stranger}", sscore_lines().concat()));
    let found = study.run().unwrap();
    assert_eq!(aucs(&found), aucs(&own));
    let last = found.verdict.rows.last().unwrap();
    assert_eq!(
        (last.model.as_str(), last.brier, last.calibration_slope),
        ("AD", None, None),
        "a score is no probability"
    );
    assert!(
        last.reason
            .as_ref()
            .unwrap()
            .contains("calibration undefined: the table has scores but no probabilities"),
        "{last:?}"
    );
    assert!(found.verdict.calibration.is_empty() && !found.verdict.deciles.is_empty());
    let readings = found.readings.join("\n");
    for expected in [
        "scores are read from 1 column, AD_SUM",
        "AD is read as score (change it with --role AD=ROLE",
        "1 sample not in the cohort table left out",
    ] {
        assert!(readings.contains(expected), "{readings}");
    }
    for name in [
        "person-in-two-splits",
        "phenotype-differs",
        "identical-scores",
    ] {
        assert_eq!(
            guard(&found, name).verdict,
            GuardVerdict::NotRun,
            "{name} had nothing to compare"
        );
    }
}

#[test]
fn samples_that_scores_or_cohort_lack_are_reported() {
    let lines = sscore_lines();
    let score = lines[1].trim_end().rsplit('\t').next().unwrap();
    let without_score = lines[1].replace(score, "NA");
    let mut study = study_of_sscore(&format!("{without_score}{}", lines[2..].concat()));
    let readings = study.run().unwrap().readings.join("\n");
    assert!(
        readings.contains("1 sample without a score in one of the tables left out"),
        "{readings}"
    );
    assert!(
        readings.contains("samples of the cohort table have no prediction, such as "),
        "{readings}"
    );
    study.write("scores.sscore", "IID score\nF_A 1\n");
    assert!(study.message().contains(
        "no sample, such as `F_A`, is in the cohort table, whose samples are named like"
    ));
    study.options.cohort = None;
    study.write("scores.sscore", "IID score\nA 1\n");
    assert!(study.message().contains(
        "scores.sscore: sample A has no phenotype; give the cohort table with the column phenotype \
         (--cohort)"
    ));
}

#[test]
fn a_cohort_that_is_all_test_needs_neither_split_nor_validation() {
    let scores = many(40, 1.0, 1)
        .iter()
        .map(|(id, _, _, score)| format!("{id},{score}\n"))
        .collect::<Vec<_>>()
        .concat();
    let cohort = many(40, 1.0, 1)
        .iter()
        .map(|(id, _, phenotype, _)| format!("{id},{phenotype}\n"))
        .collect::<Vec<_>>()
        .concat();
    let mut study = Study::new();
    let changed_scores = scores.replace(",-", ",0");
    study.options.predictions = vec![
        study.write("PGS000001.csv", &format!("sample_id,score\n{scores}")),
        study.write(
            "PGS000002.csv",
            &format!("sample_id,score\n{changed_scores}"),
        ),
    ];
    let cohort = study.write("cohort.csv", &format!("sample_id,phenotype\n{cohort}"));
    study.options.cohort = Some(cohort);
    let summary = study.run().unwrap();
    let rows: Vec<(&str, Split, usize)> = summary
        .verdict
        .rows
        .iter()
        .map(|row| (row.model.as_str(), row.split, row.n_cases))
        .collect();
    assert_eq!(
        rows,
        [
            ("PGS000001", Split::Test, 60),
            ("PGS000002", Split::Test, 60)
        ]
    );
    assert!(summary.readings.iter().any(|said| {
        said.contains("no table has a split for 120 samples, so the test split is assumed")
    }));
}

#[test]
fn a_role_is_stated_by_the_table_or_an_option_and_not_by_a_prefix() {
    let mut study = Study::new();
    for (name, role, seed) in [("ldpred2", "score", 1), ("prs-deep", "sequence-model", 2)] {
        let mut lines = vec![columns::<Prediction>().join(",")];
        for row in borrowed(&many(60, 0.8, seed)) {
            lines.push(format!("{},{role}", line(name, "", row)));
        }
        let table = format!("{}\n", lines.join("\n"));
        let path = study.write(&format!("{name}.csv"), &table);
        study.options.predictions.push(path);
    }
    let summary = study.run().unwrap();
    assert_eq!(
        summary.comparison,
        Comparison::OnlyBaseline {
            model: "ldpred2".into()
        }
    );
    assert!(summary.readings.is_empty(), "{:?}", summary.readings);
    assert_eq!(row(&summary, "ldpred2", Split::Test).row, Some(3));
    assert_eq!(row(&summary, "prs-deep", Split::Test).row, Some(4));
    study.options.layout.roles = vec!["ldpred2=covariates".parse().unwrap()];
    let summary = study.run().unwrap();
    assert_eq!(row(&summary, "ldpred2", Split::Test).row, Some(0));
}

#[test]
fn a_file_that_was_cut_is_refused() {
    let both = [lines_of("prs-a"), lines_of("linformer")].concat();
    // At the end of a line, so the last model lacks samples.
    let cut = Study::new().file("p.csv", &both[..both.len() - 3]);
    let expected = "p.csv: linformer lacks 3 of the 180 samples that prs-a predicts in this file \
                    (for example T057). The file may be truncated";
    assert!(cut.message().contains(expected), "{}", cut.message());
    // In the middle of a number.
    let whole = Study::new().file("p.csv", &both);
    let path = &whole.options.predictions[0];
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, &text[..text.len() - 3]).unwrap();
    assert!(
        whole
            .message()
            .contains("p.csv: the last line has no line break"),
        "{}",
        whole.message()
    );
    // Two files without a baseline are compared on the same samples, too.
    let apart = Study::new()
        .file("a.csv", &lines_of("linformer"))
        .file("b.csv", &lines_of("primer")[..100]);
    assert!(
        apart.message().contains("were not run on the same samples"),
        "{}",
        apart.message()
    );
}

/// Lines of a model with the scores of `many(60, 0.8, 1)`.
fn lines_of(model: &str) -> Vec<String> {
    borrowed(&many(60, 0.8, 1))
        .into_iter()
        .map(|row| line(model, "", row))
        .collect()
}

#[test]
fn principal_components_of_the_cohort_are_compared_with_even_if_they_are_no_covariates() {
    let confounded = stratification_with_pc1(2.0);
    assert_eq!(
        (confounded.verdict, confounded.subject.as_str()),
        (GuardVerdict::Fail, "prs-a"),
        "{confounded:?}"
    );
    let harmless = stratification_with_pc1(0.0);
    assert!(
        harmless.verdict == GuardVerdict::Pass && harmless.finding.contains("not above 0.5"),
        "{harmless:?}"
    );
    let without = Study::new()
        .model("prs-a", &borrowed(&many(100, 0.6, 1)))
        .run()
        .unwrap();
    let row = guard(&without, "stratification");
    assert!(
        row.verdict == GuardVerdict::NotRun && row.finding.contains("PC1, PC2, ... (--cohort)"),
        "{row:?}"
    );
}

/// The guard `stratification` where PC1 is noise plus `shift` for cases.
fn stratification_with_pc1(shift: f64) -> GuardRow {
    let mut study = Study::new().model("prs-a", &borrowed(&many(100, 0.6, 1)));
    let noise = many(100, shift, 7);
    let cohort = cohort_of_many(100, "PC1", |number, _| noise[number].3.to_string());
    study.options.cohort = Some(study.write("cohort.csv", &cohort));
    guard(&study.run().unwrap(), "stratification").clone()
}

#[test]
fn own_baselines_that_agree_are_not_accused() {
    let rows = many(60, 0.8, 1);
    let study = Study::new()
        .model("prs-ct", &borrowed(&rows))
        .model("prs-elastic-net", &borrowed(&rows));
    let guards = study.run().unwrap().verdict.guards;
    let identical: Vec<_> = guards
        .iter()
        .filter(|row| row.guard == "identical-scores")
        .collect();
    assert!(
        identical
            .iter()
            .all(|row| row.verdict == GuardVerdict::Pass),
        "{identical:?}"
    );
    assert!(identical[0].finding.contains(
        "predicts the same as prs-ct for all 60 samples, so the two baselines count as one"
    ));
}

#[test]
fn one_of_something_is_in_the_singular() {
    let mut rows = four("test", GOOD);
    rows.push(("V1", "validation", "case", 1.0));
    let summary = Study::new().model("m", &rows).run().unwrap();
    let reason = summary.verdict.rows[0].reason.as_deref().unwrap();
    assert!(
        reason.contains("AUC undefined with 1 case and 0 controls"),
        "{reason}"
    );
}

/// Lines of a model with five folds of the training and validation splits, which depend on
/// `repeat`.
fn in_folds(model: &str, rows: &[OwnedRow], repeat: usize) -> Vec<String> {
    borrowed(rows)
        .into_iter()
        .enumerate()
        .map(|(n, row)| {
            let fold = if row.1 == "test" {
                String::new()
            } else {
                ((n / 2 + repeat * (n / 10)) % 5 + 1).to_string()
            };
            line(model, &fold, row)
        })
        .collect()
}

#[test]
fn repeated_cross_validation_has_the_corrected_test() {
    let first = many(100, 0.9, 1);
    let second: Vec<_> = first
        .iter()
        .cloned()
        .map(|(id, split, phenotype, logit)| (id, split, phenotype, logit + 0.1 * logit.sin()))
        .collect();
    let study = Study::new()
        .file("r1.csv", &in_folds("linformer", &first, 0))
        .file("r2.csv", &in_folds("linformer", &second, 1))
        .model("prs-a", &borrowed(&many(100, 0.3, 2)));
    let summary = study.run().unwrap();
    assert_eq!(summary.verdict.folds.len(), 10);
    assert!(
        summary
            .verdict
            .folds
            .iter()
            .all(|row| row.n_cases + row.n_controls == 40 && row.delta_auroc.is_some())
    );
    let test = &summary.corrected_tests[0];
    assert_eq!(
        (
            summary.corrected_tests.len(),
            test.n_folds,
            test.df,
            test.favours_compared_to
        ),
        (1, 10, 9, true)
    );
    assert!(
        test.mean_delta > 0.0 && test.t.unwrap() > 1.0 && test.p_value.unwrap() > 0.05,
        "{test:?}"
    );
    let text = summary.to_string();
    assert!(
        text.contains("linformer over 10 folds: mean AUC difference +")
            && text.contains("which favours it"),
        "{text}"
    );
    // A copy is no repeat.
    let copied = Study::new()
        .file("r1.csv", &in_folds("linformer", &first, 0))
        .file("r2.csv", &in_folds("linformer", &first, 0));
    assert!(
        copied.message().contains(
            "r2.csv: sample R000 is predicted twice by linformer, fold 1 (first in r1.csv)"
        ),
        "{}",
        copied.message()
    );
}

#[test]
fn ten_people_ties_and_a_perfect_score_have_all_tables_but_no_calibration() {
    let mut study = ten_people();
    for bootstrap in [None, Some(200)] {
        study.options.bootstrap = bootstrap;
        study.options.prevalence = Some(0.02);
        let summary = study.run().unwrap();
        let perfect = row(&summary, "perfect", Split::Test);
        assert_eq!(
            (perfect.auroc, perfect.auprc, perfect.or_per_sd),
            (Some(1.0), Some(1.0), None)
        );
        assert!(perfect.reason.as_ref().unwrap().contains("separated"));
        let constant = row(&summary, "constant", Split::Test);
        assert_eq!((constant.auroc, constant.liability_r2), (Some(0.5), None));
        let tied = row(&summary, "prs-tied", Split::Test);
        assert!(tied.or_per_sd.is_some());
        assert!(summary.verdict.deciles.is_empty() && summary.verdict.calibration.is_empty());
        for row in &summary.verdict.rows {
            assert_eq!(
                (row.calibration_slope, row.calibration_intercept),
                (None, None)
            );
            assert!(
                row.reason.as_ref().unwrap().contains(
                    "calibration and deciles undefined: 5 cases and 5 controls are too few"
                )
            );
        }
        assert!(
            summary.require_no_leakage(GuardPolicy::Error).is_ok(),
            "{summary}"
        );
    }
}

/// Three models of five cases and five controls.
fn ten_people() -> Study {
    let logits: [(&str, Logit); 3] = [
        ("prs-tied", |n| (n / 4) as f64),
        ("perfect", |n| 1.0 - (n % 2) as f64 * 2.0 + n as f64 * 0.01),
        ("constant", |_| 0.25),
    ];
    let mut study = Study::new();
    for (model, logit) in logits {
        let rows: Vec<OwnedRow> = (0..10)
            .map(|n| {
                (
                    format!("P{n}"),
                    "test",
                    ["case", "control"][n % 2],
                    logit(n),
                )
            })
            .collect();
        study = study.model(model, &borrowed(&rows));
    }
    study
}

#[test]
fn options_out_of_range_are_refused() {
    let mut study = Study::new().model("prs-a", &four("test", GOOD));
    study.options.bootstrap = Some(5);
    assert!(
        study.message().contains("5 resamples are too few"),
        "{}",
        study.message()
    );
    study.options.bootstrap = None;
    study.options.prevalence = Some(5.0);
    assert!(
        study
            .message()
            .contains("a prevalence of 5 is not between 0 and 1"),
        "{}",
        study.message()
    );
}

#[test]
fn match_rates_and_guards_of_other_stages_come_into_the_tables() {
    let mut study = Study::new()
        .model("prs-a", &four("test", GOOD))
        .model("prs-b", &four("test", POOR));
    let scores = format!(
        "{}\nprs-a,a,,,GRCh38,false,100,93,0.93,\n",
        columns::<ScoreRow>().join(",")
    );
    study.write("scores.csv", &scores);
    study.write(
        "guards.csv",
        "guard,verdict,subject,finding\nkinship,fail,cohort,2 pairs\n",
    );
    study.options.compare_to = Some("prs-a".to_owned());
    let summary = study.run().unwrap();
    assert_eq!(
        [0, 1].map(|row| summary.verdict.rows[row].match_rate),
        [Some(0.93), None]
    );
    let message = summary
        .require_no_leakage(GuardPolicy::Error)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with(
            "a guard found leakage, so the comparison is not valid: kinship (cohort: 2 pairs)"
        ),
        "{message}"
    );
    assert!(summary.require_no_leakage(GuardPolicy::Warn).is_ok());
    // Into the folder of the predictions: its guards are kept, and not doubled by a second run.
    study.options.out = study.folder.path().to_path_buf();
    let n_guards = study.run().unwrap().verdict.guards.len();
    assert_eq!(
        (n_guards, study.run().unwrap().verdict.guards.len()),
        (summary.verdict.guards.len(), n_guards)
    );
}
