//! `explain`: effects of variants and pairs, tested against `score` on genotypes edited by hand.
//!
//! Input -> output: a [`SmallCohort`] and an ensemble of two trained on it -> the tables and the
//! plot.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::support::cohort::SmallCohort;
use gf_genomics::{
    explain::{self, Options, Summary},
    score,
    training::{self, DeviceChoice},
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
        training::run(&options, &mut |_| {}).unwrap();
        let mut text = String::new();
        let file = fs::File::open(cohort.path("cohort.vcf.gz")).unwrap();
        flate2::read::MultiGzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
        Self {
            vcf: text.lines().map(String::from).collect(),
            cohort,
        }
    }

    /// A VCF with these records in place of those of the cohort.
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

    /// Logit of each person.
    fn logits(&self, vcf: &Path) -> Vec<f64> {
        let output = vcf.with_extension("scores.csv");
        let Options {
            reference,
            model,
            cohort,
            device,
            ..
        } = self.options(vcf, "x");
        score::run(&score::Options {
            samples: Samples::All,
            vcf: vec![vcf.into()],
            reference: Some(reference),
            model,
            cohort,
            device,
            missing: gf_cohort_schema::MissingPolicies::strict(),
            min_overlap: None,
            models: None,
            allow_no_hom_ref: false,
            apply_filters: None,
            output: output.clone(),
        })
        .unwrap();
        crate::support::rows(&output)
            .iter()
            .map(|row| number(row, "logit"))
            .collect()
    }

    /// Logit of each person when the alleles of haplotype `side` at some records are made
    /// `alleles`, in everybody.
    fn logits_with(&self, records: &[&Row], side: usize, alleles: &[char]) -> Vec<f64> {
        let set = |line: &String| {
            let fields: Vec<&str> = line.split('\t').collect();
            let found = records
                .iter()
                .position(|row| names(row) == (fields[1], fields[3], fields[4]));
            found.map_or(line.clone(), |found| {
                let call = |genotype: &&str| {
                    let mut signs: Vec<char> = genotype.chars().collect();
                    signs[2 * side] = alleles[found];
                    signs.into_iter().collect::<String>()
                };
                fields[..9]
                    .iter()
                    .map(ToString::to_string)
                    .chain(fields[9..].iter().map(call))
                    .collect::<Vec<_>>()
                    .join("\t")
            })
        };
        self.logits(&self.vcf_with(
            &format!("switched-{}-{side}-{alleles:?}.vcf", records[0]["position"]),
            self.records().map(set),
        ))
    }
}

