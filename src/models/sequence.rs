//! The tokens of some haplotypes of one locus inside the encoder, and their layer norm.

use std::{ops::Range, sync::Arc};

use candle_core::{Result, Tensor};
use gf_nn::{Init, Parameters, layer_norm};

/// The tokens of some haplotypes of one locus, as rows.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Rows, (haplotypes, slots, hidden). Padding rows are zero after the norm and arbitrary
    /// before.
    pub x: Tensor,
    /// 1 where a slot has a token, 0 where it is padding; haplotypes x slots, row-major.
    pub mask: Arc<Vec<u8>>,
    /// Range of the locus among the slots of all loci.
    pub slots: Range<usize>,
}

/// Gain and offset of a layer norm, (hidden) each.
#[derive(Debug)]
pub struct Norm {
    pub gamma: Tensor,
    pub beta: Tensor,
}

impl Norm {
    /// The parameters `PREFIX.gamma` and `PREFIX.beta`; a new norm changes nothing.
    pub fn new(hidden: usize, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        Ok(Self {
            gamma: parameters.get(&format!("{prefix}.gamma"), hidden, Init::Constant(1.0))?,
            beta: parameters.get(&format!("{prefix}.beta"), hidden, Init::Constant(0.0))?,
        })
    }

    /// The normalised sequence.
    pub fn normalized(&self, sequence: &Sequence) -> Result<Sequence> {
        let x = layer_norm(&sequence.x, &self.gamma, &self.beta, Some(&sequence.mask))?;
        Ok(Sequence {
            x,
            ..sequence.clone()
        })
    }
}
