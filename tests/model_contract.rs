//! What every model must satisfy, whatever its architecture: parity with an independent implementation, a gradient to every parameter,
//! logits that depend on a person's own tokens alone, the ability to learn, and the same bytes for the same seed.
//!
//! The cases are those of `fixtures/PRESET_parity.safetensors`, made by `oracles/PRESET.py` (see `fixtures/README.md`): small, and ugly on
//! purpose, with padding in the middle and at the end, shared haplotypes, an absent one, and two loci of different length.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cohort;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use candle_core::{Device, Tensor, backprop::GradStore, safetensors::Load};
use gf_cohort_schema::{Cohort, CovariateChoice, Person, Phenotype, PhenotypeCoding, Split, read_predictions};
use gf_genomics::{
    dataset::{Dataset, logits},
    models::{Architecture, Config, Input, LocusInput, LocusShape, Model, Preset},
    nn::{Parameters, binary_cross_entropy},
    tokenization::Folder,
    training::{self, Bundle, Progress, Schedule},
};
use safetensors::SafeTensors;

use cohort::SmallCohort;

/// Logits may differ by this much where they must not depend on something.
const SAME: f32 = 1e-5;
/// And by this much from those of the parity case; gradients by this share of the parameter's largest.
const PARITY: f32 = 1e-4;

/// A fixture.
struct Case {
    config: Config,
    input: Input,
    targets: Tensor,
    arrays: HashMap<String, Tensor>,
}

impl Case {
    fn of(preset: Preset) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{preset}_parity.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; every preset needs its parity case", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config: Config = serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap();
        let views = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let arrays: HashMap<String, Tensor> = views.into_iter().map(|(name, view)| (name, view.load(&Device::Cpu).unwrap())).collect();
        let locus = |number: usize| LocusInput {
            tokens: arrays[&format!("tokens/{number}")].clone(),
            mask: Arc::new(arrays[&format!("mask/{number}")].flatten_all().unwrap().to_vec1().unwrap()),
            pairs: [0, 1].map(|which| arrays[&format!("pairs/{number}")].get_on_dim(1, which).unwrap().contiguous().unwrap()),
        };
        let input = Input { loci: (0..config.loci.len()).map(locus).collect(), covariates: Some(arrays["covariates"].clone()) };
        Self { targets: arrays["targets"].clone(), config, input, arrays }
    }

    /// The weights of the fixture.
    fn weights(&self) -> BTreeMap<String, Tensor> {
        let weights = self.arrays.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("weights/")?.to_string(), tensor.clone())));
        weights.collect()
    }

    fn model(&self) -> Model {
        Model::new(&self.config, &mut Parameters::saved(self.weights())).unwrap()
    }

    fn logits(&self) -> Vec<f32> {
        logits_of(&self.model(), &self.input)
    }

    /// The input of some of the people, each locus with only the haplotypes they have, in reverse order.
    fn input_of(&self, people: &[u32]) -> Input {
        let chosen = Tensor::new(people, &Device::Cpu).unwrap();
        let locus = |locus: &LocusInput| {
            let (n_haplotypes, n_slots) = locus.tokens.dims2().unwrap();
            let pairs = locus.pairs.each_ref().map(|rows| rows.index_select(&chosen, 0).unwrap().to_vec1::<u32>().unwrap());
            let mut wanted: Vec<u32> = pairs.iter().flatten().copied().filter(|&row| (row as usize) < n_haplotypes).collect();
            wanted.sort_unstable_by(|a, b| b.cmp(a));
            wanted.dedup();
            let renumbered = |row: &u32| wanted.iter().position(|other| other == row).unwrap_or(wanted.len()) as u32;
            let mask = wanted.iter().flat_map(|&row| &locus.mask[row as usize * n_slots..][..n_slots]).copied().collect();
            LocusInput {
                tokens: locus.tokens.index_select(&Tensor::new(wanted.as_slice(), &Device::Cpu).unwrap(), 0).unwrap(),
                mask: Arc::new(mask),
                pairs: pairs.map(|rows| Tensor::new(rows.iter().map(renumbered).collect::<Vec<u32>>(), &Device::Cpu).unwrap()),
            }
        };
        let covariates = self.input.covariates.as_ref().map(|covariates| covariates.index_select(&chosen, 0).unwrap());
        Input { loci: self.input.loci.iter().map(locus).collect(), covariates }
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
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |largest, x| if x <= largest { largest } else { x })
}

