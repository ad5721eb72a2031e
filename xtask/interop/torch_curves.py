"""PyTorch and gradus, given the same initial weights and the same batches, follow the same losses; then each reads the other's weights.

For mlp, tutorial-cnn and resnet18 (32x32 stem): 50 steps of SGD with momentum on a folder of PNG files that this script draws. The
pictures are 32x32 RGB, so that no resizing and no decoder's rounding stands between the two.
"""

import copy
import shutil
import sys

import numpy
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

import common
import philox

CLASSES, TRAIN, TEST, SIZE = 10, 160, 32, 32
STEPS, BATCH, LR, MOMENTUM, SEED = 50, 32, 0.01, 0.9, 7
# How far the losses may lie apart: both compute in f32, in different orders of summation.
LOSS_TOLERANCE = 1e-4
ACCURACY_TOLERANCE = 1e-3
# The stream of random numbers that shuffles an epoch.
SHUFFLE_STREAM = "sampler.shuffled"
# The pictures have their size and colours already; `normalised` does the same.
CONFIG = """
shuffle = true
log_every = 1
keep_best = false

[[transforms]]
name = "ToTensor"

[[transforms]]
name = "Normalize"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"""


class TutorialCnn(nn.Module):
    """The article's network for 32x32 pictures."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, CLASSES)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        return self.fc3(functional.relu(self.fc2(x)))


class Mlp(nn.Sequential):
    """Linear layers of widths 512 and 512 with ReLU between, on the flattened picture."""

    def __init__(self):
        super().__init__(nn.Linear(3 * SIZE * SIZE, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, CLASSES))

    def forward(self, x):
        return super().forward(torch.flatten(x, 1))


def resnet18():
    """torchvision's network with the usual stem for 32x32 pictures, from a start at which 50 steps can be compared.

    From the usual start the first steps amplify rounding so much that PyTorch does not follow itself: with the pictures of each batch
    taken in reverse order, which changes nothing but the order of sums, its losses move by 1.4e-4. So the last norm of each residual
    branch starts at 0 (torchvision's own option), and the convolutions, whose scale a norm takes out again, start four times as
    large, which makes their steps smaller. At twice the size PyTorch moves by 8e-5; the check prints what it is here.
    """
    model = torchvision.models.resnet18(num_classes=CLASSES, zero_init_residual=True)
    model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(4)
    return model


def draw(folder):
    """Writes the tree; returns (pixels, labels) of train and test in the order of an image folder: by class, then by name."""
    generator = numpy.random.default_rng(11)
    coarse = generator.integers(0, 256, (CLASSES, 4, 4, 3))
    prototypes = coarse.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    halves = {}
    for half, count in (("train", TRAIN), ("test", TEST)):
        noise = generator.normal(0.0, 40.0, (CLASSES, count, SIZE, SIZE, 3))
        pixels = numpy.clip(numpy.rint(prototypes[:, None] + noise), 0, 255).astype(numpy.uint8)
        for label in range(CLASSES):
            room = folder / half / f"class-{label}"
            room.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                common.write_png(room / f"{number:04}.png", pixels[label, number])
        labels = torch.arange(CLASSES).repeat_interleave(count)
        halves[half] = (torch.from_numpy(pixels.reshape(-1, SIZE, SIZE, 3)), labels)
    return halves


def normalised(pixels):
    """ToTensor, then Normalize with mean 0.5 and deviation 0.5: (N, H, W, C) u8 -> (N, C, H, W) f32."""
    scaled = pixels.permute(0, 3, 1, 2).to(torch.float32).div(255)
    return scaled.sub(0.5).div(0.5)


def train_torch(model, images, labels, reverse=False):
    """The loss of every step, before the step; `reverse` takes the pictures of each batch in reverse order."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    order = torch.tensor(philox.permutation(SEED, philox.stream_of(SHUFFLE_STREAM), 0, len(labels)))
    losses = []
    model.train()
    for step in range(STEPS):
        chosen = order[step * BATCH : (step + 1) * BATCH]
        chosen = chosen.flip(0) if reverse else chosen
        loss = functional.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def score(model, images, labels):
    """(mean loss, accuracy) in evaluation mode."""
    model.eval()
    logits = torch.cat([model(part) for part in images.split(64)])
    return functional.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def compare(name, model, gradus, work, data, halves, checks):
    work = work / name
    work.mkdir(exist_ok=True)
    init, run = work / "init.safetensors", work / "run"
    save_file(model.state_dict(), init)
    config = work / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    words = ["train", config, "--model", name, "--data", data, "--init", init, "--out", run, "--seed", SEED, "--max-steps", STEPS, "--batch-size", BATCH]
    words += ["--optimizer", "sgd", "--lr", LR, "--momentum", MOMENTUM, "--weight-decay", 0, "--schedule", "constant"]
    report = gradus.json(*words)
    ours = [line["loss"] for line in common.metrics(run) if line["kind"] == "train"]

    images, labels = halves["train"]
    reversed_ = train_torch(copy.deepcopy(model), images, labels, reverse=True)
    theirs = train_torch(model, images, labels)
    noise = max(abs(a - b) for a, b in zip(reversed_, theirs))
    checks.equal(f"{name}: steps logged", len(ours), STEPS)
    gaps = [abs(a - b) for a, b in zip(ours, theirs)]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    numbers = f"largest difference {gaps[worst]:.2e} at step {worst + 1} (at most {LOSS_TOLERANCE:.0e}); loss {theirs[0]:.4f} -> {theirs[-1]:.4f}; "
    numbers += f"PyTorch from itself with each batch reversed {noise:.2e}"
    checks.check(f"{name}: {STEPS} losses", len(ours) == STEPS and gaps[worst] <= LOSS_TOLERANCE, numbers)

    # Our weights in PyTorch, under strict names and shapes.
    their_final = {key: value.clone() for key, value in model.state_dict().items()}
    ours_final = load_file(run / "model.safetensors")
    checks.equal(f"{name}: digest of our weights", common.digest(ours_final), report["weights_sha256"])
    model.load_state_dict(ours_final, strict=True)
    loss, accuracy = score(model, *halves["test"])
    scored = gradus.json("eval", run, "--data", data)
    close = abs(scored["accuracy"] - accuracy) <= ACCURACY_TOLERANCE and abs(scored["loss"] - loss) <= LOSS_TOLERANCE
    numbers = f"accuracy {scored['accuracy']:.4f} here, {accuracy:.4f} there; loss {scored['loss']:.6f}, {loss:.6f}"
    checks.check(f"{name}: our weights, strict=True, on the test half", close, numbers)

    # PyTorch's weights here.
    other = work / "from-torch"
    shutil.copytree(run, other)
    save_file(their_final, other / "model.safetensors")
    model.load_state_dict(their_final, strict=True)
    loss, accuracy = score(model, *halves["test"])
    scored = gradus.json("eval", other, "--data", data)
    close = abs(scored["accuracy"] - accuracy) <= ACCURACY_TOLERANCE and abs(scored["loss"] - loss) <= LOSS_TOLERANCE
    numbers = f"accuracy {scored['accuracy']:.4f} here, {accuracy:.4f} there; loss {scored['loss']:.6f}, {loss:.6f}"
    checks.check(f"{name}: PyTorch's weights, on the test half", close, numbers)


def main():
    gradus, work, checks = common.start()
    data = work / "pictures"
    if data.exists():
        shutil.rmtree(data)
    halves = {half: (normalised(pixels), labels) for half, (pixels, labels) in draw(data).items()}

    torch.manual_seed(1)
    for name, model in (("mlp", Mlp()), ("tutorial-cnn", TutorialCnn()), ("resnet18", resnet18())):
        compare(name, model, gradus, work, data, halves, checks)
    checks.finish()


if __name__ == "__main__":
    sys.exit(main())
