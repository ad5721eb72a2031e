"""The workloads of `benches/workloads` as PyTorch networks: f32, no dropout, random weights, one fixed batch."""

import torch
from torch import nn
from torch.nn import functional as F


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def resnet18(small, classes):
    import torchvision

    net = torchvision.models.resnet18(num_classes=classes)
    if small:
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return net


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


# Each workload: the network, the batch, the targets, and the optimizer's kind, rate and momentum.


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
    "resnet18_cifar_b64": lambda: images(resnet18(True, 10), (64, 3, 32, 32), 10, 0.001, 0.9),
    "resnet18_224_b8": lambda: images(resnet18(False, 1000), (8, 3, 224, 224), 1000, 0.001, 0.9),
    "minilm_b16": lambda: minilm(16),
    "gpt2_t64": lambda: texts(Gpt(*GPT2), 50257, (4, 64)),
    "gpt2_t256": lambda: texts(Gpt(*GPT2), 50257, (4, 256)),
    "nanogpt_cpucfg": lambda: texts(Gpt(65, 64, 128, 4, 4, False), 65, (12, 64)),
    "nanogpt_gpucfg": lambda: texts(Gpt(65, 256, 384, 6, 6, False), 65, (12, 256)),
    "minilm_b1": lambda: minilm(1),
    "minilm_b32": lambda: minilm(32),
}
