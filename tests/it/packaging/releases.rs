//! Files of earlier releases, stored in `fixtures/releases/VERSION/`, are read and give the results
//! of that release. Files of later releases are refused with the next action. A bundle from
//! elsewhere can read and write nothing outside of its folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    complete_release_tokens, copy_release, refuse, repository, run, stderr, succeed,
};
use gf_genomics::tokens::Folder;
use gf_haplotypes::Dictionary;

/// Logits are printed with nine digits. Processors with vectors of another width round sums
/// differently.
const TOLERANCE: f64 = 1e-5;

/// A copy of the files of a release, to run commands in.
fn release(version: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_release(version, folder.path());
    folder
}

fn versions() -> Vec<String> {
    let mut versions: Vec<String> = fs::read_dir(repository("tests/fixtures/releases"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    versions.sort();
    versions
}

/// (person and model, logit) of each line.
fn scores(table: &str) -> Vec<(String, f64)> {
    let mut scores = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        scores.push((cells[..2].join(" "), cells[2].parse().unwrap()));
    }
    scores
}

const SCORE: &str = "score --vcf people.vcf --reference reference.fa --cohort people.csv --model";

#[test]
fn models_of_every_release_score_as_they_did() {
    assert!(!versions().is_empty());
    for version in versions() {
        let folder = release(&version);
        for model in ["model", "prs"] {
            let expected =
                scores(&fs::read_to_string(folder.path().join(model).join("scored.csv")).unwrap());
            let found = scores(&succeed(folder.path(), &format!("{SCORE} {model}")));
            assert!(expected.len() >= 8 && found.len() == expected.len());
            for ((who, found), (expected_who, expected)) in found.iter().zip(&expected) {
                assert!(
                    who == expected_who && (found - expected).abs() < TOLERANCE,
                    "{version}, {model}, {who}: {found}, then {expected}"
                );
            }
        }
    }
}

#[test]
fn sequences_and_tokens_of_every_release_are_read() {
    for version in versions() {
        let folder = release(&version);
        let dictionary = Dictionary::load(&folder.path().join("sequences")).unwrap();
        complete_release_tokens(folder.path());
        let tokens = Folder::load(&folder.path().join("tokens")).unwrap();
        assert_eq!(dictionary.samples, tokens.tokens.samples);
        assert_eq!(dictionary.loci[0].pairs, tokens.tokens.loci[0].pairs);
        let architecture =
            "--hidden 8 --layers 1 --heads 2 --projected-length 4 --feed-forward 16 --epochs 1";
        succeed(
            folder.path(),
            &format!(
                "train --additive none --tokens tokens --cohort cohort.csv {architecture} --out \
                 trained"
            ),
        );
    }
}

/// Writes another version into a file that says one.
fn say_version(path: &Path, version: &str) {
    let text = fs::read_to_string(path).unwrap();
    let at = text.find("\"schema_version\":").unwrap();
    let end = at + text[at..].find(',').unwrap();
    fs::write(
        path,
        format!(
            "{}{version}{}",
            &text[..at],
            &text[end + usize::from(version.is_empty())..]
        ),
    )
    .unwrap();
}

#[test]
fn newer_older_and_unmarked_files_are_told_apart_with_what_to_do() {
    let cases: [(&str, &str, &str); 3] = [
        ("model/config.json", "model", "gf-genomics train"),
        ("model/grid.json", "model", "gf-genomics tokenize"),
        ("prs/prs_model.json", "prs", "gf-genomics prs"),
    ];
    for (file, model, again) in cases {
        let folder = release("0.1.0");
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        let again = format!("make the file again with `{again}`");
        for (version, expected) in [
            (
                "\"schema_version\": 99",
                &[
                    "schema version 99 is from a newer gf-genomics",
                    "update gf-genomics",
                ][..],
            ),
            (
                "\"schema_version\": 1",
                &["schema version 1 is from an older gf-genomics", &again][..],
            ),
            ("", &["no schema_version", &again][..]),
        ] {
            say_version(&path, version);
            refuse(folder.path(), &format!("{SCORE} {model}"), expected);
            fs::write(&path, &whole).unwrap();
        }
    }
    let folder = release("0.1.0");
    say_version(
        &folder.path().join("sequences/loci.json"),
        "\"schema_version\":99",
    );
    let message = Dictionary::load(&folder.path().join("sequences"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("schema version 99 is from a newer gf-genomics"),
        "{message}"
    );
}

/// Python's format runs code when it is read; nothing of ours is ever read so.
#[test]
fn weights_in_pythons_format_are_refused() {
    let folder = release("0.1.0");
    let pickle = b"\x80\x04cposix\nsystem\n(S'touch ran'\ntR.";
    fs::write(folder.path().join("model/model.safetensors"), pickle).unwrap();
    refuse(
        folder.path(),
        &format!("{SCORE} model"),
        &["model.safetensors"],
    );
    assert!(!folder.path().join("ran").exists());
}

#[cfg(unix)]
#[test]
fn a_bundle_with_a_link_to_elsewhere_is_refused() {
    use std::os::unix::fs::symlink;
    for file in [
        "config.json",
        "tokenizer.json",
        "grid.json",
        "model.safetensors",
    ] {
        for target in ["/dev/zero", "/etc/passwd", "../people.csv"] {
            let folder = release("0.1.0");
            let path = folder.path().join("model").join(file);
            fs::remove_file(&path).unwrap();
            symlink(target, &path).unwrap();
            // `refuse` would read all files of the folder, and /dev/zero has no end.
            let output = run(folder.path(), &format!("{SCORE} model"));
            let said = stderr(&output);
            assert_eq!(
                (output.status.code(), output.stdout.len()),
                (Some(1), 0),
                "{said}"
            );
            assert!(
                [file, "outside of its folder", "cp -L"]
                    .iter()
                    .all(|part| said.contains(part)),
                "{said}"
            );
        }
    }
    let folder = release("0.1.0");
    fs::remove_file(folder.path().join("prs/prs_model.json")).unwrap();
    symlink("../people.csv", folder.path().join("prs/prs_model.json")).unwrap();
    refuse(
        folder.path(),
        &format!("{SCORE} prs"),
        &["outside of its folder"],
    );
}

/// A locus, a model and a score have names that become names of files.
#[test]
fn names_in_received_files_stay_inside_the_output_folder() {
    let folder = release("0.1.0");
    let elsewhere = "../../../escaped";
    for file in ["model/config.json", "model/grid.json"] {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"name\": \"simulated\""), "{file}");
        fs::write(
            &path,
            text.replace(
                "\"name\": \"simulated\"",
                &format!("\"name\": \"{elsewhere}\""),
            ),
        )
        .unwrap();
    }
    let explain = "explain --vcf people.vcf --reference reference.fa --cohort people.csv --model \
                   model --haplotypes 2 --out deep/er/out";
    let output = run(folder.path(), explain);
    assert!(output.status.success(), "{}", stderr(&output));
    let named: Vec<PathBuf> = crate::support::files(folder.path())
        .into_keys()
        .filter(|path| path.to_string_lossy().contains("escaped"))
        .collect();
    assert!(
        !named.is_empty() && named.iter().all(|path| path.starts_with("deep/er/out")),
        "{named:?}"
    );

    let pipeline = "[simulate]\npeople = 100\n[[models]]\nname = \"../../escaped\"\n";
    fs::write(folder.path().join("p.toml"), pipeline).unwrap();
    refuse(
        folder.path(),
        "run p.toml --out out",
        &["`../../escaped` cannot be the name of a model"],
    );
}

/// What stands in a file may not move the cursor, or colour what is said.
#[test]
fn control_characters_of_a_file_are_not_sent_to_the_terminal() {
    let folder = release("0.1.0");
    let text = fs::read_to_string(folder.path().join("people.csv")).unwrap();
    fs::write(
        folder.path().join("people.csv"),
        text.replacen("P00001", "\u{1b}[31mP00001", 1),
    )
    .unwrap();
    let output = run(folder.path(), &format!("{SCORE} model"));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("\\u{1b}[31mP00001") && !said.contains('\u{1b}'),
        "{said:?}"
    );
}
