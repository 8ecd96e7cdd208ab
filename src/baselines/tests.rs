//! The stage as a whole, and scores compared with PLINK 2.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    Cohort, CovariateChoice, PhenotypeCoding, Prediction, Split, read_predictions, read_scores,
};
use gf_genotypes::{FormatOptions, GenomeBuild, Position1, Samples, pass};

use super::{apoe, panel, *};
use crate::{
    leakage::KinshipVariants,
    scoring::{
        self, GenotypeFiles, Reading, ScoringFile, complement,
        dosages::{self, GenotypeTable, Request},
        matching::{MatchRules, match_rows},
        testing::{shared_data, write_vcf},
    },
};

/// A `cohort.csv` with all its covariates.
pub(crate) fn cohort_of(path: &Path) -> Cohort {
    Cohort::read(path, PhenotypeCoding::Auto, &CovariateChoice::Usual).unwrap()
}

/// Gives the panel of all dosages of a VCF, and the standardised covariates of the training samples
/// whose phenotype is known.
pub(crate) fn panel_of<T>(
    vcf: &Path,
    cohort: &Cohort,
    then: impl FnOnce(&panel::TrainingDosages<'_>, &[Vec<f64>]) -> T,
) -> T {
    let names: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let table = GenotypeTable::read(
        &[vcf.to_path_buf()],
        None,
        Some(&names),
        None,
        Some(&pass()),
    )
    .unwrap();
    let study = Study::new(
        cohort,
        BaselineSamples::new(&table, Vec::new(), Some(cohort)),
    );
    let (panel, _) = panel::TrainingDosages::new(&study, table.sites.iter());
    let covariates = study.free_terms("test", &[], &mut Vec::new()).unwrap();
    then(&panel, &covariates.standardised(&panel.training.people))
}

fn scores(
    file: &ScoringFile,
    table: &GenotypeTable,
    keep_ambiguous: bool,
    frequency: impl Fn(&dosages::Site, i16) -> f64,
) -> Vec<f64> {
    let matches = match_rows(
        file,
        &table.sites,
        MatchRules {
            keep_ambiguous,
            ..MatchRules::default()
        },
    )
    .unwrap();
    let alleles = matches.matched().map(|candidate| {
        let site = &table.sites[candidate.site];
        AlleleWeight {
            chrom: site.contig.clone(),
            position: site.position,
            ref_allele: site.ref_allele.clone(),
            alt_allele: site.allele(candidate.alt).into(),
            effect_is_ref: candidate.effect_allele() == 0,
            weight: 1.0,
            dosage_weights: Some(file.rows[candidate.row].effect.weights()),
            frequency: frequency(site, candidate.effect_allele()),
            mean: 0.0,
            sd: 1.0,
        }
    });
    let feature = Feature::AlleleScore {
        alleles: alleles.collect(),
    };
    BaselineSamples::new(table, Vec::new(), None)
        .values(&feature, 0.0)
        .unwrap()
}

/// `sh tests/oracles/plink2_score.sh tiny1000G.vcf.gz PGS001229_hmPOS_GRCh38.txt.gz 1kg_ref.psam`:
/// 920 variants, 3 of them on the other strand; six digits are printed. (PGS000001 has no variant
/// in this VCF.)
#[test]
fn a_published_score_on_real_genomes_is_that_of_plink2() {
    let Some(folder) = shared_data("pgs-catalog/calc") else {
        return;
    };
    let people = ["HG00096", "HG00097", "HG00099", "NA21143", "NA21144"];
    let paths = [folder.join("tiny1000G.vcf.gz")];
    let request = Request {
        paths: &paths,
        people: Some(&people),
        ..Request::default()
    };
    let table = GenotypeTable::read_as(
        &request,
        &Reading {
            xchr_model: 1,
            ..Reading::default()
        },
    )
    .unwrap();
    let file = ScoringFile::read(&folder.join("PGS001229_hmPOS_GRCh38.txt.gz"), None)
        .unwrap()
        .remove(0);
    let counts = match_rows(&file, &table.sites, MatchRules::default())
        .unwrap()
        .counts;
    assert_eq!(
        (counts.rows, counts.matched, counts.flipped),
        (51_209, 920, 3)
    );
    let scores = scores(&file, &table, false, |_, _| f64::NAN);
    let expected = [0.578_619, 0.090_579_8, 0.202_832, 0.466_261, 0.276_068];
    for (score, expected) in scores.into_iter().zip(expected) {
        assert!((score - expected).abs() < 6e-7, "{score} {expected}");
    }
}

/// Numbers between 0 and 1 of a linear congruential generator, the same in every run.
fn noise(n: usize) -> Vec<f64> {
    let mut state = 12_345_u64;
    (0..n)
        .map(|_| {
            state = (1_103_515_245 * state + 12_345) % (1 << 31);
            state as f64 / f64::from(1_u32 << 31)
        })
        .collect()
}

/// Options for a cohort with simulated phenotypes.
///
/// The risk is `effect` per copy of the first ALT of a common variant, plus `age` and noise. Of
/// four samples two are training, one validation and one test. The last phenotype is unknown.
fn planted(folder: &Path, vcf: PathBuf, effect: f64) -> Options {
    let table =
        GenotypeTable::read(std::slice::from_ref(&vcf), None, None, None, Some(&pass())).unwrap();
    let causal = table
        .sites
        .iter()
        .find(|site| {
            (0.2..0.8).contains(&site.frequency(1, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap())
        })
        .unwrap();
    let noise = noise(2 * table.people.len());
    let mut cohort = String::from("sample_id,phenotype,split,age\n");
    for (person, sample_id) in table.people.iter().enumerate() {
        let age = 60.0 + 30.0 * noise[2 * person];
        let risk = effect * (causal.dosage(1, 0.0, person) - 1.0)
            + 0.05 * (age - 75.0)
            + 6.0 * (noise[2 * person + 1] - 0.5);
        let phenotype = if person + 1 == table.people.len() {
            ""
        } else if risk > 0.0 {
            "case"
        } else {
            "control"
        };
        let split = ["train", "train", "validation", "test"][person % 4];
        writeln!(cohort, "{sample_id},{phenotype},{split},{age}").unwrap();
    }
    let path = folder.join("cohort.csv");
    fs::write(&path, cohort).unwrap();
    Options {
        scoring: scoring::Options {
            vcf: vec![vcf],
            out: folder.join("prs"),
            ..scoring::Options::default()
        },
        cohort: path,
        ..Options::default()
    }
}

fn auroc_on(split: Split, model: &str, predictions: &[Prediction]) -> f64 {
    let mut cases = Vec::new();
    let mut controls = Vec::new();
    for row in predictions
        .iter()
        .filter(|row| row.split == split && row.model == model)
    {
        match row.phenotype.map(gf_cohort_schema::Phenotype::is_case) {
            Some(true) => cases.push(row.logit),
            Some(false) => controls.push(row.logit),
            None => {}
        }
    }
    gf_stats::roc::auroc(&cases, &controls).unwrap()
}

#[test]
fn everyone_gets_a_row_from_every_baseline_and_dosages_find_a_planted_effect() {
    let Some(data) = shared_data("chr20") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = planted(folder.path(), data.join("win33k_A.300.grch37.vcf.gz"), 2.0);
    let summary = run(&options).unwrap();
    assert_eq!(
        summary.models,
        ["prs-covariates", "prs-dosages", "prs-ct", "prs-elastic-net"]
    );
    assert!(summary.apoe_left_out.unwrap().contains("rs429358"));
    assert_eq!(
        (
            summary.genotypes.records,
            summary.n_dosages + summary.constant_dosages
        ),
        (284, 284)
    );
    let predictions = read_predictions(&options.scoring.out.join("predictions.csv")).unwrap();
    assert_eq!(
        (predictions.len(), predictions[299].phenotype),
        (1_200, None)
    );
    for choice in &summary.choices {
        let chosen = choice.best().unwrap().validation_auroc.unwrap();
        assert!(
            choice
                .tried
                .iter()
                .filter_map(|point| point.validation_auroc)
                .all(|auroc| auroc <= chosen)
        );
        assert!(
            (auroc_on(Split::Validation, &choice.model, &predictions) - chosen).abs() < 1e-9,
            "{}",
            choice.model
        );
        assert!(
            auroc_on(Split::Test, &choice.model, &predictions) > 0.6,
            "{}",
            choice.model
        );
    }
    let [alone, with_dosages] =
        ["prs-covariates", "prs-dosages"].map(|model| auroc_on(Split::Test, model, &predictions));
    assert!(
        alone > 0.55 && with_dosages > alone + 0.05,
        "{alone} {with_dosages}"
    );
}

#[test]
fn the_same_options_write_the_same_bytes_and_the_saved_model_says_the_same() {
    let Some(data) = shared_data("apoe") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut options = planted(folder.path(), data.join("apoe_gene.776.grch38.vcf.gz"), 1.0);
    let score = folder.path().join("score.txt");
    fs::write(
        &score,
        "#pgs_id=mine\nchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n19\
         \t44908684\tC\tT\t1.2\n19\t44908822\tT\tC\t-0.5\n19\t44907187\tG\tA\t0.1\n",
    )
    .unwrap();
    options.scoring.scoring_files = vec![score];
    let summary = run(&options).unwrap();
    assert_eq!(
        summary.models,
        [
            "prs-covariates",
            "prs-apoe",
            "prs-dosages",
            "prs-ct",
            "prs-elastic-net",
            "prs-mine",
            "prs-mine-alone"
        ]
    );
    assert!(
        summary
            .left_out
            .iter()
            .all(|reason| reason.contains("APOE region"))
            && summary.left_out.len() == 2,
        "{:?}",
        summary.left_out
    );
    let apoe = summary.apoe.clone().unwrap();
    assert_eq!((apoe.e2, apoe.e3, apoe.e4), (123, 1_228, 201));
    assert_eq!(
        (summary.scores[0].counts.matched, summary.scores[0].overlap),
        (3, 1.0)
    );

    let files = [
        "predictions.csv",
        "weights.csv",
        "match_log.csv",
        "prs_model.json",
        "association.csv",
        "apoe.csv",
        "guards.csv",
        "scoring_files/prs-ct.txt.gz",
    ];
    let first_bytes = files.map(|name| fs::read(options.scoring.out.join(name)).unwrap());
    assert_eq!(run(&options).unwrap(), summary);
    let second_bytes = files.map(|name| fs::read(options.scoring.out.join(name)).unwrap());
    assert!(first_bytes == second_bytes);

    the_saved_model_gives_the_predictions(&options);
}

/// The predictions of `prs_model.json` are those of `predictions.csv`.
fn the_saved_model_gives_the_predictions(options: &Options) {
    let predictions = read_predictions(&options.scoring.out.join("predictions.csv")).unwrap();
    let model = PrsModel::load(&options.scoring.out.join("prs_model.json")).unwrap();
    assert_eq!(model.covariates().into_keys().collect::<Vec<_>>(), ["age"]);
    let cohort = Cohort::read(
        &options.cohort,
        options.phenotype_coding,
        &options.covariates,
    )
    .unwrap();
    let (rows, applied) = model
        .apply(
            &files(&options.scoring.vcf),
            &Samples::All,
            None,
            Some(&cohort),
        )
        .unwrap();
    assert_eq!(
        (rows.len(), applied.absent_alleles.len()),
        (predictions.len(), 0)
    );
    for (row, prediction) in rows.iter().zip(&predictions) {
        assert_eq!(
            (&row.sample_id, &row.model),
            (&prediction.sample_id, &prediction.model)
        );
        assert!((row.logit - prediction.logit).abs() < 1e-7);
    }
    assert!(
        model
            .apply(&files(&options.scoring.vcf), &Samples::All, None, None)
            .unwrap_err()
            .to_string()
            .contains("covariate `age`")
    );
    weights_give_the_logits(options, &predictions, &cohort);
}

/// `weights.csv` alone, by its documented formula.
fn weights_give_the_logits(options: &Options, predictions: &[Prediction], cohort: &Cohort) {
    let table = GenotypeTable::read(&options.scoring.vcf, None, None, None, Some(&pass())).unwrap();
    let calls = apoe::haplotypes(&table.sites, None).unwrap();
    for person in [0, 100, 775] {
        let mut logits: HashMap<String, f64> = HashMap::new();
        for row in csv::Reader::from_path(options.scoring.out.join("weights.csv"))
            .unwrap()
            .records()
        {
            let row = row.unwrap();
            let value = match (&row[1], &row[2]) {
                ("intercept", _) => 1.0,
                ("covariate", _) => cohort.people[person].covariates[0],
                ("apoe", "e2") => f64::from(calls[person].unwrap().e2()),
                ("apoe", _) => f64::from(calls[person].unwrap().e4()),
                _ => {
                    let site = table
                        .sites
                        .iter()
                        .find(|site| site.position.to_string() == row[4])
                        .unwrap();
                    site.dosage(i16::from(row[7] != row[5]), 0.0, person)
                }
            };
            *logits.entry(row[0].to_owned()).or_default() += row[8].parse::<f64>().unwrap() * value;
        }
        for prediction in predictions
            .iter()
            .filter(|row| row.sample_id == cohort.people[person].sample_id)
        {
            assert!(
                (logits[&prediction.model] - prediction.logit).abs() < 1e-6,
                "{} {}",
                prediction.model,
                prediction.logit
            );
        }
    }
}

/// Twelve people, three variants.
fn small(folder: &Path) -> Options {
    let names: Vec<String> = (0..12).map(|person| format!("P{person}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let vcf = write_vcf(
        folder,
        &names,
        &[
            "1 10 . A G . PASS . GT 0|1 1|1 0|0 0|1 0|0 0|1 1|1 0|0 ./. 0|0 0|1 0|1",
            "1 20 . C T . PASS . GT 0|0 0|1 0|0 0|1 0|1 0|1 0|1 0|0 0|1 0|0 0|1 1|1",
            "1 30 . C A . PASS . GT ./. ./. 0|1 0|1 ./. ./. 0|0 0|0 ./. ./. 0|0 0|0",
        ],
    );
    let mut cohort = String::from("sample_id,phenotype,split,age\n");
    for (person, name) in names.iter().enumerate() {
        let phenotype = if [1, 3, 4, 6, 9].contains(&person) {
            "case"
        } else {
            "control"
        };
        writeln!(
            cohort,
            "{name},{phenotype},{},{}",
            ["train", "train", "validation", "test"][person % 4],
            60 + person * 5 % 11
        )
        .unwrap();
    }
    let path = folder.join("cohort.csv");
    fs::write(&path, cohort).unwrap();
    Options {
        scoring: scoring::Options {
            vcf: vec![vcf],
            out: folder.join("prs"),
            ..scoring::Options::default()
        },
        cohort: path,
        ..Options::default()
    }
}

#[test]
fn a_variant_nobody_is_called_at_in_training_is_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let summary = run(&small(folder.path())).unwrap();
    assert_eq!(
        (
            summary.sites_without_training_calls,
            summary.n_dosages,
            summary.genotypes.missing_genotypes
        ),
        (1, 2, 7)
    );
}

#[test]
fn too_little_overlap_is_an_error_with_its_causes_and_a_match_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small(folder.path());
    let score = folder.path().join("score.txt");
    let table = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";
    fs::write(
        &score,
        format!("#genome_build=hg19\n{table}1\t10\tG\tA\t1\n1\t11\tG\tA\t1\n2\t10\tG\tA\t1\n"),
    )
    .unwrap();
    options.scoring.scoring_files = vec![score.clone()];
    options.scoring.matching.max_missing = 1.0;
    options.scoring.matching.mincs = 1;
    let message = run(&options).unwrap_err().to_string();
    assert!(
        message.contains("1 of 3 variants")
            && message.contains("33.3 %")
            && message.contains("GRCh37"),
        "{message}"
    );
    assert!(!options.scoring.out.join("predictions.csv").exists());
    let log = fs::read_to_string(options.scoring.out.join("match_log.csv")).unwrap();
    let expected = "0,score,1,10,G,A,1,additive,.,A,G,G,altref,false,false,false,true,false,false,\
                    false,NA,matched,cohort,\n1,score,1,11,G,A,1,additive,,,,,,,,,,,,,NA,\
                    unmatched,cohort,not-in-vcf\n";
    assert!(log.contains(expected), "{log}");

    options.scoring.min_overlap = 0.3;
    a_score_with_enough_overlap_is_written(&options);
    options.scoring.genome_build = Some(GenomeBuild::GRCh38);
    let message = run(&options).unwrap_err().to_string();
    assert!(
        message.contains("positions of the score are on GRCh37, but the VCF is on GRCh38"),
        "{message}"
    );
    options.scoring.genome_build = None;
    options.scoring.scoring_files.push(score);
    let failed = run(&options).unwrap().failed_scores;
    assert!(
        failed.len() == 1 && failed[0].reason.contains("`prs-score` exists already"),
        "{failed:?}"
    );
}

/// One of three variants of the score is in the VCF, which `options` accept.
fn a_score_with_enough_overlap_is_written(options: &Options) {
    assert_eq!(
        run(options).unwrap().models,
        [
            "prs-covariates",
            "prs-dosages",
            "prs-ct",
            "prs-elastic-net",
            "prs-score",
            "prs-score-alone"
        ]
    );
    let [score_row] = &read_scores(&options.scoring.out.join("scores.csv")).unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (
            score_row.model.as_str(),
            score_row.n_variants,
            score_row.n_matched
        ),
        ("prs-score", 3, 1)
    );
    assert_eq!(
        (
            score_row.genome_build.as_deref(),
            score_row.study.as_deref(),
            score_row.harmonised
        ),
        (Some("GRCh37"), None, false)
    );
    // Five training samples are called: one copy of the effect allele in P0 and P5, two in P1
    // and none in P4 and P9.
    let raw_scores = fs::read_to_string(options.scoring.out.join("raw_scores.csv")).unwrap();
    let lines: Vec<&str> = raw_scores.lines().collect();
    assert_eq!(
        (lines.len(), lines[2], lines[9]),
        (13, "P1,score,2.0,2,1.0,0", "P8,score,0.8,2,0.4,1")
    );
}

