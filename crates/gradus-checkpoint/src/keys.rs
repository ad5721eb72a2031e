//! Comparing a model's names and shapes with a file's: all differences at once, with the nearest names.

use std::collections::BTreeMap;
use std::fmt;

use gradus_tensor::Shape;

use crate::error::{Nearest, Quoted};

/// Names shown of each kind, and names whose nearest is searched.
const SHOWN: usize = 16;

/// Names that are compared with one name at most: a bound on the work that a hostile file can ask for.
const CANDIDATES: usize = 10_000;

/// The longest name, in bytes, for which a nearest one is searched.
const LONGEST: usize = 200;

/// A name that one side has and the other lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct UnmatchedKey {
    /// The name.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The nearest among the other side's unmatched names, for the first 16 of each kind, if one is near.
    pub nearest: Option<String>,
}

/// A name that both sides have, with different shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct MisshapenKey {
    /// The name.
    pub name: String,
    /// The model's shape.
    pub expected: Shape,
    /// The file's shape.
    pub found: Shape,
}

/// All differences between the names and shapes that are expected and those that were found.
///
/// Displays in a few lines, 16 names of each kind at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyReport {
    /// Expected and not found, in the expected order.
    pub missing: Vec<UnmatchedKey>,
    /// Found and not expected, in the order found.
    pub unexpected: Vec<UnmatchedKey>,
    /// Found with another shape, in the expected order.
    pub misshapen: Vec<MisshapenKey>,
}

/// Compares the names and shapes that a model expects with those that were found.
///
/// # Errors
/// A [`KeyReport`] of all missing, unexpected and misshapen names together.
///
/// ```
/// use gradus_checkpoint::compare_keys;
/// use gradus_tensor::Shape;
/// let shape = Shape::new(&[10, 84]).unwrap();
/// let report = compare_keys(&[("fc3.weight".into(), shape)], &[("fc_3.weight".into(), shape)]).unwrap_err();
/// assert_eq!(report.missing[0].nearest.as_deref(), Some("fc_3.weight"));
/// ```
pub fn compare_keys(
    expected: &[(String, Shape)],
    found: &[(String, Shape)],
) -> Result<(), Box<KeyReport>> {
    let by_name =
        |side: &[(String, Shape)]| -> BTreeMap<String, Shape> { side.iter().cloned().collect() };
    let (expected_by_name, found_by_name) = (by_name(expected), by_name(found));
    let mut report = KeyReport::default();
    let unmatched = |name: &String, shape: &Shape| UnmatchedKey {
        name: name.clone(),
        shape: *shape,
        nearest: None,
    };
    for (name, shape) in expected {
        match found_by_name.get(name) {
            None => report.missing.push(unmatched(name, shape)),
            Some(found) if found != shape => report.misshapen.push(MisshapenKey {
                name: name.clone(),
                expected: *shape,
                found: *found,
            }),
            Some(_) => {}
        }
    }
    for (name, shape) in found {
        if !expected_by_name.contains_key(name) {
            report.unexpected.push(unmatched(name, shape));
        }
    }
    if report == KeyReport::default() {
        return Ok(());
    }
    let names =
        |keys: &[UnmatchedKey]| -> Vec<String> { keys.iter().map(|k| k.name.clone()).collect() };
    let (missing, unexpected) = (names(&report.missing), names(&report.unexpected));
    fill_nearest(&mut report.missing, &unexpected);
    fill_nearest(&mut report.unexpected, &missing);
    Err(Box::new(report))
}

fn fill_nearest(keys: &mut [UnmatchedKey], candidates: &[String]) {
    for key in keys.iter_mut().take(SHOWN) {
        let candidates = candidates.iter().map(String::as_str);
        key.nearest = nearest(&key.name, candidates).map(str::to_owned);
    }
}

/// The candidate at the least edit distance, the first of equals, if it is near: at most a third of the name away.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let mut limit = name.chars().count().div_ceil(3);
    let mut best = None;
    for candidate in candidates.take(CANDIDATES) {
        if let Some(distance) = distance_within(name, candidate, limit) {
            best = Some(candidate);
            match distance.checked_sub(1) {
                None => break,
                Some(nearer) => limit = nearer,
            }
        }
    }
    best
}

