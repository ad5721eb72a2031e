"""Writes MiniLM for onnxruntime: `export_onnx.py FOLDER` makes minilm_b1.onnx and minilm_b32.onnx with their inputs and outputs.

The fixed batch of a workload is part of its file, as a fixed shape is part of the other sides' work.
"""

import pathlib
import sys

import numpy
import torch

import networks

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in ("minilm_b1", "minilm_b32"):
    torch.manual_seed(0)
    net, inputs, *_ = networks.WORKLOADS[name]()
    net.eval()
    torch.onnx.export(
        net, (inputs,), str(folder / f"{name}.onnx"), input_names=["ids"], output_names=["scores"], dynamo=False, opset_version=17
    )
    with torch.inference_mode():
        numpy.savez(folder / f"{name}.npz", ids=inputs.numpy(), scores=net(inputs).numpy())