#[test]
fn bad_cohorts_and_options_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(folder.path());
    let cohort = fs::read_to_string(&options.cohort).unwrap();
    fs::write(&options.cohort, cohort.replace("P3,", "Q3,")).unwrap();
    assert!(
        run(&options)
            .unwrap_err()
            .to_string()
            .contains("no sample `Q3`; 1 of the 12 samples of the cohort")
    );
    fs::write(&options.cohort, cohort.replace(",case,", ",control,")).unwrap();
    assert!(run(&options).unwrap_err().to_string().contains("0 cases"));
    assert!(
        run(&Options {
            scoring: scoring::Options {
                min_overlap: 75.0,
                ..options.scoring.clone()
            },
            ..options.clone()
        })
        .unwrap_err()
        .to_string()
        .contains("between 0 and 1")
    );
    assert!(
        run(&Options {
            l2_strengths: vec![0.0],
            ..options.clone()
        })
        .unwrap_err()
        .to_string()
        .contains("positive")
    );
    assert!(!options.scoring.out.exists());
}

#[test]
fn a_saved_model_of_another_version_or_a_vcf_without_its_variants_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(folder.path());
    run(&options).unwrap();
    let path = options.scoring.out.join("prs_model.json");
    let model = PrsModel::load(&path).unwrap();
    let cohort = Cohort::read(
        &options.cohort,
        options.phenotype_coding,
        &options.covariates,
    )
    .unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let names: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let other = write_vcf(
        elsewhere.path(),
        &names,
        &[&format!("1 10 . A G . PASS . GT{}", " 0|1".repeat(12))],
    );
    let message = model
        .apply(&files(&[other]), &Samples::All, None, Some(&cohort))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("prs-dosages: only 1 of 2 variants"),
        "{message}"
    );
    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("\"schema_version\": 2", "\"schema_version\": 9"),
    )
    .unwrap();
    assert!(
        PrsModel::load(&path)
            .unwrap_err()
            .to_string()
            .contains("version 9")
    );
}

