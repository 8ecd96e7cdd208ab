//! Holds the imports of `src/` to the table in `src/lib.rs`, "Who may import whom".
//!
//! Reads every path in every file (in `use` lines and elsewhere, outside comments, strings and
//! `#[cfg(test)]`) and reports `file:line` of each that stands in a module which may not use it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What may be used only in these modules (and in itself).
const ONLY_IN: &[(&str, &str)] = &[
    // Crates
    ("anyhow", "cli main pipeline"),
    ("askama", "report"),
    ("clap", "cli main pipeline"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    (
        "candle_core",
        "cli compress dataset explain models nn pipeline score training",
    ),
    (
        "gf_cohort_schema",
        "cli cohort compress dataset evaluation explain ingest pipeline prs regression report \
         score simulate tokenization training words",
    ),
    // Of the tables `ingest` uses the opener of text files only.
    (
        "gf_cohort_schema::Cohort",
        "cli cohort compress dataset evaluation explain pipeline prs report score simulate \
         tokenization training",
    ),
    (
        "gf_cohort_schema::Person",
        "cli cohort compress dataset evaluation explain pipeline prs report score simulate \
         tokenization training",
    ),
    (
        "gf_cohort_schema::Phenotype",
        "cli cohort compress dataset evaluation explain pipeline prs report score simulate \
         tokenization training",
    ),
    (
        "gf_tokenizer",
        "cli dataset explain models pipeline score tokenization training",
    ),
    ("linfa", "prs"),
    ("mpi", "training"),
    ("linfa_logistic", "prs"),
    ("nalgebra", "compress models prs regression"),
    ("noodles", "ingest output sequence simulate"),
    ("plotly", "report"),
    ("plotters", "explain report"),
    ("polars", "prs"),
    ("signal_hook", "interrupt"),
    (
        "std::path",
        "cli cohort compress dataset evaluation explain ingest main memory output pipeline prs \
         report score sequence simulate stored tokenization training",
    ),
    // Modules
    ("crate::cli", "main"),
    ("crate::cohort", "cli"),
    ("crate::compress", "cli pipeline"),
    (
        "crate::dataset",
        "cli compress explain pipeline score training",
    ),
    (
        "crate::evaluation",
        "cli compress pipeline prs simulate training",
    ),
    ("crate::explain", "cli pipeline"),
    (
        "gf_genotypes",
        "cli cohort explain pipeline prs score sequence simulate tokenization",
    ),
    ("crate::interrupt", "main pipeline"),
    ("crate::memory", "cli prs training"),
    (
        "crate::models",
        "cli compress dataset explain pipeline score training",
    ),
    ("crate::nn", "cli compress models score training"),
    ("crate::normal", "evaluation prs report"),
    (
        "crate::output",
        "cli compress dataset evaluation explain ingest interrupt pipeline prs report score \
         sequence simulate stored tokenization training",
    ),
    ("crate::pipeline", "cli"),
    ("crate::prs", "cli pipeline score simulate"),
    ("crate::regression", "evaluation prs training"),
    (
        "crate::report",
        "cli compress evaluation explain pipeline prs score training",
    ),
    ("crate::score", "cli explain pipeline"),
    (
        "gf_haplotypes",
        "cli dataset explain pipeline score simulate tokenization training",
    ),
    ("crate::simulate", "cli pipeline"),
    (
        "crate::stored",
        "pipeline prs sequence tokenization training",
    ),
    (
        "crate::tokens",
        "cli compress dataset explain pipeline score training",
    ),
    ("crate::training", "cli compress explain pipeline score"),
    (
        "crate::words",
        "cli compress dataset evaluation explain ingest models pipeline prs regression report \
         score sequence simulate tokenization training",
    ),
];

#[test]
fn every_import_is_allowed_by_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files).unwrap();
    assert!(
        files.len() > 10,
        "sources not found in {}",
        source.display()
    );
    let violations: Vec<String> = files
        .iter()
        .flat_map(|file| {
            violations(
                file.strip_prefix(&source).unwrap(),
                &fs::read_to_string(file).unwrap(),
            )
        })
        .collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let library =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for module in library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
    {
        assert!(
            ONLY_IN
                .iter()
                .any(|(path, _)| *path == format!("crate::{module}")),
            "module {module} is not in the table"
        );
    }
}

/// `eprintln!` and `println!` panic where nobody reads; `message!` and `writeln!` do not.
#[test]
fn no_message_can_panic() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files).unwrap();
    let is_test = |file: &Path| file.ends_with("tests.rs");
    let macros = ["eprint", "eprintln", "print", "println"];
    for file in files.iter().filter(|file| !is_test(file)) {
        let code = fs::read_to_string(file).unwrap();
        let tokens = tokens(&code);
        let found = tokens
            .windows(2)
            .find(|pair| macros.contains(&pair[0].1.as_str()) && pair[1].1 == "!");
        assert!(
            found.is_none(),
            "{}:{}: use `message!` or `writeln!`",
            file.display(),
            found.map_or(0, |pair| pair[0].0)
        );
    }
}

