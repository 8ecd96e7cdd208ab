//! Reads sample tables of PLINK, smartpca, spreadsheets and R.
//!
//! | file | header | ids |
//! |---|---|---|
//! | `.fam`, `.psam` without a header | none: FID, IID, PAT, MAT, SEX, phenotype | FID, IID |
//! | `.psam`, `.eigenvec` of PLINK 2 | `#FID IID ...` or `#IID ...` | FID, IID |
//! | `.eigenvec` of PLINK 1.9 | none: FID, IID, components | FID, IID |
//! | `.evec` of smartpca | `#eigvals: ...` | `FID:IID` or the id |
//! | `.pheno`, `.phen`, `.cov`, `.covar` | `FID IID ...`, or none | FID, IID |
//! | CSV, TSV, any other | names | `sample_id`, `IID`, `sample`, `id`, ... |
//!
//! The columns of `.evec` are the id, the components and the population.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{CohortColumn, is_missing, text};

use super::{Error, SampleId};

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableProblem {
    /// A table without a line.
    #[error("the file is empty")]
    Empty,
    /// A header only.
    #[error("no samples; check that the file is complete")]
    NoSamples,
    /// A text that csv cannot split.
    #[error("{0}")]
    Csv(csv::Error),
    /// A sample in two rows.
    #[error(
        "sample `{sample}` is listed twice (lines {first} and {line}). Keep one row, or give \
         --sample-id fid-iid if the IDs are unique only with the FID"
    )]
    SampleTwice {
        /// The sample.
        sample: String,
        /// 1-based line of the first row.
        first: u64,
        /// 1-based line of the second row.
        line: u64,
    },
    /// A row that is longer or shorter than the header.
    #[error(
        "{n_cells} cells, but there are {} columns ({}){}",
        names.len(),
        names.join(", "),
        text::why_one_more(*n_cells, names.len())
    )]
    UnequalLengths {
        /// Cells of the row.
        n_cells: usize,
        /// Names of the columns.
        names: Vec<String>,
    },
    /// No column with the usual names of sample ids.
    #[error("no column of sample IDs among {found}; name it with --id-column")]
    NoIdColumn {
        /// Names of the columns.
        found: String,
    },
    /// No column of family ids.
    #[error("no column FID, but --sample-id fid-iid needs one")]
    NoFid,
    /// A missing value in the column of sample ids.
    #[error("`{id}` is not a sample ID")]
    NotSampleId {
        /// The cell.
        id: String,
    },
    /// A sample id that could control a terminal.
    #[error("`{}` has a control character", id.escape_debug())]
    ControlCharacter {
        /// The cell.
        id: String,
    },
    /// A `.fam` file with other columns.
    #[error("{n_columns} columns, but a .fam file has six (FID, IID, PAT, MAT, SEX, phenotype)")]
    FamColumns {
        /// Number of columns.
        n_columns: usize,
    },
    /// A smartpca table without components.
    #[error("no components below `#eigvals`; check that the file is complete")]
    NoComponents,
    /// Two columns of one name.
    #[error("column `{name}` occurs twice (columns {first} and {second}); rename one of them")]
    ColumnTwice {
        /// Name of the columns.
        name: String,
        /// 1-based number of the first one.
        first: usize,
        /// 1-based number of the second one.
        second: usize,
    },
}

/// Names of the column of sample ids, reduced to letters and digits; preferred names first.
const SAMPLE: [&str; 11] = [
    "sampleid",
    "iid",
    "sample",
    "individualid",
    "individual",
    "participantid",
    "subjectid",
    "subject",
    "personid",
    "eid",
    "id",
];
const FAMILY: [&str; 3] = ["fid", "familyid", "family"];
const FATHER: [&str; 3] = ["pat", "paternalid", "fatherid"];
const MOTHER: [&str; 3] = ["mat", "maternalid", "motherid"];
/// Column of PLINK 2 that numbers the samples of one individual.
const SAMPLE_NUMBER: &str = "sid";

/// Kind of a table, by its file extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.fam`, or `.psam`.
    Pedigree,
    /// `.pheno`, `.phen`.
    Phenotypes,
    /// `.cov`, `.covar`.
    Covariates,
    /// `.eigenvec`, `.evec`, `.pca`.
    Components,
    /// Any other.
    Other,
}

