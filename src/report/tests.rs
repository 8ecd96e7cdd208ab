//! A report of ten models from rows made here.

use std::fs;

use gf_cohort_schema::{
    AucRow, CalibrationRow, DecileRow, DistributionRow, GuardRow, GuardVerdict, RocPoint, ScoreRow,
    Split, StratumRow, TrainingRow,
};
use serde_json::{Value, json};

use super::{figures::figures, *};
use crate::evaluation::{
    AgeSummary, GroupCount, GroupSize, ScoreDensity, SplitCharacteristics, TrainingLog,
};

const MODELS: [&str; 10] = [
    "prs-covariates",
    "prs-apoe",
    "prs-dosages-no-apoe",
    "prs-dosages",
    "prs-PGS000334",
    "linformer",
    "transformer",
    "low-rank-transformer",
    "primer",
    "stacked",
];

/// Ten models on two splits, each better than the one before it.
pub fn verdict() -> Verdict {
    let mut verdict = Verdict {
        strata: strata(),
        guards: guards(),
        people: people(),
        characteristics: characteristics(),
        ancestry_densities: densities(),
        comparison: "Compared to prs-dosages, as asked for.".to_owned(),
        ..Verdict::default()
    };
    for split in [Split::Validation, Split::Test] {
        for (index, model) in MODELS.into_iter().enumerate() {
            let auroc = 0.55 + 0.02 * index as f64;
            verdict.rows.push(auc_row(model, split, auroc));
            verdict.roc.extend(roc_points(model, split, auroc));
            for tenth in 1..=10 {
                verdict
                    .calibration
                    .push(calibration_row(model, split, tenth));
                verdict.deciles.push(decile_row(model, split, tenth));
            }
            verdict.distribution.extend(histogram(model, split));
        }
    }
    verdict
}

fn auc_row(model: &str, split: Split, auroc: f64) -> AucRow {
    let delta = auroc - 0.61;
    let compared = model != "prs-dosages";
    AucRow {
        auroc: Some(auroc),
        ci_low: Some(auroc - 0.05),
        ci_high: Some(auroc + 0.05),
        compared_to: compared.then(|| "prs-dosages".to_owned()),
        delta_auroc: compared.then_some(delta),
        delta_ci_low: compared.then_some(delta - 0.04),
        delta_ci_high: compared.then_some(delta + 0.04),
        p_value: compared.then_some(0.012),
        parameters: Some(27_777),
        multiplications: Some(1_000_000),
        additions: Some(2_000_000),
        energy_pj: Some(5_500_000.0),
        bytes: Some(2_000_000),
        auprc: Some(0.6),
        or_per_sd: Some(1.5),
        or_ci_low: Some(1.3),
        or_ci_high: Some(1.8),
        brier: Some(0.2),
        ..AucRow::undefined(model, split, 400, 600)
    }
}

/// 1001 corners of a smooth curve.
fn roc_points(model: &str, split: Split, auroc: f64) -> impl Iterator<Item = RocPoint> {
    (0..=1000).map(move |corner| {
        let false_positive_rate = f64::from(corner) / 1000.0;
        RocPoint {
            model: model.to_owned(),
            split,
            threshold: (corner > 0).then_some(3.0 - false_positive_rate),
            false_positive_rate,
            true_positive_rate: false_positive_rate.powf(1.0 - auroc),
        }
    })
}

fn calibration_row(model: &str, split: Split, tenth: u32) -> CalibrationRow {
    let probability = f64::from(tenth) / 12.0;
    CalibrationRow {
        model: model.to_owned(),
        split,
        bin: tenth as usize,
        n: 100,
        mean_probability: probability,
        mean_recalibrated: Some(0.2 + 0.6 * probability),
        observed: 0.25 + 0.5 * probability,
        ci_low: 0.2 + 0.45 * probability,
        ci_high: 0.3 + 0.55 * probability,
    }
}

fn decile_row(model: &str, split: Split, tenth: u32) -> DecileRow {
    let is_reference = [5, 6].contains(&tenth);
    let odds_ratio = if is_reference {
        1.0
    } else {
        (f64::from(tenth) / 5.5).powf(1.3)
    };
    DecileRow {
        model: model.to_owned(),
        split,
        decile: tenth as usize,
        n_cases: 30 + 2 * tenth as usize,
        n_controls: 70 - 2 * tenth as usize,
        odds_ratio: Some(odds_ratio),
        ci_low: (!is_reference).then_some(odds_ratio / 1.7),
        ci_high: (!is_reference).then_some(odds_ratio * 1.7),
    }
}

