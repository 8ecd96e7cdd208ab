//! Linformer attention (Wang et al. 2020, arXiv 2006.04768, equation 7): `softmax(Q (E K)^T / sqrt(d)) (E V)`, key-value sharing (E = F).
//!
//! E has one column for each slot of the genome, so a summary weighs the same places in everyone. Padding: its rows of X are zero and K and
//! V have no bias, so it adds nothing to any summary. As E (X W) = (E X) W, the sequence is summarised once for both K and V.

use candle_core::{Result, Tensor};

use super::Config;
use crate::nn::{Init, Parameters, attention};

/// One attention layer.
#[derive(Debug)]
pub struct LinformerAttention {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    /// E, (projected length, slots of all loci).
    projection: Tensor,
    heads: usize,
}

impl LinformerAttention {
    /// Makes or loads the parameters under `prefix`.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let architecture = &config.architecture;
        let (hidden, k, n) = (architecture.hidden, architecture.projected_length, config.total_slots());
        let dense = Init::Normal(1.0 / (hidden as f64).sqrt());
        let mut square = |name: &str| parameters.get(&format!("{prefix}.{name}"), (hidden, hidden), dense);
        Ok(Self {
            query: square("query")?,
            key: square("key")?,
            value: square("value")?,
            output: square("output")?,
            // A summary of standardised rows then has about the size of one row.
            projection: parameters.get(
                &format!("{prefix}.projection"),
                (k, n),
                Init::Normal(1.0 / (n as f64 / config.loci.len() as f64).sqrt()),
            )?,
            heads: architecture.heads,
        })
    }

    /// `x` (haplotypes, slots, hidden) with zero rows at padding; `slots` is the locus's range in E. The output bias is the caller's.
    pub fn forward(&self, x: &Tensor, slots: std::ops::Range<usize>) -> Result<Tensor> {
        let (batch, n, hidden) = x.dims3()?;
        let projection = self.projection.narrow(1, slots.start, slots.len())?.contiguous()?;
        let k = projection.dim(0)?;
        let summaries = projection.unsqueeze(0)?.broadcast_as((batch, k, n))?.matmul(x)?.reshape((batch * k, hidden))?;
        let keys = summaries.matmul(&self.key)?.reshape((batch, k, hidden))?;
        let values = summaries.matmul(&self.value)?.reshape((batch, k, hidden))?;
        let queries = x.reshape((batch * n, hidden))?.matmul(&self.query)?.reshape((batch, n, hidden))?;
        let mixed = attention(&queries, &keys, &values, self.heads, None)?;
        mixed.reshape((batch * n, hidden))?.matmul(&self.output)?.reshape((batch, n, hidden))
    }
}
