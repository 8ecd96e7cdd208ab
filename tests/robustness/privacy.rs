//! What is passed on (models, reports, logs) names nobody and holds nothing that only one person
//! has; what has people in it is its owner's only; and nothing goes to the network.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::support::{command, files, run, stderr, succeed};
use flate2::read::MultiGzDecoder;

/// Bases of a piece of sequence that is looked for.
const PIECE: usize = 24;
/// How every sample is named, so that no other text looks like it.
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

/// What is passed on.
fn is_for_others(path: &Path) -> bool {
    let in_model = path.starts_with("out/3-models")
        && !["predictions.csv", "stage.json"]
            .iter()
            .any(|name| path.ends_with(name));
    let in_prs = [
        "prs_model.json",
        "weights.csv",
        "association.csv",
        "guards.csv",
    ]
    .iter()
    .any(|name| path.ends_with(name));
    let in_prs = in_prs || path.starts_with("out/4-baselines/scoring_files");
    in_model
        || in_prs && path.starts_with("out/4-baselines")
        || path.starts_with("out/5-report") && !path.ends_with("stage.json")
}

/// A run of everything, and what was said meanwhile.
struct Study {
    folder: tempfile::TempDir,
    /// Of every command, both streams but for tables of people that are asked for.
    said: String,
    /// Samples.
    names: Vec<String>,
}

fn study() -> &'static Study {
    static STUDY: OnceLock<Study> = OnceLock::new();
    STUDY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        succeed(
            folder.path(),
            "simulate --people 160 --len-nt 4000 --risk additive --seed 4 --out in",
        );
        let mut vcf = String::new();
        std::io::Read::read_to_string(
            &mut MultiGzDecoder::new(fs::File::open(at("in/cohort.vcf.gz")).unwrap()),
            &mut vcf,
        )
        .unwrap();
        let cohort = fs::read_to_string(at("in/cohort.csv")).unwrap();
        let rename = |text: &str| {
            (1..=160).fold(text.to_owned(), |text, n| {
                text.replace(&format!("P{n:05}"), &format!("{NAME}{n:05}"))
            })
        };
        let reference = crate::support::fasta(&fs::read_to_string(at("in/reference.fa")).unwrap())
            .into_values()
            .next()
            .unwrap();
        fs::write(
            at("people.vcf"),
            rename(&with_private_variants(&vcf, &reference)),
        )
        .unwrap();
        fs::write(at("cohort.csv"), rename(&cohort)).unwrap();
        fs::write(at("p.toml"), PIPELINE).unwrap();
        let genomes = "--vcf people.vcf --reference in/reference.fa";
        let commands = [
            "run p.toml --out out".to_owned(),
            format!("score {genomes} --cohort cohort.csv --model out/3-models/tiny -o scored.csv"),
            "score --vcf people.vcf --cohort cohort.csv --model out/4-baselines -o scored-prs.csv"
                .to_owned(),
            format!(
                "explain {genomes} --cohort cohort.csv --model out/3-models/tiny --haplotypes 4 \
                 --pairs 2 --out explained"
            ),
            format!("sequences {genomes} --regions-file in/loci.bed -o people.fa --out sequences"),
            format!(
                "tokenize {genomes} --regions-file in/loci.bed --cohort cohort.csv --out tokens"
            ),
            "prs --vcf people.vcf --cohort cohort.csv --out prs".to_owned(),
            "train --tokens tokens --cohort cohort.csv --hidden 16 --layers 1 --heads 2 \
             --feed-forward 16 --projected-length 8 --epochs 1 --out trained"
                .to_owned(),
            "evaluate --predictions trained/predictions.csv prs/predictions.csv --cohort \
             cohort.csv --guards warn --out report"
                .to_owned(),
            "compress trained --rank 2 --out small".to_owned(),
        ];
        let mut said = String::new();
        for arguments in commands {
            let output = run(folder.path(), &arguments);
            assert!(
                output.status.success(),
                "`{arguments}`: {}",
                stderr(&output)
            );
            said += &stderr(&output);
            said += &String::from_utf8(output.stdout).unwrap();
        }
        let names = cohort
            .lines()
            .skip(1)
            .map(|line| rename(line.split(',').next().unwrap()))
            .collect();
        Study {
            folder,
            said,
            names,
        }
    })
}

/// The VCF with variants that one person each has, on one haplotype, far from all others.
fn with_private_variants(vcf: &str, reference: &str) -> String {
    let position = |line: &str| line.split('\t').nth(1).unwrap().parse::<usize>().unwrap();
    let (header, mut records): (Vec<&str>, Vec<String>) = (
        vcf.lines().filter(|line| line.starts_with('#')).collect(),
        vcf.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect(),
    );
    let taken: Vec<usize> = records.iter().map(|line| position(line)).collect();
    let free = (PIECE..reference.len() - PIECE)
        .step_by(40)
        .filter(|&free| taken.iter().all(|taken| taken.abs_diff(free) > 8));
    for (number, position) in free.take(12).enumerate() {
        let of = &reference[position - 1..position];
        let alt = if of == "A" { "C" } else { "A" };
        let carrier = 3 + 11 * number;
        let calls: Vec<&str> = (0..160)
            .map(|person| if person == carrier { "0|1" } else { "0|0" })
            .collect();
        records.push(format!(
            "simulated\t{position}\t.\t{of}\t{alt}\t.\tPASS\t.\tGT\t{}",
            calls.join("\t")
        ));
    }
    records.sort_by_key(|line| position(line));
    format!("{}\n{}\n", header.join("\n"), records.join("\n"))
}

