//! Kernel-supervised hashing (Liu et al. 2012, "Supervised hashing with kernels", CVPR, algorithm
//! 1) of the tokens of one head.
//!
//! Input -> output: vectors of tokens -> anchors, kernel width, and hash functions whose codes
//! agree more for tokens with similar directions than for dissimilar ones.
//!
//! The hash functions are fitted bit by bit, with the features K (tokens, anchors) of m tokens:
//!
//! ```text
//! maximise a^T K^T R K a  subject to  a^T K^T K a = m
//! R = bits S - sum over earlier bits of b b^T
//! ```
//!
//! S is +1 for the pairs of each token with its most similar tokens, and -1 for those with its
//! least similar ones. R is the part of S that the earlier bits do not explain.
//!
//! Differences from the papers:
//!
//! - Each bit is the eigenvector of the spectral relaxation. It is not refined by descent on a
//!   smoothed objective, because training continues by gradient.
//! - EcoFormer labels pairs by the weights of softmax attention. Here the label is the cosine of
//!   unit vectors, which ignores their lengths.
//! - A pair without a label is left out of R, where KSH has 0.
//! - K^T K has a ridge, so that a direction with hardly any variation is not chosen.
//!
//! The tests check that codes agree within groups of similar tokens and not between groups. They do
//! not check how close the attention is to softmax attention.

use candle_core::{Result, bail};
use nalgebra::{DMatrix, DVector};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

/// Maximum number of pairs of each token that are labelled similar, and of those labelled
/// dissimilar.
const MAX_PAIRS: usize = 10;
/// The ridge on the diagonal of K^T K, as a fraction of its mean.
const RIDGE: f64 = 0.01;

/// Tokens of one head, as unit vectors.
pub struct Tokens(Vec<DVector<f64>>);

impl Tokens {
    /// Normalises projections. Zero vectors have no direction and are left out.
    pub fn new<'r>(rows: impl IntoIterator<Item = &'r [f32]>) -> Self {
        let unit_vectors = rows
            .into_iter()
            .map(|row| DVector::from_iterator(row.len(), row.iter().map(|&x| f64::from(x))))
            .filter(|row| row.norm() > 1e-12)
            .map(|row| row.normalize())
            .collect();
        Self(unit_vectors)
    }
}

/// Fitted kernel and hash functions of one head.
#[derive(Debug)]
pub struct Hash {
    /// Anchors, (d) each.
    pub anchors: Vec<Vec<f64>>,
    /// Mean of |u - a|^2 over tokens and anchors, like in the released code of KSH and EcoFormer.
    /// The kernel is then neither flat nor a spike.
    pub sigma: f64,
    /// Mean of each feature over the tokens.
    pub mean: Vec<f64>,
    /// One hash function per bit, (anchors) each. The mean square of `A g` over the tokens is 1.
    pub functions: Vec<Vec<f64>>,
}

/// Fits `n_bits` hash functions of `n_anchors` features to the tokens.
pub fn fit(tokens: &Tokens, n_anchors: usize, n_bits: usize, rng: &mut ChaCha8Rng) -> Result<Hash> {
    let tokens = &tokens.0;
    let n = tokens.len();
    if n < 3 {
        bail!(
            "hash functions are fitted on at least 3 tokens, but there are {n}; give haplotypes \
             with more tokens"
        );
    }
    // With fewer tokens than anchors, some tokens are repeated.
    let chosen = index::sample(rng, n, n.min(n_anchors)).into_vec();
    let anchors: Vec<&DVector<f64>> = chosen
        .iter()
        .cycle()
        .take(n_anchors)
        .map(|&token| &tokens[token])
        .collect();
    let distances = DMatrix::from_fn(n, n_anchors, |token, anchor| {
        (&tokens[token] - anchors[anchor]).norm_squared()
    });
    let sigma = distances.mean().max(1e-6);
    let mut features = distances.map(|distance| (-distance / (2.0 * sigma)).exp());
    let mean = features.row_mean();
    for mut row in features.row_iter_mut() {
        row -= &mean;
    }
    Ok(Hash {
        anchors: anchors
            .iter()
            .map(|anchor| anchor.as_slice().to_vec())
            .collect(),
        sigma,
        mean: mean.iter().copied().collect(),
        functions: functions(&features, labelled_pairs(tokens, n_bits), n_bits)?,
    })
}

/// A pair of tokens and its entry of R: +bits or -bits before the first bit.
struct Pair {
    token: usize,
    other: usize,
    residue: f64,
}

/// The pairs of each token with its most and its least similar tokens, by cosine.
///
/// A pair of a token with itself is left out: its product is the same for every code.
fn labelled_pairs(tokens: &[DVector<f64>], n_bits: usize) -> Vec<Pair> {
    let n_pairs = MAX_PAIRS.min((tokens.len() - 1) / 2);
    let mut pairs = Vec::with_capacity(2 * n_pairs * tokens.len());
    for (token, vector) in tokens.iter().enumerate() {
        let mut others: Vec<(f64, usize)> = tokens
            .iter()
            .enumerate()
            .filter(|&(other, _)| other != token)
            .map(|(other, row)| (vector.dot(row), other))
            .collect();
        others.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let most_similar = &others[..n_pairs];
        let least_similar = &others[others.len() - n_pairs..];
        for (similarity_pairs, sign) in [(most_similar, 1.0), (least_similar, -1.0)] {
            pairs.extend(similarity_pairs.iter().map(|&(_, other)| Pair {
                token,
                other,
                residue: sign * n_bits as f64,
            }));
        }
    }
    pairs
}

