//! Series of numbers made ready to be drawn: smoothing, thinning, ranges and ticks.

/// A point of a series: step and value.
pub(super) type Point = (f64, f64);

/// A smooth line through noisy points: at about `count` of them, the value of a straight line fitted to the `2 · half + 1` nearest in order, with
/// tricube weights (local regression, Cleveland 1979). Unlike a running average it lags neither at the ends nor on slopes.
///
/// Non-finite values are skipped: they have no point in the result.
pub(super) fn smooth(points: &[Point], half: usize, count: usize) -> Vec<Point> {
    let finite: Vec<Point> = points.iter().copied().filter(|p| p.1.is_finite()).collect();
    let last = finite.len().saturating_sub(1);
    let half = half.max(1);
    let fit = |i: usize| {
        let near = i.saturating_sub(half)..=(i + half).min(last);
        // Every window is as wide, also at the ends.
        let reach = (i - near.start()).max(near.end() - i) as f64 + 1.0;
        let x0 = finite[i].0;
        let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for j in near {
            let distance = (i.abs_diff(j) as f64 / reach).powi(3);
            let weight = (1.0 - distance).powi(3);
            let (x, y) = (finite[j].0 - x0, finite[j].1);
            w += weight;
            wx += weight * x;
            wy += weight * y;
            wxx += weight * x * x;
            wxy += weight * x * y;
        }
        let spread = w * wxx - wx * wx;
        let value = if spread > 1e-9 * w * wxx {
            (wxx * wy - wx * wxy) / spread
        } else {
            wy / w
        };
        (
            x0,
            if value.is_finite() {
                value
            } else {
                finite[i].1
            },
        )
    };
    pick_indices(finite.len(), count).map(fit).collect()
}

/// At most about `limit` points that keep the outline: of each run of points its least and its greatest, in order. A non-finite
/// point stays, so that the gap stays visible.
pub(super) fn thin(points: &[Point], limit: usize) -> Vec<Point> {
    if points.len() <= limit.max(4) {
        return points.to_vec();
    }
    let run = points.len().div_ceil(limit.max(4) / 2);
    let mut out = Vec::with_capacity(limit + 2);
    for chunk in points.chunks(run) {
        let finite = || chunk.iter().enumerate().filter(|(_, p)| p.1.is_finite());
        let low = finite()
            .min_by(|a, b| a.1.1.total_cmp(&b.1.1))
            .map(|(i, _)| i);
        let high = finite()
            .max_by(|a, b| a.1.1.total_cmp(&b.1.1))
            .map(|(i, _)| i);
        let bad = chunk.iter().position(|p| !p.1.is_finite());
        let mut picks: Vec<usize> = [low, high, bad].into_iter().flatten().collect();
        picks.sort_unstable();
        picks.dedup();
        out.extend(picks.into_iter().map(|i| chunk[i]));
    }
    if let (Some(last), true) = (points.last(), out.last() != points.last()) {
        out.push(*last);
    }
    out
}

/// At most about `limit` indices of `0..n`, evenly spaced, the last one always among them.
fn pick_indices(n: usize, limit: usize) -> impl Iterator<Item = usize> {
    let every = n.div_ceil(limit.max(2)).max(1);
    (0..n)
        .rev()
        .step_by(every)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
}

/// The values between the `cut` and the `1 - cut` quantile, so that a few spikes do not flatten a curve.
pub(super) fn quantile_range(points: &[Point], cut: f64) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = points
        .iter()
        .map(|p| p.1)
        .filter(|y| y.is_finite())
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let skip = (last as f64 * cut).floor() as usize;
    Some((values[skip], values[last - skip]))
}

/// The smallest range that holds both.
pub(super) fn union(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// About `count` round numbers (1, 2 or 5 times a power of ten apart) inside `low..=high`, and the decimals they need.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> (Vec<f64>, usize) {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return (Vec::new(), 0);
    }
    let rough = span / count as f64;
    let power = rough.log10().floor();
    let base = 10f64.powf(power);
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * base)
        .into_iter()
        .find(|s| *s >= rough * 0.999)
        .unwrap_or(base * 10.0);
    let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize;
    let first = (low / step - 1e-9).ceil();
    let all = (0..=count * 3)
        .map(|i| (first + i as f64) * step)
        .take_while(|t| *t <= high + step * 1e-9);
    (
        all.map(|t| if t.abs() < step * 1e-6 { 0.0 } else { t })
            .collect(),
        decimals,
    )
}

