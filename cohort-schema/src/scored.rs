//! Tables of scores per sample, from this program and from other tools: the input of `evaluate`.
//!
//! | table | sample | model | score |
//! |---|---|---|---|
//! | `predictions.csv`, `score` of this program | `sample_id` | `model` | `logit` |
//! | `raw_scores.csv` of this program | `sample_id` | `accession` | `sum` |
//! | `aggregated_scores.txt` of `pgsc_calc` | `IID` | `PGS` | `SUM` |
//! | `.sscore` of plink2 | `#IID` or `IID` | column name | `NAME_SUM`, else `NAME_AVG` |
//! | `.profile` of PLINK 1.9 | `IID` | file name | `SCORESUM` or `SCORE` |
//! | `.best` of `PRSice` | `IID` | file name | `PRS` |
//! | `.all_score` of `PRSice` | `IID` | column name | `Pt_...` |
//! | any other | a usual name | file name | a usual name, or the only other column |
//!
//! The `scores.csv` of this program lists scores without samples. The `raw_scores.csv` next to it
//! is read instead.
//!
//! The columns `split`, `fold`, `phenotype`, `probability` and `role` are optional. `PHENO1` of
//! plink2 and `PHENO` of PLINK 1.9 are phenotypes (1 = control, 2 = case).

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, ModelRole, Phenotype, PhenotypeCoding, Role, Split, UnknownRole, UnknownSplit, logit,
    missing::{CODES, FEW, MissingValues, ValueProblem, is_missing, number},
    phenotype::PhenotypeReader,
    prediction::{in_unit_interval, optional_fold},
    probability,
    table::{CsvTable, Row},
    text,
};

/// Names of the column of sample ids, in order of preference. Case and a leading `#` are ignored.
const SAMPLE: [&str; 9] = [
    "sample_id",
    "iid",
    "sample",
    "sampleid",
    "id",
    "individual_id",
    "participant_id",
    "person_id",
    "eid",
];
/// Names of the column with the model of a row, in order of preference.
const MODEL: [&str; 3] = ["model", "accession", "pgs"];
/// Names of the column of scores, in order of preference.
const SCORE: [&str; 9] = [
    "logit",
    "score",
    "prs",
    "scoresum",
    "sum",
    "weighted_sum",
    "grs",
    "pgs",
    "average",
];
/// Generic names of a score column. The model then has the name of its file.
const GENERIC_NAMES: [&str; 10] = [
    "score",
    "score1",
    "prs",
    "pgs",
    "grs",
    "scoresum",
    "sum",
    "average",
    "logit",
    "weighted_sum",
];
/// Names of columns that are never scores.
const NEVER_SCORES: [&str; 22] = [
    "fid",
    "sid",
    "pat",
    "mat",
    "sex",
    "age",
    "family_id",
    "phenotype",
    "pheno",
    "pheno1",
    "split",
    "fold",
    "role",
    "probability",
    "cnt",
    "cnt2",
    "allele_ct",
    "denom",
    "denominator",
    "n_missing",
    "in_regression",
    "sampleset",
];
/// Suffixes of the score columns of plink2, in order of preference.
const PLINK2_SUFFIXES: [&str; 2] = ["_SUM", "_AVG"];
/// A column of plink2 with such a suffix that is not a score.
const DOSAGE_SUM: &str = "NAMED_ALLELE_DOSAGE_SUM";
/// Prefix of the score columns in `PRSice`'s `.all_score`.
const PRSICE_PREFIX: &str = "Pt_";
/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The phenotype of a row: `None` where the table has no such column, `Some(None)` where the value
/// is missing.
pub type StatedPhenotype = Option<Option<Phenotype>>;

/// How a table is read where its header is not sufficient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreLayout {
    /// Column of sample ids.
    pub sample_column: Option<String>,
    /// Columns of scores.
    pub score_columns: Vec<String>,
    /// Roles of models, which override those in a table.
    pub roles: Vec<ModelRole>,
    /// Coding of a column `phenotype`.
    pub phenotype_coding: PhenotypeCoding,
    /// Whether a cohort table has the phenotypes. If so, the phenotypes of PLINK's tables are not
    /// read.
    pub with_cohort: bool,
    /// Scores that are missing values; `None` if not stated.
    pub missing_value: Option<MissingValues>,
}

