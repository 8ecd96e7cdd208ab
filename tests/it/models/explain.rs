//! `explain`: effects of variants and pairs, tested against `score` on genotypes edited by hand.
//!
//! Input -> output: a [`SmallCohort`] and an ensemble of two trained on it -> the tables and the
//! plot.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::support::{
    cohort::{SmallCohort, train},
    compression::gunzipped,
    options as usual, rows,
};
use gf_genomics::{
    explain::{self, Options, Summary},
    score,
    training::DeviceChoice,
};
use gf_genotypes::Samples;

type Row = BTreeMap<String, String>;

static STUDY: LazyLock<Study> = LazyLock::new(Study::new);

struct Study {
    cohort: SmallCohort,
    /// Lines of the VCF.
    vcf: Vec<String>,
}

impl Study {
    fn new() -> Self {
        let cohort = SmallCohort::new();
        let mut options = cohort.training_options(&cohort.path("model"));
        options.schedule.ensemble = 2;
        train(&options);
        let text = gunzipped(&cohort.path("cohort.vcf.gz"));
        Self {
            vcf: text.lines().map(String::from).collect(),
            cohort,
        }
    }

    /// Writes a VCF with these records in place of those of the cohort.
    fn vcf_with(&self, name: &str, records: impl IntoIterator<Item = String>) -> PathBuf {
        let header = self
            .vcf
            .iter()
            .filter(|line| line.starts_with('#'))
            .cloned();
        let lines: Vec<String> = header.chain(records).collect();
        let path = self.cohort.path(name);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    }

    fn records(&self) -> impl Iterator<Item = &String> {
        self.vcf.iter().filter(|line| !line.starts_with('#'))
    }

    fn options(&self, vcf: &Path, out: &str) -> Options {
        Options {
            vcf: vec![vcf.into()],
            format: gf_genotypes::FormatOptions::default(),
            samples: Samples::All,
            reference: self.cohort.path("reference.fa"),
            model: self.cohort.path("model"),
            cohort: Some(self.cohort.path("cohort.csv")),
            regions: None,
            haplotypes: None,
            top: 5,
            pairs: 4,
            apply_filters: None,
            device: DeviceChoice::Cpu,
            out: self.cohort.path(out),
        }
    }

    /// Logits that `score` gives, in the order of the cohort.
    fn logits(&self, vcf: &Path) -> Vec<f64> {
        let output = vcf.with_extension("scores.csv");
        score::run(&usual::score(
            vcf,
            &self.cohort.path("reference.fa"),
            &self.cohort.path("cohort.csv"),
            &self.cohort.path("model"),
            &output,
        ))
        .unwrap();
        rows(&output)
            .iter()
            .map(|row| number(row, "logit"))
            .collect()
    }

    /// Logits when haplotype `side` (0 or 1) of every sample has `alleles[i]` at `variants[i]`.
    fn logits_with(&self, variants: &[&Row], side: usize, alleles: &[char]) -> Vec<f64> {
        let position = &variants[0]["position"];
        let name = format!("switched-{position}-{side}-{alleles:?}.vcf");
        let records = self.records().map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let variant = variants
                .iter()
                .position(|row| names(row) == (fields[1], fields[3], fields[4]));
            match variant {
                None => line.clone(),
                Some(index) => with_calls(line, |call| with_allele(call, side, alleles[index])),
            }
        });
        let vcf = self.vcf_with(&name, records);
        self.logits(&vcf)
    }
}

/// A record with every call changed.
fn with_calls(record: &str, change: impl Fn(&str) -> String) -> String {
    let fields = record.split('\t').enumerate();
    let changed: Vec<String> = fields
        .map(|(column, field)| {
            if column < 9 {
                field.to_owned()
            } else {
                change(field)
            }
        })
        .collect();
    changed.join("\t")
}

/// A call such as `0|1` with another allele on haplotype `side`.
fn with_allele(call: &str, side: usize, allele: char) -> String {
    let mut signs: Vec<char> = call.chars().collect();
    signs[2 * side] = allele;
    signs.into_iter().collect()
}

