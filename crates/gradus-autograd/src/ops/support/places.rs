//! Places in a tensor named by indices: from every kind of index, and what is read there and written. `place_ops.rs` makes ops of it.
//!
//! Sums are taken in row-major order of the indices; of several writes to one place the last stays.

use gradus_linalg::threads::{Rows, for_each_split};
use gradus_linalg::{copy, scatter};
use gradus_tensor::{DType, Error, Result, Shape, Tensor, broadcast_shapes};

use super::{require_dtype, with_any, with_float};

/// Elements of one parallel task, as in the kernels.
const CHUNK: usize = 65_536;

/// Which parts of a tensor of shape `whole` stand at which place of one of shape `picked`.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// For each part its number in the whole, counted in parts: i64, checked, in row-major order.
    rows: Tensor,
    /// Elements of a part, neighbours in both.
    width: usize,
    /// The rows come in this many equal parts, each of which stays in its own part of the whole.
    groups: usize,
    picked: Shape,
    whole: Shape,
}

impl Places {
    /// What `gather` reads: the index along `axis` is taken from `index`, of the same rank and no larger in other dims.
    pub(crate) fn along(
        op: &'static str,
        axis: usize,
        index: &Tensor,
        whole: &Shape,
    ) -> Result<Self> {
        require_dtype(op, index, &[DType::I64])?;
        if index.numel() == 0 {
            // Nothing is picked, whatever the shape, as in PyTorch.
            return Self::numbered(index, 1, *index.shape(), whole);
        }
        let fits = index.rank() == whole.rank()
            && (0..whole.rank()).all(|a| a == axis || index.dims()[a] <= whole[a]);
        if !fits {
            return Err(Error::ShapeMismatch {
                op,
                lhs: *whole,
                rhs: *index.shape(),
                rule: "the index has the same rank, and dims no larger but for the dim that it runs along",
            });
        }
        let index = index.contiguous()?;
        refuse_outside(op, index.as_slice::<i64>()?, whole[axis])?;
        Self::along_checked(axis, &index, whole)
    }

    /// [`Places::along`] of an index that is right.
    pub(crate) fn along_checked(axis: usize, index: &Tensor, whole: &Shape) -> Result<Self> {
        let (index, dims) = (index.contiguous()?, *index.shape());
        let strides = row_major(whole);
        let from = index.as_slice::<i64>()?;
        let run = dims[dims.rank() - 1];
        let rows = Tensor::build(dims, |dst: &mut [i64]| {
            if dst.is_empty() {
                return;
            }
            let (dst, from) = (
                Rows {
                    data: dst,
                    width: run,
                },
                Rows {
                    data: from,
                    width: run,
                },
            );
            for_each_split((dst, from), (CHUNK / run).max(1), |first, (dst, from)| {
                let lines = dst
                    .data
                    .chunks_exact_mut(run)
                    .zip(from.data.chunks_exact(run));
                for (line, (dst, from)) in lines.enumerate() {
                    fill_line(dst, from, first + line, &dims, &strides, axis);
                }
            });
        })?;
        let grouped = dims[..axis] == whole[..axis] && whole.numel() > 0;
        let groups = if grouped {
            dims[..axis].iter().product()
        } else {
            1
        };
        Ok(Self {
            rows,
            width: 1,
            groups,
            picked: dims,
            whole: *whole,
        })
    }

    /// Slices of `axis` by a vector of indices.
    pub(crate) fn slices(
        op: &'static str,
        axis: usize,
        index: &Tensor,
        whole: &Shape,
    ) -> Result<Self> {
        require_dtype(op, index, &[DType::I64])?;
        if index.rank() > 1 {
            return Err(Error::Rank {
                op,
                expected: 1,
                got: *index.shape(),
            });
        }
        let (index, size) = (index.contiguous()?, whole[axis]);
        let from = index.as_slice::<i64>()?;
        refuse_outside(op, from, size)?;
        let mut dims = whole.dims().to_vec();
        dims[axis] = from.len();
        let outer: usize = whole[..axis].iter().product();
        let rows = Tensor::build([outer, from.len()], |dst: &mut [i64]| {
            if !from.is_empty() {
                for (o, dst) in dst.chunks_exact_mut(from.len()).enumerate() {
                    let base = (o * size) as i64;
                    dst.iter_mut().zip(from).for_each(|(d, &i)| *d = base + i);
                }
            }
        })?;
        Ok(Self {
            rows,
            width: whole[axis + 1..].iter().product(),
            groups: outer.max(1),
            picked: Shape::new(&dims)?,
            whole: *whole,
        })
    }

