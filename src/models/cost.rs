//! What a forward pass of one sequence costs: one haplotype at each locus, every slot filled, and
//! the head once.
//!
//! Input -> output: a [`Config`] -> [`Cost`]. Counted by hand from the architecture, not measured.
//! With n slots, hidden d, h heads, wide layer f, and m rows attended to (n, or Linformer's
//! summaries):
//!
//! | part | multiplications | additions |
//! |---|---|---|
//! | matrix product (a, b) (b, c) | a b c | a b c |
//! | linear layer, a rows, in -> out | a in out; at rank r: a r (in + out) | the same |
//! | a bias or a residual, position embedding included | - | one a value |
//! | layer norm, a value | 3: square, 1 / deviation, gamma | 4: mean, centre, sum of squares, beta |
//! | exponential, error function, division | 1 | - |
//! | comparison (maximum, rectifier) | - | 1 |
//! | attention by softmax: `q k^T`, scale of q, weights, `weights v` | 2 n m d + n d + 2 h n m | 2 n m d + 2 h n m |
//! | Linformer's E, one summary of the sequence: learned | m n d | m n d |
//! | the same by windows: mean; maximum; convolution | m d; -; n d + m d | n d |
//! | EcoFormer's hash of unit vectors by 25 anchors, b bits | 2 n d + 25 n d + 25 n h (2 + b) | n d + 25 n d + 25 n h (3 + b) |
//! | EcoFormer's attention; products with codes of -1 and 1 are additions | n d + d (released numerator: 2 n d) | 2 b n d + 2 n d + 2 b n h + n h (released: - n d) |
//! | convolution of width 3, each of queries, keys and values | 3 n d | 3 n d |
//! | activation of n f values: `gelu`; `relu`; `squared-relu` | 2 n f; -; n f | n f each |
//! | mean over the slots | d | n d |
//! | head: sum and product of two haplotypes at a locus, two layers, GELU | as above | as above |
//!
//! Energy as EcoFormer counts it (Liu et al. 2022, arXiv 2209.09004, section 5; Horowitz 2014, 45
//! nm, 32-bit floats): 3.7 pJ a multiplication, 0.9 pJ an addition; moving data is not in it.

mod operations;
#[cfg(test)]
mod tests;

use candle_core::Result;

use self::operations::{Operations, additions, multiplications, products};
use super::{
    Architecture, AttentionKind, Config, Projection, Sharing, attention::ecoformer::ANCHORS,
};
use gf_nn::Activation;

/// Energy of a multiplication of 32-bit floats.
const PJ_A_MULTIPLICATION: f64 = 3.7;
/// Energy of an addition.
const PJ_AN_ADDITION: f64 = 0.9;
/// Of a 32-bit float.
const BYTES_A_VALUE: u64 = 4;

/// What a forward pass of one sequence costs.
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
    /// Memory: the parameters, and the activations where most are alive at once: at the longest
    /// locus, the layer's input with either (normed input, queries, keys, values, mixture) or
    /// (normed input, wide layer, output). EcoFormer's codes count as floats.
    pub bytes: u64,
}