fn number(row: &Row, column: &str) -> f64 {
    row[column]
        .parse()
        .unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

fn names(row: &Row) -> (&str, &str, &str) {
    (&row["position"], &row["ref_allele"], &row["alt_allele"])
}

fn explained(options: &Options) -> (Summary, Vec<Row>, Vec<Row>) {
    let summary = explain::run(options).unwrap();
    (
        summary,
        crate::support::rows(&options.out.join("explain.csv")),
        crate::support::rows(&options.out.join("pairs.csv")),
    )
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
    let (summary, rows, pairs) =
        explained(&study.options(&study.cohort.path("cohort.vcf.gz"), "by-hand"));
    assert_eq!(
        (
            summary.n_people,
            summary.n_models,
            summary.n_variants,
            summary.n_pairs
        ),
        (120, 2, rows.len(), pairs.len())
    );
    assert_eq!(summary.n_haplotypes[0], summary.n_haplotypes[1]);
    let mut ranks: Vec<usize> = rows
        .iter()
        .map(|row| row["rank"].parse().unwrap())
        .collect();
    let by_rank = |rank: usize| {
        rows.iter()
            .find(|row| row["rank"] == rank.to_string())
            .unwrap()
    };
    // Where the model reads every switch as it is, all count.
    let mut read: Vec<&Row> = rows
        .iter()
        .filter(|row| row["n_approximated"] == "0")
        .collect();
    read.sort_by_key(|row| row["rank"].parse::<usize>().unwrap());
    for row in [read[0], read[1], read[read.len() / 2]] {
        // Each person has two copies to switch: one haplotype at a time, the other as it is.
        let changes: Vec<f64> = [0, 1]
            .into_iter()
            .flat_map(|side| {
                let [without, with] =
                    ['0', '1'].map(|allele| study.logits_with(&[row], side, &[allele]));
                without
                    .into_iter()
                    .zip(with)
                    .map(|(without, with)| with - without)
                    .collect::<Vec<_>>()
            })
            .collect();
        close(row, "effect", mean(&changes));
        close(
            row,
            "effect_rms",
            mean(
                &changes
                    .iter()
                    .map(|change| change * change)
                    .collect::<Vec<_>>(),
            )
            .sqrt(),
        );
        let frequency = number(row, "frequency");
        close(
            row,
            "logit_sd",
            number(row, "effect_rms") * (frequency * (1.0 - frequency)).sqrt(),
        );
        let [low, effect, high] = ["ci_low", "effect", "ci_high"].map(|column| number(row, column));
        assert!(
            low < effect && effect < high && (high - effect - (effect - low)).abs() < 3e-6,
            "{row:?}"
        );
    }
    ranks.sort_unstable();
    assert_eq!(ranks, (1..=rows.len()).collect::<Vec<_>>());
    assert!(number(by_rank(1), "effect_rms") > number(by_rank(rows.len()), "effect_rms"));

    let pair = pairs
        .iter()
        .filter(|row| row["n_approximated"] == "0")
        .min_by_key(|row| row["rank"].parse::<usize>().unwrap())
        .unwrap();
    let variant = |which: &str| {
        let wanted = ["position", "ref_allele", "alt_allele"]
            .map(|column| &pair[&format!("{which}_{column}")]);
        rows.iter()
            .find(|row| {
                ["position", "ref_allele", "alt_allele"].map(|column| &row[column]) == wanted
            })
            .unwrap()
    };
    let both = [variant("first"), variant("second")];
    let mut joint = Vec::new();
    let mut interaction = Vec::new();
    for side in [0, 1] {
        let [neither, first, second, all] = [['0', '0'], ['1', '0'], ['0', '1'], ['1', '1']]
            .map(|alleles| study.logits_with(&both, side, &alleles));
        joint.extend((0..120).map(|person| all[person] - neither[person]));
        interaction.extend(
            (0..120).map(|person| all[person] - first[person] - second[person] + neither[person]),
        );
    }
    close(pair, "joint_effect", mean(&joint));
    close(pair, "interaction", mean(&interaction));

    let svg = fs::read_dir(study.cohort.path("by-hand"))
        .unwrap()
        .flatten()
        .find(|file| file.path().extension().unwrap() == "svg")
        .unwrap();
    assert_eq!(
        fs::read_to_string(svg.path())
            .unwrap()
            .matches("<circle")
            .count(),
        2 * rows.len()
    );
}

#[test]
fn a_variant_that_no_token_sees_has_no_effect_at_all() {
    let study = &*STUDY;
    // Where no record lies: with a saturated vocabulary the segment is read as the one without it.
    let positions: Vec<usize> = study
        .records()
        .map(|line| line.split('\t').nth(1).unwrap().parse().unwrap())
        .collect();
    let fasta = fs::read_to_string(study.cohort.path("reference.fa")).unwrap();
    let bases: String = fasta.lines().skip(1).collect();
    let contig = study.records().next().unwrap().split('\t').next().unwrap();
    let places = positions[positions.len() / 2..]
        .iter()
        .map(|position| position + 1);
    let place = places
        .into_iter()
        .find(|place| !positions.contains(place))
        .unwrap();
    let ref_allele = &bases[place - 1..place];
    let calls: Vec<&str> = (0..120)
        .map(|person| if person == 7 { "0|1" } else { "0|0" })
        .collect();
    let alt = if ref_allele == "A" { "C" } else { "A" };
    let record = format!(
        "{contig}\t{place}\t.\t{ref_allele}\t{alt}\t.\tPASS\t.\tGT\t{}",
        calls.join("\t")
    );
    let mut records: Vec<String> = study.records().cloned().chain([record]).collect();
    records.sort_by_key(|line| line.split('\t').nth(1).unwrap().parse::<usize>().unwrap());
    let options = Options {
        pairs: 0,
        ..study.options(&study.vcf_with("unseen.vcf", records), "unseen")
    };
    let (_, rows, pairs) = explained(&options);
    assert!(pairs.is_empty());
    let row = rows
        .iter()
        .find(|row| row["position"] == place.to_string())
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
    let (_, mut all, _) = explained(&study.options(&vcf, "all"));
    let by_place =
        |rows: &mut Vec<_>| rows.sort_by_key(|row: &Row| row["position"].parse::<usize>().unwrap());
    by_place(&mut all);
    let first = &all[1];
    let last = &all[all.len() - 2];
    let regions = Some(format!(
        "{}:{}-{}",
        first["contig"], first["position"], last["position"]
    ));
    let (summary, mut rows, _) = explained(&Options {
        regions,
        pairs: 0,
        ..study.options(&vcf, "region")
    });
    by_place(&mut rows);
    assert_eq!(summary.n_elsewhere + summary.n_variants, all.len());
    for (row, of_all) in [(&rows[0], first), (&rows[rows.len() - 1], last)] {
        assert_eq!(
            (names(row), number(row, "frequency")),
            (names(of_all), number(of_all, "frequency"))
        );
        close(row, "effect", number(of_all, "effect"));
    }

    let (summary, rows, _) = explained(&Options {
        haplotypes: Some(3),
        ..study.options(&vcf, "few")
    });
    assert_eq!(summary.n_haplotypes[0], 3);
    assert!(
        rows.iter()
            .all(|row| row["n_haplotypes"].parse::<usize>().unwrap() <= 3)
    );
    assert!(summary.to_string().contains("3 of "));

    // One with a variant.
    let table = fs::read_to_string(study.cohort.path("cohort.csv")).unwrap();
    let one = study.cohort.path("one.csv");
    fs::write(&one, table.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    let (summary, rows, _) = explained(&Options {
        cohort: Some(one),
        ..study.options(&vcf, "one")
    });
    assert_eq!(summary.n_people, 1);
    assert!(
        rows.iter()
            .all(|row| ["0.500000", "1.000000"].contains(&row["frequency"].as_str()))
    );
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
    let with_call = |name: &str, change: &dyn Fn(&str) -> String| {
        let call = |line: &String| {
            let fields: Vec<&str> = line.split('\t').collect();
            let calls = fields[9..].iter().map(|call| change(call));
            fields[..9]
                .iter()
                .map(ToString::to_string)
                .chain(calls)
                .collect::<Vec<_>>()
                .join("\t")
        };
        vec![study.vcf_with(name, study.records().map(call))]
    };
    refused(
        &Options {
            vcf: with_call("none.vcf", &|_| "0|0".into()),
            ..options.clone()
        },
        "nobody here has a variant of",
    );
    let low_quality = study
        .records()
        .map(|line| line.replacen("\tPASS\t", "\tLowQual\t", 1))
        .collect::<Vec<_>>();
    let filtered = Options {
        vcf: vec![study.vcf_with("filtered.vcf", low_quality.into_iter())],
        ..options.clone()
    };
    refused(&filtered, "nobody here has a variant of");
    let accepted = Options {
        apply_filters: Some("LowQual".parse().unwrap()),
        out: study.cohort.path("low-quality"),
        ..filtered
    };
    explain::run(&accepted).unwrap();
    refused(
        &Options {
            vcf: with_call("unphased.vcf", &|call| call.replace('|', "/")),
            ..options.clone()
        },
        "unphased",
    );
    // Loci of another genome.
    let reference = study.cohort.path("other.fa");
    let fasta = fs::read_to_string(study.cohort.path("reference.fa")).unwrap();
    let (name, bases) = fasta.split_once('\n').unwrap();
    fs::write(&reference, format!("{name}other\n{bases}")).unwrap();
    refused(
        &Options {
            reference,
            ..options
        },
        "other",
    );
}
