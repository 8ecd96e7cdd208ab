//! What every model must satisfy, whatever its architecture: parity with an independent
//! implementation, a gradient to every parameter, logits that depend on a person's own tokens
//! alone, the ability to learn, and the same bytes for the same seed.
//!
//! The cases are those of `fixtures/models/CASE.safetensors`, made by `oracles/models.py` (see
//! `fixtures/README.md`): every preset and every value of every axis, small, and ugly on purpose,
//! with padding in the middle and at the end, shared haplotypes, an absent one, and two
//! loci of different length. `contract!` makes the same tests for each.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use candle_core::{Device, Tensor, backprop::GradStore, safetensors::Load};
use gf_cohort_schema::{Cohort, CovariateChoice, PhenotypeCoding, read_predictions};
use gf_genomics::{
    dataset::{Dataset, logits},
    models::{
        Architecture, AttentionKind, Config, Input, LocusInput, LocusShape, Model, Preset,
        Projection, converted,
    },
    tokens::Folder,
    training::{self, AdamW, Bundle, Moments, Progress, Schedule},
};
use gf_nn::{Parameters, binary_cross_entropy};
use safetensors::SafeTensors;

use crate::support::cohort::SmallCohort;

/// The same tests for each case, `linformer_sharing_none` being
/// `fixtures/models/linformer-sharing-none.safetensors`.
macro_rules! contract {
    ($($case:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($case)),*];

        $(mod $case {
            use super::Case;

            fn case() -> Case {
                Case::new(stringify!($case))
            }

            #[test]
            fn logits_and_gradients_equal_those_of_pytorch() {
                super::logits_and_gradients_equal_those_of_pytorch(&case());
            }

            #[test]
            fn every_parameter_gets_a_gradient_from_the_first_step_on() {
                super::every_parameter_gets_a_gradient_from_the_first_step_on(&case());
            }

            #[test]
            fn what_stands_in_padding_does_not_matter() {
                super::what_stands_in_padding_does_not_matter(&case());
            }

            #[test]
            fn the_amount_of_padding_does_not_matter() {
                super::the_amount_of_padding_does_not_matter(&case());
            }

            #[test]
            fn batch_mates_and_the_place_in_the_batch_do_not_matter() {
                super::batch_mates_and_the_place_in_the_batch_do_not_matter(&case());
            }

            #[test]
            fn the_order_of_a_persons_haplotypes_does_not_matter() {
                super::the_order_of_a_persons_haplotypes_does_not_matter(&case());
            }

            #[test]
            fn one_slot_a_long_sequence_and_a_haplotype_without_tokens_work() {
                super::one_slot_a_long_sequence_and_a_haplotype_without_tokens_work(&case());
            }

            #[test]
            fn eight_people_are_learnt_by_heart() {
                super::eight_people_are_learnt_by_heart(&case());
            }

            #[test]
            fn saved_weights_give_the_same_logits_bit_for_bit() {
                super::saved_weights_give_the_same_logits_bit_for_bit(&case());
            }

            #[test]
            fn three_steps_give_the_same_bytes_for_the_same_seed_and_any_number_of_threads() {
                super::three_steps_give_the_same_bytes_for_the_same_seed_and_any_number_of_threads(&case());
            }
        })*
    };
}

contract! {
    linformer transformer low_rank_transformer ecoformer primer
    linformer_relu linformer_squared_relu linformer_low_rank linformer_convolution
    linformer_sharing_none linformer_sharing_headwise linformer_sharing_layerwise
    linformer_mean linformer_max linformer_conv linformer_conv_headwise linformer_conv_layerwise linformer_mean_convolution
    ecoformer_released ecoformer_everything
}

