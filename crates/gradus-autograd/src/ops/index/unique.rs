//! Different elements, in order.

use gradus_tensor::Tensor;

use crate::ops::support::lane_cases::few_numbers;
use crate::ops::support::order::keys_along;
use crate::ops::support::places::Places;
use crate::registry::{Args, Dense, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The different elements in ascending order; for each element of `self` the number of its value among them (i64); and how often
    /// each occurs (i64).
    ///
    /// # Shapes
    /// `(K,)`, that of `self`, and `(K,)`.
    ///
    /// # Numerics
    /// -0 and +0 are equal, the first of them is given; every NaN is a value of its own, after all numbers. Any dtype. The values
    /// are a plain tensor: `self` gathered at places that depend on it has no useful gradient, as in PyTorch.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// As `torch.unique` with `return_inverse` and `return_counts`, without a dim.
    pub fn unique(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let all = self.tensor().reshape([self.numel()])?;
        let keys = keys_along(&all, 0)?;
        let order: Vec<i64> = keys.sorted(0, all.numel(), false)?.to_vec()?;
        let of = keys.keys.as_slice::<i64>()?;
        let floats = self.dtype().is_float();
        let same = |a: &i64, b: &i64| {
            let (a, b) = (of[*a as usize], of[*b as usize]);
            a == b && !(floats && a == keys.nan)
        };
        let (mut firsts, mut counts, mut inverse) =
            (Vec::new(), Vec::new(), vec![0_i64; order.len()]);
        for (number, equal) in (0_i64..).zip(order.chunk_by(same)) {
            firsts.push(equal[0]);
            counts.push(equal.len() as i64);
            equal.iter().for_each(|&i| inverse[i as usize] = number);
        }
        let count = firsts.len();
        let firsts = Tensor::from_slice(&firsts, count)?;
        let places = Places::numbered(&firsts, 1, *firsts.shape(), all.shape())?;
        let inverse = Tensor::from_slice(&inverse, self.shape())?;
        Ok((
            places.take(&all)?,
            inverse,
            Tensor::from_slice(&counts, count)?,
        ))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("unique", |a| {
        let (values, inverse, counts) = a.var("x")?.unique()?;
        Ok([values, inverse, counts].map(Var::constant).to_vec())
    })
    .input("x", Kind::Any)
    .many()
    .not_differentiable()
    .reference(|a| {
        let x = a.dense("x")?;
        let mut values: Vec<f64> = Vec::new();
        for &new in &x.data {
            if !values.contains(&new) {
                let at = values.iter().filter(|&&old| old < new).count();
                values.insert(at, new);
            }
        }
        let number = |x: f64| {
            values
                .iter()
                .position(|&v| v == x)
                .map_or(-1.0, |i| i as f64)
        };
        let count = |v: &f64| x.data.iter().filter(|&x| x == v).count() as f64;
        let row = |data: Vec<f64>| Dense {
            dims: vec![data.len()],
            data,
        };
        let counts = row(values.iter().map(count).collect());
        Ok(vec![row(values.clone()), x.map(number), counts])
    })
    .draw(|d| {
        let dims = d.any_shape();
        Ok(Args::new().with("x", few_numbers(d, &dims)?))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_each_nan_is_a_value_of_its_own() {
        let nan = f64::NAN;
        let (values, inverse, counts) = constant(&[nan, 1.0, nan, -0.0, 0.0], 5).unique().unwrap();
        assert_eq!(values.to_vec::<f64>().unwrap()[..2], [0.0, 1.0]);
        assert_eq!(inverse.to_vec::<i64>().unwrap(), [2, 1, 3, 0, 0]);
        assert_eq!(counts.to_vec::<i64>().unwrap(), [2, 1, 1, 1]);
    }
}
