//! A table as aligned text, with two spaces between columns.

/// A table as text: the first column aligned left, the others right. Each row is one line that ends
/// with a line break. Rows may have different lengths.
#[must_use]
pub fn aligned(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns)
        .map(|column| width_of_column(rows, column))
        .collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// Most characters of a cell of a column.
fn width_of_column(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter()
        .filter_map(|row| row.get(column))
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or(0)
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells: String = row
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, &width))| padded(column, cell, width))
        .collect();
    format!("{}\n", cells.trim_end())
}

/// A cell, after two spaces unless it is the first one.
fn padded(column: usize, cell: &str, width: usize) -> String {
    if column == 0 {
        format!("{cell:width$}")
    } else {
        format!("  {cell:>width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_left_and_numbers_right() {
        let rows = [
            vec!["model", "parameters"],
            vec!["linformer", "27"],
            vec!["x"],
        ]
        .map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(
            aligned(&rows),
            "model      parameters\nlinformer          27\nx\n"
        );
        assert_eq!(aligned(&[]), "");
    }
}
