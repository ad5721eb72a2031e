//! Values in row-major order, for references: as plain and slow as can be, so that they are seen to be right.

use gradus_tensor::{DType, Result, Tensor};

/// Dims and their f64 values.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// The dims.
    pub dims: Vec<usize>,
    /// The values in row-major order.
    pub data: Vec<f64>,
}

impl Dense {
    /// The values of a tensor of any dtype.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn of(x: &Tensor) -> Result<Self> {
        Ok(Self {
            dims: x.dims().to_vec(),
            data: x.to_dtype(DType::F64)?.to_vec()?,
        })
    }

    /// One value of rank 0.
    pub fn scalar(value: f64) -> Self {
        Self {
            dims: Vec::new(),
            data: vec![value],
        }
    }

    /// `f(index)` of each element.
    pub fn from_fn(dims: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Self {
        let mut data = Vec::with_capacity(dims.iter().product());
        for_each_index(dims, |index| data.push(f(index)));
        Self {
            dims: dims.to_vec(),
            data,
        }
    }

    /// All zeros.
    pub fn zeros(dims: &[usize]) -> Self {
        Self::from_fn(dims, |_| 0.0)
    }

    /// The number of dims.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.data.len()
    }

    /// The row-major position of an element.
    pub fn position(&self, index: &[usize]) -> usize {
        index
            .iter()
            .zip(&self.dims)
            .fold(0, |at, (&i, &dim)| at * dim + i)
    }

    /// The element at an index.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.data[self.position(index)]
    }

    /// The element at an index, to write to.
    pub fn at_mut(&mut self, index: &[usize]) -> &mut f64 {
        let at = self.position(index);
        &mut self.data[at]
    }

    /// The element that this index reads when broadcast: dims are aligned at the end, a dim of 1 is read at 0.
    pub fn wide(&self, index: &[usize]) -> f64 {
        let skip = index.len() - self.rank();
        let own: Vec<usize> = index[skip..]
            .iter()
            .zip(&self.dims)
            .map(|(&i, &dim)| if dim == 1 { 0 } else { i })
            .collect();
        self.at(&own)
    }

    /// `f` of each value.
    #[must_use]
    pub fn map(&self, f: impl FnMut(f64) -> f64) -> Self {
        Self {
            dims: self.dims.clone(),
            data: self.data.iter().copied().map(f).collect(),
        }
    }

    /// `f` of each pair, broadcast.
    #[must_use]
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let dims = broadcast(&[&self.dims, &other.dims]);
        Self::from_fn(&dims, |index| f(self.wide(index), other.wide(index)))
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        self.data.iter().sum()
    }

    /// Other dims of the same number of elements.
    #[must_use]
    pub fn reshape(mut self, dims: &[usize]) -> Self {
        assert_eq!(
            self.numel(),
            dims.iter().product(),
            "reshape keeps elements"
        );
        self.dims = dims.to_vec();
        self
    }

    /// `f` of the elements along `axis`, in order, gives the elements that stand there instead (any number of them).
    #[must_use]
    pub fn along(&self, axis: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let mut outer = self.dims.clone();
        outer.remove(axis);
        let mut lanes = Vec::new();
        let mut index = Vec::new();
        for_each_index(&outer, |rest| {
            let lane: Vec<f64> = (0..self.dims[axis])
                .map(|i| {
                    index.clear();
                    index.extend_from_slice(rest);
                    index.insert(axis, i);
                    self.at(&index)
                })
                .collect();
            lanes.push(f(&lane));
        });
        let mut dims = self.dims.clone();
        dims[axis] = lanes
            .first()
            .map_or_else(|| f(&vec![0.0; self.dims[axis]]).len(), Vec::len);
        let outer = Self {
            dims: outer,
            data: Vec::new(),
        };
        Self::from_fn(&dims, |index| {
            let mut rest = index.to_vec();
            let i = rest.remove(axis);
            lanes[outer.position(&rest)][i]
        })
    }

    /// `f` of the elements of each group that shares its index outside of `axes`; these dims become 1 or disappear.
    #[must_use]
    pub fn reduce(&self, axes: &[usize], keepdim: bool, f: impl Fn(&[f64]) -> f64) -> Self {
        let kept: Vec<usize> = (0..self.rank())
            .map(|axis| {
                if axes.contains(&axis) {
                    1
                } else {
                    self.dims[axis]
                }
            })
            .collect();
        let mut groups = vec![Vec::new(); kept.iter().product()];
        let shape = Self {
            dims: kept.clone(),
            data: Vec::new(),
        };
        for_each_index(&self.dims, |index| {
            let own: Vec<usize> = index
                .iter()
                .enumerate()
                .map(|(axis, &i)| if axes.contains(&axis) { 0 } else { i })
                .collect();
            groups[shape.position(&own)].push(self.at(index));
        });
        let dims: Vec<usize> = (0..self.rank())
            .filter(|axis| keepdim || !axes.contains(axis))
            .map(|axis| kept[axis])
            .collect();
        Self {
            dims,
            data: groups.iter().map(|group| f(group)).collect(),
        }
    }

    /// Dims in another order: dim `i` of the result is dim `order[i]` of this.
    #[must_use]
    pub fn permute(&self, order: &[usize]) -> Self {
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        Self::from_fn(&dims, |index| {
            let mut own = vec![0; index.len()];
            for (&axis, &i) in order.iter().zip(index) {
                own[axis] = i;
            }
            self.at(&own)
        })
    }

    /// The product of two matrices, or of equal batches of them.
    #[must_use]
    pub fn matmul(&self, other: &Self) -> Self {
        let rank = self.rank();
        let mut dims = self.dims.clone();
        dims[rank - 1] = other.dims[rank - 1];
        Self::from_fn(&dims, |index| {
            let (mut a, mut b) = (index.to_vec(), index.to_vec());
            (0..self.dims[rank - 1])
                .map(|k| {
                    a[rank - 1] = k;
                    b[rank - 2] = k;
                    self.at(&a) * other.at(&b)
                })
                .sum()
        })
    }
}

/// The dims that all of these broadcast to.
fn broadcast(all: &[&[usize]]) -> Vec<usize> {
    let rank = all.iter().map(|dims| dims.len()).max().unwrap_or(0);
    (0..rank)
        .map(|axis| {
            let dims = all
                .iter()
                .filter_map(|dims| (axis + dims.len()).checked_sub(rank).map(|i| dims[i]));
            dims.fold(1, |wide, dim| if dim == 1 { wide } else { dim })
        })
        .collect()
}

/// Every index of these dims in row-major order.
pub(crate) fn for_each_index(dims: &[usize], mut f: impl FnMut(&[usize])) {
    let mut index = vec![0; dims.len()];
    for position in 0..dims.iter().product() {
        let mut rest: usize = position;
        for (i, &dim) in index.iter_mut().zip(dims).rev() {
            *i = rest % dim;
            rest /= dim;
        }
        f(&index);
    }
}