/// Twenty bars of normal curves around 11.5 (cases) and 8.5 (controls).
fn histogram(model: &str, split: Split) -> impl Iterator<Item = DistributionRow> {
    (0..20_u32).map(move |bar| DistributionRow {
        model: model.to_owned(),
        split,
        logit_low: -2.0 + 0.2 * f64::from(bar),
        logit_high: -1.8 + 0.2 * f64::from(bar),
        n_cases: height_of_bar(bar, 11.5),
        n_controls: height_of_bar(bar, 8.5),
    })
}

fn height_of_bar(bar: u32, centre: f64) -> usize {
    (100.0 * (-(f64::from(bar) - centre).powi(2) / 18.0).exp()) as usize
}

fn strata() -> Vec<StratumRow> {
    [("sex", "female"), ("sex", "male"), ("apoe", "e3/e3")]
        .map(|(stratum, level)| StratumRow {
            stratum: stratum.to_owned(),
            level: level.to_owned(),
            model: "linformer".to_owned(),
            split: Split::Test,
            n_cases: 120,
            n_controls: 180,
            auroc: Some(0.64),
            ci_low: Some(0.58),
            ci_high: Some(0.7),
            compared_to: Some("prs-dosages".to_owned()),
            delta_auroc: Some(0.02),
            delta_ci_low: Some(-0.03),
            delta_ci_high: Some(0.07),
            p_value: Some(0.4),
            reason: None,
        })
        .to_vec()
}

fn people() -> Vec<PeopleRow> {
    [(Split::Validation, 0), (Split::Test, 1_234)]
        .map(|(split, n_without_phenotype)| PeopleRow {
            split,
            n_cases: 400,
            n_controls: 600,
            n_without_phenotype,
            n_families: Some(912),
        })
        .to_vec()
}

fn characteristics() -> Vec<SplitCharacteristics> {
    [Split::Validation, Split::Test]
        .map(|split| SplitCharacteristics {
            split,
            age: Some(AgeSummary {
                mean: 71.26,
                sd: 8.04,
                n: 1_000,
            }),
            groups: vec![
                group("sex", "female", GroupSize::Exact(520)),
                group("ancestry", "EUR", GroupSize::Withheld),
                group("ancestry", "EAS", GroupSize::BelowFive),
            ],
        })
        .to_vec()
}

fn group(characteristic: &str, level: &str, n: GroupSize) -> GroupCount {
    GroupCount {
        characteristic: characteristic.to_owned(),
        level: level.to_owned(),
        n,
    }
}

fn densities() -> Vec<ScoreDensity> {
    let points: Vec<(f64, f64)> = (-4..=4)
        .map(|x| (f64::from(x), (-f64::from(x).powi(2)).exp()))
        .collect();
    [("primer", "EUR"), ("primer", "EAS"), ("prs-dosages", "EUR")]
        .map(|(model, ancestry)| ScoreDensity {
            ancestry: ancestry.to_owned(),
            model: model.to_owned(),
            split: Split::Test,
            n: 500,
            points: points.clone(),
        })
        .to_vec()
}

fn guards() -> Vec<GuardRow> {
    let finding = "12 variants, and 500 are needed to distinguish siblings from strangers; give \
                   more variants";
    [GuardVerdict::Pass, GuardVerdict::NotRun, GuardVerdict::Warn]
        .map(|verdict| GuardRow::new("kinship", verdict, "cohort", finding))
        .to_vec()
}

/// Training logs, a published score and the record of a pipeline.
pub fn background() -> Background {
    Background {
        name: "study".to_owned(),
        training: vec![
            training_log("linformer", &[1], 10),
            training_log("transformer", &[1, 2], 8),
        ],
        scores: vec![ScoreRow {
            model: "prs-PGS000334".to_owned(),
            accession: "PGS000334".to_owned(),
            name: Some("GRS".to_owned()),
            trait_reported: Some("Alzheimer's disease".to_owned()),
            genome_build: Some("GRCh38".to_owned()),
            harmonised: true,
            n_variants: 22,
            n_matched: 20,
            match_rate: 20.0 / 22.0,
            study: None,
        }],
        evaluation: json!({ "seed": 1 }),
        inputs: vec![("prs/predictions.csv".to_owned(), "ab".repeat(32))],
        run: Some(run_json()),
    }
}

