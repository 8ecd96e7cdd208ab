//! `src/layout.rs` is the only module of the program that spells the names of its files.

use std::{fs, path::Path};

use crate::support::{file_names, repository};

/// Names of files and of the folders of stages in `src/layout.rs`, in quotation marks.
fn quoted_names() -> Vec<String> {
    let text = fs::read_to_string(repository("src/layout.rs")).unwrap();
    let constants = text.lines().filter(|line| line.starts_with("pub const "));
    let values = constants.filter_map(|line| line.split_once("= ")?.1.strip_suffix(';'));
    let is_name = |value: &&str| value.starts_with('"') && value.contains(['.', '-']);
    values.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn no_other_module_spells_the_name_of_a_file() {
    let names = quoted_names();
    assert!(names.len() > 40, "{names:?}");
    for file in file_names(&repository("src")) {
        let is_source = file.extension().is_some_and(|extension| extension == "rs");
        let is_test = file.ends_with("tests.rs") || file.ends_with("testing.rs");
        if !is_source || is_test || file == Path::new("layout.rs") {
            continue;
        }
        let text = fs::read_to_string(repository("src").join(&file)).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for name in &names {
            assert!(
                !code.contains(name),
                "src/{} spells {name}; use the constant of src/layout.rs",
                file.display()
            );
        }
    }
}
