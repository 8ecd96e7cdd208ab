//! Damaged files other than genomes: those that the program writes (dictionaries, tokens,
//! checkpoints, models, tables) and those that it is given (scoring files, pipelines, kinships,
//! lists of samples). Each gives an error or a valid result, never a panic.
//!
//! `tests/robustness/damage.rs` makes and runs the cases. A small pipeline is run once; each test
//! damages a copy of one folder of it.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::damage::{
    change_metadata, damage, damage_json, damage_safetensors, folder, for_each_case, in_proportion,
};
use crate::support::{
    compression::gunzipped,
    copy, files, options as usual,
    pipelines::{data_table, tiny_pipeline_with},
    rows,
};
use clap::Parser;
use gf_files::output;
use gf_genomics::{
    baselines::{self, PrsModel},
    cli::Cli,
    evaluation,
    models::Architecture,
    pipeline, report, score,
    scoring::{self, EffectColumn, MatchingOptions},
    tokens::{Folder, encode},
    training,
};
use gf_haplotypes::Dictionary;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// The tiny pipeline with an even smaller cohort and model.
fn small_pipeline() -> String {
    tiny_pipeline_with(&[
        ("people = 150", "people = 80"),
        ("len_nt = 4000", "len_nt = 2000"),
        (
            "segment_length = 128",
            "segment_length = 64\nvocab_size = 32",
        ),
        // hidden, projected_length and feed_forward.
        (" = 8\n", " = 4\n"),
        ("epochs = 2", "epochs = 1"),
    ])
}

/// A folder with `pipeline.toml` and the folders of its stages.
static RUN: LazyLock<TempDir> = LazyLock::new(|| {
    let run = folder();
    let pipeline = run.path().join("pipeline.toml");
    fs::write(&pipeline, small_pipeline()).unwrap();
    pipeline::run(&pipeline::Options {
        pipeline,
        out: Some(run.path().to_path_buf()),
        ..Default::default()
    })
    .unwrap();
    run
});

/// A path in [`RUN`].
fn made(name: &str) -> PathBuf {
    RUN.path().join(name)
}

/// Damages a file as its format asks for, so that most of it can still be read.
fn damage_as_its_kind(name: &str, rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    match Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some("json") => damage_json(rng, bytes),
        Some("safetensors") => damage_safetensors(rng, bytes),
        _ => damage(rng, bytes),
    }
}

/// Damages one of the files `names` of a copy of `from` in each case. `work` returns whether the
/// damaged files still gave a result, and must do so for at least 1 % of the cases.
fn damage_each(
    test: &'static str,
    from: &Path,
    names: &[&str],
    default: u64,
    mut work: impl FnMut(&Path, &mut ChaCha8Rng) -> bool,
) {
    let damaged = folder();
    copy(from, damaged.path());
    let whole: Vec<Vec<u8>> = names
        .iter()
        .map(|name| fs::read(from.join(name)).unwrap())
        .collect();
    let mut n = 0_u64;
    let mut n_with_result = 0_u64;
    for_each_case(test, default, |rng, input| {
        let number = rng.random_range(0..names.len());
        let path = damaged.path().join(names[number]);
        input.extend_from_slice(&whole[number]);
        if n > 0 {
            damage_as_its_kind(names[number], rng, input);
        }
        fs::write(&path, &input).unwrap();
        let has_result = work(damaged.path(), rng);
        assert!(n > 0 || has_result, "{test}: the whole files are refused");
        n += 1;
        n_with_result += u64::from(has_result);
        fs::write(&path, &whole[number]).unwrap();
    });
    eprintln!("{test}: {n_with_result} of {n} cases still went");
    assert!(
        n < 200 || n_with_result > n / 100,
        "{test}: only {n_with_result} of {n} damaged files went: the cases say little"
    );
}

