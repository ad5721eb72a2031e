//! The source of cases: shapes, attributes and values, from a seed or from the choices of a property test.

use std::ops::RangeInclusive;

use gradus_random::{Rng, stream_of};
use gradus_tensor::{Result, Tensor};

/// Where values are drawn from: an interval without the surroundings of some points.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    low: f64,
    high: f64,
    away: &'static [f64],
}

impl Values {
    /// -2.5..2.5
    pub const REAL: Self = Self::between(-2.5, 2.5);
    /// -2.5..2.5 without the surroundings of 0.
    pub const NONZERO: Self = Self::REAL.away(&[0.0]);
    /// -2.5..2.5 without a wide strip around 0: for ops whose curvature has no bound near the origin.
    pub const FAR: Self = Self::REAL.away(&[-0.12, -0.06, 0.0, 0.06, 0.12]);
    /// 0.2..3
    pub const POSITIVE: Self = Self::between(0.2, 3.0);
    /// 0.05..0.95, such as probabilities.
    pub const UNIT: Self = Self::between(0.05, 0.95);
    /// Half the width of the surroundings of a point: more than the reach of the stencil.
    pub const GAP: f64 = 0.04;

    /// `low..high`
    pub const fn between(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            away: &[],
        }
    }

    /// Without the surroundings of these points, such as kinks.
    #[must_use]
    pub const fn away(self, points: &'static [f64]) -> Self {
        Self {
            away: points,
            ..self
        }
    }

    fn draw(&self, rng: &mut Rng) -> f64 {
        loop {
            let x = rng.range(self.low, self.high);
            if self.away.iter().all(|point| (x - point).abs() > Self::GAP) {
                return x;
            }
        }
    }
}

/// How large the cases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// A few elements, so that whole Jacobians are cheap.
    Small,
    /// Enough elements for several threads.
    Large,
    /// A size of 0 somewhere.
    Empty,
}

/// The source of a case's shapes, attributes and values.
#[derive(Debug)]
pub struct Draw {
    choices: Option<std::vec::IntoIter<u64>>,
    rng: Rng,
    values: Rng,
    pub(super) scale: Scale,
}

impl Draw {
    /// Case number `case` of a seed.
    pub fn seeded(seed: u64, case: u64) -> Self {
        Self {
            choices: None,
            rng: Rng::new(seed, stream_of("registry.case"), case),
            values: Rng::new(seed, stream_of("registry.values"), case),
            scale: Scale::Small,
        }
    }

    /// The case that these numbers choose, one for each choice; 0, the simplest, when they run out.
    pub fn from_choices(choices: Vec<u64>, seed: u64) -> Self {
        Self {
            choices: Some(choices.into_iter()),
            ..Self::seeded(seed, 0)
        }
    }

