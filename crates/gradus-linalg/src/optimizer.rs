//! Optimizer steps in one pass over a parameter.
