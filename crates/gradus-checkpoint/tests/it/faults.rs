//! Every call of the file system failing in turn, in every way: the checkpoint before or the one after, never a mix.

use std::path::Path;
use std::sync::Arc;

use gradus_checkpoint::{CheckpointStore, write_atomically};

use crate::faulty::{Fault, Faulty};
use crate::store::{mark, names, save, sound};

const FAULTS: [Fault; 7] = [
    Fault::Once,
    Fault::Killed,
    Fault::HalfWritten,
    Fault::Interrupted,
    Fault::Full,
    Fault::ReadOnly,
    Fault::NoSync,
];

/// Runs `act` with each of its calls failing in turn, each time on a fresh directory made by `prepare`, then `judge`s
/// what is left. `act` tells whether it succeeded.
#[track_caller]
fn every_call_fails(
    prepare: impl Fn(&Path),
    act: impl Fn(&Path, Faulty) -> bool,
    judge: impl Fn(&Path, bool, &str),
) {
    for fault in FAULTS {
        let mut reached = 0;
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            prepare(dir.path());
            let fs = Faulty::new(at, fault);
            let succeeded = act(dir.path(), fs.clone());
            judge(dir.path(), succeeded, &format!("{fault:?} at call {at}"));
            if !fs.reached() {
                assert!(succeeded, "nothing failed");
                break;
            }
            reached += 1;
        }
        assert!(reached > 5, "only {reached} calls");
    }
}

fn faulty_store(dir: &Path, fs: Faulty) -> CheckpointStore {
    CheckpointStore::new(dir, Arc::new(fs))
}

