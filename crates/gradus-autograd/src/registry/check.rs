//! The proof of an op: its registered cases against reference, finite differences, layouts, dtypes and thread counts.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gradus_linalg::threads::with_threads;
use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use super::draw::Scale;
use super::{Args, Dense, Draw, Kind, OpSpec, layouts};
use crate::{GradConfig, GradcheckConfig, Var, grad, gradcheck, gradgradcheck};

/// How much is checked.
#[derive(Clone, Copy, Debug)]
pub struct CheckConfig {
    /// How many cases are drawn.
    pub cases: usize,
    /// What they are drawn from.
    pub seed: u64,
    /// Whether a case large enough for several threads is among them.
    pub large: bool,
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            cases: 8,
            seed: 0,
            large: true,
        }
    }
}

/// What became of the second derivative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecondOrder {
    /// It agrees with differences of the first.
    Checked,
    /// It is refused with this error, which names the op whose backward is fused.
    Refused(String),
    /// The op has no first derivative.
    NotDifferentiable,
}

impl fmt::Display for SecondOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checked => f.write_str("checked"),
            Self::Refused(error) => f.write_str(error),
            Self::NotDifferentiable => f.write_str("not differentiable"),
        }
    }
}

/// What the check of one op found.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The op.
    pub op: &'static str,
    /// Cases that were checked.
    pub cases: usize,
    /// Layouts that the inputs were given in.
    pub layouts: Vec<&'static str>,
    /// The highest `|analytic - numeric| / (1 + |numeric|)` of a gradient, first or second.
    pub max_error: f64,
    /// Entries of Jacobians that were compared.
    pub entries: usize,
    /// What became of the second derivative.
    pub second_order: SecondOrder,
    /// The first thing that was wrong.
    pub failure: Option<String>,
}

impl CheckReport {
    fn new(spec: &OpSpec) -> Self {
        Self {
            op: spec.name(),
            cases: 0,
            layouts: Vec::new(),
            max_error: 0.0,
            entries: 0,
            second_order: if spec.differentiable() {
                SecondOrder::Checked
            } else {
                SecondOrder::NotDifferentiable
            },
            failure: None,
        }
    }

    /// Whether everything agreed.
    pub fn ok(&self) -> bool {
        self.failure.is_none()
    }

    fn saw(&mut self, layout: &'static str) {
        if !self.layouts.contains(&layout) {
            self.layouts.push(layout);
        }
    }
}

/// How many further cases are drawn for an op of which the planned ones compared nothing.
const FURTHER_CASES: usize = 16;

/// Checks an op on cases drawn from a seed. A panic of the op is a failure of the check.
pub fn check(spec: &OpSpec, config: &CheckConfig) -> CheckReport {
    let mut report = CheckReport::new(spec);
    if let Some(what) = spec.missing() {
        report.failure = Some(format!("{}: registered without {what}", spec.name()));
        return report;
    }
    let (small, empty, large) = (
        config.cases.max(1) * spec.variety,
        config.cases.div_ceil(4),
        usize::from(config.large && !spec.small_only),
    );
    let planned = small + empty + large;
    // A few draws may all be empty or without a float to differentiate: further ones follow until a Jacobian was compared.
    for case in 0..planned + FURTHER_CASES {
        let scale = match case {
            _ if case < small => Scale::Small,
            _ if case < small + empty => Scale::Empty,
            _ if case < planned => Scale::Large,
            _ if spec.differentiable() && report.entries == 0 => Scale::Small,
            _ => break,
        };
        let draw = Draw::seeded(config.seed, case as u64).at_scale(scale);
        if let Err(what) = check_draw(spec, draw, &mut report) {
            report.failure = Some(what);
            break;
        }
    }
    let nothing_compared = spec.differentiable() && report.ok() && report.entries == 0;
    if nothing_compared {
        report.failure = Some(format!(
            "{}: no entry of a Jacobian was compared",
            spec.name()
        ));
    }
    report
}

/// Checks an op on one case of a property test.
///
/// # Errors
/// What disagreed, with the case.
pub fn check_case(spec: &OpSpec, draw: Draw) -> std::result::Result<CheckReport, String> {
    let mut report = CheckReport::new(spec);
    check_draw(spec, draw, &mut report)?;
    Ok(report)
}

