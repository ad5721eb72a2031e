//! Models with their checkpoints' key names: MLP, the tutorial's CNN, ResNet.
#![forbid(unsafe_code)]
