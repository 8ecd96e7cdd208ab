//! Converts the parameters of a dense model to those of a low-rank model.
//!
//! Input -> output: parameters by name, and the low-rank configuration -> parameters by name. A
//! layer `NAME` (in, out) that the low-rank model has as `NAME.reduce` (in, r) and `NAME.expand`
//! (r, out) is replaced by factors. All other parameters are copied.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use nalgebra::DMatrix;
use rayon::prelude::*;

use super::{Error, Solver, solver};
use crate::{
    models::{Config, Model, TermShape, network_prefix, term_tensors},
    training::Weights,
};
use gf_nn::Parameters;

/// Why a layer cannot be factorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerProblem {
    /// A layer that the model does not have.
    #[error("the dense model has no such matrix; train the model again")]
    NoMatrix,
    /// A weight that is not a finite number.
    #[error("a weight is not finite; train the model again")]
    NotFinite,
    /// A solver without a result.
    #[error("the solver does not converge; choose another --solver")]
    NotConverged,
}

/// The parameters of a low-rank model.
pub struct Factorised {
    /// Layers that factors replaced.
    pub n_layers: usize,
    pub parameters: Weights,
}

/// Factorises the layers of one network.
pub fn factorise(
    dense: &Weights,
    low_rank: &Config,
    solver: Solver,
    seed: u64,
) -> Result<Factorised, Error> {
    // The low-rank model defines which layers have factors, and has random values for them.
    let mut new = Parameters::seeded(seed);
    Model::new(low_rank, &mut new)?;
    replace(dense, &new, solver)
}

/// Like [`factorise`], for every network of the deep terms of a member with an additive term. The
/// additive term is unchanged.
pub fn factorise_terms(
    dense: &Weights,
    terms: &[TermShape],
    low_rank: &Config,
    solver: Solver,
    seed: u64,
) -> Result<Factorised, Error> {
    let mut n_layers = 0;
    let mut parameters = dense.clone();
    for (term, shape) in terms.iter().enumerate() {
        let networks = term_tensors(&mut parameters, term, shape.networks);
        for (number, network) in networks.iter().enumerate() {
            let factorised = factorise(network, &shape.config(low_rank), solver, seed)?;
            n_layers += factorised.n_layers;
            let prefix = network_prefix(term, number);
            parameters.extend(
                factorised
                    .parameters
                    .into_iter()
                    .map(|(name, tensor)| (format!("{prefix}{name}"), tensor)),
            );
        }
    }
    Ok(Factorised {
        n_layers,
        parameters,
    })
}

/// Replaces the dense layers for which `low_rank` has factors.
fn replace(dense: &Weights, low_rank: &Parameters, solver: Solver) -> Result<Factorised, Error> {
    let low_rank: BTreeMap<&str, &Tensor> = low_rank
        .iter()
        .map(|(name, var)| (name, var.as_tensor()))
        .collect();
    let layers: Vec<&str> = low_rank
        .keys()
        .filter_map(|name| name.strip_suffix(".reduce"))
        .collect();
    let factors = layers
        .par_iter()
        .map(|layer| layer_factors(layer, dense, &low_rank, solver))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut parameters = dense.clone();
    parameters.retain(|name, _| !layers.contains(&name.as_str()));
    parameters.extend(factors.into_iter().flatten());
    Ok(Factorised {
        n_layers: layers.len(),
        parameters,
    })
}

/// Both factors of a layer, with their names.
fn layer_factors(
    layer: &str,
    dense: &Weights,
    low_rank: &BTreeMap<&str, &Tensor>,
    solver: Solver,
) -> Result<[(String, Tensor); 2], Error> {
    let reduce_name = format!("{layer}.reduce");
    let expand_name = format!("{layer}.expand");
    let new_reduce = low_rank.get(reduce_name.as_str());
    let new_expand = low_rank.get(expand_name.as_str());
    let (Some(w), Some(new_reduce), Some(new_expand)) = (dense.get(layer), new_reduce, new_expand)
    else {
        return Err(Error::Layer {
            layer: layer.into(),
            problem: LayerProblem::NoMatrix,
        });
    };
    let rank = new_reduce.dim(1)?;
    let [reduce, expand] = match solver {
        Solver::Random => [new_reduce.detach(), new_expand.detach()],
        Solver::Svd => solved(layer, w, rank, solver::svd)?,
        Solver::Snmf => solved(layer, w, rank, solver::snmf)?,
    };
    Ok([(reduce_name, reduce), (expand_name, expand)])
}

