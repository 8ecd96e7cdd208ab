//! Scaled dot-product attention (Vaswani et al. 2017, equation 1), all heads in one pass, without storing the weights.
//!
//! Shapes: queries (batch, n, heads * d), keys and values (batch, m, heads * d) -> (batch, n, heads * d). With Linformer the m keys are
//! summaries of the sequence, so time is O(n m) and memory O(n). The backward pass computes the weights again.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::real::{Real, add_scaled, dot, slice, sum, with_slices};

/// `softmax(q k^T / sqrt(d)) v` for each head, over the keys where `mask` (batch x m, row-major) is not 0; zero where there is none.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, mask: Option<&Arc<Vec<u8>>>) -> Result<Tensor> {
    let ((batch, n, width), (batch_k, m, width_k)) = (q.dims3()?, k.dims3()?);
    if batch != batch_k
        || width != width_k
        || k.shape() != v.shape()
        || heads == 0
        || width % heads != 0
        || m == 0
        || mask.is_some_and(|mask| mask.len() != batch * m)
    {
        bail!("attention: q {:?}, k {:?}, v {:?}, {heads} heads do not fit", q.shape(), k.shape(), v.shape());
    }
    let sizes = Sizes { n, m, heads, d: width / heads };
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    match q.dtype() {
        DType::F64 => q.apply_op3(&k, &v, Attention::<f64> { sizes, mask: mask.cloned(), number: PhantomData }),
        _ => q.apply_op3(&k, &v, Attention::<f32> { sizes, mask: mask.cloned(), number: PhantomData }),
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    m: usize,
    heads: usize,
    d: usize,
}

struct Attention<T> {
    sizes: Sizes,
    mask: Option<Arc<Vec<u8>>>,
    number: PhantomData<T>,
}

/// One head's part of a (rows, heads * d) matrix, transposed to (d, rows), so that loops run along the rows.
#[inline(always)]
fn head_transposed<T: Real>(matrix: &[T], sizes: Sizes, head: usize, out: &mut [T]) {
    let Sizes { m, heads, d, .. } = sizes;
    for (row, values) in matrix.chunks_exact(heads * d).enumerate() {
        for (i, &value) in values[head * d..][..d].iter().enumerate() {
            out[i * m + row] = value;
        }
    }
}

/// Attention weights of one query over the m keys: the softmax of its scaled scores.
#[inline(always)]
fn weights<T: Real>(q: &[T], k_transposed: &[T], scale: T, mask: Option<&[u8]>, out: &mut [T]) {
    let m = out.len();
    out.fill(T::default());
    for (i, &q) in q.iter().enumerate() {
        add_scaled(out, q * scale, &k_transposed[i * m..][..m]);
    }
    let mut lanes = [out[0]; 8];
    let mut chunks = out.chunks_exact(8);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    let mut max = out[0];
    for &value in lanes.iter().chain(chunks.remainder()) {
        max = if value > max { value } else { max };
    }
    for value in out.iter_mut() {
        *value = (*value - max).exp();
    }
    if let Some(mask) = mask {
        for (value, &bit) in out.iter_mut().zip(mask) {
            *value = if bit == 0 { T::default() } else { *value };
        }
    }
    let total = sum(out);
    let factor = if total > T::default() { T::of(1.0) / total } else { T::default() };
    for value in out.iter_mut() {
        *value *= factor;
    }
}

impl<T: Real> CustomOp3 for Attention<T> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (slice::<T>(s1, l1)?, slice::<T>(s2, l2)?, slice::<T>(s3, l3)?);
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let width = heads * d;
        let scale = T::of(1.0 / (d as f64).sqrt());
        let mut out = vec![T::default(); q.len()];
        let items = out.par_chunks_mut(n * width).zip(q.par_chunks(n * width)).zip(k.par_chunks(m * width)).zip(v.par_chunks(m * width));
        items.enumerate().for_each(|(item, (((out, q), k), v))| {
            let mask = self.mask_of(item);
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    let (mut kt, mut vt, mut w) = (vec![T::default(); d * m], vec![T::default(); d * m], vec![T::default(); m]);
                    for head in 0..heads {
                        head_transposed(k, sizes, head, &mut kt);
                        head_transposed(v, sizes, head, &mut vt);
                        for (out, q) in out.chunks_exact_mut(width).zip(q.chunks_exact(width)) {
                            weights(&q[head * d..][..d], &kt, scale, mask, &mut w);
                            for (i, out) in out[head * d..][..d].iter_mut().enumerate() {
                                *out = dot(&w, &vt[i * m..][..m]);
                            }
                        }
                    }
                },
            );
        });
        Ok((T::to_cpu_storage_owned(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dq, dk, dv) = with_slices::<T, 5, _>([q, k, v, out, gradient], |slices| Ok(self.gradients(slices)))?;
        let device = q.device();
        Ok((
            Some(Tensor::from_vec(dq, q.shape(), device)?),
            Some(Tensor::from_vec(dk, k.shape(), device)?),
            Some(Tensor::from_vec(dv, v.shape(), device)?),
        ))
    }
}

