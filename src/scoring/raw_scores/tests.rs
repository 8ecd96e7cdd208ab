//! Raw sums compared with PLINK 2, and the three kinds of missing genotypes.

#![allow(clippy::float_cmp, reason = "whole weights are summed exactly")]

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::*;
use crate::scoring::{
    MatchingOptions,
    dosages::NotUsed,
    testing::{shared_data, write_vcf},
};
use gf_cohort_schema::{MatchRow, RawScoreRow, columns};
use gf_genotypes::GenomeBuild;

/// Options for samples, records and scoring rows. A row has blanks instead of tabs: `chr pos effect
/// other weight frequency`, with `.` for no frequency.
fn options(folder: &Path, samples: &[&str], records: &[&str], rows: &[&str]) -> Options {
    let mut text = String::from(
        "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\
         \tallelefrequency_effect\n",
    );
    for row in rows {
        writeln!(text, "{}", row.replace(' ', "\t")).unwrap();
    }
    let score = folder.join("score.txt");
    fs::write(&score, text).unwrap();
    let vcf = vec![write_vcf(folder, samples, records)];
    let matching = MatchingOptions {
        max_missing: 1.0,
        ..MatchingOptions::default()
    };
    Options {
        vcf,
        scoring_files: vec![score],
        keep_ambiguous: true,
        min_overlap: 0.0,
        matching,
        out: folder.join("out"),
        ..Options::default()
    }
}

/// Sum, denominator and number of missing genotypes of each sample in `raw_scores.csv`.
fn sums(options: &Options) -> Vec<(f64, u32, u32)> {
    let mut table = csv::Reader::from_path(options.out.join("raw_scores.csv")).unwrap();
    assert_eq!(table.headers().unwrap(), columns::<RawScoreRow<'_>>());
    let rows = table.records().map(|row| {
        let row = row.unwrap();
        let sum: f64 = row[2].parse().unwrap();
        let denominator: u32 = row[3].parse().unwrap();
        if denominator > 0 {
            let average: f64 = row[4].parse().unwrap();
            assert!((average - sum / f64::from(denominator)).abs() < 1e-9);
        }
        (sum, denominator, row[5].parse().unwrap())
    });
    rows.collect()
}

/// Status and reason of each line of `match_log.csv`.
fn log(options: &Options) -> Vec<(String, String)> {
    let mut table = csv::Reader::from_path(options.out.join("match_log.csv")).unwrap();
    assert_eq!(table.headers().unwrap(), columns::<MatchRow<'_>>());
    table
        .records()
        .map(|row| row.unwrap())
        .map(|row| (row[21].to_owned(), row[23].to_owned()))
        .collect()
}

/// PLINK 2 (v2.00a3.5) with a sample file in which F1 and F2 are women:
/// `plink2 --vcf g.vcf --psam g.psam --bad-freqs --score g.score 1 2 3 cols=denom,scoresums` (DENOM
/// and SUM), then with `no-mean-imputation`, then with `--xchr-model 1` too.
#[test]
fn sums_and_denominators_are_those_of_plink2_in_all_three_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = plink2_options(folder.path());
    let message = run(&options).unwrap_err().to_string();
    assert!(
        message.contains("1 variant has missing genotypes")
            && message.contains("(the first at 1:1)")
            && message.contains("fewer than 100 called samples"),
        "{message}"
    );

    options.matching.mincs = 1;
    let summary = run(&options).unwrap();
    assert_eq!(
        sums(&options),
        [
            (111_111.0, 12, 0),
            (222_202.0, 12, 0),
            (200_020.0, 12, 0),
            (10_101.0, 12, 1)
        ]
    );
    assert!(
        summary
            .to_string()
            .contains("2 are haploid and count 0 or 2"),
        "{summary}"
    );

    options.matching.no_mean_imputation = true;
    run(&options).unwrap();
    assert_eq!(
        sums(&options),
        [
            (111_111.0, 12, 0),
            (222_202.0, 12, 0),
            (200_020.0, 12, 0),
            (10_100.0, 10, 1)
        ]
    );

    options.matching.reading.xchr_model = 1;
    run(&options).unwrap();
    assert_eq!(
        sums(&options),
        [
            (111_111.0, 12, 0),
            (122_202.0, 11, 0),
            (200_020.0, 12, 0),
            (10_100.0, 9, 1)
        ]
    );
    options.matching.no_mean_imputation = false;
    run(&options).unwrap();
    assert_eq!(sums(&options)[3], (10_101.0, 11, 1));

    // c and d (A/T) are strand-ambiguous.
    options.keep_ambiguous = false;
    let summary = run(&options).unwrap();
    assert_eq!(
        (summary.scores[0].counts.ambiguous, sums(&options)[0].0),
        (2, 110_011.0)
    );
}

/// Records and rows whose sums were computed with PLINK 2.
fn plink2_options(folder: &Path) -> Options {
    options(
        folder,
        &["F1", "M1", "F2", "M2"],
        &[
            "1 1 a A G . PASS . GT 0|1 1|1 0|0 ./.",
            "1 2 b A G . PASS . GT 0/1 1/1 0/0 1/1",
            "1 3 c A T . PASS . GT 0|1 1|1 0|0 0|1",
            "1 4 d A G,T . PASS . GT 1|2 2|2 0|1 0|0",
            "1 5 e AC A . PASS . GT 0|1 1|1 0|0 0|1",
            "X 6 x A G . PASS . GT 0|1 1 1|1 0",
        ],
        &[
            "1 1 G A 1 .",
            "1 2 A G 10 .",
            "1 3 T A 100 .",
            "1 4 T A 1000 .",
            "1 5 A AC 10000 .",
            "X 6 G A 100000 .",
        ],
    )
}

/// `plink2 --vcf a.vcf --score a.score 1 2 3 dominant no-mean-imputation`, and `recessive`: the
/// five autosomal records above.
#[test]
fn dominant_and_recessive_effects_are_those_of_plink2() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 1 a A G . PASS . GT 0|1 1|1 0|0 ./.",
        "1 2 b A G . PASS . GT 0/1 1/1 0/0 1/1",
        "1 3 c A T . PASS . GT 0|1 1|1 0|0 0|1",
        "1 4 d A G,T . PASS . GT 1|2 2|2 0|1 0|0",
        "1 5 e AC A . PASS . GT 0|1 1|1 0|0 0|1",
    ];
    for (effect_type, expected) in [
        ("dominant", [11_111.0, 11_101.0, 10.0, 10_100.0]),
        ("recessive", [0.0, 11_101.0, 10.0, 0.0]),
    ] {
        let mut options = options(folder.path(), &["F1", "M1", "F2", "M2"], &records, &[]);
        let rows = [
            "1 1 G A 1",
            "1 2 A G 10",
            "1 3 T A 100",
            "1 4 T A 1000",
            "1 5 A AC 10000",
        ]
        .map(|row| format!("{row} {effect_type}\n"));
        let table = format!(
            "chr_name chr_position effect_allele other_allele effect_weight effect_type\n{}",
            rows.concat()
        );
        fs::write(&options.scoring_files[0], table).unwrap();
        options.matching.no_mean_imputation = true;
        run(&options).unwrap();
        assert_eq!(
            sums(&options)
                .iter()
                .map(|(sum, ..)| *sum)
                .collect::<Vec<_>>(),
            expected,
            "{effect_type}"
        );
    }
}

