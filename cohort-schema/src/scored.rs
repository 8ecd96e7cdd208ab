//! Scores of samples from the tables of this program and of others: what `evaluate` reads.
//!
//! | table | sample | model | score |
//! |---|---|---|---|
//! | `predictions.csv`, `score` of this program | `sample_id` | `model` | `logit` |
//! | `raw_scores.csv` of this program | `sample_id` | `accession` | `sum` |
//! | `aggregated_scores.txt` of `pgsc_calc` | `IID` | `PGS` | `SUM` |
//! | `.sscore` of plink2 | `#IID` or `IID` | name of the column | `NAME_SUM`, or `NAME_AVG` where there is no sum |
//! | `.profile` of PLINK 1.9 | `IID` | name of the file | `SCORESUM` or `SCORE` |
//! | `.best` of `PRSice` | `IID` | name of the file | `PRS` |
//! | `.all_score` of `PRSice` | `IID` | name of the column | `Pt_...` |
//! | any other | a usual name | name of the file | a usual name, or the only further column |
//!
//! `scores.csv` of this program lists scores and no samples: the `raw_scores.csv` next to it is
//! read in its place. `split`, `fold`, `phenotype`, `probability` and `role` are read where they
//! are; `PHENO1` of plink2 and `PHENO` of PLINK 1.9 are phenotypes (1 and 2).

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, ModelRole, Phenotype, PhenotypeCoding, Role, Split, logit,
    missing::{CODES, FEW, MissingValues, is_missing, may_be_missing, number},
    phenotype::PhenotypeReader,
    prediction::{in_unit_interval, optional_fold},
    probability,
    table::{CsvTable, Row},
    text,
};

/// Names of the column of sample ids, the first that is there; upper and lower case are alike, and
/// a leading `#` is left out.
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
/// Names of the column that names the model of a row.
const MODEL: [&str; 3] = ["model", "accession", "pgs"];
/// Names of the column of scores.
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
/// Names that say nothing of the score, so that the model has the name of its file.
const SAYS_NOTHING: [&str; 10] = [
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
/// Columns that are never scores.
const NO_SCORE: [&str; 22] = [
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
/// Ends of the columns of a plink2 score, the better ones first.
const PLINK2_ENDS: [&str; 2] = ["_SUM", "_AVG"];
/// A column of plink2 that ends so and is no score.
const DOSAGE_SUM: &str = "NAMED_ALLELE_DOSAGE_SUM";
/// Begins the columns of `PRSice`'s `.all_score`.
const PRSICE_THRESHOLD: &str = "Pt_";
/// First bytes of a compressed file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The phenotype that a row states: `None` where the table has none, `Some(None)` where it is
/// missing.
pub type StatedPhenotype = Option<Option<Phenotype>>;

/// How a table is read where its own words do not suffice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreLayout {
    /// Column of sample ids.
    pub sample_column: Option<String>,
    /// Columns of scores.
    pub score_columns: Vec<String>,
    /// Roles of models; they go before those that a table states.
    pub roles: Vec<ModelRole>,
    /// How a column `phenotype` is written.
    pub phenotype_coding: PhenotypeCoding,
    /// A cohort table has the phenotypes, so those of PLINK's tables are not read.
    pub with_cohort: bool,
    /// Scores that are missing values; undecided when `None`.
    pub missing_value: Option<MissingValues>,
}

/// One score of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredRef<'a> {
    /// The sample's name.
    pub sample_id: &'a str,
    /// The model.
    pub model: &'a str,
    /// What it is in the comparison.
    pub role: Role,
    /// `None` where the table has no such column.
    pub split: Option<Split>,
    /// Fold that the sample is in.
    pub fold: Option<u32>,
    /// `None` where the table has no such column; inside, `None` when unknown.
    pub phenotype: StatedPhenotype,
    /// Samples are ranked by it; finite.
    pub score: f64,
    /// Probability of being a case; `None` where the table has none.
    pub probability: Option<f64>,
}

/// What a table turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScoredTable {
    /// The file that was read.
    pub path: PathBuf,
    /// Models that neither the table nor an option gives a role, and the role each is read with.
    pub roles_by_default: BTreeMap<String, Role>,
    /// The columns that scores were taken from, where this program has not named them.
    pub score_columns: Vec<String>,
    /// Samples of rows without a score, which are left out.
    pub without_score: Vec<String>,
    /// The last line does not end with a line break, as the last line of a file that was cut.
    pub may_be_cut: bool,
}

