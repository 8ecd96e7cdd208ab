//! Loops over slices for the fused operations, compiled for the vector instructions of the machine.

pub(crate) mod buffer;
pub(crate) mod gemm;
pub(crate) mod real;
pub(crate) mod row_blocks;
pub(crate) mod row_sums;
pub(crate) mod saved_for_backward;
