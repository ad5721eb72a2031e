"""Writes lora/: adapters that PEFT made for the models of make_decoders.py, with what they give.

Each folder is as PEFT saves it (adapter_config.json, adapter_model.safetensors), with a trace.safetensors beside: `logits` of the model's
`tokens`, `loss`, `grad.<parameter>` of what is trained, and `merged`, the logits after merging. Needs torch, transformers and peft.
"""

import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
KEPT = (
    "bias fan_in_fan_out lora_alpha lora_dropout modules_to_save peft_type r target_modules task_type use_dora use_rslora "
    "rank_pattern alpha_pattern layers_to_transform"
).split()


def trace(name, model, **options):
    torch.manual_seed(11)
    base = model.from_pretrained(HERE / "decoders" / name).eval()
    adapted = get_peft_model(base, LoraConfig(r=3, lora_alpha=5, lora_dropout=0.1, task_type="CAUSAL_LM", **options)).eval()
    for key, x in adapted.named_parameters():
        if "lora_" in key:
            torch.nn.init.normal_(x, std=0.2)
    tokens = load_file(HERE / "decoders" / name / "trace.safetensors")["tokens"]
    output = adapted(tokens, labels=tokens)
    output.loss.backward()
    found = {"logits": output.logits.detach(), "loss": output.loss.detach()}
    for key, x in adapted.named_parameters():
        if x.grad is not None:
            key = key.removeprefix("base_model.model.").replace(".default", "").replace(".modules_to_save", "")
            found[f"grad.{key}"] = x.grad
    folder = HERE / "lora" / name
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config = {key: sorted(value) if isinstance(value, list) else value for key, value in config.items() if key in KEPT}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    found["merged"] = adapted.merge_and_unload()(tokens).logits.detach()
    save_file({key: x.clone().contiguous() for key, x in found.items()}, folder / "trace.safetensors")


trace("gpt2", GPT2LMHeadModel, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True)
trace("llama", LlamaForCausalLM, target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["lm_head"], use_rslora=True)