/// Fits the hash functions, bit by bit.
fn functions(
    features: &DMatrix<f64>,
    mut pairs: Vec<Pair>,
    n_bits: usize,
) -> Result<Vec<Vec<f64>>> {
    let (n_tokens, n_features) = features.shape();
    let spread = features.transpose() * features;
    let ridge = DMatrix::identity(n_features, n_features)
        * (RIDGE * spread.trace() / n_features as f64 + 1e-12);
    let Some(factor) = (spread + ridge).cholesky() else {
        bail!("hash functions cannot be fitted, because a token vector is not finite")
    };
    let root = factor.l();
    let mut functions = Vec::with_capacity(n_bits);
    for _ in 0..n_bits {
        // R K, and then K^T R K.
        let mut weighted = DMatrix::zeros(n_tokens, n_features);
        for pair in &pairs {
            let mut row = weighted.row_mut(pair.token);
            row += pair.residue * features.row(pair.other);
        }
        let unexplained = features.transpose() * weighted;
        // With K^T K = L L^T and a = L^-T y, the constraint is |y| = const, and y is the first
        // eigenvector of L^-1 (K^T R K) L^-T.
        let whitened = root
            .solve_lower_triangular(&unexplained)
            .and_then(|half| root.solve_lower_triangular(&half.transpose()));
        let direction = whitened.and_then(|whitened| {
            let eigen = (&whitened + whitened.transpose()).symmetric_eigen();
            root.tr_solve_lower_triangular(&eigen.eigenvectors.column(eigen.eigenvalues.imax()))
        });
        let Some(direction) = direction else {
            bail!("hash functions cannot be fitted, because a token vector is not finite")
        };
        let values = features * &direction;
        for pair in &mut pairs {
            let agree = (values[pair.token] < 0.0) == (values[pair.other] < 0.0);
            pair.residue -= if agree { 1.0 } else { -1.0 };
        }
        // The lower bound is for tokens that are all equal, whose features are zero.
        let size = (values.norm_squared() / n_tokens as f64)
            .sqrt()
            .max(1e-3 * direction.norm());
        functions.push((direction / size).as_slice().to_vec());
    }
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn tokens_of(rows: &[Vec<f64>]) -> Tokens {
        let rows: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| row.iter().map(|&value| value as f32).collect())
            .collect();
        Tokens::new(rows.iter().map(Vec::as_slice))
    }

    /// Tokens around `n_groups` random directions, one direction after the other.
    fn groups(n_groups: usize, rng: &mut ChaCha8Rng) -> Tokens {
        let centres: Vec<DVector<f64>> = (0..n_groups).map(|_| random_vector(1.0, rng)).collect();
        let rows: Vec<Vec<f64>> = (0..400)
            .map(|token| {
                let token = &centres[token % n_groups] + random_vector(0.2, rng);
                token.as_slice().to_vec()
            })
            .collect();
        tokens_of(&rows)
    }

    fn random_vector(spread: f64, rng: &mut ChaCha8Rng) -> DVector<f64> {
        DVector::from_fn(8, |_, _| spread * (rng.random::<f64>() - 0.5))
    }

    /// The code of a token, -1 or 1 per bit.
    fn code(hash: &Hash, token: &DVector<f64>) -> Vec<f64> {
        let features: Vec<f64> = hash
            .anchors
            .iter()
            .zip(&hash.mean)
            .map(|(anchor, mean)| {
                let distance = (token - DVector::from_column_slice(anchor)).norm_squared();
                (-distance / (2.0 * hash.sigma)).exp() - mean
            })
            .collect();
        hash.functions
            .iter()
            .map(|function| dot(function, &features).signum())
            .collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn codes_agree_within_groups_of_similar_tokens_and_not_between_them() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let tokens = groups(4, &mut rng);
        let hash = fit(&tokens, 25, 16, &mut rng).unwrap();
        let codes: Vec<Vec<f64>> = tokens.0.iter().map(|token| code(&hash, token)).collect();
        let mut within = Vec::new();
        let mut between = Vec::new();
        for i in 0..codes.len() {
            for j in 0..i {
                let agreement = dot(&codes[i], &codes[j]) / 16.0;
                if i % 4 == j % 4 {
                    within.push(agreement);
                } else {
                    between.push(agreement);
                }
            }
        }
        assert!(
            mean(&within) > 0.7 && mean(&between) < 0.1,
            "{} within, {} between",
            mean(&within),
            mean(&between)
        );
    }

    #[test]
    fn few_tokens_and_equal_ones_are_fitted_too() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for rows in [
            vec![vec![1.0, 2.0]; 50],
            vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![-1.0, 0.5]],
        ] {
            let hash = fit(&tokens_of(&rows), 25, 4, &mut rng).unwrap();
            assert!(
                hash.sigma > 0.0
                    && hash
                        .functions
                        .iter()
                        .flatten()
                        .all(|value| value.is_finite())
            );
            assert_eq!((hash.anchors.len(), hash.functions.len()), (25, 4));
        }
        assert!(
            fit(&tokens_of(&vec![vec![0.0, 0.0]; 9]), 25, 4, &mut rng)
                .unwrap_err()
                .to_string()
                .contains("at least 3 tokens")
        );
    }
}
