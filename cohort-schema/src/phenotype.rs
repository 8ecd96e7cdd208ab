//! Case or control, and the notations of a phenotype column.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    MissingValues,
    missing::{is_minus_nine, is_missing, number},
};

/// Phenotype of a sample: case or control. An unknown phenotype is an empty cell.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Phenotype {
    /// Without the disease.
    Control,
    /// With the disease.
    Case,
}

impl Phenotype {
    /// `true` for a case.
    #[must_use]
    pub fn is_case(self) -> bool {
        self == Self::Case
    }
}

impl fmt::Display for Phenotype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(if self.is_case() { "case" } else { "control" })
    }
}

/// Notation of the phenotype column. Words for a case ([`CASE_WORDS`]) or a control
/// ([`CONTROL_WORDS`]) are read in both codings. A missing value and `-9` are an unknown phenotype
/// in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhenotypeCoding {
    /// Words or `0`/`1`, but only one of these in a file.
    #[default]
    Auto,
    /// Words or PLINK's `1` = control, `2` = case, `0` = unknown, but only one of these in a file.
    Plink12,
}

/// Words for a case, in lower case.
pub const CASE_WORDS: [&str; 7] = ["case", "cases", "affected", "patient", "yes", "true", "y"];
/// Words for a control, in lower case.
pub const CONTROL_WORDS: [&str; 8] = [
    "control",
    "controls",
    "unaffected",
    "healthy",
    "no",
    "false",
    "n",
    "ctrl",
];

/// The two notations; a column uses only one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Words,
    Digits,
}

/// Why a cell is not a phenotype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhenotypeProblem {
    /// A column with `case` and `1`, for example.
    #[error("`{cell}` mixes words with numbers in one column; use only one of them")]
    Mixed {
        /// The first cell in another notation than the cells before.
        cell: String,
    },
    /// Not one of PLINK's codes.
    #[error(
        "`{cell}` is not in PLINK's coding; write 1 (control), 2 (case), or 0, -9 or an empty cell \
         (unknown)"
    )]
    NotPlink {
        /// The cell.
        cell: String,
    },
    /// One of PLINK's codes where 0 and 1 are expected.
    #[error(
        "`2` looks like PLINK's coding (1 = control, 2 = case). If it is, choose the phenotype \
         coding plink12. Otherwise, write case or control"
    )]
    LooksLikePlink,
    /// Another text or number.
    #[error(
        "`{cell}` is not a phenotype; write case or control, 1 or 0, or leave the cell empty \
         (unknown)"
    )]
    Unknown {
        /// The cell.
        cell: String,
    },
}

/// Reads the cells of one phenotype column, one after the other.
#[derive(Debug, Default)]
pub(crate) struct PhenotypeReader<'m> {
    coding: PhenotypeCoding,
    stated: Option<&'m MissingValues>,
    notation: Option<Notation>,
}

impl<'m> PhenotypeReader<'m> {
    pub(crate) fn new(coding: PhenotypeCoding, stated: Option<&'m MissingValues>) -> Self {
        Self {
            coding,
            stated,
            notation: None,
        }
    }

    /// The phenotype of one cell, or the reason why the cell cannot be read.
    pub(crate) fn read(&mut self, cell: &str) -> Result<Option<Phenotype>, PhenotypeProblem> {
        let is_stated = self.stated.is_some_and(|stated| stated.has(cell));
        if is_missing(cell) || is_minus_nine(cell) || is_stated {
            return Ok(None);
        }
        // Tables whose column once had missing values write 1.0 for 1.
        let whole = number(cell).filter(|value| [0.0, 1.0, 2.0].contains(value));
        let cell = whole.map_or(cell, |value| ["0", "1", "2"][value as usize]);
        let word = cell.to_ascii_lowercase();
        let (phenotype, notation) = if CASE_WORDS.contains(&word.as_str()) {
            (Some(Phenotype::Case), Notation::Words)
        } else if CONTROL_WORDS.contains(&word.as_str()) {
            (Some(Phenotype::Control), Notation::Words)
        } else {
            (self.coding.of_digit(cell)?, Notation::Digits)
        };
        if *self.notation.get_or_insert(notation) == notation {
            Ok(phenotype)
        } else {
            Err(PhenotypeProblem::Mixed { cell: cell.into() })
        }
    }
}