#[test]
fn every_preset_and_every_fixture_is_a_case() {
    for preset in Preset::ALL {
        let name = preset.to_string().replace('-', "_");
        assert!(CASES.contains(&name.as_str()), "{preset} has no case");
        let Architecture {
            attention,
            activation,
            convolution,
            rank,
            ..
        } = Case::new(&name).config.architecture;
        let expected = preset.architecture();
        assert_eq!(
            (attention, activation, convolution),
            (
                expected.attention,
                expected.activation,
                expected.convolution
            )
        );
        assert_eq!(rank, expected.rank);
    }
    let files =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models"))
            .unwrap();
    assert_eq!(files.count(), CASES.len(), "a fixture without a case");
}

/// Logits may differ by this much where they must not depend on something.
const SAME: f32 = 1e-5;
/// And by this much from those of the parity case; gradients by this share of the parameter's
/// largest.
const PARITY: f32 = 1e-4;

/// A fixture.
struct Case {
    config: Config,
    input: Input,
    targets: Tensor,
    arrays: HashMap<String, Tensor>,
}

impl Case {
    fn new(name: &str) -> Self {
        let file = format!(
            "tests/fixtures/models/{}.safetensors",
            name.replace('_', "-")
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; every case needs its fixture", path.display())
        });
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config: Config =
            serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap();
        let views = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let arrays: HashMap<String, Tensor> = views
            .into_iter()
            .map(|(name, view)| (name, view.load(&Device::Cpu).unwrap()))
            .collect();
        let locus = |number: usize| LocusInput {
            tokens: arrays[&format!("tokens/{number}")].clone(),
            mask: Arc::new(
                arrays[&format!("mask/{number}")]
                    .flatten_all()
                    .unwrap()
                    .to_vec1()
                    .unwrap(),
            ),
            pairs: [0, 1].map(|which| {
                arrays[&format!("pairs/{number}")]
                    .get_on_dim(1, which)
                    .unwrap()
                    .contiguous()
                    .unwrap()
            }),
        };
        let input = Input {
            loci: (0..config.loci.len()).map(locus).collect(),
            covariates: Some(arrays["covariates"].clone()),
        };
        Self {
            targets: arrays["targets"].clone(),
            config,
            input,
            arrays,
        }
    }

    /// The weights of the fixture.
    fn weights(&self) -> BTreeMap<String, Tensor> {
        let weights = self.arrays.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix("weights/")?.to_string(), tensor.clone()))
        });
        weights.collect()
    }

    fn model(&self) -> Model {
        Model::new(&self.config, &mut Parameters::saved(self.weights())).unwrap()
    }

    fn logits(&self) -> Vec<f32> {
        logits_of(&self.model(), &self.input)
    }

    /// The input of some of the people, each locus with only the haplotypes they have, in reverse
    /// order.
    fn input_of(&self, people: &[u32]) -> Input {
        let chosen = Tensor::new(people, &Device::Cpu).unwrap();
        let locus = |locus: &LocusInput| {
            let (n_haplotypes, n_slots) = locus.tokens.dims2().unwrap();
            let pairs = locus.pairs.each_ref().map(|rows| {
                rows.index_select(&chosen, 0)
                    .unwrap()
                    .to_vec1::<u32>()
                    .unwrap()
            });
            let mut wanted: Vec<u32> = pairs
                .iter()
                .flatten()
                .copied()
                .filter(|&row| (row as usize) < n_haplotypes)
                .collect();
            wanted.sort_unstable_by(|a, b| b.cmp(a));
            wanted.dedup();
            let renumbered = |row: &u32| {
                wanted
                    .iter()
                    .position(|other| other == row)
                    .unwrap_or(wanted.len()) as u32
            };
            let mask = wanted
                .iter()
                .flat_map(|&row| &locus.mask[row as usize * n_slots..][..n_slots])
                .copied()
                .collect();
            LocusInput {
                tokens: locus
                    .tokens
                    .index_select(&Tensor::new(wanted.as_slice(), &Device::Cpu).unwrap(), 0)
                    .unwrap(),
                mask: Arc::new(mask),
                pairs: pairs.map(|rows| {
                    Tensor::new(
                        rows.iter().map(renumbered).collect::<Vec<u32>>(),
                        &Device::Cpu,
                    )
                    .unwrap()
                }),
            }
        };
        let covariates = self
            .input
            .covariates
            .as_ref()
            .map(|covariates| covariates.index_select(&chosen, 0).unwrap());
        Input {
            loci: self.input.loci.iter().map(locus).collect(),
            covariates,
        }
    }
}

