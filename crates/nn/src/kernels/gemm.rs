//! Matrix products on slices: the inner loop of every fused operation.
//!
//! `C = A B` with B packed once into panels as wide as a few vector registers (Goto & van de Geijn
//! 2008, "Anatomy of high-performance matrix multiplication"); a tile of C stays in registers while
//! the depth is walked. Each element of C is summed in the same order whatever the number of rows,
//! so that results do not depend on how rows are dealt to threads. Safe throughout: the vectors are
//! those of `pulp`.

use std::borrow::Cow;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::kernels::{
    buffer::Buffer,
    real::{Real, add_scaled},
};

/// A matrix in memory: element (i, j) is `values[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub values: &'a [T],
    pub row: usize,
    pub column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Rows one after the other, `row` values apart.
    pub fn rows(values: &'a [T], row: usize) -> Self {
        Self {
            values,
            row,
            column: 1,
        }
    }

    /// With rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            values: self.values,
            row: self.column,
            column: self.row,
        }
    }
}

/// Rows of B that one pass over C walks: what a panel of them needs stays in the second-level
/// cache.
const DEPTH: usize = 256;
/// Most rows and values of a tile of C.
const SCRATCH: usize = 8 * 64;
/// Rows of the operands of a weight's gradient that one task sums up. Fixed, so that sums are the
/// same for any number of threads.
pub(crate) const ROWS_PER_SUM: usize = 1024;

/// The right-hand matrix B (depth, columns) of products.
pub(crate) struct Packed<'b, T: Real> {
    depth: usize,
    columns: usize,
    /// Values across a panel: whole vectors.
    width: usize,
    lanes: usize,
    /// (panels, depth, width), filled up with zeros; B itself where it lies like that.
    panels: Cow<'b, [T]>,
}

/// Width of the panels for a number of columns, and lanes of a vector.
struct Shape<T> {
    columns: usize,
    number: std::marker::PhantomData<T>,
}

impl<T: Real> WithSimd for Shape<T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
        let lanes = T::lanes::<S>();
        let most = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
        let vectors = self.columns.div_ceil(lanes).max(1);
        (lanes * vectors.div_ceil(vectors.div_ceil(most)), lanes)
    }
}

impl<'b, T: Real> Packed<'b, T> {
    /// Packs `b` (depth, columns).
    pub fn new(b: Matrix<'b, T>, depth: usize, columns: usize) -> Self {
        let (width, lanes) = pulp::Arch::new().dispatch(Shape::<T> {
            columns,
            number: std::marker::PhantomData,
        });
        if (b.row, b.column) == (width, 1) && columns == width {
            return Self {
                depth,
                columns,
                width,
                lanes,
                panels: Cow::Borrowed(&b.values[..depth * width]),
            };
        }
        let mut panels = vec![T::default(); columns.div_ceil(width) * width * depth];
        if depth > 0 {
            for (number, panel) in panels.chunks_exact_mut(width * depth).enumerate() {
                pack(
                    b,
                    number * width,
                    width.min(columns - number * width),
                    width,
                    panel,
                );
            }
        }
        Self {
            depth,
            columns,
            width,
            lanes,
            panels: panels.into(),
        }
    }

    /// Columns of a panel that [`Self::take`] and [`Self::room`] make: two vectors.
    pub fn across() -> usize {
        2 * Self::lanes()
    }

    fn lanes() -> usize {
        pulp::Arch::new()
            .dispatch(Shape::<T> {
                columns: 1,
                number: std::marker::PhantomData,
            })
            .1
    }

    /// An empty matrix, whose memory is used again by each [`Self::take`] or [`Self::room`].
    pub fn nothing() -> Self {
        Self {
            depth: 0,
            columns: 0,
            width: 0,
            lanes: Self::lanes(),
            panels: Cow::default(),
        }
    }

    /// Values of a row of its panel.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Packs `b` (depth, columns) of at most [`Self::across`] columns into one panel, which becomes
    /// all of it: columns are whole vectors, and those beyond `b` hold anything finite or what
    /// stood there before.
    pub fn take(&mut self, b: Matrix<'_, T>, depth: usize, columns: usize) {
        let panel = self.room(depth, columns);
        pack(b, 0, columns, panel.len() / depth.max(1), panel);
    }