fn training_log(model: &str, members: &[u64], n_epochs: u64) -> TrainingLog {
    let rows = members.iter().flat_map(|&member| {
        (1..=n_epochs).map(move |epoch| TrainingRow {
            member,
            epoch,
            train_loss: 0.7 - 0.02 * epoch as f64,
            validation_auroc: 0.6,
            validation_loss: 0.7 - 0.012 * epoch as f64 + 0.001 * member as f64,
        })
    });
    TrainingLog {
        model: model.to_owned(),
        rows: rows.collect(),
    }
}

/// A record with folders and a warning that must not be in the report.
fn run_json() -> Value {
    json!({
        "program": "gf-genomics",
        "version": "0.1.0",
        "pipeline": "/home/mycluster/study.toml",
        "options": {
            "sequences": { "missing": "ref" },
            "source": { "data": { "vcf": ["/home/mycluster/cohort.vcf.gz"] } },
        },
        "inputs": { "/home/mycluster/cohort.vcf.gz": "cd".repeat(32) },
        "stages": {
            "1-sequences": {
                "digest": "ef".repeat(32),
                "seconds": 98_761.25,
                "done_before": false,
                "summary": {
                    "n_people": 1000,
                    "n_loci": 1,
                    "n_records": 253,
                    "skips": { "missing": 12 },
                    "warnings": ["HG00096 is odd"],
                },
            },
        },
    })
}

fn written(verdict: &Verdict, background: &Background) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    write_report(folder.path(), verdict, background)
        .iter()
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect()
}

fn write_report(folder: &Path, verdict: &Verdict, background: &Background) -> Vec<PathBuf> {
    let report = Report {
        verdict,
        background,
        notes: &["No stacked model: there is no validation split.".to_owned()],
    };
    report.write(folder).unwrap()
}

#[test]
fn a_report_of_ten_models_is_below_3_mb_and_the_same_bytes_each_time() {
    let a = written(&verdict(), &background());
    let b = written(&verdict(), &background());
    assert!(a == b);
    let names: Vec<&str> = a.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "report.html",
            "forest.svg",
            "difference.svg",
            "roc.svg",
            "calibration.svg",
            "deciles.svg",
            "distribution.svg",
            "ancestry.svg",
            "training.svg",
            "validation_auc.svg",
            "study.gf_genomics.json",
            "study.general_mqc.json",
            "study.auc_mqc.json",
            "study.people_mqc.json",
            "study.roc_mqc.json"
        ]
    );
    let page = &a[0].1;
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    // Warnings may have sample ids, paths contain the user's name, and run times differ.
    assert!(!page.contains("HG00096") && !page.contains("mycluster") && !page.contains("98761"));
    assert!(page.contains("Skipped or changed: missing") && page.contains("cohort.vcf.gz"));
    assert!(page.contains("<pre>gf-genomics run study.toml</pre>"));
    assert!(!page.contains("n_people") && !page.contains("n_records"));
}

#[test]
fn the_cohort_table_masks_small_counts_and_leaves_out_unknown_rows() {
    let mut verdict = verdict();
    verdict.people[1].n_without_phenotype = 3;
    let with_families = table_in_page(&verdict, "Samples by split");
    assert!(
        with_families.starts_with(
            "Characteristic|Validation|Test|Samples|1\u{2009}000|1\u{2009}003|Cases|400 (40.0 \
             %)|400 (39.9 %)|"
        ),
        "{with_families}"
    );
    for row in [
        "Phenotype unknown (left out)|0|&#60;5|",
        "Families|912|912|",
        "Age in years, mean (SD)|71.3 (8.0)|71.3 (8.0), &#60;5 unknown|",
        "Sex: female|520 (52.0 %)|520 (51.8 %)|",
        "Ancestry: EUR|withheld|withheld|Ancestry: EAS|&#60;5|&#60;5",
    ] {
        assert!(with_families.contains(row), "{row} in {with_families}");
    }
    verdict
        .people
        .iter_mut()
        .for_each(|row| row.n_families = None);
    verdict.characteristics.clear();
    let without = table_in_page(&verdict, "Samples by split");
    assert!(
        !without.contains("Families") && !without.contains("Age"),
        "{without}"
    );
}

