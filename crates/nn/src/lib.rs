//! Differentiable pieces candle lacks or has only for inference: fused operations with analytic
//! gradients, seeded parameters.
//!
//! Why not candle's own: `candle_nn::LayerNorm` and `softmax_last_dim` drop the gradient without a
//! word on a contiguous input, its CPU random numbers cannot be seeded, and chains of element-wise
//! CPU operations run on one thread.

// Everything inside `pulp::Arch::dispatch` must be inlined into it, or it is compiled without the
// wide instructions.
#![allow(clippy::inline_always)]

mod fused;
mod kernels;
mod low_rank;
mod parameters;
mod reference;

pub use self::{
    fused::{
        activation::{Activation, activation_with_bias},
        attention::attention,
        attention_block::{AttentionBlock, attention_block},
        backward_from::backward_from,
        code_attention::{Numerator, code_attention},
        convolution::depthwise_convolution,
        embedding::embed,
        feed_forward::{FeedForward, feed_forward},
        inference_layer::layer_only,
        kernel_hash::{Kernel, kernel_hash},
        layer_norm::layer_norm,
        linear::linear,
        loss::{binary_cross_entropy, weighted_binary_cross_entropy},
        pooled::pooled,
        pooling::{weighted_window_mean, window_mask, window_max, window_mean},
        projection::project,
        residual::add_with_bias,
        straight_through::sign,
    },
    low_rank::{Linear, Rank},
    parameters::{Init, Parameters, refit},
};

/// Rows of a tensor that one task works on. Fixed, so that sums over rows are the same for any
/// number of threads.
const ROWS_PER_TASK: usize = 512;
