//! `tables.md`: the columns of every table. Those of `gf-cohort-schema` as its JSON Schemas have
//! them; the others are described here, and their names are held to the header that the program
//! writes.

use std::{fmt::Write as _, fs, path::Path};

use gf_cohort_schema::{Table, json_schema};
use serde_json::Value;

use super::{cell, head, study};
use crate::documentation::source;

/// Tables with a JSON Schema: file, and who writes it.
const WITH_SCHEMA: [(&str, Table, &str); 15] = [
    ("cohort.csv", Table::Cohort, "you, or `simulate`"),
    (
        "predictions.csv",
        Table::Predictions,
        "`train`, `prs`, `compress`",
    ),
    ("auc.csv", Table::Auc, "`evaluate`"),
    ("roc.csv", Table::Roc, "`evaluate`"),
    ("strata.csv", Table::Strata, "`evaluate`"),
    ("calibration.csv", Table::Calibration, "`evaluate`"),
    ("deciles.csv", Table::Deciles, "`evaluate`"),
    ("distribution.csv", Table::Distribution, "`evaluate`"),
    ("folds.csv", Table::Folds, "`evaluate`"),
    ("guards.csv", Table::Guards, "`prs`, `evaluate`"),
    ("scores.csv", Table::Scores, "`prs` with scoring files"),
    (
        "apoe.csv",
        Table::Apoe,
        "`prs`, where rs429358 and rs7412 are",
    ),
    ("cost.csv", Table::Cost, "`train`, `compress`"),
    ("explain.csv", Table::Effects, "`explain`"),
    ("pairs.csv of explain", Table::Pairs, "`explain`"),
];

