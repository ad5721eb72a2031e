"""Writes the tokenizer folders here, tokens.json (what transformers makes of texts.txt with them) and chat.json (chat templates).

Needs tokenizers and transformers; run by `cargo xtask fixtures` or by hand: python make_tokenizers.py
corpus.txt and texts.txt are written by hand. Offsets are in bytes. The BPE folders are also what training on corpus.txt must give.
"""

import json
import math
from collections import Counter
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
CORPUS = (HERE / "corpus.txt").read_text(encoding="utf-8")
MESSY = ["", " ", "\n", "\r\n line ends \n\n", "nul\0and\x1bescape\x7f", "\ufffd replacement", "a" * 300, "春" * 60]
TEXTS = (HERE / "texts.txt").read_text(encoding="utf-8").split("\n")[:-1] + MESSY


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=0) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def by_id(vocab):
    return dict(sorted(vocab.items(), key=lambda item: item[1]))


def bert():
    words = "the a of it is in and to tokens text model ing read walk ##s ##er ##ing ##ed ##ly un ##want ##done learn cafe".split()
    letters = sorted({c for c in CORPUS.lower() if not c.isspace()} - set("éèïçüåãšřáö"))
    pieces = letters + ["##" + c for c in letters if c.isascii() and c.isalnum()] + words
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(dict.fromkeys(pieces))
    write(HERE / "bert/vocab.txt", "\n".join(vocab) + "\n")
    write(HERE / "bert_cased/vocab.txt", "\n".join(vocab) + "\n")
    write(HERE / "bert_cased/tokenizer_config.json", {"do_lower_case": False, "model_max_length": 64, "tokenizer_class": "BertTokenizer"})


def byte_level(folder, special, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train([str(HERE / "corpus.txt")], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    write(HERE / folder / "vocab.json", json.dumps(by_id(model["vocab"]), ensure_ascii=False) + "\n")
    write(HERE / folder / "merges.txt", "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))


def llama():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=500, min_frequency=2, special_tokens=special, limit_alphabet=150, show_progress=False)
    counts = Counter(CORPUS)
    kept = {c for c, count in counts.items() if count >= 3}
    lines = ["".join(c for c in line if c in kept) for line in CORPUS.split("\n")]
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bos = ("<s>", 1)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[bos])
    value = json.loads(tokenizer.to_str())
    value["model"]["vocab"] = by_id(value["model"]["vocab"])
    value["added_tokens"] = value["added_tokens"][:3]
    write(HERE / "llama/tokenizer.json", json.dumps(value, ensure_ascii=False) + "\n")
    config = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "tokenizer_class": "PreTrainedTokenizerFast"}
    write(HERE / "llama/tokenizer_config.json", config)


def unigram():
    counts = Counter()
    for word in CORPUS.replace("\n", " ").split(" "):
        if word:
            counts.update(["▁" + word] + list(word) + [word[i : i + 2] for i in range(len(word) - 1)])
    counts["▁"] += 50
    total = sum(counts.values())
    pieces = sorted(((p, math.log(n / total)) for p, n in counts.items() if n > 1 or len(p) == 1), key=lambda p: (-p[1], p[0]))
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [(p, round(s, 6)) for p, s in pieces]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=special)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    write(HERE / "unigram/tokenizer.json", tokenizer.to_str() + "\n")


def case(tokenizer, text):
    encoding = tokenizer(text, return_offsets_mapping=True)
    place = [len(text[:i].encode()) for i in range(len(text) + 1)]
    ids = encoding["input_ids"]
    return {
        "text": text,
        "ids": ids,
        "plain_ids": tokenizer(text, add_special_tokens=False)["input_ids"],
        "short_ids": tokenizer(text, truncation=True, max_length=7)["input_ids"],
        "tokens": tokenizer.convert_ids_to_tokens(ids),
        "offsets": [[place[a], place[b]] for a, b in encoding["offset_mapping"]],
        "words": encoding.word_ids(),
        "decoded": tokenizer.decode(ids),
        "decoded_plain": tokenizer.decode(ids, skip_special_tokens=True),
    }


CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA2 = """{% if messages[0]['role'] == 'system' %}
    {% set loop_messages = messages[1:] %}
    {% set system_message = messages[0]['content'] %}
{% else %}
    {% set loop_messages = messages %}
    {% set system_message = false %}
{% endif %}
{% for message in loop_messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {% endif %}
    {% if loop.index0 == 0 and system_message != false %}
        {% set content = '<<SYS>>\\n' + system_message.strip() + '\\n<</SYS>>\\n\\n' + message['content'] %}
    {% else %}
        {% set content = message['content'] %}
    {% endif %}
    {% if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' -}}
    {% elif message['role'] == 'assistant' %}
        {{- ' ' + content | trim + ' ' + eos_token -}}
    {% endif %}
{% endfor %}
"""
NAMESPACE = """{%- set ns = namespace(count=0, last='') %}
{%- for message in messages if message.role != 'system' -%}
    {%- set ns.count = ns.count + 1 -%}
    {%- set ns.last = message.content.split(' ')[-1].upper() -%}
    {%- if loop.first %}{{ bos_token }}{% endif -%}
    <{{ message.role | capitalize }}> {{ message['content'] | tojson }}
    {%- if not loop.last %}{{ '\\n' }}{% endif -%}
    {%- if message.content is string and message.content.startswith('stop') %}{% break %}{% endif -%}
{%- endfor %}
{{ ns.count }}/{{ messages | length }} {{ ns.last }} {{ {'tools': tools, 'n': [1, 2.5, true, none]} | tojson }}
{%- if strftime_now is defined %} {{ strftime_now('%%') }}{% endif %}
{%- macro tag(name, inner='') %}[{{ name }}:{{ inner }}]{% endmacro %}
{{ tag('a', messages[-1]['content'][:3]) }}{{ tag('b') }} {{ messages | map(attribute='role') | join(',') }} {{ 'x' if documents is none else 'y' }}
"""
SYSTEM = {"role": "system", "content": "  You are terse. "}
USER = {"role": "user", "content": "床前明月光 <b>\"what\" follows</b>? "}
ANSWER = {"role": "assistant", "content": "疑是地上霜\n& more"}
CONVERSATIONS = [[USER], [SYSTEM, USER], [SYSTEM, USER, ANSWER, USER], [ANSWER], [USER, {"role": "user", "content": "stop it"}, ANSWER]]


def chat():
    cases = []
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(HERE / "llama/tokenizer.json"), bos_token="<s>", eos_token="</s>")
    for template in [CHATML, LLAMA2, NAMESPACE]:
        for messages in CONVERSATIONS:
            for generate in [False, True]:
                try:
                    text = tokenizer.apply_chat_template(messages, chat_template=template, add_generation_prompt=generate, tokenize=False)
                    result = {"text": text}
                except Exception as error:
                    result = {"error": str(error)}
                cases.append({"template": template, "messages": messages, "generate": generate, **result})
    write(HERE / "chat.json", {"transformers": transformers.__version__, "cases": cases})


def main():
    bert()
    byte_level("gpt2", ["<|endoftext|>"], 400)
    byte_level("roberta", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], 400)
    llama()
    unigram()
    opened = {
        "bert": transformers.BertTokenizer.from_pretrained(HERE / "bert"),
        "bert_cased": transformers.BertTokenizer.from_pretrained(HERE / "bert_cased"),
        "gpt2": transformers.GPT2Tokenizer.from_pretrained(HERE / "gpt2"),
        "roberta": transformers.RobertaTokenizer.from_pretrained(HERE / "roberta"),
        "llama": transformers.AutoTokenizer.from_pretrained(HERE / "llama"),
        "unigram": transformers.PreTrainedTokenizerFast(tokenizer_file=str(HERE / "unigram/tokenizer.json")),
    }
    tokens = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    tokens["cases"] = {name: [case(tokenizer, text) for text in TEXTS] for name, tokenizer in opened.items()}
    roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"]
    tokens["roles"] = {name: {role: getattr(t, role + "_token_id") for role in roles} for name, t in opened.items()}
    (HERE / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8", newline="\n")
    chat()


main()
