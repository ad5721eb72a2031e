//! Reductions over any axes.
