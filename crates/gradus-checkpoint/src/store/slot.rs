//! What lies in a directory of checkpoints, by name.

/// What an entry of the directory is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// `step-N`.
    Committed(u64),
    /// `.old-step-N-PID`: set aside while another takes its place.
    SetAside(u64),
    /// `.tmp-…`: never finished.
    Unfinished,
    /// `.trash-…`: on its way out.
    Trash,
}

impl Slot {
    pub(super) fn of(name: &str) -> Option<Self> {
        if let Some(step) = name.strip_prefix("step-") {
            return parse_step(step).map(Self::Committed);
        }
        if let Some(rest) = name.strip_prefix(".old-step-") {
            let (step, _) = rest.split_once('-')?;
            return parse_step(step).map(Self::SetAside);
        }
        if name.starts_with(".tmp-step-") {
            return Some(Self::Unfinished);
        }
        name.starts_with(".trash-step-").then_some(Self::Trash)
    }
}

/// A step in the one form that we write.
fn parse_step(text: &str) -> Option<u64> {
    let step: u64 = text.parse().ok()?;
    (step.to_string() == text).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_slots() {
        assert_eq!(Slot::of("step-50"), Some(Slot::Committed(50)));
        assert_eq!(Slot::of(".old-step-50-17"), Some(Slot::SetAside(50)));
        assert_eq!(Slot::of(".tmp-step-50-17"), Some(Slot::Unfinished));
        assert_eq!(Slot::of(".trash-step-50-17"), Some(Slot::Trash));
        for other in [
            "step-050",
            "step-+5",
            "step--5",
            "step-",
            "step-5x",
            "step-18446744073709551616",
            "best",
            ".old-step-5",
        ] {
            assert_eq!(Slot::of(other), None, "{other}");
        }
    }
}