    /// Room for as much, (depth, whole vectors), to be written by another product.
    pub fn room(&mut self, depth: usize, columns: usize) -> &mut [T] {
        self.width = columns.div_ceil(self.lanes) * self.lanes;
        (self.depth, self.columns) = (depth, self.width);
        let panels = self.panels.to_mut();
        panels.resize(depth * self.width, T::default());
        panels
    }

    /// `c (+)= a b` for `m` rows: `c` has its rows `c_row` values apart, of which the first
    /// `columns` are written.
    #[inline]
    pub fn multiply(
        &self,
        m: usize,
        a: Matrix<'_, T>,
        c: &mut [T],
        c_row: usize,
        accumulate: bool,
    ) {
        if m > 0 && self.columns > 0 {
            pulp::Arch::new().dispatch(Multiply {
                b: self,
                m,
                a,
                c,
                c_row,
                accumulate,
            });
        }
    }
}

fn pack<T: Real>(b: Matrix<'_, T>, first: usize, n: usize, width: usize, panel: &mut [T]) {
    let depth = panel.len() / width;
    if b.column == 1 {
        for (p, out) in panel.chunks_exact_mut(width).enumerate() {
            out[..n].copy_from_slice(&b.values[p * b.row + first..][..n]);
        }
        return;
    }
    let whole = if b.row == 1 { n - n % TURNED } else { 0 };
    for j in (0..whole).step_by(TURNED) {
        // Columns lie along their lines: a few side by side are turned at once.
        let columns: [&[T]; TURNED] =
            std::array::from_fn(|c| &b.values[(first + j + c) * b.column..][..depth]);
        for (p, out) in panel.chunks_exact_mut(width).enumerate() {
            out[j..][..TURNED]
                .copy_from_slice(&std::array::from_fn::<T, TURNED, _>(|c| columns[c][p]));
        }
    }
    for j in whole..n {
        let column = b.values[(first + j) * b.column..].iter().step_by(b.row);
        for (out, &value) in panel.chunks_exact_mut(width).zip(column) {
            out[j] = value;
        }
    }
}

/// Columns that are packed together.
const TURNED: usize = 8;

struct Multiply<'a, T: Real> {
    b: &'a Packed<'a, T>,
    m: usize,
    a: Matrix<'a, T>,
    c: &'a mut [T],
    c_row: usize,
    accumulate: bool,
}

impl<T: Real> WithSimd for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Tiles that fill the registers: 24 of 32, or 12 of 16, hold sums.
        match (self.b.width / self.b.lanes, S::REGISTER_COUNT >= 32) {
            (1, _) => self.run::<S, 8, 1>(simd),
            (2, true) => self.run::<S, 8, 2>(simd),
            (2, false) => self.run::<S, 6, 2>(simd),
            (3, _) => self.run::<S, 8, 3>(simd),
            _ => self.run::<S, 6, 4>(simd),
        }
    }
}

