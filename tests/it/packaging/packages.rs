//! `packaging/` and `CITATION.cff`, tested against the program: versions, options, files that
//! parse, and the results of Snakemake's wrappers and of the scripts of the Nextflow modules.
//!
//! Snakemake and YAML run with the Python of `GF_PYTHON`, or `python3`; the modules with `groovy`.
//! Tests are skipped, with a message, where these are absent.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{
    copy, copy_release, file_names, no_oracle,
    processes::{path_with_program, python_with},
    repository, stderr, succeed,
};
use clap::CommandFactory;
use gf_genomics::cli::Cli;
use serde_json::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMMANDS: [&str; 3] = ["sequences", "score", "prs"];

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn wrapper(command: &str, file: &str) -> String {
    format!("packaging/snakemake-wrapper/{command}/{file}")
}

fn module(command: &str, file: &str) -> String {
    format!("packaging/nf-core/modules/gfgenomics/{command}/{file}")
}

/// A folder with eight samples, a model, saved scores, loci and scoring files.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_release("0.1.0", folder.path());
    copy(&repository("packaging/test-data"), folder.path());
    folder
}

/// Runs a command that finds the program on its PATH, as users have it.
fn with_program(command: &mut Command, folder: &Path) -> Output {
    command
        .current_dir(folder)
        .env("PATH", path_with_program(&[]))
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
    assert!(
        version_numbers(rust) >= version_numbers(env!("CARGO_PKG_RUST_VERSION")),
        "Rust {rust} of the Dockerfile is too old"
    );
}

fn version_numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect()
}

/// Names of the long options in a text, without those of plink2.
fn long_options(text: &str) -> BTreeSet<String> {
    let text = text.replace("plink2 --", "plink2 ");
    let mut options = BTreeSet::new();
    for (before, after) in text.split("--").zip(text.split("--").skip(1)) {
        let begins_a_name = after.starts_with(|letter: char| letter.is_ascii_lowercase());
        if begins_a_name && !before.ends_with(is_of_option_name) {
            let name = after.split(|letter| !is_of_option_name(letter)).next();
            options.insert(name.unwrap().to_owned());
        }
    }
    options
}

fn is_of_option_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-'
}

