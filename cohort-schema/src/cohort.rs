//! `cohort.csv`: who takes part, case or control, in which split, with which covariates.
//!
//! Input -> output: a CSV with the columns `sample_id`, `phenotype`, `split`, optionally `family_id`, and any number of covariates
//! (`sex`, `age`, `PC1`, ...) -> a [`Cohort`] in the order of the file.

use std::{
    collections::HashMap,
    fmt,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Phenotype, PhenotypeCoding, Split, counted,
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
        for (index, SplitCounts { split, cases, controls, unknown }) in self.splits.iter().enumerate() {
            let comma = if index > 0 { "; " } else { "" };
            let [cases, controls] = [counted(*cases, "case", "cases"), counted(*controls, "control", "controls")];
            write!(f, "{comma}{split} {cases}, {controls}")?;
            if *unknown > 0 {
                write!(f, ", {unknown} of unknown phenotype")?;
            }
        }
        let covariates = if self.covariates.is_empty() { "none".to_owned() } else { self.covariates.join(", ") };
        writeln!(f, "; covariates: {covariates}")
    }
}

/// Which columns of `cohort.csv` are covariates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CovariateChoice {
    /// Every column beyond `sample_id`, `phenotype`, `split` and `family_id`, and PLINK's `FID` and `IID`.
    #[default]
    All,
    /// These columns, in this order; none for an empty list.
    Named(Vec<String>),
}

