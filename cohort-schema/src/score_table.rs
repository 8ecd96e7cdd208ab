//! One score per sample from a table, as an offset of a model: `FILE:COLUMN`.
//!
//! - A wide table has the column `sample_id` and one column per score.
//! - A long table has the column `sample_id` and one row per score. The score is named by `model`
//!   with the value in `logit`, like `predictions.csv`, or by `accession` with the value in `sum`,
//!   like `raw_scores.csv`.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{Cohort, Error, ScoreRow, read_scores, table::CsvTable};

/// One score of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScoreColumn {
    /// The table.
    pub path: PathBuf,
    /// Its column, or the model or accession of its rows.
    pub column: String,
}

/// A text that does not name a table and its score.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form FILE:COLUMN, such as scores.csv:PGS004146")]
pub struct UnknownScoreColumn(String);

/// Why a score of a table cannot be an offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreTableProblem {
    /// A sample is listed twice.
    #[error("sample `{sample}` has two values of {column}; keep one of them")]
    TwoValues {
        /// The sample.
        sample: String,
        /// The score.
        column: String,
    },
    /// A covariate has the name of the score.
    #[error("`{column}` is already a covariate of the cohort; rename one of them")]
    IsCovariate {
        /// The score.
        column: String,
    },
    /// A sample of the cohort is missing.
    #[error(
        "sample `{sample}` of the cohort has no value of {column}; add the value, or leave the \
         sample out"
    )]
    NoValue {
        /// The sample.
        sample: String,
        /// The score.
        column: String,
    },
    /// Neither a column nor a row has the name of the score.
    #[error(
        "no score `{column}`. The columns are {}, and no row has this `model` or `accession`. \
         Check the name after the colon of FILE:COLUMN",
        found.join(", ")
    )]
    NoScore {
        /// The score.
        column: String,
        /// Names in the header.
        found: Vec<String>,
    },
}

impl FromStr for ScoreColumn {
    type Err = UnknownScoreColumn;

    fn from_str(text: &str) -> Result<Self, UnknownScoreColumn> {
        match text.rsplit_once(':') {
            Some((path, column)) if !path.is_empty() && !column.is_empty() => Ok(Self {
                path: path.into(),
                column: column.into(),
            }),
            _ => Err(UnknownScoreColumn(text.to_owned())),
        }
    }
}

impl fmt::Display for ScoreColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.column)
    }
}

impl TryFrom<String> for ScoreColumn {
    type Error = UnknownScoreColumn;

    fn try_from(text: String) -> Result<Self, UnknownScoreColumn> {
        text.parse()
    }
}

impl From<ScoreColumn> for String {
    fn from(score: ScoreColumn) -> Self {
        score.to_string()
    }
}

/// Columns of long tables: the name of a score, and its value.
const LONG_COLUMNS: [(&str, &str); 2] = [("model", "logit"), ("accession", "sum")];

impl ScoreColumn {
    /// The score of each sample in the table.
    ///
    /// # Errors
    /// A table that cannot be read, has no such score, a value that is not a finite number, or a
    /// sample twice.
    pub fn read(&self) -> Result<HashMap<String, f64>, Error> {
        let Self { path, column } = self;
        let table = CsvTable::open(path)?;
        let sample = table.column("sample_id")?;
        let ValueColumn { name, value } =
            ValueColumn::find(&table, column).ok_or_else(|| no_score(path, column, &table))?;
        let mut scores = HashMap::new();
        table.each(|row| {
            if name.is_some_and(|name| row.cell(name) != column) {
                return Ok(());
            }
            let sample_id = row.identifier(sample)?;
            let earlier = scores.insert(sample_id.to_owned(), row.finite(value)?);
            if earlier.is_some() {
                let problem = ScoreTableProblem::TwoValues {
                    sample: sample_id.to_owned(),
                    column: column.clone(),
                };
                return Err(row.error(sample, problem));
            }
            Ok(())
        })?;
        if scores.is_empty() {
            Err(no_score(path, column, &table))
        } else {
            Ok(scores)
        }
    }

    /// The study that made the weights, as cited in the `scores.csv` next to the table.
    ///
    /// `None` without such a table, or without a citation in it.
    ///
    /// # Errors
    /// A `scores.csv` that cannot be read.
    pub fn study(&self) -> Result<Option<String>, Error> {
        let table = self.path.with_file_name(crate::SCORES_FILE);
        if table == self.path || !table.exists() {
            return Ok(None);
        }
        let score: Option<ScoreRow> = read_scores(&table)?
            .into_iter()
            .find(|row| row.accession == self.column || row.model == self.column);
        Ok(score.and_then(|row| row.study))
    }

