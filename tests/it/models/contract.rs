//! Properties of every model, whatever its architecture: parity with an independent implementation,
//! a gradient for every parameter, logits that depend only on a sample's own tokens, the ability to
//! learn, and the same bytes for the same seed.
//!
//! The cases are `fixtures/models/CASE.safetensors`, made by `oracles/models.py` (see
//! `fixtures/README.md`): every preset and every value of every option of the architecture. They
//! are small, and difficult on purpose: padding in the middle and at the end, shared haplotypes, an
//! absent one, and two loci of different length. `contract!` makes the same tests for each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use candle_core::{Device, Tensor, backprop::GradStore, safetensors::Load};
use gf_cohort_schema::{Cohort, read_predictions};
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

use crate::support::{
    cohort::{SmallCohort, read_cohort},
    on_threads, repository, values,
};

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
                super::three_steps_give_the_same_bytes_for_the_same_seed_and_any_number_of_threads(
                    &case(),
                );
            }
        })*
    };
}

contract! {
    linformer transformer low_rank_transformer ecoformer primer
    linformer_relu linformer_squared_relu linformer_low_rank linformer_convolution
    linformer_sharing_none linformer_sharing_headwise linformer_sharing_layerwise
    linformer_mean linformer_max linformer_conv linformer_conv_headwise linformer_conv_layerwise
    linformer_mean_convolution
    ecoformer_released ecoformer_everything
}

#[test]
fn every_preset_and_every_fixture_is_a_case() {
    for preset in Preset::ALL {
        let name = preset.to_string().replace('-', "_");
        assert!(CASES.contains(&name.as_str()), "{preset} has no case");
        let found = Case::new(&name).config.architecture;
        let expected = preset.architecture();
        assert_eq!(found.attention, expected.attention);
        assert_eq!(found.activation, expected.activation);
        assert_eq!(found.convolution, expected.convolution);
        assert_eq!(found.rank, expected.rank);
    }
    let files = std::fs::read_dir(repository("tests/fixtures/models")).unwrap();
    assert_eq!(files.count(), CASES.len(), "a fixture without a case");
}

/// Tolerance for logits that must not depend on a change of the input.
const SAME: f32 = 1e-5;
/// Tolerance for logits next to those of PyTorch; for gradients a share of the largest value of the
/// parameter's gradient.
const PARITY: f32 = 1e-4;

/// A fixture.
struct Case {
    config: Config,
    input: Input,
    targets: Tensor,
    /// All arrays of the file: inputs, weights, and the results of PyTorch.
    arrays: HashMap<String, Tensor>,
}

