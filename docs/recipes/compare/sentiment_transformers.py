"""The recipe `sentiment.toml` with transformers, and the sentences for both.

    sentiment_transformers.py data REVIEWS DIR      writes DIR/train.csv and DIR/test.csv
    sentiment_transformers.py train MODEL DIR SEED  fine-tunes MODEL with transformers and prints the accuracy on the test sentences

REVIEWS is `movieReviewSnippets_GroundTruth.txt` of the package vaderSentiment 3.3.2 (MIT): 10,604 sentences of film reviews, each with the mean
of twenty people's ratings from -4 to 4. A sentence is positive above 0 and negative below; every fifth is for the test.
"""

import csv
import pathlib
import random
import sys
import time


def data(reviews, folder):
    rows = []
    for line in pathlib.Path(reviews).read_text(encoding="utf-8", errors="replace").splitlines():
        _, rating, text = line.split("\t", 2)
        if float(rating) != 0:
            rows.append((text.strip(), "positive" if float(rating) > 0 else "negative"))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in [("test", rows[::5]), ("train", [row for i, row in enumerate(rows) if i % 5])]:
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(part)
        print(name, len(part), {label: sum(row[1] == label for row in part) for label in ("negative", "positive")})


def batches(tokenizer, texts, labels, size, order):
    import torch

    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = tokenizer([texts[i] for i in chosen], padding=True, truncation=True, max_length=128, return_tensors="pt")
        yield batch, torch.tensor([labels[i] for i in chosen])


def train(model, folder, seed, epochs=2, size=32, rate=5e-5):
    import torch
    import transformers

    read = lambda name: list(csv.DictReader(open(pathlib.Path(folder) / name, newline="", encoding="utf-8")))
    parts = {name: read(f"{name}.csv") for name in ("train", "test")}
    texts = {name: [row["text"] for row in rows] for name, rows in parts.items()}
    labels = {name: [int(row["label"] == "positive") for row in rows] for name, rows in parts.items()}
    torch.manual_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    net = transformers.AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, dtype=torch.float32)
    steps = epochs * -(-len(texts["train"]) // size)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    began = time.time()
    net.train()
    for epoch in range(epochs):
        order = list(range(len(texts["train"])))
        random.Random(seed * 1000 + epoch).shuffle(order)
        for batch, target in batches(tokenizer, texts["train"], labels["train"], size, order):
            net(**batch, labels=target).loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    seconds = time.time() - began
    net.eval()
    right = 0
    with torch.no_grad():
        for batch, target in batches(tokenizer, texts["test"], labels["test"], 64, range(len(texts["test"]))):
            right += (net(**batch).logits.argmax(1) == target).sum().item()
    print(f"seed {seed}: accuracy {right / len(texts['test']):.4f}, {seconds:.0f} s for {steps} steps", flush=True)


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "data":
        data(*words)
    else:
        train(words[0], words[1], int(words[2]))
