//! `gf-genomics run`: what is done is not done again, what was killed goes on, and one seed gives
//! the same bytes.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use crate::support::{TINY_PIPELINE, command, copy, files, refusal, run, stderr, succeed};
use serde_json::Value;

const STAGES: [&str; 6] = [
    "0-cohort",
    "1-sequences",
    "2-tokens",
    "3-models/tiny",
    "4-baselines",
    "5-report",
];

/// What depends on nothing but inputs, options and seed.
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

fn folder_with(pipeline: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeline.toml"), pipeline).unwrap();
    folder
}

/// The results of a run in `out`, by name.
fn results(out: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    RESULTS
        .into_iter()
        .map(|name| {
            (
                name,
                fs::read(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")),
            )
        })
        .collect()
}

/// Which results differ.
fn different(a: &Path, b: &Path) -> Vec<&'static str> {
    let a = results(a);
    let b = results(b);
    RESULTS
        .into_iter()
        .filter(|name| a[name] != b[name])
        .collect()
}

fn run_json(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap()
}

/// Runs the pipeline; the stages that it did.
fn stages_done(folder: &Path, arguments: &str) -> Vec<&'static str> {
    let output = run(folder, arguments);
    let text = stderr(&output);
    assert!(output.status.success(), "`{arguments}`: {text}");
    STAGES
        .into_iter()
        .filter(|stage| text.lines().any(|line| line == format!("{stage}:")))
        .collect()
}

fn modified(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let time = |path: PathBuf| {
        (
            path.clone(),
            fs::metadata(folder.join(path)).unwrap().modified().unwrap(),
        )
    };
    files(folder)
        .into_keys()
        .filter(|path| !path.ends_with("run.json"))
        .map(time)
        .collect()
}