#[cfg(test)]
mod tests {
    use super::{pick_indices, quantile_range, smooth, thin, ticks, union};

    fn line(n: u32) -> Vec<(f64, f64)> {
        (0..n).map(|i| (f64::from(i), f64::from(i) * 2.0)).collect()
    }

    #[test]
    fn smoothing_follows_a_line_and_calms_noise() {
        let straight = smooth(&line(200), 10, 1000);
        assert_eq!(straight.len(), 200);
        assert!(
            straight
                .iter()
                .zip(line(200))
                .all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-9),
            "no lag, ends included"
        );
        let noisy: Vec<(f64, f64)> = (0..200)
            .map(|i| (f64::from(i), if i % 2 == 0 { 1.0 } else { -1.0 }))
            .collect();
        assert!(
            smooth(&noisy, 20, 1000)[20..180]
                .iter()
                .all(|p| p.1.abs() < 0.01)
        );
        assert!(smooth(&line(10_000), 50, 300).len() <= 301);
    }

    #[test]
    fn smoothing_survives_what_is_degenerate() {
        let s = smooth(
            &[(0.0, 5.0), (1.0, 5.0), (2.0, f64::NAN), (3.0, 5.0)],
            10,
            100,
        );
        assert_eq!(
            s.iter().map(|p| p.0).collect::<Vec<_>>(),
            vec![0.0, 1.0, 3.0]
        );
        assert!(s.iter().all(|p| (p.1 - 5.0).abs() < 1e-9));
        assert_eq!(smooth(&[], 3, 10), vec![]);
        assert_eq!(smooth(&[(7.0, 2.0)], 3, 10), vec![(7.0, 2.0)]);
        let same_step = smooth(&[(7.0, 1.0), (7.0, 3.0)], 3, 10);
        assert!(
            same_step.iter().all(|p| (1.0..=3.0).contains(&p.1)),
            "{same_step:?}"
        );
        assert!(
            smooth(&[(0.0, 1e308), (1.0, -1e308), (2.0, 1e308)], 2, 10)
                .iter()
                .all(|p| p.1.is_finite())
        );
    }

    #[test]
    fn thinning_keeps_spikes_gaps_and_the_end() {
        let mut points = line(10_000);
        points[5000].1 = 1e6;
        points[7000].1 = f64::NAN;
        let thinned = thin(&points, 600);
        assert!(thinned.len() <= 610, "{}", thinned.len());
        assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
        assert!(thinned.contains(&(5000.0, 1e6)) && thinned.iter().any(|p| p.1.is_nan()));
        assert_eq!(thinned.last(), points.last());
        assert_eq!(thin(&line(3), 600), line(3));
        assert_eq!(thin(&[], 600), vec![]);
    }

    #[test]
    fn picking_keeps_the_last() {
        assert_eq!(
            pick_indices(5, 100).collect::<Vec<_>>(),
            vec![0, 1, 2, 3, 4]
        );
        let picked: Vec<usize> = pick_indices(1001, 100).collect();
        assert!(picked.len() <= 101 && picked.last() == Some(&1000) && picked.is_sorted());
        assert_eq!(pick_indices(0, 100).count(), 0);
    }

    #[test]
    fn ranges_leave_spikes_out() {
        let mut points = line(100);
        points[50].1 = 1e9;
        assert_eq!(quantile_range(&points, 0.02), Some((2.0, 198.0)));
        assert_eq!(quantile_range(&[(0.0, f64::NAN)], 0.02), None);
        assert_eq!(quantile_range(&[(0.0, 4.0)], 0.02), Some((4.0, 4.0)));
        assert_eq!(union(Some((1.0, 2.0)), Some((0.0, 1.5))), Some((0.0, 2.0)));
        assert_eq!(union(None, Some((0.0, 1.5))), Some((0.0, 1.5)));
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 2.4, 5), (vec![0.0, 0.5, 1.0, 1.5, 2.0], 1));
        assert_eq!(
            ticks(0.0, 600.0, 6).0,
            vec![0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
        );
        let (small, decimals) = ticks(0.0, 0.001, 4);
        assert_eq!((small.len(), decimals), (3, 4)); // 0, 0.0005, 0.001
        assert!(ticks(1.0, 1.0, 5).0.is_empty());
        assert!(ticks(f64::NAN, 1.0, 5).0.is_empty());
        assert!(ticks(-1e300, 1e300, 5).0.len() < 20);
    }
}
