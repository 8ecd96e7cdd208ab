//! `cohort.csv`: who takes part, case or control, in which split, with which covariates.
//!
//! Input -> output: a CSV with the columns `sample_id`, `phenotype`, `split`, optionally
//! `family_id`, and any further columns -> a [`Cohort`] in the order of the file. Covariates are
//! `age`, `sex` and `PC1`, `PC2`, ... where they are there, or the columns that the user names. No
//! other column is one.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    CovariateReader, Error, MissingCovariates, MissingPolicies, MissingSamples, Phenotype,
    PhenotypeCoding, Split, counted,
    missing::{FEW, is_minus_nine, is_missing},
    phenotype::PhenotypeReader,
    table::{CsvTable, Row},
};

const SAMPLE_ID: &str = "sample_id";
const PHENOTYPE: &str = "phenotype";
const SPLIT: &str = "split";
const FAMILY_ID: &str = "family_id";

/// One person of a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The sample's name in the VCF; unique in a cohort.
    pub sample_id: String,
    /// `None` when unknown: the person is scored, but neither trained on nor evaluated.
    pub phenotype: Option<Phenotype>,
    /// What the person is used for.
    pub split: Split,
    /// People of one family are in one split.
    pub family_id: Option<String>,
    /// One finite value for each of [`Cohort::covariate_names`], in their order and unit.
    pub covariates: Vec<f64>,
}

/// The people of a study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cohort {
    /// In the order of the file.
    pub people: Vec<Person>,
    /// Names of the covariates each person has.
    pub covariate_names: Vec<String>,
    /// What the reader left out or filled in.
    pub notes: CohortNotes,
}

/// What a reader of cohort tables left out or filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CohortNotes {
    /// Columns that are no covariates.
    pub ignored_columns: Vec<String>,
    /// Samples that were dropped, by reason.
    pub dropped: Vec<Dropped>,
    /// Covariates in which missing values became the mean of the training samples, and in how many
    /// samples.
    pub filled: Vec<(String, usize)>,
}

/// Samples that were dropped for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Why, such as `without genotypes in a.vcf`.
    pub reason: String,
    /// How many of each split, in the order of [`Split::ALL`].
    pub by_split: [usize; 3],
}

impl fmt::Display for CohortNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ignored_columns.is_empty() {
            writeln!(
                f,
                "columns that are no covariates: {} (choose with --covariates)",
                self.ignored_columns.join(", ")
            )?;
        }
        for Dropped { reason, by_split } in &self.dropped {
            let of_split = |(split, n): (Split, &usize)| (*n > 0).then(|| format!("{split} {n}"));
            let counts: Vec<String> = Split::ALL
                .into_iter()
                .zip(by_split)
                .filter_map(of_split)
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
            let samples = if *n == 1 {
                "sample has"
            } else {
                "samples have"
            };
            writeln!(
                f,
                "covariate `{column}`: {n} {samples} the mean of the training samples for a \
                 missing value"
            )?;
        }
        Ok(())
    }
}

/// What a column of a cohort table is, by its name.
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
    /// A column without a name, as pandas and R write row numbers.
    Unnamed,
    /// Any other.
    Other,
}

impl CohortColumn {
    /// By the name in the header.
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

    /// A covariate when the user names none.
    #[must_use]
    pub fn is_usual_covariate(self) -> bool {
        matches!(self, Self::Age | Self::Sex | Self::Component)
    }

    /// A column that is never a covariate.
    fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::SampleId | Self::Phenotype | Self::Split | Self::FamilyId
        )
    }
}

/// Cases and controls each from which on a covariate that separates them is no accident.
const MANY: usize = 10;

/// Who is in a cohort, and what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortSummary {
    /// People by split.
    pub splits: Vec<SplitCounts>,
    /// Names of the covariates.
    pub covariates: Vec<String>,
    /// What was left out or filled in.
    #[serde(default)]
    pub notes: CohortNotes,
}

/// People of one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// The split.
    pub split: Split,
    /// Cases.
    pub cases: usize,
    /// Controls.
    pub controls: usize,
    /// People of unknown phenotype, who are predicted, but neither learned from nor evaluated.
    pub unknown: usize,
}

