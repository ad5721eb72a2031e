//! A small network learns to tell clothes apart, by images in the library: `cargo run -p gradus --example image_classifier`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::sync::Arc;

use gradus::prelude::*;

type Done<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) fn main() -> Done {
    let images = embedded("fashion-mnist-mini")?;
    let loader = |name, batch_size, shuffle| -> Done<Loader> {
        let split = images.split(name).ok_or("no such split")?.clone();
        let transforms = Compose::from_specs(&[TransformSpec::new("ToTensor")])?;
        let images = ImageDataset::new(split, transforms, &ImageDatasetConfig::default())?;
        let config = LoaderConfig {
            batch_size,
            shuffle,
            seed: 1,
            ..Default::default()
        };
        Ok(Loader::new(Arc::new(images), config)?)
    };
    let (train, test) = (loader("train", 32, true)?, loader("test", 100, false)?);

    let store = ParamStore::seeded(1);
    let config = MlpConfig {
        inputs: 28 * 28,
        hidden: vec![64],
        classes: 10,
    };
    let net = Mlp::new(&store.root(), &config)?;
    let mut adam = Adam::new(AdamConfig::adam())?;
    for (step, batch) in train.epoch(0).enumerate() {
        let batch = batch?;
        let scores = net.forward(&Var::constant(batch.x), &Ctx::train(1, step as u64))?; // (32, 10)
        let loss = scores.cross_entropy(&batch.labels, &Default::default())?;
        adam.step(&store.parameters(), &loss.backward()?)?;
        if step % 40 == 39 {
            println!("step {}: loss {:.3}", step + 1, loss.item::<f32>()?);
        }
    }

    let (mut right, mut all) = (0, 0);
    for batch in test.epoch(0) {
        let batch = batch?;
        let scores = net.forward(&Var::constant(batch.x), &Ctx::eval())?;
        let best = scores.argmax(Some(1), false)?.to_vec::<i64>()?;
        let labels = batch.labels.to_vec::<i64>()?;
        let pairs = best.iter().zip(&labels);
        right += pairs.filter(|(best, label)| best == label).count();
        all += labels.len();
    }
    println!("{right} of {all} test images are told right after one pass");
    assert!(right > all * 7 / 10, "did not learn");
    Ok(())
}
