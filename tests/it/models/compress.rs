//! Low-rank compression: the rule for ranks against published counts, and the stage on a trained
//! model.

use std::{fs, path::Path};

use candle_core::Tensor;
use gf_cohort_schema::{PhenotypeCoding, read_costs, read_predictions};
use gf_genomics::{
    compress::{self, FineTuning, OnCohort, Options, Solver, Summary},
    training::{self, Bundle, Progress, Weights},
};
use gf_nn::Rank;

use crate::support::cohort::SmallCohort;
use crate::support::{refuse, run, stderr, succeed};

/// A published model: its values in all, the linear layers (in, out) of each of its 12 blocks, and
/// those beside the blocks.
struct Published {
    parameters: usize,
    block: &'static [(usize, usize)],
    beside: &'static [(usize, usize)],
}

/// BERT-base, uncased: query, key, value, output, feed-forward; the pooler.
const BERT: Published = Published {
    parameters: 109_482_240,
    block: &[
        (768, 768),
        (768, 768),
        (768, 768),
        (768, 768),
        (768, 3072),
        (3072, 768),
    ],
    beside: &[(768, 768)],
};

/// GPT-2, small: query, key and value in one, output, feed-forward; no layer beside the blocks, as
/// its head is the embedding.
const GPT_2: Published = Published {
    parameters: 124_439_808,
    block: &[(768, 2304), (768, 768), (768, 3072), (3072, 768)],
    beside: &[],
};

impl Published {
    /// Values with the linear layers of the last `blocks` blocks, and those beside them, at `rank`.
    fn at(&self, rank: f64, blocks: usize) -> usize {
        let rank = Rank::from(rank);
        let saved = |&(n_in, n_out): &(usize, usize)| {
            rank.of_layer(n_in, n_out)
                .map_or(0, |rank| n_in * n_out - rank * (n_in + n_out))
        };
        let of = |layers: &[(usize, usize)]| layers.iter().map(saved).sum::<usize>();
        self.parameters - blocks * of(self.block) - of(self.beside)
    }
}

#[test]
fn bert_and_gpt_2_have_the_published_numbers_of_parameters() {
    assert_eq!(BERT.at(1e9, 12), 109_482_240);
    assert_eq!(BERT.at(256.0, 12), 66_818_304);
    assert_eq!(BERT.at(0.4, 12), 58_052_352);
    assert_eq!(BERT.at(0.2, 6), 74_965_248);
    assert_eq!(GPT_2.at(1e9, 12), 124_439_808);
    assert_eq!(GPT_2.at(256.0, 12), 77_253_888);
    assert_eq!(GPT_2.at(0.4, 12), 73_383_168);
    assert_eq!(GPT_2.at(0.2, 6), 90_414_336);
}

#[test]
fn a_layer_is_left_alone_when_factors_would_not_be_smaller() {
    // The limit of a (8, 8) layer is 4, that of a (7, 9) layer 3.9375, which counts as 3.
    let ranks = |n_in, n_out| {
        [1.0, 2.0, 3.0, 4.0, 5.0, 0.2, 0.5, 0.99].map(|rank| Rank::from(rank).of_layer(n_in, n_out))
    };
    assert_eq!(
        ranks(8, 8),
        [
            Some(1),
            Some(2),
            Some(3),
            None,
            None,
            None,
            Some(2),
            Some(3)
        ]
    );
    assert_eq!(
        ranks(7, 9),
        [Some(1), Some(2), None, None, None, None, Some(1), Some(2)]
    );
}

/// A cohort with a dense model, trained for a little, in `dense`.
fn with_dense_model() -> SmallCohort {
    let cohort = SmallCohort::new();
    training::run(&cohort.training_options(&cohort.path("dense")), &mut |_| {}).unwrap();
    cohort
}

fn options(cohort: &SmallCohort, rank: Rank, solver: Solver, out: &str) -> Options {
    Options {
        model: cohort.path("dense"),
        rank,
        solver,
        name: None,
        seed: 1,
        cohort: Some(OnCohort {
            tokens: cohort.path("tokens"),
            cohort: cohort.path("cohort.csv"),
            phenotype_coding: PhenotypeCoding::Auto,
            fine_tuning: None,
        }),
        out: cohort.path(out),
    }
}