impl Kind {
    fn detect(path: &Path) -> Self {
        match extension(path).as_str() {
            "fam" | "psam" => Self::Pedigree,
            "pheno" | "phen" => Self::Phenotypes,
            "cov" | "covar" => Self::Covariates,
            "eigenvec" | "evec" | "pca" => Self::Components,
            _ => Self::Other,
        }
    }
}

/// A table of samples.
#[derive(Clone, Debug)]
pub struct Table {
    pub path: PathBuf,
    pub kind: Kind,
    /// Columns other than the ids.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

/// A sample of a table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// 1-based line number.
    pub line: u64,
    /// Sample id.
    pub sample: String,
    /// FID; `None` if it is missing or 0.
    pub family: Option<String>,
    /// Sample ids of the known parents, father first.
    pub parents: Vec<String>,
    /// One cell per column of [`Table::columns`].
    pub cells: Vec<String>,
}

/// A line of a file, split into cells.
pub struct TableLine {
    /// 1-based line number.
    pub line: u64,
    pub cells: Vec<String>,
}

impl Table {
    /// Reads a table.
    ///
    /// `id_column` is the name of the column of sample ids if it has no usual name.
    ///
    /// # Errors
    /// A file that cannot be read, has no column of sample ids or no samples, or lists a sample
    /// twice.
    pub fn read(path: &Path, id_column: Option<&str>, sample_id: SampleId) -> Result<Self, Error> {
        let mut records = records(path)?;
        let kind = Kind::detect(path);
        let names = header(path, kind, &mut records, id_column)?;
        require_each_name_once(path, &names)?;
        if records.is_empty() {
            return Err(Error::file(path, TableProblem::NoSamples));
        }
        let ids = IdColumns::find(path, &names, id_column, sample_id)?;
        let id_columns = ids.all();
        let value_columns: Vec<usize> = (0..names.len())
            .filter(|column| !id_columns.contains(column) && !names[*column].is_empty())
            .collect();
        let mut lines_by_sample: HashMap<String, u64> = HashMap::new();
        let mut rows = Vec::with_capacity(records.len());
        for TableLine { line, cells } in records {
            require_cell_per_column(&cells, &names)
                .map_err(|problem| Error::line(path, line, problem))?;
            let row = ids
                .row(line, &cells, &value_columns)
                .map_err(|problem| Error::line(path, line, problem))?;
            if let Some(first) = lines_by_sample.insert(row.sample.clone(), line) {
                let problem = TableProblem::SampleTwice {
                    sample: row.sample,
                    first,
                    line,
                };
                return Err(Error::line(path, line, problem));
            }
            rows.push(row);
        }
        let columns = value_columns
            .into_iter()
            .map(|column| column_name(kind, &names[column]))
            .collect();
        Ok(Self {
            path: path.to_path_buf(),
            kind,
            columns,
            rows,
        })
    }

    /// The cells of a column.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = &str> + Clone {
        self.rows.iter().map(move |row| row.cells[column].as_str())
    }
}

fn require_cell_per_column(cells: &[String], names: &[String]) -> Result<(), TableProblem> {
    if cells.len() == names.len() {
        return Ok(());
    }
    Err(TableProblem::UnequalLengths {
        n_cells: cells.len(),
        names: names.to_vec(),
    })
}

/// Indices of the columns with ids.
struct IdColumns {
    sample: usize,
    family: Option<usize>,
    /// Father and mother.
    parents: Vec<usize>,
    /// See [`SAMPLE_NUMBER`].
    number: Option<usize>,
    sample_id: SampleId,
}