#[track_caller]
fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    let off = largest_difference(found, expected);
    assert!(off <= SAME, "{what}: {found:?}, not {expected:?} ({off})");
}

fn gradients(model: &Model, input: &Input, targets: &Tensor) -> GradStore {
    binary_cross_entropy(&model.forward(input).unwrap(), targets).unwrap().backward().unwrap()
}

/// Every parameter has a gradient that is finite and not zero everywhere.
fn assert_every_parameter_learns(parameters: &Parameters, gradients: &GradStore, what: &str) {
    assert!(parameters.iter().count() > 0);
    for (name, var) in parameters.iter() {
        let gradient = values(gradients.get(var).unwrap_or_else(|| panic!("{what}: `{name}` gets no gradient")));
        assert!(gradient.iter().all(|value| value.is_finite()), "{what}: the gradient of `{name}` is not finite");
        assert!(gradient.iter().any(|&value| value != 0.0), "{what}: the gradient of `{name}` is zero");
    }
}

#[test]
fn logits_and_gradients_equal_those_of_pytorch() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        let mut parameters = Parameters::saved(case.weights());
        let model = Model::new(&case.config, &mut parameters).unwrap();
        for (number, locus) in case.input.loci.iter().enumerate() {
            let encoded = values(&model.encode(number, &locus.tokens, &locus.mask).unwrap());
            let off = largest_difference(&encoded, &values(&case.arrays[&format!("encoded/{number}")]));
            assert!(off <= PARITY, "{preset}: haplotypes of locus {number} differ by {off}");
        }
        let off = largest_difference(&logits_of(&model, &case.input), &values(&case.arrays["logits"]));
        assert!(off <= PARITY, "{preset}: logits differ by {off}");

        let gradients = gradients(&model, &case.input, &case.targets);
        let mut worst = (0.0, "");
        for (name, var) in parameters.iter() {
            let expected = values(&case.arrays[&format!("gradients/{name}")]);
            let size = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let share = largest_difference(&values(gradients.get(var).unwrap()), &expected) / size;
            assert!(share <= PARITY, "{preset}: the gradient of `{name}` differs by {share} of its largest value {size}");
            worst = if share > worst.0 { (share, name) } else { worst };
        }
        let n_gradients = case.arrays.keys().filter(|name| name.starts_with("gradients/")).count();
        assert_eq!(n_gradients, parameters.iter().count(), "{preset}: parameters of the fixture");
        eprintln!("{preset}: logits differ from PyTorch by at most {off:e}, gradients by {:e} of the largest (`{}`)", worst.0, worst.1);
    }
}

#[test]
fn every_parameter_gets_a_gradient_from_the_first_step_on() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        let mut parameters = Parameters::seeded(1);
        let model = Model::new(&case.config, &mut parameters).unwrap();
        assert_every_parameter_learns(&parameters, &gradients(&model, &case.input, &case.targets), &preset.to_string());
    }
}

#[test]
fn what_stands_in_padding_does_not_matter() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        // Other tokens in the padding.
        let mut input = case.input.clone();
        for locus in &mut input.loci {
            let ids: Vec<u32> = locus.tokens.flatten_all().unwrap().to_vec1().unwrap();
            let filled =
                ids.iter().zip(&*locus.mask).enumerate().map(|(slot, (&id, &bit))| if bit == 0 { 5 + slot as u32 % 7 } else { id });
            locus.tokens = Tensor::from_iter(filled, &Device::Cpu).unwrap().reshape(locus.tokens.shape()).unwrap();
        }
        assert_same(&logits_of(&case.model(), &input), &case.logits(), "padding filled with tokens");
        // Another vector for [PAD].
        let mut weights = case.weights();
        let mut table: Vec<f32> = values(&weights["embedding.tokens"]);
        table[..case.config.architecture.hidden].fill(100.0);
        let shape = weights["embedding.tokens"].shape().clone();
        weights.insert("embedding.tokens".into(), Tensor::from_vec(table, shape, &Device::Cpu).unwrap());
        let model = Model::new(&case.config, &mut Parameters::saved(weights)).unwrap();
        assert_same(&logits_of(&model, &case.input), &case.logits(), "another [PAD] vector");
    }
}

/// `tensor` with `n` more entries, of value `fill`, at `place` along `dim`.
fn widened(tensor: &Tensor, dim: usize, place: usize, n: usize, fill: f32) -> Tensor {
    let mut shape = tensor.dims().to_vec();
    shape[dim] = n;
    let extra = Tensor::full(fill, shape, &Device::Cpu).unwrap().to_dtype(tensor.dtype()).unwrap();
    let before = tensor.narrow(dim, 0, place).unwrap();
    let after = tensor.narrow(dim, place, tensor.dim(dim).unwrap() - place).unwrap();
    Tensor::cat(&[before, extra, after], dim).unwrap()
}