impl fmt::Display for CohortSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            index,
            SplitCounts {
                split,
                cases,
                controls,
                unknown,
            },
        ) in self.splits.iter().enumerate()
        {
            let comma = if index > 0 { "; " } else { "" };
            let [cases, controls] = [
                counted(*cases, "case", "cases"),
                counted(*controls, "control", "controls"),
            ];
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
    /// `age`, `sex` and `PC1`, `PC2`, ..., in the order of the file, as far as they are there.
    #[default]
    Usual,
    /// These columns, in this order; none for an empty list.
    Named(Vec<String>),
}

impl Cohort {
    /// As [`Self::read_as`], with the default policies for missing values.
    ///
    /// # Errors
    /// As [`Self::read_as`].
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
    /// A file that cannot be read or has no rows; a missing column; a cell that is no phenotype,
    /// split or covariate (all named with line and column); a person listed twice; a family in
    /// two splits, because its members share haplotypes; more missing covariates than `missing`
    /// lets pass.
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
                .map_err(|reason| row.error(phenotype, reason))?;
        }
        let covariate_names = covariate_names(&table, covariates, path)?;
        let is_ignored = |name: &&str| {
            !CohortColumn::from_name(name).is_reserved()
                && !covariate_names.iter().any(|chosen| chosen == name)
        };
        let ignored_columns = table.header().filter(is_ignored).map(shown_name).collect();
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
            let reason = format!(
                "column `{name}` alone tells every case from every control: is it a copy of the \
                 phenotype, or known only after it? Name the covariates that are meant \
                 (--covariates)"
            );
            return Err(Error::file(path, reason));
        }
        Ok(cohort)
    }

    /// Reads only `sample_id`, `split` and `family_id`: all that sequences and tokens depend on.
    /// Everyone is in it, without phenotype and covariates.
    ///
    /// # Errors
    /// As [`Self::read_as`], for these columns.
    pub fn read_splits(path: &Path) -> Result<Self, Error> {
        let table = CsvTable::read(path)?;
        Ok(Self {
            people: memberships(&table)?,
            ..Self::default()
        })
    }

    /// Gives everyone their covariates, by policy where some are missing.
    fn take_covariates(
        &mut self,
        cells: Vec<Vec<Option<f64>>>,
        table: &CsvTable<'_>,
        policy: MissingCovariates,
    ) -> Result<(), Error> {
        let is_incomplete: Vec<bool> = cells.iter().map(|values| values.contains(&None)).collect();
        if is_incomplete.contains(&true) && policy != MissingCovariates::Mean {
            let dropped = self.by_split(&is_incomplete);
            if policy == MissingCovariates::Error
                || (policy == MissingCovariates::DropFew && self.are_many(dropped))
            {
                return Err(self.missing_covariate(&cells, table, dropped, policy));
            }
            let incomplete_columns =
                |column: &usize| cells.iter().any(|values| values[*column].is_none());
            let columns: Vec<&str> = (0..self.covariate_names.len())
                .filter(incomplete_columns)
                .map(|column| self.covariate_names[column].as_str())
                .collect();
            let reason = format!("without a value of {}", columns.join(" or "));
            self.notes.dropped.push(Dropped {
                reason,
                by_split: dropped,
            });
        }
        let means = self.training_means(&cells);
        for (column, name) in self.covariate_names.iter().enumerate() {
            let n = cells
                .iter()
                .filter(|values| values[column].is_none())
                .count();
            if n > 0 && policy == MissingCovariates::Mean {
                if means[column].is_none() {
                    let reason = format!(
                        "covariate `{name}` has no value in any training sample, and so no mean"
                    );
                    return Err(Error::file(table.path(), reason));
                }
                self.notes.filled.push((name.clone(), n));
            }
        }
        let mut kept = Vec::with_capacity(self.people.len());
        for (mut person, values) in std::mem::take(&mut self.people).into_iter().zip(cells) {
            let filled = values.iter().zip(&means).map(|(value, mean)| match policy {
                MissingCovariates::Mean => value.or(*mean),
                _ => *value,
            });
            if let Some(covariates) = filled.collect::<Option<Vec<f64>>>() {
                person.covariates = covariates;
                kept.push(person);
            }
        }
        self.people = kept;
        Ok(())
    }

    /// Mean of each covariate over the training samples that have a value.
    fn training_means(&self, cells: &[Vec<Option<f64>>]) -> Vec<Option<f64>> {
        let mean = |column: usize| {
            let of_training = self
                .people
                .iter()
                .zip(cells)
                .filter(|(person, _)| person.split == Split::Train);
            let values: Vec<f64> = of_training
                .filter_map(|(_, values)| values[column])
                .collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        (0..self.covariate_names.len()).map(mean).collect()
    }

    /// Samples of each split for which `is_counted`.
    fn by_split(&self, is_counted: &[bool]) -> [usize; 3] {
        let count = |split: Split| {
            self.people
                .iter()
                .zip(is_counted)
                .filter(|(person, counted)| **counted && person.split == split)
                .count()
        };
        Split::ALL.map(count)
    }

    /// More than 5 % of a split.
    fn are_many(&self, by_split: [usize; 3]) -> bool {
        let is_many =
            |(split, n): (Split, usize)| n as f64 > FEW * self.in_split(split).count() as f64;
        Split::ALL.into_iter().zip(by_split).any(is_many)
    }

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
            return Error::file(table.path(), "a covariate is missing");
        };
        let name = &self.covariate_names[column];
        let too_many = if policy == MissingCovariates::Error {
            ""
        } else {
            ", more than 5 % of a split"
        };
        let counts = self.shares(by_split);
        let column = table.column(name).unwrap_or_default();
        row.error(
            column,
            format!(
                "no value; a covariate is missing in {counts}{too_many}. Fill it in, drop these \
                 samples (--missing-covariates drop), give them the mean of the training samples \
                 (--missing-covariates mean), or name other covariates (--covariates)"
            ),
        )
    }

    /// `12 of 200 train and 1 of 50 test samples`.
    fn shares(&self, by_split: [usize; 3]) -> String {
        let share = |(split, n): (Split, usize)| {
            (n > 0).then(|| format!("{n} of {} {split}", self.in_split(split).count()))
        };
        let shares: Vec<String> = Split::ALL
            .into_iter()
            .zip(by_split)
            .filter_map(share)
            .collect();
        format!("{} samples", shares.join(" and "))
    }

    /// [`Self::keep_present`] for each of several files of genotypes with their samples.
    ///
    /// # Errors
    /// As [`Self::keep_present`].
    pub fn keep_present_in(
        &mut self,
        files: &[(&Path, Vec<String>)],
        policy: MissingSamples,
    ) -> Result<(), Error> {
        files
            .iter()
            .try_for_each(|(path, present)| self.keep_present(present, path, policy))
    }

    /// Keeps the samples that a file of genotypes has; `policy` decides about the others. `path` is
    /// the file that `present` is of.
    ///
    /// # Errors
    /// More absent samples than the policy lets pass, or no sample that is there.
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
            let n_people = self.people.len();
            let example = present
                .first()
                .map_or_else(String::new, |sample| format!(", such as `{sample}`"));
            let reason = format!(
                "no sample `{}`; {n_absent} of the {n_people} samples of the cohort are not in it \
                 ({}), which has {} samples{example}. Are the ids those of the genotypes? Drop a \
                 few absent samples with --missing-samples drop",
                self.people[first].sample_id,
                self.shares(by_split),
                present.len(),
            );
            return Err(Error::file(path, reason));
        }
        let mut absent = is_absent.into_iter();
        self.people.retain(|_| !absent.next().unwrap_or_default());
        let reason = format!("not in {}", path.display());
        self.notes.dropped.push(Dropped { reason, by_split });
        Ok(())
    }

    /// The first covariate by which all cases lie above all controls, or below, where there are
    /// enough of both that it is no accident.
    fn copy_of_phenotype(&self) -> Option<&str> {
        let separates = |index: &usize| {
            let values = |class| {
                let of_class = self
                    .people
                    .iter()
                    .filter(move |person| person.phenotype == Some(class));
                of_class
                    .map(|person| person.covariates[*index])
                    .collect::<Vec<f64>>()
            };
            let cases = values(Phenotype::Case);
            let controls = values(Phenotype::Control);
            let range = |values: &[f64]| {
                values
                    .iter()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
                        (low.min(value), high.max(value))
                    })
            };
            let (case_low, case_high) = range(&cases);
            let (control_low, control_high) = range(&controls);
            cases.len().min(controls.len()) >= MANY
                && (case_low > control_high || case_high < control_low)
        };
        (0..self.covariate_names.len())
            .find(separates)
            .map(|index| self.covariate_names[index].as_str())
    }

    /// Who and what is in it.
    #[must_use]
    pub fn summary(&self) -> CohortSummary {
        let of_split = |split| {
            let count = |phenotype| {
                self.in_split(split)
                    .filter(|(_, person)| person.phenotype == phenotype)
                    .count()
            };
            SplitCounts {
                split,
                cases: count(Some(Phenotype::Case)),
                controls: count(Some(Phenotype::Control)),
                unknown: count(None),
            }
        };
        let splits = Split::ALL.map(of_split).to_vec();
        CohortSummary {
            splits,
            covariates: self.covariate_names.clone(),
            notes: self.notes.clone(),
        }
    }

    /// Reads only `sample_id` and the covariates of a model, of samples to score. Phenotypes are
    /// not read, and all samples are in the test split. `covariates` are their names with the
    /// means over the training samples, for samples without a value.
    ///
    /// # Errors
    /// As [`Self::read`], for these columns; a missing value where `missing` does not say what to do
    /// with it.
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
        let mut people = Vec::new();
        let mut lines: HashMap<&str, u64> = HashMap::new();
        for row in table.rows() {
            let id = row.identifier(sample_id)?;
            if let Some(first) = lines.insert(id, row.line()) {
                return Err(row.error(
                    sample_id,
                    format!(
                        "person {id} is listed twice (line {first} and line {})",
                        row.line()
                    ),
                ));
            }
            people.push(Person {
                sample_id: id.to_owned(),
                phenotype: None,
                split: Split::Test,
                family_id: None,
                covariates: Vec::new(),
            });
        }
        for (values, row) in cells
            .iter()
            .zip(table.rows())
            .filter(|_| policy == MissingCovariates::Error)
        {
            if let Some(column) = values.iter().position(Option::is_none) {
                let reason = "no value; the model needs one for every sample it scores: fill it \
                              in, use the mean of the training samples (--missing-covariates \
                              mean), or leave such samples out (--missing-covariates drop)";
                return Err(row.error(table.column(&names[column])?, reason));
            }
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

    /// Gives the means to those without a value.
    fn fill(&mut self, cells: &mut [Vec<Option<f64>>], covariates: &[(String, f64)]) {
        for (column, (name, mean)) in covariates.iter().enumerate() {
            let mut n_filled = 0;
            for value in cells
                .iter_mut()
                .map(|values| &mut values[column])
                .filter(|value| value.is_none())
            {
                *value = Some(*mean);
                n_filled += 1;
            }
            if n_filled > 0 {
                self.notes.filled.push((name.clone(), n_filled));
            }
        }
    }

    /// Index of a person in [`Self::people`]; looks through them one by one. For many look-ups use
    /// [`Self::indices`].
    #[must_use]
    pub fn index_of(&self, sample_id: &str) -> Option<usize> {
        self.people
            .iter()
            .position(|person| person.sample_id == sample_id)
    }

    /// Index in [`Self::people`] of each sample id.
    #[must_use]
    pub fn indices(&self) -> HashMap<&str, usize> {
        self.people
            .iter()
            .enumerate()
            .map(|(index, person)| (person.sample_id.as_str(), index))
            .collect()
    }

    /// The people of one split with their indices in [`Self::people`], in order.
    pub fn in_split(&self, split: Split) -> impl Iterator<Item = (usize, &Person)> {
        self.people
            .iter()
            .enumerate()
            .filter(move |(_, person)| person.split == split)
    }

    /// Checks that a split has at least one case and one control; `path` is only named in the
    /// error.
    ///
    /// # Errors
    /// When it has not, with the counts.
    pub fn require_both_classes(&self, split: Split, path: &Path) -> Result<(), Error> {
        let count = |phenotype| {
            self.in_split(split)
                .filter(|(_, person)| person.phenotype == phenotype)
                .count()
        };
        let cases = count(Some(Phenotype::Case));
        let controls = count(Some(Phenotype::Control));
        let unknown = count(None);
        if cases > 0 && controls > 0 {
            return Ok(());
        }
        let [cases, controls] = [
            counted(cases, "case", "cases"),
            counted(controls, "control", "controls"),
        ];
        let unknown = counted(unknown, "person", "people");
        let found = format!("{cases}, {controls} and {unknown} of unknown phenotype");
        Err(Error::file(
            path,
            format!("split {split} has {found}; it needs at least one case and one control"),
        ))
    }

    /// Writes the cohort as `cohort.csv`: phenotypes as `case`/`control`, covariates so that they
    /// read back exactly, `family_id` only when someone has one.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let with_family = self.people.iter().any(|person| person.family_id.is_some());
        let mut table = csv::Writer::from_writer(out);
        let fixed = [SAMPLE_ID, PHENOTYPE, SPLIT]
            .into_iter()
            .chain(with_family.then_some(FAMILY_ID));
        table.write_record(fixed.chain(self.covariate_names.iter().map(String::as_str)))?;
        for person in &self.people {
            table.write_field(&person.sample_id)?;
            table.write_field(
                person
                    .phenotype
                    .map_or(String::new(), |phenotype| phenotype.to_string()),
            )?;
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

/// A covariate as a cell: sex as a word, so that a reader need not know which number is which.
fn covariate_cell(name: &str, value: f64) -> String {
    match (CohortColumn::from_name(name), value) {
        (CohortColumn::Sex, 1.0) => "male".to_owned(),
        (CohortColumn::Sex, 0.0) => "female".to_owned(),
        _ => value.to_string(),
    }
}

fn covariate_names(
    table: &CsvTable<'_>,
    choice: &CovariateChoice,
    path: &Path,
) -> Result<Vec<String>, Error> {
    let CovariateChoice::Named(names) = choice else {
        let is_usual = |name: &&str| CohortColumn::from_name(name).is_usual_covariate();
        return Ok(table.header().filter(is_usual).map(str::to_owned).collect());
    };
    for (index, name) in names.iter().enumerate() {
        if CohortColumn::from_name(name).is_reserved() {
            return Err(Error::file(
                path,
                format!("column `{name}` cannot be a covariate"),
            ));
        }
        if name.is_empty() {
            return Err(Error::file(
                path,
                "a column without a name cannot be a covariate: name the column in the header",
            ));
        }
        if names[..index].contains(name) {
            return Err(Error::file(
                path,
                format!("covariate `{name}` is named twice"),
            ));
        }
    }
    Ok(names.clone())
}

/// The covariates of each row, `None` where one is missing.
fn covariate_cells(
    table: &CsvTable<'_>,
    names: &[String],
    missing: &MissingPolicies,
    advice: &str,
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
                .map_err(|reason| row.error(column, format!("{reason}{advice}")))?;
            values.push(value);
        }
    }
    Ok(cells)
}