/// A table that only people read, or a stage its own.
struct Further {
    title: &'static str,
    about: &'static str,
    /// Where one is, in the folder of [`study`].
    example: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const FURTHER: [Further; 12] = [
    Further {
        title: "output of score",
        about: "One row per sample and model. Written by `score`.",
        example: "risk.csv",
        columns: &[
            ("sample_id", "The sample's name in the VCF."),
            ("model", "Name of the model."),
            ("logit", "Log-odds of being a case."),
            (
                "probability",
                "1 / (1 + exp(-logit)): of a cohort with the share of cases that the training \
                 split has.",
            ),
        ],
    },
    Further {
        title: "raw_scores.csv",
        about: "Sums of published scores. Written by `prs` with scoring files.",
        example: "raw/raw_scores.csv",
        columns: &[
            ("sample_id", "The sample's name in the VCF."),
            ("accession", "Identifier of the score."),
            (
                "sum",
                "Weights times copies, added up: SUM of `plink2 --score`.",
            ),
            ("denominator", "Alleles that were counted: DENOM."),
            ("average", "`sum` / `denominator`: AVG."),
            ("n_missing", "Missing genotypes of this sample."),
        ],
    },
    Further {
        title: "match_log.csv",
        about: "The match of every row of a scoring file, in the columns of pgsc_calc. Written by \
                `prs` with scoring files.",
        example: "raw/match_log.csv",
        columns: &[
            ("row_nr", "Row of the scoring file, from 0."),
            ("accession", "Identifier of the score."),
            ("chr_name", "Contig, as the scoring file has it."),
            ("chr_position", "1-based position there."),
            ("effect_allele", "Allele that the weight is of."),
            (
                "other_allele",
                "The other one; empty where the file has none.",
            ),
            (
                "effect_weight",
                "The weight; three, with `;` between, where there is one for each number of \
                 copies.",
            ),
            (
                "effect_type",
                "`additive`, `dominant`, `recessive` or `dosage_weights`.",
            ),
            (
                "ID",
                "ID of the record at this position; empty when there is none.",
            ),
            ("REF", "REF of the record."),
            ("ALT", "ALT of the record."),
            (
                "matched_effect_allele",
                "The effect allele as the record has it.",
            ),
            (
                "match_type",
                "How it was matched: `refalt`, `altref`, and so on; `_flip`: on the other strand.",
            ),
            (
                "is_multiallelic",
                "Whether the record has several ALT alleles.",
            ),
            ("ambiguous", "Whether the alleles are A and T, or C and G."),
            ("match_flipped", "Whether the strand was exchanged."),
            (
                "best_match",
                "Whether this is the record taken, of those that fit.",
            ),
            ("exclude", "Whether the row is left out of the score."),
            (
                "duplicate_best_match",
                "Whether several records fit equally well; the first is taken.",
            ),
            ("duplicate_ID", "Whether several rows mean one allele."),
            (
                "match_IDs",
                "`NA`: no list of identifiers restricts the matches.",
            ),
            (
                "match_status",
                "`matched`, `excluded`, `not_best`, `unmatched`, or `by_frequency` (the variant \
                 is not known here; everyone gets its frequency).",
            ),
            ("dataset", "Name of the VCF."),
            (
                "reason",
                "Reason why a row is not used unchanged, empty otherwise: `no-contig`, \
                 `not-in-vcf`, \
                 `other-alleles`, `filter`, `no-alt`, `missing`, `ambiguous`, `duplicate-id`, \
                 `duplicate-best-match`, `multiallelic`, `hom-ref`, `not-callable`, or why the \
                 row is no weight of one allele at a position (`no-position`, `no-weight`, \
                 `allele`, `haplotype`, `interaction`, `hla`, `effect-type`).",
            ),
        ],
    },
    Further {
        title: "score_auc.csv",
        about: "How well each published score tells cases from controls as it is. Written by `prs \
                --no-fit`.",
        example: "auc/score_auc.csv",
        columns: &[
            ("model", "Name of the score, as in `predictions.csv`."),
            ("split", "The split, or `all` where there are several."),
            ("n_cases", "Cases."),
            ("n_controls", "Controls."),
            ("auroc", "Area under the ROC curve of the sums."),
            (
                "ci_low",
                "Lower end of DeLong's 95 % interval; empty with fewer than two \
                 samples of a class.",
            ),
            ("ci_high", "Its upper end."),
        ],
    },
    Further {
        title: "weights.csv",
        about: "Every coefficient of every baseline on the scale of the data: logit = intercept + \
                sum of weight times value. Written by `prs`.",
        example: "run/4-baselines/weights.csv",
        columns: &[
            ("model", "Name of the baseline."),
            (
                "term",
                "`intercept`, `covariate`, `apoe`, `allele`, `allele-1-copy` or `allele-2-copies`.",
            ),
            ("name", "Name of the covariate or of the APOE allele."),
            ("chrom", "Contig of the allele."),
            ("position", "1-based position."),
            ("ref_allele", "REF."),
            ("alt_allele", "ALT."),
            ("effect_allele", "Allele whose copies are counted."),
            ("weight", "What one unit, or one copy, adds to the logit."),
            (
                "frequency",
                "Frequency of the effect allele among the training samples.",
            ),
            (
                "mean",
                "Mean of the value among the training samples; it replaces a missing one.",
            ),
            ("sd", "Its standard deviation there."),
        ],
    },
    Further {
        title: "association.csv",
        about: "The association of each ALT allele with the phenotype among the training samples, \
                adjusted for the covariates. Written by `prs`.",
        example: "run/4-baselines/association.csv",
        columns: &[
            ("contig", "Contig, as the VCF names it."),
            ("position", "1-based POS."),
            ("id", "ID of the record."),
            ("ref_allele", "REF."),
            ("alt_allele", "ALT."),
            ("effect_allele", "The allele that beta is of."),
            ("frequency", "Its frequency among the training samples."),
            ("n", "Training samples with a call."),
            ("beta", "Log-odds a copy."),
            ("se", "Its standard error."),
            ("p_value", "Two-sided."),
            (
                "test",
                "`wald` (logistic regression), `firth` (the same where classes are separated), or \
                 `score` (not promising enough for a fit of its own).",
            ),
        ],
    },
    Further {
        title: "related_pairs.csv",
        about: "Relatives in different splits. Written by `prs` where there are any. Private.",
        example: "related/related_pairs.csv",
        columns: &[
            ("sample_id_1", "One of the two."),
            ("split_1", "Their split."),
            ("sample_id_2", "The other."),
            ("split_2", "Their split."),
            (
                "kinship",
                "KING's coefficient: 0.5 for twins, 0.25 for parents and children.",
            ),
            ("relation", "What that means, by KING's cut-offs."),
        ],
    },
    Further {
        title: "skips.csv",
        about: "Every allele that is not in the sequences as the VCF states it. Written by \
                `sequences`, `tokenize` and `run`. Private.",
        example: "run/1-sequences/skips.csv",
        columns: &[
            (
                "sample_id",
                "Whose; empty where it concerns the whole record.",
            ),
            ("haplotype", "1 or 2; empty where it concerns both."),
            ("locus", "Name of the locus."),
            ("contig", "Contig, as the locus names it."),
            ("position", "1-based POS."),
            ("reason", "One of the reasons below."),
        ],
    },
    Further {
        title: "pairs.csv of sequences",
        about: "The two haplotypes of `loci.json` that each sample has. Written by \
                `sequences --out` and `run`. Private.",
        example: "run/1-sequences/pairs.csv",
        columns: &[
            ("sample_id", "The sample's name in the VCF."),
            ("locus", "Name of the locus."),
            (
                "haplotype_a",
                "Number of the first haplotype in `loci.json`, from 0.",
            ),
            (
                "haplotype_b",
                "Number of the second; empty when there is none.",
            ),
        ],
    },
    Further {
        title: "training_log.csv",
        about: "Training of a model, epoch by epoch. Written by `train`.",
        example: "run/3-models/tiny/training_log.csv",
        columns: &[
            (
                "member",
                "Which model of the bundle: of a fold, or of an ensemble.",
            ),
            (
                "term",
                "Deep term of the model, from 1; 1 for a pure sequence model.",
            ),
            ("epoch", "From 1."),
            (
                "train_loss",
                "Mean (weighted) loss over the samples of the epoch, each before its own update.",
            ),
            (
                "validation_auroc",
                "AUC on the samples that choose the epoch.",
            ),
            ("validation_loss", "Their mean loss."),
            ("learning_rate", "At the end of the epoch."),
            ("seconds", "Wall-clock time of the epoch."),
            (
                "people_per_second",
                "People trained on in a second, without validation.",
            ),
        ],
    },
    Further {
        title: "stacked.csv",
        about: "The regression of the stacked model (row 5). Written by `evaluate`.",
        example: "run/5-report/stacked.csv",
        columns: &[
            (
                "term",
                "`intercept`, or the model whose logit it multiplies.",
            ),
            ("coefficient", "On the log-odds scale."),
            ("standard_error", "Of the coefficient."),
            (
                "n_validation",
                "People of the validation split that it was fitted on.",
            ),
        ],
    },
    Further {
        title: "truth.csv",
        about: "The simulated risk of every sample. Written by `simulate`; no command reads it.",
        example: "run/0-cohort/truth.csv",
        columns: &[
            ("sample_id", "The sample's name in the VCF."),
            ("logit", "Simulated log-odds of disease."),
            ("probability", "Of disease."),
            ("phenotype", "As drawn with that probability."),
            ("split", "Use of the sample: train, validation or test."),
        ],
    },
];

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
         JSON Schemas of the first 15 tables are in `cohort-schema/schemas/`.",
    );
    for (title, table, writer) in WITH_SCHEMA {
        let columns = table.columns();
        let schema = json_schema(table);
        let about = source::plain(schema["description"].as_str().unwrap());
        writeln!(
            page,
            "\n## {title}\n\n{} Written by {writer}.\n\n| column | type | meaning |\n|---|---|---|",
            cell(&about)
        )
        .unwrap();
        assert_eq!(
            columns.len(),
            schema["properties"].as_object().unwrap().len(),
            "{title}"
        );
        for column in columns {
            let property = &schema["properties"][column];
            let meaning = source::plain(property["description"].as_str().unwrap());
            writeln!(
                page,
                "| `{column}` | {} | {} |",
                kind(property, &schema),
                cell(&meaning)
            )
            .unwrap();
        }
        if table == Table::Cohort {
            writeln!(
                page,
                "| `age`, `sex`, `PC1`, `PC2`, ... | number | A covariate, in upper or lower \
                 case; `sex` may be male/female. |"
            )
            .unwrap();
            writeln!(
                page,
                "| any other | any | A covariate where it is named with `--covariates`, a stratum \
                 where it is named with `--strata`. |"
            )
            .unwrap();
        }
    }
    write_further_tables(study());
    for Further {
        title,
        about,
        example,
        columns,
    } in FURTHER
    {
        let text = fs::read_to_string(study().join(example)).unwrap();
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        assert_eq!(text.lines().next().unwrap(), names.join(","), "{title}");
        writeln!(
            page,
            "\n## {title}\n\n{about}\n\n| column | meaning |\n|---|---|"
        )
        .unwrap();
        for (name, meaning) in columns {
            writeln!(page, "| `{name}` | {} |", cell(meaning)).unwrap();
        }
        if title == "skips.csv" {
            writeln!(page, "\n| reason | meaning |\n|---|---|").unwrap();
            for reason in source::items("crates/haplotypes/src/skips.rs", "enum", "Reason") {
                writeln!(
                    page,
                    "| `{}` | {} |",
                    snake_case(&reason.name),
                    cell(&reason.documentation)
                )
                .unwrap();
            }
        }
    }
    page
}

/// What may stand in a column.
fn kind(property: &Value, schema: &Value) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        let definition = &schema["$defs"][reference.rsplit('/').next().unwrap()];
        let values = definition["oneOf"]
            .as_array()
            .or(definition["enum"].as_array())
            .unwrap();
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

/// As `#[serde(rename_all = "snake_case")]` writes a variant.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, sign) in name.char_indices() {
        if sign.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(sign.to_lowercase());
    }
    snake
}
