//! The pages of `docs/src/reference/` that are made from the program: its command line, the keys it
//! accepts, its tables, its errors.

mod commands;
mod errors;
pub mod keys;
mod tables;

use std::{path::Path, sync::LazyLock};

use crate::support::{
    pipelines::{TINY_PIPELINE, folder_with_pipeline},
    succeed,
};
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

/// Text whose angle brackets are not read as HTML. Code between backticks is unchanged.
fn escaped(text: &str) -> String {
    let parts: Vec<String> = text
        .split('`')
        .enumerate()
        .map(|(index, part)| {
            let is_code = index % 2 == 1;
            if is_code {
                part.to_owned()
            } else {
                part.replace('<', "&lt;").replace('>', "&gt;")
            }
        })
        .collect();
    parts.join("`")
}

/// A folder with a run of the tiny pipeline in `run/`.
fn study() -> &'static Path {
    static STUDY: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = folder_with_pipeline(TINY_PIPELINE);
        succeed(folder.path(), "run pipeline.toml --out run");
        folder
    });
    STUDY.path()
}
