//! Safetensors, state dicts and run checkpoints.
#![forbid(unsafe_code)]
