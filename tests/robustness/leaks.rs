//! Planted leaks: each is found by its own guard and stops the run; a clean cohort raises no alarm.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    path::Path,
};

use crate::support::{refusal, rows, succeed};
use flate2::read::MultiGzDecoder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A person of a made-up cohort.
struct Person {
    id: String,
    family: String,
    split: &'static str,
    is_case: bool,
    pc1: f64,
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

/// 1,000 people, 600 of them to train on, 200 in the test split.
fn people(random: &mut ChaCha8Rng) -> Vec<Person> {
    let person = |number: usize| Person {
        id: format!("P{number:04}"),
        family: format!("F{number:04}"),
        split: ["train", "train", "train", "validation", "test"][number % 5],
        is_case: random.random_bool(0.4),
        pc1: normal(random),
    };
    (0..1_000).map(person).collect()
}

/// Writes `cohort.csv`, and `predictions.csv` with a logit of each model.
fn write(folder: &Path, people: &[Person], models: &[(&str, Vec<f64>)]) {
    let phenotype = |person: &Person| if person.is_case { "case" } else { "control" };
    let cohort = people.iter().map(|person| {
        format!(
            "{},{},{},{},{}\n",
            person.id,
            phenotype(person),
            person.split,
            person.family,
            person.pc1
        )
    });
    fs::write(
        folder.join("cohort.csv"),
        format!(
            "sample_id,phenotype,split,family_id,PC1\n{}",
            cohort.collect::<String>()
        ),
    )
    .unwrap();
    let predictions = models.iter().flat_map(|(model, logits)| {
        people.iter().zip(logits).map(move |(person, logit)| {
            format!(
                "{},{model},{},,{},{logit},{}\n",
                person.id,
                person.split,
                phenotype(person),
                1.0 / (1.0 + (-logit).exp())
            )
        })
    });
    let header = "sample_id,model,split,fold,phenotype,logit,probability\n";
    fs::write(
        folder.join("predictions.csv"),
        format!("{header}{}", predictions.collect::<String>()),
    )
    .unwrap();
}

/// A logit of noise and of `shift` for cases.
fn score(people: &[Person], shift: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    people
        .iter()
        .map(|person| normal(random) + if person.is_case { shift } else { 0.0 })
        .collect()
}

/// Two baselines and a model; with the disease in all three for `shift` above 0.
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
            "of 200 test people, 20 have relatives outside the test split",
        ],
    );
    assert!(message.contains("--guards warn"), "{message}");
    assert_eq!(alarms(folder.path()), failed(&["family-in-two-splits"]));
    // All is written, and can be had without an error.
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
    let of_batch = people
        .iter()
        .map(|person| person.pc1 + 0.5 * normal(random))
        .collect();
    write(
        folder.path(),
        &people,
        &[("prs-pcs", pcs), ("linformer", of_batch)],
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
        &["identical-scores (linformer-again: the same scores as linformer for all 200 people"],
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
            "of 1000 people, 7 people were predicted in other splits",
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
    let in_test: BTreeMap<String, bool> = rows(&folder.path().join("cohort/cohort.csv"))
        .into_iter()
        .filter(|row| row["split"] == "test")
        .map(|row| (row["sample_id"].clone(), row["phenotype"] == "case"))
        .collect();
    let vcf = BufReader::new(MultiGzDecoder::new(
        fs::File::open(folder.path().join("cohort/cohort.vcf.gz")).unwrap(),
    ));
    let mut samples: Vec<Option<bool>> = Vec::new();
    let mut scoring = "#pgs_id=leak\nchr_name\tchr_position\teffect_allele\tother_allele\
                       \teffect_weight\n"
        .to_owned();
    for line in vcf
        .lines()
        .map(Result::unwrap)
        .filter(|line| !line.starts_with("##"))
    {
        let cells: Vec<&str> = line.split('\t').collect();
        if line.starts_with('#') {
            samples = cells[9..]
                .iter()
                .map(|sample| in_test.get(*sample).copied())
                .collect();
            continue;
        }
        let mut copies = [0.0; 2];
        let mut people = [0.0; 2];
        for (genotype, is_case) in cells[9..].iter().zip(&samples) {
            let Some(is_case) = is_case else { continue };
            copies[usize::from(*is_case)] += genotype.matches('1').count() as f64;
            people[usize::from(*is_case)] += 1.0;
        }
        let [of_controls, of_cases] = [copies[0] / people[0], copies[1] / people[1]];
        let frequency = (copies[0] + copies[1]) / (people[0] + people[1]) / 2.0;
        if frequency > 0.0 && frequency < 1.0 {
            let weight = (of_cases - of_controls) / (2.0 * frequency * (1.0 - frequency));
            writeln!(
                scoring,
                "{}\t{}\t{}\t{}\t{weight}",
                cells[0], cells[1], cells[4], cells[3]
            )
            .unwrap();
        }
    }
    fs::write(folder.path().join("leak.txt"), scoring).unwrap();
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
            "were weights or scoring file made with the test people?",
        ],
    );
    let mut expected = failed(&["test-better-than-train"]);
    expected.insert(("too-good".into(), "warn".into()));
    assert_eq!(alarms(folder.path()), expected);
}

/// Of each cohort every guard looks at every model; each may be wrong in one of a thousand.
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
