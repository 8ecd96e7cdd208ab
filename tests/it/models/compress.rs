//! Low-rank compression: the rule for ranks against published counts, and the stage on a trained
//! model.

use std::{fs, path::Path};

use candle_core::Tensor;
use gf_cohort_schema::{PhenotypeCoding, Prediction, read_costs, read_predictions};
use gf_genomics::{
    compress::{self, FineTuning, OnCohort, Options, Solver, Summary},
    training::{self, Bundle, Progress, Weights},
};
use gf_nn::Rank;

use crate::support::{cohort::SmallCohort, on_threads, refuse, run, stderr, succeed, values};

/// A published model of 12 blocks.
struct Published {
    parameters: usize,
    /// (inputs, outputs) of the linear layers of one block.
    layers_of_block: &'static [(usize, usize)],
    /// (inputs, outputs) of the other linear layers.
    other_layers: &'static [(usize, usize)],
}

/// BERT-base, uncased: query, key, value, output, feed-forward; the pooler.
const BERT: Published = Published {
    parameters: 109_482_240,
    layers_of_block: &[
        (768, 768),
        (768, 768),
        (768, 768),
        (768, 768),
        (768, 3072),
        (3072, 768),
    ],
    other_layers: &[(768, 768)],
};

/// GPT-2, small: query, key and value in one, output, feed-forward. It has no other layer, because
/// its head is the embedding.
const GPT_2: Published = Published {
    parameters: 124_439_808,
    layers_of_block: &[(768, 2304), (768, 768), (768, 3072), (3072, 768)],
    other_layers: &[],
};

impl Published {
    /// Parameters with the linear layers of the last `n_blocks` blocks, and the other layers, at
    /// `rank`.
    fn parameters_at(&self, rank: f64, n_blocks: usize) -> usize {
        self.parameters
            - n_blocks * saved_parameters(self.layers_of_block, rank)
            - saved_parameters(self.other_layers, rank)
    }
}

/// Parameters that factors of rank r save: a layer has `n_in * n_out`, its
/// factors have `r * (n_in + n_out)`.
fn saved_parameters(layers: &[(usize, usize)], rank: f64) -> usize {
    let rank = Rank::from(rank);
    let mut saved = 0;
    for &(n_in, n_out) in layers {
        if let Some(rank) = rank.of_layer(n_in, n_out) {
            saved += n_in * n_out - rank * (n_in + n_out);
        }
    }
    saved
}

#[test]
fn bert_and_gpt_2_have_the_published_numbers_of_parameters() {
    for (rank, n_blocks, bert, gpt_2) in [
        (1e9, 12, 109_482_240, 124_439_808),
        (256.0, 12, 66_818_304, 77_253_888),
        (0.4, 12, 58_052_352, 73_383_168),
        (0.2, 6, 74_965_248, 90_414_336),
    ] {
        assert_eq!(BERT.parameters_at(rank, n_blocks), bert);
        assert_eq!(GPT_2.parameters_at(rank, n_blocks), gpt_2);
    }
}

#[test]
fn a_layer_is_left_alone_when_factors_would_not_be_smaller() {
    // The limit of a (8, 8) layer is 4, that of a (7, 9) layer 3.9375, which counts as 3.
    for (rank, of_8_8, of_7_9) in [
        (1.0, Some(1), Some(1)),
        (2.0, Some(2), Some(2)),
        (3.0, Some(3), None),
        (4.0, None, None),
        (5.0, None, None),
        (0.2, None, None),
        (0.5, Some(2), Some(1)),
        (0.99, Some(3), Some(2)),
    ] {
        assert_eq!(Rank::from(rank).of_layer(8, 8), of_8_8, "{rank}");
        assert_eq!(Rank::from(rank).of_layer(7, 9), of_7_9, "{rank}");
    }
}

/// A cohort with a dense model, trained for a few epochs, in `dense`.
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

/// Largest difference between two tensors of one size.
fn largest_difference(first: &Tensor, second: &Tensor) -> f32 {
    values(first)
        .iter()
        .zip(values(second))
        .map(|(first, second)| (first - second).abs())
        .fold(0.0, f32::max)
}

/// `predictions.csv` of a model of the cohort.
fn predictions(cohort: &SmallCohort, model: &str) -> Vec<Prediction> {
    read_predictions(&cohort.path(model).join("predictions.csv")).unwrap()
}

