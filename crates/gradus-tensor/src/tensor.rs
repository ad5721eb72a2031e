//! The tensor: shared storage with a layout.

use std::sync::Arc;

use crate::copy::copy_into;
use crate::storage::Storage;
use crate::{DType, Element, Error, IntoShape, Layout, Result, Shape, View};

/// A multi-dimensional array of one dtype: a shared storage seen through a layout.
///
/// Cloning shares the storage. Views ([`Tensor::transpose`], [`Tensor::narrow`], …) share it too. The elements never
/// change under a user's feet: [`Tensor::make_mut`] copies first if anyone else holds the storage.
#[derive(Clone)]
pub struct Tensor {
    storage: Arc<Storage>,
    layout: Layout,
}

impl Tensor {
    /// A tensor whose elements `fill` writes. The slice it gets holds unspecified values, in row-major order.
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// let x = Tensor::build([3], |out: &mut [f32]| out.copy_from_slice(&[1.0, 2.0, 3.0]))?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), gradus_tensor::Error>(())
    /// ```
    pub fn build<T: Element>(shape: impl IntoShape, fill: impl FnOnce(&mut [T])) -> Result<Self> {
        Self::try_build(shape, |out| {
            fill(out);
            Ok(())
        })
    }

    /// [`Tensor::build`] with a `fill` that can fail.
    ///
    /// # Errors
    /// Those of [`Tensor::build`] and of `fill`.
    pub fn try_build<T: Element>(
        shape: impl IntoShape,
        fill: impl FnOnce(&mut [T]) -> Result<()>,
    ) -> Result<Self> {
        let shape = shape.into_shape()?;
        let mut storage = Storage::unspecified(T::DTYPE, shape.numel())?;
        if let Some(out) = storage.as_mut_slice() {
            fill(out)?;
        }
        Ok(Self {
            storage: Arc::new(storage),
            layout: Layout::contiguous(shape),
        })
    }

    /// The shape.
    #[inline]
    pub fn shape(&self) -> &Shape {
        self.layout.shape()
    }

