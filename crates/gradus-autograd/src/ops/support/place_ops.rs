//! The four ops on places in a tensor that all of indexing is made of: pick, add to zeros, write over, add to.
//!
//! Each is the derivative of another, so all can be differentiated any number of times. Of several writes to one place the last
//! stays, and it alone has a gradient.

use gradus_tensor::{Result, Tensor};

use super::places::Places;
use super::{same_dtype, scalar_like};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// The parts of `x`.
pub(crate) fn pick(name: &'static str, places: Places, x: &Var) -> Result<Var> {
    apply(Pick { name, places }, &[x])
}

/// Zeros to which the parts of `src` are added.
pub(crate) fn spread(name: &'static str, places: Places, src: &Var) -> Result<Var> {
    apply(Spread { name, places }, &[src])
}

/// `x` with the parts of `src` written over it.
pub(crate) fn put_over(name: &'static str, places: Places, x: &Var, src: &Var) -> Result<Var> {
    same_dtype(name, x.tensor(), src.tensor())?;
    apply(PutOver { name, places }, &[x, src])
}

/// `x` with the parts of `src` added to it.
pub(crate) fn add_over(name: &'static str, places: Places, x: &Var, src: &Var) -> Result<Var> {
    same_dtype(name, x.tensor(), src.tensor())?;
    apply(AddOver { name, places }, &[x, src])
}

#[derive(Debug)]
struct Pick {
    name: &'static str,
    places: Places,
}

impl Op for Pick {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(self.places.take(inputs[0])?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        Ok(vec![Some(spread(self.name, self.places.clone(), &grad)?)])
    }
}

/// The gradient of [`Pick`].
#[derive(Debug)]
struct Spread {
    name: &'static str,
    places: Places,
}

impl Op for Spread {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(self.places.add(self.name, None, inputs[0])?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        Ok(vec![Some(pick(self.name, self.places.clone(), &grad)?)])
    }
}

#[derive(Debug)]
struct PutOver {
    name: &'static str,
    places: Places,
}

impl Op for PutOver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(self.places.put(inputs[0], inputs[1])?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, places) = (ctx.grad(grad_out, 0)?, &self.places);
        let zero = scalar_like(&grad, 0.0)?;
        let mut grads = vec![None, None];
        if ctx.needs(0) {
            let nothing = zero.expand(places.picked())?;
            grads[0] = Some(put_over(self.name, places.clone(), &grad, &nothing)?);
        }
        if ctx.needs(1) {
            let picked = pick(self.name, places.clone(), &grad)?;
            grads[1] = Some(match places.last()? {
                None => picked,
                Some(last) => picked.where_(&last, &zero)?,
            });
        }
        Ok(grads)
    }
}

#[derive(Debug)]
struct AddOver {
    name: &'static str,
    places: Places,
}

impl Op for AddOver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(self
            .places
            .add(self.name, Some(inputs[0]), inputs[1])?
            .into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let src = ctx
            .needs(1)
            .then(|| pick(self.name, self.places.clone(), &grad));
        Ok(vec![Some(grad.clone()), src.transpose()?])
    }
}