/// How REF and ALT of a record are written.
#[derive(Clone, Copy)]
enum Spelling {
    AsInTraining,
    Exchanged,
    OtherStrand,
    ExchangedOnOtherStrand,
}

impl Spelling {
    fn is_exchanged(self) -> bool {
        matches!(self, Self::Exchanged | Self::ExchangedOnOtherStrand)
    }

    /// REF and ALT for a record with these alleles in training.
    fn alleles(self, [reference, alt]: [&str; 2]) -> [String; 2] {
        let pair = if self.is_exchanged() {
            [alt, reference]
        } else {
            [reference, alt]
        };
        match self {
            Self::AsInTraining | Self::Exchanged => pair.map(str::to_owned),
            Self::OtherStrand | Self::ExchangedOnOtherStrand => {
                pair.map(|allele| complement(allele).unwrap())
            }
        }
    }

    /// Genotypes of twelve samples at record `index`; they carry the same bases in every spelling.
    fn genotypes(self, index: usize) -> String {
        let mut text = String::new();
        for sample in 0..12_usize {
            let has_alt = [
                (sample * (index + 3)) % 5 < 2,
                (sample + index).is_multiple_of(3),
            ];
            let [a, b] = has_alt.map(|has_alt| u8::from(has_alt != self.is_exchanged()));
            write!(text, " {a}|{b}").unwrap();
        }
        text
    }
}