/// The Levenshtein distance (insertions, deletions, substitutions of characters), if it is at most `limit`.
fn distance_within(a: &str, b: &str, limit: usize) -> Option<usize> {
    if b.len() > LONGEST {
        return None;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
        if row.iter().all(|&d| d > limit) {
            return None;
        }
    }
    row.last().copied().filter(|&d| d <= limit)
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missing, unexpected, misshapen) = (
            self.missing.len(),
            self.unexpected.len(),
            self.misshapen.len(),
        );
        write!(
            f,
            "the names do not fit the model: {missing} missing, {unexpected} unexpected, {misshapen} misshapen"
        )?;
        for (kind, keys) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            for UnmatchedKey {
                name,
                shape,
                nearest,
            } in keys.iter().take(SHOWN)
            {
                let nearest = Nearest(nearest.as_deref());
                write!(f, "\n  {kind} {} {shape}{nearest}", Quoted(name))?;
            }
            more(f, kind, keys.len())?;
        }
        for MisshapenKey {
            name,
            expected,
            found,
        } in self.misshapen.iter().take(SHOWN)
        {
            let name = Quoted(name);
            write!(
                f,
                "\n  misshapen {name}: the model has {expected}, the file {found}"
            )?;
        }
        more(f, "misshapen", misshapen)
    }
}

fn more(f: &mut fmt::Formatter<'_>, kind: &str, count: usize) -> fmt::Result {
    match count.checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(rest) => write!(f, "\n  and {rest} more {kind}"),
    }
}

impl std::error::Error for KeyReport {}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(list: &[(&str, &[usize])]) -> Vec<(String, Shape)> {
        let key = |(name, dims): &(&str, &[usize])| ((*name).to_owned(), Shape::new(dims).unwrap());
        list.iter().map(key).collect()
    }

    #[test]
    fn all_differences_come_together() {
        let expected = keys(&[
            ("conv1.weight", &[6, 3, 5, 5]),
            ("conv1.bias", &[6]),
            ("fc3.weight", &[10, 84]),
        ]);
        let found = keys(&[
            ("fc3.weight", &[100, 84]),
            ("conv_1.weight", &[6, 3, 5, 5]),
            ("step", &[]),
            ("conv1.bias", &[6]),
        ]);
        let report = compare_keys(&expected, &found).unwrap_err();
        assert_eq!(
            report.to_string(),
            "the names do not fit the model: 1 missing, 2 unexpected, 1 misshapen\n\
             \x20 missing \"conv1.weight\" (6, 3, 5, 5); did you mean \"conv_1.weight\"?\n\
             \x20 unexpected \"conv_1.weight\" (6, 3, 5, 5); did you mean \"conv1.weight\"?\n\
             \x20 unexpected \"step\" ()\n\
             \x20 misshapen \"fc3.weight\": the model has (10, 84), the file (100, 84)"
        );
        assert_eq!(compare_keys(&expected, &expected), Ok(()));
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<_> = (0..40)
            .map(|i| (format!("layer.{i}"), Shape::SCALAR))
            .collect();
        let text = compare_keys(&many, &[]).unwrap_err().to_string();
        assert!(text.ends_with("\n  and 24 more missing"), "{text}");
        assert_eq!(text.lines().count(), 1 + SHOWN + 1);
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, d) in [
            ("", "", 0),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("", "ab", 2),
            ("é", "e", 1),
        ] {
            assert_eq!(distance_within(a, b, 10), Some(d), "{a} {b}");
            assert_eq!(distance_within(b, a, d), Some(d), "{a} {b}");
            if d > 0 {
                assert_eq!(distance_within(a, b, d - 1), None, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_nearest_is_near_and_the_first_of_equals() {
        assert_eq!(
            nearest("conv1", ["conv3", "conv2"].into_iter()),
            Some("conv3")
        );
        assert_eq!(nearest("conv1", ["bn", "xxxxx"].into_iter()), None);
        assert_eq!(
            nearest("conv1", ["conv2", "conv1"].into_iter()),
            Some("conv1")
        );
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(nearest(&long, [long.as_str()].into_iter()), None);
    }
}
