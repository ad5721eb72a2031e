//! Images and volumes read at any places: PyTorch's `grid_sample` and its gradients.
//!
//! A position becomes a list of taps: elements with a weight, and the slope of the weight along each coordinate. Positions are cut
//! into blocks by shape; the gradient of the input is summed channel by channel in the order of positions: the bits are the same for
//! any number of threads.

use crate::float::Float;
use crate::scratch::SharedMut;
use crate::threads::for_each_block;

/// Positions whose taps are made at once: what 2 KiB of coordinates hold.
const POSITIONS: usize = 128;

/// How elements between the places of the grid are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleMode {
    /// The 4 (8) around it, linearly along each side.
    Bilinear,
    /// The nearest; of two equally near ones the even.
    Nearest,
    /// The 16 (64) around it, by cubic convolution with a = -0.75.
    Bicubic,
}

/// What lies outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplePadding {
    /// Zeros.
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image mirrored at its border.
    Reflection,
}

/// Sizes and options; images have depth 1.
#[derive(Clone, Copy, Debug)]
pub struct GridSample {
    /// N
    pub batch: usize,
    /// C
    pub channels: usize,
    /// Sides of the image or volume: 2 or 3.
    pub sides: usize,
    /// Depth, height, width; none of them 0.
    pub input: [usize; 3],
    /// Positions of the grid of one image.
    pub positions: usize,
    /// Weights.
    pub mode: SampleMode,
    /// The outside.
    pub padding: SamplePadding,
    /// Whether -1 and 1 are the centres of the outer elements, not their edges.
    pub align_corners: bool,
}

/// An element that a position reads.
#[derive(Clone, Copy, Debug, Default)]
struct Tap {
    /// Place in the plane.
    place: usize,
    weight: f64,
    /// Of the weight, along x, y, z of the grid.
    slope: [f64; 3],
}

/// A coordinate with its slope along that of the grid.
#[derive(Clone, Copy)]
struct Coordinate {
    at: f64,
    slope: f64,
}

/// The weights of the four elements around, for a fraction of 0 to 1, and their slopes.
fn cubic(t: f64) -> [[f64; 2]; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| {
        [
            ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            (3.0 * (A + 2.0) * x - 2.0 * (A + 3.0)) * x,
        ]
    };
    let far = |x: f64| {
        [
            ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
            (3.0 * A * x - 10.0 * A) * x + 8.0 * A,
        ]
    };
    let back = |[w, slope]: [f64; 2]| [w, -slope];
    [
        far(t + 1.0),
        near(t),
        back(near(1.0 - t)),
        back(far(2.0 - t)),
    ]
}

impl GridSample {
    /// The coordinate of -1..1 in elements of a side of `n`.
    fn scaled(&self, at: f64, n: usize) -> Coordinate {
        let n = n as f64;
        if self.align_corners {
            Coordinate {
                at: (at + 1.0) / 2.0 * (n - 1.0),
                slope: (n - 1.0) / 2.0,
            }
        } else {
            Coordinate {
                at: ((at + 1.0) * n - 1.0) / 2.0,
                slope: n / 2.0,
            }
        }
    }

    /// The coordinate brought inside, as the padding says.
    fn inside(&self, c: Coordinate, n: usize) -> Coordinate {
        match self.padding {
            SamplePadding::Zeros => c,
            SamplePadding::Border => clipped(c, n),
            SamplePadding::Reflection => {
                let (low, high) = if self.align_corners {
                    (0.0, n as f64 - 1.0)
                } else {
                    (-0.5, n as f64 - 0.5)
                };
                clipped(reflected(c, low, high), n)
            }
        }
    }

