//! The tables of an evaluation as one value.

use gf_cohort_schema::{
    AucRow, CalibrationRow, DecileRow, DistributionRow, FoldRow, GuardRow, RocPoint, Split,
    StratumRow,
};
use serde::Serialize;

use super::{ScoreDensity, SplitCharacteristics};

/// All tables of an evaluation, as the report shows them. Rows of models are sorted by split, then
/// in the order of [`gf_cohort_schema::comparison_row`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// `auc.csv`.
    pub rows: Vec<AucRow>,
    /// `roc.csv`.
    pub roc: Vec<RocPoint>,
    /// `strata.csv`.
    pub strata: Vec<StratumRow>,
    /// `calibration.csv`.
    pub calibration: Vec<CalibrationRow>,
    /// `deciles.csv`.
    pub deciles: Vec<DecileRow>,
    /// `distribution.csv`.
    pub distribution: Vec<DistributionRow>,
    /// `folds.csv`; empty without cross-validation.
    pub folds: Vec<FoldRow>,
    /// `guards.csv`.
    pub guards: Vec<GuardRow>,
    /// All predicted samples, counted by split. The report shows them; there is no CSV file.
    pub people: Vec<PeopleRow>,
    /// Age, sex, ancestry and APOE by split. The report shows them; there is no CSV file.
    pub characteristics: Vec<SplitCharacteristics>,
    /// Densities of scores by ancestry on the last split. The report shows them; there is no CSV
    /// file.
    pub ancestry_densities: Vec<ScoreDensity>,
    /// The reference model and how it was chosen, as a sentence.
    pub comparison: String,
}

/// Samples of one split, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeopleRow {
    /// The split.
    pub split: Split,
    /// Samples with the disease.
    pub n_cases: usize,
    /// Samples without the disease.
    pub n_controls: usize,
    /// Samples of unknown phenotype, which are left out.
    pub n_without_phenotype: usize,
    /// Distinct `family_id`; `None` where no table has families.
    pub n_families: Option<usize>,
}

impl PeopleRow {
    /// Samples of known and unknown phenotype.
    #[must_use]
    pub fn n_people(&self) -> usize {
        self.n_cases + self.n_controls + self.n_without_phenotype
    }
}