impl Config {
    /// What a forward pass of one sequence costs.
    ///
    /// # Errors
    /// A configuration that makes no sense.
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
            energy_pj: PJ_A_MULTIPLICATION * count.multiplications as f64
                + PJ_AN_ADDITION * count.additions as f64,
            bytes: BYTES_A_VALUE * (parameters + activations),
        })
    }

    /// Values over all parameters, without building the model, which may be larger than the
    /// machine: at most `usize::MAX`.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        let Architecture {
            hidden,
            layers,
            heads,
            feed_forward,
            hash_bits,
            projected_length,
            ..
        } = self.architecture;
        let Architecture {
            attention,
            convolution,
            sharing,
            projection,
            ..
        } = self.architecture;
        let slots = self.total_slots();
        let linear = |n_in: usize, n_out: usize| match self
            .architecture
            .rank
            .and_then(|rank| rank.of_layer(n_in, n_out))
        {
            Some(rank) => rank.saturating_mul(n_in.saturating_add(n_out)),
            None => n_in.saturating_mul(n_out),
        };
        // Queries, keys and values, or EcoFormer's queries and values.
        let n_channels = if attention == AttentionKind::Ecoformer {
            2
        } else {
            3
        };
        let channels = [
            linear(hidden, hidden),
            if convolution { 3 * hidden } else { 0 },
        ]
        .map(|n| n.saturating_mul(n_channels));
        let hash = if attention == AttentionKind::Ecoformer {
            product(&[heads, hash_bits, ANCHORS])
        } else {
            0
        };
        let a_summary = match projection {
            _ if attention != AttentionKind::Linformer => 0,
            Projection::Learned if sharing == Sharing::None => {
                product(&[heads, projected_length, slots])
            }
            Projection::Learned => product(&[projected_length, slots]),
            Projection::Conv => product(&[self.window(), hidden]),
            Projection::Mean | Projection::Max => 0,
        };
        let n_summaries = match sharing {
            Sharing::None | Sharing::Headwise => 2 * layers,
            Sharing::KeyValue => layers,
            Sharing::Layerwise => 1,
        };
        let output = [linear(hidden, hidden), hidden];
        let feed_forward = [
            linear(hidden, feed_forward),
            feed_forward,
            linear(feed_forward, hidden),
            hidden,
        ];
        let norms = product(&[4, hidden]);
        let a_layer = sum(&[
            sum(&channels),
            hash,
            sum(&output),
            sum(&feed_forward),
            norms,
        ]);
        let embedding = product(&[self.vocab_size.saturating_add(slots), hidden]);
        let last_norm = product(&[2, hidden]);
        let head = [
            product(&[
                (2 * self.loci.len())
                    .saturating_mul(hidden)
                    .saturating_add(self.n_covariates),
                hidden,
            ]),
            hidden,
            hidden,
            1,
        ];
        sum(&[
            embedding,
            product(&[layers, a_layer]),
            product(&[n_summaries, a_summary]),
            last_norm,
            sum(&head),
        ])
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
        products(
            rows * self
                .architecture
                .rank
                .and_then(|rank| rank.of_layer(n_in, n_out))
                .map_or(n_in * n_out, |rank| rank * (n_in + n_out)),
        )
    }

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
        // Of each weight the exponential and the division; the maximum is taken off, and their sum
        // made.
        products(2 * n * m * hidden) + multiplications(n * hidden) + products(2 * heads * n * m)
    }

    /// Rows that Linformer makes of `n`: `projected_length`, or windows as wide as the longest
    /// locus needs.
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

    /// Linformer's summaries as keys and values. Where E treats all channels alike and nothing
    /// stands between, the sequence is summarised before the linear layers, and once if keys
    /// and values share E.
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

    /// EcoFormer's codes and what is made of them.
    fn codes(&self, n: usize) -> Operations {
        let Architecture {
            hidden,
            heads,
            hash_bits: bits,
            released_numerator,
            ..
        } = self.architecture;
        let unit = products(n * hidden) + multiplications(n * hidden);
        // Distance from the product with the anchor, its scale, the exponential, less the mean.
        let features = products(ANCHORS * n * hidden)
            + multiplications(2 * ANCHORS * n * heads)
            + additions(3 * ANCHORS * n * heads);
        let hash = products(bits * ANCHORS * n * heads);
        // Sums of code x value, of codes and of values; then each code with the first two, and the
        // constants above and below the line.
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

fn product(factors: &[usize]) -> usize {
    factors
        .iter()
        .fold(1, |product, &factor| product.saturating_mul(factor))
}

fn sum(terms: &[usize]) -> usize {
    terms.iter().fold(0, |sum, &term| sum.saturating_add(term))
}

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