/// Writes eight records of twelve samples, each in its spelling.
fn rewritten(folder: &Path, spelling: impl Fn(usize) -> Spelling) -> PathBuf {
    let alleles = [
        ["A", "G"],
        ["C", "T"],
        ["A", "T"],
        ["G", "A"],
        ["AC", "A"],
        ["T", "G"],
        ["C", "G"],
        ["G", "T"],
    ];
    let names: Vec<String> = (0..12).map(|sample| format!("P{sample}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let records: Vec<String> = alleles
        .into_iter()
        .enumerate()
        .map(|(index, pair)| {
            let [reference, alt] = spelling(index).alleles(pair);
            let genotypes = spelling(index).genotypes(index);
            let position = 10 * (index + 1);
            format!("1 {position} . {reference} {alt} . PASS . GT{genotypes}")
        })
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    write_vcf(folder, &names, &records)
}

/// A model of the records of [`rewritten`] as in training, and its cohort.
struct TrainedModel {
    folder: tempfile::TempDir,
    model: PrsModel,
    cohort: Cohort,
}

impl TrainedModel {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = small(folder.path());
        options.scoring.vcf = vec![rewritten(folder.path(), |_| Spelling::AsInTraining)];
        run(&options).unwrap();
        let path = options.scoring.out.join("prs_model.json");
        let cohort = Cohort::read(
            &options.cohort,
            options.phenotype_coding,
            &options.covariates,
        );
        Self {
            folder,
            model: PrsModel::load(&path).unwrap(),
            cohort: cohort.unwrap(),
        }
    }

    /// Applies the model to records in these spellings.
    fn apply(&self, spelling: impl Fn(usize) -> Spelling) -> (Vec<Risk>, ApplySummary) {
        let vcf = rewritten(self.folder.path(), spelling);
        self.model
            .apply(&files(&[vcf]), &Samples::All, None, Some(&self.cohort))
            .unwrap()
    }
}

fn assert_same_risks(rows: &[Risk], expected: &[Risk]) {
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        assert!(
            (row.logit - expected.logit).abs() < 1e-9,
            "{} {}: {} {}",
            row.model,
            row.sample_id,
            row.logit,
            expected.logit
        );
    }
}

