//! The registry: every op under its name, with what checks it and what calls it from outside.
//!
//! An op's file holds its [`OpSpec`]: the names of its inputs and attributes, how to call it, how to draw a case, and a naive reference
//! in f64. [`check`] proves an op from these alone; the program `gradus` lists, runs and checks ops through [`all`].
//!
//! ```
//! use gradus_autograd::registry::{self, Args};
//! use gradus_autograd::{Tensor, Var};
//! let x = Var::constant(Tensor::from_slice(&[1.0_f64, 2.0, 3.0], 3)?);
//! let args = Args::new().with("x", x).attr("dim", 0);
//! let out = registry::find("cumsum").expect("it is registered").call(args)?;
//! assert_eq!(out[0].tensor().to_vec::<f64>()?, [1.0, 3.0, 6.0]);
//! # Ok::<(), gradus_autograd::Error>(())
//! ```

mod args;
mod check;
pub(crate) mod dense;
mod draw;
mod fuzz;
mod layouts;
mod spec;
pub(crate) mod templates;

use std::sync::LazyLock;

pub use args::{Args, Attr, Input};
pub use check::{CheckConfig, CheckReport, SecondOrder, check, check_case};
pub use dense::Dense;
pub(crate) use dense::for_each_index;
pub use draw::{Draw, Values};
pub use fuzz::arbitrary;
pub use spec::{AttrSpec, AttrType, Class, InputSpec, Kind, OpSpec, one};

/// A folder of ops: its name and the specs of its files.
pub(crate) type Group = (&'static str, &'static [fn() -> OpSpec]);

/// All ops, sorted by name.
pub fn all() -> &'static [OpSpec] {
    static ALL: LazyLock<Vec<OpSpec>> = LazyLock::new(|| {
        let groups = crate::ops::GROUPS.iter();
        let mut specs: Vec<OpSpec> = groups
            .flat_map(|(group, specs)| specs.iter().map(|spec| spec().in_group(group)))
            .collect();
        specs.sort_by_key(OpSpec::name);
        specs
    });
    &ALL
}

/// The op of this name.
pub fn find(name: &str) -> Option<&'static OpSpec> {
    let all = all();
    let at = all.binary_search_by_key(&name, |spec| spec.name()).ok()?;
    Some(&all[at])
}
