//! Makes `cohort.csv` from the tables that people have.
//!
//! Input -> output: tables of PLINK, smartpca, spreadsheets -> one row per sample with phenotype,
//! split, family and covariates; and a summary of what was joined, mapped and dropped, and why.

mod join;
mod phenotype;
mod related;
mod split;
mod table;

pub use self::{join::Overlap, phenotype::Mapping, split::Shares};

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{CohortColumn, MissingValues, Phenotype, Split};
use serde::{Deserialize, Serialize};

use self::{
    join::{Joined, Person},
    phenotype::Mapped,
    table::Table,
};

use gf_cohort_schema::counted;

/// Begins the reason of samples that files of genotypes do not have.
const NOT_IN: &str = "not in ";

/// Why relatives are dropped.
const RELATED: &str = "related to a sample of another split";
/// KING's cut-off between second and third degree.
pub const SECOND_DEGREE: f64 = 0.0884;
/// A family with a larger share of the cohort is no family.
const LARGEST_FAMILY: f64 = 0.5;
/// Samples of families below which their size says nothing.
const FEW: usize = 10;

/// What is joined and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Tables; the first one decides who is in the cohort.
    pub tables: Vec<PathBuf>,
    /// Column of the phenotype; the only one that may be it when `None`.
    pub phenotype: Option<String>,
    /// Values of cases.
    pub case: Vec<String>,
    /// Values of controls.
    pub control: Vec<String>,
    /// Shares of a new split; the column `split` when `None`, and 60, 20 and 20 % without one.
    pub split: Option<Shares>,
    /// Seed of the split.
    pub seed: u64,
    /// Columns whose levels have the same share of every split, next to the phenotype.
    pub stratify_by: Vec<String>,
    /// Table of kinships: one of each related pair across splits is dropped.
    pub unrelated: Option<PathBuf>,
    /// Least kinship of a related pair.
    pub kinship_cutoff: f64,
    /// Files of genotypes: samples that are not in them are dropped.
    pub vcf: Vec<PathBuf>,
    /// Column of sample ids where it has another name than usual.
    pub id_column: Option<String>,
    /// What is the name of a sample in the genotypes.
    pub sample_id: SampleId,
    /// FID names no families.
    pub ignore_families: bool,
    /// Samples of unknown phenotype are dropped.
    pub drop_unknown: bool,
    /// Numbers that stand for a missing value.
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

/// What is the name of a sample in the genotypes, from PLINK's two ids.
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
    /// Samples that were dropped, and why.
    pub dropped: Vec<(String, String)>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name in the genotypes.
    pub sample_id: String,
    /// `None` when unknown.
    pub phenotype: Option<Phenotype>,
    /// What the sample is used for.
    pub split: Split,
    /// Family, where another sample is of it.
    pub family_id: Option<String>,
    /// One text for each of [`Prepared::columns`], empty where there is no value.
    pub cells: Vec<String>,
}

/// What was joined, mapped and dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How the tables overlap, the first one first.
    pub overlaps: Vec<Overlap>,
    /// The phenotype.
    pub mapping: Mapping,
    /// Samples dropped, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// Where the split comes from.
    pub split: String,
    /// Cases, controls and samples of unknown phenotype of each split.
    pub counts: Vec<(Split, [usize; 3])>,
    /// Families of two samples or more.
    pub n_families: usize,
    /// What the kinships told, where there are any.
    pub kinships: Option<Kinships>,
    /// Columns that are covariates of the other commands when none are named, and columns that are
    /// not.
    pub covariates: Vec<String>,
    /// Further columns.
    pub other_columns: Vec<String>,
}

/// What a table of kinships told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinships {
    /// Its pairs of samples of the cohort.
    pub n_pairs: usize,
    /// Related ones.
    pub n_related: usize,
    /// Related ones within one split, which stay.
    pub n_within: usize,
}

