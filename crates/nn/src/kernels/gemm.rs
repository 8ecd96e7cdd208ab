//! Matrix products on slices: the inner loop of every fused operation.
//!
//! `C = A B` with `C[i, j] = sum_p A[i, p] B[p, j]`. B is packed once into panels as wide as a few
//! vector registers (Goto & van de Geijn 2008, "Anatomy of high-performance matrix
//! multiplication"). A tile of C stays in registers while p walks along the depth.
//!
//! The order of summation for an element of C does not depend on the number of rows. Results are
//! therefore the same for every assignment of rows to threads. The code has no `unsafe`: the vector
//! types are from `pulp`.

use std::{borrow::Cow, marker::PhantomData};

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
    /// A row-major matrix whose rows are `row` values apart.
    pub fn rows(values: &'a [T], row: usize) -> Self {
        Self {
            values,
            row,
            column: 1,
        }
    }

    /// The transpose, without a copy.
    pub fn transposed(self) -> Self {
        Self {
            values: self.values,
            row: self.column,
            column: self.row,
        }
    }
}

/// Rows of B per pass over C. A panel of that depth fits the second-level cache.
const DEPTH: usize = 256;
/// Upper bound for the values of a tile of C: 8 rows of 4 vectors of 16 lanes.
const MAX_TILE: usize = 8 * 64;
/// Columns that are transposed together while B is packed.
const TRANSPOSED_TOGETHER: usize = 8;
/// Rows that one task sums up for the gradient of a weight. Fixed, so that sums are the same for
/// any number of threads.
pub(crate) const ROWS_PER_SUM: usize = 1024;

/// The right-hand matrix B (depth, columns) of products.
pub(crate) struct Packed<'b, T: Real> {
    depth: usize,
    columns: usize,
    /// Values across a panel: whole vectors.
    width: usize,
    /// Numbers in a vector register of this machine.
    lanes: usize,
    /// (panels, depth, width), padded with zeros. B is borrowed where it has this layout already.
    panels: Cow<'b, [T]>,
}

/// Chooses the panel width that suits a number of columns on this machine.
struct PanelWidth<T> {
    columns: usize,
    number: PhantomData<T>,
}

struct PanelSizes {
    width: usize,
    lanes: usize,
}

impl<T: Real> PanelWidth<T> {
    fn for_columns(columns: usize) -> PanelSizes {
        pulp::Arch::new().dispatch(Self {
            columns,
            number: PhantomData,
        })
    }
}

impl<T: Real> WithSimd for PanelWidth<T> {
    type Output = PanelSizes;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> PanelSizes {
        let lanes = T::lanes::<S>();
        let max_vectors = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
        let vectors = self.columns.div_ceil(lanes).max(1);
        let panels = vectors.div_ceil(max_vectors);
        // All panels have the same width, so that the last one is not mostly padding.
        let vectors_per_panel = vectors.div_ceil(panels);
        PanelSizes {
            width: lanes * vectors_per_panel,
            lanes,
        }
    }
}

