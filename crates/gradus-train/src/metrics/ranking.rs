//! One row of logits: which class wins, where a class ranks, and the softmax.

/// The class with the greatest logit, the lowest index among equals; `None` if the row is empty or holds a NaN.
///
/// # Example
/// ```
/// use gradus_train::metrics::predict;
/// assert_eq!(predict(&[0.5, 2.0, 2.0]), Some(1));
/// assert_eq!(predict(&[0.5, f32::NAN]), None);
/// ```
pub fn predict(row: &[f32]) -> Option<usize> {
    let mut best = None::<(usize, f32)>;
    for (i, &x) in row.iter().enumerate() {
        if x.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, b)| x > b) {
            best = Some((i, x));
        }
    }
    best.map(|(i, _)| i)
}

/// How many classes rank before `class` in the row (0 = it wins), with ties as in [`predict`].
///
/// `None` if `class` is outside the row or the row holds a NaN.
pub fn rank_of(row: &[f32], class: usize) -> Option<usize> {
    let own = *row.get(class)?;
    let mut before = 0;
    let mut nan = false;
    for (i, &x) in row.iter().enumerate() {
        nan |= x.is_nan();
        before += usize::from(x > own || (x == own && i < class));
    }
    (!nan).then_some(before)
}

/// Softmax of one row of logits, computed and returned in f64: `p_i = exp(x_i - max) / Σ exp(x_j - max)`.
///
/// # Numerics
/// Sums in index order. If the maximum is `+inf`, the `+inf` entries share the mass; if all are `-inf`, all entries do. A row with a NaN gives
/// NaNs.
pub fn softmax_row(row: &[f32]) -> Vec<f64> {
    if row.iter().any(|x| x.is_nan()) {
        return vec![f64::NAN; row.len()];
    }
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |x: f32| match max {
        m if m.is_infinite() => f64::from(u8::from(x == m)),
        m => (f64::from(x) - f64::from(m)).exp(),
    };
    let mut p: Vec<f64> = row.iter().map(|&x| weight(x)).collect();
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|v| *v /= total);
    p
}

#[cfg(test)]
mod tests {
    use super::{predict, rank_of, softmax_row};

    #[test]
    fn the_lowest_index_wins_a_tie() {
        assert_eq!(predict(&[1.0, 3.0, 3.0, 2.0]), Some(1));
        assert_eq!(predict(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), Some(0));
        assert_eq!(predict(&[f32::NEG_INFINITY, f32::INFINITY]), Some(1));
        assert_eq!(predict(&[]), None);
        for row in [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, 0.0, 5.0]] {
            assert_eq!(rank_of(&row, predict(&row).expect("finite")), Some(0));
        }
        assert_eq!(rank_of(&[1.0, 3.0, 3.0, 2.0], 2), Some(1));
        assert_eq!(rank_of(&[1.0, 3.0, 3.0, 2.0], 0), Some(3));
        assert_eq!(rank_of(&[1.0], 1), None);
    }

    #[test]
    fn a_nan_anywhere_takes_the_prediction_away() {
        assert_eq!(predict(&[5.0, f32::NAN, 0.0]), None);
        assert_eq!(rank_of(&[5.0, f32::NAN, 0.0], 0), None);
        assert!(softmax_row(&[5.0, f32::NAN]).iter().all(|p| p.is_nan()));
    }

    #[test]
    fn softmax_keeps_its_head_at_the_ends() {
        let p = softmax_row(&[1000.0, 999.0]);
        assert!((p[0] - 0.731_058_578_630_004_9).abs() < 1e-15);
        assert_eq!(
            softmax_row(&[f32::INFINITY, 0.0, f32::INFINITY]),
            vec![0.5, 0.0, 0.5]
        );
        assert_eq!(softmax_row(&[f32::NEG_INFINITY; 2]), vec![0.5, 0.5]);
        assert!(softmax_row(&[]).is_empty());
    }
}
