//! Names that may come from a file or a user and become names of files.

/// Whether the text is one plain path component on every system: it leads nowhere but to an entry of its directory.
///
/// Refused are the empty name, more than 200 bytes, `/`, `\`, `:`, control characters, and a leading dot (with it `.`
/// and `..`, and the names that this crate keeps for its own temporary files).
///
/// ```
/// use gradus_checkpoint::is_plain_name;
/// assert!(is_plain_name("model.safetensors"));
/// assert!(!is_plain_name("../model") && !is_plain_name("/etc") && !is_plain_name("c:x") && !is_plain_name(".."));
/// ```
pub fn is_plain_name(name: &str) -> bool {
    let forbidden = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && !name.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_components_pass() {
        for good in ["a", "model.safetensors", "état", "a b", "x..y"] {
            assert!(is_plain_name(good), "{good}");
        }
        let long = "x".repeat(201);
        for bad in [
            "", ".", "..", ".hidden", "a/b", "/a", "a\\b", "c:", "a\0", "a\n", &long,
        ] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }
}
