//! The known name nearest to a misspelt one (Levenshtein distance), for error messages.

/// The number of single-character insertions, deletions and substitutions between two words.
///
/// ```
/// assert_eq!(gradus_data::edit_distance("kitten", "sitting"), 3);
/// ```
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The known name that is nearest to `name`, if it is near enough to be meant: case does not count, and at most
/// a third of the letters (at least two) may differ. The first of equals wins.
///
/// ```
/// let known = ["Resize", "CenterCrop", "RandomCrop"];
/// assert_eq!(gradus_data::nearest("RandonCrop", known), Some("RandomCrop"));
/// assert_eq!(gradus_data::nearest("Mixup", known), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(2);
    let mut best = None;
    for candidate in known {
        let distance = edit_distance(&wanted, &candidate.to_lowercase());
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_known_words() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("flaw", "lawn"), 2);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    #[test]
    fn case_is_forgiven_and_strangers_are_not() {
        assert_eq!(nearest("resize", ["Resize"]), Some("Resize"));
        assert_eq!(nearest("zzzzzz", ["Resize"]), None);
    }
}
