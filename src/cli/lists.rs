//! Lists on the command line: several values, commas between them, or both.

use std::path::PathBuf;

/// Files of a list. A name with commas is one file where there is such a file, else one for each
/// part.
pub fn paths(values: Vec<PathBuf>) -> Vec<PathBuf> {
    let parts = |value: PathBuf| -> Vec<PathBuf> {
        match value.to_str() {
            Some(text) if text.contains(',') && !value.exists() => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(PathBuf::from)
                .collect(),
            _ => vec![value],
        }
    };
    values.into_iter().flat_map(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_between_files_unless_a_file_has_them_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a,b.vcf");
        std::fs::write(&odd, "x").unwrap();
        let expected: Vec<PathBuf> =
            vec!["x.vcf".into(), "y.vcf".into(), odd.clone(), "z.vcf".into()];
        assert_eq!(
            paths(vec!["x.vcf,y.vcf".into(), odd, "z.vcf,".into()]),
            expected
        );
    }
}
