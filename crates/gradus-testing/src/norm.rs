//! Naive f64 normalisation of one group of values: two passes, and gradients through the whole Jacobian.

/// Mean and biased variance, in two passes; with `centre` false the mean is 0 and the variance the mean square.
pub fn moments(x: &[f64], centre: bool) -> (f64, f64) {
    let count = x.len() as f64;
    let mean = if centre {
        x.iter().sum::<f64>() / count
    } else {
        0.0
    };
    (
        mean,
        x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count,
    )
}

/// `(x - mean) / √(var + eps)`
pub fn normalise(x: &[f64], eps: f64, centre: bool) -> Vec<f64> {
    let (mean, var) = moments(x, centre);
    x.iter().map(|v| (v - mean) / (var + eps).sqrt()).collect()
}

/// Gradient of `Σ g · normalise(x)` with respect to `x`: each pair of elements by itself.
pub fn normalise_backward(x: &[f64], g: &[f64], eps: f64, centre: bool) -> Vec<f64> {
    let (mean, var) = moments(x, centre);
    let (count, std) = (x.len() as f64, (var + eps).sqrt());
    (0..x.len())
        .map(|i| {
            let jacobian = |j: usize| {
                let same = if i == j { 1.0 } else { 0.0 };
                let centred = if centre { same - 1.0 / count } else { same };
                centred / std - (x[j] - mean) * (x[i] - mean) / (count * std.powi(3))
            };
            (0..x.len()).map(|j| g[j] * jacobian(j)).sum()
        })
        .collect()
}