#[test]
fn one_person_is_scored_by_the_frequencies_of_the_file_or_without_the_variant() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 10 a A G . PASS . GT 0|1",
        "1 20 b A G . PASS . GT ./.",
        "1 30 c A G . PASS . GT ./.",
    ];
    let mut options = options(
        folder.path(),
        &["A"],
        &records,
        &["1 10 G A 1 0.5", "1 20 G A 10 0.25", "1 30 G A 100 ."],
    );
    options.matching.max_missing = 0.05;
    let summary = run(&options).unwrap();
    assert_eq!(sums(&options), [(1.0 + 2.0 * 0.25 * 10.0, 4, 0)]);
    let counts = &summary.scores[0].counts;
    assert_eq!(
        (counts.matched, counts.by_frequency, counts.missing),
        (1, 1, 1)
    );
    let log = log(&options);
    assert_eq!(log[1], ("by_frequency".to_owned(), "missing".to_owned()));
    assert_eq!(log[2], ("excluded".to_owned(), "missing".to_owned()));
}

#[test]
fn the_three_kinds_of_missing_genotypes_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 10 a A G . PASS . GT 0|1 ./. 0|0",
        "1 20 b A G . q10 . GT 0|1 1|1 0|0",
        "1 25 n A T . PASS . GT 0|1 1|1 0|0",
    ];
    // Positions 3, 4, 6, 7 are callable and absent; 40 is neither. The reference has A everywhere
    // but G at 7.
    let rows = [
        "1 10 G A 1 0.4",
        "1 20 G A 10 0.25",
        "1 3 A G 100 0.5",
        "1 4 G A 1000 0.5",
        "1 6 CC GT 10000 0.5",
        "1 7 A T 100000 0.5",
        "1 25 G A 7 0.5",
        "1 40 G A 1000000 0.125",
        "1 41 G A 3 .",
    ];
    let mut options = options(folder.path(), &["A", "B", "C"], &records, &rows);
    options.keep_ambiguous = false;
    run(&options).unwrap();
    let by_records = [(1.0 + 5.0, 4, 0), (0.8 + 5.0, 4, 1), (0.0 + 5.0, 4, 0)];
    assert_eq!(
        sums(&options),
        by_records,
        "without callable regions sites that are not in the VCF are left out"
    );

    options.matching.callable = Some(folder.path().join("callable.bed"));
    fs::write(folder.path().join("callable.bed"), "1\t0\t30\n").unwrap();
    let message = run(&options).unwrap_err().to_string();
    assert!(message.contains("--reference"), "{message}");
    options.matching.reference = Some(write_reference(folder.path()));
    let summary = run(&options).unwrap();
    // Two copies of the effect allele at 1:3, and the frequency of the file at 1:40.
    let constant = 200.0 + 0.25 * 1_000_000.0;
    assert_eq!(
        sums(&options),
        by_records.map(|(sum, n, missing)| (sum + constant, n + 6, missing))
    );
    let counts = &summary.scores[0].counts;
    assert_eq!(counts.matched, 1);
    assert_eq!(counts.hom_ref, 2);
    assert_eq!(counts.by_frequency, 2);
    assert_eq!(counts.unmatched, 4);
    assert_eq!(summary.scores[0].missing_genotypes, 1);
    let expected = [
        ("matched", ""),
        ("by_frequency", "filter"),
        // 1:3 has two copies of its effect allele, 1:4 none.
        ("matched", "hom-ref"),
        ("matched", "hom-ref"),
        // 1:6 has none of its alleles on either strand; 1:7 A/T is ambiguous.
        ("unmatched", "not-in-vcf"),
        ("unmatched", "not-in-vcf"),
        ("unmatched", "other-alleles"),
        ("by_frequency", "not-callable"),
        // 1:41 is not callable and has no frequency.
        ("unmatched", "not-in-vcf"),
    ];
    let expected = expected.map(|(status, reason)| (status.to_owned(), reason.to_owned()));
    assert_eq!(log(&options), expected);
}