/// Reads a table of scores, row by row. A row without a score is not visited, but counted.
///
/// # Errors
/// A file that cannot be read or has no rows; no column of samples or of scores; a cell that is not
/// what its column holds; a score that is missing in more than 5 % of the rows, or in a table of
/// this program; a table of this program whose last line was cut; what `visit` says.
pub fn each_score<E: From<Error>>(
    path: &Path,
    layout: &ScoreLayout,
    mut visit: impl FnMut(ScoredRef<'_>) -> Result<(), E>,
) -> Result<ScoredTable, E> {
    let table = CsvTable::open(path)?;
    if is_list_of_scores(&table) {
        let raw = path.with_file_name("raw_scores.csv");
        if raw.exists() {
            return each_score(&raw, layout, visit);
        }
        let reason = "this table lists scores and no samples: give the raw_scores.csv that `prs` \
                      wrote next to it";
        return Err(Error::file(path, reason).into());
    }
    let columns = Columns::find(&table, path, layout)?;
    columns.note_unused_probability(path);
    let may_be_cut = may_be_cut(path)?;
    if may_be_cut && columns.is_own {
        let reason = "the last line has no line break, so the file may be cut in the middle of a \
                      number: make it again, or end the last line with a line break if the file \
                      is complete";
        return Err(Error::file(path, reason).into());
    }
    let mut found = ScoredTable {
        path: path.to_path_buf(),
        may_be_cut,
        ..ScoredTable::default()
    };
    if !columns.is_own {
        found.score_columns = columns
            .scores
            .iter()
            .map(|(column, _)| columns.header[*column].clone())
            .collect();
    }
    let mut phenotypes = PhenotypeReader::new(columns.coding, None);
    let mut n_rows: usize = 0;
    let mut first_without = None;
    table.each(|row| {
        n_rows += 1;
        if let Some(column) = columns.missing_score(row, layout) {
            first_without.get_or_insert_with(|| row.error(column, "no score"));
            found
                .without_score
                .push(row.required(columns.sample)?.to_owned());
            return Ok(());
        }
        let phenotype = match columns.phenotype {
            Some(column) => Some(
                phenotypes
                    .read(row.cell(column))
                    .map_err(|reason| row.error(column, reason))?,
            ),
            None => None,
        };
        for (column, name) in &columns.scores {
            let model = match columns.model {
                Some(named) => row.required(named)?,
                None => name.as_str(),
            };
            columns.refuse_code_of_missing(row, *column, layout)?;
            let (score, probability) = columns.score_of(row, *column)?;
            visit(ScoredRef {
                sample_id: row.required(columns.sample)?,
                model,
                role: columns.role_of(row, model, layout, &mut found.roles_by_default)?,
                split: columns
                    .split
                    .map(|split| split_of(row, split))
                    .transpose()?,
                fold: columns
                    .fold
                    .map(|fold| optional_fold(row, fold))
                    .transpose()?
                    .flatten(),
                phenotype,
                score,
                probability,
            })?;
        }
        Ok::<(), E>(())
    })?;
    let n_without = found.without_score.len();
    match first_without {
        Some(first) if n_without as f64 > FEW * n_rows as f64 => {
            let reason = format!(
                "{n_without} of {n_rows} rows have no score, more than 5 % (first: {first}); \
                 leave these samples out, or find out why"
            );
            Err(Error::file(path, reason).into())
        }
        _ => Ok(found),
    }
}

/// What a cohort table says of a sample, as far as it has the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Its split.
    pub split: Option<Split>,
    /// Its phenotype; inside, `None` when unknown.
    pub phenotype: StatedPhenotype,
}

/// Reads splits and phenotypes of a cohort table, by sample.
///
/// # Errors
/// A file that cannot be read; no column `sample_id`; a cell that is no split or phenotype.
pub fn read_assigned(
    path: &Path,
    coding: PhenotypeCoding,
) -> Result<HashMap<String, Assigned>, Error> {
    let table = CsvTable::open(path)?;
    let sample_id = table.column("sample_id")?;
    let split = table.optional_column("split");
    let phenotype = table.optional_column("phenotype");
    let mut phenotypes = PhenotypeReader::new(coding, None);
    let mut found = HashMap::new();
    table.each(|row| {
        let phenotype = match phenotype {
            Some(column) => Some(
                phenotypes
                    .read(row.cell(column))
                    .map_err(|reason| row.error(column, reason))?,
            ),
            None => None,
        };
        let assigned = Assigned {
            split: split.map(|split| split_of(row, split)).transpose()?,
            phenotype,
        };
        found.insert(row.required(sample_id)?.to_owned(), assigned);
        Ok::<(), Error>(())
    })?;
    Ok(found)
}