fn check_draw(spec: &OpSpec, mut draw: Draw, report: &mut CheckReport) -> Check {
    let scale = draw.scale;
    let mut shown = format!("{} ({scale:?})", spec.name());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let sampler = spec.sampler.ok_or("no way to draw cases")?;
        let args = sampler(&mut draw).map_err(|e| format!("no case: {e}"))?;
        shown = format!("{}({args}) ({scale:?})", spec.name());
        let case = Case::new(spec, &args).map_err(|e| e.to_string())?;
        match scale {
            Scale::Small => case.check_all(report),
            Scale::Empty => case.check_empty(report),
            Scale::Large => case.check_threads(),
        }
    }));
    match outcome {
        Ok(Ok(())) => {
            report.cases += 1;
            Ok(())
        }
        Ok(Err(what)) => Err(format!("{shown}: {what}")),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("without words");
            Err(format!("{shown}: panicked: {words}"))
        }
    }
}

/// One case of one op.
struct Case<'a> {
    spec: &'a OpSpec,
    args: Args,
    /// All tensors, in the order of [`Args::tensors`].
    tensors: Vec<Tensor>,
    /// The positions of those with a gradient.
    floats: Vec<usize>,
}

/// Outputs and gradients, or the error that stood in the way.
type Run = Result<(Vec<Tensor>, Vec<Tensor>)>;

/// Nothing, or what is wrong.
type Check<T = ()> = std::result::Result<T, String>;

impl<'a> Case<'a> {
    fn new(spec: &'a OpSpec, args: &Args) -> Result<Self> {
        let args = args.clone().bind(spec)?;
        let tensors: Vec<Tensor> = args.tensors().iter().map(|x| x.tensor().clone()).collect();
        let kinds = args.kinds(spec);
        let floats = (0..tensors.len())
            .filter(|&i| tensors[i].dtype().is_float() && kinds[i] != Kind::Constant)
            .collect();
        Ok(Self {
            spec,
            args,
            tensors,
            floats,
        })
    }

    fn call(&self, tensors: &[Var]) -> Result<Vec<Var>> {
        let args = self.args.with_tensors(tensors);
        match self.spec.prepare {
            Some(prepare) => (self.spec.call)(&prepare(&args)?),
            None => (self.spec.call)(&args),
        }
    }

    fn constants(tensors: &[Tensor]) -> Vec<Var> {
        tensors.iter().cloned().map(Var::constant).collect()
    }

    /// The outputs that are differentiated, from the float inputs alone.
    fn differentiated(&self, floats: &[Var]) -> Result<Vec<Var>> {
        let mut all = Self::constants(&self.tensors);
        for (&at, x) in self.floats.iter().zip(floats) {
            all[at] = x.clone();
        }
        self.gauged(&self.call(&all)?)
    }

    /// Those of [`Case::differentiated`] that a gradient flows through.
    fn with_gradient(&self, floats: &[Var]) -> Result<Vec<Var>> {
        let mut outputs = self.differentiated(floats)?;
        outputs.retain(Var::requires_grad);
        Ok(outputs)
    }

    fn gauged(&self, outputs: &[Var]) -> Result<Vec<Var>> {
        let floats: Vec<Var> = outputs
            .iter()
            .filter(|out| out.dtype().is_float())
            .cloned()
            .collect();
        match self.spec.gauge {
            Some(gauge) => gauge(&floats),
            None => Ok(floats),
        }
    }

    fn float_tensors(&self) -> Vec<Tensor> {
        self.floats
            .iter()
            .map(|&i| self.tensors[i].clone())
            .collect()
    }

    fn check_all(&self, report: &mut CheckReport) -> Check {
        self.check_forward()?;
        report.saw("contiguous");
        self.check_f32()?;
        if self.spec.differentiable() {
            self.check_gradient(report)?;
            self.check_second(report)?;
        }
        self.check_layouts(report)?;
        self.check_odd_shapes(report)?;
        self.check_threads()
    }

