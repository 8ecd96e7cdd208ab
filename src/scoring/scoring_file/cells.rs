//! Values of text cells in scoring files: missing values, flags, numbers, positions, alleles.
//!
//! Input: one cell. Output: its value, or a message that names the cell.

use gf_genotypes::Position1;

/// Why a cell is not a value of its column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellProblem {
    /// Neither true nor false.
    #[error("{column} `{cell}` is neither true nor false; write True or False")]
    NotFlag {
        /// The column.
        column: String,
        /// The cell.
        cell: String,
    },
    /// Text, or an infinite number.
    #[error("{column} `{cell}` is not a finite number")]
    NotNumber {
        /// The column.
        column: String,
        /// The cell.
        cell: String,
    },
    /// A frequency below 0 or above 1.
    #[error("{column} {cell} is not between 0 and 1")]
    NotFrequency {
        /// The column.
        column: String,
        /// The cell.
        cell: String,
    },
    /// An odds ratio without a logarithm.
    #[error("odds ratio {cell} is not above 0")]
    OddsRatio {
        /// The cell.
        cell: String,
    },
    /// A position with an exponent, which may have lost digits.
    #[error(
        "position `{cell}` is not a whole number of 1 or more; write whole numbers without an \
         exponent, because a spreadsheet may have rounded this one"
    )]
    RoundedPosition {
        /// The cell.
        cell: String,
    },
    /// Another text.
    #[error(
        "position `{cell}` is not a whole number of 1 or more; write whole numbers without \
         separators"
    )]
    NotPosition {
        /// The cell.
        cell: String,
    },
}

/// Whether a cell is empty or one of the usual codes for a missing value.
#[must_use]
pub fn is_missing(cell: &str) -> bool {
    const MISSING: [&str; 10] = [
        "", "NA", "NaN", "NR", ".", "null", "none", "N/A", "#NA", "<NA>",
    ];
    MISSING
        .iter()
        .any(|missing| missing.eq_ignore_ascii_case(cell))
}

/// A flag in any common spelling; a missing value is false.
///
/// # Errors
/// Any other text.
pub fn flag(cell: &str, column: &str) -> Result<bool, CellProblem> {
    const TRUE: [&str; 6] = ["true", "t", "yes", "y", "1", "1.0"];
    const FALSE: [&str; 6] = ["false", "f", "no", "n", "0", "0.0"];
    if TRUE.iter().any(|text| text.eq_ignore_ascii_case(cell)) {
        Ok(true)
    } else if FALSE.iter().any(|text| text.eq_ignore_ascii_case(cell)) || is_missing(cell) {
        Ok(false)
    } else {
        Err(CellProblem::NotFlag {
            column: column.to_owned(),
            cell: cell.to_owned(),
        })
    }
}

/// A finite number.
///
/// # Errors
/// Any other text.
pub fn number(cell: &str, column: &str) -> Result<f64, CellProblem> {
    let number: Option<f64> = cell.parse().ok();
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| CellProblem::NotNumber {
            column: column.to_owned(),
            cell: cell.to_owned(),
        })
}

/// A 1-based position: `100000`, or the forms that data frames and spreadsheets write (`100000.0`,
/// `1e+05`, `100,000`). `None` if it is missing, or 0, which PLINK writes for unplaced variants.
///
/// # Errors
/// A text that is not a whole number, or that may have lost digits.
pub fn position(cell: &str) -> Result<Option<Position1>, CellProblem> {
    let cell = cell.trim();
    if is_missing(cell) {
        return Ok(None);
    }
    if let Some(number) = digits(cell) {
        return Ok(Position1::new(number));
    }
    let rewritten = without_thousands(cell)
        .or_else(|| without_fraction(cell))
        .or_else(|| without_exponent(cell));
    if let Some(number) = rewritten {
        return Ok(Position1::new(number));
    }
    let has_exponent = cell.contains(['e', 'E']);
    let cell = cell.to_owned();
    Err(if has_exponent {
        CellProblem::RoundedPosition { cell }
    } else {
        CellProblem::NotPosition { cell }
    })
}

