//! Texts of a million signs without a break: every tokenizer ends, and what stands behind them is tokenized as ever.
//!
//! Nothing here looks at a clock. A tokenizer whose work grows with the square of the length takes hours for these texts.

use gradus_text::Tokenizer;

use crate::{FOLDERS, open};

const LONG: usize = 1_000_000;

/// The last tokens of a text that begins with a million of `sign` are those of one that begins with a few.
#[track_caller]
fn end_is_tokenized_as_ever(name: &str, tokenizer: &Tokenizer, sign: &str) {
    const END: &str = " the tokens of a text, 山上。";
    let ids = |count: usize| {
        let text = format!("{}{END}", sign.repeat(count));
        tokenizer.encode(&text, false).unwrap().ids
    };
    let of_end = tokenizer.encode(END, false).unwrap().ids.len();
    let (few, many) = (ids(8), ids(LONG));
    let end = &few[few.len() - (of_end - 2)..]; // the first two may belong to the signs before
    assert_eq!(&many[many.len() - end.len()..], end, "{name}, {sign:?}");
}

#[test]
fn museum_62_a_million_equal_signs_are_tokenized_and_so_is_what_follows() {
    for name in FOLDERS {
        let tokenizer = open(name);
        for sign in ["^", " "] {
            end_is_tokenized_as_ever(name, &tokenizer, sign);
        }
    }
}

#[test]
fn museum_62_merges_without_a_word_to_stop_at_take_no_square_of_the_length() {
    let tokenizer = open("llama"); // has no pre-tokenizer: the text is one word, and half of it merges
    let text = "he^".repeat(LONG / 3);
    let ids = tokenizer.encode(&text, false).unwrap().ids;
    assert_eq!(ids.len(), 1 + 2 * (LONG / 3)); // a mark of the beginning, and "he" and "^" each
    assert!(tokenizer.decode(&ids, false).unwrap() == text);
}
