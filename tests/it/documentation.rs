//! The book in `docs/` is tested: its commands run and print what it shows, its reference pages are
//! those of the program, and its links have targets.
//!
//! `GF_UPDATE_DOCS=1 cargo test --release --test it documentation` writes the reference pages
//! again.

mod layout;
mod links;
mod pages;
mod reference;
mod results;
mod source;

use std::{env, fs, path::Path};

use crate::support::{file_names, repository};

/// Every page of the book, by its path in `docs/src/`, in order of names.
fn all_pages() -> Vec<String> {
    let root = repository("docs/src");
    let mut pages: Vec<String> = file_names(&root)
        .into_iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    pages.retain(|path| {
        Path::new(path)
            .extension()
            .is_some_and(|extension| extension == "md")
    });
    pages
}

fn read_page(page: &str) -> String {
    fs::read_to_string(repository("docs/src").join(page)).unwrap()
}

#[test]
fn every_command_of_the_book_runs_and_prints_what_the_book_shows() {
    let mut book = pages::Book::default();
    for page in all_pages() {
        book.run(&page);
    }
    assert!(
        book.commands_run() > 30,
        "only {} blocks were run: are they still fenced as `sh`?",
        book.commands_run()
    );
}

#[test]
fn the_page_on_testing_lists_every_file_of_tests() {
    let page = fs::read_to_string(repository("docs/src/development/testing.md")).unwrap();
    for (folder, depth) in [("tests/it", 3), ("tests/robustness", 2)] {
        for name in file_names(&repository(folder)) {
            let path = Path::new(folder).join(name);
            // A folder of `tests/it` is an area; the file next to it only declares its modules.
            let is_area = path.components().count() <= depth && folder == "tests/it";
            let is_main = path.ends_with("main.rs");
            let is_shared = ["support", "documentation", "damage"]
                .iter()
                .any(|name| path.to_string_lossy().contains(name));
            let is_listed = page.contains(&format!("`{}`", path.display()));
            assert!(
                is_area || is_main || is_shared || is_listed,
                "{} is missing",
                path.display()
            );
        }
    }
}

#[test]
fn the_reference_is_what_the_program_says() {
    let pages = reference::pages();
    for (page, text) in &pages {
        let path = repository("docs/src/reference").join(page);
        if env::var_os("GF_UPDATE_DOCS").is_some() {
            fs::write(&path, text).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        let differs = stored
            .lines()
            .zip(text.lines())
            .position(|(stored, current)| stored != current);
        let location = differs.map_or(String::new(), |line| format!(" (line {})", line + 1));
        assert!(
            stored == *text,
            "{page} is out of date{location}: GF_UPDATE_DOCS=1 cargo test --release --test it \
             documentation"
        );
    }
}

#[test]
fn every_key_of_a_pipeline_file_is_explained_in_the_one_to_copy() {
    let explained = fs::read_to_string(repository("pipelines/own-cohort.toml")).unwrap();
    for section in reference::keys::sections() {
        // A pipeline for an own cohort simulates nothing.
        for key in section.keys.iter().filter(|_| section.name != "simulate") {
            let setting = format!("{} =", key.name);
            assert!(
                explained
                    .lines()
                    .any(|line| line.trim_start_matches(['#', ' ']).starts_with(&setting)),
                "pipelines/own-cohort.toml does not have `{}` of [{}]",
                key.name,
                section.name
            );
        }
    }
}

#[test]
fn every_link_of_the_book_leads_somewhere() {
    for page in all_pages() {
        links::check(&repository("docs/src").join(page));
    }
    links::check(&repository("README.md"));
}

#[test]
fn every_page_is_in_the_contents() {
    let contents = read_page("SUMMARY.md");
    for page in all_pages().iter().filter(|page| *page != "SUMMARY.md") {
        assert!(
            contents.contains(&format!("({page})")),
            "{page} is not in SUMMARY.md"
        );
    }
}