fn logits_of(model: &Model, input: &Input) -> Vec<f32> {
    model.forward(input).unwrap().to_vec1().unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // `max` would pass over a NaN.
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |largest, x| if x <= largest { largest } else { x })
}

#[track_caller]
fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    let off = largest_difference(found, expected);
    assert!(off <= SAME, "{what}: {found:?}, not {expected:?} ({off})");
}

fn gradients(model: &Model, input: &Input, targets: &Tensor) -> GradStore {
    binary_cross_entropy(&model.forward(input).unwrap(), targets)
        .unwrap()
        .backward()
        .unwrap()
}

/// Every parameter has a gradient that is finite and not zero everywhere.
fn assert_every_parameter_learns(parameters: &Parameters, gradients: &GradStore) {
    assert!(parameters.iter().count() > 0);
    for (name, var) in parameters.iter() {
        let gradient = values(
            gradients
                .get(var)
                .unwrap_or_else(|| panic!("`{name}` gets no gradient")),
        );
        assert!(
            gradient.iter().all(|value| value.is_finite()),
            "the gradient of `{name}` is not finite"
        );
        assert!(
            gradient.iter().any(|&value| value != 0.0),
            "the gradient of `{name}` is zero"
        );
    }
}

fn logits_and_gradients_equal_those_of_pytorch(case: &Case) {
    let mut parameters = Parameters::saved(case.weights());
    let model = Model::new(&case.config, &mut parameters).unwrap();
    for (number, locus) in case.input.loci.iter().enumerate() {
        let encoded = model.encode(number, &locus.tokens, &locus.mask).unwrap();
        assert_eq!(
            encoded.dims(),
            [
                locus.tokens.dim(0).unwrap(),
                case.config.architecture.hidden
            ]
        );
        let off = largest_difference(
            &values(&encoded),
            &values(&case.arrays[&format!("encoded/{number}")]),
        );
        assert!(
            off <= PARITY,
            "haplotypes of locus {number} differ by {off}"
        );
    }
    let off = largest_difference(
        &logits_of(&model, &case.input),
        &values(&case.arrays["logits"]),
    );
    assert!(off <= PARITY, "logits differ by {off}");

    let gradients = gradients(&model, &case.input, &case.targets);
    let mut worst = (0.0, "");
    for (name, var) in parameters.iter() {
        let expected = values(&case.arrays[&format!("gradients/{name}")]);
        let size = expected
            .iter()
            .fold(0f32, |largest, value| largest.max(value.abs()));
        let share = largest_difference(&values(gradients.get(var).unwrap()), &expected) / size;
        assert!(
            share <= PARITY,
            "the gradient of `{name}` differs by {share} of its largest value {size}"
        );
        worst = if share > worst.0 {
            (share, name)
        } else {
            worst
        };
    }
    let n_gradients = case
        .arrays
        .keys()
        .filter(|name| name.starts_with("gradients/"))
        .count();
    assert_eq!(
        n_gradients,
        parameters.iter().count(),
        "parameters of the fixture"
    );
    eprintln!(
        "logits differ from PyTorch by at most {off:e}, gradients by {:e} of the largest (`{}`)",
        worst.0, worst.1
    );
}

fn every_parameter_gets_a_gradient_from_the_first_step_on(case: &Case) {
    let mut parameters = Parameters::seeded(1);
    let model = Model::new(&case.config, &mut parameters).unwrap();
    assert_every_parameter_learns(&parameters, &gradients(&model, &case.input, &case.targets));
}