#[test]
fn the_amount_of_padding_does_not_matter() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        let total_slots = case.config.total_slots();
        // (locus, slot in it): in the middle and at the end of each.
        for (number, slot) in [(0, 4), (0, 13), (1, 3), (1, 8)] {
            for n in [1, 17] {
                let place = case.config.slot_offset(number) + slot;
                let wider = |tensor: Tensor| {
                    let dim = tensor.dims().iter().position(|&size| size == total_slots);
                    dim.map_or(tensor.clone(), |dim| widened(&tensor, dim, place, n, 3.0))
                };
                let weights = case.weights().into_iter().map(|(name, tensor)| (name, wider(tensor))).collect();
                let mut config = case.config.clone();
                config.loci[number].n_slots += n;
                let mut input = case.input.clone();
                let locus = &mut input.loci[number];
                let mask = Tensor::new(locus.mask.as_slice(), &Device::Cpu).unwrap().reshape(locus.tokens.shape()).unwrap();
                locus.mask = Arc::new(widened(&mask, 1, slot, n, 0.0).flatten_all().unwrap().to_vec1().unwrap());
                locus.tokens = widened(&locus.tokens, 1, slot, n, 0.0);
                let model = Model::new(&config, &mut Parameters::saved(weights)).unwrap();
                assert_same(
                    &logits_of(&model, &input),
                    &case.logits(),
                    &format!("{n} more slots of padding at slot {slot} of locus {number}"),
                );
            }
        }
    }
}

#[test]
fn batch_mates_and_the_place_in_the_batch_do_not_matter() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        let (model, all) = (case.model(), case.logits());
        for people in [&[0][..], &[1], &[2], &[3], &[4], &[4, 2], &[4, 3, 2, 1, 0], &[1, 1, 3, 0, 3]] {
            let expected: Vec<f32> = people.iter().map(|&person| all[person as usize]).collect();
            assert_same(&logits_of(&model, &case.input_of(people)), &expected, &format!("people {people:?} without the others"));
        }
    }
}

#[test]
fn the_order_of_a_persons_haplotypes_does_not_matter() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        let mut input = case.input.clone();
        for locus in &mut input.loci {
            locus.pairs.swap(0, 1);
        }
        assert_same(&logits_of(&case.model(), &input), &case.logits(), "haplotypes exchanged");
    }
}

#[test]
fn one_slot_a_long_sequence_and_a_haplotype_without_tokens_work() {
    for preset in Preset::ALL {
        let case = Case::of(preset);
        for n_slots in [1, 2, 8_192] {
            let locus = LocusShape { name: "L".into(), n_slots };
            let config = Config { loci: vec![locus], n_covariates: 0, ..case.config.clone() };
            let mut parameters = Parameters::seeded(3);
            let model = Model::new(&config, &mut parameters).unwrap();
            let ids: Vec<u32> = (0..2 * n_slots).map(|slot| 5 + (slot * slot + 1) as u32 % 15).collect();
            let tokens = Tensor::from_vec(ids, (2, n_slots), &Device::Cpu).unwrap();
            let pairs = [[0u32, 0, 1], [1, 0, 1]].map(|rows| Tensor::new(&rows, &Device::Cpu).unwrap());
            let targets = Tensor::new(&[1f32, 0.0, 1.0], &Device::Cpu).unwrap();
            let input = |mask| Input {
                loci: vec![LocusInput { tokens: tokens.clone(), mask: Arc::new(mask), pairs: pairs.clone() }],
                covariates: None,
            };
            let full = input(vec![1; 2 * n_slots]);
            assert!(logits_of(&model, &full).iter().all(|logit| logit.is_finite()));
            assert_every_parameter_learns(&parameters, &gradients(&model, &full, &targets), &format!("{preset}, {n_slots} slots"));
            let second_empty = input([vec![1; n_slots], vec![0; n_slots]].concat());
            assert!(logits_of(&model, &second_empty).iter().all(|logit| logit.is_finite()), "{preset}: a haplotype of padding alone");
        }
    }
}

