//! `gf-genomics run`: finished stages are not done again, a killed run resumes, and one seed gives
//! the same bytes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread::sleep,
    time::{Duration, SystemTime},
};

use crate::support::{
    command, copy, file_names, files, json,
    pipelines::{
        TINY_PIPELINE, data_table, folder_with_pipeline, tiny_pipeline_from_tokens,
        tiny_pipeline_with,
    },
    processes::{
        kill, spawn_silently, stderr_to_end, wait_for_checkpoint, wait_for_new_checkpoint,
    },
    refusal, replace_in, repository, run, stderr, succeed,
};
use serde_json::Value;

const STAGES: [&str; 6] = [
    "0-cohort",
    "1-sequences",
    "2-tokens",
    "3-models/tiny",
    "4-baselines",
    "5-report",
];

/// Results that depend only on inputs, options and seed.
const RESULTS: [&str; 18] = [
    "0-cohort/cohort.vcf.gz",
    "0-cohort/cohort.csv",
    "1-sequences/loci.json",
    "1-sequences/pairs.csv",
    "2-tokens/tokenizer.json",
    "2-tokens/tokens.safetensors",
    "3-models/tiny/model.safetensors",
    "3-models/tiny/predictions.csv",
    "3-models/tiny/cost.csv",
    "4-baselines/predictions.csv",
    "5-report/auc.csv",
    "5-report/roc.csv",
    "5-report/calibration.csv",
    "5-report/guards.csv",
    "5-report/auc.txt",
    "5-report/report.html",
    "5-report/roc.svg",
    "5-report/pipeline.gf_genomics.json",
];

/// Contents of these results of a run in `out`, by name.
fn contents(out: &Path, names: &[&'static str]) -> BTreeMap<&'static str, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for name in names {
        let bytes = fs::read(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        contents.insert(*name, bytes);
    }
    contents
}

/// Names of the results that differ between two runs.
fn different(first: &Path, second: &Path) -> Vec<&'static str> {
    let first = contents(first, &RESULTS);
    let second = contents(second, &RESULTS);
    RESULTS
        .into_iter()
        .filter(|name| first[name] != second[name])
        .collect()
}

fn run_json(out: &Path) -> Value {
    json(&out.join("run.json"))
}

/// Runs the pipeline and returns the stages that were not done before.
fn stages_done(folder: &Path, arguments: &str) -> Vec<&'static str> {
    let output = run(folder, arguments);
    let text = stderr(&output);
    assert!(output.status.success(), "`{arguments}`: {text}");
    STAGES
        .into_iter()
        .filter(|stage| text.lines().any(|line| line == format!("{stage}:")))
        .collect()
}

/// Modification times of all files but `run.json`, which every run writes again.
fn modified(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut times = BTreeMap::new();
    for path in file_names(folder) {
        if !path.ends_with("run.json") {
            let metadata = fs::metadata(folder.join(&path)).unwrap();
            times.insert(path, metadata.modified().unwrap());
        }
    }
    times
}

#[test]
fn a_second_run_does_nothing_and_says_so() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    let first = succeed(folder.path(), "run pipeline.toml --out out");
    let before = modified(folder.path());
    let bytes = files(&folder.path().join("out"));
    let output = run(folder.path(), "run pipeline.toml --out out");
    assert!(output.status.success());
    for stage in STAGES {
        assert!(
            stderr(&output).contains(&format!("{stage}: already done (")),
            "{}",
            stderr(&output)
        );
    }
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        first,
        "the table is printed again"
    );
    assert_eq!(modified(folder.path()), before);
    let mut after = files(&folder.path().join("out"));
    let run_before = &bytes[Path::new("run.json")];
    let run_after = after.insert("run.json".into(), run_before.clone());
    assert!(
        after == bytes && run_after.as_ref() != Some(run_before),
        "only run.json says that everything was done before"
    );
    let json = run_json(&folder.path().join("out"));
    assert!(
        STAGES
            .iter()
            .all(|stage| json["stages"][stage]["done_before"] == true),
        "{json:#}"
    );
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_one_others() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out a");
    succeed(folder.path(), "run pipeline.toml --out b");
    succeed(
        folder.path(),
        "--threads 1 run pipeline.toml --out one_thread",
    );
    succeed(folder.path(), "run pipeline.toml --out other --seed 4");
    let [a, b, one_thread, other] =
        ["a", "b", "one_thread", "other"].map(|name| folder.path().join(name));
    assert_eq!(different(&a, &b), [""; 0]);
    assert_eq!(different(&a, &one_thread), [""; 0]);
    assert_eq!(different(&a, &other), RESULTS);
    assert_eq!(run_json(&a)["seed"], 3);
    assert_eq!(run_json(&other)["seed"], 4);
    // A seed on the command line and the same one in the file are the same run.
    replace_in(&folder.path().join("pipeline.toml"), "seed = 3", "seed = 4");
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out other"),
        [""; 0]
    );
}

