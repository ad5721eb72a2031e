//! Printing in the manner of numpy: aligned columns, nested brackets, the middle left out when there is much.

use std::fmt;

use crate::{DType, MAX_RANK, Tensor};

/// Tensors with more elements are abbreviated.
const SUMMARISE_ABOVE: usize = 1000;
/// How many entries stand at each end of an abbreviated dim.
const EDGE: usize = 3;
const PRECISION: usize = 4;
/// Beyond these, numbers are printed with an exponent.
const LARGE: f64 = 1e8;
const SMALL: f64 = 1e-4;
const RATIO: f64 = 1e8;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = Printer::new(self);
        printer.write(f, 0, &mut [0; MAX_RANK])
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} {}", self.dtype(), self.shape())?;
        if self.numel() > 0 && self.numel() <= SUMMARISE_ABOVE {
            write!(f, "\n{self}")
        } else {
            Ok(())
        }
    }
}

/// Which entries are printed, and how wide.
struct Printer<'a> {
    tensor: &'a Tensor,
    summarise: bool,
    width: usize,
    style: Style,
}

enum Style {
    Plain,
    Fixed { decimals: usize },
    Exponent,
}

impl<'a> Printer<'a> {
    fn new(tensor: &'a Tensor) -> Self {
        let summarise = tensor.numel() > SUMMARISE_ABOVE;
        let mut printer = Self {
            tensor,
            summarise,
            width: 0,
            style: Style::Plain,
        };
        let mut shown = Vec::new();
        printer.collect(0, &mut [0; MAX_RANK], &mut shown);
        if tensor.dtype().is_float() {
            printer.style = style_of(&shown);
        }
        printer.width = shown
            .iter()
            .map(|&x| printer.format(x).len())
            .max()
            .unwrap_or(0);
        printer
    }

    /// The indices of a dim that are printed, with `None` where the middle is left out.
    fn entries(&self, axis: usize) -> Vec<Option<usize>> {
        let len = self.tensor.dims()[axis];
        if !self.summarise || len <= 2 * EDGE {
            return (0..len).map(Some).collect();
        }
        (0..EDGE)
            .map(Some)
            .chain([None])
            .chain((len - EDGE..len).map(Some))
            .collect()
    }

    fn collect(&self, axis: usize, index: &mut [usize; MAX_RANK], shown: &mut Vec<f64>) {
        if axis == self.tensor.rank() {
            if self.tensor.numel() > 0 {
                shown.push(self.value(index));
            }
            return;
        }
        for entry in self.entries(axis).into_iter().flatten() {
            index[axis] = entry;
            self.collect(axis + 1, index, shown);
        }
    }

    /// The element as f64: exact for all dtypes but large i64, which are printed by [`Printer::text`].
    fn value(&self, index: &[usize; MAX_RANK]) -> f64 {
        let element = self.at(index);
        let float = element
            .and_then(|x| x.to_dtype(DType::F64))
            .and_then(|x| x.item::<f64>());
        float.unwrap_or(f64::NAN)
    }

    fn at(&self, index: &[usize; MAX_RANK]) -> crate::Result<Tensor> {
        (0..self.tensor.rank()).try_fold(self.tensor.clone(), |x, axis| x.select(0, index[axis]))
    }

    fn text(&self, index: &[usize; MAX_RANK]) -> String {
        match self.tensor.dtype() {
            DType::I64 => self
                .at(index)
                .and_then(|x| x.item::<i64>())
                .map_or_else(|e| e.to_string(), |x| x.to_string()),
            DType::Bool => (self.value(index) != 0.0).to_string(),
            _ => self.format(self.value(index)),
        }
    }

    fn format(&self, x: f64) -> String {
        match self.style {
            _ if x.is_nan() => "nan".into(),
            _ if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.into(),
            Style::Plain if self.tensor.dtype() == DType::Bool => (x != 0.0).to_string(),
            Style::Plain => format!("{x}"),
            Style::Fixed { decimals: 0 } => format!("{x:.0}."),
            Style::Fixed { decimals } => format!("{x:.decimals$}"),
            Style::Exponent => format!("{x:.PRECISION$e}"),
        }
    }

    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        axis: usize,
        index: &mut [usize; MAX_RANK],
    ) -> fmt::Result {
        let rank = self.tensor.rank();
        if axis == rank {
            return write!(f, "{:>width$}", self.text(index), width = self.width);
        }
        f.write_str("[")?;
        for (i, entry) in self.entries(axis).into_iter().enumerate() {
            if i > 0 && axis + 1 == rank {
                f.write_str(" ")?;
            } else if i > 0 {
                // One line between rows, one blank line more for each outer dim, as numpy does.
                write!(
                    f,
                    "{}{}",
                    "\n".repeat(rank - axis - 1),
                    " ".repeat(axis + 1)
                )?;
            }
            match entry {
                Some(entry) => {
                    index[axis] = entry;
                    self.write(f, axis + 1, index)?;
                }
                None => f.write_str("...")?,
            }
        }
        f.write_str("]")
    }
}

/// Fixed point with as many decimals as the shown numbers need, at most [`PRECISION`]; with an exponent if they span
/// too much.
fn style_of(shown: &[f64]) -> Style {
    let magnitudes = || {
        shown
            .iter()
            .map(|x| x.abs())
            .filter(|x| x.is_finite() && *x > 0.0)
    };
    let largest = magnitudes().fold(0.0, f64::max);
    let smallest = magnitudes().fold(f64::INFINITY, f64::min);
    if largest >= LARGE || largest > 0.0 && (smallest < SMALL || largest / smallest > RATIO) {
        return Style::Exponent;
    }
    let decimals = |x: f64| {
        let digits = format!("{x:.PRECISION$}");
        digits
            .trim_end_matches('0')
            .rsplit('.')
            .next()
            .map_or(0, str::len)
    };
    Style::Fixed {
        decimals: magnitudes().map(decimals).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tensors_are_aligned() {
        let x = Tensor::from_slice(&[1.0_f32, -2.5, 10.0, 0.125], [2, 2]).unwrap();
        assert_eq!(x.to_string(), "[[ 1.000 -2.500]\n [10.000  0.125]]");
        let whole = Tensor::from_slice(&[1.0_f64, 2.0], [2]).unwrap();
        assert_eq!(whole.to_string(), "[1. 2.]");
        assert_eq!(Tensor::scalar(3_i64).unwrap().to_string(), "3");
        let bools = Tensor::from_slice(&[true, false], [2]).unwrap();
        assert_eq!(bools.to_string(), "[ true false]");
        assert_eq!(Tensor::zeros([0], DType::F32).unwrap().to_string(), "[]");
    }

    #[test]
    fn large_tensors_are_abbreviated() {
        let x = Tensor::arange(0_i64, 2000, 1).unwrap();
        assert_eq!(x.to_string(), "[   0    1    2 ... 1997 1998 1999]");
        let cube = Tensor::zeros([20, 20, 20], DType::U8).unwrap().to_string();
        assert_eq!(cube.matches("...").count(), 6 * 6 + 6 + 1);
    }

    #[test]
    fn special_and_extreme_numbers() {
        let x = Tensor::from_slice(&[f32::NAN, f32::INFINITY, -1.0], [3]).unwrap();
        assert_eq!(x.to_string(), "[nan inf -1.]");
        let wide = Tensor::from_slice(&[1e-9_f64, 1.0], [2]).unwrap();
        assert_eq!(wide.to_string(), "[1.0000e-9  1.0000e0]");
        assert_eq!(
            Tensor::scalar(i64::MAX).unwrap().to_string(),
            i64::MAX.to_string()
        );
    }
}
