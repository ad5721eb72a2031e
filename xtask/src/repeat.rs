//! `cargo xtask repeat`: whole trainings on every number of threads and workers, which must all end with the same bits.
//!
//! Compared are the digest of the weights, the loss log line by line, the log of sample ids and the final evaluation.

use crate::project::{Project, run_for_stdout};
use crate::runs::{Traces, Workshop};
use anyhow::{Context, Result, bail, ensure};
use std::time::Instant;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Three combinations of threads and workers a recipe instead of all
    #[arg(long)]
    ci: bool,
    /// Only this recipe; can be repeated
    #[arg(long, value_name = "NAME")]
    recipe: Vec<String>,
}

/// A training that is long enough to show a difference.
struct Recipe {
    name: &'static str,
    words: &'static str,
}

/// Augmentation that draws random numbers, for images of 32×32.
const AUGMENTED: &str = r#"--data images --set transforms=[{name="Resize",size=32},{name="RandomCrop",size=32,padding=4},{name="RandomHorizontalFlip"},{name="RandomRotation",degrees=10},{name="Grayscale",num_output_channels=3},{name="ToTensor"},{name="RandomErasing"}]"#;
/// Images as they are.
const PLAIN: &str = r#"--data images --set transforms=[{name="ToTensor"}]"#;

/// Sizes are such that the kernels do use several threads.
const RECIPES: [Recipe; 6] = [
    Recipe {
        name: "mlp",
        words: "--model mlp PLAIN --batch-size 40 --epochs 3 --set accumulate=2 --set ema_decay=0.9 --set clip_norm=0.5",
    },
    Recipe {
        name: "tutorial-cnn",
        words: "--model tutorial-cnn-dropout AUGMENTED --batch-size 24 --epochs 3 --schedule one-cycle",
    },
    Recipe {
        name: "resnet18",
        words: "--model resnet18 AUGMENTED --batch-size 12 --max-steps 3 --set eval_every=0",
    },
    Recipe {
        name: "bert",
        words: "--task text-classification --model bert --train-file labelled.csv --batch-size 16 --epochs 2 --lr 0.001 --set block_size=32 \
            --set architecture={hidden_size=128,num_hidden_layers=2,num_attention_heads=4,intermediate_size=256}",
    },
    Recipe {
        name: "gpt",
        words: "--task language-model --model gpt2 --tokenizer char --train-file text.txt --batch-size 4 --max-steps 6 --lr 0.003 \
            --set accumulate=3 --set block_size=64 --set architecture={n_layer=2,n_head=4,n_embd=128,n_inner=512}",
    },
    Recipe {
        name: "lstm",
        words: "--model lstm PLAIN --batch-size 24 --epochs 2 --optimizer adam --lr 0.002",
    },
];

const THREADS: [usize; 7] = [1, 2, 3, 4, 7, 8, 16];
const WORKERS: usize = 8;

/// Threads and workers that a recipe is run on. Every number of threads stands beside several numbers of workers, every
/// number of workers beside several of threads.
fn combinations(ci: bool) -> Vec<(usize, usize)> {
    if ci {
        return vec![(1, 0), (3, 2), (16, 5)];
    }
    let mut all: Vec<(usize, usize)> = (0..=WORKERS).map(|workers| (2, workers)).collect();
    for (i, threads) in THREADS.into_iter().enumerate() {
        all.extend([0, 1 + 3 * i % WORKERS, WORKERS - i].map(|workers| (threads, workers)));
    }
    all.sort_unstable();
    all.dedup();
    all
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    for line in check(project, args)? {
        println!("{line}");
    }
    Ok(())
}

/// The slice that CI runs; returns its table.
pub(crate) fn ci(project: &Project) -> Result<Vec<String>> {
    let recipe = Vec::new();
    check(project, &Args { ci: true, recipe })
}

fn check(project: &Project, args: &Args) -> Result<Vec<String>> {
    for name in &args.recipe {
        let known = RECIPES.map(|recipe| recipe.name);
        ensure!(
            known.contains(&name.as_str()),
            "no recipe is called {name:?}; there are {}",
            known.join(", ")
        );
    }
    let chosen = |recipe: &&Recipe| {
        args.recipe.is_empty() || args.recipe.iter().any(|name| name == recipe.name)
    };
    let workshop = Workshop::open(project)?;
    let mut table = vec![format!(
        "{:<14} {:>4}  {:<20} {:<18} {:>5}  {:<64}  {:>6}",
        "recipe", "runs", "threads", "workers", "lines", "weights_sha256", "s"
    )];
    for recipe in RECIPES.iter().filter(chosen) {
        table.push(check_recipe(&workshop, recipe, &combinations(args.ci))?);
    }
    Ok(table)
}

/// Runs a recipe on all combinations; returns its line of the table.
fn check_recipe(
    workshop: &Workshop,
    recipe: &Recipe,
    combinations: &[(usize, usize)],
) -> Result<String> {
    let began = Instant::now();
    let mut first: Option<Traces> = None;
    for (threads, workers) in combinations {
        let found = train(workshop, recipe, *threads, *workers)?;
        println!(
            "    {:<14} threads {threads:>2}, workers {workers}: {}",
            recipe.name, found.weights
        );
        match &first {
            None => first = Some(found),
            Some(first) => {
                let differences = found.differences(first);
                if !differences.is_empty() {
                    bail!(
                        "recipe {} depends on threads or workers ({threads} and {workers} against {:?}):\n{}",
                        recipe.name,
                        combinations[0],
                        differences.join("\n")
                    );
                }
            }
        }
    }
    let first = first.context("no combination was run")?;
    ensure!(
        first.log.len() > 3,
        "recipe {} logged only {} lines",
        recipe.name,
        first.log.len()
    );
    let list = |pick: fn(&(usize, usize)) -> usize| {
        let mut numbers: Vec<usize> = combinations.iter().map(pick).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        words.join(" ")
    };
    Ok(format!(
        "{:<14} {:>4}  {:<20} {:<18} {:>5}  {}  {:>6.1}",
        recipe.name,
        combinations.len(),
        list(|c| c.0),
        list(|c| c.1),
        first.log.len(),
        first.weights,
        began.elapsed().as_secs_f64()
    ))
}

fn train(workshop: &Workshop, recipe: &Recipe, threads: usize, workers: usize) -> Result<Traces> {
    let out = format!("{}-{threads}-{workers}", recipe.name);
    let words = recipe
        .words
        .replace("AUGMENTED", AUGMENTED)
        .replace("PLAIN", PLAIN);
    let words = format!(
        "{words} --threads {threads} --workers {workers} --set log_every=1 --set log_samples=true"
    );
    let printed = run_for_stdout(&mut workshop.train(&words, &out))?;
    let run = workshop.path(&out);
    let traces = Traces::of(&run, &printed)?;
    std::fs::remove_dir_all(&run)?;
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_threads_and_workers_occurs() {
        let all = combinations(false);
        for threads in THREADS {
            assert!(all.iter().filter(|c| c.0 == threads).count() >= 3);
        }
        for workers in 0..=WORKERS {
            assert!(all.iter().filter(|c| c.1 == workers).count() >= 2);
        }
        assert!(combinations(true).iter().all(|c| THREADS.contains(&c.0)));
    }
}