#[test]
fn a_saved_model_reads_records_with_ref_and_alt_exchanged_or_on_the_other_strand() {
    let trained = TrainedModel::new();
    let (expected, applied) = trained.apply(|_| Spelling::AsInTraining);
    assert!(applied.rewritten_alleles.is_empty() && applied.absent_alleles.is_empty());
    // Exchanged alleles are identified by their bases, A/T and C/G too.
    for (every, n_exchanged) in [(1, 8), (2, 4)] {
        let (rows, applied) = trained.apply(|index| {
            if index % every == 0 {
                Spelling::Exchanged
            } else {
                Spelling::AsInTraining
            }
        });
        assert_same_risks(&rows, &expected);
        assert_eq!(
            applied.rewritten_alleles["prs-dosages"],
            Rewritten {
                exchanged: n_exchanged,
                flipped: 0
            }
        );
    }
    // With alleles on the other strand, the strand of A/T and C/G is unknown, so these are absent.
    let (_, applied) = trained.apply(|index| {
        if index < 6 {
            Spelling::OtherStrand
        } else {
            Spelling::AsInTraining
        }
    });
    assert_eq!(applied.rewritten_alleles["prs-dosages"].flipped, 5);
    let absent = &applied.absent_alleles["prs-dosages"];
    assert!(
        absent.n_alleles == 2 && absent.reasons.starts_with("2 ambiguous"),
        "{absent:?}"
    );
}

