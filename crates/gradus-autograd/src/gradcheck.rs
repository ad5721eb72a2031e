//! Gradient checks: an op's derivative against finite differences, entry by entry of the whole Jacobian.

use std::fmt;

use gradus_tensor::{DType, Error, Result, Tensor};

use crate::{GradConfig, Var, grad};

/// How closely a gradient is checked.
#[derive(Clone, Copy, Debug)]
pub struct GradcheckConfig {
    /// The step of the differences. The stencil has five points, so its error falls with the fourth power of this.
    pub step: f64,
    /// The highest `|analytic - numeric| / (1 + |numeric|)` that passes: 1e-8 for smooth functions, 1e-6 otherwise.
    pub tolerance: f64,
}

impl Default for GradcheckConfig {
    fn default() -> Self {
        Self {
            step: 1e-3,
            tolerance: 1e-8,
        }
    }
}

/// The worst entry of a Jacobian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradcheckReport {
    /// How many entries were compared.
    pub entries: usize,
    /// The highest `|analytic - numeric| / (1 + |numeric|)`; NaN if an entry is NaN.
    pub max_error: f64,
    /// Where it stands: output, element of the output, input, element of the input.
    pub worst: [usize; 4],
    /// The derivative that the backward gave there.
    pub analytic: f64,
    /// The derivative that the differences gave there.
    pub numeric: f64,
    /// The tolerance that was asked for.
    pub tolerance: f64,
}

impl GradcheckReport {
    /// Whether all entries are within the tolerance.
    pub fn passed(&self) -> bool {
        self.max_error <= self.tolerance
    }
}

impl fmt::Display for GradcheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [output, row, input, column] = self.worst;
        write!(
            f,
            "{}: {} entries, max error {:.3e} (tolerance {:.0e}) at d output {output}[{row}] / d input {input}[{column}]: \
             analytic {}, numeric {}",
            if self.passed() { "passed" } else { "failed" },
            self.entries,
            self.max_error,
            self.tolerance,
            self.analytic,
            self.numeric
        )
    }
}

/// Checks the gradient of `f` at `inputs` against five-point differences: every output element by every input element.
///
/// Inputs must be f64; they keep their layouts, so that strided inputs are checked as such. Keep them away from points
/// where `f` has a kink, by more than two steps.
///
/// # Errors
/// [`Error::DType`] if an input or output is not f64; those of `f` and its backward. An input that does not lead to an
/// output counts as having a zero gradient.
///
/// ```
/// use gradus_autograd::{GradcheckConfig, Tensor, gradcheck};
/// let x = Tensor::from_slice(&[0.3_f64, -1.2], [2])?;
/// let report = gradcheck(|v| Ok(vec![v[0].mul(&v[0])?]), &[x], &GradcheckConfig::default())?;
/// assert!(report.passed(), "{report}");
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
pub fn gradcheck(
    f: impl Fn(&[Var]) -> Result<Vec<Var>>,
    inputs: &[Tensor],
    config: &GradcheckConfig,
) -> Result<GradcheckReport> {
    inputs.iter().try_for_each(require_f64)?;
    let leaves: Vec<Var> = inputs.iter().cloned().map(Var::leaf).collect();
    let outputs = f(&leaves)?;
    outputs
        .iter()
        .try_for_each(|output| require_f64(output.tensor()))?;
    let mut report = GradcheckReport {
        entries: 0,
        max_error: 0.0,
        worst: [0; 4],
        analytic: 0.0,
        numeric: 0.0,
        tolerance: config.tolerance,
    };
    let numeric = numeric_jacobian(&f, inputs, &outputs, config.step)?;
    for (o, output) in outputs.iter().enumerate() {
        for row in 0..output.numel() {
            let analytic = analytic_row(output, row, &leaves)?;
            for (i, gradient) in analytic.iter().enumerate() {
                for (column, &a) in gradient.iter().enumerate() {
                    let n = numeric[i][column][o][row];
                    report.entries += 1;
                    let error = (a - n).abs() / (1.0 + n.abs());
                    if error > report.max_error || error.is_nan() && !report.max_error.is_nan() {
                        report.max_error = error;
                        report.worst = [o, row, i, column];
                        (report.analytic, report.numeric) = (a, n);
                    }
                }
            }
        }
    }
    Ok(report)
}

