//! Selection of samples: all, those of a list, or all except those.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Error, VariantFile};

/// Why a selection of samples cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplesProblem {
    /// An excluded sample that does not exist.
    #[error(
        "no sample `{sample}`, although the list after `^` excludes it; remove it from the list"
    )]
    UnknownExcluded {
        /// The sample.
        sample: String,
    },
    /// A selected sample that does not exist.
    #[error("no sample `{sample}`, although --samples or --samples-file lists it")]
    UnknownSelected {
        /// The sample.
        sample: String,
    },
    /// All samples are excluded.
    #[error("no sample is left after the selection; check the lists of samples")]
    NoneLeft,
}

/// A selection of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// All samples of the files.
    #[default]
    All,
    /// These samples, in this order.
    Only(Vec<String>),
    /// All samples except these.
    Except(Vec<String>),
}

impl Samples {
    /// The selected samples of a file. [`Self::Only`] does not check that the file has them.
    ///
    /// # Errors
    /// An excluded sample that the file does not have, or a selection without samples.
    pub fn select(&self, file: &VariantFile) -> Result<Vec<String>, Error> {
        self.among(file.samples())
            .map_err(|problem| Error::file(file.path(), problem))
    }

    /// Like [`Self::select`], for any list of samples.
    ///
    /// # Errors
    /// The errors of [`Self::select`], without the path.
    pub fn among(&self, all: &[String]) -> Result<Vec<String>, SamplesProblem> {
        let chosen = match self {
            Self::All => all.to_vec(),
            Self::Only(chosen) => chosen.clone(),
            Self::Except(others) => {
                let known: HashSet<&str> = all.iter().map(String::as_str).collect();
                if let Some(unknown) = others.iter().find(|other| !known.contains(other.as_str())) {
                    return Err(SamplesProblem::UnknownExcluded {
                        sample: unknown.clone(),
                    });
                }
                let others: HashSet<&str> = others.iter().map(String::as_str).collect();
                all.iter()
                    .filter(|sample| !others.contains(sample.as_str()))
                    .cloned()
                    .collect()
            }
        };
        if chosen.is_empty() {
            Err(SamplesProblem::NoneLeft)
        } else {
            Ok(chosen)
        }
    }

    /// Keeps the selected rows of a table, in its order; `sample_of` returns the sample of a row.
    ///
    /// # Errors
    /// A sample of the list that the table does not have, or a selection without samples.
    pub fn retain<T>(
        &self,
        rows: &mut Vec<T>,
        sample_of: impl Fn(&T) -> &str,
    ) -> Result<(), SamplesProblem> {
        if *self == Self::All {
            return Ok(());
        }
        let all: Vec<String> = rows.iter().map(|row| sample_of(row).to_owned()).collect();
        let known: HashSet<&str> = all.iter().map(String::as_str).collect();
        let chosen = self.among(&all)?;
        if let Some(unknown) = chosen
            .iter()
            .find(|sample| !known.contains(sample.as_str()))
        {
            return Err(SamplesProblem::UnknownSelected {
                sample: unknown.clone(),
            });
        }
        let chosen: HashSet<&str> = chosen.iter().map(String::as_str).collect();
        rows.retain(|row| chosen.contains(sample_of(row)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_table_are_kept_in_its_order() {
        assert_eq!(kept(&Samples::All).as_deref(), Ok("ABC"));
        assert_eq!(kept(&Samples::Only(list(&["C", "A"]))).as_deref(), Ok("AC"));
        assert_eq!(kept(&Samples::Except(list(&["B"]))).as_deref(), Ok("AC"));
        assert!(
            kept(&Samples::Only(list(&["X"])))
                .unwrap_err()
                .to_string()
                .contains("no sample `X`")
        );
        assert!(
            kept(&Samples::Except(list(&["X"])))
                .unwrap_err()
                .to_string()
                .contains("no sample `X`")
        );
        assert!(
            kept(&Samples::Except(list(&["A", "B", "C"])))
                .unwrap_err()
                .to_string()
                .contains("no sample is left")
        );
    }

    /// The rows of a table of A, B and C that are retained.
    fn kept(samples: &Samples) -> Result<String, SamplesProblem> {
        let mut rows = list(&["A", "B", "C"]);
        samples.retain(&mut rows, |row| row).map(|()| rows.concat())
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }
}
