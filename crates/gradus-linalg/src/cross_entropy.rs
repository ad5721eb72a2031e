//! Fused softmax cross-entropy.
