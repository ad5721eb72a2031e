//! The data path: 64 JPEG files of 500×375, decoded, the shorter side scaled to 256, the middle 224×224 normalised, in batches of 32.

use super::{Outcome, Workload};
use gradus::data::FolderConfig;
use gradus::prelude::*;
use gradus_random::Rng;
use image::{ImageFormat, RgbImage};
use std::path::PathBuf;
use std::sync::Arc;

const COUNT: u64 = 64;
/// A folder to leave the files in, so that other programs can read them.
const KEPT: &str = "GRADUS_BENCH_IMAGES";

struct Images {
    loader: Loader,
    epoch: u64,
    /// Removed with the workload.
    _folder: tempfile::TempDir,
}

impl Workload for Images {
    fn step(&mut self) -> Outcome<f64> {
        let mut sum = 0.0;
        for batch in self.loader.epoch(self.epoch) {
            let first = batch?.x.narrow(0, 0, 1)?;
            sum += f64::from(Var::constant(first).mean(&[], false)?.item::<f32>()?);
        }
        self.epoch += 1;
        Ok(sum)
    }
}

/// A picture with edges, gradients and some noise, so that its file has a photograph's size.
fn picture(seed: u64) -> RgbImage {
    let mut rng = Rng::new(seed, 3, 0);
    let (fx, fy) = (rng.range(0.01, 0.05), rng.range(0.01, 0.05));
    RgbImage::from_fn(500, 375, |x, y| {
        let wave = (f64::from(x) * fx).sin() + (f64::from(y) * fy).cos();
        let edge = if (x / 40 + y / 40) % 2 == 0 {
            30.0
        } else {
            0.0
        };
        let level = |shift: f64| (128.0 + 40.0 * wave + edge + shift) as u8;
        let noise = rng.range(-12.0, 12.0);
        image::Rgb([level(noise), level(noise + 10.0), level(noise - 15.0)])
    })
}

pub(super) fn jpeg_folder() -> Outcome<Box<dyn Workload>> {
    let temporary = tempfile::tempdir()?;
    let kept = std::env::var_os(KEPT).map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    let class = folder.join("train").join("pictures");
    std::fs::create_dir_all(&class)?;
    for i in 0..COUNT {
        let file = class.join(format!("{i:03}.jpg"));
        if !file.exists() {
            picture(i).save_with_format(file, ImageFormat::Jpeg)?;
        }
    }
    let data = open_folder(folder, &FolderConfig::default())?;
    let split = data.train().ok_or("the folder has no images")?.clone();
    let transforms = Compose::from_specs(&[
        TransformSpec::new("Resize").with("size", 256.0),
        TransformSpec::new("CenterCrop").with("size", 224.0),
        TransformSpec::new("ToTensor"),
        TransformSpec::new("Normalize")
            .with("mean", [0.485, 0.456, 0.406])
            .with("std", [0.229, 0.224, 0.225]),
    ])?;
    // Every epoch reads and decodes anew, as the other sides do.
    let config = ImageDatasetConfig {
        cache_bytes: 0,
        ..Default::default()
    };
    let dataset = ImageDataset::new(split, transforms, &config)?;
    let config = LoaderConfig {
        batch_size: 32,
        workers: gradus::linalg::threads::current_threads(),
        ..Default::default()
    };
    Ok(Box::new(Images {
        loader: Loader::new(Arc::new(dataset), config)?,
        epoch: 0,
        _folder: temporary,
    }))
}
