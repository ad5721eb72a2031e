"""The workloads of `benches/workloads` in PyTorch: `pytorch.py WORKLOAD --threads N [--mode eager|tuned] [--seconds S]` prints one JSON line.

f32, no dropout, one fixed batch; a training step is forward, loss, backward, optimizer step, zero_grad. `eager` is PyTorch as it comes.
`tuned` uses the fused optimizers; `cargo xtask bench --peers` starts it with huge pages and an allocator that gives nothing back.
"""

import argparse
import json
import os
import resource
import statistics
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("workload")
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--mode", choices=["eager", "tuned"], default="eager")
arguments.add_argument("--seconds", type=float, default=3.0)
arguments = arguments.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(arguments.threads)

import torch  # noqa: E402  (after the variables that it reads)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(arguments.threads)
torch.manual_seed(0)


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.short = None
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.short is None else self.short(x)))


class Resnet18(nn.Module):
    def __init__(self, small, classes):
        super().__init__()
        stem = nn.Conv2d(3, 64, 3, 1, 1, bias=False) if small else nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        layers = [stem, nn.BatchNorm2d(64), nn.ReLU()] + ([] if small else [nn.MaxPool2d(3, 2, 1)])
        width = 64
        for outputs, stride in [(64, 1), (128, 2), (256, 2), (512, 2)]:
            layers += [BasicBlock(width, outputs, stride), BasicBlock(outputs, outputs, 1)]
            width = outputs
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        return self.fc(self.layers(x).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, width, heads, inner, causal, bias=True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width, bias=bias)
        self.fc, self.fc2 = nn.Linear(width, inner, bias=bias), nn.Linear(inner, width, bias=bias)
        self.ln1, self.ln2 = nn.LayerNorm(width, bias=bias), nn.LayerNorm(width, bias=bias)

    def attend(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in self.qkv(x).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.proj(y.transpose(1, 2).reshape(b, t, c))

    def perceptron(self, x):
        return self.fc2(F.gelu(self.fc(x), approximate="tanh" if self.causal else "none"))

    def forward(self, x):
        if self.causal:
            x = x + self.attend(self.ln1(x))
            return x + self.perceptron(self.ln2(x))
        x = self.ln1(x + self.attend(x))
        return self.ln2(x + self.perceptron(x))


class MiniLm(nn.Module):
    def __init__(self, width=384):
        super().__init__()
        self.tok, self.pos, self.typ = nn.Embedding(30522, width), nn.Embedding(512, width), nn.Embedding(2, width)
        self.ln = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*[Block(width, 12, 1536, False) for _ in range(6)])
        self.pool, self.head = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, ids):
        x = self.tok(ids) + self.pos(torch.arange(ids.shape[1]))[None] + self.typ.weight[0]
        return self.head(torch.tanh(self.pool(self.blocks(self.ln(x))[:, 0])))


class Gpt(nn.Module):
    def __init__(self, vocabulary, positions, width, heads, layers, bias):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.Sequential(*[Block(width, heads, 4 * width, True, bias) for _ in range(layers)])
        self.ln = nn.LayerNorm(width, bias=bias)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02)

    def forward(self, ids):
        x = self.blocks(self.tok(ids) + self.pos(torch.arange(ids.shape[1])))
        return F.linear(self.ln(x), self.tok.weight).flatten(0, 1)


def images(net, shape, classes, rate, momentum):
    return net, torch.randn(shape), torch.randint(0, classes, shape[:1]), ("sgd", rate, momentum)


def texts(net, vocabulary, shape):
    return net, torch.randint(0, vocabulary, shape), torch.randint(0, vocabulary, shape).flatten(), ("adamw", 1e-4, 0)


def minilm(batch):
    return MiniLm(), torch.randint(0, 30522, (batch, 128)), torch.randint(0, 2, (batch,)), ("adamw", 1e-4, 0)


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


GPT2 = (50257, 1024, 768, 12, 12, True)
WORKLOADS = {
    "mlp": lambda: images(mlp(), (128, 784), 10, 0.01, 0),
    "lenet_b4": lambda: images(Lenet(), (4, 3, 32, 32), 10, 0.001, 0.9),
    "lenet_b128": lambda: images(Lenet(), (128, 3, 32, 32), 10, 0.001, 0.9),
    "resnet18_cifar_b64": lambda: images(Resnet18(True, 10), (64, 3, 32, 32), 10, 0.001, 0.9),
    "resnet18_224_b8": lambda: images(Resnet18(False, 1000), (8, 3, 224, 224), 1000, 0.001, 0.9),
    "minilm_b16": lambda: minilm(16),
    "gpt2_t64": lambda: texts(Gpt(*GPT2), 50257, (4, 64)),
    "gpt2_t256": lambda: texts(Gpt(*GPT2), 50257, (4, 256)),
    "nanogpt_cpucfg": lambda: texts(Gpt(65, 64, 128, 4, 4, False), 65, (12, 64)),
    "nanogpt_gpucfg": lambda: texts(Gpt(65, 256, 384, 6, 6, False), 65, (12, 256)),
    "minilm_b1": lambda: minilm(1),
    "minilm_b32": lambda: minilm(32),
}


def main():
    net, inputs, targets, (kind, rate, momentum) = WORKLOADS[arguments.workload]()
    fused = {"fused": True} if arguments.mode == "tuned" else {}
    if kind == "sgd":
        optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=momentum, **fused)
    else:
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01, **fused)

    def train():
        loss = F.cross_entropy(net(inputs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def infer():
        with torch.inference_mode():
            return net(inputs).mean().item()

    step = infer if arguments.workload in ("minilm_b1", "minilm_b32") else train
    first = step()
    step()
    times = []
    began = time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - began < arguments.seconds and len(times) < 2000):
        start = time.perf_counter()
        last = step()
        times.append((time.perf_counter() - start) * 1e3)
    print(
        json.dumps(
            {
                "workload": arguments.workload,
                "threads": arguments.threads,
                "mode": arguments.mode,
                "median_ms": statistics.median(times),
                "min_ms": min(times),
                "max_ms": max(times),
                "steps": len(times),
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "loss_first": first,
                "loss_last": last,
                "torch": torch.__version__,
            }
        )
    )


main()
