//! Naive f64 pooling over one plane, window by window, following PyTorch's rules.

/// Windows of a pooling over one `(H, W)` plane.
#[derive(Clone, Copy, Debug)]
pub struct PoolCase {
    /// Input height and width.
    pub input: [usize; 2],
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: [usize; 2],
    /// Padding on both ends of each axis.
    pub padding: [usize; 2],
    /// Dilation.
    pub dilation: [usize; 2],
    /// Round up.
    pub ceil_mode: bool,
}

impl PoolCase {
    /// Windows down and across.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|d| {
            let room =
                self.input[d] + 2 * self.padding[d] - (self.kernel[d] - 1) * self.dilation[d] - 1;
            let windows = (room as f64 / self.stride[d] as f64).floor() as usize + 1;
            let up = (room as f64 / self.stride[d] as f64).ceil() as usize + 1;
            if self.ceil_mode && (up - 1) * self.stride[d] < self.input[d] + self.padding[d] {
                up
            } else {
                windows
            }
        })
    }

    /// For each window its cells in the padded plane: `Some(index)` inside the image, `None` in the padding; cells beyond the
    /// padding are left out.
    pub fn windows(&self) -> Vec<Vec<Option<usize>>> {
        let [oh, ow] = self.output();
        let mut windows = Vec::new();
        for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            let mut cells = Vec::new();
            for (ky, kx) in
                (0..self.kernel[0]).flat_map(|y| (0..self.kernel[1]).map(move |x| (y, x)))
            {
                let at = [
                    oy * self.stride[0] + ky * self.dilation[0],
                    ox * self.stride[1] + kx * self.dilation[1],
                ];
                let beyond = |d: usize| at[d] >= self.input[d] + 2 * self.padding[d];
                let inside =
                    |d: usize| at[d] >= self.padding[d] && at[d] < self.padding[d] + self.input[d];
                if !beyond(0) && !beyond(1) {
                    cells.push((inside(0) && inside(1)).then(|| {
                        (at[0] - self.padding[0]) * self.input[1] + at[1] - self.padding[1]
                    }));
                }
            }
            windows.push(cells);
        }
        windows
    }

    /// Largest element of each window and its first place.
    pub fn max(&self, x: &[f64]) -> Vec<(f64, usize)> {
        let best = |cells: Vec<Option<usize>>| {
            let mut cells = cells.into_iter().flatten();
            let first = cells.next().map(|i| (x[i], i));
            cells.fold(first, |best, i| match best {
                Some((value, _)) if x[i] > value || (x[i].is_nan() && !value.is_nan()) => {
                    Some((x[i], i))
                }
                _ => best,
            })
        };
        self.windows()
            .into_iter()
            .map(|cells| best(cells).unwrap_or((f64::NEG_INFINITY, usize::MAX)))
            .collect()
    }

    /// Cells of each window that lie in the image, and its divisor.
    pub fn means(&self, count_include_pad: bool, divisor: Option<usize>) -> Vec<(Vec<usize>, f64)> {
        let split = |cells: Vec<Option<usize>>| {
            let all = cells.len();
            let inside: Vec<usize> = cells.into_iter().flatten().collect();
            let count = divisor.unwrap_or(if count_include_pad { all } else { inside.len() });
            (inside, count as f64)
        };
        self.windows().into_iter().map(split).collect()
    }
}
