//! Elementwise kernels: `dst = f(a, b, …)` and `dst = f(dst, a, …)`, operands of any strides and any element types.
//!
//! Operands are views already expanded to the shape of `dst` (stride 0 where they broadcast). The function is compiled
//! into one loop over contiguous slices; a reader lends or gathers those. Write `f` as
//! `#[inline(always)] |x| …`, or it may be left out of the vectorised loop. Results do not depend on threads at all:
//! each element is computed alone.

use gradus_tensor::{Element, View};

use crate::copy;
use crate::reader::{BLOCK, Dims, Reader, step};
use crate::simd::dispatch;
use crate::threads::for_each_split;

/// Elements of one parallel task.
///
/// Measured (2 cores Zen 3, AVX2, f32 `a + b`, inside the pool): 32768 elements in two tasks lose 4 %, 131072 gain 1.6x.
pub(crate) const CHUNK: usize = 32_768;

/// A reader of the elements `start..start + n`. A transposed operand is first copied by tiles into `packed`: reading it
/// column by column would touch a cache line an element.
fn open<'b, T: Element>(
    view: &View<'b, T>,
    start: usize,
    n: usize,
    packed: &'b mut Vec<T>,
) -> Reader<'b, T> {
    let layout = Dims::of(view.layout());
    let origin = view.offset() as isize;
    if copy::is_transposed(&layout) {
        packed.resize(n, T::default());
        copy::pack(packed, view.data(), layout, origin, start);
        return Reader::of(packed, Dims::merge([(n, 1)]), 0);
    }
    let mut reader = Reader::of(view.data(), layout, origin);
    reader.seek(start);
    reader
}

#[inline(always)]
fn loop0<T: Element>(d: &mut [T], f: impl Fn(T) -> T) {
    for d in d {
        *d = f(*d);
    }
}

#[inline(always)]
fn loop1<T: Element, A: Element>(d: &mut [T], a: &[A], f: impl Fn(T, A) -> T) {
    for (d, &a) in d.iter_mut().zip(a) {
        *d = f(*d, a);
    }
}

#[inline(always)]
fn loop2<T: Element, A: Element, B: Element>(
    d: &mut [T],
    a: &[A],
    b: &[B],
    f: impl Fn(T, A, B) -> T,
) {
    for ((d, &a), &b) in d.iter_mut().zip(a).zip(b) {
        *d = f(*d, a, b);
    }
}

#[inline(always)]
fn loop3<T: Element, A: Element, B: Element, C: Element>(
    d: &mut [T],
    a: &[A],
    b: &[B],
    c: &[C],
    f: impl Fn(T, A, B, C) -> T,
) {
    for (((d, &a), &b), &c) in d.iter_mut().zip(a).zip(b).zip(c) {
        *d = f(*d, a, b, c);
    }
}

/// `dst[i] = f(dst[i])`
pub fn update0<T: Element>(dst: &mut [T], f: impl Fn(T) -> T + Copy + Send + Sync) {
    for_each_split(dst, CHUNK, |_, d| {
        dispatch(
            #[inline(always)]
            || loop0(d, f),
        )
    });
}

/// `dst[i] = f(dst[i], a[i])`: in-place arithmetic, and accumulation (`|d, x| d + g(x)`).
pub fn update1<T: Element, A: Element>(
    dst: &mut [T],
    a: View<'_, A>,
    f: impl Fn(T, A) -> T + Copy + Send + Sync,
) {
    run1(dst, a, &|d, a| {
        dispatch(
            #[inline(always)]
            || loop1(d, a, f),
        );
    });
}

/// `dst[i] = f(dst[i], a[i], b[i])`
pub fn update2<T: Element, A: Element, B: Element>(
    dst: &mut [T],
    a: View<'_, A>,
    b: View<'_, B>,
    f: impl Fn(T, A, B) -> T + Copy + Send + Sync,
) {
    run2(dst, a, b, &|d, a, b| {
        dispatch(
            #[inline(always)]
            || loop2(d, a, b, f),
        );
    });
}

/// `dst[i] = f(dst[i], a[i], b[i], c[i])`
pub fn update3<T: Element, A: Element, B: Element, C: Element>(
    dst: &mut [T],
    a: View<'_, A>,
    b: View<'_, B>,
    c: View<'_, C>,
    f: impl Fn(T, A, B, C) -> T + Copy + Send + Sync,
) {
    run3(dst, a, b, c, &|d, a, b, c| {
        dispatch(
            #[inline(always)]
            || loop3(d, a, b, c, f),
        );
    });
}

/// A function of a run of `dst` and two operands.
type Kernel2<'k, T, A, B> = &'k (dyn Fn(&mut [T], &[A], &[B]) + Sync);
/// A function of a run of `dst` and three operands.
type Kernel3<'k, T, A, B, C> = &'k (dyn Fn(&mut [T], &[A], &[B], &[C]) + Sync);

