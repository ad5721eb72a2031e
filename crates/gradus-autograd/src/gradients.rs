//! Gradients: what a backward pass gives, by leaf.

use std::collections::BTreeMap;

use gradus_tensor::Tensor;

use crate::{Parameter, Var};

/// The gradient of each leaf and parameter that a backward pass reached, in the order in which these were made.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    by_leaf: BTreeMap<u64, Tensor>,
}

impl Gradients {
    pub(crate) fn from_leaves(leaves: impl IntoIterator<Item = (u64, Tensor)>) -> Self {
        Self {
            by_leaf: leaves.into_iter().collect(),
        }
    }

    /// The gradient of a parameter; `None` if it played no part.
    pub fn get(&self, parameter: &Parameter) -> Option<&Tensor> {
        self.by_leaf.get(&parameter.leaf_number())
    }

    /// The gradient of a parameter, to be changed.
    pub fn get_mut(&mut self, parameter: &Parameter) -> Option<&mut Tensor> {
        self.by_leaf.get_mut(&parameter.leaf_number())
    }

    /// The gradient of a leaf; `None` if it played no part or is no leaf.
    pub fn get_var(&self, leaf: &Var) -> Option<&Tensor> {
        self.by_leaf.get(&leaf.edge()?.node.number)
    }

    /// Puts a parameter's gradient in the place of what was there, which is returned.
    pub fn replace(&mut self, parameter: &Parameter, grad: Tensor) -> Option<Tensor> {
        self.by_leaf.insert(parameter.leaf_number(), grad)
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.by_leaf.len()
    }

    /// Whether no leaf has a gradient.
    pub fn is_empty(&self) -> bool {
        self.by_leaf.is_empty()
    }

    /// All gradients, in the order in which their leaves were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.by_leaf.values()
    }

    /// All gradients, to be changed, in the order in which their leaves were made.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.by_leaf.values_mut()
    }

    /// Adds another backward pass's gradients: `self += other`, for gradient accumulation.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn accumulate(&mut self, other: Self) -> gradus_tensor::Result<()> {
        for (leaf, grad) in other.by_leaf {
            match self.by_leaf.remove(&leaf) {
                Some(sum) => {
                    self.by_leaf
                        .insert(leaf, crate::engine::add_tensors(sum, &grad)?);
                }
                None => {
                    self.by_leaf.insert(leaf, grad);
                }
            }
        }
        Ok(())
    }
}
