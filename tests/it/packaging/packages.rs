//! What lies in `packaging/` and `CITATION.cff`, tested against the program: versions, options, files that
//! parse, and what Snakemake's wrappers and the scripts of the Nextflow modules give beside what
//! the program gives.
//!
//! Snakemake and YAML by the Python of `GF_PYTHON`, or `python3`; the modules by `groovy`; skipped
//! aloud where these are not.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::support::{copy, files, stderr, succeed};
use clap::CommandFactory;
use gf_genomics::cli::Cli;
use serde_json::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMMANDS: [&str; 3] = ["sequences", "score", "prs"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn wrapper(command: &str, file: &str) -> String {
    format!("packaging/snakemake-wrapper/{command}/{file}")
}

fn module(command: &str, file: &str) -> String {
    format!("packaging/nf-core/modules/gfgenomics/{command}/{file}")
}

/// The Python to ask, if it can import what is needed.
fn python(needed: &str) -> Option<String> {
    let python = std::env::var("GF_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python)
        .args(["-c", &format!("import {needed}")])
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        crate::support::no_oracle(&format!(
            "{python} cannot import {needed}; set GF_PYTHON to one that can"
        ));
        return None;
    }
    Some(python)
}

/// A folder with eight people, a model, saved scores, loci and scoring files.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(
        &repository().join("tests/fixtures/releases/0.1.0"),
        folder.path(),
    );
    copy(&repository().join("packaging/test-data"), folder.path());
    folder
}

