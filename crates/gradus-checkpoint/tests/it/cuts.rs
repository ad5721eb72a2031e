//! The power cut at every moment, with everything that it may leave: loading gives what was promised or what was being written.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use gradus_checkpoint::{CheckpointStore, FileSystem, write_atomically};

use crate::model_fs::{Cut, Defects, ModelFs};
use crate::store::{mark, save};

const DIR: &str = "/checkpoints";

fn store(fs: &ModelFs) -> CheckpointStore {
    CheckpointStore::new(DIR, Arc::new(fs.clone()))
}

/// Saves, and notes the promise if that succeeded.
fn save_marked(fs: &ModelFs, step: u64, what: i64) {
    if save(&store(fs), step, what).is_ok() {
        fs.promise(what);
    }
}

/// A directory with the checkpoints of these steps, each marked with its step.
fn with_checkpoints(steps: &[i64]) -> ModelFs {
    let fs = ModelFs::new();
    for &step in steps {
        save_marked(&fs, u64::try_from(step).unwrap(), step);
    }
    fs.settle();
    fs
}

/// What a power cut left, and what is wrong with it, if anything is.
struct Judge {
    seen: HashSet<u64>,
    /// The largest mark that was ever being written.
    newest: i64,
    wrong: Vec<String>,
}

impl Judge {
    fn new(newest: i64) -> Self {
        Self {
            seen: HashSet::new(),
            newest,
            wrong: Vec::new(),
        }
    }

    /// Loads a state that was not seen before, and saves on it.
    fn judge(&mut self, cut: &Cut) {
        let mut hasher = DefaultHasher::new();
        (&cut.tree, cut.promised).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        let fs = ModelFs::holding(&cut.tree);
        let found = store(&fs).newest_whole().unwrap().checkpoint;
        // `mark` panics if the files of one checkpoint are a mix.
        let found = found.as_ref().map_or(i64::MIN, mark);
        if found < cut.promised || found > self.newest {
            let names: Vec<&String> = cut.tree.keys().collect();
            self.wrong.push(format!(
                "promised {}, found {found}: {names:?}",
                cut.promised
            ));
            return;
        }
        save(&store(&fs), 1000, 1000).unwrap();
        let newest = store(&fs).newest_whole().unwrap();
        assert_eq!(mark(&newest.checkpoint.unwrap()), 1000);
        let left = fs.list(Path::new(DIR)).unwrap();
        let hidden = |name: &str| name.starts_with('.');
        assert!(
            !left.iter().any(|e| hidden(e.name.to_str().unwrap())),
            "{left:?}"
        );
    }

    #[track_caller]
    fn states(self) -> usize {
        assert!(
            self.wrong.is_empty(),
            "{} of {} states: {:#?}",
            self.wrong.len(),
            self.seen.len(),
            &self.wrong[..3.min(self.wrong.len())]
        );
        self.seen.len()
    }
}

/// Judges every state that a cut during `act` may leave; returns how many there are.
#[track_caller]
fn cut_everywhere(fs: &ModelFs, newest: i64, act: impl FnOnce(&ModelFs)) -> usize {
    let before = fs.len();
    act(fs);
    assert!(fs.len() > before, "nothing was done");
    let mut judge = Judge::new(newest);
    fs.every_cut(before, &mut |cut| judge.judge(&cut));
    judge.states()
}

fn save_another() -> usize {
    cut_everywhere(&with_checkpoints(&[1]), 2, |fs| save_marked(fs, 2, 2))
}

fn save_the_first() -> usize {
    cut_everywhere(&ModelFs::new(), 1, |fs| save_marked(fs, 1, 1))
}

/// The marks grow and the step stays.
fn replace() -> usize {
    cut_everywhere(&with_checkpoints(&[1]), 3, |fs| {
        save_marked(fs, 1, 2);
        save_marked(fs, 1, 3);
    })
}

fn save_and_retain() -> usize {
    cut_everywhere(&with_checkpoints(&[1]), 5, |fs| {
        for step in 2..=5 {
            save_marked(fs, step, i64::try_from(step).unwrap());
            store(fs).retain(2, &[]).unwrap();
        }
    })
}

