//! Second derivatives of the loss for the features in use.
//!
//! ```text
//! G = (X - 1 m')' W (X - 1 m') / n,  m = X' W 1 / sum(W)
//! ```
//!
//! The weighted means m remove the intercept: it is at its minimum all the time. W is from an
//! earlier point. G is therefore an approximation, and 32 bits are enough for it: only the rate of
//! convergence depends on G, not the minimum.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, linalg::general_mat_mul};

use super::{
    point::{Data, Point},
    vectors::{dot, vectorised},
};

/// Samples in one block of a matrix product, and in one block of dot products.
const BLOCK: usize = 256;
/// New features in one matrix product; products below the diagonal are computed within one only.
const TILE: usize = 128;
/// Up to this number of new features, dot products are faster than a matrix product, which needs a
/// copy of all columns in use.
const FEW: usize = 8;
/// Factor of the diagonal. It is above the rounding errors, so that no combination of features has
/// a negative second derivative.
const DIAGONAL: f64 = 1.0 + 1e-5;
/// Least variance of a feature, as a fraction of its mean square, for a coefficient.
pub(super) const LEAST_VARIANCE: f64 = 1e-9;

/// Cross products of the features in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Gram {
    /// Weights of the quadratic approximation at an earlier point.
    weights: Vec<f64>,
    pub total_weight: f64,
    /// Weighted mean of each feature.
    pub means: Vec<f64>,
    /// Rows of `capacity` numbers.
    products: Vec<f32>,
    capacity: usize,
}

impl Gram {
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Products of one feature with all others. The product with itself is 0 for a constant.
    #[inline(always)]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.products[index * self.capacity..][..self.means.len()]
    }

    /// Removes all products and takes the weights of a point.
    pub fn renew(&mut self, point: &Point, data: &Data<'_>) {
        self.weights = data.outcomes.variances(&point.logits);
        self.total_weight = self.weights.iter().sum();
        self.means.clear();
    }

    /// Adds the features that are not in it yet. `features` begins with those that are.
    pub fn extend(&mut self, features: &[usize], data: &Data<'_>) {
        let n_old = self.means.len();
        if n_old == features.len() {
            return;
        }
        self.reserve(features.len());
        for &feature in &features[n_old..] {
            let column = data.column(feature);
            let sum = vectorised(
                #[inline(always)]
                || dot(column, &self.weights),
            );
            self.means.push(sum / self.total_weight);
        }
        let mut products = Array2::zeros((features.len(), features.len() - n_old));
        for begin in (0..data.n_samples).step_by(BLOCK) {
            let block = begin..(begin + BLOCK).min(data.n_samples);
            if features.len() - n_old <= FEW {
                self.add_dot_products(&mut products, features, data, block);
            } else {
                self.add_matrix_product(&mut products, features, data, block);
            }
        }
        self.store(&products, data.outcomes.total);
    }

    /// Adds the products over a block of samples, of all features with the new ones.
    fn add_dot_products(
        &self,
        products: &mut Array2<f32>,
        features: &[usize],
        data: &Data<'_>,
        block: Range<usize>,
    ) {
        let n_old = features.len() - products.ncols();
        let weights = &self.weights[block.clone()];
        vectorised(
            #[inline(always)]
            || {
                let mut weighted = [[0.0; BLOCK]; FEW];
                for (index, weighted) in weighted.iter_mut().enumerate().take(products.ncols()) {
                    let mean = self.means[n_old + index];
                    let column = &data.column(features[n_old + index])[block.clone()];
                    for ((weighted, x), weight) in weighted.iter_mut().zip(column).zip(weights) {
                        *weighted = weight * (x - mean);
                    }
                }
                for (&feature, mut products) in features.iter().zip(products.rows_mut()) {
                    let column = &data.column(feature)[block.clone()];
                    for (product, weighted) in products.iter_mut().zip(&weighted) {
                        *product += dot(column, &weighted[..column.len()]) as f32;
                    }
                }
            },
        );
    }

    /// Adds the products over a block of samples, of all features with the new ones.
    fn add_matrix_product(
        &self,
        products: &mut Array2<f32>,
        features: &[usize],
        data: &Data<'_>,
        block: Range<usize>,
    ) {
        let roots: Vec<f64> = self.weights[block.clone()]
            .iter()
            .map(|w| w.sqrt())
            .collect();
        let mut scaled = Array2::<f32>::zeros((features.len(), block.len()));
        vectorised(
            #[inline(always)]
            || {
                let rows = scaled.rows_mut().into_iter();
                for ((mut row, &feature), mean) in rows.zip(features).zip(&self.means) {
                    let column = &data.column(feature)[block.clone()];
                    for ((scaled, x), root) in row.iter_mut().zip(column).zip(&roots) {
                        *scaled = (root * (x - mean)) as f32;
                    }
                }
            },
        );
        add_upper_products(products, scaled.view());
    }

    /// Stores products of all features with the new ones, above and below the diagonal.
    fn store(&mut self, products: &Array2<f32>, total: f64) {
        let n_old = products.nrows() - products.ncols();
        for (column, products) in products.axis_iter(Axis(1)).enumerate() {
            let column = n_old + column;
            for (row, product) in products.iter().enumerate().take(column) {
                let product = (f64::from(*product) / total) as f32;
                self.products[row * self.capacity + column] = product;
                self.products[column * self.capacity + row] = product;
            }
            let variance = f64::from(products[column]) / total;
            let square_of_mean = self.means[column].powi(2) * self.total_weight / total;
            let is_constant = variance <= LEAST_VARIANCE * square_of_mean;
            let diagonal = if is_constant {
                0.0
            } else {
                variance * DIAGONAL
            };
            self.products[column * self.capacity + column] = diagonal as f32;
        }
    }

    /// Makes room for `n` features.
    fn reserve(&mut self, n: usize) {
        if n <= self.capacity {
            return;
        }
        let capacity = n + n / 4;
        let mut products = vec![0.0; capacity * capacity];
        for index in 0..self.means.len() {
            let row = self.row(index);
            products[index * capacity..][..row.len()].copy_from_slice(row);
        }
        self.products = products;
        self.capacity = capacity;
    }
}

/// Adds the products of all rows with the last ones, up to the diagonal.
fn add_upper_products(products: &mut Array2<f32>, rows: ArrayView2<'_, f32>) {
    let n_old = products.nrows() - products.ncols();
    for begin in (n_old..rows.nrows()).step_by(TILE) {
        let end = (begin + TILE).min(rows.nrows());
        let (above, _) = rows.split_at(Axis(0), end);
        let (_, tile) = above.split_at(Axis(0), begin);
        let (products, _) = products.view_mut().split_at(Axis(0), end);
        let (_, products) = products.split_at(Axis(1), begin - n_old);
        let (mut products, _) = products.split_at(Axis(1), end - begin);
        general_mat_mul(1.0, &above, &tile.t(), 1.0, &mut products);
    }
}
