//! What a decoder keeps of the tokens that it has seen: keys and values of each layer.

use gradus_autograd::{Error, Result, Shape, Tensor, Var};

const OP: &str = "kv cache";
/// Places of a new buffer, at least; it doubles when it is full.
const PLACES: usize = 64;

/// Keys and values of each layer, and how much of each sequence's beginning is padding.
///
/// Sequences of a batch end together, so that the newest token of each stands in the same place: shorter ones are padded on the left,
/// and a sequence's padding is neither seen by its queries nor counted in its positions. Places are counted by [`KvCache::advance`]
/// only when all layers have them, so that a step that failed can be tried again.
#[derive(Clone, Debug)]
pub struct KvCache {
    /// `(B, H, capacity, D)`
    layers: Vec<Option<[Tensor; 2]>>,
    padding: Vec<usize>,
    len: usize,
}

impl KvCache {
    /// An empty cache for this many layers and for one sequence for each count of left padding.
    pub fn new(layers: usize, padding: Vec<usize>) -> Self {
        Self {
            layers: vec![None; layers],
            padding,
            len: 0,
        }
    }

    /// How many places of each sequence are held, padding included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many sequences.
    pub fn batch(&self) -> usize {
        self.padding.len()
    }

    /// How many places at each sequence's beginning are padding.
    pub fn padding(&self) -> &[usize] {
        &self.padding
    }

    /// The longest sequence held, without its padding.
    pub fn longest(&self) -> usize {
        let padding = self.padding.iter().min().copied().unwrap_or(0);
        self.len.saturating_sub(padding)
    }

    /// Adds the keys and values `(B, H, T, D)` of `T` new places to a layer, and gives all of that layer, oldest first.
    ///
    /// Drop what it gave before the next call: then nothing that is held is copied.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a layer that is not here; [`Error::ShapeMismatch`] if the shapes do not go on from what is held;
    /// [`Error::OutOfMemory`].
    pub fn append(&mut self, layer: usize, new: [&Tensor; 2]) -> Result<[Tensor; 2]> {
        let (len, layers) = (self.len, self.layers.len());
        let slot = self.layers.get_mut(layer).ok_or(Error::IndexOutOfRange {
            op: OP,
            position: 0,
            index: i64::try_from(layer).unwrap_or(i64::MAX),
            len: layers,
        })?;
        let mismatch = |rhs: &Tensor, rule| Error::ShapeMismatch {
            op: OP,
            lhs: *new[0].shape(),
            rhs: *rhs.shape(),
            rule,
        };
        if new[0].rank() != 4 || new[1].rank() != 4 || new[0].dims()[0] != self.padding.len() {
            return Err(mismatch(
                new[1],
                "keys and values are (B, H, T, D) with the cache's B",
            ));
        }
        let places = new[0].dims()[2];
        if new[1].dims()[..3] != new[0].dims()[..3] {
            return Err(mismatch(new[1], "one value for each key"));
        }
        for (held, new) in slot.iter().flatten().zip(new) {
            let same = |axis: usize| held.dims()[axis] == new.dims()[axis];
            if !(same(0) && same(1) && same(3)) || held.dtype() != new.dtype() {
                return Err(mismatch(held, "new places are like those held"));
            }
        }
        let [keys, values] = match slot.take() {
            None => [None, None],
            Some(held) => held.map(Some),
        };
        let total = len + places;
        let keys = write(keys, new[0], len)?;
        let values = write(values, new[1], len)?;
        let all = [keys.narrow(2, 0, total)?, values.narrow(2, 0, total)?];
        *slot = Some([keys, values]);
        Ok(all)
    }

    /// Counts `places` more places, once all layers have them.
    pub fn advance(&mut self, places: usize) {
        self.len += places;
    }

    /// Keeps these sequences only, in this order.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a sequence that is not here.
    pub fn keep(&mut self, sequences: &[usize]) -> Result<()> {
        let mut padding = Vec::with_capacity(sequences.len());
        for (position, &at) in sequences.iter().enumerate() {
            padding.push(*self.padding.get(at).ok_or(Error::IndexOutOfRange {
                op: OP,
                position,
                index: i64::try_from(at).unwrap_or(i64::MAX),
                len: self.padding.len(),
            })?);
        }
        let index: Vec<i64> = sequences.iter().map(|&at| at as i64).collect();
        let index = Tensor::from_slice(&index, [index.len()])?;
        for slot in self.layers.iter_mut().flatten() {
            for held in slot {
                *held = Var::constant(held.clone())
                    .index_select(0, &index)?
                    .into_tensor();
            }
        }
        self.padding = padding;
        Ok(())
    }

    /// The positions `(B, T)` of the places from `start` to `end`: 0 for each sequence's first token, and in its padding.
    ///
    /// # Errors
    /// Those of making the tensor.
    pub(crate) fn positions(&self, start: usize, end: usize) -> Result<Tensor> {
        let each = |&padding: &usize| (start..end).map(move |at| at.saturating_sub(padding) as i64);
        let all: Vec<i64> = self.padding.iter().flat_map(each).collect();
        Tensor::from_slice(&all, [self.padding.len(), end - start])
    }
}

