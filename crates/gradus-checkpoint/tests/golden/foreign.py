"""Writes weights as PyTorch and NumPy save them, beside this script, and what they hold in foreign.json.

Run by `cargo xtask fixtures` in an environment that has both. The tests read the files and need no Python. The keys of
storages in the older form of PyTorch's files are addresses, so that file differs from run to run.
"""

import hashlib
import json
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
# Our names, and the dtype that narrower integers are widened to.
NAMES = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "float16": "f16", "int64": "i64", "uint8": "u8", "bool": "bool"}
WIDENED = ("int8", "int16", "int32", "uint16", "uint32")


def dtypes() -> dict[str, torch.Tensor]:
    """Every dtype that loads, with values at the edges of its range."""
    floats = torch.tensor([[0.0, -0.0, 1.5], [-2.0, float("inf"), 0.25]])
    tensors = {name: floats.to(getattr(torch, name)) for name in ("float32", "float64", "bfloat16", "float16")}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"):
        dtype = getattr(torch, name)
        info = torch.iinfo(dtype)
        tensors[name] = torch.tensor([info.min, 7, info.max], dtype=torch.int64).to(dtype)
    tensors["bool"] = torch.tensor([True, False, True])
    tensors["scalar"] = torch.tensor(3.25)
    tensors["empty"] = torch.zeros(0, 4)
    return tensors


def views() -> dict[str, torch.Tensor]:
    """Tensors that share storages, or see them through strides and offsets."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return {
        "whole": base,
        "tied": base,
        "transposed": base.t(),
        "rows": base[1:3],
        "columns": base[:, ::2],
        "part": base[1:, 2:4],
        "diagonal": base.diagonal(),
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
        "last": base.flatten()[-1],
        "parameter": torch.nn.Parameter(torch.tensor([0.5, -0.5])),
    }


def training() -> dict:
    """A training checkpoint: a module's state, a real optimizer's, and scalars."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.125)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()
    return {
        "epoch": 3,
        "loss": 0.25,
        "best": True,
        "note": "état 训练",
        "nothing": None,
        "sizes": [1, 2, 3],
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
    }


def arrays() -> dict[str, np.ndarray]:
    """Arrays in both orders, of every dtype that NumPy has and we load."""
    base = np.arange(24).reshape(2, 3, 4)
    arrays = {name: np.array([0, 7, 100]).astype(name) for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool")}
    arrays["fortran"] = np.asfortranarray(base.astype(np.float32))
    arrays["scalar"] = np.float64(3.25)
    arrays["empty"] = np.zeros((0, 4), dtype=np.float32)
    arrays["folder/name.with dot"] = base[:, ::-1].astype(np.float32)
    return arrays


def flatten(value, name: str, out: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        out[name or "tensor"] = value.detach()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, item in items:
        flatten(item, f"{name}.{key}" if name else str(key), out)
    return out


def described(tensors: dict[str, torch.Tensor]) -> dict:
    """Dtype, shape and bytes of each tensor in the file's order, and the digest of all."""
    rows, digest = {}, hashlib.sha256()
    for name, tensor in tensors.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if kind in WIDENED:
            tensor, kind = tensor.to(torch.int64), "int64"
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        rows[name] = {"dtype": NAMES[kind], "shape": list(tensor.shape), "hex": data.hex()}
    for name in sorted(rows, key=lambda name: name.encode()):
        row = rows[name]
        for text in (name, row["dtype"], "x".join(map(str, row["shape"]))):
            digest.update(text.encode() + b"\0")
        digest.update(bytes.fromhex(row["hex"]))
    return {"names": list(rows), "tensors": rows, "weights_sha256": digest.hexdigest()}


def main() -> None:
    content = {"dtypes": dtypes(), "views": OrderedDict(views()), "list": [torch.ones(2), {"x": torch.zeros(1)}]}
    old = {"dtypes": {k: v for k, v in dtypes().items() if k not in ("uint16", "uint32")}, "views": views()}
    saved = {
        "zip.pt": (content, {}),
        "protocol4.pt": (content, {"pickle_protocol": 4}),
        "legacy.pt": (old, {"_use_new_zipfile_serialization": False}),
        "training.pt": (training(), {}),
        "alone.pt": (torch.tensor([1.0, 2.0]), {}),
        "uint64.pt": ({"wide": torch.tensor([1], dtype=torch.uint64)}, {}),
    }
    expected = {}
    for name, (value, options) in saved.items():
        torch.save(value, HERE / name, **options)
        if name != "uint64.pt":
            expected[name] = described(flatten(value, "", {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(torch.nn.Linear(1, 1), HERE / "module.pt")
    np.savez(HERE / "text.npz", config=np.array('{"width": "宽"}'), w=np.ones(2, dtype=np.float32))
    np.savez(HERE / "stored.npz", **arrays())
    np.savez_compressed(HERE / "deflated.npz", **arrays())
    np.save(HERE / "fortran.npy", np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)))
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy()) for name, array in arrays().items()}
    for name in ("stored.npz", "deflated.npz"):
        expected[name] = described(tensors)
    expected["fortran.npy"] = described({"array": torch.arange(6, dtype=torch.float64).reshape(2, 3)})
    (HERE / "foreign.json").write_text(json.dumps(expected, indent=0, sort_keys=True) + "\n")
    for name in [*expected, "module.pt", "uint64.pt", "text.npz"]:
        assert (HERE / name).stat().st_size < 40_000, name
        (HERE / name).chmod(0o644)


if __name__ == "__main__":
    main()
