//! Linear attention by binary codes (EcoFormer: Liu et al. 2022, arXiv 2209.09004, equation 8).
//!
//! The weight of token j for token i is `b_i . b_j + c`, with `c = bits + 1` above zero, so that
//! sums over j are made once: `out_i = (b_i S + c V) / (b_i . z + N c)` with `S = sum_j b_j v_j^T`,
//! `z = sum_j b_j`, `V = sum_j v_j` over the N tokens. Time and memory are linear in the length.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    kernels::real::{Real, add_scaled, dot, fused, gradient_of, vectorised, with_slices},
    reference,
};

/// What c multiplies above the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numerator {
    /// The sum of all values: the weights of a token then sum to one.
    Sum,
    /// The token's own value, as the released code of EcoFormer has it.
    Own,
}

/// `codes` (batch, n, heads * bits) of -1 and 1, `v` (batch, n, heads * d), `mask` (batch x n,
/// row-major: 1 = token, 0 = padding) -> (batch, n, heads * d). Padding adds to no sum, and its own
/// row is zero.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn code_attention(
    codes: &Tensor,
    v: &Tensor,
    heads: usize,
    mask: &Arc<Vec<u8>>,
    numerator: Numerator,
) -> Result<Tensor> {
    let (batch, n, n_codes) = codes.dims3()?;
    let (batch_v, n_v, width) = v.dims3()?;
    if (batch, n) != (batch_v, n_v)
        || heads == 0
        || n_codes % heads != 0
        || width % heads != 0
        || mask.len() != batch * n
    {
        bail!(
            "code_attention: codes {:?}, v {:?}, {heads} heads do not fit",
            codes.shape(),
            v.shape()
        );
    }
    let codes = codes.contiguous()?;
    let v = v.contiguous()?;
    let sizes = Sizes {
        n,
        heads,
        bits: n_codes / heads,
        d: width / heads,
    };
    fused!(v.dtype(), v.device(), T => codes.apply_op2(&v, OnCpu::new(CodeAttention::<T> { sizes, mask: mask.clone(), numerator, number: PhantomData })));
    reference::code_attention::code_attention(&codes, &v, heads, mask, numerator == Numerator::Own)
}

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    heads: usize,
    bits: usize,
    d: usize,
}

struct CodeAttention<T> {
    sizes: Sizes,
    mask: Arc<Vec<u8>>,
    numerator: Numerator,
    number: PhantomData<T>,
}

/// Sums over the tokens of a sequence, of one head.
struct Sums<T> {
    /// S, (bits, d).
    outer: Vec<T>,
    /// z, (bits).
    codes: Vec<T>,
    /// V, (d).
    values: Vec<T>,
}

impl<T: Real> Sums<T> {
    fn new(Sizes { bits, d, .. }: Sizes) -> Self {
        Self {
            outer: vec![T::default(); bits * d],
            codes: vec![T::default(); bits],
            values: vec![T::default(); d],
        }
    }

    /// Adds `code value^T`, `code factor` and `value`.
    #[inline(always)]
    fn add(&mut self, code: &[T], factor: T, value: &[T]) {
        for (outer, &bit) in self.outer.chunks_exact_mut(value.len()).zip(code) {
            add_scaled(outer, bit, value);
        }
        add_scaled(&mut self.codes, factor, code);
        add_scaled(&mut self.values, T::constant(1.0), value);
    }
}

