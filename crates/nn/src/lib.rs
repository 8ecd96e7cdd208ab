//! Differentiable operations that candle lacks or has only for inference, and seeded parameters.
//!
//! Reasons against candle's own operations:
//!
//! - `candle_nn::LayerNorm` and `softmax_last_dim` silently drop the gradient on a contiguous
//!   input.
//! - Random numbers of candle on the CPU cannot be seeded.
//! - Chains of element-wise operations on the CPU run on one thread.

// A function called inside `pulp::Arch::dispatch` is compiled for the wide vector instructions only
// if it is inlined there.
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

/// Rows of a tensor per task. Fixed, so that sums over rows are the same for any number of threads.
const ROWS_PER_TASK: usize = 512;
