//! How long the texts in a JSON value are, without keeping any.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The length in bytes of the longest text in a JSON value.
#[derive(Default)]
pub(crate) struct LongestText(pub(crate) usize);

impl<'de> Deserialize<'de> for LongestText {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = LongestText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<LongestText, E> {
        Ok(LongestText(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<LongestText, E> {
        Ok(LongestText(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<LongestText, E> {
        Ok(LongestText(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<LongestText, E> {
        Ok(LongestText(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<LongestText, E> {
        Ok(LongestText(0))
    }

    fn visit_str<E>(self, text: &str) -> Result<LongestText, E> {
        Ok(LongestText(text.len()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<LongestText, A::Error> {
        let mut longest = 0;
        while let Some(LongestText(len)) = values.next_element()? {
            longest = longest.max(len);
        }
        Ok(LongestText(longest))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<LongestText, A::Error> {
        let mut longest = 0;
        while let Some((LongestText(key), LongestText(value))) = entries.next_entry()? {
            longest = longest.max(key).max(value);
        }
        Ok(LongestText(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_at_any_depth_count() {
        let longest = |json: &str| serde_json::from_str::<LongestText>(json).unwrap().0;
        assert_eq!(longest("[null, true, -1, 1, 0.5, []]"), 0);
        assert_eq!(longest(r#"{"a": ["bcd", {"efghi": 1}]}"#), 5);
        assert_eq!(longest(r#"[["\u00e4", 0.0], "a"]"#), 2);
    }
}
