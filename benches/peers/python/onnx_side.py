"""MiniLM's forward pass in onnxruntime: `onnx_side.py WORKLOAD --threads N --models FOLDER`, driven by lines on stdin."""

import argparse
import pathlib

import numpy
import onnxruntime

from serve import serve, status_mb

arguments = argparse.ArgumentParser()
arguments.add_argument("workload")
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--models", type=pathlib.Path, required=True)
arguments = arguments.parse_args()

base = status_mb("VmHWM")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = arguments.threads, 1
model = arguments.models / f"{arguments.workload}.onnx"
session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
with numpy.load(arguments.models / f"{arguments.workload}.npz") as arrays:
    ids, scores = arrays["ids"], arrays["scores"]


def step():
    return float(session.run(None, {"ids": ids})[0].mean())


apart = numpy.abs(session.run(None, {"ids": ids})[0] - scores).max()
assert apart < 1e-3, f"onnxruntime and PyTorch are {apart} apart"
serve(f"onnxruntime {onnxruntime.__version__}", base, step)
