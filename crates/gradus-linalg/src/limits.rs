//! Loops that do nothing but arithmetic, or nothing but reading: what a core can reach at most. For benchmarks; no kernel
//! uses them.
//!
//! The arithmetic is that of independent chains of multiply-adds that live in registers, so that neither memory nor latency
//! holds them back; the functions return the number of floating-point operations done.

use crate::simd::dispatch;
use std::hint::black_box;

/// Chains: more than the latency of a multiply-add times the number of units that run them (4 · 2 on recent cores).
const CHAINS: usize = 12;
/// Lanes of a chain in the portable loop: a 512-bit register of f32.
const LANES: usize = 16;

/// f32 multiply-adds in the widest vectors that the other kernels use here.
pub fn f32_operations(rounds: u64) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F, checked on the line above; the function asks nothing else of its caller.
        return unsafe { x86::f32_avx512(rounds) };
    }
    if let Some(operations) = f32_operations_avx2(rounds) {
        return operations;
    }
    let (x, y) = (black_box(0.999_f32), black_box(0.001_f32));
    let chains = dispatch(
        #[inline(always)]
        || {
            let mut chains = [[1.0_f32; LANES]; CHAINS];
            for _ in 0..rounds {
                for chain in &mut chains {
                    for lane in chain.iter_mut() {
                        *lane = lane.mul_add(x, y);
                    }
                }
            }
            chains
        },
    );
    black_box(chains);
    (rounds * (2 * CHAINS * LANES) as u64) as f64
}

/// f32 multiply-adds in AVX2 vectors; none without AVX2.
pub fn f32_operations_avx2(rounds: u64) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has AVX2 and FMA, checked on the line above; the function asks nothing else of its caller.
        return Some(unsafe { x86::f32_avx2(rounds) });
    }
    let _ = rounds;
    None
}

/// bf16 dot products of pairs with f32 sums; none where the processor has no instruction for them.
pub fn bf16_operations(rounds: u64) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bf16")
    {
        // SAFETY: the processor has AVX-512F and AVX512-BF16, checked above; the function asks nothing else of its caller.
        return Some(unsafe { x86::bf16_avx512(rounds) });
    }
    let _ = rounds;
    None
}

/// The sum of all values, in as many chains as hide the latency of additions: it costs what reading costs.
pub fn read(values: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F, checked on the line above; the function asks nothing else of its caller.
        return unsafe { x86::read_avx512(values) };
    }
    dispatch(
        #[inline(always)]
        || {
            let mut chains = [0.0_f32; LANES];
            for block in values.chunks_exact(LANES) {
                for (chain, x) in chains.iter_mut().zip(block) {
                    *chain += x;
                }
            }
            chains.iter().sum()
        },
    )
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::CHAINS;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// # Safety
    /// The processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn f32_avx512(rounds: u64) -> f64 {
        let (x, y) = (
            _mm512_set1_ps(black_box(0.999)),
            _mm512_set1_ps(black_box(0.001)),
        );
        let mut chains = [_mm512_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = _mm512_fmadd_ps(*chain, x, y);
            }
        }
        black_box(chains);
        (rounds * (2 * CHAINS * 16) as u64) as f64
    }

    /// # Safety
    /// The processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn f32_avx2(rounds: u64) -> f64 {
        let (x, y) = (
            _mm256_set1_ps(black_box(0.999)),
            _mm256_set1_ps(black_box(0.001)),
        );
        let mut chains = [_mm256_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = _mm256_fmadd_ps(*chain, x, y);
            }
        }
        black_box(chains);
        (rounds * (2 * CHAINS * 8) as u64) as f64
    }

    /// # Safety
    /// The processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn read_avx512(values: &[f32]) -> f32 {
        let mut chains = [_mm512_setzero_ps(); 8];
        for block in values.chunks_exact(128) {
            for (i, chain) in chains.iter_mut().enumerate() {
                // SAFETY: a block has 128 values, the last read ends at 7 · 16 + 16 of them.
                let lanes = unsafe { _mm512_loadu_ps(block.as_ptr().add(16 * i)) };
                *chain = _mm512_add_ps(*chain, lanes);
            }
        }
        let sum = |sum, chain| _mm512_add_ps(sum, chain);
        _mm512_reduce_add_ps(chains.into_iter().fold(_mm512_setzero_ps(), sum))
    }

    /// # Safety
    /// The processor has AVX-512F and AVX512-BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn bf16_avx512(rounds: u64) -> f64 {
        let ones = _mm512_set1_ps(black_box(0.5));
        let pairs = _mm512_cvtne2ps_pbh(ones, ones);
        let mut chains = [_mm512_set1_ps(0.0); CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = _mm512_dpbf16_ps(*chain, pairs, pairs);
            }
        }
        black_box(chains);
        (rounds * (2 * CHAINS * 32) as u64) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_the_round() {
        for operations in [
            Some(f32_operations(10)),
            f32_operations_avx2(10),
            bf16_operations(10),
        ] {
            let Some(operations) = operations else {
                continue; // this processor has no such instruction
            };
            // Two operations a lane, 12 chains, 10 rounds; 8, 16 or 32 lanes.
            let lanes = operations / (2.0 * 12.0 * 10.0);
            assert!([8.0, 16.0, 32.0].contains(&lanes), "{lanes}");
        }
        assert_eq!(f32_operations(0), 0.0);
    }

    #[test]
    fn read_takes_every_value_of_whole_blocks() {
        let values: Vec<f32> = (0..256_u16).map(f32::from).collect();
        assert_eq!(read(&values), 255.0 * 128.0);
    }
}
