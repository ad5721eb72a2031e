//! Every registered op against its reference, finite differences, layouts, dtypes and thread counts.

use gradus_autograd::registry::{self, CheckConfig, Draw, OpSpec, check, check_case};
use gradus_random::Rng;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// How many cases of each op the test run draws; `gradus gradcheck --cases N` draws as many as one likes.
const CASES: u32 = 6;

/// `GRADUS_OPS=tanh,mul` narrows a run to these ops.
fn check_group(group: &str) {
    let only = std::env::var("GRADUS_OPS").ok();
    let wanted = |op: &OpSpec| {
        let names = only.as_deref().map(|names| names.split(','));
        op.group() == group && names.is_none_or(|mut names| names.any(|name| name == op.name()))
    };
    let of_group: Vec<&OpSpec> = registry::all().iter().filter(|op| wanted(op)).collect();
    assert!(!of_group.is_empty(), "no op of group {group}");
    let failures: Vec<String> = of_group.into_iter().filter_map(failure).collect();
    assert!(
        failures.is_empty(),
        "{} ops failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// What is wrong with an op: first the cases of its seed, then those that proptest chooses, which shrink to a small one.
fn failure(op: &OpSpec) -> Option<String> {
    let config = CheckConfig {
        cases: 4,
        ..CheckConfig::default()
    };
    if let Some(what) = check(op, &config).failure {
        return Some(what);
    }
    let config = ProptestConfig {
        cases: CASES,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let choices = (prop::collection::vec(0_u64..1 << 16, 0..24), any::<u64>());
    let outcome = TestRunner::new(config).run(&choices, |(choices, seed)| {
        check_case(op, Draw::from_choices(choices, seed)).map_err(TestCaseError::fail)?;
        Ok(())
    });
    outcome.err().map(|e| e.to_string())
}

/// A single case may be drawn empty; the check goes on until it has compared something, whatever the seed.
#[test]
fn one_case_compares_something_of_every_op() {
    let config = CheckConfig {
        cases: 1,
        large: false,
        seed: 7,
    };
    let failures: Vec<String> = registry::all()
        .iter()
        .filter_map(|op| check(op, &config).failure)
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn elementwise() {
    check_group("elementwise");
}

#[test]
fn reduce() {
    check_group("reduce");
}

#[test]
fn shape() {
    check_group("shape");
}

#[test]
fn index() {
    check_group("index");
}

#[test]
fn linalg() {
    check_group("linalg");
}

#[test]
fn nn() {
    check_group("nn");
}

#[test]
fn loss() {
    check_group("loss");
}

#[test]
fn every_op_has_a_check_and_a_name_of_its_own() {
    let mut last = "";
    for op in registry::all() {
        assert_eq!(op.missing(), None, "{}", op.name());
        assert_ne!(op.name(), last, "registered twice");
        last = op.name();
    }
}

/// A slice of `cargo xtask fuzz`: no call panics, whatever it is given.
#[test]
fn arbitrary_calls_do_not_panic() {
    let calls = std::env::var("GRADUS_FUZZ_CALLS").ok();
    let calls: u64 = calls.map_or(10_000, |n| {
        n.parse().expect("GRADUS_FUZZ_CALLS is a number")
    });
    let ops = registry::all();
    let mut done = 0;
    for i in 0..calls {
        let mut rng = Rng::new(1, gradus_random::stream_of("fuzz"), i);
        let op = &ops[rng.below(ops.len() as u64) as usize];
        let args = registry::arbitrary(op, &mut rng).expect("small tensors");
        let shown = format!("call {i}: {}({args})", op.name());
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| op.call_blindly(args)));
        match outcome {
            Ok(Ok(_)) => done += 1,
            Ok(Err(_)) => {}
            Err(_) => panic!("{shown}: panicked"),
        }
    }
    assert!(
        done > calls / 20,
        "only {done} of {calls} calls were good: the drawing is off"
    );
}
