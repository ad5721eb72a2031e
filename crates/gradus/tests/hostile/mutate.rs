//! Spoils files: a function of a seed and the number of the round, so that every file can be made again.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of round `round` of the runs with this seed.
    pub(crate) fn new(seed: u64, round: u64) -> Self {
        Self(seed ^ round.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Below `n`; 0 if `n` is.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A range of at most `most` bytes of a file of `len` bytes.
    fn range(&mut self, len: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        let count = self.below((len - start).min(most) + 1);
        start..start + count
    }
}

/// The longest file that is made.
const LONGEST: usize = 1 << 20;

/// Numbers at which counts and lengths break.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    7,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

/// The same and worse, as texts have them.
const DIGITS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1e999",
    "-0.0",
    "1e-400",
    "3.5",
];

/// What breaks texts of any format.
const TEXTS: [&str; 16] = [
    "null",
    "true",
    "NaN",
    "[]",
    "{}",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{1f44d}\u{200d}",
    "\0",
    "\r\n",
    "../",
    "/",
    "^",
];

/// A spoilt file: a sound one with a few changes.
pub(crate) fn spoil(dice: &mut Dice, sound: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = dice.pick(sound).clone();
    loop {
        change(dice, &mut bytes, sound, words);
        bytes.truncate(LONGEST);
        if dice.one_in(3) {
            return bytes;
        }
    }
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, sound: &[Vec<u8>], words: &[&str]) {
    let len = bytes.len();
    let at = dice.below(len);
    match dice.below(16) {
        0 | 1 if len > 0 => bytes[at] ^= 1 << dice.below(8),
        2 if len > 0 => bytes[at] = dice.next() as u8,
        3 | 4 => overwrite_number(dice, bytes),
        5 | 6 => replace_digits(dice, bytes),
        7 => bytes.truncate(at),
        8 => {
            let range = dice.range(len, 64);
            bytes.drain(range);
        }
        9 => {
            let part = bytes[dice.range(len, 256)].to_vec();
            insert(dice, bytes, &part);
        }
        10 => {
            let other = dice.pick(sound);
            let part = other[dice.range(other.len(), 4096)].to_vec();
            insert(dice, bytes, &part);
        }
        11 => {
            let other = dice.pick(sound);
            let tail = &other[dice.below(other.len())..];
            bytes.truncate(at);
            bytes.extend_from_slice(tail);
        }
        12 => repeat(dice, bytes, words),
        13 => {
            let text = *dice.pick(&TEXTS);
            put_text(dice, bytes, text);
        }
        _ if !words.is_empty() => {
            let word = *dice.pick(words);
            put_text(dice, bytes, word);
        }
        _ => overwrite_number(dice, bytes),
    }
}

fn insert(dice: &mut Dice, bytes: &mut Vec<u8>, part: &[u8]) {
    let at = dice.below(bytes.len() + 1);
    bytes.splice(at..at, part.iter().copied());
}

/// Writes a text over what is there, or between.
fn put_text(dice: &mut Dice, bytes: &mut Vec<u8>, text: &str) {
    let start = dice.below(bytes.len() + 1);
    let over = if dice.one_in(2) { text.len() } else { 0 };
    let end = (start + over).min(bytes.len());
    bytes.splice(start..end, text.bytes());
}

/// A number of 1, 2, 4 or 8 bytes, of either order: one at which things break, or one near what is there.
fn overwrite_number(dice: &mut Dice, bytes: &mut [u8]) {
    let width = 1 << dice.below(4);
    if bytes.len() < width {
        return;
    }
    let len = bytes.len() as u64;
    let start = dice.below(bytes.len() - width + 1);
    let place = &mut bytes[start..start + width];
    let mut now = [0; 8];
    now[..width].copy_from_slice(place);
    let now = u64::from_le_bytes(now);
    let number = match dice.below(6) {
        0 => now.wrapping_add(dice.below(9) as u64).wrapping_sub(4),
        1 => len.wrapping_add(dice.below(9) as u64).wrapping_sub(4),
        _ => *dice.pick(&NUMBERS),
    };
    place.copy_from_slice(&number.to_le_bytes()[..width]);
    if dice.one_in(2) {
        place.reverse();
    }
}

/// Another number in place of one written in digits.
fn replace_digits(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let from = dice.below(bytes.len());
    let Some(start) = (from..bytes.len()).find(|&i| bytes[i].is_ascii_digit()) else {
        return;
    };
    let count = bytes[start..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let number = *dice.pick(&DIGITS);
    bytes.splice(start..start + count, number.bytes());
}

/// A part, or a word, many times over: depth, width, length.
fn repeat(dice: &mut Dice, bytes: &mut Vec<u8>, words: &[&str]) {
    let part = if words.is_empty() || dice.one_in(2) {
        bytes[dice.range(bytes.len(), 16)].to_vec()
    } else {
        dice.pick(words).as_bytes().to_vec()
    };
    let times = 1 << dice.below(14);
    insert(dice, bytes, &part.repeat(times));
}

#[test]
fn rounds_repeat_and_differ() {
    let _turn = crate::guard::one_at_a_time();
    let sound = [b"{\"a\": [1, 22, 333]}".to_vec(), vec![0; 40]];
    let round = |n| spoil(&mut Dice::new(5, n), &sound, &["null"]);
    for n in 0..2000 {
        assert_eq!(round(n), round(n));
        assert!(round(n).len() <= LONGEST);
    }
    let different: std::collections::BTreeSet<Vec<u8>> = (0..200).map(round).collect();
    assert!(different.len() > 150, "{}", different.len());
    // Nothing to start from is no obstacle.
    for n in 0..500 {
        spoil(&mut Dice::new(6, n), &[Vec::new()], &[]);
    }
}
