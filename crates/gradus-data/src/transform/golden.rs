//! The transforms against torchvision on PIL images: goldens of `tests/golden/make_transforms.py`.

use gradus_random::Rng;

use super::random_affine::affine_for_test;
use super::*;
use crate::image::ColorMode;

const GOLDENS: &str = include_str!("../../tests/golden/transforms.txt");

fn bytes_of(name: &str) -> ([usize; 3], Vec<u8>) {
    let line = GOLDENS
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    let fields: Vec<&str> = line
        .unwrap_or_else(|| panic!("no golden {name}"))
        .split(' ')
        .collect();
    let size = [1, 2, 3].map(|i| fields[i].parse().unwrap());
    let hex = fields[4].as_bytes().chunks(2);
    (
        size,
        hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect(),
    )
}

fn golden(name: &str) -> Image {
    let ([height, width, channels], pixels) = bytes_of(name);
    Image::new(height, width, channels, pixels).unwrap()
}

/// Every level within `tolerance` of the golden's.
#[track_caller]
fn check(name: &str, got: &Image, tolerance: u8) {
    let expected = golden(name);
    let size = |image: &Image| [image.height(), image.width(), image.channels()];
    assert_eq!(size(got), size(&expected), "{name}");
    let worst = got
        .pixels()
        .iter()
        .zip(expected.pixels())
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert!(
        worst <= Some(tolerance),
        "{name}: levels differ by up to {worst:?}, allowed are {tolerance}"
    );
}

/// One transform by name, on a golden source.
fn apply(source: &str, spec: TransformSpec) -> Image {
    let chain = Compose::from_specs(&[spec]).unwrap();
    match chain.apply(golden(source), &mut Rng::new(0, 0, 0)).unwrap() {
        Item::Image(image) => image,
        Item::Tensor(_) => panic!("an image is expected"),
    }
}

#[test]
fn resize_is_exact() {
    for kind in ["rgb", "grey"] {
        for mode in ["nearest", "bilinear", "bicubic"] {
            let spec = TransformSpec::new("Resize")
                .with("size", [9.0, 10.0])
                .with("interpolation", mode);
            check(&format!("resize.{mode}.down.{kind}"), &apply(kind, spec), 0);
        }
        let spec = TransformSpec::new("Resize").with("size", [22.0, 30.0]);
        check(&format!("resize.bilinear.up.{kind}"), &apply(kind, spec), 0);
    }
    for mode in ["bicubic", "nearest"] {
        let spec = TransformSpec::new("Resize")
            .with("size", [20.0, 26.0])
            .with("interpolation", mode);
        check(&format!("resize.{mode}.up.rgb"), &apply("rgb", spec), 0);
    }
    let shorter = TransformSpec::new("Resize").with("size", 12.0);
    check("resize.shorter.rgb", &apply("rgb", shorter.clone()), 0);
    check(
        "resize.max.rgb",
        &apply("rgb", shorter.with("max_size", 14.0)),
        0,
    );
}

// Sums of 16 products in f32, whose order is not PyTorch's: one level where a sum lies at a half.
#[test]
fn plain_resize_equals_torchs_interpolate() {
    for mode in ["bilinear", "bicubic"] {
        let spec = TransformSpec::new("Resize")
            .with("size", [9.0, 10.0])
            .with("interpolation", mode);
        let plain = apply("rgb", spec.with("antialias", false));
        check(&format!("resize.{mode}.plain.rgb"), &plain, 1);
    }
}

#[test]
fn crops_and_grey_are_exact() {
    let crop = |size: [f64; 2]| apply("rgb", TransformSpec::new("CenterCrop").with("size", size));
    check("center_crop.inside", &crop([10.0, 13.0]), 0);
    check("center_crop.beyond", &crop([20.0, 8.0]), 0);
    check(
        "grayscale",
        &apply("rgb", TransformSpec::new("Grayscale")),
        0,
    );
    assert_eq!(
        golden("rgb").into_mode(ColorMode::Grey),
        golden("grayscale")
    );
}

#[test]
fn colour_adjustments_are_exact() {
    let jitter = |argument: &str, factor: f64| {
        TransformSpec::new("ColorJitter").with(argument, [factor, factor])
    };
    for (argument, factors) in [
        ("brightness", [0.6, 1.7]),
        ("contrast", [0.4, 1.8]),
        ("saturation", [0.3, 2.5]),
        ("hue", [-0.35, 0.2]),
    ] {
        for factor in factors {
            check(
                &format!("{argument}.{factor}"),
                &apply("rgb", jitter(argument, factor)),
                0,
            );
        }
    }
    check("contrast.grey", &apply("grey", jitter("contrast", 1.8)), 0);
}

#[test]
fn rotation_at_fixed_angles_is_exact() {
    let turn = |angle: f64| TransformSpec::new("RandomRotation").with("degrees", [angle, angle]);
    check("rotate.nearest", &apply("rgb", turn(30.0)), 0);
    let bilinear = turn(-17.3)
        .with("interpolation", "bilinear")
        .with("fill", 9.0);
    check("rotate.bilinear", &apply("rgb", bilinear), 0);
    let bicubic = turn(140.0)
        .with("interpolation", "bicubic")
        .with("center", [3.0, 5.0])
        .with("fill", 200.0);
    check("rotate.bicubic.center", &apply("grey", bicubic), 0);
    let expand = turn(30.0)
        .with("interpolation", "bilinear")
        .with("expand", true)
        .with("fill", 9.0);
    check("rotate.expand", &apply("grey", expand), 0);
    check("rotate.90", &apply("grey", turn(90.0)), 0);
}

#[test]
fn affine_with_fixed_parameters_is_exact() {
    for (mode, interpolation) in [
        ("nearest", Interpolation::Nearest),
        ("bilinear", Interpolation::Bilinear),
        ("bicubic", Interpolation::Bicubic),
    ] {
        let config = RandomAffineConfig {
            interpolation,
            fill: vec![77],
            ..Default::default()
        };
        let warped = affine_for_test(
            &golden("grey"),
            config,
            [20.0, 1.3],
            [3.0, -2.0],
            [8.0, -5.0],
        );
        check(&format!("affine.{mode}"), &warped, 0);
    }
}

#[test]
fn to_tensor_and_normalize_are_exact() {
    let chain = Compose::from_specs(&[
        TransformSpec::new("ToTensor"),
        TransformSpec::new("Normalize")
            .with("mean", [0.485, 0.456, 0.406])
            .with("std", [0.229, 0.224, 0.225]),
    ]);
    let small = golden("rgb").crop(0, 0, 4, 5);
    let Item::Tensor(x) = chain.unwrap().apply(small, &mut Rng::new(0, 0, 0)).unwrap() else {
        panic!("a tensor")
    };
    assert_eq!(x.dims(), [3, 4, 5]);
    let got: Vec<u8> = x
        .to_vec::<f32>()
        .unwrap()
        .into_iter()
        .flat_map(f32::to_le_bytes)
        .collect();
    assert_eq!(got, bytes_of("normalize").1);
}