impl Cohort {
    /// Reads and checks a `cohort.csv`.
    ///
    /// # Errors
    /// A file that cannot be read or has no rows; a missing column; a cell that is no phenotype, split or covariate (all named with
    /// line and column); a person listed twice; a family in two splits, because its members share haplotypes.
    pub fn read(path: &Path, coding: PhenotypeCoding, covariates: &CovariateChoice) -> Result<Self, Error> {
        let table = CsvTable::read(path)?;
        let (sample_id, phenotype, split) = (table.column(SAMPLE_ID)?, table.column(PHENOTYPE)?, table.column(SPLIT)?);
        let family_id = table.optional_column(FAMILY_ID);
        let covariate_names = covariate_names(&table, covariates, path)?;
        let covariate_columns = covariate_names.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>()?;
        require_known_sex(&table, &covariate_columns)?;

        let mut phenotypes = PhenotypeReader::new(coding);
        let mut people = Vec::new();
        let mut first_of_sample: HashMap<&str, (Split, Row<'_>)> = HashMap::new();
        let mut first_of_family: HashMap<&str, (Split, Row<'_>)> = HashMap::new();
        for row in table.rows() {
            let id = row.required(sample_id)?;
            let part: Split = row.cell(split).parse().map_err(|error: crate::UnknownSplit| row.error(split, error.to_string()))?;
            if let Some((first_part, first)) = first_of_sample.insert(id, (part, row)) {
                return Err(row.error(sample_id, listed_twice(id, part, row, first_part, first)));
            }
            let family = family_id.map(|column| (column, row.cell(column))).filter(|(_, family)| !family.is_empty());
            if let Some((column, family)) = family {
                let (first_part, first) = *first_of_family.entry(family).or_insert((part, row));
                if first_part != part {
                    let (line, first_line) = (row.line(), first.line());
                    let places = format!("{first_part} at line {first_line}, {part} at line {line}");
                    let advice = "relatives share haplotypes, so put a family into one split";
                    return Err(row.error(column, format!("family {family} is in two splits ({places}); {advice}")));
                }
            }
            people.push(Person {
                sample_id: id.to_owned(),
                phenotype: phenotypes.read(row.cell(phenotype)).map_err(|reason| row.error(phenotype, reason))?,
                split: part,
                family_id: family.map(|(_, family)| family.to_owned()),
                covariates: covariate_columns.iter().map(|&column| covariate(row, column)).collect::<Result<_, _>>()?,
            });
        }
        let cohort = Self { people, covariate_names };
        if let Some(name) = cohort.copy_of_phenotype() {
            let reason = format!(
                "column `{name}` alone tells every case from every control: is it a copy of the phenotype, or known only after it? Name the \
                 covariates that are meant (--covariates)"
            );
            return Err(Error::file(path, reason));
        }
        Ok(cohort)
    }

    /// The first covariate by which all cases lie above all controls, or below, where there are enough of both that it is no accident.
    fn copy_of_phenotype(&self) -> Option<&str> {
        let separates = |index: &usize| {
            let values = |class| {
                let of_class = self.people.iter().filter(move |person| person.phenotype == Some(class));
                of_class.map(|person| person.covariates[*index]).collect::<Vec<f64>>()
            };
            let (cases, controls) = (values(Phenotype::Case), values(Phenotype::Control));
            let range = |values: &[f64]| {
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
            };
            let ((case_low, case_high), (control_low, control_high)) = (range(&cases), range(&controls));
            cases.len().min(controls.len()) >= MANY && (case_low > control_high || case_high < control_low)
        };
        (0..self.covariate_names.len()).find(separates).map(|index| self.covariate_names[index].as_str())
    }

    /// Who and what is in it.
    #[must_use]
    pub fn summary(&self) -> CohortSummary {
        let of_split = |split| {
            let count = |phenotype| self.in_split(split).filter(|(_, person)| person.phenotype == phenotype).count();
            SplitCounts { split, cases: count(Some(Phenotype::Case)), controls: count(Some(Phenotype::Control)), unknown: count(None) }
        };
        CohortSummary { splits: Split::ALL.map(of_split).to_vec(), covariates: self.covariate_names.clone() }
    }

    /// Reads only `sample_id` and the named covariates, of people who are to be scored: their phenotypes, if there are any, are not looked
    /// at, and everyone is put into the test split.
    ///
    /// # Errors
    /// As [`Self::read`], for these columns.
    pub fn read_covariates(path: &Path, names: &[String]) -> Result<Self, Error> {
        let table = CsvTable::read(path)?;
        let sample_id = table.column(SAMPLE_ID)?;
        let columns = names.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>()?;
        require_known_sex(&table, &columns)?;
        let mut people = Vec::new();
        let mut lines: HashMap<&str, u64> = HashMap::new();
        for row in table.rows() {
            let id = row.required(sample_id)?;
            if let Some(first) = lines.insert(id, row.line()) {
                return Err(row.error(sample_id, format!("person {id} is listed twice (line {first} and line {})", row.line())));
            }
            let covariates = columns.iter().map(|&column| covariate(row, column)).collect::<Result<_, _>>()?;
            people.push(Person { sample_id: id.to_owned(), phenotype: None, split: Split::Test, family_id: None, covariates });
        }
        Ok(Self { people, covariate_names: names.to_vec() })
    }

    /// Index of a person in [`Self::people`]; looks through them one by one. For many look-ups use [`Self::indices`].
    #[must_use]
    pub fn index_of(&self, sample_id: &str) -> Option<usize> {
        self.people.iter().position(|person| person.sample_id == sample_id)
    }

    /// Index in [`Self::people`] of each sample id.
    #[must_use]
    pub fn indices(&self) -> HashMap<&str, usize> {
        self.people.iter().enumerate().map(|(index, person)| (person.sample_id.as_str(), index)).collect()
    }

    /// The people of one split with their indices in [`Self::people`], in order.
    pub fn in_split(&self, split: Split) -> impl Iterator<Item = (usize, &Person)> {
        self.people.iter().enumerate().filter(move |(_, person)| person.split == split)
    }

    /// Checks that a split has at least one case and one control; `path` is only named in the error.
    ///
    /// # Errors
    /// When it has not, with the counts.
    pub fn require_both_classes(&self, split: Split, path: &Path) -> Result<(), Error> {
        let count = |phenotype| self.in_split(split).filter(|(_, person)| person.phenotype == phenotype).count();
        let (cases, controls, unknown) = (count(Some(Phenotype::Case)), count(Some(Phenotype::Control)), count(None));
        if cases > 0 && controls > 0 {
            return Ok(());
        }
        let [cases, controls] = [counted(cases, "case", "cases"), counted(controls, "control", "controls")];
        let unknown = counted(unknown, "person", "people");
        let found = format!("{cases}, {controls} and {unknown} of unknown phenotype");
        Err(Error::file(path, format!("split {split} has {found}; it needs at least one case and one control")))
    }

    /// Writes the cohort as `cohort.csv`: phenotypes as `case`/`control`, covariates so that they read back exactly, `family_id`
    /// only when someone has one.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let with_family = self.people.iter().any(|person| person.family_id.is_some());
        let mut table = csv::Writer::from_writer(out);
        let fixed = [SAMPLE_ID, PHENOTYPE, SPLIT].into_iter().chain(with_family.then_some(FAMILY_ID));
        table.write_record(fixed.chain(self.covariate_names.iter().map(String::as_str)))?;
        for person in &self.people {
            table.write_field(&person.sample_id)?;
            table.write_field(person.phenotype.map_or(String::new(), |phenotype| phenotype.to_string()))?;
            table.write_field(person.split.to_string())?;
            if with_family {
                table.write_field(person.family_id.as_deref().unwrap_or_default())?;
            }
            for value in &person.covariates {
                table.write_field(value.to_string())?;
            }
            table.write_record(None::<&[u8]>)?;
        }
        table.flush()
    }
}

fn covariate_names(table: &CsvTable<'_>, choice: &CovariateChoice, path: &Path) -> Result<Vec<String>, Error> {
    let reserved = |name: &str| [SAMPLE_ID, PHENOTYPE, SPLIT, FAMILY_ID].contains(&name);
    let is_id = |name: &str| ["FID", "IID"].iter().any(|id| name.trim_start_matches('#').eq_ignore_ascii_case(id));
    match choice {
        CovariateChoice::All => Ok(table.header().filter(|name| !reserved(name) && !is_id(name)).map(str::to_owned).collect()),
        CovariateChoice::Named(names) => {
            match names.iter().enumerate().find(|(index, name)| reserved(name) || names[..*index].contains(name)) {
                Some((_, name)) if reserved(name) => Err(Error::file(path, format!("column `{name}` cannot be a covariate"))),
                Some((_, name)) => Err(Error::file(path, format!("covariate `{name}` is named twice"))),
                None => Ok(names.clone()),
            }
        }
    }
}

/// PLINK's sex 0 is unknown; without a 2 in the column 0 and 1 are female and male.
fn require_known_sex(table: &CsvTable<'_>, columns: &[usize]) -> Result<(), Error> {
    for &column in columns {
        let is_sex = |row: &Row<'_>| row.column_name(column).eq_ignore_ascii_case("sex");
        if table.rows().any(|row| is_sex(&row) && row.cell(column) == "2")
            && let Some(row) = table.rows().find(|row| row.cell(column) == "0")
        {
            let reason = "sex 0 is unknown where others are 1 (male) and 2 (female): give it, leave the person out, or name other covariates with --covariates";
            return Err(row.error(column, reason));
        }
    }
    Ok(())
}

/// A finite number; for a column named `sex` also male or M (1), female, F or PLINK's 2 (0), so that a model means the same by it whatever the file.
fn covariate(row: Row<'_>, column: usize) -> Result<f64, Error> {
    let cell = row.cell(column);
    let sex = row.column_name(column).eq_ignore_ascii_case("sex");
    match cell.to_ascii_lowercase().as_str() {
        "male" | "m" if sex => Ok(1.0),
        "female" | "f" | "2" if sex => Ok(0.0),
        _ => cell.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            let found = if cell.is_empty() { "is empty".to_owned() } else { format!("`{cell}` is not a finite number") };
            row.error(column, format!("{found}; if this column is not meant as a covariate, name those that are with --covariates"))
        }),
    }
}

