//! Tables of samples as PLINK, smartpca, spreadsheets and R write them.
//!
//! | file | header | ids |
//! |---|---|---|
//! | `.fam`, `.psam` without a header | none: FID, IID, PAT, MAT, SEX, phenotype | FID, IID |
//! | `.psam`, `.eigenvec` of PLINK 2 | `#FID IID ...` or `#IID ...` | FID, IID |
//! | `.eigenvec` of PLINK 1.9 | none: FID, IID, components | FID, IID |
//! | `.evec` of smartpca | `#eigvals: ...`, then id, components, population | `FID:IID` or the id |
//! | `.pheno`, `.phen`, `.cov`, `.covar` | `FID IID ...`, or none | FID, IID |
//! | CSV, TSV, any other | names | `sample_id`, `IID`, `sample`, `id`, ... |

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{CohortColumn, is_missing, text};

use super::{Error, SampleId};

/// Names of the column of sample ids, the preferred ones first, without anything but letters and
/// digits.
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
/// PLINK 2's id of a second sample of the same individual.
const SAMPLE_NUMBER: &str = "sid";

/// What a table is by its name.
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
    /// Columns beyond the ids.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

/// A sample of a table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub line: u64,
    pub sample: String,
    /// `None` where there is no family.
    pub family: Option<String>,
    /// Ids of father and mother, as far as they are known.
    pub parents: Vec<String>,
    /// One cell for each of [`Table::columns`].
    pub cells: Vec<String>,
}

/// A line of a file, cut into cells.
pub struct TableLine {
    pub line: u64,
    pub cells: Vec<String>,
}

