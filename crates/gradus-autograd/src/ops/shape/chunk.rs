//! A number of parts of a dim.

use crate::registry::{Args, AttrType, Kind, OpSpec};
use crate::{Error, Result, Var};

impl Var {
    /// At most `chunks` parts of `dim`, all of the same size but the last. Views.
    ///
    /// # Shapes
    /// The parts have `ceil(size / chunks)` positions, so that there may be fewer of them than asked for. A dim of size 0 gives
    /// `chunks` empty parts.
    ///
    /// # Gradient
    /// The parts' gradients joined. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Argument`] if `chunks` is 0.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 5.0, 1.0)?);
    /// let sizes: Vec<usize> = x.chunk(4, 0)?.iter().map(|part| part.numel()).collect();
    /// assert_eq!(sizes, [2, 2, 1]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.chunk`.
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Self>> {
        let axis = self.shape().axis("chunk", dim)?;
        let len = self.dims()[axis];
        // As many empty parts as asked for are given of an empty dim; a bound keeps that number sane.
        if chunks == 0 || len == 0 && chunks > 1 << 16 {
            return Err(Error::Argument {
                op: "chunk",
                name: "chunks",
                expected: "at least 1, and at most 65536 of an empty dim",
                got: chunks as f64,
            });
        }
        let sizes = match len {
            0 => vec![0; chunks],
            _ => super::split::equal(len, len.div_ceil(chunks)),
        };
        super::split::parts("chunk", self, axis, sizes)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("chunk", |a| {
        a.var("x")?.chunk(a.usize("chunks")?, a.isize("dim")?)
    })
    .many()
    .input("x", Kind::Any)
    .required("chunks", AttrType::Int)
    .attr("dim", AttrType::Int, 0)
    .reference(|a| {
        let (x, chunks) = (a.dense("x")?, a.usize("chunks")?);
        let mut left = x.dims[a.isize("dim")?.rem_euclid(x.rank() as isize) as usize];
        if left == 0 {
            return super::split::cut(a, &x, &vec![0; chunks]);
        }
        let size = left.div_ceil(chunks);
        let mut sizes = Vec::new();
        while left > 0 {
            sizes.push(size.min(left));
            left -= size.min(left);
        }
        super::split::cut(a, &x, &sizes)
    })
    .draw(|d| {
        let dims = d.shape(1..=3, 1..=5);
        let (dim, chunks) = (d.dim(dims.len()), d.range(1..=4));
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("chunks", chunks).attr("dim", dim))
    })
}
