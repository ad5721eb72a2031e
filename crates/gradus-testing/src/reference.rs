//! Naive f64 forms of the kernels: index loops over row-major data, one accumulator, no blocking.

/// Calls `f` with each index of `dims` in row-major order.
pub fn for_each_index(dims: &[usize], mut f: impl FnMut(&[usize])) {
    let mut index = vec![0; dims.len()];
    for _ in 0..dims.iter().product() {
        f(&index);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Row-major number of `index`.
pub fn position(dims: &[usize], index: &[usize]) -> usize {
    dims.iter().zip(index).fold(0, |p, (&d, &i)| p * d + i)
}

/// Elements of each reduced group, in row-major order, by output position: `x` of shape `dims` grouped over `axes`.
pub fn groups(dims: &[usize], x: &[f64], axes: &[usize]) -> Vec<Vec<f64>> {
    let kept: Vec<usize> = (0..dims.len()).filter(|a| !axes.contains(a)).collect();
    let out_dims: Vec<usize> = kept.iter().map(|&a| dims[a]).collect();
    let mut groups = vec![Vec::new(); out_dims.iter().product()];
    for_each_index(dims, |index| {
        let out: Vec<usize> = kept.iter().map(|&a| index[a]).collect();
        groups[position(&out_dims, &out)].push(x[position(dims, index)]);
    });
    groups
}

/// `(m, k) · (k, n)`
pub fn matmul(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
    c
}

/// `ln Σ e^x`; -∞ for none.
pub fn logsumexp(row: &[f64]) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + row.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// Softmax of each row of `cols` elements.
pub fn softmax(x: &[f64], cols: usize) -> Vec<f64> {
    x.chunks(cols.max(1))
        .flat_map(|row| {
            row.iter()
                .map(|x| (x - logsumexp(row)).exp())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What [`cross_entropy_row`] needs beside the row: PyTorch's parameters.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// One weight a class.
    pub weight: Vec<f64>,
    /// The target that costs nothing.
    pub ignore_index: i64,
    /// 0 to 1.
    pub label_smoothing: f64,
}

/// Loss of one row of scores (0 if ignored), and the weight that the mean divides by.
pub fn cross_entropy_row(row: &[f64], target: i64, p: &CrossEntropy) -> (f64, f64) {
    if target == p.ignore_index {
        return (0.0, 0.0);
    }
    let lse = logsumexp(row);
    let t = usize::try_from(target).expect("a class");
    let nll = p.weight[t] * (lse - row[t]);
    let smooth: f64 = row.iter().zip(&p.weight).map(|(x, w)| w * (lse - x)).sum();
    let s = p.label_smoothing;
    ((1.0 - s) * nll + s / row.len() as f64 * smooth, p.weight[t])
}

/// Central differences of a scalar function, for gradients of kernels.
pub fn numeric_gradient(x: &[f64], step: f64, mut f: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let old = x[i];
            x[i] = old + step;
            let up = f(&x);
            x[i] = old - step;
            let down = f(&x);
            x[i] = old;
            (up - down) / (2.0 * step)
        })
        .collect()
}

/// Shape of a convolution: `x (n, c, h, w)`, `weight (o, c / groups, kh, kw)`.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    /// `(n, c, h, w)`
    pub x: [usize; 4],
    /// `(o, c / groups, kh, kw)`
    pub weight: [usize; 4],
    /// Steps of the window.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Independent channel groups.
    pub groups: usize,
}

impl Conv {
    /// `(oh, ow)`
    pub fn out(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            (self.x[2 + i] + 2 * self.padding[i] - self.dilation[i] * (self.weight[2 + i] - 1) - 1)
                / self.stride[i]
                + 1
        })
    }

    /// Calls `f(x position, weight position, output position)` for each product of the convolution.
    pub fn for_each_product(&self, mut f: impl FnMut(usize, usize, usize)) {
        let [n, _, h, w] = self.x;
        let [o, cg, kh, kw] = self.weight;
        let [oh, ow] = self.out();
        for_each_index(&[n, o, oh, ow, cg, kh, kw], |index| {
            let &[n, oc, y, x, c, ky, kx] = index else {
                return;
            };
            let iy = (y * self.stride[0] + ky * self.dilation[0]).checked_sub(self.padding[0]);
            let ix = (x * self.stride[1] + kx * self.dilation[1]).checked_sub(self.padding[1]);
            if let (Some(iy), Some(ix)) = (iy, ix)
                && iy < h
                && ix < w
            {
                let ic = oc / (o / self.groups) * cg + c;
                f(
                    position(&self.x, &[n, ic, iy, ix]),
                    position(&self.weight, &[oc, c, ky, kx]),
                    position(&[self.x[0], o, oh, ow], &[n, oc, y, x]),
                );
            }
        });
    }

    /// `(n, o, oh, ow)` without bias.
    pub fn forward(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let [oh, ow] = self.out();
        let mut y = vec![0.0; self.x[0] * self.weight[0] * oh * ow];
        self.for_each_product(|i, k, o| y[o] += x[i] * weight[k]);
        y
    }

    /// Gradients of `x` and `weight`.
    pub fn backward(&self, x: &[f64], weight: &[f64], grad_out: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        self.for_each_product(|i, k, o| {
            dx[i] += weight[k] * grad_out[o];
            dw[k] += x[i] * grad_out[o];
        });
        (dx, dw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_matrix() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(
            groups(&[2, 3], &x, &[0]),
            [vec![1.0, 4.0], vec![2.0, 5.0], vec![3.0, 6.0]]
        );
        assert_eq!(groups(&[2, 3], &x, &[0, 1]), [x.to_vec()]);
    }

    #[test]
    fn convolution_by_hand() {
        let conv = Conv {
            x: [1, 1, 2, 2],
            weight: [1, 1, 2, 2],
            stride: [1, 1],
            padding: [1, 1],
            dilation: [1, 1],
            groups: 1,
        };
        let y = conv.forward(&[1.0, 2.0, 3.0, 4.0], &[1.0, 0.0, 0.0, 10.0]);
        assert_eq!(y, [10.0, 20.0, 0.0, 30.0, 41.0, 2.0, 0.0, 3.0, 4.0]);
    }

    #[test]
    fn softmax_sums_to_one() {
        let p = softmax(&[0.0, 1000.0, 1000.0], 3);
        assert!(p[0] == 0.0 && (p[1] - 0.5).abs() < 1e-12 && (p[2] - 0.5).abs() < 1e-12);
    }
}
