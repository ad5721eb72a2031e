//! Naive f64 convolution: the formula as loops, one value at a time.

/// Shapes and parameters of a convolution over `(N, C, H, W)`; see PyTorch's `conv2d`.
#[derive(Clone, Copy, Debug)]
pub struct ConvCase {
    /// N
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Groups.
    pub groups: usize,
    /// Input height and width.
    pub input: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: [usize; 2],
    /// `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Dilation.
    pub dilation: [usize; 2],
}

impl ConvCase {
    /// Output height and width.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|d| {
            let padded = self.input[d] + self.padding[d][0] + self.padding[d][1];
            (padded - (self.kernel[d] - 1) * self.dilation[d] - 1) / self.stride[d] + 1
        })
    }

    /// Elements of the weight.
    pub fn weights(&self) -> usize {
        self.c_out * (self.c_in / self.groups) * self.kernel[0] * self.kernel[1]
    }

    /// Elements of the input.
    pub fn inputs(&self) -> usize {
        self.batch * self.c_in * self.input[0] * self.input[1]
    }

    /// Elements of the output.
    pub fn outputs(&self) -> usize {
        let [oh, ow] = self.output();
        self.batch * self.c_out * oh * ow
    }

    /// Calls `f(output index, input index, weight index)` for every multiplication of the convolution.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let ([oh, ow], [h, w], [kh, kw]) = (self.output(), self.input, self.kernel);
        let (gi, go) = (self.c_in / self.groups, self.c_out / self.groups);
        for n in 0..self.batch {
            for co in 0..self.c_out {
                for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                    for ci in 0..gi {
                        for (ky, kx) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                            let y = oy * self.stride[0] + ky * self.dilation[0];
                            let x = ox * self.stride[1] + kx * self.dilation[1];
                            let [top, left] = [self.padding[0][0], self.padding[1][0]];
                            if (top..top + h).contains(&y) && (left..left + w).contains(&x) {
                                let channel = co / go * gi + ci;
                                f(
                                    ((n * self.c_out + co) * oh + oy) * ow + ox,
                                    ((n * self.c_in + channel) * h + y - top) * w + x - left,
                                    ((co * gi + ci) * kh + ky) * kw + kx,
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    /// `x ⋆ weight + bias`.
    pub fn forward(&self, x: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
        let plane: usize = self.output().iter().product();
        let mut out: Vec<f64> = (0..self.outputs())
            .map(|i| bias.map_or(0.0, |b| b[i / plane % self.c_out]))
            .collect();
        self.each(|o, i, w| out[o] += x[i] * weight[w]);
        out
    }

    /// Gradient with respect to the input.
    pub fn grad_input(&self, grad_out: &[f64], weight: &[f64]) -> Vec<f64> {
        let mut grad = vec![0.0; self.inputs()];
        self.each(|o, i, w| grad[i] += grad_out[o] * weight[w]);
        grad
    }

    /// Gradient with respect to the weight.
    pub fn grad_weight(&self, grad_out: &[f64], x: &[f64]) -> Vec<f64> {
        let mut grad = vec![0.0; self.weights()];
        self.each(|o, i, w| grad[w] += grad_out[o] * x[i]);
        grad
    }
}