/// One score of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredRef<'a> {
    /// The sample's name.
    pub sample_id: &'a str,
    /// The model.
    pub model: &'a str,
    /// The role of the model in the comparison.
    pub role: Role,
    /// `None` where the table has no such column.
    pub split: Option<Split>,
    /// The sample's cross-validation fold.
    pub fold: Option<u32>,
    /// `None` where the table has no such column; inside, `None` when unknown.
    pub phenotype: StatedPhenotype,
    /// The score that samples are ranked by; finite.
    pub score: f64,
    /// Probability of being a case; `None` where the table has none.
    pub probability: Option<f64>,
}

/// The layout of a table and its exceptional rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScoredTable {
    /// The file that was read.
    pub path: PathBuf,
    /// Models without a role in the table or an option, and the default role of each.
    pub roles_by_default: BTreeMap<String, Role>,
    /// The columns of scores, for tables that are not from this program.
    pub score_columns: Vec<String>,
    /// Samples of rows without a score, which are left out.
    pub without_score: Vec<String>,
    /// The last line has no line break: the file may be truncated.
    pub may_be_cut: bool,
}

/// Why a table of scores cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScoredProblem {
    /// The `scores.csv` of this program.
    #[error(
        "this table lists scores but no samples; give the raw_scores.csv that `prs` wrote next to \
         it"
    )]
    NoSamples,
    /// A table of this program may be truncated.
    #[error(
        "the last line has no line break, so the file may be cut in the middle of a number. Make \
         the file again, or add a line break at its end if it is complete"
    )]
    NoLineBreak,
    /// A row without a score.
    #[error("no score")]
    NoScore,
    /// More than 5 % of the rows have no score.
    #[error(
        "{n_without} of {n_rows} rows have no score, more than 5 % (first: {first}); remove these \
         rows, or find the reason"
    )]
    ManyWithoutScore {
        /// Rows without a score.
        n_without: usize,
        /// All rows.
        n_rows: usize,
        /// The error of the first row without a score.
        first: Box<Error>,
    },
    /// No column has a known name.
    #[error(
        "no column of {what} was recognised. The first line has {}. Name the column with {option}",
        found.join(", ")
    )]
    NoColumn {
        /// Sample IDs or scores.
        what: &'static str,
        /// Names in the first line.
        found: Vec<String>,
        /// The option that names the column.
        option: &'static str,
    },
}

/// Reads a table of scores and calls `visit` for each score, row by row.
///
/// A row without a score is counted but not visited.
///
/// # Errors
/// - A file that cannot be read or has no rows.
/// - No column of sample ids or of scores.
/// - A cell that does not fit its column.
/// - A score that is missing in more than 5 % of the rows, or in a table of this program.
/// - A table of this program whose last line is truncated.
/// - An error of `visit`.
pub fn each_score<E: From<Error>>(
    path: &Path,
    layout: &ScoreLayout,
    mut visit: impl FnMut(ScoredRef<'_>) -> Result<(), E>,
) -> Result<ScoredTable, E> {
    let table = CsvTable::open(path)?;
    if is_list_of_scores(&table) {
        let raw = path.with_file_name(crate::RAW_SCORES_FILE);
        if raw.exists() {
            return each_score(&raw, layout, visit);
        }
        return Err(Error::file(path, ScoredProblem::NoSamples).into());
    }
    let columns = Columns::find(&table, path, layout)?;
    columns.note_unused_probability(path);
    let may_be_cut = may_be_cut(path)?;
    if may_be_cut && columns.is_own {
        return Err(Error::file(path, ScoredProblem::NoLineBreak).into());
    }
    let mut scored_table = ScoredTable {
        path: path.to_path_buf(),
        may_be_cut,
        score_columns: columns.foreign_score_columns(),
        ..ScoredTable::default()
    };
    let mut phenotypes = PhenotypeReader::new(columns.coding, None);
    let mut n_rows: usize = 0;
    let mut first_without = None;
    table.each(|row| {
        n_rows += 1;
        if let Some(column) = columns.missing_score(row, layout) {
            first_without.get_or_insert_with(|| row.error(column, ScoredProblem::NoScore));
            scored_table
                .without_score
                .push(row.required(columns.sample)?.to_owned());
            return Ok(());
        }
        let phenotype = optional_phenotype(row, columns.phenotype, &mut phenotypes)?;
        for score in &columns.scores {
            let roles_by_default = &mut scored_table.roles_by_default;
            visit(columns.scored(row, score, layout, phenotype, roles_by_default)?)?;
        }
        Ok::<(), E>(())
    })?;
    match first_without {
        Some(first) if scored_table.without_score.len() as f64 > FEW * n_rows as f64 => {
            let problem = ScoredProblem::ManyWithoutScore {
                n_without: scored_table.without_score.len(),
                n_rows,
                first: Box::new(first),
            };
            Err(Error::file(path, problem).into())
        }
        _ => Ok(scored_table),
    }
}

/// The phenotype of a row in a table where this column is optional.
fn optional_phenotype(
    row: Row<'_>,
    column: Option<usize>,
    phenotypes: &mut PhenotypeReader<'_>,
) -> Result<StatedPhenotype, Error> {
    let Some(column) = column else {
        return Ok(None);
    };
    phenotypes
        .read(row.cell(column))
        .map(Some)
        .map_err(|problem| row.error(column, problem))
}

/// Split and phenotype of a sample in a cohort table, both optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// `None` where the table has no such column.
    pub split: Option<Split>,
    /// `None` where the table has no such column; inside, `None` when unknown.
    pub phenotype: StatedPhenotype,
}

