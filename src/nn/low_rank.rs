//! Linear layers as two factors: the Linear Encoder-Decoder of the Low-Rank Transformer (Winata et al. 2020, arXiv 1910.13923, section 3.1)
//! and of the greenformer library, whose rule for ranks this is.

use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};

/// How far a layer is factorised: `LED(in, out, r)` has `r (in + out)` weights in place of `in out`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub enum Rank {
    /// The rank itself.
    Absolute(usize),
    /// A share of each layer's limit `in out / (in + out)`, from which on nothing is saved.
    Share(f64),
}

impl Rank {
    /// Of a dense layer (in, out): the rank of its factors, or `None` where factors would not be smaller and the layer is left alone.
    #[must_use]
    pub fn of_layer(self, n_in: usize, n_out: usize) -> Option<usize> {
        let limit = n_in * n_out / (n_in + n_out);
        let rank = match self {
            Self::Absolute(rank) => rank,
            Self::Share(share) => (share * limit as f64) as usize,
        };
        (rank > 0 && rank < limit).then_some(rank)
    }

    /// Checks the number.
    ///
    /// # Errors
    /// A rank of 0 or below, or a share that is no number.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Share(share) if !(share > 0.0 && share < 1.0) => {
                bail!("rank ({share}) must be a share between 0 and 1, or a whole number of at least 1")
            }
            _ => Ok(()),
        }
    }
}

impl From<f64> for Rank {
    /// As `auto_fact` reads it: from 1 on the rank itself, below a share.
    fn from(value: f64) -> Self {
        if value >= 1.0 && value.fract() == 0.0 { Self::Absolute(value as usize) } else { Self::Share(value) }
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