#[test]
fn unambiguous_alleles_on_the_other_strand_give_the_same_risks() {
    let mut trained = TrainedModel::new();
    let mut baseline = trained.model.baselines.remove(1);
    for term in &mut baseline.terms {
        if let Feature::AlleleScore { alleles } = &mut term.feature {
            // A/T and C/G.
            alleles.retain(|allele| ![30, 70].contains(&allele.position.get()));
        }
    }
    trained.model.baselines = vec![baseline];
    let (expected, _) = trained.apply(|_| Spelling::AsInTraining);
    let (rows, _) = trained.apply(|index| {
        if index % 2 == 0 {
            Spelling::OtherStrand
        } else {
            Spelling::ExchangedOnOtherStrand
        }
    });
    assert_same_risks(&rows, &expected);
}

#[test]
fn a_saved_model_says_why_alleles_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(folder.path());
    run(&options).unwrap();
    let mut model = PrsModel::load(&options.scoring.out.join("prs_model.json")).unwrap();
    let cohort = Cohort::read(
        &options.cohort,
        options.phenotype_coding,
        &options.covariates,
    )
    .unwrap();
    let names: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let elsewhere = tempfile::tempdir().unwrap();
    let genotypes = " 0|1".repeat(12);
    for (contig, filter, expected) in [
        (
            "1",
            "q10",
            "2 left out by FILTER, such as 1:10 A>G (choose the accepted filters with \
             --apply-filters",
        ),
        (
            "2",
            "PASS",
            "2 on a contig without records in the VCF, such as 1:10 A>G, while the VCF has records \
             on 2",
        ),
    ] {
        let records = [
            format!("{contig} 10 . A G . {filter} . GT{genotypes}"),
            format!("{contig} 20 . C T . {filter} . GT{genotypes}"),
        ];
        let vcf = write_vcf(
            elsewhere.path(),
            &names,
            &records.each_ref().map(String::as_str),
        );
        let message = model
            .apply(
                &files(std::slice::from_ref(&vcf)),
                &Samples::All,
                None,
                Some(&cohort),
            )
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
        model.filters = Vec::new();
        assert_eq!(
            model
                .apply(&files(&[vcf]), &Samples::All, None, Some(&cohort))
                .is_ok(),
            contig == "1"
        );
        model.filters = pass();
    }
}

/// By hand: the score is twice the number of G at 1:10.
#[test]
fn the_auc_of_a_published_score_needs_no_training_people() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small(folder.path());
    let text = fs::read_to_string(&options.cohort).unwrap();
    let text = text
        .replace(",train,", ",test,")
        .replace(",validation,", ",test,")
        .replace("age", "any");
    fs::write(&options.cohort, text).unwrap();
    let score = folder.path().join("score.txt");
    fs::write(
        &score,
        "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n1\t10\tG\tA\t2\n",
    )
    .unwrap();
    options.scoring.scoring_files = vec![score];
    options.no_fit = true;
    options.scoring.matching.max_missing = 1.0;
    options.scoring.matching.mincs = 1;
    let summary = without_fit(&options).unwrap();
    let expected_auroc = auroc_by_hand();
    let [area] = &summary.areas[..] else {
        panic!("{summary}")
    };
    assert_eq!(
        (
            area.model.as_str(),
            area.split.as_str(),
            area.n_cases,
            area.n_controls
        ),
        ("prs-score", "test", 5, 7)
    );
    assert!(
        (area.auroc - expected_auroc).abs() < 1e-12,
        "{} {expected_auroc}",
        area.auroc
    );
    assert!(
        area.ci.is_some() && summary.to_string().contains("prs-score, test: AUC 0."),
        "{summary}"
    );
    let table = fs::read_to_string(options.scoring.out.join("score_auc.csv")).unwrap();
    assert!(
        table.starts_with(
            "model,split,n_cases,n_controls,auroc,ci_low,ci_high\nprs-score,test,5,7,0."
        ),
        "{table}"
    );
    assert_eq!(
        read_predictions(&options.scoring.out.join("predictions.csv"))
            .unwrap()
            .len(),
        12
    );
    assert!(run(&options).is_err(), "fitting needs training samples");
}