    /// Parts of `width` elements by their numbers, which are right; `picked` has as many elements as they.
    pub(crate) fn numbered(
        rows: &Tensor,
        width: usize,
        picked: Shape,
        whole: &Shape,
    ) -> Result<Self> {
        Ok(Self {
            rows: rows.contiguous()?,
            width,
            groups: 1,
            picked,
            whole: *whole,
        })
    }

    /// The places that several index tensors name together, one for each leading dim, broadcast to one shape; negative indices count
    /// from the end. A bool tensor stands for the indices of its true elements, one for each of its dims.
    pub(crate) fn indexed(op: &'static str, indices: &[Tensor], whole: &Shape) -> Result<Self> {
        let mut each: Vec<Tensor> = Vec::new();
        for index in indices {
            if index.dtype() == DType::Bool {
                each.extend(masked_indices(op, index, whole, each.len())?);
            } else {
                let size = whole.get(each.len()).copied();
                let size = size.ok_or_else(|| too_many(op, whole, each.len() + 1))?;
                each.push(wrapped(op, index, size)?);
            }
        }
        let mut shape = Shape::SCALAR;
        for index in &each {
            shape = broadcast_shapes(op, &shape, index.shape())?;
        }
        let mut rows = vec![0_i64; shape.numel()];
        for (index, &size) in each.iter().zip(whole.iter()) {
            let wide: Vec<i64> = index.expand(shape)?.to_vec()?;
            for (row, i) in rows.iter_mut().zip(wide) {
                *row = *row * size as i64 + i;
            }
        }
        let rest = &whole[each.len()..];
        let picked = Shape::new(&[shape.dims(), rest].concat())?;
        let rows = Tensor::from_slice(&rows, shape)?;
        Self::numbered(&rows, rest.iter().product(), picked, whole)
    }

    /// The elements that a view of the leading dims of `whole` shows; the other dims are kept whole.
    pub(crate) fn viewed(
        whole: &Shape,
        leading: usize,
        view: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let (front, back) = whole.split_at(leading);
        let count: usize = front.iter().product();
        let numbers = Tensor::arange(0_i64, count as i64, 1)?.reshape(front)?;
        let rows = view(&numbers)?;
        let picked = Shape::new(&[rows.dims(), back].concat())?;
        Self::numbered(&rows, back.iter().product(), picked, whole)
    }

    /// The same places, each element a part of its own.
    pub(crate) fn by_elements(&self) -> Result<Self> {
        let (rows, width) = (self.rows()?, self.width);
        let numbers = Tensor::build(self.picked, |dst: &mut [i64]| {
            if width > 0 {
                for (dst, &row) in dst.chunks_exact_mut(width).zip(rows) {
                    let numbers = (row * width as i64)..;
                    dst.iter_mut().zip(numbers).for_each(|(d, i)| *d = i);
                }
            }
        })?;
        Ok(Self {
            rows: numbers,
            width: 1,
            ..self.clone()
        })
    }

    /// The shape of what is picked.
    pub(crate) fn picked(&self) -> &Shape {
        &self.picked
    }

    fn rows(&self) -> Result<&[i64]> {
        self.rows.as_slice()
    }

    /// The parts of `x`, which has the whole shape.
    pub(crate) fn take(&self, x: &Tensor) -> Result<Tensor> {
        if !x.is_contiguous() && self.picked.numel() < x.numel() {
            return self.take_strided(x);
        }
        let (x, rows) = (x.contiguous()?, self.rows()?);
        with_any!(x.dtype(), T => {
            let from = x.as_slice::<T>()?;
            Tensor::build(self.picked, |dst: &mut [T]| scatter::take_rows(dst, from, rows, self.width))
        })
    }

