//! Weights of one model as initial weights of another.
//!
//! EcoFormer's recipe (Liu et al. 2022, arXiv 2209.09004, section 5) is to train with softmax or
//! Linformer attention first, and then to switch to hashed codes and fine-tune.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, bail};

use super::{Architecture, AttentionKind, Config, Model};
use gf_nn::Parameters;

/// Converts the weights of a model `from` to initial weights of a model `to`.
///
/// - The same model gets the weights unchanged.
/// - An `ecoformer` gets the weights of a softmax or Linformer model with the same other options:
///   embeddings, norms, values, output, feed-forward and head by name. Its shared projection of
///   queries and keys is the projection of the queries. The hash functions are random, drawn from
///   `seed`, until [`Model::fit_hashes`] fits them.
///
/// # Errors
/// Models that differ in any other option, which the message names; weights that are not those of
/// `from`.
pub fn converted(
    from: &Config,
    mut weights: BTreeMap<String, Tensor>,
    to: &Config,
    seed: u64,
) -> Result<BTreeMap<String, Tensor>> {
    let differences = differences(from, to);
    let becomes_ecoformer = to.architecture.attention == AttentionKind::Ecoformer
        && from.architecture.attention != AttentionKind::Ecoformer;
    if let Some(first) = differences
        .iter()
        .find(|(name, _)| !becomes_ecoformer || !ATTENTION_OPTIONS.contains(name))
    {
        let others = differences.len() - 1;
        let rest = if others == 0 {
            String::new()
        } else {
            format!(", and {others} more differences")
        };
        bail!(
            "the weights are of a different model ({} {}{rest}); use the same options, or train \
             from scratch",
            first.0,
            first.1
        );
    }
    Model::new(from, &mut Parameters::saved(weights.clone()))?;
    if !becomes_ecoformer {
        return Ok(weights);
    }
    let mut new = Parameters::seeded(seed);
    Model::new(to, &mut new)?;
    new.iter()
        .chain(new.buffers())
        .map(|(name, var)| {
            let tensor = weights
                .remove(name)
                .map_or_else(|| var.as_tensor().copy(), Ok)?;
            Ok((name.to_string(), tensor))
        })
        .collect()
}

/// Options of the attention, which may differ where the attention is replaced.
const ATTENTION_OPTIONS: [&str; 6] = [
    "attention",
    "sharing",
    "projection",
    "projected_length",
    "hash_bits",
    "released_numerator",
];

/// The name of each option that differs, with both values.
fn differences(from: &Config, to: &Config) -> Vec<(&'static str, String)> {
    fn pair<T: std::fmt::Debug + PartialEq>(
        name: &'static str,
        from: &T,
        to: &T,
    ) -> Option<(&'static str, String)> {
        (from != to).then(|| (name, format!("is {from:?} there and {to:?} here")))
    }
    let a: &Architecture = &from.architecture;
    let b: &Architecture = &to.architecture;
    // The preset is left out: it only sets the defaults of the other options.
    let all = [
        pair("vocab_size", &from.vocab_size, &to.vocab_size),
        pair("loci", &from.loci, &to.loci),
        pair("n_covariates", &from.n_covariates, &to.n_covariates),
        pair("hidden", &a.hidden, &b.hidden),
        pair("layers", &a.layers, &b.layers),
        pair("heads", &a.heads, &b.heads),
        pair("feed_forward", &a.feed_forward, &b.feed_forward),
        pair("rank", &a.rank, &b.rank),
        pair("activation", &a.activation, &b.activation),
        pair("convolution", &a.convolution, &b.convolution),
        pair("attention", &a.attention, &b.attention),
        pair("sharing", &a.sharing, &b.sharing),
        pair("projection", &a.projection, &b.projection),
        pair("projected_length", &a.projected_length, &b.projected_length),
        pair("hash_bits", &a.hash_bits, &b.hash_bits),
        pair(
            "released_numerator",
            &a.released_numerator,
            &b.released_numerator,
        ),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{LocusShape, Preset};

    fn config(preset: Preset) -> Config {
        let architecture = Architecture {
            hidden: 8,
            heads: 2,
            feed_forward: 8,
            projected_length: 3,
            ..preset.architecture()
        };
        Config {
            architecture,
            vocab_size: 9,
            loci: vec![LocusShape {
                name: "L".into(),
                n_slots: 6,
            }],
            n_covariates: 0,
        }
    }

    fn weights(config: &Config) -> BTreeMap<String, Tensor> {
        let mut parameters = Parameters::seeded(1);
        Model::new(config, &mut parameters).unwrap();
        parameters
            .iter()
            .chain(parameters.buffers())
            .map(|(name, var)| (name.to_string(), var.as_tensor().copy().unwrap()))
            .collect()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn an_ecoformer_takes_all_that_it_has_in_common() {
        for preset in [Preset::Linformer, Preset::Transformer] {
            let from = config(preset);
            let to = config(Preset::Ecoformer);
            let old = weights(&from);
            let fresh = weights(&to);
            let new = converted(&from, old.clone(), &to, 2).unwrap();
            Model::new(&to, &mut Parameters::saved(new.clone())).unwrap();
            for (name, tensor) in &new {
                let expected = old.get(name).or(fresh.get(name)).unwrap();
                // Drawn from another seed here, if it was drawn.
                assert_eq!(
                    values(tensor) == values(expected),
                    old.contains_key(name) || !name.ends_with("hash") && !name.ends_with("anchors")
                );
            }
            assert!(
                new.contains_key("layers.0.attention.query")
                    && !new.contains_key("layers.0.attention.key")
            );
        }
    }

    #[test]
    fn the_same_model_takes_them_as_they_are_and_another_is_refused_by_name() {
        let from = config(Preset::Linformer);
        let same = converted(&from, weights(&from), &from, 2).unwrap();
        assert!(
            same.iter()
                .zip(&weights(&from))
                .all(|(a, b)| a.0 == b.0 && values(a.1) == values(b.1))
        );
        let mut deeper = config(Preset::Ecoformer);
        deeper.architecture.layers = 3;
        let mut longer = from.clone();
        longer.architecture.projected_length = 4;
        for (to, expected) in [
            (deeper, "layers is 2 there and 3 here"),
            (
                config(Preset::Transformer),
                "attention is Linformer there and Softmax here",
            ),
            (longer, "projected_length"),
        ] {
            let message = converted(&from, weights(&from), &to, 2)
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