impl<T: Real> CodeAttention<T> {
    /// Parts of the rows of one head at the tokens: of the codes and of the values.
    fn tokens(
        &self,
        mask: &[u8],
        head: usize,
    ) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> + use<'_, T> {
        let Sizes { n, heads, bits, d } = self.sizes;
        let real: Vec<usize> = (0..n).filter(|&row| mask[row] != 0).collect();
        real.into_iter().map(move |row| {
            let code = (row * heads + head) * bits;
            let value = (row * heads + head) * d;
            (code..code + bits, value..value + d)
        })
    }

    fn shift(&self) -> T {
        T::constant(self.sizes.bits as f64 + 1.0)
    }

    /// `N c`.
    fn base(&self, mask: &[u8]) -> T {
        T::constant(mask.iter().filter(|&&bit| bit != 0).count() as f64) * self.shift()
    }

    #[inline(always)]
    fn sums(&self, codes: &[T], v: &[T], mask: &[u8], head: usize) -> Sums<T> {
        let mut sums = Sums::new(self.sizes);
        for (code, value) in self.tokens(mask, head) {
            sums.add(&codes[code], T::constant(1.0), &v[value]);
        }
        sums
    }

    /// With `dn = dout / denominator` and `dd = -(dout . out) / denominator` of each token: as a
    /// query it gives its code `S dn + z dd`, and the sums `dS = b dn^T`, `dz = b dd`, `dV = c
    /// dn`; as a key its code gets `dS v + dz` and its value `b dS + dV`.
    fn gradients(&self, [codes, v, out, dout]: [&[T]; 4]) -> (Vec<T>, Vec<T>) {
        let Sizes { n, heads, bits, d } = self.sizes;
        let mut dcodes = vec![T::default(); codes.len()];
        let mut dv = vec![T::default(); v.len()];
        let n_codes = n * heads * bits;
        let n_values = n * heads * d;
        let targets = dcodes
            .par_chunks_mut(n_codes)
            .zip(dv.par_chunks_mut(n_values));
        let sources = codes.par_chunks(n_codes).zip(v.par_chunks(n_values));
        let results = out
            .par_chunks(n_values)
            .zip(dout.par_chunks(n_values))
            .zip(self.mask.par_chunks(n));
        targets.zip(sources).zip(results).for_each(
            |(((dcodes, dv), (codes, v)), ((out, dout), mask))| {
                vectorised(
                    #[inline(always)]
                    || {
                        let shift = self.shift();
                        let base = self.base(mask);
                        let mut dn = vec![T::default(); d];
                        for head in 0..heads {
                            let sums = self.sums(codes, v, mask, head);
                            let mut dsums = Sums::new(self.sizes);
                            for (code, value) in self.tokens(mask, head) {
                                let b = &codes[code.clone()];
                                let dout = &dout[value.clone()];
                                let dcode = &mut dcodes[code];
                                let inverse = T::constant(1.0) / (dot(b, &sums.codes) + base);
                                let dd = T::default() - dot(dout, &out[value.clone()]) * inverse;
                                for (dn, &dout) in dn.iter_mut().zip(dout) {
                                    *dn = dout * inverse;
                                }
                                for ((dcode, outer), &z) in dcode
                                    .iter_mut()
                                    .zip(sums.outer.chunks_exact(d))
                                    .zip(&sums.codes)
                                {
                                    *dcode = dot(outer, &dn) + z * dd;
                                }
                                dsums.add(b, dd, &dn);
                                if self.numerator == Numerator::Own {
                                    add_scaled(&mut dv[value], shift, &dn);
                                }
                            }
                            for (code, value) in self.tokens(mask, head) {
                                let b = &codes[code.clone()];
                                let v = &v[value.clone()];
                                let dcode = &mut dcodes[code];
                                let dv = &mut dv[value];
                                for (((dcode, douter), &dz), &bit) in dcode
                                    .iter_mut()
                                    .zip(dsums.outer.chunks_exact(d))
                                    .zip(&dsums.codes)
                                    .zip(b)
                                {
                                    *dcode += dot(douter, v) + dz;
                                    add_scaled(dv, bit, douter);
                                }
                                if self.numerator == Numerator::Sum {
                                    add_scaled(dv, shift, &dsums.values);
                                }
                            }
                        }
                    },
                );
            },
        );
        (dcodes, dv)
    }
}