#[test]
fn a_dry_run_says_what_would_run_and_writes_nothing() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    let output = run(folder.path(), "run pipeline.toml --out out --dry-run");
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{}",
        stderr(&output)
    );
    assert!(
        STAGES
            .iter()
            .all(|stage| stderr(&output).contains(&format!("{stage}: would run"))),
        "{}",
        stderr(&output)
    );
    assert!(!folder.path().join("out").exists());

    succeed(folder.path(), "run pipeline.toml --out out");
    replace_in(
        &folder.path().join("pipeline.toml"),
        "epochs = 2",
        "epochs = 3",
    );
    let before = files(folder.path());
    let times = modified(folder.path());
    let output = run(folder.path(), "run pipeline.toml --out out --dry-run");
    let text = stderr(&output);
    assert!(
        text.contains("2-tokens: already done") && text.contains("3-models/tiny: would run"),
        "{text}"
    );
    assert_eq!(files(folder.path()), before);
    assert_eq!(modified(folder.path()), times);
}

#[test]
fn a_changed_option_redoes_its_stage_and_those_after_it_only() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    let all = "run pipeline.toml --out out";
    assert_eq!(stages_done(folder.path(), all), STAGES);
    for (old, new, expected) in [
        (
            "epochs = 2",
            "epochs = 3",
            &["3-models/tiny", "5-report"][..],
        ),
        (
            "segment_length = 128",
            "segment_length = 64",
            &["2-tokens", "3-models/tiny", "5-report"],
        ),
        (
            "[tokens]",
            "[baselines]\nclump_kb = 100\n[tokens]",
            &["4-baselines", "5-report"],
        ),
        (
            "[tokens]",
            "[report]\ncompare_to = \"prs-covariates\"\n[tokens]",
            &STAGES[5..],
        ),
        ("people = 150", "people = 160", &STAGES),
    ] {
        replace_in(&folder.path().join("pipeline.toml"), old, new);
        assert_eq!(stages_done(folder.path(), all), expected, "{new}");
    }
    // The results are those of a run in an empty folder.
    succeed(folder.path(), "run pipeline.toml --out fresh");
    assert_eq!(
        different(&folder.path().join("out"), &folder.path().join("fresh")),
        [""; 0]
    );
}

#[test]
fn a_stage_is_done_again_only_where_the_cohort_matters_to_it() {
    let pipeline = format!(
        "seed = 3\n{}{}",
        data_table("made/"),
        tiny_pipeline_from_tokens()
    );
    let folder = folder_with_pipeline(&pipeline);
    succeed(
        folder.path(),
        "simulate --people 150 --len-nt 4000 --risk additive --seed 3 --out made",
    );
    let path = folder.path().join("made/cohort.csv");
    let all = "run pipeline.toml --out out";
    let stages_of_data = &STAGES[1..];
    assert_eq!(stages_done(folder.path(), all), stages_of_data);
    change_cells(&path, PHENOTYPE, 1, opposite_phenotype);
    assert_eq!(stages_done(folder.path(), all), STAGES[3..], "a phenotype");
    change_cells(&path, AGE, 2, |_| "71.5");
    assert_eq!(stages_done(folder.path(), all), STAGES[3..], "a covariate");
    change_cells(&path, AGE, 1, |_| "NA");
    assert_eq!(
        stages_done(folder.path(), all),
        STAGES[3..],
        "a missing covariate"
    );
    let run_json = run_json(&folder.path().join("out"));
    let dropped = &run_json["stages"]["3-models/tiny"]["summary"]["cohort"]["notes"]["dropped"];
    assert_eq!(
        dropped[0]["by_split"],
        serde_json::json!([1, 0, 0]),
        "{dropped:#}"
    );
    change_cells(&path, SPLIT, 5, out_of_training);
    assert_eq!(
        stages_done(folder.path(), all),
        STAGES[2..],
        "the training split"
    );
    // One sample fewer.
    let text = fs::read_to_string(&path).unwrap();
    let (without_last, _) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&path, format!("{without_last}\n")).unwrap();
    assert_eq!(
        stages_done(folder.path(), all),
        stages_of_data,
        "the samples"
    );
}

