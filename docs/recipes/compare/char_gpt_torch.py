"""The recipe `char-gpt.toml` in PyTorch: nanoGPT's model, initialisation, optimizer and schedule, 2,000 steps.

    char_gpt_torch.py INPUT.txt SEED THREADS [--no-bias]

Prints the loss over all whole windows of the last tenth of the text, and the seconds of training. nanoGPT's own number is the mean of 20 random
batches; this one has no sampling error.
"""

import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH, LENGTH, WIDTH, HEADS, LAYERS, STEPS = 12, 64, 128, 4, 4, 2000


class Block(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH, bias=bias), nn.LayerNorm(WIDTH, bias=bias)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH, bias=bias), nn.Linear(WIDTH, WIDTH, bias=bias)
        self.fc, self.out_proj = nn.Linear(WIDTH, 4 * WIDTH, bias=bias), nn.Linear(4 * WIDTH, WIDTH, bias=bias)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (y.view(b, t, HEADS, WIDTH // HEADS).transpose(1, 2) for y in self.qkv(self.ln1(x)).split(WIDTH, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, WIDTH)
        x = x + self.proj(y)
        return x + self.out_proj(F.gelu(self.fc(self.ln2(x))))


class Gpt(nn.Module):
    def __init__(self, vocabulary, bias):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocabulary, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*[Block(bias) for _ in range(LAYERS)])
        self.ln = nn.LayerNorm(WIDTH, bias=bias)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02 / (math.sqrt(2 * LAYERS) if "proj" in name else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids):
        return self.ln(self.blocks(self.tok(ids) + self.pos.weight[: ids.shape[1]])) @ self.tok.weight.T


def rate(step):
    if step < 100:
        return 1e-3 * (step + 1) / 101
    return 1e-4 + 0.5 * (1 + math.cos(math.pi * (step - 100) / (STEPS - 100))) * 9e-4


def main(path, seed, threads, bias):
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    data = torch.tensor([index[c] for c in text])
    cut = int(0.9 * len(data))
    train, held = data[:cut], data[cut:]
    model = Gpt(len(index), bias)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    began = time.time()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        starts = torch.randint(cut - LENGTH, (BATCH,))
        x = torch.stack([train[s : s + LENGTH] for s in starts])
        y = torch.stack([train[s + 1 : s + LENGTH + 1] for s in starts])
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    seconds = time.time() - began
    count = (len(held) - 1) // LENGTH
    x, y = held[: count * LENGTH].view(count, LENGTH), held[1 : count * LENGTH + 1].view(count, LENGTH)
    with torch.no_grad():
        losses = (
            F.cross_entropy(model(x[at : at + 64]).flatten(0, 1), y[at : at + 64].flatten(), reduction="sum").item()
            for at in range(0, count, 64)
        )
        loss = sum(losses) / y.numel()
    print(f"seed {seed}, bias {bias}, {threads} threads: loss {loss:.4f}, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    main(words[0], int(words[1]), int(words[2]), "--no-bias" not in sys.argv)