    /// Against the reference and the property.
    fn check_forward(&self) -> Check {
        let outputs = self
            .call(&Self::constants(&self.tensors))
            .map_err(|e| format!("forward: {e}"))?;
        let found = outputs
            .iter()
            .map(|out| Dense::of(out.tensor()))
            .collect::<Result<Vec<_>>>()
            .map_err(|e| e.to_string())?;
        if let Some(reference) = self.spec.reference {
            let wanted = reference(&self.args).map_err(|e| format!("reference: {e}"))?;
            if wanted.len() != found.len() {
                let (got, want) = (found.len(), wanted.len());
                return Err(format!("forward: {got} outputs, the reference has {want}"));
            }
            for (i, (got, want)) in found.iter().zip(&wanted).enumerate() {
                let what = format!("forward: output {i}");
                close(&what, got, want, self.spec.f64_tolerance)?;
            }
        }
        if let Some(property) = self.spec.property {
            property(&self.args, &found).map_err(|e| format!("forward: {e}"))?;
        }
        Ok(())
    }

    /// Outputs and gradients in f32 against those in f64 at the same points.
    fn check_f32(&self) -> Check {
        let cast = |dtype: DType| -> Result<Vec<Tensor>> {
            let each = self.tensors.iter().map(|x| match x.dtype() {
                DType::F64 => x.to_dtype(DType::F32)?.to_dtype(dtype),
                _ => Ok(x.clone()),
            });
            each.collect()
        };
        let run = |dtype| cast(dtype).and_then(|tensors| self.run(&tensors));
        let (single, double) = (run(DType::F32), run(DType::F64));
        let (single, double) = (
            single.map_err(|e| format!("f32: {e}"))?,
            double.map_err(|e| format!("f64 at f32 points: {e}"))?,
        );
        let tolerance = self.spec.f32_tolerance;
        compare("f32 output", &single.0, &double.0, tolerance)?;
        compare("f32 gradient", &single.1, &double.1, 10.0 * tolerance)?;
        let casts = |x: &Tensor, y: &Tensor| {
            y.dtype() != DType::F64 || x.dtype() == DType::F32 || self.spec.name() == "to_dtype"
        };
        if single.0.iter().zip(&double.0).all(|(x, y)| casts(x, y)) {
            Ok(())
        } else {
            Err("f32: the output of f32 inputs is of another dtype".to_owned())
        }
    }

    fn check_gradient(&self, report: &mut CheckReport) -> Check {
        let config = GradcheckConfig {
            tolerance: self.spec.class.tolerance(),
            ..GradcheckConfig::default()
        };
        let found = gradcheck(|v| self.differentiated(v), &self.float_tensors(), &config)
            .map_err(|e| format!("gradient: {e}"))?;
        report.entries += found.entries;
        report.max_error = report.max_error.max(found.max_error);
        if found.passed() {
            Ok(())
        } else {
            report.max_error = found.max_error;
            Err(format!("gradient: {found}"))
        }
    }

    /// The second derivative, or its typed refusal; the composed gradient against the fused one.
    fn check_second(&self, report: &mut CheckReport) -> Check {
        let inputs = self.float_tensors();
        let leaves: Vec<Var> = inputs.iter().cloned().map(Var::leaf).collect();
        let outputs = self
            .with_gradient(&leaves)
            .map_err(|e| format!("forward: {e}"))?;
        let grads = outputs
            .iter()
            .map(|out| weights(out.shape(), DType::F64))
            .collect::<Result<Vec<_>>>()
            .map_err(|e| e.to_string())?;
        if outputs.is_empty() {
            return Ok(());
        }
        let config = GradcheckConfig {
            tolerance: self.spec.class.tolerance().max(1e-7),
            ..GradcheckConfig::default()
        };
        match gradgradcheck(|v| self.with_gradient(v), &inputs, &grads, &config) {
            Ok(found) if found.passed() => {
                report.max_error = report.max_error.max(found.max_error);
                self.check_fused(&leaves, &outputs, &grads)
            }
            Ok(found) => {
                report.max_error = found.max_error;
                Err(format!("second derivative: {found}"))
            }
            Err(error) if matches!(error.root(), Error::NotTwiceDifferentiable { .. }) => {
                report.second_order = SecondOrder::Refused(error.to_string());
                Ok(())
            }
            Err(error) => Err(format!("second derivative: {error}")),
        }
    }

    fn check_fused(&self, leaves: &[Var], outputs: &[Var], grads: &[Tensor]) -> Check {
        let run = |create_graph| {
            let config = GradConfig {
                create_graph,
                retain_graph: true,
                allow_unused: true,
            };
            gradients(leaves, outputs, grads, &config)
        };
        let (fused, composed) = (run(false), run(true));
        let (fused, composed) = (
            fused.map_err(|e| format!("fused gradient: {e}"))?,
            composed.map_err(|e| format!("composed gradient: {e}"))?,
        );
        compare("fused and composed gradient", &fused, &composed, 1e-9)
    }