/// Where in a table everything is.
struct Columns {
    header: Vec<String>,
    sample: usize,
    /// Names the model of a row; without it the scores have names.
    model: Option<usize>,
    /// Columns of scores, with the name of the model.
    scores: Vec<(usize, String)>,
    role: Option<usize>,
    split: Option<usize>,
    fold: Option<usize>,
    phenotype: Option<usize>,
    coding: PhenotypeCoding,
    probability: Option<usize>,
    /// Has the columns that this program writes.
    is_own: bool,
}

impl Columns {
    fn find(table: &CsvTable<'_>, path: &Path, layout: &ScoreLayout) -> Result<Self, Error> {
        let header: Vec<String> = table.header().map(str::to_owned).collect();
        let find = |names: &[&str]| names.iter().find_map(|name| position(&header, name));
        let sample = match &layout.sample_column {
            Some(name) => table.column(name)?,
            None => find(&SAMPLE)
                .ok_or_else(|| without(path, "sample ids", &header, "--sample-column"))?,
        };
        let has = |name: &str| header.iter().any(|other| other == name);
        let is_own = has("sample_id") && has("model") && has("logit") && has("probability");
        let long = find(&MODEL).filter(|&model| model != sample);
        let value = SCORE
            .iter()
            .filter_map(|name| position(&header, name))
            .find(|&column| Some(column) != long)
            .or_else(|| position(&header, "probability"));
        let (model, scores) = match (&layout.score_columns[..], long, value) {
            ([name], Some(model), _) => (Some(model), vec![(table.column(name)?, String::new())]),
            ([], Some(model), Some(value)) => (Some(model), vec![(value, String::new())]),
            ([], ..) => (
                None,
                named(path, &header, scores_of(path, &header, sample)?),
            ),
            (names, ..) => {
                let columns = names
                    .iter()
                    .map(|name| table.column(name))
                    .collect::<Result<Vec<_>, _>>()?;
                (
                    None,
                    named(
                        path,
                        &header,
                        columns
                            .into_iter()
                            .map(|column| (column, header[column].clone()))
                            .collect(),
                    ),
                )
            }
        };
        let own_phenotype = find(&["phenotype"]);
        let of_plink = find(&["pheno1", "pheno"]);
        let coding = if own_phenotype.is_some() {
            layout.phenotype_coding
        } else {
            PhenotypeCoding::Plink12
        };
        Ok(Self {
            sample,
            model,
            scores,
            role: find(&["role"]),
            split: find(&["split"]),
            fold: find(&["fold"]),
            phenotype: own_phenotype.or_else(|| of_plink.filter(|_| !layout.with_cohort)),
            coding,
            probability: find(&["probability"]),
            is_own,
            header,
        })
    }

    /// The first column of scores without a value. The tables of this program have all of them.
    fn missing_score(&self, row: Row<'_>, layout: &ScoreLayout) -> Option<usize> {
        if self.is_own {
            return None;
        }
        let is_missing_here = |cell: &str| {
            let stated = layout.missing_value.as_ref();
            is_missing(cell) || stated.is_some_and(|stated| stated.has(cell))
        };
        let mut columns = self.scores.iter().map(|(column, _)| *column);
        columns.find(|&column| is_missing_here(row.cell(column)))
    }

    /// Score and probability. A probability that is the score itself is read as its logit, by which
    /// calibration is measured. Next to a logit it is that of the logit; next to any other score it
    /// may be of another model.
    fn score_of(&self, row: Row<'_>, column: usize) -> Result<(f64, Option<f64>), Error> {
        let is_logit = self.header[column].eq_ignore_ascii_case("logit");
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

    /// Notes a column of probabilities that is not used.
    fn note_unused_probability(&self, path: &Path) {
        let Some(probability) = self.probability else {
            return;
        };
        let is_used = |&(column, _): &(usize, String)| {
            column == probability || self.header[column].eq_ignore_ascii_case("logit")
        };
        if !self.scores.iter().any(is_used) {
            text::note(format!(
                "{}: the column `{}` is not used, as it may be of another model than the score; \
                 --score-column {1} evaluates it",
                path.display(),
                self.header[probability]
            ));
        }
    }

    /// Refuses a score that tables write for a missing value, until the user decides.
    fn refuse_code_of_missing(
        &self,
        row: Row<'_>,
        column: usize,
        layout: &ScoreLayout,
    ) -> Result<(), Error> {
        let cell = row.cell(column);
        let is_undecided = !self.is_own && layout.missing_value.is_none();
        if is_undecided && number(cell).is_some_and(|value| CODES.contains(&value)) {
            return Err(row.error(column, may_be_missing(cell)));
        }
        Ok(())
    }

    /// The role that is given, that the table states, or that is taken for want of both.
    fn role_of(
        &self,
        row: Row<'_>,
        model: &str,
        layout: &ScoreLayout,
        by_default: &mut BTreeMap<String, Role>,
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
                .map_err(|reason: String| row.error(column, reason));
        }
        if let Some(role) = by_default.get(model) {
            return Ok(*role);
        }
        let role = if self.is_own {
            Role::of_own(model)
        } else {
            Role::Score
        };
        by_default.insert(model.to_owned(), role);
        Ok(role)
    }
}

