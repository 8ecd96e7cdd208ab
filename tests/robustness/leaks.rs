//! Simulated leaks: each is found by its guard and stops the run; a clean cohort raises no alarm.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use crate::support::{compression::gunzipped, refusal, rows, succeed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A sample of an invented cohort.
struct Person {
    id: String,
    family: String,
    split: &'static str,
    is_case: bool,
    pc1: f64,
}

/// Approximately standard normal: the sum of 12 uniform numbers minus 6.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

impl Person {
    fn phenotype(&self) -> &'static str {
        if self.is_case { "case" } else { "control" }
    }
}

/// 1,000 samples: 600 to train on, 200 to validate and 200 to test.
fn people(random: &mut ChaCha8Rng) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..1_000 {
        people.push(Person {
            id: format!("P{number:04}"),
            family: format!("F{number:04}"),
            split: ["train", "train", "train", "validation", "test"][number % 5],
            is_case: random.random_bool(0.4),
            pc1: normal(random),
        });
    }
    people
}

/// Writes `cohort.csv`, and `predictions.csv` with the logits of each model.
fn write(folder: &Path, people: &[Person], models: &[(&str, Vec<f64>)]) {
    let mut cohort = "sample_id,phenotype,split,family_id,PC1\n".to_owned();
    for person in people {
        let phenotype = person.phenotype();
        let Person {
            id,
            family,
            split,
            pc1,
            ..
        } = person;
        writeln!(cohort, "{id},{phenotype},{split},{family},{pc1}").unwrap();
    }
    fs::write(folder.join("cohort.csv"), cohort).unwrap();
    let mut predictions = "sample_id,model,split,fold,phenotype,logit,probability\n".to_owned();
    for (model, logits) in models {
        for (person, logit) in people.iter().zip(logits) {
            let Person { id, split, .. } = person;
            let phenotype = person.phenotype();
            let probability = 1.0 / (1.0 + (-logit).exp());
            writeln!(
                predictions,
                "{id},{model},{split},,{phenotype},{logit},{probability}"
            )
            .unwrap();
        }
    }
    fs::write(folder.join("predictions.csv"), predictions).unwrap();
}

/// Logits of noise, with `shift` added for cases.
fn score(people: &[Person], shift: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    people
        .iter()
        .map(|person| normal(random) + if person.is_case { shift } else { 0.0 })
        .collect()
}

/// Two baselines and a model; for `shift` above 0 the last two predict the phenotype.
fn models(people: &[Person], shift: f64, random: &mut ChaCha8Rng) -> Vec<(&'static str, Vec<f64>)> {
    let pcs = people.iter().map(|person| 0.1 * person.pc1).collect();
    vec![
        ("prs-pcs", pcs),
        ("prs-dosages", score(people, shift, random)),
        ("linformer", score(people, shift, random)),
    ]
}

const EVALUATE: &str = "evaluate --predictions predictions.csv --cohort cohort.csv --out report";

/// Names of the guards that found something, with their verdict.
fn alarms(folder: &Path) -> BTreeSet<(String, String)> {
    let guards = rows(&folder.join("report/guards.csv"));
    let found = guards
        .iter()
        .filter(|row| ["warn", "fail"].contains(&row["verdict"].as_str()));
    found
        .map(|row| (row["guard"].clone(), row["verdict"].clone()))
        .collect()
}

fn failed(names: &[&str]) -> BTreeSet<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), "fail".to_owned()))
        .collect()
}

#[test]
fn siblings_of_training_people_in_the_test_split_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    let mut people = people(random);
    let test: Vec<usize> = (0..people.len())
        .filter(|&person| people[person].split == "test")
        .collect();
    for person in test.iter().step_by(10) {
        people[*person].family = people[person - 4].family.clone();
    }
    write(folder.path(), &people, &models(&people, 0.8, random));
    let message = refusal(
        folder.path(),
        EVALUATE,
        &[
            "family-in-two-splits",
            "of 200 test samples, 20 have relatives outside the test split",
        ],
    );
    assert!(message.contains("--guards warn"), "{message}");
    assert_eq!(alarms(folder.path()), failed(&["family-in-two-splits"]));
    // All tables are written, and `--guards warn` turns the error into a warning.
    assert_eq!(rows(&folder.path().join("report/auc.csv")).len(), 10);
    let table = succeed(folder.path(), &format!("{EVALUATE} --guards warn --force"));
    assert!(
        table.contains("fail     family-in-two-splits (cohort.csv)"),
        "{table}"
    );
}

#[test]
fn a_batch_effect_along_a_principal_component_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let random = &mut ChaCha8Rng::seed_from_u64(2);
    let mut people = people(random);
    for person in &mut people {
        person.pc1 += if person.is_case { 1.2 } else { 0.0 };
    }
    let pcs: Vec<f64> = people.iter().map(|person| person.pc1).collect();
    let batch_effect = people
        .iter()
        .map(|person| person.pc1 + 0.5 * normal(random))
        .collect();
    write(
        folder.path(),
        &people,
        &[("prs-pcs", pcs), ("linformer", batch_effect)],
    );
    refusal(
        folder.path(),
        EVALUATE,
        &[
            "stratification (linformer:",
            "permuted-labels (linformer:",
            "quintiles of PC1",
        ],
    );
    assert_eq!(
        alarms(folder.path()),
        failed(&["permuted-labels", "stratification"])
    );
}

