"""Writes decoders/: small random GPT-2, LLaMA, Qwen2 and Mistral models of transformers with what they give.

Each folder is a model folder (config.json, model.safetensors) with a trace.safetensors beside: `tokens`, `logits`, and where they are
asked for `loss` (of the next tokens), `grad.<parameter>`, `losses` (of 20 steps of AdamW on the same tokens), `masked_logits` (with the
`mask`, padding on the left and right), `long_tokens` and `greedy` (continuations of `prompt`, 12 tokens each). The scalings of LLaMA's
rotary positions share the weights of `llama`: their folders have a configuration and a trace only. Needs torch and transformers.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

HERE = pathlib.Path(__file__).parent / "decoders"
KEYS = ("transformers_version", "dtype", "_name_or_path", "chunk_size_feed_forward", "is_encoder_decoder", "problem_type")


def keep(folder, model, weights):
    """The configuration as transformers writes it, less what differs by its version, and maybe the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {key: value for key, value in model.config.to_diff_dict().items() if key not in KEYS and value is not None}
    keys["model_type"] = model.config.model_type
    keys["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(keys, indent=2, sort_keys=True) + "\n")
    if weights:
        tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
        state = {name: x.contiguous() for name, x in model.state_dict().items() if name not in tied}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def randomise(model):
    """Values large enough that every part shows in the logits."""
    torch.manual_seed(7)
    for name, x in model.named_parameters():
        if x.dim() > 1:
            torch.nn.init.normal_(x, std=0.25)
        elif name.endswith("bias"):
            torch.nn.init.normal_(x, std=0.1)
        else:
            torch.nn.init.normal_(x, mean=1.0, std=0.2)


def tokens_of(vocab, rows=2, length=11, seed=3):
    return torch.randint(0, vocab, (rows, length), generator=torch.Generator().manual_seed(seed))


def trace(name, model, weights=True, train=False, masked=False, long=None, greedy=False):
    model.eval()
    folder = HERE / name
    keep(folder, model, weights)
    vocab = model.config.vocab_size
    tokens = tokens_of(vocab)
    found = {"tokens": tokens}
    output = model(tokens, labels=tokens)
    found["logits"] = output.logits.detach()
    found["loss"] = output.loss.detach()
    if masked:
        mask = torch.ones_like(tokens)
        mask[0, :3] = 0
        mask[1, 8:] = 0
        found["mask"] = mask
        found["masked_logits"] = model(tokens, attention_mask=mask).logits.detach()
    if long:
        found["long_tokens"] = tokens_of(vocab, 1, long, 5)
        found["long_logits"] = model(found["long_tokens"]).logits.detach()
    if greedy:
        prompt = tokens[:1, :4]
        model.generation_config.eos_token_id = None
        made = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False, pad_token_id=0)
        found["prompt"], found["greedy"] = prompt, made[:, 4:]
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False, repetition_penalty=1.3, pad_token_id=0
        )
        found["penalised"] = made[:, 4:]
    if train:
        output.loss.backward()
        for key, x in model.named_parameters():
            found[f"grad.{key}"] = x.grad.clone()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = model(tokens, labels=tokens).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        found["losses"] = torch.stack(losses)
    save_file({key: x.clone().contiguous() for key, x in found.items()}, folder / "trace.safetensors")


def gpt2(**options):
    model = GPT2LMHeadModel(GPT2Config(vocab_size=61, bos_token_id=0, eos_token_id=0, n_positions=32, n_embd=24, n_layer=2, n_head=3, **options))
    randomise(model)
    return model


LLAMA = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 16,
}


def llama(scaling=None, **options):
    rope = {"rope_type": "default", "rope_theta": 10000.0} | (scaling or {})
    model = LlamaForCausalLM(LlamaConfig(**LLAMA, rope_parameters=rope, **options))
    randomise(model)
    return model


trace("gpt2", gpt2(), train=True, masked=True, greedy=True)
trace("llama", llama(), train=True, masked=True, long=40, greedy=True)
SCALINGS = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 0.05,
        "high_freq_factor": 1.0,
        "original_max_position_embeddings": 8,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0, "beta_slow": 0.02},
}
for name, scaling in SCALINGS.items():
    trace(f"llama-{name}", llama(scaling), weights=False, long=40)
qwen2 = Qwen2ForCausalLM(Qwen2Config(**LLAMA, tie_word_embeddings=True))
randomise(qwen2)
trace("qwen2", qwen2, greedy=True)
mistral = MistralForCausalLM(MistralConfig(**LLAMA, head_dim=6, sliding_window=5))
randomise(mistral)
trace("mistral", mistral, greedy=True)
