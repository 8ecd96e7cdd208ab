//! Counts made by hand, on one locus of three slots (n), hidden size 2 (d), one head, one layer,
//! wide layer 4 (f).

use super::*;
use crate::models::{LocusShape, Model, Preset};
use gf_nn::{Parameters, Rank};

fn tiny(attention: AttentionKind) -> Config {
    let sizes = Architecture {
        hidden: 2,
        heads: 1,
        layers: 1,
        feed_forward: 4,
        projected_length: 2,
        hash_bits: 4,
        ..Architecture::default()
    };
    let architecture = Architecture { attention, ..sizes };
    Config {
        architecture,
        vocab_size: 7,
        loci: vec![LocusShape {
            name: "L".into(),
            n_slots: 3,
        }],
        n_covariates: 0,
    }
}

/// All but queries, keys, values and their mixture:
/// position embedding          0 * and  6 +
/// norm, output, bias + x     18 + 12 * and 24 + 12 + 12 +
/// norm                       18 * and 24 +
/// expand, bias, GELU         24 + 24 * and 24 + 12 + 12 +
/// contract, bias + x         24 * and 24 + 12 +
/// last norm, mean            18 + 2 * and 24 + 6 +
/// head: pair 2 and 2; layer 4 x 2, bias, GELU 8 + 4 and 8 + 2 + 2; output 2 and 2 + 1
const AROUND: (u64, u64) = (156, 209);

#[track_caller]
fn assert_mixing(config: &Config, multiplications: u64, additions: u64) {
    let cost = config.cost().unwrap();
    assert_eq!(
        (cost.multiplications - AROUND.0, cost.additions - AROUND.1),
        (multiplications, additions)
    );
    let energy = 3.7 * cost.multiplications as f64 + 0.9 * cost.additions as f64;
    assert!((cost.energy_pj - energy).abs() < 1e-9);
}

#[test]
fn softmax_by_hand() {
    // Queries, keys, values 3 x (3 x 2 x 2); q k^T and weights v 2 x (3 x 3 x 2); scale 3 x 2; 2
    // for each of 9 weights.
    assert_mixing(
        &tiny(AttentionKind::Softmax),
        36 + 36 + 6 + 18,
        36 + 36 + 18,
    );
}

#[test]
fn convolution_by_hand() {
    // Softmax, and 3 x (3 x 3 x 2).
    let mut config = tiny(AttentionKind::Softmax);
    config.architecture.convolution = true;
    assert_mixing(&config, 96 + 54, 90 + 54);
    // Linformer then summarises keys and values of all slots: 3 x 12, 54, two summaries 2 x (2 x 3
    // x 2), softmax over two rows.
    let mut config = tiny(AttentionKind::Linformer);
    config.architecture.convolution = true;
    assert_mixing(&config, 36 + 54 + 24 + 42, 36 + 54 + 24 + 36);
}

#[test]
fn linformer_by_hand() {
    // Softmax over two summaries: 2 x (3 x 2 x 2), scale 6, 2 for each of 6 weights: 42 * and 36 +.
    // Queries: 12. One E (2 x 3 x 2), then keys and values of two rows 2 x (2 x 2 x 2).
    for sharing in [Sharing::KeyValue, Sharing::Layerwise] {
        assert_mixing(
            &linformer(sharing, Projection::Learned),
            12 + 12 + 16 + 42,
            12 + 12 + 16 + 36,
        );
    }
    // E and F.
    assert_mixing(
        &linformer(Sharing::Headwise, Projection::Learned),
        12 + 24 + 16 + 42,
        12 + 24 + 16 + 36,
    );
    // E and F for each head, after the keys and values of all slots.
    assert_mixing(
        &linformer(Sharing::None, Projection::Learned),
        12 + 24 + 24 + 42,
        12 + 24 + 24 + 36,
    );
    // Two windows of two slots: a sum of 3 x 2, a division of 2 x 2.
    assert_mixing(
        &linformer(Sharing::KeyValue, Projection::Mean),
        12 + 4 + 16 + 42,
        12 + 6 + 16 + 36,
    );
    // Keys and values of all slots; 3 x 2 comparisons of each.
    assert_mixing(
        &linformer(Sharing::KeyValue, Projection::Max),
        12 + 24 + 42,
        12 + 24 + 12 + 36,
    );
    // A weight on each of 3 x 2, and the division.
    assert_mixing(
        &linformer(Sharing::KeyValue, Projection::Conv),
        12 + 24 + 2 * (6 + 4) + 42,
        12 + 24 + 2 * 6 + 36,
    );
}

fn linformer(sharing: Sharing, projection: Projection) -> Config {
    let mut config = tiny(AttentionKind::Linformer);
    config.architecture.sharing = sharing;
    config.architecture.projection = projection;
    config
}

#[test]
fn ecoformer_by_hand() {
    // Queries and values 2 x 12. Unit vectors 6 + 6 * and 6 +. 25 anchors: products 150, then 2 *
    // and 3 + for each of 75. Hash 4 x 75. Sums 4 x 6 + 4 x 3 + 6; each code with them 4 x 6 +
    // 4 x 3, c V and N c 6 + 3, and the division 6 *; c V itself 2 *.
    let mut config = tiny(AttentionKind::Ecoformer);
    let hash = (24 + 12 + 150 + 150 + 300, 24 + 6 + 150 + 225 + 300);
    assert_mixing(&config, hash.0 + 6 + 2, hash.1 + 42 + 45);
    // The token's own value in place of V: no sum of values, c v of each token.
    config.architecture.released_numerator = true;
    assert_mixing(&config, hash.0 + 6 + 6, hash.1 + 36 + 45);
}