/// The result, if there is one; the message of an error must not be empty.
fn result_of<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<T> {
    result
        .inspect_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

fn genomes() -> Vec<PathBuf> {
    vec![made("0-cohort/cohort.vcf.gz")]
}

/// Scores everyone by a model, if that is possible, and checks that the table has valid numbers.
fn scores(model: &Path, out: &Path) -> bool {
    let options = usual::score(
        &made("0-cohort/cohort.vcf.gz"),
        &made("0-cohort/reference.fa"),
        &made("0-cohort/cohort.csv"),
        model,
        &out.join("risk.csv"),
    );
    let Some(summary) = result_of(score::run(&options)) else {
        return false;
    };
    let rows = rows(&options.output);
    assert_eq!(rows.len(), summary.n_people * summary.models.len());
    for row in rows {
        let [logit, probability] =
            ["logit", "probability"].map(|column| row[column].parse::<f64>().unwrap());
        assert!(
            logit.is_finite() && (0.0..=1.0).contains(&probability),
            "a person has {logit}, {probability}"
        );
    }
    true
}

#[test]
fn a_damaged_model_gives_an_error_or_numbers() {
    let out = folder();
    let names = [
        "config.json",
        "config.json",
        "grid.json",
        "tokenizer.json",
        "model.safetensors",
    ];
    damage_each("bundle", &made("3-models/tiny"), &names, 300, |model, _| {
        scores(model, out.path())
    });
}

#[test]
fn damaged_baselines_give_an_error_or_numbers() {
    let out = folder();
    damage_each(
        "prs_model.json",
        &made("4-baselines"),
        &["prs_model.json"],
        300,
        |model, _| scores(model, out.path()),
    );
}

#[test]
fn a_damaged_pipeline_gives_an_error_or_a_plan() {
    let from = folder();
    let tables = data_table("")
        + "\n[baselines]\nscoring_files = [\"score.txt\"]\ngenome_build = \"GRCh38\"\nclump_kb = \
           100\np_thresholds = [0.5, 1.0]\n\n[report]\nbootstrap = 200\n\n[sequences]\nmissing = \
           \"n\"\n";
    let given = small_pipeline().replace(
        "[simulate]\npeople = 80\nlen_nt = 2000\nrisk = \"additive\"\n",
        &tables,
    );
    copy(&made("0-cohort"), from.path());
    fs::write(
        from.path().join("score.txt"),
        "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n1\t1\tA\tC\t1\n",
    )
    .unwrap();
    fs::write(from.path().join("simulated.toml"), small_pipeline()).unwrap();
    fs::write(from.path().join("given.toml"), given).unwrap();
    damage_each(
        "pipeline.toml",
        from.path(),
        &["simulated.toml", "given.toml"],
        1_000,
        |folder, _| {
            let plans = ["simulated.toml", "given.toml"].map(|name| {
                let options = pipeline::Options {
                    pipeline: folder.join(name),
                    out: Some(folder.join("out")),
                    dry_run: true,
                    ..Default::default()
                };
                result_of(pipeline::run(&options)).is_some()
            });
            assert!(!folder.join("out").exists(), "a dry run wrote something");
            plans == [true, true]
        },
    );
}

#[test]
fn a_damaged_record_of_a_run_is_not_trusted() {
    let out = folder();
    copy(RUN.path(), out.path());
    let names = [
        "0-cohort/stage.json",
        "3-models/tiny/stage.json",
        "5-report/stage.json",
    ];
    damage_each("stage.json", out.path(), &names, 100, |folder, _| {
        let options = pipeline::Options {
            pipeline: folder.join("pipeline.toml"),
            out: Some(folder.into()),
            dry_run: true,
            ..Default::default()
        };
        result_of(pipeline::run(&options)).is_some()
    });
}

/// Writes the present digests of the other files into the metadata of the tokens. Without this,
/// damage to one of these files would only be found by its digest.
fn update_digests(tokens: &Path) {
    let path = tokens.join("tokens.safetensors");
    let bytes = fs::read(&path).unwrap();
    let Some((head, rest)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let Some((header, data)) = rest.split_at_checked(u64::from_le_bytes(*head) as usize) else {
        return;
    };
    let mut header = header.to_vec();
    change_metadata(&mut header, |text| {
        let Ok(mut index) = serde_json::from_str::<serde_json::Value>(text) else {
            return;
        };
        for name in ["tokenizer.json", "grid.json", "genome.json"] {
            if let Some(digest) = index.pointer_mut(&format!("/belongs_to/{name}")) {
                *digest = output::sha256_of_file(&tokens.join(name)).unwrap().into();
            }
        }
        *text = index.to_string();
    });
    fs::write(
        path,
        [&(header.len() as u64).to_le_bytes()[..], &header, data].concat(),
    )
    .unwrap();
}

fn training_options(tokens: &Path, out: &Path) -> training::Options {
    training::Options {
        architecture: Architecture {
            hidden: 4,
            layers: 1,
            heads: 2,
            projected_length: 4,
            feed_forward: 4,
            ..Architecture::default()
        },
        schedule: training::Schedule {
            epochs: 2,
            batch_size: 32,
            ..Default::default()
        },
        ..usual::training(tokens, &made("0-cohort/cohort.csv"), out)
    }
}

#[test]
fn damaged_tokens_give_an_error_or_a_model() {
    let out = folder();
    let names = [
        "tokens.safetensors",
        "tokens.safetensors",
        "grid.json",
        "genome.json",
        "tokenizer.json",
    ];
    damage_each("tokens", &made("2-tokens"), &names, 100, |tokens, _| {
        let whole = fs::read(tokens.join("tokens.safetensors")).unwrap();
        update_digests(tokens);
        let trained = result_of(training::run(
            &training_options(tokens, out.path()),
            &mut |_| {},
        ));
        fs::write(tokens.join("tokens.safetensors"), whole).unwrap();
        trained.is_some()
    });
}

#[test]
fn a_damaged_dictionary_gives_an_error_or_haplotypes() {
    let tokens = Folder::load(&made("2-tokens")).unwrap();
    damage_each(
        "dictionary",
        &made("1-sequences"),
        &["loci.json", "pairs.csv"],
        500,
        |folder, _| {
            let Some(dictionary) = result_of(Dictionary::load(folder)) else {
                return false;
            };
            let alphabet = dictionary.alphabet();
            for locus in &dictionary.loci {
                assert!((0..locus.haplotypes.len()).all(|number| {
                    locus
                        .bases(number as u32)
                        .iter()
                        .all(|letter| alphabet.contains(letter))
                }));
                assert_eq!(locus.pairs.len(), dictionary.samples.len());
            }
            result_of(encode(&dictionary, &tokens.tokenizer, &tokens.grid)).is_some()
        },
    );
}

/// A training run that was stopped after its first epoch.
fn stopped() -> TempDir {
    let out = folder();
    let options = training_options(&made("2-tokens"), out.path());
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        training::run(&options, &mut |event| {
            if let training::Progress::Step { epoch: (2, _), .. } = event {
                std::panic::resume_unwind(Box::new("stopped"));
            }
        })
    }));
    assert!(run.is_err() && out.path().join("checkpoint.safetensors").exists());
    out
}

