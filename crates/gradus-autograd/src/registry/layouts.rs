//! The same values in other layouts.

use gradus_tensor::{DType, Result, Tensor};

/// Views with the values of `x` (the expanded ones repeat its first part), in memory that holds other values around them.
pub(super) fn strided(x: &Tensor) -> Result<Vec<(&'static str, Tensor)>> {
    let filler = Tensor::constant((), x.dtype(), filler_of(x.dtype()))?;
    if x.rank() == 0 {
        let pair = stack(&[filler, x.clone()])?;
        return Ok(vec![("offset", pair.select(0, 1)?)]);
    }
    let rank = x.rank() as isize;
    let all: Vec<isize> = (0..rank).collect();
    let back: Vec<isize> = all.iter().rev().copied().collect();
    let filler = filler.expand(x.shape())?;
    let mut found = vec![
        ("transposed", x.permute(&back)?.deep_copy()?.permute(&back)?),
        ("offset", stack(&[filler.clone(), x.clone()])?.select(0, 1)?),
        ("stepped", {
            let pairs = stack(&[x.clone(), filler])?.movedim(0, -1)?.deep_copy()?;
            pairs.select(-1, 0)?
        }),
        ("negative stride", x.flip(&all)?.deep_copy()?.flip(&all)?),
    ];
    if x.numel() > 0 {
        found.push(("expanded", x.narrow(0, 0, 1)?.expand(x.shape())?));
        found.push(("expanded", x.narrow(-1, 0, 1)?.expand(x.shape())?));
    }
    Ok(found)
}

/// What stands between the values: poison where the dtype has one.
fn filler_of(dtype: DType) -> f64 {
    match dtype {
        DType::I64 => -77.0,
        DType::U8 => 201.0,
        DType::Bool => 1.0,
        _ => f64::NAN,
    }
}

/// Two tensors of one shape and dtype on a new first dim.
fn stack(pair: &[Tensor; 2]) -> Result<Tensor> {
    let mut bytes = pair[0].contiguous()?.to_le_bytes()?;
    bytes.extend(pair[1].contiguous()?.to_le_bytes()?);
    let dims = [&[2], pair[0].dims()].concat();
    Tensor::from_le_bytes(pair[0].dtype(), dims, &bytes)
}

/// `x` with the size of one dim 0, for each dim.
pub(super) fn emptied(x: &Tensor) -> Result<Vec<Tensor>> {
    (0..x.rank() as isize)
        .map(|dim| x.narrow(dim, 0, 0))
        .collect()
}

/// The first element of `x` with rank 0.
pub(super) fn rank_0(x: &Tensor) -> Result<Option<Tensor>> {
    if x.rank() == 0 || x.numel() == 0 {
        return Ok(None);
    }
    let mut first = x.clone();
    while first.rank() > 0 {
        first = first.select(0, 0)?;
    }
    Ok(Some(first))
}
