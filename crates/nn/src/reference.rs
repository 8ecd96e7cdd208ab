//! The fused operations written with candle and candle-nn. They run on a GPU, and the tests on the
//! CPU compare the fused operations with them.
//!
//! Only differentiable parts of candle-nn are used here. `candle_nn::LayerNorm` and
//! `softmax_last_dim` silently drop the gradient on a contiguous input; `layer_norm_slow` and
//! `softmax` keep it.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod code_attention;
pub(crate) mod convolution;
pub(crate) mod embedding;
pub(crate) mod kernel_hash;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod mask;
pub(crate) mod pooling;
pub(crate) mod projection;
pub(crate) mod residual;
pub(crate) mod straight_through;
