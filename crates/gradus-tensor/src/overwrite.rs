//! Elements of one tensor written over a part of another, any dtype, by the size of its elements.

use crate::{Error, Layout, MAX_RANK, Result, Tensor};

impl Tensor {
    /// This tensor with the elements of `src` where `part` of it stands; in place if nobody else holds the storage.
    ///
    /// # Errors
    /// Those of `part`; [`Error::ShapeMismatch`] and [`Error::DTypeMismatch`] if `src` is not as `part`; [`Error::OutOfMemory`].
    ///
    /// ```
    /// use gradus_tensor::{DType, Tensor};
    /// let ones = Tensor::ones([2], DType::I64)?;
    /// let x = Tensor::zeros([2, 2], DType::I64)?.overwritten(|x| x.diagonal(0, 0, 1), &ones)?;
    /// assert_eq!(x.to_vec::<i64>()?, [1, 0, 0, 1]);
    /// # Ok::<(), gradus_tensor::Error>(())
    /// ```
    pub fn overwritten(
        mut self,
        part: impl FnOnce(&Self) -> Result<Self>,
        src: &Self,
    ) -> Result<Self> {
        if !self.is_contiguous() || self.is_shared() {
            self = self.deep_copy()?;
        }
        let target = {
            let part = part(&self)?;
            if part.dtype() != src.dtype() {
                return Err(Error::DTypeMismatch {
                    op: "overwritten",
                    lhs: part.dtype(),
                    rhs: src.dtype(),
                });
            }
            *part.layout()
        };
        if target.shape() != src.shape() {
            return Err(Error::ShapeMismatch {
                op: "overwritten",
                lhs: *target.shape(),
                rhs: *src.shape(),
                rule: "the source has the shape of the part",
            });
        }
        if src.numel() == 0 {
            return Ok(self);
        }
        let lost = Error::Overflow {
            op: "overwritten",
            what: "part",
        };
        let size = src.dtype().size();
        let from = src.storage_bytes();
        let to = self.storage_bytes_mut().ok_or(lost)?;
        match size {
            1 => write(to, &target, from, src.layout()),
            2 => write::<u16>(
                bytemuck::cast_slice_mut(to),
                &target,
                bytemuck::cast_slice(from),
                src.layout(),
            ),
            4 => write::<u32>(
                bytemuck::cast_slice_mut(to),
                &target,
                bytemuck::cast_slice(from),
                src.layout(),
            ),
            _ => write::<u64>(
                bytemuck::cast_slice_mut(to),
                &target,
                bytemuck::cast_slice(from),
                src.layout(),
            ),
        }
        Ok(self)
    }
}

/// One dim of both sides: its size and the two strides.
type Both = (usize, isize, isize);

/// `to` through `target` gets the elements of `from` through `source`, which has the same shape and some elements.
fn write<B: Copy>(to: &mut [B], target: &Layout, from: &[B], source: &Layout) {
    let mut dims: Vec<Both> = Vec::with_capacity(MAX_RANK);
    for axis in 0..target.shape().rank() {
        let (dim, out, own) = (
            target.shape()[axis],
            target.strides()[axis],
            source.strides()[axis],
        );
        match dims.last_mut() {
            _ if dim == 1 => {}
            // Neighbours that follow one another on both sides are one dim.
            Some(last) if follows(last, (dim, out, own)) => *last = (last.0 * dim, out, own),
            _ => dims.push((dim, out, own)),
        }
    }
    let (inner, out_step, own_step) = dims.pop().unwrap_or((1, 0, 0));
    let (mut out, mut own) = (target.offset() as isize, source.offset() as isize);
    let mut index = [0; MAX_RANK];
    let rows: usize = dims.iter().map(|&(dim, ..)| dim).product();
    for _ in 0..rows {
        if out_step == 1 && own_step == 1 {
            to[out as usize..][..inner].copy_from_slice(&from[own as usize..][..inner]);
        } else {
            for i in 0..inner as isize {
                to[(out + i * out_step) as usize] = from[(own + i * own_step) as usize];
            }
        }
        for (i, &(dim, out_stride, own_stride)) in index.iter_mut().zip(&dims).rev() {
            *i += 1;
            out += out_stride;
            own += own_stride;
            if *i < dim {
                break;
            }
            out -= out_stride * dim as isize;
            own -= own_stride * dim as isize;
            *i = 0;
        }
    }
}

fn follows(outer: &Both, inner: Both) -> bool {
    let dim = inner.0 as isize;
    outer.1 == inner.1 * dim && outer.2 == inner.2 * dim
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn parts_of_every_dtype_and_layout() {
        for dtype in DType::ALL {
            let src = Tensor::arange(0_i64, 6, 1)
                .unwrap()
                .reshape([2, 3])
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let x = Tensor::zeros([3, 4], dtype).unwrap();
            let y = x
                .clone()
                .overwritten(
                    |x| {
                        x.narrow(0, 1, 2)?
                            .slice(1, 3, 0, -1)?
                            .transpose(0, 1)?
                            .transpose(0, 1)
                    },
                    &src,
                )
                .unwrap();
            let bit = |v: i64| if dtype == DType::Bool { v.min(1) } else { v };
            let want = [0, 0, 0, 0, 0, 2, 1, 0, 0, 5, 4, 3].map(bit);
            let got = y.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap();
            assert_eq!(got, want, "{dtype}");
            assert!(!x.same_storage(&y));
        }
    }

    #[test]
    fn only_what_fits() {
        let x = || Tensor::zeros([3], DType::F32).unwrap();
        let two = Tensor::zeros([2], DType::F32).unwrap();
        assert!(x().overwritten(|x| Ok(x.clone()), &two).is_err());
        let other = Tensor::zeros([3], DType::F64).unwrap();
        assert!(x().overwritten(|x| Ok(x.clone()), &other).is_err());
        assert!(x().overwritten(|x| x.narrow(0, 2, 2), &two).is_err());
    }
}
