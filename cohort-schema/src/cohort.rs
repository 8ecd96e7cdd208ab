//! The cohort table `cohort.csv`: samples with phenotype, split and covariates.
//!
//! Input -> output: a CSV with the columns `sample_id`, `phenotype`, `split`, optionally
//! `family_id`, and any further columns -> a [`Cohort`] in the order of the file.
//!
//! Covariates are the columns `age`, `sex` and `PC1`, `PC2`, ... as far as they are present, or the
//! columns that the user names. Other columns are ignored with a note.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    CovariateReader, Error, MissingCovariates, MissingPolicies, MissingSamples, Phenotype,
    PhenotypeCoding, Problem, Split, UnknownSplit, counted,
    missing::{FEW, is_minus_nine, is_missing},
    phenotype::PhenotypeReader,
    table::{CsvTable, Row},
};

const SAMPLE_ID: &str = "sample_id";
const PHENOTYPE: &str = "phenotype";
const SPLIT: &str = "split";
const FAMILY_ID: &str = "family_id";

/// Why the samples or the covariates of a cohort cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CohortProblem {
    /// Two rows of one sample.
    #[error("sample {id} is listed twice (lines {first_line} and {line}); keep one row")]
    SampleTwice {
        /// The sample.
        id: String,
        /// 1-based line of the first row.
        first_line: u64,
        /// 1-based line of the second row.
        line: u64,
    },
    /// Two rows of one sample, with different splits.
    #[error("sample {id} is in two splits ({first}, {second}); keep one row")]
    SampleInTwoSplits {
        /// The sample.
        id: String,
        /// Its first row.
        first: SplitLine,
        /// Its second row.
        second: SplitLine,
    },
    /// Members of one family in different splits.
    #[error(
        "family {family} is in two splits ({first}, {second}). Relatives share haplotypes, so put \
         each family into one split"
    )]
    FamilyInTwoSplits {
        /// The family.
        family: String,
        /// The row of its first member.
        first: SplitLine,
        /// The row of the first member in another split.
        second: SplitLine,
    },
    /// A split without cases or without controls.
    #[error(
        "split {} has {}, {} and {} of unknown phenotype; it needs at least one case and one \
         control",
        .0.split,
        counted(.0.cases, "case", "cases"),
        counted(.0.controls, "control", "controls"),
        counted(.0.unknown, "sample", "samples")
    )]
    OneClass(SplitCounts),
    /// Samples of the cohort without genotypes.
    #[error(
        "no sample `{first}`; {n_absent} of the {n_people} samples of the cohort are not in this \
         file ({shares}). The file has {n_present} samples{}. Check that both use the same sample \
         IDs. Drop a few absent samples with --missing-samples drop",
        such_as(example.as_deref())
    )]
    AbsentSamples {
        /// The first absent sample.
        first: String,
        /// Number of absent samples.
        n_absent: usize,
        /// Number of samples of the cohort.
        n_people: usize,
        /// The absent samples by split.
        shares: SplitShares,
        /// Number of samples of the genotype file.
        n_present: usize,
        /// The first sample of the genotype file.
        example: Option<String>,
    },
    /// A column that has another meaning.
    #[error("column `{name}` cannot be a covariate")]
    ReservedColumn {
        /// The column.
        name: String,
    },
    /// A column without a name.
    #[error("a column without a name cannot be a covariate; name the column in the header")]
    UnnamedCovariate,
    /// A repeated covariate.
    #[error("covariate `{name}` is listed twice; keep one")]
    CovariateTwice {
        /// The covariate.
        name: String,
    },
    /// A covariate that is as good as the phenotype.
    #[error(
        "column `{name}` alone separates all cases from all controls. It may be a copy of the \
         phenotype, or known only after the diagnosis. Choose the covariates with --covariates"
    )]
    CopyOfPhenotype {
        /// The covariate.
        name: String,
    },
    /// A covariate without a value in the training samples.
    #[error(
        "covariate `{name}` has no value in any training sample, so it has no mean; choose other \
         covariates with --covariates"
    )]
    NoMean {
        /// The covariate.
        name: String,
    },
    /// A missing covariate of an unknown row.
    #[error("a covariate is missing")]
    NoCovariate,
    /// More missing covariates than the policy accepts.
    #[error(
        "no value; a covariate is missing in {shares}{}. Fill in the values or choose other \
         covariates (--covariates). --missing-covariates drop drops these samples, and \
         --missing-covariates mean uses the mean of the training samples",
        if *is_any_refused { "" } else { ", more than 5 % of a split" }
    )]
    MissingCovariates {
        /// The samples with a missing covariate, by split.
        shares: SplitShares,
        /// Whether the policy refuses any missing covariate, and not only many of them.
        is_any_refused: bool,
    },
    /// A missing covariate of a sample to score.
    #[error(
        "no value, but the model needs one for every sample. Fill it in, use the mean of the \
         training samples (--missing-covariates mean), or drop such samples (--missing-covariates \
         drop)"
    )]
    NoValueToScore,
}

/// The split of a row, such as `train at line 2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitLine {
    /// The split.
    pub split: Split,
    /// 1-based line of the row.
    pub line: u64,
}

impl fmt::Display for SplitLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}", self.split, self.line)
    }
}

/// A part of each split, such as `12 of 200 train and 1 of 50 test samples`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitShares {
    /// Samples of the part by split, in the order of [`Split::ALL`].
    pub by_split: [usize; 3],
    /// All samples by split.
    pub sizes: [usize; 3],
}

impl fmt::Display for SplitShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares: Vec<String> = Split::ALL
            .into_iter()
            .zip(self.by_split.into_iter().zip(self.sizes))
            .filter(|(_, (n, _))| *n > 0)
            .map(|(split, (n, size))| format!("{n} of {size} {split}"))
            .collect();
        write!(f, "{} samples", shares.join(" and "))
    }
}

/// An example of a sample for a message; empty without one.
fn such_as(example: Option<&str>) -> String {
    example.map_or_else(String::new, |sample| format!(", such as `{sample}`"))
}

/// One sample of a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The sample's name in the VCF; unique in a cohort.
    pub sample_id: String,
    /// `None` when unknown: the sample is scored, but not used for training or evaluation.
    pub phenotype: Option<Phenotype>,
    /// The use of the sample.
    pub split: Split,
    /// Family. All its members are in one split.
    pub family_id: Option<String>,
    /// One finite value per name of [`Cohort::covariate_names`], in the same order and unit.
    pub covariates: Vec<f64>,
}