impl Table {
    /// Reads a table; `id_column` names the column of sample ids where it has another name than
    /// usual.
    pub fn read(path: &Path, id_column: Option<&str>, sample_id: SampleId) -> Result<Self, Error> {
        let mut records = records(path)?;
        let kind = Kind::detect(path);
        let names = header(path, kind, &mut records, id_column)?;
        require_each_name_once(path, &names)?;
        if records.is_empty() {
            return Err(Error::file(path, "no samples; is the file complete?"));
        }
        let ids = Ids::parse(path, &names, id_column, sample_id)?;
        let is_value = |column: &usize| !ids.all().contains(column) && !names[*column].is_empty();
        let columns: Vec<usize> = (0..names.len()).filter(is_value).collect();
        let mut lines: HashMap<String, u64> = HashMap::new();
        let mut rows = Vec::with_capacity(records.len());
        for TableLine { line, cells } in records {
            if cells.len() != names.len() {
                let reason = format!(
                    "{} cells where there are {} columns ({}){}",
                    cells.len(),
                    names.len(),
                    names.join(", "),
                    text::why_one_more(cells.len(), names.len())
                );
                return Err(Error::line(path, line, reason));
            }
            let row = ids
                .row(line, &cells, &columns)
                .map_err(|reason| Error::line(path, line, reason))?;
            if let Some(first) = lines.insert(row.sample.clone(), line) {
                let reason = format!(
                    "sample `{}` is there twice (lines {first} and {line}): keep one; where ids are \
                     unique with FID only, give --sample-id fid-iid",
                    row.sample
                );
                return Err(Error::line(path, line, reason));
            }
            rows.push(row);
        }
        let columns = columns
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

/// Columns with ids.
struct Ids {
    sample: usize,
    family: Option<usize>,
    parents: Vec<usize>,
    number: Option<usize>,
    sample_id: SampleId,
}

impl Ids {
    fn parse(
        path: &Path,
        names: &[String],
        id_column: Option<&str>,
        sample_id: SampleId,
    ) -> Result<Self, Error> {
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let first_of = |wanted: &[&str]| {
            wanted
                .iter()
                .find_map(|wanted| plain.iter().position(|name| name == wanted))
        };
        let sample = match id_column {
            Some(wanted) => names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(wanted))
                .or_else(|| first_of(&SAMPLE[..2])),
            None => first_of(&SAMPLE),
        };
        let Some(sample) = sample else {
            let reason = format!(
                "no column of sample ids among {}: name it with --id-column",
                names.join(", ")
            );
            return Err(Error::file(path, reason));
        };
        let family = first_of(&FAMILY).filter(|&family| family != sample);
        if sample_id == SampleId::FidIid && family.is_none() && plain[sample] == "iid" {
            return Err(Error::file(
                path,
                "no column FID, which --sample-id fid-iid needs",
            ));
        }
        let parents = [&FATHER, &MOTHER]
            .into_iter()
            .filter_map(|wanted| first_of(&wanted[..]))
            .collect();
        Ok(Self {
            sample,
            family,
            parents,
            number: first_of(&[SAMPLE_NUMBER]),
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

    fn row(&self, line: u64, cells: &[String], columns: &[usize]) -> Result<Row, String> {
        let id = &cells[self.sample];
        if is_missing(id) {
            return Err(format!("`{id}` is not the id of a sample"));
        }
        if id.chars().any(char::is_control) {
            return Err(format!("`{}` has a control character", id.escape_debug()));
        }
        let family = self.family.map(|column| &cells[column]);
        let sample = match (self.sample_id, family) {
            (SampleId::FidIid, Some(family)) => format!("{family}_{id}"),
            _ => id.clone(),
        };
        let is_known = |id: &&String| !is_missing(id) && *id != "0" && *id != "-9";
        let known_parents = self
            .parents
            .iter()
            .map(|&column| &cells[column])
            .filter(is_known);
        let parent = |parent: &String| match (self.sample_id, family) {
            (SampleId::FidIid, Some(family)) => format!("{family}_{parent}"),
            _ => parent.clone(),
        };
        Ok(Row {
            line,
            sample,
            family: family.filter(is_known).cloned(),
            parents: known_parents.map(parent).collect(),
            cells: columns
                .iter()
                .map(|&column| cells[column].clone())
                .collect(),
        })
    }
}

/// The lines of a file as cells, without blank lines and PLINK 2's `##` lines.
pub fn records(path: &Path) -> Result<Vec<TableLine>, Error> {
    let text = text::read(path)?;
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("##"));
    let Some(first) = first else {
        return Err(Error::file(path, "the file is empty"));
    };
    let is_left_out =
        |cells: &[String]| cells.iter().all(String::is_empty) || cells[0].starts_with("##");
    let separator = separator(path, first);
    let (text, separator) = text::regular(path, text, separator);
    let mut reader = csv::ReaderBuilder::new();
    reader
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All);
    let mut records = Vec::new();
    for record in reader.from_reader(text.as_bytes()).into_records() {
        let record = record.map_err(|error| Error::file(path, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if !is_left_out(&cells) {
            records.push(TableLine { line, cells });
        }
    }
    Ok(records)
}

/// What separates cells; `None` for blanks.
fn separator(path: &Path, first_line: &str) -> Option<u8> {
    let count = |separator: char| first_line.matches(separator).count();
    match extension(path).as_str() {
        "fam" | "evec" => None,
        _ if count('\t') > 0 => Some(b'\t'),
        _ if count(';') > count(',') => Some(b';'),
        "csv" => Some(b','),
        _ if count(',') > 0 => Some(b','),
        _ => None,
    }
}

/// Lower case, without `.gz`.
fn extension(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.')
        .map(|(_, extension)| extension.to_owned())
        .unwrap_or_default()
}

/// Takes the names of the columns from the records, or makes them up where the file has no header.
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
        return Err(Error::file(path, "the file is empty"));
    };
    let is_id = |cell: &String| {
        let plain = plain(cell);
        SAMPLE.contains(&plain.as_str()) || FAMILY.contains(&plain.as_str())
    };
    let is_chosen = |cell: &String| id_column.is_some_and(|name| cell.eq_ignore_ascii_case(name));
    let names_ids = first
        .cells
        .iter()
        .any(|cell| is_id(cell) || is_chosen(cell));
    // A person may have the id of a column; a .fam file has a header against its format.
    let has_header = if extension(path) == "fam" {
        is_id(&first.cells[0]) && names_ids
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
    let n_columns = first.cells.len();
    let numbered = |name: &str| {
        (1..=n_columns.saturating_sub(2))
            .map(|number| format!("{name}{number}"))
            .collect::<Vec<_>>()
    };
    let ids = vec!["FID".to_owned(), "IID".to_owned()];
    let further = match kind {
        Kind::Pedigree if n_columns == 6 => ["PAT", "MAT", "sex", "phenotype"]
            .map(str::to_owned)
            .to_vec(),
        Kind::Pedigree => {
            let reason = format!(
                "{n_columns} columns where a .fam file has six (FID, IID, PAT, MAT, SEX, \
                 phenotype)"
            );
            return Err(Error::file(path, reason));
        }
        Kind::Phenotypes => numbered("PHENO"),
        Kind::Covariates => numbered("COV"),
        Kind::Components => numbered("PC"),
        Kind::Other => {
            let reason = format!(
                "no column of sample ids among {}: name it with --id-column",
                first.cells.join(", ")
            );
            return Err(Error::file(path, reason));
        }
    };
    Ok([ids, further].concat())
}

/// Names of the columns of a smartpca table, whose ids are `FID:IID` or one id.
fn smartpca(path: &Path, records: &mut [TableLine]) -> Result<Vec<String>, Error> {
    let n_columns = records.first().map_or(0, |record| record.cells.len());
    if n_columns < 3 {
        return Err(Error::file(
            path,
            "no components below `#eigvals`; is the file complete?",
        ));
    }
    for record in records {
        let id = std::mem::take(&mut record.cells[0]);
        let (family, sample) = id
            .split_once(':')
            .map_or(("0", id.as_str()), |(family, sample)| (family, sample));
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
        // GCTA and others number components only.
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

/// Letters and digits of a name, in lower case.
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
            .position(|other| other.eq_ignore_ascii_case(name))
        {
            let reason = format!(
                "column `{name}` is there twice (columns {} and {}): rename one",
                first + 1,
                column + 1
            );
            return Err(Error::line(path, 1, reason));
        }
    }
    Ok(())
}