/// Cells of the first table whose label begins with `label`, joined by `|`.
fn table_in_page(verdict: &Verdict, label: &str) -> String {
    let page = written(verdict, &background()).swap_remove(0).1;
    let start = page
        .match_indices("<table")
        .map(|(start, _)| &page[start..])
        .find(|rest| {
            rest.split('>')
                .next()
                .unwrap()
                .contains(&format!("aria-label=\"{label}"))
        });
    let table = start.unwrap().split("</table>").next().unwrap();
    table
        .split('>')
        .map(|piece| piece.split('<').next().unwrap().trim())
        .filter(|cell| !cell.is_empty())
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn columns_without_a_value_are_left_out_and_two_rows_are_marked() {
    let table = table_in_page(&verdict(), "Models on the test split");
    assert!(
        table.starts_with(
            "Model|Type|AUC (95 % CI)|Validation AUC|Difference (95 % CI)|p (uncorrected)|\
             PR-AUC|OR per SD (95 % CI)|Brier score|Parameters|prs-covariates|Covariates|"
        ),
        "{table}"
    );
    assert!(
        table.contains("|prs-dosages|reference|Score|0.610 (0.560 to 0.660)|")
            && table.contains("|primer|headline|Sequence model|0.710 (0.660 to 0.760)|"),
        "{table}"
    );
}

#[test]
fn names_are_text_and_never_markup() {
    // Short enough for a figure, which shortens long names.
    let evil = "<script>alert(1)&\"'";
    let mut verdict = verdict();
    verdict
        .rows
        .iter_mut()
        .filter(|row| row.model == "primer")
        .for_each(|row| row.model = evil.to_owned());
    verdict
        .roc
        .iter_mut()
        .filter(|point| point.model == "primer")
        .for_each(|point| point.model = evil.to_owned());
    verdict
        .calibration
        .iter_mut()
        .filter(|row| row.model == "primer")
        .for_each(|row| row.model = evil.to_owned());
    let files = written(
        &verdict,
        &Background {
            name: evil.to_owned(),
            ..background()
        },
    );
    for name in ["report.html", "roc.svg", "calibration.svg"] {
        let text = &files.iter().find(|file| file.0 == name).unwrap().1;
        assert!(
            text.contains("alert(1)") && !text.contains("<script>alert"),
            "{name}"
        );
    }
}

#[test]
fn a_curve_is_thinned_and_keeps_its_ends() {
    let figures = figures(&verdict(), &background());
    assert_eq!(
        figures
            .iter()
            .map(|figure| figure.id.as_str())
            .collect::<Vec<_>>(),
        FIGURES
    );
    let roc = &figures.iter().find(|figure| figure.id == "roc").unwrap();
    let curves: Vec<&Series> = roc.panels[0]
        .series
        .iter()
        .filter(|series| !series.name.is_empty())
        .collect();
    for series in &curves {
        let n = series.points.len();
        let first = series.points[0];
        let last = series.points[series.points.len() - 1];
        assert!((100..=202).contains(&n), "{n} points");
        assert_eq!((first.x, first.y, last.x, last.y), (0.0, 0.0, 1.0, 1.0));
    }
    let shown = curves.iter().filter(|series| !series.is_hidden);
    let names: Vec<&str> = shown.map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["primer (0.710)", "prs-dosages (0.610)"]);
    for series in &curves {
        assert_eq!(series.is_hidden, series.points[0].interval.is_none());
    }
}

#[test]
fn the_kept_epoch_is_marked_in_both_training_figures() {
    let figures = figures(&verdict(), &background());
    for (id, kept) in [("training", "kept epoch"), ("validation_auc", "kept epoch")] {
        let figure = figures.iter().find(|figure| figure.id == id).unwrap();
        let series = figure.panels[1].series.iter().find(|one| one.name == kept);
        // Two members, and the first of the equal validation AUCs.
        let epochs: Vec<f64> = series.unwrap().points.iter().map(|point| point.x).collect();
        assert_eq!(epochs, [1.0, 1.0], "{id}");
    }
}