impl PhenotypeCoding {
    /// The phenotype of a cell that is not a word.
    fn of_digit(self, cell: &str) -> Result<Option<Phenotype>, PhenotypeProblem> {
        match (self, cell) {
            (Self::Plink12, "1") | (Self::Auto, "0") => Ok(Some(Phenotype::Control)),
            (Self::Plink12, "2") | (Self::Auto, "1") => Ok(Some(Phenotype::Case)),
            (Self::Plink12, "0") => Ok(None),
            (Self::Plink12, _) => Err(PhenotypeProblem::NotPlink { cell: cell.into() }),
            (Self::Auto, "2") => Err(PhenotypeProblem::LooksLikePlink),
            (Self::Auto, _) => Err(PhenotypeProblem::Unknown { cell: cell.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        coding: PhenotypeCoding,
        cells: &[&str],
    ) -> Result<Vec<Option<Phenotype>>, PhenotypeProblem> {
        let mut reader = PhenotypeReader::new(coding, None);
        cells.iter().map(|cell| reader.read(cell)).collect()
    }

    const CONTROL: Option<Phenotype> = Some(Phenotype::Control);
    const CASE: Option<Phenotype> = Some(Phenotype::Case);

    #[test]
    fn words_and_digits_are_read_and_empty_is_unknown() {
        assert_eq!(
            read(PhenotypeCoding::Auto, &["TRUE", "false", "Yes", "no"]),
            Ok(vec![CASE, CONTROL, CASE, CONTROL])
        );
        assert_eq!(
            read(PhenotypeCoding::Plink12, &["case", "control", "NA"]),
            Ok(vec![CASE, CONTROL, None]),
            "a table in words next to one in PLINK's coding"
        );
        assert_eq!(
            read(PhenotypeCoding::Auto, &["case", "", "Control"]),
            Ok(vec![CASE, None, CONTROL])
        );
        assert_eq!(
            read(PhenotypeCoding::Auto, &["1", "", "0"]),
            Ok(vec![CASE, None, CONTROL])
        );
    }

    #[test]
    fn words_and_digits_in_one_file_are_refused() {
        assert!(
            read(PhenotypeCoding::Auto, &["case", "0"])
                .unwrap_err()
                .to_string()
                .contains("mixes")
        );
        assert!(
            read(PhenotypeCoding::Plink12, &["2", "control"])
                .unwrap_err()
                .to_string()
                .contains("mixes")
        );
    }

    #[test]
    fn plink_codes_are_read_only_when_asked_for() {
        assert_eq!(
            read(PhenotypeCoding::Plink12, &["1", "2", "0", "-9", ""]),
            Ok(vec![CONTROL, CASE, None, None, None])
        );
        assert!(read(PhenotypeCoding::Plink12, &["AD"]).is_err());
        assert!(
            read(PhenotypeCoding::Auto, &["1", "2"])
                .unwrap_err()
                .to_string()
                .contains("plink12")
        );
    }

    #[test]
    fn missing_values_and_minus_nine_are_unknown_in_every_coding_and_decimals_are_digits() {
        let missing = ["NA", "NaN", ".", "-9", "-9.0", "n/a"];
        for coding in [PhenotypeCoding::Auto, PhenotypeCoding::Plink12] {
            assert_eq!(read(coding, &missing), Ok(vec![None; missing.len()]));
        }
        assert_eq!(
            read(PhenotypeCoding::Auto, &["1.0", "0.0", "NA"]),
            Ok(vec![CASE, CONTROL, None])
        );
        assert_eq!(
            read(PhenotypeCoding::Plink12, &["1.0", "2.0", "0.0"]),
            Ok(vec![CONTROL, CASE, None])
        );
        assert!(
            read(PhenotypeCoding::Auto, &["2.0"])
                .unwrap_err()
                .to_string()
                .contains("plink12")
        );
    }
}
