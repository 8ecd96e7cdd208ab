//! Stage `cohort`: makes `cohort.csv` from sample tables.
//!
//! Input: tables of PLINK, smartpca or spreadsheets.
//! Output: one row per sample with phenotype, split, family and covariates, and a [`Summary`] of
//! the joined tables, the phenotype mapping and the dropped samples.

mod join;
mod phenotype;
mod related;
mod split;
mod table;

pub use self::{
    join::{JoinProblem, Overlap},
    phenotype::{Mapping, PhenotypeProblem},
    related::RelatedProblem,
    split::{Shares, UnknownShares},
    table::TableProblem,
};

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    CohortColumn, DroppedSampleRow, MissingValues, Phenotype, Split, UnknownSplit, ValueProblem,
    write_rows,
};
use serde::{Deserialize, Serialize};

use self::{
    join::{Joined, Person},
    phenotype::{Mapped, MappedColumn},
    table::Table,
};

use gf_cohort_schema::counted;

/// Start of the reason for dropping samples that a genotype file lacks.
const NOT_IN: &str = "not in ";

/// Start of the reason for dropping relatives.
const RELATED: &str = "related to a sample in another split";
/// Kinship cut-off of KING between second and third degree.
pub const SECOND_DEGREE: f64 = 0.0884;
/// Largest plausible share of the cohort in one family.
const MAX_FAMILY_SHARE: f64 = 0.5;
/// Smallest family to which [`MAX_FAMILY_SHARE`] applies.
const MIN_CHECKED_FAMILY: usize = 10;

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
    pub samples: Vec<Sample>,
    /// Id of each dropped sample and the reason.
    pub dropped: Vec<(String, String)>,
}

/// A row of the cohort table.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
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

/// Counts of joined, mapped and dropped samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Overlap of each table with the first one, in the order of the tables.
    pub overlaps: Vec<Overlap>,
    /// Mapping of the phenotype values to cases and controls.
    pub mapping: Mapping,
    /// Number of dropped samples by reason.
    pub dropped: BTreeMap<String, usize>,
    /// Origin of the split.
    pub split: String,
    /// Cases, controls and samples of unknown phenotype of each split.
    pub counts: Vec<(Split, [usize; 3])>,
    /// Number of families of two samples or more.
    pub n_families: usize,
    /// Counts of related pairs, if a table of kinships is given.
    pub kinships: Option<Kinships>,
    /// Columns that other commands use as covariates by default.
    pub covariates: Vec<String>,
    /// Columns that other commands do not use by default.
    pub other_columns: Vec<String>,
}

/// Counts of the pairs in a table of kinships.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinships {
    /// Pairs whose samples are both in the cohort.
    pub n_pairs: usize,
    /// Related pairs among them.
    pub n_related: usize,
    /// Related pairs within one split, which stay in the cohort.
    pub n_within: usize,
}

