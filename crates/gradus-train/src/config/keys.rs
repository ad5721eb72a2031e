//! The documentation of every key, from which `docs/config.md` is made.

use std::fmt::Write;

use super::TrainConfig;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct KeyInfo {
    /// The key.
    pub name: &'static str,
    /// What it is for, what it may be.
    pub about: &'static str,
}

const fn key(name: &'static str, about: &'static str) -> KeyInfo {
    KeyInfo { name, about }
}

/// All keys, in the order of the struct.
pub const KEYS: &[KeyInfo] = &[
    key(
        "task",
        "What is trained: `image-classification`, `language-model`, `masked-language-model`, `text-classification`, `token-classification`. Some defaults depend on it: `gradus config --task NAME` prints them.",
    ),
    key(
        "model",
        "The model. For images: `mlp`, `tutorial-cnn`, `tutorial-cnn-dropout`, `lstm`, `resnet18`, `resnet34`, `resnet50`, `vit-tiny`; for text a `model_type` of Hugging Face: `gpt2`, `llama`, `qwen2`, `mistral`, `bert`, `roberta`, `distilbert`. Not read with `from`.",
    ),
    key(
        "init",
        "A safetensors file with the starting weights; empty: fresh ones from the seed.",
    ),
    key(
        "from",
        "Text: a Hugging Face folder, or a run, whose model and tokenizer are trained on; empty: a fresh model.",
    ),
    key(
        "freeze",
        "Name patterns of parameters that are not trained: `*` stands for any characters, `?` for one.",
    ),
    key(
        "recompute",
        "Text: keeps the input of each layer only and computes the rest again in the backward: less memory, about a third more time.",
    ),
    key(
        "lora_rank",
        "Text: trains low-rank adapters of this rank instead of the weights, which stay frozen; 0: no adapters. A head that `from` lacks is trained in full. Both are kept as PEFT keeps them, in `adapter/`.",
    ),
    key(
        "lora_alpha",
        "The adapters count `lora_alpha / lora_rank` times.",
    ),
    key("lora_dropout", "Dropout before the adapters. In 0..1."),
    key(
        "lora_targets",
        "Name patterns of the layers that get adapters, such as `query`, `value` (or `c_attn`).",
    ),
    key(
        "data",
        "Images: a folder with `train/<class>/*` and `test/<class>/*` (also `val`), a folder of IDX files, or the name of an embedded data set (`gradus data list`).",
    ),
    key(
        "train_file",
        "Text to train on: `.txt` for language models; `.csv`, `.tsv`, `.jsonl` with a text and a label column, or a folder `<class>/*.txt`, for classification.",
    ),
    key(
        "eval_file",
        "Text to score on; empty: `val_fraction` of the training text is kept for it.",
    ),
    key("text_column", "The column with the text."),
    key("label_column", "The column with the label."),
    key(
        "tokenizer",
        "The tokenizer: a folder or file; or `char`, `bpe`, `wordpiece`, `unigram`, which trains one on `train_file`. Empty: that of `from`; for a fresh model `bpe` (`wordpiece` for BERT).",
    ),
    key(
        "vocab_size",
        "The most tokens of a tokenizer that is trained.",
    ),
    key(
        "block_size",
        "Tokens of a training window, and the most tokens of a text; what is longer is cut off at the end. At least 2.",
    ),
    key(
        "windows_per_epoch",
        "Language models: windows drawn at random places for an epoch; 0: the text is read from start to end in windows that touch.",
    ),
    key(
        "mask_probability",
        "Masked language models: the share of tokens to be guessed. In 0..1.",
    ),
    key(
        "length_buckets",
        "Texts of similar length share a batch, which saves padding.",
    ),
    key(
        "val_fraction",
        "Without a `val` split: this share of each class of `train` (of a plain text: its end) is kept for validation. In 0..1.",
    ),
    key(
        "skip_bad_images",
        "Leaves damaged image files out and reports them, instead of stopping.",
    ),
    key(
        "sampler",
        "`uniform`, or `balanced`: classes are drawn with equal probability, with replacement.",
    ),
    key("shuffle", "A new random order each epoch."),
    key(
        "drop_last",
        "Leaves the last, smaller batch of an epoch out.",
    ),
    key(
        "workers",
        "Threads that load and transform images; 0: the training thread does. The result is the same.",
    ),
    key(
        "prefetch",
        "Batches that each worker may be ahead. At least 1.",
    ),
    key(
        "cache_mb",
        "Memory for decoded images, in MiB; what does not fit is decoded again each epoch.",
    ),
    key(
        "epochs",
        "Passes over the training data; 0: until `max_steps`.",
    ),
    key(
        "max_steps",
        "Optimizer steps after which training ends; 0: no limit. Schedules plan for all `epochs` nevertheless.",
    ),
    key(
        "batch_size",
        "Images or texts of a (micro-)batch. At least 1.",
    ),
    key(
        "accumulate",
        "Micro-batches whose gradients make one step. At least 1.",
    ),
    key(
        "label_smoothing",
        "Share of the target that is spread over all classes. In 0..=1.",
    ),
    key(
        "class_weights",
        "A weight for each class in the loss, in the order of the class names; empty: all 1.",
    ),
    key("optimizer", "`sgd`, `adam`, `adamw`."),
    key("lr", "The learning rate. At least 0."),
    key(
        "layer_decay",
        "Text: each layer below the last learns at this times the rate of the layer above it; 1: all at the same. Above 0, at most 1.",
    ),
    key(
        "momentum",
        "SGD: the share of the old velocity that is kept. In 0..=1.",
    ),
    key(
        "dampening",
        "SGD: the share of the gradient that is left out of the velocity. In 0..=1.",
    ),
    key("nesterov", "SGD: looks ahead along the velocity."),
    key("betas", "Adam: the decays of the two moments. In 0..1."),
    key("eps", "Adam: added to the denominator."),
    key(
        "amsgrad",
        "Adam: divides by the largest second moment so far.",
    ),
    key(
        "weight_decay",
        "L2 penalty (SGD, Adam) or decoupled decay (AdamW). Default: that of PyTorch's optimizer, 0.01 for `adamw`, else 0.",
    ),
    key("l1", "L1 penalty."),
    key(
        "clip_norm",
        "Scales the gradients so that their common norm is at most this; 0: no clipping.",
    ),
    key(
        "clip_value",
        "Clamps each entry of the gradients to ± this; 0: no clipping.",
    ),
    key(
        "on_nonfinite",
        "`stop` or `skip`: what is done if a loss or a gradient is NaN or infinite. Either names the parameter and the first op; `skip` goes on with the next batch and leaves the weights as they are.",
    ),
    key(
        "ema_decay",
        "Evaluates and saves an exponential moving average of the weights with this decay; 0: none. In 0..1.",
    ),
    key(
        "schedule",
        "`constant`, `step`, `multistep`, `exponential`, `cosine`, `polynomial` (`power = 1` is linear), `one-cycle`, `plateau`.",
    ),
    key("schedule_unit", "What schedules count: `step` or `epoch`."),
    key(
        "warmup",
        "Units in which the learning rate rises linearly before the schedule begins.",
    ),
    key("step_size", "`step`: units between cuts. At least 1."),
    key(
        "gamma",
        "`step`, `multistep`, `exponential`, `plateau`: the factor of a cut.",
    ),
    key(
        "milestones",
        "`multistep`: the units at which the rate is cut.",
    ),
    key(
        "min_lr",
        "`cosine`, `polynomial`: the last learning rate; `plateau`: the lowest.",
    ),
    key("power", "`polynomial`: the exponent."),
    key(
        "rise",
        "`one-cycle`: the share of the run in which the rate rises. In 0..1.",
    ),
    key(
        "patience",
        "`plateau`: evaluations without improvement that are borne.",
    ),
    key(
        "eval_every",
        "Epochs between evaluations; 0: only at the end.",
    ),
    key(
        "eval_batch_size",
        "Images or texts of an evaluation batch. At least 1.",
    ),
    key(
        "early_stopping",
        "Stops after this many evaluations without a lower loss; 0: never.",
    ),
    key(
        "keep_best",
        "Also keeps `best.safetensors`, the weights with the lowest evaluation loss, and the checkpoint of their step.",
    ),
    key(
        "seed",
        "All randomness of the run: weights, order, augmentation, dropout.",
    ),
    key(
        "dtype",
        "What training steps compute in: `f32`, or `bf16`: matrix products, convolutions and attention round their operands to bf16 and sum in f32, all else and the weights stay in f32. Evaluations are in f32.",
    ),
    key(
        "threads",
        "Compute threads, at most one for each core; 0: so many. The result is the same.",
    ),
    key(
        "max_memory",
        "Refuses a run, before its first step, that would take more than so many MiB by an estimate; 0: no limit.",
    ),
    key("out", "The run directory; empty: a new one below `runs`."),
    key(
        "log_every",
        "Steps between lines of `metrics.jsonl`. At least 1.",
    ),
    key(
        "log_samples",
        "Also writes `samples.jsonl`: for each step the samples that it read, by their numbers in the training data.",
    ),
    key(
        "checkpoint_every",
        "Steps between checkpoints; 0: only when interrupted and at the end.",
    ),
    key(
        "checkpoint_lag",
        "Checkpoints are written while training goes on; this many steps may be done before one is on the disk. 0: the next step is computed meanwhile, but done only then, so that a crash never loses more than `checkpoint_every` steps. More take a second copy of the weights and of the optimizer's slots.",
    ),
    key(
        "keep_checkpoints",
        "How many of the last checkpoints are kept. At least 1.",
    ),
    key(
        "keep_every",
        "Checkpoints of steps that are multiples of this are kept, too; 0: none of them.",
    ),
    key(
        "trace",
        "A file for a Chrome trace of where the time went; empty: none.",
    ),
    key(
        "architecture",
        "Text: keys of a fresh model's `config.json`, such as `{ n_layer = 6, n_head = 6, n_embd = 384, n_inner = 1536 }`; without: 4 layers of 4 heads, 256 wide, 1024 within.",
    ),
    key(
        "param_groups",
        "Tables `{ pattern, lr_scale, weight_decay }`: other hyper-parameters for the parameters whose name matches. The first match counts.",
    ),
    key(
        "transforms",
        "What is done to training images, in order: tables `{ name, … }` with torchvision's names and arguments.",
    ),
    key(
        "eval_transforms",
        "What is done to other images; empty: `transforms` without the random ones.",
    ),
];

