//! Every parser over mutated files: no panic, no abort, and no more time and memory than a file may cost.
//!
//! As ordinary tests these are a few hundred files a parser, always the same ones. `cargo xtask fuzz parsers` sets `GRADUS_FUZZ_SECONDS`,
//! and the folder that a file is kept in when it breaks something.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use crate::guard::{self, Answer, say};
use crate::mutate::{Dice, spoil};
use crate::parser::{Parser, put};
use crate::parsers;

/// Files a parser where nothing else is said.
const ROUNDS: u64 = 300;

/// A run does a whole training step a file.
const ROUNDS_OF_RUNS: u64 = 40;

/// The most files that others are made from.
const MOST_SEEDS: usize = 400;

/// The longest file that others are made from, in bytes.
const LONGEST_SEED: usize = 64 << 10;

/// How long, from where, and what to keep.
struct Plan {
    rounds: u64,
    /// Seconds of work, whatever else the machine does; by the clock where the system does not tell.
    seconds: Option<f64>,
    began: Instant,
    seed: u64,
    folder: Option<PathBuf>,
}

impl Plan {
    fn new(rounds: u64) -> Self {
        let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
        let seconds = number("GRADUS_FUZZ_SECONDS").map(|seconds| seconds as f64);
        Self {
            rounds: if seconds.is_some() { u64::MAX } else { rounds },
            seconds,
            began: Instant::now(),
            seed: number("GRADUS_FUZZ_SEED").unwrap_or(1),
            folder: std::env::var_os("GRADUS_FUZZ_FOLDER").map(PathBuf::from),
        }
    }

    fn is_over(&self, round: u64) -> bool {
        let spent =
            || guard::seconds_of_process().unwrap_or_else(|| self.began.elapsed().as_secs_f64());
        round >= self.rounds || self.seconds.is_some_and(|seconds| spent() >= seconds)
    }
}

/// What a run of the fuzzer saw.
#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    /// Answers without what the file says itself.
    kinds: BTreeSet<String>,
    slowest: f64,
    /// The most memory beyond twice the file's length.
    most: usize,
}

fn fuzz(parser: &Parser, rounds: u64) {
    let _turn = guard::one_at_a_time();
    let plan = Plan::new(rounds);
    let dir = tempfile::tempdir().unwrap();
    parser.lay(dir.path());
    let mut seeds = parser.sound();
    let accepted = |bytes: &Vec<u8>| {
        let (cost, len) = parser.run(dir.path(), bytes);
        assert!(cost.fault(len).is_none(), "{}: {cost:?}", parser.name);
        matches!(cost.answer, Answer::Accepted)
    };
    let sound = seeds.iter().filter(|bytes| accepted(bytes)).count();
    assert!(
        sound > 0,
        "{}: no file of the corpus is accepted",
        parser.name
    );
    let mut tally = Tally::default();
    let mut round = 0;
    while !plan.is_over(round) {
        let mut dice = Dice::new(plan.seed, round);
        let bytes = spoil(&mut dice, &seeds, parser.words);
        // Should the process die, the file is there.
        if let Some(folder) = &plan.folder {
            put(&folder.join(format!("{}.last", parser.name)), &bytes);
        }
        let (cost, len) = parser.run(dir.path(), &bytes);
        if let Some(fault) = cost.fault(len) {
            let kept = dir.path().with_extension("finding");
            let kept = plan.folder.as_ref().map_or(kept, |folder| {
                folder.join(format!("{}.{}.{round}", parser.name, plan.seed))
            });
            put(&kept, &bytes);
            panic!(
                "{}, round {round}: {fault}; the file is {}",
                parser.name,
                kept.display()
            );
        }
        tally.slowest = tally.slowest.max(cost.seconds);
        tally.most = tally.most.max(cost.bytes.saturating_sub(2 * len));
        let kind = match cost.answer {
            Answer::Refused(message) => {
                // It may quote the file, but not again and again.
                let most = 10_000 + 2 * len;
                assert!(
                    message.len() < most,
                    "{}: a message of {} bytes",
                    parser.name,
                    message.len()
                );
                tally.refused += 1;
                kind_of(&message)
            }
            _ => {
                tally.accepted += 1;
                "accepted".to_owned()
            }
        };
        // What got an answer of its own may lead further.
        let new = tally.kinds.insert(kind);
        if new && seeds.len() < MOST_SEEDS && bytes.len() <= LONGEST_SEED {
            seeds.push(bytes);
        }
        round += 1;
    }
    let line = format!(
        "{}: {round} files, {} accepted, {} refused for {} reasons; slowest {:.0} ms, at most {:.1} MiB beyond twice the file",
        parser.name,
        tally.accepted,
        tally.refused,
        tally.kinds.len(),
        1e3 * tally.slowest,
        tally.most as f64 / f64::from(1 << 20),
    );
    say(&line);
    assert!(tally.refused > 0, "{}: nothing was refused", parser.name);
}

/// A message without its numbers and quotations, which come from the file.
fn kind_of(message: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for c in message.chars().take(400) {
        match c {
            '"' | '`' => quoted = !quoted,
            '0'..='9' => {}
            c if !quoted => kind.push(c),
            _ => {}
        }
    }
    kind
}

macro_rules! tests {
    ($($test:ident: $parser:ident, $rounds:expr;)*) => {
        $(
            #[test]
            fn $test() {
                fuzz(&parsers::$parser, $rounds);
            }
        )*

        #[test]
        fn names_are_those_of_the_tests() {
            $(assert_eq!(parsers::$parser.name.replace('-', "_"), stringify!($test));)*
        }
    };
}

tests! {
    safetensors: SAFETENSORS, ROUNDS;
    shard_index: SHARD_INDEX, ROUNDS;
    torch: TORCH, ROUNDS;
    torch_pickle: TORCH_PICKLE, ROUNDS;
    torch_legacy: TORCH_LEGACY, ROUNDS;
    npz: NPZ, ROUNDS;
    npz_entry: NPZ_ENTRY, ROUNDS;
    npy: NPY, ROUNDS;
    idx: IDX, ROUNDS;
    idx_gzip: IDX_GZIP, ROUNDS;
    image: IMAGE, ROUNDS;
    png: PNG, ROUNDS;
    csv: CSV, ROUNDS;
    tsv: TSV, ROUNDS;
    jsonl: JSONL, ROUNDS;
    conll: CONLL, ROUNDS;
    tagged_jsonl: TAGGED_JSONL, ROUNDS;
    tokens: TOKENS, ROUNDS;
    tokenizer: TOKENIZER, ROUNDS;
    vocab_txt: VOCAB_TXT, ROUNDS;
    vocab_json: VOCAB_JSON, ROUNDS;
    merges: MERGES, ROUNDS;
    chat: CHAT, ROUNDS;
    model_config: MODEL_CONFIG, ROUNDS;
    adapter: ADAPTER, ROUNDS;
    config: CONFIG, ROUNDS;
    events: EVENTS, ROUNDS;
    event_records: EVENT_RECORDS, ROUNDS;
    metrics: METRICS, ROUNDS;
    manifest: MANIFEST, ROUNDS;
    manifest_signed: MANIFEST_SIGNED, ROUNDS;
    state: STATE, ROUNDS_OF_RUNS;
}
