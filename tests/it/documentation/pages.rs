//! Runs the commands of a page, and compares what they print with what the page shows.
//!
//! - ```` ```sh ````: run by `sh -eu`, block after block, in a folder of the page's own, with
//!   `gf-genomics` on the path.
//! - ```` ```text,output ````: what the block before has printed, both streams as on a terminal;
//!   `...` alone on a line stands for any lines, at the end of one for its rest.
//! - ```` ```text,output,near ````: the same, but numbers may differ as they do between processors,
//!   whose vectors round otherwise.
//! - ```` ```text,output,wrap ````: the same; on the built page long lines are wrapped.
//! - `<!-- in the folder of PAGE -->`: begins with what the commands of PAGE left.
//! - `<!-- data: NAME = PATH -->`: real data beside the checkout, put into the folder as NAME;
//!   where it is absent the page is skipped.

use std::{collections::HashMap, fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    documentation::read_page,
    support::{copy, processes::path_with_program, real_data},
};

/// A fenced block.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// 1-based line of its fence.
    pub line: usize,
    /// What follows the fence, such as `sh`.
    pub info: String,
    /// The lines between.
    pub text: String,
}

/// The fenced blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block {
                    line: index + 1,
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    blocks
}

/// What a page says in comments `<!-- NAME VALUE -->`.
fn directives<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let comments = page
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- ")?.strip_suffix(" -->"));
    comments
        .filter_map(|comment| Some(comment.strip_prefix(name)?.trim()))
        .collect()
}

/// The pages that have been run.
#[derive(Default)]
pub struct Book {
    /// The folder that a page left; none where its data are absent.
    folders: HashMap<String, Option<TempDir>>,
    n_blocks: usize,
}

impl Book {
    /// How many blocks have been run, or would have been were the data there.
    pub fn commands_run(&self) -> usize {
        self.n_blocks
    }

    /// Runs a page, and first the one it begins with; each once.
    pub fn run(&mut self, page: &str) {
        if self.folders.contains_key(page) {
            return;
        }
        let text = read_page(page);
        let folder = self.prepare(page, &text);
        let blocks = blocks(&text);
        self.n_blocks += blocks.iter().filter(|block| block.info == "sh").count();
        if let Some(folder) = &folder {
            let mut printed = String::new();
            for block in blocks {
                match block.info.as_str() {
                    "sh" => printed = execute(page, &block, folder.path()),
                    "text,output" | "text,output,wrap" => {
                        compare(page, &block, &printed, |shown, printed| shown == printed);
                    }
                    "text,output,near" => compare(page, &block, &printed, are_near),
                    "text" => {}
                    other => panic!("{page}, line {}: what is a block of `{other}`?", block.line),
                }
            }
        }
        self.folders.insert(page.to_owned(), folder);
    }

    /// The folder in which a page begins.
    fn prepare(&mut self, page: &str, text: &str) -> Option<TempDir> {
        let folder = tempfile::tempdir().unwrap();
        for before in directives(text, "in the folder of") {
            let before = beside(page, before);
            self.run(&before);
            copy(self.folders[&before].as_ref()?.path(), folder.path());
        }
        for data in directives(text, "data:") {
            let (name, path) = data.split_once(" = ").unwrap();
            fs::copy(real_data(path)?, folder.path().join(name)).unwrap();
        }
        Some(folder)
    }
}

/// A page as another one names it: `how-to/a.md` and `../tutorial/b.md` is `tutorial/b.md`.
fn beside(page: &str, other: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in other.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Runs a block; what it printed.
fn execute(page: &str, block: &Block, folder: &Path) -> String {
    let script = format!("exec 2>&1\n{}", block.text);
    let output = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(folder)
        .env("PATH", path_with_program(&[]))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{page}, line {}: {}\n{}\n{printed}",
        block.line,
        output.status,
        block.text
    );
    printed
}

