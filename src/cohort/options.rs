//! Options of `cohort`.

use std::path::PathBuf;

use gf_cohort_schema::MissingValues;
use serde::{Deserialize, Serialize};

use super::{SECOND_DEGREE, SampleId, split::Shares};

/// Options of the join, the phenotype and the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Tables to join. The cohort has the samples of the first table.
    pub tables: Vec<PathBuf>,
    /// Column of the phenotype; `None` means the only candidate column.
    pub phenotype: Option<String>,
    /// Values of cases.
    pub case: Vec<String>,
    /// Values of controls.
    pub control: Vec<String>,
    /// Shares of a new split. `None` means the column `split`, or 60, 20 and 20 % without this
    /// column.
    pub split: Option<Shares>,
    /// Seed of the split.
    pub seed: u64,
    /// Columns by which the split is stratified, in addition to the phenotype.
    pub stratify_by: Vec<String>,
    /// Table of kinships. One sample of each related pair across splits is dropped.
    pub unrelated: Option<PathBuf>,
    /// Smallest kinship of a related pair.
    pub kinship_cutoff: f64,
    /// Genotype files. Samples that are not in these files are dropped.
    pub vcf: Vec<PathBuf>,
    /// Column of sample IDs, if it does not have a usual name.
    pub id_column: Option<String>,
    /// How a sample is named in the genotype files.
    pub sample_id: SampleId,
    /// Whether FID is ignored, because it is not a family ID.
    pub ignore_families: bool,
    /// Whether samples of unknown phenotype are dropped.
    pub drop_unknown: bool,
    /// Numbers that are codes for a missing value.
    pub missing_value: Option<MissingValues>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            phenotype: None,
            case: Vec::new(),
            control: Vec::new(),
            split: None,
            seed: 1,
            stratify_by: Vec::new(),
            unrelated: None,
            kinship_cutoff: SECOND_DEGREE,
            vcf: Vec::new(),
            id_column: None,
            sample_id: SampleId::Iid,
            ignore_families: false,
            drop_unknown: false,
            missing_value: None,
        }
    }
}