/// 1-based POS of a record.
fn position_of(record: &str) -> usize {
    record.split('\t').nth(1).unwrap().parse().unwrap()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column]
        .parse()
        .unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

fn names(row: &Row) -> (&str, &str, &str) {
    (&row["position"], &row["ref_allele"], &row["alt_allele"])
}

/// Results of `explain`.
struct Explained {
    summary: Summary,
    /// `explain.csv`.
    variants: Vec<Row>,
    /// `pairs.csv`.
    pairs: Vec<Row>,
}

impl Explained {
    fn run(options: &Options) -> Self {
        let summary = explain::run(options).unwrap();
        Self {
            summary,
            variants: rows(&options.out.join("explain.csv")),
            pairs: rows(&options.out.join("pairs.csv")),
        }
    }

    /// The variant of a pair: `first` or `second`.
    fn variant_of_pair(&self, pair: &Row, which: &str) -> &Row {
        let columns = ["position", "ref_allele", "alt_allele"];
        let variant = self.variants.iter().find(|row| {
            columns
                .iter()
                .all(|column| row[*column] == pair[&format!("{which}_{column}")])
        });
        variant.unwrap()
    }
}

/// Rows whose effects are exact, because the model reads every switch as it is, by rank.
fn exact(table: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = table
        .iter()
        .filter(|row| row["n_approximated"] == "0")
        .collect();
    rows.sort_by_key(|row| rank(row));
    rows
}

fn rank(row: &Row) -> usize {
    row["rank"].parse().unwrap()
}

