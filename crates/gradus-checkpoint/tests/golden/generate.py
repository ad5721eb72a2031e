"""Writes the golden safetensors files beside this script, with Python's safetensors and PyTorch.

Run by `cargo xtask fixtures` in an environment that has both. The tests read the files and need no Python.
Values are exact in every dtype, so the tests state them without tolerance.
"""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file as save_torch

HERE = Path(__file__).resolve().parent


def torch_dtypes() -> dict[str, torch.Tensor]:
    """Every dtype that loads, with values at the edges of its range."""
    floats = torch.tensor([[0.0, -0.0, 1.5], [-2.0, float("inf"), 0.25]])
    tensors = {f"float.{name}": floats.to(getattr(torch, name)) for name in ("float32", "float64", "bfloat16", "float16")}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"):
        dtype = getattr(torch, name)
        info = torch.iinfo(dtype)
        tensors[f"int.{name}"] = torch.tensor([info.min, 7, info.max], dtype=torch.int64).to(dtype)
    tensors["bool"] = torch.tensor([True, False, True])
    tensors["scalar"] = torch.tensor(3.25)
    tensors["empty"] = torch.zeros(0, 4)
    return tensors


def native_dtypes() -> dict[str, torch.Tensor]:
    """The dtypes that load as they are, so that writing them back gives the same bytes: NaN, denormals, rank 8."""
    special = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-40, 3.0])
    tensors = {f"special.{name}": special.to(getattr(torch, name)) for name in ("float32", "float64", "bfloat16", "float16")}
    tensors["limits"] = torch.tensor([[-(2**63), -1], [0, 2**63 - 1]])
    tensors["bytes"] = torch.tensor([0, 127, 255], dtype=torch.uint8)
    tensors["bool"] = torch.tensor([[True], [False]])
    tensors["rank 8"] = torch.arange(16, dtype=torch.float32).reshape(1, 2, 1, 2, 1, 2, 1, 2)
    tensors["scalar \"é\""] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 3)
    return tensors


def tutorial_state_dict() -> dict[str, torch.Tensor]:
    """A small module's own state dict: PyTorch's names, a counter of rank 0 among them."""
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    state = module.state_dict()
    for position, (name, tensor) in enumerate(state.items()):
        values = torch.arange(tensor.numel(), dtype=torch.float32) / 8 + position
        state[name] = values.reshape(tensor.shape).to(tensor.dtype)
    return state


def refused() -> None:
    """Valid files whose dtype has no tensor in gradus: they list, and do not load."""
    save_torch({"fine": torch.ones(2), "float8": torch.ones(4).to(torch.float8_e4m3fn)}, HERE / "float8.safetensors")
    save_numpy({"wide": np.array([2**64 - 1], dtype=np.uint64)}, HERE / "uint64.safetensors")


OUR_NAMES = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "float16": "f16", "int64": "i64", "uint8": "u8", "bool": "bool"}


def expected(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """What a file holds, by name, and the digest of its weights, so that the numbers of the tests come from Python too."""
    rows, digest = {}, hashlib.sha256()
    for name in sorted(tensors, key=lambda name: name.encode()):
        tensor = tensors[name]
        dtype = OUR_NAMES[str(tensor.dtype).removeprefix("torch.")]
        # A view as bytes needs a dim; every machine that runs this is little-endian.
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        rows[name] = {"dtype": dtype, "shape": list(tensor.shape), "hex": data.hex()}
        for text in (name, dtype, "x".join(map(str, tensor.shape))):
            digest.update(text.encode() + b"\0")
        digest.update(data)
    golden = {"tensors": rows, "weights_sha256": digest.hexdigest()}
    path.write_text(json.dumps(golden, indent=0, sort_keys=True) + "\n")


def main() -> None:
    # One key: the writer puts several in a random order.
    save_torch(torch_dtypes(), HERE / "dtypes.safetensors", metadata={"format": "pt"})
    for name, tensors in (("native", native_dtypes()), ("tutorial", tutorial_state_dict())):
        save_torch(tensors, HERE / f"{name}.safetensors")
        expected(tensors, HERE / f"{name}.json")
    save_torch({}, HERE / "nothing.safetensors")
    refused()
    for path in sorted(HERE.glob("*.safetensors")):
        (length,) = struct.unpack("<Q", path.read_bytes()[:8])
        assert length % 8 == 0 and path.stat().st_size < 20_000, path
        path.chmod(0o644)


if __name__ == "__main__":
    main()
