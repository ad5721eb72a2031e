//! The workloads in gradus and in the installed peers, in turns on the same cores, and the page of results.

mod page;
mod process;
mod record;
mod setup;
mod sides;
mod targets;

use super::machine;
use super::workload::build;
use crate::project::Project;
use anyhow::{Result, ensure};
use process::Process;
use record::{Measured, Record, median};
use setup::Setup;
use sides::{SIDES, Side, WORKLOADS};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where a run's lines go, relative to the root.
const RESULTS: &str = "benches/results/peers.jsonl";
/// A round of a side lasts about this long, or one step.
const ROUND_MS: f64 = 250.0;
const MOST_STEPS_A_ROUND: f64 = 500.0;
/// A side that has used up its time rests after this many rounds.
const LEAST_ROUNDS: usize = 3;
/// Between two sides: the threads of the one before stop spinning.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(super) struct PeerArgs {
    /// With --peers: how often each side takes its turn
    #[arg(long, default_value_t = 9, requires = "peers")]
    rounds: usize,
    /// With --peers: these workloads only, separated by commas
    #[arg(long, value_delimiter = ',', requires = "peers")]
    only: Vec<String>,
    /// With --peers: these sides only, besides ours, separated by commas
    #[arg(long, value_delimiter = ',', requires = "peers")]
    sides: Vec<String>,
    /// With --peers: these numbers of threads, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], requires = "peers")]
    thread_counts: Vec<usize>,
    /// With --peers: a side whose rounds of one workload took this many seconds rests after its third round
    #[arg(long, value_name = "S", requires = "peers")]
    most_seconds: Option<f64>,
    /// With --peers: the folder that benches/peers/install.sh filled
    #[arg(
        long,
        value_name = "FOLDER",
        env = "GRADUS_PEERS",
        requires = "peers",
        hide_env_values = true
    )]
    peers_dir: Option<PathBuf>,
    /// With --peers: our workloads in a program that was built before, instead of this tree's
    #[arg(long, value_name = "FILE", requires = "peers")]
    program: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct PageArgs {
    /// Files of results, the newest last; benches/results/peers.jsonl if not given
    files: Vec<PathBuf>,
}

/// Writes the page anew from files of results.
pub(super) fn write_page(project: &Project, args: &PageArgs) -> Result<()> {
    let files = if args.files.is_empty() {
        vec![project.root.join(RESULTS)]
    } else {
        args.files.clone()
    };
    page::write(project, &record::read(&files)?)
}

pub(super) fn run(project: &Project, args: &PeerArgs, python: Option<&Path>) -> Result<()> {
    check_names(args)?;
    let ours = match &args.program {
        Some(program) => std::path::absolute(program)?,
        None => build(project, "workload")?,
    };
    let setup = Setup::new(args.peers_dir.as_deref(), python, ours)?;
    let (date, commit) = machine::date_and_commit(project)?;
    let template = Record {
        date,
        commit,
        machine: machine::machine(),
        command: command_line(args),
        ..Default::default()
    };
    for &threads in &args.thread_counts {
        for workload in WORKLOADS {
            if !args.only.is_empty() && !args.only.iter().any(|only| only == workload) {
                continue;
            }
            let record = Record {
                workload: workload.to_owned(),
                threads,
                ..template.clone()
            };
            for group in groups(project, &setup, args, &record) {
                group.append(&project.root.join(RESULTS))?;
            }
            page::write(project, &record::read(&[project.root.join(RESULTS)])?)?;
        }
    }
    Ok(())
}

fn check_names(args: &PeerArgs) -> Result<()> {
    for only in &args.only {
        ensure!(
            WORKLOADS.contains(&only.as_str()),
            "{only:?} is no workload; there are {}",
            WORKLOADS.join(", ")
        );
    }
    let known: Vec<_> = SIDES.iter().map(|side| side.name).collect();
    for side in &args.sides {
        ensure!(
            known.contains(&side.as_str()),
            "{side:?} is no side; there are {}",
            known.join(", ")
        );
    }
    ensure!(args.rounds > 0, "--rounds must be at least 1");
    Ok(())
}

/// The command as a reader can repeat it; the folder of the peers is his own.
fn command_line(args: &PeerArgs) -> String {
    let threads: Vec<_> = args.thread_counts.iter().map(usize::to_string).collect();
    let mut line = format!(
        "cargo xtask bench --peers --peers-dir PEERS --rounds {} --thread-counts {}",
        args.rounds,
        threads.join(",")
    );
    if !args.only.is_empty() {
        line += &format!(" --only {}", args.only.join(","));
    }
    if !args.sides.is_empty() {
        line += &format!(" --sides {}", args.sides.join(","));
    }
    if let Some(seconds) = args.most_seconds {
        line += &format!(" --most-seconds {seconds}");
    }
    line
}

/// A side that is loaded and takes turns.
struct Live {
    side: Side,
    process: Process,
    measured: Measured,
    spent: f64,
}

