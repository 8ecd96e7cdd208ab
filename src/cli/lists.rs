//! Lists of files on the command line, separated by spaces, commas or both.

use std::path::PathBuf;

/// Splits every value of a list of files at its commas.
///
/// A value that is the name of an existing file is not split.
pub fn paths(values: Vec<PathBuf>) -> Vec<PathBuf> {
    values.into_iter().flat_map(split_at_commas).collect()
}

fn split_at_commas(value: PathBuf) -> Vec<PathBuf> {
    match value.to_str() {
        Some(text) if text.contains(',') && !value.exists() => text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            .collect(),
        _ => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_between_files_unless_a_file_has_them_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let name_with_comma = folder.path().join("a,b.vcf");
        std::fs::write(&name_with_comma, "x").unwrap();
        let expected: Vec<PathBuf> = vec![
            "x.vcf".into(),
            "y.vcf".into(),
            name_with_comma.clone(),
            "z.vcf".into(),
        ];
        let values = vec!["x.vcf,y.vcf".into(), name_with_comma, "z.vcf,".into()];
        assert_eq!(paths(values), expected);
    }
}