/// Writes a reference with G at 1:7 and A everywhere else.
fn write_reference(folder: &Path) -> PathBuf {
    let path = folder.join("r.fa");
    let sequence = "AAAAAAGAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    fs::write(&path, format!(">1\n{sequence}\n")).unwrap();
    path
}

#[test]
fn weights_of_each_dosage_and_imputed_dosages_are_summed() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 10 a A G . PASS . GT:DS 0|0:0 0|1:1 1|1:2 0|1:0.5",
        "1 20 b A G . PASS . GT 0|0 0|1 1|1 0|1",
    ];
    let options = options(folder.path(), &["A", "B", "C", "D"], &records, &[]);
    let table = "chr_name chr_position effect_allele other_allele dosage_0_weight dosage_1_weight \
                 dosage_2_weight\n1 10 G A -1 1 5\n1 20 A G 0 10 30\n";
    fs::write(&options.scoring_files[0], table).unwrap();
    let summary = run(&options).unwrap();
    assert_eq!(summary.genotypes.imputed_records, 1);
    assert_eq!(
        sums(&options)
            .iter()
            .map(|(sum, ..)| *sum)
            .collect::<Vec<_>>(),
        [29.0, 11.0, 5.0, 10.0]
    );
}

#[test]
fn nothing_to_score_and_a_row_that_two_batches_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(
        folder.path(),
        &["A"],
        &["1 10 a A G . PASS . GT 0|1"],
        &["1 10 G A 1 ."],
    );
    let other = tempfile::tempdir().unwrap();
    options.vcf.push(write_vcf(
        other.path(),
        &["A"],
        &["1 10 b A G,T . PASS . GT 0|2"],
    ));
    fs::write(
        &options.scoring_files[0],
        "chr_name\tchr_position\teffect_allele\teffect_weight\n1\t10\tA\t1\n",
    )
    .unwrap();
    let files = published::read_scoring_files(&options, Vec::new())
        .unwrap()
        .scores;
    let mut scorer = Scorer::new(&files, &options, 1, vec![0]).unwrap();
    let mut sites = Vec::new();
    for path in &options.vcf {
        let table =
            GenotypeTable::read(std::slice::from_ref(path), None, None, None, None).unwrap();
        scorer.add(&table.sites).unwrap();
        sites.extend(table.sites);
    }
    let mut scores = scorer.finish(&sites, &NotUsed::default()).unwrap();
    assert!(
        scores
            .remove(0)
            .unwrap_err()
            .to_string()
            .contains("two VCF files match the row at 1:10")
    );
    options.scoring_files.clear();
    assert!(
        run(&options)
            .unwrap_err()
            .to_string()
            .contains("--scoring-file")
    );
}

