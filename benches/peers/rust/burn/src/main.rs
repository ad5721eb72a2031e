//! The workloads of `benches/workloads` in burn, on its flex backend: `peer-burn WORKLOAD`.
#![forbid(unsafe_code)]

mod networks;
mod transformer;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use burn::tensor::{Distribution, Int, TensorData};
use networks::{LeNet, Mlp, ResNet18};
use peer_common::{Outcome, batch_of, serve, workload};
use transformer::{Config, Transformer, causal_mask};

const VERSION: &str = "burn 0.22.1 (flex)";
const MOMENTUM_RATE: f64 = 0.001;
const ADAMW_RATE: f64 = 1e-4;

fn main() -> Outcome<()> {
    let workload = workload()?;
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    if let Some(batch) = batch_of(&workload, "lenet_b") {
        let x = normal([batch, 3, 32, 32], &device);
        let y = below(10, batch, 2, &device);
        let net = LeNet::new(&device);
        let forward = move |net: &LeNet| net.forward(x.clone());
        return train(net, momentum(), MOMENTUM_RATE, forward, y);
    }
    match workload.as_str() {
        "mlp" => {
            let x = normal([128, 784], &device);
            let y = below(10, 128, 2, &device);
            let forward = move |net: &Mlp| net.forward(x.clone());
            train(Mlp::new(&device), SgdConfig::new().init(), 0.01, forward, y)
        }
        "resnet18_cifar_b64" => resnet(true, [64, 3, 32, 32], 10, &device),
        "resnet18_224_b8" => resnet(false, [8, 3, 224, 224], 1000, &device),
        "minilm_b16" => {
            let ids = below(30_522, 16 * 128, 1, &device).reshape([16, 128]);
            let net = Transformer::new(&Config::minilm(), &device);
            let forward = move |net: &Transformer| net.forward(ids.clone(), None);
            train(net, adamw(), ADAMW_RATE, forward, below(2, 16, 2, &device))
        }
        "minilm_b1" => infer(1, &plain),
        "minilm_b32" => infer(32, &plain),
        "gpt2_t64" => text(&Config::gpt2(), [4, 64], &device),
        "gpt2_t256" => text(&Config::gpt2(), [4, 256], &device),
        "nanogpt_cpucfg" => text(&Config::nanogpt(64, 128, 4, 4), [12, 64], &device),
        "nanogpt_gpucfg" => text(&Config::nanogpt(256, 384, 6, 6), [12, 256], &device),
        _ => Err(format!("{workload} is not written in burn").into()),
    }
}

fn normal<const R: usize>(shape: [usize; R], device: &Device) -> Tensor<R> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Whole numbers below `n`, scrambled; `stream` tells several apart.
fn below(n: usize, count: usize, stream: u64, device: &Device) -> Tensor<1, Int> {
    let scrambled = |i: u64| (i ^ stream << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let values: Vec<i64> = (0..count as u64)
        .map(|i| (scrambled(i) % n as u64) as i64)
        .collect();
    Tensor::from_data(TensorData::from(&values[..]), device)
}

fn momentum() -> ModuleOptimizer {
    let config = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(config)).init()
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().with_weight_decay(0.01).init()
}

/// Training steps on one batch.
fn train<M: Module>(
    net: M,
    mut optimizer: ModuleOptimizer,
    rate: f64,
    forward: impl Fn(&M) -> Tensor<2>,
    targets: Tensor<1, Int>,
) -> Outcome<()> {
    let cross_entropy = CrossEntropyLossConfig::new().init(&targets.device());
    let mut kept = Some(net);
    serve(VERSION, || {
        let net = kept.take().ok_or("the network is gone")?;
        let loss = cross_entropy.forward(forward(&net), targets.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        kept = Some(optimizer.step(rate, net, gradients));
        Ok(f64::from(loss.into_scalar::<f32>()))
    })
}

fn resnet(small: bool, images: [usize; 4], classes: usize, device: &Device) -> Outcome<()> {
    let x = normal(images, device);
    let y = below(classes, images[0], 2, device);
    let net = ResNet18::new(small, classes, device);
    let forward = move |net: &ResNet18| net.forward(x.clone());
    train(net, momentum(), MOMENTUM_RATE, forward, y)
}

fn text(config: &Config, [batch, len]: [usize; 2], device: &Device) -> Outcome<()> {
    let ids = below(config.vocabulary, batch * len, 1, device);
    let targets = below(config.vocabulary, batch * len, 2, device);
    let (ids, mask) = (ids.reshape([batch, len]), causal_mask(len, device));
    let net = Transformer::new(config, device);
    let forward = move |net: &Transformer| net.forward(ids.clone(), Some(mask.clone()));
    train(net, adamw(), ADAMW_RATE, forward, targets)
}

/// Forward passes of MiniLM.
fn infer(batch: usize, device: &Device) -> Outcome<()> {
    let net = Transformer::new(&Config::minilm(), device);
    let ids = below(30_522, batch * 128, 1, device).reshape([batch, 128]);
    serve(VERSION, || {
        let scores = net.forward(ids.clone(), None);
        Ok(f64::from(scores.mean().into_scalar::<f32>()))
    })
}
