//! Runtime choice of the instruction set: loops are written once and compiled for each set.
//!
//! [`dispatch`] runs a closure inside a function compiled for the best `target_feature` set of this machine
//! (AVX-512, AVX2+FMA, NEON, or the baseline), found once through [`pulp::Arch`]. Plain lane loops in the closure are
//! then vectorised by the compiler for that set. This works only if everything inside is inlined: the closure and each
//! function it calls must be `#[inline(always)]` (attributes on a closure are allowed where it is a call's argument):
//!
//! ```
//! # use gradus_linalg::simd::dispatch;
//! let mut v = [1.0_f32; 100];
//! dispatch(#[inline(always)] || v.iter_mut().for_each(|x| *x = x.mul_add(2.0, 1.0)));
//! assert_eq!(v, [3.0; 100]);
//! ```
//!
//! The number of accumulators in a reduction is fixed ([`LANES`]) and does not follow the vector width, so all
//! instruction sets give equal bits. `mul_add` is always the exact fused operation: one instruction with FMA, a (slow,
//! equal) library call on a baseline x86-64 without it.

use std::sync::OnceLock;

/// Independent accumulators of a reduction loop, whatever the vector width is.
pub const LANES: usize = 16;

#[inline]
fn arch() -> pulp::Arch {
    static ARCH: OnceLock<pulp::Arch> = OnceLock::new();
    *ARCH.get_or_init(pulp::Arch::new)
}

/// Runs `f` in the best instruction set of this machine. See the module text for what `f` must look like.
///
/// Costs about 2 ns a call; call it once a block or row, not once an element.
#[inline(always)]
pub fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    arch().dispatch(f)
}

/// Whether no instruction set with fused multiply-adds was found, so that each is a library call.
pub(crate) fn is_baseline() -> bool {
    static BASELINE: OnceLock<bool> = OnceLock::new();
    *BASELINE.get_or_init(|| name() == "baseline")
}

/// Name of the instruction set in use, for logs and benchmark tables: `"avx512"`, `"avx2"`, `"neon"`, `"baseline"`.
pub fn name() -> &'static str {
    match format!("{:?}", arch()).split('(').next() {
        Some("V4") => "avx512",
        Some("V3") => "avx2",
        Some("Neon" | "NeonFcma" | "NeonAes") => "neon",
        _ => "baseline",
    }
}

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Asks for the cache lines of `count` values from a place on, which will be used soon; see [`prefetch`].
#[inline(always)]
pub(crate) fn prefetch_all<T>(place: *const T, count: usize) {
    for line in (0..count * size_of::<T>()).step_by(LINE) {
        prefetch(place.wrapping_byte_add(line));
    }
}

/// Asks for the cache line of a place that will be used soon. Any address may be given: nothing is read.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect but on the caches, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast::<i8>());
    }
}

/// As [`prefetch`], for later: into the second cache only.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn prefetch_far<T>(place: *const T) {
    // SAFETY: as in `prefetch`.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(place.cast::<i8>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispatch_returns_the_value_of_the_closure() {
        let xs: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let total = dispatch(
            #[inline(always)]
            || xs.iter().map(|&x| f64::from(x)).sum::<f64>(),
        );
        assert_eq!(total, 499_500.0);
    }

    #[test]
    fn name_is_known() {
        assert!(["avx512", "avx2", "neon", "baseline"].contains(&name()));
    }
}