/// `new` written from place `len` on into `held`, or into a larger copy of its first `len` places.
fn write(held: Option<Tensor>, new: &Tensor, len: usize) -> Result<Tensor> {
    let [batch, heads, places, width] = new.shape().to_array(OP)?;
    let needed = len + places;
    let buffer = match held {
        Some(held) if held.dims()[2] >= needed => held,
        held => {
            let capacity = needed.next_power_of_two().max(PLACES);
            let shape = Shape::new(&[batch, heads, capacity, width])?;
            let fresh = Tensor::zeros(shape, new.dtype())?;
            match held {
                Some(held) if len > 0 => {
                    fresh.overwritten(|x| x.narrow(2, 0, len), &held.narrow(2, 0, len)?)?
                }
                _ => fresh,
            }
        }
    };
    buffer.overwritten(|x| x.narrow(2, len, places), new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32], places: usize) -> Tensor {
        Tensor::from_slice(values, [2, 1, places, 1]).unwrap()
    }

    #[test]
    fn places_are_joined_in_order_for_each_sequence() {
        let mut cache = KvCache::new(1, vec![0, 1]);
        let first = tensor(&[1.0, 2.0, 3.0, 4.0], 2);
        cache.append(0, [&first, &first]).unwrap();
        cache.advance(2);
        let [keys, values] = cache
            .append(0, [&tensor(&[5.0, 6.0], 1), &tensor(&[7.0, 8.0], 1)])
            .unwrap();
        assert_eq!(
            keys.to_vec::<f32>().unwrap(),
            [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]
        );
        assert_eq!(
            values.to_vec::<f32>().unwrap(),
            [1.0, 2.0, 7.0, 3.0, 4.0, 8.0]
        );
        let positions = cache.positions(2, 3).unwrap();
        assert_eq!(positions.to_vec::<i64>().unwrap(), [2, 1]);
    }

    #[test]
    fn buffers_grow_and_keep_what_they_hold() {
        let mut cache = KvCache::new(1, vec![0, 0]);
        for at in 0..200_u16 {
            let x = f32::from(at);
            let new = tensor(&[x, -x], 1);
            let [keys, _] = cache.append(0, [&new, &new]).unwrap();
            cache.advance(1);
            let want: Vec<f32> = (0..=at).map(f32::from).collect();
            let [first, second] = [0, 1].map(|b| keys.select(0, b).unwrap().to_vec::<f32>());
            assert_eq!(first.unwrap(), want);
            assert!(second.unwrap().iter().zip(&want).all(|(a, b)| *a == -b));
        }
        assert_eq!((cache.len(), cache.longest()), (200, 200));
    }

    #[test]
    fn a_step_that_is_repeated_writes_the_same_places() {
        let mut cache = KvCache::new(1, vec![0, 0]);
        let one = tensor(&[1.0, 2.0], 1);
        cache.append(0, [&one, &one]).unwrap();
        let two = tensor(&[3.0, 4.0], 1);
        let [keys, _] = cache.append(0, [&two, &two]).unwrap();
        assert_eq!(keys.to_vec::<f32>().unwrap(), [3.0, 4.0]);
    }

    #[test]
    fn sequences_that_are_kept_stay_as_they_are() {
        let mut cache = KvCache::new(1, vec![0, 1]);
        let first = tensor(&[1.0, 2.0, 3.0, 4.0], 2);
        cache.append(0, [&first, &first]).unwrap();
        cache.advance(2);
        cache.keep(&[1]).unwrap();
        assert_eq!(
            (cache.batch(), cache.padding(), cache.longest()),
            (1, &[1][..], 1)
        );
        let new = Tensor::from_slice(&[5.0_f32], [1, 1, 1, 1]).unwrap();
        let [keys, _] = cache.append(0, [&new, &new]).unwrap();
        assert_eq!(keys.to_vec::<f32>().unwrap(), [3.0, 4.0, 5.0]);
        assert!(cache.keep(&[1]).is_err());
    }

    #[test]
    fn other_batches_layers_and_widths_are_refused() {
        let two = tensor(&[1.0, 2.0], 1);
        assert!(KvCache::new(1, vec![0]).append(0, [&two, &two]).is_err());
        let mut cache = KvCache::new(1, vec![0, 0]);
        assert!(cache.append(1, [&two, &two]).is_err());
        cache.append(0, [&two, &two]).unwrap();
        cache.advance(1);
        let wide = Tensor::from_slice(&[0.0_f32; 4], [2, 1, 1, 2]).unwrap();
        assert!(cache.append(0, [&wide, &wide]).is_err());
        // what was held is still there
        assert!(cache.append(0, [&two, &two]).is_ok());
    }
}
