//! Linear attention by binary codes (EcoFormer: Liu et al. 2022, arXiv 2209.09004, equation 8).
//!
//! The weight of token j for token i is `b_i . b_j + c` with `c = bits + 1`. Two codes of -1 and 1
//! have a dot product of at least `-bits`, so every weight is positive. The sums over the N tokens
//! j are independent of i and are computed once:
//!
//! ```text
//! S = sum_j b_j v_j^T        (bits, d)
//! z = sum_j b_j              (bits)
//! V = sum_j v_j              (d)
//! out_i = (b_i S + c V) / (b_i . z + N c)
//! ```
//!
//! Time and memory are linear in the sequence length.
//!
//! Gradients, with `dn = dout / denominator` and `dd = -(dout . out) / denominator` of each token:
//!
//! ```text
//! as a query:    db  = S dn + z dd
//! of the sums:   dS  = sum b dn^T     dz = sum b dd     dV = c sum dn
//! as a key:      db += dS v + dz      dv = b dS + dV
//! ```

use std::{marker::PhantomData, ops::Range, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    kernels::real::{Real, add_scaled, dot, fused, gradient_of, vectorised, with_slices},
    reference,
};

/// The values that c multiplies in the numerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numerator {
    /// The sum of all values: the weights of a token then sum to one.
    Sum,
    /// The token's own value, like the released code of EcoFormer.
    Own,
}

/// Linear attention by binary codes.
///
/// `codes` (batch, n, heads * bits) of -1 and 1, `v` (batch, n, heads * d), `mask` (batch x n,
/// row-major: 1 = token, 0 = padding) -> (batch, n, heads * d). Padding rows are in no sum, and
/// their own output is zero.
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
    fused!(v.dtype(), v.device(), T => {
        let operation = CodeAttention::<T> {
            sizes,
            mask: mask.clone(),
            numerator,
            number: PhantomData,
        };
        codes.apply_op2(&v, OnCpu::new(operation))
    });
    reference::code_attention::code_attention(&codes, &v, heads, mask, numerator == Numerator::Own)
}

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    heads: usize,
    bits: usize,
    d: usize,
}

impl Sizes {
    /// Numbers in the codes of one sequence.
    fn codes_per_sequence(self) -> usize {
        self.n * self.heads * self.bits
    }

    /// Numbers in the values of one sequence.
    fn values_per_sequence(self) -> usize {
        self.n * self.heads * self.d
    }
}

struct CodeAttention<T> {
    sizes: Sizes,
    mask: Arc<Vec<u8>>,
    numerator: Numerator,
    number: PhantomData<T>,
}

/// Sums over the tokens of one head of one sequence, or the gradients of these sums.
struct Sums<T> {
    /// S, (bits, d).
    outer: Vec<T>,
    /// z, (bits).
    codes: Vec<T>,
    /// V, (d).
    values: Vec<T>,
}

impl<T: Real> Sums<T> {
    fn zeros(Sizes { bits, d, .. }: Sizes) -> Self {
        Self {
            outer: vec![T::default(); bits * d],
            codes: vec![T::default(); bits],
            values: vec![T::default(); d],
        }
    }

    /// `S += code value^T`, `z += factor code`, `V += value`.
    #[inline(always)]
    fn add(&mut self, code: &[T], factor: T, value: &[T]) {
        for (outer, &bit) in self.outer.chunks_exact_mut(value.len()).zip(code) {
            add_scaled(outer, bit, value);
        }
        add_scaled(&mut self.codes, factor, code);
        add_scaled(&mut self.values, T::constant(1.0), value);
    }
}

/// Ranges of one token and one head in the codes and in the values of a sequence.
struct TokenRanges {
    code: Range<usize>,
    value: Range<usize>,
}

/// The inputs and results of one sequence that its gradients need.
struct Sequence<'a, T> {
    codes: &'a [T],
    v: &'a [T],
    out: &'a [T],
    dout: &'a [T],
    mask: &'a [u8],
}

