//! Whole models on one fixed batch in memory, as PyTorch, candle and burn are given them: f32, no dropout, random weights.
//!
//! A training step is the forward pass, the loss, the backward pass and the optimizer's update; gradients are new in each step.

mod convolutional;
mod decode;
mod gpt;
mod images;
mod minilm;
mod mlp;
mod training;
mod transformer;

use gradus::autograd::{Precision, precision};
use gradus::prelude::*;
use gradus_random::Rng;
use std::error::Error as StdError;

/// What a workload's parts answer.
pub type Outcome<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// One model with its batch.
pub trait Workload {
    /// One step: a training step and its loss, or one pass over the batch and the mean of its output.
    ///
    /// # Errors
    /// Those of the layers; none is expected.
    fn step(&mut self) -> Outcome<f64>;
}

/// A workload by its name.
pub struct Named {
    /// The name that the command line takes.
    pub name: &'static str,
    /// The arithmetic of one step in 10⁹ floating-point operations, as PyTorch's counter counts it; none where bytes, not
    /// operations, are the cost.
    pub gflop: Option<f64>,
    /// Builds it.
    pub make: fn() -> Outcome<Box<dyn Workload>>,
}

/// All of them.
pub const WORKLOADS: &[Named] = &[
    named("mlp", Some(0.41), mlp::mlp),
    named("lenet_b4", Some(0.0128), || convolutional::lenet(4)),
    named("lenet_b128", Some(0.41), || convolutional::lenet(128)),
    named(
        "resnet18_cifar_b64",
        Some(213.06),
        convolutional::resnet18_cifar,
    ),
    named("resnet18_224_b8", Some(85.19), convolutional::resnet18_224),
    named("minilm_b16", Some(137.72), || minilm::train(16)),
    named("gpt2_t64", Some(191.56), || gpt::gpt2(64)),
    named("gpt2_t256", Some(787.97), || gpt::gpt2(256)),
    named("nanogpt_cpucfg", Some(3.96), gpt::nanogpt_cpu),
    named("nanogpt_gpucfg", Some(217.89), gpt::nanogpt_gpu),
    named("minilm_b1", Some(2.87), || minilm::infer(1)),
    named("minilm_b32", Some(91.81), || minilm::infer(32)),
    named("gpt2_decode", None, decode::gpt2),
    named("images", None, images::jpeg_folder),
];

const fn named(
    name: &'static str,
    gflop: Option<f64>,
    make: fn() -> Outcome<Box<dyn Workload>>,
) -> Named {
    Named { name, gflop, make }
}

/// A store for inference: its matrices are in bf16 if products are.
fn for_inference() -> ParamStore {
    match precision() {
        Precision::Full => ParamStore::seeded(0),
        Precision::Bf16 => ParamStore::with_dtype(0, DType::BF16),
    }
}

/// Standard normal numbers, the same on every run.
fn normal(shape: &[usize]) -> Result<Tensor> {
    let mut rng = Rng::new(0, 1, 0);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.normal() as f32)
        .collect();
    Tensor::from_slice(&values, shape)
}

/// Whole numbers below `n`, the same on every run; `stream` tells several apart.
fn below(n: u64, shape: &[usize], stream: u64) -> Result<Tensor> {
    let mut rng = Rng::new(0, stream, 0);
    let values: Vec<i64> = (0..shape.iter().product())
        .map(|_| i64::try_from(rng.below(n)).unwrap_or(0))
        .collect();
    Tensor::from_slice(&values, shape)
}