/// Index of a column, upper and lower case alike and without a leading `#`.
fn position(header: &[String], name: &str) -> Option<usize> {
    header
        .iter()
        .position(|found| found.trim_start_matches('#').eq_ignore_ascii_case(name))
}

fn is_list_of_scores(table: &CsvTable<'_>) -> bool {
    let header: Vec<String> = table.header().map(str::to_owned).collect();
    let has = |name: &str| position(&header, name).is_some();
    has("model") && has("match_rate") && !SAMPLE.iter().any(|name| has(name))
}

/// Columns of scores with what each is called: those of plink2, of `PRSice`, of a usual name, or
/// the only one that is left.
fn scores_of(path: &Path, header: &[String], sample: usize) -> Result<Vec<(usize, String)>, Error> {
    let of_plink2 = plink2_scores(header);
    if !of_plink2.is_empty() {
        return Ok(of_plink2);
    }
    let is_threshold = |(_, name): &(usize, &String)| name.starts_with(PRSICE_THRESHOLD);
    let thresholds: Vec<(usize, String)> = header
        .iter()
        .enumerate()
        .filter(is_threshold)
        .map(|(column, name)| (column, name.clone()))
        .collect();
    if !thresholds.is_empty() {
        return Ok(thresholds);
    }
    let usual = SCORE
        .iter()
        .filter_map(|name| position(header, name))
        .find(|&column| column != sample);
    let is_left = |(column, name): &(usize, &String)| {
        let bare = name.trim_start_matches('#').to_ascii_lowercase();
        *column != sample && !NO_SCORE.contains(&bare.as_str()) && !SAMPLE.contains(&bare.as_str())
    };
    let left: Vec<usize> = header
        .iter()
        .enumerate()
        .filter(is_left)
        .map(|(column, _)| column)
        .collect();
    let only = if let [only] = left[..] {
        Some(only)
    } else {
        None
    };
    let probability = position(header, "probability");
    let column = usual
        .or(only)
        .or(probability.filter(|_| left.is_empty()))
        .ok_or_else(|| without(path, "scores", header, "--score-column"))?;
    Ok(vec![(column, header[column].clone())])
}

/// A column for each score of plink2, by the name of the score.
fn plink2_scores(header: &[String]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for end in PLINK2_ENDS {
        for (column, name) in header
            .iter()
            .enumerate()
            .filter(|(_, name)| *name != DOSAGE_SUM)
        {
            if let Some(score) = name.strip_suffix(end)
                && !found.iter().any(|(_, other)| other == score)
            {
                found.push((column, score.to_owned()));
            }
        }
    }
    found.sort_unstable();
    found
}

/// The names of the models: those of the columns, or that of the file where a column's name says
/// nothing.
fn named(path: &Path, header: &[String], columns: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let file = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let stem = ENDINGS.iter().fold(file, |name, end| {
        name.strip_suffix(end).map_or(name.clone(), str::to_owned)
    });
    let is_bare = |name: &str| SAYS_NOTHING.contains(&name.to_ascii_lowercase().as_str());
    let is_only = columns.len() == 1;
    let name_of = |(column, name): (usize, String)| match is_bare(&name) {
        true if is_only => (column, stem.clone()),
        true => (column, format!("{stem}-{}", header[column])),
        false => (column, name),
    };
    columns.into_iter().map(name_of).collect()
}

/// Ends of file names that are no part of a score's name, in the order in which they are taken
/// away.
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

fn without(path: &Path, what: &str, header: &[String], option: &str) -> Error {
    let found = header.join(", ");
    Error::file(
        path,
        format!(
            "no column of {what} was recognised: the first line has {found}; name the column with \
             {option}"
        ),
    )
}

