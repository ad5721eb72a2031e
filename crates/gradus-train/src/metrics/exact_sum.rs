//! Sums of f64 that round once: the result is the same in any order.

/// An exact running sum of f64 numbers, rounded to nearest-even only when it is read.
///
/// Keeps the sum as non-overlapping partials (Shewchuk 1997, *Adaptive Precision Floating-Point Arithmetic*, the algorithm of Python's
/// `math.fsum`). Adding costs a few flops a partial; there are rarely more than three.
///
/// # Numerics
/// - Non-finite terms are summed apart by IEEE rules (`inf + -inf` is NaN), and win over the finite ones.
/// - If a finite partial sum overflows, the overflow's infinity wins; only then may the order matter.
///
/// # Example
/// ```
/// use gradus_train::metrics::ExactSum;
/// let mut sum = ExactSum::default();
/// for x in [1e100, 1.0, -1e100] { sum.add(x); }
/// assert_eq!(sum.value(), 1.0); // a plain f64 loop gives 0
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExactSum {
    partials: Vec<f64>, // increasing magnitude, non-overlapping
    special: f64,       // sum of the non-finite terms
    has_special: bool,
}

impl ExactSum {
    /// Adds one term.
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() {
            self.special += x;
            self.has_special = true;
            return;
        }
        let mut x = x;
        let mut kept = 0;
        for j in 0..self.partials.len() {
            let mut y = self.partials[j];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            if high.is_infinite() {
                self.special += high;
                self.has_special = true;
                return;
            }
            let low = y - (high - x);
            if low != 0.0 {
                self.partials[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.partials.truncate(kept);
        self.partials.push(x);
    }

    /// Adds `a · b` without rounding the product (barring underflow).
    pub fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.add(product);
        if product.is_finite() {
            self.add(a.mul_add(b, -product));
        }
    }

    /// Adds every term of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.partials.iter().for_each(|&x| self.add(x));
        if other.has_special {
            self.special += other.special;
            self.has_special = true;
        }
    }

    /// The sum, rounded to nearest, ties to even; 0 if nothing was added.
    pub fn value(&self) -> f64 {
        if self.has_special {
            return self.special;
        }
        let Some((&top, mut rest)) = self.partials.split_last() else {
            return 0.0;
        };
        let mut high = top;
        let mut low = 0.0;
        while let Some((&y, below)) = rest.split_last() {
            let x = high;
            high = x + y;
            low = y - (high - x);
            rest = below;
            if low != 0.0 {
                break;
            }
        }
        // What lies below decides a half-way case that `x + y` rounded to even.
        if let Some(&next) = rest.last()
            && ((low < 0.0 && next < 0.0) || (low > 0.0 && next > 0.0))
        {
            let doubled = low * 2.0;
            let moved = high + doubled;
            if moved - high == doubled {
                high = moved;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::ExactSum;

    fn sum(terms: &[f64]) -> f64 {
        let mut s = ExactSum::default();
        terms.iter().for_each(|&x| s.add(x));
        s.value()
    }

    #[test]
    fn cancellation_leaves_the_small_term() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[0.1; 10]), 1.0); // a plain loop gives 0.9999999999999999
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn half_way_cases_round_by_what_lies_below() {
        // 1 + 2^-53 is half-way and rounds to even (1); a further 2^-105 decides upwards.
        let (half, tiny) = (2f64.powi(-53), 2f64.powi(-105));
        assert_eq!(sum(&[1.0, half]), 1.0);
        assert_eq!(sum(&[tiny, half, 1.0]), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0, half, -tiny]), 1.0);
    }

    #[test]
    fn order_does_not_matter() {
        let terms: Vec<f64> = (0..500)
            .map(|i| f64::sin(f64::from(i)) * 10f64.powi(i % 37 - 18))
            .collect();
        let forward = sum(&terms);
        let backward = sum(&terms.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(forward.to_bits(), backward.to_bits());
        let mut halves = ExactSum::default();
        terms[250..].iter().for_each(|&x| halves.add(x));
        let mut first = ExactSum::default();
        terms[..250].iter().for_each(|&x| first.add(x));
        halves.merge(&first);
        assert_eq!(halves.value().to_bits(), forward.to_bits());
    }

    #[test]
    fn products_keep_their_tails() {
        let mut s = ExactSum::default();
        s.add_product(0.1, 3.0);
        s.add(-(0.1 * 3.0));
        assert_ne!(s.value(), 0.0); // the part that `0.1 * 3.0` rounded away
    }

    #[test]
    fn non_finite_terms_win() {
        assert_eq!(sum(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[1.0, f64::NAN]).is_nan());
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
    }
}