    #[must_use]
    pub(super) fn at_scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let choice = match &mut self.choices {
            Some(choices) => choices.next().unwrap_or(0),
            None => self.rng.next_u64(),
        };
        (choice % n.max(1) as u64) as usize
    }

    /// A whole number in the range, both ends included.
    pub fn range(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// A whole number in the range, both ends included.
    pub fn int(&mut self, range: RangeInclusive<i64>) -> i64 {
        let width = usize::try_from(range.end() - range.start()).unwrap_or(0);
        range.start() + self.below(width + 1) as i64
    }

    /// True or false.
    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Dims: a rank and sizes from these ranges. Large cases widen one dim, empty ones make one 0.
    pub fn shape(
        &mut self,
        rank: RangeInclusive<usize>,
        sizes: RangeInclusive<usize>,
    ) -> Vec<usize> {
        let rank = self.range(rank);
        let mut dims: Vec<usize> = (0..rank).map(|_| self.range(sizes.clone())).collect();
        if rank > 0 && self.scale != Scale::Small {
            let axis = self.below(rank);
            let others: usize = dims.iter().product::<usize>() / dims[axis].max(1);
            dims[axis] = match self.scale {
                Scale::Empty => 0,
                _ => 140_000 / others.max(1),
            };
        }
        dims
    }

    /// Dims of rank 0 to 3 with sizes up to 4.
    pub fn any_shape(&mut self) -> Vec<usize> {
        self.shape(0..=3, 1..=4)
    }

    /// Dims of rank 1 to 3 with sizes up to 4.
    pub fn some_shape(&mut self) -> Vec<usize> {
        self.shape(1..=3, 1..=4)
    }

    /// Two shapes that broadcast to each other, and what they broadcast to.
    pub fn broadcast_pair(&mut self) -> [Vec<usize>; 3] {
        let wide = self.any_shape();
        let [a, b] = [self.narrower(&wide), self.narrower(&wide)];
        let axis_of = |own: &[usize], axis: usize| {
            (axis + own.len())
                .checked_sub(wide.len())
                .map_or(1, |i| own[i])
        };
        // Where both became 1 the wide one is kept, and a dim that both lack is gone.
        let dims: Vec<usize> = (0..wide.len())
            .map(|axis| match (axis_of(&a, axis), axis_of(&b, axis)) {
                (1, other) => other,
                (own, _) => own,
            })
            .collect();
        let rank = a.len().max(b.len());
        [a, b, dims[wide.len() - rank..].to_vec()]
    }

    /// A shape that broadcasts to this: sizes of 1 here and there, leading dims left out.
    pub fn narrower(&mut self, wide: &[usize]) -> Vec<usize> {
        let mut dims: Vec<usize> = wide
            .iter()
            .map(|&dim| if self.below(4) == 3 { 1 } else { dim })
            .collect();
        if self.below(4) == 3 {
            let left_out = self.range(0..=dims.len());
            dims.drain(..left_out);
        }
        dims
    }

    /// A dim of a tensor of this rank, counted from either end.
    pub fn dim(&mut self, rank: usize) -> i64 {
        let axis = self.below(rank.max(1)) as i64;
        if self.flag() {
            axis - rank.max(1) as i64
        } else {
            axis
        }
    }

    /// Different dims of a tensor of this rank, counted from either end; at least `least`.
    pub fn dims(&mut self, rank: usize, least: usize) -> Vec<i64> {
        let mut left: Vec<usize> = (0..rank).collect();
        let count = self.range(least.min(rank)..=rank);
        (0..count)
            .map(|_| {
                let at = self.below(left.len());
                let axis = left.remove(at) as i64;
                if self.flag() {
                    axis - rank as i64
                } else {
                    axis
                }
            })
            .collect()
    }

    /// All dims of a tensor of this rank in some order.
    pub fn order(&mut self, rank: usize) -> Vec<usize> {
        let mut left: Vec<usize> = (0..rank).collect();
        (0..rank)
            .map(|_| {
                let at = self.below(left.len());
                left.remove(at)
            })
            .collect()
    }

    /// A number, for an attribute.
    pub fn float(&mut self, values: Values) -> f64 {
        // Rounded, so that a case reads well and f32 holds it nearly.
        (values.draw(&mut self.values) * 64.0).round() / 64.0
    }

    /// An f64 tensor.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn floats(&mut self, dims: &[usize], values: Values) -> Result<Tensor> {
        let rng = &mut self.values;
        let data: Vec<f64> = (0..dims.iter().product())
            .map(|_| values.draw(rng))
            .collect();
        Tensor::from_slice(&data, dims)
    }

    /// An f64 tensor of -2.5..2.5.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn reals(&mut self, dims: &[usize]) -> Result<Tensor> {
        self.floats(dims, Values::REAL)
    }

    /// An f64 tensor of which no two values are closer than the stencil reaches: for maxima, medians, sorting.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn distinct(&mut self, dims: &[usize]) -> Result<Tensor> {
        let n: usize = dims.iter().product();
        let mut data: Vec<f64> = (0..n)
            .map(|i| 0.1 * (i as f64 - n as f64 / 2.0) + self.values.range(0.0, 0.04) + 0.033)
            .collect();
        self.values.shuffle(&mut data);
        Tensor::from_slice(&data, dims)
    }

    /// An i64 tensor of numbers below `n`.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn indices(&mut self, dims: &[usize], n: usize) -> Result<Tensor> {
        let rng = &mut self.values;
        let data: Vec<i64> = (0..dims.iter().product())
            .map(|_| rng.below(n.max(1) as u64) as i64)
            .collect();
        Tensor::from_slice(&data, dims)
    }

    /// A bool tensor.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`].
    pub fn mask(&mut self, dims: &[usize]) -> Result<Tensor> {
        let rng = &mut self.values;
        let data: Vec<bool> = (0..dims.iter().product())
            .map(|_| rng.below(2) == 1)
            .collect();
        Tensor::from_slice(&data, dims)
    }
}