#[test]
fn the_sentence_states_its_reach_and_what_the_correction_leaves() {
    let mut verdict = verdict();
    assert_eq!(
        narrative::kind(&verdict),
        "The sequence model has a higher AUC than the reference"
    );
    assert_eq!(
        narrative::sentence(&verdict),
        "On these 1\u{2009}000 test samples, with 4 sequence models tested, the sequence model \
         primer has a higher AUC than prs-dosages (difference +0.100, 95 % CI +0.060 to +0.140, p \
         = 0.012 uncorrected, p = 0.048 after Holm correction for 4 tests)."
    );
    set_headline(&mut verdict, |row| row.p_value = Some(0.06));
    assert_eq!(
        narrative::kind(&verdict),
        "A higher AUC of the sequence model is not confirmed"
    );
    let sentence = narrative::sentence(&verdict);
    assert!(
        sentence.contains(
            "a higher AUC of the sequence model primer than of prs-dosages is not confirmed \
             (difference +0.100, 95 % CI +0.060 to +0.140, p = 0.060 uncorrected, p = 0.060 after"
        ),
        "{sentence}"
    );
    set_headline(&mut verdict, |row| {
        row.delta_ci_low = Some(-0.02);
        row.delta_ci_high = Some(0.03);
    });
    assert_eq!(
        narrative::kind(&verdict),
        "No difference between the sequence model and the reference was shown"
    );
    assert!(narrative::paragraphs(&verdict)[0].starts_with(
        "The 95 % CI includes zero. Differences from -0.020 to +0.030 are compatible"
    ));
    verdict.guards[0].verdict = GuardVerdict::Fail;
    assert_eq!(
        narrative::kind(&verdict),
        "A guard against leakage failed: do not use this comparison"
    );
    assert_eq!(
        narrative::guard_counts(&verdict),
        "1 failed, 1 warned, 0 passed, 1 not run"
    );
}

fn set_headline(verdict: &mut Verdict, change: fn(&mut AucRow)) {
    verdict
        .rows
        .iter_mut()
        .filter(|row| row.model == "primer")
        .for_each(change);
}

/// A verdict with some of the models only.
fn with_models(keep: fn(&str) -> bool) -> Verdict {
    let mut verdict = verdict();
    verdict.rows.retain(|row| keep(&row.model));
    verdict.roc.retain(|row| keep(&row.model));
    verdict.calibration.retain(|row| keep(&row.model));
    verdict.deciles.retain(|row| keep(&row.model));
    verdict.distribution.retain(|row| keep(&row.model));
    verdict
}

#[test]
fn few_models_give_a_sentence_and_a_page() {
    let no_sequence_model = with_models(|model| model.starts_with("prs-"));
    assert_eq!(
        narrative::sentence(&no_sequence_model),
        "On these 1\u{2009}000 test samples, the reference prs-dosages has an AUC of 0.610 (95 % \
         CI 0.560 to 0.660). No sequence model was evaluated."
    );
    let mut only = with_models(|model| model == "prs-covariates");
    let mut no_baseline = with_models(|model| ["primer", "linformer"].contains(&model));
    for row in only.rows.iter_mut().chain(&mut no_baseline.rows) {
        row.compared_to = None;
        row.delta_auroc = None;
        row.delta_ci_low = None;
        row.delta_ci_high = None;
        row.p_value = None;
    }
    assert!(
        narrative::sentence(&only).contains("the reference prs-covariates has an AUC of 0.550")
    );
    assert_eq!(
        narrative::sentence(&no_baseline),
        "On these 1\u{2009}000 test samples, the sequence model primer has an AUC of 0.710 (95 % \
         CI 0.660 to 0.760). No reference was chosen, so no difference was tested."
    );
    for verdict in [&no_sequence_model, &only, &no_baseline] {
        let page = written(verdict, &background()).swap_remove(0).1;
        assert!(page.contains("figure-forest") && page.contains("figure-roc"));
    }
    let roc = figures(&only, &background()).swap_remove(1);
    assert_eq!(
        (roc.id.as_str(), roc.panels[0].series[1].is_hidden),
        ("roc", false)
    );
}

#[test]
fn without_a_validation_split_the_first_sequence_model_is_the_headline() {
    let mut verdict = verdict();
    verdict.rows.retain(|row| row.split == Split::Test);
    assert_eq!(narrative::headline(&verdict).unwrap().model, "linformer");
    let paragraphs = narrative::paragraphs(&verdict).join(" ");
    assert!(
        paragraphs.contains(
            "Headline model: linformer, the first of 4 sequence models. There is no validation AUC"
        ),
        "{paragraphs}"
    );
}