/// Calls `kernel` on runs of `dst` and `a`.
///
/// This and its siblings are compiled once for each combination of element types, and not for each function: a call
/// through a pointer a run costs nothing beside the run, and hundreds of functions come here.
pub(crate) fn run1<T: Element, A: Element>(
    dst: &mut [T],
    a: View<'_, A>,
    kernel: &(dyn Fn(&mut [T], &[A]) + Sync),
) {
    debug_assert_eq!(dst.len(), a.shape().numel());
    for_each_split(dst, CHUNK, |start, mut d| {
        let mut a_packed = Vec::new();
        let mut a = open(&a, start, d.len(), &mut a_packed);
        let mut a_buffer = [A::default(); BLOCK];
        while !d.is_empty() {
            let (head, tail) = d.split_at_mut(step(d.len(), &[a.borrowable()]));
            kernel(head, a.next(head.len(), &mut a_buffer));
            d = tail;
        }
    });
}

/// Calls `kernel` on runs of `dst`, `a` and `b`.
fn run2<T: Element, A: Element, B: Element>(
    dst: &mut [T],
    a: View<'_, A>,
    b: View<'_, B>,
    kernel: Kernel2<'_, T, A, B>,
) {
    debug_assert_eq!(dst.len(), a.shape().numel());
    debug_assert_eq!(dst.len(), b.shape().numel());
    for_each_split(dst, CHUNK, |start, mut d| {
        let (mut a_packed, mut b_packed) = (Vec::new(), Vec::new());
        let mut a = open(&a, start, d.len(), &mut a_packed);
        let mut b = open(&b, start, d.len(), &mut b_packed);
        let (mut a_buffer, mut b_buffer) = ([A::default(); BLOCK], [B::default(); BLOCK]);
        while !d.is_empty() {
            let n = step(d.len(), &[a.borrowable(), b.borrowable()]);
            let (head, tail) = d.split_at_mut(n);
            kernel(head, a.next(n, &mut a_buffer), b.next(n, &mut b_buffer));
            d = tail;
        }
    });
}

/// Calls `kernel` on runs of `dst`, `a`, `b` and `c`.
fn run3<T: Element, A: Element, B: Element, C: Element>(
    dst: &mut [T],
    a: View<'_, A>,
    b: View<'_, B>,
    c: View<'_, C>,
    kernel: Kernel3<'_, T, A, B, C>,
) {
    debug_assert_eq!(dst.len(), a.shape().numel());
    debug_assert_eq!(dst.len(), b.shape().numel());
    debug_assert_eq!(dst.len(), c.shape().numel());
    for_each_split(dst, CHUNK, |start, mut d| {
        let (mut a_packed, mut b_packed, mut c_packed) = (Vec::new(), Vec::new(), Vec::new());
        let mut a = open(&a, start, d.len(), &mut a_packed);
        let mut b = open(&b, start, d.len(), &mut b_packed);
        let mut c = open(&c, start, d.len(), &mut c_packed);
        let mut a_buffer = [A::default(); BLOCK];
        let mut b_buffer = [B::default(); BLOCK];
        let mut c_buffer = [C::default(); BLOCK];
        while !d.is_empty() {
            let n = step(d.len(), &[a.borrowable(), b.borrowable(), c.borrowable()]);
            let (head, tail) = d.split_at_mut(n);
            let (a, b) = (a.next(n, &mut a_buffer), b.next(n, &mut b_buffer));
            kernel(head, a, b, c.next(n, &mut c_buffer));
            d = tail;
        }
    });
}

/// `dst[i] = f(a[i])`
#[inline]
pub fn map1<A: Element, U: Element>(
    dst: &mut [U],
    a: View<'_, A>,
    f: impl Fn(A) -> U + Copy + Send + Sync,
) {
    update1(
        dst,
        a,
        #[inline(always)]
        move |_, a| f(a),
    );
}

/// `dst[i] = f(a[i], b[i])`
#[inline]
pub fn map2<A: Element, B: Element, U: Element>(
    dst: &mut [U],
    a: View<'_, A>,
    b: View<'_, B>,
    f: impl Fn(A, B) -> U + Copy + Send + Sync,
) {
    update2(
        dst,
        a,
        b,
        #[inline(always)]
        move |_, a, b| f(a, b),
    );
}

