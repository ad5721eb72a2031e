//! The ratios that the project wants to reach, ours ÷ theirs; lower is better.

/// What a ratio is taken against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rival {
    /// The faster of PyTorch eager and compiled, f32.
    Stock,
    /// PyTorch with AVX-512 in MKL, huge pages, a keeping allocator and fused optimizers, f32.
    Tuned,
    /// PyTorch under bf16 autocast, ours in bf16.
    Bf16,
    /// The faster of candle and burn.
    Rust,
    Onnx,
    /// llama.cpp in f32, ours in f32.
    Llama,
    /// llama.cpp in bf16, ours in bf16.
    LlamaBf16,
}

/// `(workload, [stock, tuned, bf16, Rust])`; the same for one and for two threads.
const RATIOS: [(&str, [f64; 4]); 12] = [
    ("mlp", [0.40, 0.85, 0.75, 0.60]),
    ("lenet_b4", [0.22, 0.25, 0.15, 0.10]),
    ("lenet_b128", [0.30, 0.35, 0.20, 0.16]),
    ("resnet18_cifar_b64", [0.70, 0.70, 0.90, 0.32]),
    ("resnet18_224_b8", [0.75, 0.80, 0.85, 0.32]),
    ("minilm_b16", [0.40, 0.90, 0.50, 0.43]),
    ("gpt2_t64", [0.33, 1.00, 0.50, 0.32]),
    ("nanogpt_cpucfg", [0.33, 0.75, 0.35, 0.20]),
    ("nanogpt_gpucfg", [0.40, 0.92, 0.65, 0.35]),
    ("minilm_b1", [0.42, 0.78, 0.70, 0.38]),
    ("minilm_b32", [0.42, 0.78, 0.70, 0.38]),
    ("gpt2_decode", [0.45, 0.50, 0.60, 0.80]),
];

/// The most that the ratio should be; none where nothing was set.
pub(super) fn target(workload: &str, rival: Rival) -> Option<f64> {
    let inference = ["minilm_b1", "minilm_b32"].contains(&workload);
    let of_row = |column: usize| {
        let row = RATIOS.iter().find(|(name, _)| *name == workload);
        row.map(|(_, ratios)| ratios[column])
    };
    match rival {
        Rival::Stock => of_row(0),
        Rival::Tuned => of_row(1),
        Rival::Bf16 => of_row(2),
        Rival::Rust => of_row(3),
        Rival::Onnx => inference.then_some(0.70),
        Rival::Llama | Rival::LlamaBf16 => (workload == "gpt2_decode").then_some(0.75),
    }
}

/// Peak memory of a training step, ours ÷ PyTorch's above its own import.
pub(super) const MEMORY_OF_TORCH: f64 = 0.75;
/// Peak memory of a training step, ours ÷ burn's.
pub(super) const MEMORY_OF_BURN: f64 = 0.80;
/// How much faster two threads are than one, on workloads above [`SCALES_ABOVE_MS`].
pub(super) const SPEEDUP_OF_TWO: f64 = 1.8;
pub(super) const SCALES_ABOVE_MS: f64 = 10.0;