impl Live {
    fn start(
        project: &Project,
        setup: &Setup,
        side: Side,
        workload: &str,
        threads: usize,
    ) -> Result<Self> {
        let (process, ready) =
            Process::start(&mut side.command(project, setup, workload, threads))?;
        let mut measured = Measured {
            version: ready.version,
            base_rss_mb: ready.base_rss_mb,
            peak_rss_mb: ready.warm_up.peak_rss_mb,
            ..Default::default()
        };
        measured.count_losses(&ready.warm_up.losses);
        let step = ready.warm_up.ms.last().copied().unwrap_or(ROUND_MS);
        measured.steps_per_round = steps_a_round(step);
        let mut live = Self {
            side,
            process,
            measured,
            spent: 0.0,
        };
        if live.measured.steps_per_round > 1 {
            // Short steps warm up for longer, and show how many make a round.
            let step = live.turn()?;
            live.measured.steps_per_round = steps_a_round(step);
            live.measured.rounds_ms.clear();
            live.measured.rounds_waited.clear();
        }
        Ok(live)
    }

    /// One round; the median of its steps.
    fn turn(&mut self) -> Result<f64> {
        let (began, waited) = (Instant::now(), self.process.waited());
        let steps = self.process.run(self.measured.steps_per_round)?;
        let ms = median(&steps.ms);
        let waited = self.process.waited() - waited;
        let seconds = began.elapsed().as_secs_f64();
        self.measured.rounds_waited.push(waited / seconds);
        self.measured.rounds_ms.push(ms);
        self.measured.count_losses(&steps.losses);
        self.measured.peak_rss_mb = steps.peak_rss_mb;
        self.spent += seconds;
        Ok(ms)
    }
}

fn steps_a_round(step_ms: f64) -> usize {
    (ROUND_MS / step_ms).round().clamp(1.0, MOST_STEPS_A_ROUND) as usize
}

/// All sides of a workload, in as few groups as fit into memory; ours is in each.
fn groups(project: &Project, setup: &Setup, args: &PeerArgs, empty: &Record) -> Vec<Record> {
    let wanted = |side: &&Side| {
        side.has(&empty.workload)
            && !side.is_ours()
            && (args.sides.is_empty() || args.sides.iter().any(|name| name == side.name))
    };
    let ours: Vec<Side> = SIDES
        .into_iter()
        .filter(|side| side.is_ours() && side.has(&empty.workload))
        .collect();
    let mut waiting: Vec<Side> = SIDES.iter().filter(wanted).copied().collect();
    let mut records = Vec::new();
    while !waiting.is_empty() || records.is_empty() {
        let mut record = empty.clone();
        let mut lives = Vec::new();
        let mut next = ours.clone();
        next.append(&mut waiting);
        for side in next {
            if !side.is_ours() && !lives.is_empty() && !fits(&lives) {
                waiting.push(side);
                continue;
            }
            let why = side.missing(setup);
            let started = match why {
                Some(why) => Err(why),
                None => Live::start(project, setup, side, &empty.workload, empty.threads)
                    .map_err(|error| format!("{error:#}")),
            };
            match started {
                Ok(live) => lives.push(live),
                Err(why) => {
                    eprintln!("{} skips {}: {why}", side.name, empty.workload);
                    record.skipped.push((side.name.to_owned(), why));
                }
            }
        }
        take_turns(&mut lives, args, &mut record);
        let sides = lives.into_iter();
        record.sides = sides
            .map(|live| (live.side.name.to_owned(), live.measured))
            .collect();
        report(&record);
        records.push(record);
    }
    records
}

/// Whether there is memory for one more process as large as the largest so far.
fn fits(lives: &[Live]) -> bool {
    let largest = lives
        .iter()
        .filter_map(|live| live.measured.peak_rss_mb)
        .fold(0.0, f64::max);
    let theirs = lives.iter().filter(|live| !live.side.is_ours()).count();
    theirs == 0
        || machine::memory_mb("MemAvailable:").is_none_or(|free| free > 1.5 * largest + 2048.0)
}

fn take_turns(lives: &mut Vec<Live>, args: &PeerArgs, record: &mut Record) {
    for round in 0..args.rounds {
        let count = lives.len();
        for turn in 0..count {
            // Each round begins with another side, so that none always follows the same one.
            let index = (turn + round) % count;
            let Some(live) = lives.get_mut(index) else {
                continue;
            };
            let tired = args
                .most_seconds
                .is_some_and(|most| round >= LEAST_ROUNDS && live.spent > most);
            if tired && !live.side.is_ours() {
                continue;
            }
            std::thread::sleep(PAUSE);
            if let Err(error) = live.turn() {
                let why = format!("failed in round {}: {error:#}", round + 1);
                eprintln!("{} {why}", live.side.name);
                record.skipped.push((live.side.name.to_owned(), why));
            }
        }
        let failed = |name: &str| record.skipped.iter().any(|(side, _)| side == name);
        lives.retain(|live| !failed(live.side.name));
    }
}

fn report(record: &Record) {
    for (name, measured) in &record.sides {
        let [low, high] = measured.spread();
        eprintln!(
            "{:<20} {} threads  {name:<12} {:>10.3} ms ({low:.3}–{high:.3}), {} rounds, waited {:.0} %, peak {:.0} MiB",
            record.workload,
            record.threads,
            measured.ms(),
            measured.rounds_ms.len(),
            median(&measured.rounds_waited) * 100.0,
            measured.peak_rss_mb.unwrap_or(f64::NAN),
        );
    }
}
