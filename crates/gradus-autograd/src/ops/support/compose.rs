//! The second derivative of a fused op: its forward composed of smaller ops, which are differentiated instead.

use gradus_tensor::Result;

use crate::{Backward, GradConfig, Var, grad};

/// The gradients of `inputs` (the op's, in order) through `f`, which computes the op's output from them by other ops.
///
/// For a backward that [`Backward::create_graph`] asks to be differentiated again; slower than the fused one.
pub(crate) fn by_composition(
    ctx: &Backward<'_>,
    grad_out: &Var,
    inputs: &[Var],
    f: impl Fn(&[Var]) -> Result<Var>,
) -> Result<Vec<Option<Var>>> {
    // The walk must end here and not go on into what computed the inputs, so they pass through a node of their own.
    let inputs = inputs
        .iter()
        .map(|x| x.reshape(x.shape()))
        .collect::<Result<Vec<_>>>()?;
    let output = f(&inputs)?;
    let wanted: Vec<&Var> = inputs
        .iter()
        .enumerate()
        .filter_map(|(i, x)| ctx.needs(i).then_some(x))
        .collect();
    let config = GradConfig {
        create_graph: true,
        allow_unused: true,
        ..GradConfig::default()
    };
    let mut found = grad(
        &[&output],
        &wanted,
        Some(std::slice::from_ref(grad_out)),
        &config,
    )?
    .into_iter();
    Ok((0..inputs.len())
        .map(|i| ctx.needs(i).then(|| found.next().flatten()).flatten())
        .collect())
}
