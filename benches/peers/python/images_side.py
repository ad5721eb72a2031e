"""The data path in PyTorch: `images_side.py FOLDER --threads N --mode pil|torchvision`, driven by lines on stdin; a step is an epoch.

JPEG files, decoded, the shorter side scaled to 256, the middle 224 × 224 normalised, in batches of 32.
"""

import argparse
import os
import pathlib

arguments = argparse.ArgumentParser()
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--mode", choices=["pil", "torchvision"], default="pil")
arguments = arguments.parse_args()
os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402  (after the variable that it reads)
from PIL import Image  # noqa: E402
from torchvision import io, transforms  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from serve import serve, status_mb  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pil(torch.utils.data.Dataset):
    def __init__(self, files):
        self.files = files
        self.transform = transforms.Compose(
            [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return self.transform(Image.open(self.files[i]).convert("RGB"))


class Torchvision(Pil):
    def __init__(self, files):
        super().__init__(files)
        self.transform = v2.Compose(
            [v2.Resize(256, antialias=True), v2.CenterCrop(224), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        )

    def __getitem__(self, i):
        return self.transform(io.decode_jpeg(io.read_file(str(self.files[i]))))


def main():
    base = status_mb("VmHWM")
    torch.set_num_threads(1)
    files = sorted(arguments.folder.glob("**/*.jpg"))
    dataset = (Pil if arguments.mode == "pil" else Torchvision)(files)
    workers = {"num_workers": arguments.threads, "persistent_workers": True} if arguments.threads > 1 else {}
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, **workers)

    def step():
        return sum(batch[0].mean().item() for batch in loader)

    serve(f"PyTorch {torch.__version__}", base, step)


if __name__ == "__main__":
    main()