/// The process dies at every call of a save, another goes on without knowing, and then the power is cut at every call of that one.
fn die_and_go_on(step: u64) -> usize {
    let whole = with_checkpoints(&[1]);
    let before = whole.len();
    save_marked(&whole, step, 2);
    let mut states = 0;
    for dead_after in before..whole.len() {
        let fs = with_checkpoints(&[1]);
        fs.set(Defects {
            dead_after: Some(dead_after),
            ..Defects::default()
        });
        save_marked(&fs, step, 2);
        fs.set(Defects::default());
        let began = fs.len();
        let mut judge = Judge::new(3);
        save_marked(&fs, 3, 3);
        fs.every_cut(began, &mut |cut| judge.judge(&cut));
        states += judge.states();
    }
    states
}

/// Each sync fails in turn: its bytes are lost, the caller is told, and then the power is cut.
fn fail_each_sync(step: u64) -> usize {
    let whole = with_checkpoints(&[1]);
    whole.set(Defects::default());
    save_marked(&whole, step, 2);
    let mut states = 0;
    for number in 0..whole.syncs() {
        let fs = with_checkpoints(&[1]);
        fs.set(Defects {
            failing_sync: Some(number),
            ..Defects::default()
        });
        states += cut_everywhere(&fs, 3, |fs| {
            save_marked(fs, step, 2);
            save_marked(fs, 3, 3);
        });
    }
    states
}

/// What is cut, and the work that returns how many states there were.
type Scenario = (&'static str, fn() -> usize);

/// Says how many states a scenario has, for who runs the tests with `--nocapture`.
fn report(states: usize, scenario: &str) {
    let _ = writeln!(std::io::stdout(), "{states:>7} states: {scenario}");
}

#[test]
fn a_power_cut_leaves_what_was_promised_or_what_was_being_written() {
    let scenarios: [Scenario; 8] = [
        ("the first checkpoint", save_the_first),
        ("another checkpoint", save_another),
        ("a checkpoint in place of another", replace),
        ("checkpoints and retention", save_and_retain),
        ("killed, gone on, cut", || die_and_go_on(2)),
        ("killed while replacing, gone on, cut", || die_and_go_on(1)),
        ("failing syncs", || fail_each_sync(2)),
        ("failing syncs while replacing", || fail_each_sync(1)),
    ];
    let total = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (name, scenario) in scenarios {
            let total = &total;
            scope.spawn(move || {
                let states = scenario();
                report(states, name);
                total.fetch_add(states, Relaxed);
            });
        }
    });
    let total = total.into_inner();
    report(total, "all");
    assert!(total >= 10_000, "only {total} states");
}

#[test]
fn the_cuts_find_a_store_that_does_not_sync() {
    let lies = [
        Defects {
            files_stay_unsynced: true,
            ..Defects::default()
        },
        Defects {
            dirs_stay_unsynced: true,
            ..Defects::default()
        },
    ];
    for lie in lies {
        let fs = with_checkpoints(&[1]);
        fs.set(lie);
        let before = fs.len();
        save_marked(&fs, 2, 2);
        let mut judge = Judge::new(2);
        fs.every_cut(before, &mut |cut| judge.judge(&cut));
        assert!(!judge.wrong.is_empty(), "{lie:?}");
    }
}

#[test]
fn a_single_file_is_the_old_or_the_new() {
    let fs = ModelFs::new();
    let path = Path::new("/labels.txt");
    let write =
        |bytes: &[u8]| write_atomically(&fs, path, &mut |out| out.write_all(bytes)).unwrap();
    write(b"old");
    fs.settle();
    let before = fs.len();
    write(b"newer");
    fs.promise(1);
    let mut states = 0;
    fs.every_cut(before, &mut |cut| {
        states += 1;
        let bytes = cut.tree.get("/labels.txt").cloned().flatten();
        let old = bytes.as_deref() == Some(b"old") && cut.promised < 1;
        assert!(old || bytes.as_deref() == Some(b"newer"), "{bytes:?}");
    });
    assert!(states > 20, "{states}");
}