#[test]
fn forty_models_of_half_a_million_samples_stay_below_3_mb() {
    let mut verdict = Verdict::default();
    for index in 0..40_u32 {
        let model = format!("model-with-a-rather-long-name-{index}");
        let auroc = 0.6 + 0.003 * f64::from(index);
        let row = auc_row(&model, Split::Test, auroc);
        verdict.rows.push(AucRow {
            n_cases: 250_000,
            n_controls: 250_000,
            ..row
        });
        verdict.roc.extend(roc_points(&model, Split::Test, auroc));
        for tenth in 1..=10 {
            verdict
                .calibration
                .push(calibration_row(&model, Split::Test, tenth));
            verdict.deciles.push(decile_row(&model, Split::Test, tenth));
        }
        verdict.distribution.extend(histogram(&model, Split::Test));
    }
    let figures = figures(&verdict, &background());
    let calibration = figures.iter().find(|figure| figure.id == "calibration");
    let calibration = calibration.unwrap();
    assert_eq!(calibration.panels.len(), 8);
    assert!(
        calibration
            .caption
            .ends_with("32 further models are in calibration.csv.")
    );
    assert_eq!(figures[0].y.ticks.len(), 40);
    let page = written(&verdict, &background()).swap_remove(0).1;
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn multiqc_shows_the_numbers_of_the_report() {
    let mut verdict = verdict();
    for row in verdict
        .rows
        .iter_mut()
        .filter(|row| row.model == "primer" && row.split == Split::Test)
    {
        // Rounded to four decimals first, these would end up as 0.713, 1.52 and 0.001.
        row.auroc = Some(0.712_49);
        row.or_per_sd = Some(1.514_99);
        row.p_value = Some(0.000_449);
    }
    let files = multiqc::files(&verdict, &background(), &figures(&verdict, &background()));
    let cells = &content(&files, ".auc_mqc")["data"]["study primer"];
    assert_eq!(
        (&cells["auc"], &cells["or_per_sd"], &cells["p_value"]),
        (&json!(0.712), &json!(1.51), &json!("4.5e-4"))
    );
    let general = content(&files, ".general_mqc");
    let cells = &general["data"]["study"];
    assert_eq!(
        (&cells["auc"], &cells["p_value"]),
        (&json!(0.712), &json!("4.5e-4"))
    );
    let description = general["pconfig"][0]["auc"]["description"].to_string();
    assert!(
        description.contains("AUC of primer on the test split"),
        "{description}"
    );
}

/// Content of the first file whose name contains `part`.
fn content<'a>(files: &'a [(String, Value)], part: &str) -> &'a Value {
    let file = files.iter().find(|(name, _)| name.contains(part));
    &file.unwrap().1
}

#[test]
fn one_of_something_is_in_the_singular() {
    let mut verdict = with_models(|model| model == "prs-dosages");
    for row in &mut verdict.rows {
        row.n_cases = 1;
        row.n_controls = 0;
    }
    let sentence = narrative::sentence(&verdict);
    assert!(sentence.starts_with("On one test sample, "), "{sentence}");
}

#[test]
fn the_methods_paragraph_names_models_tests_and_software() {
    let paragraph = methods::paragraph(&verdict(), &background());
    for part in [
        "of 1\u{2009}000 samples were built from 253 variant records at 1 locus",
        "Sequence models were linformer (27\u{2009}777 parameters), ",
        "Published scores were PGS000334 (20 of 22 variants matched).",
        "AUCs on the test split have 95 % confidence intervals by DeLong's method.",
        "compared with the reference prs-dosages, the baseline with the highest validation AUC, by \
         a two-sided paired DeLong test.",
        "corrected by Holm's method for 4 sequence models",
        "Analyses used gf-genomics 0.1.0 (seed 1).",
    ] {
        assert!(paragraph.contains(part), "{part} in {paragraph}");
    }
}

#[test]
fn every_item_of_the_standard_is_filled_or_marked_missing() {
    let items = reporting_standards::items(&verdict(), &background());
    assert_eq!(items.len(), 22);
    let ancestry = items.iter().find(|item| item.name == "Ancestry").unwrap();
    assert!(ancestry.known.is_ok() && items.iter().any(|item| item.known.is_err()));
    let mut unknown = verdict();
    unknown.characteristics.clear();
    let items = reporting_standards::items(&unknown, &background());
    let ancestry = items.iter().find(|item| item.name == "Ancestry").unwrap();
    assert!(ancestry.known.is_err());
}

#[test]
fn nothing_evaluated_is_a_page_too_and_earlier_figures_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roc.svg"), "old").unwrap();
    write_report(folder.path(), &Verdict::default(), &Background::default());
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(
        page.contains("There is nothing to compare.")
            && page.contains("No data for: AUC; differences to the reference; ROC curves;")
    );
    assert!(!folder.path().join("roc.svg").exists());
}