/// Match types and exclusions in the test data of pgscatalog.calc, for rows of PGS001229 whose
/// effect allele is ALT.
#[test]
fn matches_are_those_of_pgscatalog_calc() {
    let Some(data) = shared_data("pgs-catalog/calc") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        vcf: vec![write_catalog_vcf(folder.path(), &data)],
        scoring_files: vec![data.join("PGS001229_hmPOS_GRCh38.txt.gz")],
        min_overlap: 0.0,
        out: folder.path().join("out"),
        ..Options::default()
    };
    run(&options).unwrap();
    let mut table = csv::Reader::from_path(options.out.join("match_log.csv")).unwrap();
    let log_rows: HashMap<u64, csv::StringRecord> = table
        .records()
        .map(|row| row.unwrap())
        .map(|row| (row[0].parse().unwrap(), row))
        .collect();
    let expected = json_rows(&data.join("allele_match_table.json"));
    for theirs in &expected {
        let ours = &log_rows[&theirs["row_nr"].as_u64().unwrap()];
        let result = &theirs["match_result"];
        let is_matched = result["is_matched"].as_bool().unwrap();
        let is_ambiguous = result["is_ambiguous"].as_bool().unwrap();
        assert_eq!(&ours[21] == "matched", is_matched, "{theirs}");
        assert_eq!(&ours[14] == "true", is_ambiguous, "{theirs}");
        if is_matched {
            assert_eq!(
                ours[12].to_uppercase(),
                json_text(result, "match_type"),
                "{theirs}"
            );
        }
    }
    assert_eq!(expected.len(), 100);
}

/// Writes the variants of pgscatalog.calc's test data as a VCF of one sample.
fn write_catalog_vcf(folder: &Path, data: &Path) -> PathBuf {
    let mut variants = json_rows(&data.join("score_variant_table.json"));
    variants.sort_by_key(|row| {
        (
            json_text(row, "chr_name"),
            row["chr_position"].as_u64().unwrap(),
        )
    });
    let records: Vec<String> = variants
        .iter()
        .map(|row| {
            let contig = json_text(row, "chr_name");
            let position = row["chr_position"].as_u64().unwrap();
            let alt = json_text(row, "effect_allele");
            let reference = json_text(row, "other_allele");
            format!(
                "{contig} {position} {} {reference} {alt} . . . GT 0|1",
                row["row_nr"]
            )
        })
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    write_vcf(folder, &["A"], &records)
}

/// Rows of a table with one JSON object per line, without the one made-up row of each table.
fn json_rows(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|row| row["accession"] != "test")
        .collect()
}

fn json_text(row: &serde_json::Value, key: &str) -> String {
    row[key].as_str().unwrap().to_owned()
}

/// Options for records and the text of a scoring file.
fn with_file(folder: &Path, records: &[&str], samples: &[&str], table: &str) -> Options {
    let options = options(folder, samples, records, &[]);
    fs::write(&options.scoring_files[0], table).unwrap();
    Options {
        min_overlap: 0.75,
        ..options
    }
}

const TABLE: &str = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";

#[test]
fn records_that_fail_filter_say_so_and_are_used_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 100 . A G . PASS . GT 0/1",
        "1 200 . C T . RefCall . GT 0/0",
        "1 300 . C T . LowQual;q10 . GT 1/1",
    ];
    let rows = "1\t100\tG\tA\t1\n1\t200\tC\tT\t10\n1\t300\tT\tC\t100\n";
    let mut options = with_file(folder.path(), &records, &["A"], &format!("{TABLE}{rows}"));
    let message = run(&options).unwrap_err().to_string();
    assert!(
        message.contains(
            "2 left out by FILTER, such as 1:200 C/T (choose the accepted filters with \
             --apply-filters"
        ),
        "{message}"
    );
    let reasons: Vec<String> = log(&options)
        .into_iter()
        .map(|(status, reason)| format!("{status} {reason}"))
        .collect();
    assert_eq!(
        reasons,
        ["matched ", "unmatched filter", "unmatched filter"]
    );
    options.min_overlap = 0.1;
    let summary = run(&options).unwrap().to_string();
    assert!(
        summary.contains(
            "records left out by FILTER: 2 (LowQual 1, RefCall 1, q10 1); choose the accepted \
             filters with --apply-filters"
        ),
        "{summary}"
    );
    options.filters = None;
    run(&options).unwrap();
    assert_eq!(sums(&options)[0].0, 221.0);
    options.filters = Some(vec!["PASS".into(), "RefCall".into()]);
    run(&options).unwrap();
    assert_eq!(sums(&options)[0].0, 21.0);
}

