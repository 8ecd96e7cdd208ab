//! Tables of the page, and numbers as text.

use std::fmt::Display;

/// A table of text.
pub struct Table {
    /// What the table is about, above it.
    pub caption: String,
    /// Names of the columns.
    pub header: Vec<&'static str>,
    /// Rows with as many cells as the header.
    pub rows: Vec<Row>,
    /// A click on a header sorts by it, and a button copies the table.
    pub is_sortable: bool,
    /// Cells wrap.
    pub is_text: bool,
}

/// A row of a table.
pub struct Row {
    /// Class of the row in the style sheet; may be empty.
    pub class: &'static str,
    /// Cells from left to right.
    pub cells: Vec<Cell>,
}

/// A cell of a table.
#[derive(Clone, Default)]
pub struct Cell {
    /// Text; empty where there is no value.
    pub text: String,
    /// Value to sort by; the text where it is `None`.
    pub sort: Option<f64>,
    /// Mark behind the text, such as `reference`; may be empty.
    pub badge: &'static str,
}

impl Cell {
    /// A cell that is sorted by its text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// A cell that is sorted by a number.
    pub fn sorted(text: String, value: Option<f64>) -> Self {
        Self {
            text,
            sort: value,
            badge: "",
        }
    }

    /// A number.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        Self::sorted(number(value, decimals), value)
    }

    /// A count.
    pub fn count(n: usize) -> Self {
        Self::sorted(count(n), Some(n as f64))
    }
}

impl Row {
    /// A row without a class.
    pub fn plain(cells: Vec<Cell>) -> Self {
        Self { class: "", cells }
    }
}

impl Table {
    /// A table whose cells do not wrap.
    pub fn new(caption: impl Into<String>, header: Vec<&'static str>, rows: Vec<Row>) -> Self {
        Self {
            caption: caption.into(),
            header,
            rows,
            is_sortable: false,
            is_text: false,
        }
    }

    /// The same table, sortable.
    pub fn sortable(self) -> Self {
        Self {
            is_sortable: true,
            ..self
        }
    }

    /// The same table with cells that wrap.
    pub fn wrapping(self) -> Self {
        Self {
            is_text: true,
            ..self
        }
    }

    /// The same table without the columns that have no value in any row.
    pub fn without_empty_columns(self) -> Self {
        let has_value: Vec<bool> = (0..self.header.len())
            .map(|column| {
                self.rows
                    .iter()
                    .any(|row| !row.cells[column].text.is_empty())
            })
            .collect();
        let rows = self.rows.into_iter().map(|row| Row {
            class: row.class,
            cells: selected(row.cells, &has_value),
        });
        Self {
            rows: rows.collect(),
            header: selected(self.header, &has_value),
            ..self
        }
    }
}

fn selected<T>(items: Vec<T>, is_selected: &[bool]) -> Vec<T> {
    items
        .into_iter()
        .zip(is_selected)
        .filter_map(|(item, selected)| selected.then_some(item))
        .collect()
}

/// A number; empty where it is undefined.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.decimals$}"))
}

/// `0.712 (0.690 to 0.734)`, without the interval where it is undefined.
pub fn interval(
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    decimals: usize,
) -> String {
    match (value, low.zip(high)) {
        (Some(value), Some((low, high))) => {
            format!("{value:.decimals$} ({low:.decimals$} to {high:.decimals$})")
        }
        _ => number(value, decimals),
    }
}

/// `+0.053 (+0.007 to +0.098)`, without the interval where it is undefined.
pub fn signed_interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (value, low.zip(high)) {
        (Some(value), Some((low, high))) => format!("{value:+.3} ({low:+.3} to {high:+.3})"),
        (Some(value), None) => format!("{value:+.3}"),
        (None, _) => String::new(),
    }
}

/// Four significant digits.
pub fn significant(value: f64) -> String {
    format!("{value:.3e}")
        .parse::<f64>()
        .map_or_else(|_| String::new(), |value| value.to_string())
}

/// `1 204 cases, 1 control`.
pub fn classes(n_cases: usize, n_controls: usize) -> String {
    format!(
        "{}, {}",
        grouped(n_cases, "case", "cases"),
        grouped(n_controls, "control", "controls")
    )
}

/// A number with its noun and a thin space between thousands.
pub fn grouped<N>(n: N, singular: &str, plural: &str) -> String
where
    N: Display + PartialEq + From<u8> + Copy,
{
    let noun = if n == N::from(1) { singular } else { plural };
    format!("{} {noun}", count(n))
}

/// A number with a thin space between thousands.
pub fn count(number: impl Display + Copy) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// `<5` for 1 to 4 samples, because the report has no individual-level data.
pub fn masked(n: usize) -> String {
    if (1..5).contains(&n) {
        "<5".to_owned()
    } else {
        count(n)
    }
}
