//! `pipeline-file.md`: the keys of a pipeline file. Which there are, and which words they take, is
//! asked of the program, by a key and by a value that it does not know; what they mean is said in
//! the sources; what they are when nothing is said is what a run writes into `run.json`.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::{cell, head, study};
use crate::documentation::source::{self, Item};

/// A table of the file.
pub struct Section {
    /// As in `[name]`; empty for the top of the file.
    pub name: &'static str,
    /// What it is for.
    about: &'static str,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// A key.
pub struct Key {
    /// As it is written.
    pub name: String,
    documentation: String,
    /// Words that it takes, where these are all.
    words: Vec<String>,
    /// When it is not there; none where it has to be.
    default: Option<Value>,
}

/// Tables: name, what stands above one of their keys, what they are for, source, struct.
const SECTIONS: [(&str, &str, &str, &str, &str); 12] = [
    ("", "", "Above all tables.", "src/pipeline/plan.rs", "File"),
    (
        "simulate",
        "[simulate]",
        "Simulated samples, from scratch or from a panel. Give either this table or `[data]`.",
        "src/simulate/options.rs",
        "Options",
    ),
    (
        "data",
        "[data]",
        "Your own files; either this or `[simulate]`. Paths are relative to the folder of the \
         pipeline file.",
        "src/pipeline/plan.rs",
        "Data",
    ),
    (
        "sequences",
        "[simulate]\n[sequences]",
        "How genotypes become sequences.",
        "crates/haplotypes/src/policies.rs",
        "Policies",
    ),
    (
        "tokens",
        "[simulate]\n[tokens]",
        "How sequences become tokens.",
        "src/tokens/options.rs",
        "Options",
    ),
    (
        "models",
        "[simulate]\n[[models]]",
        "A model to train; one such table per model, `additive+linformer` when there is none.",
        "src/training/options.rs",
        "ModelSettings",
    ),
    (
        "models.architecture",
        "[simulate]\n[[models]]\n[models.architecture]",
        "Architecture of the model: a preset, and axes that differ from it.",
        "src/models/config.rs",
        "ArchitectureChoice",
    ),
    (
        "models.schedule",
        "[simulate]\n[[models]]\n[models.schedule]",
        "How it is trained.",
        "src/training/schedule.rs",
        "Schedule",
    ),
    (
        "baselines",
        "[simulate]\n[baselines]",
        "Polygenic scores and the other baselines.",
        "src/baselines/options.rs",
        "BaselineSettings",
    ),
    (
        "baselines.scoring",
        "[simulate]\n[baselines.scoring]",
        "How published scores are matched and summed.",
        "src/scoring/published.rs",
        "MatchingOptions",
    ),
    (
        "baselines.scoring.reading",
        "[simulate]\n[baselines.scoring.reading]",
        "How genotypes become dosages.",
        "src/scoring/dosages.rs",
        "Reading",
    ),
    (
        "report",
        "[simulate]\n[report]",
        "The comparison.",
        "src/evaluation/options.rs",
        "ReportSettings",
    ),
];

/// Said once, elsewhere: the seed at the top, folders by `--out`.
const SAID_ELSEWHERE: [(&str, &str); 4] = [
    // The older name of `genotypes`.
    ("data", "vcf"),
    ("simulate", "seed"),
    ("simulate", "out"),
    ("models.schedule", "seed"),
];

const SEED: &str = "Decides every random choice; `--seed` goes before it.";

/// Every table of a pipeline file, with its keys.
pub fn sections() -> Vec<Section> {
    let folder = tempfile::tempdir().unwrap();
    let defaults = defaults();
    let mut sections = Vec::new();
    for (name, header, about, file, kind) in SECTIONS {
        let documented = source::items(file, "struct", kind);
        let mut keys = Vec::new();
        for key in words(&answer(folder.path(), header, "no_such_key")) {
            if SAID_ELSEWHERE.contains(&(name, &key)) {
                continue;
            }
            let field = documented
                .iter()
                .find(|field| field.name == key)
                .unwrap_or_else(|| panic!("{file}: {kind} has no `{key}`"));
            // Tables have a heading of their own.
            if SECTIONS
                .iter()
                .any(|(other, ..)| *other == key || *other == format!("{name}.{key}"))
            {
                continue;
            }
            let answer = answer(folder.path(), header, &key);
            let words = if answer.contains("unknown variant") {
                words(&answer)
            } else {
                Vec::new()
            };
            let default = if is_required(name, field) {
                None
            } else {
                let default = defaults[name].get(&key);
                assert!(
                    default.is_some(),
                    "what is `{key}` of [{name}] when it is not there?"
                );
                default.cloned()
            };
            // The top of the file has tables, which have no documentation of their own, and this.
            let documentation = if key == "seed" {
                SEED.to_owned()
            } else {
                field.documentation.clone()
            };
            assert!(
                !documentation.is_empty(),
                "{file}: `{key}` of {kind} is not documented, or a table that is missing here"
            );
            keys.push(Key {
                name: key,
                documentation,
                words,
                default,
            });
        }
        sections.push(Section { name, about, keys });
    }
    sections
}

/// Only files have no default.
fn is_required(section: &str, field: &Item) -> bool {
    section == "data" && !field.attributes.contains("serde(default)")
}

/// What the program says of a key with a value that it does not know.
fn answer(folder: &Path, header: &str, key: &str) -> String {
    let setting = format!("{key} = \"no-such-word\"");
    let text = if header.is_empty() {
        format!("{setting}\n[simulate]\n")
    } else {
        format!("{header}\n{setting}\n")
    };
    fs::write(folder.join("asked.toml"), text).unwrap();
    crate::support::stderr(&crate::support::run(
        folder,
        "run asked.toml --dry-run --out asked",
    ))
}

/// The words that an answer expects.
fn words(answer: &str) -> Vec<String> {
    let expected = answer
        .split_once(", expected ")
        .map_or("", |(_, expected)| expected);
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// What stands where nothing is said, by table.
fn defaults() -> Value {
    let run: Value =
        serde_json::from_str(&fs::read_to_string(study().join("run/run.json")).unwrap()).unwrap();
    let baselines = &run["options"]["baselines"];
    let mut model = run["options"]["models"][0].clone();
    model["name"] = Value::Null;
    json!({
        "": { "seed": 1 },
        "simulate": gf_genomics::simulate::Options::default(),
        "data": {
            "ref_first": false,
            "ref_last": false,
            "contig": null,
            "mask": null,
            "callable": null,
            "phenotype_coding": gf_cohort_schema::PhenotypeCoding::default(),
            "covariates": null,
            "missing_value": null,
            "missing_samples": gf_cohort_schema::MissingSamples::default(),
            "missing_covariates": gf_cohort_schema::MissingCovariates::default(),
        },
        "sequences": gf_haplotypes::Policies::default(),
        "tokens": gf_genomics::tokens::Options::default().resolved().unwrap(),
        "models": model,
        "models.architecture": gf_genomics::models::Architecture::default(),
        "models.schedule": gf_genomics::training::Schedule::default(),
        "baselines": baselines,
        "baselines.scoring": baselines["scoring"],
        "baselines.scoring.reading": baselines["scoring"]["reading"],
        "report": run["options"]["report"],
    })
}

pub fn page() -> String {
    let mut page = head(
        "Keys of a pipeline file",
        "`gf-genomics run FILE.toml` reads these keys. Every key can be left out unless its \
         default is *required*. An unknown key is an error. `pipelines/own-cohort.toml` has all \
         keys with longer comments, to be copied. Where the default is empty, the description \
         states it.",
    );
    for Section {
        name, about, keys, ..
    } in sections()
    {
        let title = match name {
            "" => "Top of the file".to_owned(),
            "models" => "[[models]]".to_owned(),
            name => format!("[{name}]"),
        };
        writeln!(
            page,
            "\n## {title}\n\n{about}\n\n| key | default | meaning |\n|---|---|---|"
        )
        .unwrap();
        for Key {
            name,
            documentation,
            words,
            default,
        } in keys
        {
            let default = match default {
                None => "*required*".to_owned(),
                Some(Value::Null) => String::new(),
                Some(value) => format!("`{value}`"),
            };
            let mut meaning = cell(&documentation);
            if !words.is_empty() {
                let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                write!(meaning, " {}.", words.join(", ")).unwrap();
            }
            writeln!(page, "| `{name}` | {default} | {meaning} |").unwrap();
        }
    }
    page
}
