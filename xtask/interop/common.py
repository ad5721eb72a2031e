"""What the interop scripts share: arguments, check lines, starting gradus, the digest of weights.

Nothing here is taken from our Rust code: the digest and the formats are written from their definitions, so that the two can disagree.
"""

import argparse
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy
import safetensors.torch
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Our names of the dtypes that a file may hold.
DTYPES = {
    torch.float32: "f32",
    torch.float64: "f64",
    torch.bfloat16: "bf16",
    torch.float16: "f16",
    torch.int64: "i64",
    torch.uint8: "u8",
    torch.bool: "bool",
}


class Checks:
    """Prints one line a check; `finish` exits with 1 if one failed."""

    def __init__(self):
        self.failed = 0

    def check(self, name, passed, numbers=""):
        self.failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {name}: {numbers}", flush=True)

    def equal(self, name, ours, theirs):
        self.check(name, ours == theirs, f"{ours}" if ours == theirs else f"gradus {ours}, Python {theirs}")

    def finish(self):
        if self.failed:
            print(f"{self.failed} checks failed")
        sys.exit(1 if self.failed else 0)


class Gradus:
    """The binary."""

    def __init__(self, path):
        self.path = path

    def json(self, *words):
        """Runs to the end and reads stdout as one JSON object; a failure ends the script with the command's stderr."""
        command = [str(self.path), *map(str, words), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        shown = " ".join(["gradus", *command[1:]])
        if done.returncode != 0:
            sys.exit(f"FAIL {shown} ended with {done.returncode}\n{done.stderr}{done.stdout}")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError as error:
            sys.exit(f"FAIL {shown} wrote something else than one JSON object: {error}\n{done.stdout}")

    def run(self, *words):
        """Runs to the end; stdout is not read."""
        command = [str(self.path), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"FAIL {' '.join(['gradus', *command[1:]])} ended with {done.returncode}\n{done.stderr}")


class Example:
    """The example `text_model`, built for the profile of the binary that the scripts are given."""

    def __init__(self, gradus, work):
        profile = gradus.path.resolve().parent
        command = ["cargo", "build", "--quiet", "-p", "gradus-models", "--example", "text_model"]
        if profile.name == "release":
            command.append("--release")
        subprocess.run([*command, "--target-dir", str(profile.parent)], cwd=ROOT, check=True)
        self.path = profile / "examples" / "text_model"
        self.work = work

    def run(self, folder, head, inputs, export=None):
        """The results by name; a failure ends the script."""
        given, got = self.work / "inputs.safetensors", self.work / "outputs.safetensors"
        safetensors.torch.save_file({name: t.clone(memory_format=torch.contiguous_format) for name, t in inputs.items()}, given)
        words = [self.path, folder, head, given, got, *([export] if export else [])]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"FAIL {' '.join(map(str, words))} ended with {done.returncode}\n{done.stderr}")
        return safetensors.torch.load_file(got)


def start(*folders):
    """The binary, the folder for files, the list of checks, and each of the folders that may be given by its name; None where it is not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gradus", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    for name in folders:
        parser.add_argument(f"--{name}", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(2)
    return (Gradus(args.gradus), args.work, Checks(), *(getattr(args, name) for name in folders))


def little_endian(tensor):
    """The tensor's elements in logical order, as little-endian bytes."""
    flat = tensor.detach().contiguous().reshape(-1)
    if flat.dtype == torch.bfloat16:
        flat = flat.view(torch.int16)
    array = flat.numpy()
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def digest(tensors):
    """SHA-256 over the tensors in name order: name, NUL, dtype, NUL, dims joined by `x`, NUL, little-endian bytes."""
    sha = hashlib.sha256()
    for name in sorted(tensors, key=lambda name: name.encode()):
        tensor = tensors[name]
        dims = "x".join(map(str, tensor.shape))
        sha.update(b"\0".join([name.encode(), DTYPES[tensor.dtype].encode(), dims.encode(), little_endian(tensor)]))
    return sha.hexdigest()


def metrics(run):
    """The lines of a run's metrics.jsonl."""
    with open(pathlib.Path(run) / "metrics.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_png(path, pixels):
    """Writes (height, width, 3) u8 as an RGB PNG without loss (PNG specification, third edition; filter type 0)."""
    height, width, channels = pixels.shape
    assert pixels.dtype == numpy.uint8 and channels == 3
    rows = b"".join(b"\0" + pixels[y].tobytes() for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