/// Reads splits and phenotypes of a cohort table, by sample id.
///
/// # Errors
/// A file that cannot be read; no column `sample_id`; a cell that is not a split or a phenotype.
pub fn read_assigned(
    path: &Path,
    coding: PhenotypeCoding,
) -> Result<HashMap<String, Assigned>, Error> {
    let table = CsvTable::open(path)?;
    let sample_id = table.column("sample_id")?;
    let split = table.optional_column("split");
    let phenotype = table.optional_column("phenotype");
    let mut phenotypes = PhenotypeReader::new(coding, None);
    let mut assigned_by_sample = HashMap::new();
    table.each(|row| {
        let phenotype = optional_phenotype(row, phenotype, &mut phenotypes)?;
        let assigned = Assigned {
            split: split.map(|split| split_of(row, split)).transpose()?,
            phenotype,
        };
        assigned_by_sample.insert(row.required(sample_id)?.to_owned(), assigned);
        Ok::<(), Error>(())
    })?;
    Ok(assigned_by_sample)
}

/// One column of scores.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ModelColumn {
    column: usize,
    /// Name of the model; empty where another column names the model of each row.
    model: String,
}

impl ModelColumn {
    /// A column that names its model.
    fn named_by_header(header: &[String], column: usize) -> Self {
        Self {
            column,
            model: header[column].clone(),
        }
    }

    /// A column next to another one that names the model of each row.
    fn of_many_models(column: usize) -> Self {
        Self {
            column,
            model: String::new(),
        }
    }
}

/// Indices of the columns of a table.
struct Columns {
    header: Vec<String>,
    sample: usize,
    /// Names the model of a row. Without it, each score column has its own model.
    model: Option<usize>,
    scores: Vec<ModelColumn>,
    role: Option<usize>,
    split: Option<usize>,
    fold: Option<usize>,
    phenotype: Option<usize>,
    coding: PhenotypeCoding,
    probability: Option<usize>,
    /// Has all columns of the predictions that this program writes.
    is_own: bool,
}

impl Columns {
    fn find(table: &CsvTable<'_>, path: &Path, layout: &ScoreLayout) -> Result<Self, Error> {
        let header: Vec<String> = table.header().map(str::to_owned).collect();
        let sample = match &layout.sample_column {
            Some(name) => table.column(name)?,
            None => first_position(&header, &SAMPLE)
                .ok_or_else(|| without(path, "sample IDs", &header, "--sample-column"))?,
        };
        let is_own = ["sample_id", "model", "logit", "probability"]
            .iter()
            .all(|name| header.iter().any(|column| column == name));
        let model_column = first_position(&header, &MODEL).filter(|&model| model != sample);
        let usual_score = SCORE
            .iter()
            .filter_map(|name| position(&header, name))
            .find(|&column| Some(column) != model_column)
            .or_else(|| position(&header, "probability"));
        // A table has either one row per model of a sample, or one column per model.
        let (model, scores) = match (&layout.score_columns[..], model_column, usual_score) {
            ([name], Some(model), _) => {
                let score = ModelColumn::of_many_models(table.column(name)?);
                (Some(model), vec![score])
            }
            ([], Some(model), Some(score)) => {
                (Some(model), vec![ModelColumn::of_many_models(score)])
            }
            ([], ..) => {
                let scores = recognised_scores(path, &header, sample)?;
                (None, with_model_names(path, &header, scores))
            }
            (names, ..) => {
                let scores = names
                    .iter()
                    .map(|name| {
                        let column = table.column(name)?;
                        Ok(ModelColumn::named_by_header(&header, column))
                    })
                    .collect::<Result<Vec<_>, Error>>()?;
                (None, with_model_names(path, &header, scores))
            }
        };
        let own_phenotype = position(&header, "phenotype");
        let plink_phenotype =
            first_position(&header, &["pheno1", "pheno"]).filter(|_| !layout.with_cohort);
        let coding = if own_phenotype.is_some() {
            layout.phenotype_coding
        } else {
            PhenotypeCoding::Plink12
        };
        Ok(Self {
            sample,
            model,
            scores,
            role: position(&header, "role"),
            split: position(&header, "split"),
            fold: position(&header, "fold"),
            phenotype: own_phenotype.or(plink_phenotype),
            coding,
            probability: position(&header, "probability"),
            is_own,
            header,
        })
    }