/// Panics unless the block shows what was printed.
fn compare(page: &str, block: &Block, printed: &str, is_same: fn(&str, &str) -> bool) {
    let shown_lines: Vec<&str> = block.text.lines().collect();
    let printed_lines: Vec<&str> = printed.lines().collect();
    if let Err(line) = matches(&shown_lines, &printed_lines, is_same) {
        panic!(
            "{page}, line {}: `{line}` is not where it should be in what was printed:\n{printed}",
            block.line
        );
    }
}

/// Whether lines are those shown, `...` being any lines; else the first line shown that is not
/// there.
fn matches<'s>(
    shown: &[&'s str],
    printed: &[&str],
    is_same: fn(&str, &str) -> bool,
) -> Result<(), &'s str> {
    match shown {
        [] if printed.is_empty() => Ok(()),
        [] => Err("(the end)"),
        ["...", rest @ ..] => {
            let mut last = Ok(());
            for start in 0..=printed.len() {
                last = matches(rest, &printed[start..], is_same);
                if last.is_ok() {
                    return Ok(());
                }
            }
            last.map_err(|line| rest.first().copied().unwrap_or(line))
        }
        [first, rest @ ..] => match printed.split_first() {
            Some((line, others)) if is_line(first, line.trim_end(), is_same) => {
                matches(rest, others, is_same)
            }
            _ => Err(first),
        },
    }
}

fn is_line(shown: &str, printed: &str, is_same: fn(&str, &str) -> bool) -> bool {
    shown.strip_suffix("...").map_or_else(
        || is_same(shown, printed),
        |start| printed.starts_with(start.trim_end()),
    )
}

/// Equal words, and numbers that are alike.
fn are_near(shown: &str, printed: &str) -> bool {
    let [shown, printed] = [shown, printed].map(|line| line.replace(',', " "));
    let shown_words: Vec<&str> = shown.split_whitespace().collect();
    let printed_words: Vec<&str> = printed.split_whitespace().collect();
    shown_words.len() == printed_words.len()
        && shown_words
            .iter()
            .zip(printed_words)
            .all(|(shown, printed)| are_words_near(shown, printed))
}

/// Equal words, or numbers that differ by at most 0.03 or 5 %.
fn are_words_near(shown: &str, printed: &str) -> bool {
    match (number(shown), number(printed)) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.03_f64.max(0.05 * a.abs().max(b.abs())),
        _ => shown == printed,
    }
}

/// The number in a word such as `(0.74` or `95%`.
fn number(word: &str) -> Option<f64> {
    word.trim_matches(['(', ')', ':', ';', '%']).parse().ok()
}

#[test]
fn a_page_that_shows_something_else_is_found() {
    let page = "a\n```sh\necho 1\n```\n```text,output\n1\n...\n3\n```\n";
    let read = blocks(page);
    assert_eq!(
        (
            read.len(),
            read[0].line,
            read[1].info.as_str(),
            read[1].text.as_str()
        ),
        (2, 2, "text,output", "1\n...\n3\n")
    );
    let exactly: fn(&str, &str) -> bool = |a, b| a == b;
    let shown = ["1", "...", "3"];
    assert!(matches(&shown, &["1", "2", "2", "3"], exactly).is_ok());
    assert!(matches(&shown, &["1", "3"], exactly).is_ok());
    assert_eq!(matches(&shown, &["1", "2"], exactly), Err("3"));
    assert_eq!(matches(&shown, &["1", "3", "4"], exactly), Err("3"));
    assert_eq!(matches(&["1"], &[], exactly), Err("1"));
    assert!(
        matches(&["a: ..."], &["a: 7"], exactly).is_ok()
            && matches(&["a: ..."], &["b: 7"], exactly).is_err()
    );
    assert!(are_near(
        "linformer  0.789 (0.737 to 0.841)",
        "linformer 0.801 (0.74 to 0.84)"
    ));
    assert!(
        !are_near("linformer 0.789", "linformer 0.689")
            && !are_near("linformer 0.789", "primer 0.789")
            && !are_near("a 1", "a")
    );
    assert_eq!(beside("how-to/a.md", "../tutorial/b.md"), "tutorial/b.md");
    assert_eq!(
        directives("<!-- data: a = b/c -->\nx <!-- data: no -->", "data:"),
        ["a = b/c"]
    );
}
