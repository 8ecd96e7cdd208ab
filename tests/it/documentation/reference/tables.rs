//! `tables.md`: the columns of every table, as the row types describe them. The header that the
//! program writes is compared with them.

use std::{fmt::Write as _, fs, path::Path};

use gf_cohort_schema::{Table, columns, json_schema, row_schema};
use gf_haplotypes::{HaplotypePairRow, Skip};
use serde_json::Value;

use super::{cell, head, study};
use crate::documentation::source;

/// A table with a schema in `cohort-schema/schemas/`.
struct WithSchema {
    title: &'static str,
    table: Table,
    /// Commands that write it, and when.
    writer: &'static str,
    /// An example in the folder of [`study`].
    example: Option<&'static str>,
}

const fn table(
    title: &'static str,
    table: Table,
    writer: &'static str,
    example: Option<&'static str>,
) -> WithSchema {
    WithSchema {
        title,
        table,
        writer,
        example,
    }
}

const WITH_SCHEMA: [WithSchema; 28] = [
    table("cohort.csv", Table::Cohort, "you, or `simulate`", None),
    table(
        "predictions.csv",
        Table::Predictions,
        "`train`, `prs`, `compress`",
        Some("run/4-baselines/predictions.csv"),
    ),
    table(
        "auc.csv",
        Table::Auc,
        "`evaluate`",
        Some("run/5-report/auc.csv"),
    ),
    table(
        "roc.csv",
        Table::Roc,
        "`evaluate`",
        Some("run/5-report/roc.csv"),
    ),
    table(
        "strata.csv",
        Table::Strata,
        "`evaluate`",
        Some("run/5-report/strata.csv"),
    ),
    table(
        "calibration.csv",
        Table::Calibration,
        "`evaluate`",
        Some("run/5-report/calibration.csv"),
    ),
    table(
        "deciles.csv",
        Table::Deciles,
        "`evaluate`",
        Some("run/5-report/deciles.csv"),
    ),
    table(
        "distribution.csv",
        Table::Distribution,
        "`evaluate`",
        Some("run/5-report/distribution.csv"),
    ),
    table(
        "folds.csv",
        Table::Folds,
        "`evaluate`",
        Some("run/5-report/folds.csv"),
    ),
    table(
        "guards.csv",
        Table::Guards,
        "`prs`, `evaluate`",
        Some("run/5-report/guards.csv"),
    ),
    table(
        "scores.csv",
        Table::Scores,
        "`prs` with scoring files",
        None,
    ),
    table(
        "apoe.csv",
        Table::Apoe,
        "`prs`, where rs429358 and rs7412 are",
        None,
    ),
    table(
        "cost.csv",
        Table::Cost,
        "`train`, `compress`",
        Some("run/3-models/tiny/cost.csv"),
    ),
    table("explain.csv", Table::Effects, "`explain`", None),
    table("pairs.csv of explain", Table::Pairs, "`explain`", None),
    table("output of score", Table::Risks, "`score`", Some("risk.csv")),
    table(
        "raw_scores.csv",
        Table::RawScores,
        "`prs` with scoring files",
        Some("raw/raw_scores.csv"),
    ),
    table(
        "match_log.csv",
        Table::Matches,
        "`prs` with scoring files",
        Some("raw/match_log.csv"),
    ),
    table(
        "score_auc.csv",
        Table::ScoreAuc,
        "`prs --no-fit`",
        Some("auc/score_auc.csv"),
    ),
    table(
        "weights.csv",
        Table::Coefficients,
        "`prs`",
        Some("run/4-baselines/weights.csv"),
    ),
    table(
        "association.csv",
        Table::Associations,
        "`prs`",
        Some("run/4-baselines/association.csv"),
    ),
    table(
        "related_pairs.csv",
        Table::RelatedPairs,
        "`prs`, if there are related pairs",
        Some("related/related_pairs.csv"),
    ),
    table("report.csv", Table::TokenReport, "`tokenize`", None),
    table(
        "training_log.csv",
        Table::TrainingLog,
        "`train`",
        Some("run/3-models/tiny/training_log.csv"),
    ),
    table(
        "stacked.csv",
        Table::Stacked,
        "`evaluate`",
        Some("run/5-report/stacked.csv"),
    ),
    table(
        "non_additive.csv",
        Table::NonAdditive,
        "`evaluate`, for models with an additive term",
        None,
    ),
    table(
        "truth.csv",
        Table::Truth,
        "`simulate`",
        Some("run/0-cohort/truth.csv"),
    ),
    table(
        "output of cohort --dropped",
        Table::Dropped,
        "`cohort`",
        None,
    ),
];

/// What the page says about a table.
struct Described {
    title: &'static str,
    columns: &'static [&'static str],
    /// JSON Schema of a row.
    schema: Value,
    writer: &'static str,
    example: Option<&'static str>,
}

/// The tables in the order of the page.
fn described() -> Vec<Described> {
    let with_schema = WITH_SCHEMA.into_iter().map(|entry| Described {
        title: entry.title,
        columns: entry.table.columns(),
        schema: json_schema(entry.table),
        writer: entry.writer,
        example: entry.example,
    });
    let of_haplotypes = [
        Described {
            title: "skips.csv",
            columns: columns::<Skip<'_>>(),
            schema: row_schema::<Skip<'_>>(),
            writer: "`sequences`, `tokenize` and `run`",
            example: Some("run/1-sequences/skips.csv"),
        },
        Described {
            title: "pairs.csv of sequences",
            columns: columns::<HaplotypePairRow<'_>>(),
            schema: row_schema::<HaplotypePairRow<'_>>(),
            writer: "`sequences --out` and `run`",
            example: Some("run/1-sequences/pairs.csv"),
        },
    ];
    with_schema.chain(of_haplotypes).collect()
}

