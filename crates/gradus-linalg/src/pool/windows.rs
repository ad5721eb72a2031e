//! Where the windows of a pooling lie, axis by axis.

/// Windows of a pooling over `[depth, height, width]`; an axis that the image lacks has side, kernel, stride and dilation 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Sides of the input.
    pub input: [usize; 3],
    /// Sides of the window, none of them 0.
    pub kernel: [usize; 3],
    /// Steps, none of them 0.
    pub stride: [usize; 3],
    /// Added before and after each axis; at most half of the window.
    pub padding: [usize; 3],
    /// Distance between the elements of a window, none of them 0. Averages take 1.
    pub dilation: [usize; 3],
    /// Round the number of windows up: the last may hang over the end.
    pub ceil_mode: bool,
}

/// What a window of an average is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgDivisor {
    /// Count padding as zeros (PyTorch's default). Cells beyond the padding (ceil mode) never count.
    pub count_include_pad: bool,
    /// Divide by this instead; not 0.
    pub divisor_override: Option<i64>,
}

impl Default for AvgDivisor {
    fn default() -> Self {
        Self {
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

impl Pool {
    /// Numbers of windows; `None` if none fits, a parameter is 0, the padding exceeds half the window, or a size overflows.
    pub fn output(&self) -> Option<[usize; 3]> {
        let mut output = [0; 3];
        for d in 0..3 {
            let (stride, padding) = (self.stride[d], self.padding[d]);
            if stride == 0 || self.dilation[d] == 0 || padding > self.kernel[d] / 2 {
                return None;
            }
            let reach = self.reach(d)?;
            let padded = self.input[d].checked_add(padding.checked_mul(2)?)?;
            let room = padded.checked_sub(reach)?;
            output[d] = if self.ceil_mode {
                room.div_ceil(stride)
            } else {
                room / stride
            } + 1;
            if self.ceil_mode
                && (output[d] - 1).checked_mul(stride)? >= self.input[d].checked_add(padding)?
            {
                output[d] -= 1;
            }
        }
        Some(output)
    }

    /// From the first to the last element of a window.
    fn reach(&self, d: usize) -> Option<usize> {
        let gaps = self.kernel[d].checked_sub(1)?;
        gaps.checked_mul(self.dilation[d])?.checked_add(1)
    }

    /// Elements of window `o` of axis `d` that lie in the image: first, one past the last, in steps of the dilation.
    fn span(&self, d: usize, o: usize) -> [usize; 2] {
        let start = o * self.stride[d];
        let (padding, dilation) = (self.padding[d], self.dilation[d]);
        let end = (start + (self.kernel[d] - 1) * dilation + 1)
            .saturating_sub(padding)
            .min(self.input[d]);
        let first = if start >= padding {
            start - padding
        } else {
            (dilation - (padding - start) % dilation) % dilation
        };
        [first, end]
    }

    /// The windows; `None` as [`Pool::output`].
    pub fn windows(&self, divisor: AvgDivisor) -> Option<Windows> {
        let output = self.output()?;
        let spans = [0, 1, 2].map(|d| (0..output[d]).map(|o| self.span(d, o)).collect());
        let counts = [0, 1, 2].map(|d| {
            let count = |o: usize| {
                let count = if divisor.count_include_pad {
                    let start = o * self.stride[d];
                    (start + self.kernel[d]).min(self.input[d] + 2 * self.padding[d]) - start
                } else {
                    let [first, end] = self.span(d, o);
                    end.saturating_sub(first)
                };
                count as f64
            };
            match divisor.divisor_override {
                None => (0..output[d]).map(count).collect(),
                Some(all) => vec![if d == 0 { all as f64 } else { 1.0 }; output[d]],
            }
        });
        let quarters = self.kernel == [1, 2, 2]
            && self.stride == [1, 2, 2]
            && self.padding == [0; 3]
            && self.dilation == [1; 3]
            && (1..3).all(|d| 2 * output[d] <= self.input[d]);
        let line = (self.dilation == [1; 3]).then_some(Line {
            kernel: self.kernel[2],
            step: self.stride[2],
            padding: self.padding[2],
        });
        Some(Windows {
            input: self.input,
            output,
            steps: self.dilation,
            spans,
            counts,
            quarters,
            line,
        })
    }
}

/// Windows along a row, without dilation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) kernel: usize,
    pub(super) step: usize,
    pub(super) padding: usize,
}

/// The windows of a pooling, ready to be walked.
#[derive(Clone, Debug)]
pub struct Windows {
    input: [usize; 3],
    output: [usize; 3],
    steps: [usize; 3],
    spans: [Vec<[usize; 2]>; 3],
    /// Factors of the divisor.
    counts: [Vec<f64>; 3],
    /// Whether these are squares of 2 × 2 without overlap or padding.
    quarters: bool,
    /// How they lie along a row, if that is one rule.
    line: Option<Line>,
}

impl Windows {
    /// Parts of each axis as PyTorch's adaptive pooling cuts it: part `o` of `m` is `⌊o·n/m⌋ .. ⌈(o+1)·n/m⌉`.
    pub fn adaptive(input: [usize; 3], output: [usize; 3]) -> Self {
        let part = |d: usize, o: usize| {
            let wide = |a: usize| a as u128 * input[d] as u128;
            let parts = output[d] as u128;
            [
                (wide(o) / parts) as usize,
                wide(o + 1).div_ceil(parts) as usize,
            ]
        };
        let spans = [0, 1, 2].map(|d| (0..output[d]).map(|o| part(d, o)).collect::<Vec<_>>());
        let counts = [0, 1, 2].map(|d: usize| {
            let all = spans[d].iter();
            all.map(|[first, end]| (end - first) as f64).collect()
        });
        Self {
            input,
            output,
            steps: [1; 3],
            spans,
            counts,
            quarters: false,
            line: None,
        }
    }

    /// Sides of the input.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Sides of the output.
    pub fn output(&self) -> [usize; 3] {
        self.output
    }

    /// How windows lie along a row, if that is one rule.
    pub(super) fn line(&self) -> Option<Line> {
        self.line
    }

    /// Distances between the elements of a window.
    pub(super) fn steps(&self) -> [usize; 3] {
        self.steps
    }

    /// First element and one past the last.
    #[inline(always)]
    pub(super) fn span(&self, d: usize, o: usize) -> [usize; 2] {
        self.spans[d][o]
    }

    #[inline(always)]
    pub(super) fn divisor(&self, [oz, oy, ox]: [usize; 3]) -> f64 {
        self.counts[0][oz] * self.counts[1][oy] * self.counts[2][ox]
    }

    /// Whether the only window is the whole plane.
    pub(super) fn is_whole(&self) -> bool {
        self.output == [1; 3] && (0..3).all(|d| self.spans[d][0] == [0, self.input[d]])
    }

    /// Whether a plane is cut into squares of 2 × 2, row by row.
    pub(super) fn is_quarters(&self) -> bool {
        self.quarters && self.input[0] == 1
    }

    /// Whether all windows are whole and 2 × 2, side by side.
    pub(super) fn are_pairs(&self) -> bool {
        self.quarters
    }

    /// Where the first element of a row of windows of 2 × 2 stands, and the width of the image.
    #[inline(always)]
    pub(super) fn pairs_from(&self, row: usize) -> (usize, usize) {
        let [_, height, width] = self.input;
        let (oz, oy) = (row / self.output[1], row % self.output[1]);
        ((oz * height + 2 * oy) * width, width)
    }

    /// The number of planes, and the elements of one in input and output.
    #[track_caller]
    pub(super) fn planes(&self, inputs: usize, outputs: usize) -> [usize; 3] {
        let [input, output] = [self.input, self.output].map(|sides| sides.iter().product());
        let planes = outputs / usize::max(output, 1);
        assert_eq!(
            (planes * input, planes * output),
            (inputs, outputs),
            "pooling: lengths do not fit the shape"
        );
        [planes, input, output]
    }
}
