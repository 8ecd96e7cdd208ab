//! Tables of the page: models, strata, cohort, variants, published scores, costs.
//!
//! Counts of 1 to 4 samples are shown as `<5`, because the report has no individual-level data.

use std::collections::BTreeSet;

use gf_cohort_schema::{AucRow, ScoreRow, Split, StratumRow};
use gf_stats::p_value_text;
use serde_json::Value;

use super::{
    Background, PeopleRow, Verdict, labels, narrative,
    table::{
        Cell, Row, Table, classes, count, interval, masked, number, signed_interval, significant,
    },
};
use crate::{
    evaluation::{GroupSize, SplitCharacteristics},
    layout,
};

/// Most numbers of an object that have a row each. Of more, as of hundreds of loci, the range is
/// shown.
const MAX_ROWS: usize = 12;

/// All measures of all models on the split that is shown. Columns without a value are left out.
pub fn models(verdict: &Verdict) -> Table {
    let shown = narrative::shown_rows(verdict);
    let samples = shown.first().map_or(String::new(), |row| {
        format!(
            " on the {} split ({})",
            row.split,
            classes(row.n_cases, row.n_controls)
        )
    });
    let reference = narrative::reference(verdict);
    let differences = reference
        .filter(|_| shown.iter().any(|row| row.delta_auroc.is_some()))
        .map_or(String::new(), |row| {
            format!(" Differences are to {}.", row.model)
        });
    let header = vec![
        "Model",
        "Type",
        "AUC (95 % CI)",
        "Validation AUC",
        "Difference (95 % CI)",
        "p (uncorrected)",
        "PR-AUC",
        "OR per SD (95 % CI)",
        "Nagelkerke R\u{b2}",
        "R\u{b2} beyond covariates",
        "Liability R\u{b2}",
        "Brier score",
        "Calibration slope",
        "Calibration intercept",
        "Match rate",
        "Parameters",
    ];
    let rows = shown.iter().map(|row| model_row(verdict, row)).collect();
    Table::new(format!("Models{samples}.{differences}"), header, rows)
        .without_empty_columns()
        .sortable()
}

fn model_row(verdict: &Verdict, row: &AucRow) -> Row {
    let badge = role(verdict, row);
    // On the validation split the column would repeat the AUC.
    let validation =
        narrative::validation_auroc(verdict, &row.model).filter(|_| row.split != Split::Validation);
    Row {
        class: badge,
        cells: vec![
            Cell {
                badge,
                ..Cell::text(row.model.clone())
            },
            Cell::sorted(
                labels::kind_of_model(row).to_owned(),
                row.row.map(f64::from),
            ),
            Cell::sorted(interval(row.auroc, row.ci_low, row.ci_high, 3), row.auroc),
            Cell::number(validation, 3),
            Cell::sorted(
                signed_interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high),
                row.delta_auroc,
            ),
            Cell::sorted(row.p_value.map_or(String::new(), p_value_text), row.p_value),
            Cell::number(row.auprc, 3),
            Cell::sorted(
                interval(row.or_per_sd, row.or_ci_low, row.or_ci_high, 2),
                row.or_per_sd,
            ),
            Cell::number(row.nagelkerke_r2, 3),
            Cell::number(row.incremental_r2, 3),
            Cell::number(row.liability_r2, 3),
            Cell::number(row.brier, 3),
            Cell::number(row.calibration_slope, 2),
            Cell::number(row.calibration_intercept, 2),
            Cell::number(row.match_rate, 3),
            Cell::sorted(
                row.parameters.map_or(String::new(), count),
                row.parameters.map(|n| n as f64),
            ),
        ],
    }
}

/// `headline`, `reference` or nothing.
fn role(verdict: &Verdict, row: &AucRow) -> &'static str {
    let names = [narrative::headline(verdict), narrative::reference(verdict)]
        .map(|found| found.map(|found| found.model.as_str()));
    match names {
        [Some(headline), _] if headline == row.model => "headline",
        [_, Some(reference)] if reference == row.model => "reference",
        _ => "",
    }
}