/// Columns of `cohort.csv`.
const PHENOTYPE: usize = 1;
const SPLIT: usize = 2;
const AGE: usize = 3;

/// Changes a cell of the first `n` rows of a cohort table; a covariate of training samples only.
fn change_cells(path: &Path, column: usize, n: usize, change: fn(&str) -> &str) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in lines
        .iter_mut()
        .skip(1)
        .filter(|line| line.contains(",train,") || column < AGE)
        .take(n)
    {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[column] = change(cells[column]);
        *line = cells.join(",");
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn opposite_phenotype(phenotype: &str) -> &str {
    if phenotype == "case" {
        "control"
    } else {
        "case"
    }
}

fn out_of_training(split: &str) -> &str {
    if split == "train" {
        "validation"
    } else {
        split
    }
}

#[test]
fn a_result_that_was_lost_or_changed_is_made_again() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    let out = folder.path().join("out");
    succeed(folder.path(), "run pipeline.toml --out out");
    let before = contents(&out, &RESULTS);
    fs::remove_file(out.join("2-tokens/tokens.safetensors")).unwrap();
    fs::write(out.join("4-baselines/predictions.csv"), "spoilt").unwrap();
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out out"),
        ["2-tokens", "4-baselines"]
    );
    assert!(contents(&out, &RESULTS) == before);
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bytes() {
    // Long enough to be killed in the middle of training.
    let pipeline = tiny_pipeline_with(&[
        ("epochs = 2", "epochs = 40\npatience = 40"),
        ("hidden = 8", "hidden = 32"),
    ]);
    let folder = folder_with_pipeline(&pipeline);
    succeed(folder.path(), "run pipeline.toml --out unbroken");
    let killed = folder.path().join("killed");
    let checkpoint = killed.join("3-models/tiny/checkpoint.safetensors");
    let arguments = "run pipeline.toml --out killed";
    // Anywhere in the stages before the training.
    for pause_ms in [5, 10, 20, 40] {
        let mut child = spawn_silently(folder.path(), arguments);
        sleep(Duration::from_millis(pause_ms));
        kill(&mut child);
    }
    // Twice in the training.
    for _ in 0..2 {
        let mut child = spawn_silently(folder.path(), arguments);
        let before = fs::read(&checkpoint).ok();
        wait_for_new_checkpoint(&checkpoint, before.as_ref(), &mut child);
        kill(&mut child);
    }
    assert!(checkpoint.exists() && !killed.join("3-models/tiny/config.json").exists());
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out killed"),
        STAGES[3..]
    );
    let resumed =
        &run_json(&killed)["stages"]["3-models/tiny"]["summary"]["members"][0]["epochs_resumed"];
    assert!(resumed.as_u64().unwrap() >= 2, "{resumed} epochs resumed");
    assert_eq!(different(&folder.path().join("unbroken"), &killed), [""; 0]);
    assert_eq!(
        file_names(&killed),
        file_names(&folder.path().join("unbroken")),
        "no checkpoint, no temporary file"
    );
}

#[test]
fn a_damaged_checkpoint_is_refused_and_one_of_other_options_is_started_anew() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out out");
    let config = folder.path().join("out/3-models/tiny/config.json");
    let checkpoint = folder
        .path()
        .join("out/3-models/tiny/checkpoint.safetensors");
    fs::remove_file(&config).unwrap();
    fs::write(&checkpoint, "half").unwrap();
    refusal(
        folder.path(),
        "run pipeline.toml --out out",
        &[
            "3-models/tiny: ",
            "checkpoint.safetensors: damaged checkpoint",
            "delete it to start from scratch",
        ],
    );

    // A checkpoint of a run with other options, which is killed in its training.
    let long = tiny_pipeline_with(&[
        ("epochs = 2", "epochs = 100\npatience = 100"),
        ("hidden = 8", "hidden = 32"),
    ]);
    fs::write(folder.path().join("long.toml"), long).unwrap();
    let mut child = spawn_silently(folder.path(), "run long.toml --out killed");
    let other_checkpoint = folder
        .path()
        .join("killed/3-models/tiny/checkpoint.safetensors");
    wait_for_checkpoint(&other_checkpoint, &mut child);
    kill(&mut child);
    fs::copy(other_checkpoint, &checkpoint).unwrap();
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out out"),
        ["3-models/tiny"]
    );
}