#[test]
fn a_damaged_checkpoint_gives_an_error_or_a_model() {
    let stopped = stopped();
    let name = "checkpoint.safetensors";
    let whole = fs::read(stopped.path().join(name)).unwrap();
    damage_each("checkpoint", stopped.path(), &[name], 100, |folder, _| {
        let options = training::Options {
            resume: training::Resume::Yes,
            ..training_options(&made("2-tokens"), folder)
        };
        let done = result_of(training::run(&options, &mut |_| {})).is_some();
        fs::write(folder.join(name), &whole).unwrap();
        done
    });
}

const SCORES: &str = "\
model,accession,name,trait_reported,genome_build,harmonised,n_variants,n_matched,match_rate,study
prs-published-A,PGS000001,A,dementia,GRCh38,true,8,6,0.75,
";

/// A folder with the files that `evaluate` reads: two tables of predictions, and the tables next to
/// them.
fn files_of_evaluate() -> TempDir {
    let from = folder();
    for (folder, name) in [("3-models/tiny", "model"), ("4-baselines", "baselines")] {
        fs::create_dir_all(from.path().join(name)).unwrap();
        for (path, bytes) in files(&made(folder)) {
            if path.extension().is_some_and(|extension| extension == "csv") {
                fs::write(from.path().join(name).join(path), bytes).unwrap();
            }
        }
    }
    for (name, source) in [
        ("cohort.csv", "0-cohort/cohort.csv"),
        ("run.json", "run.json"),
    ] {
        fs::write(from.path().join(name), fs::read(made(source)).unwrap()).unwrap();
    }
    let baselines = from.path().join("baselines");
    fs::write(baselines.join("scores.csv"), SCORES).unwrap();
    fs::write(baselines.join("apoe.csv"), "sample_id,apoe\nS1,e3/e3\n").unwrap();
    from
}

