//! Einstein's sums of products.

use std::collections::BTreeMap;

use gradus_tensor::{Error, Result, Tensor};

use crate::Var;
use crate::ops::support::contract::{Label, Operand, contract};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};

/// The labels of the dims under an ellipsis start here, behind those of the letters.
const ELLIPSIS: Label = 128;

fn wrong(expected: impl Into<String>) -> Error {
    Error::Call {
        op: "einsum",
        name: "equation".to_owned(),
        expected: expected.into(),
    }
}

/// One operand's or the output's letters, with `None` for an ellipsis.
fn parse(term: &str) -> Result<Vec<Option<Label>>> {
    let mut found = Vec::new();
    let mut rest = term;
    while let Some(c) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("...") {
            if found.contains(&None) {
                return Err(wrong(format!("{term:?} has more than one ellipsis")));
            }
            found.push(None);
            rest = behind;
            continue;
        }
        if !c.is_ascii_alphabetic() {
            return Err(wrong(format!(
                "has {c:?} in {term:?}; letters, '...', ',' and '->' are known"
            )));
        }
        found.push(Some(c as Label));
        rest = &rest[1..];
    }
    Ok(found)
}

/// The labels of all operands and of the output.
fn labels(equation: &str, vars: &[&Var]) -> Result<(Vec<Vec<Label>>, Vec<Label>)> {
    let text: String = equation.chars().filter(|c| *c != ' ').collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let terms = inputs.split(',').map(parse).collect::<Result<Vec<_>>>()?;
    if terms.len() != vars.len() {
        let (terms, vars) = (terms.len(), vars.len());
        return Err(wrong(format!(
            "is of {terms} operands, but {vars} are given"
        )));
    }
    // How many dims an ellipsis stands for, at most; shorter ones are aligned at the end.
    let mut widths = Vec::with_capacity(terms.len());
    for (term, x) in terms.iter().zip(vars) {
        let letters = term.iter().flatten().count();
        let width = x.rank().checked_sub(letters);
        let has_ellipsis = term.contains(&None);
        match width {
            Some(width) if has_ellipsis || width == 0 => widths.push(width),
            _ => {
                let rank = x.rank();
                return Err(wrong(format!(
                    "names {letters} dims of an operand of rank {rank}"
                )));
            }
        }
    }
    let widest = widths.iter().copied().max().unwrap_or(0);
    let under = |width: usize| (widest - width..widest).map(|i| ELLIPSIS + i as Label);
    let named = |(term, &width): (&Vec<Option<Label>>, &usize)| {
        let each = term.iter().flat_map(|label| match label {
            Some(label) => vec![*label],
            None => under(width).collect(),
        });
        each.collect::<Vec<Label>>()
    };
    let operands: Vec<Vec<Label>> = terms.iter().zip(&widths).map(named).collect();
    let all: Vec<Label> = operands.concat();
    let output = match output {
        Some(output) => explicit(output, &all, under(widest).collect())?,
        None => {
            let mut once: Vec<Label> = all.iter().copied().filter(|&l| l < ELLIPSIS).collect();
            once.retain(|label| all.iter().filter(|l| *l == label).count() == 1);
            once.sort_unstable();
            under(widest).chain(once).collect()
        }
    };
    Ok((operands, output))
}

/// The labels of an output that is written out.
fn explicit(output: &str, all: &[Label], under: Vec<Label>) -> Result<Vec<Label>> {
    let mut found = Vec::new();
    for label in parse(output)? {
        let Some(label) = label else {
            found.extend_from_slice(&under);
            continue;
        };
        let letter = char::from(label);
        if found.contains(&label) {
            return Err(wrong(format!("names {letter:?} twice in the output")));
        }
        if !all.contains(&label) {
            return Err(wrong(format!(
                "has {letter:?} in the output, but in no operand"
            )));
        }
        found.push(label);
    }
    Ok(found)
}

impl Var {
    /// Sums of products over dims with names: `ij,jk->ik` is a matrix product.
    ///
    /// Each operand's dims are named by letters, operands are separated by commas. Dims of one name run together; those that do
    /// not stand behind `->` are summed. A letter twice in an operand is its diagonal; `...` stands for dims without names, which
    /// broadcast. Without `->` the output has the dims of `...` and then the letters that stand once, in alphabetical order,
    /// capitals first. Spaces are skipped.
    ///
    /// # Shapes
    /// Dims of one name are equal, or 1.
    ///
    /// # Numerics
    /// Operands are multiplied from the first to the last, by [`Var::matmul`] where something is summed. f32 or f64, all alike.
    ///
    /// # Gradient
    /// That of the products. Saves the operands and what was multiplied so far.
    ///
    /// # Errors
    /// [`Error::Call`] for an equation that is none or does not fit the number of operands or their ranks; [`Error::ShapeMismatch`] if
    /// sizes differ; [`Error::DTypeMismatch`]; [`Error::DType`]; [`Error::RankTooHigh`] if a product has too many dims.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(Var::einsum("ii->", &[&x])?.item::<f32>()?, 5.0);
    /// assert_eq!(Var::einsum("ij,kj->ik", &[&x, &x])?.tensor().to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.einsum`.
    pub fn einsum(equation: &str, vars: &[&Self]) -> Result<Self> {
        if vars.is_empty() {
            return Err(Error::Length {
                op: "einsum",
                expected: 1,
                got: 0,
            });
        }
        let (operands, output) = labels(equation, vars)?;
        let operand = |(labels, x): (Vec<Label>, &&Self)| Operand {
            x: Self::clone(x),
            labels,
        };
        let operands = operands.into_iter().zip(vars).map(operand);
        contract("einsum", operands.collect(), &output)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("einsum", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        Ok(one(Var::einsum(a.text("equation")?, &vars)?))
    })
    .small_only()
    .variety(3)
    .list("tensors", Kind::Float)
    .required("equation", AttrType::Text)
    .reference(reference)
    .draw(draw)
}

