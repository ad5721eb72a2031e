//! Comparison of numbers: one rule of closeness, and a message that says where and how badly it fails.

/// A number that can be compared in f64.
pub trait Real: Copy {
    /// The value in f64.
    fn real(self) -> f64;
    /// The bits, for exact comparison.
    fn bits(self) -> u64;
}

impl Real for f32 {
    fn real(self) -> f64 {
        f64::from(self)
    }
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Real for f64 {
    fn real(self) -> f64 {
        self
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

fn distance(got: f64, want: f64) -> f64 {
    if got == want || (got.is_nan() && want.is_nan()) {
        0.0
    } else if got.is_finite() && want.is_finite() {
        (got - want).abs()
    } else {
        f64::INFINITY
    }
}

/// Panics unless `|got - want| <= atol + rtol · |want|` for each pair; NaN equals NaN, infinities must agree.
///
/// The message names the first bad index, the number of bad ones and the worst.
#[track_caller]
pub fn check_close<A: Real, B: Real>(what: &str, got: &[A], want: &[B], rtol: f64, atol: f64) {
    assert_eq!(got.len(), want.len(), "{what}: lengths differ");
    let error = |i: usize| {
        let (got, want) = (got[i].real(), want[i].real());
        let allowed = if want.is_finite() {
            atol + rtol * want.abs()
        } else {
            0.0
        };
        (distance(got, want), allowed)
    };
    let bad: Vec<usize> = (0..got.len())
        .filter(|&i| error(i).0 > error(i).1)
        .collect();
    let Some(&first) = bad.first() else { return };
    let excess = |i: &usize| error(*i).0 - error(*i).1;
    let worst = bad
        .iter()
        .copied()
        .max_by(|a, b| excess(a).total_cmp(&excess(b)))
        .unwrap_or(first);
    panic!(
        "{what}: {} of {} differ by more than rtol {rtol:e}, atol {atol:e}; first at {first}: got {:e}, want {:e}; worst at {worst}: got {:e}, want {:e}, off by {:e}",
        bad.len(),
        got.len(),
        got[first].real(),
        want[first].real(),
        got[worst].real(),
        want[worst].real(),
        error(worst).0,
    );
}

/// Panics unless both hold the same bits, NaN payloads included.
#[track_caller]
pub fn check_same_bits<A: Real>(what: &str, got: &[A], want: &[A]) {
    assert_eq!(got.len(), want.len(), "{what}: lengths differ");
    if let Some(i) = (0..got.len()).find(|&i| got[i].bits() != want[i].bits()) {
        panic!(
            "{what}: bits differ first at {i}: {:e} ({:#x}) and {:e} ({:#x})",
            got[i].real(),
            got[i].bits(),
            want[i].real(),
            want[i].bits()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_is_close() {
        check_close(
            "close",
            &[1.0_f32, f32::NAN, f32::INFINITY],
            &[1.0 + 1e-7, f64::NAN, f64::INFINITY],
            1e-6,
            0.0,
        );
    }

    #[test]
    #[should_panic(
        expected = "2 of 4 differ by more than rtol 1e-6, atol 0e0; first at 1: got 2e0, want 2.1e0; worst at 3"
    )]
    fn names_the_first_and_the_worst() {
        check_close(
            "far",
            &[1.0_f32, 2.0, 3.0, f32::NAN],
            &[1.0, 2.1, 3.0, 4.0],
            1e-6,
            0.0,
        );
    }

    #[test]
    #[should_panic(expected = "bits differ first at 0")]
    fn tells_zeros_apart() {
        check_same_bits("zeros", &[0.0_f32], &[-0.0]);
    }
}
