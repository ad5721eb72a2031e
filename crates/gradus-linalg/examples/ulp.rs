//! Accuracy of the elementary functions: `cargo xtask ulp` runs this.
//!
//! Without arguments every f32 bit pattern goes through every function as its kernel computes it, vectorised, and is compared with
//! the f64 function of `libm`, whose error is far below a hundredth of an f32's last place. `--stride N` takes every Nth pattern,
//! `--only NAME` one function. `--tables FOLDER` reads numpy's `umath-validation-set-*.csv` instead, which state an input, the
//! true result and the distance allowed.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use gradus_linalg::simd::dispatch;
use gradus_linalg::{Float, math};

/// What the functions of f32 promise, in units in the last place.
const BOUND: f64 = 1.5;
/// Elements that are computed at once.
const BLOCK: usize = 4096;

/// A function of f32 as kernels call it, over a slice.
type Kernel = fn(&mut [f32], &[f32]);
/// Its true value.
type Truth = fn(f64) -> f64;

/// A kernel from a function of one element.
macro_rules! kernel {
    ($f:expr) => {
        |dst: &mut [f32], xs: &[f32]| {
            dispatch(
                #[inline(always)]
                || dst.iter_mut().zip(xs).for_each(|(d, &x)| *d = $f(x)),
            )
        }
    };
}

/// A function of f64, rounded: what ops without a kernel of their own do.
macro_rules! rounded {
    ($f:expr) => {
        |dst: &mut [f32], xs: &[f32]| {
            let each = dst.iter_mut().zip(xs);
            each.for_each(|(d, &x)| *d = $f(f64::from(x)) as f32);
        }
    };
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// What is swept.
const SWEPT: [(&str, Kernel, Truth); 13] = [
    ("exp", kernel!(math::exp), libm::exp),
    ("log", kernel!(math::ln), libm::log),
    ("log1p", kernel!(math::ln_1p), libm::log1p),
    ("expm1", kernel!(math::exp_m1), libm::expm1),
    ("tanh", kernel!(math::tanh), libm::tanh),
    ("sigmoid", kernel!(math::sigmoid), logistic),
    ("erf", kernel!(math::erf), libm::erf),
    ("gelu", kernel!(math::gelu), |x| {
        x * (0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2))
    }),
    ("gelu_tanh", kernel!(math::gelu_tanh), |x| {
        let scale = (8.0 / std::f64::consts::PI).sqrt();
        x * logistic(scale * (x + 0.044715 * x * x * x))
    }),
    ("silu", kernel!(math::silu), |x| x * logistic(x)),
    ("sin", kernel!(math::sin), libm::sin),
    ("cos", kernel!(math::cos), libm::cos),
    ("rsqrt", kernel!(|x: f32| Float::sqrt(x).recip()), |x| {
        1.0 / x.sqrt()
    }),
];

