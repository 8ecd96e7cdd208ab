//! Linear layers as a product of two factors, `W = reduce expand`.
//!
//! This is the Linear Encoder-Decoder of the Low-Rank Transformer (Winata et al. 2020, arXiv
//! 1910.13923, section 3.1). The rule for ranks is that of the greenformer library.

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use crate::{Init, Parameters, linear};

/// The weights of a linear layer. The operation after the layer adds the bias.
#[derive(Clone, Debug)]
pub enum Linear {
    /// W, (in, out).
    Dense(Tensor),
    /// `W = reduce expand`.
    LowRank {
        /// The first factor, (in, rank).
        reduce: Tensor,
        /// The second factor, (rank, out).
        expand: Tensor,
    },
}

impl Linear {
    /// Creates or loads the weights.
    ///
    /// The name is `NAME` for a dense layer, and `NAME.reduce` and `NAME.expand` for the factors.
    /// The output of a new layer has the standard deviation of its input, with or without factors.
    ///
    /// # Errors
    /// See [`Parameters::get`].
    pub fn new(
        name: &str,
        n_in: usize,
        n_out: usize,
        rank: Option<Rank>,
        parameters: &mut Parameters,
    ) -> Result<Self> {
        Self::with_gain(name, n_in, n_out, rank, 1.0, parameters)
    }

    /// Like [`Linear::new`], but the output of a new layer has `gain` times the standard deviation
    /// of its input.
    ///
    /// # Errors
    /// See [`Parameters::get`].
    pub fn with_gain(
        name: &str,
        n_in: usize,
        n_out: usize,
        rank: Option<Rank>,
        gain: f64,
        parameters: &mut Parameters,
    ) -> Result<Self> {
        Ok(match rank.and_then(|rank| rank.of_layer(n_in, n_out)) {
            None => Self::Dense(parameters.get(name, (n_in, n_out), scaled_normal(n_in, gain))?),
            Some(rank) => Self::LowRank {
                reduce: parameters.get(
                    &format!("{name}.reduce"),
                    (n_in, rank),
                    scaled_normal(n_in, 1.0),
                )?,
                expand: parameters.get(
                    &format!("{name}.expand"),
                    (rank, n_out),
                    scaled_normal(rank, gain),
                )?,
            },
        })
    }

    /// `x W` for `x` (.., in) -> (.., out).
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(weight) => linear(x, weight),
            Self::LowRank { reduce, expand } => linear(&linear(x, reduce)?, expand),
        }
    }
}

/// Initial values of a layer with `n_in` inputs whose output has `gain` times the standard
/// deviation of its input.
fn scaled_normal(n_in: usize, gain: f64) -> Init {
    Init::Normal(gain / (n_in as f64).sqrt())
}

/// The rank of factorised layers: factors of rank r have `r (in + out)` weights instead of `in
/// out`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub enum Rank {
    /// The rank itself.
    Absolute(usize),
    /// A fraction of the limit `in out / (in + out)` of each layer. At the limit, factors save no
    /// weights.
    Share(f64),
}

impl Rank {
    /// The rank for a layer (in, out), or `None` where factors would not be smaller and the layer
    /// stays dense.
    #[must_use]
    pub fn of_layer(self, n_in: usize, n_out: usize) -> Option<usize> {
        let limit = Self::limit(n_in, n_out);
        let rank = match self {
            Self::Absolute(rank) => rank,
            Self::Share(share) => (share * limit as f64) as usize,
        };
        (rank > 0 && rank < limit).then_some(rank)
    }

    /// The smallest rank at which factors of a layer (in, out) save no weights, rounded down.
    #[must_use]
    pub fn limit(n_in: usize, n_out: usize) -> usize {
        n_in.saturating_mul(n_out) / n_in.saturating_add(n_out).max(1)
    }

    /// Checks that the rank is at least 1 or a fraction between 0 and 1.
    ///
    /// # Errors
    /// A rank of 0 or below, a rank above 1 that is not whole, or NaN.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Share(share) if !(share > 0.0 && share < 1.0) => {
                bail!(
                    "rank ({share}) must be a fraction between 0 and 1, or a whole number of 1 or \
                     more"
                )
            }
            _ => Ok(()),
        }
    }
}

impl From<f64> for Rank {
    /// Reads a number like greenformer's `auto_fact`: 1 or more is the rank itself, less than 1 is
    /// a fraction.
    fn from(value: f64) -> Self {
        if value >= 1.0 && value.fract() == 0.0 {
            Self::Absolute(value as usize)
        } else {
            Self::Share(value)
        }
    }
}

impl From<Rank> for f64 {
    fn from(rank: Rank) -> Self {
        match rank {
            Rank::Absolute(rank) => rank as Self,
            Rank::Share(share) => share,
        }
    }
}
