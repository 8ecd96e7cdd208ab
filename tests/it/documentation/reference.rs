//! The pages of `docs/src/reference/` that are made from the program: its command line, the keys it
//! accepts, its tables, its errors.

mod commands;
mod errors;
pub mod keys;
mod tables;

use std::{fs, path::Path, sync::LazyLock};

use tempfile::TempDir;

/// Names and texts of the pages.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("commands.md", commands::page()),
        ("pipeline-file.md", keys::page()),
        ("tables.md", tables::page()),
        ("errors.md", errors::page()),
    ]
}

/// A page's first lines.
fn head(title: &str, introduction: &str) -> String {
    format!(
        "# {title}\n\n<!-- Made by the test `documentation` from the program; do not edit. \
         -->\n\n{introduction}\n"
    )
}

/// Text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

/// Text whose angle brackets are no HTML. What stands between backticks is code, and is left as it
/// is.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(index, part)| {
        if index % 2 == 0 {
            part.replace('<', "&lt;").replace('>', "&gt;")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A small study, in `run/` of a folder.
fn study() -> &'static Path {
    static STUDY: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("tiny.toml"),
            crate::support::TINY_PIPELINE,
        )
        .unwrap();
        crate::support::succeed(folder.path(), "run tiny.toml --out run");
        folder
    });
    STUDY.path()
}