#[test]
fn damaged_predictions_give_an_error_or_a_verdict() {
    let from = files_of_evaluate();
    let names = [
        "model/predictions.csv",
        "baselines/predictions.csv",
        "model/cost.csv",
        "model/training_log.csv",
        "baselines/guards.csv",
        "baselines/scores.csv",
        "baselines/apoe.csv",
        "cohort.csv",
        "run.json",
    ];
    let out = folder();
    damage_each("predictions.csv", from.path(), &names, 60, |folder, _| {
        let options = evaluation::Options {
            predictions: vec![
                folder.join("model/predictions.csv"),
                folder.join("baselines/predictions.csv"),
            ],
            out: out.path().into(),
            cohort: Some(folder.join("cohort.csv")),
            run: Some(folder.join("run.json")),
            ..evaluation::Options::default()
        };
        let Some(summary) = result_of(evaluation::evaluate(&options)) else {
            return false;
        };
        if result_of(report::write(&options.out, &summary)).is_none() {
            return false;
        }
        for row in &summary.verdict.rows {
            assert!(
                row.auroc.is_none_or(|auroc| (0.0..=1.0).contains(&auroc)),
                "{row:?}"
            );
        }
        !summary.to_string().is_empty()
    });
}

/// Scoring files of the same variants in four formats, by name.
fn scoring_files() -> [(&'static str, String); 4] {
    let header = "##format_version=2.0\n#pgs_id=PGS000001\n#genome_build=GRCh38\n#\
                  variants_number=8\n#weight_type=beta\n";
    let mut original = format!(
        "{header}rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\
         \tallelefrequency_effect\tis_dominant\tis_recessive\n"
    );
    let mut harmonised = format!(
        "{header}#HmPOS_build=GRCh38\nrsID\teffect_allele\tother_allele\tdosage_0_weight\
         \tdosage_1_weight\tdosage_2_weight\thm_source\thm_chr\thm_pos\n"
    );
    let mut plain = "CHR BP A1 A2 OR\n".to_owned();
    let mut comma = "chrom,pos,ea,nea,beta,accession\n".to_owned();
    for (n, [contig, position, a, b]) in variants().iter().enumerate() {
        writeln!(
            original,
            "rs{n}\t{contig}\t{position}\t{b}\t{a}\t0.{n}1\t0.2\tFalse\tFalse"
        )
        .unwrap();
        writeln!(
            harmonised,
            "rs{n}\t{a}\t{b}\t0\t-0.{n}\t1e-3\tENSEMBL\t{contig}\t{position}"
        )
        .unwrap();
        writeln!(plain, "{contig} {position} {b} {a} 1.{n}").unwrap();
        let accession = n % 2;
        writeln!(comma, "{contig},{position},\"{b}\",{a},-0.{n},S{accession}").unwrap();
    }
    [
        ("original.txt", original),
        ("harmonised.txt", harmonised),
        ("plain.txt", plain),
        ("comma.csv", comma),
    ]
}

#[test]
fn damaged_scoring_files_give_an_error_or_sums() {
    let from = folder();
    let scoring_files = scoring_files();
    for (name, text) in &scoring_files {
        fs::write(from.path().join(name), text).unwrap();
    }
    let names = scoring_files.each_ref().map(|(name, _)| *name);
    let out = folder();
    damage_each("scoring file", from.path(), &names, 300, |folder, rng| {
        let damaged = names.iter().find(|name| {
            fs::read(folder.join(name)).unwrap() != fs::read(from.path().join(name)).unwrap()
        });
        let options = scoring::Options {
            vcf: genomes(),
            scoring_files: vec![folder.join(damaged.unwrap_or(&names[0]))],
            min_overlap: 0.0,
            keep_ambiguous: rng.random_bool(0.5),
            out: out.path().into(),
            matching: MatchingOptions {
                effect_allele_column: Some(EffectColumn::A1),
                mincs: 1,
                ..MatchingOptions::default()
            },
            ..scoring::Options::default()
        };
        let Some(summary) = result_of(scoring::raw_scores(&options)) else {
            return false;
        };
        assert!(!summary.to_string().is_empty());
        for row in rows(&out.path().join("raw_scores.csv")) {
            let sum = row.get("sum").or_else(|| row.get("score"));
            assert!(
                sum.is_none_or(|sum| sum.is_empty() || sum.parse::<f64>().unwrap().is_finite()),
                "{row:?}"
            );
        }
        true
    });
}

/// Contig, position, REF and ALT of the first eight records with one ALT.
fn variants() -> Vec<[String; 4]> {
    let text = gunzipped(&genomes()[0]);
    let records = text.lines().filter(|line| !line.starts_with('#'));
    records
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            [0, 1, 3, 4].map(|column| cells[column].to_owned())
        })
        .filter(|[.., alt]| !alt.contains(','))
        .take(8)
        .collect()
}