    /// Few parts of a strided tensor, which may be an expanded one of any size, without a copy of all of it.
    fn take_strided(&self, x: &Tensor) -> Result<Tensor> {
        let numbers = self.by_elements()?;
        let (rows, shape, strides) = (numbers.rows()?, x.shape(), x.strides());
        let start = x.layout().offset() as i64;
        let offsets = Tensor::build([rows.len()], |dst: &mut [i64]| {
            for_each_split((dst, rows), CHUNK, |_, (dst, rows)| {
                for (d, &row) in dst.iter_mut().zip(rows) {
                    let (mut rest, mut at) = (row as usize, start);
                    for axis in (0..shape.rank()).rev() {
                        at += (rest % shape[axis]) as i64 * strides[axis] as i64;
                        rest /= shape[axis];
                    }
                    *d = at;
                }
            });
        })?;
        let offsets = offsets.as_slice::<i64>()?;
        with_any!(x.dtype(), T => {
            let from = x.view::<T>()?.data();
            Tensor::build(self.picked, |dst: &mut [T]| scatter::take_rows(dst, from, offsets, 1))
        })
    }

    /// `x` with the parts of `src` written over it.
    pub(crate) fn put(&self, x: &Tensor, src: &Tensor) -> Result<Tensor> {
        let (src, rows) = (src.contiguous()?, self.rows()?);
        with_any!(x.dtype(), T => {
            let (view, from) = (x.view::<T>()?, src.as_slice::<T>()?);
            Tensor::build(self.whole, |dst: &mut [T]| {
                copy::copy(dst, view);
                scatter::put_rows(dst, from, rows, self.width, self.groups);
            })
        })
    }

    /// `x` (zeros if none) with the parts of `src` added to it.
    pub(super) fn add(&self, op: &'static str, x: Option<&Tensor>, src: &Tensor) -> Result<Tensor> {
        let (src, rows) = (src.contiguous()?, self.rows()?);
        with_float!(src.dtype(), op, T => {
            let view = x.map(Tensor::view::<T>).transpose()?;
            let from = src.as_slice::<T>()?;
            Tensor::build(self.whole, |dst: &mut [T]| {
                match view {
                    Some(view) => copy::copy(dst, view),
                    None => dst.fill(0.0),
                }
                scatter::add_rows(dst, from, rows, self.width, self.groups);
            })
        })
    }

    /// `x` with the parts of `src` compared to it: the larger stays, or the smaller.
    pub(crate) fn extreme(
        &self,
        op: &'static str,
        largest: bool,
        x: &Tensor,
        src: &Tensor,
    ) -> Result<Tensor> {
        let (src, rows) = (src.contiguous()?, self.rows()?);
        with_float!(src.dtype(), op, T => {
            let (view, from) = (x.view::<T>()?, src.as_slice::<T>()?);
            let kernel = if largest { scatter::max_rows::<T> } else { scatter::min_rows::<T> };
            Tensor::build(self.whole, |dst: &mut [T]| {
                copy::copy(dst, view);
                kernel(dst, from, rows, self.width, self.groups);
            })
        })
    }

    /// Which elements of what was written stay, or none if all do.
    pub(super) fn last(&self) -> Result<Option<Tensor>> {
        if self.picked.numel() == 0 {
            return Ok(None);
        }
        let (rows, width) = (self.rows()?, self.width);
        let count = self.whole.numel() / width;
        let last = Tensor::build(self.rows.shape(), |dst: &mut [bool]| {
            scatter::is_last(dst, rows, count);
        })?;
        if !last.as_slice::<bool>()?.contains(&false) {
            return Ok(None);
        }
        let parts = last.reshape([rows.len(), 1])?.expand([rows.len(), width])?;
        parts.contiguous()?.reshape(self.picked).map(Some)
    }

    /// The numbers of the parts, in order.
    pub(crate) fn numbers(&self) -> &Tensor {
        &self.rows
    }
}

