//! Stage `cohort`: makes `cohort.csv` from sample tables.
//!
//! Input: tables of PLINK, smartpca or spreadsheets.
//! Output: one row per sample with phenotype, split, family and covariates, and a [`Summary`] of
//! the joined tables, the phenotype mapping and the dropped samples.

mod draft;
mod error;
mod join;
mod options;
mod phenotype;
mod related;
mod split;
mod summary;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use gf_cohort_schema::{DroppedSampleRow, Phenotype, Split, write_rows};
use serde::{Deserialize, Serialize};

use self::{draft::Draft, join::Joined, phenotype::MappedColumn, table::Table};
pub use self::{error::Error, options::Options, split::Shares, summary::Summary};

/// Joins the tables, maps the phenotype and makes the split.
///
/// # Errors
/// Tables that cannot be read or contradict each other, an ambiguous phenotype, or a split that
/// lacks cases or controls.
pub fn run(options: &Options) -> Result<(Prepared, Summary), Error> {
    let mut tables = Vec::with_capacity(options.tables.len());
    for path in &options.tables {
        let id_column = options.id_column.as_deref();
        tables.push(Table::read(path, id_column, options.sample_id)?);
    }
    let (joined, overlaps) = Joined::new(&tables, options)?;
    let MappedColumn {
        column,
        mapping,
        values,
    } = phenotype::map(&joined, options)?;
    let mut draft = Draft::new(&joined, &values);
    draft.drop_absent(&options.vcf)?;
    draft.drop_by_phenotype(&values, options.drop_unknown);
    draft.require_anybody()?;

    let families = if options.ignore_families {
        (0..joined.people.len()).collect()
    } else {
        split::families(&joined.people)
    };
    let family_ids = draft.family_ids(&families);
    draft.require_real_families(&families)?;
    let split_origin = draft.make_split(options, &families, &family_ids)?;
    let kinships = draft.drop_related(options)?;
    draft.require_both_classes()?;
    let columns = output_columns(&joined, column);
    Ok(draft.finish(
        &columns,
        &families,
        &family_ids,
        Summary {
            overlaps,
            mapping,
            split: split_origin,
            kinships,
            ..Summary::default()
        },
    ))
}

/// Start of the reason for dropping relatives.
const RELATED: &str = "related to a sample in another split";

/// Kinship cut-off of KING between second and third degree.
pub const SECOND_DEGREE: f64 = 0.0884;

/// How the sample name in the genotypes is made from the two ids of PLINK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleId {
    /// The IID.
    #[default]
    Iid,
    /// `FID_IID`, as `plink --recode vcf` writes it.
    FidIid,
}

/// A cohort table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    /// Columns beyond `sample_id`, `phenotype`, `split` and `family_id`.
    pub columns: Vec<String>,
    /// Samples in the order of the first table.
    pub samples: Vec<CohortRow>,
    /// Id of each dropped sample and the reason.
    pub dropped: Vec<(String, String)>,
}

/// A row of the cohort table.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortRow {
    /// Name of the sample in the genotypes.
    pub sample_id: String,
    /// Phenotype; `None` if it is unknown.
    pub phenotype: Option<Phenotype>,
    /// Train, validation or test.
    pub split: Split,
    /// Family id, if the cohort has another sample of the family.
    pub family_id: Option<String>,
    /// One cell per column of [`Prepared::columns`]; empty if there is no value.
    pub cells: Vec<String>,
}

/// Counts of the pairs in a table of kinships.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KinshipPairs {
    /// Pairs whose samples are both in the cohort.
    pub known: usize,
    /// Related pairs among them.
    pub related: usize,
    /// Related pairs within one split, which stay in the cohort.
    pub within_split: usize,
}

/// Columns with values, except the phenotype and the columns that every cohort table has.
fn output_columns(joined: &Joined, phenotype: usize) -> Vec<usize> {
    let mut columns = Vec::new();
    for (index, column) in joined.columns.iter().enumerate() {
        let name = column.name.to_ascii_lowercase();
        let is_fixed = ["sample_id", "phenotype", "split", "family_id"].contains(&name.as_str());
        let has_values = joined.cells(index).any(|cell| !cell.is_empty());
        if index != phenotype && !is_fixed && has_values {
            columns.push(index);
        }
    }
    columns
}

impl Prepared {
    /// Writes `cohort.csv`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let with_family = self.samples.iter().any(|sample| sample.family_id.is_some());
        let mut table = csv::Writer::from_writer(out);
        let fixed_names = ["sample_id", "phenotype", "split"]
            .into_iter()
            .chain(with_family.then_some("family_id"));
        table.write_record(fixed_names.chain(self.columns.iter().map(String::as_str)))?;
        for CohortRow {
            sample_id,
            phenotype,
            split,
            family_id,
            cells,
        } in &self.samples
        {
            let phenotype_cell = phenotype
                .map(|phenotype| phenotype.to_string())
                .unwrap_or_default();
            let fixed_cells = [sample_id.clone(), phenotype_cell, split.to_string()];
            let family_cell = with_family.then(|| family_id.clone().unwrap_or_default());
            table.write_record(fixed_cells.iter().chain(&family_cell).chain(cells))?;
        }
        table.flush()
    }

    /// Writes the dropped samples with their reasons, as `sample_id,reason`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_dropped(&self, out: impl Write) -> io::Result<()> {
        let rows = self
            .dropped
            .iter()
            .map(|(sample_id, reason)| DroppedSampleRow { sample_id, reason });
        write_rows::<DroppedSampleRow<'_>>(out, rows)
    }
}