    /// One score of a row.
    fn scored<'r>(
        &'r self,
        row: Row<'r>,
        score_column: &'r ModelColumn,
        layout: &ScoreLayout,
        phenotype: StatedPhenotype,
        roles_by_default: &mut BTreeMap<String, Role>,
    ) -> Result<ScoredRef<'r>, Error> {
        let model = match self.model {
            Some(named) => row.required(named)?,
            None => score_column.model.as_str(),
        };
        self.refuse_code_of_missing(row, score_column.column, layout)?;
        let (score, probability) = self.score_and_probability(row, score_column.column)?;
        let sample_id = row.required(self.sample)?;
        let role = self.role_of(row, model, layout, roles_by_default)?;
        let split = self.split.map(|split| split_of(row, split)).transpose()?;
        let fold = self
            .fold
            .map(|fold| optional_fold(row, fold))
            .transpose()?
            .flatten();
        Ok(ScoredRef {
            sample_id,
            model,
            role,
            split,
            fold,
            phenotype,
            score,
            probability,
        })
    }

    /// Names of the score columns; none for tables of this program.
    fn foreign_score_columns(&self) -> Vec<String> {
        if self.is_own {
            return Vec::new();
        }
        self.scores
            .iter()
            .map(|score| self.header[score.column].clone())
            .collect()
    }

    /// The first score column of a row without a value; none in tables of this program, where a
    /// missing score is an error.
    fn missing_score(&self, row: Row<'_>, layout: &ScoreLayout) -> Option<usize> {
        if self.is_own {
            return None;
        }
        self.scores
            .iter()
            .map(|score| score.column)
            .find(|&column| is_missing_score(row.cell(column), layout))
    }

    fn is_logit(&self, column: usize) -> bool {
        self.header[column].eq_ignore_ascii_case("logit")
    }

    /// Score and probability of a row.
    ///
    /// - A probability as the score itself becomes its logit, by which calibration is measured.
    /// - A probability next to a logit is the probability of this logit.
    /// - A probability next to any other score may be that of another model and is not read.
    fn score_and_probability(
        &self,
        row: Row<'_>,
        column: usize,
    ) -> Result<(f64, Option<f64>), Error> {
        let is_logit = self.is_logit(column);
        match self.probability {
            Some(stated) if stated == column => {
                let probability = in_unit_interval(row, stated)?;
                Ok((logit(probability), Some(probability)))
            }
            Some(stated) if is_logit => {
                Ok((row.finite(column)?, Some(in_unit_interval(row, stated)?)))
            }
            _ => {
                let score = row.finite(column)?;
                Ok((score, is_logit.then(|| probability(score))))
            }
        }
    }

    /// Prints a note where a column of probabilities is not used.
    fn note_unused_probability(&self, path: &Path) {
        let Some(probability) = self.probability else {
            return;
        };
        let is_used = self
            .scores
            .iter()
            .any(|score| score.column == probability || self.is_logit(score.column));
        if !is_used {
            text::note(format!(
                "{}: the column `{}` is not used, because it may be from a different model than \
                 the score. Evaluate it with --score-column {1}",
                path.display(),
                self.header[probability]
            ));
        }
    }

    /// Refuses a score that is also a common code for a missing value (such as -9), until the user
    /// decides with an option.
    fn refuse_code_of_missing(
        &self,
        row: Row<'_>,
        column: usize,
        layout: &ScoreLayout,
    ) -> Result<(), Error> {
        let cell = row.cell(column);
        let is_undecided = !self.is_own && layout.missing_value.is_none();
        if is_undecided && number(cell).is_some_and(|value| CODES.contains(&value)) {
            return Err(row.error(column, ValueProblem::may_be_missing(cell)));
        }
        Ok(())
    }

    /// The role of a model: from an option, else from the table, else a default.
    fn role_of(
        &self,
        row: Row<'_>,
        model: &str,
        layout: &ScoreLayout,
        roles_by_default: &mut BTreeMap<String, Role>,
    ) -> Result<Role, Error> {
        if let Some(given) = layout.roles.iter().find(|given| given.model == model) {
            return Ok(given.role);
        }
        if let Some(column) = self.role
            && !row.cell(column).is_empty()
        {
            return row
                .cell(column)
                .parse()
                .map_err(|problem: UnknownRole| row.error(column, problem));
        }
        if let Some(role) = roles_by_default.get(model) {
            return Ok(*role);
        }
        let role = if self.is_own {
            Role::of_own(model)
        } else {
            Role::Score
        };
        roles_by_default.insert(model.to_owned(), role);
        Ok(role)
    }
}