impl<'b, T: Real> Packed<'b, T> {
    /// Packs `b` (depth, columns).
    pub fn new(b: Matrix<'b, T>, depth: usize, columns: usize) -> Self {
        let PanelSizes { width, lanes } = PanelWidth::<T>::for_columns(columns);
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
                let first = number * width;
                let n_columns = width.min(columns - first);
                pack_panel(b, first, n_columns, width, panel);
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

    /// Most columns for [`Self::repack`] and [`Self::resize`]: two vectors.
    pub fn panel_width() -> usize {
        2 * Self::lanes()
    }

    fn lanes() -> usize {
        PanelWidth::<T>::for_columns(1).lanes
    }

    /// An empty matrix. Each [`Self::repack`] or [`Self::resize`] uses its memory again.
    pub fn empty() -> Self {
        Self {
            depth: 0,
            columns: 0,
            width: 0,
            lanes: Self::lanes(),
            panels: Cow::default(),
        }
    }

    /// Values in a row of a panel, padding included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Packs `b` (depth, columns) of at most [`Self::panel_width`] columns into a single panel.
    ///
    /// The panel is rounded up to whole vectors. Its columns beyond `b` have any finite or earlier
    /// value, so the caller must ignore the results for them.
    pub fn repack(&mut self, b: Matrix<'_, T>, depth: usize, columns: usize) {
        let panel = self.resize(depth, columns);
        pack_panel(b, 0, columns, panel.len() / depth.max(1), panel);
    }

    /// Makes this a single panel (depth, columns rounded up to whole vectors) and returns its
    /// memory, which another product writes.
    pub fn resize(&mut self, depth: usize, columns: usize) -> &mut [T] {
        self.width = columns.div_ceil(self.lanes) * self.lanes;
        self.depth = depth;
        self.columns = self.width;
        let panels = self.panels.to_mut();
        panels.resize(depth * self.width, T::default());
        panels
    }

    /// `c = a b`, or `c += a b` with `accumulate`, for `m` rows.
    ///
    /// The rows of `c` are `c_row` values apart; the first `columns` values of each are written.
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

/// Copies columns `first..first + n` of `b` into a panel (depth, width).
fn pack_panel<T: Real>(b: Matrix<'_, T>, first: usize, n: usize, width: usize, panel: &mut [T]) {
    let depth = panel.len() / width;
    if b.column == 1 {
        for (p, out) in panel.chunks_exact_mut(width).enumerate() {
            out[..n].copy_from_slice(&b.values[p * b.row + first..][..n]);
        }
        return;
    }
    // A column of a transposed matrix is contiguous. Several columns at a time give writes of whole
    // cache lines.
    let grouped = if b.row == 1 {
        n - n % TRANSPOSED_TOGETHER
    } else {
        0
    };
    for j in (0..grouped).step_by(TRANSPOSED_TOGETHER) {
        let columns: [&[T]; TRANSPOSED_TOGETHER] =
            std::array::from_fn(|c| &b.values[(first + j + c) * b.column..][..depth]);
        for (p, out) in panel.chunks_exact_mut(width).enumerate() {
            let row: [T; TRANSPOSED_TOGETHER] = std::array::from_fn(|c| columns[c][p]);
            out[j..][..TRANSPOSED_TOGETHER].copy_from_slice(&row);
        }
    }
    for j in grouped..n {
        let column = b.values[(first + j) * b.column..].iter().step_by(b.row);
        for (out, &value) in panel.chunks_exact_mut(width).zip(column) {
            out[j] = value;
        }
    }
}

/// See [`Packed::multiply`].
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
        // The sums of a tile fill 24 of 32 or 12 of 16 registers; the others are for A and B.
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
            depth: full_depth,
            columns,
            width,
            ..
        } = *self.b;
        let mut scratch = [T::default(); MAX_TILE];
        for first_p in (0..full_depth.max(1)).step_by(DEPTH) {
            let depth = DEPTH.min(full_depth - first_p);
            let accumulate = self.accumulate || first_p > 0;
            for number in 0..columns.div_ceil(width) {
                let panel_start = (number * full_depth + first_p) * width;
                let panel = T::vectors::<S>(&self.b.panels[panel_start..][..depth * width]);
                let panel_columns = number * width..columns.min((number + 1) * width);
                for i in (0..self.m).step_by(ROWS) {
                    let rows = ROWS.min(self.m - i);
                    let sums = self
                        .a
                        .tile::<S, ROWS, VECTORS>(simd, i, rows, first_p, panel);
                    let c = &mut self.c[i * self.c_row + panel_columns.start..];
                    if rows == ROWS && panel_columns.len() == width {
                        store::<S, T, ROWS, VECTORS>(simd, &sums, c, self.c_row, accumulate);
                    } else {
                        // A tile at the edge is stored whole in scratch memory, from where only the
                        // part inside of C is copied.
                        store::<S, T, ROWS, VECTORS>(simd, &sums, &mut scratch, width, false);
                        for (r, sums) in scratch.chunks_exact(width).take(rows).enumerate() {
                            let c_row = &mut c[r * self.c_row..][..panel_columns.len()];
                            for (c, &sum) in c_row.iter_mut().zip(sums) {
                                *c = if accumulate { *c + sum } else { sum };
                            }
                        }
                    }
                }
            }
        }
    }
}

