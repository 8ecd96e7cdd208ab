//! Fused operations, one per file: a forward pass and its analytic gradient. `reference` has the
//! same operations written with candle-nn.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod attention_block;
pub(crate) mod backward_from;
pub(crate) mod code_attention;
pub(crate) mod convolution;
pub(crate) mod embedding;
pub(crate) mod feed_forward;
pub(crate) mod inference_layer;
pub(crate) mod kernel_hash;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod operation;
pub(crate) mod pooled;
pub(crate) mod pooling;
pub(crate) mod projection;
pub(crate) mod residual;
pub(crate) mod straight_through;