const EQUATIONS: [&str; 22] = [
    "ij,jk->ik",
    "ij,jk",
    "i,i->",
    "ii->i",
    "ii",
    "ij->ji",
    "bij,bjk->bik",
    "...ij,...jk->...ik",
    "ij,kl->ikjl",
    "ij,ij->ij",
    "ijk->",
    "ij,jk,kl->il",
    "bi,bj,bk->bijk",
    "...i,...i->...",
    "i...->...",
    "aab,bc->ca",
    "ij,k->k",
    " i j , j -> i ",
    "Ab,bA->A",
    "ij,jk,ki->",
    "b...,...b",
    "...a,b...->ba",
];

fn draw(d: &mut Draw) -> Result<Args> {
    let equation = d.pick(&EQUATIONS);
    let mut sizes = BTreeMap::new();
    let inputs = equation
        .split("->")
        .next()
        .unwrap_or_default()
        .replace(' ', "");
    let mut parts = Vec::new();
    for term in inputs.split(',') {
        let mut dims = Vec::new();
        let letters: Vec<char> = term.replace("...", "*").chars().collect();
        for &c in &letters {
            if c == '*' {
                dims.extend([2, 1, 2].iter().take(d.range(0..=1)));
                continue;
            }
            let size = *sizes.entry(c).or_insert_with(|| d.range(1..=3));
            let repeated = letters.iter().filter(|&&l| l == c).count() > 1;
            dims.push(if !repeated && d.below(5) == 4 {
                1
            } else {
                size
            });
        }
        parts.push(d.reals(&dims)?);
    }
    let parts: Vec<Tensor> = parts;
    Ok(Args::new()
        .with("tensors", parts)
        .attr("equation", equation))
}

/// Loops over all names at once.
fn reference(a: &Args) -> Result<Vec<Dense>> {
    let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
    let all = all.collect::<Result<Vec<Dense>>>()?;
    let equation = a.text("equation")?.replace(' ', "");
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output.to_owned())),
        None => (&equation[..], None),
    };
    // The dims of an ellipsis are named by digits, counted from the end.
    let digits = |count: usize| -> String {
        (0..count)
            .rev()
            .map(|i| char::from(b'0' + i as u8))
            .collect()
    };
    let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
    let mut terms: Vec<Vec<char>> = Vec::new();
    let mut widest = 0;
    for (term, x) in inputs.split(',').zip(&all) {
        let width = (x.rank() + 3).saturating_sub(term.len());
        if term.contains("...") {
            widest = widest.max(width);
        }
        let names: Vec<char> = term.replace("...", &digits(width)).chars().collect();
        for (&name, &size) in names.iter().zip(&x.dims) {
            let known = sizes.entry(name).or_insert(size);
            if *known == 1 {
                *known = size;
            }
        }
        terms.push(names);
    }
    let output: Vec<char> = match output {
        Some(output) => output.replace("...", &digits(widest)).chars().collect(),
        None => {
            let count = |c: &char| terms.iter().flatten().filter(|t| *t == c).count();
            let once = sizes
                .keys()
                .filter(|c| c.is_ascii_alphabetic() && count(c) == 1);
            digits(widest).chars().chain(once.copied()).collect()
        }
    };
    let dims: Vec<usize> = output.iter().map(|c| sizes[c]).collect();
    let rest: Vec<char> = sizes
        .keys()
        .copied()
        .filter(|c| !output.contains(c))
        .collect();
    let inner: Vec<usize> = rest.iter().map(|c| sizes[c]).collect();
    Ok(vec![Dense::from_fn(&dims, |at| {
        let mut sum = 0.0;
        crate::registry::dense::for_each_index(&inner, |within| {
            let index = |c: &char| match output.iter().position(|o| o == c) {
                Some(i) => at[i],
                None => rest.iter().position(|r| r == c).map_or(0, |i| within[i]),
            };
            let factor = |(names, x): (&Vec<char>, &Dense)| {
                let places = names.iter().zip(&x.dims);
                let own: Vec<usize> = places
                    .map(|(c, &size)| if size == 1 { 0 } else { index(c) })
                    .collect();
                x.at(&own)
            };
            sum += terms.iter().zip(&all).map(factor).product::<f64>();
        });
        sum
    })])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_46_sums_over_nothing() {
        let x = Var::constant(tensor::<f64>(&[], [2, 0]));
        let y = Var::constant(tensor::<f64>(&[], [0, 3]));
        let product = Var::einsum("ij,jk->ik", &[&x, &y]).unwrap();
        assert_eq!(
            (product.dims(), values(&product)),
            (&[2, 3][..], vec![0.0; 6])
        );
    }

    #[test]
    fn rejects_equations_that_are_none() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for equation in [
            "", "i", "ijk", "ij,jk", "ij->ii", "ij->k", "i1", "ij->i->j", "i..j", "...i...",
            "ij->é", "ij-", "......", "ij->ij,",
        ] {
            let got = Var::einsum(equation, &[&x]);
            assert!(
                matches!(got, Err(Error::Call { .. })),
                "{equation:?} {got:?}"
            );
        }
        assert!(matches!(Var::einsum("", &[]), Err(Error::Length { .. })));
        let got = Var::einsum("ii", &[&x]);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = Var::einsum("ij,ji", &[&x, &x]);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
