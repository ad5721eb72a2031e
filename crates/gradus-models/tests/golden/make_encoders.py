"""Writes small random BERT, RoBERTa, DistilBERT and ViT models, as transformers saves them, with what transformers computes from them.

Each folder below `encoders` holds `config.json` and `model.safetensors` (f32, by `save_pretrained`), and `trace.safetensors`: tokens,
mask and logits, computed in f64. The folder `bert-masked-lm` also has labels, the loss, every gradient (`grad.NAME`), the hidden states,
and the losses of 20 steps of AdamW on the same batch. Those of ViT have images, logits and hidden states.

Needs torch, transformers and safetensors.
"""

import pathlib
import shutil

import safetensors.torch
import torch
import transformers

FOLDERS = pathlib.Path(__file__).parent / "encoders"
SIZES = {
    "bert": dict(
        vocab_size=43, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=20,
    ),
    "roberta": dict(
        vocab_size=43, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=20, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
    ),
    "distilbert": dict(
        vocab_size=43, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=20,
    ),
}
CLASSES = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert"}
HEADS = {"masked-lm": "MaskedLM", "sequence": "SequenceClassification", "tokens": "TokenClassification"}
LABELS = {0: "no", 1: "perhaps", 2: "yes"}


def batch(vocab, padding):
    """Three sequences of up to 11 tokens; the last two are padded."""
    tokens = torch.randint(3, vocab, (3, 11))
    mask = torch.ones(3, 11, dtype=torch.bool)
    for row, length in ((1, 7), (2, 4)):
        tokens[row, length:] = padding
        mask[row, length:] = False
    return tokens, mask


def spread(model):
    """Weights that are far from their initial values, so that norms and biases matter."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
            module.weight.data[module.padding_idx] = 0.1


def train(model, tokens, mask, labels):
    """Loss and gradients of the first step, and the losses of 20."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    losses, gradients = [], {}
    for step in range(20):
        optimizer.zero_grad()
        loss = model(input_ids=tokens, attention_mask=mask, labels=labels).loss
        loss.backward()
        if step == 0:
            gradients = {f"grad.{name}": p.grad.float().clone() for name, p in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return {"losses": torch.tensor(losses, dtype=torch.float64), **gradients}


def write(kind, head):
    sizes = dict(SIZES[kind])
    trace_case = (kind, head) == ("bert", "masked-lm")
    if trace_case:
        sizes |= dict(hidden_size=32, intermediate_size=48, num_attention_heads=4)
    labels = {} if head == "masked-lm" else dict(id2label=LABELS, label2id={v: k for k, v in LABELS.items()})
    config = getattr(transformers, CLASSES[kind] + "Config")(**sizes, **labels)
    model = getattr(transformers, f"{CLASSES[kind]}For{HEADS[head]}")(config).eval()
    spread(model)
    folder = FOLDERS / f"{kind}-{head}"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = model.double()
    tokens, mask = batch(config.vocab_size, config.pad_token_id)
    with torch.no_grad():
        logits = model(input_ids=tokens, attention_mask=mask).logits
        hidden = model.base_model(input_ids=tokens, attention_mask=mask).last_hidden_state
    trace = {"tokens": tokens, "mask": mask, "logits": logits.float()}
    if trace_case:
        targets = torch.where((torch.rand(3, 11) < 0.4) & mask, torch.randint(3, config.vocab_size, (3, 11)), -100)
        trace |= {"hidden": hidden.float(), "labels": targets, **train(model, tokens, mask, targets)}
    safetensors.torch.save_file({name: t.contiguous() for name, t in trace.items()}, folder / "trace.safetensors")


def write_vit():
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=[8, 12],
        patch_size=[4, 3], num_channels=2, id2label=LABELS, label2id={v: k for k, v in LABELS.items()},
    )
    model = transformers.ViTForImageClassification(config).eval()
    spread(model)
    folder = FOLDERS / "vit-classes"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    model = model.double()
    images = torch.randn(3, 2, 8, 12, dtype=torch.float64)
    with torch.no_grad():
        trace = {"logits": model(images).logits, "hidden": model.vit(images).last_hidden_state}
    trace = {"images": images, **trace}
    safetensors.torch.save_file({name: t.float().contiguous() for name, t in trace.items()}, folder / "trace.safetensors")


def main():
    torch.manual_seed(4)
    for kind in SIZES:
        for head in HEADS:
            write(kind, head)
    write_vit()


if __name__ == "__main__":
    main()