/// Other tokens in the padding.
fn padding_filled(input: &Input) -> Input {
    let mut input = input.clone();
    for locus in &mut input.loci {
        let ids: Vec<u32> = locus.tokens.flatten_all().unwrap().to_vec1().unwrap();
        let filled = ids
            .iter()
            .zip(&*locus.mask)
            .enumerate()
            .map(|(slot, (&id, &bit))| if bit == 0 { 5 + slot as u32 % 7 } else { id });
        locus.tokens = Tensor::from_iter(filled, &Device::Cpu)
            .unwrap()
            .reshape(locus.tokens.shape())
            .unwrap();
    }
    input
}

fn what_stands_in_padding_does_not_matter(case: &Case) {
    assert_same(
        &logits_of(&case.model(), &padding_filled(&case.input)),
        &case.logits(),
        "padding filled with tokens",
    );
    // Another vector for [PAD].
    let mut weights = case.weights();
    let mut table: Vec<f32> = values(&weights["embedding.tokens"]);
    table[..case.config.architecture.hidden].fill(100.0);
    let shape = weights["embedding.tokens"].shape().clone();
    weights.insert(
        "embedding.tokens".into(),
        Tensor::from_vec(table, shape, &Device::Cpu).unwrap(),
    );
    let model = Model::new(&case.config, &mut Parameters::saved(weights)).unwrap();
    assert_same(
        &logits_of(&model, &case.input),
        &case.logits(),
        "another [PAD] vector",
    );
}

/// `tensor` with `n` more entries, of value `fill`, at `place` along `dim`.
fn widened(tensor: &Tensor, dim: usize, place: usize, n: usize, fill: f32) -> Tensor {
    let mut shape = tensor.dims().to_vec();
    shape[dim] = n;
    let extra = Tensor::full(fill, shape, &Device::Cpu)
        .unwrap()
        .to_dtype(tensor.dtype())
        .unwrap();
    let before = tensor.narrow(dim, 0, place).unwrap();
    let after = tensor
        .narrow(dim, place, tensor.dim(dim).unwrap() - place)
        .unwrap();
    Tensor::cat(&[before, extra, after], dim).unwrap()
}

/// Padding between tokens parts neighbours of a convolution and moves what follows into other
/// windows, and much of it makes the windows themselves wider: there it is the amount at the end,
/// within the same windows, that must not matter.
fn the_amount_of_padding_does_not_matter(case: &Case) {
    let architecture = &case.config.architecture;
    let by_windows = architecture.attention == AttentionKind::Linformer
        && architecture.projection != Projection::Learned;
    let total_slots = case.config.total_slots();
    for (number, place_in_locus, n) in [
        (0, 4, 1),
        (0, 4, 17),
        (0, 13, 1),
        (0, 13, 17),
        (0, 13, 2),
        (1, 3, 1),
        (1, 3, 17),
        (1, 8, 2),
        (1, 8, 17),
    ] {
        let longest = case
            .config
            .loci
            .iter()
            .map(|locus| locus.n_slots)
            .max()
            .unwrap();
        let n_slots = case.config.loci[number].n_slots;
        let window = |n_slots: usize| n_slots.div_ceil(architecture.projected_length);
        let is_at_the_end = place_in_locus == n_slots;
        let same_windows = window(longest) == window(longest.max(n_slots + n));
        if architecture.convolution && !is_at_the_end
            || by_windows && !(is_at_the_end && same_windows)
        {
            continue;
        }
        let place = case.config.slot_offset(number) + place_in_locus;
        let wider = |tensor: Tensor| {
            let dim = tensor.dims().iter().position(|&size| size == total_slots);
            dim.map_or(tensor.clone(), |dim| widened(&tensor, dim, place, n, 3.0))
        };
        let weights = case
            .weights()
            .into_iter()
            .map(|(name, tensor)| (name, wider(tensor)))
            .collect();
        let mut config = case.config.clone();
        config.loci[number].n_slots += n;
        let mut input = case.input.clone();
        let locus = &mut input.loci[number];
        let mask = Tensor::new(locus.mask.as_slice(), &Device::Cpu)
            .unwrap()
            .reshape(locus.tokens.shape())
            .unwrap();
        locus.mask = Arc::new(
            widened(&mask, 1, place_in_locus, n, 0.0)
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap(),
        );
        locus.tokens = widened(&locus.tokens, 1, place_in_locus, n, 0.0);
        let model = Model::new(&config, &mut Parameters::saved(weights)).unwrap();
        let what = format!("{n} more slots of padding at slot {place_in_locus} of locus {number}");
        assert_same(&logits_of(&model, &input), &case.logits(), &what);
    }
}

