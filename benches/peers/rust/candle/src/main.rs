//! The workloads of `benches/workloads` in candle: `peer-candle WORKLOAD`.
#![forbid(unsafe_code)]

mod networks;
mod train;
mod transformer;

use candle_core::{D, DType, Device, IndexOp, Result, Tensor};
use candle_nn::{VarBuilder, VarMap, loss::cross_entropy};
use networks::{LeNet, Mlp, ResNet18};
use peer_common::{Outcome, batch_of, serve, workload};
use train::Optimizer;
use transformer::{Config, Transformer};

const VERSION: &str = "candle 0.11.1";
const MINILM: usize = 30_522;
const GPT2: usize = 50_257;

fn main() -> Outcome<()> {
    let workload = workload()?;
    let map = VarMap::new();
    let vars = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    if let Some(batch) = batch_of(&workload, "lenet_b") {
        let net = LeNet::new(vars)?;
        return classify(Optimizer::momentum(&map)?, &[batch, 3, 32, 32], 10, |x| {
            net.forward(x)
        });
    }
    match workload.as_str() {
        "mlp" => {
            let net = Mlp::new(vars)?;
            classify(Optimizer::sgd(&map)?, &[128, 784], 10, |x| net.forward(x))
        }
        "resnet18_cifar_b64" => {
            let net = ResNet18::new(vars)?;
            classify(Optimizer::momentum(&map)?, &[64, 3, 32, 32], 10, |x| {
                net.forward(x)
            })
        }
        "minilm_b16" => {
            let net = Transformer::new(Config::minilm(), vars)?;
            let (ids, classes) = (below(MINILM, &[16, 128])?, below(2, &[16])?);
            let mut optimizer = Optimizer::adamw(&map)?;
            serve(VERSION, || {
                let loss = cross_entropy(&net.train(&ids)?, &classes)?;
                Ok(optimizer.step(&loss)?)
            })
        }
        "minilm_b1" => infer(1, vars),
        "minilm_b32" => infer(32, vars),
        "gpt2_t64" => text(&map, Config::gpt2(), [4, 64]),
        "gpt2_t256" => text(&map, Config::gpt2(), [4, 256]),
        "nanogpt_cpucfg" => text(&map, Config::nanogpt(64, 128, 4, 4), [12, 64]),
        "nanogpt_gpucfg" => text(&map, Config::nanogpt(256, 384, 6, 6), [12, 256]),
        "gpt2_decode" => decode(vars),
        "resnet18_224_b8" => {
            Err("candle has no gradient of a max pool whose windows overlap".into())
        }
        _ => Err(format!("{workload} is not written in candle").into()),
    }
}

fn normal(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

/// Whole numbers below `n`.
fn below(n: usize, shape: &[usize]) -> Result<Tensor> {
    Tensor::rand(0f32, n as f32 - 0.01, shape, &Device::Cpu)?.to_dtype(DType::U32)
}

/// Training steps of a classifier on one batch.
fn classify(
    mut optimizer: Optimizer,
    images: &[usize],
    classes: usize,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
) -> Outcome<()> {
    let (x, y) = (normal(images)?, below(classes, &images[..1])?);
    serve(VERSION, || {
        let loss = cross_entropy(&forward(&x)?, &y)?;
        Ok(optimizer.step(&loss)?)
    })
}

/// Training steps of a language model on one batch.
fn text(map: &VarMap, config: Config, shape: [usize; 2]) -> Outcome<()> {
    let vars = VarBuilder::from_varmap(map, DType::F32, &Device::Cpu);
    let vocabulary = config.vocabulary;
    let net = Transformer::new(config, vars)?;
    let (ids, targets) = (
        below(vocabulary, &shape)?,
        below(vocabulary, &[shape[0] * shape[1]])?,
    );
    let mut optimizer = Optimizer::adamw(map)?;
    serve(VERSION, || {
        let loss = cross_entropy(&net.train(&ids)?, &targets)?;
        Ok(optimizer.step(&loss)?)
    })
}

/// Forward passes of MiniLM.
fn infer(batch: usize, vars: VarBuilder) -> Outcome<()> {
    let net = Transformer::new(Config::minilm(), vars)?;
    let ids = below(MINILM, &[batch, 128])?;
    serve(VERSION, || {
        let scores = net.infer(&ids, 0, None)?.detach();
        Ok(f64::from(scores.mean_all()?.to_scalar::<f32>()?))
    })
}

/// 64 greedy tokens after a prompt of 16, keys and values kept.
fn decode(vars: VarBuilder) -> Outcome<()> {
    let net = Transformer::new(Config::gpt2(), vars)?;
    let prompt = below(GPT2, &[1, 16])?;
    serve(VERSION, || {
        let mut cache = net.cache();
        let scores = net.infer(&prompt, 0, Some(&mut cache))?;
        let mut token = scores.i(15)?.argmax(D::Minus1)?.reshape((1, 1))?;
        for place in 16..16 + 63 {
            let scores = net.infer(&token, place, Some(&mut cache))?;
            token = scores.i(0)?.argmax(D::Minus1)?.reshape((1, 1))?;
        }
        Ok(64.0)
    })
}
