//! Differentiable pieces candle lacks or has only for inference: fused operations with analytic gradients, seeded parameters.
//!
//! Why not candle's own: `candle_nn::LayerNorm` and `softmax_last_dim` drop the gradient without a word on a contiguous input, its
//! CPU random numbers cannot be seeded, and chains of element-wise CPU operations run on one thread.

// Everything inside `pulp::Arch::dispatch` must be inlined into it, or it is compiled without the wide instructions.
#![allow(clippy::inline_always)]

mod activation;
mod attention;
mod attention_block;
mod blocks;
mod buffer;
mod code_attention;
mod convolution;
mod embedding;
mod feed_forward;
mod gemm;
mod kept;
mod kernel_hash;
mod layer_norm;
mod layer_only;
mod linear;
mod loss;
mod low_rank;
mod mask;
mod parameters;
mod pooled;
mod pooling;
mod projection;
mod real;
mod residual;
mod rows;
mod start;
mod straight_through;

pub use self::{
    activation::{Activation, activation_with_bias},
    attention::attention,
    attention_block::{AttentionBlock, attention_block},
    code_attention::{Numerator, code_attention},
    convolution::depthwise_convolution,
    embedding::embed,
    feed_forward::{FeedForward, feed_forward},
    kernel_hash::{Kernel, kernel_hash},
    layer_norm::layer_norm,
    layer_only::layer_only,
    linear::linear,
    loss::{binary_cross_entropy, weighted_binary_cross_entropy},
    low_rank::{Linear, Rank},
    parameters::{Init, Parameters, refit},
    pooled::pooled,
    pooling::{weighted_window_mean, window_mask, window_max, window_mean},
    projection::project,
    residual::add_with_bias,
    start::backward_from,
    straight_through::sign,
};

/// Rows of a tensor that one task works on. Fixed, so that sums over rows are the same for any number of threads.
const ROWS_PER_TASK: usize = 512;