fn weights(folder: &Path) -> Weights {
    Bundle::load(folder).unwrap().members.remove(0)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_compressed_model_is_a_model() {
    let cohort = with_dense_model();
    let dense = weights(&cohort.path("dense"));
    for solver in [Solver::Svd, Solver::Snmf, Solver::Random] {
        let out = format!("small-{solver}");
        let Summary { n_layers, models } = compress::run(
            &options(&cohort, Rank::Absolute(4), solver, &out),
            &mut |_| {},
        )
        .unwrap();
        // Query, key, value and output, expand and contract: each 32 x 32 becomes 2 x 4 x 32.
        assert_eq!(n_layers, 6);
        assert_eq!(
            models[0].parameters - models[1].parameters,
            6 * (1_024 - 256)
        );
        assert!(models[1].bytes < models[0].bytes);
        assert_eq!(models[1].name, format!("linformer-{solver}"));
        assert!(models.iter().all(|model| model.milliseconds > 0.0
            && model.validation_auroc.is_some()
            && model.test_auroc.is_some()));

        let out = cohort.path(&out);
        assert_eq!(
            Bundle::load(&out).unwrap().config.model.architecture.rank,
            Some(Rank::Absolute(4))
        );
        let small = weights(&out);
        let same: Vec<&String> = dense
            .keys()
            .filter(|name| small.contains_key(*name))
            .collect();
        assert_eq!(same.len(), dense.len() - 6);
        assert!(same.iter().any(|name| name.ends_with("_bias")));
        for name in same {
            assert_eq!(values(&small[name]), values(&dense[name]), "{name}");
        }
        if solver == Solver::Snmf {
            let second: Vec<&Tensor> = small
                .iter()
                .filter(|(name, _)| name.ends_with(".expand"))
                .map(|(_, tensor)| tensor)
                .collect();
            assert_eq!(second.len(), 6);
            assert!(
                second
                    .into_iter()
                    .flat_map(values)
                    .all(|value| value >= 0.0)
            );
        }
        let predictions = read_predictions(&out.join("predictions.csv")).unwrap();
        assert!(
            predictions.len() == 120 && predictions.iter().all(|row| row.model == models[1].name)
        );
        let costs = read_costs(&out.join("cost.csv")).unwrap();
        assert_eq!(
            (costs[0].model.as_str(), costs[0].parameters),
            (models[1].name.as_str(), models[1].parameters)
        );
    }
}

#[test]
fn the_nearest_factors_stay_nearest_to_the_dense_models_logits() {
    let cohort = with_dense_model();
    let logits = |folder: &str| -> Vec<f64> {
        read_predictions(&cohort.path(folder).join("predictions.csv"))
            .unwrap()
            .iter()
            .map(|row| row.logit)
            .collect()
    };
    let dense = logits("dense");
    let off = |rank, solver| {
        let out = format!("{solver}-{}", f64::from(rank));
        compress::run(&options(&cohort, rank, solver, &out), &mut |_| {}).unwrap();
        logits(&out)
            .iter()
            .zip(&dense)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
    };
    let nearly_all = off(Rank::Absolute(15), Solver::Svd);
    let few = off(Rank::Absolute(1), Solver::Svd);
    let new = off(Rank::Absolute(15), Solver::Random);
    assert!(
        nearly_all < few && nearly_all < new,
        "{nearly_all} {few} {new}"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let cohort = with_dense_model();
    for solver in [Solver::Svd, Solver::Snmf, Solver::Random] {
        let bytes = |n_threads: usize, seed| {
            let options = Options {
                seed,
                ..options(
                    &cohort,
                    Rank::Share(0.5),
                    solver,
                    &format!("{solver}-{n_threads}-{seed}"),
                )
            };
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            pool.install(|| compress::run(&options, &mut |_| {}))
                .unwrap();
            fs::read(options.out.join("model.safetensors")).unwrap()
        };
        assert!(
            bytes(1, 1) == bytes(2, 1),
            "{solver}: two threads, other bytes"
        );
        assert_eq!(
            bytes(2, 1) == bytes(2, 2),
            solver != Solver::Random,
            "{solver}: another seed"
        );
    }
}

#[test]
fn fine_tuning_goes_on_from_the_factors() {
    let cohort = with_dense_model();
    let mut options = options(&cohort, Rank::Absolute(4), Solver::Svd, "tuned");
    let Some(on_cohort) = &mut options.cohort else {
        panic!()
    };
    on_cohort.fine_tuning = Some(FineTuning {
        epochs: 2,
        learning_rate: 1e-6,
    });
    let mut losses = Vec::new();
    let mut listen = |event: Progress<'_>| {
        if let Progress::Epoch(log) = event {
            losses.push(log.train_loss);
        }
    };
    let models = compress::run(&options, &mut listen).unwrap().models;
    assert_eq!(losses.len(), 2);
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "linformer",
            "linformer-svd, not fine-tuned",
            "linformer-svd"
        ]
    );
    assert_eq!(
        (models[1].parameters, models[1].bytes),
        (models[2].parameters, models[2].bytes)
    );
    // At such a rate nothing moves far from the factors.
    let factors = cohort.path("factors");
    compress::run(
        &Options {
            cohort: None,
            out: factors.clone(),
            ..options.clone()
        },
        &mut |_| {},
    )
    .unwrap();
    let tuned = weights(&options.out);
    let factors = weights(&factors);
    assert!(tuned.keys().eq(factors.keys()));
    let off = |name: &String| {
        values(&tuned[name])
            .iter()
            .zip(values(&factors[name]))
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    };
    let furthest = tuned.keys().map(off).fold(0.0, f32::max);
    assert!(furthest > 0.0 && furthest < 1e-4, "{furthest}");
    assert!(
        read_predictions(&options.out.join("predictions.csv"))
            .unwrap()
            .iter()
            .all(|row| row.model == "linformer-svd")
    );
}