/// Beside the small study, what writes the tables that it has not.
fn write_further_tables(folder: &Path) {
    let vcf = "--vcf run/0-cohort/cohort.vcf.gz";
    crate::support::succeed(
        folder,
        &format!(
            "prs {vcf} --scoring-file run/4-baselines/scoring_files/prs-dosages.txt.gz --out raw"
        ),
    );
    let no_fit =
        "--scoring-file run/4-baselines/scoring_files/prs-dosages.txt.gz --no-fit --out auc";
    crate::support::succeed(
        folder,
        &format!("prs {vcf} --cohort run/0-cohort/cohort.csv {no_fit}"),
    );
    let model = "--reference run/0-cohort/reference.fa --model run/3-models/tiny --cohort \
                 run/0-cohort/cohort.csv -o risk.csv";
    crate::support::succeed(folder, &format!("score {vcf} {model}"));
    let cohort = crate::support::rows(&folder.join("run/0-cohort/cohort.csv"));
    let [in_train, in_test] = ["train", "test"].map(|split| {
        let row = cohort.iter().find(|row| row["split"] == split);
        &row.unwrap()["sample_id"]
    });
    let kinship = format!("#IID1\tIID2\tKINSHIP\n{in_train}\t{in_test}\t0.25\n");
    fs::write(folder.join("plink2.kin0"), kinship).unwrap();
    crate::support::succeed(
        folder,
        &format!("prs {vcf} --cohort run/0-cohort/cohort.csv --kinship plink2.kin0 --out related"),
    );
}

pub fn page() -> String {
    let mut page = head(
        "Tables",
        "The tables are CSV with a header, in UTF-8, with a point as decimal mark. An empty cell \
         is \"unknown\" or \"undefined\", never zero. Positions are 1-based. `sample_id` \
         identifies a sample. `sample_id`, `model` and `fold` together identify a prediction. The \
         JSON Schemas are in `cohort-schema/schemas/`, except for the last two.",
    );
    write_further_tables(study());
    for table in described() {
        require_header(&table);
        write_table(&mut page, &table);
        if table.title == "cohort.csv" {
            page += "| `age`, `sex`, `PC1`, `PC2`, ... | number | A covariate, in upper or lower \
                     case; `sex` may be male/female. |\n\
                     | any other | any | A covariate where it is named with `--covariates`, a \
                     stratum where it is named with `--strata`. |\n";
        }
        write_long_enums(&mut page, &table);
    }
    page
}

/// The program writes these columns in this order.
fn require_header(table: &Described) {
    if let Some(example) = table.example {
        let text = fs::read_to_string(study().join(example)).unwrap();
        let header = text.lines().next().unwrap();
        assert_eq!(header, table.columns.join(","), "{}", table.title);
    }
}

fn write_table(page: &mut String, table: &Described) {
    let schema = &table.schema;
    let about = source::plain(schema["description"].as_str().unwrap());
    writeln!(
        page,
        "\n## {}\n\n{} Written by {}.\n\n| column | type | meaning |\n|---|---|---|",
        table.title,
        cell(&about),
        table.writer
    )
    .unwrap();
    assert_eq!(
        table.columns.len(),
        schema["properties"].as_object().unwrap().len(),
        "{}",
        table.title
    );
    for column in table.columns {
        let property = &schema["properties"][column];
        let meaning = source::plain(property["description"].as_str().unwrap());
        let kind = kind(property, schema);
        writeln!(page, "| `{column}` | {kind} | {} |", cell(&meaning)).unwrap();
    }
}

/// Values in a row of a table; more of them have a table of their own.
const MAX_VALUES_IN_A_ROW: usize = 12;

/// A table of the values of each column that has too many for its row.
fn write_long_enums(page: &mut String, table: &Described) {
    for column in table.columns {
        let property = &table.schema["properties"][column];
        let values =
            definition(property, &table.schema).and_then(|found| found["oneOf"].as_array());
        let Some(values) = values.filter(|values| values.len() > MAX_VALUES_IN_A_ROW) else {
            continue;
        };
        writeln!(page, "\n| {column} | meaning |\n|---|---|").unwrap();
        for value in values {
            let name = value["const"].as_str().unwrap();
            let meaning = source::plain(value["description"].as_str().unwrap());
            writeln!(page, "| `{name}` | {} |", cell(&meaning)).unwrap();
        }
    }
}

/// The enum that a column refers to.
fn definition<'s>(property: &Value, schema: &'s Value) -> Option<&'s Value> {
    let reference = property["$ref"].as_str()?;
    Some(&schema["$defs"][reference.rsplit('/').next().unwrap()])
}

/// What may stand in a column.
fn kind(property: &Value, schema: &Value) -> String {
    if let Some(definition) = definition(property, schema) {
        let values = definition["oneOf"]
            .as_array()
            .or(definition["enum"].as_array())
            .unwrap();
        if values.len() > MAX_VALUES_IN_A_ROW {
            return "one of the values below".to_owned();
        }
        let values = values
            .iter()
            .map(|value| format!("`{}`", value["const"].as_str().or(value.as_str()).unwrap()));
        return values.collect::<Vec<_>>().join(", ");
    }
    if let Some(alternatives) = property["anyOf"].as_array() {
        return format!("{} or empty", kind(&alternatives[0], schema));
    }
    match &property["type"] {
        Value::Array(kinds) => format!("{} or empty", kinds[0].as_str().unwrap()),
        kind => kind.as_str().unwrap().to_owned(),
    }
}