    /// Outputs and gradients of these inputs; the gradient flowing in depends on the shape alone.
    fn run(&self, tensors: &[Tensor]) -> Run {
        let mut all = Self::constants(tensors);
        if !self.spec.differentiable() {
            let outputs = self.call(&all)?;
            return Ok((
                outputs.into_iter().map(Var::into_tensor).collect(),
                Vec::new(),
            ));
        }
        for &i in &self.floats {
            all[i] = Var::leaf(tensors[i].clone());
        }
        let outputs = self.call(&all)?;
        let gauged = self.gauged(&outputs)?;
        let leaves: Vec<Var> = self.floats.iter().map(|&i| all[i].clone()).collect();
        let grads = gauged
            .iter()
            .map(|out| weights(out.shape(), out.dtype()))
            .collect::<Result<Vec<_>>>()?;
        let config = GradConfig {
            allow_unused: true,
            ..GradConfig::default()
        };
        let found = gradients(&leaves, &gauged, &grads, &config)?;
        let shown = if self.spec.gauge.is_some() {
            gauged
        } else {
            outputs
        };
        Ok((shown.into_iter().map(Var::into_tensor).collect(), found))
    }

    /// Every input in every layout, then the gradients flowing in: against contiguous copies.
    fn check_layouts(&self, report: &mut CheckReport) -> Check {
        for i in 0..self.tensors.len() {
            for (layout, x) in layouts::strided(&self.tensors[i]).map_err(|e| e.to_string())? {
                report.saw(layout);
                let with = |x: Tensor| {
                    let mut all = self.tensors.clone();
                    all[i] = x;
                    self.run(&all)
                };
                let copy = x.deep_copy().map_err(|e| e.to_string())?;
                same(&format!("input {i} {layout}"), with(x), with(copy))?;
            }
        }
        if self.spec.differentiable() {
            self.check_grad_layouts()?;
        }
        Ok(())
    }

    fn check_grad_layouts(&self) -> Check {
        let leaves: Vec<Var> = self.float_tensors().into_iter().map(Var::leaf).collect();
        let outputs = self
            .differentiated(&leaves)
            .map_err(|e| format!("forward: {e}"))?;
        let config = GradConfig {
            retain_graph: true,
            allow_unused: true,
            ..GradConfig::default()
        };
        for i in 0..outputs.len() {
            let grads = outputs
                .iter()
                .map(|out| weights(out.shape(), out.dtype()))
                .collect::<Result<Vec<_>>>()
                .map_err(|e| e.to_string())?;
            for (layout, x) in layouts::strided(&grads[i]).map_err(|e| e.to_string())? {
                let with = |x: Tensor| -> Run {
                    let mut all = grads.clone();
                    all[i] = x;
                    Ok((Vec::new(), gradients(&leaves, &outputs, &all, &config)?))
                };
                let copy = x.deep_copy().map_err(|e| e.to_string())?;
                same(
                    &format!("gradient of output {i} {layout}"),
                    with(x),
                    with(copy),
                )?;
            }
        }
        Ok(())
    }

    /// Inputs of size 0 or rank 0 are taken or refused, but do not panic.
    fn check_odd_shapes(&self, report: &mut CheckReport) -> Check {
        for i in 0..self.tensors.len() {
            let mut odd = layouts::emptied(&self.tensors[i]).map_err(|e| e.to_string())?;
            odd.extend(layouts::rank_0(&self.tensors[i]).map_err(|e| e.to_string())?);
            for x in odd {
                let mut all = self.tensors.clone();
                all[i] = x;
                // An error is an answer; a panic is caught further up.
                let _ = self.run(&all);
            }
        }
        report.saw("zero-size");
        report.saw("rank 0");
        Ok(())
    }

    /// A consistent case with a size of 0: refused, or as the reference.
    fn check_empty(&self, report: &mut CheckReport) -> Check {
        report.saw("zero-size");
        match self.run(&self.tensors) {
            Err(_) => Ok(()),
            Ok((_, gradients)) => {
                for (gradient, &i) in gradients.iter().zip(&self.floats) {
                    if gradient.shape() != self.tensors[i].shape() {
                        return Err(format!("gradient of input {i}: {}", gradient.shape()));
                    }
                }
                self.check_forward()
            }
        }
    }

