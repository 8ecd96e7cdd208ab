//! Bad input gives exit code 1 and one clear line that names its location, and leaves no file
//! behind; wrong usage gives exit code 2.
//!
//! A small study is made once from text written here, with the oddities of real files. Each test
//! breaks one thing in a copy of it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Read,
    path::Path,
    process::Stdio,
    sync::LazyLock,
};

use crate::support::{
    RealGenomes, command,
    compression::{Bgzf, gzip},
    copy, file_names, files, real_data, refusal, refuse, replace_in, rows, run, stderr, succeed,
};
use candle_core::{DType, Device, Tensor, safetensors};
use tempfile::TempDir;

const N_PEOPLE: usize = 24;
const TOKENIZE: &str = "tokenize --vcf cohort.vcf --reference reference.fa --regions-file \
                        loci.bed --cohort cohort.csv --out new";
const PRS: &str = "prs --vcf cohort.vcf --cohort cohort.csv --out new";
const TRAIN: &str = "train --additive none --tokens tokens --cohort cohort.csv --out new --hidden \
                     8 --layers 1 --heads 2 --projected-length 4 --feed-forward 8 --epochs 2";
const SCORE: &str =
    "score --vcf cohort.vcf --reference reference.fa --model model --cohort cohort.csv -o risk.csv";
const EVALUATE: &str =
    "evaluate --predictions model/predictions.csv baselines/predictions.csv --out new";
const RUN: &str = "run pipeline.toml --out new";

/// 600 nt of `chr7`, half of them lower-case like the soft-masked bases of real references.
fn reference() -> Vec<u8> {
    let mut state = 7_u32;
    let mut bases = Vec::new();
    for index in 0..600 {
        // A linear congruential generator; its two highest bits choose the base.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let base = b"ACGT"[(state >> 30) as usize];
        let is_masked = index % 100 >= 50;
        bases.push(if is_masked {
            base.to_ascii_lowercase()
        } else {
            base
        });
    }
    bases
}

/// The base of the reference at a 1-based position, in upper case.
fn reference_base(position: usize) -> char {
    char::from(reference()[position - 1].to_ascii_uppercase())
}

/// A base other than that of the reference at a 1-based position.
fn other_base(position: usize) -> char {
    if reference_base(position) == 'A' {
        'G'
    } else {
        'A'
    }
}

/// One line of `cohort.vcf`; `genotype` gives the GT of each sample by its index.
fn record(position: usize, genotype: impl Fn(usize) -> String) -> String {
    // `7` where FASTA and BED have `chr7`; FORMAT has a key next to GT that must be ignored.
    let mut line = format!(
        "7\t{position}\t.\t{}\t{}\t.\tPASS\t.\tGT:DP",
        reference_base(position),
        other_base(position)
    );
    for person in 0..N_PEOPLE {
        write!(line, "\t{}:7", genotype(person)).unwrap();
    }
    line
}

const POSITIONS: [usize; 6] = [120, 155, 230, 300, 380, 450];

/// Lines of `cohort.vcf`: two of the header, the column names, and a record at each of
/// [`POSITIONS`].
fn vcf() -> Vec<String> {
    let names: Vec<String> = (1..=N_PEOPLE)
        .map(|person| format!("S{person:02}"))
        .collect();
    let mut lines = vec![
        "##fileformat=VCFv4.2".to_owned(),
        "##contig=<ID=7,length=600>".to_owned(),
        format!(
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}",
            names.join("\t")
        ),
    ];
    for (number, position) in POSITIONS.into_iter().enumerate() {
        lines.push(record(position, |person| {
            format!(
                "{}|{}",
                (person >> (number % 4)) & 1,
                u8::from((person + number).is_multiple_of(3))
            )
        }));
    }
    lines
}

fn write_vcf(folder: &Path, lines: &[String]) {
    fs::write(folder.join("cohort.vcf"), lines.join("\n") + "\n").unwrap();
}

/// Writes `cohort.vcf.gz` with one BGZF block per line.
fn write_bgzf(folder: &Path, lines: &[String]) -> Bgzf {
    let compressed = Bgzf::of_blocks(lines.iter().map(|line| format!("{line}\n")));
    fs::write(folder.join("cohort.vcf.gz"), &compressed.bytes).unwrap();
    compressed
}

/// A VCF whose first sample has no call in its first `n` records.
fn without_calls(n: usize) -> Vec<String> {
    let mut lines = vcf();
    for line in lines
        .iter_mut()
        .filter(|line| !line.starts_with('#'))
        .take(n)
    {
        let mut cells: Vec<&str> = line.split('\t').collect();
        cells[9] = "./.";
        *line = cells.join("\t");
    }
    lines
}

/// `cohort.csv` with a column more: its name, and its value from the index and the text of a row.
fn with_column(table: &str, name: &str, value: impl Fn(usize, &str) -> String) -> String {
    let mut extended = String::new();
    for (index, line) in table.lines().enumerate() {
        let cell = if index == 0 {
            name.to_owned()
        } else {
            value(index, line)
        };
        writeln!(extended, "{line},{cell}").unwrap();
    }
    extended
}

/// A study without errors, with tokens, a model, baselines and a pipeline file.
static STUDY: LazyLock<TempDir> = LazyLock::new(|| {
    let study = tempfile::tempdir().unwrap();
    let folder = study.path();
    let mut fasta = b">chr7 soft-masked\r\n".to_vec();
    for line in reference().chunks(70) {
        fasta.extend_from_slice(line);
        fasta.extend_from_slice(b"\r\n");
    }
    fs::write(folder.join("reference.fa"), fasta).unwrap();
    fs::write(folder.join("loci.bed"), "chr7\t100\t500\tLOCUS\n").unwrap();
    write_vcf(folder, &vcf());
    fs::write(folder.join("cohort.csv"), cohort_table()).unwrap();
    fs::write(
        folder.join("pipeline.toml"),
        "[data]\nvcf = [\"cohort.vcf\"]\nreference = \"reference.fa\"\nregions_file = \
         \"loci.bed\"\ncohort = \"cohort.csv\"\n",
    )
    .unwrap();
    succeed(folder, &TOKENIZE.replace("new", "tokens"));
    succeed(folder, &TRAIN.replace("new", "model"));
    succeed(folder, &PRS.replace("new", "baselines"));
    succeed(folder, &EVALUATE.replace("new", "report"));
    study
});

/// 12 samples in the training split, 6 each in validation and test; every other one is a case.
fn cohort_table() -> String {
    let mut table = "sample_id,phenotype,split,age\n".to_owned();
    for person in 0..N_PEOPLE {
        let split = match person / 3 {
            0..4 => "train",
            4..6 => "validation",
            _ => "test",
        };
        let phenotype = if person % 2 == 0 { "case" } else { "control" };
        let age = 60 + person % 7;
        writeln!(table, "S{:02},{phenotype},{split},{age}", person + 1).unwrap();
    }
    table
}

/// A copy of the study, to break.
fn study() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(STUDY.path(), folder.path());
    folder
}

/// Replaces text in a file of a study, which must contain it.
fn replace(folder: &Path, name: &str, old: &str, new: &str) {
    replace_in(&folder.join(name), old, new);
}