/// The store works again: another save succeeds and cleans up.
fn recovers(dir: &Path, context: &str) {
    save(&sound(dir), 1000, 1000).unwrap();
    assert_eq!(
        mark(&sound(dir).newest_whole().unwrap().checkpoint.unwrap()),
        1000
    );
    let left: Vec<String> = names(dir)
        .into_iter()
        .filter(|n| n.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{context}: {left:?}");
}

#[test]
fn a_new_checkpoint_is_whole_or_absent() {
    every_call_fails(
        |dir| drop(save(&sound(dir), 1, 1).unwrap()),
        |dir, fs| save(&faulty_store(dir, fs), 2, 2).is_ok(),
        |dir, succeeded, context| {
            let newest = sound(dir).newest_whole().unwrap().checkpoint.unwrap();
            let found = mark(&newest);
            assert!(
                found == 2 || (found == 1 && !succeeded),
                "{context}: {found}"
            );
            assert_eq!(mark(&sound(dir).load(1).unwrap()), 1, "{context}");
            recovers(dir, context);
        },
    );
}

#[test]
fn a_replaced_checkpoint_is_the_old_or_the_new() {
    every_call_fails(
        |dir| drop(save(&sound(dir), 1, 1).unwrap()),
        |dir, fs| save(&faulty_store(dir, fs), 1, 2).is_ok(),
        |dir, succeeded, context| {
            let newest = sound(dir).newest_whole().unwrap().checkpoint.unwrap();
            let found = mark(&newest);
            assert!(
                found == 2 || (found == 1 && !succeeded),
                "{context}: {found}"
            );
            recovers(dir, context);
            let kept = mark(&sound(dir).load(1).unwrap());
            assert_eq!(kept, found, "{context}: cleaning changed which one counts");
        },
    );
}

#[test]
fn recovery_itself_may_fail_anywhere() {
    every_call_fails(
        |dir| {
            save(&sound(dir), 1, 1).unwrap();
            std::fs::rename(dir.join("step-1"), dir.join(".old-step-1-7")).unwrap();
            // The successor is damaged, another write never finished.
            save(&sound(&dir.join("other")), 1, 2).unwrap();
            std::fs::rename(dir.join("other/step-1"), dir.join("step-1")).unwrap();
            std::fs::remove_dir(dir.join("other")).unwrap();
            std::fs::remove_file(dir.join("step-1/state.json")).unwrap();
            std::fs::create_dir(dir.join(".tmp-step-2-7")).unwrap();
        },
        |dir, fs| faulty_store(dir, fs).clean_leftovers().is_ok(),
        |dir, _, context| {
            let newest = sound(dir).newest_whole().unwrap().checkpoint;
            assert_eq!(newest.as_ref().map(mark), Some(1), "{context}");
            recovers(dir, context);
            assert_eq!(mark(&sound(dir).load(1).unwrap()), 1, "{context}");
        },
    );
}

#[test]
fn retaining_keeps_a_whole_one_whatever_fails() {
    every_call_fails(
        |dir| {
            for step in 1..=4 {
                save(&sound(dir), step, i64::try_from(step).unwrap()).unwrap();
            }
            std::fs::remove_file(dir.join("step-4/state.json")).unwrap();
        },
        |dir, fs| faulty_store(dir, fs).retain(1, &[]).is_ok(),
        |dir, succeeded, context| {
            let newest = sound(dir).newest_whole().unwrap();
            assert_eq!(mark(&newest.checkpoint.unwrap()), 3, "{context}");
            // Where reading failed, more may stay than was asked for.
            assert!(
                !succeeded || names(dir).len() <= 4,
                "{context}: {:?}",
                names(dir)
            );
            recovers(dir, context);
        },
    );
}

#[test]
fn looking_for_the_newest_never_invents_one() {
    every_call_fails(
        |dir| {
            save(&sound(dir), 1, 1).unwrap();
            save(&sound(dir), 2, 2).unwrap();
        },
        |dir, fs| match faulty_store(dir, fs.clone()).newest_whole() {
            Ok(newest) => {
                // Passed over for a failed read, and then named.
                let step = newest
                    .checkpoint
                    .as_ref()
                    .map(gradus_checkpoint::Checkpoint::step);
                assert_eq!(step == Some(2), newest.damaged.is_empty());
                true
            }
            Err(_) => false,
        },
        |dir, _, context| {
            let newest = sound(dir).newest_whole().unwrap().checkpoint.unwrap();
            assert_eq!(mark(&newest), 2, "{context}: looking changed something");
        },
    );
}

#[test]
fn a_single_file_is_the_old_or_the_new() {
    every_call_fails(
        |dir| std::fs::write(dir.join("f"), b"old").unwrap(),
        |dir, fs| write_atomically(&fs, &dir.join("f"), &mut |out| out.write_all(b"new!")).is_ok(),
        |dir, succeeded, context| {
            let bytes = std::fs::read(dir.join("f")).unwrap();
            assert!(
                bytes == b"new!" || (bytes == b"old" && !succeeded),
                "{context}: {bytes:?}"
            );
        },
    );
}

#[test]
fn interrupted_and_short_writes_are_carried_on() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::new(0, Fault::ShortWrites);
    save(&faulty_store(dir.path(), fs), 1, 1).unwrap();
    assert_eq!(mark(&sound(dir.path()).load(1).unwrap()), 1);
}

#[test]
fn everything_is_synced_before_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::none();
    save(
        &faulty_store(&dir.path().join("checkpoints"), fs.clone()),
        1,
        1,
    )
    .unwrap();
    let temporary = format!(".tmp-step-1-{}", std::process::id());
    let mut expected = vec!["create_dir checkpoints".to_owned()];
    expected.push(format!(
        "sync_dir {}",
        dir.path().file_name().unwrap().to_string_lossy()
    ));
    expected.push(format!("create_dir {temporary}"));
    for name in [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
        "manifest.json",
    ] {
        expected.extend(["create", "write", "sync"].map(|call| format!("{call} {name}")));
    }
    expected.push(format!("sync_dir {temporary}"));
    expected.push(format!("rename {temporary}"));
    expected.push("sync_dir checkpoints".to_owned());
    let log = fs.log();
    assert_eq!(log[..expected.len()], expected);
    // What follows only removes the one that was replaced.
    assert_eq!(log.len(), expected.len() + 1, "{log:?}");
    assert!(log[expected.len()].starts_with("remove .old-"), "{log:?}");
}