/// What to do about a covariate that is no number.
fn advice(choice: &CovariateChoice) -> &'static str {
    match choice {
        CovariateChoice::Usual => {
            ". If this column is not meant as a covariate, name the covariates with --covariates"
        }
        CovariateChoice::Named(_) => {
            ". A covariate is a column of numbers: write a category as columns of 0 and 1"
        }
    }
}

/// A column as a message names it.
fn shown_name(name: &str) -> String {
    if name.is_empty() {
        "(a column without a name)".into()
    } else {
        name.into()
    }
}

/// Who is in which split and family; everyone without phenotype and covariates.
fn memberships(table: &CsvTable<'_>) -> Result<Vec<Person>, Error> {
    let sample_id = table.column(SAMPLE_ID)?;
    let split = table.column(SPLIT)?;
    let family_id = table.optional_column(FAMILY_ID);
    let mut people = Vec::new();
    let mut first_of_sample: HashMap<&str, (Split, Row<'_>)> = HashMap::new();
    let mut first_of_family: HashMap<&str, (Split, Row<'_>)> = HashMap::new();
    for row in table.rows() {
        let id = row.identifier(sample_id)?;
        let part: Split = row
            .cell(split)
            .parse()
            .map_err(|error: crate::UnknownSplit| row.error(split, error.to_string()))?;
        if let Some((first_part, first)) = first_of_sample.insert(id, (part, row)) {
            return Err(row.error(sample_id, listed_twice(id, part, row, first_part, first)));
        }
        let family = family_id
            .map(|column| (column, row.cell(column)))
            .filter(|(_, family)| is_family(family));
        if let Some((column, family)) = family {
            let (first_part, first) = *first_of_family.entry(family).or_insert((part, row));
            if first_part != part {
                let line = row.line();
                let first_line = first.line();
                let places = format!("{first_part} at line {first_line}, {part} at line {line}");
                let advice = "relatives share haplotypes, so put a family into one split";
                return Err(row.error(
                    column,
                    format!("family {family} is in two splits ({places}); {advice}"),
                ));
            }
        }
        let family_id = family.map(|(_, family)| family.to_owned());
        people.push(Person {
            sample_id: id.to_owned(),
            phenotype: None,
            split: part,
            family_id,
            covariates: Vec::new(),
        });
    }
    Ok(people)
}

/// Whether a cell names a family; PLINK's family 0 is none.
pub(crate) fn is_family(cell: &str) -> bool {
    !is_missing(cell) && cell != "0" && !is_minus_nine(cell)
}

fn listed_twice(id: &str, part: Split, row: Row<'_>, first_part: Split, first: Row<'_>) -> String {
    let line = row.line();
    let first_line = first.line();
    if part == first_part {
        format!("person {id} is there twice (lines {first_line} and {line}); keep one")
    } else {
        format!(
            "person {id} is in two splits ({first_part} at line {first_line}, {part} at line \
             {line})"
        )
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
        let sexes = |cells: [&str; 3]| {
            let rows: Vec<String> = cells
                .iter()
                .enumerate()
                .map(|(n, cell)| format!("P{n},case,test,{cell}\n"))
                .collect();
            let rows = rows.concat();
            read(&format!("sample_id,phenotype,split,sex\n{rows}")).map(|cohort| {
                cohort
                    .people
                    .iter()
                    .map(|person| person.covariates[0])
                    .collect::<Vec<f64>>()
            })
        };
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
        let rows = |n: usize, flip: usize| -> String {
            let row = |person: usize| {
                let is_case = person.is_multiple_of(2);
                let copy = if is_case == (person != flip) { 2 } else { 1 };
                format!(
                    "P{person},{},train,{person},{copy},{}\n",
                    if is_case { "case" } else { "control" },
                    50 + person % 7
                )
            };
            format!(
                "sample_id,phenotype,split,IID,dx,age\n{}",
                (0..n).map(row).collect::<String>()
            )
        };
        let dx_and_age = CovariateChoice::Named(vec!["dx".into(), "age".into()]);
        let read = |text: &str| read_with(text, PhenotypeCoding::Auto, &dx_and_age);
        let message = read(&rows(20, 99)).unwrap_err().to_string();
        assert!(
            message.contains("column `dx` alone tells every case from every control"),
            "{message}"
        );
        let cohort = read(&rows(20, 3)).unwrap();
        assert_eq!(
            cohort.covariate_names,
            ["dx", "age"],
            "one person who differs is enough"
        );
        assert_eq!(
            cohort.summary().to_string(),
            "train 10 cases, 10 controls; validation 0 cases, 0 controls; test 0 cases, 0 \
             controls; covariates: dx, age\ncolumns that are no covariates: IID (choose with \
             --covariates)\n"
        );
        assert!(
            read(&rows(18, 99)).is_ok(),
            "nine of each may be an accident"
        );
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
            "cohort.csv: no column `sample_id`: the first line has sample, phenotype, split \
             (expected names separated by commas); is `sample` meant?"
        );
        let tabs = message("sample\tphenotype\tsplit\nA\tcase\ttrain\n");
        assert!(
            tabs.contains("the first line has sample, phenotype, split"),
            "{tabs}"
        );
    }

    #[test]
    fn bad_cells_are_named_with_line_and_column() {
        for (text, expected) in [
            (
                "sample_id,phenotype,split\n,case,train\n",
                "line 2, column `sample_id`: is empty",
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
                "line 3: 2 cells where the header has 3",
            ),
            (
                "sample_id,phenotype,split,split\nA,1,test,test\n",
                "line 1: column `split` is there twice (columns 3 and 4)",
            ),
            (
                "sample_id,phenotype,split,Age,age\nA,1,test,1,1\n",
                "line 1: column `age` is there twice",
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
        let text = "sample_id,phenotype,split\nA,1,train\nB,1,train\nA,1,test\n";
        assert!(
            message(text).ends_with("person A is in two splits (train at line 2, test at line 4)"),
            "{}",
            message(text)
        );
        let text = text.replace("test", "train");
        assert!(message(&text).contains("person A is there twice (lines 2 and 4)"));
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
        let named = |names: &[&str]| {
            CovariateChoice::Named(names.iter().map(|&name| name.to_owned()).collect())
        };
        let cohort = read_with(text, PhenotypeCoding::Auto, &named(&["age", "sex"])).unwrap();
        assert_eq!(
            (
                &cohort.people[0].covariates[..],
                &cohort.people[1].covariates[..]
            ),
            (&[70.0, 0.0][..], &[65.5, 1.0][..])
        );
        for (names, expected) in [
            (&["agee"][..], "is `age` meant?"),
            (&["age", "age"], "named twice"),
            (&["split"], "cannot be a covariate"),
        ] {
            let error = read_with(text, PhenotypeCoding::Auto, &named(names))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
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
        let named = CovariateChoice::Named(vec!["bmi".into()]);
        let named = cohort_of(&rows, header, &named, &MissingPolicies::default()).unwrap();
        assert_eq!(
            (named.covariate_names, named.people[0].covariates[0]),
            (vec!["bmi".to_owned()], 27.0)
        );
        let unnamed = CovariateChoice::Named(vec![String::new()]);
        let message = cohort_of(&rows, header, &unnamed, &MissingPolicies::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("without a name cannot be a covariate"),
            "{message}"
        );
    }

    /// 40 training and 20 test samples; the first `n` of each have no age.
    fn without_age(n: usize) -> Vec<String> {
        let row = |index: usize| {
            let (split, place) = if index < 40 {
                ("train", index)
            } else {
                ("test", index - 40)
            };
            let age = if place < n {
                "NA".to_owned()
            } else {
                (60 + index % 7).to_string()
            };
            format!("P{index},{},{split},{age}", index % 2)
        };
        (0..60).map(row).collect()
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
        let told = cohort.summary().to_string();
        assert!(
            told.contains("2 samples dropped: without a value of age (train 1, test 1)"),
            "{told}"
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.csv");
        fs::write(&path, "sample_id,age,sex\nA,NA,male\nB,70,female\nC,60,\n").unwrap();
        let read = |covariates| {
            let missing = MissingPolicies {
                covariates,
                ..MissingPolicies::default()
            };
            Cohort::read_covariates(
                &path,
                &[("age".into(), 65.5), ("sex".into(), 0.5)],
                &missing,
            )
        };
        let filled = read(MissingCovariates::Mean).unwrap();
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
        let dropped = read(MissingCovariates::Drop).unwrap();
        assert_eq!(
            (dropped.people.len(), dropped.people[0].sample_id.as_str()),
            (1, "B")
        );
        assert_eq!(dropped.notes.dropped[0].by_split, [0, 0, 2]);
        let message = read(MissingCovariates::Error).unwrap_err().to_string();
        assert!(
            message.contains("line 2, column `age`: no value")
                && message.contains("--missing-covariates mean"),
            "{message}"
        );
    }

    #[test]
    fn samples_without_genotypes_are_dropped_or_refused_by_policy() {
        let cohort = read_without_age(0, MissingCovariates::DropFew).unwrap();
        let present = |from: usize| {
            (from..60)
                .map(|index| format!("P{index}"))
                .collect::<Vec<_>>()
        };
        let keep = |from: usize, policy| {
            let mut cohort = cohort.clone();
            let kept = cohort.keep_present(&present(from), Path::new("a.vcf"), policy);
            kept.map(|()| cohort).map_err(|error| error.to_string())
        };
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
                "a.vcf: no sample `P0`; 3 of the 60 samples of the cohort are not in it (3 of 40 \
                 train"
            ),
            "{message}"
        );
        assert!(keep(1, MissingSamples::Error).is_err());
        assert_eq!(keep(30, MissingSamples::Drop).unwrap().people.len(), 30);
        assert!(keep(60, MissingSamples::Drop).is_err(), "nobody is left");
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
            "c.csv: split test has 2 cases, 0 controls and 1 person of unknown phenotype; it \
             needs at least one case and one control"
        );
        assert!(
            cohort
                .require_both_classes(Split::Train, Path::new("c.csv"))
                .is_err()
        );
    }
}
