//! Files that are shared (models, reports, logs) name no sample and contain nothing that only one
//! sample has; files with individual-level data can be read by their owner only; and nothing is
//! sent to the network.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::support::{
    command, compression::gunzipped, fasta, files, no_oracle, processes::succeeds, run, stderr,
    succeed,
};
use flate2::read::MultiGzDecoder;

/// Length (nt) of the pieces of sequence that are searched for.
const PIECE: usize = 24;
/// Prefix of every sample's name, which occurs nowhere else by chance.
const NAME: &str = "Zq7x";

const PIPELINE: &str = "\
seed = 4

[data]
vcf = [\"people.vcf\"]
reference = \"in/reference.fa\"
regions_file = \"in/loci.bed\"
cohort = \"cohort.csv\"

[tokens]
segment_length = 64

[[models]]
additive = 'none'
name = \"tiny\"
[models.architecture]
hidden = 8
layers = 1
heads = 2
projected_length = 8
feed_forward = 8
[models.schedule]
epochs = 2
ensemble = 2
";

/// Whether a file of a run is meant to be shared.
fn is_for_others(path: &Path) -> bool {
    if path.starts_with("out/3-models") {
        return !ends_with_any(path, &["predictions.csv", "stage.json"]);
    }
    if path.starts_with("out/4-baselines") {
        let tables = [
            "prs_model.json",
            "weights.csv",
            "association.csv",
            "guards.csv",
        ];
        return path.starts_with("out/4-baselines/scoring_files") || ends_with_any(path, &tables);
    }
    path.starts_with("out/5-report") && !path.ends_with("stage.json")
}

fn ends_with_any(path: &Path, names: &[&str]) -> bool {
    names.iter().any(|name| path.ends_with(name))
}

/// A run of every command, and what the commands printed.
struct Study {
    folder: tempfile::TempDir,
    /// Both streams of every command, without tables of samples, which go to files.
    printed: String,
    /// Names of the samples.
    names: Vec<String>,
}

fn study() -> &'static Study {
    static STUDY: OnceLock<Study> = OnceLock::new();
    STUDY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let names = write_inputs(folder.path());
        let mut printed = String::new();
        for arguments in commands() {
            let output = run(folder.path(), &arguments);
            assert!(
                output.status.success(),
                "`{arguments}`: {}",
                stderr(&output)
            );
            printed += &stderr(&output);
            printed += &String::from_utf8(output.stdout).unwrap();
        }
        Study {
            folder,
            printed,
            names,
        }
    })
}

/// Writes `people.vcf`, `cohort.csv` and `p.toml`; returns the names of the samples.
fn write_inputs(folder: &Path) -> Vec<String> {
    succeed(
        folder,
        "simulate --people 160 --len-nt 4000 --risk additive --seed 4 --out in",
    );
    let reference = fs::read_to_string(folder.join("in/reference.fa")).unwrap();
    let bases = fasta(&reference).into_values().next().unwrap();
    let vcf = with_private_variants(&gunzipped(&folder.join("in/cohort.vcf.gz")), &bases);
    let cohort = renamed(&fs::read_to_string(folder.join("in/cohort.csv")).unwrap());
    fs::write(folder.join("people.vcf"), renamed(&vcf)).unwrap();
    fs::write(folder.join("cohort.csv"), &cohort).unwrap();
    fs::write(folder.join("p.toml"), PIPELINE).unwrap();
    cohort
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().to_owned())
        .collect()
}

/// A text with [`NAME`] in the names of the 160 simulated samples.
fn renamed(text: &str) -> String {
    (1..=160).fold(text.to_owned(), |text, n| {
        text.replace(&format!("P{n:05}"), &format!("{NAME}{n:05}"))
    })
}

/// Every command that reads genotypes, tokens, models or predictions.
fn commands() -> Vec<String> {
    let genomes = "--vcf people.vcf --reference in/reference.fa";
    vec![
        "run p.toml --out out".to_owned(),
        format!("score {genomes} --cohort cohort.csv --model out/3-models/tiny -o scored.csv"),
        "score --vcf people.vcf --cohort cohort.csv --model out/4-baselines -o scored-prs.csv"
            .to_owned(),
        format!(
            "explain {genomes} --cohort cohort.csv --model out/3-models/tiny --haplotypes 4 \
             --pairs 2 --out explained"
        ),
        format!("sequences {genomes} --regions-file in/loci.bed -o people.fa --out sequences"),
        format!("tokenize {genomes} --regions-file in/loci.bed --cohort cohort.csv --out tokens"),
        "prs --vcf people.vcf --cohort cohort.csv --out prs".to_owned(),
        "train --tokens tokens --cohort cohort.csv --hidden 16 --layers 1 --heads 2 \
         --feed-forward 16 --projected-length 8 --epochs 1 --out trained"
            .to_owned(),
        "evaluate --predictions trained/predictions.csv prs/predictions.csv --cohort cohort.csv \
         --guards warn --out report"
            .to_owned(),
        "compress trained --rank 2 --out small".to_owned(),
    ]
}