/// The text of a file, unpacked where it is packed.
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
        said,
        names,
    } = study();
    assert!(names.len() == 160 && names.iter().all(|name| name.starts_with(NAME)));
    assert!(!said.contains(NAME), "{said}");
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
    // Not even where a run says what it did.
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

/// Bases that are in the haplotypes of one person of the cohort and not in the reference.
fn pieces_of_one_person(folder: &Path) -> HashSet<String> {
    let reference =
        crate::support::fasta(&fs::read_to_string(folder.join("in/reference.fa")).unwrap())
            .into_values()
            .collect::<String>();
    let mut people_of: HashMap<String, HashSet<String>> = HashMap::new();
    for (definition, bases) in
        crate::support::fasta(&fs::read_to_string(folder.join("people.fa")).unwrap())
    {
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
    let Study { folder, said, .. } = study();
    let pieces = pieces_of_one_person(folder.path());
    assert!(
        pieces.len() > 20,
        "{} pieces: nothing to look for",
        pieces.len()
    );
    let complement = |base: char| match base {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        'T' => 'A',
        other => other,
    };
    let looked_for: HashSet<String> = pieces
        .iter()
        .flat_map(|piece| [piece.clone(), piece.chars().rev().map(complement).collect()])
        .collect();
    let mut texts: Vec<(String, Vec<u8>)> =
        vec![("what was said".into(), said.clone().into_bytes())];
    for (path, bytes) in files(folder.path())
        .into_iter()
        .filter(|(path, _)| is_for_others(path))
    {
        texts.push((path.display().to_string(), content(&path, &bytes)));
    }
    let mut n_windows = 0;
    for (name, text) in texts {
        // Pieces are letters only: other runs of bytes need not be looked at.
        for letters in text
            .split(|byte| !b"ACGTN".contains(byte))
            .filter(|letters| letters.len() >= PIECE)
        {
            for window in letters.windows(PIECE) {
                n_windows += 1;
                assert!(
                    !looked_for.contains(std::str::from_utf8(window).unwrap()),
                    "{name} has what one person has"
                );
            }
        }
    }
    assert!(
        n_windows > 1_000,
        "the tokens of the model were not looked at"
    );
    // With the bound lifted they are there: the search finds what it should.
    let genomes = "--vcf people.vcf --reference in/reference.fa --regions-file in/loci.bed \
                   --cohort cohort.csv --segment-length 64";
    succeed(
        folder.path(),
        &format!("tokenize {genomes} --min-token-count 1 --out everything"),
    );
    let everything = fs::read_to_string(folder.path().join("everything/tokenizer.json")).unwrap();
    assert!(pieces.iter().any(|piece| everything.contains(piece)));
}

/// Files that have a line, or a row of numbers, for each person without naming them.
const OF_PEOPLE: [&str; 4] = [
    "tokens.safetensors",
    "cohort.vcf.gz",
    "truth.csv",
    "people.fa",
];

#[cfg(unix)]
#[test]
fn files_with_people_in_them_are_the_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = study().folder.path();
    let mode = |path: &Path| {
        fs::metadata(folder.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    // Written by this test.
    let by_us: [&Path; 3] = ["people.vcf", "cohort.csv", "p.toml"].map(Path::new);
    let usual = mode(by_us[2]);
    assert_ne!(usual, 0o600, "umask of this machine");
    let mut n_private = 0;
    let mut n_open = 0;
    for (path, bytes) in files(folder) {
        if by_us.contains(&&*path) || path.starts_with("everything") {
            continue;
        }
        let text = content(&path, &bytes);
        if has(&text, NAME)
            || has(&text, "P00001")
            || OF_PEOPLE.iter().any(|name| path.ends_with(name))
        {
            assert_eq!(mode(&path), 0o600, "{} has people in it", path.display());
            n_private += 1;
        } else if is_for_others(&path) {
            assert_eq!(mode(&path), usual, "{} is to be passed on", path.display());
            n_open += 1;
        }
    }
    assert!(n_private >= 8 && n_open >= 20, "{n_private} {n_open}");
}

/// The whole of a study in a network namespace without any interface but a loopback that is down.
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
    let allowed = Command::new("unshare")
        .args(&namespace)
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
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
    let traced = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut inside: Vec<&str> = vec!["unshare"];
    inside.extend(namespace);
    if traced {
        inside.extend([
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=socket,connect",
            "-o",
            "calls",
        ]);
    } else {
        crate::support::no_oracle(
            "no strace on this machine; only that nothing fails without a network is \
             shown",
        );
    }
    inside.extend([program, "run", "p.toml", "--out", "out"]);
    let output = Command::new(inside[0])
        .args(&inside[1..])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    if traced {
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(!calls.contains("AF_INET"), "a socket was opened:\n{calls}");
    }
}

/// A person who is wrong is named to whoever runs the command, on stderr, and nowhere else.
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