/// Why there is no cohort table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to join.
    #[error("no table: give the files to join, such as cohort.fam covariates.cov")]
    NoTable,
    /// A file cannot be read as text.
    #[error(transparent)]
    Text(#[from] gf_cohort_schema::Error),
    /// A file as a whole is wrong.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A line is wrong.
    #[error("{}: line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A cell is wrong.
    #[error("{}: line {line}, column `{column}`: {reason}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
        /// Name of the column.
        column: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The genotypes cannot be read.
    #[error(transparent)]
    Genotypes(#[from] gf_genotypes::Error),
    /// The phenotype cannot be read.
    #[error("phenotype `{column}`: {reason}")]
    Phenotype {
        /// The column.
        column: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// No column looks like a phenotype.
    #[error("no column of phenotypes with values among {columns}: name it with --phenotype")]
    NoPhenotype {
        /// All columns.
        columns: String,
    },
    /// Several do.
    #[error("several columns may be the phenotype ({columns}): name one with --phenotype")]
    SeveralPhenotypes {
        /// They.
        columns: String,
    },
    /// An option names a column that is not there.
    #[error("{option}: no column `{column}`; the columns are {columns}")]
    NoColumn {
        /// The option.
        option: &'static str,
        /// The column.
        column: String,
        /// All columns.
        columns: String,
    },
    /// A cell of the column `split` is none.
    #[error("sample `{sample}`: {reason}; give --split for a new split")]
    Split {
        /// The sample.
        sample: String,
        /// What is wrong.
        reason: String,
    },
    /// A family is too large to be one.
    #[error(
        "{n} of {n_samples} samples are of family `{family}`: if FID is no family here, add \
         --ignore-families"
    )]
    LargeFamily {
        /// Its FID.
        family: String,
        /// Its samples.
        n: usize,
        /// All samples.
        n_samples: usize,
    },
    /// A family is in two splits of the column `split`.
    #[error(
        "family `{family}` is in two splits (sample `{first}` in {first_split}, `{second}` in \
         {second_split}): give --split for a new split"
    )]
    FamilyInTwoSplits {
        /// The family.
        family: String,
        /// A sample.
        first: String,
        /// Its split.
        first_split: Split,
        /// Another sample.
        second: String,
        /// Its split.
        second_split: Split,
    },
    /// A split has one class.
    #[error(
        "split {split} has {n_cases} cases and {n_controls} controls of those who are kept; it \
         needs both: give it a larger share (--split), or another --seed{}",
        after_relatives(*n_relatives)
    )]
    OneClass {
        /// The split.
        split: Split,
        /// Its cases.
        n_cases: usize,
        /// Its controls.
        n_controls: usize,
        /// Samples of it that were dropped as relatives.
        n_relatives: usize,
    },
    /// Nobody is left.
    #[error("no sample is left; dropped were {dropped}{}", ids_differ(dropped))]
    NobodyLeft {
        /// How many for which reason.
        dropped: String,
    },
}

/// What to do where the genotypes have none of the samples.
fn ids_differ(dropped: &str) -> &'static str {
    if dropped.contains(NOT_IN) {
        "; are the samples named in another way there? --sample-id fid-iid names them FID_IID, as \
         PLINK does in a VCF"
    } else {
        ""
    }
}

/// What follows the counts of a split that lost relatives.
fn after_relatives(n: usize) -> String {
    if n == 0 {
        return String::new();
    }
    format!(
        "; {n} of its samples were dropped as relatives of other splits (--unrelated): put \
         relatives into one family (family_id), so that they share a split"
    )
}