impl<T: Real> Operation<T, 2> for CodeAttention<T> {
    fn name(&self) -> &'static str {
        "code-attention"
    }

    fn forward(&self, [codes, v]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let Sizes { n, heads, bits, d } = self.sizes;
        let n_codes = n * heads * bits;
        let n_values = n * heads * d;
        let mut out = vec![T::default(); v.len()];
        let items = out
            .par_chunks_mut(n_values)
            .zip(codes.par_chunks(n_codes))
            .zip(v.par_chunks(n_values))
            .zip(self.mask.par_chunks(n));
        items.for_each(|(((out, codes), v), mask)| {
            vectorised(
                #[inline(always)]
                || {
                    let shift = self.shift();
                    let base = self.base(mask);
                    for head in 0..heads {
                        let sums = self.sums(codes, v, mask, head);
                        for (code, value) in self.tokens(mask, head) {
                            let b = &codes[code];
                            let v = &v[value.clone()];
                            let out = &mut out[value];
                            add_scaled(
                                out,
                                shift,
                                if self.numerator == Numerator::Sum {
                                    &sums.values
                                } else {
                                    v
                                },
                            );
                            for (outer, &bit) in sums.outer.chunks_exact(d).zip(b) {
                                add_scaled(out, bit, outer);
                            }
                            let inverse = T::constant(1.0) / (dot(b, &sums.codes) + base);
                            for out in out {
                                *out *= inverse;
                            }
                        }
                    }
                },
            );
        });
        Ok((out, layouts[1].shape().clone()))
    }

    fn backward(
        &self,
        [codes, v]: [&Tensor; 2],
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dcodes, dv) = with_slices::<T, 4, _>([codes, v, out, gradient], |slices| {
            Ok(self.gradients(slices))
        })?;
        Ok([gradient_of(codes, dcodes)?, gradient_of(v, dv)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients, values};
    use candle_core::Device;

    fn mask() -> Arc<Vec<u8>> {
        Arc::new(vec![1, 0, 1, 1, 1, 1, 0, 0])
    }

    #[test]
    fn every_input_gets_its_gradient() {
        for numerator in [Numerator::Sum, Numerator::Own] {
            check_gradients([&[2, 4, 6], &[2, 4, 4]], |t| {
                code_attention(&t[0], &t[1], 2, &mask(), numerator)
            });
        }
    }

    #[test]
    fn the_reference_is_the_same() {
        for mask in [mask(), Arc::new(vec![0, 0, 0, 0, 1, 1, 1, 1])] {
            for numerator in [Numerator::Sum, Numerator::Own] {
                let fused = |t: &[Tensor]| code_attention(&t[0], &t[1], 2, &mask, numerator);
                let own_value = numerator == Numerator::Own;
                let reference = |t: &[Tensor]| {
                    reference::code_attention::code_attention(&t[0], &t[1], 2, &mask, own_value)
                };
                assert_same_gradients([&[2, 4, 6], &[2, 4, 4]], fused, reference);
            }
        }
    }

    #[test]
    fn equals_the_weighted_mean_over_all_pairs_and_is_zero_at_padding() {
        let bits = 3;
        let d = 2;
        let codes: Vec<f64> = values(24, 1).iter().map(|x| x.signum()).collect();
        let v = values(16, 2);
        let tensor = |values: &[f64], width: usize| {
            Tensor::from_slice(values, (2, 4, width), &Device::Cpu).unwrap()
        };
        let out = code_attention(
            &tensor(&codes, bits),
            &tensor(&v, d),
            1,
            &mask(),
            Numerator::Sum,
        )
        .unwrap()
        .to_vec3::<f64>()
        .unwrap();
        for (item, rows) in out.iter().enumerate() {
            let code = |row: usize| &codes[(item * 4 + row) * bits..][..bits];
            let real: Vec<usize> = (0..4).filter(|row| mask()[item * 4 + row] != 0).collect();
            for (i, row) in rows.iter().enumerate() {
                let weight = |j: usize| dot(code(i), code(j)) + 4.0;
                let total: f64 = real.iter().map(|&j| weight(j)).sum();
                for (channel, found) in row.iter().enumerate() {
                    let sum: f64 = real
                        .iter()
                        .map(|&j| weight(j) * v[(item * 4 + j) * d + channel])
                        .sum();
                    let expected = if real.contains(&i) { sum / total } else { 0.0 };
                    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
                }
            }
        }
    }
}
