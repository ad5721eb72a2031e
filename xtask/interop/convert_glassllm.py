"""Makes a model folder of a glassllm checkpoint: config.json, model.safetensors and tokenizer.json, as transformers and gradus open them.

    convert_glassllm.py PACKAGE NAME OUT

PACKAGE is the folder of the Python package glassllm, NAME that of one of its checkpoints, such as `en`. The architecture is LLaMA's under
other names; three things differ. Matrices are (in, out), and LLaMA's are (out, in). Rotary positions turn the pairs (2i, 2i + 1) of a
head, and LLaMA's turn (i, i + D / 2), so that the rows of queries and keys are put in another order: even ones first. The weights are
f16, and are written as f32. Beside the model lies reference.safetensors with what the package itself gives in numpy: `tokens`, `logits`,
`prompt`, and `greedy`, 30 tokens. Needs numpy and safetensors.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

NAMES = {
    "norm1.gamma": "input_layernorm",
    "norm2.gamma": "post_attention_layernorm",
    "attn.W_Q": "self_attn.q_proj",
    "attn.W_K": "self_attn.k_proj",
    "attn.W_V": "self_attn.v_proj",
    "attn.W_O": "self_attn.o_proj",
    "ffn.W1": "mlp.gate_proj",
    "ffn.W3": "mlp.up_proj",
    "ffn.W2": "mlp.down_proj",
}
PROMPTS = {"en": "Once upon a time", "pt": "Era uma vez"}


def renamed(arrays, head):
    """The tensors by LLaMA's names, in LLaMA's layouts."""
    state = {"model.embed_tokens.weight": arrays.pop("E"), "model.norm.weight": arrays.pop("norm_f.gamma")}
    for key, x in arrays.items():
        _, layer, part = key.split(".", 2)
        if x.ndim == 2:
            x = x.T
        if part in ("attn.W_Q", "attn.W_K"):
            pairs = x.reshape(-1, head // 2, 2, x.shape[1])  # head, pair, place in it, in
            x = pairs.transpose(0, 2, 1, 3).reshape(x.shape)
        state[f"model.layers.{layer}.{NAMES[part]}.weight"] = x
    return {key: np.ascontiguousarray(x, dtype=np.float32) for key, x in state.items()}


def tokenizer(path, specials):
    """The BPE of characters with ▁ for a space, over chunks of a line."""
    data = json.loads(path.read_text(encoding="utf-8"))
    tokens = specials + data["alphabet"] + [a + b for a, b in data["merges"]]
    vocab = {token: i for i, token in enumerate(tokens)}
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    back = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    chunks = {"type": "Split", "pattern": {"Regex": "\\n|▁*[^▁\\n]+|▁+"}, "behavior": "Isolated", "invert": False}
    model = {"type": "BPE", "vocab": vocab, "merges": data["merges"], "unk_token": "<unk>", "fuse_unk": False, "byte_fallback": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(specials)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, space]},
        "pre_tokenizer": chunks,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [back, {"type": "Fuse"}]},
        "model": model,
    }


def main(package, name, out):
    package, out = pathlib.Path(package), pathlib.Path(out)
    sys.path.insert(0, str(package.parent))
    from glassllm.model import GlassLM
    from glassllm.tokenizer import SPECIALS, Tokenizer

    weights = package / "weights" / f"{name}.npz"
    with np.load(weights) as data:
        arrays = {key: data[key] for key in data.files}
    config = json.loads(str(arrays.pop("__config__")))
    head = config["d_model"] // config["n_heads"]
    out.mkdir(parents=True, exist_ok=True)
    state = renamed(arrays, head)
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    keys = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config["vocab_size"],
        "hidden_size": config["d_model"],
        "intermediate_size": int(state["model.layers.0.mlp.gate_proj.weight"].shape[0]),
        "num_hidden_layers": config["n_layers"],
        "num_attention_heads": config["n_heads"],
        "num_key_value_heads": config["n_kv_heads"],
        "max_position_embeddings": config["max_len"],
        "rms_norm_eps": config["eps"],
        "rope_parameters": {"rope_type": "default", "rope_theta": config["rope_base"]},
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "bos_token_id": SPECIALS.index("<bos>"),
        "eos_token_id": SPECIALS.index("<eos>"),
        "pad_token_id": SPECIALS.index("<pad>"),
    }
    (out / "config.json").write_text(json.dumps(keys, indent=2) + "\n")
    source = package / "weights" / f"{name}.tokenizer.json"
    (out / "tokenizer.json").write_text(json.dumps(tokenizer(source, SPECIALS), ensure_ascii=False, indent=1) + "\n")
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    (out / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config["max_len"], **special}, indent=2) + "\n"
    )
    model, text = GlassLM.load(weights), PROMPTS.get(name, "a")
    prompt = np.array([Tokenizer.load(source).encode(text)], dtype=np.int64)
    tokens = np.random.default_rng(1).integers(0, config["vocab_size"], (2, 40))
    greedy = [step.token for step in model.generate(prompt[0], 30, greedy=True)]
    reference = {
        "tokens": tokens,
        "logits": model.forward(tokens).data.astype(np.float32),
        "prompt": prompt,
        "greedy": np.array([greedy], dtype=np.int64),
    }
    save_file(reference, out / "reference.safetensors")
    print(f"{out}: {sum(x.size for x in state.values())} parameters, prompt {text!r} {prompt[0].tolist()}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
