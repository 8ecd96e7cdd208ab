//! A table as text: the first column to the left, the others to the right, two spaces between them.

/// One line a row, each ended by a line break; rows may be of different length.
#[must_use]
pub fn aligned(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    0 => format!("{cell:width$}"),
                    _ => format!("  {cell:>width$}"),
                });
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_left_and_numbers_right() {
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