#[test]
fn a_second_run_does_nothing_and_says_so() {
    let folder = folder_with(TINY_PIPELINE);
    let first = succeed(folder.path(), "run pipeline.toml --out out");
    let before = modified(folder.path());
    let bytes = files(&folder.path().join("out"));
    let output = run(folder.path(), "run pipeline.toml --out out");
    assert!(output.status.success());
    for stage in STAGES {
        assert!(
            stderr(&output).contains(&format!("{stage}: done before (")),
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
    let run_after = after.insert("run.json".into(), bytes[Path::new("run.json")].clone());
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
    let folder = folder_with(TINY_PIPELINE);
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
    assert_eq!(
        (&run_json(&a)["seed"], &run_json(&other)["seed"]),
        (&Value::from(3), &Value::from(4))
    );
    // The seed of the command line is that of the file.
    fs::write(
        folder.path().join("pipeline.toml"),
        TINY_PIPELINE.replace("seed = 3", "seed = 4"),
    )
    .unwrap();
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out other"),
        [""; 0]
    );
}

#[test]
fn a_dry_run_says_what_would_run_and_writes_nothing() {
    let folder = folder_with(TINY_PIPELINE);
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
    fs::write(
        folder.path().join("pipeline.toml"),
        TINY_PIPELINE.replace("epochs = 2", "epochs = 3"),
    )
    .unwrap();
    let before = files(folder.path());
    let times = modified(folder.path());
    let output = run(folder.path(), "run pipeline.toml --out out --dry-run");
    let text = stderr(&output);
    assert!(
        text.contains("2-tokens: done before") && text.contains("3-models/tiny: would run"),
        "{text}"
    );
    assert_eq!(
        (files(folder.path()), modified(folder.path())),
        (before, times)
    );
}

#[test]
fn a_changed_option_redoes_its_stage_and_those_after_it_only() {
    let folder = folder_with(TINY_PIPELINE);
    let all = "run pipeline.toml --out out";
    assert_eq!(stages_done(folder.path(), all), STAGES);
    let change = |from: &str, to: &str| {
        let path = folder.path().join("pipeline.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    change("epochs = 2", "epochs = 3");
    assert_eq!(
        stages_done(folder.path(), all),
        ["3-models/tiny", "5-report"]
    );
    change("segment_length = 128", "segment_length = 64");
    assert_eq!(
        stages_done(folder.path(), all),
        ["2-tokens", "3-models/tiny", "5-report"]
    );
    change("[tokens]", "[baselines]\nclump_kb = 100\n[tokens]");
    assert_eq!(stages_done(folder.path(), all), ["4-baselines", "5-report"]);
    change(
        "[tokens]",
        "[report]\ncompare_to = \"prs-covariates\"\n[tokens]",
    );
    assert_eq!(stages_done(folder.path(), all), STAGES[5..]);
    change("people = 150", "people = 160");
    assert_eq!(stages_done(folder.path(), all), STAGES);
    // What was redone is what a run in an empty folder gives.
    succeed(folder.path(), "run pipeline.toml --out fresh");
    assert_eq!(
        different(&folder.path().join("out"), &folder.path().join("fresh")),
        [""; 0]
    );
}

#[test]
fn a_stage_is_done_again_only_where_the_cohort_matters_to_it() {
    let pipeline = TINY_PIPELINE.replace(
        "[simulate]\npeople = 150\nlen_nt = 4000\nrisk = \"additive\"\n",
        "[data]\nvcf = [\"made/cohort.vcf.gz\"]\nreference = \"made/reference.fa\"\nregions_file \
         = \"made/loci.bed\"\ncohort = \"made/cohort.csv\"\n",
    );
    let folder = folder_with(&pipeline);
    succeed(
        folder.path(),
        "simulate --people 150 --len-nt 4000 --risk additive --seed 3 --out made",
    );
    let path = folder.path().join("made/cohort.csv");
    let change = |column: usize, to: &dyn Fn(&str) -> String, n: usize| {
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in lines
            .iter_mut()
            .skip(1)
            .filter(|line| line.contains(",train,") || column < 3)
            .take(n)
        {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            cells[column] = to(&cells[column]);
            *line = cells.join(",");
        }
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    };
    let all = "run pipeline.toml --out out";
    let of_data = &STAGES[1..];
    assert_eq!(stages_done(folder.path(), all), of_data);
    let opposite = |phenotype: &str| {
        if phenotype == "case" {
            "control"
        } else {
            "case"
        }
        .to_owned()
    };
    change(1, &opposite, 1);
    assert_eq!(stages_done(folder.path(), all), STAGES[3..], "a phenotype");
    change(3, &|_| "71.5".into(), 2);
    assert_eq!(stages_done(folder.path(), all), STAGES[3..], "a covariate");
    change(3, &|_| "NA".into(), 1);
    assert_eq!(
        stages_done(folder.path(), all),
        STAGES[3..],
        "a missing covariate"
    );
    let told = &run_json(&folder.path().join("out"))["stages"]["3-models/tiny"]["summary"]["cohort"]
        ["notes"]["dropped"];
    assert_eq!(
        told[0]["by_split"],
        serde_json::json!([1, 0, 0]),
        "{told:#}"
    );
    change(
        2,
        &|split| {
            if split == "train" {
                "validation".into()
            } else {
                split.into()
            }
        },
        5,
    );
    assert_eq!(
        stages_done(folder.path(), all),
        STAGES[2..],
        "the training split"
    );
    // Somebody who is not there any more.
    let text = fs::read_to_string(&path).unwrap();
    let (kept, _) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&path, format!("{kept}\n")).unwrap();
    assert_eq!(stages_done(folder.path(), all), of_data, "the samples");
}

#[test]
fn a_result_that_was_lost_or_changed_is_made_again() {
    let folder = folder_with(TINY_PIPELINE);
    let out = folder.path().join("out");
    succeed(folder.path(), "run pipeline.toml --out out");
    let before = results(&out);
    fs::remove_file(out.join("2-tokens/tokens.safetensors")).unwrap();
    fs::write(out.join("4-baselines/predictions.csv"), "spoilt").unwrap();
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out out"),
        ["2-tokens", "4-baselines"]
    );
    assert!(results(&out) == before);
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bytes() {
    // Long enough to be killed in the middle of training.
    let pipeline = TINY_PIPELINE
        .replace("epochs = 2", "epochs = 40\npatience = 40")
        .replace("hidden = 8", "hidden = 32");
    let folder = folder_with(&pipeline);
    succeed(folder.path(), "run pipeline.toml --out unbroken");
    let killed = folder.path().join("killed");
    let checkpoint = killed.join("3-models/tiny/checkpoint.safetensors");
    let spawn = || {
        command(folder.path(), "run pipeline.toml --out killed")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    // Anywhere in the stages before, then in training, twice.
    for pause_ms in [5, 10, 20, 40] {
        let mut child = spawn();
        sleep(Duration::from_millis(pause_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for _ in 0..2 {
        let mut child = spawn();
        let started = Instant::now();
        let before = fs::read(&checkpoint).ok();
        while fs::read(&checkpoint).ok() == before {
            assert!(
                started.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none(),
                "no checkpoint was written"
            );
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
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
    let left: Vec<PathBuf> = files(&killed).into_keys().collect();
    assert_eq!(
        left,
        files(&folder.path().join("unbroken"))
            .into_keys()
            .collect::<Vec<_>>(),
        "no checkpoint, no temporary file"
    );
}

#[test]
fn a_damaged_checkpoint_is_refused_and_one_of_other_options_is_started_anew() {
    let folder = folder_with(TINY_PIPELINE);
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
            "delete it to start again",
        ],
    );

    // Of a run with other options that was killed in training.
    let long = TINY_PIPELINE
        .replace("epochs = 2", "epochs = 100\npatience = 100")
        .replace("hidden = 8", "hidden = 32");
    fs::write(folder.path().join("long.toml"), long).unwrap();
    let mut child = command(folder.path(), "run long.toml --out killed")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let other = folder
        .path()
        .join("killed/3-models/tiny/checkpoint.safetensors");
    let started = Instant::now();
    while !other.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no checkpoint was written"
        );
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::copy(other, &checkpoint).unwrap();
    assert_eq!(
        stages_done(folder.path(), "run pipeline.toml --out out"),
        ["3-models/tiny"]
    );
}

#[test]
fn run_json_tells_what_was_done() {
    let folder = folder_with(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out out");
    let json = run_json(&folder.path().join("out"));
    assert_eq!(
        (&json["program"], &json["version"]),
        (
            &Value::from("gf-genomics"),
            &Value::from(env!("CARGO_PKG_VERSION"))
        )
    );
    assert_eq!(
        (&json["seed"], &json["pipeline"]),
        (&Value::from(3), &Value::from("pipeline.toml"))
    );
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

/// The files of a simulated cohort as a user's own.
fn own_cohort(pipeline: &str) -> tempfile::TempDir {
    let folder = folder_with(TINY_PIPELINE);
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
    let (_, rest) = TINY_PIPELINE.split_once("[tokens]").unwrap();
    let data = "seed = 3\n[data]\nvcf = [\"cohort.vcf.gz\"]\nreference = \
                \"reference.fa\"\nregions_file = \"loci.bed\"\ncohort = \"cohort.csv\"\n[tokens]";
    let folder = own_cohort(&format!("{data}{rest}"));
    succeed(folder.path(), "run own/pipeline.toml --out out");
    let simulated = results_after(&folder.path().join("simulated"), 2);
    let own = results_after(&folder.path().join("out"), 2);
    // The report tells options and digests, and those are others.
    for (name, bytes) in simulated
        .into_iter()
        .filter(|(name, _)| !name.ends_with("report.html"))
    {
        assert!(own[name] == bytes, "{name} differs");
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

    // Another phenotype, and what depends on phenotypes is done again.
    let cohort = folder.path().join("own/cohort.csv");
    let text = fs::read_to_string(&cohort).unwrap();
    fs::write(&cohort, text.replacen("case", "control", 1)).unwrap();
    assert_eq!(
        stages_done(folder.path(), "run own/pipeline.toml --out out"),
        STAGES[3..]
    );
}

/// [`results`] without those of the first stage.
fn results_after(out: &Path, skipped: usize) -> BTreeMap<&'static str, Vec<u8>> {
    RESULTS[skipped..]
        .iter()
        .map(|name| (*name, fs::read(out.join(name)).unwrap()))
        .collect()
}

#[test]
fn the_pipeline_for_an_own_cohort_that_ships_runs() {
    let shipped =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/own-cohort.toml"))
            .unwrap();
    assert!(shipped.contains("epochs = 24"));
    let folder = own_cohort(&shipped.replace("epochs = 24", "epochs = 2"));
    let table = succeed(folder.path(), "run own/pipeline.toml --out out");
    assert!(
        table.contains("linformer") && table.contains("prs-dosages"),
        "{table}"
    );
}

/// A pipeline of every stage that runs at once.
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

/// The tables of a pipeline file, as paths of keys; those of `[[models]]` are of the first model.
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
fn with_key(pipeline: &str, table: &str, key: &str, value: toml::Value) -> String {
    let mut whole: toml::Table = toml::from_str(pipeline).unwrap();
    let mut place = &mut whole;
    for name in table.split('.').filter(|name| !name.is_empty()) {
        let inner = place.get_mut(name).unwrap();
        place = match inner {
            toml::Value::Array(models) => models[0].as_table_mut().unwrap(),
            inner => inner.as_table_mut().unwrap(),
        };
    }
    place.insert(key.to_owned(), value);
    toml::to_string(&whole).unwrap()
}

/// What `check` answers to a pipeline with this key; `None` where it refuses nothing.
fn checked(folder: &Path, pipeline: &str) -> Option<String> {
    fs::write(folder.join("p.toml"), pipeline).unwrap();
    let output = run(folder, "check p.toml");
    (!output.status.success()).then(|| {
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            stderr(&output)
        )
    })
}

/// Keys of a table, asked of the program by one that it does not know.
fn keys(folder: &Path, pipeline: &str, table: &str) -> Vec<String> {
    let answer = checked(
        folder,
        &with_key(pipeline, table, "no_such_key", toml::Value::Integer(1)),
    )
    .unwrap();
    let expected = answer
        .split_once(", expected ")
        .unwrap_or_else(|| panic!("{table}: {answer}"))
        .1;
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Values that make no sense for most keys; numbers with a point only where such a number is
/// expected.
fn odd_values(folder: &Path, pipeline: &str, table: &str, key: &str) -> Vec<toml::Value> {
    let is_float = checked(
        folder,
        &with_key(pipeline, table, key, toml::Value::Float(0.5)),
    )
    .is_none_or(|answer| !answer.contains("invalid type") && !answer.contains("did not match"));
    let mut values = vec![
        toml::Value::Integer(0),
        toml::Value::Integer(-1),
        toml::Value::Array(Vec::new()),
    ];
    values.push(toml::Value::String("no-such-word".into()));
    if is_float {
        values.extend([5.0, -0.5, f64::NAN].map(toml::Value::Float));
    }
    values
}

#[test]
fn check_refuses_every_key_that_run_would_refuse() {
    let folder = folder_with(SMALL_PIPELINE);
    let folder = folder.path();
    assert_eq!(checked(folder, SMALL_PIPELINE), None);
    succeed(folder, "run pipeline.toml --out whole");
    let data = "[data]\nvcf = [\"whole/0-cohort/cohort.vcf.gz\"]\nreference = \
                \"whole/0-cohort/reference.fa\"\nregions_file = \
                \"whole/0-cohort/loci.bed\"\ncohort = \
                \"whole/0-cohort/cohort.csv\"\n[sequences]\n[report]\nguards = \"warn\"\n";
    let pipelines = TABLES.iter().map(|table| (SMALL_PIPELINE, *table)).chain([
        (data, "data"),
        (data, "sequences"),
        (data, "report"),
    ]);
    let mut n_keys = 0;
    let mut unlike = Vec::new();
    for (pipeline, table) in pipelines {
        for key in keys(folder, pipeline, table) {
            // Tables have keys of their own; the seed may be any number.
            if TABLES
                .iter()
                .any(|other| other.rsplit('.').next() == Some(key.as_str()))
                || ["data", "seed"].contains(&key.as_str())
            {
                continue;
            }
            n_keys += 1;
            for value in odd_values(folder, pipeline, table, &key) {
                let text = with_key(pipeline, table, &key, value.clone());
                if checked(folder, &text).is_some() {
                    continue;
                }
                let _ = fs::remove_dir_all(folder.join("one"));
                let output = run(folder, "run p.toml --out one");
                if !output.status.success() {
                    unlike.push(format!(
                        "[{table}] {key} = {value}: {}",
                        stderr(&output).lines().last().unwrap_or_default()
                    ));
                }
            }
        }
    }
    assert!(n_keys > 80, "only {n_keys} keys were found");
    assert!(
        unlike.is_empty(),
        "check accepts, and run refuses:\n{}",
        unlike.join("\n")
    );
}

#[test]
fn check_names_options_of_the_report_and_of_models_that_make_no_sense() {
    let folder = folder_with(SMALL_PIPELINE);
    let text = |value: &str| toml::Value::String(value.into());
    for (table, key, value, expected) in [
        (
            "report",
            "compare_to",
            text("prs-nothing"),
            "refused 5-report: compare_to: there will be no predictions of `prs-nothing`",
        ),
        (
            "report",
            "strata",
            toml::Value::Array(vec![text("ancestry")]),
            "strata: `ancestry` is no column of the cohort table",
        ),
        (
            "report",
            "prevalence",
            toml::Value::Integer(5),
            "refused 5-report: a prevalence of 5 is not between 0 and 1",
        ),
        (
            "models.architecture",
            "projected_length",
            toml::Value::Integer(0),
            "refused 3-models/additive+linformer: ",
        ),
    ] {
        let answer = checked(folder.path(), &with_key(SMALL_PIPELINE, table, key, value)).unwrap();
        assert!(answer.contains(expected), "{answer}");
    }
}

#[test]
fn check_counts_records_that_are_left_out_by_their_filter() {
    let folder = folder_with(SMALL_PIPELINE);
    let cohort = "simulate --people 100 --len-nt 3000 --risk null --out cohort";
    succeed(folder.path(), cohort);
    let data = "[data]\nvcf = [\"cohort/cohort.vcf.gz\"]\nreference = \
                \"cohort/reference.fa\"\nregions_file = \"cohort/loci.bed\"\ncohort = \
                \"cohort/cohort.csv\"\n[sequences]\n";
    assert_eq!(checked(folder.path(), data), None);
    let refusal = checked(
        folder.path(),
        &format!("{data}apply_filters = \"LowQual\"\n"),
    )
    .unwrap();
    assert!(
        refusal.contains("records in the loci, and none has FILTER LowQual"),
        "{refusal}"
    );
}

#[test]
fn a_run_ends_with_the_path_of_its_report() {
    let folder = folder_with(SMALL_PIPELINE);
    for run in ["first", "again"] {
        let said = succeed(folder.path(), "run pipeline.toml --out out");
        assert_eq!(
            said.lines().last(),
            Some("Report: out/5-report/report.html"),
            "{run}: {said}"
        );
    }
}

#[test]
fn a_plan_counts_the_additive_term_and_the_networks_of_every_deep_term() {
    let folder = folder_with(SMALL_PIPELINE);
    let training = |additive: &str| {
        let pipeline = with_key(
            SMALL_PIPELINE,
            "models",
            "additive",
            toml::Value::String(additive.into()),
        );
        let pipeline = with_key(
            &pipeline,
            "simulate",
            "people",
            toml::Value::Integer(100_000),
        );
        fs::write(folder.path().join("p.toml"), pipeline).unwrap();
        let plan: Value =
            serde_json::from_str(&succeed(folder.path(), "plan p.toml --json")).unwrap();
        let job = plan["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|job| job["rule"] == "train")
            .unwrap()
            .clone();
        (
            job["core_minutes"].as_f64().unwrap(),
            job["disk_mb"].as_f64().unwrap(),
        )
    };
    let pure = training("none");
    let with_terms = training("segments");
    assert!(
        with_terms.0 > 2.0 * pure.0 && with_terms.1 >= pure.1,
        "{pure:?}, {with_terms:?}"
    );
}

#[test]
fn a_reader_of_the_table_that_goes_away_is_no_failure() {
    let folder = folder_with(TINY_PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out out");
    let mut child = command(folder.path(), "run pipeline.toml --out out")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(
        child.wait().unwrap().success() && !text.contains("panicked"),
        "{text}"
    );
}