/// `dst[i] = f(a[i], b[i], c[i])`
#[inline]
pub fn map3<A: Element, B: Element, C: Element, U: Element>(
    dst: &mut [U],
    a: View<'_, A>,
    b: View<'_, B>,
    c: View<'_, C>,
    f: impl Fn(A, B, C) -> U + Copy + Send + Sync,
) {
    update3(
        dst,
        a,
        b,
        c,
        #[inline(always)]
        move |_, a, b, c| f(a, b, c),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Float;
    use crate::threads::with_threads;
    use gradus_tensor::{Layout, Shape};
    use gradus_testing::{check_same_bits, placements, sample};
    use proptest::prelude::*;

    fn check(dims: &[usize]) {
        let n = dims.iter().product();
        let [x, y, z]: [Vec<f32>; 3] =
            [1, 2, 3].map(|s| sample(n, s).iter().map(|&v| v as f32).collect());
        let zip = |f: fn(f32, f32, f32) -> f32| -> Vec<f32> {
            (0..n).map(|i| f(x[i], y[i], z[i])).collect()
        };
        let [xs, ys, zs] = [&x, &y, &z].map(|v| placements(dims, v, f32::NAN));
        for (i, px) in xs.iter().enumerate() {
            let mut d = vec![f32::NAN; n];
            map1(&mut d, px.view(), |x: f32| x * 3.0);
            check_same_bits(px.name, &d, &zip(|x, _, _| x * 3.0));
            update1(&mut d, px.view(), |d, x: f32| d + x);
            check_same_bits(px.name, &d, &zip(|x, _, _| x * 3.0 + x));
            update0(&mut d, |d| -d);
            check_same_bits(px.name, &d, &zip(|x, _, _| -(x * 3.0 + x)));
            let (py, pz) = (&ys[(i + 2) % ys.len()], &zs[(i + 3) % zs.len()]);
            map2(&mut d, px.view(), py.view(), |x: f32, y: f32| x - y);
            check_same_bits(px.name, &d, &zip(|x, y, _| x - y));
            update2(&mut d, px.view(), py.view(), |d, x: f32, y: f32| d + x * y);
            check_same_bits(px.name, &d, &zip(|x, y, _| x - y + x * y));
            map3(
                &mut d,
                px.view(),
                py.view(),
                pz.view(),
                |x: f32, y: f32, z: f32| x * y + z,
            );
            check_same_bits(px.name, &d, &zip(|x, y, z| x * y + z));
            update3(
                &mut d,
                px.view(),
                py.view(),
                pz.view(),
                |d, x: f32, y: f32, z: f32| d + x - y - z,
            );
            check_same_bits(px.name, &d, &zip(|x, y, z| x * y + z + x - y - z));
        }
    }

    #[test]
    fn matches_reference_on_every_layout() {
        for dims in [
            &[][..],
            &[0],
            &[1],
            &[700],
            &[3, 0, 2],
            &[40, 37],
            &[3, 4, 5],
            &[2, 600, 3],
            &[2, 1, 3, 1, 2, 2, 1, 3],
        ] {
            check(dims);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_shape(dims in prop::collection::vec(0_usize..9, 0..5)) {
            check(&dims);
        }
    }

    #[test]
    fn broadcast_operands_and_mixed_types() {
        let x: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let shape = Shape::new(&[2, 3]).unwrap();
        let view = View::contiguous(&x, shape).unwrap();
        let strided = |strides: &[isize]| Layout::strided(shape, strides, 1).unwrap();
        let (row, column, scalar) = (strided(&[0, 1]), strided(&[1, 0]), strided(&[0, 0]));
        let mut d = [0.0; 6];
        map2(
            &mut d,
            view,
            View::new(&x, &row).unwrap(),
            |a: f32, b: f32| a + b,
        );
        assert_eq!(d, [1.0, 3.0, 5.0, 4.0, 6.0, 8.0]);
        map2(
            &mut d,
            view,
            View::new(&x, &column).unwrap(),
            |a: f32, b: f32| a + b,
        );
        assert_eq!(d, [1.0, 2.0, 3.0, 5.0, 6.0, 7.0]);
        map2(
            &mut d,
            view,
            View::new(&x, &scalar).unwrap(),
            |a: f32, b: f32| a * b,
        );
        assert_eq!(d, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let mut mask = [false; 6];
        map1(&mut mask, view, |a: f32| a > 2.0);
        assert_eq!(mask, [false, false, false, true, true, true]);
        map3(
            &mut d,
            View::contiguous(&mask, shape).unwrap(),
            view,
            View::new(&x, &scalar).unwrap(),
            |m, a, b: f32| if m { a } else { -b },
        );
        assert_eq!(d, [-1.0, -1.0, -1.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn same_bits_for_any_number_of_threads() {
        let x: Vec<f32> = sample(150_000, 8).iter().map(|&v| v as f32).collect();
        let layout = Layout::strided(Shape::new(&[300, 500]).unwrap(), &[1, 300], 0).unwrap();
        let run = |threads| {
            let mut d = vec![0.0; x.len()];
            let (a, b) = (
                View::new(&x, &layout).unwrap(),
                View::contiguous(&x, *layout.shape()).unwrap(),
            );
            with_threads(threads, || {
                map2(&mut d, a, b, |a: f32, b: f32| {
                    Float::tanh(a) + Float::exp(b)
                })
            });
            d
        };
        let one = run(1);
        for threads in 2..=4 {
            check_same_bits("tanh + exp", &run(threads), &one);
        }
    }
}
