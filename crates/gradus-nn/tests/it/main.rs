//! Layers against PyTorch's, and what a model does where an op on its path has no gradient.

mod golden;
mod missing_gradient;