/// The samples of a study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cohort {
    /// The samples, in the order of the file.
    pub people: Vec<Person>,
    /// Names of the covariates.
    pub covariate_names: Vec<String>,
    /// Columns and samples that the reader left out, and values that it filled in.
    pub notes: CohortNotes,
}

/// Columns and samples that a reader of cohort tables left out, and values that it filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CohortNotes {
    /// Columns that are not covariates.
    pub ignored_columns: Vec<String>,
    /// Samples that were dropped, by reason.
    pub dropped: Vec<Dropped>,
    /// Covariates whose missing values were replaced by the mean of the training samples, with the
    /// number of samples.
    pub filled: Vec<(String, usize)>,
}

/// Samples that were dropped for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The reason, such as `not in a.vcf`: text of a report, not an error.
    pub reason: String,
    /// Number of samples of each split, in the order of [`Split::ALL`].
    pub by_split: [usize; 3],
}

impl fmt::Display for CohortNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ignored_columns.is_empty() {
            writeln!(
                f,
                "columns not used as covariates: {} (choose with --covariates)",
                self.ignored_columns.join(", ")
            )?;
        }
        for Dropped { reason, by_split } in &self.dropped {
            let counts: Vec<String> = Split::ALL
                .into_iter()
                .zip(by_split)
                .filter(|(_, n)| **n > 0)
                .map(|(split, n)| format!("{split} {n}"))
                .collect();
            let n = by_split.iter().sum::<usize>();
            writeln!(
                f,
                "{n} sample{} dropped: {reason} ({})",
                if n == 1 { "" } else { "s" },
                counts.join(", ")
            )?;
        }
        for (column, n) in &self.filled {
            let values = counted(*n, "missing value was", "missing values were");
            writeln!(
                f,
                "covariate `{column}`: {values} replaced by the mean of the training samples"
            )?;
        }
        Ok(())
    }
}

/// The meaning of a column of a cohort table, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CohortColumn {
    /// `sample_id`.
    SampleId,
    /// `phenotype`.
    Phenotype,
    /// `split`.
    Split,
    /// `family_id`.
    FamilyId,
    /// PLINK's `FID` and `IID`.
    PlinkId,
    /// `age`, in any case.
    Age,
    /// `sex`, in any case.
    Sex,
    /// A principal component: `PC1`, `PC2`, ..., in any case.
    Component,
    /// A column without a name, such as the row numbers of pandas and R.
    Unnamed,
    /// Any other.
    Other,
}

impl CohortColumn {
    /// The meaning of a name in the header.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        match name {
            SAMPLE_ID => return Self::SampleId,
            PHENOTYPE => return Self::Phenotype,
            SPLIT => return Self::Split,
            FAMILY_ID => return Self::FamilyId,
            _ => {}
        }
        match lower.trim_start_matches('#') {
            "" => Self::Unnamed,
            "fid" | "iid" => Self::PlinkId,
            "age" => Self::Age,
            "sex" => Self::Sex,
            lower => match lower.strip_prefix("pc") {
                Some(number)
                    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    Self::Component
                }
                _ => Self::Other,
            },
        }
    }

    /// Whether the column is a covariate by default.
    #[must_use]
    pub fn is_usual_covariate(self) -> bool {
        matches!(self, Self::Age | Self::Sex | Self::Component)
    }

    /// Whether the column is never a covariate.
    fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::SampleId | Self::Phenotype | Self::Split | Self::FamilyId
        )
    }
}

/// Minimum number of cases and of controls for the check of [`Cohort::copy_of_phenotype`]. With
/// fewer, a covariate may separate them by chance.
const MIN_PER_CLASS: usize = 10;

/// Sizes and covariates of a cohort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortSummary {
    /// Samples by split.
    pub splits: Vec<SplitCounts>,
    /// Names of the covariates.
    pub covariates: Vec<String>,
    /// Columns and samples that were left out, and values that were filled in.
    #[serde(default)]
    pub notes: CohortNotes,
}

/// Samples of one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// The split.
    pub split: Split,
    /// Cases.
    pub cases: usize,
    /// Controls.
    pub controls: usize,
    /// Samples of unknown phenotype. They get predictions, but are not used for training or
    /// evaluation.
    pub unknown: usize,
}

impl fmt::Display for CohortSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, counts) in self.splits.iter().enumerate() {
            let SplitCounts {
                split,
                cases,
                controls,
                unknown,
            } = counts;
            let comma = if index > 0 { "; " } else { "" };
            let cases = counted(*cases, "case", "cases");
            let controls = counted(*controls, "control", "controls");
            write!(f, "{comma}{split} {cases}, {controls}")?;
            if *unknown > 0 {
                write!(f, ", {unknown} of unknown phenotype")?;
            }
        }
        let covariates = if self.covariates.is_empty() {
            "none".to_owned()
        } else {
            self.covariates.join(", ")
        };
        writeln!(f, "; covariates: {covariates}")?;
        write!(f, "{}", self.notes)
    }
}

/// Which columns of `cohort.csv` are covariates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CovariateChoice {
    /// `age`, `sex` and `PC1`, `PC2`, ..., in the order of the file, as far as they are present.
    #[default]
    Usual,
    /// These columns, in this order; none for an empty list.
    Named(Vec<String>),
}

impl Cohort {
    /// Reads and checks a `cohort.csv` with the default policies for missing values.
    ///
    /// # Errors
    /// See [`Self::read_as`].
    pub fn read(
        path: &Path,
        coding: PhenotypeCoding,
        covariates: &CovariateChoice,
    ) -> Result<Self, Error> {
        Self::read_as(path, coding, covariates, &MissingPolicies::default())
    }