/// AUC of the copies of G at 1:10: cases P1, P3, P4, P6, P9 and seven controls, of which P8 has no
/// call and so twice the frequency 9/22.
fn auroc_by_hand() -> f64 {
    let cases = [2.0_f64, 1.0, 0.0, 2.0, 0.0];
    let controls = [1.0, 0.0, 1.0, 0.0, 9.0 / 11.0, 1.0, 1.0];
    let mut wins = 0.0;
    for case in cases {
        for control in &controls {
            wins += match case.total_cmp(control) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / 35.0
}

#[test]
fn kinships_see_variants_outside_of_the_regions() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small(folder.path());
    options.regions_file = Some(folder.path().join("r.bed"));
    fs::write(folder.path().join("r.bed"), "1\t0\t15\n").unwrap();
    let cohort = cohort_of(&options.cohort);
    assert_eq!(n_kinship_sites(&options, &cohort), Some(3));
    options.kinship_variants = KinshipVariants::Regions;
    assert_eq!(n_kinship_sites(&options, &cohort), None);
    options.regions_file = None;
    options.kinship_variants = KinshipVariants::All;
    assert_eq!(
        n_kinship_sites(&options, &cohort),
        None,
        "all of the VCF is read anyway"
    );
}

/// Number of sites that are read for kinships alone.
fn n_kinship_sites(options: &Options, cohort: &Cohort) -> Option<usize> {
    kinship_sites::read(&kinship_source(options), cohort)
        .unwrap()
        .map(|sites| sites.len())
}

/// 300 people of the 1000 Genomes Project with their haplotypes at APOE (exon 4) and in 33 kb of
/// chromosome 20, with a simulated risk of a variant on chromosome 20.
fn with_apoe(folder: &Path) -> Option<Options> {
    let chr20 = shared_data("chr20")?.join("win33k_A.300.grch37.vcf.gz");
    let apoe = shared_data("apoe")?;
    let mut options = planted(folder, chr20, 1.5);
    options
        .scoring
        .vcf
        .push(apoe.join("haptools_apoe_exon4.2504.grch37.vcf.gz"));
    Some(options)
}

#[test]
fn every_score_is_there_with_and_without_the_apoe_region() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut options) = with_apoe(folder.path()) else {
        return;
    };
    let score = folder.path().join("score.txt");
    let table = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";
    let far = GenotypeTable::read(&options.scoring.vcf[..1], None, None, None, Some(&pass()))
        .unwrap()
        .sites
        .remove(30);
    let row = format!(
        "20\t{}\t{}\t{}\t0.3\n",
        far.position, far.alt_alleles[0], far.ref_allele
    );
    fs::write(
        &score,
        format!("#pgs_id=mine\n{table}19\t45411941\tC\tT\t1.2\n19\t45412079\tT\tC\t-0.5\n{row}"),
    )
    .unwrap();
    options.scoring.scoring_files = vec![score];
    options.scoring.keep_ambiguous = true;
    let summary = run(&options).unwrap();
    let learned = ["prs-dosages", "prs-ct", "prs-elastic-net"];
    let expected: Vec<String> = ["prs-covariates".to_owned(), "prs-apoe".to_owned()]
        .into_iter()
        .chain(learned.map(String::from))
        .chain(learned.map(|model| format!("{model}-no-apoe")))
        .chain(["prs-mine", "prs-mine-alone", "prs-mine-no-apoe"].map(String::from))
        .collect();
    assert_eq!(summary.models, expected);
    assert_eq!(
        summary
            .models
            .iter()
            .filter_map(|model| gf_cohort_schema::comparison_row(model))
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        4
    );
    let mine = summary.without_apoe.last().unwrap();
    assert_eq!((mine.dropped, mine.kept), (2, 1));
    assert!(summary.to_string().contains(
        "prs-mine-no-apoe: 2 alleles left out in the APOE region (chr19:44400000-46500000 on \
         GRCh37), 1 in"
    ));
    let weights = fs::read_to_string(options.scoring.out.join("weights.csv")).unwrap();
    for line in weights
        .lines()
        .filter(|line| line.contains("-no-apoe,allele,"))
    {
        assert!(line.contains(",20,"), "{line}");
    }
    for model in ["prs-dosages-no-apoe", "prs-ct-no-apoe", "prs-mine-no-apoe"] {
        assert!(weights.contains(&format!("\n{model},apoe,e4,")), "{model}");
    }
    apoe_and_guards_are_written(&options, &summary);
}