#[test]
fn one_model_under_two_names_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let random = &mut ChaCha8Rng::seed_from_u64(3);
    let people = people(random);
    let mut models = models(&people, 0.8, random);
    models.push(("linformer-again", models[2].1.clone()));
    write(folder.path(), &people, &models);
    refusal(
        folder.path(),
        EVALUATE,
        &["identical-scores (linformer-again: the same scores as linformer for all 200 samples"],
    );
    assert_eq!(alarms(folder.path()), failed(&["identical-scores"]));
}

#[test]
fn people_in_another_split_than_the_cohort_says_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let random = &mut ChaCha8Rng::seed_from_u64(4);
    let people = people(random);
    write(folder.path(), &people, &models(&people, 0.8, random));
    let cohort = fs::read_to_string(folder.path().join("cohort.csv")).unwrap();
    fs::write(
        folder.path().join("cohort.csv"),
        cohort.replacen(",test,", ",train,", 7),
    )
    .unwrap();
    refusal(
        folder.path(),
        EVALUATE,
        &[
            "person-in-two-splits",
            "of 1000 samples, 7 samples have another split in cohort.csv",
        ],
    );
}

/// Weights are differences of allele frequency between cases and controls of the test split, as an
/// association study on them would give. With few variants, or many test people, such a score fits
/// too little of the noise to be told from an honest one.
#[test]
fn a_scoring_file_made_with_the_test_people_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    succeed(
        folder.path(),
        "simulate --people 1500 --risk additive --auc 0.6 --len-nt 400000 --recombinations-per-mb \
         200 --seed 5 --out cohort",
    );
    let scoring_file = scoring_file_of_test_people(&folder.path().join("cohort"));
    fs::write(folder.path().join("leak.txt"), scoring_file).unwrap();
    let prs = "prs --vcf cohort/cohort.vcf.gz --cohort cohort/cohort.csv --scoring-file leak.txt \
               --keep-ambiguous --out prs";
    succeed(folder.path(), prs);
    let evaluate =
        "evaluate --predictions prs/predictions.csv --cohort cohort/cohort.csv --out report";
    refusal(
        folder.path(),
        evaluate,
        &[
            "test-better-than-train (prs-leak",
            "were weights or scoring file made with the test samples?",
        ],
    );
    let mut expected = failed(&["test-better-than-train"]);
    expected.insert(("too-good".into(), "warn".into()));
    assert_eq!(alarms(folder.path()), expected);
}

/// A scoring file whose weights are the effects of an association study on the test split: the
/// difference of the mean number of copies in cases and controls, divided by 2 p (1 - p).
fn scoring_file_of_test_people(cohort: &Path) -> String {
    let is_case_in_test: BTreeMap<String, bool> = rows(&cohort.join("cohort.csv"))
        .into_iter()
        .filter(|row| row["split"] == "test")
        .map(|row| (row["sample_id"].clone(), row["phenotype"] == "case"))
        .collect();
    let vcf = gunzipped(&cohort.join("cohort.vcf.gz"));
    // Whether each column is a case or a control of the test split, or neither.
    let mut columns: Vec<Option<bool>> = Vec::new();
    let mut scoring_file = "#pgs_id=leak\nchr_name\tchr_position\teffect_allele\tother_allele\
                            \teffect_weight\n"
        .to_owned();
    for line in vcf.lines().filter(|line| !line.starts_with("##")) {
        let cells: Vec<&str> = line.split('\t').collect();
        if line.starts_with('#') {
            columns = cells[9..]
                .iter()
                .map(|sample| is_case_in_test.get(*sample).copied())
                .collect();
            continue;
        }
        // Of controls and of cases.
        let mut copies = [0.0; 2];
        let mut n_samples = [0.0; 2];
        for (genotype, is_case) in cells[9..].iter().zip(&columns) {
            let Some(is_case) = is_case else { continue };
            copies[usize::from(*is_case)] += genotype.matches('1').count() as f64;
            n_samples[usize::from(*is_case)] += 1.0;
        }
        let difference = copies[1] / n_samples[1] - copies[0] / n_samples[0];
        let frequency = (copies[0] + copies[1]) / (n_samples[0] + n_samples[1]) / 2.0;
        if frequency > 0.0 && frequency < 1.0 {
            let weight = difference / (2.0 * frequency * (1.0 - frequency));
            let [contig, position, _, ref_allele, alt_allele, ..] = cells[..] else {
                panic!("{line}")
            };
            writeln!(
                scoring_file,
                "{contig}\t{position}\t{alt_allele}\t{ref_allele}\t{weight}"
            )
            .unwrap();
        }
    }
    scoring_file
}

/// Every guard checks every model of each cohort, and may be wrong once in a thousand cohorts.
#[test]
fn clean_cohorts_raise_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let mut n_alarms = 0;
    for seed in 0..20 {
        let random = &mut ChaCha8Rng::seed_from_u64(100 + seed);
        let people = people(random);
        let shift = if seed < 15 { 0.0 } else { 0.8 };
        write(folder.path(), &people, &models(&people, shift, random));
        succeed(folder.path(), &format!("{EVALUATE} --guards warn --force"));
        let found = alarms(folder.path());
        if !found.is_empty() {
            eprintln!("seed {seed}: {found:?}");
        }
        n_alarms += found.len();
    }
    assert_eq!(n_alarms, 0, "of 20 cohorts");
}