    /// Reads and checks a `cohort.csv`.
    ///
    /// # Errors
    /// - A file that cannot be read or has no rows.
    /// - A missing column.
    /// - A cell that is not a phenotype, split or covariate, with line and column.
    /// - A sample that is listed twice.
    /// - A family in two splits, because its members share haplotypes.
    /// - More missing covariates than the policy `missing` accepts.
    /// - A covariate that separates all cases from all controls.
    pub fn read_as(
        path: &Path,
        coding: PhenotypeCoding,
        covariates: &CovariateChoice,
        missing: &MissingPolicies,
    ) -> Result<Self, Error> {
        let table = CsvTable::read(path)?;
        let phenotype = table.column(PHENOTYPE)?;
        let mut people = memberships(&table)?;
        let mut phenotypes = PhenotypeReader::new(coding, missing.value.as_ref());
        for (person, row) in people.iter_mut().zip(table.rows()) {
            person.phenotype = phenotypes
                .read(row.cell(phenotype))
                .map_err(|problem| row.error(phenotype, problem))?;
        }
        let covariate_names = covariate_names(&table, covariates, path)?;
        let ignored_columns = table
            .header()
            .filter(|name| !CohortColumn::from_name(name).is_reserved())
            .filter(|name| !covariate_names.iter().any(|covariate| covariate == name))
            .map(shown_name)
            .collect();
        let mut cohort = Self {
            people,
            covariate_names,
            notes: CohortNotes {
                ignored_columns,
                ..CohortNotes::default()
            },
        };
        let cells = covariate_cells(&table, &cohort.covariate_names, missing, advice(covariates))?;
        cohort.take_covariates(cells, &table, missing.covariates)?;
        if let Some(name) = cohort.copy_of_phenotype() {
            let name = name.to_owned();
            return Err(Error::file(path, CohortProblem::CopyOfPhenotype { name }));
        }
        Ok(cohort)
    }

    /// Reads only `sample_id`, `split` and `family_id`, on which sequences and tokens depend.
    ///
    /// All samples of the table are returned, without phenotype and covariates.
    ///
    /// # Errors
    /// See [`Self::read_as`], for these columns.
    pub fn read_splits(path: &Path) -> Result<Self, Error> {
        let table = CsvTable::read(path)?;
        Ok(Self {
            people: memberships(&table)?,
            ..Self::default()
        })
    }

    /// Sets the covariates of all samples, and applies the policy for missing values.
    ///
    /// `cells` has one row per sample and one column per covariate.
    fn take_covariates(
        &mut self,
        cells: Vec<Vec<Option<f64>>>,
        table: &CsvTable<'_>,
        policy: MissingCovariates,
    ) -> Result<(), Error> {
        if policy != MissingCovariates::Mean {
            self.note_dropped_covariates(&cells, table, policy)?;
        }
        let means = self.training_means(&cells);
        if policy == MissingCovariates::Mean {
            self.note_filled_covariates(&cells, table, &means)?;
        }
        let mut complete = Vec::with_capacity(self.people.len());
        for (mut person, values) in std::mem::take(&mut self.people).into_iter().zip(cells) {
            let filled = values.iter().zip(&means).map(|(value, mean)| match policy {
                MissingCovariates::Mean => value.or(*mean),
                _ => *value,
            });
            if let Some(covariates) = filled.collect::<Option<Vec<f64>>>() {
                person.covariates = covariates;
                complete.push(person);
            }
        }
        self.people = complete;
        Ok(())
    }

    /// Notes the samples with a missing covariate, which are dropped, or refuses them by policy.
    fn note_dropped_covariates(
        &mut self,
        cells: &[Vec<Option<f64>>],
        table: &CsvTable<'_>,
        policy: MissingCovariates,
    ) -> Result<(), Error> {
        let is_incomplete: Vec<bool> = cells.iter().map(|values| values.contains(&None)).collect();
        if !is_incomplete.contains(&true) {
            return Ok(());
        }
        let dropped = self.by_split(&is_incomplete);
        if policy == MissingCovariates::Error
            || (policy == MissingCovariates::DropFew && self.are_many(dropped))
        {
            return Err(self.missing_covariate(cells, table, dropped, policy));
        }
        let incomplete_columns: Vec<&str> = self
            .covariate_names
            .iter()
            .enumerate()
            .filter(|(column, _)| cells.iter().any(|values| values[*column].is_none()))
            .map(|(_, name)| name.as_str())
            .collect();
        let reason = format!("without a value of {}", incomplete_columns.join(" or "));
        self.notes.dropped.push(Dropped {
            reason,
            by_split: dropped,
        });
        Ok(())
    }

    /// Notes the covariates whose missing values become the mean of the training samples.
    fn note_filled_covariates(
        &mut self,
        cells: &[Vec<Option<f64>>],
        table: &CsvTable<'_>,
        means: &[Option<f64>],
    ) -> Result<(), Error> {
        for (column, name) in self.covariate_names.iter().enumerate() {
            let n = cells
                .iter()
                .filter(|values| values[column].is_none())
                .count();
            if n > 0 {
                if means[column].is_none() {
                    let name = name.clone();
                    return Err(Error::file(table.path(), CohortProblem::NoMean { name }));
                }
                self.notes.filled.push((name.clone(), n));
            }
        }
        Ok(())
    }

    /// Mean of each covariate over the training samples that have a value.
    fn training_means(&self, cells: &[Vec<Option<f64>>]) -> Vec<Option<f64>> {
        (0..self.covariate_names.len())
            .map(|column| {
                let values: Vec<f64> = self
                    .people
                    .iter()
                    .zip(cells)
                    .filter(|(person, _)| person.split == Split::Train)
                    .filter_map(|(_, values)| values[column])
                    .collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            })
            .collect()
    }

    /// Counts the flagged samples of each split; `flags` has one entry per sample.
    fn by_split(&self, flags: &[bool]) -> [usize; 3] {
        Split::ALL.map(|split| {
            self.people
                .iter()
                .zip(flags)
                .filter(|(person, is_flagged)| **is_flagged && person.split == split)
                .count()
        })
    }

    /// Whether these samples are more than 5 % of any split.
    fn are_many(&self, by_split: [usize; 3]) -> bool {
        Split::ALL
            .into_iter()
            .zip(by_split)
            .any(|(split, n)| n as f64 > FEW * self.in_split(split).count() as f64)
    }

    /// The error at the first missing covariate.
    fn missing_covariate(
        &self,
        cells: &[Vec<Option<f64>>],
        table: &CsvTable<'_>,
        by_split: [usize; 3],
        policy: MissingCovariates,
    ) -> Error {
        let first = cells
            .iter()
            .zip(table.rows())
            .find_map(|(values, row)| Some((values.iter().position(Option::is_none)?, row)));
        let Some((column, row)) = first else {
            return Error::file(table.path(), CohortProblem::NoCovariate);
        };
        let name = &self.covariate_names[column];
        let column = table.column(name).unwrap_or_default();
        let problem = CohortProblem::MissingCovariates {
            shares: self.shares(by_split),
            is_any_refused: policy == MissingCovariates::Error,
        };
        row.error(column, problem)
    }

    /// The part of each split that these samples are.
    fn shares(&self, by_split: [usize; 3]) -> SplitShares {
        SplitShares {
            by_split,
            sizes: Split::ALL.map(|split| self.in_split(split).count()),
        }
    }

