//! The cost of a forward pass of one sequence: one haplotype at each locus with every slot filled,
//! and the head once.
//!
//! Input -> output: a [`Config`] -> [`Cost`], counted from the architecture and not measured.
//!
//! With n slots, hidden width d, h heads, inner width f of the feed-forward layer, b hash bits, and
//! m rows that are attended to (n, or Linformer's summaries), the numbers of multiplications (`*`)
//! and additions (`+`) are:
//!
//! - Matrix product (a, b) (b, c): a b c of each.
//! - Linear layer from `in` to `out` for a rows: a in out of each; at rank r, a r (in + out) of
//!   each.
//! - Bias, residual or position embedding: 1 `+` per value.
//! - Layer norm, per value: 3 `*` (square, 1 / deviation, gamma) and 4 `+` (mean, centre, sum of
//!   squares, beta).
//! - Exponential, error function or division: 1 `*`.
//! - Comparison (maximum, rectifier): 1 `+`.
//! - Softmax attention: 2 n m d + n d + 2 h n m `*` (`q k^T` and `weights v`, scale of q, weights)
//!   and 2 n m d + 2 h n m `+`.
//! - Linformer's learned E, one summary of the sequence: m n d of each.
//! - Linformer's windows, n d `+` each: mean, m d `*`; maximum, no `*`; convolution, n d + m d `*`.
//! - EcoFormer's hash of unit vectors by 25 anchors: 2 n d + 25 n d + 25 n h (2 + b) `*` and n d +
//!   25 n d + 25 n h (3 + b) `+`.
//! - EcoFormer's attention: n d + d `*` and 2 b n d + 2 n d + 2 b n h + n h `+`. Products with
//!   codes of -1 and 1 are additions. With the released numerator: 2 n d `*`, and n d fewer `+`.
//! - Convolution of width 3, for each of queries, keys and values: 3 n d of each.
//! - Activation of n f values, n f `+` each: `gelu`, 2 n f `*`; `relu`, no `*`; `squared-relu`, n f
//!   `*`.
//! - Mean over the slots: d `*` and n d `+`.
//! - Head: sum and product of two haplotypes at each locus, two linear layers, GELU.
//!
//! The energy is computed like in EcoFormer (Liu et al. 2022, arXiv 2209.09004, section 5; Horowitz
//! 2014, 45 nm, 32-bit floats): 3.7 pJ per multiplication and 0.9 pJ per addition, without the
//! movement of data.

mod operations;
#[cfg(test)]
mod tests;

use candle_core::Result;

use self::operations::{Operations, additions, multiplications, products};
use super::{
    Architecture, AttentionKind, Config, Projection, Sharing, attention::ecoformer::ANCHORS,
};
use gf_nn::Activation;

/// Energy of a multiplication of 32-bit floats, in pJ.
const PJ_PER_MULTIPLICATION: f64 = 3.7;
/// Energy of an addition, in pJ.
const PJ_PER_ADDITION: f64 = 0.9;
/// Size of a 32-bit float.
const BYTES_PER_VALUE: u64 = 4;

/// The cost of a forward pass of one sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Values over all parameters.
    pub parameters: u64,
    /// Scalar multiplications.
    pub multiplications: u64,
    /// Scalar additions.
    pub additions: u64,
    /// Energy of both in pJ.
    pub energy_pj: f64,
    /// Memory of the parameters and of the peak of activations.
    ///
    /// The peak is at the longest locus: the input of a layer with either (normed input, queries,
    /// keys, values, mixture) or (normed input, inner layer, output). EcoFormer's codes count as
    /// floats.
    pub bytes: u64,
}

impl Config {
    /// The cost of a forward pass of one sequence.
    ///
    /// # Errors
    /// An invalid configuration.
    pub fn cost(&self) -> Result<Cost> {
        self.validate()?;
        let parameters = self.n_parameters() as u64;
        let count = self
            .loci
            .iter()
            .map(|locus| self.encoder(locus.n_slots))
            .sum::<Operations>()
            + self.head();
        let activations = self
            .loci
            .iter()
            .map(|locus| self.activations(locus.n_slots))
            .max()
            .unwrap_or(0) as u64;
        Ok(Cost {
            parameters,
            multiplications: count.multiplications,
            additions: count.additions,
            energy_pj: PJ_PER_MULTIPLICATION * count.multiplications as f64
                + PJ_PER_ADDITION * count.additions as f64,
            bytes: BYTES_PER_VALUE * (parameters + activations),
        })
    }

