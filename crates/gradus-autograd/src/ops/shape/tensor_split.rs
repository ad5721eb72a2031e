//! Parts of a dim, between indices or of nearly equal size.

use crate::registry::{Args, AttrType, Kind, OpSpec};
use crate::{Error, Result, Var};

impl Var {
    /// The parts of `dim` that end at each index, and the rest. Views.
    ///
    /// # Shapes
    /// As in Python's slices, indices count from the end where negative, are clamped, and a part that ends before it starts is empty.
    ///
    /// # Gradient
    /// `grad_out` of each part at its place. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside.
    ///
    /// As `torch.tensor_split` with indices.
    pub fn tensor_split(&self, indices: &[isize], dim: isize) -> Result<Vec<Self>> {
        let axis = self.shape().axis("tensor_split", dim)?;
        let len = self.dims()[axis];
        let at = |index: isize| {
            let index = if index < 0 {
                index.saturating_add(len as isize)
            } else {
                index
            };
            usize::try_from(index).unwrap_or(0).min(len)
        };
        let ends = indices.iter().map(|&index| at(index)).chain([len]);
        let mut start = 0;
        let part = |end: usize| {
            let part = self.narrow(dim, start, end.saturating_sub(start));
            start = end;
            part
        };
        ends.map(part).collect()
    }

    /// `sections` parts of `dim` whose sizes differ by at most one, the larger ones first. Views.
    ///
    /// # Shapes, gradient
    /// As [`Var::tensor_split`].
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Argument`] if `sections` is 0 or above 65536 and the size of the dim.
    ///
    /// As `torch.tensor_split` with a number.
    pub fn tensor_split_evenly(&self, sections: usize, dim: isize) -> Result<Vec<Self>> {
        let axis = self.shape().axis("tensor_split", dim)?;
        let len = self.dims()[axis];
        if sections == 0 || sections > len.max(1 << 16) {
            return Err(Error::Argument {
                op: "tensor_split",
                name: "indices_or_sections",
                expected: "at least 1, and at most 65536 or the size of the dim",
                got: sections as f64,
            });
        }
        let larger = len % sections;
        let sizes = (0..sections).map(|i| len / sections + usize::from(i < larger));
        super::split::parts("tensor_split", self, axis, sizes.collect())
    }
}

/// Its registration: one number is a number of sections, several are indices.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("tensor_split", |a| {
        let (x, dim) = (a.var("x")?, a.isize("dim")?);
        match a.isizes("indices_or_sections")?[..] {
            [_] => x.tensor_split_evenly(a.sizes("indices_or_sections")?[0], dim),
            ref indices => x.tensor_split(indices, dim),
        }
    })
    .many()
    .input("x", Kind::Any)
    .required("indices_or_sections", AttrType::Ints)
    .attr("dim", AttrType::Int, 0)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let len = x.dims[axis];
        if let [sections] = a.isizes("indices_or_sections")?[..] {
            let mut sizes = vec![0; sections as usize];
            for i in 0..len {
                sizes[i % sections as usize] += 1;
            }
            return super::split::cut(a, &x, &sizes);
        }
        let mut start = 0;
        let mut parts = Vec::new();
        for index in a
            .isizes("indices_or_sections")?
            .into_iter()
            .chain([len as isize])
        {
            let end = if index < 0 {
                index + len as isize
            } else {
                index
            };
            let end = end.clamp(0, len as isize) as usize;
            parts.push(x.along(axis, |lane| lane[start..end.max(start)].to_vec()));
            start = end;
        }
        Ok(parts)
    })
    .draw(|d| {
        let dims = d.shape(1..=3, 1..=5);
        let dim = d.dim(dims.len());
        let given: Vec<i64> = match d.below(3) {
            0 => vec![d.int(1..=6)],
            1 => Vec::new(),
            _ => (0..d.range(2..=3)).map(|_| d.int(-6..=6)).collect(),
        };
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("indices_or_sections", given).attr("dim", dim))
    })
}
