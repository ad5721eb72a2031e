//! Hash maps by small whole numbers, for lookups in inner loops.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map that is looked up, never walked: keys are two numbers in one, as [`key`] makes them.
pub(super) type KeyMap<T> = HashMap<u64, T, BuildHasherDefault<KeyHasher>>;

/// Two numbers as one.
pub(super) const fn key(a: u32, b: u32) -> u64 {
    (a as u64) << 32 | b as u64
}

/// Multiplication and a shift: several times as fast as the library's hash, which guards against keys that were chosen to collide.
#[derive(Clone, Copy, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn finish(&self) -> u64 {
        // The map takes its place from the low bits and a tag from the high ones: both are mixed by now.
        self.0.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}