/// AUC on the splits that the models table does not show.
pub fn other_splits(verdict: &Verdict) -> Table {
    let shown = narrative::split(verdict);
    let rows = verdict
        .rows
        .iter()
        .filter(|row| Some(row.split) != shown)
        .map(|row| {
            Row::plain(vec![
                Cell::text(row.model.clone()),
                Cell::text(row.split.to_string()),
                Cell::count(row.n_cases),
                Cell::count(row.n_controls),
                Cell::sorted(interval(row.auroc, row.ci_low, row.ci_high, 3), row.auroc),
            ])
        });
    Table::new(
        "AUC on the splits that models were fitted or chosen on. These values are optimistic.",
        vec!["Model", "Split", "Cases", "Controls", "AUC (95 % CI)"],
        rows.collect(),
    )
    .sortable()
}

/// AUC of every model among the samples of each stratum.
pub fn strata(verdict: &Verdict) -> Table {
    let split = narrative::split(verdict);
    let rows = verdict
        .strata
        .iter()
        .filter(|row| Some(row.split) == split)
        .map(stratum_row);
    Table::new(
        "Each model among the samples of one stratum. Small strata have wide intervals, and some \
         of many comparisons differ by chance. p-values are not corrected.",
        vec![
            "Model",
            "Stratum",
            "Cases",
            "Controls",
            "AUC (95 % CI)",
            "Difference (95 % CI)",
            "p (uncorrected)",
            "Remark",
        ],
        rows.collect(),
    )
    .without_empty_columns()
    .sortable()
}

fn stratum_row(row: &StratumRow) -> Row {
    let stratum = labels::characteristic(&row.stratum);
    Row::plain(vec![
        Cell::text(row.model.clone()),
        Cell::text(format!("{stratum}: {}", row.level)),
        class_count(row.n_cases, row.n_controls),
        class_count(row.n_controls, row.n_cases),
        Cell::sorted(interval(row.auroc, row.ci_low, row.ci_high, 3), row.auroc),
        Cell::sorted(
            signed_interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high),
            row.delta_auroc,
        ),
        Cell::sorted(row.p_value.map_or(String::new(), p_value_text), row.p_value),
        Cell::text(row.reason.clone().unwrap_or_default()),
    ])
}

/// Number of samples of one class in a stratum. It is withheld where the other class has 1 to 4
/// samples, because the cohort table has the size of the stratum.
fn class_count(n: usize, n_of_other_class: usize) -> Cell {
    let text = if masked(n) != "<5" && masked(n_of_other_class) == "<5" {
        "withheld".to_owned()
    } else {
        masked(n)
    };
    let sort = if text == count(n) { n } else { 4 };
    Cell::sorted(text, Some(sort as f64))
}

/// Names of splits in the header of the cohort table.
fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "Training",
        Split::Validation => "Validation",
        Split::Test => "Test",
    }
}

/// Characteristics of the samples, a column per split.
pub fn cohort(verdict: &Verdict) -> Table {
    let splits = &verdict.people;
    let mut header = vec!["Characteristic"];
    header.extend(splits.iter().map(|row| split_name(row.split)));
    let mut rows = vec![
        count_row("Samples", splits, |row| Some(row.n_people())),
        share_row("Cases", splits, |row| row.n_cases),
        share_row("Controls", splits, |row| row.n_controls),
        count_row("Phenotype unknown (left out)", splits, |row| {
            Some(row.n_without_phenotype)
        }),
        count_row("Families", splits, |row| row.n_families),
    ];
    rows.push(age_row(verdict));
    rows.extend(group_rows(verdict));
    rows.retain(|row| row.cells.iter().skip(1).any(|cell| !cell.text.is_empty()));
    Table::new(
        "Samples by split: number (percent), or mean (SD). Counts of 1 to 4 are shown as <5. A \
         count is withheld where it would reveal a smaller one.",
        header,
        rows,
    )
}

fn count_row(name: &str, splits: &[PeopleRow], n: fn(&PeopleRow) -> Option<usize>) -> Row {
    let cells = splits
        .iter()
        .map(|row| Cell::text(n(row).map_or(String::new(), masked)));
    Row::plain([Cell::text(name)].into_iter().chain(cells).collect())
}

fn share_row(name: &str, splits: &[PeopleRow], n: fn(&PeopleRow) -> usize) -> Row {
    let cells = splits
        .iter()
        .map(|row| Cell::text(with_percent(n(row), row.n_people())));
    Row::plain([Cell::text(name)].into_iter().chain(cells).collect())
}