/// Eight people, no two with the same haplotypes, half of them cases, and two for the validation split.
fn eight_people(cohort: &SmallCohort) -> Cohort {
    let Folder { tokens, fitted_on, .. } = Folder::load(&cohort.path("tokens")).unwrap();
    let mut seen = Vec::new();
    let mut people = Vec::new();
    for (number, (sample, pair)) in tokens.samples.iter().zip(&tokens.loci[0].pairs).enumerate() {
        let mut pair = *pair;
        pair.sort_unstable();
        // Nobody of the validation split may be one whom the tokens were fitted on.
        let may_be_next = people.len() < 8 || !fitted_on.contains(&number);
        if people.len() < 10 && may_be_next && !seen.contains(&pair) {
            seen.push(pair);
            let phenotype = Some(if people.len() % 2 == 0 { Phenotype::Case } else { Phenotype::Control });
            let split = if people.len() < 8 { Split::Train } else { Split::Validation };
            people.push(Person { sample_id: sample.clone(), phenotype, split, family_id: None, covariates: Vec::new() });
        }
    }
    assert_eq!(people.len(), 10);
    Cohort { people, covariate_names: Vec::new() }
}

#[test]
fn eight_people_are_learnt_by_heart() {
    let small = SmallCohort::new();
    let table = small.path("eight.csv");
    eight_people(&small).write(std::fs::File::create(&table).unwrap()).unwrap();
    for preset in Preset::ALL {
        let options = training::Options {
            cohort: table.clone(),
            architecture: Architecture { preset, ..Architecture::default() },
            schedule: Schedule { epochs: 60, patience: 60, batch_size: 8, weight_decay: 0.0, ..Schedule::default() },
            ..small.training_options(&small.path(&format!("heart-{preset}")))
        };
        let mut loss = f64::NAN;
        training::run(&options, &mut |event| {
            if let Progress::Epoch(log) = event {
                loss = log.train_loss;
            }
        })
        .unwrap();
        assert!(loss < 0.05, "{preset}: loss {loss}");
    }
}

#[test]
fn a_saved_model_gives_the_same_logits_bit_for_bit() {
    let small = SmallCohort::new();
    for preset in Preset::ALL {
        let mut options = small.training_options(&small.path(&format!("saved-{preset}")));
        options.architecture.preset = preset;
        training::run(&options, &mut |_| {}).unwrap();
        let (cohort, folder) =
            (Cohort::read(&options.cohort, PhenotypeCoding::Auto, &CovariateChoice::All).unwrap(), Folder::load(&options.tokens).unwrap());
        let everyone: Vec<usize> = (0..cohort.people.len()).collect();
        let of = |bundle: &Bundle| {
            let data = Dataset::new(&folder.tokens, &cohort, bundle.config.covariates.clone()).unwrap();
            let bits = logits(&bundle.model().unwrap(), &data, &everyone).unwrap().into_iter().map(f32::to_bits);
            bits.collect::<Vec<u32>>()
        };
        let written = read_predictions(&options.out.join("predictions.csv")).unwrap();
        let written: Vec<u32> = written.iter().map(|row| (row.logit as f32).to_bits()).collect();
        let bundle = Bundle::load(&options.out).unwrap();
        assert_eq!(of(&bundle), written, "{preset}: the bundle and the predictions written beside it");
        let copy = small.path(&format!("copy-{preset}"));
        bundle.save(&copy).unwrap();
        assert_eq!(of(&Bundle::load(&copy).unwrap()), written, "{preset}: saved and loaded again");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let small = SmallCohort::new();
    for preset in Preset::ALL {
        let parameters_after_three_steps = |seed: u64, n_threads: usize, run: &str| -> Vec<u8> {
            let mut options = small.training_options(&small.path(&format!("{preset}-{run}")));
            options.architecture.preset = preset;
            options.schedule = Schedule { epochs: 1, batch_size: 24, seed, ..Schedule::default() };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let mut n_steps = 0;
            pool.install(|| {
                let mut count = |event: Progress<'_>| n_steps += usize::from(matches!(event, Progress::Step { .. }));
                training::run(&options, &mut count).unwrap()
            });
            assert_eq!(n_steps, 3);
            std::fs::read(options.out.join("model.safetensors")).unwrap()
        };
        let first = parameters_after_three_steps(1, 1, "first");
        assert!(first == parameters_after_three_steps(1, 1, "again"), "{preset}: the same seed, other bytes");
        assert!(first == parameters_after_three_steps(1, 2, "two-threads"), "{preset}: two threads, other bytes");
        assert!(first != parameters_after_three_steps(2, 2, "other-seed"), "{preset}: another seed, the same bytes");
    }
}
