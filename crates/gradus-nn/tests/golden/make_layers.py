"""Writes layers.txt: parameters, inputs, outputs and gradients of PyTorch's attention, transformer and recurrent layers, in f64.

Each line is `case.kind.name|dims|values`, where kind is param, in, out, grad (of a parameter) or gin (of an input). The loss is the sum of
the float outputs times sin(1), sin(2), … in row-major order. Needs torch.
"""

import pathlib

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)
torch.manual_seed(20)
LINES = []


def write(case, kind, name, x):
    x = x.detach()
    dims = ",".join(str(d) for d in x.shape)
    values = " ".join(repr(float(v)) for v in x.reshape(-1))
    LINES.append(f"{case}.{kind}.{name}|{dims}|{values}")


def wave(x):
    return torch.sin(torch.arange(1, x.numel() + 1, dtype=x.dtype)).reshape(x.shape)


def case(name, module, inputs, call):
    module.train()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    inputs = {key: x.requires_grad_() for key, x in inputs.items()}
    outputs = call(module, inputs)
    sum((y * wave(y)).sum() for y in outputs.values()).backward()
    for key, x in module.named_parameters():
        write(name, "param", key, x)
        write(name, "grad", key, x.grad)
    for key, x in inputs.items():
        write(name, "in", key, x)
        write(name, "gin", key, x.grad)
    for key, y in outputs.items():
        write(name, "out", key, y)


padding = torch.tensor([[False, False, True], [False, False, False]])
added = torch.sin(torch.arange(9.0)).reshape(3, 3)
causal = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)


def cross(module, x):
    y, weights = module(x["query"], x["key"], x["value"], key_padding_mask=padding)
    return {"y": y, "weights": weights}


case(
    "cross",
    nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True),
    {"query": torch.randn(2, 2, 4), "key": torch.randn(3, 2, 3), "value": torch.randn(3, 2, 5)},
    cross,
)
case(
    "own",
    nn.MultiheadAttention(4, 2, batch_first=True),
    {"x": torch.randn(2, 3, 4)},
    lambda module, x: {"y": module(x["x"], x["x"], x["x"], attn_mask=added, need_weights=False)[0]},
)
for first in (False, True):
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation="gelu", norm_first=first, batch_first=True)
    case(
        f"encoder{int(first)}",
        layer,
        {"x": torch.randn(2, 3, 4)},
        lambda module, x: {"y": module(x["x"], src_mask=causal, src_key_padding_mask=padding)},
    )
case(
    "decoder",
    nn.TransformerDecoderLayer(4, 2, 6, dropout=0.0),
    {"x": torch.randn(3, 2, 4), "memory": torch.randn(3, 2, 4)},
    lambda module, x: {"y": module(x["x"], x["memory"], tgt_mask=causal, memory_key_padding_mask=padding)},
)
case(
    "transformer",
    nn.Transformer(4, 2, 1, 2, 6, dropout=0.0),
    {"source": torch.randn(3, 2, 4), "target": torch.randn(3, 2, 4)},
    lambda module, x: {"y": module(x["source"], x["target"], tgt_mask=causal)},
)


def packed(module, x):
    states = tuple(x[key] for key in ("h", "c") if key in x)
    sequence = pack_padded_sequence(x["x"], torch.tensor([2, 4]), enforce_sorted=False)
    y, last = module(sequence, states if len(states) == 2 else states[0])
    y, _ = pad_packed_sequence(y, total_length=4)
    last = last if isinstance(last, tuple) else (last,)
    return {"y": y, **dict(zip("hc", last))}


case(
    "lstm",
    nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
    {"x": torch.randn(4, 2, 3), "h": torch.randn(4, 2, 2), "c": torch.randn(4, 2, 4)},
    packed,
)
case("gru", nn.GRU(3, 2, 2, bidirectional=True), {"x": torch.randn(4, 2, 3), "h": torch.randn(4, 2, 2)}, packed)
case("rnn", nn.RNN(3, 2, 2, nonlinearity="relu", bias=False), {"x": torch.randn(4, 2, 3), "h": torch.randn(2, 2, 2)}, packed)
case("cell", nn.LSTMCell(3, 2), {"x": torch.randn(2, 3), "h": torch.randn(2, 2), "c": torch.randn(2, 2)},
     lambda module, x: dict(zip("hc", module(x["x"], (x["h"], x["c"])))))

pathlib.Path(__file__).with_name("layers.txt").write_text("\n".join(LINES) + "\n")
