//! Sines and cosines of whole views: in f32 vectorised, with the rare huge arguments done again one by one.

use gradus_tensor::View;

use crate::elementwise::run1;
use crate::float::Float;
use crate::simd::dispatch;

/// Elements that stay in the first cache between the two passes.
const PIECE: usize = 1024;

/// `dst[i] = sin(a[i])`
pub fn sin<T: Float>(dst: &mut [T], a: View<'_, T>) {
    run1(dst, a, &|dst, a| {
        for (dst, a) in dst.chunks_mut(PIECE).zip(a.chunks(PIECE)) {
            dispatch(
                #[inline(always)]
                || each(dst, a, T::sin_within),
            );
            again(dst, a, T::sin);
        }
    });
}

/// `dst[i] = cos(a[i])`
pub fn cos<T: Float>(dst: &mut [T], a: View<'_, T>) {
    run1(dst, a, &|dst, a| {
        for (dst, a) in dst.chunks_mut(PIECE).zip(a.chunks(PIECE)) {
            dispatch(
                #[inline(always)]
                || each(dst, a, T::cos_within),
            );
            again(dst, a, T::cos);
        }
    });
}

#[inline(always)]
fn each<T: Float>(dst: &mut [T], a: &[T], f: impl Fn(T) -> T) {
    for (d, &a) in dst.iter_mut().zip(a) {
        *d = f(a);
    }
}

/// `f` where the argument is beyond the reach of the branch-free function.
fn again<T: Float>(dst: &mut [T], a: &[T], f: fn(T) -> T) {
    let far = dispatch(
        #[inline(always)]
        || {
            a.iter()
                .fold(false, |far, a| far | (a.abs() > T::TURN_REACH))
        },
    );
    if far {
        for (d, &a) in dst.iter_mut().zip(a) {
            if a.abs() > T::TURN_REACH {
                *d = f(a);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::Shape;

    #[test]
    fn museum_55_huge_arguments_among_others() {
        let mut x: Vec<f32> = (0..3000).map(|i| i as f32 * 0.37 - 500.0).collect();
        for (i, huge) in [
            (0, 1e34),
            (1023, -3e38),
            (1024, f32::INFINITY),
            (2999, 2e13),
        ] {
            x[i] = huge;
        }
        let view = View::contiguous(&x, Shape::new(&[3000]).unwrap()).unwrap();
        let mut y = vec![0.0; 3000];
        for (kernel, reference) in [
            (
                sin as fn(&mut [f32], View<'_, f32>),
                libm::sin as fn(f64) -> f64,
            ),
            (cos, libm::cos),
        ] {
            kernel(&mut y, view);
            for (&x, &y) in x.iter().zip(&y) {
                let want = reference(f64::from(x)) as f32;
                assert!(
                    (y - want).abs() < 1e-7 || y.is_nan() && want.is_nan(),
                    "{x}: {y}"
                );
            }
        }
    }
}
