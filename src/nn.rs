//! Differentiable pieces candle lacks.