/// `apoe.csv` and `guards.csv` of [`with_apoe`] with one published score.
fn apoe_and_guards_are_written(options: &Options, summary: &Summary) {
    let calls = gf_cohort_schema::read_apoe(&options.scoring.out.join("apoe.csv")).unwrap();
    assert_eq!(calls.len(), 300);
    let n_e3_e4 = calls
        .iter()
        .filter(|row| row.apoe.as_deref() == Some("e3/e4"))
        .count();
    assert!(n_e3_e4 > 20);
    let guards = gf_cohort_schema::read_guards(&options.scoring.out.join("guards.csv")).unwrap();
    assert_eq!(guards, summary.guards);
    let names: Vec<(&str, &str)> = guards
        .iter()
        .map(|row| (row.guard.as_str(), row.subject.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("kinship", "cohort"),
            ("identical-genotypes", "cohort"),
            ("score-study", "prs-mine")
        ]
    );
}

#[test]
fn an_exported_score_is_the_same_score_when_it_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut options) = with_apoe(folder.path()) else {
        return;
    };
    options.study = Some("planted 300".to_owned());
    let summary = run(&options).unwrap();
    let people: Vec<String> = cohort_of(&options.cohort)
        .people
        .into_iter()
        .map(|person| person.sample_id)
        .collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let table = GenotypeTable::read(
        &options.scoring.vcf,
        None,
        Some(&people),
        None,
        Some(&pass()),
    )
    .unwrap();
    let model = PrsModel::load(&options.scoring.out.join("prs_model.json")).unwrap();
    for choice in &summary.choices {
        exported_score_is_read_back(&options, &table, &model, &choice.model);
    }
    training_samples_are_recognised(options, folder.path());
}

/// The scoring file of a learned baseline gives the score of the saved model.
fn exported_score_is_read_back(
    options: &Options,
    table: &GenotypeTable,
    model: &PrsModel,
    model_name: &str,
) {
    let path = options
        .scoring
        .out
        .join(format!("scoring_files/{model_name}.txt.gz"));
    let [file] = &ScoringFile::read(&path, None).unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (file.id.as_str(), file.genome_build),
        (
            format!("planted 300-{}", &model_name[4..]).as_str(),
            Some(GenomeBuild::GRCh37)
        )
    );
    assert!(
        file.header.contains("#format_version=2.0\n")
            && file
                .header
                .contains(&format!("#variants_number={}\n", file.rows.len()))
    );
    let baseline = model
        .baselines
        .iter()
        .find(|baseline| baseline.model == model_name)
        .unwrap();
    let alleles: Vec<AlleleWeight> = baseline.alleles().cloned().collect();
    let frequency_of: HashMap<(Position1, &str), f64> = alleles
        .iter()
        .map(|allele| {
            (
                (allele.position, allele.alt_allele.as_str()),
                allele.frequency,
            )
        })
        .collect();
    let read_back = scores(file, table, true, |site, number| {
        frequency_of[&(site.position, site.allele(number))]
    });
    let saved = BaselineSamples::new(table, Vec::new(), None)
        .values(
            &Feature::AlleleScore {
                alleles: alleles.clone(),
            },
            0.0,
        )
        .unwrap();
    assert!(
        saved.iter().any(|score| (score - saved[0]).abs() > 1e-9),
        "{}",
        model_name
    );
    for (read_back, saved) in read_back.iter().zip(&saved) {
        assert!(
            (read_back - saved).abs() < 1e-12,
            "{model_name}: {read_back} {saved}"
        );
    }
}

/// A score that this cohort learned is refused by its digest of the training samples.
fn training_samples_are_recognised(mut options: Options, folder: &Path) {
    // The same samples are recognised, whatever the name of the split.
    options.scoring.scoring_files = vec![options.scoring.out.join("scoring_files/prs-ct.txt.gz")];
    options.scoring.out = folder.join("again");
    let swapped = fs::read_to_string(&options.cohort)
        .unwrap()
        .replace(",train,", ",x,")
        .replace(",test,", ",train,")
        .replace(",x,", ",test,");
    fs::write(&options.cohort, swapped).unwrap();
    let guards = run(&options).unwrap().guards;
    let row = guards
        .iter()
        .find(|row| row.guard == "score-study")
        .unwrap();
    assert!(
        row.verdict == gf_cohort_schema::GuardVerdict::Fail
            && row.finding.contains("trained on the test split"),
        "{row:?}"
    );
}

#[test]
fn principal_components_alone_are_a_baseline_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(folder.path());
    let text = fs::read_to_string(&options.cohort)
        .unwrap()
        .replace("age", "PC1");
    fs::write(&options.cohort, text).unwrap();
    let models = run(&options).unwrap().models;
    assert_eq!(models[..2], ["prs-covariates", "prs-pcs"]);
    assert_eq!(gf_cohort_schema::comparison_row("prs-pcs"), None);
}

/// VCF files, which state everything about themselves.
fn files(paths: &[PathBuf]) -> GenotypeFiles<'_> {
    static NOTHING: FormatOptions = FormatOptions {
        ref_first: false,
        ref_last: false,
        contig: None,
        bgen_lists: None,
    };
    GenotypeFiles {
        paths,
        format: &NOTHING,
    }
}