impl Error {
    fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    fn line(path: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            reason: reason.into(),
        }
    }

    fn cell(path: &Path, line: u64, column: &str, reason: impl Into<String>) -> Self {
        Self::Cell {
            path: path.to_path_buf(),
            line,
            column: column.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Joins the tables, maps the phenotype, makes the split.
///
/// # Errors
/// Tables that cannot be read or contradict each other, a phenotype that is not clear, a split
/// without one of the classes.
pub fn run(options: &Options) -> Result<(Prepared, Summary), Error> {
    let read = |path: &PathBuf| Table::read(path, options.id_column.as_deref(), options.sample_id);
    let tables = options
        .tables
        .iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()?;
    let (joined, overlaps) = Joined::new(&tables, options)?;
    let (phenotype_column, mapping, mapped) = phenotype::map(&joined, options)?;
    let mut draft = Draft::new(&joined, &mapped);
    draft.drop_absent(&options.vcf)?;
    draft.drop_by_phenotype(&mapped, options.drop_unknown);
    draft.require_anybody()?;

    let families = if options.ignore_families {
        (0..joined.people.len()).collect()
    } else {
        split::families(&joined.people)
    };
    let family_ids = draft.family_ids(&families);
    draft.require_real_families(&families)?;
    let told = draft.make_split(options, &families, &family_ids)?;
    let kinships = draft.drop_related(options)?;
    draft.require_both_classes()?;
    let columns = kept_columns(&joined, phenotype_column);
    Ok(draft.finish(
        &columns,
        &families,
        &family_ids,
        Summary {
            overlaps,
            mapping,
            split: told,
            kinships,
            ..Summary::default()
        },
    ))
}

/// Columns of the table, without those whose place is taken by phenotype, split and ids.
fn kept_columns(joined: &Joined, phenotype: Option<usize>) -> Vec<usize> {
    let is_kept = |column: &usize| {
        let name = joined.columns[*column].name.to_ascii_lowercase();
        let is_fixed = ["sample_id", "phenotype", "split", "family_id"].contains(&name.as_str());
        Some(*column) != phenotype
            && !is_fixed
            && joined.cells(*column).any(|cell| !cell.is_empty())
    };
    (0..joined.columns.len()).filter(is_kept).collect()
}

/// The cohort while it is made.
struct Draft<'j> {
    joined: &'j Joined,
    phenotypes: Vec<Option<Phenotype>>,
    splits: Vec<Split>,
    /// Why a sample was dropped.
    dropped: Vec<Option<String>>,
}

impl<'j> Draft<'j> {
    fn new(joined: &'j Joined, mapped: &[Mapped]) -> Self {
        let known = |mapped: &Mapped| match mapped {
            Mapped::Known(phenotype) => Some(*phenotype),
            Mapped::Unknown | Mapped::Other(_) => None,
        };
        let n = joined.people.len();
        Self {
            joined,
            phenotypes: mapped.iter().map(known).collect(),
            splits: vec![Split::Train; n],
            dropped: vec![None; n],
        }
    }

    /// Samples that are still in.
    fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.dropped.len()).filter(|&index| self.dropped[index].is_none())
    }

    fn person(&self, index: usize) -> &'j Person {
        &self.joined.people[index]
    }

    fn drop_absent(&mut self, vcf: &[PathBuf]) -> Result<(), Error> {
        for (path, present) in gf_genotypes::samples_of_files(vcf)? {
            let present: HashSet<&str> = present.iter().map(String::as_str).collect();
            let absent: Vec<usize> = self
                .kept()
                .filter(|&index| !present.contains(self.person(index).sample.as_str()))
                .collect();
            for index in absent {
                self.dropped[index] = Some(format!("{NOT_IN}{}", path.display()));
            }
        }
        Ok(())
    }

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

    fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        self.dropped
            .iter()
            .flatten()
            .for_each(|reason| *reasons.entry(reason.clone()).or_default() += 1);
        reasons
    }

    fn require_anybody(&self) -> Result<(), Error> {
        if self.kept().next().is_some() {
            return Ok(());
        }
        let reasons: Vec<String> = self
            .reasons()
            .iter()
            .map(|(reason, n)| format!("{n}: {reason}"))
            .collect();
        Err(Error::NobodyLeft {
            dropped: reasons.join("; "),
        })
    }

    /// Samples of each family that are still in.
    fn family_sizes(&self, families: &[usize]) -> HashMap<usize, usize> {
        let mut sizes = HashMap::new();
        self.kept()
            .for_each(|index| *sizes.entry(families[index]).or_default() += 1);
        sizes
    }

    /// A name for the family of each sample: the FID of its first member who has one, or the name
    /// of its first member.
    fn family_ids(&self, families: &[usize]) -> Vec<String> {
        let mut names: HashMap<usize, &str> = HashMap::new();
        for (person, &family) in self.joined.people.iter().zip(families) {
            if let Some(name) = &person.family {
                names.entry(family).or_insert(name);
            }
        }
        let name = |family: &usize| {
            names
                .get(family)
                .map_or(self.person(*family).sample.as_str(), |name| *name)
                .to_owned()
        };
        families.iter().map(name).collect()
    }

    fn require_real_families(&self, families: &[usize]) -> Result<(), Error> {
        let n_samples = self.kept().count();
        let sizes = self.family_sizes(families);
        let largest = sizes
            .into_iter()
            .max_by_key(|&(family, n)| (n, std::cmp::Reverse(family)));
        match largest {
            Some((family, n)) if n >= FEW && n as f64 > LARGEST_FAMILY * n_samples as f64 => {
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

    /// The split of the table, or a new one; how it came about.
    fn make_split(
        &mut self,
        options: &Options,
        families: &[usize],
        family_ids: &[String],
    ) -> Result<String, Error> {
        let given = self.joined.column("split");
        if let (Some(column), None) = (given, options.split) {
            return self.take_split(column, families, family_ids);
        }
        let shares = options.split.unwrap_or_default();
        let strata = self.strata(&options.stratify_by)?;
        let kept: Vec<usize> = self.kept().collect();
        let people: Vec<Person> = kept
            .iter()
            .map(|&index| self.person(index).clone())
            .collect();
        let of_kept = |index: &usize| (families[*index], strata[*index].clone());
        let (families, strata): (Vec<usize>, Vec<String>) = kept.iter().map(of_kept).unzip();
        let splits = split::split(&people, &families, &strata, shares, options.seed);
        kept.iter()
            .zip(splits)
            .for_each(|(&index, split)| self.splits[index] = split);
        let by: Vec<&str> = ["phenotype"]
            .into_iter()
            .chain(options.stratify_by.iter().map(String::as_str))
            .collect();
        Ok(format!(
            "{shares} %, seed {}, stratified by {}",
            options.seed,
            by.join(", ")
        ))
    }

    fn take_split(
        &mut self,
        column: usize,
        families: &[usize],
        family_ids: &[String],
    ) -> Result<String, Error> {
        let mut first_of_family: HashMap<usize, usize> = HashMap::new();
        let kept: Vec<usize> = self.kept().collect();
        for index in kept {
            let Person { sample, cells, .. } = self.person(index);
            let wrong = |error: gf_cohort_schema::UnknownSplit| Error::Split {
                sample: sample.clone(),
                reason: error.to_string(),
            };
            self.splits[index] = cells[column].parse().map_err(wrong)?;
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

    /// What has the same share of every split: the phenotype, and the columns of the option.
    fn strata(&self, columns: &[String]) -> Result<Vec<String>, Error> {
        let mut strata: Vec<String> = self
            .phenotypes
            .iter()
            .map(|phenotype| format!("{phenotype:?}"))
            .collect();
        for name in columns {
            let Some(column) = self.joined.column(name) else {
                let columns = self
                    .joined
                    .columns
                    .iter()
                    .map(|column| column.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(Error::NoColumn {
                    option: "--stratify-by",
                    column: name.clone(),
                    columns,
                });
            };
            for (stratum, cell) in strata.iter_mut().zip(self.joined.cells(column)) {
                stratum.push('\n');
                stratum.push_str(&cell.to_lowercase());
            }
        }
        Ok(strata)
    }

    /// Drops one of each related pair across splits.
    fn drop_related(&mut self, options: &Options) -> Result<Option<Kinships>, Error> {
        let Some(path) = &options.unrelated else {
            return Ok(None);
        };
        let samples: HashMap<&str, usize> = self
            .kept()
            .map(|index| (self.person(index).sample.as_str(), index))
            .collect();
        let related = related::read(path, &samples, options.sample_id, options.kinship_cutoff)?;
        let removed = related::to_remove(&related.pairs, &self.splits, &self.phenotypes);
        let reason = format!("{RELATED} (kinship of {} or more)", options.kinship_cutoff);
        for index in removed {
            self.dropped[index] = Some(reason.clone());
        }
        let is_within = |(a, b): &&related::Pair| {
            self.splits[*a] == self.splits[*b]
                && [a, b].iter().all(|&&index| self.dropped[index].is_none())
        };
        let n_within = related.pairs.iter().filter(is_within).count();
        Ok(Some(Kinships {
            n_pairs: related.n_known,
            n_related: related.pairs.len(),
            n_within,
        }))
    }

    /// Cases, controls and samples of unknown phenotype of a split.
    fn counts(&self, split: Split) -> [usize; 3] {
        let of_split = || self.kept().filter(|&index| self.splits[index] == split);
        [Some(Phenotype::Case), Some(Phenotype::Control), None].map(|phenotype| {
            of_split()
                .filter(|&index| self.phenotypes[index] == phenotype)
                .count()
        })
    }

    /// Samples of a split that were dropped as relatives.
    fn dropped_relatives(&self, split: Split) -> usize {
        let is_relative = |reason: &Option<String>| {
            reason
                .as_ref()
                .is_some_and(|reason| reason.starts_with(RELATED))
        };
        let dropped = self.dropped.iter().zip(&self.splits);
        dropped
            .filter(|(reason, of)| **of == split && is_relative(reason))
            .count()
    }

    /// A split with samples has both classes.
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

    fn finish(
        self,
        columns: &[usize],
        families: &[usize],
        family_ids: &[String],
        summary: Summary,
    ) -> (Prepared, Summary) {
        let sizes = self.family_sizes(families);
        let sample = |index: usize| {
            let Person { sample, cells, .. } = self.person(index);
            Sample {
                sample_id: sample.clone(),
                phenotype: self.phenotypes[index],
                split: self.splits[index],
                family_id: (sizes.get(&families[index]).is_some_and(|&n| n > 1))
                    .then(|| family_ids[index].clone()),
                cells: columns
                    .iter()
                    .map(|&column| cells[column].clone())
                    .collect(),
            }
        };
        let names: Vec<String> = columns
            .iter()
            .map(|&column| self.joined.columns[column].name.clone())
            .collect();
        let dropped = self.joined.people.iter().zip(&self.dropped);
        let dropped = dropped
            .filter_map(|(person, reason)| Some((person.sample.clone(), reason.clone()?)))
            .collect();
        let is_covariate = |name: &String| CohortColumn::from_name(name).is_usual_covariate();
        let (covariates, other_columns) = names.iter().cloned().partition(is_covariate);
        let summary = Summary {
            dropped: self.reasons(),
            counts: Split::ALL.map(|split| (split, self.counts(split))).to_vec(),
            n_families: sizes.values().filter(|&&n| n > 1).count(),
            covariates,
            other_columns,
            ..summary
        };
        (
            Prepared {
                samples: self.kept().map(sample).collect(),
                columns: names,
                dropped,
            },
            summary,
        )
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
        let fixed = ["sample_id", "phenotype", "split"]
            .into_iter()
            .chain(with_family.then_some("family_id"));
        table.write_record(fixed.chain(self.columns.iter().map(String::as_str)))?;
        for Sample {
            sample_id,
            phenotype,
            split,
            family_id,
            cells,
        } in &self.samples
        {
            let phenotype = phenotype
                .map(|phenotype| phenotype.to_string())
                .unwrap_or_default();
            let fixed = [sample_id.clone(), phenotype, split.to_string()];
            let family = with_family.then(|| family_id.clone().unwrap_or_default());
            table.write_record(fixed.iter().chain(family.iter()).chain(cells))?;
        }
        table.flush()
    }

    /// Writes who was dropped and why, `sample_id,reason`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_dropped(&self, out: impl Write) -> io::Result<()> {
        let mut table = csv::Writer::from_writer(out);
        table.write_record(["sample_id", "reason"])?;
        self.dropped
            .iter()
            .try_for_each(|(sample, reason)| table.write_record([sample, reason]))?;
        table.flush()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let samples = |n: usize| {
            if n == 1 {
                "1 sample".to_owned()
            } else {
                format!("{n} samples")
            }
        };
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
            write!(f, "{}: {}", path.display(), samples(*n_samples))?;
            if number > 0 && *n_not_in_first > 0 {
                write!(f, "; {n_not_in_first} are not in {first} and were left out")?;
            }
            if number > 0 && *n_absent > 0 {
                write!(f, "; it lacks {} of {first}", samples(*n_absent))?;
            }
            writeln!(f)?;
        }
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
            writeln!(f, "dropped: {} ({reason})", samples(*n))?;
        }
        if self.n_families > 0 {
            writeln!(
                f,
                "families of two samples or more: {}, each in one split",
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
                "kinships: {} of these samples, {n_related} related; {n_within} of them stay \
                 within one split",
                counted(n_pairs, "pair", "pairs")
            )?;
        }
        let counts = self
            .counts
            .iter()
            .map(|(split, [cases, controls, unknown])| {
                let unknown = if *unknown > 0 {
                    format!(", {unknown} of unknown phenotype")
                } else {
                    String::new()
                };
                let cases = counted(*cases, "case", "cases");
                let controls = counted(*controls, "control", "controls");
                format!("{split} {cases}, {controls}{unknown}")
            });
        writeln!(
            f,
            "split ({}): {}",
            self.split,
            counts.collect::<Vec<_>>().join("; ")
        )?;
        let list = |names: &[String]| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        writeln!(
            f,
            "covariates: {}; further columns: {}",
            list(&self.covariates),
            list(&self.other_columns)
        )
    }
}

#[cfg(test)]
mod tests;