/// `docs/config.md`: all keys with their defaults, and all transforms.
pub fn render_keys() -> String {
    let mut page = String::from(
        "# Configuration\n\nEvery key of a training configuration: in the TOML file, as `--set key=value`, and the common ones as flags. \
         Later ones win: defaults, then the file, then `--set` and flags.\nThis page is made from the code by `gradus config --markdown`, \
         and a test compares it.\n\n| key | default | meaning |\n|---|---|---|\n",
    );
    let defaults = serde_json::to_value(TrainConfig::default()).unwrap_or_default();
    for KeyInfo { name, about } in KEYS {
        let default = match &defaults[*name] {
            serde_json::Value::Null => "unset".to_owned(),
            _ if *name == "transforms" => {
                "Resize to 32×32, Grayscale to 3 channels, ToTensor, Normalize to ±1".to_owned()
            }
            value => format!("`{value}`"),
        };
        let _ = writeln!(
            page,
            "| `{name}` | {default} | {} |",
            about.replace('|', "\\|")
        );
    }
    page.push_str("\n## Transforms\n\nNames, arguments and arithmetic are torchvision's.\n\n| transform | arguments | meaning |\n|---|---|---|\n");
    for transform in gradus_data::transforms() {
        let args: Vec<String> = transform
            .args
            .iter()
            .map(|arg| format!("`{}`", arg.name))
            .collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            transform.name,
            args.join(", "),
            transform.doc.replace('|', "\\|")
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_documented_and_every_key_is_a_field() {
        let fields = serde_json::to_value(TrainConfig::default()).unwrap();
        let mut fields: Vec<String> = fields.as_object().unwrap().keys().cloned().collect();
        let mut keys: Vec<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        fields.sort();
        keys.sort();
        assert_eq!(fields, keys);
    }
}