/// Strides of a contiguous tensor.
fn row_major(shape: &Shape) -> Vec<usize> {
    let mut strides = vec![1; shape.rank()];
    for axis in (1..shape.rank()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The row-major numbers of the places of one line along the last dim.
fn fill_line(
    dst: &mut [i64],
    from: &[i64],
    line: usize,
    dims: &Shape,
    strides: &[usize],
    axis: usize,
) {
    let last = dims.rank() - 1;
    let (mut base, mut rest) = (0, line);
    for a in (0..last).rev() {
        if a != axis {
            base += rest % dims[a] * strides[a];
        }
        rest /= dims[a];
    }
    let (base, stride) = (base as i64, strides[axis] as i64);
    let own = i64::from(axis != last);
    for (i, (d, &index)) in (0_i64..).zip(dst.iter_mut().zip(from)) {
        *d = base + own * i + index * stride;
    }
}

fn too_many(op: &'static str, whole: &Shape, dims: usize) -> Error {
    Error::Rank {
        op,
        expected: dims,
        got: *whole,
    }
}

/// The indices of the true elements of a mask over the dims of `whole` from `from` on.
fn masked_indices(
    op: &'static str,
    mask: &Tensor,
    whole: &Shape,
    from: usize,
) -> Result<Vec<Tensor>> {
    let rest = whole.get(from..from + mask.rank());
    let rest = rest.ok_or_else(|| too_many(op, whole, from + mask.rank()))?;
    if rest != mask.dims() {
        return Err(Error::ShapeMismatch {
            op,
            lhs: *whole,
            rhs: *mask.shape(),
            rule: "a mask, right, has the size of the dims that it stands for",
        });
    }
    if mask.rank() == 0 {
        let expected = &[DType::I64];
        let got = DType::Bool;
        return Err(Error::DType { op, expected, got });
    }
    let numbers: Vec<i64> = true_numbers(mask)?.to_vec()?;
    let column = |axis: usize| {
        let behind: usize = rest[axis + 1..].iter().product();
        let (behind, size) = (behind as i64, rest[axis] as i64);
        let indices: Vec<i64> = numbers.iter().map(|n| n / behind % size).collect();
        Tensor::from_slice(&indices, indices.len())
    };
    (0..rest.len()).map(column).collect()
}

/// The row-major numbers of the true elements of a mask: `(n,)`, i64.
pub(crate) fn true_numbers(mask: &Tensor) -> Result<Tensor> {
    let mask = mask.contiguous()?;
    let all = (0_i64..).zip(mask.as_slice::<bool>()?);
    let numbers: Vec<i64> = all.filter_map(|(i, &on)| on.then_some(i)).collect();
    Tensor::from_slice(&numbers, numbers.len())
}

/// Refuses the first index that is negative or not below `len`.
pub(crate) fn refuse_outside(op: &'static str, index: &[i64], len: usize) -> Result<()> {
    let len_i64 = i64::try_from(len).unwrap_or(i64::MAX);
    match index.iter().position(|&i| i < 0 || i >= len_i64) {
        None => Ok(()),
        Some(position) => Err(Error::IndexOutOfRange {
            op,
            position,
            index: index[position],
            len,
        }),
    }
}

/// Indices of `-len..len` as ones of `0..len`: negative ones count from the end.
pub(crate) fn wrapped(op: &'static str, index: &Tensor, len: usize) -> Result<Tensor> {
    require_dtype(op, index, &[DType::I64])?;
    let from = index.contiguous()?;
    let from = from.as_slice::<i64>()?;
    let len_i64 = i64::try_from(len).unwrap_or(i64::MAX);
    if let Some(position) = from.iter().position(|&i| i < -len_i64 || i >= len_i64) {
        return Err(Error::IndexOutOfRange {
            op,
            position,
            index: from[position],
            len,
        });
    }
    Tensor::build(index.shape(), |dst: &mut [i64]| {
        for (d, &i) in dst.iter_mut().zip(from) {
            *d = if i < 0 { i + len_i64 } else { i };
        }
    })
}
