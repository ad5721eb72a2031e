//! Tensors without arithmetic: dtypes, layouts, pooled storage, views.
