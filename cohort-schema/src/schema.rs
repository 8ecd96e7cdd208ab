//! JSON Schema of one row of each table, made from the Rust types. The checked-in copies in
//! `schemas/` are rewritten by `cargo run -p gf-cohort-schema --example write_schemas`; a test
//! checks that they match the types.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use crate::{
    ApoeRow, AucRow, CalibrationRow, CostRow, DecileRow, DistributionRow, EffectRow, FoldRow,
    GuardRow, PairRow, Phenotype, Prediction, RocPoint, ScoreRow, Split, StratumRow, rows::columns,
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
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 15] = [
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
        }
    }
}

/// JSON Schema of one row of a table; an empty cell is `null`.
#[must_use]
pub fn json_schema(table: Table) -> Value {
    match table {
        Table::Cohort => schema_for!(CohortRow),
        Table::Predictions => schema_for!(Prediction),
        Table::Cost => schema_for!(CostRow),
        Table::Scores => schema_for!(ScoreRow),
        Table::Auc => schema_for!(AucRow),
        Table::Roc => schema_for!(RocPoint),
        Table::Strata => schema_for!(StratumRow),
        Table::Calibration => schema_for!(CalibrationRow),
        Table::Deciles => schema_for!(DecileRow),
        Table::Distribution => schema_for!(DistributionRow),
        Table::Folds => schema_for!(FoldRow),
        Table::Guards => schema_for!(GuardRow),
        Table::Apoe => schema_for!(ApoeRow),
        Table::Effects => schema_for!(EffectRow),
        Table::Pairs => schema_for!(PairRow),
    }
    .to_value()
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
