"""Makes torch.tfevents with PyTorch's SummaryWriter: what our reader must understand.

    python make_events.py        # torch, tensorboard, numpy and pillow; run in this folder
"""

import glob
import os
import shutil
import tempfile

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from torch.utils.tensorboard import SummaryWriter

TIME = 1_700_000_000.0

folder = tempfile.mkdtemp()
writer = SummaryWriter(folder)
for step, loss in [(0, 2.5), (10, 1.25), (20, 0.625)]:
    writer.add_scalar("train/loss", loss, step, walltime=TIME + step)
values = np.array([i * i * i / 1024 for i in range(-50, 50)] + [0.0, 1e-13, 3e9], dtype=np.float32)
writer.add_histogram("weights", values.astype(np.float64), 5, bins="tensorflow", walltime=TIME)
writer.add_text("config", "**lr** = 0.1", 0, walltime=TIME)
pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14
writer.add_image("sample", pixels, 7, walltime=TIME, dataformats="HWC")
tensor = TensorProto(dtype="DT_FLOAT", float_val=[0.5])  # how TensorFlow 2 writes a scalar
writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag="new/style", tensor=tensor)]), 3, walltime=TIME)
writer.close()
[path] = glob.glob(os.path.join(folder, "events.out.tfevents.*"))
shutil.copy(path, "torch.tfevents")
shutil.rmtree(folder)
