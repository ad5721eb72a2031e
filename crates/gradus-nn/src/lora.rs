//! Low-rank adapters: a frozen layer plus a small trained product beside its weight. Hu et al. 2021, arXiv:2106.09685.
//!
//! A scope with a [`LoraConfig`] makes the linear layers that it picks with two more parameters, `lora_A.weight` `(r, in)` and
//! `lora_B.weight` `(out, r)`, and freezes everything else. The layer then gives `y + scale · dropout(x) · Aᵀ · Bᵀ`. B starts at 0,
//! so a new adapter changes nothing. Names, start values and scale are those of PEFT.

use gradus_autograd::{Error, Parameter, Result, ResultExt, Var};

use crate::{Ctx, Dropout, Init, Module, Scope};

/// The options of adapters, with PEFT's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// The rank of the product. Default: 8.
    pub rank: usize,
    /// The product is multiplied by `alpha / rank`. Default: 8.
    pub alpha: f64,
    /// The probability of dropping an input of the adapter, in training. Default: 0.
    pub dropout: f64,
    /// Multiplies by `alpha / √rank` instead; PEFT's `use_rslora`. Default: no.
    pub rank_stabilised: bool,
    /// Which linear layers get one. A plain name such as `q_proj` or `attn.c_attn` picks all layers whose path is it or ends with
    /// it after a dot; a name with `*` (any characters) or `?` (one) must match the whole path. Default: none.
    pub targets: Vec<String>,
    /// Modules that are trained in full, by the same rule, such as a new head; PEFT's `modules_to_save`. Default: none.
    pub trained: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
            dropout: 0.0,
            rank_stabilised: false,
            targets: Vec::new(),
            trained: Vec::new(),
        }
    }
}

impl LoraConfig {
    /// What the product is multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha
            / if self.rank_stabilised {
                rank.sqrt()
            } else {
                rank
            }
    }

    /// Whether the layer at this path gets an adapter.
    pub fn picks(&self, path: &str) -> bool {
        self.targets.iter().any(|target| names(target, path))
    }

    /// Whether the parameter of this key is trained in full: it lies in a module that [`LoraConfig::trained`] names.
    pub fn trains(&self, key: &str) -> bool {
        let modules = key.match_indices('.').map(|(end, _)| &key[..end]);
        modules
            .into_iter()
            .any(|module| self.trained.iter().any(|name| names(name, module)))
    }

    fn check(&self) -> Result<()> {
        let argument = |name, expected, got| Error::Argument {
            op: "lora",
            name,
            expected,
            got,
        };
        if self.rank == 0 {
            return Err(argument("rank", "at least 1", 0.0));
        }
        if !self.alpha.is_finite() {
            return Err(argument("alpha", "a number", self.alpha));
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return Err(argument("dropout", "in 0..=1", self.dropout));
        }
        Ok(())
    }
}

