//! Damaged files that come from elsewhere: models, tokens, sequences, scoring files, tables,
//! pipelines. Each gives an error or a valid result, never a panic, and never needs more memory
//! than a file of its size can need.
//!
//! Only the readers run here, so that a million cases of each are possible; `fuzz_folders.rs` runs
//! whole commands on fewer cases. The files are those of the first release (`fixtures/releases`),
//! and small ones written here.

use std::{fs, path::Path};

use crate::damage::{damage, folder, for_each_case};
use crate::support::{complete_release_tokens, copy_release};
use gf_cohort_schema::{
    Characteristics, Cohort, CovariateChoice, PhenotypeCoding, Split, read_apoe, read_costs,
    read_guards, read_predictions, read_scores, read_training_log,
};
use gf_genomics::{
    baselines::PrsModel,
    pipeline, scoring,
    tokens::{self, Folder},
    training::Bundle,
};
use gf_haplotypes::Dictionary;

/// A copy of the files of the first release.
fn release() -> tempfile::TempDir {
    let folder = folder();
    copy_release("0.1.0", folder.path());
    complete_release_tokens(folder.path());
    folder
}

/// Damages `path` in each case and reads it with `read`, whose error must have a message.
fn damaged(
    name: &'static str,
    default: u64,
    path: &Path,
    read: impl Fn() -> Result<(), String> + Sync,
) {
    let whole = fs::read(path).unwrap();
    assert_eq!(read(), Ok(()), "{name} as it is");
    let mut n = 0_u64;
    let mut n_read = 0_u64;
    for_each_case(name, default, |rng, input| {
        input.extend_from_slice(&whole);
        damage(rng, input);
        fs::write(path, &input).unwrap();
        n += 1;
        // On a new thread, because the `tokenizers` crate has a cache per thread, with an entry for
        // each tokenizer that was ever read on it.
        let result = std::thread::scope(|scope| scope.spawn(&read).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match result {
            Ok(()) => n_read += 1,
            Err(message) => assert!(
                !message.is_empty() && message.len() < 100_000,
                "{name}: {message}"
            ),
        }
    });
    fs::write(path, whole).unwrap();
    if n > 0 {
        eprintln!("{name}: {n} cases, {n_read} of them were still read");
    }
}

/// The message of an error.
fn message_of<T>(result: Result<T, impl std::fmt::Display>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_damaged_model_is_refused_or_can_be_used() {
    let folder = release();
    let bundle = folder.path().join("model");
    for (name, default) in [
        ("model.safetensors", 300),
        ("config.json", 1_000),
        ("grid.json", 300),
    ] {
        damaged(name, default, &bundle.join(name), || read_bundle(&bundle));
    }
}

/// Loads a bundle and makes its models.
fn read_bundle(folder: &Path) -> Result<(), String> {
    let bundle = Bundle::load(folder).map_err(|error| error.to_string())?;
    let mut models = bundle.models(&candle_core::Device::Cpu);
    message_of(models.try_for_each(|model| model.map(drop)))
}

#[test]
fn damaged_scores_tokens_and_sequences_are_refused_or_sound() {
    let folder = release();
    let prs_model = folder.path().join("prs/prs_model.json");
    damaged("prs_model.json", 1_000, &prs_model, || {
        message_of(PrsModel::load(&prs_model))
    });
    let tokens = folder.path().join("tokens");
    for name in ["tokens.safetensors", "genome.json"] {
        damaged(name, 300, &tokens.join(name), || {
            message_of(Folder::load(&tokens))
        });
    }
    let sequences = folder.path().join("sequences");
    for name in ["loci.json", "pairs.csv"] {
        damaged(name, 1_000, &sequences.join(name), || {
            read_dictionary(&sequences)
        });
    }
}

/// Loads a dictionary and makes the bases of its haplotypes.
fn read_dictionary(folder: &Path) -> Result<(), String> {
    let dictionary = Dictionary::load(folder).map_err(|error| error.to_string())?;
    let locus = &dictionary.loci[0];
    for number in 0..locus.haplotypes.len() {
        drop(locus.bases(number as u32));
    }
    Ok(())
}

/// Two blocks of different samples at the same loci, of which the second is damaged.
#[test]
fn damaged_blocks_are_refused_or_merged() {
    let folder = release();
    let more = folder.path().join("more");
    let sequences = folder.path().join("sequences");
    let mut dictionary = Dictionary::load(&sequences).unwrap();
    for sample in &mut dictionary.samples {
        sample.push('b');
    }
    dictionary.save(&more).unwrap();
    let shards = [&sequences, &more].map(|folder| sequence_shard(folder, &dictionary));
    let merged = folder.path().join("merged");
    for (name, file) in [
        ("block-loci.json", "loci.json"),
        ("block-pairs.csv", "pairs.csv"),
        ("block-skips.csv", "skips.csv"),
    ] {
        damaged(name, 300, &more.join(file), || {
            let (files, _) =
                gf_haplotypes::merge(&shards, &merged).map_err(|error| error.to_string())?;
            files.save().unwrap();
            Dictionary::load(&merged).unwrap();
            Ok(())
        });
    }
}

/// A block of sequences without skips.
fn sequence_shard(folder: &Path, dictionary: &Dictionary) -> gf_haplotypes::Shard {
    fs::write(
        folder.join("skips.csv"),
        "sample_id,haplotype,locus,contig,position,reason\n",
    )
    .unwrap();
    let loci = dictionary.loci.iter();
    gf_haplotypes::Shard {
        folder: folder.into(),
        summary: gf_haplotypes::Summary {
            n_distinct_haplotypes: loci
                .map(|locus| (locus.locus.name.clone(), locus.haplotypes.len()))
                .collect(),
            ..gf_haplotypes::Summary::default()
        },
    }
}

/// Two blocks of different loci of the same samples, of which the second is damaged.
#[test]
fn damaged_blocks_of_tokens_are_refused_or_merged() {
    let folder = release();
    let more = folder.path().join("more");
    let mut tokens = Folder::load(&folder.path().join("tokens")).unwrap();
    for locus in &mut tokens.grid.loci {
        locus.name.push('b');
    }
    for locus in &mut tokens.tokens.loci {
        locus.name.push('b');
    }
    for locus in &mut tokens.genome.loci {
        locus.locus.name.push('b');
    }
    tokens.save(&more).unwrap();
    let shards = ["tokens", "more"].map(|name| tokens::Shard {
        folder: folder.path().join(name),
        summary: tokens::Summary::default(),
    });
    let merged = folder.path().join("merged");
    for (name, file) in [
        ("block-tokens.safetensors", "tokens.safetensors"),
        ("block-genome.json", "genome.json"),
    ] {
        damaged(name, 100, &more.join(file), || {
            tokens::merge(&shards, &merged).map_err(|error| error.to_string())?;
            Folder::load(&merged).unwrap();
            Ok(())
        });
    }
}

const SCORING_FILE: &str = "##POLYGENIC SCORE (PGS) \
                            INFORMATION\n#pgs_id=PGS000000\n#genome_build=GRCh38\n#\
                            variants_number=4\n#weight_type=beta\nrsID\tchr_name\tchr_position\
                            \teffect_allele\tother_allele\teffect_weight\tis_dominant\
                            \tallelefrequency_effect\thm_chr\thm_pos\nrs1\tsimulated\tP1\tG\tA\t0.\
                            5\tFalse\t0.2\tsimulated\tP1\nrs2\tsimulated\tP2\tC\tT\t-1e-3\tTrue\t\
                            \tsimulated\tP2\nrs3\tsimulated\tP3\tHLA-A\t\t0.25\tFalse\t\tsimulated\
                            \tP3\nrs4\tsimulated\t7\tA\tACG\t0.125\tFalse\tNA\tsimulated\t\n";

#[test]
fn a_damaged_scoring_file_is_refused_or_scores_everyone() {
    let folder = release();
    let vcf = fs::read_to_string(folder.path().join("people.vcf")).unwrap();
    let records = vcf.lines().filter(|line| !line.starts_with('#'));
    let mut text = SCORING_FILE.to_owned();
    for (name, record) in ["P1", "P2", "P3"].iter().zip(records) {
        let position = record.split('\t').nth(1).unwrap();
        text = text.replace(name, position);
    }
    let path = folder.path().join("score.txt");
    fs::write(&path, text).unwrap();
    let options = scoring::Options {
        vcf: vec![folder.path().join("people.vcf")],
        scoring_files: vec![path.clone()],
        min_overlap: 0.0,
        out: folder.path().join("scores"),
        ..scoring::Options::default()
    };
    // None of its rows need match.
    damaged("scoring file", 500, &path, || {
        match scoring::raw_scores(&options) {
            Ok(summary) => {
                assert_eq!(summary.n_people, 8);
                Ok(())
            }
            Err(scoring::Error::Overlap { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    });
}

#[test]
fn damaged_tables_are_refused_or_read() {
    let folder = folder();
    let tables: [(&'static str, &str); 7] = [
        (
            "predictions.csv",
            "sample_id,model,split,fold,phenotype,logit,probability\nA,m,train,1,case,0.5,0.\
             622459331\nB,m,test,,control,-2,0.119202922\nC,prs-x,test,,,1e-3,0.5\n",
        ),
        (
            "cost.csv",
            "model,parameters,multiplications,additions,energy_pj,bytes\nm,1000,2000,3000,1.5,\
             4000\n",
        ),
        (
            "training_log.csv",
            "member,epoch,train_loss,validation_auroc,validation_loss,learning_rate,seconds,\
             people_per_second\n1,1,0.69,0.5,0.7,1e-3,1.5,800\n1,2,0.6,0.7,0.65,0,1.5,810\n",
        ),
        (
            "scores.csv",
            "model,accession,name,trait_reported,genome_build,harmonised,n_variants,n_matched,\
             match_rate,study\nprs-x,PGS1,x,AD,GRCh38,true,100,93,0.93,\n",
        ),
        (
            "guards.csv",
            "guard,verdict,subject,finding\nkinship,pass,cohort,\"0 pairs, of 10\"\n",
        ),
        ("apoe.csv", "sample_id,apoe\nA,e3/e4\nB,\n"),
        (
            "characteristics.csv",
            "sample_id,sex,ancestry\nA,female,EUR\nB,male,\n",
        ),
    ];
    for (name, text) in tables {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        damaged(name, 2_000, &path, || match name {
            "predictions.csv" => message_of(read_predictions(&path)),
            "cost.csv" => message_of(read_costs(&path)),
            "training_log.csv" => message_of(read_training_log(&path)),
            "scores.csv" => message_of(read_scores(&path)),
            "guards.csv" => message_of(read_guards(&path)),
            "apoe.csv" => message_of(read_apoe(&path)),
            _ => message_of(Characteristics::read(&path)),
        });
    }
    // With covariates, as `score` reads them.
    let path = folder.path().join("people.csv");
    fs::write(&path, "sample_id,age,sex\nA,70,1\nB,81.5,0\n").unwrap();
    damaged("people.csv", 2_000, &path, || {
        message_of(Cohort::read_covariates(
            &path,
            &[("age".into(), 70.0), ("sex".into(), 0.5)],
            &gf_cohort_schema::MissingPolicies::strict(),
        ))
    });
    let path = folder.path().join("cohort.csv");
    fs::write(
        &path,
        "sample_id,phenotype,split,family_id\nA,2,train,F\nB,1,test,\nC,-9,validation,\n",
    )
    .unwrap();
    damaged("cohort of PLINK", 2_000, &path, || {
        let cohort = Cohort::read(&path, PhenotypeCoding::Plink12, &CovariateChoice::Usual)
            .map_err(|error| error.to_string())?;
        assert!(
            cohort
                .in_split(Split::Train)
                .all(|(index, _)| index < cohort.people.len())
        );
        Ok(())
    });
}

const PIPELINE: &str = "seed = 3\n\n[simulate]\npeople = 150\nlen_nt = 4000\nrisk = \
                        \"additive\"\nauc = 0.72\nsplit = [0.6, 0.2, 0.2]\n\n[sequences]\nmissing \
                        = \"ref\"\n\n[tokens]\nvocab_size = \"saturate\"\nsegment_length = \
                        128\n\n[[models]]\nadditive = 'none'\nname = \
                        \"tiny\"\n[models.architecture]\npreset = \"linformer\"\nhidden = \
                        8\nheads = 2\n[models.schedule]\nepochs = 2\nlearning_rate = \
                        1e-3\n\n[[models]]\nadditive = 'none'\n[models.architecture]\npreset = \
                        \"ecoformer\"\n\n[report]\nbootstrap = 200\nprevalence = 0.05\n";

/// A dry run, so that nothing is written at the paths of a damaged file.
#[test]
fn a_damaged_pipeline_is_refused_or_understood() {
    let folder = folder();
    let path = folder.path().join("p.toml");
    fs::write(&path, PIPELINE).unwrap();
    let options = pipeline::Options {
        pipeline: path.clone(),
        out: Some(folder.path().join("out")),
        dry_run: true,
        ..Default::default()
    };
    damaged("pipeline TOML", 1_000, &path, || {
        pipeline::run(&options).map_err(|error| format!("{error:#}"))
    });
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "a dry run wrote something"
    );
}