#[test]
fn run_json_tells_what_was_done() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out out");
    let json = run_json(&folder.path().join("out"));
    assert_eq!(json["program"], "gf-genomics");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["seed"], 3);
    assert_eq!(json["pipeline"], "pipeline.toml");
    // Defaults are written out.
    assert_eq!(json["options"]["source"]["simulate"]["people"], 150);
    assert_eq!(json["options"]["sequences"]["unphased"], "error");
    assert_eq!(
        json["options"]["models"][0]["schedule"]["learning_rate"],
        0.002
    );
    let stages = json["stages"].as_object().unwrap();
    assert_eq!(stages.keys().collect::<Vec<_>>(), STAGES);
    for (name, stage) in stages {
        assert!(
            stage["seconds"].as_f64().unwrap() >= 0.0
                && stage["done_before"] == false
                && !stage["summary"].is_null(),
            "{name}: {stage}"
        );
    }
    assert_eq!(stages["1-sequences"]["summary"]["n_people"], 150);
}

/// Runs the tiny pipeline into `simulated`, and copies its cohort next to a pipeline file in `own`.
fn own_cohort(pipeline: &str) -> tempfile::TempDir {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out simulated");
    fs::create_dir(folder.path().join("own")).unwrap();
    copy(
        &folder.path().join("simulated/0-cohort"),
        &folder.path().join("own"),
    );
    fs::write(folder.path().join("own/pipeline.toml"), pipeline).unwrap();
    folder
}

#[test]
fn a_users_own_files_give_what_the_simulated_ones_gave() {
    let folder = own_cohort(&format!(
        "seed = 3\n{}{}",
        data_table(""),
        tiny_pipeline_from_tokens()
    ));
    succeed(folder.path(), "run own/pipeline.toml --out out");
    // The first two results are the cohort itself.
    let simulated = contents(&folder.path().join("simulated"), &RESULTS[2..]);
    let own = contents(&folder.path().join("out"), &RESULTS[2..]);
    for (name, bytes) in simulated {
        // The report lists options and digests of inputs, which differ.
        assert!(
            name.ends_with("report.html") || own[name] == bytes,
            "{name} differs"
        );
    }
    let json = run_json(&folder.path().join("out"));
    let inputs = json["inputs"].as_object().unwrap();
    assert_eq!(inputs.len(), 4, "{inputs:?}");
    assert!(
        inputs
            .iter()
            .all(|(path, digest)| path.starts_with("own/") && digest.as_str().unwrap().len() == 64),
        "{inputs:?}"
    );

    // After a change of one phenotype the stages that depend on phenotypes are done again.
    let cohort = folder.path().join("own/cohort.csv");
    let text = fs::read_to_string(&cohort).unwrap();
    fs::write(&cohort, text.replacen("case", "control", 1)).unwrap();
    assert_eq!(
        stages_done(folder.path(), "run own/pipeline.toml --out out"),
        STAGES[3..]
    );
}

#[test]
fn the_pipeline_for_an_own_cohort_that_ships_runs() {
    let shipped = fs::read_to_string(repository("pipelines/own-cohort.toml")).unwrap();
    assert!(shipped.contains("epochs = 24"));
    let folder = own_cohort(&shipped.replace("epochs = 24", "epochs = 2"));
    let table = succeed(folder.path(), "run own/pipeline.toml --out out");
    assert!(
        table.contains("linformer") && table.contains("prs-dosages"),
        "{table}"
    );
}

/// A pipeline with every stage and every table, smaller than the tiny one.
const SMALL_PIPELINE: &str = "\
seed = 3
[simulate]
people = 60
len_nt = 2000
risk = \"additive\"
[sequences]
[tokens]
[[models]]
[models.architecture]
hidden = 4
layers = 1
heads = 2
projected_length = 4
feed_forward = 4
[models.schedule]
epochs = 1
[baselines]
[baselines.scoring]
[baselines.scoring.reading]
[report]
guards = \"warn\"
";