/// The VCF with twelve more variants, each of which one sample has on one haplotype; all are more
/// than 8 nt away from other variants.
fn with_private_variants(vcf: &str, reference: &str) -> String {
    let (header, records): (Vec<&str>, Vec<&str>) =
        vcf.lines().partition(|line| line.starts_with('#'));
    let positions: Vec<usize> = records.iter().map(|line| position_of(line)).collect();
    let mut records: Vec<String> = records.into_iter().map(str::to_owned).collect();
    let free = (PIECE..reference.len() - PIECE)
        .step_by(40)
        .filter(|&free| positions.iter().all(|position| position.abs_diff(free) > 8));
    for (number, position) in free.take(12).enumerate() {
        let ref_allele = &reference[position - 1..position];
        let alt_allele = if ref_allele == "A" { "C" } else { "A" };
        let mut calls = vec!["0|0"; 160];
        calls[3 + 11 * number] = "0|1";
        records.push(format!(
            "simulated\t{position}\t.\t{ref_allele}\t{alt_allele}\t.\tPASS\t.\tGT\t{}",
            calls.join("\t")
        ));
    }
    records.sort_by_key(|line| position_of(line));
    format!("{}\n{}\n", header.join("\n"), records.join("\n"))
}

/// 1-based POS of a record.
fn position_of(record: &str) -> usize {
    record.split('\t').nth(1).unwrap().parse().unwrap()
}

/// Contents of a file, decompressed where it is compressed.
fn content(path: &Path, bytes: &[u8]) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut MultiGzDecoder::new(bytes), &mut text).unwrap();
        return text;
    }
    bytes.to_vec()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn models_reports_and_logs_name_nobody() {
    let Study {
        folder,
        printed,
        names,
    } = study();
    assert!(names.len() == 160 && names.iter().all(|name| name.starts_with(NAME)));
    assert!(!printed.contains(NAME), "{printed}");
    let of_others: BTreeMap<PathBuf, Vec<u8>> = files(folder.path())
        .into_iter()
        .filter(|(path, _)| is_for_others(path))
        .collect();
    for name in [
        "3-models/tiny/model.safetensors",
        "4-baselines/prs_model.json",
        "5-report/report.html",
        "5-report/auc.csv",
    ] {
        assert!(
            of_others.contains_key(&Path::new("out").join(name)),
            "no {name}"
        );
    }
    for (path, bytes) in &of_others {
        assert!(
            !has(&content(path, bytes), NAME),
            "{} names somebody",
            path.display()
        );
    }
    // The records of the commands name no sample either, and only their owner can read them.
    for record in [
        "out",
        "explained",
        "sequences",
        "tokens",
        "prs",
        "small",
        "trained",
        "report",
        "scored.csv",
        "scored-prs.csv",
    ] {
        let path = folder.path().join(record);
        let path = if path.is_dir() {
            path.join("run.json")
        } else {
            path.with_extension("csv.run.json")
        };
        let run_json = fs::read(&path).unwrap();
        assert!(!has(&run_json, NAME), "{} names somebody", path.display());
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions())
                & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
}

/// Pieces that are in the haplotypes of exactly one sample and not in the reference.
fn pieces_of_one_person(folder: &Path) -> HashSet<String> {
    let reference: String = fasta(&fs::read_to_string(folder.join("in/reference.fa")).unwrap())
        .into_values()
        .collect();
    let mut people_of: HashMap<String, HashSet<String>> = HashMap::new();
    for (definition, bases) in fasta(&fs::read_to_string(folder.join("people.fa")).unwrap()) {
        let person = definition.split(['|', '_', ' ']).next().unwrap().to_owned();
        for piece in bases
            .as_bytes()
            .windows(PIECE)
            .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
        {
            people_of.entry(piece).or_default().insert(person.clone());
        }
    }
    people_of
        .into_iter()
        .filter(|(piece, people)| people.len() == 1 && !reference.contains(piece))
        .map(|(piece, _)| piece)
        .collect()
}

