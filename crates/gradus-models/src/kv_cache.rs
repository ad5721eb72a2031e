//! What a decoder keeps of the tokens that it has seen: keys and values of each layer.

use gradus_autograd::{Error, Result, Tensor, Var};

const OP: &str = "kv cache";

/// Keys and values of each layer, and how much of each sequence's beginning is padding.
///
/// Sequences of a batch end together, so that the newest token of each stands in the same place: shorter ones are padded on the left, and
/// a sequence's padding is neither seen by its queries nor counted in its positions.
#[derive(Clone, Debug)]
pub struct KvCache {
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

    /// How many places of each sequence are held, padding included. Grows with [`KvCache::advance`].
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

    /// Adds the keys and values `(B, H, T, D)` of `T` new places to a layer, and gives all of that layer, oldest first.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a layer that is not here; [`Error::ShapeMismatch`] if the shapes do not go on from what is held.
    pub fn append(&mut self, layer: usize, new: [&Tensor; 2]) -> Result<[Tensor; 2]> {
        let len = self.layers.len();
        let slot = self.layers.get_mut(layer).ok_or(Error::IndexOutOfRange {
            op: OP,
            position: 0,
            index: i64::try_from(layer).unwrap_or(i64::MAX),
            len,
        })?;
        if new.iter().any(|x| x.rank() != 4) || new[0].dims()[0] != self.padding.len() {
            let rule = "keys and values are (B, H, T, D) with the cache's B";
            return Err(Error::ShapeMismatch {
                op: OP,
                lhs: *new[0].shape(),
                rhs: *new[1].shape(),
                rule,
            });
        }
        let joined = match slot.take() {
            None => new.map(Tensor::clone),
            Some(held) => {
                let join = |i: usize| {
                    let parts = [&held[i], new[i]].map(|x| Var::constant(x.clone()));
                    Var::cat(&[&parts[0], &parts[1]], 2).map(Var::into_tensor)
                };
                [join(0)?, join(1)?]
            }
        };
        *slot = Some(joined.clone());
        Ok(joined)
    }

    /// Counts `places` more places, once all layers have them.
    pub fn advance(&mut self, places: usize) {
        self.len += places;
    }

    /// The positions `(B, T)` of `T` new places: 0 for each sequence's first token, and in its padding.
    ///
    /// # Errors
    /// Those of making the tensor.
    pub fn positions(&self, places: usize) -> Result<Tensor> {
        let each = |padding: &usize| {
            let (padding, len) = (*padding, self.len);
            (len..len + places).map(move |at| at.saturating_sub(padding) as i64)
        };
        let all: Vec<i64> = self.padding.iter().flat_map(each).collect();
        Tensor::from_slice(&all, [self.padding.len(), places])
    }

    /// Which held and new places each of `T` new places sees, `(B, 1, T, S)` with `S` the new length: those up to its own that are not
    /// padding. `None` where a single new place sees everything.
    ///
    /// # Errors
    /// Those of making the tensor.
    pub fn mask(&self, places: usize) -> Result<Option<Tensor>> {
        if places == 1 && self.padding.iter().all(|&padding| padding == 0) {
            return Ok(None);
        }
        let total = self.len + places;
        let mut seen = Vec::with_capacity(self.padding.len() * places * total);
        for &padding in &self.padding {
            for query in self.len..total {
                seen.extend((0..total).map(|key| (padding..=query).contains(&key)));
            }
        }
        Tensor::from_slice(&seen, [self.padding.len(), 1, places, total]).map(Some)
    }
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
        let [keys, _] = cache
            .append(0, [&tensor(&[5.0, 6.0], 1), &tensor(&[7.0, 8.0], 1)])
            .unwrap();
        assert_eq!(
            keys.to_vec::<f32>().unwrap(),
            [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]
        );
        assert_eq!(cache.positions(1).unwrap().to_vec::<i64>().unwrap(), [2, 1]);
        let mask = cache.mask(1).unwrap().unwrap();
        assert_eq!(mask.dims(), [2, 1, 1, 3]);
        assert_eq!(
            mask.to_vec::<bool>().unwrap(),
            [true, true, true, false, true, true]
        );
    }

    #[test]
    fn other_batches_and_layers_are_refused() {
        let mut cache = KvCache::new(1, vec![0]);
        let two = tensor(&[1.0, 2.0], 1);
        assert!(cache.append(0, [&two, &two]).is_err());
        assert!(KvCache::new(1, vec![0, 0]).append(1, [&two, &two]).is_err());
    }
}
