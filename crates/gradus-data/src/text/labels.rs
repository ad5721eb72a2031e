//! Labels of files into class numbers: names in sorted order, numbers in theirs.

use std::collections::BTreeSet;

use crate::text::TextProblem;

/// The label of one text or token as a file has it.
pub(crate) type RawLabel = String;

/// The classes that labels name: numbers ascending if all are numbers, else names in the order of their bytes.
///
/// # Errors
/// The position of a label that is no number where the first one is.
pub(crate) fn classes_of<'a>(
    labels: impl Iterator<Item = &'a RawLabel> + Clone,
) -> Result<Vec<String>, (usize, TextProblem)> {
    let number = |label: &RawLabel| label.parse::<i64>().ok();
    if labels
        .clone()
        .next()
        .is_none_or(|first| number(first).is_none())
    {
        let names: BTreeSet<&RawLabel> = labels.collect();
        return Ok(names.into_iter().cloned().collect());
    }
    let mut numbers = BTreeSet::new();
    for (position, label) in labels.enumerate() {
        let Some(number) = number(label) else {
            let label = label.clone();
            return Err((position, TextProblem::MixedLabels { label }));
        };
        numbers.insert(number);
    }
    Ok(numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect())
}

/// The class number of each label.
///
/// # Errors
/// The position of a label that is no class.
pub(crate) fn numbers_of<'a>(
    labels: impl Iterator<Item = &'a RawLabel>,
    classes: &[String],
) -> Result<Vec<i64>, (usize, TextProblem)> {
    let index: std::collections::BTreeMap<&str, i64> =
        classes.iter().map(String::as_str).zip(0..).collect();
    // "007" and "+7" are the number 7.
    let canonical = |label: &str| label.parse::<i64>().map(|number| number.to_string());
    labels
        .enumerate()
        .map(|(position, label)| {
            let known = index.get(label.as_str()).copied();
            let known = known.or_else(|| index.get(canonical(label).ok()?.as_str()).copied());
            known.ok_or_else(|| {
                let (label, known) = (label.clone(), classes.to_vec());
                (position, TextProblem::UnknownLabel { label, known })
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(labels: &[&str]) -> Vec<RawLabel> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn numbers_are_ordered_as_numbers_and_names_as_names() {
        let labels = raw(&["10", "9", "0", "9"]);
        let classes = classes_of(labels.iter()).unwrap();
        assert_eq!(classes, ["0", "9", "10"]);
        assert_eq!(numbers_of(labels.iter(), &classes).unwrap(), [2, 1, 0, 1]);
        let labels = raw(&["pos", "neg", "pos", "中性"]);
        let classes = classes_of(labels.iter()).unwrap();
        assert_eq!(classes, ["neg", "pos", "中性"]);
        assert_eq!(numbers_of(labels.iter(), &classes).unwrap(), [1, 0, 1, 2]);
        assert_eq!(numbers_of(raw(&["007"]).iter(), &raw(&["7"])), Ok(vec![0]));
    }

    #[test]
    fn a_label_that_does_not_fit_is_named_with_its_place() {
        let labels = raw(&["1", "2", "good"]);
        let (position, problem) = classes_of(labels.iter()).unwrap_err();
        assert_eq!((position, problem.to_string().contains("good")), (2, true));
        let (position, problem) = numbers_of(labels.iter(), &raw(&["1", "2"])).unwrap_err();
        assert_eq!(position, 2);
        assert_eq!(problem.to_string(), r#"label "good" is none of "1", "2""#);
    }
}