#[test]
fn every_option_named_in_a_wrapper_or_a_module_is_one_of_the_command() {
    let mut program = Cli::command();
    program.build();
    for name in COMMANDS {
        let command = program.find_subcommand(name).unwrap();
        let known: BTreeSet<&str> = command
            .get_arguments()
            .filter_map(clap::Arg::get_long_and_visible_aliases)
            .flatten()
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
    let output = Command::new(repository("packaging/install"))
        .args([env!("CARGO_BIN_EXE_gf-genomics"), "prefix"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let installed = file_names(&folder.path().join("prefix"));
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
            installed.iter().any(|path| path == Path::new(expected)),
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
            .arg(repository(script))
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
            .current_dir(repository(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let list = String::from_utf8(output.stdout).unwrap();
        let listed: BTreeSet<&str> = list.lines().collect();
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
    let Some(python) = python_with("yaml, jinja2") else {
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
        .current_dir(repository(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let parsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_citation_and_recipe(&parsed);
    for command in COMMANDS {
        assert_eq!(
            parsed[wrapper(command, "meta.yaml")]["name"],
            format!("gf-genomics {command}")
        );
        assert_module_is_described(command, &parsed[module(command, "meta.yml")]);
    }
}

/// Name, version, licence and sources of `CITATION.cff` and of the recipe for Bioconda.
fn assert_citation_and_recipe(parsed: &Value) {
    let citation = &parsed["CITATION.cff"];
    assert_eq!(citation["cff-version"], "1.2.0");
    assert_eq!(citation["license"], env!("CARGO_PKG_LICENSE"));
    assert_eq!(citation["repository-code"], env!("CARGO_PKG_REPOSITORY"));
    let recipe = &parsed["packaging/bioconda/meta.yaml"];
    assert_eq!(recipe["package"]["name"], env!("CARGO_PKG_NAME"));
    assert_eq!(recipe["package"]["version"], VERSION);
    assert_eq!(recipe["source"]["sha256"].as_str().map(str::len), Some(64));
    assert!(
        recipe["source"]["url"]
            .as_str()
            .unwrap()
            .contains(&format!("/v{VERSION}/gf-genomics-{VERSION}-source.tar.gz"))
    );
}

/// `meta.yml` has the name, the inputs and the outputs of the module.
fn assert_module_is_described(command: &str, meta: &Value) {
    let source = read(&module(command, "main.nf"));
    assert_eq!(meta["name"], format!("gfgenomics_{command}"));
    let process = format!("process GFGENOMICS_{} {{\n", command.to_uppercase());
    assert!(source.starts_with(&process), "{command}");
    assert_eq!(described_inputs(meta), module_inputs(&source), "{command}");
    let emitted: BTreeSet<&str> = source
        .split("emit: ")
        .skip(1)
        .filter_map(|rest| rest.split([',', '\n']).next())
        .collect();
    let outputs = meta["output"].as_object().unwrap();
    let described: BTreeSet<&str> = outputs.keys().map(String::as_str).collect();
    assert_eq!(described, emitted, "{command}");
}

/// Writes the expected results of the wrappers and the modules, by calls of the program.
fn write_expected(folder: &Path) {
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
    let Some(python) = python_with("snakemake") else {
        return;
    };
    let inputs = inputs();
    let folder = inputs.path();
    write_expected(folder);
    // The path of the wrappers in their public repository.
    let wrappers = folder.join("master/bio/gf-genomics");
    copy(&repository("packaging/snakemake-wrapper"), &wrappers);
    for (command, targets) in [
        ("sequences", "haplotypes.fa dictionary skips.csv"),
        ("score", "risk.csv prs-risk.csv"),
        ("prs", "scores"),
    ] {
        let prefix = format!("file://{}/", folder.display());
        let snakefile = wrappers.join(command).join("test/Snakefile");
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
        let output = with_program(snakemake.arg(snakefile).args(targets.split(' ')), folder);
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
            fs::read(folder.join(found)).unwrap() == fs::read(folder.join(expected)).unwrap(),
            "{found} is not {expected}"
        );
    }
    assert!(
        fs::read_to_string(folder.join("logs/haplotypes.log"))
            .unwrap()
            .contains("distinct haplotypes of 8 samples")
    );
}

#[test]
fn the_scripts_of_the_nextflow_modules_give_what_the_program_gives() {
    if !groovy(&["--version".as_ref()]).status.success() {
        no_oracle("no groovy with Java on this machine");
        return;
    }
    let folder = inputs();
    write_expected(folder.path());
    assert_module_sources_parse();
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
    ] {
        let script = filled_script(command, "script", values);
        assert_script_gives(folder.path(), command, &script, results);
        assert_stub_makes(command, &filled_script(command, "stub", values), results);
    }
    // One file is no list, and a cohort brings predictions.
    let values = "meta: [id: 'e'], scoring_files: 'first.txt', cohort: 'people.csv'";
    let script = filled_script("prs", "script", values);
    filled_script("prs", "stub", values);
    assert!(
        script.contains("--scoring-file first.txt") && script.contains("--cohort people.csv"),
        "{script}"
    );
}

/// Runs groovy. Debian's groovy searches for Java in one folder only, unless `JAVA_HOME` is set.
fn groovy(arguments: &[&OsStr]) -> Output {
    const GROOVY: &str = "JAVA_HOME=${JAVA_HOME:-$(dirname \"$(dirname \"$(readlink -f \
                          \"$(command -v java)\")\")\")} exec groovy \"$@\"";
    Command::new("bash")
        .args(["-c", GROOVY, "groovy"])
        .args(arguments)
        .output()
        .unwrap()
}

/// The oracle that parses Nextflow sources, and fills in their scripts.
fn nextflow_oracle() -> PathBuf {
    repository("tests/oracles/nextflow_script.groovy")
}

fn assert_module_sources_parse() {
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
    let paths: Vec<PathBuf> = sources
        .into_iter()
        .map(|path| repository("packaging/nf-core").join(path))
        .collect();
    let oracle = nextflow_oracle();
    let mut arguments = vec![oracle.as_os_str(), "parse".as_ref()];
    arguments.extend(paths.iter().map(|path| path.as_os_str()));
    let output = groovy(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The `script` or the `stub` part of a module with these values filled in.
fn filled_script(command: &str, part: &str, values: &str) -> String {
    let output = groovy(&[
        nextflow_oracle().as_ref(),
        part.as_ref(),
        repository(&module(command, "main.nf")).as_ref(),
        format!("[vcf: 'people.vcf', {values}]").as_ref(),
    ]);
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a script; its files must equal the expected ones, as (file, expected file).
fn assert_script_gives(folder: &Path, command: &str, script: &str, results: &[(&str, &str)]) {
    // With eight samples scores need this option, as the nextflow.config of the module's test has
    // it.
    let script = if command == "prs" {
        script.replace("--threads", "--no-mean-imputation --threads")
    } else {
        script.to_owned()
    };
    let output = with_program(Command::new("bash").args(["-euc", &script]), folder);
    assert!(output.status.success(), "{script}: {}", stderr(&output));
    for (found, expected) in results {
        let [found, expected] = [found, expected].map(|name| fs::read(folder.join(name)).unwrap());
        assert!(found == expected, "{script} gave {results:?} another way");
    }
}

/// Runs a stub in an empty folder; it must make the files of the script.
fn assert_stub_makes(command: &str, stub: &str, results: &[(&str, &str)]) {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-euc", stub])
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
