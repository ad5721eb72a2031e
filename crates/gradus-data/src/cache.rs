//! Decoded samples kept in memory while a byte budget lasts.
//!
//! What is kept is what the source and the leading transforms without randomness give, so a hit and a miss are the same bits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;
use crate::transform::Item;

/// One slot a sample, filled on first use until the budget is spent.
pub(crate) struct Cache {
    slots: Vec<OnceLock<Box<Item>>>,
    budget: usize,
    used: AtomicUsize,
}

impl Cache {
    /// For `len` samples and at most `budget` bytes; with 0 nothing is kept.
    pub(crate) fn new(len: usize, budget: usize) -> Self {
        let slots = if budget == 0 {
            Vec::new()
        } else {
            std::iter::repeat_with(OnceLock::new).take(len).collect()
        };
        Self {
            slots,
            budget,
            used: AtomicUsize::new(0),
        }
    }

    /// The bytes of the values kept.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The kept value, or a new one, which is kept if it fits.
    pub(crate) fn get_or_make(
        &self,
        index: usize,
        make: impl FnOnce() -> Result<Item>,
    ) -> Result<Item> {
        let Some(slot) = self.slots.get(index) else {
            return make();
        };
        if let Some(kept) = slot.get() {
            return Ok(Item::clone(kept));
        }
        let item = make()?;
        let bytes = item.bytes();
        let fits = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.budget);
        // Two threads may make the same sample; the second one's copy is dropped and its share given back.
        if self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
            && slot.set(Box::new(item.clone())).is_err()
        {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    fn item(level: u8) -> Result<Item> {
        Ok(Item::Image(Image::from_parts(1, 10, 1, vec![level; 10])))
    }

    fn level(item: &Item) -> u8 {
        let Item::Image(image) = item else {
            panic!("an image")
        };
        image.pixels()[0]
    }

    #[test]
    fn values_are_kept_while_the_budget_lasts() {
        let cache = Cache::new(3, 25);
        for i in 0..3 {
            assert_eq!(
                level(&cache.get_or_make(i, || item(i as u8)).unwrap()),
                i as u8
            );
        }
        assert_eq!(cache.used(), 20);
        // A kept sample is not made again; one that did not fit is.
        assert_eq!(level(&cache.get_or_make(1, || item(99)).unwrap()), 1);
        assert_eq!(level(&cache.get_or_make(2, || item(99)).unwrap()), 99);
    }

    #[test]
    fn errors_and_a_budget_of_zero_keep_nothing() {
        let cache = Cache::new(1, 100);
        let failed = cache.get_or_make(0, || {
            Err(crate::DataError::Index {
                what: "x",
                index: 0,
                len: 0,
            })
        });
        assert!(failed.is_err() && cache.used() == 0);
        let none = Cache::new(1, 0);
        assert_eq!(level(&none.get_or_make(0, || item(1)).unwrap()), 1);
        assert_eq!(level(&none.get_or_make(0, || item(2)).unwrap()), 2);
    }
}