#[test]
fn the_command_prints_both_models() {
    let cohort = with_dense_model();
    let table = succeed(
        &cohort.path(""),
        "compress dense --rank 0.5 --tokens tokens --cohort cohort.csv --name half --out half",
    );
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["6", "layers", "in", "two", "factors"]);
    assert!(
        lines[2]
            .join(" ")
            .ends_with("parameters bytes ms per haplotype AUC validation AUC test"),
        "{table}"
    );
    assert_eq!((lines[3][0], lines[4][0]), ("linformer", "half"), "{table}");
    let number = |line: usize, column: usize| lines[line][column].parse::<f64>().unwrap();
    assert!(
        number(4, 1) < number(3, 1) && number(4, 2) < number(3, 2),
        "{table}"
    );
    // Without a cohort there is no AUC.
    let table = succeed(
        &cohort.path(""),
        "compress dense --rank 4 --solver random --out new",
    );
    assert!(
        table.lines().last().unwrap().ends_with("-         -"),
        "{table}"
    );
}

#[test]
fn each_member_is_compressed_and_nobody_is_predicted_by_a_member_that_has_seen_them() {
    let cohort = SmallCohort::new();
    let folder = cohort.path("");
    let train = "train --additive none --tokens tokens --cohort cohort.csv --epochs 2 --hidden 8 \
                 --layers 1 --folds 3 --ensemble 2";
    succeed(&folder, &format!("{train} --out dense"));
    let compress = "compress dense --rank 2 --tokens tokens --cohort cohort.csv";
    let table = succeed(&folder, &format!("{compress} --out small"));
    let dense = Bundle::load(&cohort.path("dense")).unwrap();
    let small = Bundle::load(&cohort.path("small")).unwrap();
    assert_eq!(
        (small.members.len(), &small.config.members),
        (6, &dense.config.members)
    );
    let parameters: u64 = table
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        parameters,
        6 * small.config.model.cost().unwrap().parameters
    );
    let rows =
        |folder: &str| read_predictions(&cohort.path(folder).join("predictions.csv")).unwrap();
    for (before, after) in rows("dense").iter().zip(rows("small")) {
        assert_eq!(
            (&before.sample_id, before.fold),
            (&after.sample_id, after.fold)
        );
    }
    // The nearest factors of nearly full rank: everyone is predicted as by the members of their
    // fold, which a mean over all would not give.
    succeed(
        &folder,
        &compress
            .replace("--rank 2", "--rank 3")
            .replace("dense", "dense --out near"),
    );
    let distance = |folder: &str| {
        rows("dense")
            .iter()
            .zip(rows(folder))
            .map(|(a, b)| (a.logit - b.logit).powi(2))
            .sum::<f64>()
    };
    assert!(
        distance("near") < distance("small"),
        "{} {}",
        distance("near"),
        distance("small")
    );

    // Trained further, each starts from its own factors, on the people of its own folds.
    succeed(
        &folder,
        &format!("{compress} --fine-tune-epochs 1 --learning-rate 1e-9 --out tuned"),
    );
    let tuned = Bundle::load(&cohort.path("tuned")).unwrap();
    for (tuned, small) in tuned.members.iter().zip(&small.members) {
        for (name, tensor) in small {
            let off = values(tensor)
                .iter()
                .zip(values(&tuned[name]))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(off < 1e-6, "{name} is off by {off}");
        }
    }
    for (before, after) in rows("dense").iter().zip(rows("tuned")) {
        assert_eq!(
            (&before.sample_id, before.fold),
            (&after.sample_id, after.fold)
        );
    }
}