    /// Weights along one side: elements (`None` outside), weight and slope.
    fn side(&self, at: f64, n: usize, taps: &mut [(Option<usize>, f64, f64); 4]) -> usize {
        let raw = self.scaled(at, n);
        let whole = |v: f64| (v >= 0.0 && v < n as f64).then_some(v as usize);
        match self.mode {
            SampleMode::Nearest => {
                let c = self.inside(raw, n);
                taps[0] = (whole(c.at.round_ties_even()), 1.0, 0.0);
                1
            }
            SampleMode::Bilinear => {
                let c = self.inside(raw, n);
                let first = c.at.floor();
                let t = c.at - first;
                taps[0] = (whole(first), 1.0 - t, -c.slope);
                taps[1] = (whole(first + 1.0), t, c.slope);
                2
            }
            SampleMode::Bicubic => {
                let first = raw.at.floor();
                let weights = cubic(raw.at - first);
                for (k, (tap, [weight, slope])) in taps.iter_mut().zip(weights).enumerate() {
                    let at = first + k as f64 - 1.0;
                    let c = self.inside(Coordinate { at, slope: 1.0 }, n);
                    *tap = (whole(c.at), weight, slope * raw.slope);
                }
                4
            }
        }
    }

    /// The taps of a position: all that lie in the image.
    fn taps(&self, grid: [f64; 3], found: &mut Vec<Tap>) {
        found.clear();
        if grid[..self.sides].iter().any(|v| !v.is_finite()) {
            return;
        }
        let none = [(None, 0.0, 0.0); 4];
        let mut sides = [none; 3];
        let mut counts = [1; 3];
        // x of the grid runs along the last side.
        for d in 0..3 {
            if d < self.sides {
                counts[d] = self.side(grid[d], self.input[2 - d], &mut sides[d]);
            } else {
                sides[d][0] = (Some(0), 1.0, 0.0);
            }
        }
        for z in &sides[2][..counts[2]] {
            for y in &sides[1][..counts[1]] {
                for x in &sides[0][..counts[0]] {
                    if let (Some(i), Some(j), Some(k)) = (z.0, y.0, x.0) {
                        found.push(Tap {
                            place: (i * self.input[1] + j) * self.input[2] + k,
                            weight: x.1 * y.1 * z.1,
                            slope: [x.2 * y.1 * z.1, x.1 * y.2 * z.1, x.1 * y.1 * z.2],
                        });
                    }
                }
            }
        }
    }

    /// Coordinates of a position.
    fn grid_at<T: Float>(&self, grid: &[T], position: usize) -> [f64; 3] {
        let mut at = [0.0; 3];
        let own = &grid[position * self.sides..][..self.sides];
        for (a, g) in at.iter_mut().zip(own) {
            *a = g.to_f64();
        }
        at
    }

    fn plane(&self) -> usize {
        self.input.iter().product()
    }

    #[track_caller]
    fn check(&self, x: usize, grid: usize, out: usize) {
        let of_batch = self.batch * self.channels;
        let wanted = [
            of_batch * self.plane(),
            self.batch * self.positions * self.sides,
            of_batch * self.positions,
        ];
        assert_eq!([x, grid, out], wanted, "grid_sample: lengths do not fit");
    }
}

fn clipped(c: Coordinate, n: usize) -> Coordinate {
    let high = n as f64 - 1.0;
    if c.at <= 0.0 {
        Coordinate {
            at: 0.0,
            slope: 0.0,
        }
    } else if c.at >= high {
        Coordinate {
            at: high,
            slope: 0.0,
        }
    } else {
        c
    }
}

/// Mirrored at `low` and `high` until it lies between them.
fn reflected(c: Coordinate, low: f64, high: f64) -> Coordinate {
    if low >= high {
        return Coordinate {
            at: 0.0,
            slope: 0.0,
        };
    }
    let span = high - low;
    let from = c.at - low;
    let (from, slope) = if from < 0.0 {
        (-from, -c.slope)
    } else {
        (from, c.slope)
    };
    let rest = from % span;
    if (from / span).floor() % 2.0 == 0.0 {
        Coordinate {
            at: rest + low,
            slope,
        }
    } else {
        Coordinate {
            at: span - rest + low,
            slope: -slope,
        }
    }
}

