//! Low-rank factorisation of a matrix, with the solvers of the greenformer library's `auto_fact`.
//!
//! Input -> output: `w` (in, out) and a rank r -> `reduce` (in, r) and `expand` (r, out) with `w ~
//! reduce expand`, in f64.
//!
//! - [`svd`]: `U sqrt(S)` and `sqrt(S) V^T` of the r largest singular values. No factors of this
//!   rank have a smaller squared error (Eckart & Young 1936). The roots give both factors the same
//!   size, so that one learning rate suits both.
//! - [`snmf`]: semi-nonnegative matrix factorisation (Ding, Li & Jordan 2010, "Convex and
//!   Semi-Nonnegative Matrix Factorizations", section 3.1): `w ~ F G^T` with `G >= 0`, by equation
//!   9 for F and equation 10 for G, neither of which raises the error.

use nalgebra::{DMatrix, DVector};

/// Rounds of semi-nonnegative updates. The error hardly falls after these.
const ROUNDS: usize = 100;
/// Maximum number of steps of the singular value decomposition per singular value. It needs about
/// two.
const MAX_STEPS_PER_VALUE: usize = 100;
/// Keeps a quotient finite where numerator and denominator may both be zero.
const TINY: f64 = 1e-30;

/// `reduce` (in, r) and `expand` (r, out).
pub type Factors = [DMatrix<f64>; 2];

/// Factors of the `rank` largest singular values, of equal size; `None` where the decomposition
/// does not converge.
pub fn svd(w: &DMatrix<f64>, rank: usize) -> Option<Factors> {
    let max_steps = MAX_STEPS_PER_VALUE * w.nrows().min(w.ncols());
    let svd = w.clone().try_svd(true, true, f64::EPSILON, max_steps)?;
    let roots = DMatrix::from_diagonal(&svd.singular_values.rows(0, rank).map(f64::sqrt));
    Some([
        svd.u?.columns(0, rank) * &roots,
        roots * svd.v_t?.rows(0, rank),
    ])
}

/// Factors with a nonnegative `expand`; `None` where the initial decomposition does not converge.
pub fn snmf(w: &DMatrix<f64>, rank: usize) -> Option<Factors> {
    snmf_rounds(w, rank, ROUNDS)
}

fn snmf_rounds(w: &DMatrix<f64>, rank: usize, rounds: usize) -> Option<Factors> {
    let mut g = nonnegative_start(w, rank)?;
    for _ in 0..rounds {
        // Equation 10: G *= sqrt(((W^T F)+ + G (F^T F)-) / ((W^T F)- + G (F^T F)+)).
        let f = least_squares(w, &g)?;
        let wf = w.transpose() * &f;
        let ff = f.transpose() * &f;
        let up = wf.map(positive) + &g * ff.map(negative);
        let down = wf.map(negative) + &g * ff.map(positive);
        g.zip_zip_apply(&up, &down, |g, up, down| {
            *g *= ((up + TINY) / (down + TINY)).sqrt();
        });
    }
    let f = least_squares(w, &g)?;
    Some(of_equal_size(f, g.transpose()))
}

/// The initial G (out, r): the right singular vectors of the r - 1 largest values, each raised by a
/// constant to be nonnegative, and a constant column, which can undo this.
///
/// The error therefore starts at that of [`svd`] with rank r - 1, and only falls.
fn nonnegative_start(w: &DMatrix<f64>, rank: usize) -> Option<DMatrix<f64>> {
    let [_, expand] = svd(w, rank - 1)?;
    let mut g = DMatrix::from_element(w.ncols(), rank, 1.0);
    for (mut column, row) in g.column_iter_mut().zip(expand.row_iter()) {
        column.copy_from(&row.add_scalar(-row.min()).transpose());
    }
    for mut column in g.column_iter_mut() {
        let norm = column.norm();
        if norm > 0.0 {
            column /= norm;
        }
    }
    Some(g)
}

/// The F (in, r) that minimises `|w - F G^T|`: `w G (G^T G)^-1` (equation 9).
///
/// A small ridge on the diagonal keeps the inverse finite for linearly dependent columns of G.
fn least_squares(w: &DMatrix<f64>, g: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let mut gram = g.transpose() * g;
    let ridge = 1e-12 * gram.trace() / gram.nrows() as f64 + TINY;
    for i in 0..gram.nrows() {
        gram[(i, i)] += ridge;
    }
    Some(gram.cholesky()?.solve(&(w * g).transpose()).transpose())
}

