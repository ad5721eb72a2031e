//! A small lexer that separates Rust code from comments and literals, so that rules look at code only.
//!
//! Both results have the source's bytes at the same offsets and in the same lines: what does not belong is blanked with spaces. It
//! knows nested block comments, escapes, raw strings with any number of `#`, byte and C strings, raw identifiers, and the difference
//! between a char literal and a lifetime. It does not expand macros, and it needs source that rustc accepts.

/// A source file, once with only its code and once with only its comments.
pub(crate) struct Masked {
    /// Code: comments are blank, literals keep their quotes and lose their contents.
    pub(crate) code: String,
    /// Comments with their markers (`//`, `///`, `/* */`): all else is blank.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Separates code from comments and literals.
pub(crate) fn mask(source: &str) -> Masked {
    let mut lexer = Lexer {
        source: source.as_bytes(),
        at: 0,
        kinds: Vec::with_capacity(source.len()),
    };
    while lexer.at < lexer.source.len() {
        lexer.token();
    }
    let only = |kept: Kind| {
        let bytes = source.bytes().zip(&lexer.kinds);
        let blanked = bytes
            .map(|(byte, &kind)| {
                if kind == kept || byte == b'\n' {
                    byte
                } else {
                    b' '
                }
            })
            .collect::<Vec<u8>>();
        String::from_utf8_lossy(&blanked).into_owned()
    };
    Masked {
        code: only(Kind::Code),
        comments: only(Kind::Comment),
    }
}

struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    /// What each byte before `at` is.
    kinds: Vec<Kind>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn take(&mut self, bytes: usize, kind: Kind) {
        let end = (self.at + bytes).min(self.source.len());
        self.kinds.resize(end, kind);
        self.at = end;
    }

    fn token(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (b'/', b'/') => self.line_comment(),
            (b'/', b'*') => self.block_comment(),
            (b'"', _) => self.string(),
            (b'\'', _) => self.char_or_lifetime(),
            (byte, _) if is_word(byte) => self.word(),
            _ => self.take(1, Kind::Code),
        }
    }

    fn line_comment(&mut self) {
        let length = self.source[self.at..]
            .iter()
            .position(|&byte| byte == b'\n');
        self.take(length.unwrap_or(self.source.len()), Kind::Comment);
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.source.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.take(2, Kind::Comment);
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.take(2, Kind::Comment);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.take(1, Kind::Comment),
            }
        }
    }

    /// A string with escapes; the lexer stands on its opening quote.
    fn string(&mut self) {
        self.take(1, Kind::Code);
        while self.at < self.source.len() && self.peek(0) != b'"' {
            self.take(if self.peek(0) == b'\\' { 2 } else { 1 }, Kind::Literal);
        }
        self.take(1, Kind::Code);
    }

    /// `#…"…"#…`; the lexer stands behind the `r`. Returns false, and takes nothing, if this is no raw string (`r#type`).
    fn raw_string(&mut self) -> bool {
        let hashes = self.source[self.at..]
            .iter()
            .take_while(|&&byte| byte == b'#')
            .count();
        if self.peek(hashes) != b'"' {
            return false;
        }
        self.take(hashes + 1, Kind::Code);
        while self.at < self.source.len() {
            let closes = self.peek(0) == b'"' && (1..=hashes).all(|ahead| self.peek(ahead) == b'#');
            if closes {
                self.take(hashes + 1, Kind::Code);
                return true;
            }
            self.take(1, Kind::Literal);
        }
        true
    }

    /// `'x'`, `'\n'`, `'\u{1F600}'` are chars; `'a`, `'_` and `'static` are lifetimes.
    fn char_or_lifetime(&mut self) {
        let escaped = self.peek(1) == b'\\';
        let width = match self.peek(1) {
            byte if byte < 0x80 => 1,
            byte if byte < 0xE0 => 2,
            byte if byte < 0xF0 => 3,
            _ => 4,
        };
        self.take(1, Kind::Code);
        if escaped {
            self.take(2, Kind::Literal);
            while self.at < self.source.len() && self.peek(0) != b'\'' {
                self.take(1, Kind::Literal);
            }
            self.take(1, Kind::Code);
        } else if self.peek(width) == b'\'' {
            self.take(width, Kind::Literal);
            self.take(1, Kind::Code);
        }
    }

    /// An identifier, keyword or number, or the prefix of a literal.
    fn word(&mut self) {
        let begin = self.at;
        while is_word(self.peek(0)) && self.at < self.source.len() {
            self.take(1, Kind::Code);
        }
        match (&self.source[begin..self.at], self.peek(0)) {
            (b"r" | b"br" | b"cr", b'"' | b'#') => {
                self.raw_string();
            }
            (b"b" | b"c", b'"') => self.string(),
            (b"b", b'\'') => self.char_or_lifetime(),
            _ => {}
        }
    }
}