fn batch_mates_and_the_place_in_the_batch_do_not_matter(case: &Case) {
    let model = case.model();
    let all = case.logits();
    for people in [
        &[0][..],
        &[1],
        &[2],
        &[3],
        &[4],
        &[4, 2],
        &[4, 3, 2, 1, 0],
        &[1, 1, 3, 0, 3],
    ] {
        let expected: Vec<f32> = people.iter().map(|&person| all[person as usize]).collect();
        assert_same(
            &logits_of(&model, &case.input_of(people)),
            &expected,
            &format!("people {people:?} without the others"),
        );
    }
}

fn the_order_of_a_persons_haplotypes_does_not_matter(case: &Case) {
    let mut input = case.input.clone();
    for locus in &mut input.loci {
        locus.pairs.swap(0, 1);
    }
    assert_same(
        &logits_of(&case.model(), &input),
        &case.logits(),
        "haplotypes exchanged",
    );
}

/// Haplotypes of random tokens at one locus of `n_slots`, person i having the i-th and the next.
fn random_people(n_people: usize, n_slots: usize) -> Input {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        5 + (state >> 16) % 15
    };
    let ids: Vec<u32> = (0..n_people * n_slots).map(|_| next()).collect();
    let rows = |shift: usize| {
        Tensor::from_iter(
            (0..n_people).map(|person| ((person + shift) % n_people) as u32),
            &Device::Cpu,
        )
        .unwrap()
    };
    let tokens = Tensor::from_vec(ids, (n_people, n_slots), &Device::Cpu).unwrap();
    Input {
        loci: vec![LocusInput {
            tokens,
            mask: Arc::new(vec![1; n_people * n_slots]),
            pairs: [rows(0), rows(1)],
        }],
        covariates: None,
    }
}

/// The model of a case for [`random_people`].
fn config_of(case: &Case, n_slots: usize) -> Config {
    Config {
        loci: vec![LocusShape {
            name: "L".into(),
            n_slots,
        }],
        n_covariates: 0,
        ..case.config.clone()
    }
}

/// Every other one is a case.
fn alternating(n_people: usize) -> Tensor {
    Tensor::from_iter(
        (0..n_people).map(|person| (person % 2) as f32),
        &Device::Cpu,
    )
    .unwrap()
}

fn one_slot_a_long_sequence_and_a_haplotype_without_tokens_work(case: &Case) {
    // Softmax attention is quadratic.
    let longest = if case.config.architecture.attention == AttentionKind::Softmax {
        1_024
    } else {
        8_192
    };
    for n_slots in [1, 2, longest] {
        let mut parameters = Parameters::seeded(3);
        let model = Model::new(&config_of(case, n_slots), &mut parameters).unwrap();
        let mut input = random_people(3, n_slots);
        assert!(
            logits_of(&model, &input)
                .iter()
                .all(|logit| logit.is_finite())
        );
        // Over a single token all attention weights are 1, whatever queries and keys are.
        if n_slots > 2 {
            assert_every_parameter_learns(&parameters, &gradients(&model, &input, &alternating(3)));
        }
        input.loci[0].mask =
            Arc::new([vec![1; n_slots], vec![0; n_slots], vec![1; n_slots]].concat());
        assert!(
            logits_of(&model, &input)
                .iter()
                .all(|logit| logit.is_finite()),
            "a haplotype of padding alone"
        );
        let gradients = gradients(&model, &input, &alternating(3));
        assert!(parameters.iter().all(|(_, var)| {
            values(gradients.get(var).unwrap())
                .iter()
                .all(|value| value.is_finite())
        }));
    }
}