impl Case {
    fn new(name: &str) -> Self {
        let file = format!(
            "tests/fixtures/models/{}.safetensors",
            name.replace('_', "-")
        );
        let path = repository(&file);
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
        let loci = (0..config.loci.len())
            .map(|number| locus_input(&arrays, number))
            .collect();
        let input = Input {
            loci,
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

    /// The input of some of the samples.
    fn input_of(&self, samples: &[u32]) -> Input {
        let samples = Tensor::new(samples, &Device::Cpu).unwrap();
        let covariates = self
            .input
            .covariates
            .as_ref()
            .map(|covariates| covariates.index_select(&samples, 0).unwrap());
        let loci = self.input.loci.iter();
        Input {
            loci: loci.map(|locus| locus_of(locus, &samples)).collect(),
            covariates,
        }
    }
}

/// The input of locus `number` of a fixture.
fn locus_input(arrays: &HashMap<String, Tensor>, number: usize) -> LocusInput {
    let mask = arrays[&format!("mask/{number}")].flatten_all().unwrap();
    let pairs = &arrays[&format!("pairs/{number}")];
    LocusInput {
        tokens: arrays[&format!("tokens/{number}")].clone(),
        mask: Arc::new(mask.to_vec1().unwrap()),
        pairs: [0, 1].map(|side| pairs.get_on_dim(1, side).unwrap().contiguous().unwrap()),
    }
}

/// A locus of some of the samples, with only the haplotypes that they have, in reverse order.
fn locus_of(locus: &LocusInput, samples: &Tensor) -> LocusInput {
    let (n_haplotypes, n_slots) = locus.tokens.dims2().unwrap();
    let pairs = locus.pairs.each_ref().map(|haplotypes| {
        let of_samples = haplotypes.index_select(samples, 0).unwrap();
        of_samples.to_vec1::<u32>().unwrap()
    });
    let mut used: Vec<u32> = pairs.concat();
    // An absent haplotype has the number behind the last one.
    used.retain(|&haplotype| (haplotype as usize) < n_haplotypes);
    used.sort_unstable_by(|a, b| b.cmp(a));
    used.dedup();
    let mut mask = Vec::new();
    for &haplotype in &used {
        mask.extend_from_slice(&locus.mask[haplotype as usize * n_slots..][..n_slots]);
    }
    let rows = Tensor::new(used.as_slice(), &Device::Cpu).unwrap();
    LocusInput {
        tokens: locus.tokens.index_select(&rows, 0).unwrap(),
        mask: Arc::new(mask),
        pairs: pairs.map(|haplotypes| {
            let renumbered: Vec<u32> = haplotypes
                .iter()
                .map(|haplotype| {
                    let row = used.iter().position(|other| other == haplotype);
                    row.unwrap_or(used.len()) as u32
                })
                .collect();
            Tensor::new(renumbered, &Device::Cpu).unwrap()
        }),
    }
}

fn logits_of(model: &Model, input: &Input) -> Vec<f32> {
    model.forward(input).unwrap().to_vec1().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // `f32::max` would ignore a NaN.
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

    let worst = assert_gradients_are_those_of_pytorch(case, &model, &parameters);
    eprintln!(
        "logits differ from PyTorch by at most {off:e}, gradients by {worst:e} of the largest"
    );
}

/// Returns the largest difference of a gradient, as a share of the largest value of that gradient.
fn assert_gradients_are_those_of_pytorch(
    case: &Case,
    model: &Model,
    parameters: &Parameters,
) -> f32 {
    let gradients = gradients(model, &case.input, &case.targets);
    let mut worst = 0.0_f32;
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
        worst = worst.max(share);
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
    worst
}

fn every_parameter_gets_a_gradient_from_the_first_step_on(case: &Case) {
    let mut parameters = Parameters::seeded(1);
    let model = Model::new(&case.config, &mut parameters).unwrap();
    assert_every_parameter_learns(&parameters, &gradients(&model, &case.input, &case.targets));
}

/// An input with tokens in the padding.
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

/// `tensor` with `n` more entries, of value `fill`, at the index `at` along `dim`.
fn widened(tensor: &Tensor, dim: usize, at: usize, n: usize, fill: f32) -> Tensor {
    let mut shape = tensor.dims().to_vec();
    shape[dim] = n;
    let extra = Tensor::full(fill, shape, &Device::Cpu)
        .unwrap()
        .to_dtype(tensor.dtype())
        .unwrap();
    let before = tensor.narrow(dim, 0, at).unwrap();
    let after = tensor
        .narrow(dim, at, tensor.dim(dim).unwrap() - at)
        .unwrap();
    Tensor::cat(&[before, extra, after], dim).unwrap()
}

/// `n` slots of padding at the index `at` of locus `number`.
#[derive(Clone, Copy)]
struct Padding {
    number: usize,
    at: usize,
    n: usize,
}

impl Padding {
    /// Whether logits must not change. Padding between tokens separates neighbours of a convolution
    /// and moves tokens into other windows of a pooling projection; much padding makes these
    /// windows wider. For these architectures only padding at the end counts, and only within the
    /// same windows.
    fn must_not_matter(self, config: &Config) -> bool {
        let Architecture {
            attention,
            projection,
            projected_length,
            convolution,
            ..
        } = config.architecture;
        let has_windows =
            attention == AttentionKind::Linformer && projection != Projection::Learned;
        let lengths = config.loci.iter().map(|locus| locus.n_slots);
        let longest = lengths.max().unwrap();
        let n_slots = config.loci[self.number].n_slots;
        let longest_with_padding = longest.max(n_slots + self.n);
        let is_at_the_end = self.at == n_slots;
        let has_same_windows =
            longest.div_ceil(projected_length) == longest_with_padding.div_ceil(projected_length);
        (is_at_the_end || !convolution) && (!has_windows || is_at_the_end && has_same_windows)
    }
}

fn the_amount_of_padding_does_not_matter(case: &Case) {
    for (number, at, n) in [
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
        let padding = Padding { number, at, n };
        if padding.must_not_matter(&case.config) {
            let (model, input) = with_padding(case, padding);
            let what = format!("{n} more slots of padding at slot {at} of locus {number}");
            assert_same(&logits_of(&model, &input), &case.logits(), &what);
        }
    }
}

/// The model and the input of a case with more padding. Weights per slot get arbitrary values for
/// the new slots.
fn with_padding(case: &Case, Padding { number, at, n }: Padding) -> (Model, Input) {
    let mut config = case.config.clone();
    config.loci[number].n_slots += n;
    let at_of_all = case.config.slot_offset(number) + at;
    let mut weights = case.weights();
    for tensor in weights.values_mut() {
        let mut sizes = tensor.dims().iter();
        let slots = sizes.position(|&size| size == case.config.total_slots());
        if let Some(dim) = slots {
            *tensor = widened(tensor, dim, at_of_all, n, 3.0);
        }
    }
    let mut input = case.input.clone();
    let locus = &mut input.loci[number];
    let mask = Tensor::new(locus.mask.as_slice(), &Device::Cpu)
        .unwrap()
        .reshape(locus.tokens.shape())
        .unwrap();
    let wider_mask = widened(&mask, 1, at, n, 0.0).flatten_all().unwrap();
    locus.mask = Arc::new(wider_mask.to_vec1().unwrap());
    locus.tokens = widened(&locus.tokens, 1, at, n, 0.0);
    let model = Model::new(&config, &mut Parameters::saved(weights)).unwrap();
    (model, input)
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

/// Haplotypes of random tokens at one locus of `n_slots`; sample i has the i-th and the next one.
fn random_people(n_people: usize, n_slots: usize) -> Input {
    let mut state = 1u32;
    let mut ids = Vec::new();
    for _ in 0..n_people * n_slots {
        // A linear congruential generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ids.push(5 + (state >> 16) % 15);
    }
    let tokens = Tensor::from_vec(ids, (n_people, n_slots), &Device::Cpu).unwrap();
    let pairs = [0, 1].map(|shift| {
        let haplotypes = (0..n_people).map(|person| ((person + shift) % n_people) as u32);
        Tensor::from_iter(haplotypes, &Device::Cpu).unwrap()
    });
    Input {
        loci: vec![LocusInput {
            tokens,
            mask: Arc::new(vec![1; n_people * n_slots]),
            pairs,
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

/// Targets of which every other one is a case.
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
    let first = bytes_after_three_steps(case, 1, 1);
    for (seed, n_threads, is_same) in [(1, 1, true), (1, 2, true), (1, 3, true), (2, 2, false)] {
        let bytes = bytes_after_three_steps(case, seed, n_threads);
        assert!(
            (bytes == first) == is_same,
            "seed {seed}, {n_threads} threads: the same bytes must be {is_same}"
        );
    }
}

/// Weights after three steps of training from a seed.
fn bytes_after_three_steps(case: &Case, seed: u64, n_threads: usize) -> Vec<u8> {
    on_threads(n_threads, || {
        let mut parameters = Parameters::seeded(seed);
        let model = Model::new(&config_of(case, 300), &mut parameters).unwrap();
        let input = random_people(6, 300);
        model.fit_hashes(&input, seed).unwrap();
        train(&model, &parameters, &input, &alternating(6), 3);
        safetensors::serialize(all_of(&parameters), None).unwrap()
    })
}

/// Weights and buffers of a case after its hash functions are fitted to an input.
fn with_fitted_hashes(case: &Case, input: &Input, seed: u64) -> BTreeMap<String, Vec<f32>> {
    let mut parameters = Parameters::saved(case.weights());
    Model::new(&case.config, &mut parameters)
        .unwrap()
        .fit_hashes(input, seed)
        .unwrap();
    all_of(&parameters)
        .into_iter()
        .map(|(name, tensor)| (name, values(&tensor)))
        .collect()
}

#[test]
fn fitted_hashes_follow_the_seed_and_see_no_padding() {
    let case = Case::new("ecoformer");
    let once = with_fitted_hashes(&case, &case.input, 1);
    for (name, tensor) in case.weights() {
        let is_of_the_hash = ["anchors", "sigma", "mean", "hash"]
            .iter()
            .any(|part| name.ends_with(&format!(".attention.{part}")));
        assert_eq!(once[&name] != values(&tensor), is_of_the_hash, "`{name}`");
    }
    assert_eq!(
        once,
        with_fitted_hashes(&case, &padding_filled(&case.input), 1)
    );
    assert_ne!(once, with_fitted_hashes(&case, &case.input, 2));
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

/// A preset with the small sizes that suit the small cohort.
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
        let table = read_cohort(&options.cohort);
        let folder = Folder::load(&options.tokens).unwrap();
        let predictions = read_predictions(&options.out.join("predictions.csv")).unwrap();
        let written: Vec<u32> = predictions
            .iter()
            .map(|row| (row.logit as f32).to_bits())
            .collect();
        let bundle = Bundle::load(&options.out).unwrap();
        assert_eq!(
            logit_bits(&bundle, &folder, &table),
            written,
            "{preset}: the bundle and the predictions written beside it"
        );
        let copy = cohort.path(&format!("copy-{preset}"));
        bundle.save(&copy).unwrap();
        let loaded = Bundle::load(&copy).unwrap();
        assert_eq!(
            logit_bits(&loaded, &folder, &table),
            written,
            "{preset}: saved and loaded again"
        );
    }
}

/// Bits of the logits of everyone by the first member of a bundle.
fn logit_bits(bundle: &Bundle, folder: &Folder, table: &Cohort) -> Vec<u32> {
    let data = Dataset::new(&folder.tokens, table, bundle.config.covariates.clone()).unwrap();
    let everyone: Vec<usize> = (0..table.people.len()).collect();
    let model = bundle.models(&Device::Cpu).next().unwrap().unwrap();
    bits(&logits(&model, &data, &everyone).unwrap())
}

#[test]
fn training_gives_the_same_bytes_on_one_thread_and_on_two() {
    let cohort = SmallCohort::new();
    for preset in Preset::ALL {
        let [one_thread, two_threads] =
            [1, 2].map(|n_threads| model_bytes_after_three_steps(&cohort, preset, n_threads));
        assert!(
            one_thread == two_threads,
            "{preset}: two threads, other bytes"
        );
    }
}

/// `model.safetensors` of a preset after an epoch of three steps.
fn model_bytes_after_three_steps(
    cohort: &SmallCohort,
    preset: Preset,
    n_threads: usize,
) -> Vec<u8> {
    let mut options = cohort.training_options(&cohort.path(&format!("{preset}-{n_threads}")));
    options.architecture = small(preset);
    options.schedule = Schedule {
        epochs: 1,
        batch_size: 24,
        seed: 1,
        ..Schedule::default()
    };
    let mut n_steps = 0;
    on_threads(n_threads, || {
        training::run(&options, &mut |event| {
            n_steps += usize::from(matches!(event, Progress::Step { .. }));
        })
    })
    .unwrap();
    assert_eq!(n_steps, 3);
    std::fs::read(options.out.join("model.safetensors")).unwrap()
}
