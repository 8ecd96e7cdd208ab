//! Cells of scoring files as text: what is missing, true, a number, a position, an allele.
//!
//! Input -> output: one cell -> its value, or a message that names the cell. Positions are 1-based.

/// Whether a cell says that there is no value.
#[must_use]
pub fn is_missing(cell: &str) -> bool {
    const MISSING: [&str; 10] = [
        "", "NA", "NaN", "NR", ".", "null", "none", "N/A", "#NA", "<NA>",
    ];
    MISSING
        .iter()
        .any(|missing| missing.eq_ignore_ascii_case(cell))
}

/// A flag in any common spelling; a missing one is false.
///
/// # Errors
/// Another text.
pub fn flag(cell: &str, column: &str) -> Result<bool, String> {
    const TRUE: [&str; 6] = ["true", "t", "yes", "y", "1", "1.0"];
    const FALSE: [&str; 6] = ["false", "f", "no", "n", "0", "0.0"];
    let is_one_of =
        |spellings: &[&str]| spellings.iter().any(|text| text.eq_ignore_ascii_case(cell));
    match (is_one_of(&TRUE), is_one_of(&FALSE) || is_missing(cell)) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(format!(
            "{column} `{cell}` is neither true nor false; write True or False"
        )),
    }
}

/// A finite number.
///
/// # Errors
/// Another text.
pub fn number(cell: &str, column: &str) -> Result<f64, String> {
    let number: Option<f64> = cell.parse().ok();
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("{column} `{cell}` is not a finite number"))
}

/// A position: `100000`, and what data frames and spreadsheets make of it (`100000.0`, `1e+05`,
/// `100,000`). `None` where it is missing, or 0 as PLINK writes a variant without a place.
///
/// # Errors
/// What is no whole number, or may have lost digits.
pub fn position(cell: &str) -> Result<Option<usize>, String> {
    let cell = cell.trim();
    if is_missing(cell) {
        return Ok(None);
    }
    if let Some(number) = digits(cell) {
        return Ok(Some(number).filter(|number| *number > 0));
    }
    let read = without_thousands(cell)
        .or_else(|| without_fraction(cell))
        .or_else(|| without_exponent(cell));
    if let Some(number) = read {
        return Ok(Some(number).filter(|number| *number > 0));
    }
    let advice = if cell.contains(['e', 'E']) {
        "; a spreadsheet may have rounded it: write whole numbers without an exponent"
    } else {
        "; write whole numbers without separators"
    };
    Err(format!(
        "position `{cell}` is not a number from 1 on{advice}"
    ))
}

fn digits(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// `1,234,567`
fn without_thousands(text: &str) -> Option<usize> {
    let mut groups = text.split(',');
    let first = groups
        .next()
        .filter(|first| (1..=3).contains(&first.len()))?;
    let rest: Vec<&str> = groups.collect();
    let is_grouped = !rest.is_empty() && rest.iter().all(|group| group.len() == 3);
    if is_grouped {
        digits(&[&[first], rest.as_slice()].concat().concat())
    } else {
        None
    }
}

/// `100000.0`. Three zeros may be thousands where a full stop separates them.
fn without_fraction(text: &str) -> Option<usize> {
    let (whole, zeros) = text.split_once('.')?;
    let is_whole = zeros.bytes().all(|zero| zero == b'0') && zeros.len() != 3;
    if is_whole { digits(whole) } else { None }
}

/// `1e+05` and `1.2e+07`, as R and pandas write round numbers. Spreadsheets write `1.20E+07`, for
/// numbers that are not round too.
fn without_exponent(text: &str) -> Option<usize> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let exponent: u32 = exponent
        .strip_prefix('+')
        .unwrap_or(exponent)
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
            assert_eq!(position(cell), Ok(Some(100_000)), "{cell}");
        }
        assert_eq!(position("1.25e+07"), Ok(Some(12_500_000)));
        assert_eq!(position("1,234,567"), Ok(Some(1_234_567)));
        for cell in ["", "NA", ".", "nan", "0", "0.0"] {
            assert_eq!(position(cell), Ok(None), "{cell}");
        }
        for cell in [
            "1.23E+08", "100.000", "1.5", "1e-5", "5k", "-5", "1,23", "12,3456", "1e99", "1.23e1",
        ] {
            assert!(
                position(cell)
                    .unwrap_err()
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
                    .starts_with(&format!("is_x `{cell}`")),
                "{cell}"
            );
        }
    }
}
