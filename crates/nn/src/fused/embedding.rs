//! Token embeddings plus position embeddings: `out[b, s] = table[ids[b, s]] + positions[s]`.

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

/// The sum of token and position embeddings, `table[ids[b, s]] + positions[s]`.
///
/// `ids` (batch, n) of u32, `table` (vocabulary, width), `positions` (n, width) -> (batch, n,
/// width).
///
/// # Errors
/// Shapes that do not fit, or an id beyond the end of the table.
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
        let operation = Embed::<T> {
            ids: Arc::new(ids),
            batch,
            n,
            width,
            number: PhantomData,
        };
        table.apply_op2(&positions, OnCpu::new(operation))
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
                    let s = (task * ROWS_PER_TASK + row) % n;
                    let token = &table[id as usize * width..][..width];
                    let position = &positions[s * width..][..width];
                    for ((out, &token), &position) in out.iter_mut().zip(token).zip(position) {
                        *out = token + position;
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
        let (dtable, dpositions) = with_slices::<T, 1, _>([gradient], |[dy]| {
            Ok((
                self.table_gradient(table.elem_count(), dy),
                self.position_gradient(dy),
            ))
        })?;
        Ok([
            gradient_of(table, dtable)?,
            gradient_of(positions, dpositions)?,
        ])
    }
}

impl<T: Real> Embed<T> {
    /// The sum of the rows of `dy` for each id of the vocabulary.
    ///
    /// Each task owns a range of ids, so that tasks share no sums. It adds rows in their order.
    fn table_gradient(&self, len: usize, dy: &[T]) -> Vec<T> {
        let width = self.width;
        let mut dtable = vec![T::default(); len];
        let mut rows_of_tasks = vec![Vec::new(); dtable.len().div_ceil(width * ROWS_PER_TASK)];
        for (row, &id) in self.ids.iter().enumerate() {
            let task = id as usize / ROWS_PER_TASK;
            let id_in_task = id as usize % ROWS_PER_TASK;
            rows_of_tasks[task].push((row, id_in_task));
        }
        dtable
            .par_chunks_mut(width * ROWS_PER_TASK)
            .zip(rows_of_tasks)
            .for_each(|(dtable, rows)| {
                for (row, id_in_task) in rows {
                    add_sum_of_rows(
                        &dy[row * width..][..width],
                        &mut dtable[id_in_task * width..][..width],
                    );
                }
            });
        dtable
    }

    /// The sum of `dy` over the batch, (n, width).
    fn position_gradient(&self, dy: &[T]) -> Vec<T> {
        let Self { n, width, .. } = *self;
        let mut dpositions = vec![T::default(); n * width];
        let positions_per_task = n.div_ceil(8);
        dpositions
            .par_chunks_mut(width * positions_per_task)
            .enumerate()
            .for_each(|(task, dpositions)| {
                let first_value = task * positions_per_task * width;
                for dy in dy.chunks_exact(n * width) {
                    add_scaled(dpositions, T::constant(1.0), &dy[first_value..]);
                }
            });
        dpositions
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
        let positions = Tensor::zeros((400, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(
            embed(&ids, &small, &positions)
                .unwrap_err()
                .to_string()
                .contains("is not in a vocabulary of 5")
        );
    }
}