/// Runs a command that finds the program on its PATH, as people have it.
fn with_program(command: &mut Command, folder: &Path) -> Output {
    let here = Path::new(env!("CARGO_BIN_EXE_gf-genomics"))
        .parent()
        .unwrap();
    let path = std::env::join_paths(
        [here.to_path_buf()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    command
        .current_dir(folder)
        .env("PATH", path)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .unwrap()
}

#[test]
fn every_package_says_the_version_of_the_program() {
    let mut places = vec![
        ("CITATION.cff".to_owned(), format!("\nversion: {VERSION}\n")),
        (
            "packaging/bioconda/meta.yaml".into(),
            format!("{{% set version = \"{VERSION}\" %}}"),
        ),
        (
            "packaging/bioconda/meta.yaml".into(),
            format!("rust >={}\n", env!("CARGO_PKG_RUST_VERSION")),
        ),
        (
            "packaging/Dockerfile".into(),
            format!("version=\"{VERSION}\""),
        ),
        (
            "packaging/Dockerfile".into(),
            format!("gf-genomics:{VERSION} "),
        ),
        (
            "packaging/apptainer.def".into(),
            format!("version {VERSION}\n"),
        ),
        (
            "packaging/apptainer.def".into(),
            format!("    gf-genomics-{VERSION}-x86_64-linux /opt/gf-genomics\n"),
        ),
    ];
    for command in COMMANDS {
        places.push((
            wrapper(command, "environment.yaml"),
            format!("- gf-genomics ={VERSION}\n"),
        ));
        places.push((
            module(command, "environment.yml"),
            format!("bioconda::gf-genomics={VERSION}\"\n"),
        ));
        places.push((
            module(command, "main.nf"),
            format!("container \"gf-genomics:{VERSION}\"\n"),
        ));
    }
    for (path, expected) in places {
        assert!(
            read(&path).contains(&expected),
            "{path} does not say `{}`",
            expected.trim()
        );
    }
    let image = read("packaging/Dockerfile");
    let rust = image
        .split("FROM rust:")
        .nth(1)
        .and_then(|rest| rest.split('-').next())
        .unwrap();
    let number = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect::<Vec<u32>>()
    };
    assert!(
        number(rust) >= number(env!("CARGO_PKG_RUST_VERSION")),
        "Rust {rust} of the Dockerfile is too old"
    );
}

/// Words that begin with two dashes, but for plink2's.
fn long_options(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let text = text.replace("plink2 --", "plink2 ");
    let options = text.split("--").skip(1).zip(text.split("--"));
    let begun = options.filter(|(rest, before)| {
        rest.starts_with(|letter: char| letter.is_ascii_lowercase())
            && !before.ends_with(is_of_name)
    });
    begun
        .map(|(rest, _)| {
            rest.split(|letter| !is_of_name(letter))
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn every_option_named_in_a_wrapper_or_a_module_is_one_of_the_command() {
    let mut program = Cli::command();
    program.build();
    for name in COMMANDS {
        let command = program.find_subcommand(name).unwrap();
        let known: BTreeSet<&str> = command
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .chain(["version"])
            .collect();
        let mut n_options = 0;
        for path in [
            wrapper(name, "wrapper.py"),
            wrapper(name, "meta.yaml"),
            wrapper(name, "test/Snakefile"),
            module(name, "main.nf"),
            module(name, "meta.yml"),
        ] {
            let named = long_options(&read(&path));
            n_options += named.len();
            let unknown: Vec<&String> = named
                .iter()
                .filter(|option| !known.contains(option.as_str()))
                .collect();
            assert!(
                unknown.is_empty(),
                "{path}: `gf-genomics {name}` has no {unknown:?}"
            );
        }
        assert!(
            n_options >= 10,
            "only {n_options} options of {name} were found"
        );
    }
}

#[test]
fn the_commands_of_the_recipe_are_understood() {
    let recipe = read("packaging/bioconda/meta.yaml");
    let commands: Vec<&str> = recipe
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- gf-genomics "))
        .collect();
    assert_eq!(commands.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    for command in commands {
        succeed(folder.path(), command);
    }
}

#[test]
fn the_installer_puts_program_pages_completions_schemas_and_licences_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let installer = repository().join("packaging/install");
    let output = Command::new(installer)
        .args([env!("CARGO_BIN_EXE_gf-genomics"), "prefix"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let installed: BTreeSet<PathBuf> = files(&folder.path().join("prefix")).into_keys().collect();
    for expected in [
        "bin/gf-genomics",
        "share/man/man1/gf-genomics.1",
        "share/man/man1/gf-genomics-prs.1",
        "share/bash-completion/completions/gf-genomics",
        "share/zsh/site-functions/_gf-genomics",
        "share/fish/vendor_completions.d/gf-genomics.fish",
        "share/gf-genomics/schemas/predictions.schema.json",
        "share/doc/gf-genomics/LICENSE",
        "share/doc/gf-genomics/THIRD-PARTY-LICENSES.txt",
    ] {
        assert!(
            installed.contains(Path::new(expected)),
            "no {expected} in {installed:?}"
        );
    }
}

#[test]
fn the_shell_scripts_are_read_by_bash() {
    for script in [
        "packaging/install",
        "packaging/release",
        "packaging/bioconda/build.sh",
    ] {
        let output = Command::new("bash")
            .arg("-n")
            .arg(repository().join(script))
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {}", stderr(&output));
    }
}

#[test]
fn crates_hold_their_sources_and_no_more() {
    for (name, needed) in [
        (
            "gf-cohort-schema",
            &[
                "LICENSE",
                "README.md",
                "schemas/predictions.schema.json",
                "src/lib.rs",
            ][..],
        ),
        ("gf-tokenizer", &["LICENSE", "README.md", "src/lib.rs"]),
        (
            "gf-genomics",
            &[
                "LICENSE",
                "README.md",
                "Cargo.lock",
                "askama.toml",
                "src/report/page.html",
            ],
        ),
    ] {
        let output = Command::new(env!("CARGO"))
            .args([
                "package",
                "--list",
                "--allow-dirty",
                "--offline",
                "--package",
                name,
            ])
            .current_dir(repository())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let listed = String::from_utf8(output.stdout).unwrap();
        let listed: BTreeSet<&str> = listed.lines().collect();
        for file in needed {
            assert!(listed.contains(file), "{name} lacks {file}");
        }
        let foreign: Vec<_> = listed
            .iter()
            .filter(|file| {
                file.starts_with('.') && **file != ".cargo_vcs_info.json"
                    || file.contains("fixtures")
            })
            .collect();
        assert!(foreign.is_empty(), "{name} holds {foreign:?}");
    }
}

/// Names in the `input:` part of a module: `path(vcf)`, `val(meta)`, `path loci`.
fn module_inputs(module: &str) -> Vec<String> {
    let part = module
        .split("    input:\n")
        .nth(1)
        .and_then(|rest| rest.split("    output:\n").next())
        .unwrap();
    let words = part.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter(|word| !["", "tuple", "path", "val"].contains(word))
        .map(str::to_owned)
        .collect()
}

/// Names in a `meta.yml`: an input is an element, or a list of elements for a tuple.
fn described_inputs(meta: &Value) -> Vec<String> {
    let channels = meta["input"].as_array().unwrap().iter();
    let elements = channels.flat_map(|channel| {
        channel
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![channel.clone()])
    });
    elements
        .flat_map(|element| {
            element
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_yaml_files_parse_and_describe_what_they_lie_beside() {
    let Some(python) = python("yaml, jinja2") else {
        return;
    };
    let mut paths = vec![
        "CITATION.cff".to_owned(),
        "packaging/bioconda/meta.yaml".into(),
    ];
    for command in COMMANDS {
        paths.extend([
            wrapper(command, "meta.yaml"),
            wrapper(command, "environment.yaml"),
        ]);
        paths.extend([
            module(command, "meta.yml"),
            module(command, "environment.yml"),
        ]);
    }
    let output = Command::new(python)
        .arg("tests/oracles/packaging_yaml.py")
        .args(&paths)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let parsed: Value = serde_json::from_slice(&output.stdout).unwrap();

    let citation = &parsed["CITATION.cff"];
    assert_eq!(
        (&citation["cff-version"], &citation["license"]),
        (&"1.2.0".into(), &env!("CARGO_PKG_LICENSE").into())
    );
    assert_eq!(citation["repository-code"], env!("CARGO_PKG_REPOSITORY"));
    let recipe = &parsed["packaging/bioconda/meta.yaml"];
    assert_eq!(
        (&recipe["package"]["name"], &recipe["package"]["version"]),
        (&env!("CARGO_PKG_NAME").into(), &VERSION.into())
    );
    assert_eq!(recipe["source"]["sha256"].as_str().map(str::len), Some(64));
    assert!(
        recipe["source"]["url"]
            .as_str()
            .unwrap()
            .contains(&format!("/v{VERSION}/gf-genomics-{VERSION}-source.tar.gz"))
    );
    for command in COMMANDS {
        assert_eq!(
            parsed[wrapper(command, "meta.yaml")]["name"],
            format!("gf-genomics {command}")
        );
        let meta = &parsed[module(command, "meta.yml")];
        let source = read(&module(command, "main.nf"));
        assert_eq!(meta["name"], format!("gfgenomics_{command}"));
        assert!(
            source.starts_with(&format!(
                "process GFGENOMICS_{} {{\n",
                command.to_uppercase()
            )),
            "{command}"
        );
        assert_eq!(described_inputs(meta), module_inputs(&source), "{command}");
        let emitted: BTreeSet<&str> = source
            .split("emit: ")
            .skip(1)
            .filter_map(|rest| rest.split([',', '\n']).next())
            .collect();
        let described: BTreeSet<&str> = meta["output"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(described, emitted, "{command}");
    }
}

/// What the wrappers' rules and the modules' scripts should give: files of the program called by
/// hand.
fn expected(folder: &Path) {
    let people = "--vcf people.vcf --reference reference.fa";
    succeed(
        folder,
        &format!(
            "sequences {people} --regions-file loci.bed --out expected --output expected.fa \
             --skips expected-skips.csv"
        ),
    );
    succeed(
        folder,
        &format!("sequences {people} --regions-file loci.bed --output expected.fa.gz"),
    );
    succeed(
        folder,
        &format!("score {people} --cohort people.csv --model model --output expected-risk.csv"),
    );
    succeed(
        folder,
        "score --vcf people.vcf --cohort people.csv --model prs --output expected-prs-risk.csv",
    );
    succeed(
        folder,
        "prs --vcf people.vcf --scoring-file first.txt --scoring-file second.txt \
         --no-mean-imputation --out expected-scores",
    );
}

#[test]
fn the_snakemake_wrappers_give_what_the_program_gives() {
    let Some(python) = python("snakemake") else {
        return;
    };
    let folder = inputs();
    let at = |name: &str| folder.path().join(name);
    expected(folder.path());
    // The place they have in the public repository of wrappers.
    copy(
        &repository().join("packaging/snakemake-wrapper"),
        &at("master/bio/gf-genomics"),
    );
    for (command, targets) in [
        ("sequences", "haplotypes.fa dictionary skips.csv"),
        ("score", "risk.csv prs-risk.csv"),
        ("prs", "scores"),
    ] {
        let prefix = format!("file://{}/", folder.path().display());
        let snakefile = at(&format!("master/bio/gf-genomics/{command}/test/Snakefile"));
        let mut snakemake = Command::new(&python);
        snakemake.args([
            "-m",
            "snakemake",
            "--cores",
            "2",
            "--wrapper-prefix",
            &prefix,
            "--directory",
            ".",
            "--snakefile",
        ]);
        let output = with_program(
            snakemake.arg(snakefile).args(targets.split(' ')),
            folder.path(),
        );
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
    for (found, expected) in [
        ("haplotypes.fa", "expected.fa"),
        ("skips.csv", "expected-skips.csv"),
        ("dictionary/loci.json", "expected/loci.json"),
        ("dictionary/pairs.csv", "expected/pairs.csv"),
        ("risk.csv", "expected-risk.csv"),
        ("prs-risk.csv", "expected-prs-risk.csv"),
        ("scores/raw_scores.csv", "expected-scores/raw_scores.csv"),
        ("scores/match_log.csv", "expected-scores/match_log.csv"),
    ] {
        assert!(
            fs::read(at(found)).unwrap() == fs::read(at(expected)).unwrap(),
            "{found} is not {expected}"
        );
    }
    assert!(
        fs::read_to_string(at("logs/haplotypes.log"))
            .unwrap()
            .contains("distinct haplotypes of 8 people")
    );
}

#[test]
fn the_scripts_of_the_nextflow_modules_give_what_the_program_gives() {
    // Debian's groovy looks for Java in one place only.
    const GROOVY: &str = "JAVA_HOME=${JAVA_HOME:-$(dirname \"$(dirname \"$(readlink -f \
                          \"$(command -v java)\")\")\")} exec groovy \"$@\"";
    let groovy = |arguments: &[&OsStr]| {
        Command::new("bash")
            .args(["-c", GROOVY, "groovy"])
            .args(arguments)
            .output()
            .unwrap()
    };
    if !groovy(&["--version".as_ref()]).status.success() {
        crate::support::no_oracle("no groovy with Java on this machine");
        return;
    }
    let folder = inputs();
    expected(folder.path());
    let script = repository().join("tests/oracles/nextflow_script.groovy");
    let people = "vcf: 'people.vcf'";
    let mut sources = [
        "nf-test.config",
        "tests/nextflow.config",
        "modules/gfgenomics/prs/tests/nextflow.config",
    ]
    .map(str::to_owned)
    .to_vec();
    for command in COMMANDS {
        sources.extend(
            ["main.nf", "tests/main.nf.test"]
                .map(|file| format!("modules/gfgenomics/{command}/{file}")),
        );
    }
    let sources: Vec<PathBuf> = sources
        .into_iter()
        .map(|path| repository().join("packaging/nf-core").join(path))
        .collect();
    let output = groovy(
        &[
            &[script.as_os_str(), "parse".as_ref()],
            &sources
                .iter()
                .map(|path| path.as_os_str())
                .collect::<Vec<_>>()[..],
        ]
        .concat(),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    for (command, values, results) in [
        (
            "sequences",
            "meta: [id: 'a'], fasta: 'reference.fa', loci: 'loci.bed'",
            &[
                ("a.fa.gz", "expected.fa.gz"),
                ("a.skips.csv", "expected-skips.csv"),
            ][..],
        ),
        (
            "score",
            "meta: [id: 'b'], fasta: 'reference.fa', model: 'model', cohort: 'people.csv'",
            &[("b.risk.csv", "expected-risk.csv")],
        ),
        (
            "score",
            "meta: [id: 'c'], fasta: [], model: 'prs', cohort: 'people.csv'",
            &[("c.risk.csv", "expected-prs-risk.csv")],
        ),
        (
            "prs",
            "meta: [id: 'd'], scoring_files: ['first.txt', 'second.txt'], cohort: []",
            &[
                ("d/raw_scores.csv", "expected-scores/raw_scores.csv"),
                ("d/match_log.csv", "expected-scores/match_log.csv"),
            ],
        ),
        // One file is no list, and a cohort brings predictions.
        (
            "prs",
            "meta: [id: 'e'], scoring_files: 'first.txt', cohort: 'people.csv'",
            &[],
        ),
    ] {
        let module = repository().join(module(command, "main.nf"));
        let filled = |part: &str| {
            let output = groovy(&[
                script.as_ref(),
                part.as_ref(),
                module.as_ref(),
                format!("[{people}, {values}]").as_ref(),
            ]);
            assert!(output.status.success(), "{command}: {}", stderr(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let script = filled("script");
        let stub = filled("stub");
        if results.is_empty() {
            assert!(
                script.contains("--scoring-file first.txt")
                    && script.contains("--cohort people.csv"),
                "{script}"
            );
            continue;
        }
        // The scores of eight people need it, as the module's test says in its nextflow.config.
        let script = if command == "prs" {
            script.replace("--threads", "--no-mean-imputation --threads")
        } else {
            script
        };
        let output = with_program(Command::new("bash").args(["-euc", &script]), folder.path());
        assert!(output.status.success(), "{script}: {}", stderr(&output));
        for (found, expected) in results {
            let [found, expected] =
                [found, expected].map(|name| fs::read(folder.path().join(name)).unwrap());
            assert!(found == expected, "{script} gave {results:?} another way");
        }
        let empty = tempfile::tempdir().unwrap();
        let output = Command::new("bash")
            .args(["-euc", &stub])
            .current_dir(empty.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{stub}: {}", stderr(&output));
        for (found, _) in results {
            assert!(
                empty.path().join(found).is_file(),
                "the stub of {command} makes no {found}"
            );
        }
    }
}