    /// The dims.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        self.layout.shape().dims()
    }

    /// The number of dims.
    #[inline]
    pub fn rank(&self) -> usize {
        self.layout.shape().rank()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.layout.shape().numel()
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// How the shape lies in the storage.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The stride of each dim, in elements.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        self.layout.strides()
    }

    /// Whether the elements stand one after the other in row-major order.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// Whether the two tensors share one storage.
    pub fn same_storage(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage)
    }

    /// The same storage through another layout, which is checked against the storage's length.
    pub(crate) fn with_layout(&self, layout: Layout) -> Result<Self> {
        if let Some((_, high)) = layout.reach()?
            && high >= self.storage.len()
        {
            let index = i64::try_from(high).unwrap_or(i64::MAX);
            return Err(Error::IndexOutOfRange {
                op: "view",
                position: 0,
                index,
                len: self.storage.len(),
            });
        }
        Ok(Self {
            storage: Arc::clone(&self.storage),
            layout,
        })
    }

    /// The elements as a strided view for kernels.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if the elements are not of type `T`.
    pub fn view<T: Element>(&self) -> Result<View<'_, T>> {
        View::new(self.elements("view")?, &self.layout)
    }

    /// The elements as a slice in row-major order.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if the elements are not of type `T`; [`Error::Argument`] if the tensor is not contiguous.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        self.view()?.as_slice().ok_or(Error::Argument {
            op: "as_slice",
            name: "layout",
            expected: "contiguous; call contiguous() first; the rank is",
            got: self.rank() as f64,
        })
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if the elements are not of type `T`.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let view = self.view()?;
        Ok(match view.as_slice() {
            Some(slice) => slice.to_vec(),
            None => {
                let mut out = vec![T::default(); self.numel()];
                copy_into(&mut out, view);
                out
            }
        })
    }

    /// The only element.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if it is not of type `T`; [`Error::Length`] if there is not exactly one.
    pub fn item<T: Element>(&self) -> Result<T> {
        let elements = self.elements("item")?;
        match self.numel() {
            1 => Ok(elements[self.layout.offset()]),
            got => Err(Error::Length {
                op: "item",
                expected: 1,
                got,
            }),
        }
    }

    /// The same values in row-major order; shares the storage if they already are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn contiguous(&self) -> Result<Self> {
        if self.is_contiguous() {
            Ok(self.clone())
        } else {
            self.deep_copy()
        }
    }

    /// The same values in a storage of their own, in row-major order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn deep_copy(&self) -> Result<Self> {
        fn copy<T: Element>(x: &Tensor) -> Result<Tensor> {
            let view = x.view::<T>()?;
            Tensor::build(x.shape(), |out| copy_into(out, view))
        }
        match self.dtype() {
            DType::F32 => copy::<f32>(self),
            DType::F64 => copy::<f64>(self),
            DType::BF16 => copy::<half::bf16>(self),
            DType::F16 => copy::<half::f16>(self),
            DType::I64 => copy::<i64>(self),
            DType::U8 => copy::<u8>(self),
            DType::Bool => copy::<bool>(self),
        }
    }

    /// The elements for writing, in row-major order. Copies first if the storage is shared or the layout is not
    /// contiguous, so no other tensor changes.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if the elements are not of type `T`; [`Error::OutOfMemory`].
    pub fn make_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.elements::<T>("make_mut")?;
        if !self.is_contiguous() || Arc::get_mut(&mut self.storage).is_none() {
            *self = self.deep_copy()?;
        }
        let range = self.layout.offset()..self.layout.offset() + self.numel();
        let storage = Arc::get_mut(&mut self.storage).and_then(Storage::as_mut_slice::<T>);
        storage
            .and_then(|s| s.get_mut(range))
            .ok_or(Error::Overflow {
                op: "make_mut",
                what: "layout",
            })
    }

    /// Whether another tensor holds the storage, too.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.storage) > 1
    }

    /// All bytes of the storage.
    pub(crate) fn storage_bytes(&self) -> &[u8] {
        self.storage.bytes()
    }

    /// All bytes of the storage for writing; `None` if another tensor holds it.
    pub(crate) fn storage_bytes_mut(&mut self) -> Option<&mut [u8]> {
        Arc::get_mut(&mut self.storage).map(Storage::bytes_mut)
    }

    /// All elements of the storage.
    fn elements<T: Element>(&self, op: &'static str) -> Result<&[T]> {
        let mismatch = Error::DTypeMismatch {
            op,
            lhs: T::DTYPE,
            rhs: self.dtype(),
        };
        self.storage.as_slice().ok_or(mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_copies_only_when_shared() {
        let mut x = Tensor::from_slice(&[1.0_f32, 2.0], [2]).unwrap();
        let before = x.as_slice::<f32>().unwrap().as_ptr();
        x.make_mut::<f32>().unwrap()[0] = 5.0;
        assert_eq!(x.as_slice::<f32>().unwrap().as_ptr(), before);
        let kept = x.clone();
        x.make_mut::<f32>().unwrap()[0] = 9.0;
        assert_eq!(kept.to_vec::<f32>().unwrap(), [5.0, 2.0]);
        assert_eq!(x.to_vec::<f32>().unwrap(), [9.0, 2.0]);
    }

    #[test]
    fn museum_42_writing_an_expanded_tensor_acts_on_a_copy() {
        let x = Tensor::from_slice(&[1.0_f32], [1]).unwrap();
        let mut wide = x.expand([3]).unwrap();
        for v in wide.make_mut::<f32>().unwrap() {
            *v += 1.0;
        }
        assert_eq!(wide.to_vec::<f32>().unwrap(), [2.0; 3]);
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0]);
    }

    #[test]
    fn reading_as_the_wrong_type_names_both() {
        let x = Tensor::from_slice(&[1_i64], [1]).unwrap();
        let error = x.to_vec::<f32>().unwrap_err();
        assert_eq!(
            error,
            Error::DTypeMismatch {
                op: "view",
                lhs: DType::F32,
                rhs: DType::I64
            }
        );
        assert!(x.item::<i64>().is_ok() && x.expand([2]).unwrap().item::<i64>().is_err());
    }
}