/// Trains in place, all people in each batch.
fn train(
    model: &Model,
    parameters: &Parameters,
    input: &Input,
    targets: &Tensor,
    n_steps: usize,
) -> f32 {
    let optimizer = AdamW::new(0.0, 1.0);
    let mut moments = Moments::default();
    for _ in 0..n_steps {
        optimizer
            .step(
                parameters,
                &gradients(model, input, targets),
                &mut moments,
                5e-3,
            )
            .unwrap();
    }
    binary_cross_entropy(&model.forward(input).unwrap(), targets)
        .unwrap()
        .to_scalar()
        .unwrap()
}

fn eight_people_are_learnt_by_heart(case: &Case) {
    let mut parameters = Parameters::seeded(1);
    let model = Model::new(&config_of(case, 24), &mut parameters).unwrap();
    let loss = train(
        &model,
        &parameters,
        &random_people(8, 24),
        &alternating(8),
        100,
    );
    assert!(loss < 0.05, "loss {loss}");
}

/// Parameters and buffers, as a bundle has them.
fn all_of(parameters: &Parameters) -> BTreeMap<String, Tensor> {
    parameters
        .iter()
        .chain(parameters.buffers())
        .map(|(name, var)| (name.to_string(), var.as_tensor().copy().unwrap()))
        .collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

fn saved_weights_give_the_same_logits_bit_for_bit(case: &Case) {
    let mut parameters = Parameters::seeded(1);
    let model = Model::new(&case.config, &mut parameters).unwrap();
    model.fit_hashes(&case.input, 1).unwrap();
    train(&model, &parameters, &case.input, &case.targets, 3);
    let bytes = safetensors::serialize(all_of(&parameters), None).unwrap();
    let views = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let loaded = views
        .into_iter()
        .map(|(name, view)| (name, view.load(&Device::Cpu).unwrap()))
        .collect();
    let again = Model::new(&case.config, &mut Parameters::saved(loaded)).unwrap();
    assert_eq!(
        bits(&logits_of(&again, &case.input)),
        bits(&logits_of(&model, &case.input))
    );
}

fn three_steps_give_the_same_bytes_for_the_same_seed_and_any_number_of_threads(case: &Case) {
    let after = |seed: u64, n_threads: usize| -> Vec<u8> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut parameters = Parameters::seeded(seed);
            let model = Model::new(&config_of(case, 300), &mut parameters).unwrap();
            let input = random_people(6, 300);
            model.fit_hashes(&input, seed).unwrap();
            train(&model, &parameters, &input, &alternating(6), 3);
            safetensors::serialize(all_of(&parameters), None).unwrap()
        })
    };
    let first = after(1, 1);
    assert!(first == after(1, 1), "the same seed, other bytes");
    assert!(first == after(1, 2), "two threads, other bytes");
    assert!(first == after(1, 3), "three threads, other bytes");
    assert!(first != after(2, 2), "another seed, the same bytes");
}

#[test]
fn fitted_hashes_follow_the_seed_and_see_no_padding() {
    let case = Case::new("ecoformer");
    let fitted = |input: &Input, seed: u64| {
        let mut parameters = Parameters::saved(case.weights());
        Model::new(&case.config, &mut parameters)
            .unwrap()
            .fit_hashes(input, seed)
            .unwrap();
        all_of(&parameters)
            .into_iter()
            .map(|(name, tensor)| (name, values(&tensor)))
            .collect::<BTreeMap<_, _>>()
    };
    let once = fitted(&case.input, 1);
    for (name, tensor) in case.weights() {
        let is_of_the_hash = ["anchors", "sigma", "mean", "hash"]
            .iter()
            .any(|part| name.ends_with(&format!(".attention.{part}")));
        assert_eq!(once[&name] != values(&tensor), is_of_the_hash, "`{name}`");
    }
    assert_eq!(once, fitted(&padding_filled(&case.input), 1));
    assert_ne!(once, fitted(&case.input, 2));
}

