//! The encoder, the attention family and the classification head.