    /// Calls [`Self::keep_present`] for each genotype file and its samples.
    ///
    /// # Errors
    /// See [`Self::keep_present`].
    pub fn keep_present_in(
        &mut self,
        files: &[(&Path, Vec<String>)],
        policy: MissingSamples,
    ) -> Result<(), Error> {
        files
            .iter()
            .try_for_each(|(path, present)| self.keep_present(present, path, policy))
    }

    /// Drops samples without genotypes, as far as the policy accepts it.
    ///
    /// `present` are the samples of the genotype file `path`.
    ///
    /// # Errors
    /// More absent samples than the policy accepts, or no sample that is present.
    pub fn keep_present(
        &mut self,
        present: &[String],
        path: &Path,
        policy: MissingSamples,
    ) -> Result<(), Error> {
        let names: HashSet<&str> = present.iter().map(String::as_str).collect();
        let is_absent: Vec<bool> = self
            .people
            .iter()
            .map(|person| !names.contains(person.sample_id.as_str()))
            .collect();
        let n_absent = is_absent.iter().filter(|&&absent| absent).count();
        let Some(first) = is_absent.iter().position(|&absent| absent) else {
            return Ok(());
        };
        let by_split = self.by_split(&is_absent);
        let is_refused = match policy {
            MissingSamples::Error => true,
            MissingSamples::DropFew => self.are_many(by_split),
            MissingSamples::Drop => n_absent == self.people.len(),
        };
        if is_refused {
            let problem = CohortProblem::AbsentSamples {
                first: self.people[first].sample_id.clone(),
                n_absent,
                n_people: self.people.len(),
                shares: self.shares(by_split),
                n_present: present.len(),
                example: present.first().cloned(),
            };
            return Err(Error::file(path, problem));
        }
        let mut absent = is_absent.into_iter();
        self.people.retain(|_| !absent.next().unwrap_or_default());
        let reason = format!("not in {}", path.display());
        self.notes.dropped.push(Dropped { reason, by_split });
        Ok(())
    }

    /// The first covariate whose values are all higher, or all lower, in cases than in controls.
    ///
    /// Such a covariate is probably a copy of the phenotype. `None` with fewer than
    /// [`MIN_PER_CLASS`] cases or controls.
    fn copy_of_phenotype(&self) -> Option<&str> {
        (0..self.covariate_names.len())
            .find(|&column| self.separates_classes(column))
            .map(|column| self.covariate_names[column].as_str())
    }

    fn separates_classes(&self, column: usize) -> bool {
        let cases = self.covariate_of(Phenotype::Case, column);
        let controls = self.covariate_of(Phenotype::Control, column);
        let (case_low, case_high) = min_max(&cases);
        let (control_low, control_high) = min_max(&controls);
        cases.len().min(controls.len()) >= MIN_PER_CLASS
            && (case_low > control_high || case_high < control_low)
    }

    /// The values of a covariate in all cases or all controls.
    fn covariate_of(&self, class: Phenotype, column: usize) -> Vec<f64> {
        self.people
            .iter()
            .filter(|person| person.phenotype == Some(class))
            .map(|person| person.covariates[column])
            .collect()
    }

    /// Sizes and covariates of the cohort.
    #[must_use]
    pub fn summary(&self) -> CohortSummary {
        CohortSummary {
            splits: Split::ALL.map(|split| self.split_counts(split)).to_vec(),
            covariates: self.covariate_names.clone(),
            notes: self.notes.clone(),
        }
    }

    fn split_counts(&self, split: Split) -> SplitCounts {
        SplitCounts {
            split,
            cases: self.count_in_split(split, Some(Phenotype::Case)),
            controls: self.count_in_split(split, Some(Phenotype::Control)),
            unknown: self.count_in_split(split, None),
        }
    }

    fn count_in_split(&self, split: Split, phenotype: Option<Phenotype>) -> usize {
        self.in_split(split)
            .filter(|(_, person)| person.phenotype == phenotype)
            .count()
    }

    /// Reads only `sample_id` and the covariates of a model, for samples to score.
    ///
    /// Phenotypes are not read, and all samples are in the test split. `covariates` are the names
    /// and their means over the training samples, which replace missing values.
    ///
    /// # Errors
    /// See [`Self::read`], for these columns; a missing value that the policy `missing` does not
    /// accept.
    pub fn read_covariates(
        path: &Path,
        covariates: &[(String, f64)],
        missing: &MissingPolicies,
    ) -> Result<Self, Error> {
        let names: Vec<String> = covariates.iter().map(|(name, _)| name.clone()).collect();
        let table = CsvTable::read(path)?;
        let sample_id = table.column(SAMPLE_ID)?;
        let policy = missing.covariates;
        let mut cells = covariate_cells(&table, &names, missing, "")?;
        let people = samples_to_score(&table, sample_id)?;
        if policy == MissingCovariates::Error {
            require_all_covariates(&table, &names, &cells)?;
        }
        let mut cohort = Self {
            people,
            covariate_names: names,
            notes: CohortNotes::default(),
        };
        if policy == MissingCovariates::Mean {
            cohort.fill(&mut cells, covariates);
        }
        cohort.take_covariates(cells, &table, policy)?;
        Ok(cohort)
    }

    /// Replaces missing values by the means of the model, and notes how many.
    fn fill(&mut self, cells: &mut [Vec<Option<f64>>], covariates: &[(String, f64)]) {
        for (column, (name, mean)) in covariates.iter().enumerate() {
            let mut n_filled = 0;
            for values in cells.iter_mut() {
                if values[column].is_none() {
                    values[column] = Some(*mean);
                    n_filled += 1;
                }
            }
            if n_filled > 0 {
                self.notes.filled.push((name.clone(), n_filled));
            }
        }
    }

    /// Index of a sample in [`Self::people`], by linear search. For many look-ups use
    /// [`Self::indices`].
    #[must_use]
    pub fn index_of(&self, sample_id: &str) -> Option<usize> {
        self.people
            .iter()
            .position(|person| person.sample_id == sample_id)
    }

    /// The index in [`Self::people`] of each sample id.
    #[must_use]
    pub fn indices(&self) -> HashMap<&str, usize> {
        self.people
            .iter()
            .enumerate()
            .map(|(index, person)| (person.sample_id.as_str(), index))
            .collect()
    }

    /// The samples of one split with their indices in [`Self::people`], in order.
    pub fn in_split(&self, split: Split) -> impl Iterator<Item = (usize, &Person)> {
        self.people
            .iter()
            .enumerate()
            .filter(move |(_, person)| person.split == split)
    }