#[test]
fn bases_that_one_person_has_are_in_no_model_report_or_log() {
    let Study {
        folder, printed, ..
    } = study();
    let pieces = pieces_of_one_person(folder.path());
    assert!(
        pieces.len() > 20,
        "{} pieces: nothing to look for",
        pieces.len()
    );
    let both_strands: HashSet<String> = pieces
        .iter()
        .flat_map(|piece| [piece.clone(), piece.chars().rev().map(complement).collect()])
        .collect();
    let mut texts: Vec<(String, Vec<u8>)> =
        vec![("what was said".into(), printed.clone().into_bytes())];
    for (path, bytes) in files(folder.path())
        .into_iter()
        .filter(|(path, _)| is_for_others(path))
    {
        texts.push((path.display().to_string(), content(&path, &bytes)));
    }
    let mut n_windows = 0;
    for (name, text) in texts {
        // A piece consists of these letters only, so that other bytes can be skipped.
        for letters in text
            .split(|byte| !b"ACGTN".contains(byte))
            .filter(|letters| letters.len() >= PIECE)
        {
            for window in letters.windows(PIECE) {
                n_windows += 1;
                assert!(
                    !both_strands.contains(std::str::from_utf8(window).unwrap()),
                    "{name} has what one person has"
                );
            }
        }
    }
    assert!(
        n_windows > 1_000,
        "the tokens of the model were not looked at"
    );
    // Without the minimum count of samples the tokenizer contains such pieces, so that this search
    // would find them.
    let genomes = "--vcf people.vcf --reference in/reference.fa --regions-file in/loci.bed \
                   --cohort cohort.csv --segment-length 64";
    succeed(
        folder.path(),
        &format!("tokenize {genomes} --min-token-count 1 --out everything"),
    );
    let everything = fs::read_to_string(folder.path().join("everything/tokenizer.json")).unwrap();
    assert!(pieces.iter().any(|piece| everything.contains(piece)));
}

fn complement(base: char) -> char {
    match base {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        'T' => 'A',
        other => other,
    }
}

/// Files with individual-level data that do not contain [`NAME`].
const OF_PEOPLE: [&str; 4] = [
    "tokens.safetensors",
    "cohort.vcf.gz",
    "truth.csv",
    "people.fa",
];

#[cfg(unix)]
#[test]
fn files_with_people_in_them_are_the_owners_only() {
    let folder = study().folder.path();
    // Files that this test writes itself.
    let inputs: [&Path; 3] = ["people.vcf", "cohort.csv", "p.toml"].map(Path::new);
    let usual = mode(&folder.join(inputs[2]));
    assert_ne!(usual, 0o600, "umask of this machine");
    let mut n_private = 0;
    let mut n_open = 0;
    for (path, bytes) in files(folder) {
        if inputs.contains(&&*path) || path.starts_with("everything") {
            continue;
        }
        let mode = mode(&folder.join(&path));
        let text = content(&path, &bytes);
        if has(&text, NAME)
            || has(&text, "P00001")
            || OF_PEOPLE.iter().any(|name| path.ends_with(name))
        {
            assert_eq!(mode, 0o600, "{} has people in it", path.display());
            n_private += 1;
        } else if is_for_others(&path) {
            assert_eq!(mode, usual, "{} is to be passed on", path.display());
            n_open += 1;
        }
    }
    assert!(n_private >= 8 && n_open >= 20, "{n_private} {n_open}");
}

/// Permission bits of a file.
#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A whole pipeline in a network namespace whose only interface is a loopback that is down.
#[cfg(target_os = "linux")]
#[test]
fn everything_runs_without_a_network() {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0"));
    let namespace = if is_root {
        vec!["--net"]
    } else {
        vec!["--map-root-user", "--net"]
    };
    if !succeeds(Command::new("unshare").args(&namespace).arg("true")) {
        eprintln!("SKIPPED: no network namespace can be made here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pipeline = PIPELINE.split("\n[tokens]").nth(1).unwrap();
    fs::write(
        folder.path().join("p.toml"),
        format!("[simulate]\npeople = 120\nlen_nt = 3000\n[tokens]{pipeline}"),
    )
    .unwrap();
    let program = env!("CARGO_BIN_EXE_gf-genomics");
    let is_traced = succeeds(Command::new("strace").arg("-V"));
    let mut words: Vec<&str> = namespace;
    if is_traced {
        words.extend([
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=socket,connect",
            "-o",
            "calls",
        ]);
    } else {
        no_oracle(
            "no strace on this machine; only that nothing fails without a network is \
             shown",
        );
    }
    words.extend([program, "run", "p.toml", "--out", "out"]);
    let output = Command::new("unshare")
        .args(&words)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    if is_traced {
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(!calls.contains("AF_INET"), "a socket was opened:\n{calls}");
    }
}

/// An error about a sample names it on standard error, and in no file.
#[test]
fn an_error_names_a_person_on_stderr_only() {
    let folder = tempfile::tempdir().unwrap();
    succeed(
        folder.path(),
        "simulate --people 120 --len-nt 3000 --out in",
    );
    let cohort = fs::read_to_string(folder.path().join("in/cohort.csv")).unwrap();
    fs::write(
        folder.path().join("cohort.csv"),
        cohort.replace("P00007", "nobody"),
    )
    .unwrap();
    let genomes = "--vcf in/cohort.vcf.gz --reference in/reference.fa --regions-file in/loci.bed";
    let output = command(
        folder.path(),
        &format!("tokenize {genomes} --cohort cohort.csv --missing-samples error --out out"),
    )
    .output()
    .unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(stderr(&output).contains("nobody"), "{}", stderr(&output));
    let written = files(folder.path())
        .into_iter()
        .filter(|(path, _)| path.starts_with("out"));
    assert!(written.into_iter().all(|(_, bytes)| !has(&bytes, "nobody")));
}