/// Whether a target of [`LoraConfig::targets`] names the module at `path`.
fn names(target: &str, path: &str) -> bool {
    if target.contains(['*', '?']) {
        return fits(target.as_bytes(), path.as_bytes());
    }
    path.strip_suffix(target)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Whether `name` matches a pattern of `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    // reached[n]: the part of the pattern so far matches the first n bytes
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for &part in pattern {
        if part == b'*' {
            let first = reached.iter().position(|&r| r).unwrap_or(reached.len());
            reached[first..].fill(true);
        } else {
            for n in (0..name.len()).rev() {
                reached[n + 1] = reached[n] && (part == b'?' || part == name[n]);
            }
            reached[0] = false;
        }
    }
    reached[name.len()]
}

/// Whether a key is a parameter of an adapter rather than of the model itself.
pub fn is_adapter_key(key: &str) -> bool {
    let start = [".lora_A.", ".lora_B."];
    start.iter().any(|part| key.contains(part)) || key.starts_with("lora_")
}

/// How the weight of an adapted layer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// `(out, in)`: linear layers.
    OutIn,
    /// `(in, out)`: the `Conv1D` of GPT-2.
    InOut,
}

/// The adapter of one layer. Clones share its parameters.
#[derive(Clone, Debug)]
pub struct Adapter {
    path: String,
    base: Parameter,
    layout: WeightLayout,
    a: Parameter,
    b: Parameter,
    scale: f64,
    dropout: Option<Dropout>,
}

impl Adapter {
    /// The adapter of the layer at `scope`, if its configuration picks this layer. `base` is the layer's weight.
    ///
    /// # Errors
    /// [`Error::Argument`] for an option outside its domain; [`Error::Rank`] if `base` is no matrix; those of making the parameters.
    pub fn of(scope: &Scope, base: &Parameter, layout: WeightLayout) -> Result<Option<Self>> {
        let Some(config) = scope.lora().filter(|config| config.picks(scope.path())) else {
            return Ok(None);
        };
        let path = scope.path().to_owned();
        config.check().at(|| path.clone())?;
        let [rows, cols] = base.shape().to_array("lora").at(|| path.clone())?;
        let (outputs, inputs) = match layout {
            WeightLayout::OutIn => (rows, cols),
            WeightLayout::InOut => (cols, rows),
        };
        let (rank, start) = (config.rank, Init::Fan { fan_in: inputs });
        let a = scope
            .at("lora_A")
            .parameter("weight", [rank, inputs], start)?;
        let b = scope
            .at("lora_B")
            .parameter("weight", [outputs, rank], Init::Zeros)?;
        let dropout =
            (config.dropout > 0.0).then(|| Dropout::new(&scope.at("lora_dropout"), config.dropout));
        let adapter = Self {
            path,
            base: base.clone(),
            layout,
            a,
            b,
            scale: config.scale(),
            dropout,
        };
        scope.adapted(adapter.clone());
        Ok(Some(adapter))
    }

    /// The path of the layer.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How the layer's weight lies.
    pub fn layout(&self) -> WeightLayout {
        self.layout
    }

    /// The first factor, `(rank, in)`.
    pub fn a(&self) -> &Parameter {
        &self.a
    }

    /// The second factor, `(out, rank)`.
    pub fn b(&self) -> &Parameter {
        &self.b
    }

    /// What the product is multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// `y + scale · dropout(x) · Aᵀ · Bᵀ`, where `y` is what the layer made of `x`.
    ///
    /// # Errors
    /// Those of the ops, with the layer's path in front.
    pub fn add(&self, y: &Var, x: &Var, ctx: &Ctx) -> Result<Var> {
        let mut x = x.clone();
        if let Some(dropout) = &self.dropout {
            x = dropout.forward(&x, ctx)?;
        }
        let low = x.linear(&self.a.var(), None);
        low.and_then(|low| low.linear(&self.b.var(), None))
            .and_then(|delta| y.add_scaled(&delta, self.scale))
            .at(|| self.path.as_str())
    }

    /// Adds the product to the layer's weight and sets B to 0: the layer gives what it gave, without the adapter's share.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn merge(&self) -> Result<()> {
        let path = || self.path.as_str();
        let [a, b, base] = [&self.a, &self.b, &self.base].map(|p| Var::constant(p.tensor()));
        let delta = match self.layout {
            WeightLayout::OutIn => b.matmul(&a),
            WeightLayout::InOut => b.matmul(&a).and_then(|delta| delta.transpose(0, 1)),
        };
        let merged = base.add_scaled(&delta.at(path)?, self.scale).at(path)?;
        let zero = b.mul_scalar(0.0).at(path)?;
        self.base
            .set(merged.into_tensor().deep_copy().at(path)?)
            .and_then(|()| self.b.set(zero.into_tensor()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linear, ParamStore};
    use gradus_autograd::{DType, Tensor};

    fn config(targets: &[&str]) -> LoraConfig {
        LoraConfig {
            rank: 2,
            alpha: 3.0,
            targets: targets.iter().map(|&t| t.to_owned()).collect(),
            ..LoraConfig::default()
        }
    }

    #[test]
    fn targets_pick_by_last_names_or_by_pattern() {
        let plain = config(&["q_proj", "attn.c_attn"]);
        for (path, picked) in [
            ("layers.0.q_proj", true),
            ("q_proj", true),
            ("layers.0.xq_proj", false),
            ("h.1.attn.c_attn", true),
            ("h.1.c_attn", false),
            ("q_proj.0", false),
        ] {
            assert_eq!(plain.picks(path), picked, "{path}");
        }
        let pattern = config(&["*.layers.?.*_proj"]);
        assert!(pattern.picks("model.layers.3.mlp.up_proj"));
        assert!(!pattern.picks("model.layers.13.mlp.up_proj"));
        assert!(!pattern.picks("model.layers.3.mlp.up_proj.x"));
        let head = LoraConfig {
            trained: vec!["classifier".to_owned()],
            ..config(&[])
        };
        assert!(head.trains("classifier.weight") && head.trains("bert.classifier.dense.bias"));
        assert!(!head.trains("bert.pooler.dense.bias"));
    }

    #[test]
    fn a_new_adapter_changes_nothing_and_alone_is_trained() {
        let (plain, adapted) = (ParamStore::seeded(3), ParamStore::seeded(3));
        let x = Var::constant(Tensor::arange(0.0_f32, 8.0, 1.0).unwrap());
        let x = x.reshape([2, 4]).unwrap();
        let base = Linear::new(&plain.root().at("fc"), 4, 3).unwrap();
        let scope = adapted.root().with_lora(config(&["fc"]));
        let layer = Linear::new(&scope.at("fc"), 4, 3).unwrap();
        Linear::new(&scope.at("other"), 4, 3).unwrap();
        let run = |layer: &Linear| {
            let y = layer.forward(&x, &Ctx::train(1, 1)).unwrap();
            (y.tensor().to_vec::<f32>().unwrap(), y)
        };
        assert_eq!(run(&base).0, run(&layer).0);
        let names: Vec<String> = adapted.keys().into_iter().map(|(name, _)| name).collect();
        let lora = ["fc.lora_A.weight", "fc.lora_B.weight"];
        let own = ["fc.weight", "fc.bias", "other.weight", "other.bias"];
        assert_eq!(names.iter().filter(|name| is_adapter_key(name)).count(), 2);
        assert!(
            own.iter()
                .chain(&lora)
                .all(|name| names.contains(&(*name).to_owned()))
        );
        for parameter in adapted.parameters() {
            let trained = is_adapter_key(parameter.name());
            assert_eq!(parameter.trainable(), trained, "{parameter:?}");
        }
        let grads = run(&layer).1.sum(&[], false).unwrap().backward().unwrap();
        assert!(grads.get(adapted.adapters()[0].b()).is_some());
        assert!(grads.get(layer.weight()).is_none());
    }

    #[test]
    fn merged_weights_give_what_the_adapter_gave() {
        let store = ParamStore::with_dtype(5, DType::F64);
        let scope = store.root().with_lora(config(&["fc"]));
        let layer = Linear::new(&scope.at("fc"), 4, 3).unwrap();
        let adapter = &store.adapters()[0];
        let wave: Vec<f64> = (0..6).map(|i| f64::from(i).cos()).collect();
        adapter
            .b()
            .set(Tensor::from_slice(&wave, [3, 2]).unwrap())
            .unwrap();
        let x = Var::constant(Tensor::arange(0.0_f64, 4.0, 1.0).unwrap());
        let run = || {
            let y = layer.forward(&x, &Ctx::eval()).unwrap();
            y.tensor().to_vec::<f64>().unwrap()
        };
        let [weight, a] =
            [layer.weight(), adapter.a()].map(|p| p.tensor().to_vec::<f64>().unwrap());
        let before = run();
        let low = |r: usize| (0..4).map(|i| a[r * 4 + i] * i as f64).sum::<f64>();
        for (o, y) in before.iter().enumerate() {
            let own: f64 = (0..4).map(|i| weight[o * 4 + i] * i as f64).sum();
            let bias = layer.bias().unwrap().tensor().to_vec::<f64>().unwrap()[o];
            let want = own + bias + 1.5 * (0..2).map(|r| wave[o * 2 + r] * low(r)).sum::<f64>();
            assert!((y - want).abs() < 1e-12, "{y} {want}");
        }
        adapter.merge().unwrap();
        assert_ne!(layer.weight().tensor().to_vec::<f64>().unwrap(), weight);
        assert!(
            adapter
                .b()
                .tensor()
                .to_vec::<f64>()
                .unwrap()
                .iter()
                .all(|&b| b == 0.0)
        );
        for (a, b) in before.iter().zip(run()) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn options_outside_their_domain_are_refused_with_the_layer() {
        for bad in [
            LoraConfig {
                rank: 0,
                ..config(&["fc"])
            },
            LoraConfig {
                alpha: f64::NAN,
                ..config(&["fc"])
            },
            LoraConfig {
                dropout: 1.5,
                ..config(&["fc"])
            },
        ] {
            let scope = ParamStore::seeded(1).root().with_lora(bad);
            let error = Linear::new(&scope.at("fc"), 4, 3).unwrap_err().to_string();
            assert!(error.starts_with("fc: lora: "), "{error}");
        }
    }
}
