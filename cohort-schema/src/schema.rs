//! JSON Schema of one row of each table, made from the Rust types. The checked-in copies in
//! `schemas/` are rewritten by `cargo run -p gf-cohort-schema --example write_schemas`; a test
//! checks that they match the types.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use crate::{
    ApoeRow, AssociationRow, AucRow, CalibrationRow, CoefficientRow, CostRow, DecileRow,
    DistributionRow, DroppedSampleRow, EffectRow, FoldRow, GuardRow, MatchRow, NonAdditiveRow,
    PairRow, Phenotype, Prediction, RawScoreRow, RelatedPairRow, RiskRow, RocPoint, ScoreAucRow,
    ScoreRow, Split, StackedRow, StratumRow, TokenMeasureRow, TrainingLogRow, TruthRow,
    rows::columns,
};

/// A table with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `cohort.csv`
    Cohort,
    /// `predictions.csv`
    Predictions,
    /// `cost.csv`
    Cost,
    /// `scores.csv`
    Scores,
    /// `auc.csv`
    Auc,
    /// `roc.csv`
    Roc,
    /// `strata.csv`
    Strata,
    /// `calibration.csv`
    Calibration,
    /// `deciles.csv`
    Deciles,
    /// `distribution.csv`
    Distribution,
    /// `folds.csv`
    Folds,
    /// `guards.csv`
    Guards,
    /// `apoe.csv`
    Apoe,
    /// `explain.csv`
    Effects,
    /// `pairs.csv`
    Pairs,
    /// `stacked.csv`
    Stacked,
    /// `non_additive.csv`
    NonAdditive,
    /// `weights.csv`
    Coefficients,
    /// `association.csv`
    Associations,
    /// `raw_scores.csv`
    RawScores,
    /// `match_log.csv`
    Matches,
    /// `score_auc.csv`
    ScoreAuc,
    /// `related_pairs.csv`
    RelatedPairs,
    /// `training_log.csv`
    TrainingLog,
    /// The output of `score`
    Risks,
    /// `truth.csv`
    Truth,
    /// `report.csv` of `tokenize`
    TokenReport,
    /// The output of `cohort --dropped`
    Dropped,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 28] = [
        Self::Cohort,
        Self::Predictions,
        Self::Cost,
        Self::Scores,
        Self::Auc,
        Self::Roc,
        Self::Strata,
        Self::Calibration,
        Self::Deciles,
        Self::Distribution,
        Self::Folds,
        Self::Guards,
        Self::Apoe,
        Self::Effects,
        Self::Pairs,
        Self::Stacked,
        Self::NonAdditive,
        Self::Coefficients,
        Self::Associations,
        Self::RawScores,
        Self::Matches,
        Self::ScoreAuc,
        Self::RelatedPairs,
        Self::TrainingLog,
        Self::Risks,
        Self::Truth,
        Self::TokenReport,
        Self::Dropped,
    ];

    /// File name of the schema.
    #[must_use]
    pub fn schema_file(self) -> &'static str {
        match self {
            Self::Cohort => "cohort.schema.json",
            Self::Predictions => "predictions.schema.json",
            Self::Cost => "cost.schema.json",
            Self::Scores => "scores.schema.json",
            Self::Auc => "auc.schema.json",
            Self::Roc => "roc.schema.json",
            Self::Strata => "strata.schema.json",
            Self::Calibration => "calibration.schema.json",
            Self::Deciles => "deciles.schema.json",
            Self::Distribution => "distribution.schema.json",
            Self::Folds => "folds.schema.json",
            Self::Guards => "guards.schema.json",
            Self::Apoe => "apoe.schema.json",
            Self::Effects => "explain.schema.json",
            Self::Pairs => "pairs.schema.json",
            Self::Stacked => "stacked.schema.json",
            Self::NonAdditive => "non_additive.schema.json",
            Self::Coefficients => "weights.schema.json",
            Self::Associations => "association.schema.json",
            Self::RawScores => "raw_scores.schema.json",
            Self::Matches => "match_log.schema.json",
            Self::ScoreAuc => "score_auc.schema.json",
            Self::RelatedPairs => "related_pairs.schema.json",
            Self::TrainingLog => "training_log.schema.json",
            Self::Risks => "score.schema.json",
            Self::Truth => "truth.schema.json",
            Self::TokenReport => "token_report.schema.json",
            Self::Dropped => "dropped.schema.json",
        }
    }
}