fn split_of(row: Row<'_>, column: usize) -> Result<Split, Error> {
    row.cell(column)
        .parse()
        .map_err(|error: crate::UnknownSplit| row.error(column, error.to_string()))
}

/// Whether the last byte of an uncompressed file is no line break.
fn may_be_cut(path: &Path) -> Result<bool, Error> {
    let last_byte = || {
        let mut file = File::open(path)?;
        // A pipe has no end to look at.
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut first = [0; 2];
        let mut last = [0; 1];
        file.read_exact(&mut first)?;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(Some(last[0]).filter(|_| first != GZIP))
    };
    let last = last_byte().map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(last.is_some_and(|byte| !matches!(byte, b'\n' | b'\r')))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Sample, model, role, score and phenotype of every row.
    type Found = Vec<(String, String, Role, f64, StatedPhenotype)>;

    fn read_with(
        name: &str,
        text: &str,
        layout: &ScoreLayout,
    ) -> Result<(ScoredTable, Found), Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut rows = Vec::new();
        let table = each_score(&path, layout, |row| {
            rows.push((
                row.sample_id.to_owned(),
                row.model.to_owned(),
                row.role,
                row.score,
                row.phenotype,
            ));
            Ok::<(), Error>(())
        })?;
        Ok((table, rows))
    }

    fn read(name: &str, text: &str) -> (ScoredTable, Found) {
        read_with(name, text, &ScoreLayout::default()).unwrap()
    }

    /// Sample, model and score of the first row.
    fn first(name: &str, text: &str) -> (String, String, f64) {
        let (_, rows) = read(name, text);
        (rows[0].0.clone(), rows[0].1.clone(), rows[0].3)
    }

    fn expected(sample: &str, model: &str, score: f64) -> (String, String, f64) {
        (sample.to_owned(), model.to_owned(), score)
    }

    #[test]
    fn scores_of_plink2_are_its_sums_or_averages_by_name() {
        let sums = "#IID\tPHENO1\tALLELE_CT\tNAMED_ALLELE_DOSAGE_SUM\tAD_AVG\tAD_SUM\nA\t2\t6\t3\
                    \t0.5\t3.25\n";
        let (table, rows) = read("cohort.sscore", sums);
        assert_eq!(
            rows,
            [(
                "A".into(),
                "AD".into(),
                Role::Score,
                3.25,
                Some(Some(Phenotype::Case))
            )]
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
        let (_, rows) = read("x.all_score", all);
        assert_eq!(
            rows.iter()
                .map(|row| (row.1.as_str(), row.3))
                .collect::<Vec<_>>(),
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
        let (table, rows) = read(
            "risk.csv",
            "sample_id,model,logit,probability\nA,prs-x,0,0.5\nA,deep,0,0.5\n",
        );
        assert_eq!((rows[0].2, rows[1].2), (Role::Score, Role::SequenceModel));
        assert_eq!(table.roles_by_default.len(), 2);
        let stated = "sample_id,model,logit,probability,role\nA,prs-x,0,0.5,sequence-model\n";
        let (table, rows) = read("risk.csv", stated);
        assert_eq!(
            (rows[0].2, table.roles_by_default.len()),
            (Role::SequenceModel, 0),
            "the table states it"
        );
        let roles = vec!["prs-x=covariates".parse().unwrap()];
        let (_, rows) = read_with(
            "risk.csv",
            stated,
            &ScoreLayout {
                roles,
                ..ScoreLayout::default()
            },
        )
        .unwrap();
        assert_eq!(rows[0].2, Role::Covariates, "an option goes before it");
        let (_, rows) = read("mine.csv", "sample_id,model,score\nA,prs-x,0\nA,deep,0\n");
        assert_eq!(
            (rows[0].2, rows[1].2),
            (Role::Score, Role::Score),
            "names of others say nothing"
        );
        let error = read_with(
            "risk.csv",
            &stated.replace("sequence-model", "deep"),
            &ScoreLayout::default(),
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("line 2, column `role`: `deep` is not a role"),
            "{error}"
        );
    }

    #[test]
    fn any_table_with_samples_and_one_score_is_read_and_others_ask_for_the_column() {
        assert_eq!(
            first("ldpred2.csv", "eid;ldpred2_beta\n7;0.5\n"),
            expected("7", "ldpred2_beta", 0.5)
        );
        let two = "person_id,auto,grid\nA,1,2\n";
        let message = read_with("x.csv", two, &ScoreLayout::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(
                "no column of scores was recognised: the first line has person_id, auto, grid"
            ),
            "{message}"
        );
        assert!(message.contains("--score-column"), "{message}");
        let score_columns = vec!["grid".to_owned(), "auto".to_owned()];
        let (_, rows) = read_with(
            "x.csv",
            two,
            &ScoreLayout {
                score_columns,
                ..ScoreLayout::default()
            },
        )
        .unwrap();
        assert_eq!(
            rows.iter()
                .map(|row| (row.1.as_str(), row.3))
                .collect::<Vec<_>>(),
            [("grid", 2.0), ("auto", 1.0)]
        );
        let message = read_with("x.csv", "who,score\nA,1\n", &ScoreLayout::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("no column of sample ids was recognised")
                && message.contains("--sample-column"),
            "{message}"
        );
    }

    #[test]
    fn codes_of_missing_values_are_asked_about() {
        let read = |score: &str, missing_value: Option<&str>| {
            let text = format!(
                "FID IID PRS\nA A 0.5\n{}B B {score}\n",
                "C C 0.5\n".repeat(20)
            );
            let layout = ScoreLayout {
                missing_value: missing_value.map(|text| text.parse().unwrap()),
                ..ScoreLayout::default()
            };
            read_with("AD.best", &text, &layout)
        };
        for code in ["-9", "-9.000", "-999"] {
            let message = read(code, None).unwrap_err().to_string();
            assert!(
                message.contains("column `PRS`") && message.contains("--missing-value"),
                "{message}"
            );
            assert_eq!(read(code, Some("none")).unwrap().1.len(), 22);
            assert_eq!(read(code, Some(code)).unwrap().1.len(), 21);
        }
    }

    #[test]
    fn a_probability_is_a_score_by_its_logit_and_not_that_of_another_score() {
        let read = |text: &str| {
            let mut rows = Vec::new();
            let path = tempfile::tempdir().unwrap();
            let path = path.path().join("p.csv");
            std::fs::write(&path, text).unwrap();
            each_score(&path, &ScoreLayout::default(), |row| {
                rows.push((row.model.to_owned(), row.score, row.probability));
                Ok::<(), Error>(())
            })
            .unwrap();
            rows.remove(0)
        };
        let (_, score, probability) = read("IID,probability\nA,0.8\n");
        assert!((score - 4_f64.ln()).abs() < 1e-12 && probability == Some(0.8));
        let (model, score, _) = read("sample_id,model,probability\nA,svm,0.8\n");
        assert!((score - 4_f64.ln()).abs() < 1e-12 && model == "svm");
        assert_eq!(read("IID,PRS,probability\nA,140,0.8\n").2, None);
        assert_eq!(read("IID,logit,probability\nA,1.4,0.8\n").2, Some(0.8));
        assert!(read("IID,probability\nA,1\n").1.is_finite());
    }

    #[test]
    fn a_few_rows_without_a_score_are_left_out_and_more_are_an_error() {
        let with_missing = |n: usize| {
            let score = |row: usize| {
                if row < n {
                    "NA".to_owned()
                } else {
                    row.to_string()
                }
            };
            let rows: Vec<String> = (0..40)
                .map(|row| format!("S{row} S{row} {}\n", score(row)))
                .collect();
            let rows = rows.concat();
            read_with(
                "AD.best",
                &format!("FID IID PRS\n{rows}"),
                &ScoreLayout::default(),
            )
        };
        let (table, rows) = with_missing(2).unwrap();
        assert_eq!(
            (rows.len(), table.without_score),
            (38, vec!["S0".to_owned(), "S1".to_owned()])
        );
        let message = with_missing(3).unwrap_err().to_string();
        assert!(
            message.contains("3 of 40 rows have no score, more than 5 %")
                && message.contains("line 2, column `PRS`"),
            "{message}"
        );
    }

    #[test]
    fn a_list_of_scores_points_to_the_samples() {
        let list = "model,accession,match_rate\nprs-PGS1,PGS1,1\n";
        let message = read_with("scores.csv", list, &ScoreLayout::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("lists scores and no samples: give the raw_scores.csv"),
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
        let message = read_with("p.csv", own, &ScoreLayout::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("may be cut in the middle of a number"),
            "{message}"
        );
        assert!(read("AD.best", "FID IID PRS\nA A 0.12").0.may_be_cut);
        assert!(!read("AD.best", "FID IID PRS\nA A 0.12\n").0.may_be_cut);
    }
}
