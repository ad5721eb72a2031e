"""Writes transforms.txt: what torchvision on PIL images gives for the cases that src/transform/golden.rs checks.

Needs torch, torchvision and pillow; run by `cargo xtask fixtures` or by hand: python make_transforms.py
One case a line: name, height, width, channels, pixels (H, W, C) in hexadecimal. `normalize` holds f32 (C, H, W), little endian.
"""

from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def source(channels):
    """Waves with noise, all levels: 17 rows, 23 columns."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:17, 0:23]
    planes = [127 + 90 * np.sin(x * (0.3 + 0.2 * c) + y * 0.4 + c) + rng.normal(0, 40, x.shape) for c in range(channels)]
    pixels = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def main():
    lines = [f"# torchvision {torchvision.__version__}, pillow {PIL.__version__}, torch {torch.__version__}; by make_transforms.py"]

    def case(name, image):
        pixels = np.asarray(image)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        height, width, channels = pixels.shape
        lines.append(f"{name} {height} {width} {channels} {pixels.tobytes().hex()}")

    rgb, grey = source(3), source(1)
    case("rgb", rgb)
    case("grey", grey)
    for kind, image in [("rgb", rgb), ("grey", grey)]:
        for mode, value in MODES.items():
            case(f"resize.{mode}.down.{kind}", F.resize(image, [9, 10], value))
        case(f"resize.bilinear.up.{kind}", F.resize(image, [22, 30], MODES["bilinear"]))
    case("resize.bicubic.up.rgb", F.resize(rgb, [20, 26], MODES["bicubic"]))
    case("resize.nearest.up.rgb", F.resize(rgb, [20, 26], MODES["nearest"]))
    case("resize.shorter.rgb", F.resize(rgb, 12))
    case("resize.max.rgb", F.resize(rgb, 12, max_size=14))
    tensor = torch.from_numpy(np.asarray(rgb).copy()).permute(2, 0, 1)
    for mode in ["bilinear", "bicubic"]:
        plain = F.resize(tensor, [9, 10], MODES[mode], antialias=False)
        case(f"resize.{mode}.plain.rgb", plain.permute(1, 2, 0).numpy())
    case("center_crop.inside", F.center_crop(rgb, [10, 13]))
    case("center_crop.beyond", F.center_crop(rgb, [20, 8]))
    for name, adjust, factors in [
        ("brightness", F.adjust_brightness, [0.6, 1.7]),
        ("contrast", F.adjust_contrast, [0.4, 1.8]),
        ("saturation", F.adjust_saturation, [0.3, 2.5]),
        ("hue", F.adjust_hue, [-0.35, 0.2]),
    ]:
        for factor in factors:
            case(f"{name}.{factor}", adjust(rgb, factor))
    case("contrast.grey", F.adjust_contrast(grey, 1.8))
    case("grayscale", F.rgb_to_grayscale(rgb, num_output_channels=1))
    case("rotate.nearest", F.rotate(rgb, 30))
    case("rotate.bilinear", F.rotate(rgb, -17.3, MODES["bilinear"], fill=9))
    case("rotate.bicubic.center", F.rotate(grey, 140, MODES["bicubic"], center=[3, 5], fill=200))
    case("rotate.expand", F.rotate(grey, 30, MODES["bilinear"], expand=True, fill=9))
    case("rotate.90", F.rotate(grey, 90))
    for mode in MODES:
        warped = F.affine(grey, 20.0, [3, -2], 1.3, [8.0, -5.0], MODES[mode], fill=77)
        case(f"affine.{mode}", warped)
    small = F.crop(rgb, 0, 0, 4, 5)
    normalized = F.normalize(F.to_tensor(small), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    lines.append(f"normalize 4 5 3 {normalized.contiguous().numpy().astype('<f4').tobytes().hex()}")
    Path(__file__).with_name("transforms.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
