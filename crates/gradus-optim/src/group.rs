//! Parameter groups: other hyper-parameters for the parameters that a name pattern picks.

/// What differs for the parameters whose name matches `pattern`. The first group that matches counts.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamGroup {
    /// A name pattern: `*` stands for any characters, `?` for one. `*.bias` picks all biases.
    pub pattern: String,
    /// The learning rate is multiplied by this. Default: 1.
    pub lr_scale: f64,
    /// The weight decay, if another than the optimizer's.
    pub weight_decay: Option<f64>,
}

impl ParamGroup {
    /// A group that changes nothing yet.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            lr_scale: 1.0,
            weight_decay: None,
        }
    }
}

/// The learning-rate factor and weight decay of a parameter.
pub(crate) fn resolve(groups: &[ParamGroup], name: &str, weight_decay: f64) -> (f64, f64) {
    match groups
        .iter()
        .find(|group| matches_pattern(&group.pattern, name))
    {
        Some(group) => (group.lr_scale, group.weight_decay.unwrap_or(weight_decay)),
        None => (1.0, weight_decay),
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for any characters and `?` for one.
///
/// ```
/// use gradus_optim::matches_pattern;
/// assert!(matches_pattern("layer?.*.bias", "layer1.0.conv1.bias"));
/// assert!(!matches_pattern("*.bias", "bias"));
/// ```
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stood, and up to where it swallowed the name.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, swallowed)) = star {
            star = Some((at, swallowed + 1));
            p = at + 1;
            n = swallowed + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_globs_do() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*.norm*.weight", "h.0.norm1.weight", true),
            ("?", "ab", false),
            ("***a", "bca", true),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_unbounded_time() {
        assert!(!matches_pattern(&"*a".repeat(50), &"a".repeat(49)));
        assert!(!matches_pattern(
            &format!("{}b", "*a".repeat(30)),
            &"a".repeat(10_000)
        ));
    }

    #[test]
    fn the_first_group_counts() {
        let mut bias = ParamGroup::new("*.bias");
        bias.weight_decay = Some(0.0);
        let mut head = ParamGroup::new("head.*");
        head.lr_scale = 10.0;
        let groups = [bias, head];
        assert_eq!(resolve(&groups, "head.bias", 0.1), (1.0, 0.0));
        assert_eq!(resolve(&groups, "head.weight", 0.1), (10.0, 0.1));
        assert_eq!(resolve(&groups, "conv1.weight", 0.1), (1.0, 0.1));
    }
}