fn is_missing_score(cell: &str, layout: &ScoreLayout) -> bool {
    is_missing(cell)
        || layout
            .missing_value
            .as_ref()
            .is_some_and(|values| values.has(cell))
}

/// Index of a column. Case and a leading `#` are ignored.
fn position(header: &[String], name: &str) -> Option<usize> {
    header
        .iter()
        .position(|column| column.trim_start_matches('#').eq_ignore_ascii_case(name))
}

/// Index of the first of `names` that the header has.
fn first_position(header: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| position(header, name))
}

/// Whether a table is the `scores.csv` of this program, which has no samples.
fn is_list_of_scores(table: &CsvTable<'_>) -> bool {
    let header: Vec<String> = table.header().map(str::to_owned).collect();
    position(&header, "model").is_some()
        && position(&header, "match_rate").is_some()
        && first_position(&header, &SAMPLE).is_none()
}

/// The score columns of a table with one column per model.
///
/// These are, in order of preference: the columns of plink2, then of `PRSice`, a column with a
/// usual name, or the only column without another meaning.
fn recognised_scores(
    path: &Path,
    header: &[String],
    sample: usize,
) -> Result<Vec<ModelColumn>, Error> {
    let plink2 = plink2_scores(header);
    if !plink2.is_empty() {
        return Ok(plink2);
    }
    let prsice = prsice_scores(header);
    if !prsice.is_empty() {
        return Ok(prsice);
    }
    let usual = SCORE
        .iter()
        .filter_map(|name| position(header, name))
        .find(|&column| column != sample);
    let candidates: Vec<usize> = (0..header.len())
        .filter(|&column| column != sample && !has_other_meaning(&header[column]))
        .collect();
    let only_candidate = if let [only] = candidates[..] {
        Some(only)
    } else {
        None
    };
    let probability = position(header, "probability").filter(|_| candidates.is_empty());
    let column = usual
        .or(only_candidate)
        .or(probability)
        .ok_or_else(|| without(path, "scores", header, "--score-column"))?;
    Ok(vec![ModelColumn::named_by_header(header, column)])
}

fn has_other_meaning(column: &str) -> bool {
    let name = column.trim_start_matches('#').to_ascii_lowercase();
    NEVER_SCORES.contains(&name.as_str()) || SAMPLE.contains(&name.as_str())
}

/// One column for each score of plink2; the model has the name without the suffix.
fn plink2_scores(header: &[String]) -> Vec<ModelColumn> {
    let mut scores: Vec<ModelColumn> = Vec::new();
    for suffix in PLINK2_SUFFIXES {
        for (column, name) in header.iter().enumerate() {
            if name == DOSAGE_SUM {
                continue;
            }
            if let Some(model) = name.strip_suffix(suffix)
                && !scores.iter().any(|score| score.model == model)
            {
                scores.push(ModelColumn {
                    column,
                    model: model.to_owned(),
                });
            }
        }
    }
    scores.sort_unstable();
    scores
}

/// One column for each p-value threshold of `PRSice`'s `.all_score`.
fn prsice_scores(header: &[String]) -> Vec<ModelColumn> {
    (0..header.len())
        .filter(|&column| header[column].starts_with(PRSICE_PREFIX))
        .map(|column| ModelColumn::named_by_header(header, column))
        .collect()
}