/// Sum over samples of the squared difference of two models' logits.
fn squared_distance(first: &[Prediction], second: &[Prediction]) -> f64 {
    first
        .iter()
        .zip(second)
        .map(|(first, second)| (first.logit - second.logit).powi(2))
        .sum()
}

#[test]
fn a_compressed_model_is_a_model() {
    let cohort = with_dense_model();
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
        assert_weights_are_factorised(&cohort, &out, solver);
        let predictions = predictions(&cohort, &out);
        assert!(
            predictions.len() == 120 && predictions.iter().all(|row| row.model == models[1].name)
        );
        let costs = read_costs(&cohort.path(&out).join("cost.csv")).unwrap();
        assert_eq!(costs[0].model, models[1].name);
        assert_eq!(costs[0].parameters, models[1].parameters);
    }
}

/// Six matrices are factors of rank 4; all other weights are those of the dense model. SNMF has
/// second factors without a negative value.
fn assert_weights_are_factorised(cohort: &SmallCohort, out: &str, solver: Solver) {
    let out = cohort.path(out);
    assert_eq!(
        Bundle::load(&out).unwrap().config.model.architecture.rank,
        Some(Rank::Absolute(4))
    );
    let dense = weights(&cohort.path("dense"));
    let small = weights(&out);
    let unchanged: Vec<&String> = dense
        .keys()
        .filter(|name| small.contains_key(*name))
        .collect();
    assert_eq!(unchanged.len(), dense.len() - 6);
    assert!(unchanged.iter().any(|name| name.ends_with("_bias")));
    for name in unchanged {
        assert_eq!(values(&small[name]), values(&dense[name]), "{name}");
    }
    if solver == Solver::Snmf {
        let mut n_second_factors = 0;
        for (name, tensor) in &small {
            if name.ends_with(".expand") {
                n_second_factors += 1;
                assert!(values(tensor).iter().all(|value| *value >= 0.0), "{name}");
            }
        }
        assert_eq!(n_second_factors, 6);
    }
}

