"""Files of Python's safetensors are read by gradus, and files of gradus by Python's safetensors, with equal names, values and digest."""

import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import common


def every_dtype():
    """Tensors of every dtype that both sides have, with the values and shapes that are easy to get wrong."""
    generator = torch.Generator().manual_seed(3)
    special = [0.0, -0.0, 1.0, -1.5, float("inf"), float("-inf"), float("nan"), 1e-40]
    tensors = {
        "f32.matrix": torch.randn(5, 7, generator=generator),
        "f32.special": torch.tensor(special, dtype=torch.float32),
        "f64.special": torch.tensor(special, dtype=torch.float64),
        "bf16.special": torch.tensor(special, dtype=torch.float32).to(torch.bfloat16),
        "f16.special": torch.tensor(special, dtype=torch.float32).to(torch.float16),
        "i64.limits": torch.tensor([[-(2**63), -1], [0, 2**63 - 1]], dtype=torch.int64),
        "u8.all": torch.arange(256, dtype=torch.int64).to(torch.uint8).reshape(4, 8, 8),
        "bool.row": torch.tensor([True, False, True], dtype=torch.bool),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "rank.8": torch.randn(1, 2, 1, 2, 1, 2, 1, 2, generator=generator),
        "name with spaces/é": torch.ones(2),
    }
    return tensors


def theirs_read_by_us(gradus, work, checks):
    tensors = every_dtype()
    path = work / "python.safetensors"
    save_file(tensors, path, metadata={"format": "pt", "made_by": "safetensors"})

    seen = gradus.json("inspect", path)
    ours = {tensor["name"]: (tensor["dtype"].lower(), tensor["shape"]) for tensor in seen["tensors"]}
    theirs = {name: (common.DTYPES[tensor.dtype], list(tensor.shape)) for name, tensor in tensors.items()}
    checks.check("inspect lists Python's tensors", ours == theirs, f"{len(ours)} of {len(theirs)} tensors")
    if ours != theirs:
        print(f"     gradus {ours}\n     Python {theirs}")
    checks.equal("inspect counts the elements", seen["parameters"], sum(tensor.numel() for tensor in tensors.values()))
    metadata = seen["metadata"]
    checks.equal("inspect shows the metadata", {key: metadata.get(key) for key in ("format", "made_by")}, {"format": "pt", "made_by": "safetensors"})
    checks.equal("hash of Python's file", gradus.json("hash", path)["weights_sha256"], common.digest(tensors))


def ours_read_by_them(gradus, work, checks):
    run = work / "run"
    report = gradus.json("train", "--model", "tutorial-cnn", "--max-steps", 3, "--out", run)
    path = run / "model.safetensors"
    tensors = load_file(path)
    checks.equal("digest of our file in Python", report["weights_sha256"], common.digest(tensors))
    with safe_open(path, "pt") as file:
        checks.equal("safe_open lists the same names", sorted(file.keys()), sorted(tensors))
    finite = all(bool(torch.isfinite(tensor.float()).all()) for tensor in tensors.values())
    checks.check("our weights are finite", finite, f"{sum(tensor.numel() for tensor in tensors.values())} parameters")

    # What Python writes from our weights has the digest of our file, although the two files differ.
    copy = work / "copy.safetensors"
    save_file(tensors, copy)
    checks.equal("hash of Python's copy of our file", gradus.json("hash", copy)["weights_sha256"], report["weights_sha256"])

    # A step with learning rate 0 keeps the weights that --init gave, bit for bit.
    start = {name: torch.randn(tensor.shape, generator=torch.Generator().manual_seed(5)) for name, tensor in tensors.items()}
    init = work / "init.safetensors"
    save_file(start, init)
    kept = work / "kept"
    gradus.json("train", "--model", "tutorial-cnn", "--init", init, "--lr", 0, "--max-steps", 1, "--out", kept)
    after = load_file(kept / "model.safetensors")
    same = sorted(after) == sorted(start) and all(torch.equal(after[name], start[name]) for name in start)
    checks.check("--init reads Python's weights to the bit", same, f"{len(after)} tensors")


def main():
    gradus, work, checks = common.start()
    theirs_read_by_us(gradus, work, checks)
    ours_read_by_them(gradus, work, checks)
    checks.finish()


if __name__ == "__main__":
    sys.exit(main())