/// The tables of a pipeline file, as paths of keys; `models` is the first element of `[[models]]`.
const TABLES: [&str; 11] = [
    "",
    "simulate",
    "sequences",
    "tokens",
    "models",
    "models.architecture",
    "models.schedule",
    "baselines",
    "baselines.scoring",
    "baselines.scoring.reading",
    "report",
];

/// The pipeline with one key of one table set to a value.
fn with_key(pipeline: &str, table: &str, key: &str, value: impl Into<toml::Value>) -> String {
    let mut whole: toml::Table = toml::from_str(pipeline).unwrap();
    let mut innermost = &mut whole;
    for name in table.split('.').filter(|name| !name.is_empty()) {
        let inner = innermost.get_mut(name).unwrap();
        innermost = match inner {
            toml::Value::Array(models) => models[0].as_table_mut().unwrap(),
            inner => inner.as_table_mut().unwrap(),
        };
    }
    innermost.insert(key.to_owned(), value.into());
    toml::to_string(&whole).unwrap()
}

/// What `check` prints when it refuses a pipeline; `None` where it accepts it.
fn refused_by_check(folder: &Path, pipeline: &str) -> Option<String> {
    fs::write(folder.join("p.toml"), pipeline).unwrap();
    let output = run(folder, "check p.toml");
    if output.status.success() {
        return None;
    }
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(table + &stderr(&output))
}