#[test]
fn the_study_that_the_tests_break_is_right() {
    let study = study();
    for arguments in [
        TOKENIZE,
        &PRS.replace("new", "fitted"),
        &TRAIN.replace("new", "trained"),
        SCORE,
        &EVALUATE.replace("new", "compared"),
    ] {
        succeed(study.path(), arguments);
    }
    // `score` gives the logits that `train` wrote.
    let [scored, predicted] = ["risk.csv", "model/predictions.csv"].map(|name| {
        let rows = rows(&study.path().join(name));
        rows.into_iter()
            .map(|row| row["logit"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(scored, predicted);
}

// What is silent elsewhere

#[test]
fn ref_is_compared_with_the_reference_by_every_command_that_is_given_one() {
    let study = study();
    let line = vcf().remove(5);
    let cells: Vec<&str> = line.split('\t').collect();
    let swapped = line.replacen(
        &format!("\t{}\t{}\t", cells[3], cells[4]),
        &format!("\t{}\t{}\t", cells[4], cells[3]),
        1,
    );
    replace(study.path(), "cohort.vcf", &line, &swapped);
    let expected = [
        "cohort.vcf: ",
        "7:230",
        "REF is",
        "reference.fa has",
        "The FASTA has the ALT allele. Are REF and ALT swapped",
    ];
    refuse(
        study.path(),
        &format!("{PRS} --reference reference.fa"),
        &expected,
    );
    refuse(
        study.path(),
        "score --vcf cohort.vcf --model baselines --reference reference.fa --cohort cohort.csv -o \
         risk.csv",
        &expected,
    );
    refuse(study.path(), TOKENIZE, &["7:230", "REF is"]);
    let checked = run(study.path(), "check pipeline.toml");
    let table = String::from_utf8(checked.stdout).unwrap();
    assert!(
        !checked.status.success()
            && table.contains("refused 1-sequences: cohort.vcf: ")
            && table.contains("REF is"),
        "{table}"
    );
    succeed(study.path(), PRS);
}

#[test]
fn every_input_is_checked_before_any_work() {
    let study = study();
    let checked = succeed(study.path(), "check pipeline.toml");
    assert_eq!(checked.matches("ok      ").count(), 5, "{checked}");
    assert!(
        checked.contains(
            "1-sequences: 24 samples in 1 file, 1 locus; REF of 6 records agrees with the FASTA"
        ),
        "{checked}"
    );
    assert!(
        checked.contains("train 6 cases, 6 controls") && checked.contains("covariates: age"),
        "{checked}"
    );
    for (addition, expected) in [
        (
            "[[models]]\nadditive = 'none'\n[models.schedule]\nepochs = 0\n",
            "epochs",
        ),
        ("[baselines]\nmin_overlap = 2.0\n", "min_overlap"),
        (
            "[baselines]\nscoring_files = [\"cohort.csv\"]\n",
            "cohort.csv",
        ),
    ] {
        let pipeline = fs::read_to_string(study.path().join("pipeline.toml")).unwrap();
        fs::write(study.path().join("other.toml"), pipeline + addition).unwrap();
        let checked = run(study.path(), "check other.toml");
        let table = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(1), "{table}");
        assert_eq!(table.matches("refused").count(), 1, "{table}");
        assert!(
            table
                .lines()
                .any(|line| line.starts_with("refused") && line.contains(expected)),
            "{table}"
        );
        for command in [
            "run other.toml --out new",
            "run other.toml --out new --dry-run",
        ] {
            refuse(study.path(), command, &[expected]);
        }
        assert!(!study.path().join("new").exists());
    }
}

#[test]
fn a_plain_file_that_is_cut_is_told_wherever_it_is_cut() {
    let study = study();
    fs::write(study.path().join("first.bed"), "chr7\t100\t200\n").unwrap();
    let whole = vcf().join("\n");
    for n_cut in [3, 30, 90] {
        fs::write(
            study.path().join("cohort.vcf"),
            &whole[..whole.len() - n_cut],
        )
        .unwrap();
        // The last record is in no region of the BED file.
        refuse(
            study.path(),
            &format!("{PRS} --regions-file first.bed"),
            &["cohort.vcf: ", "7:450"],
        );
    }
    fs::write(study.path().join("cohort.vcf"), &whole).unwrap();
    succeed(study.path(), &format!("{PRS} --regions-file first.bed"));
    // `0` of `0|1` is a call of its own.
    let last_call = whole.trim_end().rfind('|').unwrap();
    fs::write(study.path().join("cohort.vcf"), &whole[..last_call]).unwrap();
    refuse(
        study.path(),
        &format!("{PRS} --force"),
        &[
            "cohort.vcf: ",
            "7:450",
            "call of one allele and has no line break",
        ],
    );
}

#[test]
fn contig_lengths_of_another_build_than_stated_are_refused() {
    let study = study();
    replace(study.path(), "cohort.vcf", "length=600", "length=159138663");
    let expected = [
        "cohort.vcf: ",
        "contig `7` has 159138663 nt",
        "as in GRCh37",
        "--genome-build states GRCh38",
    ];
    refuse(
        study.path(),
        &format!("{PRS} --genome-build GRCh38"),
        &expected,
    );
    let score = "#genome_build=hg38\nchr_name\tchr_position\teffect_allele\tother_allele\
                 \teffect_weight\n7\t120\tA\tC\t1\n";
    fs::write(study.path().join("score.txt"), score).unwrap();
    refuse(
        study.path(),
        &format!("{PRS} --scoring-file score.txt"),
        &["as in GRCh37", "score.txt states GRCh38"],
    );
    succeed(study.path(), &format!("{PRS} --genome-build GRCh37"));
}

#[test]
fn genotypes_that_are_missing_at_scoring_are_counted_and_people_with_too_few_refused() {
    let study = study();
    let score = "score --vcf cohort.vcf --cohort cohort.csv -o risk.csv --model baselines \
                 --models prs-dosages";
    write_vcf(study.path(), &without_calls(1));
    let counted = run(study.path(), score);
    let message = stderr(&counted);
    assert!(counted.status.success(), "{message}");
    assert!(message.contains("prs-dosages: 1 of "), "{message}");
    assert!(message.contains("replaced by the training mean; sample `S01` has the most, 1 of"));
    write_vcf(study.path(), &without_calls(usize::MAX));
    let expected = [
        "prs-dosages: sample `S01` has genotypes of 0 of the",
        "--min-overlap",
    ];
    refuse(study.path(), score, &expected);
}

#[test]
fn a_sample_without_genotypes_is_not_scored_as_the_reference() {
    let study = study();
    write_vcf(study.path(), &without_calls(usize::MAX));
    let expected = ["`S01` has ", "missing alleles", "--min-overlap"];
    refuse(study.path(), SCORE, &expected);
}

#[test]
fn a_covariate_in_another_unit_is_warned_of() {
    let study = study();
    // Age, the last column, in months.
    let mut in_months = "sample_id,phenotype,split,age\n".to_owned();
    for line in cohort_table().lines().skip(1) {
        let (cells, age) = line.rsplit_once(',').unwrap();
        let months = 12.0 * age.parse::<f64>().unwrap();
        writeln!(in_months, "{cells},{months}").unwrap();
    }
    fs::write(study.path().join("months.csv"), in_months).unwrap();
    let scored = run(
        study.path(),
        "score --vcf cohort.vcf --cohort months.csv -o risk.csv --model baselines --models \
         prs-covariates",
    );
    assert!(
        scored.status.success() && stderr(&scored).contains("standard deviations from the mean")
    );
}

#[test]
fn no_output_replaces_an_input_or_another_output() {
    let study = study();
    let before = files(study.path());
    let is_input = ["is an input of the command"];
    refuse(study.path(), "cohort cohort.csv -o ./cohort.csv", &is_input);
    refuse(
        study.path(),
        "cohort cohort.csv --dropped cohort.csv",
        &is_input,
    );
    refuse(
        study.path(),
        &SCORE.replace("risk.csv", "cohort.csv"),
        &is_input,
    );
    refuse(
        study.path(),
        "sequences --vcf cohort.vcf --reference reference.fa --regions-file loci.bed -o \
         reference.fa",
        &is_input,
    );
    refuse(
        study.path(),
        "cohort cohort.csv -o new.csv --dropped new.csv",
        &["two outputs have this path"],
    );
    assert_eq!(files(study.path()), before);
}

#[test]
fn baselines_are_learnt_on_top_of_a_published_score() {
    let study = study();
    let offset = "--offset baselines/predictions.csv:prs-dosages";
    succeed(study.path(), &format!("{PRS} {offset}"));
    let weights = fs::read_to_string(study.path().join("new/weights.csv")).unwrap();
    assert!(
        weights
            .lines()
            .any(|line| line.starts_with("prs-covariates,covariate,prs-dosages,")),
        "{weights}"
    );
    refuse(
        study.path(),
        &format!(
            "{} --offset baselines/predictions.csv:prs-x",
            PRS.replace("new", "other")
        ),
        &["baselines/predictions.csv", "prs-x"],
    );
}

#[test]
fn a_model_and_baselines_have_folders_of_their_own() {
    let study = study();
    refuse(
        study.path(),
        &PRS.replace("new", "model --force"),
        &["model contains a model bundle"],
    );
    refuse(
        study.path(),
        &TRAIN.replace("new", "baselines --force"),
        &["baselines contains the output of `prs`"],
    );
    let score = "score --vcf cohort.vcf --cohort cohort.csv -o risk.csv --model baselines --models";
    refuse(
        study.path(),
        &format!("{score} prs-x"),
        &["no model `prs-x`; it has prs-covariates"],
    );
    succeed(study.path(), &format!("{score} prs-dosages"));
    assert!(
        rows(&study.path().join("risk.csv"))
            .iter()
            .all(|row| row["model"] == "prs-dosages")
    );
}

#[test]
fn a_cohort_that_contradicts_the_predictions_stops_the_verdict() {
    let study = study();
    replace(study.path(), "cohort.csv", "S01,case", "S01,control");
    let expected = [
        "phenotype-differs",
        "of 24 samples, 1 has another phenotype in cohort.csv",
    ];
    refusal(
        study.path(),
        &format!("{EVALUATE} --cohort cohort.csv"),
        &expected,
    );
}

#[test]
fn a_copy_of_the_phenotype_is_no_covariate() {
    let study = study();
    // The phenotype once more, as PLINK codes it.
    let with_copy = with_column(&cohort_table(), "dx", |_, line| {
        if line.contains("case") { "2" } else { "1" }.to_owned()
    });
    fs::write(study.path().join("cohort.csv"), with_copy).unwrap();
    let expected = [
        "cohort.csv: ",
        "column `dx` alone separates all cases from all controls",
        "--covariates",
    ];
    for arguments in [TOKENIZE, PRS, TRAIN] {
        refuse(
            study.path(),
            &format!("{arguments} --covariates age,dx"),
            &expected,
        );
    }
    let output = run(study.path(), PRS);
    assert!(
        output.status.success()
            && stderr(&output)
                .contains("columns not used as covariates: dx (choose with --covariates)")
    );
    succeed(
        study.path(),
        &format!("{} --covariates age", PRS.replace("new", "newer")),
    );
    replace(
        study.path(),
        "pipeline.toml",
        "cohort.csv\"\n",
        "cohort.csv\"\ncovariates = [\"age\", \"dx\"]\n",
    );
    refuse(study.path(), RUN, &expected);
}

#[test]
fn row_numbers_without_a_name_and_text_are_no_covariates() {
    let study = study();
    // A first column of row numbers and an empty last column, both without a name.
    let mut cohort = String::new();
    for (index, line) in cohort_table().lines().enumerate() {
        if index == 0 {
            writeln!(cohort, ",{line},ancestry,").unwrap();
        } else {
            let ancestry = ["EUR", "AFR"][index % 2];
            writeln!(cohort, "{index},{line},{ancestry},").unwrap();
        }
    }
    fs::write(study.path().join("cohort.csv"), cohort).unwrap();
    for arguments in [
        TOKENIZE,
        &TRAIN.replace("new", "trained"),
        &PRS.replace("new", "fitted"),
    ] {
        succeed(study.path(), arguments);
    }
    let output = run(study.path(), &PRS.replace("new", "again"));
    let message = stderr(&output);
    assert!(message.contains("; covariates: age\n"), "{message}");
    assert!(
        message.contains(
            "columns not used as covariates: (a column without a name), ancestry, (a column \
             without a name)"
        ),
        "{message}"
    );
    for (with_columns, without) in [("fitted", "baselines"), ("trained", "model")] {
        let [with_columns, without] = [with_columns, without]
            .map(|folder| fs::read(study.path().join(folder).join("predictions.csv")).unwrap());
        assert_eq!(
            with_columns, without,
            "the predictions are those without these columns"
        );
    }
    let checked = succeed(study.path(), "check pipeline.toml");
    assert!(
        checked.contains("covariates: age; columns not used as covariates: (a column"),
        "{checked}"
    );
    refuse(
        study.path(),
        &format!(
            "{} --covariates age,ancestry",
            PRS.replace("new", "with-text")
        ),
        &[
            "column `ancestry`: `AFR` is not a finite number",
            "write a category as columns of 0 and 1",
        ],
    );
}

#[test]
fn missing_covariates_and_samples_without_genotypes_follow_the_policy_that_is_asked_for() {
    let study = study();
    let folder = study.path();
    let absent = "Nobody,case,test,70\n";
    let text = fs::read_to_string(folder.join("cohort.csv"))
        .unwrap()
        .replace("S03,case,train,62", "S03,case,train,NA");
    fs::write(folder.join("cohort.csv"), text + absent).unwrap();
    let refused = [
        "cohort.csv: line 4, column `age`: no value",
        "1 of 12 train samples, more than 5 % of a split",
        "--missing-covariates drop",
    ];
    for arguments in [TOKENIZE, PRS, TRAIN, RUN] {
        refuse(folder, arguments, &refused);
        let arguments = format!("{arguments} --missing-covariates drop");
        if arguments.starts_with("run") {
            continue;
        }
        refuse(
            folder,
            &arguments,
            &["no sample `Nobody`; 1 of the 2", "--missing-samples drop"],
        );
        refuse(
            folder,
            &format!("{arguments} --missing-samples error"),
            &["no sample `Nobody`"],
        );
    }
    assert_policy_is_followed(
        folder,
        "drop",
        "1 sample dropped: without a value of age (train 1)",
        23,
    );
    assert_policy_is_followed(
        folder,
        "mean",
        "covariate `age`: 1 missing value was replaced by the mean",
        24,
    );
    // The tokens contain every sample that has genotypes.
    assert_eq!(
        fs::read(folder.join("tokens-drop/tokens.safetensors")).unwrap(),
        fs::read(folder.join("tokens/tokens.safetensors")).unwrap()
    );
    let keys = "cohort.csv\"\nmissing_samples = \"drop\"\nmissing_covariates = \"mean\"\n";
    replace(folder, "pipeline.toml", "cohort.csv\"\n", keys);
    let checked = succeed(folder, "check pipeline.toml");
    assert!(
        checked.contains("24 samples in 1 file,")
            && checked.contains("1 sample dropped: not in cohort.vcf (test 1)"),
        "{checked}"
    );
}

/// Runs the commands that read the cohort with a policy for missing covariates, which is reported;
/// `n_people` are left to train on and to predict.
fn assert_policy_is_followed(folder: &Path, policy: &str, expected: &str, n_people: usize) {
    for (arguments, name) in [(TOKENIZE, "tokens"), (TRAIN, "train"), (PRS, "prs")] {
        let arguments = arguments.replace("new", &format!("{name}-{policy}"));
        let output = run(
            folder,
            &format!("{arguments} --missing-samples drop --missing-covariates {policy}"),
        );
        let message = stderr(&output);
        assert!(
            output.status.success()
                && message.contains("1 sample dropped: not in ")
                && message.contains("(test 1)"),
            "{message}"
        );
        // Tokens have no covariates.
        assert!(name == "tokens" || message.contains(expected), "{message}");
    }
    let predictions = rows(&folder.join(format!("train-{policy}/predictions.csv")));
    assert_eq!(predictions.len(), n_people);
}

#[test]
fn minus_nine_is_no_age_and_elsewhere_an_error_until_it_is_decided() {
    let study = study();
    replace(
        study.path(),
        "cohort.csv",
        "S03,case,train,62",
        "S03,case,train,-9",
    );
    refuse(
        study.path(),
        PRS,
        &["cohort.csv: line 4, column `age`: no value"],
    );
    let output = run(study.path(), &format!("{PRS} --missing-covariates drop"));
    assert!(
        stderr(&output).contains("1 sample dropped: without a value of age (train 1)"),
        "{}",
        stderr(&output)
    );
    let study = self::study();
    replace(study.path(), "cohort.csv", "split,age", "split,bmi");
    replace(
        study.path(),
        "cohort.csv",
        "S03,case,train,62",
        "S03,case,train,-9",
    );
    let prs = format!("{PRS} --covariates bmi");
    refuse(
        study.path(),
        &prs,
        &[
            "line 4, column `bmi`: `-9` may be",
            "--missing-value -9",
            "--missing-value none",
        ],
    );
    refuse(
        study.path(),
        &format!("{prs} --missing-value -9"),
        &["line 4, column `bmi`: no value"],
    );
    succeed(study.path(), &format!("{prs} --missing-value none"));
}

// The cohort table

#[test]
fn a_person_who_is_not_in_the_vcf_is_named() {
    let study = study();
    let folder = study.path();
    fs::write(
        folder.join("cohort.csv"),
        fs::read_to_string(folder.join("cohort.csv")).unwrap() + "Nobody,case,test,70\n",
    )
    .unwrap();
    for arguments in [TOKENIZE, PRS, SCORE] {
        refuse(
            folder,
            arguments,
            &["cohort.vcf: ", "no sample `Nobody`", "1 of"],
        );
    }
    refuse(
        folder,
        RUN,
        &["1-sequences: ", "cohort.vcf: ", "no sample `Nobody`"],
    );
    refuse(folder, TRAIN, &["`Nobody`", "tokens"]);
}

#[test]
fn a_person_in_two_splits_is_named_with_both_lines() {
    let study = study();
    fs::write(
        study.path().join("cohort.csv"),
        "sample_id,phenotype,split\nS01,case,train\nS02,control,train\nS01,case,test\n",
    )
    .unwrap();
    for arguments in [TOKENIZE, PRS, TRAIN, RUN] {
        refuse(
            study.path(),
            arguments,
            &[
                "cohort.csv: line 4, column `sample_id`",
                "S01 is in two splits (train at line 2, test at line 4)",
            ],
        );
    }
}

#[test]
fn a_wrong_column_or_cell_of_the_cohort_is_named() {
    for (from, to, expected) in [
        (
            "sample_id,phenotype",
            "sample_id,phenotyp",
            vec![
                "cohort.csv: no column `phenotype`",
                "Did you mean `phenotyp`?",
            ],
        ),
        (
            "S03,case,train",
            "S03,ill,train",
            vec!["cohort.csv: line 4, column `phenotype`", "`ill`"],
        ),
        (
            "S03,case,train",
            "S03,case,training",
            vec!["cohort.csv: line 4, column `split`", "`training`"],
        ),
        (
            "S02,control,train,61",
            "S02,control,train,old",
            vec![
                "cohort.csv: line 3, column `age`",
                "`old` is not a finite number",
            ],
        ),
        (
            "S02,control,train,61",
            "S02,control,train",
            vec!["cohort.csv: line 3: 3 cells, but the header has 4"],
        ),
    ] {
        let study = study();
        replace(study.path(), "cohort.csv", from, to);
        for arguments in [TOKENIZE, PRS, TRAIN] {
            refuse(study.path(), arguments, &expected);
        }
        // `score` does not read phenotypes and splits.
        if expected.iter().any(|text| text.contains("line 3")) {
            refuse(study.path(), SCORE, &expected);
        } else {
            succeed(study.path(), SCORE);
        }
    }
}

#[test]
fn a_score_table_without_a_covariate_of_the_model_is_refused() {
    let study = study();
    replace(study.path(), "cohort.csv", "split,age", "split,years");
    refuse(study.path(), SCORE, &["cohort.csv: no column `age`"]);
}

#[test]
fn one_class_in_training_or_validation_is_refused_before_any_fit() {
    for split in ["train", "validation"] {
        let study = study();
        replace(
            study.path(),
            "cohort.csv",
            &format!("control,{split}"),
            &format!("case,{split}"),
        );
        for arguments in [TRAIN, PRS] {
            refuse(
                study.path(),
                arguments,
                &["cohort.csv: ", &format!("split {split} has"), "0 controls"],
            );
        }
    }
}

#[test]
fn one_class_in_test_is_refused_by_the_evaluation() {
    let study = study();
    for name in ["model/predictions.csv", "baselines/predictions.csv"] {
        replace(study.path(), name, "test,,control", "test,,case");
    }
    refuse(
        study.path(),
        EVALUATE,
        &["split test: ", "6 cases", "0 controls"],
    );
}

#[test]
fn a_cohort_without_training_people_leaves_no_half_of_a_token_folder() {
    let study = study();
    replace(study.path(), "cohort.csv", ",train", ",test");
    refuse(study.path(), TOKENIZE, &["training"]);
}

// Reference and loci

#[test]
fn a_contig_that_is_nowhere_is_named() {
    let study = study();
    fs::write(
        study.path().join("loci.bed"),
        "chr7\t100\t500\tLOCUS\nchrUn\t1\t50\tOTHER\n",
    )
    .unwrap();
    refuse(
        study.path(),
        TOKENIZE,
        &[
            "reference.fa: no contig `chrUn` (nor Un)",
            "which has chr7",
            "right genome build",
        ],
    );
    refuse(study.path(), RUN, &["reference.fa: no contig `chrUn`"]);
}

#[test]
fn a_contig_that_the_vcf_does_not_know_is_not_read_as_all_reference() {
    let study = study();
    // The second locus is in the FASTA, but no file has genotypes of it.
    fs::write(
        study.path().join("loci.bed"),
        "chr7\t100\t500\tLOCUS\nchr8\t1\t50\tOTHER\n",
    )
    .unwrap();
    replace(
        study.path(),
        "reference.fa",
        ">chr7",
        ">chr8\nACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT\n>chr7",
    );
    refuse(
        study.path(),
        TOKENIZE,
        &["cohort.vcf: no contig `chr8`", "`OTHER`"],
    );
}

#[test]
fn a_fasta_without_the_contig_or_the_place_is_told() {
    let study = study();
    replace(study.path(), "reference.fa", ">chr7", ">chr6");
    refuse(
        study.path(),
        TOKENIZE,
        &["reference.fa: no contig `chr7` (nor 7)", "which has chr6"],
    );
    refuse(study.path(), SCORE, &["reference.fa: no contig `chr7`"]);
    replace(study.path(), "reference.fa", ">chr6", ">chr7");
    replace(study.path(), "loci.bed", "500", "601");
    refuse(
        study.path(),
        TOKENIZE,
        &["reference.fa: chr7:101-601 is not inside this FASTA, which contains chr7:1-600"],
    );
}

#[test]
fn a_ref_that_is_not_what_the_fasta_has_is_named_with_both_bases() {
    let study = study();
    let mut lines = vcf();
    let base = reference_base(230);
    let other = other_base(230);
    lines[5] = lines[5].replace(
        &format!("\t{base}\t{other}\t"),
        &format!("\t{other}\t{base}\t"),
    );
    write_vcf(study.path(), &lines);
    for arguments in [TOKENIZE, SCORE, RUN] {
        refuse(
            study.path(),
            arguments,
            &[
                "7:230: ",
                &format!("REF is `{other}` but the FASTA has `{base}`"),
                "GRCh37 instead of GRCh38",
            ],
        );
    }
}

// The VCF

#[test]
fn a_truncated_bgzf_file_is_told_wherever_it_was_cut() {
    let study = study();
    let Bgzf { bytes, block_ends } = write_bgzf(study.path(), &vcf());
    let path = study.path().join("cohort.vcf.gz");
    let arguments =
        [TOKENIZE, PRS, SCORE].map(|arguments| arguments.replace("cohort.vcf", "cohort.vcf.gz"));
    succeed(study.path(), &arguments[2]);
    fs::remove_file(study.path().join("risk.csv")).unwrap();
    // At the end of a block (which reads without an error), inside a block, inside the header's
    // block, and without the last byte.
    for end in [
        block_ends[6],
        block_ends[6] + 30,
        block_ends[0] / 2,
        bytes.len() - 1,
    ] {
        fs::write(&path, &bytes[..end]).unwrap();
        for arguments in &arguments {
            refuse(study.path(), arguments, &["cohort.vcf.gz: ", "truncated"]);
        }
    }
}

#[test]
fn a_damaged_block_is_told() {
    let study = study();
    let mut compressed = write_bgzf(study.path(), &vcf());
    compressed.bytes[compressed.block_ends[6] + 40] ^= 0xff;
    fs::write(study.path().join("cohort.vcf.gz"), compressed.bytes).unwrap();
    refuse(
        study.path(),
        &TOKENIZE.replace("cohort.vcf", "cohort.vcf.gz"),
        &["cohort.vcf.gz: "],
    );
}

#[test]
fn a_truncated_gzip_file_is_told() {
    let study = study();
    // Plain gzip, as some tools write it, has no end-of-file block that could be missing.
    let bytes = gzip((vcf().join("\n") + "\n").as_bytes());
    fs::write(
        study.path().join("cohort.vcf.gz"),
        &bytes[..bytes.len() - 40],
    )
    .unwrap();
    for arguments in [TOKENIZE, PRS] {
        refuse(
            study.path(),
            &arguments.replace("cohort.vcf", "cohort.vcf.gz"),
            &["cohort.vcf.gz: ", "truncated"],
        );
    }
}

#[test]
fn an_empty_vcf_and_one_without_records_are_told() {
    let study = study();
    fs::write(study.path().join("cohort.vcf"), "").unwrap();
    for arguments in [TOKENIZE, PRS, SCORE, RUN] {
        refuse(study.path(), arguments, &["cohort.vcf: the file is empty"]);
    }
    write_vcf(study.path(), &vcf()[..3]);
    for arguments in [TOKENIZE, RUN] {
        refuse(
            study.path(),
            arguments,
            &["cohort.vcf: no record overlaps any locus"],
        );
    }
    // A single sample may have no variant in a locus, but then there are records elsewhere on the
    // contig.
    refuse(
        study.path(),
        SCORE,
        &["cohort.vcf: no record on contig `chr7`, but locus `LOCUS` is on it"],
    );
    refuse(study.path(), PRS, &["cohort.vcf: ", "no record"]);
    write_vcf(study.path(), &vcf()[..2]);
    refuse(study.path(), TOKENIZE, &["cohort.vcf: ", "#CHROM"]);
    // Something else altogether.
    refuse(
        study.path(),
        &TOKENIZE.replace("cohort.vcf", "reference.fa"),
        &["reference.fa: ", "this is not a VCF file"],
    );
}

/// A header does not show which contigs have records: bcftools keeps every `##contig` line when it
/// extracts one chromosome.
#[test]
fn a_locus_without_records_is_refused_for_a_cohort_and_read_as_the_reference_for_a_scored_person() {
    let study = study();
    let outside = record(590, |_| "0|0".to_owned());
    write_vcf(study.path(), &[&vcf()[..3], &[outside]].concat());
    refuse(
        study.path(),
        TOKENIZE,
        &["cohort.vcf: no record overlaps any locus"],
    );
    succeed(study.path(), SCORE);
    let scored = fs::read_to_string(study.path().join("risk.csv")).unwrap();
    assert_eq!(scored.lines().count(), 1 + N_PEOPLE);
}

/// An inversion from before the locus to inside it is left out of the sequences, with a message.
#[test]
fn a_structural_variant_that_reaches_into_a_locus_is_counted_or_refused() {
    let study = study();
    let mut lines = vcf();
    let reference_base = lines[3].split('\t').nth(3).unwrap().to_owned();
    let deletion = record(90, |person| {
        if person == 0 { "1|0" } else { "0|0" }.to_owned()
    });
    let mut columns: Vec<&str> = deletion.split('\t').collect();
    columns[4] = "<INV>";
    columns[7] = "SVTYPE=INV;END=200";
    assert!(reference_base.len() == 1 && columns[3].len() == 1);
    lines.insert(3, columns.join("\t"));
    write_vcf(study.path(), &lines);
    refuse(
        study.path(),
        &format!("{TOKENIZE} --symbolic error"),
        &["7:90: ", "sample `S01`", "`<INV>`"],
    );
    succeed(study.path(), TOKENIZE);
    let skips = fs::read_to_string(study.path().join("new/skips.csv")).unwrap();
    assert!(skips.contains("S01,1,LOCUS,chr7,90,symbolic"), "{skips}");
}

#[test]
fn genotypes_that_cannot_be_read_are_named_with_sample_and_position() {
    for (genotype, expected) in [
        (
            "0/1",
            vec!["sample `S03`", "unphased heterozygote", "--unphased"],
        ),
        ("0|2", vec!["sample `S03`", "allele 2", "1 ALT"]),
        ("0|1|1", vec!["sample `S03`", "`0|1|1`", "ploidy"]),
        ("0|x", vec!["sample `S03`", "`0|x`"]),
        (
            "1",
            vec!["sample `S03`", "ploidy 1 here, but 2 at an earlier record"],
        ),
    ] {
        let study = study();
        let mut lines = vcf();
        lines[4] = record(155, |person| {
            if person == 2 { genotype } else { "0|1" }.to_owned()
        });
        write_vcf(study.path(), &lines);
        for arguments in [TOKENIZE, SCORE] {
            refuse(
                study.path(),
                arguments,
                &[&["7:155: "], &expected[..]].concat(),
            );
        }
    }
}

#[test]
fn a_record_with_too_few_or_too_many_columns_is_named() {
    let study = study();
    let mut lines = vcf();
    let (all_but_one, _) = lines[4].rsplit_once('\t').unwrap();
    lines[4] = all_but_one.to_owned();
    write_vcf(study.path(), &lines);
    for arguments in [TOKENIZE, PRS] {
        refuse(
            study.path(),
            arguments,
            &["7:155: ", "23 genotypes for 24 samples"],
        );
    }
    lines[4] = "7\t155\t.".to_owned();
    write_vcf(study.path(), &lines);
    refuse(
        study.path(),
        TOKENIZE,
        &["cohort.vcf: ", "7 155", "8 columns"],
    );
}

#[test]
fn an_unsorted_vcf_is_told_with_both_records() {
    let study = study();
    let mut lines = vcf();
    lines.swap(5, 6);
    write_vcf(study.path(), &lines);
    for arguments in [TOKENIZE, PRS, SCORE] {
        refuse(
            study.path(),
            arguments,
            &["7:230: ", "after 7:300", "bcftools sort"],
        );
    }
    // Contigs that come back.
    let mut lines = vcf();
    lines[5] = lines[5].replacen("7\t", "8\t", 1);
    write_vcf(study.path(), &lines);
    refuse(
        study.path(),
        TOKENIZE,
        &["7:300: ", "after 8:230", "bcftools sort"],
    );
}

#[test]
fn a_sample_with_two_columns_is_named() {
    let study = study();
    let mut lines = vcf();
    lines[2] = lines[2].replace("\tS04", "\tS03");
    write_vcf(study.path(), &lines);
    for arguments in [TOKENIZE, PRS, SCORE] {
        refuse(
            study.path(),
            arguments,
            &["cohort.vcf: ", "duplicate sample name", "S03"],
        );
    }
}

// What earlier stages wrote

#[test]
fn tokens_fitted_on_people_who_are_held_out_now_are_refused() {
    for split in ["validation", "test"] {
        let study = study();
        replace(
            study.path(),
            "cohort.csv",
            "S02,control,train",
            &format!("S02,control,{split}"),
        );
        let expected = format!(
            "tokens: the tokenizer was fitted on `S02`, which is in split {split} of this cohort; \
             run tokenize again with this cohort"
        );
        refuse(study.path(), TRAIN, &[&expected]);
    }
}

#[test]
fn damaged_tokens_are_named_by_their_file() {
    for name in [
        "tokenizer.json",
        "grid.json",
        "genome.json",
        "tokens.safetensors",
    ] {
        for damage in [&b""[..], b"\x00\xff", b"{}", b"[1,2"] {
            let study = study();
            fs::write(study.path().join("tokens").join(name), damage).unwrap();
            refuse(study.path(), TRAIN, &[&format!("tokens/{name}: ")]);
        }
        let study = study();
        cut_in_half(&study.path().join("tokens").join(name));
        refuse(study.path(), TRAIN, &[&format!("tokens/{name}: ")]);
        fs::remove_file(study.path().join("tokens").join(name)).unwrap();
        refuse(
            study.path(),
            TRAIN,
            &[&format!("tokens/{name}: No such file")],
        );
    }
}

#[test]
fn a_damaged_model_is_named_by_its_file() {
    for name in [
        "tokenizer.json",
        "grid.json",
        "config.json",
        "model.safetensors",
    ] {
        for damage in [&b""[..], b"\x00\xff", b"{}", b"[1,2"] {
            let study = study();
            fs::write(study.path().join("model").join(name), damage).unwrap();
            refuse(study.path(), SCORE, &[&format!("model/{name}: ")]);
        }
        let study = study();
        cut_in_half(&study.path().join("model").join(name));
        refuse(study.path(), SCORE, &[&format!("model/{name}: ")]);
        fs::remove_file(study.path().join("model").join(name)).unwrap();
        refuse(study.path(), SCORE, &["model"]);
    }
}

#[test]
fn files_of_a_model_that_do_not_belong_together_are_told() {
    for (name, from, to) in [
        ("config.json", "\"hidden\": 8", "\"hidden\": 16"),
        ("config.json", "\"layers\": 1", "\"layers\": 2"),
        ("config.json", "\"hidden\": 8", "\"hidden\": 0"),
        ("config.json", "\"heads\": 2", "\"heads\": 3"),
        ("config.json", "\"n_covariates\": 1", "\"n_covariates\": 0"),
        ("grid.json", "\"n_slots\": ", "\"n_slots\": 1"),
        (
            "grid.json",
            "\"segment_length\": 128",
            "\"segment_length\": 64",
        ),
        ("grid.json", "\"len_nt\": 400", "\"len_nt\": 300"),
        ("grid.json", "\"len_nt\": 400", "\"len_nt\": 390"),
    ] {
        let study = study();
        replace(study.path(), &format!("model/{name}"), from, to);
        refuse(study.path(), SCORE, &["model"]);
    }
}

#[test]
fn tensors_of_a_model_that_are_not_as_they_should_be_are_named() {
    // A tensor of the right model has 8 values.
    for (name, tensor, expected) in [
        (
            "norm.beta",
            None,
            &["does not fit config.json", "`norm.beta`"][..],
        ),
        (
            "norm.delta",
            Some(filled(0.0, 8, DType::F32)),
            &["does not fit config.json", "`norm.delta`"],
        ),
        (
            "norm.beta",
            Some(filled(0.0, 9, DType::F32)),
            &["does not fit config.json", "`norm.beta`", "[9]", "[8]"],
        ),
        (
            "norm.beta",
            Some(filled(0.0, 8, DType::F64)),
            &["tensor `norm.beta` is of type F64"],
        ),
        (
            "norm.beta",
            Some(filled(f32::NAN, 8, DType::F32)),
            &["tensor `norm.beta` has the value NaN at index 0"],
        ),
        (
            "norm.beta",
            Some(filled(f32::INFINITY, 8, DType::F32)),
            &["tensor `norm.beta` has the value inf at index 0"],
        ),
    ] {
        assert_tensor_is_refused(name, tensor, expected);
    }
}

/// `n` times `value`.
fn filled(value: f32, n: usize, dtype: DType) -> Tensor {
    let tensor = Tensor::full(value, n, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

/// Replaces a tensor of the model, adds it, or deletes it (`None`). The model can then neither
/// score nor start a training.
fn assert_tensor_is_refused(name: &str, tensor: Option<Tensor>, expected: &[&str]) {
    let study = study();
    let path = study.path().join("model/model.safetensors");
    let mut tensors = safetensors::load(&path, &Device::Cpu).unwrap();
    if let Some(tensor) = tensor {
        tensors.insert(name.to_owned(), tensor);
    } else {
        tensors.remove(name).unwrap();
    }
    safetensors::save(&tensors, &path).unwrap();
    let expected = [&["model/model.safetensors: "], expected].concat();
    refuse(study.path(), SCORE, &expected);
    refuse(study.path(), &format!("{TRAIN} --init model"), &expected);
}

#[test]
fn a_member_that_is_missing_or_damaged_is_named() {
    let study = study();
    succeed(
        study.path(),
        &format!("{TRAIN} --ensemble 2").replace("--out new", "--out model --force"),
    );
    let member = study.path().join("model/member-2.safetensors");
    cut_in_half(&member);
    refuse(study.path(), SCORE, &["model/member-2.safetensors: "]);
    fs::remove_file(&member).unwrap();
    refuse(
        study.path(),
        SCORE,
        &["model/member-2.safetensors: No such file"],
    );
}

#[test]
fn a_model_of_other_tokens_cannot_be_started_from() {
    let study = study();
    succeed(
        study.path(),
        &TOKENIZE.replace("--out new", "--out tokens --force --vocab-size 12"),
    );
    refuse(
        study.path(),
        &format!("{TRAIN} --init model"),
        &["model: its vocabulary differs from that of these tokens"],
    );
    succeed(
        study.path(),
        &TOKENIZE.replace("--out new", "--out tokens --force"),
    );
    refuse(
        study.path(),
        &format!("{TRAIN} --init model --hidden 16").replace("--hidden 8", ""),
        &["--init: ", "a different model", "hidden"],
    );
    refuse(
        study.path(),
        &format!("{TRAIN} --init tokens"),
        &["tokens/config.json: No such file"],
    );
}

#[test]
fn a_model_of_other_covariates_cannot_be_started_from() {
    let study = study();
    replace(study.path(), "cohort.csv", "split,age", "split,years");
    let expected = "model: its covariates are age, but this run has years; give the same \
                    covariates in the same order (--covariates age)";
    refuse(
        study.path(),
        &format!("{TRAIN} --init model --covariates years"),
        &[expected],
    );
    let expected = "model: its covariates are age, but this run has none";
    refuse(
        study.path(),
        &format!("{TRAIN} --init model --covariates none"),
        &[expected],
    );
}

#[test]
fn a_training_that_runs_away_says_where() {
    let study = study();
    let expected = [
        "the loss is not finite in epoch 1 (step 1)",
        "Lower the learning rate",
        "nothing is kept",
    ];
    refuse(
        study.path(),
        &format!("{TRAIN} --learning-rate 1e30"),
        &expected,
    );
}

#[test]
fn a_training_larger_than_the_machine_is_refused() {
    let study = study();
    let arguments = TRAIN
        .replace("--hidden 8", "--hidden 1000000")
        .replace("--feed-forward 8", "--feed-forward 1000000");
    for arguments in [format!("{arguments} --report-cost"), arguments] {
        refuse(
            study.path(),
            &arguments,
            &[
                "training needs about",
                "GB are free",
                "lower --memory, --batch-size",
            ],
        );
    }
    refuse(
        study.path(),
        &format!("{TRAIN} --ensemble 100000000"),
        &[
            "training needs about",
            "lower --ensemble (100000000 models)",
        ],
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_gpu_is_refused_by_a_build_without_cuda() {
    let study = study();
    for arguments in [TRAIN, SCORE] {
        refuse(
            study.path(),
            &format!("{arguments} --device cuda:0"),
            &["this build has no CUDA; build with --features cuda"],
        );
    }
}

#[test]
fn too_many_folds_are_refused() {
    let study = study();
    refuse(
        study.path(),
        &format!("{TRAIN} --folds 2"),
        &["folds must be at least 3"],
    );
    for n_folds in [12, 1_000_000_000_000_u64] {
        let expected =
            format!("too few for one of each in every fold of {n_folds}; use fewer --folds");
        refuse(
            study.path(),
            &format!("{TRAIN} --folds {n_folds}"),
            &["cohort.csv: ", "9 cases and 9 controls", &expected],
        );
    }
}

#[test]
fn damaged_predictions_are_named_by_line_and_column() {
    let study = study();
    let path = study.path().join("model/predictions.csv");
    let text = fs::read_to_string(&path).unwrap();
    let second_line = text.lines().nth(1).unwrap().to_owned();
    for (old, new, expected) in [
        (
            ",case,",
            ",case,x",
            &["model/predictions.csv: line 2, column `logit`"][..],
        ),
        (
            "train",
            "nowhere",
            &["model/predictions.csv: line 2, column `split`: `nowhere`"],
        ),
        (
            "train",
            "test",
            &["S01 is in split train, but in split test", "one cohort.csv"],
        ),
    ] {
        let damaged_line = second_line.replace(old, new);
        fs::write(&path, text.replace(&second_line, &damaged_line)).unwrap();
        refuse(study.path(), EVALUATE, expected);
    }
    // Without the last sample.
    let without_last = text
        .lines()
        .take(text.lines().count() - 1)
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(&path, &without_last).unwrap();
    refuse(
        study.path(),
        EVALUATE,
        &["model/predictions.csv: the last line has no line break"],
    );
    fs::write(&path, without_last + "\n").unwrap();
    refuse(
        study.path(),
        EVALUATE,
        &["were not run on the same samples", "S24"],
    );
}

// New people

#[test]
fn another_genome_than_the_models_is_refused() {
    let study = study();
    // Another base in the locus, where there is no record.
    let old = String::from_utf8(reference()[140..150].to_vec()).unwrap();
    let mut new = old.clone().into_bytes();
    new[3] = if new[3].eq_ignore_ascii_case(&b'A') {
        b'C'
    } else {
        b'A'
    };
    let fasta = fs::read_to_string(study.path().join("reference.fa"))
        .unwrap()
        .replace("\r\n", "");
    let changed = fasta.replace("soft-masked", "soft-masked\n").replacen(
        &old,
        &String::from_utf8(new).unwrap(),
        1,
    );
    fs::write(study.path().join("reference.fa"), changed).unwrap();
    refuse(
        study.path(),
        SCORE,
        &[
            "locus `LOCUS`",
            "different bases at chr7:101-500",
            "SHA-256",
            "build",
        ],
    );
}

#[test]
fn a_vcf_of_another_build_is_refused() {
    let study = study();
    // A wrong contig length in a header is only a warning, unless it is that of a known build.
    replace(study.path(), "cohort.vcf", "length=600", "length=650");
    let output = run(study.path(), SCORE);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output)
            .contains("contig `chr7` has 650 nt in the header, but 600 nt in reference.fa"),
        "{}",
        stderr(&output)
    );
    fs::remove_file(study.path().join("risk.csv")).unwrap();
    // A FASTA of a region does not have the length of its contig, but the model has it.
    replace(study.path(), "reference.fa", ">chr7", ">chr7:1-600");
    replace(study.path(), "cohort.vcf", "length=650", "length=159138663");
    let expected = [
        "locus `LOCUS`",
        "contig `chr7` has 159138663 nt here, but 600 nt in the model",
        "the genome builds differ",
    ];
    refuse(study.path(), SCORE, &expected);
    // Every position is shifted out of the locus.
    let lines: Vec<String> = vcf()
        .into_iter()
        .map(|line| {
            line.replacen("7\t", "7\t9000", usize::from(!line.starts_with('#')))
                .replace("length=600", "length=9999999")
        })
        .collect();
    write_vcf(study.path(), &lines);
    let arguments = "score --vcf cohort.vcf --model baselines --cohort cohort.csv -o risk.csv";
    refuse(
        study.path(),
        arguments,
        &[
            "prs-dosages",
            "variants match the VCF",
            "another genome build",
        ],
    );
}

#[test]
fn what_score_needs_and_did_not_get_is_said() {
    let study = study();
    refuse(
        study.path(),
        &SCORE.replace("--cohort cohort.csv", ""),
        &["covariates age", "--cohort"],
    );
    refuse(
        study.path(),
        &SCORE.replace("--reference reference.fa", ""),
        &["--reference"],
    );
    refuse(
        study.path(),
        &SCORE.replace("--model model", "--model tokens"),
        &["tokens: neither a model bundle"],
    );
    refuse(
        study.path(),
        "score --vcf cohort.vcf --model baselines -o risk.csv",
        &["covariates age", "--cohort"],
    );
    replace(study.path(), "cohort.csv", "age", "agee");
    refuse(
        study.path(),
        SCORE,
        &["cohort.csv: no column `age`", "Did you mean `agee`?"],
    );
}

#[test]
fn real_genomes_of_another_build_are_refused() {
    let Some(grch37) = real_data("apoe/apoe_gene.776.grch37.vcf.gz") else {
        return;
    };
    let Some(RealGenomes { vcf, reference }) = RealGenomes::apoe() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let vcf = vcf.display();
    let reference = reference.display();
    let grch37 = grch37.display();
    succeed(
        folder,
        &format!("simulate --people 100 --panel {vcf} --reference {reference} --out study"),
    );
    succeed(
        folder,
        "tokenize --vcf study/cohort.vcf.gz --reference study/reference.fa --regions-file \
         study/loci.bed --cohort study/cohort.csv --covariates none --out tokens",
    );
    succeed(
        folder,
        "train --additive none --tokens tokens --cohort study/cohort.csv --covariates none --out \
         model --epochs 1 --hidden 8 --layers 1 --heads 1",
    );
    refuse(
        folder,
        &format!("score --vcf {grch37} --reference {reference} --model model -o risk.csv"),
        &[
            "contig `chr19` has 59128983 nt here, but 58617616 nt in the model, so the genome \
             builds differ",
        ],
    );
    let grch37_reference = real_data("apoe/apoe_grch37.fa").unwrap();
    let arguments = format!(
        "score --vcf {grch37} --reference {} --model model -o risk.csv",
        grch37_reference.display()
    );
    refuse(
        folder,
        &arguments,
        &["apoe_grch37.fa: ", "is not inside this FASTA"],
    );
}

// Pipelines

#[test]
fn a_pipeline_file_that_is_wrong_is_named_with_line_and_key() {
    let study = study();
    let folder = study.path();
    for (text, expected) in [
        (
            "seed = 1\n[simulate]\npeple = 150\n",
            vec!["pipeline.toml: line 3", "`peple`", "`people`"],
        ),
        (
            "[simulate]\npeople = \"many\"\n",
            vec!["pipeline.toml: line 2 (`people = \"many\"`)"],
        ),
        ("[simulate\n", vec!["pipeline.toml: line 1"]),
        (
            "seed = 1\n",
            vec!["pipeline.toml: ", "either [simulate] or [data]"],
        ),
        ("", vec!["pipeline.toml: the file is empty"]),
        (
            "[simulate]\n[data]\nvcf=[]\nreference=\"\"\nregions_file=\"\"\ncohort=\"\"\n",
            vec!["pipeline.toml: ", "either"],
        ),
        (
            "[data]\nvcf = [\"cohort.vcf\"]\n",
            vec!["pipeline.toml: ", "`reference`"],
        ),
        (
            "[simulate]\npeople = 3\n",
            vec!["0-cohort: ", "3 samples are too few"],
        ),
        (
            "[simulate]\n[tokens]\nvocab_size = -5\n",
            vec!["pipeline.toml: line 3", "`-5` is neither `saturate` nor"],
        ),
        (
            "[simulate]\nrisk = \"magic\"\n",
            vec!["pipeline.toml: line 2", "magic"],
        ),
    ] {
        fs::write(folder.join("pipeline.toml"), text).unwrap();
        refuse(folder, RUN, &expected);
    }
    refuse(folder, "run nowhere.toml", &["nowhere.toml: No such file"]);
}

#[test]
fn a_pipeline_file_that_names_a_missing_file_says_which() {
    for name in ["cohort.vcf", "reference.fa", "loci.bed", "cohort.csv"] {
        let study = study();
        fs::remove_file(study.path().join(name)).unwrap();
        refuse(study.path(), RUN, &[&format!("{name}: No such file")]);
        refuse(
            study.path(),
            &format!("{RUN} --dry-run"),
            &[&format!("{name}: No such file")],
        );
        refuse(study.path(), TOKENIZE, &[&format!("{name}: No such file")]);
    }
}

#[test]
fn a_stage_that_fails_leaves_the_finished_stages_and_is_named() {
    let study = study();
    let whole = fs::read_to_string(study.path().join("cohort.csv")).unwrap();
    replace(
        study.path(),
        "cohort.csv",
        "control,validation",
        "case,validation",
    );
    refuse(
        study.path(),
        RUN,
        &[
            "3-models/additive+linformer: ",
            "cohort.csv: ",
            "split validation has",
            "and 1 more, which `gf-genomics check` lists",
        ],
    );
    assert!(
        !study.path().join("new").exists(),
        "what can be known before is refused before any work"
    );
    fs::write(study.path().join("cohort.csv"), whole).unwrap();
    let pipeline = fs::read_to_string(study.path().join("pipeline.toml")).unwrap();
    fs::write(
        study.path().join("pipeline.toml"),
        pipeline + "[[models]]\nadditive = 'none'\n[models.schedule]\nlearning_rate = 1e30\n",
    )
    .unwrap();
    refusal(
        study.path(),
        RUN,
        &["3-models/linformer: ", "the loss is not finite"],
    );
    let written = file_names(&study.path().join("new"));
    assert!(
        written
            .iter()
            .all(|path| ["1-sequences", "2-tokens", "run.json"]
                .iter()
                .any(|part| path.starts_with(part))),
        "{written:?}"
    );
}

// Output

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let study = study();
    let folder = study.path();
    fs::write(folder.join("file"), "kept").unwrap();
    for arguments in [
        TOKENIZE,
        PRS,
        TRAIN,
        EVALUATE,
        RUN,
        "simulate --people 40 --risk null --len-nt 3000 --out new",
    ] {
        refuse(
            folder,
            &arguments.replace("--out new", "--out file"),
            &["file"],
        );
        refuse(
            folder,
            &arguments.replace("--out new", "--out file/below"),
            &["file/below"],
        );
    }
    refuse(
        folder,
        &SCORE.replace("risk.csv", "file/risk.csv"),
        &["file"],
    );
    let sequences =
        "sequences --vcf cohort.vcf --reference reference.fa --regions-file loci.bed -o";
    refuse(folder, &format!("{sequences} file/out.fa.gz"), &["file"]);
    // A folder where a file is wanted.
    refuse(folder, &format!("{sequences} tokens"), &["tokens: "]);
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "kept");
}

// Usage

#[test]
fn wrong_usage_ends_with_exit_code_2() {
    let study = study();
    for arguments in [
        "",
        "fly",
        "tokenize",
        "simulate",
        "simulate --out new --people many",
        "simulate --out new --risk magic",
        "simulate --out new --panel cohort.vcf",
        "train --additive none --tokens tokens --cohort cohort.csv --out new --preset magic",
        "train --additive none --tokens tokens --cohort cohort.csv --out new --class-weights even",
        "train --additive none --tokens tokens --cohort cohort.csv --out new --device gpu",
        "tokenize --vcf cohort.vcf --reference reference.fa --regions-file loci.bed --cohort \
         cohort.csv --out new --vocab-size few",
        "prs --vcf cohort.vcf --cohort cohort.csv --out new --genome-build hg99",
        "evaluate --out new",
        "evaluate --predictions predictions.csv --out new --recalibration magic",
        "evaluate --predictions predictions.csv --out new --guards off",
        "run",
    ] {
        let output = run(study.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "`{arguments}`: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("--help") || stderr(&output).contains("Usage:"),
            "`{arguments}`: {}",
            stderr(&output)
        );
    }
    assert!(!study.path().join("new").exists());
    for arguments in ["--help", "--version", "tokenize --help"] {
        assert!(!succeed(study.path(), arguments).is_empty());
    }
}

#[test]
fn options_out_of_range_are_named() {
    let study = study();
    for (arguments, expected) in [
        (format!("{TRAIN} --learning-rate 0"), "learning_rate"),
        (format!("{TRAIN} --batch-size 0"), "batch_size"),
        (format!("{TRAIN} --accumulate 0"), "accumulate"),
        (format!("{TRAIN} --seed 1 --warmup 1.5"), "warmup"),
        (TRAIN.replace("--heads 2", "--heads 3"), "heads (3)"),
        (TRAIN.replace("--hidden 8", "--hidden 0"), "hidden"),
        (format!("{TOKENIZE} --segment-length 0"), "segment_length"),
        (format!("{TOKENIZE} --vocab-size 3"), "vocabulary of 3"),
        (
            format!("{TOKENIZE} --max-token-length 0"),
            "max_token_length",
        ),
        (
            TOKENIZE.replace("cohort.vcf", "nowhere.vcf") + " --tokenizer-file no.json",
            "no.json: No such file",
        ),
        (
            TOKENIZE.replace("cohort.vcf", "nowhere.vcf") + " --tokenizer kmer --kmer-length 65",
            "from 1 to 64",
        ),
        (format!("{PRS} --min-overlap 2"), "min_overlap"),
        (
            "simulate --out new --people 5".to_owned(),
            "5 samples are too few",
        ),
        ("simulate --out new --auc 0.4".to_owned(), "AUC 0.4"),
        (
            format!("{EVALUATE} --compare-to prs-nothing"),
            "prs-nothing",
        ),
        (
            format!("{EVALUATE} --bootstrap 5"),
            "5 resamples are too few",
        ),
        (format!("{EVALUATE} --prevalence 5"), "between 0 and 1"),
        (
            format!("{EVALUATE} --cohort cohort.csv --strata eyes"),
            "stratum `eyes` does not exist",
        ),
        (format!("{PRS} --covariates height"), "height"),
    ] {
        refuse(study.path(), &arguments, &[expected]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let study = study();
    // 4,800 sequences are far more than a pipe holds.
    let loci: Vec<String> = (0..100)
        .map(|locus| format!("chr7\t100\t500\tlocus{locus}"))
        .collect();
    fs::write(study.path().join("loci.bed"), loci.join("\n")).unwrap();
    let sequences = "sequences --vcf cohort.vcf --reference reference.fa --regions-file loci.bed";
    let score = SCORE.replace("-o risk.csv", "");
    for (arguments, n_read) in [(sequences, 10), (score.as_str(), 0), (EVALUATE, 0)] {
        let mut child = command(study.path(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut vec![0; n_read]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "`{arguments}`: {}: {}",
            output.status,
            stderr(&output)
        );
        assert!(
            !stderr(&output).contains("error"),
            "`{arguments}`: {}",
            stderr(&output)
        );
    }
}

fn cut_in_half(path: &Path) {
    let len = path.metadata().unwrap().len();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(len / 2)
        .unwrap();
}

// Tables as people have them, records without calls, choices of samples

#[test]
fn a_cohort_saved_by_a_spreadsheet_gives_the_same_predictions() {
    let study = study();
    // Ages with a decimal point (60.5), and a site that is not ASCII.
    let mut cohort = "sample_id,phenotype,split,age,site\n".to_owned();
    for line in cohort_table().lines().skip(1) {
        writeln!(cohort, "{line}.5,M\u{fc}nchen").unwrap();
    }
    let semicolons = cohort.replace(',', ";").replace(".5;", ",5;");
    let windows: Vec<u8> = semicolons.chars().map(|sign| sign as u32 as u8).collect();
    let utf_16: Vec<u8> = cohort
        .replace(',', "\t")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut quoted = String::new();
    for line in cohort.lines() {
        write!(quoted, "\"{}\"\r\n", line.replace(',', "\",\"")).unwrap();
    }
    let expected = predictions_of_saved(study.path(), "utf8", cohort.as_bytes(), "");
    for (name, bytes, note) in [
        (
            "windows",
            windows,
            "note: saved.csv: line 2 and 23 more lines are not UTF-8 and were read as Windows-1252",
        ),
        (
            "utf16",
            [b"\xff\xfe".to_vec(), utf_16].concat(),
            "note: saved.csv: the text is UTF-16 LE",
        ),
        (
            "commas",
            semicolons.into_bytes(),
            "note: saved.csv: decimal commas were read as decimal points in column age",
        ),
        ("quoted", quoted.into_bytes(), ""),
        (
            "mac",
            cohort.replace('\n', "\r").into_bytes(),
            "only a carriage return",
        ),
        ("hint", format!("sep=,\n{cohort}").into_bytes(), ""),
        ("blank", format!("{cohort},,,,\n").into_bytes(), ""),
    ] {
        let predictions = predictions_of_saved(study.path(), name, &bytes, note);
        assert_eq!(predictions, expected, "{name}");
    }
    let workbook: &[u8] = b"PK\x03\x04\x14\0[Content_Types].xml";
    for (bytes, expected) in [
        (
            workbook,
            "saved.csv: this is an Excel workbook (.xlsx); save the sheet as CSV (UTF-8)",
        ),
        (b"", "saved.csv: the file is empty"),
        (b"sample_id,phenotype\0", "saved.csv: line 1: a NUL byte"),
    ] {
        fs::write(study.path().join("saved.csv"), bytes).unwrap();
        refuse(
            study.path(),
            "prs --vcf cohort.vcf --cohort saved.csv --out new",
            &[expected],
        );
    }
}

/// Predictions of the baselines that are fitted with these bytes as the cohort table; standard
/// error must contain `note`.
fn predictions_of_saved(folder: &Path, out: &str, cohort: &[u8], note: &str) -> Vec<u8> {
    fs::write(folder.join("saved.csv"), cohort).unwrap();
    let output = run(
        folder,
        &format!("prs --vcf cohort.vcf --cohort saved.csv --covariates age --out {out}"),
    );
    let message = stderr(&output);
    assert!(output.status.success(), "{out}: {message}");
    assert!(message.contains(note), "{out}: {message}");
    fs::read(folder.join(out).join("predictions.csv")).unwrap()
}

#[test]
fn a_scoring_file_with_semicolons_and_decimal_commas_gives_the_same_sums() {
    let study = study();
    let mut score =
        "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n".to_owned();
    for (position, weight) in [(120, "0.5"), (230, "-1.25")] {
        let effect_allele = other_base(position);
        let other_allele = reference_base(position);
        writeln!(
            score,
            "7\t{position}\t{effect_allele}\t{other_allele}\t{weight}"
        )
        .unwrap();
    }
    let with_commas = score.replace("0.5", "0,5").replace("1.25", "1,25");
    let expected = raw_scores(study.path(), "points", &score);
    for (out, text) in [
        ("semicolons", with_commas.replace('\t', ";")),
        ("tabs", with_commas),
        ("csv", score.replace('\t', ",")),
    ] {
        assert_eq!(raw_scores(study.path(), out, &text), expected, "{out}");
    }
}

/// `raw_scores.csv` of the cohort by a scoring file of this text.
fn raw_scores(folder: &Path, out: &str, scoring_file: &str) -> Vec<u8> {
    fs::write(folder.join("s.txt"), scoring_file).unwrap();
    succeed(
        folder,
        &format!("prs --vcf cohort.vcf --scoring-file s.txt --out {out}"),
    );
    fs::read(folder.join(out).join("raw_scores.csv")).unwrap()
}

#[test]
fn records_without_calls_stop_nothing_and_count_where_they_have_dosages() {
    let study = study();
    let mut lines = vcf();
    let probe = record(130, |_| "0".into()).replace("\tGT:DP\t", "\tGQ:DP\t");
    lines.insert(4, probe);
    write_vcf(study.path(), &lines);
    let output = run(study.path(), PRS);
    assert!(
        output.status.success() && stderr(&output).contains("records without GT or dosages: 1"),
        "{}",
        stderr(&output)
    );
    // Two samples with genotype probabilities alone: 1 and 0 expected copies at the first record,
    // 1.5 and 2 at the second.
    let mut vcf = "##fileformat=VCFv4.2\n##contig=<ID=7>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\
                   \tINFO\tFORMAT\tA\tB\n"
        .to_owned();
    let mut score = "chr_name\tchr_position\teffect_allele\teffect_weight\n".to_owned();
    for (position, weight, first, second) in [
        (120, 1, "0.1,0.8,0.1", "1,0,0"),
        (230, 10, "0,0.5,0.5", "0,0,1"),
    ] {
        let ref_allele = reference_base(position);
        let alt_allele = other_base(position);
        writeln!(
            vcf,
            "7\t{position}\t.\t{ref_allele}\t{alt_allele}\t.\tPASS\t.\tGP\t{first}\t{second}"
        )
        .unwrap();
        writeln!(score, "7\t{position}\t{alt_allele}\t{weight}").unwrap();
    }
    fs::write(study.path().join("gp.vcf"), vcf).unwrap();
    fs::write(study.path().join("s.txt"), score).unwrap();
    for field in ["auto", "gp"] {
        succeed(
            study.path(),
            &format!("prs --vcf gp.vcf --scoring-file s.txt --dosage-field {field} --out {field}"),
        );
        let sums: Vec<f64> = rows(&study.path().join(field).join("raw_scores.csv"))
            .iter()
            .map(|row| row["sum"].parse().unwrap())
            .collect();
        assert!(
            (sums[0] - 16.0).abs() < 1e-6 && (sums[1] - 20.0).abs() < 1e-6,
            "{field}: {sums:?}"
        );
    }
}

#[test]
fn a_record_near_a_scored_position_stops_nothing() {
    let study = study();
    let mut lines = vcf();
    lines.insert(4, record(130, |_| "0|0|1".into()));
    write_vcf(study.path(), &lines);
    let score = format!(
        "chr_name\tchr_position\teffect_allele\teffect_weight\n7\t120\t{}\t1\n7\t155\t{}\t1\n",
        other_base(120),
        other_base(155)
    );
    fs::write(study.path().join("s.txt"), score).unwrap();
    let output = run(
        study.path(),
        "prs --vcf cohort.vcf --scoring-file s.txt --out near",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("skipped 1 record that could not be read, none of them needed"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn every_command_that_reads_genotypes_chooses_samples() {
    let study = study();
    fs::write(study.path().join("some.txt"), "#FID\tIID\n1\tS02\n2\tS05\n").unwrap();
    for arguments in [
        SCORE.to_owned(),
        "score --vcf cohort.vcf --model baselines --cohort cohort.csv --models prs-covariates -o \
         risk.csv"
            .to_owned(),
    ] {
        succeed(
            study.path(),
            &format!("{arguments} --samples-file some.txt"),
        );
        let samples: Vec<String> = rows(&study.path().join("risk.csv"))
            .into_iter()
            .map(|row| row["sample_id"].clone())
            .collect();
        assert_eq!(samples, ["S02", "S05"]);
    }
    refuse(
        study.path(),
        &format!("{SCORE} --samples S02,Nobody"),
        &["cohort.csv: no sample `Nobody`"],
    );
    let without = "--samples ^S24";
    succeed(
        study.path(),
        &format!("{TOKENIZE} {without}").replace("--out new", "--out fewer-tokens"),
    );
    succeed(
        study.path(),
        &format!("{PRS} {without}").replace("--out new", "--out fewer"),
    );
    assert!(
        rows(&study.path().join("fewer/predictions.csv"))
            .iter()
            .all(|row| row["sample_id"] != "S24")
    );
}
