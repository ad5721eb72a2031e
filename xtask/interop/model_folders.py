"""Model folders between transformers and gradus: same results both ways, no missing or unexpected keys.

For each architecture and head: transformers makes a small random model and saves it; gradus opens the folder, computes, and writes the
folder anew; transformers opens that, with nothing missing, unexpected or of another shape, and computes the same again.

gradus is driven through the example `text_model` of gradus-models, which is built here.
"""

import torch
import transformers

import common

LABELS = {0: "no", 1: "perhaps", 2: "yes"}
NAMED = dict(id2label=LABELS, label2id={name: i for i, name in LABELS.items()})
BERT = dict(
    vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, max_position_embeddings=30,
)
DISTILBERT = dict(vocab_size=61, dim=24, n_layers=2, n_heads=3, hidden_dim=40, max_position_embeddings=30)
GPT2 = dict(vocab_size=61, n_embd=24, n_layer=2, n_head=3, n_positions=30, bos_token_id=1, eos_token_id=2)
LLAMA = dict(
    vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, intermediate_size=40,
    max_position_embeddings=30,
)
VIT = dict(
    hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, image_size=12, patch_size=4, num_channels=3,
)
# Class of the configuration, its arguments, class of the model.
CASES = [
    ("Bert", BERT, "BertModel"),
    ("Bert", BERT, "BertForMaskedLM"),
    ("Bert", BERT | NAMED, "BertForSequenceClassification"),
    ("Bert", BERT | NAMED, "BertForTokenClassification"),
    ("Bert", BERT | dict(hidden_act="gelu_new", pad_token_id=None), "BertForMaskedLM"),
    ("Roberta", BERT | dict(type_vocab_size=1), "RobertaModel"),
    ("Roberta", BERT | dict(type_vocab_size=1), "RobertaForMaskedLM"),
    ("Roberta", BERT | NAMED, "RobertaForSequenceClassification"),
    ("Roberta", BERT | NAMED, "RobertaForTokenClassification"),
    ("DistilBert", DISTILBERT, "DistilBertModel"),
    ("DistilBert", DISTILBERT, "DistilBertForMaskedLM"),
    ("DistilBert", DISTILBERT | NAMED, "DistilBertForSequenceClassification"),
    ("DistilBert", DISTILBERT | NAMED, "DistilBertForTokenClassification"),
    ("GPT2", GPT2, "GPT2Model"),
    ("GPT2", GPT2, "GPT2LMHeadModel"),
    ("Llama", LLAMA, "LlamaModel"),
    ("Llama", LLAMA, "LlamaForCausalLM"),
    ("Llama", LLAMA | dict(tie_word_embeddings=True), "LlamaForCausalLM"),
    ("Qwen2", LLAMA, "Qwen2ForCausalLM"),
    ("Mistral", LLAMA, "MistralForCausalLM"),
    ("ViT", VIT, "ViTModel"),
    ("ViT", VIT | NAMED, "ViTForImageClassification"),
]


def first(output):
    """What a model without or with a head is asked for."""
    return output.last_hidden_state if hasattr(output, "last_hidden_state") else output.logits


def case(checks, example, kind, arguments, name):
    """One model there and back."""
    torch.manual_seed(6)
    model = getattr(transformers, name)(getattr(transformers, f"{kind}Config")(**arguments)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    shown = name + "".join(f" {key}={arguments[key]}" for key in ("hidden_act", "tie_word_embeddings") if key in arguments)
    folder, again = (example.work / (shown.replace(" ", "-") + end) for end in ("", "-export"))
    model.save_pretrained(folder)
    if kind == "ViT":
        inputs = {"pixel_values": torch.randn(3, 3, 12, 12)}
        given = {"x.images": inputs["pixel_values"]}
    else:
        tokens = torch.randint(3, 61, (3, 14))
        mask = torch.ones(3, 14, dtype=torch.bool)
        mask[1, 9:] = mask[2, 4:] = False
        pad = getattr(model.config, "pad_token_id", None) or 0
        tokens[~mask] = pad
        inputs = {"input_ids": tokens, "attention_mask": mask.long()}
        given = {"x.tokens": tokens, "x.mask": mask}
    ours = example.run(folder, "auto", given, again)["x"]
    with torch.no_grad():
        theirs = first(model(**inputs))
        loaded, info = type(model).from_pretrained(again, output_loading_info=True)
        reloaded = first(loaded.eval()(**inputs))
    real = mask if kind != "ViT" and theirs.dim() == 3 else ...
    differs = (ours - theirs)[real].abs().max().item()
    checks.check(f"{shown}: results", differs < 1e-4, f"differ by {differs:.1e}, largest {theirs.abs().max():.1f}")
    differs = (reloaded - theirs)[real].abs().max().item()
    wrong = {key: sorted(map(str, found)) for key, found in info.items() if found}
    checks.check(f"{shown}: exported", differs == 0 and not wrong, f"results differ by {differs:.1e}, keys {wrong or 'all there'}")
    checks.equal(f"{shown}: dtype and labels", [str(loaded.dtype), loaded.config.id2label], [str(model.dtype), model.config.id2label])


def main():
    gradus, work, checks = common.start()
    transformers.logging.set_verbosity_error()
    example = common.Example(gradus, work)
    for kind, arguments, name in CASES:
        case(checks, example, kind, arguments, name)
    checks.finish()


if __name__ == "__main__":
    main()
