//! The network of PyTorch's CIFAR tutorial, and ResNet-18 for small and for large images.

use super::training::{Training, classifier, sgd_momentum};
use super::{Outcome, Workload, below, normal};
use gradus::models::Stem;
use gradus::prelude::*;

pub(super) fn lenet(batch: usize) -> Outcome<Box<dyn Workload>> {
    let store = ParamStore::seeded(0);
    let net = TutorialCnn::new(&store.root(), &TutorialCnnConfig::default())?;
    let images = normal(&[batch, 3, 32, 32])?;
    let loss = classifier(net, images, below(10, &[batch], 2)?);
    Ok(Training::boxed(&store, sgd_momentum()?, loss))
}

pub(super) fn resnet18_cifar() -> Outcome<Box<dyn Workload>> {
    resnet18(Stem::Small, 10, [64, 3, 32, 32])
}

pub(super) fn resnet18_224() -> Outcome<Box<dyn Workload>> {
    resnet18(Stem::ImageNet, 1000, [8, 3, 224, 224])
}

fn resnet18(stem: Stem, classes: usize, images: [usize; 4]) -> Outcome<Box<dyn Workload>> {
    let store = ParamStore::seeded(0);
    let config = ResNetConfig {
        classes,
        stem,
        ..ResNetConfig::resnet18()
    };
    let net = ResNet::new(&store.root(), &config)?;
    let targets = below(classes as u64, &[images[0]], 2)?;
    let loss = classifier(net, normal(&images)?, targets);
    Ok(Training::boxed(&store, sgd_momentum()?, loss))
}