impl IdColumns {
    fn find(
        path: &Path,
        names: &[String],
        id_column: Option<&str>,
        sample_id: SampleId,
    ) -> Result<Self, Error> {
        let plain_names: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let sample_column = match id_column {
            // A table without that column may still have one of the two preferred names.
            Some(id_column) => names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(id_column))
                .or_else(|| first_position(&plain_names, &SAMPLE[..2])),
            None => first_position(&plain_names, &SAMPLE),
        };
        let Some(sample) = sample_column else {
            let found = names.join(", ");
            return Err(Error::file(path, TableProblem::NoIdColumn { found }));
        };
        let family = first_position(&plain_names, &FAMILY).filter(|&family| family != sample);
        if sample_id == SampleId::FidIid && family.is_none() && plain_names[sample] == "iid" {
            return Err(Error::file(path, TableProblem::NoFid));
        }
        let parents = [&FATHER, &MOTHER]
            .into_iter()
            .filter_map(|accepted| first_position(&plain_names, accepted))
            .collect();
        Ok(Self {
            sample,
            family,
            parents,
            number: first_position(&plain_names, &[SAMPLE_NUMBER]),
            sample_id,
        })
    }

    fn all(&self) -> Vec<usize> {
        [self.sample]
            .into_iter()
            .chain(self.family)
            .chain(self.parents.iter().copied())
            .chain(self.number)
            .collect()
    }

    /// Makes a row from the cells of a line; `columns` are those with values.
    ///
    /// # Errors
    /// A sample id that cannot be used.
    fn row(&self, line: u64, cells: &[String], columns: &[usize]) -> Result<Row, TableProblem> {
        let id = &cells[self.sample];
        if is_missing(id) {
            return Err(TableProblem::NotSampleId { id: id.clone() });
        }
        if id.chars().any(char::is_control) {
            return Err(TableProblem::ControlCharacter { id: id.clone() });
        }
        let family = self.family.map(|column| &cells[column]);
        let parents = self
            .parents
            .iter()
            .map(|&column| &cells[column])
            .filter(|parent| is_known_id(parent))
            .map(|parent| self.sample_name(family, parent))
            .collect();
        Ok(Row {
            line,
            sample: self.sample_name(family, id),
            family: family.filter(|family| is_known_id(family)).cloned(),
            parents,
            cells: columns
                .iter()
                .map(|&column| cells[column].clone())
                .collect(),
        })
    }

    /// The name in the genotypes: the IID, or `FID_IID`.
    fn sample_name(&self, family: Option<&String>, id: &str) -> String {
        match (self.sample_id, family) {
            (SampleId::FidIid, Some(family)) => format!("{family}_{id}"),
            _ => id.to_owned(),
        }
    }
}

/// Whether an id of a family or parent is not missing; 0 and -9 are PLINK's missing ids.
fn is_known_id(id: &str) -> bool {
    !is_missing(id) && id != "0" && id != "-9"
}

/// Index of the first of the `accepted` names that the table has.
fn first_position(names: &[String], accepted: &[&str]) -> Option<usize> {
    accepted
        .iter()
        .find_map(|accepted| names.iter().position(|name| name == accepted))
}

/// Reads the lines of a file as cells, without blank lines and the `##` lines of PLINK 2.
///
/// # Errors
/// A file that cannot be read or is empty.
pub fn records(path: &Path) -> Result<Vec<TableLine>, Error> {
    let raw_text = text::read(path)?;
    let first_line = raw_text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("##"));
    let Some(first_line) = first_line else {
        return Err(Error::file(path, TableProblem::Empty));
    };
    let raw_separator = separator(path, first_line);
    let (text, separator) = text::regular(path, raw_text, raw_separator);
    let mut reader = csv::ReaderBuilder::new();
    reader
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All);
    let mut records = Vec::new();
    for record in reader.from_reader(text.as_bytes()).into_records() {
        let record = record.map_err(|error| Error::file(path, TableProblem::Csv(error)))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        let is_blank = cells.iter().all(String::is_empty);
        if !is_blank && !cells[0].starts_with("##") {
            records.push(TableLine { line, cells });
        }
    }
    Ok(records)
}

/// Separator of cells; `None` for blanks.
fn separator(path: &Path, first_line: &str) -> Option<u8> {
    let n_commas = first_line.matches(',').count();
    let n_semicolons = first_line.matches(';').count();
    match extension(path).as_str() {
        "fam" | "evec" => None,
        _ if first_line.contains('\t') => Some(b'\t'),
        _ if n_semicolons > n_commas => Some(b';'),
        "csv" => Some(b','),
        _ if n_commas > 0 => Some(b','),
        _ => None,
    }
}

/// File extension in lower case, without `.gz`.
fn extension(path: &Path) -> String {
    let file_name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let name = file_name.strip_suffix(".gz").unwrap_or(&file_name);
    name.rsplit_once('.')
        .map(|(_, extension)| extension.to_owned())
        .unwrap_or_default()
}

