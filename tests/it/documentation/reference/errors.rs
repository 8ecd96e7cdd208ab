//! `errors.md`: the errors of every stage, as they are declared in the sources.

use std::{fmt::Write as _, fs};

use super::{cell, head};
use crate::{
    documentation::source::{self, Item},
    support::repository,
};

/// Stages as a user meets them: heading, source of the errors, folder of the sources that declare
/// problems.
const STAGES: [(&str, &str, &str); 16] = [
    (
        "Tables: cohort.csv, predictions.csv and the others",
        "cohort-schema/src/lib.rs",
        "cohort-schema/src",
    ),
    (
        "VCF, BCF, FASTA and BED",
        "crates/genotypes/src/lib.rs",
        "crates/genotypes/src",
    ),
    (
        "Sequences",
        "crates/haplotypes/src/error.rs",
        "crates/haplotypes/src",
    ),
    ("Tokenizer", "tokenizer/src/lib.rs", "tokenizer/src"),
    ("Tokens", "src/tokens/error.rs", "src/tokens"),
    (
        "People and tokens together",
        "src/dataset.rs",
        "src/dataset",
    ),
    (
        "Training, and model bundles",
        "src/training/error.rs",
        "src/training",
    ),
    ("Scoring new people", "src/score/error.rs", "src/score"),
    ("Explaining", "src/explain/error.rs", "src/explain"),
    ("Compressing", "src/compress/error.rs", "src/compress"),
    ("Published scores", "src/scoring/error.rs", "src/scoring"),
    ("Baselines", "src/baselines/error.rs", "src/baselines"),
    (
        "Guards against leakage",
        "src/leakage/error.rs",
        "src/leakage",
    ),
    (
        "Tables of predictions",
        "src/predictions/error.rs",
        "src/predictions",
    ),
    ("Evaluation", "src/evaluation/error.rs", "src/evaluation"),
    ("Simulation", "src/simulate/error.rs", "src/simulate"),
];

/// Where the pipeline refuses a file or a folder, by `bail!`.
const PIPELINE: [&str; 3] = [
    "src/pipeline/plan.rs",
    "src/pipeline/stage.rs",
    "src/cli/record.rs",
];

pub fn page() -> String {
    let mut page = head(
        "Errors",
        "A command that fails ends with exit code 1 and one line on standard error. The line has \
         `error: `, the place, the problem, and the next action. `<name>` and `<...>` are \
         placeholders. Where a message ends in `<problem>`, the list below the table has the \
         problems. An error of an earlier stage is passed on unchanged.",
    );
    for (title, file, folder) in STAGES {
        writeln!(page, "\n## {title}\n\n| problem | message |\n|---|---|").unwrap();
        for Item {
            documentation,
            attributes,
            ..
        } in source::items(file, "enum", "Error")
        {
            if let Some(message) = source::message(&attributes) {
                writeln!(page, "| {} | {} |", cell(&documentation), code(&message)).unwrap();
            }
        }
        let reasons = reasons(file, folder);
        if !reasons.is_empty() {
            writeln!(page, "\nProblems:\n").unwrap();
            for reason in reasons {
                writeln!(page, "- {}", code(&reason)).unwrap();
            }
        }
    }
    writeln!(
        page,
        "\n## Pipeline files and their folders\n\n| message |\n|---|"
    )
    .unwrap();
    for file in PIPELINE {
        let text = fs::read_to_string(repository(file)).unwrap();
        let before_tests = text.split("#[cfg(test)]").next().unwrap();
        for call in before_tests.split("bail!(").skip(1) {
            // `message` looks for what is behind `error(`.
            let message = source::message(&format!("error({call}")).unwrap();
            writeln!(page, "| {} |", code(&message)).unwrap();
        }
    }
    page
}

/// Problems that the sources of a stage declare, and reasons that they give in words.
fn reasons(file: &str, folder: &str) -> Vec<String> {
    let mut paths: Vec<String> = crate::support::files(&repository(folder))
        .into_keys()
        .map(|path| format!("{folder}/{}", path.display()))
        .collect();
    // The file of a stage is next to its folder.
    let stage = format!("{folder}.rs");
    if repository(&stage).is_file() {
        paths.insert(0, stage);
    }
    // Of tests there is nothing to say.
    paths.retain(|path| !path.contains("tests") && !path.contains("oracle"));
    if !paths.iter().any(|path| path == file) {
        paths.insert(0, file.to_owned());
    }
    let mut reasons: Vec<String> = Vec::new();
    for path in paths {
        let text = fs::read_to_string(repository(&path)).unwrap();
        for reason in source::problems(&text)
            .into_iter()
            .chain(source::reasons(&text))
        {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons
}

/// A message as code in a cell; backticks in it need a longer fence.
fn code(message: &str) -> String {
    format!("`` {} ``", message.replace('|', "\\|"))
}