/// Checks gradients of gradients: [`gradcheck`] of the gradient of `f`, by the inputs and by the gradient flowing in.
///
/// `grad_outputs` are the values of the latter, one for each output of `f`.
///
/// # Errors
/// As [`gradcheck`]; [`Error::NotTwiceDifferentiable`] names the op on the path whose backward is fused.
pub fn gradgradcheck(
    f: impl Fn(&[Var]) -> Result<Vec<Var>>,
    inputs: &[Tensor],
    grad_outputs: &[Tensor],
    config: &GradcheckConfig,
) -> Result<GradcheckReport> {
    let all: Vec<Tensor> = inputs.iter().chain(grad_outputs).cloned().collect();
    let gradient = |vars: &[Var]| {
        let (xs, grads) = vars.split_at(inputs.len());
        // In the perturbed runs nothing asks for gradients, yet `f`'s gradient is what is computed: start leaves anew.
        let xs: Vec<Var> = xs
            .iter()
            .map(|x| {
                if x.requires_grad() {
                    x.clone()
                } else {
                    Var::leaf(x.tensor().clone())
                }
            })
            .collect();
        let outputs = f(&xs)?;
        let twice = GradConfig {
            create_graph: true,
            allow_unused: true,
            ..GradConfig::default()
        };
        let found = grad(
            &outputs.iter().collect::<Vec<_>>(),
            &xs.iter().collect::<Vec<_>>(),
            Some(grads),
            &twice,
        )?;
        Ok(found.into_iter().flatten().collect())
    };
    gradcheck(gradient, &all, config)
}

fn require_f64(x: &Tensor) -> Result<()> {
    if x.dtype() == DType::F64 {
        return Ok(());
    }
    Err(Error::DType {
        op: "gradcheck",
        expected: &[DType::F64],
        got: x.dtype(),
    })
}

/// The gradient of one output element by all inputs.
fn analytic_row(output: &Var, row: usize, leaves: &[Var]) -> Result<Vec<Vec<f64>>> {
    let zeros = |leaf: &Var| vec![0.0; leaf.numel()];
    if !output.requires_grad() {
        return Ok(leaves.iter().map(zeros).collect());
    }
    let one_hot = Tensor::build(output.shape(), |out: &mut [f64]| {
        out.fill(0.0);
        out[row] = 1.0;
    })?;
    let config = GradConfig {
        retain_graph: true,
        allow_unused: true,
        create_graph: false,
    };
    let inputs: Vec<&Var> = leaves.iter().collect();
    let found = grad(&[output], &inputs, Some(&[Var::constant(one_hot)]), &config)?;
    found
        .iter()
        .zip(leaves)
        .map(|(g, leaf)| g.as_ref().map_or(Ok(zeros(leaf)), |g| g.tensor().to_vec()))
        .collect()
}

/// `jacobian[input][column][output][row]` by `(f(x-2h) - 8 f(x-h) + 8 f(x+h) - f(x+2h)) / 12h`.
fn numeric_jacobian(
    f: &impl Fn(&[Var]) -> Result<Vec<Var>>,
    inputs: &[Tensor],
    outputs: &[Var],
    step: f64,
) -> Result<Vec<Vec<Vec<Vec<f64>>>>> {
    const STENCIL: [(f64, f64); 4] = [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)];
    let mut jacobian = Vec::with_capacity(inputs.len());
    for (i, input) in inputs.iter().enumerate() {
        let values = input.to_vec::<f64>()?;
        let mut columns = Vec::with_capacity(values.len());
        for column in 0..values.len() {
            let mut derivative: Vec<Vec<f64>> =
                outputs.iter().map(|o| vec![0.0; o.numel()]).collect();
            for (shift, weight) in STENCIL {
                let mut moved = values.clone();
                moved[column] += shift * step;
                let mut vars: Vec<Var> = inputs.iter().cloned().map(Var::constant).collect();
                vars[i] = Var::constant(Tensor::from_slice(&moved, input.shape())?);
                for (sum, output) in derivative.iter_mut().zip(f(&vars)?) {
                    for (sum, value) in sum.iter_mut().zip(output.tensor().to_vec::<f64>()?) {
                        *sum += weight * value / (12.0 * step);
                    }
                }
            }
            columns.push(derivative);
        }
        jacobian.push(columns);
    }
    Ok(jacobian)
}
