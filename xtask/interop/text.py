"""Text models that others trained, against the programs they were made for.

    --minilm FOLDER    all-MiniLM-L6-v2 as Hugging Face lays it out: token ids, embeddings (transformers)
    --glassllm FOLDER  the Python package glassllm: logits, 30 greedy tokens (numpy)

A model that is not given is skipped, and a line says so.
"""

import json
import pathlib
import random
import subprocess
import sys

import common
import numpy as np
import torch

WORDS = "time year people way day man thing woman life child world school state family student group country problem hand part place case".split()
CHINESE = "床前明月光疑是地上霜举头望明月低头思故乡春眠不觉晓处处闻啼鸟"
ODD = [
    "",
    " ",
    "a",
    "Hello, world!",
    "HELLO   world\twith  spaces ",
    "naïve café déjà-vu Ångström Straße",
    "The quick brown fox jumps over 13 lazy dogs, doesn't it?",
    "https://example.org/a?b=c&d=%20#e",
    "3.14159 1,000,000 €5 £6 ½ №7",
    "e = mc² ∀x ∈ ℝ: x² ≥ 0",
    "😀 emoji 👩‍👩‍👧 and 🏳️‍🌈 flags",
    "привет мир",
    "שלום עולם",
    "こんにちは世界、カタカナ",
    "안녕하세요 세계",
    "[MASK] tokens [SEP] in the [CLS] text [UNK]",
    "supercalifragilisticexpialidocious" * 4,
    "\u200bzero\u00a0width\u00adsoft",
    "a-b_c.d;e:f!g?h'i\"j(k)l[m]n{o}p",
    "word " * 400,
]


def sentences():
    """A hundred texts of many kinds and lengths, the same on every run; none has a line break."""
    draw = random.Random(7)
    texts = list(ODD)
    while len(texts) < 100:
        if draw.random() < 0.25:
            texts.append("".join(draw.choice(CHINESE) for _ in range(draw.randint(1, 40))))
        else:
            words = [draw.choice(WORDS) for _ in range(draw.randint(1, 60))]
            texts.append(" ".join(words).capitalize() + draw.choice(".?!"))
    return texts


def lines(gradus, *words):
    """The JSON lines of a command that went well."""
    command = [str(gradus.path), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"FAIL {' '.join(['gradus', *command[1:]])} ended with {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def mean_pooled(folder, texts, longest):
    """transformers' last layer, its mean over a text's tokens, scaled to length 1."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    pooled = []
    with torch.no_grad():
        for text in texts:
            batch = tokenizer([text], truncation=True, max_length=longest, return_tensors="pt")
            pooled.append(torch.nn.functional.normalize(model(**batch).last_hidden_state.mean(1), dim=1))
    return torch.cat(pooled).numpy(), [tokenizer(text)["input_ids"] for text in texts]


def minilm(gradus, work, checks, folder):
    texts = sentences()
    file = work / "sentences.txt"
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    longest = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    theirs, ids = mean_pooled(folder, texts, longest)
    ours = lines(gradus, "tokenize", folder, "--file", file)
    same = sum(line["ids"] == want for line, want in zip(ours, ids, strict=True))
    checks.check("MiniLM: token ids are transformers'", same == len(texts), f"{same} of {len(texts)} texts, {sum(map(len, ids))} tokens")
    found = lines(gradus, "embed", folder, "--file", file)
    checks.check("MiniLM: the texts come in their order", [line["text"] for line in found] == texts, f"{len(found)} texts")
    together = np.array([line["embedding"] for line in found])
    far = np.abs(together - theirs).max()
    checks.check("MiniLM: embeddings are transformers' mean", far < 1e-5, f"{together.shape}, largest difference {far:.1e}")
    alone = np.array([line["embedding"] for line in lines(gradus, "embed", folder, "--file", file, "--batch-size", 1)])
    far = np.abs(together - alone).max()
    checks.check("MiniLM: together as one by one", far < 1e-5, f"largest difference {far:.1e}")


def glassllm(gradus, work, checks, package):
    from safetensors.torch import load_file

    script = pathlib.Path(__file__).with_name("convert_glassllm.py")
    example = common.Example(gradus, work)
    for name, prompt in [("en", "Once upon a time"), ("pt", "Era uma vez")]:
        if not (package / "weights" / f"{name}.npz").exists():
            continue
        folder = work / f"glassllm-{name}"
        subprocess.run([sys.executable, "-B", script, package, name, folder], check=True)
        reference = load_file(folder / "reference.safetensors")
        logits = example.run(folder, "causal-lm", {"x.tokens": reference["tokens"]})["x"]
        far = (logits - reference["logits"]).abs().max().item()
        shown = f"{tuple(logits.shape)}, largest {reference['logits'].abs().max():.1f}, largest difference {far:.1e}"
        checks.check(f"glassllm {name}: logits are the package's", far < 1e-4, shown)
        want = reference["greedy"][0].tolist()
        words = ["generate", folder, "--prompt", prompt, "--max-tokens", 30, "--json"]
        [cached] = lines(gradus, *words)
        checks.equal(f"glassllm {name}: greedy tokens are the package's", cached["token_ids"], want)
        print(f"     {prompt}{cached['text']}", flush=True)
        [again] = lines(gradus, *words, "--no-cache")
        checks.equal(f"glassllm {name}: the same without a cache", again["token_ids"], want)


def main():
    gradus, work, checks, *folders = common.start("minilm", "glassllm")
    for check, folder in zip([minilm, glassllm], folders, strict=True):
        if folder is None:
            print(f"skipped: {check.__name__}: pass --{check.__name__} FOLDER", flush=True)
        else:
            check(gradus, work, checks, folder)
    checks.finish()


if __name__ == "__main__":
    main()