/// Replaces generic model names, such as `score`, by the name of the file.
fn with_model_names(path: &Path, header: &[String], scores: Vec<ModelColumn>) -> Vec<ModelColumn> {
    let stem = file_stem(path);
    let is_only = scores.len() == 1;
    scores
        .into_iter()
        .map(|ModelColumn { column, model }| {
            let is_generic = GENERIC_NAMES.contains(&model.to_ascii_lowercase().as_str());
            let model = match is_generic {
                true if is_only => stem.clone(),
                true => format!("{stem}-{}", header[column]),
                false => model,
            };
            ModelColumn { column, model }
        })
        .collect()
}

/// The file name without the endings of score tables.
fn file_stem(path: &Path) -> String {
    let file = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    ENDINGS.iter().fold(file, |name, end| {
        name.strip_suffix(end).map_or(name.clone(), str::to_owned)
    })
}

/// Endings of file names that are not part of a score's name, in the order of their removal.
const ENDINGS: [&str; 9] = [
    ".gz",
    ".csv",
    ".tsv",
    ".txt",
    ".sscore",
    ".best",
    ".all_score",
    ".profile",
    ".dat",
];

/// The error of a table without a recognised column.
fn without(path: &Path, what: &'static str, header: &[String], option: &'static str) -> Error {
    let problem = ScoredProblem::NoColumn {
        what,
        found: header.to_vec(),
        option,
    };
    Error::file(path, problem)
}

fn split_of(row: Row<'_>, column: usize) -> Result<Split, Error> {
    row.cell(column)
        .parse()
        .map_err(|problem: UnknownSplit| row.error(column, problem))
}