/// Bytes of identifiers and numbers; a byte of a non-ASCII letter counts.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The words of masked code with their offsets.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = code.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = at + bytes[at..].iter().position(|&byte| is_word(byte))?;
        at = begin
            + bytes[begin..]
                .iter()
                .take_while(|&&byte| is_word(byte))
                .count();
        Some((begin, &code[begin..at]))
    })
}

/// The first byte at or behind `at` that is not white space, with its offset.
pub(crate) fn next_sign(code: &str, at: usize) -> Option<(usize, u8)> {
    let ahead = code.as_bytes()[at..]
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())?;
    Some((at + ahead, code.as_bytes()[at + ahead]))
}

/// The offset of the bracket that closes the one at `open` (`{`, `(` or `[`) in masked code.
pub(crate) fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (ahead, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(open + ahead);
        }
    }
    None
}

/// The offset of the `{` that opens the body of an item whose header starts at `at`; none if it ends with `;` first.
pub(crate) fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (ahead, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b'{' if depth == 0 => return Some(at + ahead),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, code: &str) {
        let masked = mask(source);
        assert_eq!(masked.code, code);
        assert_eq!(masked.code.len(), source.len());
        assert_eq!(masked.comments.len(), source.len());
    }

    #[test]
    fn comments_are_blanked_and_lines_stay() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        assert_eq!(mask("a /* b\nc */ d // e").comments, "  /* b\nc */   // e");
    }

    #[test]
    fn strings_lose_their_contents_only() {
        check(r#"f("a // \" b") + 1"#, r#"f("         ") + 1"#);
        check("r#\"a \" b\"# c", "r#\"     \"# c");
        check("br##\"x\"#y\"## z", "br##\"    \"## z");
        check(r#"c"x" b"y""#, r#"c" " b" ""#);
        check("r\"a\\\" + unsafe_word", "r\"  \" + unsafe_word");
    }

    #[test]
    fn chars_and_lifetimes_are_told_apart() {
        check("'\"' x", "' ' x");
        check("'\\'' x", "'  ' x");
        check("b'\\\\' x", "b'  ' x");
        check("&'a str 'b'", "&'a str ' '");
        check("fn f<'a>(x: &'a u8) { '{' }", "fn f<'a>(x: &'a u8) { ' ' }");
        check("'\\u{1F600}' x", "'         ' x");
        check("'é' x", "'  ' x");
    }

    #[test]
    fn raw_identifiers_are_code() {
        check("r#type = 1; r#\"x\"#", "r#type = 1; r#\" \"#");
    }

    #[test]
    fn bodies_are_found_behind_array_types() {
        let code = "fn f(x: [u8; 2]) -> [u8; 3] where T: Fn() { a { b } }";
        let open = body(code, 0).unwrap();
        assert_eq!(&code[open..=closing(code, open).unwrap()], "{ a { b } }");
        assert_eq!(body("fn f(x: [u8; 2]); { }", 0), None);
    }

    #[test]
    fn words_carry_their_offsets() {
        assert_eq!(
            words("a.b_1 (c)").collect::<Vec<_>>(),
            [(0, "a"), (2, "b_1"), (7, "c")]
        );
    }
}