    /// Checks that a split has at least one case and one control.
    ///
    /// # Errors
    /// A split without cases or without controls. The message has the counts and `path`.
    pub fn require_both_classes(&self, split: Split, path: &Path) -> Result<(), Error> {
        let counts = self.split_counts(split);
        if counts.cases > 0 && counts.controls > 0 {
            return Ok(());
        }
        Err(Error::file(path, CohortProblem::OneClass(counts)))
    }

    /// Writes the cohort as `cohort.csv`.
    ///
    /// Phenotypes are `case` or `control`, and covariates read back exactly. The column `family_id`
    /// is written only if a sample has one.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let with_family = self.people.iter().any(|person| person.family_id.is_some());
        let mut table = csv::Writer::from_writer(out);
        let header = [SAMPLE_ID, PHENOTYPE, SPLIT]
            .into_iter()
            .chain(with_family.then_some(FAMILY_ID))
            .chain(self.covariate_names.iter().map(String::as_str));
        table.write_record(header)?;
        for person in &self.people {
            let phenotype = person
                .phenotype
                .map_or(String::new(), |phenotype| phenotype.to_string());
            table.write_field(&person.sample_id)?;
            table.write_field(phenotype)?;
            table.write_field(person.split.to_string())?;
            if with_family {
                table.write_field(person.family_id.as_deref().unwrap_or_default())?;
            }
            for (name, value) in self.covariate_names.iter().zip(&person.covariates) {
                table.write_field(covariate_cell(name, *value))?;
            }
            table.write_record(None::<&[u8]>)?;
        }
        table.flush()
    }
}

/// The smallest and the largest value.
fn min_max(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
            (low.min(value), high.max(value))
        })
}

/// The samples of a table without splits and phenotypes, all in the test split.
fn samples_to_score(table: &CsvTable<'_>, sample_id: usize) -> Result<Vec<Person>, Error> {
    let mut people = Vec::new();
    let mut lines: HashMap<&str, u64> = HashMap::new();
    for row in table.rows() {
        let id = row.identifier(sample_id)?;
        if let Some(first) = lines.insert(id, row.line()) {
            let problem = CohortProblem::SampleTwice {
                id: id.to_owned(),
                first_line: first,
                line: row.line(),
            };
            return Err(row.error(sample_id, problem));
        }
        people.push(Person {
            sample_id: id.to_owned(),
            phenotype: None,
            split: Split::Test,
            family_id: None,
            covariates: Vec::new(),
        });
    }
    Ok(people)
}

/// Refuses a missing value in a sample to score.
fn require_all_covariates(
    table: &CsvTable<'_>,
    names: &[String],
    cells: &[Vec<Option<f64>>],
) -> Result<(), Error> {
    for (values, row) in cells.iter().zip(table.rows()) {
        if let Some(column) = values.iter().position(Option::is_none) {
            let column = table.column(&names[column])?;
            return Err(row.error(column, CohortProblem::NoValueToScore));
        }
    }
    Ok(())
}

/// A covariate as a cell. Sex is a word, because codings of sex as a number differ.
fn covariate_cell(name: &str, value: f64) -> String {
    match (CohortColumn::from_name(name), value) {
        (CohortColumn::Sex, 1.0) => "male".to_owned(),
        (CohortColumn::Sex, 0.0) => "female".to_owned(),
        _ => value.to_string(),
    }
}

/// The covariates by choice of the user, checked, or by default.
fn covariate_names(
    table: &CsvTable<'_>,
    choice: &CovariateChoice,
    path: &Path,
) -> Result<Vec<String>, Error> {
    let CovariateChoice::Named(names) = choice else {
        return Ok(table
            .header()
            .filter(|name| CohortColumn::from_name(name).is_usual_covariate())
            .map(str::to_owned)
            .collect());
    };
    for (index, name) in names.iter().enumerate() {
        let problem = if CohortColumn::from_name(name).is_reserved() {
            CohortProblem::ReservedColumn { name: name.clone() }
        } else if name.is_empty() {
            CohortProblem::UnnamedCovariate
        } else if names[..index].contains(name) {
            CohortProblem::CovariateTwice { name: name.clone() }
        } else {
            continue;
        };
        return Err(Error::file(path, problem));
    }
    Ok(names.clone())
}

/// The covariates of each row, one per name; `None` for a missing value.
fn covariate_cells(
    table: &CsvTable<'_>,
    names: &[String],
    missing: &MissingPolicies,
    advice: &'static str,
) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let columns = names
        .iter()
        .map(|name| table.column(name))
        .collect::<Result<Vec<_>, _>>()?;
    let mut cells = vec![Vec::with_capacity(columns.len()); table.rows().count()];
    for (&column, name) in columns.iter().zip(names) {
        let reader = CovariateReader::new(
            name,
            table.rows().map(|row| row.cell(column)),
            missing.value.as_ref(),
        );
        reader.note_zero_is_female(table.path(), name, table.rows().map(|row| row.cell(column)));
        for (values, row) in cells.iter_mut().zip(table.rows()) {
            let value = reader
                .read(row.cell(column))
                .map_err(|problem| row.error(column, Problem::Covariate { problem, advice }))?;
            values.push(value);
        }
    }
    Ok(cells)
}

/// The advice in the error of a covariate that is not a number.
fn advice(choice: &CovariateChoice) -> &'static str {
    match choice {
        CovariateChoice::Usual => {
            ". If this column is not a covariate, name the covariates with --covariates"
        }
        CovariateChoice::Named(_) => {
            ". A covariate is a column of numbers, so write a category as columns of 0 and 1. \
             A column named sex may have the words male and female"
        }
    }
}

/// The name of a column in a message.
fn shown_name(name: &str) -> String {
    if name.is_empty() {
        "(a column without a name)".into()
    } else {
        name.into()
    }
}

/// A row of the table with its split.
///
/// The line is only computed for an error, because [`Row::line`] counts all lines before the row.
#[derive(Clone, Copy)]
struct SplitRow<'a> {
    split: Split,
    row: Row<'a>,
}