/// The factors of a layer by a solver.
fn solved(
    layer: &str,
    w: &Tensor,
    rank: usize,
    solve: fn(&DMatrix<f64>, usize) -> Option<solver::Factors>,
) -> Result<[Tensor; 2], Error> {
    let (n_in, n_out) = w.dims2()?;
    let values = w.flatten_all()?.to_vec1::<f32>()?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::Layer {
            layer: layer.into(),
            problem: LayerProblem::NotFinite,
        });
    }
    let w = DMatrix::from_row_iterator(n_in, n_out, values.into_iter().map(f64::from));
    let Some(factors) = solve(&w, rank) else {
        return Err(Error::Layer {
            layer: layer.into(),
            problem: LayerProblem::NotConverged,
        });
    };
    let [reduce, expand] = factors.map(|factor| {
        // nalgebra is column-major, candle row-major.
        let values: Vec<f32> = factor
            .transpose()
            .iter()
            .map(|&value| value as f32)
            .collect();
        Tensor::from_vec(values, factor.shape(), &Device::Cpu)
    });
    Ok([reduce?, expand?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_nn::Init;

    /// Dense layers with names of the encoder. One is called `expand`, like a factor.
    fn dense() -> Weights {
        let mut parameters = Parameters::seeded(1);
        for (name, shape) in [
            ("layers.0.attention.query", (8, 8)),
            ("layers.0.feed_forward.expand", (8, 12)),
            ("head.hidden", (8, 3)),
        ] {
            parameters.get(name, shape, Init::Normal(1.0)).unwrap();
        }
        parameters
            .get("layers.0.feed_forward.expand_bias", 12, Init::Normal(1.0))
            .unwrap();
        parameters
            .iter()
            .map(|(name, var)| (name.to_string(), var.as_tensor().clone()))
            .collect()
    }

    /// The same with `rank` in the feed-forward layer.
    fn low_rank(rank: usize) -> Parameters {
        let mut parameters = Parameters::seeded(2);
        parameters
            .get("layers.0.attention.query", (8, 8), Init::Normal(1.0))
            .unwrap();
        parameters
            .get(
                "layers.0.feed_forward.expand.reduce",
                (8, rank),
                Init::Normal(1.0),
            )
            .unwrap();
        parameters
            .get(
                "layers.0.feed_forward.expand.expand",
                (rank, 12),
                Init::Normal(1.0),
            )
            .unwrap();
        parameters
            .get("layers.0.feed_forward.expand_bias", 12, Init::Normal(1.0))
            .unwrap();
        parameters
            .get("head.hidden", (8, 3), Init::Normal(1.0))
            .unwrap();
        parameters
    }

    fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
        tensor.to_vec2().unwrap()
    }

    #[test]
    fn factors_replace_their_layer_and_all_else_is_unchanged() {
        let dense = dense();
        for solver in [Solver::Svd, Solver::Snmf, Solver::Random] {
            let Factorised {
                n_layers,
                parameters,
            } = replace(&dense, &low_rank(8), solver).unwrap();
            assert_eq!(n_layers, 1);
            let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
            let expand = "layers.0.feed_forward.expand";
            let expected = [
                "head.hidden",
                "layers.0.attention.query",
                &format!("{expand}.expand"),
                &format!("{expand}.reduce"),
                &format!("{expand}_bias"),
            ];
            assert_eq!(names, expected);
            for name in ["head.hidden", "layers.0.attention.query"] {
                assert_eq!(rows(&parameters[name]), rows(&dense[name]), "{name}");
            }
            let bias = format!("{expand}_bias");
            assert_eq!(
                parameters[&bias].to_vec1::<f32>().unwrap(),
                dense[&bias].to_vec1::<f32>().unwrap()
            );
            // At full rank the product equals the layer. Random factors are drawn from the seed.
            let product = parameters[&format!("{expand}.reduce")]
                .matmul(&parameters[&format!("{expand}.expand")])
                .unwrap();
            let off = (product - &dense[expand])
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            match solver {
                Solver::Svd => assert!(off < 1e-5, "{off}"),
                Solver::Snmf => assert!(
                    rows(&parameters[&format!("{expand}.expand")])
                        .iter()
                        .flatten()
                        .all(|&value| value >= 0.0)
                ),
                Solver::Random => {
                    let new = low_rank(8);
                    let (_, reduce) = new
                        .iter()
                        .find(|(name, _)| name.ends_with(".reduce"))
                        .unwrap();
                    assert_eq!(rows(&parameters[&format!("{expand}.reduce")]), rows(reduce));
                }
            }
        }
    }

    #[test]
    fn a_weight_that_is_not_finite_is_refused() {
        let mut dense = dense();
        dense.insert(
            "layers.0.feed_forward.expand".into(),
            Tensor::full(f32::NAN, (8, 12), &Device::Cpu).unwrap(),
        );
        let error = replace(&dense, &low_rank(2), Solver::Svd)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("layers.0.feed_forward.expand: a weight is not finite"),
            "{error}"
        );
    }
}