fn listed_twice(id: &str, part: Split, row: Row<'_>, first_part: Split, first: Row<'_>) -> String {
    let (line, first_line) = (row.line(), first.line());
    if part == first_part {
        format!("person {id} is there twice (lines {first_line} and {line}); keep one")
    } else {
        format!("person {id} is in two splits ({first_part} at line {first_line}, {part} at line {line})")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn read_with(text: &str, coding: PhenotypeCoding, covariates: &CovariateChoice) -> Result<Cohort, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cohort.csv");
        fs::write(&path, text).unwrap();
        Cohort::read(&path, coding, covariates)
    }

    fn read(text: &str) -> Result<Cohort, Error> {
        read_with(text, PhenotypeCoding::Auto, &CovariateChoice::All)
    }

    /// The message without the folder of the file.
    fn message(text: &str) -> String {
        let message = read(text).unwrap_err().to_string();
        message[message.find("cohort.csv").unwrap()..].to_owned()
    }

    fn example() -> (PathBuf, Cohort) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cohort.csv");
        let cohort = Cohort::read(&path, PhenotypeCoding::Auto, &CovariateChoice::All).unwrap();
        (path, cohort)
    }

    #[test]
    fn sex_means_the_same_however_it_is_written() {
        let sexes = |cells: [&str; 3]| {
            let rows: Vec<String> = cells.iter().enumerate().map(|(n, cell)| format!("P{n},case,test,{cell}\n")).collect();
            let rows = rows.concat();
            read(&format!("sample_id,phenotype,split,sex\n{rows}"))
                .map(|cohort| cohort.people.iter().map(|person| person.covariates[0]).collect::<Vec<f64>>())
        };
        for cells in [["male", "F", "m"], ["1", "0", "1"], ["1", "2", "1"]] {
            assert_eq!(sexes(cells).unwrap(), vec![1.0, 0.0, 1.0], "{cells:?}");
        }
        let message = sexes(["1", "2", "0"]).unwrap_err().to_string();
        assert!(message.contains("line 4, column `sex`: sex 0 is unknown where others are 1 (male) and 2 (female)"), "{message}");
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
                format!("P{person},{},train,{person},{copy},{}\n", if is_case { "case" } else { "control" }, 50 + person % 7)
            };
            format!("sample_id,phenotype,split,IID,dx,age\n{}", (0..n).map(row).collect::<String>())
        };
        let message = read(&rows(20, 99)).unwrap_err().to_string();
        assert!(message.contains("column `dx` alone tells every case from every control"), "{message}");
        let cohort = read(&rows(20, 3)).unwrap();
        assert_eq!(cohort.covariate_names, ["dx", "age"], "one person who differs is enough, and IID is no covariate");
        assert_eq!(
            cohort.summary().to_string(),
            "train 10 cases, 10 controls; validation 0 cases, 0 controls; test 0 cases, 0 controls; covariates: dx, age\n"
        );
        assert!(read(&rows(18, 99)).is_ok(), "nine of each may be an accident");
    }

    #[test]
    fn a_person_is_found_by_sample_id() {
        let (_, cohort) = example();
        let id = cohort.people[7].sample_id.as_str();
        assert_eq!((cohort.index_of(id), cohort.indices()[id], cohort.index_of("nobody")), (Some(7), 7, None));
    }

    #[test]
    fn byte_order_mark_crlf_blank_lines_and_spaces_are_tolerated_and_lines_still_counted() {
        let text = "\u{feff}sample_id, phenotype ,split\r\nA,case,train\r\n\r\nB,control,test\r\nC,sick,test\r\n";
        assert!(message(text).starts_with("cohort.csv: line 5, column `phenotype`: `sick` is not a phenotype"), "{}", message(text));
        let cohort = read(&text.replace("sick", "")).unwrap();
        assert_eq!(cohort.people.iter().map(|person| person.sample_id.as_str()).collect::<Vec<_>>(), ["A", "B", "C"]);
        assert_eq!(cohort.covariate_names, [""; 0]);
    }

    #[test]
    fn a_missing_column_lists_those_found_and_suggests_the_nearest() {
        assert_eq!(
            message("sample,phenotype,split\nA,case,train\n"),
            "cohort.csv: no column `sample_id`: the first line has sample, phenotype, split (expected names separated by commas); \
             is `sample` meant?"
        );
        let tabs = message("sample\tphenotype\tsplit\nA\tcase\ttrain\n");
        assert!(tabs.contains("the first line has sample, phenotype, split"), "{tabs}");
    }

    #[test]
    fn bad_cells_are_named_with_line_and_column() {
        for (text, expected) in [
            ("sample_id,phenotype,split\n,case,train\n", "line 2, column `sample_id`: is empty"),
            ("sample_id,phenotype,split\nA,case,val\n", "line 2, column `split`: `val` is not a split"),
            ("sample_id,phenotype,split\nA,2,test\n", "line 2, column `phenotype`: `2` looks like PLINK's coding"),
            ("sample_id,phenotype,split\nA,1,test\nB,case,test\n", "line 3, column `phenotype`: `case` mixes"),
            ("sample_id,phenotype,split,age\nA,1,test,\n", "line 2, column `age`: is empty; if this column is not meant as a covariate"),
            ("sample_id,phenotype,split,age\nA,1,test,NaN\n", "line 2, column `age`: `NaN` is not a finite number"),
            ("sample_id,phenotype,split,site\nA,1,test,Lyon\n", "name those that are with --covariates"),
            ("sample_id,phenotype,split\nA,1,test\nB,1\n", "line 3: 2 cells where the header has 3"),
            ("sample_id,phenotype,split,split\nA,1,test,test\n", "column `split` is there twice"),
            ("sample_id,phenotype,split\n", "no rows"),
        ] {
            assert!(message(text).contains(expected), "{text:?} gave {}", message(text));
        }
    }

    #[test]
    fn a_person_listed_twice_is_refused_and_told_whether_the_split_differs() {
        let text = "sample_id,phenotype,split\nA,1,train\nB,1,train\nA,1,test\n";
        assert!(message(text).ends_with("person A is in two splits (train at line 2, test at line 4)"), "{}", message(text));
        let text = text.replace("test", "train");
        assert!(message(&text).contains("person A is there twice (lines 2 and 4)"));
    }

    #[test]
    fn a_family_in_two_splits_is_refused() {
        let text = "sample_id,phenotype,split,family_id\nA,1,train,F1\nB,1,train,\nC,0,train,F1\nD,0,test,\nE,1,test,F1\n";
        assert!(message(text).contains("line 6, column `family_id`: family F1 is in two splits (train at line 2, test at line 6)"));
    }

    #[test]
    fn covariates_can_be_named_and_sex_may_be_a_word() {
        let text = "sample_id,phenotype,split,site,sex,age\nA,1,train,Lyon,Female,70\nB,0,test,Oslo,M,65.5\n";
        let named = |names: &[&str]| CovariateChoice::Named(names.iter().map(|&name| name.to_owned()).collect());
        let cohort = read_with(text, PhenotypeCoding::Auto, &named(&["age", "sex"])).unwrap();
        assert_eq!((&cohort.people[0].covariates[..], &cohort.people[1].covariates[..]), (&[70.0, 0.0][..], &[65.5, 1.0][..]));
        for (names, expected) in
            [(&["agee"][..], "is `age` meant?"), (&["age", "age"], "named twice"), (&["split"], "cannot be a covariate")]
        {
            let error = read_with(text, PhenotypeCoding::Auto, &named(names)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn one_class_is_refused_with_the_counts() {
        let cohort =
            read_with("sample_id,phenotype,split\nA,2,test\nB,2,test\nC,-9,test\n", PhenotypeCoding::Plink12, &CovariateChoice::All)
                .unwrap();
        assert_eq!(
            cohort.require_both_classes(Split::Test, Path::new("c.csv")).unwrap_err().to_string(),
            "c.csv: split test has 2 cases, 0 controls and 1 person of unknown phenotype; it needs at least one case and one control"
        );
        assert!(cohort.require_both_classes(Split::Train, Path::new("c.csv")).is_err());
    }
}
