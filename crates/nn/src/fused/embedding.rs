//! Vectors of token ids and of their places.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    kernels::{
        real::{Real, add_scaled, fused, gradient_of, with_slices},
        row_sums::add_sum_of_rows,
    },
    reference,
};

/// `table[ids[b, s]] + positions[s]` for `ids` (batch, n) of u32, `table` (vocabulary, width) and
/// `positions` (n, width) -> (batch, n, width).
///
/// # Errors
/// Shapes that do not fit, or an id that the table does not have.
pub fn embed(ids: &Tensor, table: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let (batch, n) = ids.dims2()?;
    let (vocab_size, width) = table.dims2()?;
    if positions.dims2()? != (n, width) {
        bail!(
            "embed: ids {:?}, table {:?} and positions {:?} do not fit",
            ids.shape(),
            table.shape(),
            positions.shape()
        );
    }
    let table = table.contiguous()?;
    let positions = positions.contiguous()?;
    fused!(table.dtype(), table.device(), T => {
        let ids: Vec<u32> = ids.flatten_all()?.to_vec1()?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            bail!("embed: token {id} is not in a vocabulary of {vocab_size}");
        }
        table.apply_op2(&positions, OnCpu::new(Embed::<T> { ids: Arc::new(ids), batch, n, width, number: PhantomData }))
    });
    reference::embedding::embed(ids, &table, &positions)
}

struct Embed<T> {
    ids: Arc<Vec<u32>>,
    batch: usize,
    n: usize,
    width: usize,
    number: PhantomData<T>,
}

impl<T: Real> Operation<T, 2> for Embed<T> {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn forward(&self, [table, positions]: [&[T]; 2], _: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let Self {
            batch, n, width, ..
        } = *self;
        let mut out = vec![T::default(); batch * n * width];
        out.par_chunks_mut(width * ROWS_PER_TASK)
            .zip(self.ids.par_chunks(ROWS_PER_TASK))
            .enumerate()
            .for_each(|(task, (out, ids))| {
                for (row, (out, &id)) in out.chunks_exact_mut(width).zip(ids).enumerate() {
                    let position = &positions[(task * ROWS_PER_TASK + row) % n * width..][..width];
                    for ((out, &a), &b) in out
                        .iter_mut()
                        .zip(&table[id as usize * width..][..width])
                        .zip(position)
                    {
                        *out = a + b;
                    }
                }
            });
        Ok((out, (batch, n, width).into()))
    }

    fn backward(
        &self,
        [table, positions]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let Self { n, width, .. } = *self;
        let (dtable, dpositions) = with_slices::<T, 1, _>([gradient], |[dy]| {
            // Each task has some ids of the vocabulary, and some places, to itself: sums are in the
            // order of the rows.
            let mut dtable = vec![T::default(); table.elem_count()];
            let mut rows_of_tasks = vec![Vec::new(); dtable.len().div_ceil(width * ROWS_PER_TASK)];
            for (row, &id) in self.ids.iter().enumerate() {
                rows_of_tasks[id as usize / ROWS_PER_TASK].push((row, id as usize % ROWS_PER_TASK));
            }
            dtable
                .par_chunks_mut(width * ROWS_PER_TASK)
                .zip(rows_of_tasks)
                .for_each(|(dtable, rows)| {
                    for (row, id) in rows {
                        add_sum_of_rows(
                            &dy[row * width..][..width],
                            &mut dtable[id * width..][..width],
                        );
                    }
                });
            let mut dpositions = vec![T::default(); n * width];
            let rows = n.div_ceil(8);
            dpositions
                .par_chunks_mut(width * rows)
                .enumerate()
                .for_each(|(task, dpositions)| {
                    for dy in dy.chunks_exact(n * width) {
                        add_scaled(dpositions, T::constant(1.0), &dy[task * rows * width..]);
                    }
                });
            Ok((dtable, dpositions))
        })?;
        Ok([
            gradient_of(table, dtable)?,
            gradient_of(positions, dpositions)?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};
    use candle_core::Device;

    #[test]
    fn every_input_gets_its_gradient() {
        let ids = Tensor::new(&[[0u32, 2, 2, 4], [3, 2, 0, 0]], &Device::Cpu).unwrap();
        check_gradients([&[5, 3], &[4, 3]], |t| embed(&ids, &t[0], &t[1]));
        assert_same_gradients(
            [&[5, 3], &[4, 3]],
            |t| embed(&ids, &t[0], &t[1]),
            |t| reference::embedding::embed(&ids, &t[0], &t[1]),
        );
    }

    #[test]
    fn a_large_vocabulary_and_an_id_beyond_it() {
        let ids = Tensor::from_iter((0..1_200u32).map(|i| i * 7 % 1_100), &Device::Cpu)
            .unwrap()
            .reshape((3, 400))
            .unwrap();
        assert_same_gradients(
            [&[1_100, 2], &[400, 2]],
            |t| embed(&ids, &t[0], &t[1]),
            |t| reference::embedding::embed(&ids, &t[0], &t[1]),
        );
        let small = Tensor::zeros((5, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let places = Tensor::zeros((400, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(
            embed(&ids, &small, &places)
                .unwrap_err()
                .to_string()
                .contains("is not in a vocabulary of 5")
        );
    }
}
