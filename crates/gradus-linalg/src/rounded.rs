//! Passes over f32 that write or read bf16 beside it.

use gradus_tensor::{View, bf16};

use crate::elementwise::{CHUNK, map1};
use crate::simd::dispatch;
use crate::threads::for_each_split;

/// `dst[i]` is `x[i]` rounded to bf16, to nearest, ties to even.
pub fn round(dst: &mut [bf16], x: View<'_, f32>) {
    map1(dst, x, bf16::from_f32);
}

/// `dst[i]` is `x[i]`.
pub fn widen(dst: &mut [f32], x: View<'_, bf16>) {
    map1(dst, x, bf16::to_f32);
}

/// `dst[i] = f(x[i])`, and `rounded[i]` is `x[i]` as [`round`] gives it. All three of one length.
pub fn map_rounding(
    dst: &mut [f32],
    rounded: &mut [bf16],
    x: &[f32],
    f: impl Fn(f32) -> f32 + Copy + Send + Sync,
) {
    debug_assert!(dst.len() == x.len() && rounded.len() == x.len());
    /// Elements that stay in the nearest cache between the two loops.
    const BLOCK: usize = 2048;
    for_each_split((dst, rounded, x), CHUNK, |_, (dst, rounded, x)| {
        dispatch(
            #[inline(always)]
            || {
                let blocks = dst.chunks_mut(BLOCK).zip(rounded.chunks_mut(BLOCK));
                for ((dst, rounded), x) in blocks.zip(x.chunks(BLOCK)) {
                    dst.iter_mut().zip(x).for_each(
                        #[inline(always)]
                        |(d, &x)| *d = f(x),
                    );
                    rounded.iter_mut().zip(x).for_each(
                        #[inline(always)]
                        |(r, &x)| *r = bf16::from_f32(x),
                    );
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_tensor::Tensor;

    #[test]
    fn values_and_their_roundings_are_those_of_single_elements() {
        let special = [
            f32::NAN,
            f32::INFINITY,
            -0.0,
            f32::MAX,
            f32::MIN_POSITIVE,
            1.003_906_3,
        ];
        let x: Vec<f32> = (0..3 * CHUNK + 5)
            .map(|i| (i as f32 - 40_000.0) * 1.37e-3)
            .chain(special)
            .collect();
        let tensor = Tensor::from_slice(&x, [x.len()]).unwrap();
        let f = |x: f32| x * x - 1.0;
        for threads in [1, 3] {
            with_threads(threads, || {
                let mut rounded = vec![bf16::ZERO; x.len()];
                let mut dst = vec![0.0; x.len()];
                map_rounding(&mut dst, &mut rounded, &x, f);
                let mut again = vec![bf16::ZERO; x.len()];
                round(&mut again, tensor.view::<f32>().unwrap());
                let wide = Tensor::from_slice(&rounded, [x.len()]).unwrap();
                let mut widened = vec![0.0; x.len()];
                widen(&mut widened, wide.view::<bf16>().unwrap());
                for (i, &x) in x.iter().enumerate() {
                    let want = bf16::from_f32(x);
                    assert_eq!(dst[i].to_bits(), f(x).to_bits(), "{x}");
                    assert_eq!(rounded[i].to_bits(), want.to_bits(), "{x}");
                    assert_eq!(again[i].to_bits(), want.to_bits(), "{x}");
                    assert_eq!(widened[i].to_bits(), want.to_f32().to_bits(), "{x}");
                }
            });
        }
    }
}