impl<T: Real> Multiply<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Packed {
            depth: whole,
            columns,
            width,
            ..
        } = *self.b;
        let a = self.a;
        let mut scratch = [T::default(); SCRATCH];
        for from in (0..whole.max(1)).step_by(DEPTH) {
            let depth = DEPTH.min(whole - from);
            let accumulate = self.accumulate || from > 0;
            for number in 0..columns.div_ceil(width) {
                let panel = T::vectors::<S>(
                    &self.b.panels[(number * whole + from) * width..][..depth * width],
                );
                let here = number * width..columns.min((number + 1) * width);
                for i in (0..self.m).step_by(ROWS) {
                    let rows = ROWS.min(self.m - i);
                    let sums = if a.column == 1 {
                        // Past the last row the last one again, whose sums are not kept.
                        let of: [&[T]; ROWS] = std::array::from_fn(|r| {
                            &a.values[(i + r.min(rows - 1)) * a.row + from..][..depth]
                        });
                        tile::<S, T, ROWS, VECTORS>(simd, panel, |p| {
                            std::array::from_fn(|r| of[r][p])
                        })
                    } else if a.row == 1 && rows == ROWS {
                        let values = &a.values[i + from * a.column..];
                        let step = a.column;
                        tile::<S, T, ROWS, VECTORS>(simd, panel, |p| {
                            let line = &values[p * step..][..ROWS];
                            std::array::from_fn(|r| line[r])
                        })
                    } else {
                        let at = |r: usize, p: usize| {
                            a.values[(i + r.min(rows - 1)) * a.row + (from + p) * a.column]
                        };
                        tile::<S, T, ROWS, VECTORS>(simd, panel, |p| {
                            std::array::from_fn(|r| at(r, p))
                        })
                    };
                    let c = &mut self.c[i * self.c_row + here.start..];
                    if rows == ROWS && here.len() == width {
                        store::<S, T, ROWS, VECTORS>(simd, &sums, c, self.c_row, accumulate);
                    } else {
                        // The edge goes through a whole tile beside C.
                        store::<S, T, ROWS, VECTORS>(simd, &sums, &mut scratch, width, false);
                        for (r, sums) in scratch.chunks_exact(width).take(rows).enumerate() {
                            for (c, &sum) in c[r * self.c_row..][..here.len()].iter_mut().zip(sums)
                            {
                                *c = if accumulate { *c + sum } else { sum };
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `sum_p a(p)[r] panel[p]` for each row, all sums in registers.
#[inline(always)]
fn tile<S: Simd, T: Real, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    panel: &[T::Vector<S>],
    a: impl Fn(usize) -> [T; ROWS],
) -> [[T::Vector<S>; VECTORS]; ROWS] {
    let mut sums = [[T::splat(simd, T::default()); VECTORS]; ROWS];
    for (p, b) in panel.chunks_exact(VECTORS).enumerate() {
        let a = a(p);
        for r in 0..ROWS {
            let x = T::splat(simd, a[r]);
            for v in 0..VECTORS {
                sums[r][v] = T::mul_add(simd, x, b[v], sums[r][v]);
            }
        }
    }
    sums
}

/// Writes a tile, or adds it to what is there. Only constants index the sums: a loop of unknown
/// length would have them in memory.
#[inline(always)]
fn store<S: Simd, T: Real, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    sums: &[[T::Vector<S>; VECTORS]; ROWS],
    c: &mut [T],
    c_row: usize,
    accumulate: bool,
) {
    let width = VECTORS * T::lanes::<S>();
    for r in 0..ROWS {
        let c = T::vectors_mut::<S>(&mut c[r * c_row..][..width]);
        for v in 0..VECTORS {
            c[v] = if accumulate {
                T::plus(simd, c[v], sums[r][v])
            } else {
                sums[r][v]
            };
        }
    }
}

/// `a b` for `a` with rows of `depth` values one after the other: rows are dealt to threads.
pub(crate) fn rows_times<T: Real>(a: &[T], b: &Packed<'_, T>) -> Buffer<T> {
    let mut c = Buffer::unwritten(a.len() / b.depth.max(1) * b.columns);
    add_or_set(a, b, &mut c, false);
    c
}

/// `c += a b`, as [`rows_times`].
pub(crate) fn add_rows_times<T: Real>(a: &[T], b: &Packed<'_, T>, c: &mut [T]) {
    add_or_set(a, b, c, true);
}

fn add_or_set<T: Real>(a: &[T], b: &Packed<'_, T>, c: &mut [T], accumulate: bool) {
    // Tasks of some size, whatever the width.
    let rows = (65_536 / b.depth.max(b.columns).max(1)).clamp(128, 1_024);
    c.par_chunks_mut(rows * b.columns)
        .zip(a.par_chunks(rows * b.depth))
        .for_each(|(c, a)| {
            b.multiply(
                a.len() / b.depth,
                Matrix::rows(a, b.depth),
                c,
                b.columns,
                accumulate,
            );
        });
}

/// `a^T b` for `a` (rows, m) and `b` (rows, n): the gradient of a weight. Rows are dealt to tasks,
/// whose sums are added up in order.
pub(crate) fn transposed_times<T: Real>(a: &[T], m: usize, b: &[T], n: usize) -> Vec<T> {
    let tasks = a
        .par_chunks(ROWS_PER_SUM * m)
        .zip(b.par_chunks(ROWS_PER_SUM * n));
    let partial: Vec<Vec<T>> = tasks
        .map(|(a, b)| {
            let mut c = vec![T::default(); m * n];
            for (a, b) in a.chunks(DEPTH * m).zip(b.chunks(DEPTH * n)) {
                add_transposed_times(a, m, b, n, &mut c);
            }
            c
        })
        .collect();
    sum_of(partial).unwrap_or_else(|| vec![T::default(); m * n])
}

/// `c += a^T b` for a few rows.
pub(crate) fn add_transposed_times<T: Real>(a: &[T], m: usize, b: &[T], n: usize, c: &mut [T]) {
    let depth = b.len() / n;
    Packed::new(Matrix::rows(b, n), depth, n).multiply(
        m,
        Matrix::rows(a, m).transposed(),
        c,
        n,
        true,
    );
}

/// The sum of equally long parts, in their order.
pub(crate) fn sum_of<T: Real>(parts: impl IntoIterator<Item = Vec<T>>) -> Option<Vec<T>> {
    parts.into_iter().reduce(|mut total, part| {
        add_scaled(&mut total, T::constant(1.0), &part);
        total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::values;

    fn product(m: usize, k: usize, n: usize, a: Matrix<'_, f64>, b: Matrix<'_, f64>) -> Vec<f64> {
        let element = |i: usize, j: usize| -> f64 {
            (0..k)
                .map(|p| a.values[i * a.row + p * a.column] * b.values[p * b.row + j * b.column])
                .sum()
        };
        (0..m * n).map(|at| element(at / n, at % n)).collect()
    }

    #[test]
    fn products_of_any_shape_and_order_are_those_of_the_definition() {
        for (m, k, n) in [
            (1, 1, 1),
            (7, 3, 5),
            (13, 300, 70),
            (6, 257, 64),
            (9, 16, 33),
            (30, 8, 129),
            (1, 600, 17),
            (5, 1, 200),
        ] {
            let a = values(m * k, 1);
            let b = values(k * n, 2);
            for (a, b) in [
                (Matrix::rows(&a[..], k), Matrix::rows(&b[..], n)),
                (
                    Matrix::rows(&a[..], m).transposed(),
                    Matrix::rows(&b[..], k).transposed(),
                ),
            ] {
                let expected = product(m, k, n, a, b);
                let mut found = vec![1.0; m * n];
                let packed = Packed::new(b, k, n);
                packed.multiply(m, a, &mut found, n, false);
                packed.multiply(m, a, &mut found, n, true);
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - 2.0 * expected).abs() < 1e-11,
                        "{m} x {k} x {n}: {found}, not twice {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_bit_for_bit_whatever_rows_are_beside_it() {
        let (a, b): (Vec<f32>, Vec<f32>) = (
            values(50 * 300, 1).iter().map(|&x| x as f32).collect(),
            values(300 * 70, 2).iter().map(|&x| x as f32).collect(),
        );
        let packed = Packed::new(Matrix::rows(&b[..], 70), 300, 70);
        let mut all = vec![0.0; 50 * 70];
        packed.multiply(50, Matrix::rows(&a, 300), &mut all, 70, false);
        for row in [0, 5, 6, 7, 48, 49] {
            let mut one = vec![0.0; 70];
            packed.multiply(1, Matrix::rows(&a[row * 300..], 300), &mut one, 70, false);
            assert_eq!(one, all[row * 70..][..70]);
        }
    }

    #[test]
    fn a_weights_gradient_sums_over_all_rows() {
        let a = values(2_500 * 3, 1);
        let b = values(2_500 * 5, 2);
        let expected = product(
            3,
            2_500,
            5,
            Matrix::rows(&a[..], 3).transposed(),
            Matrix::rows(&b[..], 5),
        );
        for (found, expected) in transposed_times(&a, 3, &b, 5).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-9);
        }
    }
}