#[test]
fn a_chromosome_is_matched_under_any_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    for (contig, position) in [("1", "100000"), ("NC_000001.11", "100000.0")] {
        for name in [
            "1",
            "01",
            "1.0",
            "chr1",
            "CHR1",
            "Chr1",
            "chr01",
            "NC_000001.11",
        ] {
            let record = format!("{contig} 100000 . A G . PASS . GT 0|1");
            let row = format!("{name}\t{position}\tG\tA\t1\n");
            let options = with_file(folder.path(), &[&record], &["A"], &format!("{TABLE}{row}"));
            run(&options).unwrap();
            assert_eq!(sums(&options)[0].0, 1.0, "{contig} {name}");
        }
    }
}

/// `plink2 --xchr-model 1`: a man has one copy on X, whatever X is called.
#[test]
fn x_is_x_when_it_is_called_23() {
    let folder = tempfile::tempdir().unwrap();
    for contig in ["X", "23", "chrX", "NC_000023.10"] {
        for name in ["X", "23", "x"] {
            let records = [
                format!("{contig} 100 . A G . PASS . GT 0|1 1 1|1"),
                format!("{contig} 200 . C T . PASS . GT 0|1 0 0|0"),
            ];
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            let rows = format!("{name}\t100\tG\tA\t1\n{name}\t200\tT\tC\t10\n");
            let mut options = with_file(
                folder.path(),
                &records,
                &["F1", "M1", "F2"],
                &format!("{TABLE}{rows}"),
            );
            options.matching.reading.xchr_model = 1;
            run(&options).unwrap();
            assert_eq!(
                sums(&options)
                    .iter()
                    .map(|(sum, ..)| *sum)
                    .collect::<Vec<_>>(),
                [11.0, 1.0, 2.0],
                "{contig} {name}"
            );
        }
    }
}

#[test]
fn an_inferred_other_allele_finds_the_deletion_and_not_the_snp() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 100 . A G . PASS . GT 0|1 0|0",
        "1 200 . G T . PASS . GT 0|0 0|0",
        "1 200 . GA G . PASS . GT 0|0 1|1",
    ];
    let header = "#HmPOS_build=GRCh38\nchr_name\tchr_position\teffect_allele\tother_allele\
                  \teffect_weight\thm_chr\thm_pos\thm_inferOtherAllele\n";
    let rows = "1\t1\tG\tA\t1\t1\t100\t\n1\t1\tG\t\t10\t1\t200\tGA\n";
    let options = with_file(
        folder.path(),
        &records,
        &["S", "T"],
        &format!("{header}{rows}"),
    );
    run(&options).unwrap();
    assert_eq!(
        sums(&options)
            .iter()
            .map(|(sum, ..)| *sum)
            .collect::<Vec<_>>(),
        [1.0, 20.0]
    );
}

#[test]
fn a_build_that_is_unknown_or_another_is_refused_where_one_is_stated() {
    let grch38 = Some(GenomeBuild::GRCh38);
    for text in [
        "hg18",
        "NCBI36",
        "NCBI36/hg18",
        "GRCh36",
        "T2T-CHM13v2.0",
        "chm13",
        "GRCh37.p13",
        "hs37d5",
        "b37",
        "hg19",
    ] {
        let message = run_with_builds(text, grch38).unwrap_err().to_string();
        assert!(
            message.contains("the positions of the score are on ")
                && message.contains("the VCF is on GRCh38"),
            "{text}: {message}"
        );
    }
    let message = run_with_builds("hg17", grch38).unwrap_err().to_string();
    assert!(
        message.contains("`hg17`, which this program does not know"),
        "{message}"
    );
    for text in ["hg38", "GRCh38.p14", "NR", ""] {
        assert!(run_with_builds(text, grch38).is_ok(), "{text}");
    }
    let summary = run_with_builds("hg17", None).unwrap().to_string();
    assert!(
        summary.contains("build `hg17`, which this program does not know"),
        "{summary}"
    );
}