/// `198 (49.5 %)`; `<5` without a percentage.
fn with_percent(n: usize, total: usize) -> String {
    let percent = 100.0 * n as f64 / total.max(1) as f64;
    match masked(n).as_str() {
        "<5" => "<5".to_owned(),
        exact => format!("{exact} ({percent:.1} %)"),
    }
}

fn group_size(size: GroupSize, total: usize) -> String {
    match size {
        GroupSize::Exact(n) => with_percent(n, total),
        GroupSize::BelowFive => "<5".to_owned(),
        GroupSize::Withheld => "withheld".to_owned(),
    }
}

/// Characteristics of the split of a column of the cohort table.
fn characteristics(verdict: &Verdict, split: Split) -> Option<&SplitCharacteristics> {
    verdict
        .characteristics
        .iter()
        .find(|characteristics| characteristics.split == split)
}

fn age_row(verdict: &Verdict) -> Row {
    let cells = verdict.people.iter().map(|row| {
        let age = characteristics(verdict, row.split).and_then(|found| found.age);
        Cell::text(age.map_or(String::new(), |age| {
            let n_unknown = row.n_people().saturating_sub(age.n);
            let unknown = if n_unknown == 0 {
                String::new()
            } else {
                format!(", {} unknown", masked(n_unknown))
            };
            format!("{:.1} ({:.1}){unknown}", age.mean, age.sd)
        }))
    });
    let name = Cell::text("Age in years, mean (SD)");
    Row::plain([name].into_iter().chain(cells).collect())
}

/// A row for each level of sex, ancestry and APOE.
fn group_rows(verdict: &Verdict) -> Vec<Row> {
    let mut levels: Vec<(&str, &str)> = Vec::new();
    for group in verdict
        .characteristics
        .iter()
        .flat_map(|of_split| &of_split.groups)
    {
        let level = (group.characteristic.as_str(), group.level.as_str());
        if !levels.contains(&level) {
            levels.push(level);
        }
    }
    levels
        .into_iter()
        .map(|level| group_row(verdict, level))
        .collect()
}

fn group_row(verdict: &Verdict, (characteristic, level): (&str, &str)) -> Row {
    let name = format!("{}: {level}", labels::characteristic(characteristic));
    let cells = verdict.people.iter().map(|row| {
        let group = characteristics(verdict, row.split).and_then(|found| {
            found
                .groups
                .iter()
                .find(|group| group.characteristic == characteristic && group.level == level)
        });
        Cell::text(group.map_or(String::new(), |group| group_size(group.n, row.n_people())))
    });
    Row::plain([Cell::text(name)].into_iter().chain(cells).collect())
}

/// Numbers in the summaries of the stages. Lists are shown by their length, because their elements
/// may be about single samples.
pub fn variants(background: &Background) -> Table {
    let mut rows = Vec::new();
    for stage in [
        layout::COHORT_FOLDER,
        layout::SEQUENCES_FOLDER,
        layout::BASELINES_FOLDER,
        layout::TOKENS_FOLDER,
    ] {
        if let Some(Value::Object(fields)) = background.stage(stage) {
            for (key, value) in fields {
                push_counts(stage, &[key], value, &mut rows);
            }
        }
    }
    Table::new(
        "Variants, haplotypes, tokens and missing data by stage of the pipeline",
        vec!["Quantity", "Value", "Stage"],
        rows,
    )
    .wrapping()
}

/// Lists and objects of a summary that are no counts of variants or samples.
const NO_COUNTS: [&str; 8] = [
    "choices",
    "guards",
    "models",
    "cohort",
    "scores",
    "failed_scores",
    "covariates",
    "left_out",
];

/// Appends a row for each number inside `value`; `path` has its keys.
fn push_counts(stage: &str, path: &[&str], value: &Value, rows: &mut Vec<Row>) {
    if path.iter().any(|key| NO_COUNTS.contains(key)) {
        return;
    }
    let text = match value {
        Value::Object(fields) if fields.len() > MAX_ROWS && fields.values().all(Value::is_u64) => {
            range(fields.values().filter_map(Value::as_u64))
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let inner: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
                push_counts(stage, &inner, value, rows);
            }
            return;
        }
        Value::Array(values) if values.is_empty() => return,
        Value::Array(values) => count(values.len()),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => count(whole),
            None => number.as_f64().map_or(String::new(), significant),
        },
        _ => return,
    };
    rows.push(Row::plain(vec![
        Cell::text(labels::count(path)),
        Cell::text(text),
        Cell::text(labels::stage(stage)),
    ]));
}

