//! Linear layers as two factors: the Linear Encoder-Decoder of the Low-Rank Transformer (Winata et
//! al. 2020, arXiv 1910.13923, section 3.1) and of the greenformer library, whose rule for ranks
//! this is.

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use crate::{Init, Parameters, linear};

/// A linear layer without its bias, which the operation after it adds.
#[derive(Clone, Debug)]
pub enum Linear {
    /// W, (in, out).
    Dense(Tensor),
    /// `W = reduce expand`.
    LowRank {
        /// (in, rank).
        reduce: Tensor,
        /// (rank, out).
        expand: Tensor,
    },
}

impl Linear {
    /// Makes or loads the weights: `NAME` of a dense layer, `NAME.reduce` and `NAME.expand` where
    /// `rank` factorises it. The output of a new layer has the spread of its input, factorised
    /// or not.
    ///
    /// # Errors
    /// As [`Parameters::get`].
    pub fn new(
        name: &str,
        n_in: usize,
        n_out: usize,
        rank: Option<Rank>,
        parameters: &mut Parameters,
    ) -> Result<Self> {
        Self::with_gain(name, n_in, n_out, rank, 1.0, parameters)
    }

    /// As [`Linear::new`], but the output of a new layer has `gain` times the spread of its input.
    ///
    /// # Errors
    /// As [`Parameters::get`].
    pub fn with_gain(
        name: &str,
        n_in: usize,
        n_out: usize,
        rank: Option<Rank>,
        gain: f64,
        parameters: &mut Parameters,
    ) -> Result<Self> {
        let spread = |n: usize, gain: f64| Init::Normal(gain / (n as f64).sqrt());
        Ok(match rank.and_then(|rank| rank.of_layer(n_in, n_out)) {
            None => Self::Dense(parameters.get(name, (n_in, n_out), spread(n_in, gain))?),
            Some(rank) => Self::LowRank {
                reduce: parameters.get(
                    &format!("{name}.reduce"),
                    (n_in, rank),
                    spread(n_in, 1.0),
                )?,
                expand: parameters.get(
                    &format!("{name}.expand"),
                    (rank, n_out),
                    spread(rank, gain),
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

/// How far a layer is factorised: `LED(in, out, r)` has `r (in + out)` weights in place of `in
/// out`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub enum Rank {
    /// The rank itself.
    Absolute(usize),
    /// A share of each layer's limit `in out / (in + out)`, from which on nothing is saved.
    Share(f64),
}

impl Rank {
    /// Of a dense layer (in, out): the rank of its factors, or `None` where factors would not be
    /// smaller and the layer is left alone.
    #[must_use]
    pub fn of_layer(self, n_in: usize, n_out: usize) -> Option<usize> {
        let limit = Self::limit(n_in, n_out);
        let rank = match self {
            Self::Absolute(rank) => rank,
            Self::Share(share) => (share * limit as f64) as usize,
        };
        (rank > 0 && rank < limit).then_some(rank)
    }

    /// The rank from which on factors of a layer (in, out) save nothing, rounded down.
    #[must_use]
    pub fn limit(n_in: usize, n_out: usize) -> usize {
        n_in.saturating_mul(n_out) / n_in.saturating_add(n_out).max(1)
    }

    /// Checks the number.
    ///
    /// # Errors
    /// A rank of 0 or below, or a share that is no number.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Share(share) if !(share > 0.0 && share < 1.0) => {
                bail!(
                    "rank ({share}) must be a share between 0 and 1, or a whole number of at \
                     least 1"
                )
            }
            _ => Ok(()),
        }
    }
}

impl From<f64> for Rank {
    /// As `auto_fact` reads it: from 1 on the rank itself, below a share.
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
