//! The selection of sample columns, and the index of each selected sample in a record.
//!
//! A column is the 0-based number of a sample in the file. A sample index is the 0-based number
//! among the selected samples, whose order need not be that of the file.

use std::collections::HashMap;

use super::{gt::CellProblem, header::Header, imputed_dosages::DosageField};
use gf_cohort_schema::counted;

/// Marks a column that is not selected.
const NOT_SELECTED: u32 = u32::MAX;

/// A selection of the sample columns.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Number of columns in the file.
    n_in_file: usize,
    /// Column of each selected sample; `None` if all columns are read in their order.
    column_of_sample: Option<Vec<usize>>,
    /// Sample index of each column, or [`NOT_SELECTED`].
    sample_of_column: Vec<u32>,
    /// The selected samples are in the order of their columns.
    in_order: bool,
}

/// The parts of the sample columns that are parsed.
#[derive(Clone, Copy)]
pub(super) struct Selection<'c> {
    pub columns: &'c Columns,
    pub dosage_field: DosageField,
}

/// A value in a sample column that cannot be read.
#[derive(Debug)]
pub(super) struct ColumnError {
    pub column: usize,
    pub problem: CellProblem,
}

impl ColumnError {
    /// The problem with the name of the sample.
    pub fn of_sample(self, header: &Header) -> SampleProblem {
        SampleProblem {
            sample: header.samples.get(self.column).cloned(),
            problem: self.problem,
        }
    }
}

/// A value of a sample that cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {problem}", place(sample.as_deref()))]
pub struct SampleProblem {
    /// The sample; `None` for a column after the last sample.
    pub sample: Option<String>,
    /// The problem in the value.
    pub problem: CellProblem,
}

fn place(sample: Option<&str>) -> String {
    sample.map_or_else(
        || "after the last sample".to_owned(),
        |name| format!("sample `{name}`"),
    )
}

/// More or fewer genotypes than samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} for {}",
    counted(*n_genotypes, "genotype", "genotypes"),
    counted(*n_samples, "sample", "samples")
)]
pub struct UnequalColumns {
    /// Genotypes of the record.
    pub n_genotypes: usize,
    /// Samples of the header.
    pub n_samples: usize,
}

/// Why samples of a file cannot be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionProblem {
    /// Samples that the file does not have.
    #[error(
        "no sample `{first}`; {n_missing} of the {} requested {} not in this file, which has {} \
         (such as `{example}`)",
        counted(*n_selected, "sample", "samples"),
        if *n_missing == 1 { "is" } else { "are" },
        counted(*n_samples, "sample", "samples")
    )]
    NoSample {
        /// The first of these samples.
        first: String,
        /// Number of these samples.
        n_missing: usize,
        /// Number of selected samples.
        n_selected: usize,
        /// Number of samples of the file.
        n_samples: usize,
        /// The first sample of the file.
        example: String,
    },
    /// A sample that is selected twice.
    #[error("sample `{sample}` is requested twice; list it once")]
    Twice {
        /// The sample.
        sample: String,
    },
}

impl Columns {
    /// Selects all columns.
    pub fn all(n_columns: usize) -> Self {
        Self {
            n_in_file: n_columns,
            column_of_sample: None,
            sample_of_column: Vec::new(),
            in_order: true,
        }
    }

    /// Selects samples by name, in the order given; `samples` are those of the file.
    ///
    /// # Errors
    /// Samples without a column, or a sample that is selected twice.
    pub fn select(selected: &[String], samples: &[String]) -> Result<Self, SelectionProblem> {
        let column_of_name: HashMap<&str, usize> = samples
            .iter()
            .enumerate()
            .map(|(column, name)| (name.as_str(), column))
            .collect();
        let missing: Vec<&String> = selected
            .iter()
            .filter(|name| !column_of_name.contains_key(name.as_str()))
            .collect();
        if let Some(first) = missing.first() {
            return Err(SelectionProblem::NoSample {
                first: (*first).clone(),
                n_missing: missing.len(),
                n_selected: selected.len(),
                n_samples: samples.len(),
                example: samples[0].clone(),
            });
        }
        let column_of_sample: Vec<usize> = selected
            .iter()
            .map(|name| column_of_name[name.as_str()])
            .collect();
        let mut sample_of_column = vec![NOT_SELECTED; samples.len()];
        for (sample, &column) in column_of_sample.iter().enumerate() {
            let earlier = std::mem::replace(&mut sample_of_column[column], sample as u32);
            if earlier != NOT_SELECTED {
                return Err(SelectionProblem::Twice {
                    sample: selected[sample].clone(),
                });
            }
        }
        let in_order = column_of_sample.is_sorted();
        Ok(Self {
            n_in_file: samples.len(),
            column_of_sample: Some(column_of_sample),
            sample_of_column,
            in_order,
        })
    }

    /// Number of sample columns in the file.
    pub fn n_columns(&self) -> usize {
        self.n_in_file
    }

    /// Number of selected samples.
    pub fn n_samples(&self) -> usize {
        self.column_of_sample
            .as_ref()
            .map_or(self.n_in_file, Vec::len)
    }

    /// Column of each selected sample; `None` if all columns are selected in their order.
    pub fn column_of_sample(&self) -> Option<&[usize]> {
        self.column_of_sample.as_deref()
    }

    /// Sample index of a column; `None` if the column is not selected or does not exist.
    pub fn sample(&self, column: usize) -> Option<usize> {
        if self.column_of_sample.is_none() {
            return (column < self.n_in_file).then_some(column);
        }
        self.sample_of_column
            .get(column)
            .filter(|&&sample| sample != NOT_SELECTED)
            .map(|&sample| sample as usize)
    }

    /// Whether the selected samples are in the order of their columns.
    pub fn in_order(&self) -> bool {
        self.in_order
    }
}