/// `dst[n, c, p] = Σ weight · x[n, c, place]`; `(N, C, D, H, W), (N, P, sides) -> (N, C, P)`, all contiguous.
///
/// # Numerics
/// Coordinates and weights in f64, sums in f64. A position that is not finite gives 0.
///
/// # Panics
/// If lengths do not fit: a bug of the caller, ops have validated them.
pub fn grid_sample<T: Float>(dst: &mut [T], x: &[T], grid: &[T], g: &GridSample) {
    g.check(x.len(), grid.len(), dst.len());
    let (plane, out) = (g.plane(), SharedMut::new(dst));
    let blocks = g.positions.div_ceil(POSITIONS);
    for_each_block(g.batch * blocks, 1, |task, _| {
        let (n, first) = (task / blocks, task % blocks * POSITIONS);
        let mut taps = Vec::with_capacity(16);
        for p in first..g.positions.min(first + POSITIONS) {
            g.taps(g.grid_at(grid, n * g.positions + p), &mut taps);
            for c in n * g.channels..(n + 1) * g.channels {
                let x = &x[c * plane..][..plane];
                let terms = taps.iter().map(|tap| tap.weight * x[tap.place].to_f64());
                let at = c * g.positions + p;
                // SAFETY: each position belongs to one block.
                let dst = unsafe { out.range(at..at + 1) };
                dst[0] = T::from_f64(terms.sum());
            }
        }
    });
}

/// Gradient of [`grid_sample`] with respect to `x`: `dst[n, c, place] += weight · grad_out[n, c, p]`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn grid_sample_grad_input<T: Float>(dst: &mut [T], grad_out: &[T], grid: &[T], g: &GridSample) {
    g.check(dst.len(), grid.len(), grad_out.len());
    let (plane, out) = (g.plane(), SharedMut::new(dst));
    // Some channels share the work of finding the taps.
    let group = 8;
    let blocks = g.channels.div_ceil(group);
    for_each_block(g.batch * blocks, 1, |task, _| {
        let (n, first) = (task / blocks, task % blocks * group);
        let channels = n * g.channels + first..n * g.channels + g.channels.min(first + group);
        // SAFETY: each channel belongs to one block.
        let dst = unsafe { out.range(channels.start * plane..channels.end * plane) };
        dst.fill(T::ZERO);
        let mut taps = Vec::with_capacity(16);
        for p in 0..g.positions {
            g.taps(g.grid_at(grid, n * g.positions + p), &mut taps);
            for (c, dst) in channels.clone().zip(dst.chunks_exact_mut(plane)) {
                let grad = grad_out[c * g.positions + p].to_f64();
                for tap in &taps {
                    dst[tap.place] += T::from_f64(tap.weight * grad);
                }
            }
        }
    });
}

/// Gradient of [`grid_sample`] with respect to `grid`: `dst[n, p, d] = Σ grad_out[n, c, p] · slope · x[n, c, place]`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn grid_sample_grad_grid<T: Float>(
    dst: &mut [T],
    grad_out: &[T],
    x: &[T],
    grid: &[T],
    g: &GridSample,
) {
    g.check(x.len(), dst.len(), grad_out.len());
    let (plane, out) = (g.plane(), SharedMut::new(dst));
    let blocks = g.positions.div_ceil(POSITIONS);
    for_each_block(g.batch * blocks, 1, |task, _| {
        let (n, first) = (task / blocks, task % blocks * POSITIONS);
        let mut taps = Vec::with_capacity(16);
        for p in first..g.positions.min(first + POSITIONS) {
            let position = n * g.positions + p;
            g.taps(g.grid_at(grid, position), &mut taps);
            let mut sums = [0.0; 3];
            for c in n * g.channels..(n + 1) * g.channels {
                let grad = grad_out[c * g.positions + p].to_f64();
                for tap in &taps {
                    let value = grad * x[c * plane + tap.place].to_f64();
                    for (sum, slope) in sums.iter_mut().zip(tap.slope) {
                        *sum += slope * value;
                    }
                }
            }
            let own = position * g.sides..(position + 1) * g.sides;
            // SAFETY: each position belongs to one block.
            let dst = unsafe { out.range(own) };
            for (d, sum) in dst.iter_mut().zip(sums) {
                *d = T::from_f64(sum);
            }
        }
    });
}
