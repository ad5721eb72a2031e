//! Layers, parameter store, initialisation and losses with PyTorch's names and defaults.
#![forbid(unsafe_code)]