/// Keys of a table. The program lists them when it is given a key that it does not know.
fn keys(folder: &Path, pipeline: &str, table: &str) -> Vec<String> {
    let unknown_key = with_key(pipeline, table, "no_such_key", 1);
    let message = refused_by_check(folder, &unknown_key).unwrap();
    let (_, expected) = message
        .split_once(", expected ")
        .unwrap_or_else(|| panic!("{table}: {message}"));
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Values that are invalid for most keys; floating-point numbers only where a key takes them.
fn odd_values(folder: &Path, pipeline: &str, table: &str, key: &str) -> Vec<toml::Value> {
    let is_float =
        refused_by_check(folder, &with_key(pipeline, table, key, 0.5)).is_none_or(|message| {
            !message.contains("invalid type") && !message.contains("did not match")
        });
    let mut values = vec![
        toml::Value::Integer(0),
        toml::Value::Integer(-1),
        toml::Value::Array(Vec::new()),
        toml::Value::String("no-such-word".into()),
    ];
    if is_float {
        values.extend([5.0, -0.5, f64::NAN].map(toml::Value::Float));
    }
    values
}

#[test]
fn check_refuses_every_key_that_run_would_refuse() {
    let folder = folder_with_pipeline(SMALL_PIPELINE);
    let folder = folder.path();
    assert_eq!(refused_by_check(folder, SMALL_PIPELINE), None);
    succeed(folder, "run pipeline.toml --out whole");
    let data = data_table("whole/0-cohort/") + "[sequences]\n[report]\nguards = \"warn\"\n";
    let mut tables: Vec<(&str, &str)> = TABLES.map(|table| (SMALL_PIPELINE, table)).into();
    tables.extend(["data", "sequences", "report"].map(|table| (data.as_str(), table)));
    let mut n_keys = 0;
    let mut refused_by_run_only = Vec::new();
    for (pipeline, table) in tables {
        for key in keys(folder, pipeline, table) {
            if is_table_or_seed(&key) {
                continue;
            }
            n_keys += 1;
            for value in odd_values(folder, pipeline, table, &key) {
                let text = with_key(pipeline, table, &key, value.clone());
                if let Some(message) = refused_by_run_only_message(folder, &text) {
                    refused_by_run_only.push(format!("[{table}] {key} = {value}: {message}"));
                }
            }
        }
    }
    assert!(n_keys > 80, "only {n_keys} keys were found");
    assert!(
        refused_by_run_only.is_empty(),
        "check accepts, and run refuses:\n{}",
        refused_by_run_only.join("\n")
    );
}

/// Tables are in [`TABLES`] with keys of their own; the seed may be any number.
fn is_table_or_seed(key: &str) -> bool {
    ["data", "seed"].contains(&key)
        || TABLES
            .iter()
            .any(|table| table.rsplit('.').next() == Some(key))
}

/// The error of `run` for a pipeline that `check` accepts; `None` where the two agree.
fn refused_by_run_only_message(folder: &Path, pipeline: &str) -> Option<String> {
    if refused_by_check(folder, pipeline).is_some() {
        return None;
    }
    let _ = fs::remove_dir_all(folder.join("one"));
    let output = run(folder, "run p.toml --out one");
    if output.status.success() {
        return None;
    }
    let text = stderr(&output);
    Some(text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn check_names_options_of_the_report_and_of_models_that_make_no_sense() {
    let folder = folder_with_pipeline(SMALL_PIPELINE);
    for (table, key, value, expected) in [
        (
            "report",
            "compare_to",
            toml::Value::from("prs-nothing"),
            "refused 5-report: compare_to: this pipeline has no model `prs-nothing`",
        ),
        (
            "report",
            "strata",
            toml::Value::from(vec!["ancestry"]),
            "strata: `ancestry` is not a column of the cohort table",
        ),
        (
            "report",
            "prevalence",
            toml::Value::from(5),
            "refused 5-report: a prevalence of 5 is not between 0 and 1",
        ),
        (
            "models.architecture",
            "projected_length",
            toml::Value::from(0),
            "refused 3-models/additive+linformer: ",
        ),
    ] {
        let pipeline = with_key(SMALL_PIPELINE, table, key, value);
        let message = refused_by_check(folder.path(), &pipeline).unwrap();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn check_counts_records_that_are_left_out_by_their_filter() {
    let folder = folder_with_pipeline(SMALL_PIPELINE);
    let cohort = "simulate --people 100 --len-nt 3000 --risk null --out cohort";
    succeed(folder.path(), cohort);
    let pipeline = data_table("cohort/") + "[sequences]\n";
    assert_eq!(refused_by_check(folder.path(), &pipeline), None);
    let filtered = pipeline + "apply_filters = \"LowQual\"\n";
    let message = refused_by_check(folder.path(), &filtered).unwrap();
    assert!(
        message.contains("records in the loci, and none has FILTER LowQual"),
        "{message}"
    );
}

#[test]
fn a_run_ends_with_the_path_of_its_report() {
    let folder = folder_with_pipeline(SMALL_PIPELINE);
    for run in ["first", "again"] {
        let printed = succeed(folder.path(), "run pipeline.toml --out out");
        assert_eq!(
            printed.lines().last(),
            Some("Report: out/5-report/report.html"),
            "{run}: {printed}"
        );
    }
}

#[test]
fn a_plan_counts_the_additive_term_and_the_networks_of_every_deep_term() {
    let folder = folder_with_pipeline(SMALL_PIPELINE);
    let pure = planned_training(folder.path(), "none");
    let with_terms = planned_training(folder.path(), "segments");
    let [pure_minutes, minutes] =
        [&pure, &with_terms].map(|job| job["core_minutes"].as_f64().unwrap());
    let [pure_disk_mb, disk_mb] = [&pure, &with_terms].map(|job| job["disk_mb"].as_f64().unwrap());
    assert!(
        minutes > 2.0 * pure_minutes && disk_mb >= pure_disk_mb,
        "{pure:?}, {with_terms:?}"
    );
}

/// The planned job that trains a model with this additive term on 100,000 samples.
fn planned_training(folder: &Path, additive: &str) -> Value {
    let with_term = with_key(SMALL_PIPELINE, "models", "additive", additive);
    let pipeline = with_key(&with_term, "simulate", "people", 100_000);
    fs::write(folder.join("p.toml"), pipeline).unwrap();
    let plan: Value = serde_json::from_str(&succeed(folder, "plan p.toml --json")).unwrap();
    let mut jobs = plan["jobs"].as_array().unwrap().iter();
    jobs.find(|job| job["rule"] == "train").unwrap().clone()
}

#[test]
fn a_reader_of_the_table_that_goes_away_is_no_failure() {
    let folder = folder_with_pipeline(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out out");
    let mut child = command(folder.path(), "run pipeline.toml --out out")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let text = stderr_to_end(&mut child);
    assert!(
        child.wait().unwrap().success() && !text.contains("panicked"),
        "{text}"
    );
}