/// The samples of a table with split and family, without phenotype and covariates.
fn memberships(table: &CsvTable<'_>) -> Result<Vec<Person>, Error> {
    let sample_id = table.column(SAMPLE_ID)?;
    let split_column = table.column(SPLIT)?;
    let family_id = table.optional_column(FAMILY_ID);
    let mut people = Vec::new();
    let mut first_of_sample: HashMap<&str, SplitRow<'_>> = HashMap::new();
    let mut first_of_family: HashMap<&str, SplitRow<'_>> = HashMap::new();
    for row in table.rows() {
        let id = row.identifier(sample_id)?;
        let split: Split = row
            .cell(split_column)
            .parse()
            .map_err(|problem: UnknownSplit| row.error(split_column, problem))?;
        let here = SplitRow { split, row };
        if let Some(first) = first_of_sample.insert(id, here) {
            return Err(row.error(sample_id, listed_twice(id, here, first)));
        }
        let family = family_id
            .map(|column| (column, row.cell(column)))
            .filter(|(_, family)| is_family(family));
        if let Some((column, family)) = family {
            let first = *first_of_family.entry(family).or_insert(here);
            if first.split != split {
                return Err(row.error(column, in_two_splits(family, here, first)));
            }
        }
        people.push(Person {
            sample_id: id.to_owned(),
            phenotype: None,
            split,
            family_id: family.map(|(_, family)| family.to_owned()),
            covariates: Vec::new(),
        });
    }
    Ok(people)
}

/// Whether a cell names a family. PLINK's family 0 means no family.
pub(crate) fn is_family(cell: &str) -> bool {
    !is_missing(cell) && cell != "0" && !is_minus_nine(cell)
}

impl SplitRow<'_> {
    fn split_line(self) -> SplitLine {
        SplitLine {
            split: self.split,
            line: self.row.line(),
        }
    }
}

/// The problem of a family with members in two splits.
fn in_two_splits(family: &str, here: SplitRow<'_>, first: SplitRow<'_>) -> CohortProblem {
    CohortProblem::FamilyInTwoSplits {
        family: family.to_owned(),
        first: first.split_line(),
        second: here.split_line(),
    }
}