/// A number of decimal digits only; `parse` alone would accept a sign.
fn digits(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A number with commas between thousands: `1,234,567`.
fn without_thousands(text: &str) -> Option<usize> {
    let mut groups = text.split(',');
    let first = groups
        .next()
        .filter(|first| (1..=3).contains(&first.len()))?;
    let rest: Vec<&str> = groups.collect();
    let is_grouped = !rest.is_empty() && rest.iter().all(|group| group.len() == 3);
    if is_grouped {
        digits(&format!("{first}{}", rest.concat()))
    } else {
        None
    }
}

/// A whole number with a fraction of zeros: `100000.0`. Three zeros are refused, because in some
/// languages a full stop separates thousands.
fn without_fraction(text: &str) -> Option<usize> {
    let (whole, zeros) = text.split_once('.')?;
    let is_whole = zeros.bytes().all(|zero| zero == b'0') && zeros.len() != 3;
    if is_whole { digits(whole) } else { None }
}

/// A whole number with an exponent: `1e+05` and `1.2e+07`, as R and pandas write round numbers.
/// Spreadsheets write `1.20E+07` also for numbers that they rounded, so this form is refused.
fn without_exponent(text: &str) -> Option<usize> {
    let (mantissa, exponent_text) = text.split_once(['e', 'E'])?;
    let exponent: u32 = exponent_text
        .strip_prefix('+')
        .unwrap_or(exponent_text)
        .parse()
        .ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if exponent > 9 || (text.contains('E') && !fraction.is_empty()) {
        return None;
    }
    let n_zeros = (exponent as usize).checked_sub(fraction.len())?;
    digits(&format!("{whole}{fraction}{}", "0".repeat(n_zeros)))
}

/// Whether an allele is written in A, C, G, T.
#[must_use]
pub fn is_bases(allele: &str) -> bool {
    !allele.is_empty()
        && allele
            .bytes()
            .all(|base| matches!(base, b'A' | b'C' | b'G' | b'T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_r_pandas_and_spreadsheets_write_them() {
        for cell in [
            "100000",
            "100000.0",
            "100000.000000",
            "1e5",
            "1e+05",
            "1E5",
            "1E+05",
            "100,000",
            " 100000 ",
        ] {
            assert_eq!(position(cell), Ok(Position1::new(100_000)), "{cell}");
        }
        assert_eq!(position("1.25e+07"), Ok(Position1::new(12_500_000)));
        assert_eq!(position("1,234,567"), Ok(Position1::new(1_234_567)));
        for cell in ["", "NA", ".", "nan", "0", "0.0"] {
            assert_eq!(position(cell), Ok(None), "{cell}");
        }
        for cell in [
            "1.23E+08", "100.000", "1.5", "1e-5", "5k", "-5", "1,23", "12,3456", "1e99", "1.23e1",
        ] {
            assert!(
                position(cell)
                    .unwrap_err()
                    .to_string()
                    .contains(&format!("position `{cell}`")),
                "{cell}"
            );
        }
    }

    #[test]
    fn flags_are_true_or_false_in_any_spelling_or_refused() {
        for cell in ["True", "TRUE", "T", "yes", "Y", "1", "1.0"] {
            assert_eq!(flag(cell, "is_x"), Ok(true), "{cell}");
        }
        for cell in ["False", "f", "no", "0", "0.0", "", "NA", "."] {
            assert_eq!(flag(cell, "is_x"), Ok(false), "{cell}");
        }
        for cell in ["2", "maybe", "-1"] {
            assert!(
                flag(cell, "is_x")
                    .unwrap_err()
                    .to_string()
                    .starts_with(&format!("is_x `{cell}`")),
                "{cell}"
            );
        }
    }
}