#[test]
fn a_forbidden_import_is_found_in_every_way_of_writing_it() {
    let code = "\
//! gf_genotypes is only mentioned here.
use std::{
    io,
    path::{Path, PathBuf},
};
use super::super::ingest::Locus;
fn read(model: &crate::nn::Linear) -> &'static str { let url = \"gf_genotypes\"; \
                clap::crate_name() }
#[cfg(test)]
mod tests { use noodles::vcf; }
";
    let found = violations(Path::new("models/linformer.rs"), code);
    let places: Vec<&str> = found
        .iter()
        .map(|violation| violation.split(" may").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "src/models/linformer.rs:4: std::path::Path",
            "src/models/linformer.rs:4: std::path::PathBuf",
            "src/models/linformer.rs:6: gf_genotypes::Locus",
            "src/models/linformer.rs:7: clap::crate_name",
        ]
    );
}

/// `src/FILE:LINE: PATH may only be used in ..` for each path that may not be used in that file.
fn violations(file: &Path, code: &str) -> Vec<String> {
    let module = module_of(file);
    let mut found = Vec::new();
    for (line, path) in paths(code) {
        let path = absolute(&path, &module);
        for (used, allowed) in ONLY_IN {
            let names_it = path == *used
                || path
                    .strip_prefix(used)
                    .is_some_and(|rest| rest.starts_with("::"));
            let itself = used.strip_prefix("crate::") == Some(&module[0]);
            if names_it && !itself && !allowed.split(' ').any(|name| name == module[0]) {
                found.push(format!(
                    "src/{}:{line}: {path} may only be used in {allowed}",
                    file.display()
                ));
            }
        }
    }
    found
}

/// `models/linformer.rs` -> `["models", "linformer"]`.
fn module_of(file: &Path) -> Vec<String> {
    file.with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect()
}

/// Resolves `self`, `super` and, for the binary, the name of the library.
fn absolute(path: &str, module: &[String]) -> String {
    let mut parts = path.split("::").peekable();
    let mut depth = module.len();
    let mut relative = false;
    while let Some(part @ ("self" | "super")) = parts.peek().copied() {
        depth = depth.saturating_sub(usize::from(part == "super"));
        relative = true;
        parts.next();
    }
    let rest: Vec<&str> = parts
        .map(|part| if part == "gf_genomics" { "crate" } else { part })
        .collect();
    if relative {
        ["crate"]
            .into_iter()
            .chain(module[..depth].iter().map(String::as_str))
            .chain(rest)
            .collect::<Vec<_>>()
            .join("::")
    } else {
        rest.join("::")
    }
}

/// Every path in the code with its 1-based line; the trees of `use` are spread out.
fn paths(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut next = 0;
    while next < tokens.len() {
        next = path_at(&tokens, next, "", &mut found);
    }
    found
}

/// Reads one path (or anything else) at `start`; gives the index behind it.
fn path_at(
    tokens: &[(usize, String)],
    start: usize,
    prefix: &str,
    found: &mut Vec<(usize, String)>,
) -> usize {
    let token = |index: usize| tokens.get(index).map_or("", |(_, text)| text.as_str());
    if !is_name(token(start)) {
        return start + 1;
    }
    let (mut path, mut next) = (format!("{prefix}{}", token(start)), start + 1);
    while token(next) == "::" && is_name(token(next + 1)) {
        path = format!("{path}::{}", token(next + 1));
        next += 2;
    }
    if token(next) == "::" && token(next + 1) == "{" {
        next += 2;
        while next < tokens.len() && token(next) != "}" {
            next = path_at(tokens, next, &format!("{path}::"), found);
        }
        return next + 1;
    }
    found.push((tokens[start].0, path));
    next
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::` and single signs with their lines, without comments and strings (taken to end with
/// their line), up to the tests of the file.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    for (index, line) in code
        .lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
    {
        let mut in_string = false;
        let mut signs = line.chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '\\' if in_string => _ = signs.next(),
                '"' => in_string = !in_string,
                _ if in_string => {}
                '/' if signs.peek() == Some(&'/') => break,
                '\'' if signs.next_if_eq(&'"').is_some() => _ = signs.next_if_eq(&'\''),
                ':' if signs.next_if_eq(&':').is_some() => {
                    tokens.push((index + 1, "::".to_owned()));
                }
                _ if sign.is_alphanumeric() || sign == '_' => {
                    let mut name = sign.to_string();
                    while let Some(sign) =
                        signs.next_if(|sign| sign.is_alphanumeric() || *sign == '_')
                    {
                        name.push(sign);
                    }
                    tokens.push((index + 1, name));
                }
                _ if sign.is_whitespace() => {}
                _ => tokens.push((index + 1, sign.to_string())),
            }
        }
    }
    tokens
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
