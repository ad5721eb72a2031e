//! What a tokenizer makes of a text, and how long it may be.

/// The tokens of a text, in order. All lists have one length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The token ids.
    pub ids: Vec<u32>,
    /// The tokens as the vocabulary writes them, such as `##ing` or `Ġthe`.
    pub tokens: Vec<String>,
    /// The bytes of the text that each token covers, as `start..end`; `(0, 0)` for tokens that a template added.
    pub offsets: Vec<(usize, usize)>,
    /// The number of the word that each token is a part of; `None` for tokens that a template added.
    pub words: Vec<Option<u32>>,
    /// 0 for the first text, 1 for the second of a pair.
    pub type_ids: Vec<u32>,
    /// Whether a template added the token, as `[CLS]`.
    pub special_mask: Vec<bool>,
}

impl Encoding {
    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many tokens a template added.
    pub(crate) fn added(&self) -> usize {
        self.special_mask.iter().filter(|&&added| added).count()
    }

    /// Leaves out tokens of the text, not of the template, until `max` remain. With fewer tokens nothing happens.
    pub(crate) fn truncate(&mut self, max: usize, side: Side) {
        let mut surplus = self.len().saturating_sub(max);
        let mut kept = vec![true; self.len()];
        let mut leave_out = |i: usize| {
            if surplus > 0 && !self.special_mask[i] {
                kept[i] = false;
                surplus -= 1;
            }
        };
        match side {
            Side::Right => (0..self.ids.len()).rev().for_each(&mut leave_out),
            Side::Left => (0..self.ids.len()).for_each(&mut leave_out),
        }
        retain(&mut self.ids, &kept);
        retain(&mut self.tokens, &kept);
        retain(&mut self.offsets, &kept);
        retain(&mut self.words, &kept);
        retain(&mut self.type_ids, &kept);
        retain(&mut self.special_mask, &kept);
    }
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(false));
}

impl From<tokenizers::Encoding> for Encoding {
    fn from(encoding: tokenizers::Encoding) -> Self {
        let mask = encoding.get_special_tokens_mask();
        Self {
            ids: encoding.get_ids().to_vec(),
            tokens: encoding.get_tokens().to_vec(),
            offsets: encoding.get_offsets().to_vec(),
            words: encoding.get_word_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            special_mask: mask.iter().map(|&added| added != 0).collect(),
        }
    }
}

/// An end of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Its start.
    Left,
    /// Its end.
    #[default]
    Right,
}

/// How texts become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeConfig {
    /// Whether the tokenizer's template adds its tokens, such as `[CLS]` and `[SEP]`; default: yes.
    pub special: bool,
    /// The most tokens of a text, with those of the template; default: no limit.
    pub max_length: Option<usize>,
    /// The end at which longer texts are cut; default: right.
    pub truncate: Side,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self {
            special: true,
            max_length: None,
            truncate: Side::Right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(mask: &[bool]) -> Encoding {
        Encoding {
            ids: (0..).take(mask.len()).collect(),
            tokens: mask.iter().map(|_| "x".into()).collect(),
            offsets: vec![(0, 0); mask.len()],
            words: vec![None; mask.len()],
            type_ids: vec![0; mask.len()],
            special_mask: mask.to_vec(),
        }
    }

    #[test]
    fn the_template_survives_truncation() {
        let full = encoding(&[true, false, false, false, true]);
        let cut = |max, side| {
            let mut encoding = full.clone();
            encoding.truncate(max, side);
            assert_eq!(encoding.tokens.len(), encoding.ids.len());
            encoding.ids
        };
        assert_eq!(cut(3, Side::Right), [0, 1, 4]);
        assert_eq!(cut(3, Side::Left), [0, 3, 4]);
        assert_eq!(cut(2, Side::Right), [0, 4]);
        assert_eq!(cut(9, Side::Left), [0, 1, 2, 3, 4]);
    }
}