impl Table {
    /// Names of the columns, in their order. For the cohort table, these are the required columns.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Cohort => &["sample_id", "phenotype", "split", "family_id"],
            Self::Predictions => columns::<Prediction>(),
            Self::Cost => columns::<CostRow>(),
            Self::Scores => columns::<ScoreRow>(),
            Self::Auc => columns::<AucRow>(),
            Self::Roc => columns::<RocPoint>(),
            Self::Strata => columns::<StratumRow>(),
            Self::Calibration => columns::<CalibrationRow>(),
            Self::Deciles => columns::<DecileRow>(),
            Self::Distribution => columns::<DistributionRow>(),
            Self::Folds => columns::<FoldRow>(),
            Self::Guards => columns::<GuardRow>(),
            Self::Apoe => columns::<ApoeRow>(),
            Self::Effects => columns::<EffectRow>(),
            Self::Pairs => columns::<PairRow>(),
            Self::Stacked => columns::<StackedRow<'_>>(),
            Self::NonAdditive => columns::<NonAdditiveRow<'_>>(),
            Self::Coefficients => columns::<CoefficientRow<'_>>(),
            Self::Associations => columns::<AssociationRow<'_>>(),
            Self::RawScores => columns::<RawScoreRow<'_>>(),
            Self::Matches => columns::<MatchRow<'_>>(),
            Self::ScoreAuc => columns::<ScoreAucRow<'_>>(),
            Self::RelatedPairs => columns::<RelatedPairRow<'_>>(),
            Self::TrainingLog => columns::<TrainingLogRow>(),
            Self::Risks => columns::<RiskRow<'_>>(),
            Self::Truth => columns::<TruthRow<'_>>(),
            Self::TokenReport => columns::<TokenMeasureRow<'_>>(),
            Self::Dropped => columns::<DroppedSampleRow<'_>>(),
        }
    }
}

/// JSON Schema of one row of a table; an empty cell is `null`.
#[must_use]
pub fn json_schema(table: Table) -> Value {
    match table {
        Table::Cohort => row_schema::<CohortRow>(),
        Table::Predictions => row_schema::<Prediction>(),
        Table::Cost => row_schema::<CostRow>(),
        Table::Scores => row_schema::<ScoreRow>(),
        Table::Auc => row_schema::<AucRow>(),
        Table::Roc => row_schema::<RocPoint>(),
        Table::Strata => row_schema::<StratumRow>(),
        Table::Calibration => row_schema::<CalibrationRow>(),
        Table::Deciles => row_schema::<DecileRow>(),
        Table::Distribution => row_schema::<DistributionRow>(),
        Table::Folds => row_schema::<FoldRow>(),
        Table::Guards => row_schema::<GuardRow>(),
        Table::Apoe => row_schema::<ApoeRow>(),
        Table::Effects => row_schema::<EffectRow>(),
        Table::Pairs => row_schema::<PairRow>(),
        Table::Stacked => row_schema::<StackedRow<'_>>(),
        Table::NonAdditive => row_schema::<NonAdditiveRow<'_>>(),
        Table::Coefficients => row_schema::<CoefficientRow<'_>>(),
        Table::Associations => row_schema::<AssociationRow<'_>>(),
        Table::RawScores => row_schema::<RawScoreRow<'_>>(),
        Table::Matches => row_schema::<MatchRow<'_>>(),
        Table::ScoreAuc => row_schema::<ScoreAucRow<'_>>(),
        Table::RelatedPairs => row_schema::<RelatedPairRow<'_>>(),
        Table::TrainingLog => row_schema::<TrainingLogRow>(),
        Table::Risks => row_schema::<RiskRow<'_>>(),
        Table::Truth => row_schema::<TruthRow<'_>>(),
        Table::TokenReport => row_schema::<TokenMeasureRow<'_>>(),
        Table::Dropped => row_schema::<DroppedSampleRow<'_>>(),
    }
}

/// JSON Schema of a row type.
#[must_use]
pub fn row_schema<R: JsonSchema>() -> Value {
    schema_for!(R).to_value()
}

/// One sample of a cohort: the fixed columns, then any other columns.
#[derive(JsonSchema)]
#[allow(
    dead_code,
    reason = "describes the file; `Person` is what it is read into"
)]
struct CohortRow {
    /// The sample's name in the VCF; unique.
    #[schemars(length(min = 1))]
    sample_id: String,
    /// Phenotype; empty if unknown. 0/1 is read as control/case, and PLINK's 1/2 on request.
    phenotype: Option<Phenotype>,
    /// The use of the sample.
    split: Split,
    /// Family of the sample. All members of a family are in one split.
    family_id: Option<String>,
    /// Covariates (`age`, `sex`, `PC1`, ... and the columns that the user names) are numbers; `sex`
    /// may be male or female. Other columns may have any text.
    #[schemars(flatten)]
    further: BTreeMap<String, Value>,
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_checked_in_schemas_have_not_drifted() {
        for table in Table::ALL {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("schemas")
                .join(table.schema_file());
            let checked_in: Value =
                serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(
                checked_in,
                json_schema(table),
                "run `cargo run -p gf-cohort-schema --example write_schemas`"
            );
        }
    }
}