/// Reason why no cohort table was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No table is given.
    #[error("no table; give the files to join, such as cohort.fam covariates.cov")]
    NoTable,
    /// A file cannot be read as text.
    #[error(transparent)]
    Text(#[from] gf_cohort_schema::Error),
    /// A file cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The finding and the next action.
        problem: Box<Problem>,
    },
    /// A line cannot be used.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The finding and the next action.
        problem: Box<Problem>,
    },
    /// A cell cannot be used.
    #[error("{}: line {line}, column `{column}`: {problem}", path.display())]
    Cell {
        /// Path of the file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// Name of the column.
        column: String,
        /// The finding and the next action.
        problem: Box<Problem>,
    },
    /// The genotypes cannot be read.
    #[error(transparent)]
    Genotypes(#[from] gf_genotypes::Error),
    /// The phenotype cannot be read.
    #[error("phenotype `{column}`: {problem}")]
    Phenotype {
        /// Name of the column.
        column: String,
        /// The finding and the next action.
        problem: PhenotypeProblem,
    },
    /// No column is a candidate for the phenotype.
    #[error(
        "no column with values is named like a phenotype (phenotype, status, diagnosis, ...). Name \
         the column with --phenotype. The columns are {columns}"
    )]
    NoPhenotype {
        /// Names of all columns.
        columns: String,
    },
    /// Several columns are candidates for the phenotype.
    #[error("several columns may be the phenotype ({columns}); name one with --phenotype")]
    SeveralPhenotypes {
        /// Names of the candidates.
        columns: String,
    },
    /// An option names a column that no table has.
    #[error("{option}: no column `{column}`; the columns are {columns}")]
    NoColumn {
        /// Name of the option.
        option: &'static str,
        /// Name of the column.
        column: String,
        /// Names of all columns.
        columns: String,
    },
    /// A cell of the column `split` is not a split.
    #[error("sample `{sample}`: {problem}. Give --split to make a new split")]
    Split {
        /// Sample id.
        sample: String,
        /// The finding.
        problem: UnknownSplit,
    },
    /// A family is implausibly large.
    #[error(
        "{n} of {n_samples} samples are in family `{family}`; if FID is not a family ID here, add \
         --ignore-families"
    )]
    LargeFamily {
        /// FID of the family.
        family: String,
        /// Number of its samples.
        n: usize,
        /// Number of all samples.
        n_samples: usize,
    },
    /// The column `split` puts samples of one family into two splits.
    #[error(
        "family `{family}` is in two splits (sample `{first}` in {first_split}, `{second}` in \
         {second_split}); give --split to make a new split"
    )]
    FamilyInTwoSplits {
        /// Family id.
        family: String,
        /// Id of the first sample.
        first: String,
        /// Split of the first sample.
        first_split: Split,
        /// Id of the second sample.
        second: String,
        /// Split of the second sample.
        second_split: Split,
    },
    /// A split has cases only or controls only.
    #[error(
        "split {split} has {n_cases} cases and {n_controls} controls after samples were dropped, \
         but needs both. Give it a larger share (--split), or try another --seed{}",
        after_relatives(*n_relatives)
    )]
    OneClass {
        /// Name of the split.
        split: Split,
        /// Number of its cases.
        n_cases: usize,
        /// Number of its controls.
        n_controls: usize,
        /// Number of its samples that were dropped as relatives.
        n_relatives: usize,
    },
    /// All samples were dropped.
    #[error("no sample is left; dropped were {dropped}{}", ids_differ(dropped))]
    NobodyLeft {
        /// Number of dropped samples by reason.
        dropped: String,
    },
}

/// A problem of a file, a line or a cell, by the part of the stage that found it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// One table.
    #[error(transparent)]
    Table(#[from] TableProblem),
    /// Two tables.
    #[error(transparent)]
    Join(#[from] JoinProblem),
    /// A table of kinships.
    #[error(transparent)]
    Related(#[from] RelatedProblem),
    /// The value of a covariate.
    #[error(transparent)]
    Value(#[from] ValueProblem),
}

/// Advice if the genotypes have none of the samples.
fn ids_differ(dropped: &str) -> &'static str {
    if dropped.contains(NOT_IN) {
        ". Check that the genotype files use the same sample IDs. --sample-id fid-iid names \
         samples FID_IID, like PLINK in a VCF"
    } else {
        ""
    }
}

/// Advice after the counts of a split from which relatives were dropped.
fn after_relatives(n: usize) -> String {
    if n == 0 {
        return String::new();
    }
    format!(
        ". --unrelated dropped {n} of its samples as relatives of samples in other splits. Put \
         relatives into one family (family_id), so that they are in one split"
    )
}

impl Error {
    fn file(path: &Path, problem: impl Into<Problem>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            problem: Box::new(problem.into()),
        }
    }

    fn line(path: &Path, line: u64, problem: impl Into<Problem>) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            problem: Box::new(problem.into()),
        }
    }

    fn cell(path: &Path, line: u64, column: &str, problem: impl Into<Problem>) -> Self {
        Self::Cell {
            path: path.to_path_buf(),
            line,
            column: column.to_owned(),
            problem: Box::new(problem.into()),
        }
    }
}

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

/// The cohort while samples are dropped and splits are assigned.
///
/// All vectors have one entry per sample of the joined tables.
struct Draft<'j> {
    joined: &'j Joined,
    phenotypes: Vec<Option<Phenotype>>,
    splits: Vec<Split>,
    /// Reason why a sample was dropped.
    dropped: Vec<Option<String>>,
}

impl<'j> Draft<'j> {
    fn new(joined: &'j Joined, mapped: &[Mapped]) -> Self {
        let phenotypes = mapped
            .iter()
            .map(|mapped| match mapped {
                Mapped::Known(phenotype) => Some(*phenotype),
                Mapped::Unknown | Mapped::Other(_) => None,
            })
            .collect();
        let n_samples = joined.people.len();
        Self {
            joined,
            phenotypes,
            splits: vec![Split::Train; n_samples],
            dropped: vec![None; n_samples],
        }
    }