impl<T: Real> CodeAttention<T> {
    /// The ranges of one head at each token; padding is skipped.
    fn tokens(&self, mask: &[u8], head: usize) -> impl Iterator<Item = TokenRanges> + use<'_, T> {
        let Sizes { n, heads, bits, d } = self.sizes;
        let token_rows: Vec<usize> = (0..n).filter(|&row| mask[row] != 0).collect();
        token_rows.into_iter().map(move |row| {
            let code_start = (row * heads + head) * bits;
            let value_start = (row * heads + head) * d;
            TokenRanges {
                code: code_start..code_start + bits,
                value: value_start..value_start + d,
            }
        })
    }

    /// c.
    fn shift(&self) -> T {
        T::constant(self.sizes.bits as f64 + 1.0)
    }

    /// `N c`, the part of the denominator that is the same for all tokens of a sequence.
    fn base(&self, mask: &[u8]) -> T {
        T::constant(mask.iter().filter(|&&bit| bit != 0).count() as f64) * self.shift()
    }

    #[inline(always)]
    fn sums(&self, codes: &[T], v: &[T], mask: &[u8], head: usize) -> Sums<T> {
        let mut sums = Sums::zeros(self.sizes);
        for TokenRanges { code, value } in self.tokens(mask, head) {
            sums.add(&codes[code], T::constant(1.0), &v[value]);
        }
        sums
    }

    /// Writes `(b S + c V) / (b . z + N c)` for each token of one head.
    #[inline(always)]
    fn head_output(&self, [codes, v]: [&[T]; 2], mask: &[u8], head: usize, base: T, out: &mut [T]) {
        let Sizes { d, .. } = self.sizes;
        let shift = self.shift();
        let sums = self.sums(codes, v, mask, head);
        for TokenRanges { code, value } in self.tokens(mask, head) {
            let b = &codes[code];
            let shifted_values = match self.numerator {
                Numerator::Sum => &sums.values,
                Numerator::Own => &v[value.clone()],
            };
            let out = &mut out[value];
            add_scaled(out, shift, shifted_values);
            for (outer, &bit) in sums.outer.chunks_exact(d).zip(b) {
                add_scaled(out, bit, outer);
            }
            let inverse = T::constant(1.0) / (dot(b, &sums.codes) + base);
            for out in out {
                *out *= inverse;
            }
        }
    }

    /// Gradients of the codes and of the values.
    fn gradients(&self, [codes, v, out, dout]: [&[T]; 4]) -> (Vec<T>, Vec<T>) {
        let n_codes = self.sizes.codes_per_sequence();
        let n_values = self.sizes.values_per_sequence();
        let mut dcodes = vec![T::default(); codes.len()];
        let mut dv = vec![T::default(); v.len()];
        let targets = dcodes
            .par_chunks_mut(n_codes)
            .zip(dv.par_chunks_mut(n_values));
        let sources = codes.par_chunks(n_codes).zip(v.par_chunks(n_values));
        let results = out
            .par_chunks(n_values)
            .zip(dout.par_chunks(n_values))
            .zip(self.mask.par_chunks(self.sizes.n));
        targets.zip(sources).zip(results).for_each(
            |(((dcodes, dv), (codes, v)), ((out, dout), mask))| {
                let sequence = Sequence {
                    codes,
                    v,
                    out,
                    dout,
                    mask,
                };
                self.sequence_gradients(&sequence, dcodes, dv);
            },
        );
        (dcodes, dv)
    }

    fn sequence_gradients(&self, sequence: &Sequence<'_, T>, dcodes: &mut [T], dv: &mut [T]) {
        vectorised(
            #[inline(always)]
            || {
                let mut dn = vec![T::default(); self.sizes.d];
                for head in 0..self.sizes.heads {
                    // Both passes write to dcodes: the first sets it, the second adds to it.
                    let dsums = self.query_gradients(sequence, head, &mut dn, dcodes, dv);
                    self.key_gradients(sequence, head, &dsums, dcodes, dv);
                }
            },
        );
    }

    /// Sets each code's gradient as a query and returns the gradients of the sums; `dn` is scratch
    /// memory of d numbers.
    #[inline(always)]
    fn query_gradients(
        &self,
        sequence: &Sequence<'_, T>,
        head: usize,
        dn: &mut [T],
        dcodes: &mut [T],
        dv: &mut [T],
    ) -> Sums<T> {
        let &Sequence {
            codes,
            v,
            out,
            dout,
            mask,
        } = sequence;
        let base = self.base(mask);
        let sums = self.sums(codes, v, mask, head);
        let mut dsums = Sums::zeros(self.sizes);
        for TokenRanges { code, value } in self.tokens(mask, head) {
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
                .zip(sums.outer.chunks_exact(self.sizes.d))
                .zip(&sums.codes)
            {
                *dcode = dot(outer, dn) + z * dd;
            }
            dsums.add(b, dd, dn);
            if self.numerator == Numerator::Own {
                add_scaled(&mut dv[value], self.shift(), dn);
            }
        }
        dsums
    }

    /// Adds each token's gradients as a key, through the gradients of the sums.
    #[inline(always)]
    fn key_gradients(
        &self,
        sequence: &Sequence<'_, T>,
        head: usize,
        dsums: &Sums<T>,
        dcodes: &mut [T],
        dv: &mut [T],
    ) {
        for TokenRanges { code, value } in self.tokens(sequence.mask, head) {
            let b = &sequence.codes[code.clone()];
            let v = &sequence.v[value.clone()];
            let dcode = &mut dcodes[code];
            let dv = &mut dv[value];
            for (((dcode, douter), &dz), &bit) in dcode
                .iter_mut()
                .zip(dsums.outer.chunks_exact(self.sizes.d))
                .zip(&dsums.codes)
                .zip(b)
            {
                *dcode += dot(douter, v) + dz;
                add_scaled(dv, bit, douter);
            }
            if self.numerator == Numerator::Sum {
                add_scaled(dv, self.shift(), &dsums.values);
            }
        }
    }
}