/// Factors with the same product, in which each column of `reduce` has the norm of its row of
/// `expand`.
fn of_equal_size(mut reduce: DMatrix<f64>, mut expand: DMatrix<f64>) -> Factors {
    let scales: DVector<f64> = DVector::from_iterator(
        expand.nrows(),
        reduce
            .column_iter()
            .zip(expand.row_iter())
            .map(|(column, row)| {
                let column = column.norm();
                let row = row.norm();
                if column > 0.0 && row > 0.0 {
                    (column / row).sqrt()
                } else {
                    1.0
                }
            }),
    );
    for (i, &scale) in scales.iter().enumerate() {
        reduce.column_mut(i).unscale_mut(scale);
        expand.row_mut(i).scale_mut(scale);
    }
    [reduce, expand]
}

fn positive(value: f64) -> f64 {
    value.max(0.0)
}

fn negative(value: f64) -> f64 {
    (-value).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn matrix(n_in: usize, n_out: usize, seed: u64) -> DMatrix<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        DMatrix::from_fn(n_in, n_out, |_, _| rng.random_range(-1.0..1.0))
    }

    fn error(w: &DMatrix<f64>, [reduce, expand]: &Factors) -> f64 {
        (w - reduce * expand).norm()
    }

    /// Square root of the sum of squares of the singular values after the first `rank`, by the
    /// eigenvalues of `w w^T`.
    fn tail(w: &DMatrix<f64>, rank: usize) -> f64 {
        let mut squares: Vec<f64> = (w * w.transpose())
            .symmetric_eigenvalues()
            .iter()
            .copied()
            .collect();
        squares.sort_by(|a, b| b.total_cmp(a));
        squares
            .iter()
            .skip(rank)
            .map(|square| square.max(0.0))
            .sum::<f64>()
            .sqrt()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn full_rank_gives_the_matrix_back(
            (n_in, n_out, seed) in (1..24usize, 1..24usize, any::<u64>())
        ) {
            let w = matrix(n_in, n_out, seed);
            prop_assert!(error(&w, &svd(&w, n_in.min(n_out)).unwrap()) < 1e-9 * w.norm());
        }

        #[test]
        fn the_error_of_svd_is_the_tail_of_the_singular_values(
            (n_in, n_out, seed) in (2..24usize, 2..24usize, any::<u64>()), share in 0.0..1.0
        ) {
            let w = matrix(n_in, n_out, seed);
            let rank = 1 + (share * (n_in.min(n_out) - 1) as f64) as usize;
            let factors = svd(&w, rank).unwrap();
            prop_assert!((error(&w, &factors) - tail(&w, rank)).abs() < 1e-6 * w.norm());
            for i in 0..rank {
                let difference = factors[0].column(i).norm() - factors[1].row(i).norm();
                prop_assert!(difference.abs() < 1e-9 * w.norm().sqrt());
            }
        }

        #[test]
        fn snmf_has_a_nonnegative_factor_and_an_error_that_falls(
            (n_in, n_out, seed) in (2..24usize, 2..24usize, any::<u64>()), share in 0.0..1.0
        ) {
            let w = matrix(n_in, n_out, seed);
            let rank = 1 + (share * (n_in.min(n_out) - 1) as f64) as usize;
            let mut before = tail(&w, rank - 1);
            for rounds in [0, 1, 2, 5, 20, 100] {
                let factors = snmf_rounds(&w, rank, rounds).unwrap();
                prop_assert!(factors[1].min() >= 0.0);
                let now = error(&w, &factors);
                prop_assert!(
                    now <= before + 1e-6 * w.norm(),
                    "{rounds} rounds: {now}, before {before}"
                );
                before = now;
            }
            prop_assert!(before >= tail(&w, rank) - 1e-6 * w.norm());
        }
    }

    #[test]
    fn snmf_finds_factors_that_are_there() {
        // The product of an unrestricted and a nonnegative factor.
        let w = matrix(20, 3, 1) * matrix(3, 30, 2).abs();
        assert!(error(&w, &snmf(&w, 3).unwrap()) < 0.05 * w.norm());
    }

    #[test]
    fn a_matrix_of_zeros_has_factors() {
        let w = DMatrix::zeros(4, 6);
        for factors in [svd(&w, 2).unwrap(), snmf(&w, 2).unwrap()] {
            assert!(factors.iter().flatten().all(|value| value.is_finite()));
            assert!(error(&w, &factors) < 1e-12);
        }
    }
}