    /// Indices of the samples that are not dropped.
    fn remaining(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.dropped.len()).filter(|&index| self.dropped[index].is_none())
    }

    fn person(&self, index: usize) -> &'j Person {
        &self.joined.people[index]
    }

    /// Drops samples that a genotype file lacks.
    fn drop_absent(&mut self, vcf: &[PathBuf]) -> Result<(), Error> {
        for (path, samples) in gf_genotypes::samples_of_files(vcf)? {
            let present: HashSet<&str> = samples.iter().map(String::as_str).collect();
            let absent: Vec<usize> = self
                .remaining()
                .filter(|&index| !present.contains(self.person(index).sample.as_str()))
                .collect();
            for index in absent {
                self.dropped[index] = Some(format!("{NOT_IN}{}", path.display()));
            }
        }
        Ok(())
    }

    /// Drops samples that are neither case nor control.
    fn drop_by_phenotype(&mut self, mapped: &[Mapped], drop_unknown: bool) {
        for (dropped, mapped) in self.dropped.iter_mut().zip(mapped) {
            let reason = match mapped {
                Mapped::Other(value) => {
                    Some(format!("phenotype `{value}`, neither case nor control"))
                }
                Mapped::Unknown if drop_unknown => Some("phenotype unknown".to_owned()),
                Mapped::Unknown | Mapped::Known(_) => None,
            };
            *dropped = dropped.take().or(reason);
        }
    }

    /// Number of dropped samples by reason.
    fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for reason in self.dropped.iter().flatten() {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        reasons
    }

    fn require_anybody(&self) -> Result<(), Error> {
        if self.remaining().next().is_some() {
            return Ok(());
        }
        let reasons: Vec<String> = self
            .reasons()
            .iter()
            .map(|(reason, n)| format!("{n} ({reason})"))
            .collect();
        Err(Error::NobodyLeft {
            dropped: reasons.join(", "),
        })
    }

    /// Number of remaining samples of each family.
    fn family_sizes(&self, families: &[usize]) -> HashMap<usize, usize> {
        let mut sizes = HashMap::new();
        for index in self.remaining() {
            *sizes.entry(families[index]).or_default() += 1;
        }
        sizes
    }

    /// The family id of each sample.
    ///
    /// It is the FID of the first member with an FID, or the sample id of the first member.
    fn family_ids(&self, families: &[usize]) -> Vec<String> {
        let mut fids: HashMap<usize, &str> = HashMap::new();
        for (person, &family) in self.joined.people.iter().zip(families) {
            if let Some(fid) = &person.family {
                fids.entry(family).or_insert(fid);
            }
        }
        families
            .iter()
            .map(|family| match fids.get(family) {
                Some(&fid) => fid.to_owned(),
                // The number of a family is the index of its first member.
                None => self.person(*family).sample.clone(),
            })
            .collect()
    }

    /// Refuses a family with an implausible share of the cohort: its FID may be a study name.
    fn require_real_families(&self, families: &[usize]) -> Result<(), Error> {
        let n_samples = self.remaining().count();
        let sizes = self.family_sizes(families);
        let largest = sizes
            .into_iter()
            .max_by_key(|&(family, n)| (n, std::cmp::Reverse(family)));
        match largest {
            Some((family, n))
                if n >= MIN_CHECKED_FAMILY && n as f64 > MAX_FAMILY_SHARE * n_samples as f64 =>
            {
                let family = self
                    .person(family)
                    .family
                    .clone()
                    .unwrap_or_else(|| self.person(family).sample.clone());
                Err(Error::LargeFamily {
                    family,
                    n,
                    n_samples,
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes the split of the table, or makes a new one; returns its origin in words.
    fn make_split(
        &mut self,
        options: &Options,
        families: &[usize],
        family_ids: &[String],
    ) -> Result<String, Error> {
        if let (Some(column), None) = (self.joined.column("split"), options.split) {
            return self.take_split(column, families, family_ids);
        }
        let shares = options.split.unwrap_or_default();
        let strata = self.strata(&options.stratify_by)?;
        let mut remaining_people = Vec::new();
        let mut remaining_families = Vec::new();
        let mut remaining_strata = Vec::new();
        for index in self.remaining() {
            remaining_people.push(self.person(index).clone());
            remaining_families.push(families[index]);
            remaining_strata.push(strata[index].clone());
        }
        let new_splits = split::split(
            &remaining_people,
            &remaining_families,
            &remaining_strata,
            shares,
            options.seed,
        );
        let remaining: Vec<usize> = self.remaining().collect();
        for (index, split) in remaining.into_iter().zip(new_splits) {
            self.splits[index] = split;
        }
        let mut stratified_by = vec!["phenotype"];
        stratified_by.extend(options.stratify_by.iter().map(String::as_str));
        Ok(format!(
            "{shares} %, seed {}, stratified by {}",
            options.seed,
            stratified_by.join(", ")
        ))
    }

    /// Takes the split from a column of the table; every family must be in one split.
    fn take_split(
        &mut self,
        column: usize,
        families: &[usize],
        family_ids: &[String],
    ) -> Result<String, Error> {
        let mut first_of_family: HashMap<usize, usize> = HashMap::new();
        let remaining: Vec<usize> = self.remaining().collect();
        for index in remaining {
            let Person { sample, cells, .. } = self.person(index);
            self.splits[index] =
                cells[column]
                    .parse()
                    .map_err(|problem: UnknownSplit| Error::Split {
                        sample: sample.clone(),
                        problem,
                    })?;
            let first = *first_of_family.entry(families[index]).or_insert(index);
            if self.splits[first] != self.splits[index] {
                return Err(Error::FamilyInTwoSplits {
                    family: family_ids[index].clone(),
                    first: self.person(first).sample.clone(),
                    first_split: self.splits[first],
                    second: sample.clone(),
                    second_split: self.splits[index],
                });
            }
        }
        Ok(format!(
            "column `split` of {}",
            self.joined.columns[column].path.display()
        ))
    }

    /// Stratum of each sample: the phenotype and the levels of `columns`.
    fn strata(&self, columns: &[String]) -> Result<Vec<String>, Error> {
        let mut strata: Vec<String> = self
            .phenotypes
            .iter()
            .map(|phenotype| format!("{phenotype:?}"))
            .collect();
        for name in columns {
            let Some(column) = self.joined.column(name) else {
                return Err(Error::NoColumn {
                    option: "--stratify-by",
                    column: name.clone(),
                    columns: self.joined.column_names(),
                });
            };
            for (stratum, cell) in strata.iter_mut().zip(self.joined.cells(column)) {
                stratum.push('\n');
                stratum.push_str(&cell.to_lowercase());
            }
        }
        Ok(strata)
    }

    /// Drops one sample of each related pair across splits.
    fn drop_related(&mut self, options: &Options) -> Result<Option<Kinships>, Error> {
        let Some(path) = &options.unrelated else {
            return Ok(None);
        };
        let samples: HashMap<&str, usize> = self
            .remaining()
            .map(|index| (self.person(index).sample.as_str(), index))
            .collect();
        let related = related::read(path, &samples, options.sample_id, options.kinship_cutoff)?;
        let relatives = related::to_remove(&related.pairs, &self.splits, &self.phenotypes);
        let reason = format!("{RELATED} (kinship of {} or more)", options.kinship_cutoff);
        for index in relatives {
            self.dropped[index] = Some(reason.clone());
        }
        let n_within = related
            .pairs
            .iter()
            .filter(|(a, b)| {
                let both_remain = self.dropped[*a].is_none() && self.dropped[*b].is_none();
                both_remain && self.splits[*a] == self.splits[*b]
            })
            .count();
        Ok(Some(Kinships {
            n_pairs: related.n_known,
            n_related: related.pairs.len(),
            n_within,
        }))
    }

    /// Cases, controls and samples of unknown phenotype of a split.
    fn counts(&self, split: Split) -> [usize; 3] {
        [Some(Phenotype::Case), Some(Phenotype::Control), None].map(|phenotype| {
            self.remaining()
                .filter(|&index| self.splits[index] == split)
                .filter(|&index| self.phenotypes[index] == phenotype)
                .count()
        })
    }

    /// Number of samples of a split that were dropped as relatives.
    fn dropped_relatives(&self, split: Split) -> usize {
        let reasons = self.dropped.iter().zip(&self.splits);
        reasons
            .filter(|(_, sample_split)| **sample_split == split)
            .filter_map(|(reason, _)| reason.as_ref())
            .filter(|reason| reason.starts_with(RELATED))
            .count()
    }

    /// Refuses a split with cases only or controls only.
    fn require_both_classes(&self) -> Result<(), Error> {
        for split in Split::ALL {
            let [n_cases, n_controls, _] = self.counts(split);
            if (n_cases == 0) != (n_controls == 0) {
                let n_relatives = self.dropped_relatives(split);
                return Err(Error::OneClass {
                    split,
                    n_cases,
                    n_controls,
                    n_relatives,
                });
            }
        }
        Ok(())
    }

    /// Makes the table of the remaining samples and completes the summary.
    fn finish(
        self,
        columns: &[usize],
        families: &[usize],
        family_ids: &[String],
        summary: Summary,
    ) -> (Prepared, Summary) {
        let family_sizes = self.family_sizes(families);
        let mut samples = Vec::new();
        for index in self.remaining() {
            let has_relatives = family_sizes
                .get(&families[index])
                .is_some_and(|&size| size > 1);
            let family_id = has_relatives.then(|| family_ids[index].clone());
            samples.push(self.sample(index, family_id, columns));
        }
        let names: Vec<String> = columns
            .iter()
            .map(|&column| self.joined.columns[column].name.clone())
            .collect();
        let mut dropped = Vec::new();
        for (person, reason) in self.joined.people.iter().zip(&self.dropped) {
            if let Some(reason) = reason {
                dropped.push((person.sample.clone(), reason.clone()));
            }
        }
        let (covariates, other_columns) = names
            .iter()
            .cloned()
            .partition(|name| CohortColumn::from_name(name).is_usual_covariate());
        let complete_summary = Summary {
            dropped: self.reasons(),
            counts: Split::ALL.map(|split| (split, self.counts(split))).to_vec(),
            n_families: family_sizes.values().filter(|&&size| size > 1).count(),
            covariates,
            other_columns,
            ..summary
        };
        let prepared = Prepared {
            samples,
            columns: names,
            dropped,
        };
        (prepared, complete_summary)
    }

    fn sample(&self, index: usize, family_id: Option<String>, columns: &[usize]) -> Sample {
        let Person { sample, cells, .. } = self.person(index);
        Sample {
            sample_id: sample.clone(),
            phenotype: self.phenotypes[index],
            split: self.splits[index],
            family_id,
            cells: columns
                .iter()
                .map(|&column| cells[column].clone())
                .collect(),
        }
    }
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
        for Sample {
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

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_overlaps(f)?;
        let Mapping {
            column,
            cases,
            controls,
        } = &self.mapping;
        writeln!(
            f,
            "phenotype: `{column}`, cases {cases}, controls {controls}"
        )?;
        for (reason, n) in &self.dropped {
            writeln!(f, "dropped: {} ({reason})", samples_in_words(*n))?;
        }
        self.write_relatives(f)?;
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(split, counts)| counts_in_words(*split, *counts))
            .collect();
        writeln!(f, "split ({}): {}", self.split, counts.join("; "))?;
        writeln!(
            f,
            "covariates: {}; further columns: {}",
            list_in_words(&self.covariates),
            list_in_words(&self.other_columns)
        )
    }
}

impl Summary {
    /// One line per table.
    fn write_overlaps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self
            .overlaps
            .first()
            .map(|overlap| overlap.path.display().to_string())
            .unwrap_or_default();
        for (
            number,
            Overlap {
                path,
                n_samples,
                n_not_in_first,
                n_absent,
            },
        ) in self.overlaps.iter().enumerate()
        {
            write!(f, "{}: {}", path.display(), samples_in_words(*n_samples))?;
            if number > 0 && *n_not_in_first > 0 {
                write!(f, ", {n_not_in_first} of them not in {first} (left out)")?;
            }
            if number > 0 && *n_absent > 0 {
                let absent = samples_in_words(*n_absent);
                write!(f, ", {absent} of {first} missing here")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// Families and related pairs, if there are any.
    fn write_relatives(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_families > 0 {
            writeln!(
                f,
                "families with two or more samples: {}, each in one split",
                self.n_families
            )?;
        }
        if let Some(Kinships {
            n_pairs,
            n_related,
            n_within,
        }) = self.kinships
        {
            writeln!(
                f,
                "kinships: {} of these samples, {n_related} related, {n_within} of them within one \
                 split",
                counted(n_pairs, "pair", "pairs")
            )?;
        }
        Ok(())
    }
}

fn samples_in_words(n: usize) -> String {
    if n == 1 {
        "1 sample".to_owned()
    } else {
        format!("{n} samples")
    }
}

fn list_in_words(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn counts_in_words(split: Split, [n_cases, n_controls, n_unknown]: [usize; 3]) -> String {
    let cases = counted(n_cases, "case", "cases");
    let controls = counted(n_controls, "control", "controls");
    if n_unknown > 0 {
        format!("{split} {cases}, {controls}, {n_unknown} of unknown phenotype")
    } else {
        format!("{split} {cases}, {controls}")
    }
}

#[cfg(test)]
mod tests;