impl<T: Real> Operation<T, 2> for CodeAttention<T> {
    fn name(&self) -> &'static str {
        "code-attention"
    }

    fn forward(&self, [codes, v]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let n_codes = self.sizes.codes_per_sequence();
        let n_values = self.sizes.values_per_sequence();
        let mut out = vec![T::default(); v.len()];
        let sequences = out
            .par_chunks_mut(n_values)
            .zip(codes.par_chunks(n_codes))
            .zip(v.par_chunks(n_values))
            .zip(self.mask.par_chunks(self.sizes.n));
        sequences.for_each(|(((out, codes), v), mask)| {
            vectorised(
                #[inline(always)]
                || {
                    let base = self.base(mask);
                    for head in 0..self.sizes.heads {
                        self.head_output([codes, v], mask, head, base, out);
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
                let own_value = numerator == Numerator::Own;
                assert_same_gradients(
                    [&[2, 4, 6], &[2, 4, 4]],
                    |t| code_attention(&t[0], &t[1], 2, &mask, numerator),
                    |t| {
                        reference::code_attention::code_attention(&t[0], &t[1], 2, &mask, own_value)
                    },
                );
            }
        }
    }

    #[test]
    fn equals_the_weighted_mean_over_all_pairs_and_is_zero_at_padding() {
        let bits = 3;
        let d = 2;
        let codes: Vec<f64> = values(24, 1).iter().map(|x| x.signum()).collect();
        let v = values(16, 2);
        let codes_tensor = Tensor::from_slice(&codes, (2, 4, bits), &Device::Cpu).unwrap();
        let values_tensor = Tensor::from_slice(&v, (2, 4, d), &Device::Cpu).unwrap();
        let out = code_attention(&codes_tensor, &values_tensor, 1, &mask(), Numerator::Sum)
            .unwrap()
            .to_vec3::<f64>()
            .unwrap();
        for (item, rows) in out.iter().enumerate() {
            let code_rows: Vec<&[f64]> = codes[item * 4 * bits..][..4 * bits]
                .chunks_exact(bits)
                .collect();
            let tokens: Vec<usize> = (0..4).filter(|row| mask()[item * 4 + row] != 0).collect();
            for (i, row) in rows.iter().enumerate() {
                let weights: Vec<f64> = code_rows
                    .iter()
                    .map(|code| dot(code_rows[i], code) + 4.0)
                    .collect();
                let total: f64 = tokens.iter().map(|&j| weights[j]).sum();
                for (channel, found) in row.iter().enumerate() {
                    let sum: f64 = tokens
                        .iter()
                        .map(|&j| weights[j] * v[(item * 4 + j) * d + channel])
                        .sum();
                    let expected = if tokens.contains(&i) {
                        sum / total
                    } else {
                        0.0
                    };
                    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
                }
            }
        }
    }
}