/// The functions of numpy's tables that are ops here: its name, f32, f64.
const TABLES: [(&str, Kernel, Truth); 19] = [
    ("arccos", rounded!(libm::acos), libm::acos),
    ("arccosh", rounded!(libm::acosh), libm::acosh),
    ("arcsin", rounded!(libm::asin), libm::asin),
    ("arcsinh", rounded!(libm::asinh), libm::asinh),
    ("arctan", rounded!(libm::atan), libm::atan),
    ("arctanh", rounded!(libm::atanh), libm::atanh),
    ("cos", kernel!(math::cos), libm::cos),
    ("cosh", rounded!(libm::cosh), libm::cosh),
    ("exp", kernel!(math::exp), libm::exp),
    ("exp2", rounded!(libm::exp2), libm::exp2),
    ("expm1", kernel!(math::exp_m1), libm::expm1),
    ("log", kernel!(math::ln), libm::log),
    ("log10", rounded!(libm::log10), libm::log10),
    ("log1p", kernel!(math::ln_1p), libm::log1p),
    ("log2", rounded!(libm::log2), libm::log2),
    ("sin", kernel!(math::sin), libm::sin),
    ("sinh", rounded!(libm::sinh), libm::sinh),
    ("tan", rounded!(libm::tan), libm::tan),
    ("tanh", kernel!(math::tanh), libm::tanh),
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            let _ = writeln!(io::stderr(), "error: {what}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[String]) -> Result<bool, String> {
    let (mut stride, mut only, mut tables) = (1_u32, None, None);
    for pair in args.chunks(2) {
        let [name, value] = pair else {
            return Err(format!("{} needs a value", pair[0]));
        };
        match name.as_str() {
            "--stride" => stride = value.parse().map_err(|e| format!("--stride: {e}"))?,
            "--only" => only = Some(value.as_str()),
            "--tables" => tables = Some(value),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if let Some(folder) = tables {
        return check_tables(Path::new(folder), only);
    }
    let mut good = true;
    for (name, kernel, truth) in SWEPT {
        if only.is_none_or(|only| only == name) {
            good &= sweep(name, kernel, truth, stride.max(1));
        }
    }
    Ok(good)
}

/// The largest error of a function, where it is, and how far from the bound.
fn sweep(name: &str, kernel: Kernel, truth: Truth, stride: u32) -> bool {
    let worst = Mutex::new((0.0_f64, 0_u32));
    let (next, pieces) = (AtomicU32::new(0), 1 << 12);
    let work = || {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            let start = u64::from(piece) << 20;
            let found = worst_of(
                kernel,
                truth,
                start.next_multiple_of(u64::from(stride)),
                start + (1 << 20),
                stride,
            );
            let mut worst = worst.lock().expect("no thread panics");
            if found.0 > worst.0 || found.0 == worst.0 && found.1 < worst.1 {
                *worst = found;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (error, bits) = *worst.lock().expect("no thread panics");
    let x = f32::from_bits(bits);
    let mut y = [0.0];
    kernel(&mut y, &[x]);
    let verdict = if error <= BOUND { "ok  " } else { "FAIL" };
    let want = truth(f64::from(x));
    let _ = writeln!(
        io::stdout(),
        "{verdict} {name:10} {error:.4} ulp at {x:e} (0x{bits:08x}): {:e}, true {want:e}",
        y[0]
    );
    error <= BOUND
}

fn worst_of(kernel: Kernel, truth: Truth, start: u64, end: u64, stride: u32) -> (f64, u32) {
    let mut worst = (0.0, 0);
    let (mut xs, mut ys) = (Vec::with_capacity(BLOCK), vec![0.0; BLOCK]);
    let mut bits = start;
    while bits < end {
        xs.clear();
        let first = bits;
        while bits < end && xs.len() < BLOCK {
            xs.push(f32::from_bits(bits as u32));
            bits += u64::from(stride);
        }
        kernel(&mut ys[..xs.len()], &xs);
        for (i, (&x, &y)) in xs.iter().zip(&ys).enumerate() {
            let error = error_in_ulp(y, truth(f64::from(x)));
            if error > worst.0 {
                worst = (error, (first + i as u64 * u64::from(stride)) as u32);
            }
        }
    }
    worst
}

/// Units in the last place of the true value's f32; infinite for a NaN or infinity that is not shared.
fn error_in_ulp(got: f32, want: f64) -> f64 {
    let rounded = want as f32;
    if got == rounded || got.is_nan() && rounded.is_nan() {
        // Also the infinities; a rounded result is right to half a place at most.
        return if rounded.is_finite() {
            distance(got, want)
        } else {
            0.0
        };
    }
    match (got.is_finite(), rounded.is_finite()) {
        (true, true) => distance(got, want),
        // The neighbours of overflow are one apart.
        (true, false) if rounded.is_infinite() && got.abs() == f32::MAX => 1.0,
        (false, true) if got.is_infinite() && rounded.abs() == f32::MAX => 1.0,
        _ => f64::INFINITY,
    }
}

fn distance(got: f32, want: f64) -> f64 {
    let binade = ((want as f32).abs().max(f32::MIN_POSITIVE).to_bits() >> 23) as i32;
    (f64::from(got) - want).abs() / 2.0_f64.powi(binade - 150)
}

/// numpy's tables: the distance to each true result must be at most that which its table allows.
fn check_tables(folder: &Path, only: Option<&str>) -> Result<bool, String> {
    let mut good = true;
    for (name, single, double) in TABLES {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let path = folder.join(format!("umath-validation-set-{name}.csv"));
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        for dtype in ["np.float32", "np.float64"] {
            let rows: Vec<Row> = text.lines().filter_map(|line| row(line, dtype)).collect();
            let allowed = rows.iter().map(|row| row.allowed).max().unwrap_or(0);
            let far = |row: &Row| match dtype {
                "np.float32" => {
                    let mut y = [0.0];
                    single(&mut y, &[f32::from_bits(row.input as u32)]);
                    apart32(y[0], f32::from_bits(row.output as u32))
                }
                _ => apart64(
                    double(f64::from_bits(row.input)),
                    f64::from_bits(row.output),
                ),
            };
            let Some(worst) = rows.iter().max_by_key(|row| far(row)) else {
                continue;
            };
            let ok = far(worst) <= allowed;
            good &= ok;
            let verdict = if ok { "ok  " } else { "FAIL" };
            let _ = writeln!(
                io::stdout(),
                "{verdict} {name:8} {}: {} rows, at most {} ulp (allowed {allowed}), at {:#x}",
                &dtype[3..],
                rows.len(),
                far(worst),
                worst.input
            );
        }
    }
    Ok(good)
}

struct Row {
    input: u64,
    output: u64,
    allowed: u64,
}

/// A line such as `np.float32,0x3f800000,0x3f800000,2`; nothing for a comment or another dtype.
fn row(line: &str, dtype: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::trim);
    if fields.next()? != dtype {
        return None;
    }
    let mut bits = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
    let (input, output) = (bits()?, bits()?);
    let allowed = fields.next()?.parse().ok()?;
    Some(Row {
        input,
        output,
        allowed,
    })
}

/// Floats between two of them, as numpy counts: NaN is at NaN.
fn apart32(a: f32, b: f32) -> u64 {
    let place = |x: f32| {
        let bits = i64::from(x.to_bits() as i32);
        if bits < 0 {
            i64::from(i32::MIN) - bits
        } else {
            bits
        }
    };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() {
            0
        } else {
            u64::MAX
        };
    }
    place(a).abs_diff(place(b))
}

/// [`apart32`] of f64.
fn apart64(a: f64, b: f64) -> u64 {
    let place = |x: f64| {
        let bits = i128::from(x.to_bits() as i64);
        if bits < 0 {
            i128::from(i64::MIN) - bits
        } else {
            bits
        }
    };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() {
            0
        } else {
            u64::MAX
        };
    }
    u64::try_from(place(a).abs_diff(place(b))).unwrap_or(u64::MAX)
}
