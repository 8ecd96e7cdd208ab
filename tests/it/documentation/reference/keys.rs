//! `pipeline-file.md`: the keys of a pipeline file. Most keys are also options of a command, so
//! clap has their texts and words, and serde has their names. Defaults are those that a run writes
//! into `run.json`.

use std::{fmt::Write as _, fs};

use clap::{Arg, Args, Command};
use gf_cohort_schema::serde_names;
use gf_genomics::{baselines, evaluation, models, pipeline, scoring, simulate, tokens, training};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{cell, head, study};

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
    /// Whether the file must have it.
    is_required: bool,
    /// When it is not there.
    default: Value,
}

/// Said once, elsewhere: the seed at the top, folders by `--out`.
const SAID_ELSEWHERE: [(&str, &str); 3] = [
    ("simulate", "seed"),
    ("simulate", "out"),
    ("models.schedule", "seed"),
];

/// Every table of a pipeline file, with its keys.
pub fn sections() -> Vec<Section> {
    let mut sections = vec![
        Section {
            name: "",
            about: "Above all tables.",
            keys: vec![Key::only_here(
                "seed",
                "Decides every random choice; `--seed` goes before it.",
                &[],
            )],
        },
        section::<simulate::Options>(
            "simulate",
            "Simulated samples, from scratch or from a panel. Give either this table or `[data]`.",
        ),
        Section {
            name: "data",
            about: "Your own files; either this or `[simulate]`. Paths are relative to the folder \
                    of the pipeline file.",
            keys: options::<pipeline::Data>()
                .iter()
                .map(Key::of_option)
                .collect(),
        },
        section::<gf_haplotypes::Policies>("sequences", "How genotypes become sequences."),
        section::<tokens::Options>("tokens", "How sequences become tokens."),
        section::<training::ModelSettings>(
            "models",
            "A model to train; one such table per model, `additive+linformer` when there is none.",
        ),
        section::<models::ArchitectureChoice>(
            "models.architecture",
            "Architecture of the model: a preset, and axes that differ from it.",
        ),
        section::<training::Schedule>("models.schedule", "How it is trained."),
        section::<baselines::BaselineSettings>(
            "baselines",
            "Polygenic scores and the other baselines.",
        ),
        section::<scoring::MatchingOptions>(
            "baselines.scoring",
            "How published scores are matched and summed.",
        ),
        section::<scoring::Reading>("baselines.scoring.reading", "How genotypes become dosages."),
        section::<evaluation::ReportSettings>("report", "The comparison."),
    ];
    require_all_tables(&sections);
    set_defaults(&mut sections);
    sections
}

/// The table that serde reads as a `T`, whose keys are also options of a command.
fn section<T: Args + DeserializeOwned>(name: &'static str, about: &'static str) -> Section {
    let options = options::<T>();
    let keys = serde_names::<T>()
        .iter()
        .filter(|key| !SAID_ELSEWHERE.contains(&(name, key)) && !is_table(name, key))
        .map(|key| {
            let option = options.iter().find(|option| option.get_id() == *key);
            option.map_or_else(|| not_an_option(name, key), Key::of_option)
        })
        .collect();
    Section { name, about, keys }
}

fn options<T: Args>() -> Vec<Arg> {
    let command = T::augment_args(Command::new("table"));
    command.get_arguments().cloned().collect()
}

/// Tables inside tables have a heading of their own.
fn is_table(section: &str, key: &str) -> bool {
    [
        ("models", "architecture"),
        ("models", "schedule"),
        ("baselines", "scoring"),
        ("baselines.scoring", "reading"),
    ]
    .contains(&(section, key))
}

/// A key that no command has as an option.
fn not_an_option(section: &str, key: &str) -> Key {
    match (section, key) {
        ("models", "tensorboard") => Key::only_here(
            key,
            "Whether to write event files for TensorBoard into `tensorboard/` of the model's \
             folder.",
            &[],
        ),
        ("baselines", "variants") => Key::only_here(
            key,
            "Variants that the baselines learn from: those inside the loci, like the sequence \
             models (loci), or all variants of the genotype files (all).",
            serde_names::<baselines::LearningVariants>(),
        ),
        _ => panic!("`{key}` of [{section}] is not an option of a command; describe it here"),
    }
}

impl Key {
    fn only_here(name: &str, documentation: &str, words: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            documentation: documentation.to_owned(),
            words: words.iter().map(|&word| word.to_owned()).collect(),
            is_required: false,
            default: Value::Null,
        }
    }

    fn of_option(option: &Arg) -> Self {
        let help = option.get_long_help().or(option.get_help());
        let help = help.unwrap_or_else(|| panic!("{option} is not documented"));
        let words: Vec<String> = option
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        let is_flag = words == ["true", "false"];
        Self {
            // The name of the field, which is the key.
            name: option.get_id().to_string(),
            // clap takes the point from the end of a text.
            documentation: format!("{}.", help.to_string().trim_end_matches('.')),
            words: if is_flag { Vec::new() } else { words },
            is_required: option.is_required_set(),
            default: Value::Null,
        }
    }
}

/// The program lists the tables when it does not know one.
fn require_all_tables(sections: &[Section]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("asked.toml"), "no_such_key = 1\n").unwrap();
    let answer = crate::support::stderr(&crate::support::run(
        folder.path(),
        "run asked.toml --dry-run --out asked",
    ));
    let (_, expected) = answer.split_once(", expected one of ").unwrap();
    for table in expected.split('`').skip(1).step_by(2) {
        assert!(
            table == "seed" || sections.iter().any(|section| section.name == table),
            "[{table}] is not described here"
        );
    }
}

/// Every key that can be left out has a default, which may be null.
fn set_defaults(sections: &mut [Section]) {
    let defaults = defaults();
    for Section { name, keys, .. } in sections {
        for key in keys.iter_mut().filter(|key| !key.is_required) {
            key.default = defaults[*name]
                .get(&key.name)
                .unwrap_or_else(|| panic!("`{}` of [{name}] has no default", key.name))
                .clone();
        }
    }
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
        "simulate": simulate::Options::default(),
        "data": pipeline::Data::default(),
        "sequences": gf_haplotypes::Policies::default(),
        "tokens": tokens::Options::default().resolved().unwrap(),
        "models": model,
        "models.architecture": models::Architecture::default(),
        "models.schedule": training::Schedule::default(),
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
            is_required,
            default,
        } in keys
        {
            let default = match default {
                _ if is_required => "*required*".to_owned(),
                Value::Null => String::new(),
                value => format!("`{value}`"),
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
