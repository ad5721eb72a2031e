//! What poolings share: planes of images and windows that fit them.

use gradus_linalg::pool::Pool2d;
use gradus_tensor::{Error, Result, Shape};

use super::require;

/// Height and width of `(N, C, H, W)` or `(C, H, W)` images, neither of them 0.
pub(crate) fn plane(op: &'static str, x: &Shape) -> Result<[usize; 2]> {
    let &[.., height, width] = x.dims() else {
        return Err(Error::Rank {
            op,
            expected: 4,
            got: *x,
        });
    };
    if x.rank() != 3 && x.rank() != 4 {
        return Err(Error::Rank {
            op,
            expected: 4,
            got: *x,
        });
    }
    for (name, side) in [("height", height), ("width", width)] {
        require(side > 0, op, name, "at least 1", side as f64)?;
    }
    Ok([height, width])
}

/// The images' shape with other sides.
pub(crate) fn with_sides(x: &Shape, [height, width]: [usize; 2]) -> Result<Shape> {
    Shape::new(&[&x.dims()[..x.rank() - 2], &[height, width]].concat())
}

/// The shape of the pooled images, if the windows are such.
pub(crate) fn pooled(op: &'static str, x: &Shape, pool: &Pool2d) -> Result<Shape> {
    for d in 0..2 {
        for (name, value) in [
            ("kernel size", pool.kernel[d]),
            ("stride", pool.stride[d]),
            ("dilation", pool.dilation[d]),
        ] {
            require(value > 0, op, name, "at least 1", value as f64)?;
        }
        let padding = pool.padding[d];
        require(
            padding <= pool.kernel[d] / 2,
            op,
            "padding",
            "at most half of the kernel size",
            padding as f64,
        )?;
    }
    let window = Shape::new(&pool.kernel)?;
    let sides = pool.output().ok_or(Error::ShapeMismatch {
        op,
        lhs: *x,
        rhs: window,
        rule: "the window, with its dilation, must fit into the padded image",
    })?;
    with_sides(x, sides)
}