impl<T: Real> Attention<T> {
    fn mask_of(&self, item: usize) -> Option<&[u8]> {
        self.mask.as_ref().map(|mask| &mask[item * self.sizes.m..][..self.sizes.m])
    }

    /// With weights `w` and `dw = dout v^T`: `ds = w (dw - dout . out) / sqrt(d)`; `dq = ds k`, `dk = ds^T q`, `dv = w^T dout`.
    fn gradients(&self, [q, k, v, out, dout]: [&[T]; 5]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let width = heads * d;
        let scale = T::of(1.0 / (d as f64).sqrt());
        let (mut dq, mut dk, mut dv) = (vec![T::default(); q.len()], vec![T::default(); k.len()], vec![T::default(); v.len()]);
        let targets = dq.par_chunks_mut(n * width).zip(dk.par_chunks_mut(m * width)).zip(dv.par_chunks_mut(m * width));
        let sources = q.par_chunks(n * width).zip(k.par_chunks(m * width)).zip(v.par_chunks(m * width));
        let results = out.par_chunks(n * width).zip(dout.par_chunks(n * width));
        targets.zip(sources).zip(results).enumerate().for_each(|(item, ((((dq, dk), dv), ((q, k), v)), (out, dout)))| {
            let mask = self.mask_of(item);
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    let zeros = || vec![T::default(); d * m];
                    let (mut kt, mut vt, mut dkt, mut dvt) = (zeros(), zeros(), zeros(), zeros());
                    let (mut w, mut ds) = (vec![T::default(); m], vec![T::default(); m]);
                    for head in 0..heads {
                        let part = head * d..(head + 1) * d;
                        head_transposed(k, sizes, head, &mut kt);
                        head_transposed(v, sizes, head, &mut vt);
                        dkt.fill(T::default());
                        dvt.fill(T::default());
                        for row in 0..n {
                            let here = row * width + part.start..row * width + part.end;
                            let (q, out, dout) = (&q[here.clone()], &out[here.clone()], &dout[here.clone()]);
                            weights(q, &kt, scale, mask, &mut w);
                            let mut along = T::default();
                            for (&a, &b) in dout.iter().zip(out) {
                                along += a * b;
                            }
                            ds.fill(T::default() - along);
                            for (i, &g) in dout.iter().enumerate() {
                                add_scaled(&mut ds, g, &vt[i * m..][..m]);
                                add_scaled(&mut dvt[i * m..][..m], g, &w);
                            }
                            for (ds, &w) in ds.iter_mut().zip(&w) {
                                *ds *= w * scale;
                            }
                            for (i, dq) in dq[here].iter_mut().enumerate() {
                                *dq = dot(&ds, &kt[i * m..][..m]);
                                add_scaled(&mut dkt[i * m..][..m], q[i], &ds);
                            }
                        }
                        for row in 0..m {
                            for i in 0..d {
                                dk[row * width + part.start + i] = dkt[i * m + row];
                                dv[row * width + part.start + i] = dvt[i * m + row];
                            }
                        }
                    }
                },
            );
        });
        (dq, dk, dv)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::real::tests::{check_gradients, values},
        *,
    };
    use candle_core::{D, Device};

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 3, 6], &[2, 5, 6], &[2, 5, 6]], |t| attention(&t[0], &t[1], &t[2], 2, None));
        check_gradients([&[1, 2, 4], &[1, 19, 4], &[1, 19, 4]], |t| attention(&t[0], &t[1], &t[2], 1, None));
        let mask = Arc::new(vec![1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        check_gradients([&[2, 3, 6], &[2, 5, 6], &[2, 5, 6]], |t| attention(&t[0], &t[1], &t[2], 2, Some(&mask)));
    }

    #[test]
    fn equals_the_definition_step_by_step() {
        let tensor = |n: usize, seed| Tensor::from_vec(values(2 * n * 6, seed), (2, n, 6), &Device::Cpu).unwrap();
        let (q, k, v) = (tensor(4, 1), tensor(9, 2), tensor(9, 3));
        let by_head = |t: &Tensor| t.reshape((2, (), 2, 3)).unwrap().transpose(1, 2).unwrap().contiguous().unwrap();
        let scores = (by_head(&q).matmul(&by_head(&k).t().unwrap()).unwrap() / 3f64.sqrt()).unwrap();
        let e = scores.exp().unwrap();
        let w = e.broadcast_div(&e.sum_keepdim(D::Minus1).unwrap()).unwrap();
        let expected = w.matmul(&by_head(&v)).unwrap().transpose(1, 2).unwrap().reshape((2, 4, 6)).unwrap();
        let found = attention(&q, &k, &v, 2, None).unwrap();
        let off = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(off < 1e-12, "{off}");
    }
}
