//! A report of ten models from rows made here.

use std::fs;

use gf_cohort_schema::{
    AucRow, CalibrationRow, DecileRow, DistributionRow, GuardRow, GuardVerdict, RocPoint, ScoreRow,
    Split, StratumRow, TrainingRow,
};
use serde_json::{Value, json};

use super::{figures::figures, *};

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

fn guards() -> Vec<GuardRow> {
    let finding = "12 variants at hand, and 500 are needed to tell siblings from strangers; give \
                   more of them";
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
        notes: &["Nothing stacked: there is no validation split.".to_owned()],
    };
    report.write(folder).unwrap()
}

#[test]
fn a_report_of_ten_models_is_below_6_mb_and_the_same_bytes_each_time() {
    let a = written(&verdict(), &background());
    let b = written(&verdict(), &background());
    assert!(a == b);
    let names: Vec<&str> = a.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "report.html",
            "roc.svg",
            "calibration.svg",
            "deciles.svg",
            "distribution.svg",
            "training.svg",
            "study.gf_genomics.json",
            "study.general_mqc.json",
            "study.auc_mqc.json",
            "study.people_mqc.json",
            "study.roc_mqc.json"
        ]
    );
    assert!(a[0].1.len() < 6_000_000, "{} bytes", a[0].1.len());
    // Warnings may have sample ids, paths contain the user's name, and run times differ.
    assert!(
        !a[0].1.contains("HG00096") && !a[0].1.contains("mycluster") && !a[0].1.contains("98761")
    );
    assert!(a[0].1.contains("skips: missing") && a[0].1.contains("cohort.vcf.gz"));
}

#[test]
fn people_are_counted_by_split_and_families_where_they_are_known() {
    let mut verdict = verdict();
    assert_eq!(
        table_of_people(&verdict),
        "Split|People|Cases|Controls|Left out: no \
         phenotype|Families|validation|1\u{2009}000|400|600|0|912|test|2\u{2009}234|400|600|1\
         \u{2009}234|912"
    );
    verdict
        .people
        .iter_mut()
        .for_each(|row| row.n_families = None);
    assert!(
        table_of_people(&verdict)
            .starts_with("Split|People|Cases|Controls|Left out: no phenotype|validation|")
    );
}

/// Cells of the table of samples in the page, joined by `|`.
fn table_of_people(verdict: &Verdict) -> String {
    let page = written(verdict, &background()).swap_remove(0).1;
    let table = page
        .split("<table aria-label=\"People by split\">")
        .nth(1)
        .and_then(|rest| rest.split("</table>").next())
        .unwrap();
    table
        .split('>')
        .map(|piece| piece.split('<').next().unwrap().trim())
        .filter(|cell| !cell.is_empty())
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn names_are_text_and_never_markup() {
    let evil = "</script><script>alert(1)</script>&\"'";
    let mut verdict = verdict();
    verdict
        .rows
        .iter_mut()
        .filter(|row| row.model == "linformer")
        .for_each(|row| row.model = evil.to_owned());
    verdict
        .roc
        .iter_mut()
        .filter(|point| point.model == "linformer")
        .for_each(|point| point.model = evil.to_owned());
    verdict
        .calibration
        .iter_mut()
        .filter(|row| row.model == "linformer")
        .for_each(|row| row.model = evil.to_owned());
    let files = written(
        &verdict,
        &Background {
            name: evil.replace('/', ""),
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
fn a_curve_is_thinned_keeps_its_ends_and_tells_no_threshold() {
    let figures = figures(&verdict(), &background());
    assert_eq!(
        figures
            .iter()
            .map(|figure| figure.id.as_str())
            .collect::<Vec<_>>(),
        FIGURES
    );
    for series in figures[0].panels[0]
        .series
        .iter()
        .filter(|series| !series.name.is_empty())
    {
        let n = series.points.len();
        let first = series.points[0];
        let last = series.points[series.points.len() - 1];
        assert!((100..=202).contains(&n), "{n} points");
        assert_eq!((first.x, first.y, last.x, last.y), (0.0, 0.0, 1.0, 1.0));
    }
    let banded = figures[0].panels[0]
        .series
        .iter()
        .filter(|series| series.points[0].interval.is_some());
    assert_eq!(
        banded
            .map(|series| series.name.as_str())
            .collect::<Vec<_>>(),
        ["prs-dosages (0.610)", "primer (0.710)"]
    );
}

#[test]
fn words_say_what_was_shown_and_what_was_not() {
    let mut verdict = verdict();
    assert_eq!(
        narrative::kind(&verdict),
        "The sequence model is better than the best baseline"
    );
    let said = narrative::paragraphs(&verdict).join(" ");
    assert!(
        said.contains(
            "primer reaches 0.710 (95 % CI 0.660 to 0.760), a difference to prs-dosages of +0.100 \
             (95 % CI +0.060 to +0.140, p = 0.012)"
        ),
        "{said}"
    );
    assert!(
        said.contains("1 warns, 1 could not look, 1 found nothing"),
        "{said}"
    );
    for row in verdict.rows.iter_mut().filter(|row| row.model == "primer") {
        row.delta_ci_low = Some(-0.02);
        row.delta_ci_high = Some(0.03);
    }
    assert_eq!(
        narrative::kind(&verdict),
        "No difference between the sequence model and the best baseline was shown"
    );
    assert!(narrative::paragraphs(&verdict).join(" ").contains(
        "The interval holds zero: no difference was shown. That does not show that there is none"
    ));
    verdict.guards[0].verdict = GuardVerdict::Fail;
    assert_eq!(
        narrative::kind(&verdict),
        "Leakage was found: this comparison cannot be believed"
    );
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
    let mut verdict = verdict();
    for row in &mut verdict.rows {
        row.n_cases = 1;
        row.n_controls = 1;
    }
    let said = narrative::paragraphs(&verdict).join(" ");
    assert!(
        said.contains("on the test split (1 case, 1 control)"),
        "{said}"
    );
}

#[test]
fn every_item_of_the_standard_is_filled_or_marked_missing() {
    let items = reporting_standards::items(&verdict(), &background());
    assert_eq!(items.len(), 22);
    assert!(
        items.iter().any(|item| item.known.is_err())
            && items
                .iter()
                .any(|item| item.name == "Ancestry" && item.known.is_err())
    );
}

#[test]
fn nothing_evaluated_is_a_page_too_and_figures_of_before_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roc.svg"), "old").unwrap();
    write_report(folder.path(), &Verdict::default(), &Background::default());
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(
        page.contains("There is nothing to compare.")
            && page.contains("No data for: roc, calibration, deciles, distribution, training.")
    );
    assert!(!folder.path().join("roc.svg").exists());
}
