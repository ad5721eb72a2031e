//! Crafted files, each with the error that it gets, in tables: what stands in the file, and words of the message.

mod data;
mod numpy;
mod run;
mod safetensors;
mod text;
mod torch;

use std::collections::BTreeSet;
use std::path::Path;

use crate::guard::{self, Answer, say};
use crate::parser::Parser;

/// A crafted file.
pub(crate) struct Case {
    name: &'static str,
    parser: &'static Parser,
    content: Content,
    /// Words of the message.
    error: &'static str,
}

enum Content {
    Bytes(Vec<u8>),
    /// What is no file of its own, such as a link.
    Laid(fn(&Path)),
}

/// A row of a table.
fn row(
    name: &'static str,
    parser: &'static Parser,
    bytes: impl AsRef<[u8]>,
    error: &'static str,
) -> Case {
    Case {
        name,
        parser,
        content: Content::Bytes(bytes.as_ref().to_vec()),
        error,
    }
}

/// A row whose files are laid by hand.
fn laid(name: &'static str, parser: &'static Parser, lay: fn(&Path), error: &'static str) -> Case {
    let content = Content::Laid(lay);
    Case {
        name,
        parser,
        content,
        error,
    }
}

/// Refuses to pass unless every file gets its error, in time and within the memory that it may cost.
#[track_caller]
fn check(cases: Vec<Case>, at_least: usize) {
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
    let mut wrong = Vec::new();
    let (mut slowest, mut most) = (0.0_f64, 0);
    for case in &cases {
        let dir = tempfile::tempdir().unwrap();
        case.parser.lay(dir.path());
        let (cost, len) = match &case.content {
            Content::Bytes(bytes) => case.parser.run(dir.path(), bytes),
            Content::Laid(lay) => {
                lay(dir.path());
                (guard::watch(&|| (case.parser.open)(dir.path())), 0)
            }
        };
        slowest = slowest.max(cost.seconds);
        most = most.max(cost.bytes.saturating_sub(2 * len));
        if let Some(fault) = cost.fault(len) {
            wrong.push(format!("{}: {fault}", case.name));
        }
        match cost.answer {
            Answer::Refused(message) if message.contains(case.error) && message.len() < 2000 => {}
            Answer::Refused(message) => {
                let message: String = message.chars().take(500).collect();
                wrong.push(format!(
                    "{}: expected {:?}, got {message}",
                    case.name, case.error
                ));
            }
            Answer::Accepted => wrong.push(format!("{}: accepted", case.name)),
            Answer::Panicked(_) => {}
        }
    }
    let line = format!(
        "{} crafted files, each with its error; slowest {:.0} ms, at most {:.1} MiB beyond twice the file",
        cases.len(),
        1e3 * slowest,
        most as f64 / f64::from(1 << 20)
    );
    say(&line);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= at_least, "{} files", cases.len());
}

#[test]
fn every_crafted_file_gets_its_error() {
    let _turn = guard::one_at_a_time();
    let cases = [
        safetensors::cases(),
        torch::cases(),
        numpy::cases(),
        data::cases(),
        text::cases(),
        run::cases(),
    ];
    check(cases.into_iter().flatten().collect(), 100);
}
