"""Training steps, forward passes and decoding in PyTorch: `torch_side.py WORKLOAD --threads N --mode MODE`, driven by lines on stdin.

A training step is forward, loss, backward, optimizer step, zero_grad. The modes: `eager` is PyTorch as it comes, `compile` goes
through torch.compile, `bf16` autocasts; `tuned` and `tuned_bf16` use the fused optimizers, and `cargo xtask bench --peers` starts
them with MKL told to use AVX-512, huge pages, and an allocator that gives nothing back.
"""

import argparse
import os

arguments = argparse.ArgumentParser()
arguments.add_argument("workload")
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--mode", choices=["eager", "compile", "bf16", "tuned", "tuned_bf16"], default="eager")
arguments = arguments.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(arguments.threads)
# Compiled in this process: a pool of idle compilers would stay beside the steps.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

import torch  # noqa: E402  (after the variables that it reads)
from torch.nn import functional as F  # noqa: E402

import networks  # noqa: E402
from serve import serve, status_mb  # noqa: E402

INFERENCE = ("minilm_b1", "minilm_b32")
BF16 = arguments.mode in ("bf16", "tuned_bf16")


def autocast():
    return torch.autocast("cpu", torch.bfloat16, enabled=BF16)


def training():
    net, inputs, targets, (kind, rate, momentum) = networks.WORKLOADS[arguments.workload]()
    fused = {"fused": True} if arguments.mode.startswith("tuned") else {}
    if kind == "sgd":
        optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=momentum, **fused)
    else:
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01, **fused)

    def loss_of(inputs, targets):
        return F.cross_entropy(net(inputs), targets)

    if arguments.mode == "compile":
        loss_of = torch.compile(loss_of)

    def step():
        with autocast():
            loss = loss_of(inputs, targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def inference():
    net, inputs, *_ = networks.WORKLOADS[arguments.workload]()
    forward = torch.compile(net.eval()) if arguments.mode == "compile" else net.eval()

    def step():
        with torch.inference_mode(), autocast():
            return forward(inputs).float().mean().item()

    return step


def decoding(prompt=16, new=64, layers=12, heads=12, head=64):
    """Greedy decoding by GPT-2 over keys and values kept in place; in bf16 the weights are bf16, too."""
    dtype = torch.bfloat16 if BF16 else torch.float32
    net = networks.Gpt(*networks.GPT2).eval().to(dtype)
    ids = torch.randint(0, 50257, (1, prompt))
    caches = [torch.zeros(2, 1, heads, prompt + new, head, dtype=dtype) for _ in range(layers)]

    def next_token(ids, start):
        end = start + ids.shape[1]
        x = net.tok(ids) + net.pos(torch.arange(start, end))
        for block, cache in zip(net.blocks, caches):
            b, t, c = x.shape
            q, k, v = (y.view(b, t, heads, head).transpose(1, 2) for y in block.qkv(block.ln1(x)).split(c, 2))
            cache[0][:, :, start:end], cache[1][:, :, start:end] = k, v
            y = F.scaled_dot_product_attention(q, cache[0][:, :, :end], cache[1][:, :, :end], is_causal=t > 1)
            x = x + block.proj(y.transpose(1, 2).reshape(b, t, c))
            x = x + block.perceptron(block.ln2(x))
        return F.linear(net.ln(x[:, -1:]), net.tok.weight).argmax(-1)

    if arguments.mode == "compile":
        next_token = torch.compile(next_token, dynamic=True)

    def step():
        with torch.inference_mode():
            token = next_token(ids, 0)
            for place in range(prompt, prompt + new - 1):
                token = next_token(token, place)
        return float(new)

    return step


def main():
    base = status_mb("VmHWM")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.workload == "gpt2_decode":
        step = decoding()
    elif arguments.workload in INFERENCE:
        step = inference()
    else:
        step = training()
    serve(f"PyTorch {torch.__version__}", base, step)


main()
