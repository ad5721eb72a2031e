//! The weight and bias of normalisations, either of which may be absent.

use gradus_tensor::{Error, Result, Shape, Tensor};

use super::same_dtype;
use crate::{Backward, Var};

/// Which of the two are there. They follow the input in this order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params {
    pub(crate) weight: bool,
    pub(crate) bias: bool,
}

impl Params {
    pub(crate) fn of(weight: Option<&Var>, bias: Option<&Var>) -> Self {
        Self {
            weight: weight.is_some(),
            bias: bias.is_some(),
        }
    }

    /// From the gradients of input, weight and bias those that are inputs and asked for.
    pub(crate) fn pick(
        self,
        ctx: &Backward<'_>,
        [x, weight, bias]: [Tensor; 3],
    ) -> Vec<Option<Var>> {
        let mut grads = vec![x];
        grads.extend(self.weight.then_some(weight));
        grads.extend(self.bias.then_some(bias));
        let wanted = |(i, grad)| ctx.needs(i).then(|| Var::constant(grad));
        grads.into_iter().enumerate().map(wanted).collect()
    }
}

/// Weight and bias among the inputs, in row-major order.
pub(crate) fn affine_of(
    inputs: &[&Tensor],
    params: Params,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let mut rest = inputs[1..].iter();
    let mut take = |there: bool| {
        if there {
            rest.next().map(|p| p.contiguous()).transpose()
        } else {
            Ok(None)
        }
    };
    Ok((take(params.weight)?, take(params.bias)?))
}

/// Refuses parameters that have not this shape or another dtype than the input.
pub(crate) fn require_params(
    op: &'static str,
    x: &Tensor,
    shape: &Shape,
    params: &[&Tensor],
) -> Result<()> {
    for param in params {
        same_dtype(op, x, param)?;
        if param.shape() != shape {
            let rule =
                "the right one, a parameter or statistic, must have the shape of the left one";
            return Err(Error::ShapeMismatch {
                op,
                lhs: *shape,
                rhs: *param.shape(),
                rule,
            });
        }
    }
    Ok(())
}
