"""Writes the golden safetensors files beside this script, with Python's safetensors and PyTorch.

Run by `cargo xtask fixtures` in an environment that has both. The tests read the files and need no Python.
Values are exact in every dtype, so the tests state them without tolerance.
"""

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


def expected() -> None:
    """What PyTorch reads back from a file, by name, so that the numbers of the tests come from Python too."""
    rows = {}
    for name, tensor in tutorial_state_dict().items():
        rows[name] = {"shape": list(tensor.shape), "values": tensor.double().flatten().tolist()}
    (HERE / "tutorial.json").write_text(json.dumps(rows, indent=0, sort_keys=True) + "\n")


def main() -> None:
    # One key: the writer puts several in a random order.
    save_torch(torch_dtypes(), HERE / "dtypes.safetensors", metadata={"format": "pt"})
    save_torch(tutorial_state_dict(), HERE / "tutorial.safetensors")
    save_torch({}, HERE / "nothing.safetensors")
    refused()
    expected()
    for path in sorted(HERE.glob("*.safetensors")):
        (length,) = struct.unpack("<Q", path.read_bytes()[:8])
        assert length % 8 == 0 and path.stat().st_size < 20_000, path


if __name__ == "__main__":
    main()