/// The problem of a sample that is listed twice.
fn listed_twice(id: &str, here: SplitRow<'_>, first: SplitRow<'_>) -> CohortProblem {
    let id = id.to_owned();
    if here.split == first.split {
        CohortProblem::SampleTwice {
            id,
            first_line: first.row.line(),
            line: here.row.line(),
        }
    } else {
        CohortProblem::SampleInTwoSplits {
            id,
            first: first.split_line(),
            second: here.split_line(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn read_with(
        text: &str,
        coding: PhenotypeCoding,
        covariates: &CovariateChoice,
    ) -> Result<Cohort, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cohort.csv");
        fs::write(&path, text).unwrap();
        Cohort::read(&path, coding, covariates)
    }

    fn read(text: &str) -> Result<Cohort, Error> {
        read_with(text, PhenotypeCoding::Auto, &CovariateChoice::Usual)
    }

    /// The message without the folder of the file.
    fn message(text: &str) -> String {
        let message = read(text).unwrap_err().to_string();
        message[message.find("cohort.csv").unwrap()..].to_owned()
    }

    fn example() -> (PathBuf, Cohort) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cohort.csv");
        let cohort = Cohort::read(&path, PhenotypeCoding::Auto, &CovariateChoice::Usual).unwrap();
        (path, cohort)
    }

    #[test]
    fn sex_means_the_same_however_it_is_written() {
        for cells in [["male", "F", "m"], ["1", "0", "1"], ["1", "2", "1"]] {
            assert_eq!(sexes(cells).unwrap(), vec![1.0, 0.0, 1.0], "{cells:?}");
        }
        let message = sexes(["1", "2", "0"]).unwrap_err().to_string();
        assert!(
            message.contains(
                "line 4, column `sex`: no value; a covariate is missing in 1 of 3 test samples"
            ),
            "{message}"
        );
    }

    fn sexes(cells: [&str; 3]) -> Result<Vec<f64>, Error> {
        let rows: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(n, cell)| format!("P{n},case,test,{cell}\n"))
            .collect();
        let rows = rows.concat();
        let cohort = read(&format!("sample_id,phenotype,split,sex\n{rows}"))?;
        Ok(cohort
            .people
            .iter()
            .map(|person| person.covariates[0])
            .collect())
    }

    #[test]
    fn the_example_cohort_reads_and_writes_back_the_same() {
        let (path, cohort) = example();
        assert_eq!(cohort.people.len(), 12);
        assert_eq!(cohort.covariate_names, ["sex", "age", "PC1"]);
        assert_eq!(cohort.people[0].covariates, [1.0, 71.0, 0.0123]);
        assert_eq!(cohort.people[11].phenotype, None);
        for split in Split::ALL {
            cohort.require_both_classes(split, &path).unwrap();
        }
        let mut written = Vec::new();
        cohort.write(&mut written).unwrap();
        assert_eq!(read(&String::from_utf8(written).unwrap()).unwrap(), cohort);
    }

    #[test]
    fn a_copy_of_the_phenotype_is_no_covariate_and_ids_are_none() {
        let message = read_dx_and_age(20, 99).unwrap_err().to_string();
        assert!(
            message.contains("column `dx` alone separates all cases from all controls"),
            "{message}"
        );
        let cohort = read_dx_and_age(20, 3).unwrap();
        assert_eq!(
            cohort.covariate_names,
            ["dx", "age"],
            "one sample that differs is enough"
        );
        assert_eq!(
            cohort.summary().to_string(),
            "train 10 cases, 10 controls; validation 0 cases, 0 controls; test 0 cases, 0 \
             controls; covariates: dx, age\ncolumns not used as covariates: IID (choose with \
             --covariates)\n"
        );
        assert!(
            read_dx_and_age(18, 99).is_ok(),
            "nine of each may be chance"
        );
    }

    /// Reads `n` samples whose covariate `dx` is a copy of the phenotype, except in sample `flip`.
    fn read_dx_and_age(n: usize, flip: usize) -> Result<Cohort, Error> {
        let rows: Vec<String> = (0..n)
            .map(|person| {
                let is_case = person.is_multiple_of(2);
                let phenotype = if is_case { "case" } else { "control" };
                let dx = if is_case == (person != flip) { 2 } else { 1 };
                let age = 50 + person % 7;
                format!("P{person},{phenotype},train,{person},{dx},{age}\n")
            })
            .collect();
        read_with(
            &format!("sample_id,phenotype,split,IID,dx,age\n{}", rows.concat()),
            PhenotypeCoding::Auto,
            &CovariateChoice::Named(vec!["dx".into(), "age".into()]),
        )
    }

    #[test]
    fn a_person_is_found_by_sample_id() {
        let (_, cohort) = example();
        let id = cohort.people[7].sample_id.as_str();
        assert_eq!(
            (
                cohort.index_of(id),
                cohort.indices()[id],
                cohort.index_of("nobody")
            ),
            (Some(7), 7, None)
        );
    }

    #[test]
    fn byte_order_mark_crlf_blank_lines_and_spaces_are_tolerated_and_lines_still_counted() {
        let text = "\u{feff}sample_id, phenotype \
                    ,split\r\nA,case,train\r\n\r\nB,control,test\r\nC,sick,test\r\n";
        assert!(
            message(text)
                .starts_with("cohort.csv: line 5, column `phenotype`: `sick` is not a phenotype"),
            "{}",
            message(text)
        );
        let cohort = read(&text.replace("sick", "")).unwrap();
        assert_eq!(
            cohort
                .people
                .iter()
                .map(|person| person.sample_id.as_str())
                .collect::<Vec<_>>(),
            ["A", "B", "C"]
        );
        assert_eq!(cohort.covariate_names, [""; 0]);
    }

    #[test]
    fn a_missing_column_lists_those_found_and_suggests_the_nearest() {
        assert_eq!(
            message("sample,phenotype,split\nA,case,train\n"),
            "cohort.csv: no column `sample_id`. The first line has sample, phenotype, split \
             (expected names separated by commas). Did you mean `sample`?"
        );
        let tabs = message("sample\tphenotype\tsplit\nA\tcase\ttrain\n");
        assert!(
            tabs.contains("The first line has sample, phenotype, split"),
            "{tabs}"
        );
    }

    #[test]
    fn bad_cells_are_named_with_line_and_column() {
        for (text, expected) in [
            (
                "sample_id,phenotype,split\n,case,train\n",
                "line 2, column `sample_id`: the cell is empty",
            ),
            (
                "sample_id,phenotype,split\nA,case,val\n",
                "line 2, column `split`: `val` is not a split",
            ),
            (
                "sample_id,phenotype,split\nA,2,test\n",
                "line 2, column `phenotype`: `2` looks like PLINK's coding",
            ),
            (
                "sample_id,phenotype,split\nA,1,test\nB,case,test\n",
                "line 3, column `phenotype`: `case` mixes",
            ),
            (
                "sample_id,phenotype,split,age\nA,1,test,\n",
                "line 2, column `age`: no value; a covariate is missing in 1 of 1 test",
            ),
            (
                "sample_id,phenotype,split,age\nA,1,test,NaN\n",
                "line 2, column `age`: no value",
            ),
            (
                "sample_id,phenotype,split,age\nA,1,test,old\n",
                "line 2, column `age`: `old` is not a finite number",
            ),
            (
                "sample_id,phenotype,split,PC1\nA,1,test,Lyon\n",
                "name the covariates with --covariates",
            ),
            (
                "sample_id,phenotype,split\nA,1,test\nB,1\n",
                "line 3: 2 cells, but the header has 3",
            ),
            (
                "sample_id,phenotype,split,split\nA,1,test,test\n",
                "line 1: column `split` occurs twice (columns 3 and 4)",
            ),
            (
                "sample_id,phenotype,split,Age,age\nA,1,test,1,1\n",
                "line 1: column `age` occurs twice",
            ),
            ("sample_id,phenotype,split\n", "no rows"),
        ] {
            assert!(
                message(text).contains(expected),
                "{text:?} gave {}",
                message(text)
            );
        }
    }

    #[test]
    fn a_person_listed_twice_is_refused_and_told_whether_the_split_differs() {
        let in_two_splits = "sample_id,phenotype,split\nA,1,train\nB,1,train\nA,1,test\n";
        assert!(
            message(in_two_splits).ends_with(
                "sample A is in two splits (train at line 2, test at line 4); keep one row"
            ),
            "{}",
            message(in_two_splits)
        );
        let in_one_split = in_two_splits.replace("test", "train");
        assert!(message(&in_one_split).contains("sample A is listed twice (lines 2 and 4)"));
    }

    #[test]
    fn a_family_in_two_splits_is_refused() {
        let text = "sample_id,phenotype,split,family_id\nA,1,train,F1\nB,1,train,\nC,0,train,F1\
                    \nD,0,test,\nE,1,test,F1\n";
        assert!(message(text).contains(
            "line 6, column `family_id`: family F1 is in two splits (train at line 2, test at \
             line 6)"
        ));
    }

    #[test]
    fn covariates_can_be_named_and_sex_may_be_a_word() {
        let text = "sample_id,phenotype,split,site,sex,age\nA,1,train,Lyon,Female,70\nB,0,test,\
                    Oslo,M,65.5\n";
        let cohort = read_with(text, PhenotypeCoding::Auto, &named(&["age", "sex"])).unwrap();
        assert_eq!(
            (
                &cohort.people[0].covariates[..],
                &cohort.people[1].covariates[..]
            ),
            (&[70.0, 0.0][..], &[65.5, 1.0][..])
        );
        for (names, expected) in [
            (&["agee"][..], "Did you mean `age`?"),
            (&["age", "age"], "listed twice"),
            (&["split"], "cannot be a covariate"),
        ] {
            let error = read_with(text, PhenotypeCoding::Auto, &named(names))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn named(names: &[&str]) -> CovariateChoice {
        CovariateChoice::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn cohort_of(
        rows: &[&str],
        header: &str,
        covariates: &CovariateChoice,
        missing: &MissingPolicies,
    ) -> Result<Cohort, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cohort.csv");
        fs::write(&path, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        Cohort::read_as(&path, PhenotypeCoding::Auto, covariates, missing)
    }

    #[test]
    fn only_age_sex_and_components_are_covariates_unless_others_are_named() {
        let header = ",sample_id,phenotype,split,family_id,Age,SEX,pc1,PC2,PCA,bmi,ancestry";
        let rows = [
            "1,A,1,train,F1,70,male,0.1,0.2,x,27,EUR",
            "2,B,0,train,0,61,female,0.3,0.1,y,31,AFR",
        ];
        let usual = cohort_of(
            &rows,
            header,
            &CovariateChoice::Usual,
            &MissingPolicies::default(),
        )
        .unwrap();
        assert_eq!(usual.covariate_names, ["Age", "SEX", "pc1", "PC2"]);
        assert_eq!(
            usual.notes.ignored_columns,
            ["(a column without a name)", "PCA", "bmi", "ancestry"]
        );
        assert_eq!(usual.people[1].family_id, None, "PLINK's family 0 is none");
        let bmi = cohort_of(&rows, header, &named(&["bmi"]), &MissingPolicies::default()).unwrap();
        assert_eq!(
            (bmi.covariate_names, bmi.people[0].covariates[0]),
            (vec!["bmi".to_owned()], 27.0)
        );
        let message = cohort_of(&rows, header, &named(&[""]), &MissingPolicies::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("without a name cannot be a covariate"),
            "{message}"
        );
    }

    /// 40 training and 20 test samples; the first `n` of each have no age.
    fn without_age(n: usize) -> Vec<String> {
        let train = (0..40).map(|index| (index, "train", index < n));
        let test = (40..60).map(|index| (index, "test", index < 40 + n));
        train
            .chain(test)
            .map(|(index, split, is_missing)| {
                let age = if is_missing {
                    "NA".to_owned()
                } else {
                    (60 + index % 7).to_string()
                };
                format!("P{index},{},{split},{age}", index % 2)
            })
            .collect()
    }

    fn read_without_age(n: usize, policy: MissingCovariates) -> Result<Cohort, Error> {
        let rows = without_age(n);
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let missing = MissingPolicies {
            covariates: policy,
            ..MissingPolicies::default()
        };
        cohort_of(
            &rows,
            "sample_id,phenotype,split,age",
            &CovariateChoice::Usual,
            &missing,
        )
    }

    #[test]
    fn a_few_samples_without_a_covariate_are_dropped_with_a_count_and_more_are_an_error() {
        let cohort = read_without_age(1, MissingCovariates::DropFew).unwrap();
        assert_eq!(cohort.people.len(), 58);
        let summary = cohort.summary().to_string();
        assert!(
            summary.contains("2 samples dropped: without a value of age (train 1, test 1)"),
            "{summary}"
        );
        let message = read_without_age(2, MissingCovariates::DropFew)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(
                "line 2, column `age`: no value; a covariate is missing in 2 of 40 train and 2 of \
                 20 test"
            ),
            "{message}"
        );
        assert!(read_without_age(1, MissingCovariates::Error).is_err());
        assert_eq!(
            read_without_age(9, MissingCovariates::Drop)
                .unwrap()
                .people
                .len(),
            42
        );
    }

    #[test]
    fn the_mean_of_the_training_samples_stands_for_a_missing_covariate() {
        let cohort = read_without_age(2, MissingCovariates::Mean).unwrap();
        let mean = (2..40)
            .map(|index| 60.0 + f64::from(index % 7))
            .sum::<f64>()
            / 38.0;
        assert_eq!(cohort.people.len(), 60);
        assert!(
            [0, 41]
                .iter()
                .all(|&index| (cohort.people[index].covariates[0] - mean).abs() < 1e-12)
        );
        assert_eq!(cohort.notes.filled, [("age".to_owned(), 4)]);
        let message = read_without_age(40, MissingCovariates::Mean)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("`age` has no value in any training sample"),
            "{message}"
        );
    }

    #[test]
    fn samples_to_score_get_the_mean_of_the_training_samples_or_are_left_out_by_policy() {
        let filled = read_samples_to_score(MissingCovariates::Mean).unwrap();
        let covariates: Vec<&[f64]> = filled
            .people
            .iter()
            .map(|person| &person.covariates[..])
            .collect();
        assert_eq!(covariates, [&[65.5, 1.0][..], &[70.0, 0.0], &[60.0, 0.5]]);
        assert_eq!(
            filled.notes.filled,
            [("age".to_owned(), 1), ("sex".to_owned(), 1)]
        );
        let dropped = read_samples_to_score(MissingCovariates::Drop).unwrap();
        assert_eq!(
            (dropped.people.len(), dropped.people[0].sample_id.as_str()),
            (1, "B")
        );
        assert_eq!(dropped.notes.dropped[0].by_split, [0, 0, 2]);
        let message = read_samples_to_score(MissingCovariates::Error)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("line 2, column `age`: no value")
                && message.contains("--missing-covariates mean"),
            "{message}"
        );
    }

    fn read_samples_to_score(covariates: MissingCovariates) -> Result<Cohort, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.csv");
        fs::write(&path, "sample_id,age,sex\nA,NA,male\nB,70,female\nC,60,\n").unwrap();
        let means = [("age".into(), 65.5), ("sex".into(), 0.5)];
        let missing = MissingPolicies {
            covariates,
            ..MissingPolicies::default()
        };
        Cohort::read_covariates(&path, &means, &missing)
    }

    /// A cohort of 60 samples, after a genotype file without the first `n` of them.
    fn keep(n: usize, policy: MissingSamples) -> Result<Cohort, String> {
        let mut cohort = read_without_age(0, MissingCovariates::DropFew).unwrap();
        let present: Vec<String> = (n..60).map(|index| format!("P{index}")).collect();
        cohort
            .keep_present(&present, Path::new("a.vcf"), policy)
            .map_err(|error| error.to_string())?;
        Ok(cohort)
    }

    #[test]
    fn samples_without_genotypes_are_dropped_or_refused_by_policy() {
        let few = keep(2, MissingSamples::DropFew).unwrap();
        assert_eq!(
            (few.people.len(), few.notes.dropped[0].by_split),
            (58, [2, 0, 0])
        );
        assert!(
            few.summary()
                .to_string()
                .contains("2 samples dropped: not in a.vcf (train 2)")
        );
        let message = keep(3, MissingSamples::DropFew).unwrap_err();
        assert!(
            message.contains(
                "a.vcf: no sample `P0`; 3 of the 60 samples of the cohort are not in this file (3 \
                 of 40 train"
            ),
            "{message}"
        );
        assert!(keep(1, MissingSamples::Error).is_err());
        assert_eq!(keep(30, MissingSamples::Drop).unwrap().people.len(), 30);
        assert!(keep(60, MissingSamples::Drop).is_err(), "no sample is left");
        assert_eq!(keep(0, MissingSamples::Error).unwrap().notes.dropped, []);
    }

    #[test]
    fn one_class_is_refused_with_the_counts() {
        let cohort = read_with(
            "sample_id,phenotype,split\nA,2,test\nB,2,test\nC,-9,test\n",
            PhenotypeCoding::Plink12,
            &CovariateChoice::Usual,
        )
        .unwrap();
        assert_eq!(
            cohort
                .require_both_classes(Split::Test, Path::new("c.csv"))
                .unwrap_err()
                .to_string(),
            "c.csv: split test has 2 cases, 0 controls and 1 sample of unknown phenotype; it needs \
             at least one case and one control"
        );
        assert!(
            cohort
                .require_both_classes(Split::Train, Path::new("c.csv"))
                .is_err()
        );
    }
}
