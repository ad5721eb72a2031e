//! Models against what transformers computes with them, and folders that are not as they should be: one binary.

mod adapters;
mod decoders;
mod encoders;
mod folders;
mod golden;
mod halved;
mod sizes;
mod vit;