/// Takes the names of the columns from the records, or the names of the format without a header.
fn header(
    path: &Path,
    kind: Kind,
    records: &mut Vec<TableLine>,
    id_column: Option<&str>,
) -> Result<Vec<String>, Error> {
    if records
        .first()
        .is_some_and(|record| record.cells[0].starts_with("#eigvals"))
    {
        records.remove(0);
        return smartpca(path, records);
    }
    let Some(first) = records.first() else {
        return Err(Error::file(path, TableProblem::Empty));
    };
    let names_ids = first.cells.iter().any(|cell| {
        let is_stated = id_column.is_some_and(|name| cell.eq_ignore_ascii_case(name));
        is_stated || is_id_name(cell)
    });
    // The format of .fam files has no header, but some files have one. A cell that is the name of
    // an id column counts only in the first column, because a sample may have such an id.
    let has_header = if extension(path) == "fam" {
        is_id_name(&first.cells[0]) && names_ids
    } else {
        names_ids
    };
    if has_header {
        let names = records.remove(0).cells;
        return Ok(names
            .iter()
            .map(|name| name.trim_start_matches('#').to_owned())
            .collect());
    }
    names_without_header(path, kind, &first.cells)
}

/// Whether a cell is a usual name of a column of sample or family ids.
fn is_id_name(cell: &str) -> bool {
    let name = plain(cell);
    SAMPLE.contains(&name.as_str()) || FAMILY.contains(&name.as_str())
}

/// Names of the columns of a file without a header, by its kind and number of columns.
fn names_without_header(
    path: &Path,
    kind: Kind,
    first_cells: &[String],
) -> Result<Vec<String>, Error> {
    let n_columns = first_cells.len();
    let n_values = n_columns.saturating_sub(2);
    let value_names = match kind {
        Kind::Pedigree if n_columns == 6 => ["PAT", "MAT", "sex", "phenotype"]
            .map(str::to_owned)
            .to_vec(),
        Kind::Pedigree => {
            return Err(Error::file(path, TableProblem::FamColumns { n_columns }));
        }
        Kind::Phenotypes => numbered("PHENO", n_values),
        Kind::Covariates => numbered("COV", n_values),
        Kind::Components => numbered("PC", n_values),
        Kind::Other => {
            let found = first_cells.join(", ");
            return Err(Error::file(path, TableProblem::NoIdColumn { found }));
        }
    };
    let id_names = vec!["FID".to_owned(), "IID".to_owned()];
    Ok([id_names, value_names].concat())
}

/// `NAME1` to `NAMEn`.
fn numbered(name: &str, n: usize) -> Vec<String> {
    (1..=n).map(|number| format!("{name}{number}")).collect()
}

/// Splits the ids of a smartpca table (`FID:IID` or one id), and returns the names of its columns.
fn smartpca(path: &Path, records: &mut [TableLine]) -> Result<Vec<String>, Error> {
    let n_columns = records.first().map_or(0, |record| record.cells.len());
    if n_columns < 3 {
        return Err(Error::file(path, TableProblem::NoComponents));
    }
    for record in records {
        let id = std::mem::take(&mut record.cells[0]);
        let (family, sample) = id.split_once(':').unwrap_or(("0", id.as_str()));
        record
            .cells
            .splice(0..1, [family.to_owned(), sample.to_owned()]);
    }
    let components = (1..n_columns - 1).map(|number| format!("PC{number}"));
    Ok(["FID".to_owned(), "IID".to_owned()]
        .into_iter()
        .chain(components)
        .chain(["population".to_owned()])
        .collect())
}

/// The name of a column in `cohort.csv`.
fn column_name(kind: Kind, name: &str) -> String {
    match CohortColumn::from_name(name) {
        CohortColumn::Age => "age".into(),
        CohortColumn::Sex => "sex".into(),
        CohortColumn::Component => name.to_uppercase(),
        // GCTA and other programs name components V1, E1 or 1.
        _ if kind == Kind::Components
            && name
                .to_ascii_lowercase()
                .trim_start_matches(['v', 'e'])
                .parse::<u32>()
                .is_ok() =>
        {
            format!(
                "PC{}",
                name.to_ascii_lowercase().trim_start_matches(['v', 'e'])
            )
        }
        _ => name.to_owned(),
    }
}

/// Reduces a name to its letters and digits, in lower case.
pub fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase()
}

fn require_each_name_once(path: &Path, names: &[String]) -> Result<(), Error> {
    for (column, name) in names
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(first) = names[..column]
            .iter()
            .position(|earlier| earlier.eq_ignore_ascii_case(name))
        {
            let problem = TableProblem::ColumnTwice {
                name: name.clone(),
                first: first + 1,
                second: column + 1,
            };
            return Err(Error::line(path, 1, problem));
        }
    }
    Ok(())
}