#[test]
fn damaged_kinships_give_an_error_or_pairs() {
    let from = folder();
    let samples = rows(&made("0-cohort/cohort.csv"));
    let mut text = "#FID1 IID1 FID2 IID2 NSNP HETHET IBS0 KINSHIP\n".to_owned();
    for (number, kinship) in ["0.5", "0.25", "0.12", "-0.01", "nan"].iter().enumerate() {
        let first = &samples[number]["sample_id"];
        let second = &samples[59 - number]["sample_id"];
        writeln!(text, "0 {first} 0 {second} 100 0.1 0.01 {kinship}").unwrap();
    }
    fs::write(from.path().join("kinship.kin0"), text).unwrap();
    let out = folder();
    damage_each(
        "kinship",
        from.path(),
        &["kinship.kin0"],
        20,
        |folder, _| {
            let options = baselines::Options {
                scoring: scoring::Options {
                    vcf: genomes(),
                    out: out.path().into(),
                    ..scoring::Options::default()
                },
                cohort: made("0-cohort/cohort.csv"),
                kinship: Some(folder.join("kinship.kin0")),
                l2_strengths: vec![1.0],
                l1_ratios: vec![1.0],
                p_thresholds: vec![1.0],
                ..baselines::Options::default()
            };
            result_of(baselines::run(&options)).is_some()
        },
    );
}

#[test]
fn damaged_lists_of_people_give_an_error_or_these_people() {
    let from = folder();
    let samples = rows(&made("0-cohort/cohort.csv"));
    let names: Vec<&str> = samples
        .iter()
        .take(5)
        .map(|row| row["sample_id"].as_str())
        .collect();
    fs::write(from.path().join("people.txt"), names.join("\n") + "\n").unwrap();
    damage_each(
        "samples file",
        from.path(),
        &["people.txt"],
        300,
        |folder, rng| {
            let except = if rng.random_bool(0.3) { "^" } else { "" };
            let samples_file = format!("{except}{}", folder.join("people.txt").display());
            let arguments: [OsString; 12] = [
                "gf-genomics".into(),
                "sequences".into(),
                "--vcf".into(),
                made("0-cohort/cohort.vcf.gz").into(),
                "--reference".into(),
                made("0-cohort/reference.fa").into(),
                "--regions-file".into(),
                made("0-cohort/loci.bed").into(),
                "--samples-file".into(),
                samples_file.into(),
                "-o".into(),
                folder.join("out.fa").into(),
            ];
            result_of(Cli::try_parse_from(arguments).unwrap().run()).is_some()
        },
    );
}

