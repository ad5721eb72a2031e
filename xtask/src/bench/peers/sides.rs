//! Who takes part: each side's name, the workloads that it has, and how its process is started.

use super::setup::Setup;
use crate::project::Project;
use std::process::Command;

/// All workloads, the quick ones first.
pub(super) const WORKLOADS: [&str; 14] = [
    "lenet_b4",
    "mlp",
    "lenet_b128",
    "nanogpt_cpucfg",
    "minilm_b1",
    "images",
    "resnet18_224_b8",
    "minilm_b32",
    "minilm_b16",
    "gpt2_decode",
    "nanogpt_gpucfg",
    "gpt2_t64",
    "resnet18_cifar_b64",
    "gpt2_t256",
];

/// Huge pages, and an allocator that gives nothing back: without them PyTorch's large steps spend much of their time in page faults.
const TUNED: [(&str, &str); 3] = [
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ("MALLOC_MMAP_MAX_", "0"),
    ("MALLOC_TRIM_THRESHOLD_", "20000000000"),
];

/// The program behind a side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    /// `workload --dtype …`.
    Gradus(&'static str),
    /// `torch_side.py --mode …`.
    Torch(&'static str),
    /// `images_side.py --mode …`.
    Images(&'static str),
    Onnx,
    Candle,
    Burn,
    /// llama.cpp with weights of this kind.
    Llama(&'static str),
}

/// One side of the comparison.
#[derive(Clone, Copy)]
pub(super) struct Side {
    /// What the command line and the results call it.
    pub(super) name: &'static str,
    /// What the page calls it.
    pub(super) title: &'static str,
    program: Program,
}

pub(super) const OURS: &str = "gradus";
pub(super) const OURS_BF16: &str = "gradus_bf16";

pub(super) const SIDES: [Side; 14] = [
    side(OURS, "gradus f32", Program::Gradus("f32")),
    side(OURS_BF16, "gradus bf16", Program::Gradus("bf16")),
    side("eager", "PyTorch eager", Program::Torch("eager")),
    side("compile", "PyTorch compile", Program::Torch("compile")),
    side("tuned", "PyTorch tuned", Program::Torch("tuned")),
    side("bf16", "PyTorch bf16", Program::Torch("bf16")),
    side(
        "tuned_bf16",
        "PyTorch tuned bf16",
        Program::Torch("tuned_bf16"),
    ),
    side("onnxruntime", "onnxruntime", Program::Onnx),
    side("candle", "candle", Program::Candle),
    side("burn", "burn", Program::Burn),
    side("llama", "llama.cpp f32", Program::Llama("f32")),
    side("llama_bf16", "llama.cpp bf16", Program::Llama("bf16")),
    side("pil", "PyTorch with PIL", Program::Images("pil")),
    side(
        "torchvision",
        "PyTorch with torchvision",
        Program::Images("torchvision"),
    ),
];

const fn side(name: &'static str, title: &'static str, program: Program) -> Side {
    Side {
        name,
        title,
        program,
    }
}

impl Side {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.program, Program::Gradus(_))
    }

    /// Whether this side's programs know the workload.
    pub(super) fn has(&self, workload: &str) -> bool {
        let (decode, images) = (workload == "gpt2_decode", workload == "images");
        match self.program {
            Program::Gradus("f32") => true,
            Program::Gradus(_) | Program::Torch(_) => !images,
            Program::Images(_) => images,
            Program::Onnx => ["minilm_b1", "minilm_b32"].contains(&workload),
            // Its max pool with overlapping windows has no gradient.
            Program::Candle => !images && workload != "resnet18_224_b8",
            Program::Burn => !images && !decode,
            Program::Llama(_) => decode,
        }
    }

    /// Why it cannot be started, if what it needs is not there.
    pub(super) fn missing(&self, setup: &Setup) -> Option<String> {
        let mut needed = match self.program {
            Program::Gradus(_) => return None,
            Program::Torch(_) | Program::Images(_) => vec![setup.python.clone()],
            Program::Onnx => vec![setup.python.clone(), setup.folder.join("onnx")],
            Program::Candle => vec![setup.folder.join("target/release/peer-candle")],
            Program::Burn => vec![setup.folder.join("target/release/peer-burn")],
            Program::Llama(kind) => vec![setup.folder.join(format!("llama/{kind}.gguf"))],
        };
        if self.is_tuned() {
            needed.push(setup.shim());
        }
        let absent = needed.into_iter().find(|file| !file.exists())?;
        Some(format!("{} is not there", setup.shown(&absent)))
    }

    fn is_tuned(&self) -> bool {
        matches!(self.program, Program::Torch(mode) if mode.starts_with("tuned"))
    }

    /// The process that serves steps of the workload, bound to the first `threads` cores.
    pub(super) fn command(
        &self,
        project: &Project,
        setup: &Setup,
        workload: &str,
        threads: usize,
    ) -> Command {
        let count = threads.to_string();
        let python = |script: &str| {
            let mut command = pinned(project, setup.python.as_os_str(), threads);
            let script = format!("benches/peers/python/{script}");
            command.args(["-B", &script]);
            command.envs([("OMP_PROC_BIND", "close"), ("OMP_PLACES", "threads")]);
            command
        };
        let rust = |name: &str| {
            let program = setup.folder.join("target/release").join(name);
            let mut command = pinned(project, program.as_os_str(), threads);
            command.arg(workload);
            command
        };
        let mut command = match self.program {
            Program::Gradus(dtype) => {
                let mut command = pinned(project, setup.ours.as_os_str(), threads);
                command.args([workload, "--serve", "--threads", &count]);
                if dtype != "f32" {
                    command.args(["--dtype", dtype]);
                }
                command
            }
            Program::Torch(mode) => {
                let mut command = python("torch_side.py");
                command.args([workload, "--threads", &count, "--mode", mode]);
                command
            }
            Program::Images(mode) => {
                let mut command = python("images_side.py");
                command.arg(setup.images());
                command.args(["--threads", &count, "--mode", mode]);
                command
            }
            Program::Onnx => {
                // With OpenMP's binding its own threads would share one core.
                let mut command = python("onnx_side.py");
                command
                    .env_remove("OMP_PROC_BIND")
                    .env_remove("OMP_PLACES")
                    .args([workload, "--threads", &count, "--models"])
                    .arg(setup.folder.join("onnx"));
                command
            }
            Program::Candle => rust("peer-candle"),
            Program::Burn => rust("peer-burn"),
            Program::Llama(kind) => {
                let folder = setup.folder.join("llama");
                let mut command = pinned(project, "node".as_ref(), threads);
                command
                    .arg(folder.join("side.mjs"))
                    .arg(folder.join(format!("{kind}.gguf")))
                    .arg(&count);
                command
            }
        };
        if self.is_tuned() {
            command.envs(TUNED).env("LD_PRELOAD", setup.shim());
        }
        command
            .env("RAYON_NUM_THREADS", &count)
            .env("GRADUS_BENCH_IMAGES", setup.images());
        command
    }
}

/// A program on the first `threads` cores, where the system has a tool for that.
fn pinned(project: &Project, program: &std::ffi::OsStr, threads: usize) -> Command {
    if !cfg!(target_os = "linux") {
        return project.command(program);
    }
    let mut command = project.command("taskset");
    command
        .args(["-c", &format!("0-{}", threads.max(1) - 1)])
        .arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_has_ours_and_a_peer_and_names_are_unique() {
        for workload in WORKLOADS {
            let takes_part: Vec<_> = SIDES.iter().filter(|side| side.has(workload)).collect();
            assert!(takes_part[0].is_ours(), "{workload}");
            assert!(takes_part.iter().any(|side| !side.is_ours()), "{workload}");
        }
        let mut names: Vec<_> = SIDES.iter().map(|side| side.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SIDES.len());
    }
}
