//! The text of a continuation as its tokens come, up to a text that ends it.

use gradus_text::{TokenStream, Tokenizer};

/// Tokens at the end of a prompt that its continuation's first token is decoded with: enough for any character.
const CONTEXT: usize = 16;

/// One continuation under way.
pub(super) struct Answer<'a> {
    stream: TokenStream<'a>,
    stops: Stops<'a>,
    /// The text so far.
    pub(super) text: String,
    /// From the start to the last token.
    pub(super) seconds: f64,
}

impl<'a> Answer<'a> {
    /// The start of the continuation of these tokens, which ends before any of the texts `stop`.
    pub(super) fn new(tokenizer: &'a Tokenizer, prompt: &[u32], stop: &'a [String]) -> Self {
        let mut stream = tokenizer.stream();
        for &id in &prompt[prompt.len().saturating_sub(CONTEXT)..] {
            stream.push(id);
        }
        stream.finish();
        Self {
            stream,
            stops: Stops::new(stop),
            text: String::new(),
            seconds: 0.0,
        }
    }

    /// Takes a token and gives the text that is now certain.
    pub(super) fn push(&mut self, id: u32) -> &str {
        let piece = self.stream.push(id).unwrap_or_default();
        let certain = self.stops.push(&piece);
        self.add(&certain)
    }

    /// The text that waited for more.
    pub(super) fn finish(&mut self) -> &str {
        let rest = self.stream.finish();
        let certain = self.stops.push(&rest) + &self.stops.finish();
        self.add(&certain)
    }

    /// Whether a text that ends it has come.
    pub(super) fn stopped(&self) -> bool {
        self.stops.found
    }

    fn add(&mut self, piece: &str) -> &str {
        let before = self.text.len();
        self.text.push_str(piece);
        &self.text[before..]
    }
}

/// Cuts a text before the first of some texts. What may be the start of one is held back.
struct Stops<'a> {
    texts: &'a [String],
    held: String,
    found: bool,
}

impl<'a> Stops<'a> {
    fn new(texts: &'a [String]) -> Self {
        Self {
            texts,
            held: String::new(),
            found: false,
        }
    }

    /// Takes a piece and gives what is certain to stay.
    fn push(&mut self, piece: &str) -> String {
        if self.found {
            return String::new();
        }
        self.held.push_str(piece);
        let ends = self.texts.iter().filter_map(|text| self.held.find(text));
        let certain = if let Some(end) = ends.min() {
            self.found = true;
            end
        } else {
            let begins = |&(at, _): &(usize, char)| {
                let rest = &self.held[at..];
                self.texts.iter().any(|text| text.starts_with(rest))
            };
            let held = self.held.char_indices().find(begins);
            held.map_or(self.held.len(), |(at, _)| at)
        };
        let certain = self.held.drain(..certain).collect();
        if self.found {
            self.held.clear();
        }
        certain
    }

    /// What was held back, and was no start after all.
    fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stops: &[&str], pieces: &[&str], want: &[&str], found: bool) {
        let texts: Vec<String> = stops.iter().map(|&text| text.to_owned()).collect();
        let mut stops = Stops::new(&texts);
        let mut got: Vec<String> = pieces.iter().map(|piece| stops.push(piece)).collect();
        got.push(stops.finish());
        assert_eq!(got, want);
        assert_eq!(stops.found, found);
    }

    #[test]
    fn without_a_stop_all_goes_through_at_once() {
        check(&[], &["a", "b"], &["a", "b", ""], false);
    }

    #[test]
    fn a_stop_in_several_pieces_is_cut_and_nothing_of_it_is_shown() {
        check(
            &["END"],
            &["a E", "N", "D b", "c"],
            &["a ", "", "", "", ""],
            true,
        );
    }

    #[test]
    fn what_only_began_like_a_stop_comes_later() {
        check(&["END"], &["xE", "Ny", "E"], &["x", "ENy", "", "E"], false);
        check(&["aab"], &["aa", "ab"], &["", "a", ""], true);
    }

    #[test]
    fn the_first_of_several_stops_ends_the_text() {
        check(&["。", "\n"], &["霜\n。"], &["霜", ""], true);
    }
}