    /// Number of values in all parameters, computed without building the model; at most
    /// `usize::MAX`.
    ///
    /// The model may be larger than the memory of the machine.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        let Architecture { hidden, layers, .. } = self.architecture;
        let embedding = product(&[self.vocab_size.saturating_add(self.total_slots()), hidden]);
        let last_norm = product(&[2, hidden]);
        sum(&[
            embedding,
            product(&[layers, self.n_layer_parameters()]),
            product(&[self.n_summary_matrices(), self.n_summary_parameters()]),
            last_norm,
            self.n_head_parameters(),
        ])
    }

    /// Parameters of one layer, without those of Linformer's summaries, which layers may share.
    fn n_layer_parameters(&self) -> usize {
        let Architecture {
            hidden,
            heads,
            feed_forward,
            hash_bits,
            attention,
            convolution,
            ..
        } = self.architecture;
        let is_ecoformer = attention == AttentionKind::Ecoformer;
        let linear = self.n_linear_parameters(hidden, hidden);
        let convolution = if convolution { 3 * hidden } else { 0 };
        // Queries, keys and values, or EcoFormer's queries and values.
        let n_channels = if is_ecoformer { 2 } else { 3 };
        let channels = [linear, convolution].map(|n| n.saturating_mul(n_channels));
        let hash = if is_ecoformer {
            product(&[heads, hash_bits, ANCHORS])
        } else {
            0
        };
        let output = [linear, hidden];
        let feed_forward = [
            self.n_linear_parameters(hidden, feed_forward),
            feed_forward,
            self.n_linear_parameters(feed_forward, hidden),
            hidden,
        ];
        let norms = product(&[4, hidden]);
        sum(&[
            sum(&channels),
            hash,
            sum(&output),
            sum(&feed_forward),
            norms,
        ])
    }

    /// Weights of a linear layer of the encoder, dense or in two factors.
    fn n_linear_parameters(&self, n_in: usize, n_out: usize) -> usize {
        let rank = self
            .architecture
            .rank
            .and_then(|rank| rank.of_layer(n_in, n_out));
        match rank {
            Some(rank) => rank.saturating_mul(n_in.saturating_add(n_out)),
            None => n_in.saturating_mul(n_out),
        }
    }

    /// Parameters of one E of Linformer.
    fn n_summary_parameters(&self) -> usize {
        let Architecture {
            hidden,
            heads,
            projected_length,
            attention,
            sharing,
            projection,
            ..
        } = self.architecture;
        let slots = self.total_slots();
        match projection {
            _ if attention != AttentionKind::Linformer => 0,
            Projection::Learned if sharing == Sharing::None => {
                product(&[heads, projected_length, slots])
            }
            Projection::Learned => product(&[projected_length, slots]),
            Projection::Conv => product(&[self.window(), hidden]),
            Projection::Mean | Projection::Max => 0,
        }
    }

    /// Number of different E in all layers, for keys and values.
    fn n_summary_matrices(&self) -> usize {
        let layers = self.architecture.layers;
        match self.architecture.sharing {
            Sharing::None | Sharing::Headwise => 2 * layers,
            Sharing::KeyValue => layers,
            Sharing::Layerwise => 1,
        }
    }

    fn n_head_parameters(&self) -> usize {
        let hidden = self.architecture.hidden;
        let n_features = (2 * self.loci.len())
            .saturating_mul(hidden)
            .saturating_add(self.n_covariates);
        sum(&[product(&[n_features, hidden]), hidden, hidden, 1])
    }

    fn encoder(&self, n: usize) -> Operations {
        let Architecture { hidden, layers, .. } = self.architecture;
        let embedding = additions(n * hidden);
        let mean = additions(n * hidden) + multiplications(hidden);
        embedding + (self.attention(n) + self.feed_forward(n)) * layers + norm(n * hidden) + mean
    }

    /// Norm, attention, output layer, bias and residual.
    fn attention(&self, n: usize) -> Operations {
        let hidden = self.architecture.hidden;
        let mixing = match self.architecture.attention {
            AttentionKind::Softmax => self.channels(n) * 3 + self.softmax(n, n),
            AttentionKind::Linformer => {
                self.channels(n) + self.summarised(n) + self.softmax(n, self.summaries(n))
            }
            AttentionKind::Ecoformer => self.channels(n) * 2 + self.codes(n),
        };
        norm(n * hidden) + mixing + self.square(n) + additions(2 * n * hidden)
    }

    fn feed_forward(&self, n: usize) -> Operations {
        let Architecture {
            hidden,
            feed_forward,
            activation,
            ..
        } = self.architecture;
        norm(n * hidden)
            + self.linear(n, hidden, feed_forward)
            + additions(n * feed_forward)
            + activated(activation, n * feed_forward)
            + self.linear(n, feed_forward, hidden)
            + additions(2 * n * hidden)
    }

    fn head(&self) -> Operations {
        let hidden = self.architecture.hidden;
        let n_loci = self.loci.len();
        let pairs = products(n_loci * hidden);
        let layer = products((2 * n_loci * hidden + self.n_covariates) * hidden)
            + additions(hidden)
            + activated(Activation::Gelu, hidden);
        pairs + layer + products(hidden) + additions(1)
    }

    /// A linear layer of the encoder on `rows` rows, without bias.
    fn linear(&self, rows: usize, n_in: usize, n_out: usize) -> Operations {
        let rank = self
            .architecture
            .rank
            .and_then(|rank| rank.of_layer(n_in, n_out));
        let n_weights = rank.map_or(n_in * n_out, |rank| rank * (n_in + n_out));
        products(rows * n_weights)
    }

    /// A linear layer from hidden to hidden.
    fn square(&self, rows: usize) -> Operations {
        self.linear(rows, self.architecture.hidden, self.architecture.hidden)
    }

    /// Queries, keys or values of `n` rows, with Primer's convolution where the model has it.
    fn channels(&self, n: usize) -> Operations {
        let width = if self.architecture.convolution { 3 } else { 0 };
        self.square(n) + products(width * n * self.architecture.hidden)
    }

    /// `n` queries that attend to `m` rows.
    fn softmax(&self, n: usize, m: usize) -> Operations {
        let Architecture { hidden, heads, .. } = self.architecture;
        let scores_and_mixture = products(2 * n * m * hidden);
        let scale = multiplications(n * hidden);
        // For each weight: subtraction of the maximum, exponential, sum and division.
        let weights = products(2 * heads * n * m);
        scores_and_mixture + scale + weights
    }

    /// Number of Linformer's summaries of `n` rows: `projected_length`, or the number of windows,
    /// whose width is set by the longest locus.
    fn summaries(&self, n: usize) -> usize {
        let Architecture {
            projection,
            projected_length,
            ..
        } = self.architecture;
        if projection == Projection::Learned {
            projected_length
        } else {
            n.div_ceil(self.window())
        }
    }

    /// Linformer's summaries as keys and values.
    ///
    /// Where E is the same for all channels and there is no convolution, the sequence is summarised
    /// before the linear layers, and only once if keys and values share E.
    fn summarised(&self, n: usize) -> Operations {
        let Architecture {
            hidden,
            sharing,
            projection,
            convolution,
            ..
        } = self.architecture;
        let m = self.summaries(n);
        let summary = match projection {
            Projection::Learned => products(m * n * hidden),
            Projection::Mean => multiplications(m * hidden) + additions(n * hidden),
            Projection::Max => additions(n * hidden),
            Projection::Conv => products(n * hidden) + multiplications(m * hidden),
        };
        let by_channel = match projection {
            Projection::Learned => sharing == Sharing::None,
            Projection::Mean => false,
            Projection::Max | Projection::Conv => true,
        };
        if convolution || by_channel {
            return (self.channels(n) + summary) * 2;
        }
        let n_summaries = if matches!(sharing, Sharing::None | Sharing::Headwise) {
            2
        } else {
            1
        };
        summary * n_summaries + self.square(m) * 2
    }

    /// EcoFormer's codes and the attention by them.
    fn codes(&self, n: usize) -> Operations {
        let Architecture {
            hidden,
            heads,
            hash_bits: bits,
            released_numerator,
            ..
        } = self.architecture;
        let unit = products(n * hidden) + multiplications(n * hidden);
        // The distance from the product with the anchor, its scale, the exponential and the mean.
        let features = products(ANCHORS * n * hidden)
            + multiplications(2 * ANCHORS * n * heads)
            + additions(3 * ANCHORS * n * heads);
        let hash = products(bits * ANCHORS * n * heads);
        // Sums of code x value, of codes and of values; then the products of each code with the
        // first two, and the constants of numerator and denominator.
        let sums = additions(bits * n * hidden + bits * n * heads);
        let results = additions(bits * n * hidden + bits * n * heads + n * hidden + n * heads)
            + multiplications(n * hidden);
        let constant = if released_numerator {
            multiplications(n * hidden)
        } else {
            additions(n * hidden) + multiplications(hidden)
        };
        unit + features + hash + sums + results + constant
    }

    /// Values alive at once in a layer at a locus of `n` slots; see [`Cost::bytes`].
    fn activations(&self, n: usize) -> usize {
        let Architecture {
            attention,
            hidden,
            heads,
            feed_forward,
            hash_bits,
            ..
        } = self.architecture;
        let attended = match attention {
            AttentionKind::Softmax => 4 * n * hidden,
            AttentionKind::Linformer => 2 * n * hidden + 2 * self.summaries(n) * hidden,
            AttentionKind::Ecoformer => 3 * n * hidden + n * heads * hash_bits,
        };
        n * hidden + n * hidden + attended.max(n * feed_forward + n * hidden)
    }
}

/// The product, at most `usize::MAX`.
fn product(factors: &[usize]) -> usize {
    factors
        .iter()
        .fold(1, |product, &factor| product.saturating_mul(factor))
}

/// The sum, at most `usize::MAX`.
fn sum(terms: &[usize]) -> usize {
    terms.iter().fold(0, |sum, &term| sum.saturating_add(term))
}

/// A layer norm.
fn norm(n_values: usize) -> Operations {
    multiplications(3 * n_values) + additions(4 * n_values)
}

fn activated(activation: Activation, n_values: usize) -> Operations {
    match activation {
        Activation::Gelu => multiplications(2 * n_values) + additions(n_values),
        Activation::Relu => additions(n_values),
        Activation::SquaredRelu => products(n_values),
    }
}
