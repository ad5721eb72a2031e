//! Dims made longer at both ends, or shorter.

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// What the new elements of [`Var::pad`] are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// This value, converted to the dtype.
    Constant(f64),
    /// The elements mirrored at the first or last one, which is not repeated.
    Reflect,
    /// The first or last element.
    Replicate,
    /// The elements from the other end on.
    Circular,
}

/// Elements before and behind each dim; negative ones are cut off.
type Pads = Vec<[isize; 2]>;

#[derive(Debug)]
struct Pad {
    pads: Pads,
    value: f64,
}

/// The size of a dim with its pads.
fn padded(size: usize, [low, high]: [isize; 2]) -> Result<usize> {
    let sum = (size as isize)
        .checked_add(low)
        .and_then(|sum| sum.checked_add(high));
    let sum = sum.ok_or(Error::Overflow {
        op: "pad",
        what: "padded dim",
    })?;
    // What is cut off at either end must be there.
    let cut = low
        .min(0)
        .unsigned_abs()
        .saturating_add(high.min(0).unsigned_abs());
    usize::try_from(sum)
        .ok()
        .filter(|_| cut <= size)
        .ok_or(Error::Argument {
            op: "pad",
            name: "pad",
            expected: "negative by no more than the size of the dim",
            got: low.min(high) as f64,
        })
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        let sizes = x.dims().iter().zip(&self.pads);
        let dims = sizes.map(|(&size, &pads)| padded(size, pads));
        let shape = Shape::new(&dims.collect::<Result<Vec<usize>>>()?)?;
        let mut kept = x.clone();
        for (axis, pads) in self.pads.iter().enumerate() {
            let [low, high] = pads.map(|pad| pad.min(0).unsigned_abs());
            kept = kept.narrow(axis as isize, low, x.dims()[axis] - low - high)?;
        }
        let out = Tensor::constant(shape, x.dtype(), self.value)?;
        let inside = |out: &Tensor| {
            let mut out = out.clone();
            for (axis, pads) in self.pads.iter().enumerate() {
                let low = pads[0].max(0).unsigned_abs();
                out = out.narrow(axis as isize, low, kept.dims()[axis])?;
            }
            Ok(out)
        };
        Ok(out.overwritten(inside, &kept)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        // What was cut off gets 0, what was put on is cut off.
        let pads = self.pads.iter().map(|pads| pads.map(|pad| -pad)).collect();
        let back = Pad { pads, value: 0.0 };
        Ok(vec![Some(apply(back, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

/// For each position of the padded dim the one that it is read from.
fn positions(mode: PadMode, size: usize, pads: [isize; 2]) -> Result<Tensor> {
    let len = padded(size, pads)?;
    let far = pads[0].max(pads[1]);
    let last = size as isize - 1;
    // Circular padding repeats what is left after negative pads have cut (as PyTorch's).
    let first_kept = pads[0].min(0).saturating_neg();
    let kept = size as isize - first_kept + pads[1].min(0);
    let (fits, expected) = match mode {
        PadMode::Reflect => (far <= last, "smaller than the dim"),
        PadMode::Circular => (far <= kept.max(0), "no larger than what is kept of the dim"),
        _ => (size > 0 || len == 0, "at most 0 for a dim of size 0"),
    };
    if !fits {
        return Err(Error::Argument {
            op: "pad",
            name: "pad",
            expected,
            got: far as f64,
        });
    }
    Tensor::build([len], |out: &mut [i64]| {
        for (i, out) in out.iter_mut().enumerate() {
            let at = i as isize - pads[0];
            let from = match mode {
                PadMode::Reflect if at > last => 2 * last - at,
                PadMode::Reflect => at.abs(),
                PadMode::Circular => first_kept + (at - first_kept).rem_euclid(kept),
                _ => at.clamp(0, last),
            };
            *out = from as i64;
        }
    })
}

impl Var {
    /// Longer dims: `pad` holds the number of new positions before and behind the last dim, then those of the dim before it, and
    /// so on. Negative numbers cut positions off.
    ///
    /// # Shapes
    /// Of any rank, and pads for any number of dims, with [`PadMode::Constant`]; with the others pads for the last 1, 2 or 3 dims
    /// of an input that has one or two more. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` of each position added to the element that stands there. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] if `pad` is not of pairs, or of more of them than dims; [`Error::Argument`] if more is cut off than there
    /// is, or a dim is too small for the mode: [`PadMode::Reflect`] takes less than the size, [`PadMode::Circular`] no more;
    /// [`Error::Rank`] if the mode does not take the rank.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::PadMode};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [1, 3])?);
    /// let y = x.pad(&[2, -1], PadMode::Constant(9.0))?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [9.0, 9.0, 1.0, 2.0]);
    /// let y = x.pad(&[2, 1], PadMode::Reflect)?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.pad`.
    pub fn pad(&self, pad: &[isize], mode: PadMode) -> Result<Self> {
        let (count, rank) = (pad.len() / 2, self.rank());
        if !pad.len().is_multiple_of(2) || count > rank {
            return Err(Error::Length {
                op: "pad",
                expected: 2 * count.min(rank),
                got: pad.len(),
            });
        }
        let mut pads: Pads = vec![[0; 2]; rank];
        for (i, pair) in pad.chunks_exact(2).enumerate() {
            pads[rank - 1 - i] = [pair[0], pair[1]];
        }
        if let PadMode::Constant(value) = mode {
            if pad.contains(&isize::MIN) {
                return Err(Error::Overflow {
                    op: "pad",
                    what: "padded dim",
                });
            }
            return apply(Pad { pads, value }, &[self]);
        }
        if !(1..=3).contains(&count) || !(count + 1..=count + 2).contains(&rank) {
            return Err(Error::Rank {
                op: "pad",
                expected: count.clamp(1, 3) + 2,
                got: *self.shape(),
            });
        }
        let mut x = self.clone();
        for (axis, &pads) in pads.iter().enumerate().filter(|(_, pads)| **pads != [0; 2]) {
            x = x.index_select(axis as isize, &positions(mode, self.dims()[axis], pads)?)?;
        }
        Ok(x)
    }
}

const MODES: &[&str] = &["constant", "reflect", "replicate", "circular"];

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("pad", |a| {
        let value = a.opt("value", Args::float)?.unwrap_or(0.0);
        let mode = [
            PadMode::Constant(value),
            PadMode::Reflect,
            PadMode::Replicate,
            PadMode::Circular,
        ][a.choice("mode", MODES)?];
        Ok(one(a.var("x")?.pad(&a.isizes("pad")?, mode)?))
    })
    .variety(3)
    .input("x", Kind::Any)
    .required("pad", AttrType::Ints)
    .attr("mode", AttrType::Text, "constant")
    .attr("value", AttrType::Float, Attr::None)
    .reference(reference)
    .draw(draw)
}

fn draw(d: &mut Draw) -> Result<Args> {
    // Reflections, which differ at both ends, twice as often as the others.
    let mode = d.pick(&[0, 1, 1, 2, 3]);
    let (dims, count) = if mode == 0 {
        let dims = d.any_shape();
        let count = d.range(0..=dims.len());
        (dims, count)
    } else {
        let count = d.range(1..=3);
        (
            d.shape(count + 1..=count + 2, if mode == 1 { 2 } else { 1 }..=3),
            count,
        )
    };
    let mut pads = Vec::new();
    for i in 0..count {
        let size = dims[dims.len() - 1 - i] as i64;
        let most = [4, size - 1, 4, size][mode].clamp(0, 4);
        let low = d.int(-size.min(2)..=most);
        // Not more is cut off than is left.
        let least = -(size + low.min(0)).min(2);
        let high = d.int(least.min(most)..=most);
        let kept = if mode == 3 {
            size + low.min(0) + high.min(0)
        } else {
            4
        };
        pads.extend([low.min(kept), high.min(kept)]);
    }
    let args = Args::new().with("x", d.reals(&dims)?).attr("pad", pads);
    let args = args.attr("mode", MODES[mode]);
    Ok(if mode == 0 && d.flag() {
        args.attr("value", 1.5)
    } else {
        args
    })
}

/// Dim by dim, with a list of the positions that walks away from the ends step by step.
fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (mut x, pads) = (a.dense("x")?, a.isizes("pad")?);
    let value = a.opt("value", Args::float)?.unwrap_or(0.0);
    let mode = a.text("mode")?.to_owned();
    for (i, pair) in pads.chunks_exact(2).enumerate() {
        let axis = x.rank() - 1 - i;
        x = x.along(axis, |lane| {
            let (mut lane, mut pair) = (lane, [pair[0], pair[1]]);
            if mode == "circular" {
                let end = lane.len() - pair[1].min(0).unsigned_abs();
                lane = &lane[pair[0].min(0).unsigned_abs()..end];
                pair = pair.map(|pad| pad.max(0));
            }
            let n = lane.len() as isize;
            let element = |at: isize| -> f64 {
                if (0..n).contains(&at) {
                    return lane[at as usize];
                }
                let away = if at < 0 { -at } else { at - n + 1 };
                let (first, last) = (0, n - 1);
                let from = match (mode.as_str(), at < 0) {
                    ("constant", _) => return value,
                    ("reflect", true) => first + away,
                    ("reflect", false) => last - away,
                    ("replicate", true) => first,
                    ("replicate", false) => last,
                    (_, true) => last + 1 - away,
                    (_, false) => first + away - 1,
                };
                lane[from as usize]
            };
            (-pair[0]..n + pair[1]).map(element).collect()
        });
    }
    Ok(vec![x])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn circular_pads_repeat_what_negative_ones_leave() {
        let x = constant(&[1.0, 2.0, 3.0, 4.0], [1, 1, 4]);
        let y = x.pad(&[-1, 2], PadMode::Circular).unwrap(); // as PyTorch
        assert_eq!(values(&y), [2.0, 3.0, 4.0, 2.0, 3.0]);
    }

    #[test]
    fn museum_45_the_dtype_stays() {
        for dtype in crate::DType::ALL {
            let x = Var::constant(Tensor::ones([2, 2], dtype).unwrap());
            for mode in [PadMode::Constant(0.0), PadMode::Circular] {
                let y = x.pad(&[1, 1], mode).unwrap();
                assert_eq!((y.dtype(), y.dims()), (dtype, &[2, 4][..]));
            }
            let y = x.pad(&[0, 1], PadMode::Constant(0.0)).unwrap();
            let got = Var::constant(y.tensor().to_dtype(crate::DType::F64).unwrap());
            assert_eq!(values(&got), [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        }
    }

    #[test]
    fn museum_46_nothing_padded_is_the_value() {
        let x = leaf::<f64>(&[], [0, 2]);
        let y = x.pad(&[1, 0, 1, 0], PadMode::Constant(3.0)).unwrap();
        assert_eq!(values(&y), [3.0; 3]);
        let grads = y.backward_with(&y.detach()).unwrap();
        assert_eq!(grads.get_var(&x).unwrap().dims(), [0, 2]);
    }

    #[test]
    fn rejects_pads_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let zero = PadMode::Constant(0.0);
        assert!(matches!(x.pad(&[1], zero), Err(Error::Length { .. })));
        assert!(matches!(x.pad(&[1; 6], zero), Err(Error::Length { .. })));
        assert!(matches!(
            x.pad(&[-2, -2], zero),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(x.pad(&[-4, 4], zero), Err(Error::Argument { .. })));
        for huge in [isize::MIN, isize::MAX] {
            for mode in [
                zero,
                PadMode::Replicate,
                PadMode::Reflect,
                PadMode::Circular,
            ] {
                assert!(x.pad(&[huge, 1], mode).is_err());
            }
        }
        assert!(matches!(
            x.pad(&[3, 0], PadMode::Reflect),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(
            x.pad(&[0, 4], PadMode::Circular),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(
            x.pad(&[1, 1, 1, 1], PadMode::Reflect),
            Err(Error::Rank { .. })
        ));
    }
}