/// A copy of a folder of the run with a text of a file replaced where it is first.
fn changed(from: &str, name: &str, old: &str, new: &str) -> TempDir {
    let changed = folder();
    copy(&made(from), changed.path());
    let text = fs::read_to_string(changed.path().join(name)).unwrap();
    assert!(text.contains(old), "{name} has no {old}");
    fs::write(changed.path().join(name), text.replacen(old, new, 1)).unwrap();
    changed
}

/// The error of loading a bundle, within the memory that a file of its size may need.
fn bundle_refused(bundle: &Path) -> String {
    in_proportion("bundle", 10_000, || training::Bundle::load(bundle))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_model_of_more_parameters_than_its_tensors_is_refused_before_anything_is_made() {
    for (key, value) in [
        ("hidden", 4),
        ("layers", 1),
        ("feed_forward", 4),
        ("projected_length", 4),
    ] {
        let bundle = changed(
            "3-models/tiny",
            "config.json",
            &format!("\"{key}\": {value}"),
            &format!("\"{key}\": 1000000000000"),
        );
        let error = bundle_refused(bundle.path());
        assert!(error.contains("does not fit config.json"), "{error}");
    }
}

#[test]
fn tensors_of_lengths_that_the_file_does_not_have_are_refused() {
    let bundle = folder();
    copy(&made("3-models/tiny"), bundle.path());
    let large = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1000000,1000000],\
                 \"data_offsets\":[0,4000000000000]}}";
    // The number of bytes, 2^66, wraps to 0.
    let wrapping = "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\
                    \"data_offsets\":[0,0]}}";
    // Header, and its length as the first eight bytes of the file state it.
    for (header, len) in [
        ("{}", u64::MAX),
        ("{}", 99_999_999),
        (large, large.len() as u64),
        (wrapping, wrapping.len() as u64),
    ] {
        let bytes = [&len.to_le_bytes()[..], header.as_bytes()].concat();
        fs::write(bundle.path().join("model.safetensors"), &bytes).unwrap();
        let error = bundle_refused(bundle.path());
        assert!(error.contains("model.safetensors"), "{error}");
    }
}

/// An earlier version gave a row of NaN.
#[test]
fn a_model_whose_numbers_overflow_is_refused_with_the_person() {
    let bundle = folder();
    let out = folder();
    copy(&made("3-models/tiny"), bundle.path());
    let path = bundle.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
    for tensor in tensors.values_mut() {
        *tensor = tensor.ones_like().unwrap().affine(3e38, 0.0).unwrap();
    }
    candle_core::safetensors::save(&tensors, &path).unwrap();
    assert!(!scores(bundle.path(), out.path()));
    assert!(!out.path().join("risk.csv").exists());
}

/// An earlier version panicked: its message cut a digest after twelve bytes, inside of a letter.
#[test]
fn a_digest_that_is_no_digest_is_told() {
    let bundle = changed(
        "3-models/tiny",
        "config.json",
        "\"reference_sha256\": \"",
        "\"reference_sha256\": \"x\u{20ac}\u{20ac}\u{20ac}\u{20ac}",
    );
    assert!(!scores(bundle.path(), folder().path()));
}

/// An earlier version wrote such letters as bases.
#[test]
fn a_dictionary_with_other_letters_is_refused() {
    let dictionary = changed(
        "1-sequences",
        "loci.json",
        "\"encoding\":\"haplotype\"",
        "\"encoding\":\"diploid\"",
    );
    assert!(
        Dictionary::load(dictionary.path())
            .unwrap_err()
            .to_string()
            .contains("letters that sequences cannot have")
    );
}

/// An earlier version gave two scores one name.
#[test]
fn saved_baselines_of_one_name_are_refused() {
    let baselines = changed(
        "4-baselines",
        "prs_model.json",
        "\"prs-dosages\"",
        "\"prs-covariates\"",
    );
    assert!(
        PrsModel::load(&baselines.path().join("prs_model.json"))
            .unwrap_err()
            .to_string()
            .contains("named `prs-covariates`")
    );
}