/// `median 12 (3 to 873) of 150`.
fn range(numbers: impl Iterator<Item = u64>) -> String {
    let mut sorted: Vec<u64> = numbers.collect();
    sorted.sort_unstable();
    match sorted.as_slice() {
        [] => String::new(),
        all => format!(
            "median {} ({} to {}) of {}",
            count(all[all.len() / 2]),
            count(all[0]),
            count(all[all.len() - 1]),
            count(all.len())
        ),
    }
}

/// Published scores, those with the lowest match rate first.
pub fn scores(background: &Background) -> Table {
    let mut scores: Vec<&ScoreRow> = background.scores.iter().collect();
    scores.sort_by(|a, b| a.match_rate.total_cmp(&b.match_rate));
    let rows = scores.into_iter().map(score_row);
    Table::new(
        "Share of the variants of each published score that the genotypes contain. The lowest \
         match rates are first.",
        vec![
            "Score",
            "Match rate",
            "Matched variants",
            "Variants",
            "Name",
            "Trait",
            "Genome build",
            "Model",
            "Study",
        ],
        rows.collect(),
    )
    .without_empty_columns()
    .sortable()
}

fn score_row(score: &ScoreRow) -> Row {
    let build = score.genome_build.as_deref().unwrap_or("not stated");
    let harmonised = if score.harmonised { ", harmonised" } else { "" };
    let rate = if score.match_rate.is_finite() {
        format!("{:.1} %", 100.0 * score.match_rate)
    } else {
        String::new()
    };
    Row::plain(vec![
        Cell::text(score.accession.clone()),
        Cell::sorted(rate, Some(score.match_rate)),
        Cell::sorted(count(score.n_matched), Some(score.n_matched as f64)),
        Cell::sorted(count(score.n_variants), Some(score.n_variants as f64)),
        Cell::text(score.name.clone().unwrap_or_default()),
        Cell::text(score.trait_reported.clone().unwrap_or_default()),
        Cell::text(format!("{build}{harmonised}")),
        Cell::text(score.model.clone()),
        Cell::text(score.study.clone().unwrap_or_default()),
    ])
}

/// Energy in microjoules (1e6 pJ), memory in megabytes (1e6 bytes).
pub fn costs(verdict: &Verdict) -> Table {
    let shown = narrative::shown_rows(verdict);
    let rows = shown.iter().filter_map(|row| {
        Some(Row::plain(vec![
            Cell::text(row.model.clone()),
            Cell::text(count(row.parameters?)),
            Cell::text(count(row.multiplications?)),
            Cell::text(count(row.additions?)),
            Cell::text(number(Some(row.energy_pj? / 1e6), 2)),
            Cell::text(number(Some(row.bytes? as f64 / 1e6), 2)),
        ]))
    });
    Table::new(
        "Cost of a forward pass of one sequence. Energy is an estimate from the number of \
         operations.",
        vec![
            "Model",
            "Parameters",
            "Multiplications",
            "Additions",
            "Energy (\u{b5}J)",
            "Memory (MB)",
        ],
        rows.collect(),
    )
}

/// A table of names and values.
pub fn key_values(caption: &str, name: &'static str, rows: Vec<(String, String)>) -> Table {
    let rows = rows
        .into_iter()
        .map(|(key, value)| Row::plain(vec![Cell::text(key), Cell::text(value)]));
    Table::new(caption, vec![name, "Value"], rows.collect()).wrapping()
}

/// Why values of the models are undefined.
pub fn reasons(verdict: &Verdict) -> Vec<String> {
    narrative::shown_rows(verdict)
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.model, row.reason.as_ref()?)))
        .collect()
}

/// Names of the characteristics of strata, each once, in order.
pub fn stratum_names(verdict: &Verdict) -> Vec<String> {
    let mut seen = BTreeSet::new();
    verdict
        .strata
        .iter()
        .filter(|row| seen.insert(row.stratum.as_str()))
        .map(|row| labels::characteristic(&row.stratum))
        .collect()
}