#[test]
fn train_tells_the_cost_before_it_starts() {
    let cohort = SmallCohort::new();
    let arguments = "train --additive none --tokens tokens --cohort cohort.csv --out model \
                     --epochs 1 --report-cost --preset ecoformer";
    let text = stderr(&run(&cohort.path(""), arguments));
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("Cost of one sequence (") && lines[2].ends_with("energy (pJ)   bytes"),
        "{text}"
    );
    assert!(
        lines[3].starts_with("ecoformer ") && lines[4].starts_with("transformer of this size "),
        "{text}"
    );
    let told: Vec<&str> = lines[3].split_whitespace().collect();
    let written = &read_costs(&cohort.path("model/cost.csv")).unwrap()[0];
    assert_eq!(
        told[1..4],
        [
            written.parameters,
            written.multiplications,
            written.additions
        ]
        .map(|count| count.to_string())
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cohort = with_dense_model();
    let folder = cohort.path("");
    let refuse = |arguments: &str, expected: &str| {
        refuse(&folder, &format!("compress {arguments}"), &[expected]);
    };
    refuse(
        "dense --rank 0 --out new",
        "must be a share between 0 and 1, or a whole number",
    );
    refuse(
        "dense --rank 1.5 --out new",
        "must be a share between 0 and 1, or a whole number",
    );
    refuse(
        "dense --rank 16 --out new",
        "dense: rank 16 makes no layer of this model smaller",
    );
    refuse(
        "dense --rank 0.01 --out new",
        "dense: rank 0.01 makes no layer of this model smaller",
    );
    refuse(
        "dense --rank 4 --out ./dense",
        "this is the model itself; choose another folder",
    );
    refuse("nothing --rank 4 --out new", "nothing/config.json");
    succeed(&folder, "compress dense --rank 4 --out small");
    refuse(
        "small --rank 2 --out smaller",
        "small: this model has low-rank layers already (rank 4)",
    );
    succeed(
        &folder,
        "train --additive none --tokens tokens --cohort cohort.csv --out two --epochs 1 --folds 3 \
         --hidden 8 --layers 1",
    );
    fs::remove_file(cohort.path("two/predictions.csv")).unwrap();
    refuse(
        "two --rank 2 --tokens tokens --cohort cohort.csv --out new",
        "two/predictions.csv: No such file",
    );
    // Tokens of another vocabulary.
    let tokenize = "tokenize --vcf cohort.vcf.gz --reference reference.fa --regions-file loci.bed \
                    --cohort cohort.csv --vocab-size 64";
    succeed(&folder, &format!("{tokenize} --out other"));
    refuse(
        "dense --rank 4 --tokens other --cohort cohort.csv --out new",
        "other: tokens of another tokenizer or slot grid",
    );
}
