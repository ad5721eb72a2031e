//! Text as its tokens arrive.

use crate::tokenizer::Tokenizer;

/// A character that takes more tokens than this is taken for broken bytes and given as it is.
const MOST_PENDING: usize = 16;

/// Turns tokens into text one by one: what it gave, joined, is what [`Tokenizer::decode`] makes of all of them. A character whose
/// bytes lie in several tokens comes when its last byte has.
///
/// ```
/// use gradus_text::Tokenizer;
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/gpt2");
/// let tokenizer = Tokenizer::open(folder)?;
/// let ids = tokenizer.encode("鬱a", false)?.ids; // three bytes, then one
/// let mut stream = tokenizer.stream();
/// let pieces: Vec<Option<String>> = ids.iter().map(|&id| stream.push(id)).collect();
/// assert_eq!(pieces, [None, None, Some("鬱".into()), Some("a".into())]);
/// assert_eq!(stream.finish(), "");
/// # Ok::<(), gradus_text::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The tokens that the text still depends on: given ones first, then those that wait.
    ids: Vec<u32>,
    /// How many of `ids` have been given as text.
    given: usize,
}

impl<'a> TokenStream<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            skip_special: true,
            ids: vec![],
            given: 0,
        }
    }

    /// The same with special tokens in the text.
    #[must_use]
    pub fn with_special(mut self) -> Self {
        self.skip_special = false;
        self
    }

    /// Takes a token and gives the text that is now certain, if any is.
    pub fn push(&mut self, id: u32) -> Option<String> {
        self.ids.push(id);
        let (before, after) = self.texts();
        let waits = after.ends_with('\u{fffd}') && self.ids.len() - self.given < MOST_PENDING;
        if waits || after.len() <= before.len() {
            return None;
        }
        let text = rest(&before, &after);
        // One round of given tokens stays: a decoder treats the first token in its own way.
        self.ids.drain(..self.given);
        self.given = self.ids.len();
        Some(text)
    }

    /// The text of what still waits, such as half a character.
    pub fn finish(&mut self) -> String {
        let (before, after) = self.texts();
        self.given = self.ids.len();
        rest(&before, &after)
    }

    /// The text of the tokens that were given, and of all.
    fn texts(&self) -> (String, String) {
        let decode = |ids: &[u32]| self.tokenizer.decode_or_nothing(ids, self.skip_special);
        (decode(&self.ids[..self.given]), decode(&self.ids))
    }
}

/// What `after` has behind the start that it shares with `before`.
fn rest(before: &str, after: &str) -> String {
    match after.strip_prefix(before) {
        Some(rest) => rest.to_owned(),
        None => {
            let shared = before
                .char_indices()
                .zip(after.chars())
                .find(|((_, a), b)| a != b)
                .map_or(before.len().min(after.len()), |((at, _), _)| at);
            after.get(shared..).unwrap_or_default().to_owned()
        }
    }
}