impl<T: Real> Matrix<'_, T> {
    /// The tile of C for rows `i..i + rows` of this matrix (A), depths from `first_p`, and a panel
    /// of B.
    ///
    /// A tile always has `ROWS` rows, so that its sums stay in registers. Where A has fewer, the
    /// last one is repeated, and the caller ignores the surplus sums.
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
        self,
        simd: S,
        i: usize,
        rows: usize,
        first_p: usize,
        panel: &[T::Vector<S>],
    ) -> [[T::Vector<S>; VECTORS]; ROWS] {
        let depth = panel.len() / VECTORS;
        if self.column == 1 {
            let a_rows: [&[T]; ROWS] = std::array::from_fn(|r| {
                &self.values[(i + r.min(rows - 1)) * self.row + first_p..][..depth]
            });
            tile::<S, T, ROWS, VECTORS>(simd, panel, |p| std::array::from_fn(|r| a_rows[r][p]))
        } else if self.row == 1 && rows == ROWS {
            let values = &self.values[i + first_p * self.column..];
            let step = self.column;
            tile::<S, T, ROWS, VECTORS>(simd, panel, |p| {
                let a_column = &values[p * step..][..ROWS];
                std::array::from_fn(|r| a_column[r])
            })
        } else {
            tile::<S, T, ROWS, VECTORS>(simd, panel, |p| {
                std::array::from_fn(|r| {
                    let row = i + r.min(rows - 1);
                    self.values[row * self.row + (first_p + p) * self.column]
                })
            })
        }
    }
}

/// `sum_p a(p)[r] panel[p]` for each row r, with all sums in registers.
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

/// Writes a tile to C, or adds it with `accumulate`.
///
/// The loops have constant bounds: with a variable bound the compiler would keep the sums in
/// memory instead of registers.
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

/// `a b` on all threads, for `a` with contiguous rows of `depth` values.
pub(crate) fn rows_times<T: Real>(a: &[T], b: &Packed<'_, T>) -> Buffer<T> {
    let mut c = Buffer::unwritten(a.len() / b.depth.max(1) * b.columns);
    add_or_set(a, b, &mut c, false);
    c
}

/// `c += a b` on all threads, see [`rows_times`].
pub(crate) fn add_rows_times<T: Real>(a: &[T], b: &Packed<'_, T>, c: &mut [T]) {
    add_or_set(a, b, c, true);
}

fn add_or_set<T: Real>(a: &[T], b: &Packed<'_, T>, c: &mut [T], accumulate: bool) {
    // About 65,536 values per task, so that a task is worth its overhead at any width.
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

/// `a^T b` for `a` (rows, m) and `b` (rows, n): the gradient of a weight.
///
/// Each task sums a fixed number of rows, and the sums of the tasks are added in order.
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

/// The sum of vectors of the same length, added in their order; `None` for no vector.
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
        (0..m * n)
            .map(|element| {
                let i = element / n;
                let j = element % n;
                (0..k)
                    .map(|p| {
                        a.values[i * a.row + p * a.column] * b.values[p * b.row + j * b.column]
                    })
                    .sum()
            })
            .collect()
    }

    fn values_f32(n: usize, seed: u64) -> Vec<f32> {
        values(n, seed).iter().map(|&x| x as f32).collect()
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
        let a = values_f32(50 * 300, 1);
        let b = values_f32(300 * 70, 2);
        let packed = Packed::new(Matrix::rows(&b[..], 70), 300, 70);
        let mut all = vec![0.0; 50 * 70];
        packed.multiply(50, Matrix::rows(&a, 300), &mut all, 70, false);
        for row in [0, 5, 6, 7, 48, 49] {
            let mut alone = vec![0.0; 70];
            packed.multiply(1, Matrix::rows(&a[row * 300..], 300), &mut alone, 70, false);
            assert_eq!(alone, all[row * 70..][..70]);
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