#[test]
fn the_nearest_factors_stay_nearest_to_the_dense_models_logits() {
    let cohort = with_dense_model();
    let dense = predictions(&cohort, "dense");
    let [nearly_full, low, random] = [
        (Rank::Absolute(15), Solver::Svd),
        (Rank::Absolute(1), Solver::Svd),
        (Rank::Absolute(15), Solver::Random),
    ]
    .map(|(rank, solver)| {
        let out = format!("{solver}-{}", f64::from(rank));
        compress::run(&options(&cohort, rank, solver, &out), &mut |_| {}).unwrap();
        squared_distance(&predictions(&cohort, &out), &dense)
    });
    assert!(
        nearly_full < low && nearly_full < random,
        "{nearly_full} {low} {random}"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let cohort = with_dense_model();
    for solver in [Solver::Svd, Solver::Snmf, Solver::Random] {
        let [one_thread, two_threads, other_seed] = [(1, 1), (2, 1), (2, 2)]
            .map(|(n_threads, seed)| compressed_bytes(&cohort, solver, n_threads, seed));
        assert!(
            one_thread == two_threads,
            "{solver}: two threads, other bytes"
        );
        assert_eq!(
            two_threads == other_seed,
            solver != Solver::Random,
            "{solver}: another seed"
        );
    }
}

/// `model.safetensors` of the dense model at half of the largest rank.
fn compressed_bytes(cohort: &SmallCohort, solver: Solver, n_threads: usize, seed: u64) -> Vec<u8> {
    let out = format!("{solver}-{n_threads}-{seed}");
    let options = Options {
        seed,
        ..options(cohort, Rank::Share(0.5), solver, &out)
    };
    on_threads(n_threads, || compress::run(&options, &mut |_| {})).unwrap();
    fs::read(options.out.join("model.safetensors")).unwrap()
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
    assert_eq!(models[1].parameters, models[2].parameters);
    assert_eq!(models[1].bytes, models[2].bytes);
    // With such a learning rate no weight moves far from the factors.
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
    let furthest = tuned
        .iter()
        .map(|(name, tensor)| largest_difference(tensor, &factors[name]))
        .fold(0.0, f32::max);
    assert!(furthest > 0.0 && furthest < 1e-4, "{furthest}");
    assert!(
        predictions(&cohort, "tuned")
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
    assert_eq!(
        lines[0],
        ["6", "layers", "replaced", "by", "two", "factors", "each"]
    );
    assert!(
        lines[2]
            .join(" ")
            .ends_with("parameters bytes ms per haplotype AUC validation AUC test"),
        "{table}"
    );
    assert_eq!(lines[3][0], "linformer", "{table}");
    assert_eq!(lines[4][0], "half", "{table}");
    // Parameters and bytes.
    for column in [1, 2] {
        let [dense, half] = [3, 4].map(|line| lines[line][column].parse::<f64>().unwrap());
        assert!(half < dense, "{table}");
    }
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
    assert_eq!(small.members.len(), 6);
    assert_eq!(small.config.members, dense.config.members);
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
    let dense_predictions = predictions(&cohort, "dense");
    assert_same_folds(&dense_predictions, &predictions(&cohort, "small"));
    // Factors of nearly full rank predict nearly like the dense members, but only if each sample is
    // predicted by the members that did not train on it, as a mean over all members does not.
    succeed(
        &folder,
        &compress
            .replace("--rank 2", "--rank 3")
            .replace("dense", "dense --out near"),
    );
    let [near, far] = ["near", "small"]
        .map(|model| squared_distance(&dense_predictions, &predictions(&cohort, model)));
    assert!(near < far, "{near} {far}");

    // In fine-tuning each member starts from its own factors, on the samples of its own folds.
    succeed(
        &folder,
        &format!("{compress} --fine-tune-epochs 1 --learning-rate 1e-9 --out tuned"),
    );
    let tuned = Bundle::load(&cohort.path("tuned")).unwrap();
    for (tuned, small) in tuned.members.iter().zip(&small.members) {
        for (name, tensor) in small {
            let off = largest_difference(tensor, &tuned[name]);
            assert!(off < 1e-6, "{name} is off by {off}");
        }
    }
    assert_same_folds(&dense_predictions, &predictions(&cohort, "tuned"));
}

fn assert_same_folds(before: &[Prediction], after: &[Prediction]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before.sample_id, after.sample_id);
        assert_eq!(before.fold, after.fold);
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
    let printed: Vec<&str> = lines[3].split_whitespace().collect();
    let written = &read_costs(&cohort.path("model/cost.csv")).unwrap()[0];
    assert_eq!(
        printed[1..4],
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
    for (arguments, expected) in [
        (
            "compress dense --rank 0 --out new",
            "must be a fraction between 0 and 1, or a whole number",
        ),
        (
            "compress dense --rank 1.5 --out new",
            "must be a fraction between 0 and 1, or a whole number",
        ),
        (
            "compress dense --rank 16 --out new",
            "dense: rank 16 makes no layer of this model smaller",
        ),
        (
            "compress dense --rank 0.01 --out new",
            "dense: rank 0.01 makes no layer of this model smaller",
        ),
        (
            "compress dense --rank 4 --out ./dense",
            "this is the folder of the model; choose another folder",
        ),
        ("compress nothing --rank 4 --out new", "nothing/config.json"),
    ] {
        refuse(&folder, arguments, &[expected]);
    }
    succeed(&folder, "compress dense --rank 4 --out small");
    refuse(
        &folder,
        "compress small --rank 2 --out smaller",
        &["small: this model has low-rank layers already (rank 4)"],
    );
    succeed(
        &folder,
        "train --additive none --tokens tokens --cohort cohort.csv --out two --epochs 1 --folds 3 \
         --hidden 8 --layers 1",
    );
    fs::remove_file(cohort.path("two/predictions.csv")).unwrap();
    refuse(
        &folder,
        "compress two --rank 2 --tokens tokens --cohort cohort.csv --out new",
        &["two/predictions.csv: No such file"],
    );
    // Tokens of another vocabulary.
    let tokenize = "tokenize --vcf cohort.vcf.gz --reference reference.fa --regions-file loci.bed \
                    --cohort cohort.csv --vocab-size 64";
    succeed(&folder, &format!("{tokenize} --out other"));
    refuse(
        &folder,
        "compress dense --rank 4 --tokens other --cohort cohort.csv --out new",
        &["other: these tokens have a different tokenizer or slot grid"],
    );
}