#[test]
fn activations_by_hand() {
    // GELU is 24 * and 12 + of 3 x 4 values.
    let gelu = cost_with(Activation::Gelu);
    let relu = cost_with(Activation::Relu);
    assert_eq!(relu.multiplications, gelu.multiplications - 24);
    assert_eq!(relu.additions, gelu.additions);
    let squared_relu = cost_with(Activation::SquaredRelu);
    assert_eq!(squared_relu.multiplications, gelu.multiplications - 12);
    assert_eq!(squared_relu.additions, gelu.additions);
}

fn cost_with(activation: Activation) -> Cost {
    let mut config = tiny(AttentionKind::Softmax);
    config.architecture.activation = activation;
    config.cost().unwrap()
}

#[test]
fn low_rank_layers_by_hand() {
    // Six layers of 3 rows: 2 x (8 + 8) = 32 in place of 8 x 8 = 64.
    let dense = cost_at_rank(None);
    let low_rank = cost_at_rank(Some(Rank::Absolute(2)));
    assert_eq!(low_rank.multiplications, dense.multiplications - 576);
    assert_eq!(low_rank.additions, dense.additions - 576);
}

fn cost_at_rank(rank: Option<Rank>) -> Cost {
    let mut config = tiny(AttentionKind::Softmax);
    config.architecture = Architecture {
        hidden: 8,
        feed_forward: 8,
        rank,
        ..config.architecture
    };
    config.cost().unwrap()
}

#[test]
fn parameters_and_bytes_by_hand() {
    // Embeddings 7 x 2 + 3 x 2, three norms of 4, attention 4 x 4 + 2, E 2 x 3, feed-forward 8 + 4
    // + 8 + 2, head 8 + 2 + 2 + 1.
    let cost = tiny(AttentionKind::Linformer).cost().unwrap();
    assert_eq!(cost.parameters, 20 + 12 + 18 + 6 + 22 + 13);
    // Input and normed input 6 + 6; queries and mixture 6 + 6, keys and values 4 + 4, which is more
    // than wide layer and output 12 + 6.
    assert_eq!(cost.bytes, 4 * (91 + 12 + 20));
}

/// Every preset, and architectures that vary one or two options.
fn architectures() -> Vec<Architecture> {
    let sharings = [
        Sharing::None,
        Sharing::Headwise,
        Sharing::KeyValue,
        Sharing::Layerwise,
    ];
    let projections = [
        Projection::Learned,
        Projection::Mean,
        Projection::Max,
        Projection::Conv,
    ];
    let linformers = sharings
        .iter()
        .flat_map(|&sharing| projections.map(|projection| (sharing, projection)))
        .map(|(sharing, projection)| Architecture {
            sharing,
            projection,
            ..Architecture::default()
        });
    let convolutions = [Preset::Linformer, Preset::Ecoformer].map(|preset| Architecture {
        convolution: true,
        ..preset.architecture()
    });
    let ranks = [Rank::Absolute(20), Rank::Share(0.3)].map(|rank| Architecture {
        rank: Some(rank),
        ..Architecture::default()
    });
    Preset::ALL
        .map(Preset::architecture)
        .into_iter()
        .chain(linformers)
        .chain(convolutions)
        .chain(ranks)
        .collect()
}

#[test]
fn parameters_are_counted_as_they_are_made() {
    let mut n_checked = 0;
    for architecture in architectures() {
        let loci = [30, 20]
            .map(|n_slots| LocusShape {
                name: format!("locus of {n_slots}"),
                n_slots,
            })
            .into();
        let config = Config {
            architecture,
            vocab_size: 50,
            loci,
            n_covariates: 3,
        };
        let mut parameters = Parameters::seeded(1);
        // Sharings that would change nothing are refused.
        if Model::new(&config, &mut parameters).is_ok() {
            assert_eq!(
                config.n_parameters(),
                parameters.n_values(),
                "{:?}",
                config.architecture
            );
            n_checked += 1;
        }
    }
    assert_eq!(n_checked, 18);
    let huge = Architecture {
        hidden: 1 << 40,
        ..Architecture::default()
    };
    assert_eq!(
        Config {
            architecture: huge,
            ..tiny(AttentionKind::Softmax)
        }
        .n_parameters(),
        usize::MAX
    );
}

#[test]
fn loci_add_up() {
    let mut config = tiny(AttentionKind::Linformer);
    let one_locus = config.cost().unwrap();
    config.loci.push(LocusShape {
        name: "M".into(),
        n_slots: 3,
    });
    let two_loci = config.cost().unwrap();
    // The encoder twice; the head gets 2 x 2 more features for 2 values, and one more pair of 2.
    let head = 16;
    assert_eq!(
        two_loci.multiplications,
        2 * (one_locus.multiplications - head) + head + 8 + 2
    );
}

#[test]
fn a_long_sequence_costs_the_efficient_models_less_energy() {
    let softmax = energy(Preset::Transformer, 4_096);
    assert!(energy(Preset::Linformer, 4_096) < 0.27 * softmax);
    assert!(energy(Preset::Ecoformer, 4_096) < 0.27 * softmax);
    assert!(energy(Preset::LowRankTransformer, 4_096) < softmax);
}

fn energy(preset: Preset, n_slots: usize) -> f64 {
    let architecture = Architecture {
        hidden: 64,
        feed_forward: 256,
        projected_length: 128,
        ..preset.architecture()
    };
    let config = Config {
        architecture,
        loci: vec![LocusShape {
            name: "L".into(),
            n_slots,
        }],
        ..tiny(AttentionKind::Softmax)
    };
    config.cost().unwrap().energy_pj
}