/// Sums a score whose header states a build, while an option states another one.
fn run_with_builds(in_header: &str, option: Option<GenomeBuild>) -> Result<RawSummary, Error> {
    let folder = tempfile::tempdir().unwrap();
    let table = format!("#genome_build={in_header}\n{TABLE}1\t100\tG\tA\t1\n");
    let options = with_file(
        folder.path(),
        &["1 100 . A G . PASS . GT 0|1"],
        &["A"],
        &table,
    );
    run(&Options {
        genome_build: option,
        ..options
    })
}

#[test]
fn the_error_for_too_few_variants_names_the_cause_and_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        "1 100 . A T . PASS . GT 0|1 1|1",
        "1 200 . A G . PASS . GT ./. ./.",
        "1 300 . A G . LowQual . GT 0|1 1|1",
        "1 400 . A G . PASS . GT 0|1 1|1",
        "1 500 . A . . PASS . GT 0|0 0|0",
    ];
    for (rows, expected) in [
        (
            "1\t100\tT\tA\t1\n",
            "1 ambiguous (A/T or C/G, so that the strand is unknown), such as 1:100 T/A \
             (--keep-ambiguous",
        ),
        (
            "1\t200\tG\tA\t1\n",
            "1 with too many missing genotypes, such as 1:200 G/A (raise --max-missing",
        ),
        (
            "1\t300\tG\tA\t1\n",
            "1 left out by FILTER, such as 1:300 G/A (choose the accepted filters with \
             --apply-filters",
        ),
        (
            "1\t400\tG\tA\t1\n1\t400\tG\tA\t2\n",
            "2 duplicates (another row describes the same allele), such as 1:400 G/A",
        ),
        (
            "1\t400\tC\tA\t1\n",
            "1 with different alleles in the VCF, such as 1:400 C/A",
        ),
        (
            "1\t500\tC\tG\t1\n",
            "1 at records without an ALT allele to count, such as 1:500 C/G",
        ),
        (
            "1\t401\tG\tA\t1\n",
            "1 not in the VCF, such as 1:401 G/A (are the positions on another genome build",
        ),
        (
            "7\t400\tG\tA\t1\n",
            "1 on a contig without records in the VCF, such as 7:400 G/A, while the VCF has \
             records on 1",
        ),
        (
            "1\t401\tG\tA\t1\nNA\tNA\tG\tA\t1\n",
            "1 cannot be used (no-position), such as ?:? G/A",
        ),
    ] {
        let mut options = with_file(
            folder.path(),
            &records,
            &["A", "B"],
            &format!("{TABLE}{rows}"),
        );
        options.keep_ambiguous = false;
        options.matching.max_missing = 0.05;
        let message = run(&options).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_score_that_fails_does_not_stop_the_others_and_an_id_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = with_file(
        folder.path(),
        &["1 100 . A G . PASS . GT 0|1"],
        &["A"],
        &format!("{TABLE}1\t100\tG\tA\t1\n"),
    );
    let broken = folder.path().join("broken.txt");
    fs::write(&broken, format!("{TABLE}1\tx\tG\tA\t1\n")).unwrap();
    let elsewhere = folder.path().join("elsewhere.txt");
    fs::write(&elsewhere, format!("{TABLE}1\t7\tG\tA\t1\n")).unwrap();
    options
        .scoring_files
        .extend([broken, elsewhere, "PGS000001".into()]);
    let summary = run(&options).unwrap();
    assert_eq!(
        summary
            .scores
            .iter()
            .map(|score| score.id.as_str())
            .collect::<Vec<_>>(),
        ["score"]
    );
    let reasons: Vec<&str> = summary
        .failed_scores
        .iter()
        .map(|failed| failed.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 3);
    assert!(
        reasons[0].contains("broken.txt: line 2: position `x`"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("PGS000001 is an accession of the PGS Catalog")
            && reasons[1].contains("_hmPOS_GRCh38.txt.gz")
    );
    assert!(reasons[2].contains("elsewhere.txt: only 0 of 1 variants match"));
    options.scoring_files.remove(0);
    let message = run(&options).unwrap_err().to_string();
    assert!(
        message.contains("none of 3 scores")
            && message.contains("line 2: position `x`")
            && message.contains("only 0 of 1"),
        "{message}"
    );
}
