"""GPT-2 of 124 M random parameters for llama.cpp: `gguf_model.py FILE.gguf f32|bf16`."""

import sys

import gguf
import numpy

LAYERS, WIDTH, HEADS, VOCABULARY, POSITIONS = 12, 768, 12, 50257, 1024
path, kind = sys.argv[1:]
rng = numpy.random.default_rng(0)
quantization = {"f32": gguf.GGMLQuantizationType.F32, "bf16": gguf.GGMLQuantizationType.BF16}[kind]

writer = gguf.GGUFWriter(path, "gpt2")
writer.add_name("gpt2-random")
writer.add_context_length(POSITIONS)
writer.add_embedding_length(WIDTH)
writer.add_block_count(LAYERS)
writer.add_feed_forward_length(4 * WIDTH)
writer.add_head_count(HEADS)
writer.add_layer_norm_eps(1e-5)
writer.add_vocab_size(VOCABULARY)
writer.add_file_type({"f32": 0, "bf16": 32}[kind])
# A vocabulary of made-up words: the tokens' numbers go in and out.
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("gpt-2")
writer.add_token_list([f"t{i}" for i in range(VOCABULARY - 1)] + ["<|endoftext|>"])
writer.add_token_types([1] * (VOCABULARY - 1) + [3])
writer.add_token_merges(["t 1"])
writer.add_bos_token_id(VOCABULARY - 1)
writer.add_eos_token_id(VOCABULARY - 1)


def matrix(name, rows, columns):
    values = rng.standard_normal((rows, columns), dtype=numpy.float32) * 0.02
    if kind == "f32" or name == "position_embd":
        writer.add_tensor(f"{name}.weight", values)
    else:
        writer.add_tensor(f"{name}.weight", gguf.quantize(values, quantization), raw_dtype=quantization)


def vector(name, values):
    writer.add_tensor(name, values.astype(numpy.float32))


def norm(name):
    vector(f"{name}.weight", numpy.ones(WIDTH))
    vector(f"{name}.bias", numpy.zeros(WIDTH))


def linear(name, rows, columns):
    matrix(name, rows, columns)
    vector(f"{name}.bias", numpy.zeros(rows))


matrix("token_embd", VOCABULARY, WIDTH)  # the head's too: llama.cpp takes it where there is no other
matrix("position_embd", POSITIONS, WIDTH)
for layer in range(LAYERS):
    norm(f"blk.{layer}.attn_norm")
    norm(f"blk.{layer}.ffn_norm")
    linear(f"blk.{layer}.attn_qkv", 3 * WIDTH, WIDTH)
    linear(f"blk.{layer}.attn_output", WIDTH, WIDTH)
    linear(f"blk.{layer}.ffn_up", 4 * WIDTH, WIDTH)
    linear(f"blk.{layer}.ffn_down", WIDTH, 4 * WIDTH)
norm("output_norm")
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