    /// Adds the score to a cohort as its last covariate, with the name of the column.
    ///
    /// # Errors
    /// See [`Self::read`]; a sample of the cohort without a score; a covariate with the same name.
    pub fn join(&self, cohort: &mut Cohort) -> Result<(), Error> {
        let Self { path, column } = self;
        if cohort.covariate_names.contains(column) {
            let column = column.clone();
            return Err(Error::file(path, ScoreTableProblem::IsCovariate { column }));
        }
        let scores = self.read()?;
        for person in &mut cohort.people {
            let score = scores.get(&person.sample_id).ok_or_else(|| {
                let problem = ScoreTableProblem::NoValue {
                    sample: person.sample_id.clone(),
                    column: column.clone(),
                };
                Error::file(path, problem)
            })?;
            person.covariates.push(*score);
        }
        cohort.covariate_names.push(column.clone());
        Ok(())
    }
}

/// The columns of a score.
struct ValueColumn {
    /// Names the score of a row in a long table; `None` for a wide table.
    name: Option<usize>,
    value: usize,
}

impl ValueColumn {
    fn find(table: &CsvTable<'_>, column: &str) -> Option<Self> {
        if let Some(value) = table.optional_column(column) {
            return Some(Self { name: None, value });
        }
        LONG_COLUMNS.iter().find_map(|(name, value)| {
            Some(Self {
                name: Some(table.optional_column(name)?),
                value: table.optional_column(value)?,
            })
        })
    }
}

/// The error of a table without the score.
fn no_score(path: &Path, column: &str, table: &CsvTable<'_>) -> Error {
    let problem = ScoreTableProblem::NoScore {
        column: column.to_owned(),
        found: table.header().map(str::to_owned).collect(),
    };
    Error::file(path, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Person, Split};
    use std::fs;

    fn cohort(samples: &[&str]) -> Cohort {
        Cohort {
            people: samples.iter().map(|sample_id| person(sample_id)).collect(),
            covariate_names: vec!["age".into()],
            ..Cohort::default()
        }
    }

    fn person(sample_id: &str) -> Person {
        Person {
            sample_id: sample_id.to_owned(),
            phenotype: None,
            split: Split::Train,
            family_id: None,
            covariates: vec![60.0],
        }
    }

    fn joined(table: &str, column: &str, samples: &[&str]) -> Result<Vec<f64>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        fs::write(&path, table).unwrap();
        let score: ScoreColumn = format!("{}:{column}", path.display()).parse().unwrap();
        let mut cohort = cohort(samples);
        score.join(&mut cohort).map_err(|error| error.to_string())?;
        assert_eq!(cohort.covariate_names, ["age", column]);
        Ok(cohort
            .people
            .iter()
            .map(|person| person.covariates[1])
            .collect())
    }

    #[test]
    fn wide_and_long_tables_are_joined_by_sample() {
        assert_eq!(
            joined("sample_id,PGS1,PGS2\nb,2,9\na,1,8\n", "PGS2", &["a", "b"]).unwrap(),
            [8.0, 9.0]
        );
        let predictions = "sample_id,model,split,fold,phenotype,logit,probability\na,prs-x,test,,,\
                           0.5,0.6\na,y,test,,,9,1\nb,prs-x,test,,,-0.5,0.4\n";
        assert_eq!(
            joined(predictions, "prs-x", &["a", "b"]).unwrap(),
            [0.5, -0.5]
        );
        assert_eq!(
            joined("sample_id,accession,sum\na,PGS1,3\n", "PGS1", &["a"]).unwrap(),
            [3.0]
        );
    }

    #[test]
    fn what_is_missing_or_double_is_named() {
        for (table, samples, expected) in [
            (
                "sample_id,PGS1\na,1\n",
                &["a", "b"][..],
                "sample `b` of the cohort has no value of PGS1",
            ),
            ("sample_id,PGS1\na,1\na,2\n", &["a"], "line 3"),
            (
                "sample_id,PGS2\na,1\n",
                &["a"],
                "no score `PGS1`. The columns are sample_id, PGS2,",
            ),
            (
                "sample_id,PGS1\na,x\n",
                &["a"],
                "`x` is not a finite number",
            ),
        ] {
            let message = joined(table, "PGS1", samples).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(
            joined("sample_id,age\na,1\n", "age", &["a"])
                .unwrap_err()
                .contains("is already a covariate of the cohort")
        );
        assert!(
            "scores.csv"
                .parse::<ScoreColumn>()
                .unwrap_err()
                .to_string()
                .contains("FILE:COLUMN")
        );
    }
}