    /// The same bits for 1, 2 and 4 threads.
    fn check_threads(&self) -> Check {
        let run = |threads| with_threads(threads, || self.run(&self.tensors));
        let one = run(1).map_err(|e| format!("1 thread: {e}"))?;
        for threads in [2, 4] {
            let other = run(threads).map_err(|e| format!("{threads} threads: {e}"))?;
            for (a, b) in one
                .0
                .iter()
                .chain(&one.1)
                .zip(other.0.iter().chain(&other.1))
            {
                let bytes = |x: &Tensor| x.contiguous().and_then(|x| x.to_le_bytes());
                if a.shape() != b.shape() || bytes(a) != bytes(b) {
                    return Err(format!("other bits with {threads} threads than with 1"));
                }
            }
        }
        Ok(())
    }
}

/// Gradients of all leaves: zeros for those that lead nowhere.
fn gradients(
    leaves: &[Var],
    outputs: &[Var],
    grads: &[Tensor],
    config: &GradConfig,
) -> Result<Vec<Tensor>> {
    let (mut reached, mut flowing) = (Vec::new(), Vec::new());
    for (out, grad) in outputs.iter().zip(grads) {
        if out.requires_grad() {
            reached.push(out);
            flowing.push(Var::constant(grad.clone()));
        }
    }
    let zeros = |x: &Var| Tensor::zeros(x.shape(), x.dtype());
    if reached.is_empty() {
        return leaves.iter().map(zeros).collect();
    }
    let wanted: Vec<&Var> = leaves.iter().collect();
    let found = grad(&reached, &wanted, Some(&flowing), config)?;
    found
        .into_iter()
        .zip(leaves)
        .map(|(g, x)| g.map_or_else(|| zeros(x), |g| Ok(g.into_tensor())))
        .collect()
}

/// A gradient flowing in that differs from element to element.
fn weights(shape: &Shape, dtype: DType) -> Result<Tensor> {
    Tensor::build(shape, |out: &mut [f64]| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = ((i * 37 + 11) % 64) as f64 / 32.0 - 0.9;
        }
    })?
    .to_dtype(dtype)
}

/// `|got - want| <= tolerance · (1 + |want|)`, NaN as NaN, and the same dims.
fn close(what: &str, got: &Dense, want: &Dense, tolerance: f64) -> Check {
    if got.dims != want.dims {
        return Err(format!(
            "{what}: dims {:?}, wanted {:?}",
            got.dims, want.dims
        ));
    }
    for (i, (&g, &w)) in got.data.iter().zip(&want.data).enumerate() {
        let fits =
            g == w || g.is_nan() && w.is_nan() || (g - w).abs() <= tolerance * (1.0 + w.abs());
        if !fits {
            return Err(format!(
                "{what}[{i}]: {g}, wanted {w} (tolerance {tolerance:e})"
            ));
        }
    }
    Ok(())
}

fn compare(what: &str, got: &[Tensor], want: &[Tensor], tolerance: f64) -> Check {
    if got.len() != want.len() {
        return Err(format!(
            "{what}: {} tensors, wanted {}",
            got.len(),
            want.len()
        ));
    }
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let dense = |x: &Tensor| Dense::of(x).map_err(|e| e.to_string());
        close(
            &format!("{what} {i}"),
            &dense(got)?,
            &dense(want)?,
            tolerance,
        )?;
    }
    Ok(())
}

/// Two runs agree, be it in their error.
fn same(what: &str, strided: Run, contiguous: Run) -> Check {
    match (strided, contiguous) {
        (Ok(a), Ok(b)) => {
            compare(&format!("{what}: output"), &a.0, &b.0, 1e-12)?;
            compare(&format!("{what}: gradient"), &a.1, &b.1, 1e-12)
        }
        (Err(a), Err(b)) if a.to_string() == b.to_string() => Ok(()),
        (Err(a), Err(b)) => Err(format!("{what}: {a}; contiguous: {b}")),
        (Err(a), Ok(_)) => Err(format!("{what}: {a}")),
        (Ok(_), Err(b)) => Err(format!("{what}: fine, but contiguous: {b}")),
    }
}