#[test]
fn an_ecoformer_begins_from_a_trained_linformer_and_goes_on_learning() {
    let case = Case::new("linformer");
    let input = random_people(8, 24);
    let targets = alternating(8);
    let from = config_of(&case, 24);
    let mut parameters = Parameters::seeded(1);
    let model = Model::new(&from, &mut parameters).unwrap();
    train(&model, &parameters, &input, &targets, 60);
    let to = Config {
        architecture: Architecture {
            attention: AttentionKind::Ecoformer,
            ..from.architecture.clone()
        },
        ..from.clone()
    };
    let mut parameters = Parameters::saved(converted(&from, all_of(&parameters), &to, 1).unwrap());
    let model = Model::new(&to, &mut parameters).unwrap();
    model.fit_hashes(&input, 1).unwrap();
    let loss = train(&model, &parameters, &input, &targets, 60);
    assert!(loss < 0.05, "loss {loss}");
}

/// A preset as small as the cohort is.
fn small(preset: Preset) -> Architecture {
    Architecture {
        layers: 1,
        projected_length: 8,
        feed_forward: 32,
        ..preset.architecture()
    }
}

#[test]
fn a_bundle_gives_the_logits_written_beside_it_bit_for_bit() {
    let cohort = SmallCohort::new();
    for preset in Preset::ALL {
        let mut options = cohort.training_options(&cohort.path(&format!("saved-{preset}")));
        options.architecture = small(preset);
        options.schedule.epochs = 2;
        training::run(&options, &mut |_| {}).unwrap();
        let table = Cohort::read(
            &options.cohort,
            PhenotypeCoding::Auto,
            &CovariateChoice::Usual,
        )
        .unwrap();
        let folder = Folder::load(&options.tokens).unwrap();
        let everyone: Vec<usize> = (0..table.people.len()).collect();
        let of = |bundle: &Bundle| {
            let data =
                Dataset::new(&folder.tokens, &table, bundle.config.covariates.clone()).unwrap();
            bits(
                &logits(
                    &bundle.models(&Device::Cpu).next().unwrap().unwrap(),
                    &data,
                    &everyone,
                )
                .unwrap(),
            )
        };
        let written = read_predictions(&options.out.join("predictions.csv")).unwrap();
        let written: Vec<u32> = written
            .iter()
            .map(|row| (row.logit as f32).to_bits())
            .collect();
        let bundle = Bundle::load(&options.out).unwrap();
        assert_eq!(
            of(&bundle),
            written,
            "{preset}: the bundle and the predictions written beside it"
        );
        let copy = cohort.path(&format!("copy-{preset}"));
        bundle.save(&copy).unwrap();
        assert_eq!(
            of(&Bundle::load(&copy).unwrap()),
            written,
            "{preset}: saved and loaded again"
        );
    }
}

#[test]
fn training_gives_the_same_bytes_on_one_thread_and_on_two() {
    let cohort = SmallCohort::new();
    for preset in Preset::ALL {
        let parameters_after_three_steps = |n_threads: usize| -> Vec<u8> {
            let mut options =
                cohort.training_options(&cohort.path(&format!("{preset}-{n_threads}")));
            options.architecture = small(preset);
            options.schedule = Schedule {
                epochs: 1,
                batch_size: 24,
                seed: 1,
                ..Schedule::default()
            };
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            let mut n_steps = 0;
            pool.install(|| {
                let mut count = |event: Progress<'_>| {
                    n_steps += usize::from(matches!(event, Progress::Step { .. }));
                };
                training::run(&options, &mut count).unwrap()
            });
            assert_eq!(n_steps, 3);
            std::fs::read(options.out.join("model.safetensors")).unwrap()
        };
        assert!(
            parameters_after_three_steps(1) == parameters_after_three_steps(2),
            "{preset}: two threads, other bytes"
        );
    }
}
