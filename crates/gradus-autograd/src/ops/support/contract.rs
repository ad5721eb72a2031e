//! Sums of products over labelled dims: what einsum, tensordot and inner share.

use gradus_tensor::{Error, Result, Shape};

use crate::Var;

/// A name of a dim.
pub(crate) type Label = u8;

/// An operand and the names of its dims.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) x: Var,
    pub(crate) labels: Vec<Label>,
}

/// The sum, over all labels that `output` lacks, of the products of the operands; dims in the order of `output`.
///
/// Operands are multiplied from the first to the last. A label twice in an operand is its diagonal. A dim of size 1 broadcasts.
/// The caller has checked that each operand has as many labels as dims and `output` names each once, and none that no operand has.
pub(crate) fn contract(op: &'static str, operands: Vec<Operand>, output: &[Label]) -> Result<Var> {
    let operands = operands.into_iter().map(|operand| diagonals(op, operand));
    let operands = without_ones(op, operands.collect::<Result<Vec<Operand>>>()?)?;
    let mut left = operands.into_iter();
    let Some(mut product) = left.next() else {
        return Err(Error::Length {
            op,
            expected: 1,
            got: 0,
        });
    };
    let mut left: Vec<Operand> = left.collect();
    while !left.is_empty() {
        let next = left.remove(0);
        super::same_dtype(op, product.x.tensor(), next.x.tensor())?;
        let later = |label: &Label| {
            output.contains(label) || left.iter().any(|operand| operand.labels.contains(label))
        };
        let a = summed(product, |label| next.labels.contains(label) || later(label))?;
        let b = summed(next, |label| a.labels.contains(label) || later(label))?;
        product = multiplied(a, b, later)?;
    }
    let product = summed(product, |label| output.contains(label))?;
    ordered(&product, output)
}

/// With the diagonal taken of dims of one name.
fn diagonals(op: &'static str, mut operand: Operand) -> Result<Operand> {
    while let Some((i, j)) = twice(&operand.labels) {
        let (a, b) = (operand.x.dims()[i], operand.x.dims()[j]);
        if a != b {
            return Err(Error::ShapeMismatch {
                op,
                lhs: Shape::new(&[a])?,
                rhs: Shape::new(&[b])?,
                rule: "dims of one name in one operand must be equal",
            });
        }
        operand.x = operand.x.diagonal(0, i as isize, j as isize)?;
        let label = operand.labels.remove(j);
        operand.labels.remove(i);
        operand.labels.push(label);
    }
    Ok(operand)
}

/// The first two places of a label that stands twice.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    let places = labels.iter().enumerate();
    places
        .filter_map(|(j, label)| Some((labels[..j].iter().position(|l| l == label)?, j)))
        .next()
}

/// Without dims of size 1 whose name has another size elsewhere.
fn without_ones(op: &'static str, operands: Vec<Operand>) -> Result<Vec<Operand>> {
    let mut sizes: [Option<usize>; 256] = [None; 256];
    for operand in &operands {
        for (&label, &size) in operand.labels.iter().zip(operand.x.dims()) {
            let known = &mut sizes[usize::from(label)];
            match *known {
                Some(other) if other != size && size != 1 && other != 1 => {
                    return Err(Error::ShapeMismatch {
                        op,
                        lhs: Shape::new(&[other])?,
                        rhs: Shape::new(&[size])?,
                        rule: "dims of one name must be equal, or 1",
                    });
                }
                Some(other) if other != 1 => {}
                _ => *known = Some(size),
            }
        }
    }
    let drop = |mut operand: Operand| {
        for axis in (0..operand.labels.len()).rev() {
            let wide = sizes[usize::from(operand.labels[axis])] != Some(1);
            if operand.x.dims()[axis] == 1 && wide {
                operand.x = operand.x.squeeze(axis as isize)?;
                operand.labels.remove(axis);
            }
        }
        Ok(operand)
    };
    operands.into_iter().map(drop).collect()
}

/// Summed over the labels that are not kept.
fn summed(operand: Operand, kept: impl Fn(&Label) -> bool) -> Result<Operand> {
    let places = operand.labels.iter().enumerate();
    let dims: Vec<isize> = places
        .filter(|(_, label)| !kept(label))
        .map(|(axis, _)| axis as isize)
        .collect();
    if dims.is_empty() {
        return Ok(operand);
    }
    let x = operand.x.sum(&dims, false)?;
    let labels = operand.labels.into_iter().filter(kept).collect();
    Ok(Operand { x, labels })
}

/// The dims in the order of these labels, which are the operand's.
fn ordered(operand: &Operand, labels: &[Label]) -> Result<Var> {
    if operand.labels == labels {
        return Ok(operand.x.clone());
    }
    let place = |label: &Label| operand.labels.iter().position(|l| l == label);
    let order = labels.iter().filter_map(place).map(|axis| axis as isize);
    operand.x.permute(&order.collect::<Vec<isize>>())
}

/// The product, summed over the labels of both that are not needed later.
fn multiplied(a: Operand, b: Operand, later: impl Fn(&Label) -> bool) -> Result<Operand> {
    let (both, of_a): (Vec<Label>, Vec<Label>) =
        a.labels.iter().partition(|label| b.labels.contains(label));
    let (batch, inner): (Vec<Label>, Vec<Label>) = both.into_iter().partition(&later);
    let of_b = b.labels.iter().copied();
    let of_b: Vec<Label> = of_b.filter(|label| !a.labels.contains(label)).collect();
    let count = |operand: &Operand, labels: &[Label]| -> usize {
        let places = operand.labels.iter().zip(operand.x.dims());
        let named = places.filter(|(label, _)| labels.contains(label));
        named.map(|(_, &size)| size).product()
    };
    let (items, rows) = (count(&a, &batch), count(&a, &of_a));
    let (terms, columns) = (count(&a, &inner), count(&b, &of_b));
    let left = ordered(&a, &[&batch[..], &of_a, &inner].concat())?;
    let right = ordered(&b, &[&batch[..], &inner, &of_b].concat())?;
    let product = if inner.is_empty() {
        let left = left.reshape([items, rows, 1])?;
        left.mul(&right.reshape([items, 1, columns])?)?
    } else if batch.is_empty() {
        let left = left.reshape([rows, terms])?;
        left.matmul(&right.reshape([terms, columns])?)?
    } else {
        let left = left.reshape([items, rows, terms])?;
        left.matmul(&right.reshape([items, terms, columns])?)?
    };
    let labels = [batch, of_a, of_b].concat();
    let size = |label: &Label| {
        let of = |operand: &Operand| {
            let at = operand.labels.iter().position(|l| l == label)?;
            Some(operand.x.dims()[at])
        };
        of(&a).or_else(|| of(&b)).unwrap_or(1)
    };
    let dims: Vec<usize> = labels.iter().map(size).collect();
    let x = product.reshape(dims)?;
    Ok(Operand { x, labels })
}