fn refused(options: &Options, expected: &str) {
    let message = explain::run(options).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
    assert!(!options.out.join("explain.csv").exists());
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[track_caller]
fn close(row: &Row, column: &str, expected: f64) {
    assert!(
        (number(row, column) - expected).abs() < 1e-5,
        "{column}: {expected} is {row:?}"
    );
}

#[test]
fn effects_are_those_of_score_on_genotypes_edited_by_hand() {
    let study = &*STUDY;
    let explained = Explained::run(&study.options(&study.cohort.path("cohort.vcf.gz"), "by-hand"));
    let Explained {
        summary,
        variants,
        pairs,
    } = &explained;
    assert_eq!(summary.n_people, 120);
    assert_eq!(summary.n_models, 2);
    assert_eq!(summary.n_variants, variants.len());
    assert_eq!(summary.n_pairs, pairs.len());
    assert_eq!(summary.n_haplotypes[0], summary.n_haplotypes[1]);

    let mut by_rank: Vec<&Row> = variants.iter().collect();
    by_rank.sort_by_key(|row| rank(row));
    assert!(by_rank.iter().map(|row| rank(row)).eq(1..=variants.len()));
    let largest = number(by_rank[0], "effect_rms");
    let smallest = number(by_rank[by_rank.len() - 1], "effect_rms");
    assert!(largest > smallest);

    let exact_variants = exact(variants);
    let middle = exact_variants.len() / 2;
    for row in [exact_variants[0], exact_variants[1], exact_variants[middle]] {
        assert_effect_of_variant(study, row);
    }
    let pair = exact(pairs)[0];
    let variants_of_pair = ["first", "second"].map(|which| explained.variant_of_pair(pair, which));
    assert_effects_of_pair(study, pair, &variants_of_pair);

    let plots = crate::support::paths_with(&study.cohort.path("by-hand"), ".svg");
    let plot = fs::read_to_string(&plots[0]).unwrap();
    assert_eq!(plot.matches("<circle").count(), 2 * variants.len());
}

/// The effect of a variant is the mean change of the logit over all haplotypes, when the variant is
/// switched on one haplotype and the other haplotype of the sample is unchanged.
fn assert_effect_of_variant(study: &Study, row: &Row) {
    let mut changes = Vec::new();
    for side in [0, 1] {
        let [without, with] = ['0', '1'].map(|allele| study.logits_with(&[row], side, &[allele]));
        changes.extend(
            with.iter()
                .zip(without)
                .map(|(with, without)| with - without),
        );
    }
    let squares: Vec<f64> = changes.iter().map(|change| change * change).collect();
    close(row, "effect", mean(&changes));
    close(row, "effect_rms", mean(&squares).sqrt());
    // Standard deviation of the logit by one haplotype: the allele is Bernoulli distributed.
    let frequency = number(row, "frequency");
    let allele_sd = (frequency * (1.0 - frequency)).sqrt();
    close(row, "logit_sd", number(row, "effect_rms") * allele_sd);
    let [low, effect, high] = ["ci_low", "effect", "ci_high"].map(|column| number(row, column));
    assert!(
        low < effect && effect < high && (high - effect - (effect - low)).abs() < 3e-6,
        "{row:?}"
    );
}

/// Joint effect: f(1, 1) - f(0, 0); interaction: f(1, 1) - f(1, 0) - f(0, 1) + f(0, 0); each the
/// mean over all haplotypes.
fn assert_effects_of_pair(study: &Study, pair: &Row, variants: &[&Row; 2]) {
    let mut joint = Vec::new();
    let mut interaction = Vec::new();
    for side in [0, 1] {
        let [neither, first, second, both] = [['0', '0'], ['1', '0'], ['0', '1'], ['1', '1']]
            .map(|alleles| study.logits_with(variants, side, &alleles));
        for sample in 0..120 {
            joint.push(both[sample] - neither[sample]);
            interaction.push(both[sample] - first[sample] - second[sample] + neither[sample]);
        }
    }
    close(pair, "joint_effect", mean(&joint));
    close(pair, "interaction", mean(&interaction));
}

#[test]
fn a_variant_that_no_token_sees_has_no_effect_at_all() {
    let study = &*STUDY;
    // A new variant where the cohort has none. With a saturated vocabulary its segment has no token
    // of its own, and is read as the segment without the variant.
    let positions: Vec<usize> = study.records().map(|line| position_of(line)).collect();
    let position = positions[positions.len() / 2..]
        .iter()
        .map(|position| position + 1)
        .find(|position| !positions.contains(position))
        .unwrap();
    let fasta = fs::read_to_string(study.cohort.path("reference.fa")).unwrap();
    let bases: String = fasta.lines().skip(1).collect();
    let contig = study.records().next().unwrap().split('\t').next().unwrap();
    let ref_allele = &bases[position - 1..position];
    let alt = if ref_allele == "A" { "C" } else { "A" };
    let mut calls = vec!["0|0"; 120];
    calls[7] = "0|1";
    let record = format!(
        "{contig}\t{position}\t.\t{ref_allele}\t{alt}\t.\tPASS\t.\tGT\t{}",
        calls.join("\t")
    );
    let mut records: Vec<String> = study.records().cloned().chain([record]).collect();
    records.sort_by_key(|line| position_of(line));
    let options = Options {
        pairs: 0,
        ..study.options(&study.vcf_with("unseen.vcf", records), "unseen")
    };
    let explained = Explained::run(&options);
    assert!(explained.pairs.is_empty());
    let row = explained
        .variants
        .iter()
        .find(|row| row["position"] == position.to_string())
        .unwrap();
    for column in ["effect", "ci_low", "ci_high", "effect_rms", "logit_sd"] {
        assert_eq!(row[column], "0.000000");
    }
    assert_eq!(row["n_approximated"], row["n_haplotypes"]);
}

#[test]
fn one_person_a_region_and_few_haplotypes_can_be_looked_at() {
    let study = &*STUDY;
    let vcf = study.cohort.path("cohort.vcf.gz");
    let mut all = Explained::run(&study.options(&vcf, "all")).variants;
    sort_by_position(&mut all);
    let first = &all[1];
    let last = &all[all.len() - 2];
    let regions = Some(format!(
        "{}:{}-{}",
        first["contig"], first["position"], last["position"]
    ));
    let mut in_region = Explained::run(&Options {
        regions,
        pairs: 0,
        ..study.options(&vcf, "region")
    });
    let contig = first["contig"].as_str();
    let alias = contig
        .strip_prefix("chr")
        .map_or_else(|| format!("chr{contig}"), str::to_owned);
    let by_alias = Explained::run(&Options {
        regions: Some(format!(
            "{alias}:{}-{}",
            first["position"], last["position"]
        )),
        pairs: 0,
        ..study.options(&vcf, "region_by_alias")
    });
    assert_eq!(by_alias.variants, in_region.variants);
    let rows = &mut in_region.variants;
    sort_by_position(rows);
    let summary = in_region.summary;
    assert_eq!(summary.n_elsewhere + summary.n_variants, all.len());
    for (row, of_all) in [(&rows[0], first), (&rows[rows.len() - 1], last)] {
        assert_eq!(names(row), names(of_all));
        assert_eq!(row["frequency"], of_all["frequency"]);
        close(row, "effect", number(of_all, "effect"));
    }

    let of_few_haplotypes = Explained::run(&Options {
        haplotypes: Some(3),
        ..study.options(&vcf, "few")
    });
    assert_eq!(of_few_haplotypes.summary.n_haplotypes[0], 3);
    assert!(
        of_few_haplotypes
            .variants
            .iter()
            .all(|row| row["n_haplotypes"].parse::<usize>().unwrap() <= 3)
    );
    assert!(of_few_haplotypes.summary.to_string().contains("3 of "));

    // One sample: only the variants that it has.
    let table = fs::read_to_string(study.cohort.path("cohort.csv")).unwrap();
    let one = study.cohort.path("one.csv");
    fs::write(&one, table.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    let of_one = Explained::run(&Options {
        cohort: Some(one),
        ..study.options(&vcf, "one")
    });
    assert_eq!(of_one.summary.n_people, 1);
    assert!(
        of_one
            .variants
            .iter()
            .all(|row| ["0.500000", "1.000000"].contains(&row["frequency"].as_str()))
    );
}

fn sort_by_position(rows: &mut [Row]) {
    rows.sort_by_key(|row| row["position"].parse::<usize>().unwrap());
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let study = &*STUDY;
    let vcf = study.cohort.path("cohort.vcf.gz");
    let options = study.options(&vcf, "refused");
    refused(
        &Options {
            model: study.cohort.path("tokens"),
            ..options.clone()
        },
        "no model bundle",
    );
    refused(
        &Options {
            regions: Some("chr99:1-10".into()),
            ..options.clone()
        },
        "region chr99:1-10 is outside of the model's loci",
    );
    refused(
        &Options {
            haplotypes: Some(0),
            ..options.clone()
        },
        "at least one haplotype",
    );
    let without_variants = study.vcf_with(
        "none.vcf",
        study
            .records()
            .map(|record| with_calls(record, |_| "0|0".into())),
    );
    refused(
        &Options {
            vcf: vec![without_variants],
            ..options.clone()
        },
        "no sample has a variant at",
    );
    let low_quality = study.vcf_with(
        "filtered.vcf",
        study
            .records()
            .map(|record| record.replacen("\tPASS\t", "\tLowQual\t", 1)),
    );
    let filtered = Options {
        vcf: vec![low_quality],
        ..options.clone()
    };
    refused(&filtered, "no sample has a variant at");
    let accepted = Options {
        apply_filters: Some("LowQual".parse().unwrap()),
        out: study.cohort.path("low-quality"),
        ..filtered
    };
    explain::run(&accepted).unwrap();
    let unphased = study.vcf_with(
        "unphased.vcf",
        study
            .records()
            .map(|record| with_calls(record, |call| call.replace('|', "/"))),
    );
    refused(
        &Options {
            vcf: vec![unphased],
            ..options.clone()
        },
        "unphased",
    );
    // A genome whose contig has another name.
    let reference = study.cohort.path("other.fa");
    let fasta = fs::read_to_string(study.cohort.path("reference.fa")).unwrap();
    fs::write(&reference, fasta.replacen('\n', "other\n", 1)).unwrap();
    refused(
        &Options {
            reference,
            ..options
        },
        "other",
    );
}