/// Whether an uncompressed file does not end with a line break.
fn may_be_cut(path: &Path) -> Result<bool, Error> {
    let last = last_byte(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(last.is_some_and(|byte| !matches!(byte, b'\n' | b'\r')))
}

/// The last byte of an uncompressed regular file; `None` for a pipe or a gzip file.
fn last_byte(path: &Path) -> io::Result<Option<u8>> {
    let mut file = File::open(path)?;
    // The end of a pipe is not accessible.
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut first = [0; 2];
    let mut last = [0; 1];
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok((first != GZIP).then_some(last[0]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// One visited score.
    #[derive(Clone, Debug, PartialEq)]
    struct Scored {
        sample_id: String,
        model: String,
        role: Role,
        phenotype: StatedPhenotype,
        score: f64,
        probability: Option<f64>,
    }

    /// A table and its rows.
    struct ReadTable {
        table: ScoredTable,
        rows: Vec<Scored>,
    }

    impl ReadTable {
        fn models_and_scores(&self) -> Vec<(&str, f64)> {
            self.rows
                .iter()
                .map(|row| (row.model.as_str(), row.score))
                .collect()
        }
    }

    fn read_with(name: &str, text: &str, layout: &ScoreLayout) -> Result<ReadTable, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut rows = Vec::new();
        let table = each_score(&path, layout, |row| {
            rows.push(Scored {
                sample_id: row.sample_id.to_owned(),
                model: row.model.to_owned(),
                role: row.role,
                phenotype: row.phenotype,
                score: row.score,
                probability: row.probability,
            });
            Ok::<(), Error>(())
        })?;
        Ok(ReadTable { table, rows })
    }

    fn read(name: &str, text: &str) -> ReadTable {
        read_with(name, text, &ScoreLayout::default()).unwrap()
    }

    /// The message of a table that is refused.
    fn message(name: &str, text: &str) -> String {
        read_with(name, text, &ScoreLayout::default())
            .err()
            .unwrap()
            .to_string()
    }

    /// Sample, model and score of the first row.
    fn first(name: &str, text: &str) -> (String, String, f64) {
        let row = read(name, text).rows.remove(0);
        (row.sample_id, row.model, row.score)
    }

    fn expected(sample: &str, model: &str, score: f64) -> (String, String, f64) {
        (sample.to_owned(), model.to_owned(), score)
    }

    #[test]
    fn scores_of_plink2_are_its_sums_or_averages_by_name() {
        let sums = "#IID\tPHENO1\tALLELE_CT\tNAMED_ALLELE_DOSAGE_SUM\tAD_AVG\tAD_SUM\nA\t2\t6\t3\
                    \t0.5\t3.25\n";
        let ReadTable { table, rows } = read("cohort.sscore", sums);
        assert_eq!(
            rows,
            [Scored {
                sample_id: "A".into(),
                model: "AD".into(),
                role: Role::Score,
                phenotype: Some(Some(Phenotype::Case)),
                score: 3.25,
                probability: None,
            }]
        );
        assert_eq!(table.score_columns, ["AD_SUM"]);
        let averages =
            "#FID\tIID\tALLELE_CT\tNAMED_ALLELE_DOSAGE_SUM\tSCORE1_AVG\nF\tA\t6\t3\t0.5\n";
        assert_eq!(
            first("PGS000001.sscore", averages),
            expected("A", "PGS000001", 0.5),
            "a bare name is that of the file"
        );
    }

    #[test]
    fn tables_of_prsice_plink_1_and_pgsc_calc_are_read() {
        assert_eq!(
            first("AD.best", "FID IID In_Regression PRS\nA A Yes -0.25\n"),
            expected("A", "AD", -0.25)
        );
        let all = "FID   IID   Pt_0.05  Pt_1\nA     A     0.5      0.75\n";
        assert_eq!(
            read("x.all_score", all).models_and_scores(),
            [("Pt_0.05", 0.5), ("Pt_1", 0.75)]
        );
        let profile = " FID  IID  PHENO  CNT  CNT2  SCORESUM\n A  A  2  6  3  1.5\n";
        assert_eq!(first("old.profile", profile), expected("A", "old", 1.5));
        let pgsc =
            "sampleset\tIID\tPGS\tSUM\tDENOM\tAVG\ns\tA\tPGS000001_hmPOS_GRCh38\t2.5\t10\t0.25\n";
        assert_eq!(
            first("aggregated_scores.txt", pgsc),
            expected("A", "PGS000001_hmPOS_GRCh38", 2.5)
        );
    }

    #[test]
    fn own_tables_are_read_with_their_roles_or_the_documented_default() {
        let raw = "sample_id,accession,sum,denominator,average,n_missing\nA,PGS1,1.5,4,0.375,0\n";
        assert_eq!(first("raw_scores.csv", raw), expected("A", "PGS1", 1.5));
        let ReadTable { table, rows } = read(
            "risk.csv",
            "sample_id,model,logit,probability\nA,prs-x,0,0.5\nA,deep,0,0.5\n",
        );
        assert_eq!(rows[0].role, Role::Score);
        assert_eq!(rows[1].role, Role::SequenceModel);
        assert_eq!(table.roles_by_default.len(), 2);
        let stated = "sample_id,model,logit,probability,role\nA,prs-x,0,0.5,sequence-model\n";
        let ReadTable { table, rows } = read("risk.csv", stated);
        assert_eq!(
            (rows[0].role, table.roles_by_default.len()),
            (Role::SequenceModel, 0),
            "the table states it"
        );
        let roles = vec!["prs-x=covariates".parse().unwrap()];
        let layout = ScoreLayout {
            roles,
            ..ScoreLayout::default()
        };
        let with_option = read_with("risk.csv", stated, &layout).unwrap();
        assert_eq!(
            with_option.rows[0].role,
            Role::Covariates,
            "an option goes before it"
        );
        let foreign = read("mine.csv", "sample_id,model,score\nA,prs-x,0\nA,deep,0\n");
        assert_eq!(
            (foreign.rows[0].role, foreign.rows[1].role),
            (Role::Score, Role::Score),
            "names of other models do not determine the role"
        );
        let message = message("risk.csv", &stated.replace("sequence-model", "deep"));
        assert!(
            message.contains("line 2, column `role`: `deep` is not a role"),
            "{message}"
        );
    }

    #[test]
    fn any_table_with_samples_and_one_score_is_read_and_others_ask_for_the_column() {
        assert_eq!(
            first("ldpred2.csv", "eid;ldpred2_beta\n7;0.5\n"),
            expected("7", "ldpred2_beta", 0.5)
        );
        let two = "person_id,auto,grid\nA,1,2\n";
        let without_score = message("x.csv", two);
        assert!(
            without_score.contains(
                "no column of scores was recognised. The first line has person_id, auto, grid"
            ),
            "{without_score}"
        );
        assert!(without_score.contains("--score-column"), "{without_score}");
        let layout = ScoreLayout {
            score_columns: vec!["grid".to_owned(), "auto".to_owned()],
            ..ScoreLayout::default()
        };
        assert_eq!(
            read_with("x.csv", two, &layout)
                .unwrap()
                .models_and_scores(),
            [("grid", 2.0), ("auto", 1.0)]
        );
        let without_sample = message("x.csv", "who,score\nA,1\n");
        assert!(
            without_sample.contains("no column of sample IDs was recognised")
                && without_sample.contains("--sample-column"),
            "{without_sample}"
        );
    }

    #[test]
    fn codes_of_missing_values_are_asked_about() {
        for code in ["-9", "-9.000", "-999"] {
            let message = read_last_score(code, None).err().unwrap().to_string();
            assert!(
                message.contains("column `PRS`") && message.contains("--missing-value"),
                "{message}"
            );
            let as_number = read_last_score(code, Some("none")).unwrap();
            assert_eq!(as_number.rows.len(), 22);
            let as_missing = read_last_score(code, Some(code)).unwrap();
            assert_eq!(as_missing.rows.len(), 21);
        }
    }

    /// A table of 22 samples, the last of which has this score.
    fn read_last_score(score: &str, missing_value: Option<&str>) -> Result<ReadTable, Error> {
        let text = format!(
            "FID IID PRS\nA A 0.5\n{}B B {score}\n",
            "C C 0.5\n".repeat(20)
        );
        let layout = ScoreLayout {
            missing_value: missing_value.map(|text| text.parse().unwrap()),
            ..ScoreLayout::default()
        };
        read_with("AD.best", &text, &layout)
    }

    #[test]
    fn a_probability_is_a_score_by_its_logit_and_not_that_of_another_score() {
        let alone = first_row("IID,probability\nA,0.8\n");
        assert!((alone.score - 4_f64.ln()).abs() < 1e-12);
        assert_eq!(alone.probability, Some(0.8));
        let with_model = first_row("sample_id,model,probability\nA,svm,0.8\n");
        assert!((with_model.score - 4_f64.ln()).abs() < 1e-12);
        assert_eq!(with_model.model, "svm");
        let next_to_score = first_row("IID,PRS,probability\nA,140,0.8\n");
        assert_eq!(next_to_score.probability, None);
        let next_to_logit = first_row("IID,logit,probability\nA,1.4,0.8\n");
        assert_eq!(next_to_logit.probability, Some(0.8));
        let certain = first_row("IID,probability\nA,1\n");
        assert!(certain.score.is_finite());
    }

    fn first_row(text: &str) -> Scored {
        read("p.csv", text).rows.remove(0)
    }

    #[test]
    fn a_few_rows_without_a_score_are_left_out_and_more_are_an_error() {
        let ReadTable { table, rows } = read("AD.best", &table_without_scores(2));
        assert_eq!(rows.len(), 38);
        assert_eq!(table.without_score, ["S0", "S1"]);
        let message = message("AD.best", &table_without_scores(3));
        assert!(
            message.contains("3 of 40 rows have no score, more than 5 %")
                && message.contains("line 2, column `PRS`"),
            "{message}"
        );
    }

    /// A table of 40 samples, the first `n` of which have no score.
    fn table_without_scores(n: usize) -> String {
        let rows: Vec<String> = (0..40)
            .map(|row| {
                if row < n {
                    format!("S{row} S{row} NA\n")
                } else {
                    format!("S{row} S{row} {row}\n")
                }
            })
            .collect();
        format!("FID IID PRS\n{}", rows.concat())
    }

    #[test]
    fn a_list_of_scores_points_to_the_samples() {
        let list = "model,accession,match_rate\nprs-PGS1,PGS1,1\n";
        let message = message("scores.csv", list);
        assert!(
            message.contains("lists scores but no samples; give the raw_scores.csv"),
            "{message}"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("scores.csv"), list).unwrap();
        fs::write(
            folder.path().join("raw_scores.csv"),
            "sample_id,accession,sum\nA,PGS1,2\n",
        )
        .unwrap();
        let table = each_score(
            &folder.path().join("scores.csv"),
            &ScoreLayout::default(),
            |_| Ok::<(), Error>(()),
        )
        .unwrap();
        assert!(table.path.ends_with("raw_scores.csv"));
    }

    #[test]
    fn a_file_without_a_last_line_break_is_refused_or_reported() {
        let own = "sample_id,model,logit,probability\nA,m,0.12,0.5";
        let message = message("p.csv", own);
        assert!(
            message.contains("may be cut in the middle of a number"),
            "{message}"
        );
        let cut = read("AD.best", "FID IID PRS\nA A 0.12");
        assert!(cut.table.may_be_cut);
        let complete = read("AD.best", "FID IID PRS\nA A 0.12\n");
        assert!(!complete.table.may_be_cut);
    }
}
